//! Certificates that live for seconds, on both sides, renewed under load.

use std::time::{Duration, Instant};

use kproducer_kafka_tests::security::certificates::LONG;
use kproducer_kafka_tests::security::{Secured, secured};
use kproducer_kafka_tests::tools::BrokerChanger;

use crate::{HEALTH_UNREACHABLE, Properties, assert_undisturbed, is_skipped, properties, start_load, to, with};

/// How long each certificate is good for: the first ones end while the test runs, and a busy machine has time to renew them.
const LIFE: Duration = Duration::from_secs(20);
const ROUNDS: usize = 8;
const ROUND: Duration = Duration::from_secs(5);

fn mutual(secured: &Secured, client: &kproducer_kafka_tests::security::Identity) -> Properties {
    let shown = properties(&[
        ("ssl.certificate.location", &client.certificate_file.to_string_lossy()),
        ("ssl.key.location", &client.key_file.to_string_lossy()),
    ]);
    with(to(secured, "RELAYED"), shown)
}

/// One producer looks at its files by itself, one is told; all connections are broken all the time, so that there are new ones.
#[test]
fn certificates_of_both_sides_are_renewed_under_load() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let certificates = &secured.certificates;
    let (watched, told) = (certificates.renewed_client(LONG), certificates.renewed_client(LONG));
    let mut broker = BrokerChanger::start(&secured.cluster.bootstrap(), 1);
    let store = "listener.name.relayed.ssl.keystore.location";
    let records = 3000 * 120;
    let looking = with(mutual(&secured, &watched), properties(&[("ssl.reload.interval.ms", "200")]));
    let waiting = with(mutual(&secured, &told), properties(&[("ssl.reload.interval.ms", "0")]));
    let mut looking = start_load(&secured, "rotated-watched", records, &looking);
    let mut waiting = start_load(&secured, "rotated-told", records, &waiting);
    // However long a busy machine takes for the first connections.
    for load in [&mut looking, &mut waiting] {
        load.wait_for_acknowledgements(1);
    }
    let mut connections = secured.relay.break_all();
    for round in 1..=ROUNDS {
        certificates.renewed_client(LIFE).replace(&watched);
        certificates.renewed_client(LIFE).replace(&told);
        waiting.reload();
        broker.set(store, &certificates.renewed_broker(LIFE).pem_file.to_string_lossy());
        // Only now: changing a broker's settings takes a while.
        let next = Instant::now() + ROUND;
        // In the first of these pauses the one that looks by itself does so.
        let mut so_far = connections;
        while Instant::now() < next {
            std::thread::sleep(Duration::from_millis(330));
            so_far = secured.relay.break_all();
        }
        println!("round {round}: {so_far} connections so far");
        assert!(so_far >= connections + 4, "connections are made again by both");
        connections = so_far;
    }
    for load in [&mut looking, &mut waiting] {
        let acknowledged = load.acknowledged();
        load.wait_for_acknowledgements(acknowledged + 1000);
        load.stop();
    }
    let outcomes = [looking.finish(), waiting.finish()];
    broker.set(store, &certificates.renewed_broker(LONG).pem_file.to_string_lossy());
    for outcome in outcomes {
        // Broken connections are no failure of TLS.
        assert_undisturbed(&secured, &outcome, HEALTH_UNREACHABLE);
    }
}
