//! Programs that run in Java: Kafka's console consumer and transactions tool, and our small helper classes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cluster::Release;
use crate::dialogue::Dialogue;
use crate::env;
use crate::process::Process;
use crate::record::{Content, hex};

/// A Java command of a broker release, with a bounded heap and tuned for a quick start.
pub fn java(release: Release, class: &str, heap_mib: u32) -> Command {
    // The quick compiler and the plain collector start faster and leave the machine's few cores to the rest.
    java_with(&[], release, class, heap_mib)
}

/// The same with more options of the virtual machine.
pub fn java_with(options: &[String], release: Release, class: &str, heap_mib: u32) -> Command {
    let quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
    let options: Vec<&str> = quick.into_iter().chain(options.iter().map(String::as_str)).collect();
    command(&options, release, class, heap_mib)
}

/// The same as the virtual machine tunes itself, for measurements.
pub fn untuned_java(release: Release, class: &str, heap_mib: u32) -> Command {
    command(&[], release, class, heap_mib)
}

fn command(options: &[&str], release: Release, class: &str, heap_mib: u32) -> Command {
    let mut command = Command::new("java");
    // Without the virtual machine's own log: it warns on standard output, which is read here.
    command.arg(format!("-Xmx{heap_mib}m")).args(options).arg("-Xlog:disable");
    if let Some(archive) = env::class_archive(release) {
        command.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
    }
    command
        .args(["-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"]);
    command.args(["-cp", &env::class_path(release), class]).stdin(Stdio::null());
    command
}

/// How long a leader is asked to move, in a test and in the midst of faults.
const MOVE_PATIENCE: Duration = Duration::from_secs(60);
const MOVE_TRY: Duration = Duration::from_secs(5);

/// Kafka's admin client as a process of its own that moves leaders: a start of Java costs more than a move.
#[derive(Debug)]
pub struct LeaderMover {
    dialogue: Dialogue,
}

impl LeaderMover {
    /// Starts it.
    pub fn start(bootstrap: &str) -> Self {
        let mut command = java(Release::Kafka4_3, "MoveLeader", 128);
        command.arg(bootstrap).stderr(Stdio::null());
        Self { dialogue: Dialogue::start("MoveLeader", command) }
    }

    /// Makes a replica the preferred one and elects it; returns when it leads.
    pub fn move_to(&mut self, topic: &str, partition: i32, target: i32) -> Result<(), String> {
        self.ask(topic, partition, target, MOVE_PATIENCE)
    }

    /// The same where it may well be impossible.
    pub fn try_move_to(&mut self, topic: &str, partition: i32, target: i32) -> Result<(), String> {
        self.ask(topic, partition, target, MOVE_TRY)
    }

    fn ask(&mut self, topic: &str, partition: i32, target: i32, patience: Duration) -> Result<(), String> {
        self.dialogue.say(&format!("{topic} {partition} {target} {}", patience.as_secs()));
        let answer = self.dialogue.hear(patience + MOVE_PATIENCE).expect("MoveLeader does not end by itself");
        if answer == "moved" { Ok(()) } else { Err(answer) }
    }
}

/// Kafka's admin client as a process of its own that changes settings of a running broker.
#[derive(Debug)]
pub struct BrokerChanger {
    dialogue: Dialogue,
}

impl BrokerChanger {
    /// Starts it for one broker.
    pub fn start(bootstrap: &str, broker: i32) -> Self {
        let mut command = java(Release::Kafka4_3, "ChangeBroker", 128);
        command.arg(bootstrap).arg(broker.to_string()).stderr(Stdio::null());
        Self { dialogue: Dialogue::start("ChangeBroker", command) }
    }

    /// Changes a setting; the broker has taken it when this returns.
    pub fn set(&mut self, name: &str, value: &str) {
        self.dialogue.say(&format!("{name} {value}"));
        let answer = self.dialogue.hear(MOVE_PATIENCE).expect("ChangeBroker does not end by itself");
        assert_eq!(answer, "changed", "{name}={value}");
    }
}

/// The transactions that Kafka's own tool calls hanging: open in a partition and unknown to their coordinator. A line each.
pub fn hanging_transactions(bootstrap: &str, broker: i32) -> Vec<String> {
    let mut command = java(Release::Kafka4_3, "org.apache.kafka.tools.TransactionsCommand", 128);
    command.args(["--bootstrap-server", bootstrap, "find-hanging", "--broker-id", &broker.to_string()]);
    // However young they are.
    command.args(["--max-transaction-timeout", "0"]);
    let text = output(command, "");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().unwrap_or_default();
    assert!(header.starts_with("Topic"), "find-hanging prints a table, not {text:?}");
    lines.map(str::to_owned).collect()
}

/// Changes a feature of the whole cluster with Kafka's own tool; `direction` is upgrade or downgrade.
pub fn change_feature(bootstrap: &str, direction: &str, feature: &str, level: u32) {
    let mut command = java(Release::Kafka4_3, "org.apache.kafka.tools.FeatureCommand", 128);
    command.args(["--bootstrap-server", bootstrap, direction, "--feature", &format!("{feature}={level}")]);
    output(command, "");
}

/// Subscribes to metrics of one client, by its client.id, with Kafka's own tool (KIP-714).
pub fn subscribe_to_metrics(bootstrap: &str, client_id: &str, prefixes: &str, interval_ms: u32) {
    let mut command = java(Release::Kafka4_3, "org.apache.kafka.tools.ClientMetricsCommand", 128);
    command.args(["--bootstrap-server", bootstrap, "--alter", "--name", client_id]);
    command.args(["--match", &format!("client_id={client_id}")]);
    command.args(["--metrics", prefixes, "--interval", &interval_ms.to_string()]);
    output(command, "");
}

/// The partitions the Java producer chooses for each key, one row per key and one column per partition count.
pub fn java_partitions(keys: &[Vec<u8>], partition_counts: &[i32]) -> Vec<Vec<i32>> {
    let mut command = java(Release::Kafka4_3, "PartitionOracle", 128);
    command.args(partition_counts.iter().map(ToString::to_string));
    let input: String = keys.iter().map(|key| hex(key) + "\n").collect();
    let rows: Vec<Vec<i32>> = output(command, &input)
        .lines()
        .map(|row| row.split(' ').map(|field| field.parse().expect("a partition")).collect())
        .collect();
    assert_eq!(rows.len(), keys.len(), "one answer per key");
    rows
}

/// What Kafka's console consumer prints of a topic: a line per record, its fields separated by tabs.
pub fn console_consumer(bootstrap: &str, topic: &str, count: usize) -> Vec<String> {
    let mut command = java(Release::Kafka4_3, "org.apache.kafka.tools.consumer.ConsoleConsumer", 256);
    command.args(["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning"]);
    command.args(["--max-messages", &count.to_string(), "--timeout-ms", "60000"]);
    for print in ["timestamp", "partition", "offset", "headers", "key", "value"] {
        command.args(["--formatter-property", &format!("print.{print}=true")]);
    }
    output(command, "").lines().map(str::to_owned).collect()
}

/// Runs a command to its end and returns what it printed; its failure is a panic with what it said.
pub fn output(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut process = Process::spawn(command).unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let child = process.child();
    let mut stdin = child.stdin.take().expect("a pipe");
    let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let (output, complaint) = std::thread::scope(|scope| {
        // A tool that ends early closes its input; its exit status tells the story then.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        let complaint = scope.spawn(move || std::io::read_to_string(stderr));
        (std::io::read_to_string(stdout), complaint.join().expect("reading does not panic"))
    });
    let (output, complaint) = (output.expect("text"), complaint.expect("text"));
    let status = process.wait();
    assert!(status.success(), "{shown} ended with {status}:\n{output}\n{complaint}");
    output
}

/// What Kafka's own consumer reads of topics, all that is committed: a line per record with its topic, partition, offset,
/// timestamp and [`content_digest`]; topic by topic, in the order of offsets.
pub fn read_with_java(bootstrap: &str, topics: &[&str]) -> Vec<String> {
    let mut command = java(Release::Kafka4_3, "ReadTopic", 512);
    command.arg(bootstrap).args(topics);
    output(command, "").lines().map(str::to_owned).collect()
}

/// The SHA-256 of key, value and headers as `ReadTopic` prints it.
pub fn content_digest(content: &Content) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut add = |bytes: Option<&[u8]>| {
        let length = bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.len().to_string());
        digest.update(format!("{length}:").as_bytes());
        digest.update(bytes.unwrap_or_default());
    };
    add(content.key.as_deref());
    add(content.value.as_deref());
    for (name, value) in &content.headers {
        add(Some(name.as_bytes()));
        add(value.as_deref());
    }
    hex(digest.finish().as_ref())
}

/// A batch as Kafka's own tool shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DumpedBatch {
    /// Its codec by name.
    pub codec: String,
    /// Its bytes, the header among them.
    pub size: usize,
    /// How many records it has.
    pub records: usize,
    /// Its checksum is right.
    pub is_valid: bool,
    /// It belongs to a transaction.
    pub is_transactional: bool,
    /// It is a marker that a transaction's end has left.
    pub is_control: bool,
}

/// The batches of a partition's log, by Kafka's own tool.
pub fn dump_log(partition_directory: &Path) -> Vec<DumpedBatch> {
    let mut command = java(Release::Kafka4_3, "org.apache.kafka.tools.DumpLogSegments", 256);
    command.arg("--files").arg(partition_directory.join("00000000000000000000.log"));
    let text = output(command, "");
    let batches: Vec<DumpedBatch> =
        text.lines().filter(|line| line.starts_with("baseOffset:")).map(dumped_batch).collect();
    assert!(!batches.is_empty(), "no batches in {}: {text}", partition_directory.display());
    batches
}

fn dumped_batch(line: &str) -> DumpedBatch {
    let field = |name: &str| {
        let mut words = line.split(' ').skip_while(|word| word.strip_suffix(':') != Some(name));
        words.nth(1).unwrap_or_else(|| panic!("no {name} in {line:?}"))
    };
    DumpedBatch {
        codec: field("compresscodec").to_lowercase(),
        size: field("size").parse().expect("a number"),
        records: field("count").parse().expect("a number"),
        is_valid: field("isvalid") == "true",
        is_transactional: field("isTransactional") == "true",
        is_control: field("isControl") == "true",
    }
}
