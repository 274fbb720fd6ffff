//! TLS and SASL on real brokers, one node with every listener for most of it. Records are read back through the PLAINTEXT listener.

mod kerberos;
mod logins;
mod reauthentication;
mod refused;
mod restarts;
mod rotation;

use kproducer_kafka_tests::bulk::{Bulk, Load, Outcome};
use kproducer_kafka_tests::env;
use kproducer_kafka_tests::security::{CLIENT_ID, CLIENT_SECRET, PASSWORD, Secured, USER};

/// Properties of a client.
type Properties = Vec<(String, String)>;

/// Whether there is nothing to test: librdkafka is built without OpenSSL here.
fn is_skipped() -> bool {
    if env::is_peer() {
        println!("skipped: librdkafka speaks neither TLS nor SCRAM here");
    }
    env::is_peer()
}

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What goes to a listener: its address and protocol, and the authority that TLS needs.
fn to(secured: &Secured, listener: &str) -> Properties {
    let protocol = match listener {
        "ONEWAY" | "MUTUAL" | "RELAYED" => "SSL",
        "SASL" | "SHORT" => "SASL_PLAINTEXT",
        _ => "SASL_SSL",
    };
    let bootstrap = match listener {
        "RELAYED" => format!("localhost:{}", secured.relay.port),
        _ => secured.cluster.bootstrap_of(listener),
    };
    let mut made = properties(&[("bootstrap.servers", &bootstrap), ("security.protocol", protocol)]);
    if protocol != "SASL_PLAINTEXT" {
        made.extend(properties(&[("ssl.ca.location", &secured.certificates.authority_file.to_string_lossy())]));
    }
    made
}

fn with(mut properties: Properties, more: Properties) -> Properties {
    properties.extend(more);
    properties
}

fn borrowed(properties: &Properties) -> Vec<(&str, &str)> {
    properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn password_login(mechanism: &str, username: &str, password: &str) -> Properties {
    properties(&[("sasl.mechanism", mechanism), ("sasl.username", username), ("sasl.password", password)])
}

fn client_credentials(secured: &Secured, secret: &str) -> Properties {
    properties(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", &secured.issuer.token_url()),
        ("sasl.oauthbearer.client.credentials.client.id", CLIENT_ID),
        ("sasl.oauthbearer.client.credentials.client.secret", secret),
        ("sasl.oauthbearer.scope", "records.write"),
    ])
}

fn keytab_login(secured: &Secured) -> Properties {
    properties(&[
        ("sasl.mechanism", "GSSAPI"),
        ("sasl.kerberos.service.name", "kafka"),
        ("sasl.kerberos.principal", &secured.realm.client()),
        ("sasl.kerberos.keytab", &secured.realm.client_keytab.to_string_lossy()),
    ])
}

/// A login that is right, by mechanism.
fn login(secured: &Secured, mechanism: &str) -> Properties {
    match mechanism {
        "OAUTHBEARER" => client_credentials(secured, CLIENT_SECRET),
        "GSSAPI" => keytab_login(secured),
        _ => password_login(mechanism, USER, PASSWORD),
    }
}

/// Starts a load of a few thousand records a second.
fn start_load(secured: &Secured, topic: &str, count: usize, properties: &Properties) -> Bulk {
    let partitions = 3;
    let replicas = i32::try_from(secured.cluster.node_ids().len()).expect("small");
    secured.cluster.create_topic(topic, 3, replicas, &[("min.insync.replicas", if replicas > 1 { "2" } else { "1" })]);
    let load = Load { topic, partitions, count, per_second: 3000 };
    Bulk::start(&secured.cluster, load, &borrowed(properties))
}

/// `PRODUCER_HEALTH_OK`.
const HEALTH_OK: i32 = 1;
/// `PRODUCER_HEALTH_DEGRADED`: while partitions of a broker that is restarted have no leader.
const HEALTH_DEGRADED: i32 = 2;
/// `PRODUCER_HEALTH_UNREACHABLE`: for a moment, when the connections to all brokers are broken at once. Worse, `PRODUCER_HEALTH_AUTHENTICATION_FAILED`, would be wrong.
const HEALTH_UNREACHABLE: i32 = 3;

/// Every record is acknowledged and in the log once, in order, and the producer's health was never worse than `worst`.
fn assert_undisturbed(secured: &Secured, outcome: &Outcome, worst: i32) {
    let acknowledged = outcome.count(|fate| matches!(fate, kproducer_kafka_tests::bulk::Fate::Acknowledged(_)));
    assert_eq!(acknowledged, outcome.fates.len(), "every record is acknowledged");
    outcome.assert_exactly_once(&secured.cluster);
    assert_eq!(outcome.losses, [] as [String; 0]);
    for (state, text) in &outcome.health {
        assert!((HEALTH_OK..=worst).contains(state), "health {state}: {text}; all of it: {:?}", outcome.health);
    }
    assert_eq!(outcome.health.last().map(|(state, _)| *state), Some(HEALTH_OK), "{:?}", outcome.health);
}
