//! gzip (RFC 1952), one member per batch, by libdeflate: the same format as zlib's in a half to a third of the time.

use libdeflater::{CompressionLvl, Compressor};

use super::native::{self, Inflated};
use super::{pieces, too_long};

/// What -1 stands for, in Java, zlib and here.
const LEVEL_DEFAULT: i32 = 6;
/// Header and trailer around the deflated data, and the least that this is.
const MEMBER_MIN_BYTES: usize = 18;

#[derive(Default)]
pub struct Encoder {
    compressor: Option<(i32, Compressor)>,
    /// As long as the longest output so far: the codec wants memory with values in it.
    room: Vec<u8>,
}

impl Encoder {
    pub fn encode(
        &mut self,
        level: i32,
        input: &[&[u8]],
        most: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let level = if level < 0 { LEVEL_DEFAULT } else { level };
        if self.compressor.as_ref().is_none_or(|(of, _)| *of != level) {
            let known = CompressionLvl::new(level).map_err(|_| format!("gzip has no level {level}"))?;
            self.compressor = Some((level, Compressor::new(known)));
        }
        let Some((_, compressor)) = &mut self.compressor else {
            return Err("gzip could not be set up".into());
        };
        let input = pieces::whole(input, scratch);
        let room_len = compressor.gzip_compress_bound(input.len()).min(most);
        if self.room.len() < room_len {
            self.room.resize(room_len, 0);
        }
        // No room is how it says that the output does not fit.
        let Ok(len) = compressor.gzip_compress(input, &mut self.room[..room_len]) else {
            return Ok(false);
        };
        out.extend_from_slice(&self.room[..len]);
        if self.room.len() > super::SCRATCH_KEPT_BYTES {
            self.room = Vec::new();
        }
        Ok(true)
    }
}

/// Deflate makes at most 1032 bytes of one; so the room grows with what the input can be, not with what it says.
const GROWTH_FIRST: usize = 8;

pub fn decode(mut input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    loop {
        if input.len() < MEMBER_MIN_BYTES {
            return Err("the gzip data ends inside a member".into());
        }
        // The trailer of the only member says how long it is, modulo 2^32: a hint and no more.
        let said = input.last_chunk::<4>().map_or(0, |tail| u32::from_le_bytes(*tail) as usize);
        let left = most - out.len();
        let guess = said.clamp(1024, input.len().saturating_mul(GROWTH_FIRST).max(1024)).min(left);
        let taken = member(input, guess, left, out).map_err(|refused| match refused {
            Inflated::TooLong => too_long(most),
            _ => "the gzip data is damaged".to_owned(),
        })?;
        input = &input[taken..];
        if input.is_empty() {
            return Ok(());
        }
    }
}

/// Appends what one member holds, at most `left` bytes; how long the member is.
fn member(input: &[u8], guess: usize, left: usize, out: &mut Vec<u8>) -> Result<usize, Inflated> {
    let mut room = guess;
    loop {
        match native::gunzip(input, room, out) {
            Inflated::Member { taken } => return Ok(taken),
            Inflated::TooLong if room < left => room = room.saturating_mul(4).min(left),
            refused => return Err(refused),
        }
    }
}
