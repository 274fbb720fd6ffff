//! The end of a producer, bounded in time whatever the brokers do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Producer;
use super::login::LoginThread;
use crate::accumulator::{CallReply, Command, GivenUp, Topic, TransactionCall, undelivered_batch, undelivered_parked};
use crate::error::{Error, Result, Status};
use crate::reports::{
    Completion, Dispatch, FinishedBatch, Handed, Item, Persisted, Phase, Slot, Undelivered, UndeliveredTo,
};
use crate::time::Time;

/// How long a call waits for the I/O thread's turn. It never blocks; on a machine that is short of processors (or in a
/// program under a sanitizer) it may still wait for seconds until it runs.
pub(super) const IO_TURN: Duration = Duration::from_secs(10);
/// How long close waits for callbacks that run on other threads.
const CALLBACKS_END: Duration = Duration::from_millis(1_000);

impl Producer {
    /// Frees threads that wait for memory: they get `CLOSED`.
    pub fn refuse_sends(&self) {
        self.accumulator.memory.close();
    }

    /// What is not delivered from now on is handed back with its bytes.
    pub fn hand_undelivered_to(&self, to: UndeliveredTo) {
        self.reports.hand_undelivered_to(to);
    }

    /// Sends what is buffered and waits up to `timeout_ms` (-1: for ever); fails the rest; dispatches every report that
    /// is left. No other thread is in `send` any more. `TIMED_OUT` when something had to be failed.
    pub fn close(&self, timeout_ms: i32, mut hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        let (started, flushed) = (Arc::new(Completion::default()), Arc::new(Completion::default()));
        let mut in_time = false;
        let mut why = String::new();
        let deadline = self.call_deadline(timeout_ms);
        let ends_open = timeout_ms == 0 || self.end_transaction(deadline, &mut hand);
        if self.accumulator.fatal().is_none() {
            self.accumulator.inbox.flush(None, started.clone(), flushed.clone());
            if timeout_ms == 0 {
                // Whether anything is left is the I/O thread's to say, at once.
                self.reports.wait_complete(&started, Some(Instant::now() + IO_TURN));
            }
            let ended = self.reports.wait_for(&flushed, deadline, &mut hand);
            in_time = ends_open && matches!(ended, Dispatch::Done(_));
            if !in_time {
                // Before everything left fails and the connections go.
                why = self.health().why().to_string_lossy().into_owned();
            }
        }
        if timeout_ms != 0 && in_time {
            self.accumulator.inbox.command(Command::LastPush);
        }
        self.accumulator.inbox.command(Command::Abort);
        // All are told first, so that they end at the same time: one second for all but the I/O thread.
        self.accumulator.packing.end();
        let chooser = self.chooser.get();
        chooser.iter().for_each(|chooser| chooser.tell_end());
        self.secured.iter().for_each(|secured| secured.tell_end());
        self.login.iter().for_each(LoginThread::tell_end);
        let deadline = Instant::now() + CALLBACKS_END;
        let left = || deadline.saturating_duration_since(Instant::now());
        let io_ended = self.io.lock().join(IO_TURN);
        let packers_ended = self.packers.end(&self.accumulator, left());
        let chooser_ended = chooser.is_none_or(|chooser| chooser.end(left()));
        self.secured.iter().for_each(|secured| secured.end(left()));
        let login_ended = self.login.as_ref().is_none_or(|login| login.end(left()));
        self.fail_leftovers();
        self.abandon_futures();
        // Wakes threads that poll: nothing more will come.
        self.reports.shut();
        let last = Instant::now() + CALLBACKS_END;
        let all = self.reports.drain_all(Some(last), &mut hand);
        if all {
            self.join_dispatch();
        }
        self.reports.close_descriptors();
        if !io_ended {
            let text = "the I/O thread did not end in time: records that it had taken are not reported";
            return Err(Error::new(Status::INTERNAL, text));
        }
        if !packers_ended {
            let text = "a batch was still being compressed when the time was over; its thread ends by itself";
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        if !chooser_ended {
            let text = "the partitioner did not return in time on the library's thread; it is not called again";
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        if !login_ended {
            let text = "the token callback did not return in time on the library's thread; it is not called again";
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        if !all {
            let text = "a callback on another thread did not return in time; it reports what is left when it does";
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        if !in_time {
            let mut text = if ends_open {
                format!("not everything was delivered within {timeout_ms} ms; the rest was failed and reported")
            } else {
                format!(
                    "the open transaction was not ended within {timeout_ms} ms; its coordinator aborts it in time, and at once \
                     when its transactional.id is initialized again"
                )
            };
            if !why.is_empty() {
                text.push_str(&format!("; {why}"));
            }
            return Err(Error::new(Status::TIMED_OUT, text));
        }
        Ok(())
    }

    /// Hands out what closing had to leave to this thread, which was in a callback too long.
    pub fn hand_left(&self, hand: impl FnMut(Item<'_>) -> Handed) {
        self.reports.hand_left(hand);
    }

    /// Hands out what is left after `close`. Nobody else is here any more.
    pub fn hand_rest(&self, hand: impl FnMut(Item<'_>) -> Handed) {
        self.reports.hand_rest(hand);
    }

    /// Brings a commit or abort that is under way to its end, and aborts a transaction that is open. False when the
    /// time was over first: its coordinator aborts it when `transaction.timeout.ms` is over, or when its next producer
    /// comes.
    fn end_transaction(&self, deadline: Option<Instant>, mut hand: impl FnMut(Item<'_>) -> Handed) -> bool {
        // A commit may turn into an error that then has to be aborted.
        for _ in 0..2 {
            if self.config.transactional_id.is_none() || self.accumulator.fatal().is_some() {
                return true;
            }
            let reply = Arc::new(CallReply::default());
            let call = TransactionCall::Finish;
            self.accumulator.inbox.command(Command::Transaction { call, reply: reply.clone() });
            if !matches!(self.reports.wait_for(&reply.done, deadline, &mut hand), Dispatch::Done(_)) {
                return false;
            }
            if let GivenUp::Answered(Ok(())) = reply.give_up() {
                return true;
            }
        }
        true
    }

    /// Records that came while a panic ended the I/O thread: those in batches, and those that wait for metadata.
    fn fail_leftovers(&self) {
        let status = self.accumulator.fatal().map_or(Status::CLOSED, |fatal| fatal.status);
        let memory = &self.accumulator.memory;
        for id in 0..self.accumulator.topics.len() as u32 {
            let topic = self.accumulator.topics.by_id(id);
            for partition in (0..topic.partition_count()).filter_map(|index| topic.partition(index)) {
                for mut batch in partition.take_expired(memory, Time::NEVER) {
                    let place = Place { partition: partition.index, phase: Phase::Queued, opened_at: batch.opened_at };
                    let undelivered = undelivered_batch(&self.reports, &batch);
                    let base_timestamp_ms = batch.base_timestamp_ms;
                    self.fail_leftover(&topic, status, place, base_timestamp_ms, batch.take_slots(), undelivered);
                }
            }
            for record in self.accumulator.take_parked(&topic, None) {
                let partition = record.partition.map_or(-1, |partition| partition as i32);
                let place = Place { partition, phase: Phase::Metadata, opened_at: record.parked_at };
                let (base_timestamp_ms, slots) = (record.timestamp_ms, record.slot().into_iter().collect());
                let undelivered = undelivered_parked(&self.reports, record);
                self.fail_leftover(&topic, status, place, base_timestamp_ms, slots, undelivered);
            }
        }
    }

    fn fail_leftover(
        &self,
        topic: &Topic,
        status: Status,
        place: Place,
        base_timestamp_ms: i64,
        slots: Vec<Slot>,
        undelivered: Option<Arc<Undelivered>>,
    ) {
        self.reports.push(FinishedBatch {
            topic: topic.c_name().clone(),
            partition: place.partition,
            status,
            persisted: Persisted::No,
            phase: place.phase,
            base_offset: -1,
            base_timestamp_ms,
            log_append_time_ms: None,
            broker: -1,
            attempts: 0,
            opened_at: place.opened_at,
            finished_at: self.clock.now(),
            cause: Some(Arc::from(c"the producer ended before the record was sent")),
            record_causes: Vec::new(),
            slots,
            rich: Vec::new(),
            undelivered,
        });
    }
}

/// Where a record stood when its producer ended.
struct Place {
    partition: i32,
    phase: Phase,
    opened_at: Time,
}
