//! Transactions: the five calls of an application thread.

use super::Producer;
use crate::error::{Error, Result, Status};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::reports::Item;

impl Producer {
    pub fn init_transactions(&self, _timeout_ms: i32, _hand: impl FnMut(Item<'_>)) -> Result<()> {
        self.refused("producer_init_transactions")
    }

    pub fn begin_transaction(&self) -> Result<()> {
        self.refused("producer_begin_transaction")
    }

    pub fn send_offsets_to_transaction(
        &self,
        _offsets: Vec<TopicOffset>,
        _group: GroupMetadata,
        _timeout_ms: i32,
        _hand: impl FnMut(Item<'_>),
    ) -> Result<()> {
        self.refused("producer_send_offsets_to_transaction")
    }

    pub fn commit_transaction(&self, _timeout_ms: i32, _hand: impl FnMut(Item<'_>)) -> Result<()> {
        self.refused("producer_commit_transaction")
    }

    pub fn abort_transaction(&self, _timeout_ms: i32, _hand: impl FnMut(Item<'_>)) -> Result<()> {
        self.refused("producer_abort_transaction")
    }

    // Holds the place until the transaction engine has its own in it.
    fn refused(&self, call: &str) -> Result<()> {
        let text = format!("{call} needs transactional.id; set it in the producer's configuration");
        Err(Error::new(Status::NOT_TRANSACTIONAL, text))
    }
}
