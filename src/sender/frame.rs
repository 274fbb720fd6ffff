//! One request on its way to a socket: header bytes of our own with whole batches between them, never copied together.

use std::fmt;
use std::sync::Arc;

use crate::accumulator::BatchBytes;

/// A request as a sequence of slices: `head` cut at `cuts`, a batch after each cut.
pub struct Frame {
    head: Vec<u8>,
    /// `cuts[i]` is the offset in `head` before which `batches[i]` is written.
    cuts: Vec<usize>,
    batches: Vec<Arc<BatchBytes>>,
    len: usize,
}

impl Frame {
    /// A request without batches.
    pub fn plain(head: Vec<u8>) -> Frame {
        let len = head.len();
        Frame { head, cuts: Vec::new(), batches: Vec::new(), len }
    }

    /// A produce request: `cuts` is ascending and has one entry per batch.
    pub fn with_batches(head: Vec<u8>, cuts: Vec<usize>, batches: Vec<Arc<BatchBytes>>) -> Frame {
        assert_eq!(cuts.len(), batches.len(), "a cut for every batch");
        let len = head.len() + batches.iter().map(|batch| batch.len()).sum::<usize>();
        Frame { head, cuts, batches, len }
    }

    /// Bytes in all, the length prefix included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives the slices from byte `from` on, in order, until `take` answers false.
    pub fn slices_from<'a>(&'a self, from: usize, mut take: impl FnMut(&'a [u8]) -> bool) {
        let mut skip = from;
        let mut give = |slice: &'a [u8]| {
            if skip >= slice.len() {
                skip -= slice.len();
                return true;
            }
            let rest = &slice[skip..];
            skip = 0;
            take(rest)
        };
        let mut start = 0;
        for (cut, batch) in self.cuts.iter().zip(&self.batches) {
            if !give(&self.head[start..*cut]) {
                return;
            }
            start = *cut;
            for chunk in batch.chunks() {
                if !give(chunk) {
                    return;
                }
            }
        }
        give(&self.head[start..]);
    }

    /// The whole request in one piece: for the simulator and tests.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len);
        self.slices_from(0, |slice| {
            all.extend_from_slice(slice);
            true
        });
        all
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes, {} batches)", self.len, self.batches.len())
    }
}
