//! Handles that are recognised, whatever a program passes: live, freed, freed twice, of another kind, or none at all.
//!
//! A handle of most kinds is no address but a number in a pointer's place: the kind, the place in this table, and how often the place was
//! used before. So no memory is read to see what it is, a freed one is known for good, and a call keeps what it uses alive while
//! another thread frees it. Producers and topics are addresses, because every record passes them: what they point to stays
//! readable, and its first word says what it is.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Result, Status};
use crate::sync::{Mutex, MutexGuard};

/// What a handle stands for. Part of its number: 1 to 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Config = 1,
    Metadata = 2,
    MockCluster = 3,
    Batch = 4,
    Future = 5,
    Flush = 6,
    TokenRequest = 7,
    /// An address.
    Producer = 8,
    /// An address.
    Topic = 9,
}

const KINDS: [Kind; 9] = [
    Kind::Config,
    Kind::Metadata,
    Kind::MockCluster,
    Kind::Batch,
    Kind::Future,
    Kind::Flush,
    Kind::TokenRequest,
    Kind::Producer,
    Kind::Topic,
];

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::Config => "a configuration (producer_config_t)",
            Kind::Metadata => "metadata (producer_metadata_t)",
            Kind::MockCluster => "a mock cluster (producer_mock_cluster_t)",
            Kind::Batch => "a batch (producer_batch_t)",
            Kind::Future => "a future (producer_future_t)",
            Kind::Flush => "a flush (producer_flush_t)",
            Kind::TokenRequest => "a request for a token (producer_token_request_t)",
            Kind::Producer => "a producer (producer_t)",
            Kind::Topic => "a topic (producer_topic_t)",
        }
    }

    /// What became of one that is no more.
    fn end(self) -> &'static str {
        match self {
            Kind::Batch => "that was sent or freed",
            Kind::TokenRequest => "whose callback has returned",
            _ => "that was freed",
        }
    }
}

// The bits of a handle that is a number, from the lowest. Addresses of programs have 0 in the highest: no number is one.
const SHARD_BITS: u32 = 4;
const INDEX_BITS: u32 = 26;
const GENERATION_BITS: u32 = 28;
const KIND_BITS: u32 = 5;
const _: () = assert!(usize::BITS == 64 && SHARD_BITS + INDEX_BITS + GENERATION_BITS + KIND_BITS == 63);

const SHARDS: usize = 1 << SHARD_BITS;
const INDEXES: usize = 1 << INDEX_BITS;
const GENERATIONS: u32 = 1 << GENERATION_BITS;

/// Where a handle's value is.
#[derive(Clone, Copy)]
struct Place {
    shard: usize,
    index: usize,
    generation: u32,
}

fn number_of(kind: Kind, place: Place) -> usize {
    let generation = (place.generation as usize) << (SHARD_BITS + INDEX_BITS);
    let kind = (kind as usize) << (SHARD_BITS + INDEX_BITS + GENERATION_BITS);
    1 << (usize::BITS - 1) | kind | generation | place.index << SHARD_BITS | place.shard
}

/// `None`: it is no number of ours.
fn parts_of(handle: usize) -> Option<(Kind, Place)> {
    if handle >> (usize::BITS - 1) == 0 {
        return None;
    }
    let number = handle >> (SHARD_BITS + INDEX_BITS + GENERATION_BITS) & ((1 << KIND_BITS) - 1);
    let kind = KINDS.iter().find(|kind| **kind as usize == number)?;
    let place = Place {
        shard: handle & (SHARDS - 1),
        index: handle >> SHARD_BITS & (INDEXES - 1),
        generation: (handle >> (SHARD_BITS + INDEX_BITS)) as u32 & (GENERATIONS - 1),
    };
    Some((*kind, place))
}

/// The live handles of one kind.
pub(super) struct Handles<T: Send + Sync + 'static> {
    kind: Kind,
    /// Several, so that threads that use different handles do not wait for each other.
    shards: [Shard<T>; SHARDS],
    next_shard: AtomicUsize,
    is_known: AtomicBool,
}

#[repr(align(128))]
struct Shard<T>(Mutex<Entries<T>>);

struct Entries<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

struct Entry<T> {
    /// Of the handle that the entry has now, or has next.
    generation: u32,
    value: Option<Arc<T>>,
}

impl<T: Send + Sync + 'static> Handles<T> {
    pub const fn new(kind: Kind) -> Handles<T> {
        Handles {
            kind,
            shards: [const { Shard(Mutex::new(Entries { entries: Vec::new(), free: Vec::new() })) }; SHARDS],
            next_shard: AtomicUsize::new(0),
            is_known: AtomicBool::new(false),
        }
    }

    /// A handle for the value. `C` is the handle's opaque type in the header.
    pub fn insert<C>(&'static self, value: T) -> Result<*mut C> {
        if !self.is_known.swap(true, Ordering::Relaxed) {
            TABLES.lock().push(self);
        }
        let shard = self.next_shard.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let place = self.shards[shard].0.lock().insert(Arc::new(value), shard);
        let place = place.ok_or_else(|| {
            Error::new(Status::NO_RESOURCES, format!("there is no room for {} beside those in use", self.kind.words()))
        })?;
        Ok(ptr::without_provenance_mut(number_of(self.kind, place)))
    }

    /// What a handle stands for; `name` is the argument's.
    pub fn get<C>(&self, handle: *const C, name: &str) -> Result<Arc<T>> {
        let found = self.place(handle).and_then(|place| {
            let shard = self.shards[place.shard].0.lock();
            shard.entry(place).and_then(|entry| entry.value.clone())
        });
        found.ok_or_else(|| self.unknown(handle, name))
    }

    /// Takes the handle back: from now on nobody has it.
    pub fn remove<C>(&self, handle: *const C, name: &str) -> Result<Arc<T>> {
        let found = self.place(handle).and_then(|place| self.shards[place.shard].0.lock().remove(place));
        found.ok_or_else(|| self.unknown(handle, name))
    }

    fn place<C>(&self, handle: *const C) -> Option<Place> {
        parts_of(handle.addr()).filter(|(kind, _)| *kind == self.kind).map(|(_, place)| place)
    }

    #[cold]
    fn unknown<C>(&self, handle: *const C, name: &str) -> Error {
        wrong(handle, name, self.kind)
    }
}

impl<T> Entries<T> {
    /// `None`: there is no room.
    fn insert(&mut self, value: Arc<T>, shard: usize) -> Option<Place> {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None => {
                if self.entries.len() == INDEXES || self.entries.try_reserve(1).is_err() {
                    return None;
                }
                // For when it is given back.
                if self.free.try_reserve(self.entries.len() + 1).is_err() {
                    return None;
                }
                self.entries.push(Entry { generation: 1, value: None });
                self.entries.len() - 1
            }
        };
        let entry = &mut self.entries[index];
        entry.value = Some(value);
        Some(Place { shard, index, generation: entry.generation })
    }

    fn entry(&self, place: Place) -> Option<&Entry<T>> {
        self.entries.get(place.index).filter(|entry| entry.generation == place.generation)
    }

    fn remove(&mut self, place: Place) -> Option<Arc<T>> {
        let entry = self.entries.get_mut(place.index).filter(|entry| entry.generation == place.generation)?;
        let value = entry.value.take()?;
        entry.generation += 1;
        // One that was used as often as it has numbers is not used again: an old handle must not fit a new one.
        if entry.generation < GENERATIONS {
            self.free.push(place.index as u32);
        }
        Some(value)
    }
}

/// Says what was passed instead of a live handle of a kind.
#[cold]
pub(super) fn wrong<C>(handle: *const C, name: &str, wanted: Kind) -> Error {
    let handle = handle.addr();
    let kind = match parts_of(handle) {
        Some((kind, _)) => Some(kind),
        None => ADDRESSES.lock().get(&handle).copied(),
    };
    let text = match kind {
        _ if handle == 0 => format!("{name} is NULL"),
        Some(kind) if kind == wanted => format!("{name} is {} {}", kind.words(), kind.end()),
        Some(kind) => format!("{name} is {}, not {}", kind.words(), wanted.words()),
        None => format!("{name} is not {}: the library has given out no such handle", wanted.words()),
    };
    Error::new(Status::INVALID_ARGUMENT, text)
}

/// Handles that are addresses.
static ADDRESSES: Mutex<BTreeMap<usize, Kind>> = Mutex::new(BTreeMap::new());

/// A handle that is an address: memory that stays readable until `forget_address`.
pub(super) fn know_address<C>(handle: *const C, kind: Kind) {
    ADDRESSES.lock().insert(handle.addr(), kind);
}

/// Its memory may become anything.
pub(super) fn forget_address<C>(handle: *const C) {
    ADDRESSES.lock().remove(&handle.addr());
}

/// Whether it cannot be an address: NULL, or a number.
#[inline(always)]
pub(super) fn is_no_address<C>(handle: *const C) -> bool {
    (handle.addr() as isize) <= 0
}

/// Strings that programs have to free, by their address.
static STRINGS: Mutex<BTreeMap<usize, CString>> = Mutex::new(BTreeMap::new());

/// Gives a string out, until `free_string`.
pub(super) fn give_string(text: CString) -> *mut c_char {
    // The bytes stay where they are when the string is moved; nobody here reads them again.
    let string = text.as_ptr();
    STRINGS.lock().insert(string.addr(), text);
    string.cast_mut()
}

pub(super) fn free_string(string: *mut c_char) -> Result<()> {
    let text = STRINGS.lock().remove(&string.addr());
    text.map(drop).ok_or_else(|| {
        let text = "string is none that the library has given out to be freed, or was freed";
        Error::new(Status::INVALID_ARGUMENT, text)
    })
}

/// Tables that have handles, of whatever kind.
static TABLES: Mutex<Vec<&'static (dyn Table + Sync)>> = Mutex::new(Vec::new());

trait Table {
    /// Holds every lock until what it adds is dropped.
    fn lock(&'static self, held: &mut Vec<Box<dyn Any>>);
}

impl<T: Send + Sync + 'static> Table for Handles<T> {
    fn lock(&'static self, held: &mut Vec<Box<dyn Any>>) {
        for shard in &self.shards {
            let guard: MutexGuard<'static, Entries<T>> = shard.0.lock();
            held.push(Box::new(guard));
        }
    }
}

/// Takes the locks that a fork must not copy while another thread has them.
pub(super) fn lock_for_fork() -> Vec<Box<dyn Any>> {
    let tables = TABLES.lock();
    let mut held: Vec<Box<dyn Any>> = Vec::new();
    for table in tables.iter() {
        table.lock(&mut held);
    }
    held.push(Box::new(STRINGS.lock()));
    held.push(Box::new(ADDRESSES.lock()));
    held.push(Box::new(tables));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Opaque;

    static BATCHES: Handles<u32> = Handles::new(Kind::Batch);
    static SHARED: Handles<u32> = Handles::new(Kind::Batch);
    static FUTURES: Handles<String> = Handles::new(Kind::Future);

    fn text(error: Error) -> String {
        assert_eq!(error.status, Status::INVALID_ARGUMENT);
        error.message
    }

    #[test]
    fn a_handle_is_known_until_it_is_freed_and_never_again() {
        let mut freed = Vec::new();
        for round in 0..1_000 {
            let handle: *mut Opaque = BATCHES.insert(round).unwrap();
            assert!(is_no_address(handle) && !handle.is_null());
            assert_eq!(*BATCHES.get(handle, "batch").unwrap(), round);
            assert_eq!(*BATCHES.remove(handle, "batch").unwrap(), round);
            freed.push(handle);
            for handle in [freed[0], freed[freed.len() / 2], handle] {
                let words = "batch is a batch (producer_batch_t) that was sent or freed";
                assert_eq!(text(BATCHES.get(handle, "batch").unwrap_err()), words);
                assert_eq!(text(BATCHES.remove(handle, "batch").unwrap_err()), words);
            }
        }
        let entries: usize = BATCHES.shards.iter().map(|shard| shard.0.lock().entries.len()).sum();
        assert!(entries <= SHARDS, "places are used again: {entries}");
    }

    #[test]
    fn what_is_passed_instead_is_named() {
        let future: *mut Opaque = FUTURES.insert("one".to_owned()).unwrap();
        let said = |handle: *const Opaque| text(BATCHES.get(handle, "batch").unwrap_err());
        assert_eq!(said(ptr::null()), "batch is NULL");
        assert_eq!(said(future), "batch is a future (producer_future_t), not a batch (producer_batch_t)");
        let local = Opaque;
        assert_eq!(
            said(&raw const local),
            "batch is not a batch (producer_batch_t): the library has given out no such handle"
        );
        let address = Box::new(7_u64);
        let address: *const Opaque = (&raw const *address).cast();
        know_address(address, Kind::Producer);
        assert_eq!(said(address), "batch is a producer (producer_t), not a batch (producer_batch_t)");
        forget_address(address);
        assert!(said(address).contains("no such handle"));
        // Numbers that were never given out.
        for number in [usize::MAX, 1 << 63, number_of(Kind::Batch, Place { shard: 15, index: 99_999, generation: 1 })] {
            assert!(said(ptr::without_provenance(number)).starts_with("batch is "));
        }
        assert_eq!(*FUTURES.remove(future, "future").unwrap(), "one");
    }

    #[test]
    fn a_string_is_freed_once() {
        let string = give_string(CString::from(c"text"));
        let literal = c"text";
        assert!(free_string(literal.as_ptr().cast_mut()).is_err());
        assert!(free_string(string).is_ok());
        assert!(free_string(string).is_err());
    }

    #[test]
    fn a_call_keeps_what_another_thread_frees() {
        let handle: *mut Opaque = FUTURES.insert("kept".to_owned()).unwrap();
        let inside = FUTURES.get(handle, "future").unwrap();
        drop(FUTURES.remove(handle, "future").unwrap());
        assert_eq!(*inside, "kept");
        assert!(FUTURES.get(handle, "future").is_err());
    }

    #[test]
    fn a_place_that_has_used_up_its_numbers_is_left_alone() {
        let mut entries = Entries { entries: vec![Entry { generation: GENERATIONS - 1, value: None }], free: vec![0] };
        let last = entries.insert(Arc::new(1), 0).unwrap();
        assert_eq!((last.index, last.generation), (0, GENERATIONS - 1));
        assert!(entries.remove(last).is_some());
        assert_eq!(entries.insert(Arc::new(2), 0).unwrap().index, 1);
        assert!(entries.entry(last).is_none());
    }

    #[test]
    fn threads_use_the_table_at_once() {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for round in 0..20_000 {
                        let handle: *mut Opaque = SHARED.insert(round).unwrap();
                        assert_eq!(*SHARED.get(handle, "batch").unwrap(), round);
                        SHARED.remove(handle, "batch").unwrap();
                        assert!(SHARED.get(handle, "batch").is_err());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
