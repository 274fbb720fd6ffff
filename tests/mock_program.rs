//! `kproducer-mock`, the program: its options, its answers, and clients that connect to it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use kproducer::accumulator::{Sending, Tag};
use kproducer::config::ConfigBuilder;
use kproducer::error::Status;
use kproducer::producer::Producer;
use kproducer::record::Record;
use kproducer::reports::{Handed, Item};

#[path = "support/certificates.rs"]
#[allow(dead_code)]
mod certificates;

/// A running program. It ends with this value.
struct Mock {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    servers: String,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let mut child = Command::new(program())
            .args(["--port", "0"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kproducer-mock starts");
        let input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = output.next().expect("a line").expect("UTF-8");
        let servers = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Mock { child, input, output, servers }
    }

    /// The answer to a command.
    fn tell(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").expect("it reads its input");
        self.output.next().expect("an answer").expect("UTF-8")
    }

    fn port(&self, broker: usize) -> u16 {
        let server = self.servers.split(',').nth(broker - 1).expect("a broker");
        server.rsplit_once(':').expect("host:port").1.parse().expect("a port")
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_kproducer-mock"))
}

/// One that ends by itself.
fn ended(options: &[&str]) -> Output {
    Command::new(program()).args(options).stdin(Stdio::null()).output().expect("kproducer-mock starts")
}

fn refused(options: &[&str], says: &[&str]) {
    let output = ended(options);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{options:?}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for part in says {
        assert!(errors.contains(part), "{options:?}: '{part}' is not in: {errors}");
    }
}

/// Sends records "0", "1", … to a partition; answers how each ended, in order.
fn produce(properties: &[(&str, &str)], topic: &str, partition: u32, count: usize) -> Vec<(Status, i64, i32, String)> {
    let mut config = ConfigBuilder::new();
    for (name, value) in properties {
        config.set(name, value).unwrap_or_else(|error| panic!("{error}"));
    }
    let producer = Producer::new(config.build().expect("no contradiction")).expect("a producer");
    let handle = producer.topic(topic).expect("a legal name");
    for number in 0..count {
        let value = number.to_string();
        let record = Record { key: None, value: Some(value.as_bytes()), headers: &[], timestamp_ms: 1 };
        // No function is there: only this loop looks at it. The lowest numbers have a meaning of their own.
        let tag = Tag::new(0x1000, number);
        let how = Sending { partition: Some(partition), tag, own_timeout: None, acks: None };
        producer.send::<()>(&handle, &record, &how).expect("accepted");
    }
    let mut outcomes = vec![None; count];
    let mut note = |item: Item<'_>| {
        let Item::Batch { batch, .. } = item else { return Handed::All };
        let cause = batch.cause.as_ref().map_or_else(String::new, |cause| cause.to_string_lossy().into_owned());
        for slot in &batch.slots {
            let offset = if batch.base_offset < 0 { -1 } else { batch.base_offset + i64::from(slot.offset_delta) };
            outcomes[slot.opaque] = Some((batch.status, offset, batch.attempts as i32, cause.clone()));
        }
        Handed::All
    };
    // What could not be sent has its outcome all the same.
    let _ = producer.flush(20_000, &mut note);
    let _ = producer.close(1_000, &mut note);
    outcomes.into_iter().map(|outcome| outcome.expect("a report")).collect()
}

fn offsets(outcomes: &[(Status, i64, i32, String)]) -> Vec<i64> {
    for (status, _, _, cause) in outcomes {
        assert_eq!(*status, Status::OK, "{cause}");
    }
    outcomes.iter().map(|(_, offset, _, _)| *offset).collect()
}

#[test]
fn it_serves_until_it_is_ended() {
    let mut mock = Mock::start(&["--brokers", "2", "--topic", "t:4:1", "--topic=u", "--auto-create", "0"]);
    assert_eq!(mock.servers.split(',').count(), 2);
    let servers = mock.servers.clone();
    assert_eq!(offsets(&produce(&[("bootstrap.servers", &servers)], "t", 3, 3)), [0, 1, 2]);
    assert_eq!(offsets(&produce(&[("bootstrap.servers", &servers)], "t", 3, 2)), [3, 4]);
    assert_eq!(mock.tell("topic late:2"), "ok");
    assert_eq!(offsets(&produce(&[("bootstrap.servers", &servers)], "late", 1, 1)), [0]);
    assert_eq!(mock.tell("topic late"), "error: topic late exists already");
    writeln!(mock.input, "quit").expect("it reads its input");
    assert!(mock.child.wait().expect("it ends").success());
}

#[test]
fn it_listens_on_the_ports_that_were_asked_for() {
    // Free a moment ago; another program may be quicker, and then others are tried.
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        if port > 65_533 {
            continue;
        }
        let wanted = format!("127.0.0.1:{port},127.0.0.1:{}", port + 1);
        let port = port.to_string();
        let mut child = Command::new(program())
            .args(["--brokers", "2", "--port", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("kproducer-mock starts");
        let line = BufReader::new(child.stdout.take().expect("a pipe")).lines().next();
        // Its standard input has ended, and it goes on.
        let taken = ended(&["--brokers", "1", "--port", &port]);
        child.kill().expect("it is still there");
        child.wait().expect("it ends");
        let Some(Ok(line)) = line else { continue };
        assert_eq!(line, format!("listening on {wanted}"));
        let errors = String::from_utf8_lossy(&taken.stderr).into_owned();
        assert_eq!(taken.status.code(), Some(1), "{errors}");
        assert!(errors.contains(&format!("127.0.0.1:{port}")), "{errors}");
        return;
    }
    panic!("no two ports in a row were free");
}

#[test]
fn faults_are_made_by_options_and_by_commands() {
    let options =
        ["--brokers", "1", "--topic", "t:1", "--fault", "produce:NOT_ENOUGH_REPLICAS:2", "--fault", "0:disconnect"];
    let mut mock = Mock::start(&options);
    let servers = mock.servers.clone();
    let quick = [("bootstrap.servers", servers.as_str()), ("retry.backoff.ms", "1"), ("reconnect.backoff.ms", "1")];
    let outcomes = produce(&quick, "t", 0, 1);
    assert_eq!((offsets(&outcomes), outcomes[0].2), (vec![0], 4));
    assert_eq!(mock.tell("fault produce:disconnect-after"), "ok");
    assert_eq!(mock.tell("fault produce:none:1"), "ok");
    assert_eq!(mock.tell("fault produce:topic_authorization_failed"), "ok");
    let outcomes = produce(&quick, "t", 0, 1);
    assert_eq!((outcomes[0].0, outcomes[0].2), (Status::OK, 2), "{}", outcomes[0].3);
    let outcomes = produce(&quick, "t", 0, 1);
    assert_eq!(outcomes[0].0, Status::TOPIC_AUTHORIZATION_FAILED);
    for (command, says) in [
        ("down 7", "there is no broker 7"),
        ("down x", "from 1 to 1000"),
        ("fault produce", "is not API:KIND[:COUNT]"),
        ("fault nothing:6", "there is no API 'nothing'"),
        ("fault produce:QUEUE_FULL", "is no Kafka error"),
        ("leader t:0:9", "no broker 9"),
        ("topic a b", "not a legal topic name"),
        ("explode", "no option or command 'explode'"),
    ] {
        let answer = mock.tell(command);
        assert!(answer.starts_with("error: ") && answer.contains(says), "{command}: {answer}");
    }
}

#[test]
fn brokers_go_and_come_and_move() {
    let mut mock = Mock::start(&["--brokers", "2", "--topic", "t:1:2", "--latency", "1:1", "--rack", "2:north"]);
    let servers = mock.servers.clone();
    let quick = [
        ("bootstrap.servers", servers.as_str()),
        ("reconnect.backoff.ms", "1"),
        ("request.timeout.ms", "500"),
        ("delivery.timeout.ms", "1500"),
    ];
    for command in ["leader t:0:1", "down 1"] {
        assert_eq!(mock.tell(command), "ok");
    }
    assert_eq!(offsets(&produce(&quick, "t", 0, 1)), [0]);
    assert_eq!(mock.tell("down 2"), "ok");
    assert_eq!(produce(&quick, "t", 0, 1)[0].0, Status::DELIVERY_TIMED_OUT);
    for command in ["up 1", "up 2", "freeze 2", "thaw 2", "address 2:nowhere.invalid:9092", "leader t:0:2"] {
        assert_eq!(mock.tell(command), "ok");
    }
    let outcomes = produce(&quick, "t", 0, 1);
    assert!(outcomes[0].3.contains("nowhere.invalid"), "{:?}", outcomes[0]);
    assert_eq!(mock.tell("address 2"), "ok");
    assert_eq!(offsets(&produce(&quick, "t", 0, 1)), [1]);
    assert!(mock.port(1) != mock.port(2));
}

#[test]
fn it_speaks_tls_and_sasl() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mock_program");
    std::fs::create_dir_all(&directory).expect("a directory");
    certificates::write(&directory);
    let file = |name: &str| -> String { directory.join(name).to_str().expect("UTF-8").to_owned() };
    let (certificate, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
    let mock = Mock::start(&[
        "--brokers",
        "1",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--sasl",
        "SCRAM-SHA-256:alice:s3:cret",
        "--topic",
        "t",
    ]);
    let with = |password: &'static str| {
        produce(
            &[
                ("bootstrap.servers", mock.servers.as_str()),
                ("security.protocol", "SASL_SSL"),
                ("ssl.ca.location", &ca),
                ("sasl.mechanism", "SCRAM-SHA-256"),
                ("sasl.username", "alice"),
                ("sasl.password", password),
            ],
            "t",
            0,
            1,
        )
    };
    assert_eq!(offsets(&with("s3:cret")), [0]);
    assert_eq!(with("wrong")[0].0, Status::SASL_AUTHENTICATION_FAILED);
}

#[test]
fn what_it_cannot_do_is_said_in_one_line() {
    let missing: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no such file");
    let missing = missing.to_str().expect("UTF-8");
    for (options, says) in [
        (&["--brokers"][..], &["--brokers wants a value"][..]),
        (&["--brokers", "0"], &["brokers: '0'", "1 to 1000"]),
        (&["--brokers=many"], &["'many'"]),
        (&["--port", "65535", "--brokers", "2"], &["broker 2 has no port", "65535"]),
        (&["--port", "70000"], &["0 to 65535"]),
        (&["--listen", "localhost"], &["'localhost' is no IP address"]),
        (&["brokers"], &["'brokers' is not an option", "--help"]),
        (&["--colour", "red"], &["no option or command 'colour'"]),
        (&["--tls-cert", missing], &["--tls-cert and --tls-key belong together"]),
        (&["--tls-client-ca", missing], &["--tls-client-ca wants"]),
        (&["--sasl", "PLAIN:alice"], &["MECHANISM:USER:PASSWORD"]),
        (&["--port", "0", "--sasl", "NTLM:alice:secret"], &["NTLM"]),
        (&["--kafka", "0.8"], &["neither 2.1 nor 4"]),
        (&["--port", "0", "--topic", "a/b"], &["a/b"]),
    ] {
        refused(options, says);
    }
    let output = ended(&["--port", "0", "--tls-cert", missing, "--tls-key", missing]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such file"));
    for (option, says) in [("--help", "--brokers N"), ("-V", env!("CARGO_PKG_VERSION"))] {
        let output = ended(&[option]);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(says));
    }
}
