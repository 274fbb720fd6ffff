//! One SASL exchange: which message goes to whom next. What the messages say is the login's to know.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::Status;
use crate::secret::SecretBytes;
use crate::security::login::{Asked, AttemptId, Login, Refusal, Reply};
use crate::text::line_of;
use crate::time::Time;
use crate::wire::sasl::{decode_sasl_authenticate, decode_sasl_handshake};

/// No mechanism needs more messages; a broker that never ends is left.
const ROUNDS_MAX: u32 = 16;
/// As much of a broker's words as is repeated.
const WORDS_BYTES_MAX: usize = 300;

/// What happens next on the connection.
#[derive(PartialEq, Eq, Debug)]
pub enum Next {
    /// The broker is asked for the mechanism.
    Handshake,
    /// This goes to the broker.
    Authenticate(Vec<u8>),
    /// The login has been asked; its reply says more.
    Login,
    /// The broker has let us in; it keeps the session for so long, zero is for ever.
    Done { lifetime_ms: u64 },
}

/// Who has to do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The login: its first message.
    Preparing,
    /// The broker: whether it takes the mechanism.
    Handshake,
    /// The login: what to answer.
    Thinking,
    /// The broker: its next message.
    Answering,
}

/// The login's side of it: told of the end however that comes about.
struct Attempt {
    login: Arc<dyn Login>,
    id: AttemptId,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.login.ask(self.id, Asked::End);
    }
}

pub struct Exchange {
    attempt: Attempt,
    step: Step,
    /// The login's first message, while the broker is asked for the mechanism.
    first: SecretBytes,
    rounds: u32,
    lifetime_ms: u64,
    /// The connection has been authenticated before.
    is_again: bool,
    /// Who the login says we are, where it knows.
    pub principal: Option<String>,
    /// When what is awaited must have come.
    pub until: Time,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({:?} {:?} until {:?})", self.attempt.id, self.step, self.until)
    }
}

impl Exchange {
    /// Asks the login for its first message to the broker of this host.
    pub fn begin(login: Arc<dyn Login>, id: AttemptId, host: &str, until: Time) -> Exchange {
        login.ask(id, Asked::Start { host: host.to_owned() });
        Exchange {
            attempt: Attempt { login, id },
            step: Step::Preparing,
            first: SecretBytes::default(),
            rounds: 0,
            lifetime_ms: 0,
            is_again: id.serial > 0,
            principal: None,
            until,
        }
    }

    pub fn id(&self) -> AttemptId {
        self.attempt.id
    }

    pub fn mechanism(&self) -> &'static str {
        self.attempt.login.mechanism()
    }

    /// Nothing of it has been written yet.
    pub fn is_preparing(&self) -> bool {
        self.step == Step::Preparing
    }

    /// The login has replied.
    pub fn replied(&mut self, reply: Reply) -> Result<Next, Refusal> {
        match (self.step, reply) {
            (_, Reply::Failed(refusal)) => Err(refusal),
            (Step::Preparing, Reply::Send(bytes)) => {
                self.first = SecretBytes::new(bytes);
                self.step = Step::Handshake;
                Ok(Next::Handshake)
            }
            (Step::Thinking, Reply::Send(bytes)) => {
                self.step = Step::Answering;
                Ok(Next::Authenticate(bytes))
            }
            (Step::Thinking, Reply::Done) => Ok(Next::Done { lifetime_ms: self.lifetime_ms }),
            (step, reply) => Err(Refusal {
                status: Status::INTERNAL,
                text: format!("internal error of the library: {reply:?} of the login while {step:?}"),
                is_permanent: false,
            }),
        }
    }

    /// The broker has answered SaslHandshake.
    pub fn handshake_answered(&mut self, body: &[u8]) -> Result<Next, Refusal> {
        let answer = decode_sasl_handshake(body).map_err(|error| unreadable("SaslHandshake", &error))?;
        let mechanism = self.mechanism();
        match i32::from(answer.error_code) {
            0 => {
                self.step = Step::Answering;
                Ok(Next::Authenticate(self.first.take()))
            }
            UNSUPPORTED_SASL_MECHANISM => {
                let offered = if answer.mechanisms.is_empty() {
                    "and does not say what it offers".into()
                } else {
                    // It may have been told a secret before: in an earlier exchange of this connection.
                    let offered = self.attempt.login.masked(self.attempt.id, &answer.mechanisms.join(", "));
                    format!("it offers {}", shortened(&offered))
                };
                let text = format!("it does not offer sasl.mechanism={mechanism}; {offered}");
                Err(refusal(Status::UNSUPPORTED_SASL_MECHANISM, text))
            }
            ILLEGAL_SASL_STATE if self.is_again => {
                let text =
                    "it does not renew the session now (ILLEGAL_SASL_STATE): Kafka renews one once a second at most";
                Err(Refusal { status: Status::ILLEGAL_SASL_STATE, text: text.into(), is_permanent: false })
            }
            ILLEGAL_SASL_STATE => {
                let text = "its listener does not authenticate by SASL (ILLEGAL_SASL_STATE): connect to a SASL listener's port, \
                            or set security.protocol=PLAINTEXT, or SSL where it speaks TLS";
                Err(refusal(Status::ILLEGAL_SASL_STATE, text.into()))
            }
            code => Err(other_code("SaslHandshake", code, None)),
        }
    }

    /// The broker has answered SaslAuthenticate.
    pub fn answered(&mut self, version: i16, body: &[u8]) -> Result<Next, Refusal> {
        let answer = decode_sasl_authenticate(version, body).map_err(|error| unreadable("SaslAuthenticate", &error))?;
        let login = &self.attempt.login;
        let words = answer.error_message.filter(|words| !words.is_empty());
        let words = words.map(|words| login.masked(self.attempt.id, &words));
        let words = words.as_deref();
        match i32::from(answer.error_code) {
            0 => {}
            SASL_AUTHENTICATION_FAILED => {
                self.attempt.login.ask(self.attempt.id, Asked::Refused);
                let (mechanism, words) = (self.mechanism(), shortened(words.unwrap_or("without a reason")));
                let text = format!(
                    "it refused the credentials ({mechanism}, SASL_AUTHENTICATION_FAILED): {words}; {}",
                    remedy(mechanism)
                );
                return Err(refusal(Status::SASL_AUTHENTICATION_FAILED, text));
            }
            code => return Err(other_code("SaslAuthenticate", code, words)),
        }
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            let text =
                format!("it goes on with {} after {ROUNDS_MAX} messages: is it a Kafka broker?", self.mechanism());
            return Err(Refusal { status: Status::UNSUPPORTED_BROKER, text, is_permanent: false });
        }
        if let Ok(lifetime_ms @ 1..) = u64::try_from(answer.session_lifetime_ms) {
            self.lifetime_ms = lifetime_ms;
        }
        self.step = Step::Thinking;
        self.attempt.login.ask(self.attempt.id, Asked::Challenge(answer.bytes));
        Ok(Next::Login)
    }

    /// What has not come when `until` has passed.
    pub fn overdue(&self) -> String {
        let mechanism = self.mechanism();
        match self.step {
            Step::Preparing => format!("no credentials for {mechanism} in time: what provides them has not answered"),
            Step::Thinking => {
                format!("the {mechanism} exchange was not continued in time: what provides its messages is slow")
            }
            Step::Handshake => "no answer to SaslHandshake in time".into(),
            Step::Answering => format!("no answer to SaslAuthenticate ({mechanism}) in time"),
        }
    }

    /// The same, of the login, as its own words for it would be.
    pub fn overdue_refusal(&self) -> Refusal {
        Refusal { status: Status::CREDENTIALS, text: self.overdue(), is_permanent: false }
    }

    /// Where it stood, when the connection ended of itself.
    pub fn place(&self) -> String {
        let mechanism = self.mechanism();
        match self.step {
            Step::Preparing | Step::Thinking => format!("while credentials for {mechanism} were prepared"),
            Step::Handshake => "while SaslHandshake was under way".into(),
            Step::Answering => format!(
                "while SaslAuthenticate ({mechanism}) was under way: some listeners refuse credentials in this way; {}",
                remedy(mechanism)
            ),
        }
    }
}

fn refusal(status: Status, text: String) -> Refusal {
    Refusal { status, text, is_permanent: true }
}

fn unreadable(request: &str, error: &dyn fmt::Display) -> Refusal {
    let text = format!("its {request} response cannot be read: {error}");
    Refusal { status: Status::UNSUPPORTED_BROKER, text, is_permanent: false }
}

fn other_code(request: &str, code: i32, words: Option<&str>) -> Refusal {
    let status = Status(code);
    let words = shortened(words.unwrap_or(status.text()));
    let text = format!("it refused {request} with {} ({code}): {words}", status.name());
    // Whatever it is, a broker that is asked again may have got over it.
    Refusal { status, text, is_permanent: code == ILLEGAL_SASL_STATE }
}

/// What to look at when a broker does not believe us.
fn remedy(mechanism: &str) -> &'static str {
    match mechanism {
        "OAUTHBEARER" => "check the token: its issuer, audience, scope, signing key and expiry",
        "GSSAPI" => "check the principal, sasl.kerberos.service.name and the clocks",
        "AWS_MSK_IAM" => "check the AWS credentials, their policy (kafka-cluster:Connect), the region and the clock",
        _ => "check sasl.username and sasl.password",
    }
}

/// A peer's words, as much of them as a sentence bears.
fn shortened(words: &str) -> Cow<'_, str> {
    line_of(words, WORDS_BYTES_MAX)
}

const UNSUPPORTED_SASL_MECHANISM: i32 = 33;
const ILLEGAL_SASL_STATE: i32 = 34;
const SASL_AUTHENTICATION_FAILED: i32 = 58;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Mutex;

    /// A login that notes what it is asked.
    #[derive(Default)]
    struct Noting(Mutex<Vec<Asked>>);

    impl Login for Noting {
        fn mechanism(&self) -> &'static str {
            "SCRAM-SHA-256"
        }

        fn ask(&self, _attempt: AttemptId, asked: Asked) {
            self.0.lock().push(asked);
        }

        fn masked(&self, _attempt: AttemptId, words: &str) -> String {
            words.replace("s3cret", "***")
        }
    }

    fn begun() -> (Arc<Noting>, Exchange) {
        let login = Arc::new(Noting::default());
        let exchange = Exchange::begin(login.clone(), AttemptId { conn: 1, serial: 0 }, "b1", Time(9));
        (login, exchange)
    }

    /// An exchange whose broker has taken the mechanism.
    fn shaken() -> (Arc<Noting>, Exchange) {
        let (login, mut exchange) = begun();
        assert_eq!(exchange.replied(Reply::Send(b"first".to_vec())), Ok(Next::Handshake));
        assert_eq!(exchange.handshake_answered(&handshake(0, &[])), Ok(Next::Authenticate(b"first".to_vec())));
        (login, exchange)
    }

    fn handshake(code: i16, mechanisms: &[&str]) -> Vec<u8> {
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(&(mechanisms.len() as i32).to_be_bytes());
        for name in mechanisms {
            body.extend_from_slice(&(name.len() as i16).to_be_bytes());
            body.extend_from_slice(name.as_bytes());
        }
        body
    }

    fn authenticate(code: i16, words: &str, bytes: &[u8], lifetime_ms: i64) -> Vec<u8> {
        let mut body = code.to_be_bytes().to_vec();
        body.extend_from_slice(&(words.len() as i16).to_be_bytes());
        body.extend_from_slice(words.as_bytes());
        body.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(&lifetime_ms.to_be_bytes());
        body
    }

    #[test]
    fn what_the_broker_says_is_told_without_the_logins_secrets() {
        for code in [58, 35] {
            let (_login, mut exchange) = shaken();
            let refused = exchange.answered(1, &authenticate(code, "s3cret is wrong", b"", 0)).unwrap_err();
            assert!(refused.text.contains("*** is wrong") && !refused.text.contains("s3cret"), "{refused:?}");
        }
    }

    #[test]
    fn messages_go_back_and_forth_until_the_login_is_content_and_it_is_told_of_the_end() {
        let (login, mut exchange) = shaken();
        assert_eq!(exchange.answered(1, &authenticate(0, "", b"challenge", 0)), Ok(Next::Login));
        assert_eq!(exchange.replied(Reply::Send(b"proof".to_vec())), Ok(Next::Authenticate(b"proof".to_vec())));
        assert_eq!(exchange.answered(1, &authenticate(0, "", b"", 60_000)), Ok(Next::Login));
        assert_eq!(exchange.replied(Reply::Done), Ok(Next::Done { lifetime_ms: 60_000 }));
        drop(exchange);
        let asked = std::mem::take(&mut *login.0.lock());
        let host = "b1".to_owned();
        let challenges = [Asked::Challenge(b"challenge".to_vec()), Asked::Challenge(Vec::new())];
        assert_eq!(asked[..], [&[Asked::Start { host }], &challenges[..], &[Asked::End]].concat());
    }

    #[test]
    fn a_lifetime_that_is_none_is_for_ever() {
        for lifetime_ms in [0, -1, i64::MIN] {
            let (_, mut exchange) = shaken();
            assert_eq!(exchange.answered(1, &authenticate(0, "", b"", lifetime_ms)), Ok(Next::Login));
            assert_eq!(exchange.replied(Reply::Done), Ok(Next::Done { lifetime_ms: 0 }));
        }
    }

    #[test]
    fn refusals_name_what_the_broker_said_and_the_remedy() {
        let (_, mut exchange) = begun();
        assert_eq!(exchange.replied(Reply::Send(Vec::new())), Ok(Next::Handshake));
        let refused = exchange.handshake_answered(&handshake(33, &["PLAIN", "GSSAPI"])).expect_err("refused");
        assert!(refused.is_permanent && refused.status == Status::UNSUPPORTED_SASL_MECHANISM);
        assert_eq!(refused.text, "it does not offer sasl.mechanism=SCRAM-SHA-256; it offers PLAIN, GSSAPI");
        let refused = exchange.handshake_answered(&handshake(34, &[])).expect_err("refused");
        assert!(refused.is_permanent && refused.text.contains("security.protocol=PLAINTEXT"), "{}", refused.text);

        let (_, mut exchange) = shaken();
        let refused = exchange.answered(1, &authenticate(58, "wrong\nuser", b"", 0)).expect_err("refused");
        assert!(refused.is_permanent && refused.status == Status::SASL_AUTHENTICATION_FAILED);
        assert!(refused.text.contains("wrong user; check sasl.username"), "{}", refused.text);
        let refused = exchange.answered(1, &authenticate(7, "", b"", 0)).expect_err("refused");
        assert!(!refused.is_permanent && refused.text.contains("REQUEST_TIMED_OUT (7)"), "{}", refused.text);
        let long = exchange.answered(1, &authenticate(58, &"x".repeat(5_000), b"", 0)).expect_err("refused");
        assert!(long.text.len() < 600);
    }

    #[test]
    fn a_broker_that_never_ends_or_cannot_be_read_is_left() {
        let (_, mut exchange) = shaken();
        for _ in 0..ROUNDS_MAX {
            assert_eq!(exchange.answered(1, &authenticate(0, "", b"more", 0)), Ok(Next::Login));
            assert_eq!(exchange.replied(Reply::Send(Vec::new())), Ok(Next::Authenticate(Vec::new())));
        }
        assert!(exchange.answered(1, &authenticate(0, "", b"more", 0)).is_err());
        let (_, mut exchange) = shaken();
        let refused = exchange.answered(1, &[0, 0, 0]).expect_err("cut off");
        assert!(!refused.is_permanent && refused.text.contains("cannot be read"));
    }

    #[test]
    fn a_reply_out_of_turn_ends_the_exchange() {
        let (_, mut exchange) = begun();
        assert!(exchange.replied(Reply::Done).is_err());
        let (_, mut exchange) = shaken();
        assert!(
            exchange.replied(Reply::Send(b"secret".to_vec())).is_err_and(|refusal| !refusal.text.contains("secret"))
        );
    }
}
