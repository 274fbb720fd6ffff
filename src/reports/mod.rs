//! Finished batches on their way back to the application: pushed by the I/O thread, one entry per batch, and expanded to
//! one report per record by the thread that polls, flushes or closes.

mod calling;
mod future;
mod level;
mod queue;
mod rich;
mod room;
mod undelivered;

use std::ffi::CStr;
use std::sync::Arc;

pub use future::{Future, Outcome, Waiting};
pub use queue::{Completion, Dispatch, Handed, Item, KEPT, Leaving, LogLine, NewsSource, Reports};
pub use rich::{RICH, RichTag, RichTags};
pub use room::{Lack, Room};
pub use undelivered::{KeptRecords, Undelivered, UndeliveredTo};

use crate::error::Status;
use crate::time::{Micros, Time};

/// Smaller "addresses" of callbacks are marks: `RICH`, `KEPT`, `SILENT`. No function is down there.
pub const MARKS_END: usize = 16;

/// What is kept of a record that wants a report: 32 bytes, written once by the sending thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Address of the C callback; only `capi/` knows its type. `RICH`: `opaque` is a key.
    pub callback: usize,
    pub opaque: usize,
    /// -1 for a null key.
    pub key_len: i32,
    /// -1 for a null value.
    pub value_len: i32,
    pub timestamp_delta_ms: i32,
    /// The record's place in its batch: records without a callback have no slot, so it is not the slot's index.
    pub offset_delta: u32,
}

/// As the callback of a slot or a tag: only who hears of every record hears of this one. No function has this address.
pub const SILENT: usize = 3;

/// Whether the record is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// Never written to a socket, or every attempt definitely refused.
    No,
    Maybe,
    Yes,
}

/// How far a batch had come when its outcome was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The topic's partitions were not known.
    Metadata,
    /// The partition had no leader, or its leader was not connected.
    Leader,
    /// In the queue of a connected leader.
    Queued,
    /// Written to a socket, without an answer.
    InFlight,
    /// A broker had answered.
    Answered,
}

/// A broker has lost what it had acknowledged: told besides the reports, which were right when they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLoss {
    /// Interned: lives as long as the producer.
    pub topic: Arc<CStr>,
    pub partition: i32,
    /// The last one acknowledged before; -1 when unknown.
    pub acked_offset: i64,
    /// What the broker answered, in words.
    pub text: Arc<CStr>,
}

/// One batch with its outcome.
#[derive(Debug, Clone)]
pub struct FinishedBatch {
    /// Interned: lives as long as the producer.
    pub topic: Arc<CStr>,
    pub partition: i32,
    pub status: Status,
    pub persisted: Persisted,
    pub phase: Phase,
    /// -1 when unknown: a failure, acks=0, or a duplicate whose offset the broker did not say.
    pub base_offset: i64,
    pub base_timestamp_ms: i64,
    /// Set when the topic stamps records with the broker's time.
    pub log_append_time_ms: Option<i64>,
    pub broker: i32,
    pub attempts: u32,
    pub opened_at: Time,
    pub finished_at: Time,
    /// The last cause in words, for failures.
    pub cause: Option<Arc<CStr>>,
    /// Records that the broker named (KIP-467): place in the batch and its own words. The others failed because of them.
    /// In order of place.
    pub record_causes: Vec<(u32, Arc<CStr>)>,
    pub slots: Vec<Slot>,
    /// What those slots want whose callback is `RICH`: filled in by `Reports::push_all`.
    pub rich: Vec<RichTag>,
    /// Its records, when it failed and closing hands them back: before their reports.
    pub undelivered: Option<Arc<Undelivered>>,
}

impl FinishedBatch {
    pub fn latency(&self) -> Micros {
        self.finished_at.since(self.opened_at)
    }
}
