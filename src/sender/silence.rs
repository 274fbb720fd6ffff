//! How often the cluster is asked who leads while a broker does not answer. A cluster takes 6 to 18 seconds to notice that a
//! broker hangs and to move its partitions, so one question is too early, and `request.timeout.ms` would be the price.

use crate::time::{Micros, Time};

/// A broker that keeps us waiting for longer is suspected.
pub const SUSPECTED_AFTER: Micros = Micros::from_ms(1_000);
/// The longest pause between two questions: what a move is noticed later by.
const PAUSE_MAX: Micros = Micros::from_ms(3_000);

/// What a connection's broker owes us, and how often the cluster was asked because of it.
#[derive(Debug, Default)]
pub struct Silence {
    /// The request that is waited for; `None` while the connection is being made.
    request: Option<i32>,
    /// Questions since that one became the oldest, and when the last of them was.
    asked: u32,
    asked_at: Time,
}

impl Silence {
    /// When the cluster is to be asked next: `request` is the oldest that waits for its answer, since `since`.
    pub fn ask_at(&mut self, request: Option<i32>, since: Time) -> Time {
        if self.request != request {
            *self = Silence { request, ..Silence::default() };
        }
        match self.asked {
            0 => since + SUSPECTED_AFTER,
            asked => self.asked_at + Micros(SUSPECTED_AFTER.0 << (asked - 1).min(8)).min(PAUSE_MAX),
        }
    }

    /// The cluster is asked now.
    pub fn note_asked(&mut self, now: Time) {
        self.asked += 1;
        self.asked_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_asked_again_with_growing_pauses_while_one_request_waits() {
        let mut silence = Silence::default();
        let mut asked = Vec::new();
        let mut now = Time::ZERO;
        while now < Time::from_ms(30_000) {
            now = silence.ask_at(Some(4), Time::ZERO);
            silence.note_asked(now);
            asked.push(now.0 / 1_000_000);
        }
        assert_eq!(asked, [1, 2, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31]);
    }

    #[test]
    fn the_next_request_is_given_its_own_time() {
        let mut silence = Silence::default();
        assert_eq!(silence.ask_at(None, Time::ZERO), Time::from_ms(1_000), "the connection is being made");
        silence.note_asked(Time::from_ms(1_000));
        assert_eq!(silence.ask_at(Some(0), Time::from_ms(1_500)), Time::from_ms(2_500));
        silence.note_asked(Time::from_ms(2_500));
        assert_eq!(silence.ask_at(Some(1), Time::from_ms(2_600)), Time::from_ms(3_600));
    }
}
