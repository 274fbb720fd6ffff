//! The way of a record through the application's interceptors and serializers: only producers that have any take it.

use std::ffi::{CString, c_void};
use std::ptr;

use crate::accumulator::{Placed, Tag, Topic};
use crate::capi::call_out::returning;
use crate::capi::interceptor::Interceptor;
use crate::capi::producer::Inside;
use crate::capi::record::{producer_record_t, record_bytes, with_record};
use crate::capi::report::{
    PRODUCER_PERSISTED_NO, PRODUCER_PHASE_REFUSED, PRODUCER_TIMESTAMP_TYPE_CREATE, producer_report_t,
};
use crate::capi::send::{prepare, send_plain};
use crate::capi::serializer::Serializer;
use crate::error::{Error, Result, Status};
use crate::record::Record;
use crate::reports::{RICH, SILENT};

/// What log lines about interceptors are filed under.
const FACILITY: &str = "INTERCEPTOR";
const WARNING: i32 = 4;

/// The application's functions that records pass, of one producer or of a configuration.
#[derive(Clone, Default)]
pub struct Hooks {
    pub interceptors: Vec<Interceptor>,
    pub key_serializer: Option<Serializer>,
    pub value_serializer: Option<Serializer>,
}

impl Hooks {
    pub fn is_empty(&self) -> bool {
        self.interceptors.is_empty() && self.key_serializer.is_none() && self.value_serializer.is_none()
    }

    /// Whether every record has to be reported, also those that nobody else wants to hear of.
    pub fn hear(&self) -> bool {
        self.interceptors.iter().any(Interceptor::hears)
    }

    /// Tells the chain of a report.
    #[cold]
    pub fn on_acknowledgement(&self, report: &producer_report_t) {
        for interceptor in &self.interceptors {
            interceptor.on_acknowledgement(report);
        }
    }

    pub fn on_close(&self) {
        for interceptor in &self.interceptors {
            interceptor.on_close();
        }
    }
}

/// Sends a record by way of the hooks. On their return it is sent, or refused and the interceptors have heard of it.
///
/// # Safety
/// As `send_one`.
#[cold]
pub(super) unsafe fn send_hooked(
    inside: &Inside<'_>,
    hooks: &Hooks,
    record: &producer_record_t,
    tag: Option<Tag>,
) -> Result<Placed> {
    if inside.is_called_out() {
        let text = "a record was sent from an interceptor or a serializer of the same producer; send it elsewhere";
        return Err(Error::new(Status::IN_CALLBACK, text));
    }
    // The sender's own mistakes are the sender's to hear of, before anybody else sees the record.
    // SAFETY: as the caller promises.
    unsafe { check(inside, hooks, record) }?;
    // A later version's record is longer, by fields that are zero.
    let mut current = producer_record_t { struct_size: size_of::<producer_record_t>(), ..*record };
    let heard = tag.or(hooks.hear().then_some(Tag::marked(SILENT, 0)));
    let sent = returning(|| {
        for interceptor in &hooks.interceptors {
            // SAFETY: as the caller promises, and the interceptor for what it lets the record point to.
            unsafe { intercept(inside, hooks, interceptor, &mut current) }?;
        }
        // SAFETY: as above.
        unsafe { serialize(inside, hooks, &mut current).and_then(|()| send_plain(inside, &current, heard)) }
    });
    sent.map_err(|why| {
        let why = if tag.is_none() { name_the_listener(hooks, why) } else { why };
        // SAFETY: as above.
        unsafe { refused(inside, hooks, &current, tag, &why) };
        why
    })
}

/// Whether it is a record at all, of whatever size.
///
/// # Safety
/// As `send_one`.
unsafe fn check(inside: &Inside<'_>, hooks: &Hooks, record: &producer_record_t) -> Result<()> {
    // SAFETY: as the caller promises.
    unsafe { with_fields(inside, hooks, record, |_, _| Ok(())) }
}

/// # Safety
/// As `send_one`.
unsafe fn check_size(inside: &Inside<'_>, hooks: &Hooks, record: &producer_record_t) -> Result<()> {
    // SAFETY: as the caller promises.
    unsafe { with_fields(inside, hooks, record, |topic, fields| inside.check_fits(topic, fields)) }
}

/// # Safety
/// As `send_one`.
unsafe fn with_fields(
    inside: &Inside<'_>,
    hooks: &Hooks,
    record: &producer_record_t,
    look: impl FnOnce(&Topic, &Record<'_>) -> Result<()>,
) -> Result<()> {
    // SAFETY: as the caller promises.
    let (topic, _, timestamp_ms) = unsafe { prepare(inside, record, None) }?;
    // What a serializer will replace may be anything.
    let mut bytes = *record;
    if hooks.key_serializer.is_some() {
        (bytes.key, bytes.key_len) = (ptr::null(), 0);
    }
    if hooks.value_serializer.is_some() {
        (bytes.value, bytes.value_len) = (ptr::null(), 0);
    }
    // SAFETY: as the caller promises.
    unsafe { with_record(&bytes, timestamp_ms, |fields| look(topic, fields)) }
}

/// Asks one interceptor; the record stays as it was when that goes wrong. An error: it did not return.
///
/// # Safety
/// As `send_one`.
unsafe fn intercept(
    inside: &Inside<'_>,
    hooks: &Hooks,
    interceptor: &Interceptor,
    record: &mut producer_record_t,
) -> Result<()> {
    let mut next = *record;
    let Some(status) = inside.call_out(|| interceptor.on_send(&mut next))? else { return Ok(()) };
    let wrong = if status != Status::OK.code() {
        Some(format!("answered {}", Status(status).name()))
    } else if next.struct_size != record.struct_size {
        Some("changed struct_size".into())
    } else {
        // SAFETY: as the caller promises, and the interceptor for what it has set.
        unsafe { check_changes(inside, hooks, record, &next) }.err().map(|wrong| wrong.message)
    };
    match wrong {
        None => *record = next,
        Some(wrong) => complain(inside, interceptor, record, &wrong),
    }
    Ok(())
}

/// What would be refused, now or later, and would not have been before.
///
/// # Safety
/// As `send_one`.
unsafe fn check_changes(
    inside: &Inside<'_>,
    hooks: &Hooks,
    before: &producer_record_t,
    after: &producer_record_t,
) -> Result<()> {
    // SAFETY: as the caller promises, and the interceptor for what it has set.
    let (topic, sending, _) = unsafe {
        check(inside, hooks, after)?;
        // One that was too large already may be on its way to the interceptor that stores it elsewhere.
        if let Err(too_large) = check_size(inside, hooks, after)
            && check_size(inside, hooks, before).is_ok()
        {
            return Err(too_large);
        }
        prepare(inside, after, None)?
    };
    let count = topic.partition_count();
    let is_new =
        (before.partition, before.topic, before.topic_handle) != (after.partition, after.topic, after.topic_handle);
    match sending.partition {
        Some(partition) if is_new && count > 0 && partition >= count => {
            let text = format!("topic '{}' has no partition {partition}: it has {count}", topic.name());
            Err(Error::new(Status::UNKNOWN_PARTITION, text))
        }
        _ => Ok(()),
    }
}

fn complain(inside: &Inside<'_>, interceptor: &Interceptor, record: &producer_record_t, wrong: &str) {
    let Some(untold) = interceptor.may_complain(inside.wall_ms()) else { return };
    inside.log(WARNING, FACILITY, || {
        // SAFETY: the record was checked before any interceptor saw it, and after each change.
        let topic = unsafe { prepare(inside, record, None) }.map_or("?", |(topic, _, _)| topic.name());
        let name = interceptor.name.to_string_lossy();
        let more = if untold > 0 { format!(" ({untold} more since the last line)") } else { String::new() };
        format!(
            "on_send of interceptor '{name}' failed for a record of topic '{topic}', which goes on as it was before it: \
             {wrong}{more}"
        )
    });
}

/// Turns key and value into bytes.
///
/// # Safety
/// As `send_one`.
unsafe fn serialize(inside: &Inside<'_>, hooks: &Hooks, record: &mut producer_record_t) -> Result<()> {
    for (serializer, is_key) in [(&hooks.key_serializer, true), (&hooks.value_serializer, false)] {
        let Some(serializer) = serializer else { continue };
        if if is_key { record.key } else { record.value }.is_null() {
            // SAFETY: as the caller promises. A length beside NULL is the sender's mistake.
            unsafe { record_bytes(record, is_key) }?;
            continue;
        }
        // SAFETY: as the caller promises.
        let (topic, _, _) = unsafe { prepare(inside, record, None) }?;
        // SAFETY: as the caller promises.
        inside.call_out(|| unsafe { serializer.serialize(record, is_key, topic.c_name()) })?;
    }
    Ok(())
}

/// A record without a callback is kept track of for an interceptor's sake: its sender cannot know.
fn name_the_listener(hooks: &Hooks, mut why: Error) -> Error {
    let listener = hooks.interceptors.iter().find(|interceptor| interceptor.hears());
    if let (Status::REPORTS_NOT_TAKEN, Some(listener)) = (why.status, listener) {
        let name = listener.name.to_string_lossy();
        why.message += &format!("; interceptor '{name}' hears of every record, also of those without a callback");
    }
    why
}

/// Tells the interceptors of a record that was not accepted.
///
/// # Safety
/// As `send_one`.
unsafe fn refused(inside: &Inside<'_>, hooks: &Hooks, record: &producer_record_t, tag: Option<Tag>, why: &Error) {
    if !hooks.hear() {
        return;
    }
    let len = |data: *const c_void, len: usize| match data.is_null() {
        true => -1,
        false => i64::try_from(len).unwrap_or(i64::MAX),
    };
    let text = CString::new(why.message.replace('\0', "")).unwrap_or_default();
    // SAFETY: as the caller promises.
    let (topic, sending, timestamp_ms) = match unsafe { prepare(inside, record, None) } {
        Ok((topic, sending, timestamp_ms)) => (Some(topic), sending.partition, timestamp_ms),
        Err(_) => (None, None, -1),
    };
    let report = producer_report_t {
        struct_size: size_of::<producer_report_t>(),
        status: why.status.code(),
        topic: topic.map_or(ptr::null(), |topic: &Topic| topic.c_name().as_ptr()),
        partition: sending.map_or(-1, |partition| partition as i32),
        offset: -1,
        timestamp_ms,
        timestamp_type: PRODUCER_TIMESTAMP_TYPE_CREATE,
        key_len: len(record.key, record.key_len),
        value_len: len(record.value, record.value_len),
        persisted: PRODUCER_PERSISTED_NO,
        phase: PRODUCER_PHASE_REFUSED,
        broker_id: -1,
        attempts: 0,
        latency_us: 0,
        record_count: 1,
        opaque: match tag {
            None => ptr::null_mut(),
            Some(tag) if tag.callback() == RICH => inside.rich_tags().opaque(tag.opaque) as *mut c_void,
            Some(tag) => tag.opaque as *mut c_void,
        },
        error_text: text.as_ptr(),
    };
    inside.call_out(|| hooks.on_acknowledgement(&report));
}
