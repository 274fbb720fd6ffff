//! The C interface, one file per noun of the header in the header's order, and nearly the crate's only `unsafe`: check,
//! convert, call, map. `boundary` keeps panics and errors inside, `call_out` calls the application, `gate` knows who is inside a producer, `handle` what a
//! program passes, `fork` tells a
//! child from its parent.

pub mod batch;
pub mod boundary;
pub mod bulk;
mod call_out;
pub mod cancel;
pub mod close_with;
pub mod config;
pub mod data_loss;
pub mod event_loop;
pub mod flush;
mod fork;
pub mod future;
mod gate;
mod handle;
pub mod health;
mod hooks;
pub mod interceptor;
pub mod metadata;
pub mod mock;
pub mod mock_limits;
pub mod mock_sasl;
pub mod mock_telemetry;
pub mod mock_tls;
pub mod mock_transaction;
pub mod oauth;
pub mod partitioner;
pub mod poll;
pub mod prepared;
pub mod producer;
pub mod record;
pub mod report;
pub mod sasl;
pub mod send;
pub mod serializer;
pub mod stats;
pub mod status;
pub mod telemetry;
pub mod tls;
pub mod topic;
pub mod transaction;
pub mod version;
