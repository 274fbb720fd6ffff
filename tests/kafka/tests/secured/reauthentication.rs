//! Sessions that end under load: brokers close connections that are not authenticated again in time, and tokens expire.

use std::time::Duration;

use kproducer_kafka_tests::bulk::Outcome;
use kproducer_kafka_tests::security::{SHORT_SESSION_MS, Secured, secured};

use crate::{HEALTH_OK, assert_undisturbed, is_skipped, login, properties, start_load, to, with};

/// Several sessions' time of it.
const RECORDS: usize = 20_000;

/// Nothing was even sent twice: requests in flight are left alone, and no connection is lost.
fn judge(secured: &Secured, outcome: &Outcome) {
    assert_undisturbed(secured, outcome, HEALTH_OK);
    assert_eq!(outcome.sent_again, 0, "no connection is lost");
}

#[test]
fn sessions_are_renewed_under_load_without_disturbing_it() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let runs = [("SHORT", "PLAIN"), ("SHORTTLS", "SCRAM-SHA-512"), ("SHORTTLS", "OAUTHBEARER"), ("SHORT", "GSSAPI")];
    let loads: Vec<_> = runs
        .iter()
        .map(|(listener, mechanism)| {
            let settings = with(to(&secured, listener), login(&secured, mechanism));
            let settings = with(settings, properties(&[("linger.ms", "2"), ("compression.type", "lz4")]));
            start_load(&secured, &format!("renewed-{mechanism}"), RECORDS, &settings)
        })
        .collect();
    for load in loads {
        judge(&secured, &load.finish());
    }
    println!("sessions of {SHORT_SESSION_MS} ms");
}

#[test]
fn expiring_tokens_are_renewed_under_load_though_their_endpoint_fails_for_a_while() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let before = secured.issuer.asked("client_credentials");
    secured.issuer.set_life_seconds(6);
    let settings = with(to(&secured, "SASLTLS"), login(&secured, "OAUTHBEARER"));
    // As Java does with so short a life, and without its jitter.
    let often = [
        ("sasl.login.refresh.window.factor", "0.5"),
        ("sasl.login.refresh.window.jitter", "0"),
        ("sasl.login.refresh.min.period.seconds", "0"),
        ("sasl.login.refresh.buffer.seconds", "0"),
        ("sasl.login.retry.backoff.max.ms", "500"),
    ];
    let mut load = start_load(&secured, "tokens", 40_000, &with(settings, properties(&often)));
    load.wait_for_acknowledgements(3000);
    // Longer than any moment at which a token is renewed, shorter than what is left of its life then.
    secured.issuer.set_broken(true);
    std::thread::sleep(Duration::from_secs(2));
    secured.issuer.set_broken(false);
    let outcome = load.finish();
    secured.issuer.reset();
    judge(&secured, &outcome);
    let asked = secured.issuer.asked("client_credentials") - before;
    println!("{asked} tokens");
    assert!(asked >= 4, "only {asked} tokens in 13 seconds");
}
