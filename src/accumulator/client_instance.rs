//! The id under which brokers know this client's telemetry (KIP-714): given by a broker, read by application threads.

use std::sync::OnceLock;

use crate::error::Error;
use crate::reports::Completion;
use crate::sync::Mutex;

#[derive(Debug, Default)]
pub struct ClientInstance {
    id: OnceLock<[u8; 16]>,
    /// Why there is none yet, in words; empty: nobody offers one.
    waits_for: Mutex<&'static str>,
    refused: OnceLock<Error>,
    /// Reached when the id is there, or will never be.
    pub settled: Completion,
}

impl ClientInstance {
    /// A client keeps the first one.
    pub fn set(&self, id: [u8; 16]) {
        let _ = self.id.set(id);
    }

    /// There will be none; the first reason is kept.
    pub fn refuse(&self, why: Error) {
        let _ = self.refused.set(why);
    }

    pub fn note(&self, waits_for: &'static str) {
        *self.waits_for.lock() = waits_for;
    }

    pub fn id(&self) -> Option<[u8; 16]> {
        self.id.get().copied()
    }

    /// What `id` waits for.
    pub fn waits_for(&self) -> &'static str {
        match *self.waits_for.lock() {
            "" => "no connected broker offers client telemetry",
            words => words,
        }
    }

    pub fn refused(&self) -> Option<&Error> {
        self.refused.get()
    }
}
