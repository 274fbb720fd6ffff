//! Topics by handle and by name.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::accumulator::Topic;
use crate::capi::boundary::{call, invalid, out_arg, str_arg};
use crate::capi::handle::{Kind, is_no_address, know_address, wrong};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result};
use crate::producer::Producer;
use crate::sync::{Mutex, MutexGuard};
use crate::threads;

/// A topic of one producer: saves producer_send the look-up of its name. Opaque; it belongs to the producer, is valid as
/// long as that is, and is never freed by you. It may be used from any number of threads at once.
#[allow(non_camel_case_types)]
pub struct producer_topic_t {
    _opaque: [u8; 0],
}

/// Gives the handle of a topic, for producer_record_t's `topic_handle`.
///
/// `producer`: the producer. `name`: the topic's name, 1 to 249 of [a-zA-Z0-9._-]; copied. `topic`: receives the handle,
/// valid as long as the producer; the same name gives the same handle.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a name that is not UTF-8;
/// PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not allow; PRODUCER_ERR_NO_RESOURCES for more than
/// 100000 topics; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// Does not block and does not ask a broker whether the topic exists. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_topic(
    producer: *mut producer_t,
    name: *const c_char,
    topic: *mut *const producer_topic_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let name = unsafe { str_arg(name, "name") }?;
        let out = out_arg(topic, "topic")?;
        let found = inside.topic(name)?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = handle_of(&found) };
        Ok(())
    })
}

/// Sets a property for one topic: what is sent there from now on goes by it instead of the producer's configuration.
///
/// `producer`: the producer. `topic`: the topic's name, 1 to 249 of [a-zA-Z0-9._-]; it need not exist yet. `name`: one of
/// acks, linger.ms, batch.size, batch.num.messages, delivery.timeout.ms, request.timeout.ms, compression.type and its levels, or another
/// name of these. `value`: as producer_config_set takes it; for compression.type also
/// `inherit`, the producer's. All three are copied.
/// Returns PRODUCER_OK; PRODUCER_ERR_UNKNOWN_PROPERTY for a name that is no property; PRODUCER_ERR_PROPERTY_NOT_SUPPORTED
/// for a property that holds for the whole producer, or a value that this version has not built;
/// PRODUCER_ERR_INVALID_PROPERTY for a value that is not allowed; PRODUCER_ERR_CONFIG_CONFLICT when it contradicts the
/// topic's other settings or the producer's, such as acks other than all with enable.idempotence=true;
/// PRODUCER_ERR_INVALID_ARGUMENT for an argument that is NULL or not UTF-8; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
/// name that Kafka does not allow; PRODUCER_ERR_NO_RESOURCES for more than 100000 topics, or where no
/// thread to compress with is to be had; PRODUCER_ERR_CLOSED;
/// PRODUCER_ERR_FORKED. On an error nothing changes.
/// Batches that are open keep the acks, linger and delivery time that they were opened with; request.timeout.ms holds for
/// every request that is sent from then on. Batches of different acks or request.timeout.ms never share a request. A
/// delivery.timeout.ms that was never set is raised to linger.ms + request.timeout.ms. Does not block. May be called from
/// any thread, at any time, and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_topic_set(
    producer: *mut producer_t,
    topic: *const c_char,
    name: *const c_char,
    value: *const c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or NUL-ended strings.
        let (topic, name, value) =
            unsafe { (str_arg(topic, "topic")?, str_arg(name, "name")?, str_arg(value, "value")?) };
        inside.set_for_topic(topic, name, value)
    })
}

/// Topics that one thread used last. A program that names its topics by constants finds them here without hashing.
const CACHED: usize = 8;

thread_local! {
    static CACHE: [Cell<(u64, *const Topic)>; CACHED] = const { [const { Cell::new((0, ptr::null())) }; CACHED] };
}

/// What a topic's handle points to. It stays readable for good, so that a handle of a closed producer, or of another one, is
/// recognised by its number.
#[repr(C, align(16))]
struct TopicPlace {
    /// The id of the producer, which no other ever has; 0 when that is closed.
    producer: AtomicU64,
    topic: AtomicPtr<Topic>,
}

/// Places of closed producers wait for so many others before they are used again: an old handle finds a producer that is not its own.
const RETIRED_MIN: usize = 65_536;

/// Every place: those in use by producer and topic, and those of closed producers, oldest first.
pub(super) struct Places {
    used: BTreeMap<(u64, u32), &'static TopicPlace>,
    retired: VecDeque<&'static TopicPlace>,
}

static PLACES: Mutex<Places> = Mutex::new(Places { used: BTreeMap::new(), retired: VecDeque::new() });

/// The handle of a topic, which its producer keeps alive; the same for each call.
fn handle_of(topic: &Arc<Topic>) -> *const producer_topic_t {
    let mut places = PLACES.lock();
    if let Some(place) = places.used.get(&(topic.producer, topic.id)) {
        return ptr::from_ref(*place).cast();
    }
    let place = match places.retired.len() > RETIRED_MIN {
        true => places.retired.pop_front(),
        false => None,
    };
    let place = place.unwrap_or_else(|| {
        let place: &'static TopicPlace =
            Box::leak(Box::new(TopicPlace { producer: AtomicU64::new(0), topic: AtomicPtr::default() }));
        know_address(place, Kind::Topic);
        place
    });
    place.topic.store(Arc::as_ptr(topic).cast_mut(), Ordering::Relaxed);
    place.producer.store(topic.producer, Ordering::Release);
    places.used.insert((topic.producer, topic.id), place);
    ptr::from_ref(place).cast()
}

/// The producer is closed, and its topics are gone.
pub(super) fn retire_handles(producer: u64) {
    let mut places = PLACES.lock();
    let mut later = places.used.split_off(&(producer, 0));
    let mut rest = later.split_off(&(producer + 1, 0));
    places.used.append(&mut rest);
    for place in later.into_values() {
        place.producer.store(0, Ordering::Relaxed);
        places.retired.push_back(place);
    }
}

pub(super) type PlacesLock = MutexGuard<'static, Places>;

/// Takes the list of places across a fork.
pub(super) fn lock_for_fork() -> PlacesLock {
    PLACES.lock()
}

#[cold]
fn wrong_handle(handle: *const producer_topic_t) -> Error {
    let places = PLACES.lock();
    let is_at = |place: &&TopicPlace| ptr::from_ref(*place).addr() == handle.addr();
    if places.used.values().any(&is_at) {
        return invalid("topic_handle is from another producer; ask this one with producer_topic");
    }
    if places.retired.iter().any(is_at) {
        return invalid("topic_handle is from a producer that is closed; ask this one with producer_topic");
    }
    wrong(handle, "topic_handle", Kind::Topic)
}

/// The topic that a record names.
///
/// # Safety
/// `handle` is NULL or from `producer_topic`; `name` is NULL or a NUL-ended string. The topic is borrowed from the
/// living `producer`.
#[inline]
pub(super) unsafe fn topic_of(
    producer: &Producer,
    handle: *const producer_topic_t,
    name: *const c_char,
) -> Result<&Topic> {
    if !is_no_address(handle) {
        // SAFETY: an address that was given to us as a topic's handle is a place of ours, or as readable.
        let producer_of = unsafe { &*handle.cast::<TopicPlace>() };
        if producer_of.producer.load(Ordering::Relaxed) == producer.id() {
            // SAFETY: no other producer has this number: the place is this living one's, and so is the topic.
            return Ok(unsafe { &*producer_of.topic.load(Ordering::Relaxed) });
        }
        return Err(wrong_handle(handle));
    }
    if !handle.is_null() {
        return Err(wrong_handle(handle));
    }
    if name.is_null() {
        return Err(invalid("topic is NULL, and so is topic_handle: name the topic to send to"));
    }
    let place = (name as usize >> 3) % CACHED;
    let (owner, cached) = CACHE.try_with(|cache| cache[place].get()).unwrap_or((0, ptr::null()));
    if owner == producer.id() {
        // SAFETY: topics live as long as their producer, whose id, never reused, says that it is this living one.
        let topic = unsafe { &*cached };
        // SAFETY: both are NUL-ended strings.
        if unsafe { libc::strcmp(topic.c_name().as_ptr(), name) } == 0 {
            return Ok(topic);
        }
    }
    // SAFETY: as the caller promises.
    unsafe { look_up(producer, name, place) }
}

#[cold]
unsafe fn look_up(producer: &Producer, name: *const c_char, place: usize) -> Result<&Topic> {
    // SAFETY: as the caller promises.
    let name = unsafe { str_arg(name, "topic") }?;
    // A new topic's tables may ask the operating system for randomness, which is a cancellation point.
    let found = threads::uncancelled(|| producer.topic(name))?;
    let topic = Arc::as_ptr(&found);
    // A thread that is ending has no cache any more; the next look-up finds the topic again.
    let _ = CACHE.try_with(|cache| cache[place].set((producer.id(), topic)));
    // SAFETY: the producer's table keeps the topic alive as long as the producer.
    Ok(unsafe { &*topic })
}
