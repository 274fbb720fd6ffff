//! Log lines about one thing that may repeat without end: some in a row, then one in a while.

use crate::time::{Micros, Time};

/// So many lines in a row, then one per `REFILL`.
const IN_A_ROW: u32 = 6;
const REFILL: Micros = Micros::from_ms(10_000);

#[derive(Debug)]
pub struct RateLimit {
    left: u32,
    refilled_at: Time,
    suppressed: u32,
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit { left: IN_A_ROW, refilled_at: Time::ZERO, suppressed: 0 }
    }
}

impl RateLimit {
    /// Whether one more line may be logged, and what to append to it: how many before it were not.
    pub fn allow(&mut self, now: Time) -> Option<String> {
        let earned = now.since(self.refilled_at).0 / REFILL.0;
        if earned > 0 {
            self.left = IN_A_ROW.min(self.left.saturating_add(earned.min(u64::from(IN_A_ROW)) as u32));
            self.refilled_at = now;
        }
        if self.left == 0 {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.left -= 1;
        Some(match std::mem::take(&mut self.suppressed) {
            0 => String::new(),
            1 => " (1 such line before this was not logged)".into(),
            suppressed => format!(" ({suppressed} such lines before this were not logged)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_in_a_row_then_one_in_a_while_and_the_others_are_counted() {
        let mut limit = RateLimit::default();
        let logged = (0..100).filter(|i| limit.allow(Time(*i)).is_some()).count();
        assert_eq!(logged, IN_A_ROW as usize);
        let later = Time::ZERO + REFILL;
        assert_eq!(limit.allow(later).as_deref(), Some(" (94 such lines before this were not logged)"));
        assert_eq!(limit.allow(later), None);
        let much_later = later + Micros(REFILL.0 * 100);
        assert_eq!(limit.allow(much_later).as_deref(), Some(" (1 such line before this was not logged)"));
        let rest = (0..100).filter(|i| limit.allow(much_later + Micros(*i)).is_some()).count();
        assert_eq!(rest, IN_A_ROW as usize - 1, "what was not used does not add up");
    }
}
