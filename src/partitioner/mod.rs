//! Which partition a record goes to: hashes of keys as Java and librdkafka have them, and the choices for records whose key
//! does not decide. Pure: time and what is known of the cluster are arguments.

mod hashes;
mod murmur2;
mod random;
mod rotation;
mod stalls;
mod sticky;
mod strategy;
mod table;

pub use hashes::{crc32, fnv1a};
pub use murmur2::{murmur2, partition_for_key, to_positive};
pub use random::SharedRandom;
pub use rotation::Rotation;
pub use stalls::{Stall, Stalls};
pub use sticky::Sticky;
pub use strategy::{Keyless, Strategy};
pub use table::{Cached, Candidate, Table, valid_for};
