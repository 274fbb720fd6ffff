//! How the producer is and what it has counted, gathered for whoever asks.

use std::sync::Weak;

use super::Producer;
use crate::accumulator::Accumulator;
use crate::io::Clock;
use crate::reports::NewsSource;
use crate::stats::{Health, HealthState};
use crate::time::{Micros, Time};

impl Producer {
    /// How the producer is, by what is known now.
    pub fn health(&self) -> Health {
        let mut health = self.accumulator.health.load();
        if health.state != HealthState::Fatal
            && let Some(fatal) = self.accumulator.fatal()
        {
            // Whoever is refused for good may ask why before the I/O thread has told.
            health.state = HealthState::Fatal;
            health.since = self.clock.now();
            health.text = std::ffi::CString::new(fatal.message.replace('\0', "")).unwrap_or_default().into();
        }
        health.age = self.clock.now().since(health.since);
        health
    }
}

/// What the report queue asks when it hands out news: it must not keep the producer alive.
pub(super) struct News {
    pub accumulator: Weak<Accumulator>,
    pub clock: Clock,
}

impl NewsSource for News {
    fn stats_json(&self) -> Option<String> {
        let _accumulator = self.accumulator.upgrade()?;
        None
    }

    fn age(&self, since: Time) -> Micros {
        self.clock.now().since(since)
    }
}
