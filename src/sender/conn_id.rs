//! The number of a connection.

/// One connection attempt and the connection it became. Never reused, so a late event of an old connection is
/// recognised.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ConnId(pub u64);
