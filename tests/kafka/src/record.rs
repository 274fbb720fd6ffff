//! What is sent, what is reported, what the log holds.

use std::fmt::Write;

/// A header: a name and a value that may be null.
pub type Header = (String, Option<Vec<u8>>);

/// The content of a record, equal on both sides of Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    /// None is no key, empty is an empty key.
    pub key: Option<Vec<u8>>,
    /// None is a tombstone.
    pub value: Option<Vec<u8>>,
    /// In order; a name may be repeated.
    pub headers: Vec<Header>,
}

/// A record to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// An explicit partition, or the partitioner's choice.
    pub partition: Option<i32>,
    /// The timestamp in milliseconds; None is the time of sending.
    pub timestamp_ms: Option<i64>,
    /// A deadline of its own; None is `delivery.timeout.ms`.
    pub delivery_timeout_ms: Option<i32>,
    /// Key, value, headers.
    pub content: Content,
}

impl Record {
    /// A record without key and value.
    pub fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: None,
            timestamp_ms: None,
            delivery_timeout_ms: None,
            content: Content::default(),
        }
    }

    /// With this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.content.key = Some(key.into());
        self
    }

    /// With this value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.content.value = Some(value.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.content.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }

    /// To this partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// With this timestamp.
    #[must_use]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// The line the driver programs read: topic, partition, timestamp, deadline, key, value, headers; bytes in hexadecimal after
    /// an `x`, `-` for what is absent.
    pub fn line(&self) -> String {
        let number = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let mut line = format!(
            "{} {} {} {} {} {}",
            self.topic,
            number(self.partition.map(i64::from)),
            number(self.timestamp_ms),
            number(self.delivery_timeout_ms.map(i64::from)),
            hex_or_dash(self.content.key.as_deref()),
            hex_or_dash(self.content.value.as_deref()),
        );
        for (name, value) in &self.content.headers {
            let header = (hex_or_dash(Some(name.as_bytes())), hex_or_dash(value.as_deref()));
            write!(line, " {}={}", header.0, header.1).expect("a String takes all");
        }
        line
    }

    /// Reads [`Self::line`] back; None when it is not one.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let mut record = Self::new(fields.next()?);
        record.partition = optional(fields.next()?)?;
        record.timestamp_ms = optional(fields.next()?)?;
        record.delivery_timeout_ms = optional(fields.next()?)?;
        record.content.key = bytes(fields.next()?)?;
        record.content.value = bytes(fields.next()?)?;
        for field in fields {
            let (name, value) = field.split_once('=')?;
            record.content.headers.push((String::from_utf8(bytes(name)??).ok()?, bytes(value)?));
        }
        Some(record)
    }
}

/// A record read back from a topic's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp in milliseconds.
    pub timestamp_ms: i64,
    /// Key, value, headers.
    pub content: Content,
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

fn hex_or_dash(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("x{}", hex(bytes)))
}

#[allow(clippy::option_option, reason = "the outer is the syntax, the inner is the value")]
fn optional<T: std::str::FromStr>(field: &str) -> Option<Option<T>> {
    if field == "-" { Some(None) } else { field.parse().ok().map(Some) }
}

#[allow(clippy::option_option, reason = "the outer is the syntax, the inner is the value")]
fn bytes(field: &str) -> Option<Option<Vec<u8>>> {
    if field == "-" {
        return Some(None);
    }
    let digits = field.strip_prefix('x')?.as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = digits.chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?));
    Some(Some(pairs.collect::<Option<Vec<u8>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_same_record() {
        let record = Record::new("t").key([]).header("a b", None).header("", Some(b"\0\xff")).partition(3);
        assert_eq!(record.line(), "t 3 - - x - x612062=- x=x00ff");
        assert_eq!(Record::parse(&record.line()), Some(record));
    }
}
