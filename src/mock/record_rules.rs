//! What a topic's configuration asks of each record. A batch with a record that breaks a rule is refused whole, and the answer
//! names every such record (KIP-467), as Kafka's `LogValidator` does.

use super::batch_decode::Records;
use super::code;
use super::decompress::plain_batch;

/// Rules of one topic; none at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordRules {
    /// `cleanup.policy` has compact in it: records need keys.
    needs_keys: bool,
    /// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`.
    before_max_ms: Option<u64>,
    after_max_ms: Option<u64>,
}

/// Records that break a rule, by place, and Kafka's code for the batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordRefusal {
    pub(super) error_code: i16,
    pub(super) records: Vec<(i32, String)>,
}

impl RecordRules {
    /// Sets one of Kafka's topic configurations; the error says what is wrong.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let ms = || {
            let number: Result<u64, _> = value.parse();
            number.map_err(|_| format!("{name}={value}: a number of milliseconds is wanted"))
        };
        match name {
            "cleanup.policy" => {
                let policies: Vec<&str> = value.split(',').map(str::trim).collect();
                if !policies.iter().all(|policy| matches!(*policy, "compact" | "delete")) {
                    return Err(format!("{name}={value}: compact, delete, or both are wanted"));
                }
                self.needs_keys = policies.contains(&"compact");
            }
            "message.timestamp.before.max.ms" => self.before_max_ms = Some(ms()?),
            "message.timestamp.after.max.ms" => self.after_max_ms = Some(ms()?),
            _ => {
                return Err(format!(
                    "the mock cluster knows no topic configuration '{name}'; it knows cleanup.policy, \
                     message.timestamp.before.max.ms and message.timestamp.after.max.ms"
                ));
            }
        }
        Ok(())
    }

    /// Judges a batch that has passed `check_batch`. `keeps_times`: the records' own timestamps count.
    pub(super) fn check(
        &self,
        batch: &[u8],
        place: (&str, i32),
        wall_ms: i64,
        keeps_times: bool,
    ) -> Option<RecordRefusal> {
        if *self == RecordRules::default() {
            return None;
        }
        let mut records = Vec::new();
        let mut error_code = code::INVALID_RECORD;
        let plain = plain_batch(batch)?;
        for (index, record) in Records::new(&plain)?.enumerate() {
            let text = if self.needs_keys && record.key.is_none() {
                Some(format!(
                    "Compacted topic cannot accept message without key in topic partition {}-{}.",
                    place.0, place.1
                ))
            } else if keeps_times && self.is_out_of_range(record.timestamp_ms, wall_ms) {
                // One of these decides for the batch.
                error_code = code::INVALID_TIMESTAMP;
                Some(format!("Timestamp {} of message with offset {index} is out of range.", record.timestamp_ms))
            } else {
                None
            };
            records.extend(text.map(|text| (index as i32, text)));
        }
        (!records.is_empty()).then_some(RecordRefusal { error_code, records })
    }

    fn is_out_of_range(&self, timestamp_ms: i64, wall_ms: i64) -> bool {
        let age_ms = wall_ms.saturating_sub(timestamp_ms);
        let beyond = |distance_ms: i64, most: Option<u64>| {
            most.is_some_and(|most| u64::try_from(distance_ms).is_ok_and(|distance| distance > most))
        };
        beyond(age_ms, self.before_max_ms) || beyond(age_ms.saturating_neg(), self.after_max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_legal_configurations_are_taken() {
        let mut rules = RecordRules::default();
        for (name, value) in [
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "compact, delete"),
            ("message.timestamp.after.max.ms", "3600000"),
            ("message.timestamp.before.max.ms", "0"),
        ] {
            assert_eq!(rules.set(name, value), Ok(()));
        }
        assert!(rules.needs_keys);
        assert_eq!(rules.set("cleanup.policy", "delete"), Ok(()));
        assert!(!rules.needs_keys);
        for (name, value) in [
            ("cleanup.policy", "compress"),
            ("message.timestamp.after.max.ms", "-1"),
            ("message.timestamp.after.max.ms", "soon"),
            ("retention.ms", "1"),
        ] {
            let error = rules.set(name, value).expect_err("not legal");
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn times_are_judged_to_both_sides_and_to_the_millisecond() {
        let rules = RecordRules { needs_keys: false, before_max_ms: Some(10), after_max_ms: Some(5) };
        let now = 1_000;
        let seen = [989, 990, 1_000, 1_005, 1_006].map(|timestamp| rules.is_out_of_range(timestamp, now));
        assert_eq!(seen, [true, false, false, false, true]);
        assert!(rules.is_out_of_range(i64::MAX, now) && rules.is_out_of_range(i64::MIN, now));
        assert!(!RecordRules::default().is_out_of_range(i64::MAX, now));
    }
}
