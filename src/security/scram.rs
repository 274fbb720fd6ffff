//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), as Kafka speaks them: no channel binding, passwords in UTF-8
//! as they are (neither Java's client nor the brokers apply SASLprep), delegation tokens by the extension `tokenauth`
//! (KIP-48).

use std::num::NonZeroU32;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use crate::secret::{Secret, wipe};
use crate::security::credentials::{Credentials, UserPassword};
use crate::security::exchange::{Exchange, Mechanism, Step};
use crate::security::login::Refusal;
use crate::security::mask::Mask;
use crate::sync::Mutex;

/// RFC 7677's least, which Kafka's brokers keep to as well. Fewer would let a false broker guess passwords cheaply.
const ITERATIONS_MIN: u32 = 4_096;
/// Kafka's brokers allow 16384. Many more would only keep this thread busy: about a second for these.
const ITERATIONS_MAX: u32 = 500_000;
/// Longest message of a broker that is looked at.
const MESSAGE_MAX: usize = 16_384;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }

    fn len(self) -> usize {
        self.digest().output_len()
    }
}

pub struct Scram {
    hash: Hash,
    credentials: Arc<Credentials>,
    is_token: bool,
    /// All brokers of a cluster have the same salt for a user: the costly part is done once.
    salted: Arc<Mutex<Option<Salted>>>,
}

impl Scram {
    /// `is_token`: user and password are id and HMAC of a delegation token.
    pub fn new(hash: Hash, credentials: Arc<Credentials>, is_token: bool) -> Scram {
        Scram { hash, credentials, is_token, salted: Arc::default() }
    }
}

impl Mechanism for Scram {
    fn name(&self) -> &'static str {
        match self.hash {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn exchange(&mut self, _host: &str, _now_ms: i64) -> Box<dyn Exchange> {
        let who = self.credentials.get();
        Box::new(ScramExchange::new(self.hash, who, self.is_token, nonce(), self.salted.clone()))
    }
}

/// 144 random bits in letters that stand for themselves.
fn nonce() -> Option<String> {
    let mut bytes = [0; 18];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// What a password comes to with one salt.
struct Salted {
    who: Arc<UserPassword>,
    salt: Vec<u8>,
    iterations: u32,
    client_key: Vec<u8>,
    server_key: hmac::Key,
}

impl Drop for Salted {
    fn drop(&mut self) {
        wipe(&mut self.client_key);
    }
}

pub struct ScramExchange {
    hash: Hash,
    who: Arc<UserPassword>,
    salted: Arc<Mutex<Option<Salted>>>,
    nonce: Option<String>,
    first_bare: String,
    /// What shows that we know the password. With the rest of the messages passwords can be tried on it.
    proof: Option<Secret>,
    state: State,
}

enum State {
    First,
    /// The broker is to give salt and iterations.
    Salt,
    /// The broker is to prove that it knows the password.
    Proof {
        server_key: hmac::Key,
        auth_message: String,
    },
    Over,
}

impl ScramExchange {
    /// `nonce`: random, or `None` when the operating system had nothing random.
    fn new(
        hash: Hash,
        who: Arc<UserPassword>,
        is_token: bool,
        nonce: Option<String>,
        salted: Arc<Mutex<Option<Salted>>>,
    ) -> ScramExchange {
        let user = who.username.replace('=', "=3D").replace(',', "=2C");
        let token = if is_token { ",tokenauth=true" } else { "" };
        let first_bare = format!("n={user},r={}{token}", nonce.as_deref().unwrap_or_default());
        ScramExchange { hash, who, salted, nonce, first_bare, proof: None, state: State::First }
    }

    fn prove(&mut self, message: &str) -> Result<Step, Refusal> {
        let ours = self.nonce.as_deref().unwrap_or_default();
        let first = ServerFirst::parse(message, ours).map_err(Refusal::of_exchange)?;
        let mut kept = self.salted.lock();
        let fits = |salted: &Salted| {
            salted.who == self.who && salted.salt == first.salt && salted.iterations == first.iterations.get()
        };
        if !kept.as_ref().is_some_and(fits) {
            *kept = Some(self.salt(&first));
        }
        let Some(salted) = kept.as_ref() else { return Err(Refusal::of_exchange("no salted password")) };

        // "biws" is "n,," in base64: no channel binding.
        let without_proof = format!("c=biws,r={}", first.nonce);
        let auth_message = format!("{},{message},{without_proof}", self.first_bare);
        let stored_key = digest::digest(self.hash.digest(), &salted.client_key);
        let signature = hmac::sign(&hmac::Key::new(self.hash.hmac(), stored_key.as_ref()), auth_message.as_bytes());
        let proof: Vec<u8> = salted.client_key.iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        self.state = State::Proof { server_key: salted.server_key.clone(), auth_message };
        let proof = Secret::new(STANDARD.encode(proof));
        let message = format!("{without_proof},p={}", proof.reveal());
        self.proof = Some(proof);
        Ok(Step::Send(message.into_bytes()))
    }

    fn salt(&self, first: &ServerFirst<'_>) -> Salted {
        let mut salted_password = vec![0; self.hash.len()];
        let password = self.who.password.reveal().as_bytes();
        pbkdf2::derive(self.hash.pbkdf2(), first.iterations, &first.salt, password, &mut salted_password);
        let key = hmac::Key::new(self.hash.hmac(), &salted_password);
        wipe(&mut salted_password);
        Salted {
            who: self.who.clone(),
            salt: first.salt.clone(),
            iterations: first.iterations.get(),
            client_key: hmac::sign(&key, b"Client Key").as_ref().to_vec(),
            server_key: hmac::Key::new(self.hash.hmac(), hmac::sign(&key, b"Server Key").as_ref()),
        }
    }
}

impl Exchange for ScramExchange {
    fn principal(&self) -> Option<String> {
        Some(self.who.username.clone())
    }

    fn secrets(&self) -> Vec<Secret> {
        self.proof.iter().cloned().collect()
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        if self.nonce.is_none() {
            let text = "the operating system has no random numbers for SCRAM's nonce".to_owned();
            return Err(Refusal { is_permanent: false, ..Refusal::of_exchange(text) });
        }
        self.state = State::Salt;
        Ok(format!("n,,{}", self.first_bare).into_bytes())
    }

    fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal> {
        let message = match std::str::from_utf8(challenge) {
            Ok(text) if text.len() <= MESSAGE_MAX => text,
            _ => return Err(Refusal::of_exchange("the broker's SCRAM message is no text, or far too long")),
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::Salt => self.prove(message),
            State::Proof { server_key, auth_message } => {
                let mask = Mask::of(&self.proof);
                check_signature(message, &server_key, &auth_message, &mask).map_err(Refusal::of_exchange)?;
                Ok(Step::Done)
            }
            State::First | State::Over => {
                Err(Refusal::of_exchange("the broker goes on with a SCRAM exchange that is over"))
            }
        }
    }
}

/// The broker's first message, `r=…,s=…,i=…`.
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: NonZeroU32,
}

impl<'a> ServerFirst<'a> {
    fn parse(message: &'a str, our_nonce: &str) -> Result<ServerFirst<'a>, String> {
        if let Some(error) = message.strip_prefix("e=") {
            return Err(refused(error, &Mask::default()));
        }
        let bad = |what: &str| format!("the broker's SCRAM message {what}");
        let mut parts = message.split(',');
        let mut part = |name: &str| {
            let value = parts.next().and_then(|part| part.strip_prefix(name));
            value.ok_or_else(|| bad(&format!("has no {name} where it belongs")))
        };
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        // Extensions may follow; RFC 5802 wants those not known passed over.
        let is_printable = nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !nonce.starts_with(our_nonce) || nonce.len() == our_nonce.len() || !is_printable {
            return Err(bad("does not continue our nonce: somebody is in between, or it is no Kafka broker"));
        }
        let salt = STANDARD.decode(salt).map_err(|_| bad("has a salt that is not base64"))?;
        if salt.is_empty() {
            return Err(bad("has an empty salt"));
        }
        let number = || bad("has no number of iterations");
        let iterations = match iterations.bytes().all(|byte| byte.is_ascii_digit()) {
            true => iterations.parse::<u32>().map_err(|_| number())?,
            false => return Err(number()),
        };
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(format!(
                "the broker wants {iterations} iterations of SCRAM; {ITERATIONS_MIN} to {ITERATIONS_MAX} are safe and sensible: \
                 set the user's credentials on the cluster anew"
            ));
        }
        Ok(ServerFirst { nonce, salt, iterations: NonZeroU32::new(iterations).ok_or_else(number)? })
    }
}

/// The broker's last message, `v=…`: what only one that knows the password's hash can say.
fn check_signature(message: &str, server_key: &hmac::Key, auth_message: &str, mask: &Mask) -> Result<(), String> {
    if let Some(error) = message.strip_prefix("e=") {
        return Err(refused(error, mask));
    }
    let signature = message.strip_prefix("v=").map(|rest| rest.split(',').next().unwrap_or_default());
    let signature = signature.and_then(|text| STANDARD.decode(text).ok());
    let signature = signature.ok_or("the broker's last SCRAM message has no signature")?;
    // Compares in constant time.
    hmac::verify(server_key, auth_message.as_bytes(), &signature)
        .map_err(|_| "the broker did not prove that it knows the password: it is not the one it says it is".to_owned())
}

/// The broker's word for its error: one of RFC 5802's, or unknown.
fn refused(error: &str, mask: &Mask) -> String {
    let error = mask.said(error);
    let word: String = error.chars().take_while(|c| c.is_ascii_alphanumeric() || "-*".contains(*c)).take(60).collect();
    format!("the broker refused the SCRAM exchange: {word}")
}

#[cfg(test)]
#[path = "scram_tests.rs"]
mod tests;
