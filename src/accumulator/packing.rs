//! Compressing sealed batches. A batch is put in line when it is sealed and compressed by a thread of the pool; small ones, and
//! all of them without a pool, are compressed where they are taken. Meanwhile the batch stays in its partition's queue, so
//! that the queue keeps the order; who takes it for another end (expiry, purge) takes it as it is, and the result is dropped.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::Accumulator;
use super::batch::{Batch, BatchBytes};
use super::inbox::Event;
use super::partition::{Partition, Queue};
use super::topic::Topic;
use crate::codec::{Compression, Workspace};
use crate::sync::{Condvar, Mutex};
use crate::time::Time;

/// Smaller batches are compressed where they are taken: a thread's wake-up costs more.
pub const HANDED_BYTES_MIN: usize = 4 << 10;

/// How far a sealed batch is on its way to its final bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It is sent as it is.
    Final,
    /// It is to be compressed where it is taken.
    Raw,
    /// It is to be compressed by a thread of the pool, which has not come to it yet.
    InLine,
    /// A thread is at it.
    AtWork,
}

/// The line of what is to be compressed, and what compressing needs.
pub struct Packing {
    line: Mutex<Line>,
    came: Condvar,
    /// Batches of so many bytes go in line; without somebody who works it off none is so large.
    handed_bytes_min: AtomicUsize,
    /// For times of work; none in the simulator.
    clock: OnceLock<Box<dyn Fn() -> Time + Send + Sync>>,
    /// For batches that are compressed where they are taken.
    own: Mutex<PackingTools>,
    /// Trouble with a codec is told once.
    is_told: AtomicBool,
}

#[derive(Default)]
struct Line {
    /// Topic and index of partitions that have batches in line: each once, so that a busy one does not keep the others waiting.
    partitions: VecDeque<(u32, u32)>,
    has_ended: bool,
}

/// What one thread compresses with: kept from one batch to the next, and as large as the largest of them became.
#[derive(Default)]
pub struct PackingTools {
    workspace: Workspace,
    out: Vec<u8>,
}

/// A batch that is being compressed. Its bytes do not change meanwhile.
pub struct PackingJob {
    topic: Arc<Topic>,
    index: u32,
    batch: u64,
    how: Compression,
    bytes: Arc<BatchBytes>,
}

impl std::fmt::Debug for PackingJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackingJob(batch {} of {} [{}])", self.batch, self.topic.name(), self.index)
    }
}

impl Default for Packing {
    fn default() -> Packing {
        Packing {
            line: Mutex::default(),
            came: Condvar::new(),
            handed_bytes_min: AtomicUsize::new(usize::MAX),
            clock: OnceLock::new(),
            own: Mutex::default(),
            is_told: AtomicBool::new(false),
        }
    }
}

impl Packing {
    /// From now on somebody works the line off, in which batches of at least so many bytes are put.
    pub fn open(&self, handed_bytes_min: usize) {
        self.handed_bytes_min.store(handed_bytes_min, Ordering::Release);
    }

    /// Sets what measures the time that compressing takes.
    pub fn set_clock(&self, clock: impl Fn() -> Time + Send + Sync + 'static) {
        // A second one would tell the same.
        let _ = self.clock.set(Box::new(clock));
    }

    /// Nothing is in line any more: threads that wait go home, those at work when they are done.
    pub fn end(&self) {
        self.handed_bytes_min.store(usize::MAX, Ordering::Release);
        let mut line = self.line.lock();
        line.has_ended = true;
        line.partitions.clear();
        self.came.notify_all();
    }

    /// False: nobody works the line off any more.
    fn push(&self, partition: (u32, u32)) -> bool {
        let mut line = self.line.lock();
        if line.has_ended {
            return false;
        }
        line.partitions.push_back(partition);
        self.came.notify_one();
        true
    }

    /// Waits for a partition that has batches in line; `None` when there will be none.
    fn next_in_line(&self) -> Option<(u32, u32)> {
        let mut line = self.line.lock();
        loop {
            if line.has_ended {
                return None;
            }
            match line.partitions.pop_front() {
                Some(partition) => return Some(partition),
                None => self.came.wait(&mut line),
            }
        }
    }

    fn takes(&self, batch: &Batch) -> bool {
        batch.stage == Stage::Raw && batch.len() >= self.handed_bytes_min.load(Ordering::Acquire)
    }

    fn now(&self) -> Time {
        self.clock.get().map_or(Time::ZERO, |clock| clock())
    }
}

impl PackingTools {
    /// Compresses the records into `out`; false when that does not make them less. A mistake of a codec's costs nothing but
    /// that.
    fn compress(&mut self, bytes: &BatchBytes, how: Compression, topic: &Topic, tell: impl FnOnce(&str)) -> bool {
        let pieces: Vec<&[u8]> = bytes.records().filter(|piece| !piece.is_empty()).collect();
        let Some(most) = pieces.iter().map(|piece| piece.len()).sum::<usize>().checked_sub(1) else { return false };
        let PackingTools { workspace, out } = self;
        let taste = topic.settings().taste(how.codec);
        match catch_unwind(AssertUnwindSafe(|| workspace.compress_to(taste, how, &pieces, most, out))) {
            Ok(Ok(is_less)) => is_less,
            Ok(Err(text)) => {
                tell(&text);
                false
            }
            Err(_) => {
                *self = PackingTools::default();
                tell("internal error of the library");
                false
            }
        }
    }
}

impl Queue {
    /// A sealed batch that is to be compressed gets in line, if there is a line for it: it is not to be taken yet.
    pub(super) fn hand_over(&mut self, at: usize, partition: &Partition, packing: &Packing) -> bool {
        let Some(batch) = self.sealed.get_mut(at).filter(|batch| packing.takes(batch)) else { return false };
        if !self.is_in_line {
            if !packing.push((partition.topic, partition.index as u32)) {
                return false;
            }
            (self.is_in_line, self.first_in_line) = (true, batch.id);
        }
        self.first_in_line = self.first_in_line.min(batch.id);
        batch.stage = Stage::InLine;
        true
    }

    /// Where the first batch in line at or behind `from` stands.
    fn in_line_from(&self, from: usize) -> Option<usize> {
        self.sealed.range(from..).position(|batch| batch.stage == Stage::InLine).map(|place| from + place)
    }

    /// The partition stands in line for the batches in line at or behind `from`, if there are any.
    fn stay_in_line(&mut self, from: usize, partition: &Partition, packing: &Packing) {
        self.is_in_line = false;
        if let Some(next) = self.in_line_from(from) {
            self.first_in_line = self.sealed[next].id;
            self.is_in_line = packing.push((partition.topic, partition.index as u32));
        }
    }

    /// Where the batch of this number stands that a thread is at.
    fn at_work(&self, batch: u64) -> Option<usize> {
        let at = self.sealed_from(batch);
        self.sealed.get(at).filter(|sealed| sealed.id == batch && sealed.stage == Stage::AtWork).map(|_| at)
    }
}

impl Accumulator {
    /// The next batch to be compressed, if there is one.
    pub fn next_packing(&self) -> Option<PackingJob> {
        loop {
            let (topic, index) = self.packing.line.lock().partitions.pop_front()?;
            if let Some(job) = self.begin_packing(topic, index) {
                return Some(job);
            }
        }
    }

    /// Works the line off until it ends: what a thread of the pool does.
    pub fn pack_in_line(&self) {
        let mut tools = PackingTools::default();
        while let Some(partition) = self.packing.next_in_line() {
            self.pack_next_of(partition, &mut tools);
        }
    }

    /// Compresses the next batch of the partition. Whatever goes wrong costs the compression of that batch, not the thread.
    fn pack_next_of(&self, (topic, index): (u32, u32), tools: &mut PackingTools) {
        let mut batch = None;
        let packed = catch_unwind(AssertUnwindSafe(|| {
            if let Some(job) = self.begin_packing(topic, index) {
                batch = Some(job.batch);
                self.finish_packing(job, tools);
            }
        }));
        if packed.is_err() {
            *tools = PackingTools::default();
            self.leave_unpacked(topic, index, batch);
        }
    }

    /// The batch, or the first in line of its partition, goes as it is.
    #[cold]
    fn leave_unpacked(&self, topic: u32, index: u32, batch: Option<u64>) {
        let topic = self.topics.by_id(topic);
        let Some(partition) = topic.partition(index) else { return };
        let mut queue = partition.queue.lock();
        let at = match batch {
            Some(batch) => queue.at_work(batch),
            None => queue.in_line_from(0),
        };
        if let Some(at) = at {
            queue.sealed[at].stage = Stage::Final;
        }
        if !queue.is_in_line {
            queue.stay_in_line(0, partition, &self.packing);
        }
        drop(queue);
        self.inbox.tell(Event::Sealed { partition: partition.id }, Time::ZERO);
        if !self.packing.is_told.swap(true, Ordering::Relaxed) {
            self.reports.log(3, "COMPRESS", || {
                format!(
                    "a batch of {} [{index}] is sent as it is: internal error of the library where it was to be compressed; \
                     told once",
                    topic.name()
                )
            });
        }
    }

    /// No thread of the pool is left: what is in line is compressed where it is taken, and so is what comes.
    #[cold]
    pub fn packers_gone(&self) {
        self.packing.handed_bytes_min.store(usize::MAX, Ordering::Release);
        let mut line = self.packing.line.lock();
        line.has_ended = true;
        let partitions = std::mem::take(&mut line.partitions);
        drop(line);
        for (topic, index) in partitions {
            let topic = self.topics.by_id(topic);
            let Some(partition) = topic.partition(index) else { continue };
            let mut queue = partition.queue.lock();
            queue.is_in_line = false;
            for batch in queue.sealed.iter_mut().filter(|batch| batch.stage == Stage::InLine) {
                batch.stage = Stage::Raw;
            }
            drop(queue);
            self.inbox.tell(Event::Sealed { partition: partition.id }, Time::ZERO);
        }
    }

    /// The partition's first batch in line; if there are more, the partition stands at the end of the line again.
    fn begin_packing(&self, topic: u32, index: u32) -> Option<PackingJob> {
        let topic = self.topics.by_id(topic);
        let partition = topic.partition(index)?;
        let mut queue = partition.queue.lock();
        queue.is_in_line = false;
        // Those that were in line may be gone.
        let from = queue.sealed_from(queue.first_in_line);
        let at = queue.in_line_from(from)?;
        queue.stay_in_line(at + 1, partition, &self.packing);
        let batch = &mut queue.sealed[at];
        let before = batch.len();
        batch.cut_cancelled();
        batch.stage = Stage::AtWork;
        let (id, how, bytes, cut) = (batch.id, batch.compression, batch.bytes.clone(), before - batch.len());
        queue.sealed_bytes = queue.sealed_bytes.saturating_sub(cut);
        partition.publish_sealed(&queue);
        drop(queue);
        Some(PackingJob { topic, index, batch: id, how, bytes })
    }

    /// Compresses the batch; if nobody has taken it meanwhile it goes on with the result.
    pub fn finish_packing(&self, job: PackingJob, tools: &mut PackingTools) {
        let PackingJob { topic, index, batch: id, how, bytes } = job;
        let began = self.packing.now();
        let is_less = tools.compress(&bytes, how, &topic, |text| self.tell_packing(how, text));
        let took = self.packing.now().since(began);
        // The batch is written to under its partition's lock, when nobody else holds its bytes.
        drop(bytes);
        let Some(partition) = topic.partition(index) else { return };
        let mut queue = partition.queue.lock();
        let Some(at) = queue.at_work(id) else { return };
        let batch = &mut queue.sealed[at];
        let before = batch.len();
        if batch.cancelled.is_empty() {
            if is_less {
                batch.put_packed(&tools.out);
            }
            batch.stage = Stage::Final;
        } else {
            // A record was taken out of it meanwhile: what was made of it is of no use, and when it is taken it gets in line again.
            batch.stage = Stage::Raw;
        }
        let (raw, after, is_final) = (batch.raw_len, batch.len(), batch.stage == Stage::Final);
        queue.sealed_bytes = (queue.sealed_bytes + after).saturating_sub(before);
        partition.publish_sealed(&queue);
        if is_final {
            // Before it can be taken: who has its report finds it in the numbers.
            self.numbers.packed(raw, after, took);
        }
        drop(queue);
        if at == 0 {
            // Those behind it are found when it has been taken.
            self.inbox.tell(Event::Sealed { partition: partition.id }, Time::ZERO);
        }
        if is_final {
            topic.settings().note_packed(how, raw, after);
        }
    }

    /// Compresses a batch that nobody else knows of, if that is still to be done.
    pub fn pack(&self, batch: &mut Batch, topic: &Topic) {
        if batch.stage == Stage::Final {
            return;
        }
        batch.stage = Stage::Final;
        let tools = &mut *self.packing.own.lock();
        let began = self.packing.now();
        if tools.compress(&batch.bytes, batch.compression, topic, |text| self.tell_packing(batch.compression, text)) {
            batch.put_packed(&tools.out);
        }
        let took = self.packing.now().since(began);
        self.numbers.packed(batch.raw_len, batch.len(), took);
        topic.settings().note_packed(batch.compression, batch.raw_len, batch.len());
    }

    #[cold]
    fn tell_packing(&self, how: Compression, text: &str) {
        if !self.packing.is_told.swap(true, Ordering::Relaxed) {
            self.reports.log(4, "COMPRESS", || {
                format!("a batch could not be compressed with {:?} and is sent as it is: {text}; told once", how.codec)
            });
        }
    }
}

#[cfg(test)]
mod tests;
