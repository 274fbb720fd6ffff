//! LZ4 frames as Kafka reads them since message format v2: independent blocks (Java refuses linked ones), a correct header
//! checksum, no content checksum and no content size.

use super::native::{self, Lz4Method as Method, Lz4State};
use super::{pieces, too_long};

const MAGIC: u32 = 0x184d_2204;
const SKIPPABLE: u32 = 0x184d_2a50;
const FLG_VERSION: u8 = 0x40;
const FLG_INDEPENDENT: u8 = 0x20;
const FLG_BLOCK_CHECKSUM: u8 = 0x10;
const FLG_CONTENT_SIZE: u8 = 0x08;
const FLG_CONTENT_CHECKSUM: u8 = 0x04;
const FLG_DICTIONARY: u8 = 0x01;
/// A block that did not get shorter is stored as it is.
const STORED: u32 = 0x8000_0000;
const END_MARK: [u8; 4] = [0; 4];
/// How far back a linked block may refer.
const WINDOW_BYTES: usize = 64 << 10;

/// `compression.lz4.level` as in Java: its default, 9, is the fast compressor; any other level is LZ4 HC of that level.
pub const LEVEL_FAST: i32 = 9;

fn is_fast(level: i32) -> bool {
    level == LEVEL_FAST || level <= 0
}

/// How far the fast compressor steps where it finds nothing. On log lines three places leave what one leaves and save an eighth
/// of the time; on programs they leave 5 % more and save nothing.
const ACCELERATIONS: [i32; 2] = [1, 3];
/// Shorter inputs are not worth a trial.
const TRIED_MIN_BYTES: usize = 16 << 10;

pub fn ways(level: i32, len: usize) -> usize {
    if is_fast(level) && len >= TRIED_MIN_BYTES { ACCELERATIONS.len() } else { 1 }
}

#[derive(Default)]
pub struct Encoder {
    state: Lz4State,
}

impl Encoder {
    pub fn encode(
        &mut self,
        level: i32,
        way: usize,
        input: &[&[u8]],
        most: usize,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, String> {
        let method = match level {
            level if is_fast(level) => Method::Fast { acceleration: ACCELERATIONS[way.min(ACCELERATIONS.len() - 1)] },
            level => Method::High { level },
        };
        let head = [FLG_VERSION | FLG_INDEPENDENT, BLOCK_SIZE_ID << 4];
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&head);
        out.push(header_checksum(&head));
        let fits = pieces::in_blocks(input, BLOCK_MAX_BYTES, scratch, |block| {
            let at = out.len();
            out.extend_from_slice(&[0; 4]);
            // Room for one byte less than the block: what does not fit there is stored.
            let room = (block.len() - 1).min(most.saturating_sub(out.len()));
            let mut word = self.state.compress(method, block, room, out)? as u32;
            if word == 0 {
                if block.len() > most.saturating_sub(out.len()) {
                    return Ok(false);
                }
                out.extend_from_slice(block);
                word = block.len() as u32 | STORED;
            }
            out[at..at + 4].copy_from_slice(&word.to_le_bytes());
            Ok::<bool, String>(true)
        })?;
        out.extend_from_slice(&END_MARK);
        Ok(fits && out.len() <= most)
    }
}

/// The least of the sizes that the format knows, 64 KiB, as Java and librdkafka write it: readers keep a buffer of that size, and
/// the compressor's table for so much (16-bit places) is faster than that for more.
const BLOCK_SIZE_ID: u8 = 4;
const BLOCK_MAX_BYTES: usize = 64 << 10;

fn header_checksum(descriptor: &[u8]) -> u8 {
    (xxh32(descriptor) >> 8) as u8
}

/// Takes a number of bytes off the front.
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], String> {
    let (front, tail) = rest.split_at_checked(len).ok_or("the lz4 data ends too early")?;
    *rest = tail;
    Ok(front)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, String> {
    let bytes = take(rest, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

pub fn decode(input: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = input;
    loop {
        match take_u32(&mut rest)? {
            MAGIC => frame(&mut rest, most, out)?,
            other if other & !0x0f == SKIPPABLE => {
                let len = take_u32(&mut rest)? as usize;
                take(&mut rest, len)?;
            }
            _ => return Err("this is no lz4 frame".into()),
        }
        if rest.is_empty() {
            return Ok(());
        }
    }
}

fn frame(rest: &mut &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let whole = *rest;
    let head = take(rest, 2)?;
    let (flags, sizes) = (head[0], head[1]);
    if flags & 0xc0 != FLG_VERSION {
        return Err("the lz4 frame is of an unknown version".into());
    }
    let block_max = match (sizes >> 4) & 7 {
        id @ 4..=7 => 1usize << (8 + 2 * id),
        _ => return Err("the lz4 frame has an unknown block size".into()),
    };
    if flags & FLG_CONTENT_SIZE != 0 {
        take(rest, 8)?;
    }
    if flags & FLG_DICTIONARY != 0 {
        return Err("the lz4 frame needs a dictionary".into());
    }
    let descriptor = &whole[..whole.len() - rest.len()];
    if take(rest, 1)?[0] != header_checksum(descriptor) {
        return Err("the lz4 frame's header checksum does not match".into());
    }
    let start = out.len();
    loop {
        let word = take_u32(rest)?;
        if word == 0 {
            break;
        }
        let len = (word & !STORED) as usize;
        if len > block_max {
            return Err("an lz4 block is longer than its frame allows".into());
        }
        let block = take(rest, len)?;
        if flags & FLG_BLOCK_CHECKSUM != 0 && take_u32(rest)? != xxh32(block) {
            return Err("an lz4 block's checksum does not match".into());
        }
        let left = most - out.len();
        if word & STORED != 0 {
            if len > left {
                return Err(too_long(most));
            }
            out.extend_from_slice(block);
            continue;
        }
        let reach = if flags & FLG_INDEPENDENT != 0 { 0 } else { (out.len() - start).min(WINDOW_BYTES) };
        // 255 is what a byte of an lz4 block makes at most.
        let room = block_max.min(left).min(len.saturating_mul(255));
        if !native::lz4_decompress(block, reach, room, out) {
            return Err(if left < block_max { too_long(most) } else { "an lz4 block is damaged".into() });
        }
    }
    if flags & FLG_CONTENT_CHECKSUM != 0 && take_u32(rest)? != xxh32(&out[start..]) {
        return Err("the lz4 frame's content checksum does not match".into());
    }
    Ok(())
}

/// XXH32 with seed 0, the checksum of LZ4 frames.
fn xxh32(bytes: &[u8]) -> u32 {
    const P: [u32; 5] = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1];
    let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    let round = |lane: u32, w: u32| lane.wrapping_add(w.wrapping_mul(P[1])).rotate_left(13).wrapping_mul(P[0]);
    let (stripes, mut rest) = bytes.split_at(bytes.len() & !15);
    let mut hash = P[4];
    if !stripes.is_empty() {
        let mut lanes = [P[0].wrapping_add(P[1]), P[1], 0, 0u32.wrapping_sub(P[0])];
        for stripe in stripes.chunks_exact(16) {
            for (lane, part) in lanes.iter_mut().zip(stripe.chunks_exact(4)) {
                *lane = round(*lane, word(part));
            }
        }
        hash = lanes[0].rotate_left(1);
        hash = hash.wrapping_add(lanes[1].rotate_left(7)).wrapping_add(lanes[2].rotate_left(12));
        hash = hash.wrapping_add(lanes[3].rotate_left(18));
    }
    hash = hash.wrapping_add(bytes.len() as u32);
    while rest.len() >= 4 {
        hash = hash.wrapping_add(word(rest).wrapping_mul(P[2])).rotate_left(17).wrapping_mul(P[3]);
        rest = &rest[4..];
    }
    for &byte in rest {
        hash = hash.wrapping_add(u32::from(byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(P[1]);
    hash = (hash ^ (hash >> 13)).wrapping_mul(P[2]);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_xxh32() {
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(xxh32(b"a"), 0x550d_7456);
        assert_eq!(xxh32(b"abc"), 0x32d1_53ff);
        assert_eq!(xxh32(b"Nobody inspects the spammish repetition"), 0xe229_3b2f);
    }

    /// Java's `Lz4BlockOutputStream` begins every batch with these bytes.
    #[test]
    fn a_frame_begins_as_javas_does() {
        assert_eq!(header_checksum(&[0x60, 0x40]), 0x82);
        assert_eq!(header_checksum(&[0x64, 0x40]), 0xa7);
    }

    /// Others write them, and librdkafka reads them: the second block repeats eight bytes of the first.
    #[test]
    fn linked_blocks_are_read() {
        let head = [FLG_VERSION, 0x40];
        let mut bytes = [&MAGIC.to_le_bytes()[..], &head, &[header_checksum(&head)]].concat();
        for block in [b"\xc0kafka kafka ".as_slice(), b"\x04\x0c\0\x50kafka"] {
            bytes.extend_from_slice(&(block.len() as u32).to_le_bytes());
            bytes.extend_from_slice(block);
        }
        bytes.extend_from_slice(&END_MARK);
        let mut out = Vec::new();
        assert_eq!(decode(&bytes, 100, &mut out), Ok(()));
        assert_eq!(out, b"kafka kafka kafka kakafka");
        // As independent blocks the same bytes refer to nothing.
        bytes[4] |= FLG_INDEPENDENT;
        bytes[6] = header_checksum(&[bytes[4], bytes[5]]);
        assert!(decode(&bytes, 100, &mut Vec::new()).is_err());
    }
}
