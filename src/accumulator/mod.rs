//! Open and closed batches of every partition: shared by application threads (append) and the I/O thread (take).

/// The encoded bytes of one sealed batch.
pub struct BatchBytes {
    chunks: Vec<Box<[u8]>>,
}

impl BatchBytes {
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &chunk[..])
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
