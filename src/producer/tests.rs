//! The producer's end, and what other threads hear of it.

use super::*;
use crate::accumulator::Tag;
use crate::mock::{ClusterOptions, MockCluster, api_key};
use crate::reports::{Handed, Phase};

const SENDING: Sending = Sending { partition: None, tag: Some(Tag::marked(1, 7)), own_timeout: None, acks: None };

/// A producer whose only broker is not there.
fn alone() -> Producer {
    Producer::new(Config { bootstrap_servers: vec![("127.0.0.1".into(), 1)], ..Config::default() }).expect("a thread")
}

fn record() -> Record<'static> {
    Record { value: Some(b"value"), ..Record::default() }
}

#[test]
fn closing_with_no_time_is_in_time_when_nothing_is_left() {
    assert_eq!(alone().close(0, |_| Handed::All).map_err(|error| error.status), Ok(()));
}

#[test]
fn a_record_parked_while_the_io_thread_ended_still_gets_its_report() {
    let producer = alone();
    producer.accumulator.inbox.command(Command::Abort);
    assert!(producer.io.lock().join(Duration::from_secs(20)));
    let topic = producer.topic("t").expect("legal");
    producer.send::<()>(&topic, &record(), &SENDING).expect("there is room");
    let mut heard = Vec::new();
    let ended = producer.close(1, |item| {
        if let Item::Batch { batch, .. } = item {
            heard.push((batch.status, batch.phase, batch.slots.len(), batch.slots[0].opaque, batch.slots[0].value_len));
        }
        Handed::All
    });
    assert_eq!(ended.map_err(|error| error.status), Err(Status::TIMED_OUT));
    assert_eq!(heard, [(Status::CLOSED, Phase::Metadata, 1, 7, 5)]);
    assert_eq!(producer.accumulator.memory.used(), 0);
}

#[test]
fn calls_of_other_threads_say_closed_when_closing_ends_their_wait() {
    let producer = alone();
    let topic = producer.topic("t").expect("legal");
    producer.accumulator.inbox.command(Command::Abort);
    assert!(producer.io.lock().join(Duration::from_secs(20)));
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| producer.poll(-1, |_| Handed::All).map_err(|error| error.status));
        let flush = scope.spawn(|| producer.flush(-1, |_| Handed::All).map_err(|error| error.status));
        let purge = scope.spawn(|| producer.purge(true, false).map_err(|error| error.status));
        producer.reports.shut();
        assert_eq!(poll.join().expect("no panic"), Err(Status::CLOSED));
        assert_eq!(flush.join().expect("no panic"), Err(Status::CLOSED));
        assert_eq!(purge.join().expect("no panic"), Err(Status::CLOSED));
    });
    drop(topic);
}

#[test]
fn polling_a_broken_producer_says_so_and_does_not_return_at_once_for_ever() {
    let producer = alone();
    producer.accumulator.fail(Status::INTERNAL, "broken");
    producer.reports.shut();
    assert_eq!(producer.poll(1000, |_| Handed::All).map_err(|error| error.status), Err(Status::INTERNAL));
}

/// Where a broker has got the address of another, records reach nobody that they are not meant for (KIP-1242).
#[test]
fn a_connection_that_reached_another_broker_is_given_up_until_metadata_leads_to_the_right_one() {
    for (checks, version) in [(true, 5), (false, 5), (true, 4)] {
        let cluster = MockCluster::new(ClusterOptions { brokers: 2, ..ClusterOptions::default() }).expect("ports");
        cluster.topic_create("t", 1, 2).expect("legal");
        cluster.with(|c| c.partition_set_leader("t", 0, Some(2))).expect("legal");
        cluster.with(|c| c.set_max_version(api_key::API_VERSIONS, version));
        let servers = cluster.bootstrap_servers();
        let (host, port) = servers.split(',').next().and_then(|first| first.rsplit_once(':')).expect("an address");
        let port = port.parse().expect("a port");
        cluster.broker_set_address(2, Some((host, port)));
        let producer = Producer::new(Config {
            bootstrap_servers: vec![(host.to_owned(), port)],
            metadata_cluster_check: checks,
            reconnect_backoff_ms: 5,
            reconnect_backoff_max_ms: 20,
            retry_backoff_ms: 5,
            retry_backoff_max_ms: 20,
            ..Config::default()
        })
        .expect("a thread");
        let topic = producer.topic("t").expect("legal");
        producer.send::<()>(&topic, &record(), &SENDING).expect("there is room");
        let late = producer.flush(500, |_| Handed::All).expect_err("its leader is not where metadata says");
        let is_checked = checks && version == 5;
        let produced = |broker| {
            let seen = |c: &mut crate::mock::Cluster| {
                let requests = c.stats().recent().filter(|seen| seen.api_key == api_key::PRODUCE);
                requests.filter(|seen| seen.broker == broker).count()
            };
            cluster.with(seen)
        };
        assert_eq!(produced(1) == 0, is_checked, "{late:?}");
        assert_eq!(late.message.contains("KIP-1242"), is_checked, "{late:?}");
        cluster.broker_set_address(2, None);
        producer.flush(20_000, |_| Handed::All).expect("it is found");
        assert_eq!(produced(2), 1);
    }
}
