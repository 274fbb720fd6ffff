//! Runs `c/bulk.c`, which sends numbered records by the million, and judges them: the log against the reports.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rdkafka::Message;

use crate::cluster::KafkaCluster;
use crate::dialogue::Dialogue;
use crate::env;
use crate::log::{READ_UNCOMMITTED, see_topic};

/// The longest time without a line from the program: its flush and close are bounded.
const PATIENCE: Duration = Duration::from_secs(500);
const DIGITS: usize = 12;
const VIOLATIONS_SHOWN: usize = 10;

/// What a record's report said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the log, at this offset; -1 when the broker did not say.
    Acknowledged(i64),
    /// It may be in the log.
    Maybe,
    /// It is not in the log, or was refused.
    Not,
    /// There was no report.
    Unreported,
}

/// What to send.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partitions, which are sent to in turn.
    pub partitions: usize,
    /// How many records.
    pub count: usize,
    /// How many of them in a second, where brokers keep up.
    pub per_second: usize,
}

/// A load under way.
#[derive(Debug)]
pub struct Bulk {
    dialogue: Dialogue,
    topic: String,
    partitions: usize,
    journal: PathBuf,
    sent: bool,
    acknowledged: usize,
    losses: Vec<String>,
    health: Vec<(i32, String)>,
    reloads: usize,
    /// What flush and close returned.
    closed: Option<(String, String)>,
}

impl Bulk {
    /// Starts sending.
    pub fn start(cluster: &KafkaCluster, load: Load<'_>, properties: &[(&str, &str)]) -> Self {
        let journal = env::work_directory().join(format!("{}.journal", load.topic));
        let mut command = Command::new(env::program("bulk"));
        command.args(["--topic", load.topic, "--partitions", &load.partitions.to_string()]);
        command.args(["--count", &load.count.to_string(), "--per-second", &load.per_second.to_string()]);
        command.arg("--journal").arg(&journal);
        command.args(["--property", &format!("bootstrap.servers={}", cluster.bootstrap())]);
        for (name, value) in properties {
            command.args(["--property", &format!("{name}={value}")]);
        }
        Self {
            dialogue: Dialogue::start("bulk", command),
            topic: load.topic.to_owned(),
            partitions: load.partitions,
            journal,
            sent: false,
            acknowledged: 0,
            losses: Vec::new(),
            health: Vec::new(),
            reloads: 0,
            closed: None,
        }
    }

    /// Has the program call `producer_tls_reload`, which has to succeed.
    pub fn reload(&mut self) {
        self.dialogue.say("reload");
        let wanted = self.reloads + 1;
        while self.reloads < wanted {
            let line = self.dialogue.hear(PATIENCE).expect("bulk runs");
            self.keep(&line);
        }
    }

    /// No more records than those sent by now.
    pub fn stop(&mut self) {
        self.dialogue.say("stop");
    }

    /// How many records are acknowledged by now.
    pub fn acknowledged(&mut self) -> usize {
        while let Some(line) = self.dialogue.overhear() {
            self.keep(&line);
        }
        self.acknowledged
    }

    /// Whether everything was given to the library.
    pub fn has_sent(&mut self) -> bool {
        while let Some(line) = self.dialogue.overhear() {
            self.keep(&line);
        }
        assert!(self.sent || self.dialogue.is_running(), "bulk ended while sending");
        self.sent
    }

    /// Waits until so many records are acknowledged.
    pub fn wait_for_acknowledgements(&mut self, count: usize) {
        while self.acknowledged < count {
            let line = self.dialogue.hear(PATIENCE).expect("bulk runs");
            self.keep(&line);
        }
    }

    /// Waits for the outcome of every record.
    pub fn finish(mut self) -> Outcome {
        while let Some(line) = self.dialogue.hear(PATIENCE) {
            self.keep(&line);
        }
        let (status, _) = self.dialogue.finish(PATIENCE);
        assert!(status.success(), "bulk ended with {status}");
        let ok = || "0".to_owned();
        assert_eq!(self.closed, Some((ok(), ok())), "flush and close end in time");
        let text = std::fs::read_to_string(&self.journal).expect("the journal is written");
        let (fates, attempts): (Vec<Fate>, Vec<u32>) =
            text.lines().map(|line| parse(line).unwrap_or_else(|| panic!("journal: {line}"))).unzip();
        let sent_again = attempts.iter().filter(|attempts| **attempts > 1).count();
        Outcome {
            topic: self.topic,
            partitions: self.partitions,
            fates,
            sent_again,
            losses: self.losses,
            health: self.health,
        }
    }

    fn keep(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["progress", _, _, acknowledged] => self.acknowledged = acknowledged.parse().expect("a number"),
            ["sent"] => self.sent = true,
            ["health", state, text] => self.health.push((state.parse().expect("a number"), text.to_owned())),
            ["reloaded", "0", _] => self.reloads += 1,
            ["loss", ..] => self.losses.push(line.to_owned()),
            ["closed", flush, close] => self.closed = Some((flush.to_owned(), close.to_owned())),
            _ => panic!("bulk printed {line:?}"),
        }
    }
}

/// A record's fate and its attempts.
fn parse(line: &str) -> Option<(Fate, u32)> {
    let mut fields = line.split('\t');
    let outcome = fields.next()?;
    let offset = fields.nth(1)?.parse().ok()?;
    let fate = match outcome {
        "yes" => Fate::Acknowledged(offset),
        "maybe" => Fate::Maybe,
        "no" | "refused" => Fate::Not,
        "none" => Fate::Unreported,
        _ => return None,
    };
    Some((fate, fields.next()?.parse().ok()?))
}

/// What was reported of every record, by number.
#[derive(Clone, Debug)]
pub struct Outcome {
    topic: String,
    partitions: usize,
    /// Of every record, by number.
    pub fates: Vec<Fate>,
    /// How many records were written to a connection more than once.
    pub sent_again: usize,
    /// The lines of the data-loss callback.
    pub losses: Vec<String>,
    /// The changes of the producer's health: state and text.
    pub health: Vec<(i32, String)>,
}

impl Outcome {
    /// How many reports said so.
    pub fn count(&self, wanted: impl Fn(Fate) -> bool) -> usize {
        self.fates.iter().filter(|fate| wanted(**fate)).count()
    }

    /// Reads the topic and panics unless each acknowledged record is there exactly once, at its place and in order; no record
    /// that was reported as not written; each other one at most once.
    pub fn assert_exactly_once(&self, cluster: &KafkaCluster) {
        let mut judge = Judge::new(self);
        see_topic(cluster, &self.topic, READ_UNCOMMITTED, |message| {
            judge.see(message.partition(), message.offset(), message.payload().unwrap_or_default());
        });
        let found = judge.found;
        let violations = judge.verdict();
        println!(
            "{}: {} records: {} acknowledged, {} perhaps written, {} not written; {} sent again; {found} in the log",
            self.topic,
            self.fates.len(),
            self.count(|fate| matches!(fate, Fate::Acknowledged(_))),
            self.count(|fate| fate == Fate::Maybe),
            self.count(|fate| fate == Fate::Not),
            self.sent_again,
        );
        let shown = violations.iter().take(VIOLATIONS_SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(violations.is_empty(), "{}: {} violations:\n{shown}", self.topic, violations.len());
    }
}

/// Compares a log with the reports.
struct Judge<'a> {
    outcome: &'a Outcome,
    seen: Vec<u32>,
    /// By partition: the last record's number.
    last: Vec<Option<usize>>,
    found: usize,
    violations: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let (records, partitions) = (outcome.fates.len(), outcome.partitions);
        Self { outcome, seen: vec![0; records], last: vec![None; partitions], found: 0, violations: Vec::new() }
    }

    fn see(&mut self, partition: i32, offset: i64, value: &[u8]) {
        self.found += 1;
        let place = format!("{}-{partition} offset {offset}", self.outcome.topic);
        let Some(number) = number_of(value).filter(|number| *number < self.seen.len()) else {
            self.violations.push(format!("{place}: nobody sent this, or its bytes have changed"));
            return;
        };
        self.seen[number] += 1;
        if let Fate::Acknowledged(reported) = self.outcome.fates[number]
            && reported != offset
            && reported >= 0
        {
            self.violations.push(format!("{place}: record {number} was reported at offset {reported}"));
        }
        let partition = usize::try_from(partition).expect("a partition number");
        if number % self.outcome.partitions != partition {
            self.violations.push(format!("{place}: record {number} was for another partition"));
            return;
        }
        if let Some(last) = self.last[partition].filter(|last| *last > number) {
            self.violations.push(format!("{place}: record {number} stands behind {last}, which was sent later"));
        }
        self.last[partition] = Some(number);
    }

    fn verdict(mut self) -> Vec<String> {
        for (number, (seen, fate)) in self.seen.iter().zip(&self.outcome.fates).enumerate() {
            let wrong = match fate {
                Fate::Acknowledged(_) => *seen != 1,
                Fate::Maybe => *seen > 1,
                Fate::Not => *seen > 0,
                Fate::Unreported => true,
            };
            if wrong {
                self.violations.push(format!("record {number}: {fate:?}, and {seen} times in the log"));
            }
        }
        self.violations
    }
}

/// The number of a record whose bytes are as they were sent.
fn number_of(value: &[u8]) -> Option<usize> {
    let number: usize = std::str::from_utf8(value.get(..DIGITS)?).ok()?.parse().ok()?;
    let intact = (DIGITS..value.len()).all(|i| usize::from(value[i]) == (number * 31 + i) % 256);
    intact.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(fates: &[Fate]) -> Outcome {
        Outcome {
            topic: "t".to_owned(),
            partitions: 1,
            fates: fates.to_vec(),
            sent_again: 0,
            losses: Vec::new(),
            health: Vec::new(),
        }
    }

    fn value(number: usize) -> Vec<u8> {
        let mut value = format!("{number:012}").into_bytes();
        value.extend((DIGITS..20).map(|i| u8::try_from((number * 31 + i) % 256).expect("a byte")));
        value
    }

    /// How many violations there are when these numbers stand in the log.
    fn violations(fates: &[Fate], log: &[usize]) -> usize {
        let outcome = outcome(fates);
        let mut judge = Judge::new(&outcome);
        for (offset, number) in log.iter().enumerate() {
            judge.see(0, i64::try_from(offset).expect("small"), &value(*number));
        }
        judge.verdict().len()
    }

    #[test]
    fn what_was_promised_passes() {
        let fates = [Fate::Acknowledged(0), Fate::Not, Fate::Maybe, Fate::Acknowledged(1), Fate::Maybe];
        assert_eq!(violations(&fates, &[0, 3, 4]), 0);
    }

    #[test]
    fn each_broken_promise_is_found() {
        let fates = [Fate::Acknowledged(0), Fate::Acknowledged(1), Fate::Not, Fate::Maybe];
        assert_eq!(violations(&fates, &[0]), 1, "lost");
        assert_eq!(violations(&fates, &[0, 1, 1]), 2, "twice, and at a place that was not reported");
        assert_eq!(violations(&fates, &[0, 1, 2]), 1, "there against the report");
        assert_eq!(violations(&fates, &[0, 1, 3, 3]), 1, "a doubtful one twice");
        assert_eq!(violations(&fates, &[1, 0]), 3, "out of order, at each other's place");
        assert_eq!(violations(&fates, &[0, 1, 9]), 1, "foreign");
        assert_eq!(violations(&[Fate::Unreported], &[]), 1, "no report");
    }

    #[test]
    fn changed_bytes_are_found() {
        let mut bytes = value(7);
        assert_eq!(number_of(&bytes), Some(7));
        bytes[15] ^= 1;
        assert_eq!(number_of(&bytes), None);
    }
}
