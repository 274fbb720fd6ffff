//! Compressed batches and pushes, read with the codecs' own libraries and as strictly as Java's streams read them: this room's
//! decoder, not the client's, or a frame that only the client understands would pass.

use std::borrow::Cow;

use super::batch_decode::{ATTRIBUTE_CODEC_MASK, BATCH_HEADER_LEN, BatchHeader};

/// More does not come out of one batch: far above what any test sends, far below what hurts.
const BYTES_MAX: usize = 128 << 20;

const GZIP: i16 = 1;
const SNAPPY: i16 = 2;
const LZ4: i16 = 3;
pub(super) const ZSTD: i16 = 4;

/// Why compressed bytes cannot be read.
pub(super) type Damage = &'static str;

/// What was compressed with a codec, named by its number in a batch's attributes.
pub(super) fn decompress(codec: i16, bytes: &[u8]) -> Result<Cow<'_, [u8]>, Damage> {
    match codec {
        0 => Ok(Cow::Borrowed(bytes)),
        GZIP => gzip(bytes).map(Cow::Owned),
        SNAPPY => snappy(bytes).map(Cow::Owned),
        LZ4 => lz4(bytes).map(Cow::Owned),
        ZSTD => zstd(bytes).map(Cow::Owned),
        _ => Err("the codec is unknown"),
    }
}

/// The batch as it would be without compression, apart from its length and CRC; nothing for one that cannot be read.
pub fn plain_batch(batch: &[u8]) -> Option<Cow<'_, [u8]>> {
    let header = BatchHeader::read(batch)?;
    if header.codec() == 0 {
        return Some(Cow::Borrowed(batch));
    }
    let body = decompress(header.codec(), &batch[BATCH_HEADER_LEN..]).ok()?;
    let mut plain = Vec::with_capacity(BATCH_HEADER_LEN + body.len());
    plain.extend_from_slice(&batch[..BATCH_HEADER_LEN]);
    plain[21..23].copy_from_slice(&(header.attributes & !ATTRIBUTE_CODEC_MASK).to_be_bytes());
    plain.extend_from_slice(&body);
    Some(Cow::Owned(plain))
}

/// Room to begin with; it grows with what is there, not with what is claimed.
fn first_room(len: usize) -> usize {
    len.saturating_mul(8).clamp(1 << 10, BYTES_MAX)
}

fn more_room(room: usize) -> Result<usize, Damage> {
    if room == BYTES_MAX { Err("more comes out than the mock cluster reads") } else { Ok((room * 4).min(BYTES_MAX)) }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut decoder = libdeflater::Decompressor::new();
    let mut room = first_room(bytes.len());
    loop {
        let mut out = vec![0; room];
        match decoder.gzip_decompress(bytes, &mut out) {
            Ok(len) => {
                out.truncate(len);
                return Ok(out);
            }
            Err(libdeflater::DecompressionError::InsufficientSpace) => room = more_room(room)?,
            Err(libdeflater::DecompressionError::BadData) => return Err("the gzip data is damaged"),
        }
    }
}

fn zstd(bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut decoder = zstd_safe::DCtx::try_create().ok_or("no memory for zstd")?;
    let mut room = first_room(bytes.len());
    loop {
        let mut out = Vec::with_capacity(room);
        match decoder.decompress(&mut out, bytes) {
            Ok(_) => return Ok(out),
            Err(error) if zstd_safe::get_error_name(error) == "Destination buffer is too small" => {
                room = more_room(room)?;
            }
            Err(_) => return Err("the zstd data is damaged"),
        }
    }
}

/// Java's stream: with its header, blocks of any length; without, all of it is one raw block.
fn snappy(bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    let Some(mut rest) = bytes.strip_prefix(b"\x82SNAPPY\0") else { return snappy_block(bytes) };
    let (versions, blocks) = rest.split_at_checked(8).ok_or("the snappy stream's header is cut short")?;
    if versions != [0, 0, 0, 1, 0, 0, 0, 1] {
        return Err("the snappy stream has an unknown version");
    }
    rest = blocks;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (len, tail) = rest.split_first_chunk::<4>().ok_or("a snappy block's length is cut short")?;
        let len = u32::from_be_bytes(*len) as usize;
        let (block, tail) = tail.split_at_checked(len).ok_or("a snappy block is cut short")?;
        rest = tail;
        out.extend_from_slice(&snappy_block(block)?);
        if out.len() > BYTES_MAX {
            return Err("more comes out than the mock cluster reads");
        }
    }
    Ok(out)
}

fn snappy_block(block: &[u8]) -> Result<Vec<u8>, Damage> {
    let len = snap::raw::decompress_len(block).map_err(|_| "a snappy block has no length")?;
    // Three bytes make 64 at most.
    if len > BYTES_MAX || len / 22 > block.len() {
        return Err("a snappy block says it is longer than it can be");
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| "a snappy block is damaged")
}

/// Java's `Lz4BlockInputStream`: one frame, version 1, independent blocks, the header's checksum right; no dictionary.
fn lz4(bytes: &[u8]) -> Result<Vec<u8>, Damage> {
    const CUT: Damage = "the lz4 frame is cut short";
    let rest = bytes.strip_prefix(&[0x04, 0x22, 0x4d, 0x18]).ok_or("the lz4 frame's magic is wrong")?;
    let [flags, sizes, ..] = *rest else { return Err(CUT) };
    if flags >> 6 != 1 || flags & 0x03 != 0 {
        return Err("the lz4 frame is of an unknown version");
    }
    if flags & 0x20 == 0 {
        return Err("the lz4 blocks depend on each other, which Java does not read");
    }
    if sizes & 0x8f != 0 || sizes >> 4 < 4 {
        return Err("the lz4 frame's block size is unknown");
    }
    let block_max = 1usize << (8 + 2 * (sizes >> 4));
    let descriptor_len = if flags & 0x08 != 0 { 10 } else { 2 };
    let (descriptor, rest) = rest.split_at_checked(descriptor_len).ok_or(CUT)?;
    let (&checksum, mut rest) = rest.split_first().ok_or(CUT)?;
    if checksum != (short_xxh32(descriptor) >> 8) as u8 {
        return Err("the lz4 frame's header checksum is wrong");
    }
    let mut out = Vec::new();
    loop {
        let (word, tail) = rest.split_first_chunk::<4>().ok_or(CUT)?;
        let word = u32::from_le_bytes(*word);
        rest = tail;
        if word == 0 {
            break;
        }
        let len = (word & 0x7fff_ffff) as usize;
        let (block, tail) = rest.split_at_checked(len).ok_or(CUT)?;
        rest = tail.get(if flags & 0x10 != 0 { 4 } else { 0 }..).ok_or(CUT)?;
        let start = out.len();
        if word >> 31 != 0 {
            out.extend_from_slice(block);
        } else {
            lz4_block(block, block_max, &mut out).ok_or("an lz4 block is damaged")?;
        }
        if out.len() - start > block_max {
            return Err("an lz4 block is longer than its frame says");
        }
        if out.len() > BYTES_MAX {
            return Err("more comes out than the mock cluster reads");
        }
    }
    let checksum_len = if flags & 0x04 != 0 { 4 } else { 0 };
    if rest.len() != checksum_len {
        return Err("bytes follow the lz4 frame");
    }
    Ok(out)
}

/// A block: literals, then a match before here, again and again; the last sequence has literals only.
fn lz4_block(mut block: &[u8], block_max: usize, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    loop {
        let (&token, tail) = block.split_first()?;
        block = tail;
        let literals = lz4_length(usize::from(token >> 4), &mut block)?;
        let (bytes, tail) = block.split_at_checked(literals)?;
        out.extend_from_slice(bytes);
        block = tail;
        if block.is_empty() {
            return Some(());
        }
        let (offset, tail) = block.split_first_chunk::<2>()?;
        block = tail;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let len = lz4_length(usize::from(token & 15), &mut block)? + 4;
        let from = out.len().checked_sub(offset).filter(|from| offset > 0 && *from >= start)?;
        if out.len() - start + len > block_max {
            return None;
        }
        // It may reach into what it makes itself.
        for at in from..from + len {
            out.push(out[at]);
        }
    }
}

/// A nibble of 15 goes on in bytes, of which 255 says that another follows.
fn lz4_length(nibble: usize, block: &mut &[u8]) -> Option<usize> {
    let mut len = nibble;
    if nibble == 15 {
        loop {
            let (&byte, tail) = block.split_first()?;
            *block = tail;
            len += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
    }
    Some(len)
}

/// XXH32 of fewer than 16 bytes, as its specification has it.
fn short_xxh32(bytes: &[u8]) -> u32 {
    let mut hash = 374_761_393u32.wrapping_add(bytes.len() as u32);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(3_266_489_917));
        hash = hash.rotate_left(17).wrapping_mul(668_265_263);
    }
    for byte in rest {
        hash =
            hash.wrapping_add(u32::from(*byte).wrapping_mul(374_761_393)).rotate_left(11).wrapping_mul(2_654_435_761);
    }
    hash = (hash ^ hash >> 15).wrapping_mul(2_246_822_519);
    hash = (hash ^ hash >> 13).wrapping_mul(3_266_489_917);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests;
