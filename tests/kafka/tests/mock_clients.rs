//! `kproducer-mock` as the broker of other clients: the producers of Kafka (Java), librdkafka, franz-go and aiokafka send to it, with
//! and without faults, plain and over TLS with SASL; kcat lists its topics; librdkafka's consumer reads everything back.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kproducer_kafka_tests::cluster::Release;
use kproducer_kafka_tests::dialogue::Dialogue;
use kproducer_kafka_tests::log::read_partitions;
use kproducer_kafka_tests::security::certificates::Certificates;
use kproducer_kafka_tests::{env, tools};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};

const PARTITIONS: usize = 6;
const COUNT: usize = 3_000;
const PATIENCE: Duration = Duration::from_secs(90);

/// The program, and where its brokers listen.
struct Mock {
    dialogue: Dialogue,
    servers: String,
}

impl Mock {
    fn start(options: &[&str]) -> Mock {
        let mut command = Command::new(env::build_directory().join("kproducer-mock"));
        command.args(["--brokers", "3", "--port", "0", "--auto-create", "0"]).args(options);
        let mut dialogue = Dialogue::start("kproducer-mock", command);
        let line = dialogue.hear(PATIENCE).expect("kproducer-mock does not end by itself");
        let servers = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Mock { dialogue, servers }
    }

    fn tell(&mut self, command: &str) {
        self.dialogue.say(command);
        assert_eq!(self.dialogue.hear(PATIENCE).as_deref(), Some("ok"), "{command}");
    }

    /// Every record is there once, in the order in which it was sent.
    fn check_log(&self, client: &str, topic: &str, properties: &[(&str, &str)]) {
        let config = librdkafka(&self.servers, properties);
        let partitions: Vec<i32> = (0..PARTITIONS as i32).collect();
        let log = read_partitions(config, topic, &partitions, COUNT, PATIENCE);
        assert_eq!(log.len(), COUNT, "{client}");
        let mut next: Vec<usize> = (0..PARTITIONS).collect();
        for record in &log {
            let next = &mut next[record.partition as usize];
            let value = String::from_utf8_lossy(record.content.value.as_deref().unwrap_or_default()).into_owned();
            assert_eq!(value, next.to_string(), "{client}: partition {}", record.partition);
            *next += PARTITIONS;
        }
    }
}

/// A producer that is a program: bootstrap list, topic, partitions, count, then what it needs for TLS and SASL.
struct Client {
    name: &'static str,
    /// `None`: what it needs is not on this machine.
    command: Option<fn() -> Command>,
}

fn clients() -> Vec<Client> {
    let franz_go = || Command::new(env::build_directory().join("franz-go"));
    let aiokafka = || {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", env::build_directory().join("aiokafka"));
        command.arg(peers_directory().join("aiokafka_produce.py"));
        command
    };
    let java = || tools::java(Release::Kafka4_3, "ProduceNumbers", 256);
    let is_built = |name: &str| env::build_directory().join(name).exists();
    let all = vec![
        Client { name: "Java", command: Some(java) },
        Client { name: "franz-go", command: is_built("franz-go").then_some(franz_go) },
        Client { name: "aiokafka", command: is_built("aiokafka").then_some(aiokafka) },
    ];
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    for client in all.iter().filter(|client| client.command.is_none()) {
        assert!(!must, "{} was not built, and CI=true wants everything tested", client.name);
        eprintln!("{} was not built: its part is left out", client.name);
    }
    all
}

fn peers_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers")
}

impl Client {
    /// Sends `COUNT` numbered records; false: the client is not there.
    fn produce(&self, servers: &str, topic: &str, security: &[String]) -> bool {
        let Some(command) = self.command else { return false };
        let mut command = command();
        command.args([servers, topic, &PARTITIONS.to_string(), &COUNT.to_string()]).args(security);
        let said = tools::output(command, "");
        assert_eq!(said.trim(), format!("{COUNT} acknowledged"), "{}", self.name);
        true
    }
}

fn librdkafka(servers: &str, properties: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config
}

fn produce_with_librdkafka(servers: &str, topic: &str, properties: &[(&str, &str)]) {
    let mut config = librdkafka(servers, properties);
    config.set("enable.idempotence", "true").set("retry.backoff.ms", "10");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
    for number in 0..COUNT {
        let value = number.to_string();
        let record = BaseRecord::<[u8], [u8]>::to(topic).partition((number % PARTITIONS) as i32);
        producer.send(record.payload(value.as_bytes())).map_err(|(error, _)| error).expect("accepted");
    }
    producer.flush(PATIENCE).expect("everything is delivered");
}

/// What a producer has to get over without losing, repeating or reordering records.
const FAULTS: [&str; 4] = [
    "fault produce:NOT_LEADER_OR_FOLLOWER:2",
    "fault produce:none:2",
    "fault produce:disconnect-after",
    "fault metadata:LEADER_NOT_AVAILABLE",
];

#[test]
fn every_clients_records_are_read_back_once_and_in_order() {
    let mut mock = Mock::start(&[]);
    for client in clients() {
        let topic = client.name;
        mock.tell(&format!("topic {topic}:{PARTITIONS}:3"));
        if client.produce(&mock.servers, topic, &[]) {
            mock.check_log(client.name, topic, &[]);
        }
    }
    mock.tell(&format!("topic librdkafka:{PARTITIONS}:3"));
    produce_with_librdkafka(&mock.servers, "librdkafka", &[]);
    mock.check_log("librdkafka", "librdkafka", &[]);
}

#[test]
fn every_client_gets_over_faults() {
    let mut mock = Mock::start(&[]);
    for client in clients() {
        let topic = client.name;
        mock.tell(&format!("topic {topic}:{PARTITIONS}:3"));
        for fault in FAULTS {
            mock.tell(fault);
        }
        if client.produce(&mock.servers, topic, &[]) {
            mock.check_log(client.name, topic, &[]);
        }
    }
    mock.tell(&format!("topic librdkafka:{PARTITIONS}:3"));
    for fault in FAULTS {
        mock.tell(fault);
    }
    produce_with_librdkafka(&mock.servers, "librdkafka", &[]);
    mock.check_log("librdkafka", "librdkafka", &[]);
}

#[test]
fn every_client_comes_in_by_tls_and_sasl() {
    let certificates = Certificates::new();
    let certificate = certificates.broker.certificate_file.display().to_string();
    let key = certificates.broker.key_file.display().to_string();
    let ca = format!("ca={}", certificates.authority_file.display());
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let sasl = format!("{mechanism}:alice:s3cret");
        let mut mock = Mock::start(&["--tls-cert", &certificate, "--tls-key", &key, "--sasl", &sasl]);
        let login = [&ca, &format!("mechanism={mechanism}"), "user=alice", "password=s3cret"].map(str::to_owned);
        for client in clients() {
            mock.tell(&format!("topic {}:{PARTITIONS}:3", client.name));
            client.produce(&mock.servers, client.name, &login);
        }
    }
    // librdkafka is built without OpenSSL here.
    let mut mock = Mock::start(&["--sasl", "PLAIN:alice:s3cret"]);
    mock.tell(&format!("topic librdkafka:{PARTITIONS}:3"));
    let login = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "alice"),
        ("sasl.password", "s3cret"),
    ];
    produce_with_librdkafka(&mock.servers, "librdkafka", &login);
    mock.check_log("librdkafka", "librdkafka", &login);
}

#[test]
fn kcat_lists_its_topics() {
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    if !Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success()) {
        assert!(!must, "kcat is missing, and CI=true wants everything tested");
        eprintln!("kcat is not installed: its part is left out");
        return;
    }
    let mock = Mock::start(&["--topic", "t:6", "--topic", "u"]);
    let mut command = Command::new("kcat");
    command.args(["-b", &mock.servers, "-L"]);
    let listed = tools::output(command, "");
    for part in ["3 brokers:", "2 topics:", "topic \"t\" with 6 partitions:", "topic \"u\" with 1 partitions:"] {
        assert!(listed.contains(part), "'{part}' is not in: {listed}");
    }
}
