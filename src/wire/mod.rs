//! Bytes only, no state: Kafka's protocol as this library speaks it. Everything read is checked against the bytes that are
//! there, never against what they claim; nothing in here panics on what a broker sends.

pub mod api;
pub mod coordinator;
pub mod header;
pub mod otlp;
pub mod primitives;
pub mod produce;
pub mod record_batch;
pub mod sasl;
pub mod telemetry;
#[cfg(test)]
mod theirs;
pub mod transactions;
