//! Real brokers on loopback, one process each, in a temporary directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

use crate::env;
use crate::process::{Process, Signal};
use crate::tools::{self, LeaderMover};

mod extras;
mod ports;
mod properties;
mod shared;

pub use extras::{Extras, Listener};
pub(crate) use ports::reserve_ports;
pub(crate) use shared::stop_at_exit;
pub use shared::{Shared, shared, shared_of};

/// How long a broker may take to start, a leader to be elected, a topic to be created on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at the cluster's metadata.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A broker release the tests know, each a profile of pom.xml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The newest, in KRaft: transactions with a producer epoch each.
    Kafka4_3,
    /// The last 3.x, in KRaft: transactions as KIP-98 made them.
    Kafka3_9,
    /// The last 2.x, with ZooKeeper.
    Kafka2_8,
    /// The oldest the library talks to, with ZooKeeper.
    Kafka2_1,
}

impl Release {
    /// All of them, the newest first.
    pub const ALL: [Self; 4] = [Self::Kafka4_3, Self::Kafka3_9, Self::Kafka2_8, Self::Kafka2_1];

    /// The name of the profile in pom.xml.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Kafka4_3 => "kafka-4.3",
            Self::Kafka3_9 => "kafka-3.9",
            Self::Kafka2_8 => "kafka-2.8",
            Self::Kafka2_1 => "kafka-2.1",
        }
    }

    fn uses_zookeeper(self) -> bool {
        matches!(self, Self::Kafka2_8 | Self::Kafka2_1)
    }
}

/// A partition as a broker's metadata shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The partition's number.
    pub partition: i32,
    /// The leader's node id; -1 without a leader.
    pub leader: i32,
    /// All replicas' node ids.
    pub replicas: Vec<i32>,
    /// The node ids of the replicas in sync.
    pub in_sync: Vec<i32>,
}

#[derive(Debug)]
struct Node {
    id: i32,
    port: u16,
    controller_port: u16,
    /// Of [`Extras::listeners`], in their order.
    listener_ports: Vec<u16>,
    directory: PathBuf,
    process: Option<Process>,
    stopped: bool,
}

/// A running cluster; dropping it kills every process and removes its directory.
#[derive(Debug)]
pub struct KafkaCluster {
    release: Release,
    extras: Extras,
    directory: PathBuf,
    nodes: Vec<Node>,
    zookeeper: Option<Process>,
    zookeeper_port: u16,
}

impl KafkaCluster {
    /// Starts brokers with the ids 1 to `nodes` and waits until each knows them all.
    pub fn start(nodes: i32, release: Release) -> Self {
        Self::start_with(nodes, release, Extras::default())
    }

    /// The same with more than brokers need.
    pub fn start_with(nodes: i32, release: Release, extras: Extras) -> Self {
        let started = Instant::now();
        let directory = temporary_directory();
        let count = usize::try_from(nodes).expect("a number of nodes");
        let each = 2 + extras.listeners.len();
        let ports = reserve_ports(each * count + 1);
        let nodes = (1..=nodes)
            .zip(ports[1..].chunks(each))
            .map(|(id, ports)| Node {
                id,
                port: ports[0],
                controller_port: ports[1],
                listener_ports: ports[2..].to_vec(),
                directory: directory.join(format!("node-{id}")),
                process: None,
                stopped: false,
            })
            .collect();
        let mut cluster = Self { release, extras, directory, nodes, zookeeper: None, zookeeper_port: ports[0] };
        cluster.write_configuration();
        if release.uses_zookeeper() {
            cluster.start_zookeeper();
            cluster.add_scram_users();
        } else {
            cluster.format_storage();
        }
        for index in 0..cluster.nodes.len() {
            cluster.launch(index);
        }
        cluster.wait_for_brokers();
        println!("{} with {count} node(s) took {:.1} s", release.profile(), started.elapsed().as_secs_f64());
        cluster
    }

    /// Every broker's address, running or not, as `bootstrap.servers` wants them.
    pub fn bootstrap(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    /// The same of another listener than PLAINTEXT. By name: certificates and Kerberos know the brokers as `localhost`.
    pub fn bootstrap_of(&self, listener: &str) -> String {
        let ports = self.nodes.iter().map(|node| self.port_of(node, listener));
        ports.map(|port| format!("localhost:{port}")).collect::<Vec<String>>().join(",")
    }

    /// Where the first broker listens.
    pub fn first_port_of(&self, listener: &str) -> u16 {
        self.port_of(&self.nodes[0], listener)
    }

    fn port_of(&self, node: &Node, listener: &str) -> u16 {
        let at = self.extras.listeners.iter().position(|known| known.name == listener);
        node.listener_ports[at.unwrap_or_else(|| panic!("there is no listener {listener}"))]
    }

    /// The directory with a broker's log segments.
    pub fn data_directory(&self, id: i32) -> PathBuf {
        self.nodes[self.index(id)].directory.join("data")
    }

    /// What a broker has printed so far.
    pub fn broker_log(&self, id: i32) -> String {
        let log = self.nodes[self.index(id)].directory.join("broker.log");
        fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()))
    }

    /// Kills a broker with SIGKILL.
    pub fn kill(&mut self, id: i32) {
        let node = self.node(id);
        if let Some(mut process) = node.process.take() {
            process.signal(Signal::Kill);
            process.wait();
        }
        node.stopped = false;
    }

    /// Starts a killed broker again with its port and data, and waits until the others see it.
    pub fn restart(&mut self, id: i32) {
        self.revive(id);
        self.wait_for_brokers();
    }

    /// The same without waiting.
    pub fn revive(&mut self, id: i32) {
        self.kill(id);
        let index = self.index(id);
        self.launch(index);
    }

    /// Every broker's node id, running or not.
    pub fn node_ids(&self) -> Vec<i32> {
        self.nodes.iter().map(|node| node.id).collect()
    }

    /// Stops a broker's process with SIGSTOP: its sockets stay open and nobody answers.
    pub fn stop(&mut self, id: i32) {
        let node = self.node(id);
        node.stopped = true;
        node.process.as_ref().expect("the broker runs").signal(Signal::Stop);
    }

    /// Lets a stopped broker go on.
    pub fn resume(&mut self, id: i32) {
        let node = self.node(id);
        node.stopped = false;
        node.process.as_ref().expect("the broker runs").signal(Signal::Continue);
    }

    /// Resumes every stopped broker, restarts every dead one and waits until all are there.
    pub fn heal(&mut self) {
        for index in 0..self.nodes.len() {
            let node = &mut self.nodes[index];
            if node.stopped {
                node.stopped = false;
                node.process.as_ref().expect("a stopped broker has a process").signal(Signal::Continue);
            }
            if !node.process.as_mut().is_some_and(Process::is_running) {
                node.process = None;
                self.launch(index);
            }
        }
        self.wait_for_brokers();
    }

    /// Creates a topic and waits until each partition has a leader and all its replicas are in sync.
    pub fn create_topic(&self, name: &str, partitions: i32, replication: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication));
        for (setting, value) in settings {
            topic = topic.set(setting, value);
        }
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        for result in block_on(admin.create_topics([&topic], &options)).expect("the topic request is answered") {
            result.unwrap_or_else(|(topic, code)| panic!("cannot create topic {topic}: {code}"));
        }
        let replicas = usize::try_from(replication).expect("a number of replicas");
        self.wait_for_topic(name, |states| {
            states.len() == usize::try_from(partitions).expect("a number of partitions")
                && states.iter().all(|state| state.leader >= 0 && state.in_sync.len() == replicas)
        });
    }

    /// Deletes a topic and waits until no broker names it any more.
    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        for result in block_on(admin.delete_topics(&[name], &options)).expect("the request is answered") {
            result.unwrap_or_else(|(topic, code)| panic!("cannot delete topic {topic}: {code}"));
        }
        self.wait_for_topic(name, <[PartitionState]>::is_empty);
    }

    /// The topic's partitions as the cluster sees them now; empty when it does not exist.
    pub fn topic(&self, name: &str) -> Vec<PartitionState> {
        let client: AdminClient<DefaultClientContext> = self.client_config().create().expect("a client");
        look(&client, name)
    }

    /// Waits until the topic's partitions are as wanted, and returns them.
    pub fn wait_for_topic(&self, name: &str, wanted: impl Fn(&[PartitionState]) -> bool) -> Vec<PartitionState> {
        let deadline = Instant::now() + PATIENCE;
        let client: AdminClient<DefaultClientContext> = self.client_config().create().expect("a client");
        loop {
            let states = look(&client, name);
            if wanted(&states) {
                return states;
            }
            assert!(Instant::now() < deadline, "topic {name} did not become as wanted in {PATIENCE:?}: {states:?}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until every replica of the topic is in sync.
    pub fn wait_for_replicas(&self, name: &str) {
        self.wait_for_topic(name, |states| {
            !states.is_empty() && states.iter().all(|state| state.in_sync.len() == state.replicas.len())
        });
    }

    /// The node that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> i32 {
        let led = |states: &[PartitionState]| states.iter().any(|s| s.partition == partition && s.leader >= 0);
        let states = self.wait_for_topic(topic, led);
        states.iter().find(|state| state.partition == partition).expect("waited for it").leader
    }

    /// Moves a partition's leader to another of its replicas with Kafka's own tools, and says which.
    pub fn move_leader(&self, topic: &str, partition: i32) -> i32 {
        let leader = self.leader(topic, partition);
        let states = self.topic(topic);
        let state = states.iter().find(|state| state.partition == partition).expect("the partition exists");
        let target = *state.replicas.iter().find(|id| **id != leader).expect("the partition has another replica");
        LeaderMover::start(&self.bootstrap()).move_to(topic, partition, target).expect("the leader moves");
        target
    }

    /// Waits until every broker of the cluster answers and is known.
    pub fn wait_for_brokers(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let count = self.nodes.len();
        for index in 0..count {
            // Each broker is asked itself: one may know the cluster while another does not listen yet.
            let address = format!("127.0.0.1:{}", self.nodes[index].port);
            let client: AdminClient<DefaultClientContext> =
                config_for(&address).create().expect("a client for one broker");
            loop {
                let id = self.nodes[index].id;
                let running = self.nodes[index].process.as_mut().is_some_and(Process::is_running);
                assert!(running, "node {id} ended while starting:\n{}", self.log_tail(index));
                let answer = client.inner().fetch_metadata(None, Duration::from_secs(2));
                if answer.is_ok_and(|metadata| metadata.brokers().len() == count) {
                    break;
                }
                assert!(Instant::now() < deadline, "node {id} is not ready:\n{}", self.log_tail(index));
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    }

    /// A librdkafka client's configuration for this cluster, silent about brokers that come and go.
    pub fn client_config(&self) -> ClientConfig {
        config_for(&self.bootstrap())
    }

    /// The release that runs.
    pub fn release(&self) -> Release {
        self.release
    }

    fn index(&self, id: i32) -> usize {
        self.nodes.iter().position(|node| node.id == id).unwrap_or_else(|| panic!("there is no node {id}"))
    }

    fn node(&mut self, id: i32) -> &mut Node {
        let index = self.index(id);
        &mut self.nodes[index]
    }

    fn write_configuration(&self) {
        for node in &self.nodes {
            fs::create_dir_all(&node.directory).expect("the node's directory can be created");
            let text = properties::broker(self, node);
            fs::write(node.directory.join("server.properties"), text).expect("the configuration can be written");
        }
    }

    /// One format tool per node, all at once: each is a Java start of some seconds.
    fn format_storage(&self) {
        let tools: Vec<(PathBuf, Process)> = self
            .nodes
            .iter()
            .map(|node| {
                let mut command = tools::java(self.release, "kafka.tools.StorageTool", 128);
                command.args(["format", "--cluster-id", properties::CLUSTER_ID, "--config"]);
                command.arg(node.directory.join("server.properties"));
                for (mechanism, credential) in self.extras.scram_credentials() {
                    command.args(["--add-scram", &format!("{mechanism}={credential}")]);
                }
                let log = node.directory.join("format.log");
                redirect(&mut command, &log);
                (log, Process::spawn(command).expect("java starts"))
            })
            .collect();
        for (log, mut tool) in tools {
            let status = tool.wait();
            assert!(status.success(), "formatting failed:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
    }

    fn start_zookeeper(&mut self) {
        let configuration = self.directory.join("zookeeper.properties");
        let text = properties::zookeeper(&self.directory, self.zookeeper_port);
        fs::write(&configuration, text).expect("the configuration can be written");
        let mut command = tools::java(self.release, "org.apache.zookeeper.server.ZooKeeperServerMain", 128);
        command.arg(configuration);
        redirect(&mut command, &self.directory.join("zookeeper.log"));
        // Nothing waits for it: a broker asks again until ZooKeeper answers.
        self.zookeeper = Some(Process::spawn(command).expect("java starts"));
    }

    /// Where there is no formatting, SCRAM's users are written into ZooKeeper.
    fn add_scram_users(&self) {
        for user in &self.extras.scram_users {
            let mut command = tools::java(self.release, "kafka.admin.ConfigCommand", 128);
            command.args(["--zookeeper", &format!("127.0.0.1:{}", self.zookeeper_port)]);
            command.args(["--alter", "--entity-type", "users", "--entity-name", &user.0, "--add-config"]);
            command.arg(extras::SCRAM.map(|mechanism| format!("{mechanism}=[password={}]", user.1)).join(","));
            tools::output(command, "");
        }
    }

    fn launch(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let mut command = tools::java_with(&self.extras.java_options, self.release, "kafka.Kafka", 512);
        command.arg(node.directory.join("server.properties"));
        redirect(&mut command, &node.directory.join("broker.log"));
        node.process = Some(Process::spawn(command).expect("java starts"));
    }

    fn log_tail(&self, index: usize) -> String {
        tail(&self.nodes[index].directory.join("broker.log"))
    }
}

impl Drop for KafkaCluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.process = None;
        }
        self.zookeeper = None;
        if std::thread::panicking() {
            eprintln!("the brokers' logs are kept in {}", self.directory.display());
        } else if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn config_for(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("log.connection.close", "false");
    config.set("reconnect.backoff.max.ms", "500").set("broker.address.family", "v4");
    config.set_log_level(RDKafkaLogLevel::Critical);
    config
}

fn look(client: &AdminClient<DefaultClientContext>, name: &str) -> Vec<PartitionState> {
    let Ok(metadata) = client.inner().fetch_metadata(Some(name), Duration::from_secs(2)) else { return Vec::new() };
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    let mut states: Vec<PartitionState> = partitions
        .map(|partition| PartitionState {
            partition: partition.id(),
            leader: partition.leader(),
            replicas: partition.replicas().to_vec(),
            in_sync: partition.isr().to_vec(),
        })
        .collect();
    states.sort_by_key(|state| state.partition);
    states
}

/// Output is appended: a restarted broker goes on in its own log.
pub(crate) fn redirect(command: &mut Command, log: &Path) {
    let file = File::options().create(true).append(true).open(log).expect("a log file can be opened");
    command.stdout(file.try_clone().expect("a file handle can be cloned")).stderr(file);
}

fn tail(log: &Path) -> String {
    const LINES: usize = 40;
    let text = fs::read_to_string(log).unwrap_or_else(|error| format!("{}: {error}", log.display()));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

pub(crate) fn temporary_directory() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let parent = env::work_directory();
    let directory = parent.join(format!("cluster-{}-{number}", std::process::id()));
    fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("cannot create {}: {error}", directory.display()));
    directory
}
