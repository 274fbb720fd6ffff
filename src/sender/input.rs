//! What has come of a response whose end has not come yet. Every byte is copied once at most, however the pieces
//! arrive.

use std::borrow::Cow;

/// Bytes of a frame's length field.
const HEAD_LEN: usize = 4;
/// So many times `receive.message.max.bytes` may wait in all of a producer's connections together.
const RESPONSES_MAX: usize = 2;

/// The start of a response, with its length field.
#[derive(Debug, Default)]
pub struct Input {
    held: Vec<u8>,
}

/// One whole response, without its length field.
#[derive(Debug)]
pub enum Response<'a> {
    /// It came in one piece.
    Whole(&'a [u8]),
    /// Behind its length field.
    Held(Vec<u8>),
}

impl Response<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Response::Whole(bytes) => bytes,
            Response::Held(bytes) => bytes.get(HEAD_LEN..).unwrap_or_default(),
        }
    }

    pub fn into_owned(self) -> Response<'static> {
        match self {
            Response::Whole(bytes) => {
                let mut held = vec![0; HEAD_LEN];
                held.extend_from_slice(bytes);
                Response::Held(held)
            }
            Response::Held(bytes) => Response::Held(bytes),
        }
    }
}

/// A length field that is none.
#[derive(Debug, PartialEq, Eq)]
pub enum BadInput {
    Length([u8; HEAD_LEN]),
    /// The operating system gives no memory for a response of so many bytes.
    OutOfMemory(usize),
}

impl Input {
    /// Bytes that it takes of memory.
    pub fn held(&self) -> usize {
        self.held.capacity()
    }

    /// So much more memory it needs for so many more bytes, at most.
    pub fn needs(&self, more: usize) -> usize {
        let wanted = self.held.len() + more;
        // A vector that grows at least doubles.
        if wanted <= self.held.capacity() { 0 } else { wanted.max(2 * self.held.capacity()) }
    }

    /// The next whole response, out of what is held and `bytes`, which are taken from the front. `None`: all of `bytes`
    /// is held now.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8], len_max: usize) -> Result<Option<Response<'a>>, BadInput> {
        if self.held.is_empty()
            && let Some(len) = length(bytes, len_max)?
            && let Some((frame, rest)) = bytes[HEAD_LEN..].split_at_checked(len)
        {
            *bytes = rest;
            return Ok(Some(Response::Whole(frame)));
        }
        if self.held.len() < HEAD_LEN {
            self.hold(bytes, HEAD_LEN)?;
        }
        let Some(len) = length(&self.held, len_max)? else { return Ok(None) };
        let end = HEAD_LEN + len;
        self.hold(bytes, end)?;
        Ok((self.held.len() == end).then(|| Response::Held(std::mem::take(&mut self.held))))
    }

    /// Takes from `bytes` what is missing of the first `end`. It grows with what comes, whatever a length field claims.
    fn hold(&mut self, bytes: &mut &[u8], end: usize) -> Result<(), BadInput> {
        let missing = end.saturating_sub(self.held.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.held.try_reserve(missing).map_err(|_| BadInput::OutOfMemory(end))?;
        self.held.extend_from_slice(taken);
        *bytes = rest;
        Ok(())
    }
}

/// The length that `bytes` begin with, if it is there.
fn length(bytes: &[u8], len_max: usize) -> Result<Option<usize>, BadInput> {
    let Some((head, _)) = bytes.split_first_chunk::<HEAD_LEN>() else { return Ok(None) };
    match usize::try_from(i32::from_be_bytes(*head)) {
        Ok(len) if len <= len_max => Ok(Some(len)),
        _ => Err(BadInput::Length(*head)),
    }
}

/// Whether a connection may hold so much more beside what all of them hold.
pub fn check_total(held: usize, more: usize, len_max: usize) -> Result<(), Cow<'static, str>> {
    let most = len_max.saturating_mul(RESPONSES_MAX);
    if held + more <= most {
        return Ok(());
    }
    let text = format!(
        "responses that are not complete yet take {held} bytes of memory already, and {most} is the most for all connections \
         together ({RESPONSES_MAX} times receive.message.max.bytes)"
    );
    Err(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn responses(pieces: &[&[u8]], len_max: usize) -> Result<Vec<Vec<u8>>, BadInput> {
        let mut input = Input::default();
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(response) = input.next(&mut piece, len_max)? {
                found.push(response.bytes().to_vec());
                assert_eq!(found.last().unwrap()[..], *response.into_owned().bytes());
            }
            assert!(piece.is_empty());
        }
        Ok(found)
    }

    #[test]
    fn responses_are_found_however_the_bytes_arrive() {
        let stream = [0u8, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 3, 1];
        let expected = Ok(vec![vec![7, 8], vec![], vec![9]]);
        for size in 1..=stream.len() {
            assert_eq!(responses(&stream.chunks(size).collect::<Vec<_>>(), 100), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_one_is_found_with_its_last_byte() {
        for head in [[0xff; 4], [0, 0, 0, 101], *b"HTTP"] {
            let (first, last) = head.split_at(3);
            assert_eq!(responses(&[&head], 100), Err(BadInput::Length(head)));
            assert_eq!(responses(&[first, last], 100), Err(BadInput::Length(head)));
        }
    }

    #[test]
    fn memory_grows_with_what_comes_and_not_with_what_is_claimed() {
        let mut input = Input::default();
        let mut bytes: &[u8] = &i32::MAX.to_be_bytes();
        assert!(input.next(&mut bytes, i32::MAX as usize).unwrap().is_none());
        assert!(input.held() < 100);
        let piece = [0; 1_000];
        let mut copied = 0;
        for round in 1..=1_000 {
            let before = input.held();
            let mut bytes: &[u8] = &piece;
            let needs = input.needs(bytes.len());
            assert!(input.next(&mut bytes, i32::MAX as usize).unwrap().is_none());
            assert!(input.held() <= before.max(needs), "no more than it said");
            copied += if input.held() > before { before } else { 0 };
            assert!(input.held() <= 2 * (4 + round * piece.len()));
        }
        assert!(copied <= 2_000_000, "it grows by doubling: {copied}");
    }

    #[test]
    fn all_connections_together_have_a_bound() {
        assert!(check_total(100, 100, 100).is_ok());
        assert!(check_total(100, 101, 100).unwrap_err().contains("200 is the most"));
    }
}
