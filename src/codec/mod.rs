//! Compression codecs as Kafka reads them (KIP-110, `CompressionType`): pure functions over bytes, with scratch memory that is
//! kept from one batch to the next.

mod gzip;
mod lz4;
mod native;
mod pieces;
mod snappy;
mod taste;
mod zstd;

pub use taste::Taste;

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

impl Codec {
    /// Its name, as `compression.type` says it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// A codec with its level; the level of codecs without one is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compression {
    pub codec: Codec,
    pub level: i32,
}

impl Compression {
    /// In how many ways an input of so many bytes can be compressed at this level, from the thorough to the cheapest.
    fn ways(self, len: usize) -> usize {
        match self.codec {
            Codec::Lz4 => lz4::ways(self.level, len),
            Codec::Zstd => zstd::ways(self.level, len),
            Codec::None | Codec::Gzip | Codec::Snappy => 1,
        }
    }
}

impl Codec {
    /// The codec with that number.
    pub fn of(id: i8) -> Option<Codec> {
        [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].into_iter().find(|codec| *codec as i8 == id)
    }

    /// At the level that Kafka's producers have where none is set.
    pub fn at_default_level(self) -> Compression {
        let level = match self {
            Codec::None | Codec::Snappy => 0,
            Codec::Gzip => -1,
            Codec::Lz4 => lz4::LEVEL_FAST,
            Codec::Zstd => 3,
        };
        Compression { codec: self, level }
    }
}

/// Contexts and scratch memory of one thread that compresses.
#[derive(Default)]
pub struct Workspace {
    /// Small pieces put together, and whole batches for the codecs that want them in one piece.
    scratch: Vec<u8>,
    gzip: gzip::Encoder,
    snappy: snappy::Encoder,
    lz4: lz4::Encoder,
    zstd: zstd::Encoder,
    /// What the ways that were not taken made of a batch.
    tried: Vec<u8>,
}

/// Scratch beyond this is given back after the batch that needed it: more than a batch of the default `batch.size` has before
/// compression, four times that.
const SCRATCH_KEPT_BYTES: usize = 6 << 20;

impl Workspace {
    pub fn new() -> Workspace {
        Workspace::default()
    }

    /// Compresses `input`, in pieces, into `out`, which is emptied first; stops as soon as it would be longer than `most` bytes.
    /// False: it would be, and `out` is of no use. The error is a sentence.
    pub fn compress(
        &mut self,
        how: Compression,
        input: &[&[u8]],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        self.compress_by(how, 0, input, most, out)
    }

    /// The same for a batch of a topic, in the way that suits what the topic sends.
    pub fn compress_to(
        &mut self,
        taste: &Taste,
        how: Compression,
        input: &[&[u8]],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let ways = how.ways(pieces::total_len(input));
        if ways == 1 {
            return self.compress_by(how, 0, input, most, out);
        }
        if let Some(way) = taste.next() {
            return self.compress_by(how, way, input, most, out);
        }
        taste.choose(0);
        if !self.compress_by(how, 0, input, most, out)? {
            return Ok(false);
        }
        let thorough_bytes = out.len();
        let mut tried = std::mem::take(&mut self.tried);
        for way in 1..ways {
            if self.compress_by(how, way, input, most, &mut tried)? && taste::is_no_worse(thorough_bytes, tried.len()) {
                taste.choose(way);
                if tried.len() < out.len() {
                    std::mem::swap(out, &mut tried);
                }
            }
        }
        if tried.capacity() <= SCRATCH_KEPT_BYTES {
            self.tried = tried;
        }
        Ok(true)
    }

    fn compress_by(
        &mut self,
        how: Compression,
        way: usize,
        input: &[&[u8]],
        most: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        out.clear();
        let level = how.level;
        let fits = match how.codec {
            Codec::None => pieces::copy(input, most, out),
            Codec::Gzip => self.gzip.encode(level, input, most, &mut self.scratch, out)?,
            Codec::Snappy => self.snappy.encode(input, most, &mut self.scratch, out)?,
            Codec::Lz4 => self.lz4.encode(level, way, input, most, &mut self.scratch, out)?,
            Codec::Zstd => self.zstd.encode(level, way, input, most, &mut self.scratch, out)?,
        };
        if self.scratch.capacity() > SCRATCH_KEPT_BYTES {
            self.scratch = Vec::new();
        }
        Ok(fits)
    }
}

/// Decompresses `input` into `out`, which is emptied first; never more than `most` bytes, whatever the input claims. The error is
/// a sentence, and `out` is of no use then.
pub fn decompress(codec: Codec, input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    out.clear();
    match codec {
        Codec::None if pieces::copy(&[input], most, out) => Ok(()),
        Codec::None => Err(too_long(most)),
        Codec::Gzip => gzip::decode(input, most, out),
        Codec::Snappy => snappy::decode(input, most, out),
        Codec::Lz4 => lz4::decode(input, most, out),
        Codec::Zstd => zstd::decode(input, most, out),
    }
}

fn too_long(most: usize) -> String {
    format!("more than {most} bytes would come out")
}

#[cfg(test)]
mod tests;
