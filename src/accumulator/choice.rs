//! The choice of a partition, where it is more than murmur2 of a key or the partition that a topic sticks to: other
//! hashes, the next partition to stick to, one broker, and the application's own function.

use std::any::Any;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::cluster_view::ClusterView;
use super::topic::{NO_LEADER, Topic};
use super::{Accumulator, Command};
use crate::config::Config;
use crate::partitioner::{Cached, Candidate, Keyless, Rotation, SharedRandom, Stalls, Strategy, Table, valid_for};
use crate::record::Record;
use crate::sync::{Mutex, RwLock};
use crate::time::{Micros, Time};

/// The answer of a partitioner that leaves the choice to the library.
pub const ANY_PARTITION: i32 = -1;
/// What stands for a function that did not return.
pub const NOT_CHOSEN: i32 = i32::MIN;
/// Whichever broker it is.
const ANY_BROKER: i32 = i32::MIN;
/// So much of `batch.size` more in its queue makes a partition less likely by one step.
const STEPS_PER_BATCH: usize = 4;
/// What a partitioner sees is this old at most, and older by twice the time that making it costs.
const PICTURE_VALID: Micros = Micros(5_000);
/// Parked records that are chosen for between two looks at the queue.
const CHOSEN_AT_ONCE: usize = 256;
/// Wrong answers of a partitioner are logged once in this time.
const WARNED_EVERY: Micros = Micros::from_ms(10_000);
/// Tries for a partition with a leader.
const TRIES_MAX: u32 = 64;

/// The application's own partitioner. Several threads call it at once, never with a lock held, and never the I/O
/// thread.
pub trait Partitioning: Send + Sync {
    /// The partition from 0 on, `ANY_PARTITION`, or `NOT_CHOSEN`.
    fn choose(&self, view: &View<'_>) -> i32;
}

/// What a partitioner is shown.
pub struct View<'a> {
    pub topic: &'a CStr,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub picture: &'a Picture,
}

/// A topic and its cluster as they were some milliseconds ago.
pub struct Picture {
    pub partitions: Vec<PartitionPicture>,
    pub cluster: Arc<ClusterView>,
    /// What the one who calls the partitioner made of it: made once, not for each record.
    pub prepared: OnceLock<Box<dyn Any + Send + Sync>>,
    made_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionPicture {
    /// `NO_LEADER` when there is none.
    pub leader: i32,
    /// Bytes that wait to be sent.
    pub queued_bytes: u64,
    /// Batches that were taken for sending and have no outcome yet.
    pub in_flight: u32,
    /// It has a leader, which is not avoided.
    pub is_available: bool,
}

/// Has a partitioner choose for a topic's parked records, off the I/O thread; false when that cannot be.
type ChooseParked = Box<dyn Fn(&Arc<Topic>) -> bool + Send + Sync>;

struct Custom {
    partitioning: Arc<dyn Partitioning>,
    choose_parked: ChooseParked,
}

/// How one producer chooses.
pub struct Choosing {
    strategy: Strategy,
    /// Murmur2 and sticky, without a function of the application: sending need not look any further.
    is_plain: AtomicBool,
    random: SharedRandom,
    rotation: Rotation,
    /// Written by the sender.
    pub stalls: Stalls,
    custom: OnceLock<Custom>,
    warned_at: AtomicU64,
    unwarned: AtomicU32,
}

/// What one topic needs of it.
#[derive(Default)]
pub(super) struct Spread {
    table: Mutex<Cached>,
    /// Of `round_robin`.
    next: AtomicU64,
    /// Of `single_broker`: the broker whose partitions the topic sticks to, since when, and in which turn.
    home: AtomicI32,
    turn: AtomicU32,
    settled_at: AtomicU64,
    picture: RwLock<Option<Arc<Picture>>>,
    /// Partitions that an application's function may choose from already, though they are not published: records that
    /// come now are chosen for by the thread that sends them.
    choosable: AtomicU32,
    is_choosing: AtomicBool,
}

impl Spread {
    /// The topic has no partitions for now: what was made for those that it had goes.
    pub(super) fn forget(&self) {
        self.choosable.store(0, Ordering::Release);
        *self.table.lock() = Cached::default();
        *self.picture.write() = None;
    }
}

impl Choosing {
    pub(super) fn new(config: &Config, seed: u64) -> Choosing {
        let strategy = Strategy::new(config);
        Choosing {
            is_plain: AtomicBool::new(strategy.is_plain()),
            random: SharedRandom::new(seed),
            rotation: Rotation::new(strategy.rotation, seed),
            stalls: Stalls::default(),
            custom: OnceLock::new(),
            warned_at: AtomicU64::new(0),
            unwarned: AtomicU32::new(0),
            strategy,
        }
    }

    /// For how long a broker may take nothing before it is avoided; `None` when nobody asks.
    pub fn availability_timeout(&self) -> Option<Micros> {
        self.strategy.availability
    }

    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain.load(Ordering::Relaxed)
    }
}

impl Accumulator {
    /// Lets the application choose. Before the first record; a second call changes nothing. `choose_parked` is to have
    /// `choose_parked` called for the topic on a thread of its own.
    pub fn set_partitioning(
        &self,
        partitioning: Arc<dyn Partitioning>,
        choose_parked: impl Fn(&Arc<Topic>) -> bool + Send + Sync + 'static,
    ) {
        let custom = Custom { partitioning, choose_parked: Box::new(choose_parked) };
        if self.choosing.custom.set(custom).is_ok() {
            self.choosing.is_plain.store(false, Ordering::Relaxed);
        }
    }

    /// The partition of a record that names none, and whether the topic sticks to it. `is_chosen`: the application's
    /// function has left it to us already.
    #[inline(never)]
    pub(super) fn choose(
        &self,
        topic: &Topic,
        count: u32,
        record: &Record<'_>,
        is_chosen: bool,
        clock: &impl Fn() -> Time,
    ) -> (u32, bool) {
        if !is_chosen && let Some(index) = self.choose_custom(topic, count, record, clock) {
            return (index, false);
        }
        if let Some(index) = self.choosing.strategy.by_key(record.key, count) {
            return (index, false);
        }
        match self.choosing.strategy.keyless {
            Keyless::Sticky => {
                let first = |random| self.next_partition(topic, count, random, clock());
                (topic.sticky.current(count, first), true)
            }
            Keyless::Random => (self.random_partition(topic, count), false),
            Keyless::RoundRobin => (next_in_turn(topic, count), false),
            Keyless::SingleBroker => (self.on_one_broker(topic, count, clock()), true),
        }
    }

    /// The partition that the topic sticks to next.
    #[cold]
    pub(super) fn next_partition(&self, topic: &Topic, count: u32, random: u64, now: Time) -> u32 {
        let home = match self.choosing.strategy.keyless {
            Keyless::SingleBroker => topic.spread.home.load(Ordering::Relaxed),
            _ => ANY_BROKER,
        };
        let mut cached = topic.spread.table.lock();
        if cached.expires(now, count, home) {
            self.fill(&mut cached.table, topic, count, home, now);
        }
        cached.table.pick(random).unwrap_or((random % u64::from(count.max(1))) as u32)
    }

    /// The partition has lost its leader: records without a key go elsewhere.
    pub fn leave_partition(&self, topic: &Topic, index: u32, now: Time) {
        let count = topic.partition_count();
        if count > 1 {
            // The table of a moment ago would draw it again.
            *topic.spread.table.lock() = Cached::default();
            topic.sticky.leave(index, |random| self.next_partition(topic, count, random, now));
        }
    }

    fn fill(&self, table: &mut Table, topic: &Topic, count: u32, home: i32, now: Time) {
        let strategy = &self.choosing.strategy;
        let near: Option<Vec<i32>> = strategy.rack.as_ref().map(|rack| {
            let here = |broker_rack: &Arc<CStr>| broker_rack.to_bytes() == rack.as_bytes();
            let cluster = self.cluster.load();
            cluster.brokers.iter().filter(|b| b.rack.as_ref().is_some_and(here)).map(|b| b.id).collect()
        });
        let stalled = self.stalled(now);
        let candidates = (0..count).filter_map(|index| {
            let partition = topic.partition(index)?;
            let leader = partition.leader();
            if home != ANY_BROKER && leader != home {
                return None;
            }
            Some(Candidate {
                partition: index,
                has_leader: leader != NO_LEADER,
                is_near: near.as_ref().is_none_or(|near| near.contains(&leader)),
                is_stalled: stalled.contains(&leader),
                load_bytes: partition.load_bytes() as u64,
            })
        });
        let unit = (topic.settings().batch_size() / STEPS_PER_BATCH).max(1) as u64;
        table.fill(candidates, strategy.is_adaptive.then_some(unit));
    }

    /// Brokers that are to be avoided.
    fn stalled(&self, now: Time) -> Vec<i32> {
        let timeout = self.choosing.strategy.availability;
        timeout.map_or(Vec::new(), |timeout| self.choosing.stalls.lasting(now, timeout))
    }

    fn random_partition(&self, topic: &Topic, count: u32) -> u32 {
        let draw = || (self.choosing.random.next() % u64::from(count.max(1))) as u32;
        (0..TRIES_MAX).map(|_| draw()).find(|index| has_leader(topic, *index)).unwrap_or_else(draw)
    }

    /// Sticky among the partitions of the broker whose turn it is.
    fn on_one_broker(&self, topic: &Topic, count: u32, now: Time) -> u32 {
        let spread = &topic.spread;
        let turn = self.choosing.rotation.turn(now);
        let current = topic.sticky.current(count, |random| random as u32);
        let is_home = || {
            let leader = topic.partition(current).map_or(NO_LEADER, |partition| partition.leader());
            leader != NO_LEADER && leader == spread.home.load(Ordering::Relaxed)
        };
        let settled = spread.turn.load(Ordering::Acquire) == turn;
        // Without a leader anywhere the next look is worth its price only after a while.
        let fresh = || now.since(Time(spread.settled_at.load(Ordering::Relaxed))) < valid_for(count);
        if settled && (is_home() || fresh()) { current } else { self.move_home(topic, count, turn, now) }
    }

    #[cold]
    fn move_home(&self, topic: &Topic, count: u32, turn: u32, now: Time) -> u32 {
        let mut table = Table::default();
        self.fill(&mut table, topic, count, ANY_BROKER, now);
        let leader = |index: &u32| topic.partition(*index).map(|partition| partition.leader());
        let mut leaders: Vec<i32> =
            table.partitions().iter().filter_map(leader).filter(|id| *id != NO_LEADER).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let live: Vec<i32> = self.cluster.load().brokers.iter().map(|broker| broker.id).collect();
        let home = self.choosing.rotation.broker(turn, &live, &leaders).unwrap_or(NO_LEADER);
        let spread = &topic.spread;
        spread.home.store(home, Ordering::Relaxed);
        spread.settled_at.store(now.0, Ordering::Relaxed);
        spread.turn.store(turn, Ordering::Release);
        let current = topic.sticky.current(count, |random| random as u32);
        let is_there = topic.partition(current).is_some_and(|partition| partition.leader() == home);
        if !is_there {
            topic.sticky.leave(current, |random| self.next_partition(topic, count, random, now));
        }
        topic.sticky.current(count, |random| random as u32)
    }

    /// The choice of the application's function, if there is one and it makes one.
    fn choose_custom(&self, topic: &Topic, count: u32, record: &Record<'_>, clock: &impl Fn() -> Time) -> Option<u32> {
        let custom = self.choosing.custom.get()?;
        let now = clock();
        let picture = self.picture(topic, count, now);
        let view = View { topic: topic.c_name(), key: record.key, value: record.value, picture: &picture };
        match custom.partitioning.choose(&view) {
            ANY_PARTITION => None,
            index @ 0.. if (index as u32) < count => Some(index as u32),
            NOT_CHOSEN => {
                self.warn(now, || "the partitioner has thrown an exception or ended its thread".to_owned());
                None
            }
            wrong => {
                self.warn(now, || {
                    format!(
                        "the partitioner answered {wrong} for topic '{}', which has {count} partitions",
                        topic.name()
                    )
                });
                None
            }
        }
    }

    fn picture(&self, topic: &Topic, count: u32, now: Time) -> Arc<Picture> {
        let valid = Micros(PICTURE_VALID.0 + valid_for(count).0);
        let is_fresh = |picture: &Picture| {
            picture.partitions.len() == count as usize
                && picture.cluster.generation == self.cluster.generation()
                && now.since(picture.made_at) < valid
        };
        if let Some(picture) = topic.spread.picture.read().as_ref().filter(|picture| is_fresh(picture)) {
            return picture.clone();
        }
        let mut kept = topic.spread.picture.write();
        if let Some(picture) = kept.as_ref().filter(|picture| is_fresh(picture)) {
            return picture.clone();
        }
        let stalled = self.stalled(now);
        let shown = (0..count).filter_map(|index| topic.partition(index)).map(|partition| {
            let leader = partition.leader();
            PartitionPicture {
                leader,
                queued_bytes: partition.queued_bytes() as u64,
                in_flight: partition.taken_batches(),
                is_available: leader != NO_LEADER && !stalled.contains(&leader),
            }
        });
        let picture = Arc::new(Picture {
            partitions: shown.collect(),
            cluster: self.cluster.load(),
            prepared: OnceLock::new(),
            made_at: now,
        });
        *kept = Some(picture.clone());
        picture
    }

    #[cold]
    fn warn(&self, now: Time, what: impl FnOnce() -> String) {
        let choosing = &self.choosing;
        let before = choosing.warned_at.load(Ordering::Relaxed);
        let is_due = before == 0 || now.since(Time(before)) >= WARNED_EVERY;
        let first = |seen, now: u64| {
            choosing.warned_at.compare_exchange(seen, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if !is_due || !first(before, now.0.max(1)) {
            choosing.unwarned.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let unwarned = choosing.unwarned.swap(0, Ordering::Relaxed);
        self.reports.log(4, "PARTITIONER", || {
            let more = if unwarned > 0 { format!(" ({unwarned} more before it)") } else { String::new() };
            format!("{}{more}; the library chose", what())
        });
    }

    /// Whether the application's function has yet to choose for records of this topic that are parked: then it has been
    /// arranged, and `Command::Chosen` follows. From now on records that come are chosen for before they are parked.
    pub fn begins_choosing(&self, topic: &Arc<Topic>, count: u32) -> bool {
        let Some(custom) = self.choosing.custom.get() else { return false };
        let spread = &topic.spread;
        let mut parked = topic.parked.lock();
        if topic.partition_count() > 0 {
            return false;
        }
        if spread.choosable.load(Ordering::Relaxed) == 0 {
            spread.choosable.store(count, Ordering::Release);
        }
        if !parked.iter().any(|record| record.is_unchosen) {
            spread.is_choosing.store(false, Ordering::Relaxed);
            return false;
        }
        if spread.is_choosing.swap(true, Ordering::Relaxed) {
            return true;
        }
        drop(parked);
        if (custom.choose_parked)(topic) {
            return true;
        }
        parked = topic.parked.lock();
        parked.iter_mut().for_each(|record| record.is_unchosen = false);
        spread.is_choosing.store(false, Ordering::Relaxed);
        false
    }

    /// Has the application's function choose for the topic's parked records, in their order, and tells the sender. Not
    /// on the I/O thread, which must not wait for anybody's function. Ends early when `is_over` says so.
    pub fn choose_parked(&self, topic: &Topic, clock: impl Fn() -> Time, is_over: impl Fn() -> bool) {
        let count = self.choosable(topic);
        loop {
            let open: Vec<_> = {
                let parked = topic.parked.lock();
                let open = parked.iter().filter(|record| record.is_unchosen).take(CHOSEN_AT_ONCE);
                open.map(|record| (record.serial, record.key.clone(), record.value.clone())).collect()
            };
            if open.is_empty() {
                break;
            }
            let mut chosen = Vec::with_capacity(open.len());
            for (serial, key, value) in &open {
                if is_over() {
                    return;
                }
                let record = Record { key: key.as_deref(), value: value.as_deref(), ..Record::default() };
                chosen.push((*serial, self.choose_custom(topic, count, &record, &clock)));
            }
            let mut parked = topic.parked.lock();
            let mut chosen = chosen.into_iter().peekable();
            // Both are in order; some of the parked ones may have expired meanwhile.
            for record in parked.iter_mut().filter(|record| record.is_unchosen) {
                while chosen.next_if(|(serial, _)| *serial < record.serial).is_some() {}
                match chosen.next_if(|(serial, _)| *serial == record.serial) {
                    Some((_, partition)) => (record.partition, record.is_unchosen) = (partition, false),
                    None => break,
                }
            }
        }
        self.inbox.command(Command::Chosen { topic: topic.id });
    }

    /// Partitions that parked records are chosen among, and those that are about to be parked by the thread that sends
    /// them; 0 before that.
    pub fn choosable(&self, topic: &Topic) -> u32 {
        topic.spread.choosable.load(Ordering::Acquire)
    }

    /// The choice for a record that is about to be parked.
    pub(super) fn choose_before_parking(
        &self,
        topic: &Topic,
        record: &Record<'_>,
        clock: &impl Fn() -> Time,
    ) -> Option<u32> {
        self.choose_custom(topic, self.choosable(topic), record, clock)
    }

    /// Whether records of this kind wait for the application's function.
    pub(super) fn is_custom(&self) -> bool {
        self.choosing.custom.get().is_some()
    }
}

fn has_leader(topic: &Topic, index: u32) -> bool {
    topic.partition(index).is_some_and(|partition| partition.leader() != NO_LEADER)
}

/// As Java's RoundRobinPartitioner: partitions without a leader are left out as long as others have one.
fn next_in_turn(topic: &Topic, count: u32) -> u32 {
    let next = || (topic.spread.next.fetch_add(1, Ordering::Relaxed) % u64::from(count.max(1))) as u32;
    let first = next();
    if has_leader(topic, first) {
        return first;
    }
    (1..count.min(TRIES_MAX)).map(|_| next()).find(|index| has_leader(topic, *index)).unwrap_or(first)
}

#[cfg(test)]
mod tests;
