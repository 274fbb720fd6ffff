//! Which of a codec's ways a topic's batches go: some of them take half the time of others and leave as little of one kind of
//! data and a tenth more of another. So now and then a batch goes all the ways, and those behind it the cheapest that is no
//! worse.

use std::sync::atomic::{AtomicU32, Ordering};

/// A batch in so many goes all the ways: with zstd it takes three times as long as others, which is 1.5 % of them all.
const TRIED_EVERY: u32 = 128;
/// A cheaper way may leave so much more than the thorough one: a part in a hundred.
const SLACK_PART: usize = 100;

/// What one topic's batches have shown of one codec. Threads that compress share it; a count that two of them changed at once
/// costs a trial.
#[derive(Debug, Default)]
pub struct Taste {
    /// The way that batches go; 0 is the thorough one.
    way: AtomicU32,
    /// Batches until the next trial.
    left: AtomicU32,
}

impl Taste {
    /// The way of the next batch; `None`: it is to try all of them.
    pub(super) fn next(&self) -> Option<usize> {
        match self.left.load(Ordering::Relaxed) {
            0 => {
                self.left.store(TRIED_EVERY - 1, Ordering::Relaxed);
                None
            }
            left => {
                self.left.store(left - 1, Ordering::Relaxed);
                Some(self.way.load(Ordering::Relaxed) as usize)
            }
        }
    }

    pub(super) fn choose(&self, way: usize) {
        self.way.store(way as u32, Ordering::Relaxed);
    }
}

/// Whether a cheaper way is good enough.
pub(super) fn is_no_worse(thorough_bytes: usize, bytes: usize) -> bool {
    bytes <= thorough_bytes + thorough_bytes / SLACK_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_tries_and_every_128th_after_it() {
        let taste = Taste::default();
        for _ in 0..3 {
            assert_eq!(taste.next(), None);
            taste.choose(2);
            for _ in 1..TRIED_EVERY {
                assert_eq!(taste.next(), Some(2));
            }
        }
    }

    #[test]
    fn one_percent_more_is_no_worse() {
        assert!(is_no_worse(1_000, 1_010) && !is_no_worse(1_000, 1_011) && is_no_worse(1_000, 900));
    }
}
