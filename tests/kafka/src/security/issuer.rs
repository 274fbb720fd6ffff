//! An issuer of tokens: a token endpoint for client credentials and signed assertions, and the keys that brokers check tokens with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::{CLIENT_ID, CLIENT_SECRET};
use crate::cluster::temporary_directory;

const AUDIENCE: &str = "records";
const KEY_ID: &str = "1";
/// Long enough for any test that does not ask for less.
const LIFE_SECONDS: u64 = 3600;
/// More than any request here needs.
const REQUEST_BYTES_MAX: usize = 65_536;

/// A running issuer.
#[derive(Debug)]
pub struct Issuer {
    state: Arc<State>,
    port: u16,
    /// A client's key for assertions, PEM; the issuer knows its public half.
    pub assertion_key_file: std::path::PathBuf,
}

#[derive(Debug)]
struct State {
    port: u16,
    key: RsaKeyPair,
    /// The client's public key, ES256.
    client_key: Vec<u8>,
    life_seconds: AtomicU64,
    is_broken: AtomicBool,
    /// What was asked for: the grant type of each request.
    asked: Mutex<Vec<String>>,
}

impl Issuer {
    /// Starts one on a free port. Its thread ends with the program.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let assertion_key = rcgen::KeyPair::generate().expect("a key");
        let assertion_key_file = temporary_directory().join("assertion-key.pem");
        std::fs::write(&assertion_key_file, assertion_key.serialize_pem()).expect("the key can be written");
        let state = Arc::new(State {
            port,
            key: issuer_key(),
            client_key: assertion_key.public_key_raw().to_vec(),
            life_seconds: AtomicU64::new(LIFE_SECONDS),
            is_broken: AtomicBool::new(false),
            asked: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = Arc::clone(&serving);
                // Whoever hangs up in mid-request has to ask again.
                std::thread::spawn(move || stream.and_then(|stream| serving.serve(&stream)));
            }
        });
        Self { state, port, assertion_key_file }
    }

    /// Where tokens are asked for.
    pub fn token_url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// From now on tokens live so long.
    pub fn set_life_seconds(&self, seconds: u64) {
        self.state.life_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Tokens live long again, and the endpoint answers.
    pub fn reset(&self) {
        self.set_life_seconds(LIFE_SECONDS);
        self.set_broken(false);
    }

    /// While broken every request is answered with status 503.
    pub fn set_broken(&self, is_broken: bool) {
        self.state.is_broken.store(is_broken, Ordering::Relaxed);
    }

    /// How many tokens of this grant type have been asked for.
    pub fn asked(&self, grant: &str) -> usize {
        let asked = self.state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|known| *known == grant).count()
    }

    /// A token for the client, as the endpoint makes it.
    pub fn token(&self) -> String {
        self.state.token(CLIENT_ID)
    }

    /// A token that looks right and is signed by somebody else's key.
    pub fn forged_token(&self) -> String {
        let token = self.token();
        let (signed, _) = token.rsplit_once('.').expect("three parts");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode([7; 256]))
    }

    /// A listener's lines for OAUTHBEARER.
    pub(super) fn login(&self) -> Vec<String> {
        let package = "org.apache.kafka.common.security.oauthbearer";
        vec![
            format!("oauthbearer.sasl.jaas.config={package}.OAuthBearerLoginModule required;"),
            format!("oauthbearer.sasl.server.callback.handler.class={package}.OAuthBearerValidatorCallbackHandler"),
        ]
    }

    /// A broker's lines: whose tokens it takes.
    pub(super) fn settings(&self) -> Vec<String> {
        vec![
            format!("sasl.oauthbearer.jwks.endpoint.url={}", self.keys_url()),
            format!("sasl.oauthbearer.expected.audience={AUDIENCE}"),
            format!("sasl.oauthbearer.expected.issuer={}", self.state.name()),
            // A token that has expired is refused at once.
            "sasl.oauthbearer.clock.skew.seconds=0".to_owned(),
        ]
    }

    /// Since Kafka 4.0 the broker's Java has to be told which addresses it may ask.
    pub fn java_option(&self) -> String {
        format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={},{}", self.keys_url(), self.token_url())
    }

    fn keys_url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }
}

impl State {
    fn name(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A signed token.
    fn token(&self, subject: &str) -> String {
        let now = now_seconds();
        let expires = now + self.life_seconds.load(Ordering::Relaxed);
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID});
        let claims = json!({
            "iss": self.name(), "aud": AUDIENCE, "sub": subject, "scope": "records.write", "iat": now, "exp": expires,
            "jti": format!("{now}-{}", self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()),
        });
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn keys(&self) -> Value {
        let public: PublicKeyComponents<Vec<u8>> = self.key.public().into();
        let (n, e) = (BASE64_URL_SAFE_NO_PAD.encode(public.n), BASE64_URL_SAFE_NO_PAD.encode(public.e));
        json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": e}]})
    }

    /// One request per connection.
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.take(u64::try_from(REQUEST_BYTES_MAX).expect("fits")));
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "authorization" => value.trim().clone_into(&mut authorization),
                _ => {}
            }
        }
        let mut body = vec![0; std::cmp::min(length, REQUEST_BYTES_MAX)];
        reader.read_exact(&mut body)?;
        let (status, answer) = match path.as_str() {
            _ if self.is_broken.load(Ordering::Relaxed) => ("503 Service Unavailable", json!({"error": "broken"})),
            "/keys" => ("200 OK", self.keys()),
            "/token" => self.grant(&authorization, &String::from_utf8_lossy(&body)),
            _ => ("404 Not Found", json!({})),
        };
        let answer = answer.to_string();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    /// The answer of the token endpoint.
    fn grant(&self, authorization: &str, body: &str) -> (&'static str, Value) {
        let field = |name: &str| {
            body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map_or_else(String::new, decode)
        };
        let grant = field("grant_type");
        let granted = match grant.as_str() {
            "client_credentials" => {
                authorization == format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")))
            }
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => self.is_ours(&field("assertion")),
            _ => false,
        };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(grant);
        if !granted {
            let error = json!({"error": "invalid_client", "error_description": "nobody here knows this client"});
            return ("401 Unauthorized", error);
        }
        let life = self.life_seconds.load(Ordering::Relaxed);
        ("200 OK", json!({"access_token": self.token(CLIENT_ID), "token_type": "Bearer", "expires_in": life}))
    }

    /// Whether an assertion is signed with the client's key and is of now.
    fn is_ours(&self, assertion: &str) -> bool {
        let Some((signed, signature)) = assertion.rsplit_once('.') else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &self.client_key);
        let claims = signed.split('.').nth(1).and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
        key.verify(signed.as_bytes(), &signature).is_ok()
            && claims["iss"] == CLIENT_ID
            && claims["exp"].as_u64().is_some_and(|expires| expires > now_seconds())
    }
}

/// The issuer's own key: making RSA keys takes seconds and a library that does it.
fn issuer_key() -> RsaKeyPair {
    let pem = include_str!("../../fixtures/issuer-rsa.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    RsaKeyPair::from_pkcs8(&BASE64_STANDARD.decode(base64).expect("base64")).expect("a key")
}

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// Undoes the encoding of a form's field.
fn decode(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = || u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok();
        match (first, escaped()) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}
