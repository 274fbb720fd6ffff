//! Who wrote a batch, to a broker: a producer id and its epoch.

/// A producer id with its epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub id: i64,
    pub epoch: i16,
}

/// The last epoch of a producer id. Brokers refuse the one after it as old; with it, a new id is asked for.
pub const EPOCH_MAX: i16 = 32_766;
