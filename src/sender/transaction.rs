//! Transactions: what the rest of the sender asks of them.

mod state;

use std::sync::Arc;

use super::Sender;
use crate::accumulator::{CallReply, TransactionCall};
use crate::config::Config;
use crate::error::Status;
use crate::time::Time;
use crate::wire::header::Api;

/// A request to a coordinator that was written and waits for its answer.
#[derive(Debug)]
pub enum CoordinatorRequest {}

impl CoordinatorRequest {
    pub fn api(&self) -> Api {
        match *self {}
    }
}

pub struct Transaction {}

impl Transaction {
    pub fn new(_config: &Config) -> Transaction {
        Transaction {}
    }
}

impl Sender {
    /// Whether a batch of this partition may go to a broker now. When not, whatever allows it later puts the partition in
    /// line again with `mark_ready`.
    pub(super) fn transaction_lets(&mut self, _now: Time, _dense: u32) -> bool {
        true
    }

    /// The version of a produce request to a broker that offers `offered`.
    pub(super) fn transaction_produce_version(&self, offered: i16) -> i16 {
        offered
    }

    /// A record of the open transaction failed: it cannot be committed any more.
    pub(super) fn transaction_record_failed(&mut self, _now: Time, _status: Status, _cause: &str) {}

    /// A batch that had taken a sequence ended without being acknowledged: the next transaction needs a new epoch.
    pub(super) fn transaction_needs_bump(&mut self) {}

    /// An attempt to produce ended without an answer.
    pub(super) fn transaction_attempt_in_doubt(&mut self) {}

    pub(super) fn handle_transaction_call(&mut self, _now: Time, _call: TransactionCall, _reply: Arc<CallReply>) {}

    /// Whatever the state of the transaction wants to happen next.
    pub(super) fn drive_transaction(&mut self, _now: Time) {}

    pub(super) fn handle_coordinator_answer(
        &mut self,
        _now: Time,
        _broker: i32,
        request: CoordinatorRequest,
        _version: i16,
        _body: &[u8],
    ) -> Result<(), String> {
        match request {}
    }

    /// A request to a coordinator whose answer will not come. `written`: the socket took the whole of it.
    pub(super) fn coordinator_request_lost(
        &mut self,
        _now: Time,
        _broker: i32,
        request: CoordinatorRequest,
        _written: bool,
        _reason: &str,
    ) {
        match request {}
    }
}
