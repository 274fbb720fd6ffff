//! Records that somebody waits for: their batches do not linger, and the sender is told so once per batch.

use std::sync::atomic::{AtomicU64, Ordering};

use super::inbox::Command;
use super::{Accumulator, Placed};

/// Batches remembered, each in the place that its number gives it.
const PLACES: usize = 64;

/// The batches that the sender was told of last. One that has lost its place is told of again, which costs a letter.
pub(super) struct Hurried([AtomicU64; PLACES]);

impl Default for Hurried {
    fn default() -> Hurried {
        Hurried(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Hurried {
    /// Whether nobody asked for this batch before.
    fn is_first(&self, batch: u64) -> bool {
        let place = (batch % PLACES as u64) as usize;
        // Batches are numbered from 0, and 0 stands for none.
        self.0[place].swap(batch + 1, Ordering::Relaxed) != batch + 1
    }
}

impl Accumulator {
    /// Somebody waits for a record, of this topic if that is known: its batch goes at once, whatever `linger.ms` says.
    pub fn hurry(&self, topic: Option<u32>, placed: Placed) {
        let known = matches!(placed, Placed::InBatch { batch, .. } if !self.hurried.is_first(batch));
        if !known {
            self.inbox.command(Command::Hurry { topic, placed });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_told_of_once_while_it_is_remembered() {
        let hurried = Hurried::default();
        assert!(hurried.is_first(0) && hurried.is_first(5));
        assert!(!hurried.is_first(0) && !hurried.is_first(5));
        assert!(hurried.is_first(5 + PLACES as u64), "it takes the place of the other");
        assert!(hurried.is_first(5), "told again: better than never");
    }
}
