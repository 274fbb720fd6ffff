//! What `tests/kafka/run` prepared, handed over in environment variables.

use std::path::PathBuf;

use crate::cluster::Release;

/// The directory with the compiled driver, the Java classes and the class paths.
pub const BUILD_DIRECTORY: &str = "KPRODUCER_KAFKA_TESTS_BUILD";
/// Set when librdkafka stands in for libkproducer.
pub const PEER: &str = "KPRODUCER_KAFKA_TESTS_PEER";

/// The directory for the brokers' data and all other files: every test program that runs has one of its own.
pub const WORK_DIRECTORY: &str = "KPRODUCER_KAFKA_TESTS_WORK";

/// The directory with a file for each port that is taken, shared by the test programs that run at the same time.
pub const PORTS_DIRECTORY: &str = "KPRODUCER_KAFKA_TESTS_PORTS";

/// The release that tests run against which do not choose one: a profile of pom.xml.
pub const RELEASE: &str = "KPRODUCER_KAFKA_TESTS_RELEASE";

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

/// The release that `tests/kafka/run --release` names.
pub fn release() -> Option<Release> {
    let name = std::env::var(RELEASE).ok()?;
    let found = Release::ALL.into_iter().find(|release| release.profile() == name);
    Some(found.unwrap_or_else(|| panic!("{RELEASE}={name}: there are {:?}", Release::ALL.map(Release::profile))))
}

/// The Java class path of a broker release, our own helper classes included: at the end, since a class archive is made for a class
/// path that begins like this one.
pub fn class_path(release: Release) -> String {
    let directory = build_directory();
    let file = directory.join(format!("classpath-{}", release.profile()));
    let jars = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("no class path in {}: {error}; start with tests/kafka/run", file.display()));
    format!("{}:{}", jars.trim(), directory.join("helpers.jar").display())
}

/// The archive of a release's classes, where there is one.
pub fn class_archive(release: Release) -> Option<PathBuf> {
    Some(build_directory().join(format!("classes-{}.jsa", release.profile()))).filter(|file| file.exists())
}

/// Where clusters keep their data: `tests/kafka/run` empties it in the end, whatever happened.
pub fn work_directory() -> PathBuf {
    std::env::var_os(WORK_DIRECTORY).map(PathBuf::from).unwrap_or_else(std::env::temp_dir)
}

/// Where the ports that are taken are written down.
pub fn ports_directory() -> PathBuf {
    std::env::var_os(PORTS_DIRECTORY).map(PathBuf::from).unwrap_or_else(|| work_directory().join("ports"))
}
