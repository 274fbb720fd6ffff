//! Which partition a record goes to: by its key as Java does, or sticky by bytes when it has none.

mod murmur2;
mod sticky;

pub use murmur2::{murmur2, partition_for_key, to_positive};
pub use sticky::Sticky;
