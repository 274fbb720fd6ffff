//! A broker's quota (KIP-219): how long it asks for pauses, and whether they hold the producer back noticeably.

use crate::time::{Micros, Time};

/// Pauses that are shorter than this together are how quotas work; longer ones are reported.
const FELT: Micros = Micros::from_ms(1_000);
/// A pause that comes sooner after the last continues it.
const CALM: Micros = Micros::from_ms(1_000);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Throttle {
    /// Nothing is sent before.
    pub until: Time,
    /// The pauses since a time of calm, in all.
    paused: Micros,
}

impl Throttle {
    /// The broker asks for a pause.
    pub fn ask(&mut self, now: Time, pause: Micros) {
        if now >= self.calm_at() {
            self.paused = Micros::ZERO;
        }
        let before = self.until.max(now);
        self.until = before.max(now + pause);
        // Answers to several requests ask for the same pause.
        self.paused = Micros(self.paused.0.saturating_add(self.until.since(before).0));
    }

    /// How long the pauses were together, while they hold the producer back noticeably.
    pub fn felt(&self, now: Time) -> Option<Micros> {
        (self.paused >= FELT && now < self.calm_at()).then_some(self.paused)
    }

    /// When it is over unless there is another pause.
    pub fn calm_at(&self) -> Time {
        if self.paused == Micros::ZERO { Time::ZERO } else { self.until + CALM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::ZERO + Micros::from_ms(ms)
    }

    #[test]
    fn a_long_pause_is_felt_until_it_has_been_calm() {
        let mut throttle = Throttle::default();
        assert_eq!(throttle.felt(at(5_000)), None);
        throttle.ask(at(5_000), Micros::from_ms(6_000));
        assert_eq!((throttle.until, throttle.felt(at(5_000))), (at(11_000), Some(Micros::from_ms(6_000))));
        assert_eq!(throttle.felt(at(11_500)), Some(Micros::from_ms(6_000)));
        assert_eq!((throttle.calm_at(), throttle.felt(at(12_000))), (at(12_000), None));
    }

    #[test]
    fn short_pauses_are_felt_when_they_follow_each_other() {
        let mut throttle = Throttle::default();
        for round in 0..10 {
            throttle.ask(at(round * 400), Micros::from_ms(300));
            assert_eq!(throttle.felt(at(round * 400)).is_some(), round >= 3, "{round}");
        }
        let mut rare = Throttle::default();
        for round in 0..10 {
            rare.ask(at(round * 4_000), Micros::from_ms(300));
            assert_eq!(rare.felt(at(round * 4_000)), None);
        }
    }

    #[test]
    fn one_pause_asked_for_in_many_answers_is_one() {
        let mut throttle = Throttle::default();
        for _ in 0..100 {
            throttle.ask(at(0), Micros::from_ms(400));
        }
        assert_eq!((throttle.until, throttle.felt(at(0))), (at(400), None));
    }
}
