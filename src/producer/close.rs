//! The end of a producer, bounded in time whatever the brokers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Producer;
use crate::accumulator::{Command, Partition};
use crate::error::{Error, Result, Status};
use crate::reports::{Completion, Dispatch, FinishedBatch, Item, Persisted, Phase};

/// What the I/O thread, which never blocks, is given for its last turn, and a callback that runs elsewhere for its end.
pub(super) const LAST_TURN: Duration = Duration::from_millis(1_000);

impl Producer {
    /// Frees threads that wait for memory: they get `CLOSED`.
    pub fn refuse_sends(&self) {
        self.accumulator.memory.close();
    }

    /// Sends what is buffered and waits up to `timeout_ms` (-1: for ever); fails the rest; dispatches every report that is
    /// left. No other thread is in `send` any more. `TIMED_OUT` when something had to be failed.
    pub fn close(&self, timeout_ms: i32, mut hand: impl FnMut(Item<'_>)) -> Result<()> {
        let (started, flushed) = (Arc::default(), Arc::new(Completion::default()));
        let mut in_time = false;
        if self.accumulator.fatal().is_none() {
            self.accumulator.inbox.command(Command::Flush { started, done: flushed.clone() });
            let ended = self.reports.wait_for(&flushed, self.call_deadline(timeout_ms), &mut hand);
            in_time = matches!(ended, Dispatch::Done(_));
        }
        self.accumulator.inbox.command(Command::Abort);
        let io_ended = self.io.lock().join(LAST_TURN);
        self.fail_leftovers();
        // Wakes threads that poll: nothing more will come.
        self.reports.shut();
        let deadline = Instant::now() + LAST_TURN;
        let all = self.reports.drain_all(Some(deadline), &mut hand);
        if !io_ended {
            let text = "the I/O thread did not end in time: records that it had taken are not reported";
            return Err(Error::new(Status::INTERNAL, text));
        }
        if !all {
            let text = "a callback on another thread did not return in time; it reports what is left when it does";
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        if !in_time {
            let text = format!("not everything was delivered within {timeout_ms} ms; the rest was failed and reported");
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        Ok(())
    }

    /// Records that the I/O thread did not take before it ended: none, unless a panic ended it.
    fn fail_leftovers(&self) {
        let status = self.accumulator.fatal().map_or(Status::CLOSED, |fatal| fatal.status);
        for id in 0..self.accumulator.topics.len() as u32 {
            let topic = self.accumulator.topics.by_id(id);
            for partition in (0..topic.partition_count()).filter_map(|index| topic.partition(index)) {
                self.fail_partition(&topic, partition, status);
            }
        }
    }

    fn fail_partition(&self, topic: &crate::accumulator::Topic, partition: &Partition, status: Status) {
        for mut batch in partition.take_expired(&self.accumulator.memory, crate::time::Time::NEVER) {
            self.reports.push(FinishedBatch {
                topic: topic.c_name().clone(),
                partition: partition.index,
                status,
                persisted: Persisted::No,
                phase: Phase::Queued,
                base_offset: -1,
                base_timestamp_ms: batch.base_timestamp_ms,
                log_append_time_ms: None,
                broker: -1,
                attempts: 0,
                opened_at: batch.opened_at,
                finished_at: self.clock.now(),
                cause: Some(Arc::from(c"the producer ended before the record was sent")),
                record_causes: Vec::new(),
                slots: batch.take_slots(),
            });
        }
    }
}
