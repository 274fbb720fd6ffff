//! Two-phase commit (KIP-939): a transaction whose records are all delivered is left open until the application has
//! decided, together with another system, how it ends. The end may be asked for by another producer: one that was
//! initialized so that the coordinator keeps the transaction, or, where the coordinator cannot (Kafka 4.3), one that
//! asks for the commit under the identity of the producer that prepared it, before it is initialized itself.

use crate::prepared::PreparedTransaction;

/// Whether the commit under way is of a transaction of an earlier producer, under that one's identity.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Resumed {
    #[default]
    No,
    /// Which protocol the cluster speaks is seen when a coordinator can be asked.
    Unasked,
    Asked,
}

/// What two-phase commit adds to a transaction.
#[derive(Default)]
pub struct TwoPhase {
    /// The coordinator is being asked to keep an open transaction.
    pub keeps: bool,
    /// Which transaction is prepared, once that is so and as long as somebody knows its name.
    pub(super) prepared: Option<PreparedTransaction>,
    pub resumed: Resumed,
}
