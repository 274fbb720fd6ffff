//! What a broker can say in SCRAM, OAUTHBEARER, GSSAPI and AWS_MSK_IAM, and what users write into sasl.jaas.config and sasl.oauthbearer.extensions:
//! refused or taken, never a panic, and no exchange ends well that was not proved.
#![no_main]

use std::sync::Arc;

use kproducer::config::{ConfigBuilder, KerberosSettings};
use kproducer::security::aws::iam::answered;
use kproducer::security::credentials::{Credentials, UserPassword};
use kproducer::security::exchange::{Mechanism, Step};
use kproducer::security::gssapi::{Context, Gssapi, Kerberos, Trouble, TroubleKind, Wanted};
use kproducer::security::mask::Mask;
use kproducer::security::oauthbearer::refusal_text;
use kproducer::security::oidc::read_extensions;
use kproducer::security::scram::{Hash, Scram};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [which, rest @ ..] = data else { return };
    let text = String::from_utf8_lossy(rest);
    match which % 6 {
        0 => scram(if which & 8 == 0 { Hash::Sha256 } else { Hash::Sha512 }, rest),
        1 => assert!(!refusal_text(rest, &Mask::default()).chars().any(char::is_control)),
        2 => {
            let mut config = ConfigBuilder::new();
            if config.set("sasl.jaas.config", &text).is_ok() {
                let _ = config.set("bootstrap.servers", "localhost");
                let _ = config.build();
            }
        }
        3 => {
            let _ = read_extensions(&text);
        }
        4 => gssapi(rest),
        _ => msk(rest),
    }
});

/// A context whose broker says whatever it likes, and which unwraps to what it said.
struct Open {
    left: u8,
}

impl Kerberos for Open {
    fn begin(&self, _: &Wanted) -> Result<Box<dyn Context>, Trouble> {
        Ok(Box::new(Open { left: self.left }))
    }
}

impl Context for Open {
    fn step(&mut self, token: &[u8]) -> Result<(Vec<u8>, bool), Trouble> {
        self.left = self.left.saturating_sub(1);
        if token.starts_with(b"!") {
            return Err(Trouble { kind: TroubleKind::Other, text: String::from_utf8_lossy(token).into_owned() });
        }
        Ok((Vec::new(), self.left == 0))
    }

    fn unwrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        Ok(message.to_vec())
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, Trouble> {
        Ok(message.to_vec())
    }
}

/// The first byte is the number of rounds; each line is a message of the broker's. No layer of protection but none is taken.
fn gssapi(said: &[u8]) {
    let [rounds, said @ ..] = said else { return };
    let mut mechanism = Gssapi::new(Arc::new(Open { left: rounds % 4 + 1 }), &KerberosSettings::default());
    let mut exchange = mechanism.exchange("broker", 0);
    exchange.start().expect("the first message");
    let mut offer: &[u8] = &[];
    for message in said.split(|byte| *byte == b'\n') {
        match exchange.step(message) {
            Ok(Step::Send(_)) => offer = message,
            Ok(Step::Done) => {
                assert!(offer.len() == 4 && offer[0] & 1 == 1, "{offer:?}");
                return;
            }
            Err(refusal) => {
                assert!(!refusal.text.contains(char::is_control));
                return;
            }
        }
    }
}

fn msk(said: &[u8]) {
    match answered(said) {
        Ok(step) => assert_eq!(step, Step::Done),
        Err(refusal) => assert!(!refusal.text.contains(char::is_control)),
    }
}

/// The first line is the broker's first message behind our nonce, the rest its last one.
fn scram(hash: Hash, said: &[u8]) {
    let who = UserPassword::new("user", "pencil").expect("credentials");
    let mut exchange = Scram::new(hash, Arc::new(Credentials::new(who)), false).exchange("broker", 0);
    let first = exchange.start().expect("the first message");
    let nonce =
        String::from_utf8_lossy(&first).rsplit_once("r=").map(|(_, nonce)| nonce.to_owned()).unwrap_or_default();
    let (head, tail) = said.split_at(said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len()));
    let head = [format!("r={nonce}").as_bytes(), head].concat();
    if let Ok(Step::Send(_)) = exchange.step(&head) {
        assert!(exchange.step(tail.get(1..).unwrap_or_default()).is_err(), "nobody proves what he does not know");
    }
}
