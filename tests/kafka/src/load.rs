//! Records by the thousand: each can be told from every other.

use crate::record::Record;

/// A numbered record for a load: the number stands in the value, padded to `value_len` bytes that depend on it.
pub fn numbered(topic: &str, number: usize, value_len: usize) -> Record {
    let mut value = format!("{number:012} ").into_bytes();
    let mut state = u32::try_from(number & 0xffff_ffff).expect("masked").wrapping_mul(2_654_435_761).max(1);
    while value.len() < value_len {
        state = xorshift(state);
        value.push(state.to_be_bytes()[0]);
    }
    Record::new(topic).key(format!("key-{}", number % 97)).value(value)
}

/// `count` random keys of 0 to 64 bytes, the same for the same seed.
pub fn random_keys(seed: u32, count: usize) -> Vec<Vec<u8>> {
    let mut state = seed.max(1);
    let mut next = || {
        state = xorshift(state);
        state
    };
    (0..count)
        .map(|_| {
            let length = next() % 65;
            (0..length).map(|_| next().to_be_bytes()[1]).collect()
        })
        .collect()
}

fn xorshift(mut state: u32) -> u32 {
    state ^= state << 13;
    state ^= state >> 17;
    state ^ (state << 5)
}
