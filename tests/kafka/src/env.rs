//! What `tests/kafka/run` prepared, handed over in environment variables.

use std::path::PathBuf;

use crate::cluster::Release;

/// The directory with the compiled driver, the Java classes and the class paths.
pub const BUILD_DIRECTORY: &str = "KPRODUCER_KAFKA_TESTS_BUILD";
/// Set when librdkafka stands in for libkproducer.
pub const PEER: &str = "KPRODUCER_KAFKA_TESTS_PEER";

/// The directory for the brokers' data.
pub const WORK_DIRECTORY: &str = "KPRODUCER_KAFKA_TESTS_WORK";

/// A number that decides the schedule of faults.
pub const SEED: &str = "KPRODUCER_KAFKA_TESTS_SEED";

/// A compiled C program: linked with libkproducer, or with the stand-in that `tests/kafka/run --peer` chooses.
pub fn program(name: &str) -> PathBuf {
    if is_peer() { peer_program(name) } else { build_directory().join(name) }
}

/// The same linked with librdkafka behind libkproducer's interface, `c/peer.c`.
pub fn peer_program(name: &str) -> PathBuf {
    build_directory().join("peer").join(name)
}

/// The directory `tests/kafka/run` filled.
pub fn build_directory() -> PathBuf {
    match std::env::var_os(BUILD_DIRECTORY) {
        Some(path) => PathBuf::from(path),
        None => panic!("{BUILD_DIRECTORY} is not set: start these tests with tests/kafka/run"),
    }
}

/// Whether librdkafka stands in for libkproducer, which checks the tests and not the library.
pub fn is_peer() -> bool {
    std::env::var_os(PEER).is_some()
}

/// The Java class path of a broker release, our own helper classes included.
pub fn class_path(release: Release) -> String {
    let directory = build_directory();
    let file = directory.join(format!("classpath-{}", release.profile()));
    let jars = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("no class path in {}: {error}; start with tests/kafka/run", file.display()));
    format!("{}:{}", directory.join("java").display(), jars.trim())
}

/// Where clusters keep their data: `tests/kafka/run` empties it in the end, whatever happened.
pub fn work_directory() -> PathBuf {
    std::env::var_os(WORK_DIRECTORY).map(PathBuf::from).unwrap_or_else(std::env::temp_dir)
}
