//! Topics and their partitions: created by the first send that names a topic, filled in when metadata arrives, and kept
//! as long as the producer, so that names and handles stay valid.

use std::collections::{HashMap, VecDeque};
use std::ffi::{CStr, CString};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::sync::{Mutex, RwLock};

use super::choice::Spread;
use super::direct::DirectBatch;
use super::fallible::{self, OutOfMemory, SharedBytes};
use super::partition::Partition;
use super::settings::TopicSettings;
use crate::config::Config;
use crate::error::{Error, Result, Status};
use crate::partitioner::Sticky;
use crate::record::{Header, Record};
use crate::reports::Slot;
use crate::stats::TopicNumbers;
use crate::time::Time;

/// Topics of one producer. A program that needs more is sending to names it makes up.
const TOPICS_MAX: usize = 100_000;
/// Times that a topic's partition count may grow; each step at least doubles the room.
const GROWTH_STEPS: usize = 24;
/// Kafka's limit for a topic name.
pub const TOPIC_NAME_MAX: usize = 249;
/// No leader known.
pub const NO_LEADER: i32 = -1;

pub struct Topic {
    pub id: u32,
    /// Of the producer it belongs to: a handle used with another producer is recognised.
    pub producer: u64,
    name: Arc<CStr>,
    /// Partitions that records may be sent to; 0 until metadata is there.
    partition_count: AtomicU32,
    /// Partitions are never moved: the first segment is the topic as first seen, later ones are growth.
    segments: [OnceLock<Box<[Partition]>>; GROWTH_STEPS],
    settings: TopicSettings,
    pub sticky: Sticky,
    /// On cache lines of its own: the I/O thread writes it while others send.
    pub numbers: Box<TopicNumbers>,
    /// Records that wait for metadata, in the order in which they came. Whoever finds the count zero looks again under
    /// this lock: the count is published under it, after the queue has been emptied into the partitions.
    pub(super) parked: Mutex<VecDeque<ParkedRecord>>,
    /// Records parked so far: counted under that lock.
    parked_ever: AtomicU64,
    pub(super) spread: Spread,
}

/// A header with its own copy of name and value.
pub(super) type OwnHeader = (Box<str>, Option<Box<[u8]>>);

/// A record with its own copy of everything: only until its topic's partitions are known.
#[derive(Debug)]
pub struct ParkedRecord {
    /// The partition asked for; `None` leaves the choice to the partitioner.
    pub partition: Option<u32>,
    /// The application's partitioner has yet to be asked.
    pub is_unchosen: bool,
    /// Its place in the topic: tells it from others while its partition is being chosen.
    pub serial: u64,
    /// Shared with whoever chooses its partition.
    pub key: Option<SharedBytes>,
    pub value: Option<SharedBytes>,
    pub headers: Vec<OwnHeader>,
    pub timestamp_ms: i64,
    pub tag: Option<Tag>,
    /// Instead of the topic's.
    pub acks: Option<i16>,
    pub parked_at: Time,
    pub deadline: Time,
    /// What it takes of `buffer.memory`.
    pub charged: usize,
    /// It is a whole batch that the application made, and the fields of a record are empty.
    pub direct: Option<Box<DirectBatch>>,
}

/// Who hears of a record: address of the callback, or a mark, and its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Never 0, so that `Option<Tag>` is two words that stay in registers: written to the stack word by word and read
    /// as a whole, it waits for every store before it, those of the record before into cold memory among them.
    callback: NonZeroUsize,
    pub opaque: usize,
}

impl Tag {
    /// `None`: there is no callback at 0.
    #[inline]
    pub fn new(callback: usize, opaque: usize) -> Option<Tag> {
        NonZeroUsize::new(callback).map(|callback| Tag { callback, opaque })
    }

    /// With a mark, which is never 0.
    pub const fn marked(mark: usize, opaque: usize) -> Tag {
        match NonZeroUsize::new(mark) {
            Some(callback) => Tag { callback, opaque },
            None => panic!("0 is no mark"),
        }
    }

    #[inline]
    pub fn callback(self) -> usize {
        self.callback.get()
    }
}

impl ParkedRecord {
    /// Gives the record in borrowed form.
    pub fn with<R>(&self, take: impl FnOnce(&Record<'_>) -> R) -> R {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        take(&Record {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp_ms: self.timestamp_ms,
        })
    }

    /// Hands out its record; or those of the batch that it is, each with its place.
    pub fn each_record(&self, take: &mut dyn FnMut(u32, &Record<'_>)) {
        match &self.direct {
            Some(batch) => batch.each_record(take),
            None => self.with(|record| take(0, record)),
        }
    }

    /// How many records it is.
    pub fn count(&self) -> u32 {
        self.direct.as_ref().map_or(1, |batch| batch.count())
    }

    /// What its report needs, if it wants one: it is a batch of its own.
    pub fn slot(&self) -> Option<Slot> {
        let len = |bytes: &Option<SharedBytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
        self.tag.map(|tag| Slot {
            callback: tag.callback(),
            opaque: tag.opaque,
            key_len: len(&self.key),
            value_len: len(&self.value),
            timestamp_delta_ms: 0,
            offset_delta: 0,
        })
    }

    pub(super) fn new(record: &Record<'_>) -> std::result::Result<ParkedRecord, OutOfMemory> {
        let mut headers = fallible::room(record.headers.len())?;
        for header in record.headers {
            headers.push((fallible::boxed_str(header.name)?, header.value.map(fallible::boxed).transpose()?));
        }
        Ok(ParkedRecord {
            key: record.key.map(SharedBytes::new).transpose()?,
            value: record.value.map(SharedBytes::new).transpose()?,
            headers,
            timestamp_ms: record.timestamp_ms,
            ..ParkedRecord::default()
        })
    }
}

impl Default for ParkedRecord {
    /// A record without fields that nothing is to be done with.
    fn default() -> ParkedRecord {
        ParkedRecord {
            partition: None,
            is_unchosen: false,
            serial: 0,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp_ms: 0,
            tag: None,
            acks: None,
            parked_at: Time::ZERO,
            deadline: Time::NEVER,
            charged: 0,
            direct: None,
        }
    }
}

impl Topic {
    /// What the next parked record is numbered with; under the lock of the parked ones. No number is given twice: the
    /// partition chosen for one that is gone must not become another's.
    pub(super) fn next_serial(&self) -> u64 {
        self.parked_ever.fetch_add(1, Ordering::Relaxed)
    }

    pub fn name(&self) -> &str {
        // Checked when the topic was made: Kafka's legal names are ASCII.
        self.name.to_str().unwrap_or_default()
    }

    pub fn c_name(&self) -> &Arc<CStr> {
        &self.name
    }

    #[inline]
    pub fn settings(&self) -> &TopicSettings {
        &self.settings
    }

    /// 0 until metadata is there.
    #[inline]
    pub fn partition_count(&self) -> u32 {
        self.partition_count.load(Ordering::Acquire)
    }

    #[inline]
    pub fn partition(&self, index: u32) -> Option<&Partition> {
        let mut at = index as usize;
        for segment in &self.segments {
            let segment = segment.get()?;
            match segment.get(at) {
                Some(partition) => return Some(partition),
                None => at -= segment.len(),
            }
        }
        None
    }

    /// The index of the partition with this dense id: partitions that were made together are numbered in a row.
    pub fn index_of(&self, dense: u32) -> Option<u32> {
        self.segments.iter().map_while(|segment| segment.get()).find_map(|segment| {
            let at = dense.checked_sub(segment.first()?.id)?;
            segment.get(at as usize).map(|partition| partition.index as u32)
        })
    }

    /// What its parked records take of `buffer.memory`.
    pub fn parked_bytes(&self) -> usize {
        self.parked.lock().iter().map(|record| record.charged).sum()
    }

    /// Partitions that exist, published or not.
    pub fn room(&self) -> u32 {
        self.segments.iter().map_while(|segment| segment.get()).map(|segment| segment.len() as u32).sum()
    }

    /// Makes partitions until there are `count`; `number` numbers each new one. Called by the I/O thread only.
    pub(super) fn grow(&self, count: u32, mut number: impl FnMut() -> u32) {
        let mut made = 0usize;
        for segment in &self.segments {
            if made >= count as usize {
                return;
            }
            let partitions = segment.get_or_init(|| {
                let room = (count as usize - made).max(made);
                (made..made + room).map(|index| Partition::new(number(), self.id, index as i32)).collect()
            });
            made += partitions.len();
        }
    }

    /// By the I/O thread only, under the lock of the parked records.
    pub(super) fn publish(&self, count: u32) {
        self.partition_count.store(count, Ordering::Release);
    }

    /// Records wait for metadata again, unless some do already: then nothing changes, and the answer is false. By the
    /// I/O thread only.
    pub fn unpublish(&self) -> bool {
        let parked = self.parked.lock();
        if !parked.is_empty() {
            return false;
        }
        self.partition_count.store(0, Ordering::Release);
        self.spread.forget();
        true
    }
}

/// Every topic that was ever named.
pub struct TopicTable {
    producer: u64,
    seed: u64,
    /// What a new topic's records are sent with.
    config: Config,
    by_name: RwLock<HashMap<Box<str>, Arc<Topic>>>,
    by_id: RwLock<Vec<Arc<Topic>>>,
}

impl TopicTable {
    pub fn new(producer: u64, seed: u64, config: &Config) -> TopicTable {
        TopicTable { producer, seed, config: config.clone(), by_name: RwLock::default(), by_id: RwLock::default() }
    }

    pub fn by_id(&self, id: u32) -> Arc<Topic> {
        self.by_id.read()[id as usize].clone()
    }

    pub fn find(&self, name: &str) -> Option<Arc<Topic>> {
        self.by_name.read().get(name).cloned()
    }

    pub fn len(&self) -> usize {
        self.by_id.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The topic of this name, made when it is new. The name is checked: a wrong one is an error now, not a timeout
    /// later.
    pub fn intern(&self, name: &str) -> Result<Arc<Topic>> {
        if let Some(topic) = self.find(name) {
            return Ok(topic);
        }
        check_topic_name(name)?;
        let mut by_name = self.by_name.write();
        if let Some(topic) = by_name.get(name) {
            return Ok(topic.clone());
        }
        let mut by_id = self.by_id.write();
        if by_id.len() >= TOPICS_MAX {
            let text =
                format!("topic '{name}' would be topic number {}; one producer takes {TOPICS_MAX}", TOPICS_MAX + 1);
            return Err(Error::new(Status::NO_RESOURCES, text));
        }
        let c_name = CString::new(name).expect("checked: no NUL in a legal name");
        let id = by_id.len() as u32;
        let topic = Arc::new(Topic {
            id,
            producer: self.producer,
            name: c_name.into(),
            partition_count: AtomicU32::new(0),
            segments: Default::default(),
            settings: TopicSettings::new(&self.config),
            sticky: Sticky::new(self.seed ^ u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            numbers: Box::default(),
            parked: Mutex::default(),
            parked_ever: AtomicU64::new(0),
            spread: Spread::default(),
        });
        by_id.push(topic.clone());
        by_name.insert(name.into(), topic.clone());
        Ok(topic)
    }
}

/// Kafka's rule for topic names: 1 to 249 of `[a-zA-Z0-9._-]`, not "." or "..".
pub fn check_topic_name(name: &str) -> Result<()> {
    let wrong = |why: String| Err(Error::new(Status::INVALID_TOPIC_EXCEPTION, why));
    if name.is_empty() {
        return wrong("the topic name is empty; name the topic to send to".into());
    }
    if name.len() > TOPIC_NAME_MAX {
        let start: String = name.chars().take(20).collect();
        return wrong(format!("topic name '{start}…' has {} bytes; Kafka allows {TOPIC_NAME_MAX}", name.len()));
    }
    if name == "." || name == ".." {
        return wrong(format!("'{name}' is not a legal topic name"));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(c) => wrong(format!("topic name '{name}' has the character {c:?}; Kafka allows a-z A-Z 0-9 . _ -")),
        None => Ok(()),
    }
}

/// A leader's broker id, read by partitioners on application threads, written by the I/O thread.
#[derive(Debug)]
pub(super) struct LeaderCell(AtomicI32);

impl LeaderCell {
    pub fn new() -> LeaderCell {
        LeaderCell(AtomicI32::new(NO_LEADER))
    }

    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, broker: i32) {
        self.0.store(broker, Ordering::Relaxed);
    }
}
