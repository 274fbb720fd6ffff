//! Kafka's primitive types: a reader that never leaves its slice, and writers onto a `Vec<u8>`.

use std::borrow::Cow;

use crate::text::line_from_bytes;

/// How a message writes strings, bytes, arrays and the ends of structures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Fixed-width lengths, no tagged fields.
    Classic,
    /// Compact lengths (varint, one more than the length, 0 is null) and tagged fields after each structure (KIP-482).
    Flexible,
}

/// What could not be read, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot read {what} at byte {at}")]
pub struct DecodeError {
    pub what: &'static str,
    /// The offset in the slice the outermost reader was made for.
    pub at: usize,
}

pub type Result<T> = std::result::Result<T, DecodeError>;

/// Reads one primitive after the other from a slice. After an error the position is unspecified but within the slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
    form: Form,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8], form: Form) -> Reader<'a> {
        Reader { rest: bytes, at: 0, form }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The offset of the next byte to be read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// An error about the value that would be read next.
    pub fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { what, at: self.at }
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(self.error(what))?;
        self.rest = rest;
        self.at += len;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError { what, at: self.at })?;
        self.rest = rest;
        self.at += N;
        Ok(*taken)
    }

    pub fn i8(&mut self, what: &'static str) -> Result<i8> {
        self.fixed(what).map(i8::from_be_bytes)
    }

    pub fn i16(&mut self, what: &'static str) -> Result<i16> {
        self.fixed(what).map(i16::from_be_bytes)
    }

    pub fn i32(&mut self, what: &'static str) -> Result<i32> {
        self.fixed(what).map(i32::from_be_bytes)
    }

    pub fn i64(&mut self, what: &'static str) -> Result<i64> {
        self.fixed(what).map(i64::from_be_bytes)
    }

    /// Any byte but 0 is true, as Kafka reads it.
    pub fn bool(&mut self, what: &'static str) -> Result<bool> {
        Ok(self.i8(what)? != 0)
    }

    pub fn uuid(&mut self, what: &'static str) -> Result<[u8; 16]> {
        self.fixed(what)
    }

    /// At most five bytes; bits that do not fit are an error.
    pub fn unsigned_varint(&mut self, what: &'static str) -> Result<u32> {
        let start = self.error(what);
        let value = self.base_128(5, what)?;
        u32::try_from(value).map_err(|_| start)
    }

    /// Zigzag, at most five bytes.
    pub fn varint(&mut self, what: &'static str) -> Result<i32> {
        let value = self.unsigned_varint(what)?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// Zigzag, at most ten bytes.
    pub fn varlong(&mut self, what: &'static str) -> Result<i64> {
        let value = self.base_128(10, what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn base_128(&mut self, bytes_max: u32, what: &'static str) -> Result<u64> {
        let start = self.error(what);
        let mut value = 0u64;
        for i in 0..bytes_max {
            let byte = self.i8(what)? as u8;
            let bits = u64::from(byte & 0x7f);
            // Only the tenth byte can lose bits in 64.
            if i == 9 && bits > 1 {
                return Err(start);
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start)
    }

    /// A string or `None` for null. Brokers that are not Java send bytes that are not UTF-8: these become U+FFFD, since a bad
    /// text must not make what stands beside it unreadable.
    pub fn nullable_string(&mut self, what: &'static str) -> Result<Option<Cow<'a, str>>> {
        Ok(self.nullable_string_bytes(what)?.map(String::from_utf8_lossy))
    }

    /// A string where null is an error; see `nullable_string`.
    pub fn string(&mut self, what: &'static str) -> Result<Cow<'a, str>> {
        let start = self.error(what);
        self.nullable_string(what)?.ok_or(start)
    }

    /// A string that is only shown: one clean line of bounded length, or `None` for null.
    pub fn nullable_line(&mut self, what: &'static str) -> Result<Option<String>> {
        Ok(self.nullable_string_bytes(what)?.map(|bytes| line_from_bytes(bytes).into_owned()))
    }

    /// A string that is only shown, where null is an error; see `nullable_line`.
    pub fn line(&mut self, what: &'static str) -> Result<String> {
        let start = self.error(what);
        self.nullable_line(what)?.ok_or(start)
    }

    fn nullable_string_bytes(&mut self, what: &'static str) -> Result<Option<&'a [u8]>> {
        let len = match self.form {
            Form::Classic => i64::from(self.i16(what)?),
            Form::Flexible => i64::from(self.unsigned_varint(what)?) - 1,
        };
        self.nullable(len, what)
    }

    /// Bytes or `None` for null.
    pub fn nullable_bytes(&mut self, what: &'static str) -> Result<Option<&'a [u8]>> {
        let len = match self.form {
            Form::Classic => i64::from(self.i32(what)?),
            Form::Flexible => i64::from(self.unsigned_varint(what)?) - 1,
        };
        self.nullable(len, what)
    }

    fn nullable(&mut self, len: i64, what: &'static str) -> Result<Option<&'a [u8]>> {
        match len {
            -1 => Ok(None),
            len => self.take(usize::try_from(len).map_err(|_| self.error(what))?, what).map(Some),
        }
    }

    /// An array's count, or `None` for null. `element_bytes_min` is the least that one element can take: a count whose
    /// elements cannot be in the rest is an error, so a loop over the count is bounded by the bytes received.
    pub fn nullable_array_len(&mut self, element_bytes_min: usize, what: &'static str) -> Result<Option<usize>> {
        let start = self.error(what);
        let len = match self.form {
            Form::Classic => i64::from(self.i32(what)?),
            Form::Flexible => i64::from(self.unsigned_varint(what)?) - 1,
        };
        if len == -1 {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| start)?;
        if len > self.rest.len() / element_bytes_min.max(1) {
            return Err(start);
        }
        Ok(Some(len))
    }

    /// An array's count where null is an error; see `nullable_array_len`.
    pub fn array_len(&mut self, element_bytes_min: usize, what: &'static str) -> Result<usize> {
        let start = self.error(what);
        self.nullable_array_len(element_bytes_min, what)?.ok_or(start)
    }

    /// The tagged fields at a structure's end: `visit(tag, field)` for each, with a reader bounded to that field; what it
    /// leaves unread is skipped. In the classic form there are none.
    pub fn tagged_fields(
        &mut self,
        what: &'static str,
        mut visit: impl FnMut(u32, &mut Reader<'a>) -> Result<()>,
    ) -> Result<()> {
        if self.form == Form::Classic {
            return Ok(());
        }
        let count = self.unsigned_varint(what)?;
        for _ in 0..count {
            // Every field takes at least two bytes, so a huge claimed count ends here with the bytes.
            let tag = self.unsigned_varint(what)?;
            let len = self.unsigned_varint(what)?;
            let at = self.at;
            let field = self.take(len as usize, what)?;
            visit(tag, &mut Reader { rest: field, at, form: self.form })?;
        }
        Ok(())
    }

    /// Passes over the tagged fields at a structure's end.
    pub fn skip_tagged_fields(&mut self, what: &'static str) -> Result<()> {
        self.tagged_fields(what, |_, _| Ok(()))
    }
}

pub fn put_i8(out: &mut Vec<u8>, value: i8) {
    out.push(value as u8);
}

pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

pub fn put_i16(out: &mut Vec<u8>, value: i16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub fn put_unsigned_varint(out: &mut Vec<u8>, value: u32) {
    put_base_128(out, u64::from(value));
}

/// Zigzag.
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_base_128(out, u64::from(((value << 1) ^ (value >> 31)) as u32));
}

/// Zigzag.
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    put_base_128(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn put_base_128(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A string, or null. One longer than INT16 can say is cut, so that the frame around it stays whole: nothing that Kafka
/// accepts (topic names, client and transactional ids) is that long, and the broker will say so.
pub fn put_nullable_string(out: &mut Vec<u8>, form: Form, value: Option<&str>) {
    let Some(value) = value else {
        match form {
            Form::Classic => put_i16(out, -1),
            Form::Flexible => put_unsigned_varint(out, 0),
        }
        return;
    };
    let mut len = value.len().min(i16::MAX as usize);
    while !value.is_char_boundary(len) {
        len -= 1;
    }
    match form {
        Form::Classic => put_i16(out, len as i16),
        Form::Flexible => put_unsigned_varint(out, len as u32 + 1),
    }
    out.extend_from_slice(&value.as_bytes()[..len]);
}

pub fn put_string(out: &mut Vec<u8>, form: Form, value: &str) {
    put_nullable_string(out, form, Some(value));
}

/// The count before an array's elements (or the length before bytes), or null. Counts are our own and far below 2^31.
pub fn put_array_len(out: &mut Vec<u8>, form: Form, len: Option<usize>) {
    let len = len.map(|len| i32::try_from(len).expect("arrays and batches we send are bounded far below 2 GiB"));
    match form {
        Form::Classic => put_i32(out, len.unwrap_or(-1)),
        Form::Flexible => put_unsigned_varint(out, len.map_or(0, |len| len as u32 + 1)),
    }
}

/// The end of a structure that sends no tagged fields.
pub fn put_no_tagged_fields(out: &mut Vec<u8>, form: Form) {
    if form == Form::Flexible {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_again() {
        for form in [Form::Classic, Form::Flexible] {
            let mut out = Vec::new();
            put_i8(&mut out, -3);
            put_i16(&mut out, i16::MIN);
            put_i32(&mut out, i32::MAX);
            put_i64(&mut out, i64::MIN);
            put_bool(&mut out, true);
            put_string(&mut out, form, "größe");
            put_string(&mut out, form, "");
            put_nullable_string(&mut out, form, None);
            put_array_len(&mut out, form, Some(2));
            out.extend_from_slice(b"ab");
            put_array_len(&mut out, form, None);
            put_no_tagged_fields(&mut out, form);

            let mut reader = Reader::new(&out, form);
            assert_eq!(reader.i8("a"), Ok(-3));
            assert_eq!(reader.i16("a"), Ok(i16::MIN));
            assert_eq!(reader.i32("a"), Ok(i32::MAX));
            assert_eq!(reader.i64("a"), Ok(i64::MIN));
            assert_eq!(reader.bool("a"), Ok(true));
            assert_eq!(reader.string("a"), Ok("größe".into()));
            assert_eq!(reader.string("a"), Ok("".into()));
            assert_eq!(reader.nullable_string("a"), Ok(None));
            assert_eq!(reader.nullable_bytes("a"), Ok(Some(&b"ab"[..])));
            assert_eq!(reader.nullable_array_len(1, "a"), Ok(None));
            assert_eq!(reader.skip_tagged_fields("a"), Ok(()));
            assert!(reader.rest().is_empty());
            assert_eq!(reader.at(), out.len());
        }
    }

    #[test]
    fn an_error_says_what_and_where() {
        let mut reader = Reader::new(&[0, 1, 0xff, 0xff], Form::Classic);
        reader.i16("first").unwrap();
        let error = reader.string("topic name").unwrap_err();
        assert_eq!(error, DecodeError { what: "topic name", at: 2 });
        assert_eq!(error.to_string(), "cannot read topic name at byte 2");
        assert_eq!(Reader::new(&[0, 2, 0xff], Form::Classic).string("too short").unwrap_err().at, 2);
    }

    #[test]
    fn a_string_that_is_not_utf8_is_read_all_the_same() {
        let bytes = [0, 4, b'a', 0xff, b'\n', b'b', 0x55];
        let mut reader = Reader::new(&bytes, Form::Classic);
        assert_eq!(reader.clone().line("a"), Ok("a\u{fffd} b".to_owned()));
        assert_eq!(reader.string("a"), Ok("a\u{fffd}\nb".into()));
        assert_eq!(reader.rest(), [0x55]);
        let null = Reader::new(&[0xff, 0xff], Form::Classic);
        assert_eq!(null.clone().nullable_line("a"), Ok(None));
        assert!(null.clone().line("a").is_err());
    }

    #[test]
    fn a_varint_with_bits_that_do_not_fit_is_an_error() {
        let max = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(Reader::new(&max, Form::Classic).unsigned_varint("v"), Ok(u32::MAX));
        let over = [0xff, 0xff, 0xff, 0xff, 0x1f];
        assert!(Reader::new(&over, Form::Classic).unsigned_varint("v").is_err());
        let endless = [0x80; 20];
        assert!(Reader::new(&endless, Form::Classic).unsigned_varint("v").is_err());
        assert!(Reader::new(&endless, Form::Classic).varlong("v").is_err());
        let mut long = [0xff; 10];
        long[9] = 1;
        assert_eq!(Reader::new(&long, Form::Classic).varlong("v"), Ok(i64::MIN));
        long[9] = 2;
        assert!(Reader::new(&long, Form::Classic).varlong("v").is_err());
    }

    #[test]
    fn a_count_whose_elements_cannot_be_there_is_an_error() {
        let bytes = [0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        assert_eq!(Reader::new(&bytes, Form::Classic).array_len(2, "a"), Ok(3));
        assert!(Reader::new(&bytes, Form::Classic).array_len(3, "a").is_err());
        for len in [-2, i32::MIN, i32::MAX] {
            let bytes = len.to_be_bytes();
            assert!(Reader::new(&bytes, Form::Classic).nullable_array_len(1, "a").is_err());
            assert!(Reader::new(&bytes, Form::Classic).nullable_bytes("a").is_err());
        }
    }

    #[test]
    fn a_tagged_field_is_read_within_its_own_bytes() {
        // Tag 0 with four bytes of which two are read, tag 7 with one, then what follows the structure.
        let bytes = [2, 0, 4, 0, 5, 9, 9, 7, 1, 8, 0x55];
        let mut reader = Reader::new(&bytes, Form::Flexible);
        let mut seen = Vec::new();
        reader
            .tagged_fields("fields", |tag, field| {
                seen.push((tag, field.at(), field.rest().len()));
                if tag == 0 {
                    assert_eq!(field.i16("field")?, 5);
                    assert_eq!(field.clone().i32("too much").unwrap_err().at, 5);
                }
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(0, 3, 4), (7, 9, 1)]);
        assert_eq!(reader.rest(), [0x55]);
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], Form::Flexible).skip_tagged_fields("fields").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_varint_is_read_as_written(unsigned: u32, int: i32, long: i64) {
            let mut out = Vec::new();
            put_unsigned_varint(&mut out, unsigned);
            put_varint(&mut out, int);
            put_varlong(&mut out, long);
            let mut reader = Reader::new(&out, Form::Classic);
            prop_assert_eq!(reader.unsigned_varint("u"), Ok(unsigned));
            prop_assert_eq!(reader.varint("i"), Ok(int));
            prop_assert_eq!(reader.varlong("l"), Ok(long));
            prop_assert!(reader.rest().is_empty());
        }
    }
}
