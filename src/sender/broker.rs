//! One broker: where it is, its connection if there is one, and the partitions that have something to send to it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::connection::{Connection, Phase};
use super::greeting::Greeting;
use super::partition::PartitionState;
use super::rate_limit::RateLimit;
use super::request_limit::RequestLimit;
use crate::error::Status;
use crate::stats::BrokerNumbers;
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
    pub rack: Option<String>,
    pub numbers: Arc<BrokerNumbers>,
    /// It has been connected to before.
    pub was_connected: bool,
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
    /// When it last failed.
    pub failed_at: Time,
    /// The last attempt to connect took all the time that it had.
    pub timed_out: bool,
    /// It ended because the broker, or we, refuse the other.
    pub refused: Option<Refused>,
    /// When this broker's timer was last armed for: saves an entry per request.
    pub armed_at: Time,
    /// Which version of ApiVersions it is asked with.
    pub greeting: Greeting,
    /// How large a request it takes.
    pub request_limit: RequestLimit,
    /// For every warning about it.
    pub log_limit: RateLimit,
    /// What the log last said of it.
    announced: Option<bool>,
}

/// What a broker that does not let us in says to that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    pub status: Status,
    /// It does not pass by itself.
    pub is_permanent: bool,
    pub at: Time,
}

/// One failure may be a broker that is being restarted.
const DEAD_AFTER_FAILURES: u32 = 2;

impl Broker {
    pub fn new(id: i32, host: String, port: u16, numbers: Arc<BrokerNumbers>) -> Broker {
        Broker {
            id,
            host,
            port,
            rack: None,
            numbers,
            was_connected: false,
            connection: None,
            ready: VecDeque::new(),
            failures: 0,
            retry_at: Time::ZERO,
            last_error: None,
            failed_at: Time::ZERO,
            timed_out: false,
            refused: None,
            armed_at: Time::NEVER,
            greeting: Greeting::default(),
            request_limit: RequestLimit::default(),
            log_limit: RateLimit::default(),
            announced: None,
        }
    }

    /// Whether a change of state is worth a line, and what to append to it.
    pub fn announce(&mut self, now: Time, is_up: bool) -> Option<String> {
        if self.announced == Some(is_up) {
            return None;
        }
        self.announced = Some(is_up);
        self.log_limit.allow(now)
    }

    pub fn is_bootstrap(&self) -> bool {
        self.id < 0
    }

    pub fn is_ready(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.phase == Phase::Ready)
    }

    /// Whether it is no use to wait until this one lets us in: it has failed again, or taken all its time to.
    pub fn is_dead(&self) -> bool {
        self.refused.is_none() && (self.failures >= DEAD_AFTER_FAILURES || self.failures > 0 && self.timed_out)
    }

    /// The last attempt has shown that it speaks none of our versions.
    pub fn is_unsupported(&self) -> bool {
        self.refused.is_some_and(|refused| refused.status == Status::UNSUPPORTED_BROKER)
    }

    /// Whether requests may be written to it now.
    pub fn takes_requests(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::takes_requests)
    }

    /// Whether anything waits to be sent here. What has been sent, purged or has expired meanwhile loses its place: a broker
    /// that nothing waits for is not connected to.
    pub fn has_work(&mut self, partitions: &mut [PartitionState]) -> bool {
        let id = self.id;
        self.ready.retain(|dense| {
            let state = &mut partitions[*dense as usize];
            let is_here = state.queued_on == Some(id);
            if is_here && !state.has_any() {
                state.queued_on = None;
                return false;
            }
            is_here
        });
        !self.ready.is_empty()
    }

    /// When the cluster is to be asked next who leads what waits for this broker.
    pub fn ask_at(&mut self) -> Time {
        let has_work = !self.ready.is_empty();
        self.connection.as_mut().map_or(Time::NEVER, |connection| connection.ask_at(has_work))
    }

    /// Its label, and why its last connection failed or ended.
    pub fn trouble(&self) -> String {
        format!("{}: {}", self.label(), self.last_error.as_deref().unwrap_or("not connected"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_flaps_does_not_flood_the_log() {
        let mut broker = Broker::new(1, "h".into(), 1, Arc::default());
        assert_eq!(broker.announce(Time::ZERO, true).as_deref(), Some(""));
        assert_eq!(broker.announce(Time::ZERO, true), None, "nothing changed");
        let logged = (0..100).filter(|i| broker.announce(Time(*i), i % 2 == 1).is_some()).count();
        assert!((1..10).contains(&logged), "{logged}");
        let later = broker.announce(Time::from_ms(60_000), false);
        assert!(later.is_some_and(|words| words.contains("not logged")));
    }
}
