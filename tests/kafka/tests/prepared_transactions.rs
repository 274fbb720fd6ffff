//! Two-phase commit (KIP-939) on Kafka 4.3, whose coordinator knows it among its unstable versions: transactions that
//! never expire. It refuses to keep one for another producer, so that the name of the transaction has to do.

use std::time::Duration;

use kproducer_kafka_tests::cluster::{Extras, KafkaCluster, Release, shared};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::log::{READ_COMMITTED, see_topic};
use kproducer_kafka_tests::shell::Shell;

const TWO_PHASE: (&str, &str) = ("transaction.two.phase.commit.enable", "true");

fn skipped() -> bool {
    if env::is_peer() {
        println!("skipped: librdkafka has no two-phase commit");
    }
    env::is_peer()
}

/// One broker that allows it, and looks for overdue transactions often.
fn cluster() -> KafkaCluster {
    let settings = [
        "unstable.api.versions.enable=true",
        "transaction.two.phase.commit.enable=true",
        "transaction.max.timeout.ms=5000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    ];
    KafkaCluster::start_with(1, Release::Kafka4_3, Extras::settings(&settings))
}

fn committed(cluster: &KafkaCluster, topic: &str) -> Vec<String> {
    let mut values = Vec::new();
    see_topic(cluster, topic, READ_COMMITTED, |message| {
        values.push(String::from_utf8_lossy(rdkafka::Message::payload(message).unwrap_or_default()).into_owned());
    });
    values
}

/// A producer with one record in a prepared transaction, and the transaction's name.
fn prepared(cluster: &KafkaCluster, id: &str, topic: &str, value: &str) -> (Shell, String) {
    let mut shell = Shell::start(cluster, &[("transactional.id", id), TWO_PHASE]);
    shell.must("init 60000");
    let state = prepare(&mut shell, topic, value);
    (shell, state)
}

fn prepare(shell: &mut Shell, topic: &str, value: &str) -> String {
    shell.must("begin");
    shell.must(&format!("send {topic} 0 {value}"));
    let answer = shell.call("prepare 60000");
    println!("prepare: {answer:?}");
    assert!(answer.is_ok() && answer.text.contains(':'), "{answer:?}");
    let refused = shell.call(&format!("send {topic} 0 too-late"));
    assert_eq!((refused.class.as_str(), refused.text.contains("prepared")), ("plain", true), "{refused:?}");
    answer.text
}

#[test]
fn a_prepared_transaction_outlives_its_producer_and_every_timeout() {
    if skipped() {
        return;
    }
    let cluster = cluster();
    let topic = "two-phase";
    cluster.create_topic(topic, 1, 1, &[]);

    // Ended by the producer that prepared it, either way.
    let (mut shell, state) = prepared(&cluster, "own", topic, "own");
    shell.must(&format!("complete 60000 {state}"));
    prepare(&mut shell, topic, "not-decided");
    shell.must(&format!("complete 60000 {state}"));
    prepare(&mut shell, topic, "own-again");
    shell.must("commit 60000");
    shell.must("close 30000");
    assert_eq!(committed(&cluster, topic), ["own", "own-again"]);

    // Its process dies, and the longest timeout that the broker allows passes four times.
    let (first, state) = prepared(&cluster, "died", topic, "decided");
    first.kill();
    std::thread::sleep(Duration::from_secs(20));
    let mut second = Shell::start(&cluster, &[("transactional.id", "died"), TWO_PHASE]);
    let kept = second.call("keep 60000");
    println!("keep: {kept:?}");
    assert!(kept.name.contains("UNSUPPORTED_BROKER") && kept.text.contains("4.3"), "{kept:?}");
    second.must(&format!("complete 60000 {state}"));
    // It does not know that it has done so already.
    second.must(&format!("complete 60000 {state}"));
    second.must("init 60000");
    second.must("begin");
    second.must(&format!("send {topic} 0 next"));
    second.must("commit 60000");
    second.must("close 30000");
    assert_eq!(committed(&cluster, topic), ["own", "own-again", "decided", "next"]);

    // Closed, not killed, and not decided: the next producer aborts it, after which its name commits nothing.
    let (mut first, state) = prepared(&cluster, "closed", topic, "abandoned");
    first.must("close 30000");
    let mut second = Shell::start(&cluster, &[("transactional.id", "closed"), TWO_PHASE]);
    second.must("init 60000");
    second.must("begin");
    second.must(&format!("send {topic} 0 last"));
    second.must("commit 60000");
    let mut third = Shell::start(&cluster, &[("transactional.id", "closed"), TWO_PHASE]);
    let late = third.call(&format!("complete 60000 {state}"));
    println!("complete: {late:?}");
    assert_eq!(late.class, "fatal", "{late:?}");
    assert_eq!(committed(&cluster, topic), ["own", "own-again", "decided", "next", "last"]);

    // Who has prepared is fenced by the next one.
    let (mut first, state) = prepared(&cluster, "fenced", topic, "taken-over");
    let mut second = Shell::start(&cluster, &[("transactional.id", "fenced"), TWO_PHASE]);
    second.must("init 60000");
    let fenced = first.call(&format!("complete 60000 {state}"));
    println!("fenced: {fenced:?}");
    assert!(fenced.class == "fatal" && fenced.name.contains("PRODUCER_FENCED"), "{fenced:?}");
    second.must("close 30000");
    assert_eq!(committed(&cluster, topic).len(), 5);

    // Without the property nothing has changed.
    let mut plain = Shell::start(&cluster, &[("transactional.id", "plain"), ("transaction.timeout.ms", "5000")]);
    plain.must("init 60000");
    plain.must("begin");
    plain.must(&format!("send {topic} 0 plain"));
    let refused = plain.call("prepare 60000");
    assert!(refused.name.contains("STATE") && refused.text.contains(TWO_PHASE.0), "{refused:?}");
    plain.must("commit 60000");
    plain.must("close 30000");
    assert_eq!(committed(&cluster, topic).len(), 6);
}

#[test]
fn brokers_without_two_phase_commit_are_named() {
    if skipped() {
        return;
    }
    let properties = [("transactional.id", "prepared-nowhere"), TWO_PHASE];
    let mut shell = Shell::start(&shared(1), &properties);
    for call in ["init 60000", "keep 60000"] {
        let answer = shell.call(call);
        println!("{answer:?}");
        assert!(answer.name.contains("UNSUPPORTED_BROKER") && answer.text.contains("KIP-939"), "{answer:?}");
    }
    // The versions are there, the brokers' own setting is not.
    let settings = Extras::settings(&["unstable.api.versions.enable=true"]);
    let cluster = KafkaCluster::start_with(1, Release::Kafka4_3, settings);
    let answer = Shell::start(&cluster, &properties).call("init 60000");
    println!("{answer:?}");
    assert!(answer.name.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "{answer:?}");
    assert!(answer.text.contains("TWO_PHASE_COMMIT"), "{answer:?}");
}
