//! The name of a prepared transaction, as Kafka's own client writes it (KIP-939): "producer id:epoch".

use std::fmt;

/// Which transaction was prepared: the producer id and the epoch that it was made under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreparedTransaction {
    pub producer_id: i64,
    pub producer_epoch: i16,
}

impl PreparedTransaction {
    /// `None` for text that names none.
    pub fn parse(text: &str) -> Option<PreparedTransaction> {
        let (id, epoch) = text.split_once(':')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(id) || !digits(epoch) {
            return None;
        }
        Some(PreparedTransaction { producer_id: id.parse().ok()?, producer_epoch: epoch.parse().ok()? })
    }
}

impl fmt::Display for PreparedTransaction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.producer_id, self.producer_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for (producer_id, producer_epoch) in [(0, 0), (123, 45), (i64::MAX, i16::MAX)] {
            let prepared = PreparedTransaction { producer_id, producer_epoch };
            assert_eq!(PreparedTransaction::parse(&prepared.to_string()), Some(prepared));
        }
        for wrong in ["", ":", "1", "1:", ":1", "-1:-1", "1:2:3", " 1:2", "+1:2", "1:32768", "9223372036854775808:0"] {
            assert_eq!(PreparedTransaction::parse(wrong), None, "{wrong:?}");
        }
    }
}
