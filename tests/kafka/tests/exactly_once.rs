//! Idempotence and transactions on clusters of three that lose brokers, leaders and time: with a producer epoch per transaction
//! (4.3) and without (3.9). Tests of one release stand together: they share a cluster.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use kproducer_kafka_tests::bulk::{Bulk, Fate, Load};
use kproducer_kafka_tests::chaos::{Chaos, Random, seed};
use kproducer_kafka_tests::cluster::{KafkaCluster, Release, shared_of};
use kproducer_kafka_tests::dialogue::Dialogue;
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::log::{READ_COMMITTED, see_topic};
use kproducer_kafka_tests::process::Signal;
use kproducer_kafka_tests::shell::Shell;
use kproducer_kafka_tests::tools::change_feature;
use kproducer_kafka_tests::transactions::{Target, TransactionLoad, Visible, assert_all_or_nothing, assert_none_hangs};
use rdkafka::Message;

const NODES: usize = 3;
/// How long the example may take for what is left when nobody kills it any more.
const CATCH_UP: Duration = Duration::from_secs(90);

fn replicated_topic(cluster: &KafkaCluster, name: &str, partitions: usize) {
    let partitions = i32::try_from(partitions).expect("a small number");
    cluster.create_topic(name, partitions, 3, &[("min.insync.replicas", "2")]);
}

/// More than two million records with nothing configured, and beside them some whose time is so short that faults outlast it.
fn idempotent_records_arrive_exactly_once(release: Release) {
    let mut cluster = shared_of(release, NODES);
    let seed = seed();
    let load = Load { topic: "idempotent", partitions: 6, count: 2_050_000, per_second: 34_000 };
    let hurried = Load { topic: "hurried", partitions: 4, count: 60_000, per_second: 1000 };
    replicated_topic(&cluster, load.topic, load.partitions);
    replicated_topic(&cluster, hurried.topic, hurried.partitions);
    let mut chaos = Chaos::new(seed, &cluster, &[load.topic, hurried.topic]);
    let mut patient = Bulk::start(&cluster, load, &[]);
    let mut impatient =
        Bulk::start(&cluster, hurried, &[("request.timeout.ms", "1500"), ("delivery.timeout.ms", "3000")]);
    patient.wait_for_acknowledgements(10_000);
    impatient.wait_for_acknowledgements(500);
    chaos.run(&mut cluster, || patient.has_sent() && impatient.has_sent());
    cluster.heal();
    let (patient, impatient) = (patient.finish(), impatient.finish());
    cluster.wait_for_replicas(load.topic);
    patient.assert_exactly_once(&cluster);
    if !env::is_peer() {
        // librdkafka repeats records when a delivery timeout leaves one in doubt (its issue 4953): this judge finds them.
        impatient.assert_exactly_once(&cluster);
    }
    // No fault here lasts as long as the default delivery timeout.
    let acknowledged = patient.count(|fate| matches!(fate, Fate::Acknowledged(_)));
    assert_eq!(acknowledged, load.count, "with the default delivery timeout every record is delivered");
    assert!(env::is_peer() || patient.sent_again > 0, "the faults reached no record of the patient load");
    // No acknowledged record was lost, so nobody may have been told of one.
    assert_eq!((patient.losses, impatient.losses), (Vec::new(), Vec::new()));
}

/// Four processes at once: one is killed again and again, one has so little time that faults cost it transactions.
fn transactions_are_all_or_nothing(release: Release) {
    const KILLS: usize = 3;
    let mut cluster = shared_of(release, NODES);
    let seed = seed();
    let target = Target { topics: &["txn-a", "txn-b"], partitions: 3 };
    target.topics.iter().for_each(|topic| replicated_topic(&cluster, topic, target.partitions));
    let start = |cluster: &KafkaCluster, run: &str, id: &str, seed: u64, records_max: usize| {
        TransactionLoad::start(cluster, run, seed, target, records_max, &[("transactional.id", id)])
    };
    let little_time =
        [("transactional.id", "id-hurried"), ("request.timeout.ms", "1500"), ("delivery.timeout.ms", "3000")];
    let hurried = TransactionLoad::start(&cluster, "hurried", seed + 3, target, 1000, &little_time);
    let mut chaos = Chaos::new(seed, &cluster, target.topics);
    let mut large = start(&cluster, "large", "id-large", seed, 10_000);
    let small = start(&cluster, "small", "id-small", seed + 1, 20);
    let mut killed = Some(start(&cluster, "killed-0", "id-killed", seed + 2, 500));
    let mut journals = Vec::new();
    large.wait_for_ended(3);
    for kill in 1..=KILLS {
        for _ in 0..4 {
            chaos.step(&mut cluster);
        }
        journals.extend(killed.take().map(TransactionLoad::kill));
        killed = Some(start(&cluster, &format!("killed-{kill}"), "id-killed", seed + 3 + kill as u64, 500));
    }
    cluster.heal();
    // Each comes through once more when all brokers are there.
    let loads = [Some(large), Some(small), Some(hurried), killed];
    for mut load in loads.into_iter().flatten() {
        let ended = load.ended();
        load.wait_for_ended(ended + 3);
        journals.push(load.finish());
    }
    assert_all_or_nothing(&cluster, target, &journals);
    let committed: usize = journals.iter().map(|journal| journal.count(Visible::All)).sum();
    assert!(committed >= 50, "only {committed} transactions were committed in all this time");
    let aborted: usize = journals.iter().map(|journal| journal.count(Visible::None)).sum();
    assert!(aborted >= 5, "only {aborted} transactions were aborted in all this time");
}

/// The cluster's transactions lose and get back their producer epoch each, while transactions go on.
fn transactions_go_on_while_their_protocol_changes() {
    let mut cluster = shared_of(Release::Kafka4_3, NODES);
    let seed = seed();
    let target = Target { topics: &["protocol"], partitions: 3 };
    replicated_topic(&cluster, target.topics[0], target.partitions);
    let mut loads = [("protocol-large", 2000), ("protocol-small", 10)].map(|(run, records_max)| {
        TransactionLoad::start(&cluster, run, seed, target, records_max, &[("transactional.id", run)])
    });
    for (direction, level, node) in [("downgrade", 1, 1), ("upgrade", 2, 2)] {
        for load in &mut loads {
            let ended = load.ended();
            load.wait_for_ended(ended + 20);
        }
        change_feature(&cluster.bootstrap(), direction, "transaction.version", level);
        println!("transaction.version is {level}");
        for load in &mut loads {
            let ended = load.ended();
            load.wait_for_ended(ended + 20);
        }
        // A producer hears of features when it connects.
        cluster.restart(node);
    }
    let mut journals = Vec::new();
    for mut load in loads {
        let ended = load.ended();
        load.wait_for_ended(ended + 20);
        journals.push(load.finish());
    }
    assert_all_or_nothing(&cluster, target, &journals);
    for journal in &journals {
        assert_eq!(journal.count(Visible::AllOrNone), 0, "a change of protocol leaves nothing unknown");
    }
}

/// The committed values of a topic of one partition.
fn committed_values(cluster: &KafkaCluster, topic: &str) -> Vec<String> {
    let mut values = Vec::new();
    see_topic(cluster, topic, READ_COMMITTED, |message| {
        values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned());
    });
    values
}

fn a_zombie_is_fenced(release: Release) {
    let cluster = shared_of(release, NODES);
    let topic = "zombie";
    replicated_topic(&cluster, topic, 1);
    let properties = [("transactional.id", "zombie-id")];
    // One zombie per call that may meet the fence first.
    for (round, last_call) in ["commit 30000", "abort 30000", "begin"].into_iter().enumerate() {
        let mut old = Shell::start(&cluster, &properties);
        old.must("init 60000");
        old.must("begin");
        old.must(&format!("send {topic} 0 old-{round}"));
        old.must("flush 60000");
        if last_call == "begin" {
            old.must("abort 60000");
        }
        let mut new = Shell::start(&cluster, &properties);
        new.must("init 60000");
        new.must("begin");
        new.must(&format!("send {topic} 0 new-{round}"));
        if last_call == "begin" {
            // The old one learns of it with its first record.
            old.must("begin");
        }
        // A record of the fenced producer fails: the partition only knows that the epoch is old, the coordinator knows why.
        old.call(&format!("send {topic} 0 late-{round}"));
        let mut answer = old.call(if last_call == "begin" { "commit 30000" } else { last_call });
        if env::is_peer() && answer.class == "abortable" {
            answer = old.call("abort 30000");
        }
        println!("{last_call}: {answer:?}");
        assert_eq!(answer.class, "fatal", "{last_call}: {answer:?}");
        assert!(env::is_peer() || answer.name.contains("PRODUCER_FENCED"), "{last_call}: {answer:?}");
        let again = old.call("begin");
        assert_eq!(again.class, "fatal", "a fenced producer stays fenced: {again:?}");
        new.must("commit 60000");
        new.must("begin");
        new.must(&format!("send {topic} 0 next-{round}"));
        new.must("commit 60000");
        new.must("close 30000");
    }
    let expected: Vec<String> = (0..3).flat_map(|round| [format!("new-{round}"), format!("next-{round}")]).collect();
    assert_eq!(committed_values(&cluster, topic), expected);
    assert_none_hangs(&cluster);
}

fn killed_in_mid_transaction_leaves_nothing_visible(release: Release) {
    let cluster = shared_of(release, NODES);
    let topic = "mid-transaction";
    replicated_topic(&cluster, topic, 1);
    let properties = [("transactional.id", "killed-id")];
    for round in 0..3 {
        let mut shell = Shell::start(&cluster, &properties);
        // Aborts what the one before left open.
        shell.must("init 60000");
        shell.must("begin");
        shell.must(&format!("send {topic} 0 whole-{round}"));
        shell.must("commit 60000");
        shell.must("begin");
        for record in 0..10 {
            shell.must(&format!("send {topic} 0 torn-{round}-{record}"));
        }
        shell.must("flush 60000");
        assert!(shell.reports.iter().all(|report| report.1 == "yes"), "all is in the log: {:?}", shell.reports);
        shell.kill();
    }
    let mut shell = Shell::start(&cluster, &properties);
    shell.must("init 60000");
    shell.must("close 30000");
    assert_eq!(committed_values(&cluster, topic), ["whole-0", "whole-1", "whole-2"]);
    assert_none_hangs(&cluster);
}

/// The broker aborts what is open for longer than transaction.timeout.ms: the call that ends it may not call that a success.
fn a_transaction_that_outlives_its_time_is_lost_as_a_whole(release: Release) {
    let cluster = shared_of(release, NODES);
    let topic = "outlived";
    replicated_topic(&cluster, topic, 1);
    let properties = [
        ("transactional.id", "outlived-id"),
        ("transaction.timeout.ms", "3000"),
        ("delivery.timeout.ms", "2000"),
        ("request.timeout.ms", "1500"),
    ];
    let mut shell = Shell::start(&cluster, &properties);
    shell.must("init 60000");
    for (round, last_call) in ["commit", "record", "abort"].into_iter().enumerate() {
        shell.must("begin");
        shell.must(&format!("send {topic} 0 lost-{round}"));
        shell.must("flush 60000");
        // The broker looks for such transactions once a second; its marker is written when this reader sees the end.
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(committed_values(&cluster, topic).len(), round);
        if last_call == "record" {
            shell.call(&format!("send {topic} 0 late-{round}"));
        }
        let mut answer = shell.call(if last_call == "abort" { "abort 30000" } else { "commit 30000" });
        println!("{last_call}: {answer:?}");
        if answer.class == "abortable" {
            answer = shell.call("abort 30000");
            println!("abort: {answer:?}");
        } else {
            assert!(
                last_call == "abort" || env::is_peer(),
                "a commit that comes too late asks for an abort: {answer:?}"
            );
        }
        assert!(answer.class == "ok" || env::is_peer(), "the abort succeeds, and the producer goes on: {answer:?}");
        if answer.class == "fatal" {
            shell.kill();
            shell = Shell::start(&cluster, &properties);
            shell.must("init 60000");
        }
        shell.must("begin");
        shell.must(&format!("send {topic} 0 next-{round}"));
        shell.must("commit 60000");
    }
    shell.must("close 30000");
    assert_eq!(committed_values(&cluster, topic), ["next-0", "next-1", "next-2"]);
    assert_none_hangs(&cluster);
}

/// The example reads while it is killed again and again; an input record of an aborted transaction has no effect.
fn consume_transform_produce_repeats_and_loses_nothing(release: Release) {
    const PARTITIONS: usize = 4;
    let cluster = shared_of(release, NODES);
    let seed = seed();
    let mut random = Random::new(seed);
    let input = Target { topics: &["ctp-input"], partitions: PARTITIONS };
    let output = Target { topics: &["ctp-output"], partitions: PARTITIONS };
    [input, output].iter().for_each(|target| replicated_topic(&cluster, target.topics[0], PARTITIONS));
    let mut load = TransactionLoad::start(&cluster, "ctp", seed, input, 100, &[("transactional.id", "ctp-load")]);
    load.wait_for_ended(3);
    // The second is a static member of the group: back in time, it has its partitions again without a rebalance.
    let start = |number: usize| {
        let mut command = Command::new(env::program("consume_transform_produce"));
        command.args([&cluster.bootstrap(), input.topics[0], output.topics[0], "ctp-group", &format!("ctp-{number}")]);
        if number == 1 {
            command.arg("instance-1");
        }
        Dialogue::start(&format!("consume_transform_produce {number}"), command)
    };
    let mut programs = [start(0), start(1)];
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(random.between(500, 4000)));
        let victim = usize::try_from(random.between(0, 1)).expect("small");
        assert!(programs[victim].is_running(), "program {victim} ended by itself");
        let killed = std::mem::replace(&mut programs[victim], start(victim));
        killed.kill();
    }
    let journal = load.finish();
    let expected = committed_by_partition(&cluster, input.topics[0], |value| value.to_ascii_uppercase());
    let count = |values: &BTreeMap<i32, Vec<Vec<u8>>>| values.values().map(Vec::len).sum::<usize>();
    let deadline = Instant::now() + CATCH_UP;
    let mut programs = programs.map(Some);
    loop {
        let log = committed_by_partition(&cluster, output.topics[0], |value| value);
        if count(&log) >= count(&expected) {
            break;
        }
        for program in programs.iter_mut().flatten() {
            assert!(program.is_running(), "a program ended by itself");
        }
        let (done, all) = (count(&log), count(&expected));
        assert!(Instant::now() < deadline, "{done} of {all} records came through in {CATCH_UP:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    for program in programs.iter_mut().filter_map(Option::take) {
        program.signal(Signal::Terminate);
        let (status, lines) = program.finish(CATCH_UP);
        assert!(status.success(), "asked to end, it ended with {status}");
        println!("{lines:?}");
    }
    let log = committed_by_partition(&cluster, output.topics[0], |value| value);
    println!(
        "{} records in, {} out; {} transactions aborted",
        count(&expected),
        count(&log),
        journal.count(Visible::None)
    );
    for (partition, expected) in &expected {
        let found = log.get(partition).map_or(&[][..], Vec::as_slice);
        let differs = expected.iter().zip(found).position(|(expected, found)| expected != found);
        assert_eq!(differs, None, "partition {partition}: the first record that differs");
        assert_eq!(found.len(), expected.len(), "partition {partition}");
    }
    assert_none_hangs(&cluster);
}

/// The committed values of a topic by partition, in order, each changed by `change`.
fn committed_by_partition(
    cluster: &KafkaCluster,
    topic: &str,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> BTreeMap<i32, Vec<Vec<u8>>> {
    let mut values: BTreeMap<i32, Vec<Vec<u8>>> = BTreeMap::new();
    see_topic(cluster, topic, READ_COMMITTED, |message| {
        let value = message.payload().unwrap_or_default().to_vec();
        values.entry(message.partition()).or_default().push(change(value));
    });
    values
}

mod kafka_3_9 {
    use super::*;

    #[test]
    fn idempotent_records_arrive_exactly_once() {
        super::idempotent_records_arrive_exactly_once(Release::Kafka3_9);
    }

    #[test]
    fn transactions_are_all_or_nothing() {
        super::transactions_are_all_or_nothing(Release::Kafka3_9);
    }

    #[test]
    fn a_zombie_is_fenced() {
        super::a_zombie_is_fenced(Release::Kafka3_9);
    }

    #[test]
    fn killed_in_mid_transaction_leaves_nothing_visible() {
        super::killed_in_mid_transaction_leaves_nothing_visible(Release::Kafka3_9);
    }

    #[test]
    fn a_transaction_that_outlives_its_time_is_lost_as_a_whole() {
        super::a_transaction_that_outlives_its_time_is_lost_as_a_whole(Release::Kafka3_9);
    }

    #[test]
    fn consume_transform_produce_repeats_and_loses_nothing() {
        super::consume_transform_produce_repeats_and_loses_nothing(Release::Kafka3_9);
    }
}

mod kafka_4_3 {
    use super::*;

    #[test]
    fn idempotent_records_arrive_exactly_once() {
        super::idempotent_records_arrive_exactly_once(Release::Kafka4_3);
    }

    #[test]
    fn transactions_are_all_or_nothing() {
        super::transactions_are_all_or_nothing(Release::Kafka4_3);
    }

    #[test]
    fn a_zombie_is_fenced() {
        super::a_zombie_is_fenced(Release::Kafka4_3);
    }

    #[test]
    fn killed_in_mid_transaction_leaves_nothing_visible() {
        super::killed_in_mid_transaction_leaves_nothing_visible(Release::Kafka4_3);
    }

    #[test]
    fn a_transaction_that_outlives_its_time_is_lost_as_a_whole() {
        super::a_transaction_that_outlives_its_time_is_lost_as_a_whole(Release::Kafka4_3);
    }

    #[test]
    fn consume_transform_produce_repeats_and_loses_nothing() {
        super::consume_transform_produce_repeats_and_loses_nothing(Release::Kafka4_3);
    }
    #[test]
    fn transactions_go_on_while_their_protocol_changes() {
        super::transactions_go_on_while_their_protocol_changes();
    }
}
