//! Every status the library can answer: Kafka's own codes under Kafka's numbers, ours from -100 down.

use std::fmt;

/// A status number as it crosses the C boundary. 0 is OK, positive (and -1) are Kafka's, from -100 down are ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(pub i32);

impl Status {
    pub const OK: Status = Status(0);
    pub const UNKNOWN_SERVER_ERROR: Status = Status(-1);

    /// A bug of the library or a caught panic.
    pub const INTERNAL: Status = Status(-100);
    pub const INVALID_ARGUMENT: Status = Status(-101);
    /// The call's own timeout passed.
    pub const TIMED_OUT: Status = Status(-102);
    /// `buffer.memory` stayed full for `max.block.ms`.
    pub const QUEUE_FULL: Status = Status(-103);
    /// Too many finished reports wait for poll.
    pub const REPORTS_NOT_TAKEN: Status = Status(-104);
    pub const CLOSED: Status = Status(-105);
    pub const PURGED: Status = Status(-106);
    pub const IN_CALLBACK: Status = Status(-107);
    pub const FORKED: Status = Status(-108);
    pub const FENCED: Status = Status(-109);
    pub const UNKNOWN_PROPERTY: Status = Status(-110);
    pub const INVALID_PROPERTY: Status = Status(-111);
    /// Properties that contradict each other; found in `producer_new`.
    pub const CONFIG_CONFLICT: Status = Status(-112);
    /// A known property that this version does not implement.
    pub const PROPERTY_NOT_SUPPORTED: Status = Status(-113);
    /// One record is larger than `max.request.size`.
    pub const RECORD_TOO_LARGE: Status = Status(-114);
    pub const UNKNOWN_PARTITION: Status = Status(-115);
    /// `delivery.timeout.ms` or the record's own deadline passed.
    pub const DELIVERY_TIMED_OUT: Status = Status(-116);
    /// The connection broke and no retry was allowed.
    pub const DISCONNECTED: Status = Status(-117);
    /// The broker's versions do not reach what we need.
    pub const UNSUPPORTED_BROKER: Status = Status(-118);
    pub const NOT_FOUND: Status = Status(-119);
    /// A file could not be read.
    pub const IO: Status = Status(-120);
    /// The operating system refused a thread, a socket or memory.
    pub const NO_RESOURCES: Status = Status(-121);

    pub const fn code(self) -> i32 {
        self.0
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({})", self.0)
    }
}

/// A status with the sentence that names the property, topic or broker concerned and the remedy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    pub status: Status,
    pub message: String,
}

impl Error {
    pub fn new(status: Status, message: impl Into<String>) -> Error {
        Error { status, message: message.into() }
    }
}

pub type Result<T> = std::result::Result<T, Error>;
