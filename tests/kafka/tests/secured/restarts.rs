//! Brokers with TLS and SASL that are restarted one after the other, and brokers of earlier releases.

use kproducer_kafka_tests::cluster::{KafkaCluster, Release};
use kproducer_kafka_tests::driver;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::security::{Certificates, PASSWORD, Secured, USER, scram_over_tls};
use kproducer_kafka_tests::verify::{Promise, assert_kept};

use crate::{
    HEALTH_DEGRADED, assert_undisturbed, borrowed, is_skipped, login, password_login, properties, start_load, to, with,
};

#[test]
fn brokers_restarted_in_turn_lose_nothing_and_are_never_said_to_refuse() {
    if is_skipped() {
        return;
    }
    let mut secured = Secured::start(3);
    let settings = with(to(&secured, "SHORTTLS"), login(&secured, "SCRAM-SHA-256"));
    let settings = with(settings, properties(&[("compression.type", "snappy")]));
    let (topic, per_second) = ("restarted", 3000);
    let mut load = start_load(&secured, topic, 120 * per_second, &settings);
    load.wait_for_acknowledgements(per_second);
    for node in secured.cluster.node_ids() {
        secured.cluster.restart(node);
        secured.cluster.wait_for_replicas(topic);
        let acknowledged = load.acknowledged();
        println!("node {node} is back, {acknowledged} records are acknowledged");
        load.wait_for_acknowledgements(acknowledged + per_second);
    }
    load.stop();
    assert_undisturbed(&secured, &load.finish(), HEALTH_DEGRADED);
}

fn scram_over_tls_delivers(release: Release) {
    if is_skipped() {
        return;
    }
    let certificates = Certificates::new();
    let cluster = KafkaCluster::start_with(1, release, scram_over_tls(&certificates));
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        cluster.create_topic(mechanism, 3, 1, &[]);
        let records: Vec<Record> = (0..1000).map(|number| numbered(mechanism, number, 300)).collect();
        let to = properties(&[
            ("bootstrap.servers", &cluster.bootstrap_of("SASLTLS")),
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &certificates.authority_file.to_string_lossy()),
            ("compression.type", "zstd"),
        ]);
        let settings = with(to.clone(), password_login(mechanism, USER, PASSWORD));
        let outcome = driver::run(&cluster.bootstrap(), &borrowed(&settings), &records);
        outcome.assert_all_acknowledged();
        assert_kept(&outcome, &read_topic(&cluster, mechanism), Promise::HEALTHY);
        let settings = with(to, password_login(mechanism, USER, "wrong"));
        let outcome = driver::run(&cluster.bootstrap(), &borrowed(&settings), &records[..1]);
        assert_eq!(outcome.reports[0].name, "SASL_AUTHENTICATION_FAILED", "{:?}", outcome.reports[0]);
    }
}

#[test]
fn kafka_3_9_takes_scram_over_tls() {
    scram_over_tls_delivers(Release::Kafka3_9);
}

#[test]
fn kafka_2_8_takes_scram_over_tls() {
    scram_over_tls_delivers(Release::Kafka2_8);
}

#[test]
fn kafka_2_1_takes_scram_over_tls() {
    scram_over_tls_delivers(Release::Kafka2_1);
}
