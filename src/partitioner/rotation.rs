//! The broker that `single_broker` stays with: one for the whole producer, left for the next by number when its time is over.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::time::{Micros, Time};

/// Shared by all threads and topics.
#[derive(Debug)]
pub struct Rotation {
    stays: Micros,
    /// When the broker of this turn is left, in microseconds.
    until: AtomicU64,
    /// Counts the turns; 0 before the first.
    turn: AtomicU32,
    start: u64,
}

impl Rotation {
    /// `seed` decides the first broker, so that many producers do not all begin with the same.
    pub fn new(stays: Micros, seed: u64) -> Rotation {
        Rotation { stays, until: AtomicU64::new(0), turn: AtomicU32::new(0), start: seed >> 33 }
    }

    /// The turn that it is at `now`; every record asks, and one thread begins a turn that is due.
    pub fn turn(&self, now: Time) -> u32 {
        let until = self.until.load(Ordering::Relaxed);
        let turn = self.turn.load(Ordering::Acquire);
        if now.0 < until && turn != 0 {
            return turn;
        }
        let next = (now + self.stays.max(Micros(1))).0;
        match self.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => self.turn.fetch_add(1, Ordering::Release) + 1,
            // Another thread has just begun it.
            Err(_) => self.turn.load(Ordering::Acquire).max(1),
        }
    }

    /// The broker of a turn: each of `live` in its turn, in the order of their numbers, or the next of `leaders` where that one
    /// leads nothing. Both are sorted; `None` when there are no leaders.
    pub fn broker(&self, turn: u32, live: &[i32], leaders: &[i32]) -> Option<i32> {
        let ring = if live.is_empty() { leaders } else { live };
        let at = (self.start + u64::from(turn)) % (ring.len() as u64).max(1);
        let pivot = *ring.get(at as usize)?;
        leaders.iter().find(|id| **id >= pivot).or(leaders.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_kept_for_its_time_and_left_for_the_next() {
        let rotation = Rotation::new(Micros::from_ms(30_000), 7);
        let first = rotation.turn(Time::from_ms(5));
        assert_eq!(rotation.turn(Time::from_ms(30_004)), first);
        let second = rotation.turn(Time::from_ms(30_005));
        assert_eq!(second, first + 1);
        assert_eq!(rotation.turn(Time::from_ms(60_004)), second, "its time begins when it is begun");
        // After a long pause one turn is over, not many.
        assert_eq!(rotation.turn(Time::from_ms(600_000)), second + 1);
    }

    #[test]
    fn every_broker_gets_its_turn() {
        let rotation = Rotation::new(Micros::from_ms(1), 0x1234_5678_9abc_def0);
        let mut seen: Vec<i32> = (1..=3).filter_map(|turn| rotation.broker(turn, &[], &[1, 4, 9])).collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 4, 9]);
        assert_eq!(rotation.broker(1, &[1], &[]), None);
        assert_eq!(rotation.broker(1, &[], &[6]), Some(6));
    }

    #[test]
    fn topics_that_are_not_on_every_broker_share_one_where_they_can() {
        let rotation = Rotation::new(Micros::from_ms(1), 0);
        let live = [1, 2, 3];
        for turn in 1..=3 {
            let everywhere = rotation.broker(turn, &live, &live);
            let broker = rotation.broker(turn, &live, &[1, 3]);
            assert!(broker == everywhere || everywhere == Some(2) && broker == Some(3), "{turn}: {broker:?}");
        }
    }

    #[test]
    fn threads_that_meet_at_the_end_of_a_turn_begin_one_turn() {
        let rotation = Rotation::new(Micros::from_ms(10), 1);
        let before = rotation.turn(Time::from_ms(1));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| rotation.turn(Time::from_ms(12)));
            }
        });
        assert_eq!(rotation.turn(Time::from_ms(13)), before + 1);
    }
}
