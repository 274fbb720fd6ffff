//! Which batches are not finished yet, and the flushes that wait for them. Batches are numbered in the order in which they
//! were opened, so a flush is a number: it is complete when no batch before it is left. One of a single topic counts its
//! batches before that number.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use crate::reports::Completion;

#[derive(Debug, Default)]
pub struct Window {
    /// The oldest batch that is not finished.
    base: u64,
    /// From `base` on.
    batches: VecDeque<Entry>,
    /// Every batch with a smaller number has been told of by `opened`.
    known: u64,
    /// Batches that were split: how many parts are still to come beside the one that finishes next.
    parts: BTreeMap<u64, u32>,
    flushes: Vec<Flush>,
}

/// A batch: its topic, and whether it is finished in the lowest bit. With thousands of open batches there are many.
#[derive(Debug, Clone, Copy)]
struct Entry(u32);

/// A batch may be finished before anybody has told of it.
const UNKNOWN: Entry = Entry(u32::MAX - 1);

impl Entry {
    fn topic(self) -> u32 {
        self.0 >> 1
    }

    fn is_finished(self) -> bool {
        self.0 & 1 == 1
    }

    fn set_topic(&mut self, topic: u32) {
        // Topics are counted from 0, each with a name in memory: there are never so many.
        debug_assert!(topic < UNKNOWN.topic());
        self.0 = topic << 1 | self.0 & 1;
    }

    fn finish(&mut self) {
        self.0 |= 1;
    }
}

#[derive(Debug)]
struct Flush {
    before: u64,
    /// Of one topic: which, and how many of its known batches are not finished.
    topic: Option<(u32, usize)>,
    /// Topics whose parked records belong to it: they have no batch number yet.
    parked: BTreeSet<u32>,
    completion: Arc<Completion>,
}

impl Flush {
    /// Its batches now end before `before`; `batches` begin with number `base`.
    fn extend(&mut self, before: u64, base: u64, batches: &VecDeque<Entry>) {
        if before <= self.before {
            return;
        }
        if let Some((topic, left)) = &mut self.topic {
            *left += unfinished(batches, base, self.before..before, *topic);
        }
        self.before = before;
    }

    /// Of the batch of this topic: it belongs to the flush.
    fn counter(&mut self, batch: u64, topic: u32) -> Option<&mut usize> {
        match &mut self.topic {
            Some((own, left)) if *own == topic && batch < self.before => Some(left),
            _ => None,
        }
    }

    fn is_complete(&self, base: u64, known: u64) -> bool {
        let finished = match self.topic {
            None => self.before <= base,
            Some((_, left)) => left == 0 && self.before <= known,
        };
        finished && self.parked.is_empty()
    }
}

/// How many of the topic's batches with these numbers are not finished; the first of `batches` has the number `base`.
fn unfinished(batches: &VecDeque<Entry>, base: u64, numbers: Range<u64>, topic: u32) -> usize {
    let place = |number: u64| (number.saturating_sub(base) as usize).min(batches.len());
    let theirs = batches.range(place(numbers.start)..place(numbers.end));
    theirs.filter(|entry| entry.topic() == topic && !entry.is_finished()).count()
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
        let entry = self.entry(batch);
        entry.finish();
        let topic = entry.topic();
        while self.batches.front().is_some_and(|entry| entry.is_finished()) {
            self.batches.pop_front();
            self.base += 1;
        }
        for flush in &mut self.flushes {
            if let Some(left) = flush.counter(batch, topic) {
                *left -= 1;
            }
        }
    }

    /// The sender is told of a batch. It may be finished already.
    pub fn opened(&mut self, batch: u64, topic: u32) {
        if batch < self.base {
            return;
        }
        let entry = self.entry(batch);
        entry.set_topic(topic);
        if entry.is_finished() {
            return;
        }
        for flush in &mut self.flushes {
            if let Some(left) = flush.counter(batch, topic) {
                *left += 1;
            }
        }
    }

    /// Every batch with a number smaller than `before` has been told of.
    pub fn know(&mut self, before: u64) {
        self.known = before;
    }

    fn entry(&mut self, batch: u64) -> &mut Entry {
        let at = (batch - self.base) as usize;
        if at >= self.batches.len() {
            self.batches.resize(at + 1, UNKNOWN);
        }
        &mut self.batches[at]
    }

    /// Waits for the batches before `before`, of one topic or of all, and for what is `parked` of these topics.
    pub fn flush(&mut self, before: u64, topic: Option<u32>, parked: BTreeSet<u32>, completion: Arc<Completion>) {
        // Flushes whose caller has given up are nobody's any more: a program that asks again and again leaves no pile.
        self.flushes.retain(|flush| Arc::strong_count(&flush.completion) > 1);
        let topic = topic.map(|topic| (topic, unfinished(&self.batches, self.base, self.base..before, topic)));
        self.flushes.push(Flush { before, topic, parked, completion });
    }

    /// Whether parked records of the topic belong to a flush.
    pub fn waits_for_parked(&self, topic: u32) -> bool {
        self.flushes.iter().any(|flush| flush.parked.contains(&topic))
    }

    /// A topic's parked records got batches, all before `next`, or failed.
    pub fn unparked(&mut self, topic: u32, next: u64) {
        for flush in &mut self.flushes {
            if flush.parked.remove(&topic) {
                flush.extend(next, self.base, &self.batches);
            }
        }
    }

    /// The flushes that are complete.
    pub fn take_complete(&mut self) -> Vec<Arc<Completion>> {
        let (base, known) = (self.base, self.known);
        let (complete, waiting): (Vec<Flush>, Vec<Flush>) =
            std::mem::take(&mut self.flushes).into_iter().partition(|flush| flush.is_complete(base, known));
        self.flushes = waiting;
        complete.into_iter().map(|flush| flush.completion).collect()
    }

    /// Some of a topic's parked records got batches, all before `next`; others still wait.
    pub fn extend(&mut self, topic: u32, next: u64) {
        for flush in &mut self.flushes {
            if flush.parked.contains(&topic) {
                flush.extend(next, self.base, &self.batches);
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
        window.flush(2, None, BTreeSet::new(), Arc::default());
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
        window.flush(1, None, BTreeSet::new(), Arc::default());
        let kept = Arc::default();
        window.flush(1, None, BTreeSet::new(), Arc::clone(&kept));
        window.flush(1, None, BTreeSet::new(), Arc::default());
        assert_eq!(window.flushes.len(), 2);
    }

    #[test]
    fn a_split_batch_is_finished_with_its_last_part() {
        let mut window = Window::default();
        window.flush(1, None, BTreeSet::new(), Arc::default());
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
        window.flush(0, None, BTreeSet::from([7]), Arc::default());
        assert_eq!(complete(&mut window), 0);
        window.unparked(7, 1);
        window.unparked(7, 9);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1);
    }

    /// A window that knows batches 0 to 3, of topics 7, 8, 7 and 8.
    fn two_topics() -> Window {
        let mut window = Window::default();
        for (batch, topic) in [7, 8, 7, 8].into_iter().enumerate() {
            window.opened(batch as u64, topic);
        }
        window.know(4);
        window
    }

    #[test]
    fn a_flush_of_a_topic_waits_for_that_topic_only() {
        let mut window = two_topics();
        window.flush(4, Some(7), BTreeSet::new(), Arc::default());
        window.finish(2);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1, "the other topic's batches are not finished");
        window.flush(4, Some(7), BTreeSet::new(), Arc::default());
        assert_eq!(complete(&mut window), 1, "nothing of it is left");
        window.flush(4, Some(9), BTreeSet::new(), Arc::default());
        assert_eq!(complete(&mut window), 1, "it never had anything");
    }

    #[test]
    fn what_comes_after_a_flush_of_a_topic_does_not_hold_it_up() {
        let mut window = two_topics();
        window.flush(4, Some(7), BTreeSet::new(), Arc::default());
        window.opened(4, 7);
        window.know(5);
        window.finish(0);
        window.finish(2);
        assert_eq!(complete(&mut window), 1);
    }

    #[test]
    fn parked_records_belong_to_a_flush_of_their_topic_once_their_batches_are_told_of() {
        let mut window = two_topics();
        window.flush(4, Some(8), BTreeSet::from([8]), Arc::default());
        assert!(window.waits_for_parked(8) && !window.waits_for_parked(7));
        // A batch that was opened after the flush and before the records that it waits for.
        window.opened(4, 8);
        window.know(5);
        window.finish(1);
        window.finish(3);
        window.unparked(8, 7);
        assert_eq!(complete(&mut window), 0, "nobody has told of its batches yet");
        window.finish(4);
        assert_eq!(complete(&mut window), 0);
        // One of them fails before it is told of.
        window.finish(5);
        window.opened(5, 8);
        window.opened(6, 8);
        window.know(7);
        assert_eq!(complete(&mut window), 0);
        window.finish(6);
        assert_eq!(complete(&mut window), 1);
    }

    #[test]
    fn records_that_stay_parked_keep_the_flush_of_their_topic_open() {
        let mut window = two_topics();
        window.flush(4, Some(7), BTreeSet::from([7]), Arc::default());
        for batch in [0, 2] {
            window.finish(batch);
        }
        window.extend(7, 5);
        window.opened(4, 7);
        window.know(5);
        window.finish(4);
        assert_eq!(complete(&mut window), 0);
        window.unparked(7, 5);
        assert_eq!(complete(&mut window), 1);
    }

    #[test]
    fn the_parts_of_a_split_batch_count_once_for_its_topic() {
        let mut window = two_topics();
        window.flush(4, Some(7), BTreeSet::new(), Arc::default());
        window.split(0, 2);
        window.finish(0);
        window.finish(2);
        assert_eq!(complete(&mut window), 0);
        window.finish(0);
        assert_eq!(complete(&mut window), 1);
    }
}
