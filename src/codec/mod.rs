//! Compression codecs as Kafka reads them (KIP-110, `CompressionType`): pure functions over bytes, with scratch memory that is
//! kept from one batch to the next.

/// A codec, by the number that it has in a batch's attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Codec {
    #[default]
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

/// A codec with its level; the level of codecs without one is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compression {
    pub codec: Codec,
    pub level: i32,
}

/// Contexts and scratch memory of one thread that compresses.
#[derive(Default)]
pub struct Workspace {}

impl Workspace {
    pub fn new() -> Workspace {
        Workspace::default()
    }

    /// Compresses `input`, in pieces, into `out`, which is emptied first; stops as soon as it would be longer than `most` bytes.
    /// False: it would be, and `out` is of no use. The error is a sentence.
    pub fn compress(
        &mut self,
        _how: Compression,
        _input: &[&[u8]],
        _most: usize,
        _out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        Err("compression is not there yet".into())
    }
}

/// Decompresses `input` into `out`, which is emptied first; never more than `most` bytes, whatever the input claims. The error is
/// a sentence.
pub fn decompress(_codec: Codec, _input: &[u8], _most: usize, _out: &mut Vec<u8>) -> Result<(), String> {
    Err("compression is not there yet".into())
}
