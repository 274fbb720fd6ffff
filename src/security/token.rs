//! A bearer token and where one comes from.

use crate::secret::Secret;
use crate::security::login::Refusal;

/// A token of OAUTHBEARER with what is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// As it is sent to the broker.
    pub value: Secret,
    /// Until when it is good, milliseconds since 1970; `i64::MAX` when nobody knows.
    pub expires_at_ms: i64,
    /// Whom it stands for; for messages only, may be empty.
    pub principal: String,
    /// SASL extensions (KIP-342), names and values.
    pub extensions: Vec<(String, String)>,
}

/// Gets tokens. Called on the thread "kp-login" only, so it may block, within the bounds that it is configured with.
pub trait TokenGetter: Send {
    /// A new token. `now_ms` is the wall clock's time in milliseconds since 1970. Who calls decides when and how often
    /// to try again.
    fn get(&mut self, now_ms: i64) -> Result<Token, Refusal>;
}
