//! Runs `c/txn_load.c`, transactions by the hundred, and judges them: what a reader of committed records sees against what the
//! calls returned.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::Message;

use crate::cluster::KafkaCluster;
use crate::dialogue::Dialogue;
use crate::env;
use crate::log::{READ_COMMITTED, see_topic};
use crate::tools::hanging_transactions;

/// The longest time without a transaction's end: the program gives up a call before that.
const PATIENCE: Duration = Duration::from_secs(300);
const VIOLATIONS_SHOWN: usize = 10;

/// Where the records of a test go.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The topics.
    pub topics: &'a [&'a str],
    /// Partitions of each.
    pub partitions: usize,
}

/// A process that runs transactions.
#[derive(Debug)]
pub struct TransactionLoad {
    run: String,
    dialogue: Dialogue,
    journal: PathBuf,
    ended: usize,
    renewed: usize,
    losses: Vec<String>,
}

impl TransactionLoad {
    /// Starts transactions of 1 to `records_max` records; `run` tells this process from every other of the test.
    pub fn start(
        cluster: &KafkaCluster,
        run: &str,
        seed: u64,
        target: Target<'_>,
        records_max: usize,
        properties: &[(&str, &str)],
    ) -> Self {
        let journal = env::work_directory().join(format!("{run}.journal"));
        let mut command = Command::new(env::program("txn_load"));
        command.args(["--run", run, "--seed", &seed.to_string(), "--topics", &target.topics.join(",")]);
        command.args(["--partitions", &target.partitions.to_string(), "--records-max", &records_max.to_string()]);
        command.arg("--journal").arg(&journal);
        command.args(["--property", &format!("bootstrap.servers={}", cluster.bootstrap())]);
        for (name, value) in properties {
            command.args(["--property", &format!("{name}={value}")]);
        }
        let dialogue = Dialogue::start(run, command);
        Self { run: run.to_owned(), dialogue, journal, ended: 0, renewed: 0, losses: Vec::new() }
    }

    /// How many transactions have ended by now.
    pub fn ended(&mut self) -> usize {
        while let Some(line) = self.dialogue.overhear() {
            self.keep(&line);
        }
        assert!(self.dialogue.is_running(), "{} ended by itself", self.run);
        self.ended
    }

    /// Waits until so many transactions have ended.
    pub fn wait_for_ended(&mut self, count: usize) {
        while self.ended < count {
            let line = self.dialogue.hear(PATIENCE).unwrap_or_else(|| panic!("{} ended by itself", self.run));
            self.keep(&line);
        }
    }

    /// Kills the process with SIGKILL, in the midst of what it does.
    pub fn kill(self) -> Journal {
        self.dialogue.kill();
        let journal = Journal::read(&self.run, &self.journal);
        println!("{} (killed)", journal.summary());
        journal
    }

    /// Lets the process finish its transaction and close its producer.
    pub fn finish(mut self) -> Journal {
        self.dialogue.end_input();
        while let Some(line) = self.dialogue.hear(PATIENCE) {
            self.keep(&line);
        }
        let (status, _) = self.dialogue.finish(PATIENCE);
        assert!(status.success(), "{} ended with {status}", self.run);
        assert!(self.losses.is_empty(), "{}: acknowledged records are lost: {:?}", self.run, self.losses);
        let journal = Journal::read(&self.run, &self.journal);
        println!("{} (new producers made: {})", journal.summary(), self.renewed);
        journal
    }

    fn keep(&mut self, line: &str) {
        match line.split('\t').next() {
            Some("ended") => self.ended += 1,
            Some("renewed") => {
                self.renewed += 1;
                println!("{}: {line}", self.run);
            }
            Some("loss") => self.losses.push(line.to_owned()),
            Some("started" | "closed") => {}
            _ => panic!("{} printed {line:?}", self.run),
        }
    }
}

/// What a reader of committed records may see of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Everything: the commit returned success.
    All,
    /// Nothing: it was aborted, or nobody asked to commit it.
    None,
    /// Everything or nothing: it was to be committed, and nobody knows what became of it.
    AllOrNone,
}

type Place = (String, i32, i64);

/// A transaction, as its process wrote it down.
#[derive(Clone, Debug)]
struct Transaction {
    records: usize,
    promise: Visible,
    /// Where the reports said each record is; empty unless committed.
    places: HashMap<usize, Place>,
}

/// All transactions of a process, by number.
#[derive(Clone, Debug)]
pub struct Journal {
    run: String,
    transactions: HashMap<u64, Transaction>,
}

impl Journal {
    fn read(run: &str, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).expect("the journal can be read");
        Self::parse(run, &text)
    }

    fn parse(run: &str, text: &str) -> Self {
        let mut transactions: HashMap<u64, Transaction> = HashMap::new();
        // A process that was killed may have left half a line at the end, of a call it did not make.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number = |field: &str| field.parse().unwrap_or_else(|_| panic!("journal of {run}: {line}"));
            if let ["begin", transaction, count, _] = fields[..] {
                let records = usize::try_from(number(count)).expect("fits");
                let new = Transaction { records, promise: Visible::None, places: HashMap::new() };
                transactions.insert(number(transaction), new);
                continue;
            }
            let of = |transaction: &str| number(transaction);
            match fields[..] {
                ["commit", transaction] => {
                    transactions.get_mut(&of(transaction)).expect("begun").promise = Visible::AllOrNone;
                }
                ["place", transaction, index, topic, partition, offset] => {
                    let place =
                        (topic.to_owned(), partition.parse().expect("a partition"), offset.parse().expect("an offset"));
                    let index = usize::try_from(number(index)).expect("fits");
                    transactions.get_mut(&of(transaction)).expect("begun").places.insert(index, place);
                }
                ["end", transaction, result, _] => {
                    transactions.get_mut(&of(transaction)).expect("begun").promise = match result {
                        "committed" => Visible::All,
                        "aborted" => Visible::None,
                        "unknown" => Visible::AllOrNone,
                        _ => panic!("journal of {run}: {line}"),
                    };
                }
                ["close", _] => {}
                _ => panic!("journal of {run}: {line}"),
            }
        }
        Self { run: run.to_owned(), transactions }
    }

    /// How many transactions there are with this promise.
    pub fn count(&self, promise: Visible) -> usize {
        self.transactions.values().filter(|transaction| transaction.promise == promise).count()
    }

    fn summary(&self) -> String {
        format!(
            "{}: {} transactions committed, {} aborted, {} of unknown outcome",
            self.run,
            self.count(Visible::All),
            self.count(Visible::None),
            self.count(Visible::AllOrNone)
        )
    }
}

/// Reads the topics as a reader of committed records and panics unless each transaction is there as a whole or not at all, as its
/// calls returned, once, in order, and no transaction hangs.
pub fn assert_all_or_nothing(cluster: &KafkaCluster, target: Target<'_>, journals: &[Journal]) {
    let mut judge = Judge::new(journals);
    for topic in target.topics {
        see_topic(cluster, topic, READ_COMMITTED, |message| {
            judge.see(topic, message.partition(), message.offset(), message.payload().unwrap_or_default());
        });
    }
    let seen = judge.found;
    let violations = judge.verdict();
    println!("{seen} committed records were read");
    let shown = violations.iter().take(VIOLATIONS_SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(violations.is_empty(), "{} violations:\n{shown}", violations.len());
    assert_none_hangs(cluster);
}

/// Panics when Kafka's own tool finds a hanging transaction.
pub fn assert_none_hangs(cluster: &KafkaCluster) {
    for node in cluster.node_ids() {
        let hanging = hanging_transactions(&cluster.bootstrap(), node);
        assert!(hanging.is_empty(), "node {node}: transactions hang:\n{}", hanging.join("\n"));
    }
}

/// Compares what is visible with the journals.
struct Judge<'a> {
    journals: HashMap<&'a str, &'a Journal>,
    /// By run and transaction: how often each record was seen.
    seen: HashMap<(&'a str, u64), Vec<u32>>,
    /// By run, topic and partition: the last record's transaction and index.
    last: HashMap<(&'a str, String, i32), (u64, usize)>,
    found: usize,
    violations: Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(journals: &'a [Journal]) -> Self {
        let journals = journals.iter().map(|journal| (journal.run.as_str(), journal)).collect();
        Self { journals, seen: HashMap::new(), last: HashMap::new(), found: 0, violations: Vec::new() }
    }

    fn see(&mut self, topic: &str, partition: i32, offset: i64, value: &[u8]) {
        self.found += 1;
        let at = format!("{topic}-{partition} offset {offset}");
        let known = parse_value(value).and_then(|(run, transaction, index, count)| {
            let (run, journal) = self.journals.get_key_value(run)?;
            let facts = journal.transactions.get(&transaction)?;
            (facts.records == count && index < count).then_some((*run, transaction, index, facts))
        });
        let Some((run, transaction, index, facts)) = known else {
            let start = String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
            self.violations.push(format!("{at}: nobody sent {start:?}"));
            return;
        };
        let seen = self.seen.entry((run, transaction)).or_insert_with(|| vec![0; facts.records]);
        seen[index] += 1;
        let reported = facts.places.get(&index);
        if reported
            .is_some_and(|place| (place.0.as_str(), place.1, place.2) != (topic, partition, offset) && place.2 >= 0)
        {
            self.violations.push(format!("{at}: {run} {transaction} record {index} was reported at {reported:?}"));
        }
        let last = self.last.insert((run, topic.to_owned(), partition), (transaction, index));
        if let Some(last) = last.filter(|last| *last >= (transaction, index)) {
            self.violations.push(format!("{at}: {run} {transaction} record {index} stands behind {last:?}"));
        }
    }

    fn verdict(mut self) -> Vec<String> {
        for (run, journal) in &self.journals {
            for (number, transaction) in &journal.transactions {
                let seen = self.seen.get(&(*run, *number));
                let visible = seen.map_or(0, |seen| seen.iter().filter(|count| **count > 0).count());
                let right = match transaction.promise {
                    Visible::All => visible == transaction.records,
                    Visible::None => visible == 0,
                    Visible::AllOrNone => visible == 0 || visible == transaction.records,
                };
                if !right {
                    self.violations.push(format!(
                        "{run} {number}: {visible} of {} records are visible: {:?}",
                        transaction.records, transaction.promise
                    ));
                }
                let repeated = seen.map_or(0, |seen| seen.iter().filter(|count| **count > 1).count());
                if repeated > 0 {
                    self.violations.push(format!("{run} {number}: {repeated} records are there more than once"));
                }
            }
        }
        self.violations
    }
}

/// Run, transaction, index, number of records.
fn parse_value(value: &[u8]) -> Option<(&str, u64, usize, usize)> {
    let mut fields = std::str::from_utf8(value).ok()?.split(' ');
    let run = fields.next()?;
    let (transaction, index) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let count = fields.next()?.parse().ok()?;
    let (_fate, padding) = (fields.next()?, fields.next()?);
    padding.bytes().all(|byte| byte == b'.').then_some((run, transaction, index, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &str = "begin\t1\t2\tc\ncommit\t1\nplace\t1\t0\tt\t0\t0\nplace\t1\t1\tt\t0\t1\nend\t1\tcommitted\tOK\n\
        begin\t2\t2\ta\nend\t2\taborted\tOK\nbegin\t3\t2\tc\ncommit\t3\nend\t3\tunknown\tFENCED\nbegin\t4\t1\tc\ncommit\t4\n\
        begin\t5\t1\tc\nend\t5";

    /// How many violations there are when these (transaction, index) are visible, in this order.
    fn violations(visible: &[(u64, usize)]) -> usize {
        let journals = [Journal::parse("r", JOURNAL)];
        let mut judge = Judge::new(&journals);
        for (offset, (transaction, index)) in visible.iter().enumerate() {
            let count = if *transaction < 4 { 2 } else { 1 };
            let value = format!("r {transaction} {index} {count} c ....");
            judge.see("t", 0, i64::try_from(offset).expect("small"), value.as_bytes());
        }
        judge.verdict().len()
    }

    #[test]
    fn what_was_promised_passes() {
        assert_eq!(violations(&[(1, 0), (1, 1)]), 0);
        assert_eq!(violations(&[(1, 0), (1, 1), (3, 0), (3, 1)]), 0, "an unknown outcome may be a commit");
        assert_eq!(violations(&[(1, 0), (1, 1), (4, 0)]), 0, "killed while committing");
    }

    #[test]
    fn each_broken_promise_is_found() {
        assert_eq!(violations(&[(1, 0)]), 1, "half of a committed transaction");
        assert_eq!(violations(&[]), 1, "nothing of a committed transaction");
        assert_eq!(violations(&[(1, 0), (1, 1), (2, 0)]), 1, "an aborted record");
        assert_eq!(violations(&[(1, 0), (1, 1), (3, 1)]), 1, "half of an unknown one");
        assert_eq!(violations(&[(1, 0), (1, 1), (5, 0)]), 1, "killed before the commit");
        assert_eq!(violations(&[(1, 0), (1, 1), (3, 0), (3, 1), (3, 1)]), 2, "twice, which is out of order too");
        assert_eq!(violations(&[(1, 1), (1, 0)]), 3, "the wrong order, and each at the other's place");
        assert_eq!(violations(&[(1, 0), (1, 1), (9, 0)]), 1, "foreign");
    }
}
