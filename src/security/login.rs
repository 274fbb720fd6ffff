//! The seam between the sender, which carries SASL's bytes, and those who know what they say.

use std::fmt;

use crate::error::Status;

/// One exchange: a connection's first, or one of its re-authentications (KIP-368). Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AttemptId {
    /// The connection's number.
    pub conn: u64,
    /// 0 for the connection's first.
    pub serial: u32,
}

/// What the sender asks of a [`Login`].
#[derive(Clone, PartialEq, Eq)]
pub enum Asked {
    /// The client's first message to the broker of this host.
    Start { host: String },
    /// What to answer to these bytes of the broker. Empty ones are an answer, too: PLAIN's broker agrees so.
    Challenge(Vec<u8>),
    /// The broker does not believe the attempt's credentials (SASL_AUTHENTICATION_FAILED); `End` follows.
    Refused,
    /// The attempt is over: nothing more is asked, and no reply is wanted.
    End,
}

/// What a [`Login`] answers; one reply for each `Start` and `Challenge`.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// Send these bytes in a SaslAuthenticate request.
    Send(Vec<u8>),
    /// The broker has proved what the mechanism wants proved: the exchange is over.
    Done,
    Failed(Refusal),
}

/// Without the bytes: they are credentials, or as good as.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Start { host } => write!(f, "Start({host})"),
            Asked::Challenge(bytes) => write!(f, "Challenge({} bytes)", bytes.len()),
            Asked::Refused => f.write_str("Refused"),
            Asked::End => f.write_str("End"),
        }
    }
}

/// Without the bytes: they are credentials, or as good as.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Send(bytes) => write!(f, "Send({} bytes)", bytes.len()),
            Reply::Done => f.write_str("Done"),
            Reply::Failed(refusal) => write!(f, "Failed({refusal:?})"),
        }
    }
}

/// Why authentication did not come about on our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub status: Status,
    /// One sentence that names what is wrong and the remedy; without secrets.
    pub text: String,
    /// It will not pass by itself (no credentials, a library that is missing): what waits for brokers may fail at once.
    pub is_permanent: bool,
}

/// Somebody who speaks a SASL mechanism. Replies come through the function that was given at its making, from any thread, also
/// before `ask` returns; replies to attempts that ended are dropped by the sender.
pub trait Login: Send + Sync {
    /// The mechanism as SaslHandshake names it.
    fn mechanism(&self) -> &'static str;
    fn ask(&self, attempt: AttemptId, asked: Asked);

    /// As whom the first message of this attempt, which has been answered, speaks; `None` where nobody knows. Brokers let a
    /// session that is renewed not become somebody else.
    fn principal(&self, _attempt: AttemptId) -> Option<String> {
        None
    }

    /// What the broker says about this attempt, without the secrets that it was told.
    fn masked(&self, _attempt: AttemptId, words: &str) -> String {
        words.to_owned()
    }
}
