//! The model behind TCP: one thread ("kp-mock") and one listener on 127.0.0.1 per broker.
//!
//! The thread owns every socket; a test's hand on the cluster goes through the mutex, and where brokers went down or up it waits
//! until the thread has followed, so that a connect after `broker_down` returns is refused.

mod connection;
mod event_loop;
mod link;
mod listener;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::sync::{Condvar, Mutex};
use mio::Waker;

use crate::error::{Error, Result, Status};
use crate::time::Time;

use super::cluster::{Cluster, ClusterOptions};
use super::partition_log::{LogSnapshot, StoredRecord};
use event_loop::EventLoop;
use listener::BrokerListener;

/// What the handle and the thread share.
struct Shared {
    cluster: Mutex<Cluster>,
    waker: Waker,
    progress: Mutex<Progress>,
    progressed: Condvar,
    origin: Instant,
    /// What new connections are secured with.
    tls: Mutex<Option<Arc<rustls::ServerConfig>>>,
}

impl Shared {
    /// The model's time.
    fn now(&self) -> Time {
        Time(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// Milliseconds since 1970.
fn wall_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

/// `host:port`, with brackets around an IPv6 address.
fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// How far the thread has followed the cluster.
#[derive(Default)]
struct Progress {
    changes_seen: u64,
    stop: bool,
    stopped: bool,
    /// Why a broker could not listen again.
    listen_error: Option<String>,
}

/// A running mock cluster: TCP brokers on loopback, in this process. Dropping it closes them and joins the thread.
pub struct MockCluster {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Where the brokers are, by id less 1.
    addresses: Vec<(String, u16)>,
    bootstrap_servers: String,
}

/// Where the brokers listen, and as what clients find them.
#[derive(Clone, Debug)]
pub struct Listening {
    pub address: IpAddr,
    /// The first broker's port; the others have those behind it. 0: free ones.
    pub first_port: u16,
    /// The name that bootstrap list and metadata have.
    pub host: String,
}

impl Default for Listening {
    /// Free ports of 127.0.0.1.
    fn default() -> Listening {
        Listening { address: Ipv4Addr::LOCALHOST.into(), first_port: 0, host: "127.0.0.1".to_owned() }
    }
}

impl Listening {
    fn of_broker(&self, id: i32) -> Option<SocketAddr> {
        let offset = u16::try_from(id - 1).ok()?;
        let port = if self.first_port == 0 { 0 } else { self.first_port.checked_add(offset)? };
        Some(SocketAddr::new(self.address, port))
    }
}

impl MockCluster {
    /// Starts the brokers, each on a free port of 127.0.0.1.
    pub fn new(options: ClusterOptions) -> Result<MockCluster> {
        MockCluster::listening(options, &Listening::default())
    }

    /// Starts the brokers where they are to listen.
    pub fn listening(options: ClusterOptions, listening: &Listening) -> Result<MockCluster> {
        let mut cluster = Cluster::new(options);
        let no_resources = |what: &str, error: std::io::Error| {
            Error::new(Status::NO_RESOURCES, format!("the mock cluster got no {what}: {error}"))
        };
        let poll = mio::Poll::new().map_err(|error| no_resources("epoll", error))?;
        let waker = Waker::new(poll.registry(), event_loop::WAKER).map_err(|error| no_resources("waker", error))?;
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for id in cluster.broker_ids() {
            let wanted = listening.of_broker(id).ok_or_else(|| {
                let text =
                    format!("broker {id} has no port: the first has {}, and 65535 is the last", listening.first_port);
                Error::new(Status::INVALID_ARGUMENT, text)
            })?;
            let no_socket = |error: std::io::Error| no_resources(&format!("socket at {wanted}"), error);
            let mut listener = BrokerListener::reserve(id, wanted).map_err(no_socket)?;
            listener.listen(poll.registry()).map_err(no_socket)?;
            cluster.set_address(id, &listening.host, listener.port());
            addresses.push((listening.host.clone(), listener.port()));
            listeners.push(listener);
        }
        let shared = Arc::new(Shared {
            cluster: Mutex::new(cluster),
            waker,
            progress: Mutex::new(Progress::default()),
            progressed: Condvar::new(),
            origin: Instant::now(),
            tls: Mutex::default(),
        });
        let event_loop = EventLoop::new(poll, listeners, Arc::clone(&shared));
        let thread = crate::threads::spawn("kp-mock", move || event_loop.run());
        let thread = thread.map_err(|error| no_resources("thread", error))?;
        let bootstrap_servers = addresses.iter().map(|(host, port)| shown(host, *port)).collect::<Vec<_>>().join(",");
        Ok(MockCluster { shared, thread: Some(thread), addresses, bootstrap_servers })
    }

    /// `host:port` of every broker, separated by commas.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Works on the model. Requests wait meanwhile. If brokers went down, up, frozen or thawed, it returns when their sockets
    /// have followed.
    pub fn with<R>(&self, work: impl FnOnce(&mut Cluster) -> R) -> R {
        let (result, changes, had_changes) = {
            let mut cluster = self.shared.cluster.lock();
            // Transactions that are due are over before anybody looks.
            cluster.advance(self.shared.now(), wall_ms());
            let before = cluster.server_changes();
            let result = work(&mut cluster);
            (result, cluster.server_changes(), cluster.server_changes() != before)
        };
        if had_changes {
            self.wait_for(changes);
        }
        result
    }

    /// New connections are in TLS: the brokers show this certificate chain, and clients have to show one that `client_ca` has
    /// signed. PEM texts. Connections that are there stay as they are.
    pub fn set_tls(&self, chain: &str, key: &str, client_ca: Option<&str>) -> Result<()> {
        let config = link::server_config(chain, key, client_ca)?;
        *self.shared.tls.lock() = Some(config);
        Ok(())
    }

    /// New connections are plain again.
    pub fn set_plaintext(&self) {
        *self.shared.tls.lock() = None;
    }

    fn wait_for(&self, changes: u64) {
        let mut progress = self.shared.progress.lock();
        if self.shared.waker.wake().is_err() {
            return;
        }
        while progress.changes_seen < changes && !progress.stopped {
            self.shared.progressed.wait(&mut progress);
        }
    }

    pub fn topic_create(&self, name: &str, partitions: i32, replicas: i16) -> Result<()> {
        self.with(|cluster| cluster.topic_create(name, partitions, replicas))
    }

    pub fn push_error(&self, api_key: i16, error_code: i16, count: u32) {
        self.with(|cluster| cluster.push_error(api_key, error_code, count));
    }

    pub fn push_disconnect(&self, api_key: i16, after_append: bool, count: u32) {
        self.with(|cluster| cluster.push_disconnect(api_key, after_append, count));
    }

    /// Closes the broker's listener and connections; connects are refused when this returns.
    pub fn broker_down(&self, broker: i32) {
        self.with(|cluster| cluster.broker_down(broker));
    }

    /// Listens again on the same port.
    pub fn broker_up(&self, broker: i32) -> Result<()> {
        self.with(|cluster| cluster.broker_up(broker));
        match self.shared.progress.lock().listen_error.take() {
            Some(text) => Err(Error::new(Status::NO_RESOURCES, text)),
            None => Ok(()),
        }
    }

    /// The broker stops reading, answering and accepting; its connections stay open.
    pub fn broker_freeze(&self, broker: i32) {
        self.with(|cluster| cluster.broker_set_frozen(broker, true));
    }

    /// The broker goes on with what has come meanwhile.
    pub fn broker_thaw(&self, broker: i32) {
        self.with(|cluster| cluster.broker_set_frozen(broker, false));
    }

    pub fn broker_set_latency(&self, broker: i32, latency_ms: u32) {
        self.with(|cluster| cluster.broker_set_latency(broker, latency_ms));
    }

    /// What Metadata says of where the broker is; `None`: where it really is.
    pub fn broker_set_address(&self, broker: i32, address: Option<(&str, u16)>) {
        let real = || self.addresses.get(usize::try_from(broker).ok()?.checked_sub(1)?);
        let Some((host, port)) = address.or_else(|| real().map(|(host, port)| (host.as_str(), *port))) else { return };
        self.with(|cluster| cluster.set_address(broker, host, port));
    }

    pub fn broker_set_rack(&self, broker: i32, rack: Option<&str>) {
        self.with(|cluster| cluster.broker_set_rack(broker, rack));
    }

    pub fn set_throttle_ms(&self, broker: i32, throttle_ms: i32) {
        self.with(|cluster| cluster.set_throttle_ms(broker, throttle_ms));
    }

    pub fn partition_set_leader(&self, topic: &str, partition: i32, broker: Option<i32>) -> Result<()> {
        self.with(|cluster| cluster.partition_set_leader(topic, partition, broker))
    }

    pub fn set_message_max_bytes(&self, bytes: usize) {
        self.with(|cluster| cluster.set_message_max_bytes(bytes));
    }

    pub fn records(&self, topic: &str, partition: i32) -> Result<Vec<StoredRecord>> {
        // Copied outside the lock, so that the brokers go on answering.
        Ok(self.snapshot(topic, partition, 0)?.records().map(StoredRecord::from).collect())
    }

    pub fn snapshot(&self, topic: &str, partition: i32, first_offset: i64) -> Result<LogSnapshot> {
        self.with(|cluster| cluster.snapshot(topic, partition, first_offset))
    }

    pub fn end_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.with(|cluster| cluster.end_offset(topic, partition))
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        self.shared.progress.lock().stop = true;
        let woken = self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A thread that cannot be woken is left behind rather than waited for; a panic in it has been printed already.
            if woken.is_ok() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests;
