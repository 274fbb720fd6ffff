//! A cursor over the bytes of a request: every read is checked, nothing is allocated, strings and bytes are borrowed.

/// The bytes do not hold what the schema asks for. A broker closes the connection on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) type ReadResult<T> = Result<T, Malformed>;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Flexible versions (KIP-482) write lengths as unsigned varints plus one, and end each struct with tagged fields.
    flexible: bool,
    /// Bytes behind the body are an error.
    refuses_rest: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], flexible: bool) -> Reader<'a> {
        Reader { rest: bytes, flexible, refuses_rest: false }
    }

    /// Makes `end` fail on bytes that are left over.
    pub(super) fn refuse_rest(&mut self) {
        self.refuses_rest = true;
    }

    pub(super) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> ReadResult<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = tail;
        Ok(head)
    }

    fn take_array<const N: usize>(&mut self) -> ReadResult<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = tail;
        Ok(*head)
    }

    pub(super) fn i8(&mut self) -> ReadResult<i8> {
        Ok(i8::from_be_bytes(self.take_array()?))
    }

    pub(super) fn i16(&mut self) -> ReadResult<i16> {
        Ok(i16::from_be_bytes(self.take_array()?))
    }

    pub(super) fn i32(&mut self) -> ReadResult<i32> {
        Ok(i32::from_be_bytes(self.take_array()?))
    }

    pub(super) fn i64(&mut self) -> ReadResult<i64> {
        Ok(i64::from_be_bytes(self.take_array()?))
    }

    pub(super) fn bool(&mut self) -> ReadResult<bool> {
        Ok(self.i8()? != 0)
    }

    pub(super) fn uuid(&mut self) -> ReadResult<[u8; 16]> {
        self.take_array()
    }

    pub(super) fn unsigned_varint(&mut self) -> ReadResult<u32> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take_array()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A length with -1 for null; in flexible versions it is stored plus one, as an unsigned varint.
    fn nullable_len(&mut self, fixed: fn(&mut Self) -> ReadResult<i32>) -> ReadResult<Option<usize>> {
        if self.flexible {
            return Ok(self.unsigned_varint()?.checked_sub(1).map(|len| len as usize));
        }
        match fixed(self)? {
            -1 => Ok(None),
            len => usize::try_from(len).map(Some).map_err(|_| Malformed),
        }
    }

    pub(super) fn nullable_string(&mut self) -> ReadResult<Option<&'a str>> {
        let Some(len) = self.nullable_len(|reader| reader.i16().map(i32::from))? else { return Ok(None) };
        std::str::from_utf8(self.take(len)?).map(Some).map_err(|_| Malformed)
    }

    /// Passes over a string that nothing depends on, whatever its bytes are: Kafka decodes any.
    pub(super) fn skip_nullable_string(&mut self) -> ReadResult<()> {
        let len = self.nullable_len(|reader| reader.i16().map(i32::from))?;
        self.take(len.unwrap_or(0)).map(|_| ())
    }

    pub(super) fn string(&mut self) -> ReadResult<&'a str> {
        self.nullable_string()?.ok_or(Malformed)
    }

    pub(super) fn nullable_bytes(&mut self) -> ReadResult<Option<&'a [u8]>> {
        let Some(len) = self.nullable_len(Self::i32)? else { return Ok(None) };
        self.take(len).map(Some)
    }

    /// The count of an array, `None` for null. No element takes less than a byte, so a count beyond the bytes left is
    /// malformed; refusing it here keeps a lying count from costing memory or time.
    pub(super) fn nullable_array(&mut self) -> ReadResult<Option<usize>> {
        let count = self.nullable_len(Self::i32)?;
        match count {
            Some(count) if count > self.rest.len() => Err(Malformed),
            count => Ok(count),
        }
    }

    pub(super) fn array(&mut self) -> ReadResult<usize> {
        self.nullable_array()?.ok_or(Malformed)
    }

    /// Skips the tagged fields that end a struct in flexible versions; reads nothing in the others.
    pub(super) fn tagged_fields(&mut self) -> ReadResult<()> {
        if !self.flexible {
            return Ok(());
        }
        // Bounded by the bytes: each field takes two of them at least.
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let len = self.unsigned_varint()?;
            self.take(len as usize)?;
        }
        Ok(())
    }

    /// The end of a body. Bytes behind it are ignored, as Kafka does: librdkafka asks for all topics with three bytes too many.
    pub(super) fn end(&self) -> ReadResult<()> {
        if self.refuses_rest && !self.is_empty() { Err(Malformed) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_varint_refuses_more_than_32_bits() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f], true).unsigned_varint(), Ok(u32::MAX));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x10], true).unsigned_varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], true).unsigned_varint(), Err(Malformed));
        assert_eq!(Reader::new(&[0x80], true).unsigned_varint(), Err(Malformed));
    }

    #[test]
    fn an_array_longer_than_its_bytes_is_malformed() {
        assert_eq!(Reader::new(&[0x7f, 0xff, 0xff, 0xff, 0, 0], false).nullable_array(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff], false).nullable_array(), Ok(None));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xfe], false).nullable_array(), Err(Malformed));
        assert_eq!(Reader::new(&[3, 0, 0], true).nullable_array(), Ok(Some(2)));
    }

    #[test]
    fn strings_tell_null_from_empty_in_both_encodings() {
        assert_eq!(Reader::new(&[0xff, 0xff], false).nullable_string(), Ok(None));
        assert_eq!(Reader::new(&[0, 0], false).nullable_string(), Ok(Some("")));
        assert_eq!(Reader::new(&[0], true).nullable_string(), Ok(None));
        assert_eq!(Reader::new(&[1], true).nullable_string(), Ok(Some("")));
        assert_eq!(Reader::new(&[2, 0xff], true).nullable_string(), Err(Malformed));
        assert_eq!(Reader::new(&[0], true).string(), Err(Malformed));
    }
}
