//! Input that comes in pieces, as codecs want it: in one, or in blocks.

/// A piece of at least this is a block where it lies; smaller ones are put together first, for what they have in common.
const DIRECT_MIN_BYTES: usize = 32 << 10;

pub fn total_len(input: &[&[u8]]) -> usize {
    input.iter().map(|piece| piece.len()).sum()
}

/// False: it is longer than `most`.
pub fn copy(input: &[&[u8]], most: usize, out: &mut Vec<u8>) -> bool {
    let fits = total_len(input) <= most;
    if fits {
        input.iter().for_each(|piece| out.extend_from_slice(piece));
    }
    fits
}

/// The input in one piece, copied only where it comes in several.
pub fn whole<'a>(input: &[&'a [u8]], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if let [piece] = input {
        return piece;
    }
    scratch.clear();
    scratch.reserve_exact(total_len(input));
    input.iter().for_each(|piece| scratch.extend_from_slice(piece));
    scratch
}

/// Gives the input to `take` in blocks of at most `block_max` bytes, until it answers that it has enough (`false`). All blocks
/// but those before and at the end of a long piece are full.
pub fn in_blocks<E>(
    input: &[&[u8]],
    block_max: usize,
    scratch: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]) -> Result<bool, E>,
) -> Result<bool, E> {
    scratch.clear();
    for (index, piece) in input.iter().enumerate() {
        let mut rest = *piece;
        let is_last = index + 1 == input.len();
        while !rest.is_empty() {
            if scratch.is_empty() && (is_last || rest.len() >= DIRECT_MIN_BYTES) {
                let (block, tail) = rest.split_at(rest.len().min(block_max));
                rest = tail;
                if !take(block)? {
                    return Ok(false);
                }
                continue;
            }
            let (part, tail) = rest.split_at(rest.len().min(block_max - scratch.len()));
            rest = tail;
            scratch.extend_from_slice(part);
            if scratch.len() == block_max {
                if !take(scratch)? {
                    return Ok(false);
                }
                scratch.clear();
            }
        }
    }
    if scratch.is_empty() { Ok(true) } else { take(scratch) }
}
