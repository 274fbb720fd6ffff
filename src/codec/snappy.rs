//! snappy in the framing of snappy-java (`SnappyOutputStream`), which is what Java's consumers, brokers and librdkafka read:
//! a header, then blocks, each its compressed length (4 bytes, big-endian) and raw snappy. librdkafka and others write raw
//! snappy without a frame, which every reader takes as well.

use super::{pieces, too_long};

/// Magic, version 1, compatible with version 1.
const HEADER: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const MAGIC_LEN: usize = 8;
/// Java writes 32 KiB; readers take what the length says. snappy itself looks back 64 KiB at most.
const BLOCK_MAX_BYTES: usize = 64 << 10;
/// A copy of 64 bytes takes 3: more than that nothing grows.
const GROWTH_MAX: usize = 32;

pub struct Encoder {
    encoder: snap::raw::Encoder,
    block: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { encoder: snap::raw::Encoder::new(), block: Vec::new() }
    }
}

impl Encoder {
    pub fn encode(
        &mut self,
        input: &[&[u8]],
        most: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        out.extend_from_slice(&HEADER);
        pieces::in_blocks(input, BLOCK_MAX_BYTES, scratch, |block| {
            let room_len = snap::raw::max_compress_len(block.len());
            if self.block.len() < room_len {
                self.block.resize(room_len, 0);
            }
            let len = self.encoder.compress(block, &mut self.block).map_err(|e| format!("snappy: {e}"))?;
            if out.len() + 4 + len > most {
                return Ok(false);
            }
            out.extend_from_slice(&(len as u32).to_be_bytes());
            out.extend_from_slice(&self.block[..len]);
            Ok(true)
        })
        .map(|fits| fits && out.len() <= most)
    }
}

pub fn decode(input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if !input.starts_with(&HEADER[..MAGIC_LEN]) {
        return raw(input, most, out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        // Streams put one behind the other bring their headers along.
        if rest.starts_with(&HEADER[..MAGIC_LEN]) {
            rest = rest.get(HEADER.len()..).ok_or("the snappy data ends inside its header")?;
            continue;
        }
        let Some((len, tail)) = rest.split_first_chunk::<4>() else {
            return Err("the snappy data ends inside a block's length".into());
        };
        let len = u32::from_be_bytes(*len) as usize;
        let Some((block, tail)) = tail.split_at_checked(len) else {
            return Err("the snappy data ends inside a block".into());
        };
        rest = tail;
        raw(block, most, out)?;
    }
    Ok(())
}

fn raw(block: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if block.is_empty() {
        return Err("there is no snappy data".into());
    }
    let len = snap::raw::decompress_len(block).map_err(|_| "a snappy block has no length")?;
    let start = out.len();
    if len > most - start {
        return Err(too_long(most));
    }
    if len > block.len().saturating_mul(GROWTH_MAX) {
        return Err("a snappy block says it is longer than it can be".into());
    }
    out.resize(start + len, 0);
    let got = snap::raw::Decoder::new().decompress(block, &mut out[start..]);
    match got {
        Ok(got) if got == len => Ok(()),
        _ => Err("a snappy block is damaged".into()),
    }
}
