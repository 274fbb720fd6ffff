//! When a token is renewed: pure arithmetic, as Java's ExpiringCredentialRefreshingLogin does it.

use crate::config::RefreshSettings;

/// The moment to renew a token that was got at `now_ms` and ends at `expires_at_ms`, milliseconds since 1970. `spread` is a random
/// number that moves it, so that not all clients come at once. `i64::MAX`: never.
pub fn refresh_at_ms(settings: &RefreshSettings, now_ms: i64, expires_at_ms: i64, spread: u64) -> i64 {
    if expires_at_ms == i64::MAX {
        return i64::MAX;
    }
    let life_ms = expires_at_ms.saturating_sub(now_ms).max(0);
    let jitter = spread % settings.window_jitter_permille.saturating_add(1);
    let permille = settings.window_factor_permille.saturating_add(jitter).min(1_000);
    let part_ms = i128::from(life_ms) * i128::from(permille) / 1_000;
    let planned_ms = now_ms.saturating_add(i64::try_from(part_ms).unwrap_or(i64::MAX));
    let seconds = |count: u64| i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(1_000);
    let (least_ms, buffer_ms) = (seconds(settings.min_period_seconds), seconds(settings.buffer_seconds));
    if least_ms.saturating_add(buffer_ms) >= life_ms {
        // Both give way: such a token is too short for them.
        return planned_ms;
    }
    planned_ms.min(expires_at_ms - buffer_ms).max(now_ms + least_ms)
}

/// How long after its `failures`-th failure in a row a token is asked for again; half of it is left to chance.
pub fn retry_after_ms(settings: &RefreshSettings, failures: u32, spread: u64) -> i64 {
    let doubled = settings.retry_backoff_ms.max(1).saturating_mul(1 << failures.saturating_sub(1).min(30));
    let most = doubled.min(settings.retry_backoff_max_ms.max(1));
    let half = most / 2;
    i64::try_from(most - half + spread % (half + 1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_token_is_renewed_in_the_last_fifth_of_its_life() {
        let settings = RefreshSettings::default();
        assert_eq!(refresh_at_ms(&settings, 1_000, 1_000 + HOUR, 0), 1_000 + HOUR * 8 / 10);
        assert_eq!(refresh_at_ms(&settings, 0, HOUR, 50), HOUR * 85 / 100);
        assert_eq!(refresh_at_ms(&settings, 0, HOUR, 51), HOUR * 80 / 100, "jitter is from 0 to its most");
        assert_eq!(refresh_at_ms(&settings, 5, i64::MAX, 0), i64::MAX, "nobody knows its end");
    }

    #[test]
    fn buffer_and_least_period_hold_where_the_life_is_long_enough() {
        let settings = RefreshSettings::default();
        // 0.8 of 1000 s is 800 s; the buffer of 300 s comes first.
        assert_eq!(refresh_at_ms(&settings, 0, 1_000_000, 0), 700_000);
        assert_eq!(refresh_at_ms(&settings, 0, 361_000, 0), 61_000);
        let patient = RefreshSettings { min_period_seconds: 900, ..RefreshSettings::default() };
        assert_eq!(refresh_at_ms(&patient, 0, 1_201_000, 0), 901_000);
    }

    #[test]
    fn short_tokens_ignore_both() {
        let settings = RefreshSettings::default();
        assert_eq!(refresh_at_ms(&settings, 0, 360_000, 0), 288_000);
        assert_eq!(refresh_at_ms(&settings, 100, 5_100, 0), 4_100);
        assert_eq!(refresh_at_ms(&settings, 100, 50, 0), 100, "an old one is renewed at once");
        assert_eq!(refresh_at_ms(&settings, i64::MAX - 5, i64::MAX - 1, 0), i64::MAX - 2);
    }

    #[test]
    fn failures_are_tried_again_later_and_later() {
        let settings = RefreshSettings::default();
        for (failures, most) in [(1, 100), (2, 200), (3, 400), (8, 10_000), (4_000_000_000, 10_000)] {
            assert_eq!(retry_after_ms(&settings, failures, 0), most / 2);
            assert_eq!(retry_after_ms(&settings, failures, most as u64 / 2), most);
        }
        let none = RefreshSettings { retry_backoff_ms: 0, retry_backoff_max_ms: 0, ..RefreshSettings::default() };
        assert_eq!(retry_after_ms(&none, 1, 7), 1, "it never spins");
    }
}
