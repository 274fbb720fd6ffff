//! libkproducer: an Apache Kafka producer with a C interface.

pub mod accumulator;
pub mod capi;
pub mod config;
pub mod error;
pub mod io;
pub mod mock;
pub mod partitioner;
pub mod producer;
pub mod record;
pub mod reports;
pub mod sender;
#[cfg(test)]
mod sim;
pub mod time;
pub mod wire;
