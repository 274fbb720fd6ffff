//! SASL on a connection: the handshake, the exchange that a `Login` speaks, and its repetition (KIP-368).

use std::sync::Arc;

use super::Sender;
use crate::security::login::{AttemptId, Login, Reply};
use crate::time::Time;

impl Sender {
    /// From now on connections are authenticated by this one. Called before the first action is taken.
    pub fn set_login(&mut self, login: Arc<dyn Login>) {
        self.login = Some(login);
    }

    /// What the login answers; to an attempt that has ended meanwhile it means nothing.
    pub(super) fn handle_login(&mut self, _now: Time, _attempt: AttemptId, _reply: Reply) {}
}
