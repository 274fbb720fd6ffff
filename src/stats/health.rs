//! How the producer is, in one word and a sentence.

use std::ffi::CStr;
use std::sync::Arc;

use crate::sync::Mutex;
use crate::time::{Micros, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HealthState {
    /// New: no broker has answered yet, and none of the bootstrap servers has failed either.
    #[default]
    Connecting,
    Ok,
    /// Records cannot go where they have to: partitions without a leader, brokers that cannot be reached, do not answer or
    /// throttle, partitions that refuse for a while.
    Degraded,
    /// Every broker known failed when it was last connected to or asked.
    Unreachable,
    /// Brokers refuse the credentials.
    AuthenticationFailed,
    /// Nothing is accepted any more.
    Fatal,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: HealthState,
    /// When this state began.
    pub since: Time,
    /// How long ago that was, when this is handed out.
    pub age: Micros,
    pub partitions_leaderless: u64,
    pub partitions: u64,
    /// What is wrong, in words; empty when nothing is.
    pub text: Arc<CStr>,
    /// What keeps records waiting just now and has not lasted long enough to be a state; empty when nothing does.
    pub hint: Arc<CStr>,
}

impl Health {
    /// Why records may be waiting, as far as that is known; empty when it is not.
    pub fn why(&self) -> &CStr {
        if self.text.is_empty() { &self.hint } else { &self.text }
    }
}

/// The latest health: written by the I/O thread, read by any.
#[derive(Debug)]
pub struct HealthCell(Mutex<Health>);

impl Default for HealthCell {
    fn default() -> HealthCell {
        HealthCell(Mutex::new(Health {
            state: HealthState::Connecting,
            since: Time::ZERO,
            age: Micros::ZERO,
            partitions_leaderless: 0,
            partitions: 0,
            text: c"no broker has answered yet".into(),
            hint: c"".into(),
        }))
    }
}

impl HealthCell {
    pub fn load(&self) -> Health {
        self.0.lock().clone()
    }

    pub fn store(&self, health: Health) {
        *self.0.lock() = health;
    }
}
