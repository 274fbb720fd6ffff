//! Wrong credentials and certificates: the records fail at once with a status and a sentence that say why, and right credentials
//! mend it while the program runs.

use std::time::{Duration, Instant};

use kproducer_kafka_tests::driver::{self, Persisted};
use kproducer_kafka_tests::load::numbered;
use kproducer_kafka_tests::process::set_for_children;
use kproducer_kafka_tests::record::Record;
use kproducer_kafka_tests::security::{PASSWORD, Secured, USER, secured};
use kproducer_kafka_tests::shell::Shell;

use crate::{Properties, borrowed, client_credentials, is_skipped, password_login, properties, to, with};

const WRONG_PASSWORD: &str = "wrong-secret";
/// What the issue asks of a wrong password, the program's start included.
const FAST: Duration = Duration::from_secs(2);

/// Records with these settings fail with this status, soon, for a reason that has these words and no secret.
fn refuse(secured: &Secured, name: &str, settings: &Properties, status: &str, words: &[&str]) {
    let topic = format!("refused-{name}");
    secured.cluster.create_topic(&topic, 1, 1, &[]);
    let records: Vec<Record> = (0..3).map(|number| numbered(&topic, number, 50)).collect();
    // Some of it may pass, such as a listener that hangs up: that fails at its deadline, and says why all the same.
    let soon = properties(&[("delivery.timeout.ms", "1500"), ("request.timeout.ms", "1000")]);
    let settings = with(settings.clone(), soon);
    let started = Instant::now();
    let outcome = driver::run(&secured.cluster.bootstrap(), &borrowed(&settings), &records);
    let took = started.elapsed();
    assert_eq!((outcome.reports.len(), outcome.refusals.len()), (records.len(), 0), "{name}");
    println!("{name}: {took:?}: {}", outcome.reports[0].text);
    for report in &outcome.reports {
        assert_eq!(report.name, status, "{name}: {report:?}");
        assert_eq!(report.persisted, Persisted::No, "{name}: {report:?}");
        for word in words {
            assert!(report.text.contains(word), "{name}: {word} is missing: {report:?}");
        }
        for secret in [PASSWORD, WRONG_PASSWORD] {
            assert!(!report.text.contains(secret), "{name}: {report:?}");
        }
    }
    assert!(took < FAST, "{name} took {took:?}");
}

#[test]
fn wrong_credentials_fail_at_once_and_say_why() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    for listener in ["SASL", "SASLTLS"] {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            for (what, user) in [("password", USER), ("user", "nobody")] {
                let settings = with(to(&secured, listener), password_login(mechanism, user, WRONG_PASSWORD));
                let name = format!("{listener}-{mechanism}-{what}");
                refuse(&secured, &name, &settings, "SASL_AUTHENTICATION_FAILED", &[mechanism]);
            }
        }
    }
    let secret = with(to(&secured, "SASL"), client_credentials(&secured, WRONG_PASSWORD));
    refuse(&secured, "client-secret", &secret, "CREDENTIALS", &["401", &secured.issuer.token_url()]);
    let file = kproducer_kafka_tests::env::work_directory().join("forged");
    std::fs::write(&file, secured.issuer.forged_token()).expect("the token can be written");
    let forged = properties(&[
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", &format!("file://{}", file.display())),
    ]);
    let forged = with(to(&secured, "SASL"), forged);
    refuse(&secured, "forged-token", &forged, "SASL_AUTHENTICATION_FAILED", &["OAUTHBEARER"]);
}

#[test]
fn listeners_that_do_not_fit_are_told_apart() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    let plain =
        |settings: Properties| with(settings, properties(&[("bootstrap.servers", &secured.cluster.bootstrap())]));
    let login = || password_login("PLAIN", USER, PASSWORD);
    let (tls, sasl) = (to(&secured, "ONEWAY"), with(to(&secured, "SASL"), login()));
    refuse(&secured, "tls-to-plaintext", &plain(tls), "DELIVERY_TIMED_OUT", &["TLS", "PLAINTEXT", "security.protocol"]);
    for (listener, status, words) in
        [("ONEWAY", "TLS_FAILED", ["security.protocol=SSL"]), ("SASL", "DELIVERY_TIMED_OUT", ["SASL"])]
    {
        let settings = with(to(&secured, listener), properties(&[("security.protocol", "PLAINTEXT")]));
        refuse(&secured, &format!("plaintext-to-{listener}"), &settings, status, &words);
    }
    refuse(&secured, "sasl-to-plaintext", &plain(sasl), "ILLEGAL_SASL_STATE", &["security.protocol"]);
    let stranger = {
        let mut settings = to(&secured, "ONEWAY");
        settings.retain(|(name, _)| name != "ssl.ca.location");
        settings
    };
    refuse(&secured, "unknown-authority", &stranger, "TLS_FAILED", &["Authority of the tests", "ssl.ca.location"]);
    refuse(&secured, "no-certificate", &to(&secured, "MUTUAL"), "TLS_FAILED", &["ssl.keystore"]);
    // The library speaks it; brokers do not without AWS's class.
    set_for_children("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    set_for_children("AWS_SECRET_ACCESS_KEY", WRONG_PASSWORD);
    let mechanism = properties(&[("sasl.mechanism", "AWS_MSK_IAM"), ("sasl.aws.region", "eu-west-1")]);
    let mechanism = with(to(&secured, "SASL"), mechanism);
    refuse(&secured, "mechanism", &mechanism, "UNSUPPORTED_SASL_MECHANISM", &["AWS_MSK_IAM", "SCRAM-SHA-256"]);
}

/// Sends a value and flushes; the record's outcome: no / maybe / yes, and the status by name.
fn send(shell: &mut Shell, topic: &str, value: &str) -> (String, String) {
    shell.must(&format!("send {topic} 0 {value}"));
    shell.must("flush 30000");
    let (_, persisted, name) = shell.reports.last().expect("flush dispatches the report").clone();
    (persisted, name)
}

#[test]
fn right_credentials_mend_a_running_producer() {
    if is_skipped() {
        return;
    }
    let secured = secured();
    for (listener, mechanism) in [("SASL", "PLAIN"), ("SASLTLS", "SCRAM-SHA-512")] {
        let topic = format!("mended-{mechanism}");
        secured.cluster.create_topic(&topic, 1, 1, &[]);
        let settings = with(to(&secured, listener), password_login(mechanism, USER, WRONG_PASSWORD));
        let mut shell = Shell::start(&secured.cluster, &borrowed(&settings));
        let refused = ("no".to_owned(), "SASL_AUTHENTICATION_FAILED".to_owned());
        assert_eq!(send(&mut shell, &topic, "refused"), refused);
        shell.must(&format!("credentials {USER} {PASSWORD}"));
        let started = Instant::now();
        let taken = ("yes".to_owned(), "OK".to_owned());
        assert_eq!(send(&mut shell, &topic, "taken"), taken, "{mechanism}");
        println!("{mechanism}: taken {:?} after the change", started.elapsed());
        // A connection that was let in goes on; a new one would be refused.
        shell.must(&format!("credentials {USER} {WRONG_PASSWORD}"));
        assert_eq!(send(&mut shell, &topic, "still-taken"), taken, "{mechanism}");
        shell.must("close 10000");
    }
}
