//! What interceptors and serializers need of their producer: they are the application's code, run while it sends.

use super::Producer;
use crate::accumulator::Topic;
use crate::error::Result;
use crate::record::Record;
use crate::reports::{Dispatch, Handed, Item};
use crate::wire::record_batch::{HEADER_LEN, record_len_max};

impl Producer {
    /// Refuses a record that is too large to be sent at all.
    pub fn check_fits(&self, topic: &Topic, record: &Record<'_>) -> Result<()> {
        let most = record_len_max(record);
        if most > self.max_request_size - HEADER_LEN { self.check_size(topic, record, most) } else { Ok(()) }
    }

    pub fn log(&self, level: i32, facility: &'static str, text: impl FnOnce() -> String) {
        self.reports.log(level, facility, text);
    }

    /// Runs code of the application on a thread that sends: what it may not call is refused meanwhile.
    pub fn call_out<R>(&self, code: impl FnOnce() -> R) -> R {
        self.reports.call_out(code)
    }

    /// Whether this thread is in such code.
    pub fn is_called_out(&self) -> bool {
        self.reports.is_called_out()
    }

    /// Hands out the reports that were to be copied and have not been. Nothing comes any more, and nobody else is here.
    pub fn hand_kept(&self, mut hand: impl FnMut(Item<'_>) -> Handed) {
        // One that yields ends a turn, not this.
        while matches!(self.reports.take_now(&mut hand), Dispatch::Done(_)) {}
    }

    /// Somebody wants to hear of every record, also of those whose sender does not.
    pub fn hear_of_all(&self) {
        self.reports.hear_of_all();
    }
}
