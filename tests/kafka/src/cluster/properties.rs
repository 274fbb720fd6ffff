//! The configuration files of brokers and ZooKeeper.

use std::fmt::Write;
use std::path::Path;

use super::{KafkaCluster, Node};

/// Any 16 bytes in base64.
pub const CLUSTER_ID: &str = "a3Byb2R1Y2VyLXRlc3RzIQ";

/// The common part: small, without topics out of nothing, and quick to notice a dead broker and a transaction that timed out.
const COMMON: &str = "\
auto.create.topics.enable=false
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
controlled.shutdown.enable=false
num.network.threads=2
num.io.threads=2
log.cleaner.enable=false
log.index.size.max.bytes=1048576
";

pub fn broker(cluster: &KafkaCluster, node: &Node) -> String {
    let Node { id, port, controller_port, directory, .. } = node;
    let extras = &cluster.extras;
    let more = || extras.listeners.iter().zip(&node.listener_ports);
    let secured: String = more().map(|(l, port)| format!(",{}://localhost:{port}", l.name)).collect();
    let advertised: String =
        more().map(|(l, port)| format!(",{}://localhost:{}", l.name, l.advertised_port.unwrap_or(*port))).collect();
    let protocols: String = extras.listeners.iter().map(|l| format!(",{}:{}", l.name, l.protocol)).collect();
    let mut text = String::from(COMMON);
    let data = directory.join("data");
    let mut line = |arguments: std::fmt::Arguments<'_>| writeln!(text, "{arguments}").expect("a String takes all");
    // With several nodes coordinators are replicated and spread as in earnest.
    let (replicas, in_sync) = (cluster.nodes.len().min(3), cluster.nodes.len().min(2));
    for log in ["offsets.topic", "transaction.state.log"] {
        line(format_args!("{log}.num.partitions={replicas}"));
        line(format_args!("{log}.replication.factor={replicas}"));
    }
    line(format_args!("transaction.state.log.min.isr={in_sync}"));
    line(format_args!("log.dirs={}", data.display()));
    line(format_args!("advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}"));
    line(format_args!("inter.broker.listener.name=PLAINTEXT"));
    for setting in &extras.settings {
        line(format_args!("{setting}"));
    }
    for listener in &extras.listeners {
        for setting in &listener.settings {
            line(format_args!("listener.name.{}.{setting}", listener.name.to_lowercase()));
        }
    }
    if cluster.release.uses_zookeeper() {
        line(format_args!("broker.id={id}"));
        line(format_args!("listeners=PLAINTEXT://127.0.0.1:{port}{secured}"));
        line(format_args!("listener.security.protocol.map=PLAINTEXT:PLAINTEXT{protocols}"));
        line(format_args!("zookeeper.connect=127.0.0.1:{}", cluster.zookeeper_port));
        line(format_args!("zookeeper.connection.timeout.ms=60000"));
    } else {
        let voters: Vec<String> =
            cluster.nodes.iter().map(|node| format!("{}@127.0.0.1:{}", node.id, node.controller_port)).collect();
        line(format_args!("process.roles=broker,controller"));
        line(format_args!("node.id={id}"));
        line(format_args!("controller.quorum.voters={}", voters.join(",")));
        line(format_args!("listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{secured}"));
        line(format_args!("controller.listener.names=CONTROLLER"));
        line(format_args!("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}"));
        line(format_args!("broker.heartbeat.interval.ms=500"));
        line(format_args!("broker.session.timeout.ms=4000"));
    }
    text
}

pub fn zookeeper(directory: &Path, port: u16) -> String {
    let data = directory.join("zookeeper");
    format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=2000\nadmin.enableServer=false\n",
        data.display()
    )
}
