//! Flushes: of everything or of one topic, waited for at once or later (KIP-8).

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::close::IO_TURN;
use super::{Producer, in_callback};
use crate::accumulator::{Accumulator, check_topic_name};
use crate::error::{Error, Result, Status};
use crate::reports::{Completion, Dispatch, Handed, Item};

/// A flush that has begun. Dropping it ends nothing: the records go on.
pub struct FlushToken {
    home: Weak<Accumulator>,
    /// The id of its producer.
    producer: u64,
    /// The topic; `None` for all.
    topic: Option<String>,
    started: Arc<Completion>,
    done: Arc<Completion>,
}

impl Producer {
    /// Everything sent before this call goes at once, and is finished and reported when it returns.
    pub fn flush(&self, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        self.flush_and_wait("producer_flush", None, timeout_ms, hand)
    }

    /// The same for what was sent to one topic; the others go on lingering.
    pub fn flush_topic(&self, topic: &str, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<()> {
        self.flush_and_wait("producer_flush_topic", Some(topic), timeout_ms, hand)
    }

    fn flush_and_wait(
        &self,
        call: &str,
        topic: Option<&str>,
        timeout_ms: i32,
        hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Result<()> {
        if self.reports.in_callback() {
            return Err(in_callback(call));
        }
        // Also when the producer has failed for good: what is left to be reported is dispatched.
        let token = start_flush(self, topic)?;
        self.wait_flush(call, &token, timeout_ms, hand)
    }

    /// Everything sent before this call, to the topic or to all, goes at once. Waits for nothing.
    pub fn begin_flush(&self, topic: Option<&str>) -> Result<FlushToken> {
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        start_flush(self, topic)
    }

    /// Dispatches until everything that belongs to the flush is finished and reported, or `timeout_ms` (-1: for ever)
    /// is over.
    pub fn wait_flush(
        &self,
        call: &str,
        token: &FlushToken,
        timeout_ms: i32,
        mut hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Result<()> {
        if self.reports.in_callback() {
            return Err(in_callback(call));
        }
        if token.producer != self.id {
            let text = "the flush was begun on another producer; wait for it with that one";
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        if timeout_ms == 0 && !self.reports.is_shut() {
            // Whether anything is left is the I/O thread's to say; it says so without waiting for a broker.
            match self.wait_for_io_thread(&token.started) {
                Err(error) if !self.reports.is_shut() => return Err(error),
                _ => {}
            }
        }
        let ended = self.reports.wait_for(&token.done, self.call_deadline(timeout_ms), &mut hand);
        if let Some(fatal) = self.accumulator.fatal() {
            if matches!(ended, Dispatch::TimedOut(_)) {
                // The cause is known before the I/O thread has failed what is left, for which it waits for no broker.
                self.reports.wait_for(&token.done, Some(Instant::now() + IO_TURN), &mut hand);
            }
            return Err(fatal.clone());
        }
        match ended {
            // What the callback has left by goes on; nobody reads what this call answers.
            Dispatch::Done(_) | Dispatch::Left(_) => Ok(()),
            Dispatch::Ended(_) => Err(self.ended()),
            Dispatch::TimedOut(_) => {
                let what = token
                    .topic
                    .as_ref()
                    .map_or("not everything".into(), |topic| format!("not every record of topic '{topic}'"));
                let mut text = format!("{what} was delivered within {timeout_ms} ms; it goes on, call {call} again");
                // With all well they are merely many; otherwise this is why.
                let health = self.health();
                if !health.why().is_empty() {
                    text.push_str(&format!("; {}", health.why().to_string_lossy()));
                }
                Err(Error::new(Status::TIMED_OUT, text))
            }
            Dispatch::Reentered => Err(in_callback(call)),
        }
    }
}

fn start_flush(producer: &Producer, topic: Option<&str>) -> Result<FlushToken> {
    topic.map_or(Ok(()), check_topic_name)?;
    let token = FlushToken {
        home: Arc::downgrade(&producer.accumulator),
        producer: producer.id,
        topic: topic.map(str::to_owned),
        started: Arc::default(),
        done: Arc::default(),
    };
    let id = match topic.map(|name| producer.accumulator.topics.find(name)) {
        None => None,
        Some(Some(topic)) => Some(topic.id),
        Some(None) => {
            // Nothing was ever sent to it.
            producer.reports.complete_empty(&token.started);
            producer.reports.complete_empty(&token.done);
            return Ok(token);
        }
    };
    producer.accumulator.inbox.flush(id, token.started.clone(), token.done.clone());
    Ok(token)
}

impl FlushToken {
    /// Whether `wait_flush` would not wait. Once the producer is gone there is nothing left to wait for.
    pub fn is_complete(&self) -> bool {
        self.home.upgrade().is_none_or(|home| home.reports.has_reached(&self.done) || home.reports.is_shut())
    }
}
