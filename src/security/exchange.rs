//! A SASL mechanism as a conversation without I/O of its own: bytes in, bytes out.

use crate::secret::Secret;
use crate::security::login::Refusal;

/// One authentication of one connection. Lives on the thread "kp-login" and may block there.
pub trait Exchange: Send {
    /// The client's first message.
    fn start(&mut self) -> Result<Vec<u8>, Refusal>;
    /// What to do about the broker's answer to the last message.
    fn step(&mut self, challenge: &[u8]) -> Result<Step, Refusal>;
    /// What the broker has been told in confidence so far, to be kept out of what it says.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
    /// As whom it speaks, where that is known.
    fn principal(&self) -> Option<String> {
        None
    }
}

/// What an [`Exchange`] wants next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// These bytes go to the broker.
    Send(Vec<u8>),
    /// The broker has said and proved all that it has to.
    Done,
}

/// Makes the exchanges of one producer's mechanism.
pub trait Mechanism: Send {
    /// As SaslHandshake names it.
    fn name(&self) -> &'static str;
    /// An exchange with the broker of this host. `now_ms` is the wall clock's time in milliseconds since 1970.
    fn exchange(&mut self, host: &str, now_ms: i64) -> Box<dyn Exchange>;
}
