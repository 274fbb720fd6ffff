//! Which batches are not finished yet, and the flushes that wait for them. Batches are numbered in the order in which they
//! were opened, so a flush is a number: it is complete when no batch before it is left.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::reports::Completion;

#[derive(Debug, Default)]
pub struct Window {
    /// The oldest batch that is not finished.
    base: u64,
    /// From `base` on: whether it is finished.
    done: VecDeque<bool>,
    /// Batches that were split: how many parts are still to come beside the one that finishes next.
    parts: BTreeMap<u64, u32>,
    flushes: Vec<Flush>,
}

#[derive(Debug)]
struct Flush {
    before: u64,
    /// Topics whose parked records belong to it: they have no batch number yet.
    parked: BTreeSet<u32>,
    completion: Arc<Completion>,
}

impl Window {
    /// A batch was cut into `count` parts that all carry its number.
    pub fn split(&mut self, batch: u64, count: usize) {
        *self.parts.entry(batch).or_insert(0) += count as u32 - 1;
    }

    pub fn finish(&mut self, batch: u64) {
        if let Some(left) = self.parts.get_mut(&batch) {
            *left -= 1;
            if *left == 0 {
                self.parts.remove(&batch);
            }
            return;
        }
        let at = (batch - self.base) as usize;
        if at >= self.done.len() {
            self.done.resize(at + 1, false);
        }
        self.done[at] = true;
        while self.done.front() == Some(&true) {
            self.done.pop_front();
            self.base += 1;
        }
    }

    pub fn flush(&mut self, before: u64, parked: BTreeSet<u32>, completion: Arc<Completion>) {
        // Flushes whose caller has given up are nobody's any more: a program that asks again and again leaves no pile.
        self.flushes.retain(|flush| Arc::strong_count(&flush.completion) > 1);
        self.flushes.push(Flush { before, parked, completion });
    }

    /// A topic's parked records got batches, all before `next`, or failed.
    pub fn unparked(&mut self, topic: u32, next: u64) {
        for flush in &mut self.flushes {
            if flush.parked.remove(&topic) {
                flush.before = flush.before.max(next);
            }
        }
    }

    /// The flushes that are complete.
    pub fn take_complete(&mut self) -> Vec<Arc<Completion>> {
        let base = self.base;
        let (complete, waiting): (Vec<Flush>, Vec<Flush>) = std::mem::take(&mut self.flushes)
            .into_iter()
            .partition(|flush| flush.parked.is_empty() && flush.before <= base);
        self.flushes = waiting;
        complete.into_iter().map(|flush| flush.completion).collect()
    }

    /// Some of a topic's parked records got batches, all before `next`; others still wait.
    pub fn extend(&mut self, topic: u32, next: u64) {
        for flush in &mut self.flushes {
            if flush.parked.contains(&topic) {
                flush.before = flush.before.max(next);
            }
        }
    }

    /// Every flush, complete or not: nothing will be finished any more.
    pub fn take_all(&mut self) -> Vec<Arc<Completion>> {
        std::mem::take(&mut self.flushes).into_iter().map(|flush| flush.completion).collect()
    }

    pub fn has_flushes(&self) -> bool {
        !self.flushes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(window: &mut Window) -> usize {
        window.take_complete().len()
    }

    #[test]
    fn a_flush_waits_for_what_came_before_it_only() {
        let mut window = Window::default();
        window.flush(2, BTreeSet::new(), Arc::default());
        window.finish(1);
        window.finish(5);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1);
        assert_eq!(window.base, 2);
    }

    #[test]
    fn a_flush_that_nobody_waits_for_is_forgotten() {
        let mut window = Window::default();
        window.flush(1, BTreeSet::new(), Arc::default());
        let kept = Arc::default();
        window.flush(1, BTreeSet::new(), Arc::clone(&kept));
        window.flush(1, BTreeSet::new(), Arc::default());
        assert_eq!(window.flushes.len(), 2);
    }

    #[test]
    fn a_split_batch_is_finished_with_its_last_part() {
        let mut window = Window::default();
        window.flush(1, BTreeSet::new(), Arc::default());
        window.split(0, 3);
        window.finish(0);
        window.split(0, 2);
        window.finish(0);
        window.finish(0);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1);
    }

    #[test]
    fn parked_records_extend_a_flush_once() {
        let mut window = Window::default();
        window.flush(0, BTreeSet::from([7]), Arc::default());
        assert_eq!(complete(&mut window), 0);
        window.unparked(7, 1);
        window.unparked(7, 9);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1);
    }
}
