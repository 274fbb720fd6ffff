//! Runs libkproducer against real Apache Kafka. `tests/kafka/run` builds what this crate needs and starts its tests.
//!
//! | module | what it does |
//! |---|---|
//! | [`cluster`] | starts, kills, stops and restarts brokers; moves leaders; creates topics |
//! | [`driver`] | runs the C driver program, which sends records through the C interface and prints every report |
//! | [`log`] | reads a topic back with librdkafka |
//! | [`tools`] | Kafka's console consumer and the Java producer's partitioner |
//! | [`verify`] | compares what was sent, what was reported and what the log holds |
//!
//! This is a test harness: whatever goes wrong outside the thing under test is a panic with a sentence.

pub mod cluster;
pub mod driver;
pub mod env;
pub mod load;
pub mod log;
pub mod process;
pub mod record;
pub mod tools;
pub mod verify;
