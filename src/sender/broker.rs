//! One broker: where it is, its connection if there is one, and the partitions that have something to send to it.

use std::collections::VecDeque;

use super::connection::{Connection, Phase};
use crate::time::Time;

/// Entries of the bootstrap list are brokers with ids of their own: -1, -2, …
pub fn bootstrap_id(index: usize) -> i32 {
    -1 - index as i32
}

#[derive(Debug)]
pub struct Broker {
    pub id: i32,
    pub host: String,
    pub port: u16,
    pub connection: Option<Connection>,
    /// Partitions led by this broker that have something to send, first come first served. An entry counts only while the
    /// partition says that it stands here; leaders that moved leave stale ones behind.
    pub ready: VecDeque<u32>,
    /// Failed attempts since the last success: the exponent of the reconnect back-off.
    pub failures: u32,
    /// No attempt before this.
    pub retry_at: Time,
    /// Why the last connection failed or ended.
    pub last_error: Option<String>,
    /// When this broker's timer was last armed for: saves an entry per request.
    pub armed_at: Time,
}

impl Broker {
    pub fn new(id: i32, host: String, port: u16) -> Broker {
        Broker {
            id,
            host,
            port,
            connection: None,
            ready: VecDeque::new(),
            failures: 0,
            retry_at: Time::ZERO,
            last_error: None,
            armed_at: Time::NEVER,
        }
    }

    pub fn is_bootstrap(&self) -> bool {
        self.id < 0
    }

    pub fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.phase == Phase::Ready)
    }

    /// "broker 3 (host:9092)", or "bootstrap server host:9092".
    pub fn label(&self) -> String {
        if self.is_bootstrap() {
            format!("bootstrap server {}:{}", self.host, self.port)
        } else {
            format!("broker {} ({}:{})", self.id, self.host, self.port)
        }
    }
}
