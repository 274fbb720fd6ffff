//! libkproducer: an Apache Kafka producer with a C interface.
//!
//! ```text
//!  application threads                                  │ crossing     │ one I/O thread
//!  producer_send ─▶ partitioner ─▶ open batch           │ ═ Inbox ═▶   │ sender core ─▶ frames ─▶ socket
//!  flush, purge, close                                  │ ═ Command ═▶ │ sender core
//!  producer_poll ◀─ reports                             │ ◀═ Report ═  │ verdict ◀─ response ◀─ bytes ◀─ socket
//!  Record (borrowed) → OpenBatch → Batch (sealed) → produce request → response → Verdict → FinishedBatch → report
//! ```
//!
//! | room | what | which thread |
//! |---|---|---|
//! | [`capi`] | the C functions: check, convert, call, map | the caller's |
//! | [`producer`] | send, poll, flush, purge, close | the caller's |
//! | [`io`] | sockets, DNS, the loop | "kp-io" |
//! | [`sender`] | every decision, without I/O or clock | "kp-io" |
//! | [`accumulator`] | open and sealed batches, `buffer.memory` | shared |
//! | [`reports`] | finished batches, log lines | shared |
//! | [`stats`] | counters, histograms, health; JSON and Prometheus text | written by "kp-io", read by any |
//! | [`security`] | TLS, SASL, tokens | "kp-login", "kp-io" |
//! | [`partitioner`], [`codec`], [`wire`], [`config`], [`record`], [`offsets`], [`prepared`], [`error`], [`sync`], [`text`], [`threads`], [`time`] | plain data and pure functions | any |
//! | [`mock`] | the mock cluster | "kp-mock" |
//!
//! Where is … a record encoded? [`wire::record_batch`], called by `accumulator/batch.rs`. A retry decided?
//! [`sender::verdict`], only there. A partition chosen? [`partitioner`]. A C function defined? `capi/<noun>.rs`, in the
//! header's order. Why is it like this? `docs/DESIGN.md`.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod accumulator;
pub mod capi;
pub mod codec;
pub mod config;
pub mod error;
// The clock is read here and in `producer`, nowhere else.
#[allow(clippy::disallowed_methods)]
pub mod io;
pub mod mock;
pub mod offsets;
pub mod partitioner;
pub mod prepared;
#[allow(clippy::disallowed_methods)]
pub mod producer;
pub mod record;
pub mod reports;
pub mod secret;
pub mod security;
pub mod sender;
#[cfg(test)]
mod sim;
pub mod stats;
#[allow(clippy::disallowed_methods)]
pub mod sync;
pub mod text;
pub mod threads;
pub mod time;
pub mod wire;
