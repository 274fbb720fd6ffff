//! Faults that a test has ordered: the next requests of an API answer a code, or the connection breaks.

use std::collections::{BTreeMap, VecDeque};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Answer this code; 0 lets the request through, to place a fault behind it.
    Error(i16),
    Disconnect {
        after_append: bool,
    },
}

/// Per API key a queue of (fault, how many requests it still meets).
#[derive(Default)]
pub(super) struct Faults {
    queues: BTreeMap<i16, VecDeque<(Fault, u32)>>,
}

impl Faults {
    pub(super) fn push(&mut self, api_key: i16, fault: Fault, count: u32) {
        if count == 0 {
            return;
        }
        let queue = self.queues.entry(api_key).or_default();
        match queue.back_mut() {
            // Merging keeps the queue as short as the number of different orders.
            Some((last, left)) if *last == fault => *left = left.saturating_add(count),
            _ => queue.push_back((fault, count)),
        }
    }

    pub(super) fn take(&mut self, api_key: i16) -> Option<Fault> {
        let queue = self.queues.get_mut(&api_key)?;
        let (fault, left) = queue.front_mut()?;
        let fault = *fault;
        *left -= 1;
        if *left == 0 {
            queue.pop_front();
        }
        Some(fault)
    }

    pub(super) fn clear(&mut self) {
        self.queues.clear();
    }
}
