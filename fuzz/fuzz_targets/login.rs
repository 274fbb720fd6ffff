//! What a broker can say in SCRAM and OAUTHBEARER, and what users write into sasl.jaas.config and sasl.oauthbearer.extensions:
//! refused or taken, never a panic, and no exchange ends well that was not proved.
#![no_main]

use std::sync::Arc;

use kproducer::config::ConfigBuilder;
use kproducer::security::credentials::{Credentials, UserPassword};
use kproducer::security::exchange::{Mechanism, Step};
use kproducer::security::oauthbearer::refusal_text;
use kproducer::security::oidc::read_extensions;
use kproducer::security::scram::{Hash, Scram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [which, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    match which % 4 {
        0 => scram(if which & 4 == 0 { Hash::Sha256 } else { Hash::Sha512 }, rest),
        1 => assert!(!refusal_text(rest).chars().any(char::is_control)),
        2 => {
            let mut config = ConfigBuilder::new();
            if config.set("sasl.jaas.config", &text).is_ok() {
                let _ = config.set("bootstrap.servers", "localhost");
                let _ = config.build();
            }
        }
        _ => {
            let _ = read_extensions(&text);
        }
    }
});

/// The first line is the broker's first message behind our nonce, the rest its last one.
fn scram(hash: Hash, said: &[u8]) {
    let who = UserPassword::new("user", "pencil").expect("credentials");
    let mut exchange = Scram::new(hash, Arc::new(Credentials::new(who)), false).exchange("broker", 0);
    let first = exchange.start().expect("the first message");
    let nonce = String::from_utf8_lossy(&first).rsplit_once("r=").map(|(_, nonce)| nonce.to_owned()).unwrap_or_default();
    let (head, tail) = said.split_at(said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len()));
    let head = [format!("r={nonce}").as_bytes(), head].concat();
    if let Ok(Step::Send(_)) = exchange.step(&head) {
        assert!(exchange.step(tail.get(1..).unwrap_or_default()).is_err(), "nobody proves what he does not know");
    }
}
