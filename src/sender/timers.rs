//! The one timer table. Entries are hints: whoever is woken looks at its own state again, so arming twice is harmless
//! and nothing is ever cancelled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Timer {
    /// A partition's back-off is over.
    Partition(u32),
    /// A partition's earliest delivery deadline.
    Deadline(u32),
    /// A topic's parked records: their deadline or the end of the unknown-topic grace.
    Parked(u32),
    /// A broker: reconnecting, request deadline, throttling, idleness.
    Broker(i32),
    /// Metadata: refresh by age, or back-off between attempts.
    Metadata,
    /// Metadata has come that may name other leaders than those that do not answer; what they did answer is read first.
    LeadersMoved,
    /// The back-off before a producer id is asked for again.
    ProducerId,
    /// The back-off before a coordinator is asked again.
    Transaction,
    /// Metadata that the application asked for: back-off, or a broker that does not answer.
    Query,
    /// Warm-ups that have taken too long.
    WarmUp,
    /// `statistics.interval.ms`.
    Statistics,
    /// Something that keeps records waiting has lasted long enough to degrade health, or may be over.
    Health,
    /// Telemetry's next request, or the deadline of the one under way.
    Telemetry,
    /// Memory that no burst has needed for a while goes back to the system.
    Memory,
}

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Time, Timer)>>,
}

impl Timers {
    pub fn arm(&mut self, timer: Timer, at: Time) {
        if at < Time::NEVER {
            self.heap.push(Reverse((at, timer)));
        }
    }

    pub fn next_timeout(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }

    /// The next timer that is due at `now`.
    pub fn pop_due(&mut self, now: Time) -> Option<Timer> {
        if self.next_timeout() > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_in_order_of_time_and_never_means_never() {
        let mut timers = Timers::default();
        timers.arm(Timer::Metadata, Time(30));
        timers.arm(Timer::Broker(1), Time(10));
        timers.arm(Timer::Broker(2), Time::NEVER);
        assert_eq!(timers.next_timeout(), Time(10));
        assert_eq!(timers.pop_due(Time(9)), None);
        assert_eq!(timers.pop_due(Time(30)), Some(Timer::Broker(1)));
        assert_eq!(timers.pop_due(Time(30)), Some(Timer::Metadata));
        assert_eq!(timers.next_timeout(), Time::NEVER);
    }
}
