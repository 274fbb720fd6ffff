//! Runs libkproducer against real Apache Kafka. `tests/kafka/run` builds what this crate needs and starts its tests.
//!
//! | module | what it does |
//! |---|---|
//! | [`cluster`] | starts, kills, stops and restarts brokers; moves leaders; creates topics |
//! | [`chaos`] | kills, stops and moves by a seeded schedule |
//! | [`driver`] | runs the C driver program, which sends records through the C interface and prints every report |
//! | [`bulk`] | runs `c/bulk.c`: millions of numbered records, and the judgement on them |
//! | [`transactions`] | runs `c/txn_load.c`: transactions by the hundred, and the judgement on them |
//! | [`shell`] | runs `c/txn_shell.c`: one call of the C interface at a time |
//! | [`security`] | certificates, an issuer of tokens, a Kerberos realm, and brokers with every listener that uses them |
//! | [`log`] | reads a topic back with librdkafka |
//! | [`tools`] | Kafka's console consumer, its transactions tool, the Java producer's partitioner |
//! | [`verify`] | compares what was sent, what was reported and what the log holds |
//!
//! This is a test harness: whatever goes wrong outside the thing under test is a panic with a sentence.

pub mod bulk;
pub mod chaos;
pub mod cluster;
pub mod dialogue;
pub mod driver;
pub mod env;
pub mod load;
pub mod log;
pub mod process;
pub mod record;
pub mod security;
pub mod shell;
pub mod tools;
pub mod transactions;
pub mod verify;
