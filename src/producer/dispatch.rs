//! Who hears of finished records besides the thread that polls: arrays, event loops, and a thread of the library's own.

use std::cell::Cell;
use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::{Producer, in_callback};
use crate::error::{Error, Result, Status};
use crate::io::start_thread;
use crate::reports::{Dispatch, Handed, Item};

impl Producer {
    /// As `poll`, for a `hand` that copies reports and counts them in `copied`: it gets those that were kept for it too.
    pub fn take_reports(
        &self,
        timeout_ms: i32,
        copied: &Cell<usize>,
        mut hand: impl FnMut(Item<'_>) -> Handed,
    ) -> Result<usize> {
        let cut = Cell::new(false);
        let mut hand = |item: Item<'_>| {
            let handed = hand(item);
            cut.set(cut.get() || matches!(handed, Handed::Part(_) | Handed::Left(..)));
            handed
        };
        let deadline = if timeout_ms == 0 { None } else { self.call_deadline(timeout_ms) };
        loop {
            let ended = match timeout_ms {
                0 => self.reports.take_now(&mut hand),
                _ => self.reports.take(deadline, &mut hand),
            };
            match ended {
                // Callbacks of futures only: no report that could be copied.
                Dispatch::Done(_) if copied.get() == 0 && timeout_ms != 0 && !cut.get() => {
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return Ok(0);
                    }
                }
                Dispatch::Done(_) | Dispatch::TimedOut(_) | Dispatch::Left(_) => return Ok(copied.get()),
                Dispatch::Ended(_) => return Err(self.ended()),
                Dispatch::Reentered => return Err(in_callback("producer_poll_reports")),
            }
        }
    }

    /// `delivery.dispatch=thread`: from now on a thread of the library's own hands everything out, and nobody else does.
    pub fn start_dispatch(&self, hand: impl FnMut(Item<'_>) -> Handed + Send + 'static) -> Result<()> {
        self.reports.leave_to_thread(true);
        let reports = self.reports.clone();
        let thread = start_thread("kp-dispatch", move || reports.serve(hand)).inspect_err(|_| {
            self.reports.leave_to_thread(false);
        })?;
        *self.dispatcher.lock() = Some(thread);
        Ok(())
    }

    /// The dispatching thread has nothing left to hand out, and nothing will come: it ends.
    pub(super) fn join_dispatch(&self) {
        if let Some(thread) = self.dispatcher.lock().take() {
            // A panic in it has been told: others took over.
            let _ = thread.join();
        }
    }

    /// Whether no thread of the library's own calls the application any more.
    pub fn dispatch_has_ended(&self) -> bool {
        let ended = self.dispatcher.lock().as_ref().is_none_or(JoinHandle::is_finished);
        if ended {
            self.join_dispatch();
        }
        ended
    }

    /// The descriptor that is readable while something waits to be dispatched or taken.
    pub fn event_descriptor(&self) -> Result<RawFd> {
        self.reports.descriptor().map_err(no_descriptor)
    }

    /// The descriptor that is readable while there is room for another record.
    pub fn capacity_descriptor(&self) -> Result<RawFd> {
        self.reports.room.descriptor().map_err(no_descriptor)
    }

    /// Keeps what the strings of copied reports point to, until this thread copies again.
    pub fn lend(&self, texts: Vec<Arc<CStr>>) {
        self.reports.lend(texts);
    }

    /// Waits until `bytes` of `buffer.memory` are free; lingering batches are sent meanwhile. Nothing is reserved.
    pub fn wait_capacity(&self, bytes: usize, timeout_ms: i32) -> Result<()> {
        let limit = self.accumulator.memory.limit();
        if bytes > limit {
            let text =
                format!("bytes is {bytes}, but buffer.memory is {limit} bytes in all: it never has so much room");
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        }
        if self.reports.in_callback() {
            return Err(in_callback("producer_wait_capacity"));
        }
        let found = match timeout_ms {
            0 => self.accumulator.memory.look_for_room(bytes),
            _ => self.accumulator.wait_for_room(bytes, self.call_deadline(timeout_ms)),
        };
        match found {
            Ok(()) => Ok(()),
            Err(crate::accumulator::Refused::Closed) => Err(self.ended()),
            Err(crate::accumulator::Refused::Full | crate::accumulator::Refused::Crowded(_)) => {
                let text = format!(
                    "{bytes} bytes of buffer.memory={limit} did not become free within {timeout_ms} ms; {}",
                    self.find_memory_holder()
                );
                Err(Error::new(Status::TIMED_OUT, text))
            }
        }
    }
}

fn no_descriptor(error: std::io::Error) -> Error {
    Error::new(Status::NO_RESOURCES, format!("the operating system gives no descriptor: {error}"))
}
