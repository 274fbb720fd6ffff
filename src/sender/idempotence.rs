//! The producer id and epoch that batches carry, and where they come from.

use super::Sender;
use crate::config::Config;
use crate::time::Time;

/// Who wrote a batch, to a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub id: i64,
    pub epoch: i16,
}

pub struct Idempotence {}

impl Idempotence {
    pub fn new(_config: &Config) -> Idempotence {
        Idempotence {}
    }
}

impl Sender {
    /// A new identity is current: each partition takes it on when nothing of it is undecided.
    pub(super) fn adopt_identity(&mut self, _now: Time, _identity: Identity) {}

    /// The current identity.
    pub(super) fn identity(&self) -> Option<Identity> {
        None
    }

    /// Asks for a producer id when one is needed and nobody has been asked.
    pub(super) fn drive_producer_id(&mut self, _now: Time) {}

    pub(super) fn handle_producer_id(
        &mut self,
        _now: Time,
        _id: i32,
        _version: i16,
        _body: &[u8],
    ) -> Result<(), String> {
        Ok(())
    }

    pub(super) fn producer_id_lost(&mut self, _now: Time) {}
}
