//! Each security setting lets records through.

use kproducer_kafka_tests::driver;
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::log::read_topic;
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::security::certificates::STORE_PASSWORD;
use kproducer_kafka_tests::security::{CLIENT_ID, MECHANISMS, PASSWORD, Secured, USER, secured};
use kproducer_kafka_tests::transactions::{Target, TransactionLoad, Visible, assert_all_or_nothing};
use kproducer_kafka_tests::verify::{Promise, assert_kept};

use crate::{Properties, borrowed, is_skipped, login, properties, to, with};

/// Codecs in turn: compressed batches go through TLS as well.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// A thousand records with these settings are all there, once, in order.
fn deliver(secured: &Secured, name: &str, settings: Properties) {
    let topic = format!("setting-{name}");
    secured.cluster.create_topic(&topic, 3, 1, &[]);
    let records: Vec<Record> = (0..1000).map(|number| numbered(&topic, number, 300)).collect();
    let codec = CODECS[name.len() % CODECS.len()];
    let settings = with(settings, properties(&[("compression.type", codec)]));
    let outcome = driver::run(&secured.cluster.bootstrap(), &borrowed(&settings), &records);
    println!("{name}");
    outcome.assert_all_acknowledged();
    assert_kept(&outcome, &read_topic(&secured.cluster, &topic), Promise::HEALTHY);
}

fn without_authority(mut settings: Properties) -> Properties {
    settings.retain(|(name, _)| name != "ssl.ca.location");
    settings
}

#[test]
fn trust_and_client_certificates_are_read_in_every_form() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let certificates = &secured.certificates;
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let trusts = [
        ("file", properties(&[("ssl.ca.location", &path(&certificates.authority_file))])),
        (
            "text",
            properties(&[("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", &certificates.authority_pem)]),
        ),
        (
            "pem-store",
            properties(&[
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &path(&certificates.authority_file)),
            ]),
        ),
        (
            "pkcs12-store",
            properties(&[
                ("ssl.truststore.type", "PKCS12"),
                ("ssl.truststore.location", &path(&certificates.authority_store)),
                ("ssl.truststore.password", STORE_PASSWORD),
            ]),
        ),
    ];
    for (name, trust) in trusts {
        deliver(&secured, &format!("trust-{name}"), with(without_authority(to(&secured, "ONEWAY")), trust));
    }
    let client = &certificates.client;
    let shown = [
        (
            "pem-files",
            properties(&[
                ("ssl.certificate.location", &path(&client.certificate_file)),
                ("ssl.key.location", &path(&client.key_file)),
            ]),
        ),
        ("pem-store", properties(&[("ssl.keystore.type", "PEM"), ("ssl.keystore.location", &path(&client.pem_file))])),
        (
            "pkcs12-store",
            properties(&[
                ("ssl.keystore.location", &path(&client.store_file)),
                ("ssl.keystore.password", STORE_PASSWORD),
            ]),
        ),
        (
            "text",
            properties(&[
                ("ssl.keystore.type", "PEM"),
                ("ssl.keystore.certificate.chain", &client.certificate_pem),
                ("ssl.keystore.key", &client.key_pem),
            ]),
        ),
    ];
    for (name, shown) in shown {
        deliver(&secured, &format!("client-{name}"), with(to(&secured, "MUTUAL"), shown));
    }
    for version in ["TLSv1.2", "TLSv1.3"] {
        let settings = with(to(&secured, "ONEWAY"), properties(&[("ssl.enabled.protocols", version)]));
        deliver(&secured, version, settings);
    }
}

#[test]
fn every_mechanism_delivers_with_and_without_tls() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    for listener in ["SASL", "SASLTLS"] {
        // Kerberos has a test of its own.
        for mechanism in MECHANISMS.into_iter().filter(|mechanism| *mechanism != "GSSAPI") {
            let settings = with(to(&secured, listener), login(&secured, mechanism));
            deliver(&secured, &format!("{listener}-{mechanism}"), settings);
        }
    }
    let module = "org.apache.kafka.common.security.scram.ScramLoginModule";
    let jaas = format!("{module} required username=\"{USER}\" password=\"{PASSWORD}\";");
    let settings = properties(&[("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.jaas.config", &jaas)]);
    deliver(&secured, "jaas", with(to(&secured, "SASLTLS"), settings));
}

#[test]
fn tokens_come_from_assertions_and_from_files() {
    if is_skipped() {
        return;
    }
    const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let secured = secured();
    let settings = properties(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.grant.type", GRANT),
        ("sasl.oauthbearer.token.endpoint.url", &secured.issuer.token_url()),
        ("sasl.oauthbearer.assertion.algorithm", "ES256"),
        ("sasl.oauthbearer.assertion.private.key.file", &secured.issuer.assertion_key_file.to_string_lossy()),
        ("sasl.oauthbearer.assertion.claim.iss", CLIENT_ID),
        ("sasl.oauthbearer.assertion.claim.sub", CLIENT_ID),
        ("sasl.oauthbearer.assertion.claim.aud", "issuer"),
    ]);
    deliver(&secured, "assertion", with(to(&secured, "SASLTLS"), settings));
    assert_eq!(secured.issuer.asked(GRANT), 1, "one token is enough");
    let file = kproducer_kafka_tests::env::work_directory().join("token");
    std::fs::write(&file, secured.issuer.token()).expect("the token can be written");
    let settings = properties(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", &format!("file://{}", file.display())),
    ]);
    deliver(&secured, "token-file", with(to(&secured, "SASL"), settings));
}

/// While sessions are renewed every second.
#[test]
fn transactions_over_tls_with_short_sessions_are_all_or_nothing() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let target = Target { topics: &["secured-txn"], partitions: 3 };
    secured.cluster.create_topic(target.topics[0], 3, 1, &[]);
    let mut loads = [("txn-scram", "SCRAM-SHA-256"), ("txn-token", "OAUTHBEARER")].map(|(run, mechanism)| {
        let settings = with(to(&secured, "SHORTTLS"), login(&secured, mechanism));
        let settings = with(settings, properties(&[("transactional.id", run), ("compression.type", "lz4")]));
        TransactionLoad::start(&secured.cluster, run, 1, target, 200, &borrowed(&settings))
    });
    loads.iter_mut().for_each(|load| load.wait_for_ended(100));
    let journals: Vec<_> = loads.into_iter().map(TransactionLoad::finish).collect();
    assert_all_or_nothing(&secured.cluster, target, &journals);
    for journal in &journals {
        assert_eq!(journal.count(Visible::AllOrNone), 0, "every outcome is known");
    }
}
