//! Randomness for jitter and choices: seeded from outside, so that a simulated run repeats exactly.

use crate::time::Micros;

/// xorshift64*: good enough to spread retries, and no secret depends on it.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Exponential back-off with 20 % of jitter to both sides (KIP-580): `step` is 1 for the first wait.
    pub fn backoff(&mut self, first_ms: u64, most_ms: u64, step: u32) -> Micros {
        let doubled = first_ms.saturating_mul(1 << (step.saturating_sub(1)).min(20));
        let span = Micros::from_ms(doubled.min(most_ms)).0;
        Micros(span - span / 5 + self.below(span / 5 * 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_most_and_stays_within_its_jitter() {
        let mut random = Random::new(7);
        for (step, expected_ms) in [(1, 100), (2, 200), (3, 400), (9, 1000), (99, 1000)] {
            for _ in 0..100 {
                let span = random.backoff(100, 1000, step).0;
                assert!(span >= expected_ms * 800 && span <= expected_ms * 1200, "{step}: {span}");
            }
        }
        assert_eq!(random.backoff(0, 0, 1), Micros(0));
    }
}
