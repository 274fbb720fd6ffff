//! One request on its way to a socket: header bytes of our own with whole batches between them, never copied together.

use std::fmt;
use std::sync::Arc;

use crate::accumulator::BatchBytes;

/// Batches up to this size are copied between the header bytes: cheaper for the kernel than a slice each.
const COPIED_BYTES_MAX: usize = 1024;

/// A request as a sequence of slices: `head` with batches between its pieces.
pub struct Frame {
    head: Vec<u8>,
    batches: Vec<Placed>,
    len: usize,
}

/// A batch and where it stands.
struct Placed {
    bytes: Arc<BatchBytes>,
    /// The offset in `head` before which it is written.
    cut: usize,
    /// The offset in the frame behind its last byte: finds the place of a partial write without walking the frame.
    end: usize,
}

impl Frame {
    /// A request without batches.
    pub fn plain(head: Vec<u8>) -> Frame {
        let len = head.len();
        Frame { head, batches: Vec::new(), len }
    }

    /// A produce request: `cuts` is ascending and has one entry per batch, the offset in `head` before which it is written.
    pub fn with_batches(head: Vec<u8>, cuts: &[usize], batches: Vec<Arc<BatchBytes>>) -> Frame {
        assert_eq!(cuts.len(), batches.len(), "a cut for every batch");
        let copied: usize = batches.iter().map(|batch| batch.len()).filter(|len| *len <= COPIED_BYTES_MAX).sum();
        let mut frame = Frame { head: Vec::with_capacity(head.len() + copied), batches: Vec::new(), len: 0 };
        let mut start = 0;
        for (cut, bytes) in cuts.iter().zip(batches) {
            frame.head.extend_from_slice(&head[start..*cut]);
            frame.len += cut - start + bytes.len();
            start = *cut;
            if bytes.len() <= COPIED_BYTES_MAX {
                bytes.chunks().for_each(|chunk| frame.head.extend_from_slice(chunk));
            } else {
                frame.batches.push(Placed { bytes, cut: frame.head.len(), end: frame.len });
            }
        }
        frame.head.extend_from_slice(&head[start..]);
        frame.len += head.len() - start;
        frame
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
        let first = self.batches.partition_point(|batch| batch.end <= from);
        let before = first.checked_sub(1).map(|last| &self.batches[last]);
        let mut start = before.map_or(0, |batch| batch.cut);
        let mut skip = from - before.map_or(0, |batch| batch.end);
        let mut give = |slice: &'a [u8]| {
            if skip >= slice.len() {
                skip -= slice.len();
                return true;
            }
            let rest = &slice[skip..];
            skip = 0;
            take(rest)
        };
        for batch in &self.batches[first..] {
            if !give(&self.head[start..batch.cut]) {
                return;
            }
            start = batch.cut;
            for chunk in batch.bytes.chunks() {
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
