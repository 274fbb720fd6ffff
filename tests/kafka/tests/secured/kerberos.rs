//! GSSAPI with MIT's KDC: by a keytab, by the ticket that a user got, and without either.

use std::time::{Duration, Instant};

use kproducer_kafka_tests::driver::{self, Persisted};
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::security::{Secured, secured};
use kproducer_kafka_tests::verify::{Promise, assert_kept};

use crate::{Properties, borrowed, is_skipped, keytab_login, properties, to, with};

fn run(secured: &Secured, topic: &str, settings: &Properties) -> driver::Outcome {
    secured.cluster.create_topic(topic, 1, 1, &[]);
    let records: Vec<Record> = (0..1000).map(|number| numbered(topic, number, 100)).collect();
    driver::run(&secured.cluster.bootstrap(), &borrowed(settings), &records)
}

fn deliver(secured: &Secured, topic: &str, settings: &Properties) {
    let outcome = run(secured, topic, settings);
    outcome.assert_all_acknowledged();
    assert_kept(&outcome, &read_topic(&secured.cluster, topic), Promise::HEALTHY);
}

fn refuse(secured: &Secured, topic: &str, settings: &Properties, words: &[&str]) {
    let started = Instant::now();
    // What does not fail at once is not waited for much longer.
    let soon = properties(&[("delivery.timeout.ms", "8000"), ("request.timeout.ms", "5000")]);
    let outcome = run(secured, topic, &with(settings.clone(), soon));
    let took = started.elapsed();
    println!("{topic}: {took:?}: {}", outcome.reports[0].text);
    for report in &outcome.reports {
        assert_eq!((report.name.as_str(), report.persisted), ("CREDENTIALS", Persisted::No), "{report:?}");
        for word in words {
            assert!(report.text.contains(word), "{word} is missing: {report:?}");
        }
    }
    assert!(took < Duration::from_secs(5), "{topic} took {took:?}");
}

fn ticket_login() -> Properties {
    properties(&[("sasl.mechanism", "GSSAPI"), ("sasl.kerberos.service.name", "kafka")])
}

#[test]
fn keytabs_and_tickets_let_records_through() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    for listener in ["SASL", "SASLTLS"] {
        let settings = with(to(&secured, listener), keytab_login(&secured));
        deliver(&secured, &format!("keytab-{listener}"), &settings);
    }
    let jaas = format!(
        "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true keyTab=\"{}\" principal=\"{}\" \
         serviceName=\"kafka\";",
        secured.realm.client_keytab.display(),
        secured.realm.client()
    );
    let settings = properties(&[("sasl.mechanism", "GSSAPI"), ("sasl.jaas.config", &jaas)]);
    deliver(&secured, "keytab-jaas", &with(to(&secured, "SASLTLS"), settings));
    secured.realm.get_ticket();
    deliver(&secured, "ticket", &with(to(&secured, "SASLTLS"), ticket_login()));
    secured.realm.drop_ticket();
}

#[test]
fn what_is_missing_is_named() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    refuse(&secured, "no-ticket", &with(to(&secured, "SASL"), ticket_login()), &["kinit", "sasl.kerberos.keytab"]);
    let stranger = with(keytab_login(&secured), properties(&[("sasl.kerberos.principal", &secured.realm.stranger())]));
    let words = ["sasl.kerberos.keytab", &secured.realm.stranger()];
    refuse(&secured, "stranger", &with(to(&secured, "SASL"), stranger), &words);
    let service = with(keytab_login(&secured), properties(&[("sasl.kerberos.service.name", "nobody")]));
    refuse(&secured, "service", &with(to(&secured, "SASL"), service), &["sasl.kerberos.service.name"]);
}
