//! The safe Rust face of a producer: what an application thread does. It reads the clock, starts the I/O thread and
//! talks to it through the accumulator's inbox; reports come back through `reports`.

mod choosing;
mod close;
mod direct;
mod dispatch;
mod driver;
mod flush;
mod future;
mod hooks;
mod login;
mod metadata;
mod numbers;
mod packing;
mod queue_full;
mod telemetry;
#[cfg(test)]
mod tests;
mod tls;
pub mod transaction;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::accumulator::{Accumulator, Command, NotAppended, Place, Refused, Reservation, Sending, Topic, Wanted};
use crate::codec::Codec;
use crate::config::{Config, ConfigBuilder};
use crate::error::{Error, Result, Status};
use crate::io::{Clock, IoOptions, IoThread};
use crate::mock::{ClusterOptions, MockCluster};
use crate::record::Record;
use crate::reports::{Completion, Dispatch, Handed, Item, Reports};
use crate::security::token::TokenGetter;
use crate::sender::Sender;
use crate::wire::record_batch::{HEADER_LEN, record_len_max};
pub use direct::{ProducerBatch, SentTicket};
use driver::Driver;
pub use flush::FlushToken;
pub use future::SentFuture;
use login::LoginThread;

/// Partitions of a topic that the embedded mock cluster makes by itself.
const MOCK_PARTITIONS: i32 = 4;

/// Partitions tried for a record without a key where one has used up its share of the memory.
const OTHER_CHOICES: u32 = 4;

/// One producer. Every method may be called from any thread.
pub struct Producer {
    id: u64,
    accumulator: Arc<Accumulator>,
    reports: Arc<Reports>,
    clock: Clock,
    io: Mutex<IoThread>,
    packers: packing::Packers,
    /// `delivery.dispatch=thread`.
    dispatcher: Mutex<Option<JoinHandle<()>>>,
    max_request_size: usize,
    max_block_ms: u64,
    /// Who held the memory when that was last looked for.
    memory_holder: Mutex<Option<(Instant, String)>>,
    config: Arc<Config>,
    /// Of the application's own partitioner, when it has one.
    chooser: OnceLock<Arc<choosing::Chooser>>,
    /// `security.protocol` with TLS.
    secured: Option<Arc<tls::Secured>>,
    /// `security.protocol` with SASL.
    login: Option<login::LoginThread>,
    /// `test.mock.num.brokers`: lives as long as the producer that it belongs to.
    _mock: Option<MockCluster>,
}

impl Producer {
    /// Starts a producer: its I/O thread connects to the bootstrap servers at once, this call waits for nothing.
    pub fn new(config: Config) -> Result<Producer> {
        let made = Producer::with_tokens(config, None)?;
        made.start_login()?;
        Ok(made)
    }

    /// As `new`, with the application's own source of OAUTHBEARER's tokens, and nobody asked for credentials before
    /// `start_login`.
    pub fn with_tokens(mut config: Config, getter: Option<Box<dyn TokenGetter>>) -> Result<Producer> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        if config.client_id.is_empty() {
            config.client_id = format!("kproducer-{id}");
        }
        let mock = start_mock(&mut config)?;
        let clock = Clock::new();
        let seed = RandomState::new().hash_one(id);
        let reports =
            Reports::new(config.reports_max_count, config.log_level).with_only_errors(config.report_only_errors);
        let reports = Arc::new(reports);
        let accumulator = Arc::new(Accumulator::new(&config, id, seed, reports.clone()));
        let secured = tls::Secured::new(&config, &accumulator, &reports)?;
        reports.set_news_source(numbers::News {
            accumulator: Arc::downgrade(&accumulator),
            client_id: config.client_id.clone(),
            clock,
        });
        let config = Arc::new(config);
        accumulator.packing.set_clock(move || clock.now());
        let mut sender = Sender::new(config.clone(), accumulator.clone(), seed.rotate_left(32), clock.now());
        sender.set_wall_clock(clock.now(), clock.wall_ms());
        for text in crate::config::notices(&config) {
            reports.log(5, "config", || text);
        }
        let login = LoginThread::new(&config, &accumulator, &reports, clock, getter)?;
        if let Some(login) = &login {
            sender.set_login(login.login());
        }
        let driver = Driver { sender, accumulator: accumulator.clone(), clock };
        let mut options = io_options(&config);
        if let Some(secured) = &secured {
            options.tls = Some(secured.shared());
            secured.watch(config.tls.reload_interval_ms)?;
        }
        let packers = packing::Packers::default();
        let io = packers
            .start(&config, config.compression.codec, &accumulator)
            .and_then(|()| IoThread::start("kp-io", options, clock, driver))
            .inspect_err(|_| {
                accumulator.packing.end();
                secured.iter().for_each(|secured| secured.end(close::IO_TURN));
            })?;
        let waker = io.waker();
        accumulator.inbox.set_wake(move || waker.wake());
        Ok(Producer {
            id,
            accumulator,
            reports,
            clock,
            io: Mutex::new(io),
            packers,
            dispatcher: Mutex::default(),
            max_request_size: config.max_request_size,
            max_block_ms: config.max_block_ms,
            memory_holder: Mutex::default(),
            config,
            chooser: OnceLock::new(),
            secured,
            login,
            _mock: mock,
        })
    }

    /// Begins to ask for credentials: the last step, so that no code of the application runs for a producer that does
    /// not come about. The error leaves a producer to be closed.
    pub fn start_login(&self) -> Result<()> {
        self.login.as_ref().map_or(Ok(()), LoginThread::start)
    }

    /// Unique in this process, never reused.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The topic of this name; it lives as long as the producer.
    pub fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        self.accumulator.topics.intern(name)
    }

    /// Sets one property for a topic alone.
    pub fn set_for_topic(&self, topic: &str, property: &str, value: &str) -> Result<()> {
        let topic = self.topic(topic)?;
        // First, so that nothing has changed when there is no thread to be had.
        let mut own = ConfigBuilder::new();
        let alone = own.set_for_topic(property, value).and_then(|()| own.for_topic(&self.config, topic.name()));
        let codec = alone.map_or(Codec::None, |config| config.compression.codec);
        self.packers.start(&self.config, codec, &self.accumulator)?;
        topic.settings().set(&self.config, topic.name(), property, value)
    }

    /// `enable.idempotence`: every record needs acks=all.
    pub fn is_idempotent(&self) -> bool {
        self.config.enable_idempotence
    }

    /// Milliseconds since 1970 from the coarse clock: what records without a timestamp of their own get.
    #[inline]
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Copies the record into a batch. Waits up to `max.block.ms` when `buffer.memory` is full.
    #[inline]
    pub fn send<P: Place>(&self, topic: &Topic, record: &Record<'_>, how: &Sending) -> Result<P> {
        if how.tag.is_some() && self.reports.is_full() {
            return Err(self.reports_not_taken());
        }
        let most = record_len_max(record);
        if most > self.max_request_size - HEADER_LEN {
            self.check_size(topic, record, most)?;
        }
        match self.accumulator.append_as(topic, record, how, &mut None, || self.clock.now()) {
            Ok(placed) => Ok(placed),
            Err(why) => self.send_again(topic, record, how, why),
        }
    }

    /// The slow half of `send`: says why the door is shut, or waits its turn for memory, as often as others take what
    /// it waited for.
    #[cold]
    fn send_again<P: Place>(
        &self,
        topic: &Topic,
        record: &Record<'_>,
        how: &Sending,
        mut why: NotAppended,
    ) -> Result<P> {
        let deadline = self.deadline(self.max_block_ms);
        // Another partition is as good for a record that has neither.
        let mut choices = if how.partition.is_none() && record.key.is_none() { OTHER_CHOICES } else { 0 };
        loop {
            let mut held = match why {
                NotAppended::NeedsMemory(wanted) if choices > 0 && self.accumulator.steer(topic, &wanted) => {
                    choices -= 1;
                    None
                }
                NotAppended::NeedsMemory(wanted) => Some(self.reserve(topic, wanted, deadline)?),
                NotAppended::OutOfMemory => return Err(queue_full::out_of_memory(self.accumulator.memory.limit())),
                NotAppended::Refused => {
                    if let Some(why) = self.accumulator.fatal().cloned().or_else(|| self.accumulator.door.why()) {
                        return Err(why);
                    }
                    // It was opened meanwhile.
                    None
                }
            };
            match self.accumulator.append_as(topic, record, how, &mut held, || self.clock.now()) {
                Ok(placed) => return Ok(placed),
                Err(again) => why = again,
            }
        }
    }

    fn reserve(&self, topic: &Topic, wanted: Wanted, deadline: Option<Instant>) -> Result<Reservation> {
        let bytes = wanted.bytes;
        if bytes > self.accumulator.memory.limit() {
            let text = format!(
                "the record needs {bytes} bytes of buffer.memory, which is {} bytes in all",
                self.accumulator.memory.limit()
            );
            return Err(Error::new(Status::RECORD_TOO_LARGE, text));
        }
        self.accumulator.wait_for_memory(wanted, deadline).map_err(|why| match why {
            Refused::Closed => self.ended(),
            Refused::Full => self.queue_full(),
            Refused::Crowded(crowd) => self.share_full(topic, &crowd),
        })
    }

    /// Dispatches finished batches and log lines on this thread; with none there, waits up to `timeout_ms` (-1: for
    /// ever) for the first. Answers how many records were reported.
    pub fn poll(&self, timeout_ms: i32, hand: impl FnMut(Item<'_>) -> Handed) -> Result<usize> {
        let ended = match timeout_ms {
            0 => self.reports.poll_now(hand),
            _ => self.reports.poll(self.call_deadline(timeout_ms), hand),
        };
        match ended {
            Dispatch::Done(count) | Dispatch::TimedOut(count) | Dispatch::Left(count) => Ok(count),
            Dispatch::Ended(_) => Err(self.ended()),
            Dispatch::Reentered => Err(in_callback("producer_poll")),
        }
    }

    /// Fails what is queued, in flight, or both; the reports come through poll as always.
    pub fn purge(&self, queued: bool, in_flight: bool) -> Result<()> {
        if let Some(fatal) = self.accumulator.fatal() {
            return Err(fatal.clone());
        }
        let done = Arc::new(Completion::default());
        self.accumulator.inbox.command(Command::Purge { queued, in_flight, done: done.clone() });
        self.wait_for_io_thread(&done)
    }

    /// The I/O thread never blocks: this is a hand-over, not a wait for brokers.
    fn wait_for_io_thread(&self, done: &Completion) -> Result<()> {
        if self.reports.wait_complete(done, Some(Instant::now() + close::IO_TURN)) {
            return Ok(());
        }
        if self.reports.is_shut() {
            return Err(self.ended());
        }
        Err(Error::new(Status::INTERNAL, "the I/O thread does not answer"))
    }

    /// Whether this thread is in one of this producer's callbacks.
    pub fn in_callback(&self) -> bool {
        self.reports.in_callback()
    }

    /// Why nothing comes any more.
    fn ended(&self) -> Error {
        self.accumulator.fatal().cloned().unwrap_or_else(closed)
    }

    fn call_deadline(&self, timeout_ms: i32) -> Option<Instant> {
        // -1, the only negative value that gets here, waits for ever.
        u64::try_from(timeout_ms).ok().and_then(|ms| self.deadline(ms))
    }

    fn deadline(&self, ms: u64) -> Option<Instant> {
        Instant::now().checked_add(Duration::from_millis(ms))
    }

    #[cold]
    fn check_size(&self, topic: &Topic, record: &Record<'_>, most: usize) -> Result<()> {
        // `most` allows for the longest deltas; the record that is exactly as large as allowed must pass.
        let exact = if most > i32::MAX as usize {
            most
        } else {
            let body = crate::wire::record_batch::record_body_len(0, 0, record);
            crate::wire::record_batch::record_len(body) + HEADER_LEN
        };
        if exact <= self.max_request_size {
            return Ok(());
        }
        let text = format!(
            "a record of {exact} bytes for topic '{}' is larger than max.request.size={}; raise it, and the topic's \
             max.message.bytes with it",
            topic.name(),
            self.max_request_size
        );
        Err(Error::new(Status::RECORD_TOO_LARGE, text))
    }

    #[cold]
    fn reports_not_taken(&self) -> Error {
        if let Some(fatal) = self.accumulator.fatal() {
            return fatal.clone();
        }
        self.reports.refuse_for_reports();
        let text = format!(
            "{} finished reports wait to be taken (delivery.reports.max.count={}): call producer_poll",
            self.reports.pending(),
            self.config.reports_max_count
        );
        Error::new(Status::REPORTS_NOT_TAKEN, text)
    }
}

fn closed() -> Error {
    Error::new(Status::CLOSED, "the producer is closed")
}

fn in_callback(call: &str) -> Error {
    Error::new(
        Status::IN_CALLBACK,
        format!("{call} was called from a callback of the same producer; call it elsewhere"),
    )
}

fn start_mock(config: &mut Config) -> Result<Option<MockCluster>> {
    if config.test_mock_num_brokers == 0 {
        return Ok(None);
    }
    let options = ClusterOptions {
        brokers: config.test_mock_num_brokers,
        auto_create_partitions: MOCK_PARTITIONS,
        ..ClusterOptions::default()
    };
    let mock = MockCluster::new(options)?;
    for broker in 1..=config.test_mock_num_brokers {
        mock.broker_set_latency(broker, u32::try_from(config.test_mock_broker_rtt_ms).unwrap_or(u32::MAX));
    }
    let servers = mock.bootstrap_servers().split(',').filter_map(|server| server.rsplit_once(':'));
    config.bootstrap_servers = servers.filter_map(|(host, port)| Some((host.to_owned(), port.parse().ok()?))).collect();
    Ok(Some(mock))
}

fn io_options(config: &Config) -> IoOptions {
    let bytes = |setting: Option<usize>| setting.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    IoOptions {
        send_buffer_bytes: bytes(config.send_buffer_bytes),
        receive_buffer_bytes: bytes(config.receive_buffer_bytes),
        keepalive: config.socket_keepalive_enable,
        tcp_user_timeout_ms: config.tcp_user_timeout_ms.unwrap_or(0),
        address_family: config.broker_address_family,
        tls: None,
    }
}
