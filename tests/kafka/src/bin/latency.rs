//! Times transactions of one record with libkproducer and with Kafka's own client, in turn, each release's broker alone on this
//! machine. `tests/kafka/run latency` builds what it needs and starts it.

use std::process::Command;

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::tools::{output, untuned_java};

const ROUNDS: usize = 3;
const TRANSACTIONS: &str = "2000";
/// Enough for Java to have compiled what it runs.
const WARM_UP: &str = "1000";
const TOPIC: &str = "latency";
const JAVA_HEAP_MIB: u32 = 256;

/// Both wait for nothing: no linger, and all else as each client has it by default.
fn properties(bootstrap: &str, id: &str) -> [String; 3] {
    [format!("bootstrap.servers={bootstrap}"), format!("transactional.id={id}"), "linger.ms=0".to_owned()]
}

fn ours(bootstrap: &str, round: usize) -> Command {
    let mut command = Command::new(env::program("txn_latency"));
    command.args(["--topic", TOPIC, "--transactions", TRANSACTIONS, "--warm-up", WARM_UP]);
    for property in properties(bootstrap, &format!("ours-{round}")) {
        command.args(["--property", &property]);
    }
    command
}

fn javas(bootstrap: &str, round: usize) -> Command {
    let mut command = untuned_java(Release::Kafka4_3, "TransactionLatency", JAVA_HEAP_MIB);
    command.args([TOPIC, TRANSACTIONS, WARM_UP]).args(properties(bootstrap, &format!("java-{round}")));
    command
}

/// One run's figures: p50, p99 and mean in microseconds.
fn measure(command: Command) -> [u64; 3] {
    let text = output(command, "");
    let figure = |name: &str| {
        let mut words = text.split_whitespace();
        words.find(|word| *word == name).and_then(|_| words.next()?.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    [figure("p50_us"), figure("p99_us"), figure("mean_us")]
}

fn median(rounds: &[[u64; 3]], figure: usize) -> u64 {
    let mut values: Vec<u64> = rounds.iter().map(|round| round[figure]).collect();
    values.sort_unstable();
    values[values.len() / 2]
}

fn main() {
    println!("begin to commit, {TRANSACTIONS} transactions of one 100-byte record, medians of {ROUNDS} rounds in turn");
    for release in [Release::Kafka4_3, Release::Kafka3_9] {
        let cluster = KafkaCluster::start(1, release);
        cluster.create_topic(TOPIC, 1, 1, &[]);
        let bootstrap = cluster.bootstrap();
        // The broker itself has to be warm before anything counts.
        measure(javas(&bootstrap, ROUNDS));
        let mut rounds = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            rounds[0].push(measure(ours(&bootstrap, round)));
            rounds[1].push(measure(javas(&bootstrap, round)));
        }
        for (client, rounds) in ["libkproducer", "Java"].iter().zip(&rounds) {
            println!(
                "{:9}  {client:12}  p50 {:6} us  p99 {:6} us  mean {:6} us",
                release.profile(),
                median(rounds, 0),
                median(rounds, 1),
                median(rounds, 2)
            );
        }
    }
}
