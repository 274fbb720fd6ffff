//! Compiles the C programs of `tests/c/` and `examples-c/` with every warning an error, against the header in
//! `include/` and the shared library that cargo built beside this test, and runs each in a directory of its own.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[path = "support/certificates.rs"]
mod certificates;

const TIME_LIMIT: Duration = Duration::from_secs(60);

/// One test per program: its name, its source file and the arguments it runs with.
macro_rules! programs {
    ($($name:ident: $source:literal [$($argument:literal),*];)*) => {
        $(#[test]
        fn $name() {
            compile_and_run($source, &[$($argument),*]);
        })*

        const SOURCES: &[&str] = &[$($source),*];
    };
}

programs! {
    backpressure: "tests/c/backpressure.c" [];
    bad_input: "tests/c/bad_input.c" [];
    bad_neighbours: "tests/c/bad_neighbours.c" [];
    batches: "tests/c/batches.c" [];
    callbacks: "tests/c/callbacks.c" [];
    cancel: "tests/c/cancel.c" [];
    cancelled_calls: "tests/c/cancelled_calls.c" [];
    close_with: "tests/c/close_with.c" [];
    compression: "tests/c/compression.c" [];
    config_load: "tests/c/config_load.c" [];
    deadlines: "tests/c/deadlines.c" [];
    dispatch_thread: "tests/c/dispatch_thread.c" [];
    faults: "tests/c/faults.c" [];
    cycles: "tests/c/cycles.c" [];
    ended_threads: "tests/c/ended_threads.c" [];
    event_fd: "tests/c/event_fd.c" [];
    fork: "tests/c/fork.c" [];
    fork_parked: "tests/c/fork_parked.c" [];
    idempotence_config: "tests/c/idempotence_config.c" [];
    flush_tokens: "tests/c/flush_tokens.c" [];
    full_batches: "tests/c/full_batches.c" [];
    futures: "tests/c/futures.c" [];
    guarantees: "tests/c/guarantees.c" [];
    health: "tests/c/health.c" [];
    interceptors: "tests/c/interceptors.c" [];
    isolation: "tests/c/isolation.c" [];
    late_topic: "tests/c/late_topic.c" [];
    lifecycle: "tests/c/lifecycle.c" [];
    logs: "tests/c/logs.c" [];
    options: "tests/c/options.c" [];
    other_brokers: "tests/c/other_brokers.c" [];
    poll_reports: "tests/c/poll_reports.c" [];
    out_of_memory: "tests/c/out_of_memory.c" [];
    repeated_secrets: "tests/c/repeated_secrets.c" [];
    reports: "tests/c/reports.c" [];
    metadata: "tests/c/metadata.c" [];
    misconfigured: "tests/c/misconfigured.c" [];
    long_callback: "tests/c/long_callback.c" [];
    roundtrip: "tests/c/roundtrip.c" [];
    serializers: "tests/c/serializers.c" [];
    sasl_reauthentication: "tests/c/sasl_reauthentication.c" [];
    sasl: "tests/c/sasl.c" [];
    sasl_bad_input: "tests/c/sasl_bad_input.c" [];
    send_many: "tests/c/send_many.c" [];
    partitioners: "tests/c/partitioners.c" [];
    servers: "tests/c/servers.c" [];
    stats: "tests/c/stats.c" [];
    stopped: "tests/c/stopped.c" [];
    stress: "tests/c/stress.c" [];
    telemetry: "tests/c/telemetry.c" [];
    thread_end: "tests/c/thread_end.c" [];
    tls: "tests/c/tls.c" [];
    topic_changes: "tests/c/topic_changes.c" [];
    token_sources: "tests/c/token_sources.c" [];
    threads: "tests/c/threads.c" [];
    transactions: "tests/c/transactions.c" [];
    transactions_bad_input: "tests/c/transactions_bad_input.c" [];
    transactions_prepared: "tests/c/transactions_prepared.c" [];
    unload: "tests/c/unload.c" [];
    visible_causes: "tests/c/visible_causes.c" [];
    wrong_handles: "tests/c/wrong_handles.c" [];
    yield_reports: "tests/c/yield.c" [];
    quickstart: "examples-c/quickstart.c" ["", "", "20000"];
    batches_example: "examples-c/batches.c" [];
    cancel_example: "examples-c/cancel.c" [];
    compression_example: "examples-c/compression.c" [];
    take_back_example: "examples-c/take_back.c" [];
    bulk_example: "examples-c/bulk.c" ["", "", "50000"];
    interceptors_example: "examples-c/interceptors.c" [];
    dispatch_thread_example: "examples-c/dispatch_thread.c" ["", "", "50000"];
    flush_tokens_example: "examples-c/flush_tokens.c" [];
    futures_example: "examples-c/futures.c" [];
    transactions_example: "examples-c/transactions.c" ["", "", "300"];
    two_phase_commit_example: "examples-c/two_phase_commit.c" [];
    metadata_example: "examples-c/metadata.c" [];
    oauth_example: "examples-c/oauth.c" [];
    sasl_example: "examples-c/sasl.c" [];
    options_example: "examples-c/options.c" [];
    stats_example: "examples-c/stats.c" ["", "", "20000"];
    partitioner_example: "examples-c/partitioner.c" ["", "", "20000"];
    perf_flood: "examples-c/perf.c" ["--count", "20000", "--keys", "random8", "--csv"];
    perf_ping: "examples-c/perf.c" ["--ping", "50", "--csv"];
}

/// Needs librdkafka and a broker with consumer groups: tests/kafka compiles and runs it.
const WITH_LIBRDKAFKA: &str = "examples-c/consume_transform_produce.c";
/// Linux has epoll, others do not.
const EPOLL_LOOP: &str = "examples-c/epoll_loop.c";
const LIBUV_LOOP: &str = "examples-c/libuv_loop.c";
/// Is told where the certificates are.
const TLS: &str = "examples-c/tls.c";

#[test]
fn every_c_program_has_a_test() {
    let listed: BTreeSet<String> = SOURCES
        .iter()
        .chain([&WITH_LIBRDKAFKA, &EPOLL_LOOP, &LIBUV_LOOP, &TLS])
        .map(|source| source.to_string())
        .collect();
    for directory in ["tests/c", "examples-c"] {
        for entry in fs::read_dir(root().join(directory)).expect(directory) {
            let name = entry.expect(directory).file_name().into_string().expect("a file name in UTF-8");
            let source = format!("{directory}/{name}");
            assert!(!name.ends_with(".c") || listed.contains(&source), "{source} is not in the list of programs");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn epoll_loop_example() {
    compile_and_run(EPOLL_LOOP, &["", "", "50000"]);
}

#[test]
fn tls_example() {
    compile_and_run(TLS, &["", certificates_directory().to_str().expect("UTF-8")]);
}

/// The one program that needs a library of others: tested wherever that is, and always in continuous integration.
#[test]
fn libuv_loop_example() {
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libuv"]).output();
    let Some(flags) = flags.ok().filter(|found| found.status.success()) else {
        let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!demanded, "pkg-config does not find libuv: install libuv1-dev");
        println!("skipped: pkg-config does not find libuv");
        return;
    };
    let flags = String::from_utf8(flags.stdout).expect("flags in UTF-8");
    let flags: Vec<&str> = flags.split_whitespace().collect();
    compile_and_run_with(LIBUV_LOOP, &["", "", "50000"], &flags);
}

/// The bench's structs are written down by hand: they have to be the library's.
#[test]
fn python_through_ctypes() {
    let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    let Ok(python) = Command::new("python3").arg("--version").output() else {
        assert!(!demanded, "there is no python3");
        println!("skipped: there is no python3");
        return;
    };
    assert!(python.status.success(), "python3 does not run");
    let ended = Command::new("python3")
        .arg(root().join("benches/python_ctypes.py"))
        .arg("--library")
        .arg(built_library())
        .args(["--count", "50000", "--keys"])
        .output()
        .expect("python3 starts");
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ended.status.success() && said.contains("records/s: "), "{said}");
}

/// Exceptions leave callbacks and reach the program's own handlers, or end as a status.
#[test]
fn exceptions() {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    compile_and_run_as(&compiler, "-std=c++17", "tests/c/exceptions.cpp", &[], &[]);
}

/// What the README and the guides tell a newcomer to type has to compile and, where it needs no cluster of the
/// reader's, to run: the first program of each.
#[test]
fn the_documents_programs_compile_and_run() {
    let guides = [
        "BACKPRESSURE",
        "BATCHES",
        "BULK",
        "CANCELLING",
        "COMPRESSION",
        "EVENT_LOOPS",
        "FLUSHING",
        "FORKING",
        "FUTURES",
        "INTERCEPTORS",
        "ISOLATION",
        "LOGGING",
        "METADATA",
        "OBSERVABILITY",
        "OPTIONS",
        "PARTITIONING",
        "SASL",
        "SHUTDOWN",
        "TELEMETRY",
        "TESTING",
        "TLS",
        "TRANSACTIONS",
    ];
    let guides = guides.map(|name| format!("docs/{name}.md"));
    for document in guides.iter().map(String::as_str).chain(["README.md"]) {
        let program = first_program(document);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs").join("documents");
        recreate(&directory);
        let source = directory.join("program.c");
        fs::write(&source, &program).expect("written");
        let binary = directory.join("program");
        compile(source.to_str().expect("UTF-8"), &binary, &[]);
        if program.contains("\"test.mock.num.brokers\"") || program.contains("producer_mock_cluster_new") {
            let ended = run(&binary, &[], &directory);
            assert!(!ended.is_late, "the program of {document} was killed after {TIME_LIMIT:?}:\n{}", ended.output);
            assert!(ended.status.success(), "the program of {document} ended with {}:\n{}", ended.status, ended.output);
        }
    }
}

/// The first thing that goes wrong for a newcomer is the address: the program must say so at once, and not when it
/// gives up.
#[test]
fn the_readmes_program_says_within_seconds_that_its_address_is_wrong() {
    let program = first_program("README.md");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs").join("wrong_address");
    recreate(&directory);
    let source = directory.join("program.c");
    for (address, cause) in [("127.0.0.1:1", "refused"), ("broker.invalid:9092", "resol")] {
        assert!(program.contains("\"localhost:9092\""), "the address is another: change this test");
        fs::write(&source, program.replace("localhost:9092", address)).expect("written");
        let compiled = directory.join("program");
        compile(source.to_str().expect("UTF-8"), &compiled, &[]);
        let mut child = Command::new(&compiled)
            .env("LD_LIBRARY_PATH", library_directory())
            .env("DYLD_LIBRARY_PATH", library_directory())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the compiled program starts");
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let (found, finds) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut said = String::new();
            for line in errors.lines().map_while(Result::ok) {
                said.push_str(&line);
                if line.contains(address) && line.contains(cause) {
                    break;
                }
            }
            found.send(said).expect("the test waits");
        });
        let said = finds.recv_timeout(Duration::from_secs(20));
        child.kill().expect("the program can be killed");
        child.wait().expect("the program ends");
        let said = said.unwrap_or_else(|_| panic!("{address}: nothing was said within 20 seconds"));
        assert!(said.contains(address) && said.contains(cause), "{address}: {said}");
        reader.join().expect("the reader ends");
    }
}

/// The first program of a document.
fn first_program(document: &str) -> String {
    let text = fs::read_to_string(root().join(document)).expect(document);
    let (_, rest) = text.split_once("```c\n").expect(document);
    let (program, _) = rest.split_once("```").expect("the program's end");
    program.to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compile_and_run(source: &str, arguments: &[&str]) {
    compile_and_run_with(source, arguments, &[]);
}

fn compile_and_run_with(source: &str, arguments: &[&str], flags: &[&str]) {
    compile_and_run_as(&c_compiler(), "-std=c11", source, arguments, flags);
}

fn compile_and_run_as(compiler: &OsStr, standard: &str, source: &str, arguments: &[&str], flags: &[&str]) {
    // The thread carries the test's name, so that two tests of one source do not share a directory.
    let test = thread::current().name().expect("the harness names its threads").to_string();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs").join(&test);
    let program = directory.join("program");
    recreate(&directory);
    compile_as(compiler, standard, source, &program, flags);

    let ended = run(&program, arguments, &directory);
    assert!(!ended.is_late, "{source} was killed after {TIME_LIMIT:?}:\n{}", ended.output);
    assert!(ended.status.success(), "{source} ended with {}:\n{}", ended.status, ended.output);
    println!("{}", ended.output);
}

fn c_compiler() -> OsString {
    std::env::var_os("CC").unwrap_or_else(|| "cc".into())
}

fn compile(source: &str, program: &Path, flags: &[&str]) {
    compile_as(&c_compiler(), "-std=c11", source, program, flags);
}

fn compile_as(compiler: &OsStr, standard: &str, source: &str, program: &Path, flags: &[&str]) {
    let library = library_directory();
    let result = Command::new(compiler)
        .args([standard, "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"])
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join(source))
        .arg("-L")
        .arg(library)
        .args(["-lkproducer", "-o"])
        .arg(program)
        .args(flags)
        .output()
        .expect("a compiler (cc and c++, or those that CC and CXX name)");
    assert!(result.status.success(), "{source} does not compile:\n{}", String::from_utf8_lossy(&result.stderr));
}

/// Runs the program and reads its output to the end; a program that is still there at the time limit is killed.
fn run(program: &Path, arguments: &[&str], directory: &Path) -> Ended {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("LD_LIBRARY_PATH", library_directory())
        .env("DYLD_LIBRARY_PATH", library_directory())
        .env("KP_CERTS", certificates_directory())
        .env("KP_CERTS_PASSWORD", certificates::PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the compiled program starts");
    let (done, ended) = mpsc::channel();
    let stdout = read_in_background(child.stdout.take().expect("a pipe"), done.clone());
    let stderr = read_in_background(child.stderr.take().expect("a pipe"), done);
    // Both pipes close when the program ends: then each reader says so.
    let is_late = (0..2).any(|_| ended.recv_timeout(TIME_LIMIT).is_err());
    if is_late {
        child.kill().expect("the program can be killed");
    }
    let status = child.wait().expect("the program ends");
    let output = [stdout, stderr].map(|reader| reader.join().expect("the reader ends")).concat();
    Ended { is_late, status, output: String::from_utf8_lossy(&output).into_owned() }
}

struct Ended {
    is_late: bool,
    status: ExitStatus,
    output: String,
}

fn read_in_background(mut pipe: impl Read + Send + 'static, done: Sender<()>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the program's output");
        // Nobody listens any more after the time limit, and need not.
        let _ = done.send(());
        bytes
    })
}

/// A directory with the library under the name the linker looks for and under its SONAME, which the loader looks for.
fn library_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let library = built_library();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs").join("lib");
        recreate(&directory);
        let extension = library.extension().expect("a library's extension").to_str().expect("an extension in UTF-8");
        symlink(&library, directory.join(format!("libkproducer.{extension}"))).expect("a link to the library");
        if extension == "so" {
            symlink(&library, directory.join("libkproducer.so.0")).expect("a link to the library");
        }
        directory
    })
}

/// What programs that speak TLS find in KP_CERTS: `support/certificates.rs` lists it.
fn certificates_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_programs").join("certificates");
        recreate(&directory);
        certificates::write(&directory);
        directory
    })
}

/// Cargo puts the library beside the test binary, in `deps`, or one level up; the newest is of this build.
fn built_library() -> PathBuf {
    let test_binary = std::env::current_exe().expect("the path of this test");
    let deps = test_binary.parent().expect("the directory of this test");
    let profile = deps.parent().expect("the profile's directory");
    let mut found: Vec<PathBuf> = [deps, profile]
        .iter()
        .flat_map(|directory| ["so", "dylib"].map(|extension| directory.join(format!("libkproducer.{extension}"))))
        .filter(|path| path.exists())
        .collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).expect("the library's age"));
    found.pop().unwrap_or_else(|| panic!("no libkproducer.so in {} or above it", deps.display()))
}

fn recreate(directory: &Path) {
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    }
    fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
}
