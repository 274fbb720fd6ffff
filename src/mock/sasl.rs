//! SaslHandshake v0-1 and SaslAuthenticate v0-2: PLAIN, SCRAM and OAUTHBEARER with one user or token, sessions that end
//! (KIP-368) and are renewed by the same user only, and who may ask for what before. Differences from Kafka: a handshake of v0 is not followed by bare tokens, a
//! session may be renewed as often as a client likes, and wrong credentials are answered at once.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateResponse, SaslHandshakeResponse};
use kafka_protocol::protocol::StrBytes;

use super::cluster::Cluster;
use super::reader::ReadResult;
use super::request::{Outcome, Request};
use super::scram::{Hash, Keys, Scram, bearer_token, is_plain};
use super::{api_key, code};
use crate::error::{Error, Result, Status};
use crate::time::{Micros, Time};

/// Connections that were opened before so many others are gone.
const SESSIONS_MAX: usize = 16_384;

/// How clients have to authenticate.
struct Demand {
    mechanism: &'static str,
    /// Of OAUTHBEARER, the token.
    password: String,
    username: String,
    keys: Option<Keys>,
    /// None: for ever.
    lifetime: Option<Micros>,
}

/// How far a connection has come.
enum Step {
    /// It has said nothing about who it is.
    New,
    /// The mechanism is agreed upon.
    Begun,
    /// The user is known, the proof is missing.
    Proving(Scram),
    /// A wrong token was answered with the reason, as RFC 7628 has it; the client's next message ends it.
    Explained(String),
    In,
    /// Nothing helps any more.
    Refused,
}

struct Session {
    step: Step,
    was_in: bool,
    /// As whom, where the mechanism says so in a way that the mock reads.
    principal: Option<String>,
    /// It has been renewed by then, or it ends.
    until: Time,
}

/// What brokers know of who is at the other end.
#[derive(Default)]
pub(super) struct Sasl {
    demand: Option<Demand>,
    sessions: BTreeMap<u64, Session>,
    nonces: u64,
    authentications: u64,
    reauthentications: u64,
    expirations: u64,
    denials: u64,
}

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

impl Sasl {
    fn session(&mut self, connection: u64) -> &mut Session {
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&connection) {
            // Connections are numbered in the order in which they came.
            self.sessions.pop_first();
        }
        let session = || Session { step: Step::New, was_in: false, principal: None, until: Time::NEVER };
        self.sessions.entry(connection).or_insert_with(session)
    }

    /// Whether the connection may send this request now; if not it is closed, as Kafka's brokers do.
    pub(super) fn admits(&mut self, now: Time, connection: u64, key: i16) -> bool {
        if self.demand.is_none() {
            return true;
        }
        let session = self.session(connection);
        let is_expired = matches!(session.step, Step::In) && session.until <= now && key != api_key::SASL_HANDSHAKE;
        let admits = match (&session.step, key) {
            (Step::New | Step::In, api_key::SASL_HANDSHAKE) => true,
            (Step::New, api_key::API_VERSIONS) => true,
            (Step::New | Step::Refused, _) | (_, api_key::SASL_HANDSHAKE) => false,
            (Step::Begun | Step::Proving(_) | Step::Explained(_), key) => key == api_key::SASL_AUTHENTICATE,
            (Step::In, _) => !is_expired,
        };
        self.expirations += u64::from(is_expired);
        self.denials += u64::from(!admits && !is_expired);
        admits
    }

    /// The answer to a client's message, or why it is not believed.
    fn answer(&mut self, now: Time, connection: u64, message: &[u8]) -> std::result::Result<(Vec<u8>, i64), String> {
        self.nonces += 1;
        let nonce = format!("mock{}", self.nonces);
        let (Some(demand), Some(session)) = (&self.demand, self.sessions.get_mut(&connection)) else {
            return Ok((Vec::new(), 0));
        };
        let bytes = session.go_on(demand, message, &nonce)?;
        if !matches!(session.step, Step::In) {
            return Ok((bytes, 0));
        }
        let principal = (demand.mechanism != "OAUTHBEARER").then(|| demand.username.clone());
        if session.was_in
            && let (Some(before), Some(after)) = (&session.principal, &principal)
            && before != after
        {
            session.step = Step::Refused;
            return Err(format!(
                "Cannot change principals during re-authentication from User:{before} to User:{after}"
            ));
        }
        session.principal = principal;
        session.until = demand.lifetime.map_or(Time::NEVER, |lifetime| now + lifetime);
        let was_in = std::mem::replace(&mut session.was_in, true);
        *(if was_in { &mut self.reauthentications } else { &mut self.authentications }) += 1;
        Ok((bytes, demand.lifetime.map_or(0, |lifetime| lifetime.as_ms() as i64)))
    }
}

impl Session {
    fn go_on(&mut self, demand: &Demand, message: &[u8], nonce: &str) -> std::result::Result<Vec<u8>, String> {
        let mechanism = demand.mechanism;
        let wrong = || {
            format!(
                "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
            )
        };
        match (std::mem::replace(&mut self.step, Step::Refused), &demand.keys) {
            (Step::Begun, Some(keys)) => {
                let (scram, first) = Scram::begin(keys, &demand.username, message, nonce).ok_or_else(wrong)?;
                self.step = Step::Proving(scram);
                Ok(first)
            }
            (Step::Proving(scram), _) => {
                let ours = scram.finish(message).ok_or_else(wrong)?;
                self.step = Step::In;
                Ok(ours)
            }
            (Step::Explained(reason), _) => Err(reason),
            (Step::Begun, None) if mechanism == "PLAIN" => {
                if !is_plain(message, &demand.username, &demand.password) {
                    return Err("Authentication failed: Invalid username or password".into());
                }
                self.step = Step::In;
                Ok(Vec::new())
            }
            (Step::Begun, None) => {
                if bearer_token(message) == Some(&demand.password) {
                    self.step = Step::In;
                    return Ok(Vec::new());
                }
                let reason = "{\"status\":\"invalid_token\"}";
                self.step = Step::Explained(reason.into());
                Ok(reason.as_bytes().to_vec())
            }
            _ => Err("SaslAuthenticate out of turn".into()),
        }
    }
}

impl Cluster {
    /// From now on clients have to authenticate, with this user or, OAUTHBEARER, with the token in `password`; their sessions
    /// last `session_lifetime_ms`, 0 is for ever. Sessions that have begun stay as they are. `None`: nobody has to any more.
    pub fn set_sasl(
        &mut self,
        mechanism: Option<&str>,
        username: &str,
        password: &str,
        session_lifetime_ms: u64,
    ) -> Result<()> {
        let Some(wanted) = mechanism else {
            self.sasl.demand = None;
            return Ok(());
        };
        let Some(mechanism) = MECHANISMS.iter().copied().find(|known| *known == wanted) else {
            let text = format!("the mock cluster knows no SASL mechanism '{wanted}': {}", MECHANISMS.join(", "));
            return Err(Error::new(Status::INVALID_ARGUMENT, text));
        };
        let keys = match mechanism {
            "SCRAM-SHA-256" => Some(Keys::new(Hash::Sha256, password)),
            "SCRAM-SHA-512" => Some(Keys::new(Hash::Sha512, password)),
            _ => None,
        };
        self.sasl.demand = Some(Demand {
            mechanism,
            username: username.to_owned(),
            password: password.to_owned(),
            keys,
            lifetime: (session_lifetime_ms > 0).then(|| Micros::from_ms(session_lifetime_ms)),
        });
        Ok(())
    }

    /// How often a connection was authenticated for the first time.
    pub fn authentications(&self) -> u64 {
        self.sasl.authentications
    }

    /// How often a session was renewed.
    pub fn reauthentications(&self) -> u64 {
        self.sasl.reauthentications
    }

    /// How often a connection was closed because of a request that only who is authenticated may send.
    pub fn denied_requests(&self) -> u64 {
        self.sasl.denials
    }

    /// How often a connection was closed because a request came after the end of its session.
    pub fn expired_sessions(&self) -> u64 {
        self.sasl.expirations
    }
}

pub(super) fn handle_handshake(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let mechanism = request.body.string()?;
    request.body.end()?;
    let mut response = SaslHandshakeResponse::default();
    let offered = cluster.sasl.demand.as_ref().map(|demand| demand.mechanism);
    response.mechanisms = offered.map(StrBytes::from_static_str).into_iter().collect();
    let session = request.connection.map(|connection| cluster.sasl.session(connection));
    response.error_code = match (injected, offered, session) {
        (Some(error_code), ..) => error_code,
        (None, Some(offered), Some(session)) if offered == mechanism => {
            session.step = Step::Begun;
            code::NONE
        }
        (None, Some(_), Some(session)) => {
            session.step = Step::Refused;
            code::UNSUPPORTED_SASL_MECHANISM
        }
        _ => code::ILLEGAL_SASL_STATE,
    };
    request.encode(&response).map(Outcome::Respond)
}

pub(super) fn handle_authenticate(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let message = request.body.nullable_bytes()?.unwrap_or_default();
    request.body.tagged_fields()?;
    request.body.end()?;
    let mut response = SaslAuthenticateResponse::default();
    let refuse = |response: &mut SaslAuthenticateResponse, error_code: i16, words: &str| {
        response.error_code = error_code;
        response.error_message = Some(StrBytes::from_string(words.to_owned()));
    };
    match (injected, request.connection) {
        (Some(error_code), _) => refuse(&mut response, error_code, "as the test wants it"),
        (None, Some(connection)) if cluster.sasl.is_begun(connection) => {
            match cluster.sasl.answer(request.now, connection, message) {
                Ok((bytes, lifetime_ms)) => {
                    response.auth_bytes = Bytes::from(bytes);
                    if request.api_version >= 1 {
                        response.session_lifetime_ms = lifetime_ms;
                    }
                }
                Err(words) => refuse(&mut response, code::SASL_AUTHENTICATION_FAILED, &words),
            }
        }
        _ => refuse(&mut response, code::ILLEGAL_SASL_STATE, "SaslAuthenticate without SaslHandshake"),
    }
    request.encode(&response).map(Outcome::Respond)
}

impl Sasl {
    fn is_begun(&self, connection: u64) -> bool {
        let step = self.sessions.get(&connection).map(|session| &session.step);
        self.demand.is_some() && matches!(step, Some(Step::Begun | Step::Proving(_) | Step::Explained(_)))
    }
}
