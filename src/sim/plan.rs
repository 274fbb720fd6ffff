//! What a seed draws before its run begins: configuration, cluster, application and the rates of faults. Each run has
//! some kinds of fault and not others (swarm testing), so that no kind hides another for ever.

use super::coordination::TRANSACTIONAL_ID;
use super::logins::LoginPlan;
use super::random::Random;
use crate::codec::{Codec, Compression};
use crate::config::{Config, OnFailure, OnInDoubtTimeout, OnSequenceGap};
use crate::mock::UnknownProducer;

/// Chances are per mille, per opportunity.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    pub connect_refused: u32,
    pub connect_hangs: u32,
    /// The connection breaks after any number of bytes that the client's socket took.
    pub reset_on_write: u32,
    /// A whole request arrived; the connection breaks before or after the broker acted on it.
    pub reset_before_processing: u32,
    pub reset_after_processing: u32,
    /// The connection breaks in the middle of a response.
    pub reset_in_response: u32,
    /// The response never leaves; the connection stays open.
    pub response_lost: u32,
    /// The response comes after `request.timeout.ms`.
    pub response_late: u32,
    pub response_repeated: u32,
    pub response_garbage: u32,
    pub response_truncated: u32,
    /// Entries of a produce response go missing, come twice or name other partitions.
    pub response_entries: u32,
    /// Topics or partitions go missing from metadata.
    pub metadata_entries: u32,
    /// Metadata names the leaders of a while ago.
    pub metadata_lags: u32,
    /// The socket takes nothing for a while.
    pub write_stalls: u32,
    /// A request that is unanswered when its connection ends reaches the broker later, once more if it was acted on
    /// before.
    pub zombie: u32,
    /// At each fault step.
    pub broker_down: u32,
    pub broker_freezes: u32,
    pub broker_moves: u32,
    pub leader_moves: u32,
    pub leader_lost: u32,
    pub throttle: u32,
    pub latency: u32,
    pub error_code: u32,
    pub message_max: u32,
    /// The client's process stands still, as a debugger or a paused machine has it.
    pub stands_still: u32,
    /// A log loses its end, with what was acknowledged.
    pub truncation: u32,
    /// A partition forgets its producer ids.
    pub producer_expiry: u32,
    /// InitProducerId answers an error.
    pub producer_id_error: u32,
    pub coordinator_moves: u32,
    pub coordinator_loads: u32,
    pub coordinator_error: u32,
    /// End markers take their time.
    pub markers_late: u32,
    /// `transaction.version` is set to another level.
    pub version_changes: u32,
    /// Another producer takes the transactional id over.
    pub fenced: u32,
    /// At each answer of a coordinator: it has acted, and says that it has not.
    pub hidden_act: u32,
    /// At each success of a partition: the answer says something else, though the batch is in the log.
    pub hidden_append: u32,
}

/// What brokers, or what stands before them, make of a version of ApiVersions above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Greets {
    AsKafka,
    /// The connection ends.
    HangsUp,
    /// Error 35, and these bytes behind it.
    Refuses(&'static [u8]),
    /// The answer has the form of version 0.
    InVersion0,
    /// This broker speaks none of our versions; the others are as Kafka.
    TooOld(i32),
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub config: Config,
    pub brokers: i32,
    /// Partitions of each topic that exists from the start.
    pub topics: Vec<i32>,
    /// Topics that come into being while records wait for them.
    pub late_topics: usize,
    /// Partitions of topics that brokers create on demand; 0 when they do not.
    pub auto_create_partitions: i32,
    /// A topic that never exists gets records too.
    pub ghost_topic: bool,
    pub old_brokers: bool,
    pub greets: Greets,
    /// Brokers end connections on which a larger request comes, without having read it.
    pub request_bytes_max: Option<usize>,
    /// What brokers do with a producer id that they do not know.
    pub unknown_producer: UnknownProducer,
    /// The epoch of a fresh producer id.
    pub first_epoch: i16,
    /// The bootstrap list names brokers by other names than metadata does.
    pub bootstrap_aliases: bool,
    /// Of a transactional producer.
    pub transactions: usize,
    pub transaction_version: i16,
    /// Coordinators may answer what ends a transaction or the producer.
    pub hard_codes: bool,
    pub records: usize,
    pub record_bytes_most: u64,
    pub app_span_us: u64,
    pub own_deadlines: bool,
    /// Records may ask for acks of their own.
    pub mixed_acks: bool,
    pub purges: bool,
    pub flushes: bool,
    /// Some batches are filled by the application itself.
    pub directs: bool,
    /// Topics are compacted: brokers refuse records without a key, and name them.
    pub compacted: bool,
    /// Some records are taken back.
    pub cancels: bool,
    /// Threads that compress, which take so long at most.
    pub packers: usize,
    pub packing_us: u64,
    /// Untagged records get no report.
    pub untagged: bool,
    /// Time from the start until faults stop, in microseconds.
    pub faults_span_us: u64,
    /// Close without waiting for the faults to stop.
    pub close_early: bool,
    pub latency_us: u64,
    /// Bytes that the socket takes at once, at most.
    pub write_slice: u64,
    pub read_slice: u64,
    /// Brokers ask for metrics, as often as this.
    pub telemetry_ms: Option<i32>,
    /// Brokers want to know who we are.
    pub logins: Option<LoginPlan>,
    /// Error codes that brokers are made to answer.
    pub codes: Vec<i16>,
    pub rates: Rates,
}

/// Codes that a real broker answers and that this producer retries.
const RETRIABLE_CODES: [i16; 10] = [3, 5, 6, 7, 9, 13, 19, 20, 56, 14];
const OTHER_CODES: [i16; 15] = [-1, 2, 10, 17, 18, 29, 31, 32, 35, 42, 44, 45, 87, 100, 999];
/// And those of sequences and epochs; DUPLICATE_SEQUENCE_NUMBER is not among them, because it would be a lie.
const SEQUENCE_CODES: [i16; 3] = [45, 47, 59];
pub(super) const PRODUCER_ID_CODES: [i16; 6] = [14, 15, 51, -1, 7, 41];

impl Plan {
    /// No faults, one broker each of what is needed: named scenarios start from here.
    pub fn calm() -> Plan {
        Plan {
            config: Config {
                client_id: "sim".into(),
                linger_us: 0,
                acks: -1,
                log_level: -1,
                buffer_memory: 8 << 20,
                batch_size: 16 << 10,
                metadata_max_age_ms: 300_000,
                allow_auto_create_topics: false,
                enable_idempotence: false,
                ..Config::default()
            },
            brokers: 2,
            topics: vec![2],
            late_topics: 0,
            auto_create_partitions: 0,
            ghost_topic: false,
            old_brokers: false,
            greets: Greets::AsKafka,
            request_bytes_max: None,
            unknown_producer: UnknownProducer::Accept,
            first_epoch: 0,
            bootstrap_aliases: false,
            transactions: 0,
            transaction_version: 2,
            hard_codes: false,
            records: 0,
            record_bytes_most: 100,
            app_span_us: 0,
            own_deadlines: false,
            mixed_acks: false,
            purges: false,
            flushes: false,
            directs: false,
            compacted: false,
            cancels: false,
            packers: 0,
            packing_us: 0,
            untagged: false,
            faults_span_us: 0,
            close_early: false,
            latency_us: 500,
            write_slice: u64::MAX,
            read_slice: u64::MAX,
            telemetry_ms: None,
            logins: None,
            codes: Vec::new(),
            rates: Rates::default(),
        }
    }

    pub fn draw(random: &mut Random) -> Plan {
        let mut plan = Plan::calm();
        let faulty = !random.percent(10);
        plan.brokers = random.between(1, 4) as i32;
        plan.topics = (0..random.between(1, 3)).map(|_| random.pick(&[1, 1, 2, 3, 6])).collect();
        plan.late_topics = usize::from(random.percent(30));
        plan.ghost_topic = random.percent(15);
        plan.old_brokers = random.percent(15);
        plan.bootstrap_aliases = random.percent(40);
        plan.records = random.pick(&[5, 20, 60, 60, 150]);
        plan.record_bytes_most = random.pick(&[10, 60, 60, 400, 3000]);
        plan.app_span_us = random.pick(&[1_000, 50_000, 500_000, 3_000_000]);
        plan.own_deadlines = random.percent(20);
        plan.purges = random.percent(15);
        plan.flushes = random.percent(60);
        plan.directs = random.percent(30);
        plan.cancels = random.percent(30);
        plan.untagged = random.percent(40);
        plan.faults_span_us = if faulty { random.pick(&[100_000, 1_000_000, 5_000_000, 20_000_000]) } else { 0 };
        plan.close_early = random.percent(20);
        plan.latency_us = random.pick(&[50, 500, 5_000, 30_000]);
        plan.write_slice = random.pick(&[u64::MAX, u64::MAX, 1000, 64, 7]);
        plan.read_slice = random.pick(&[u64::MAX, u64::MAX, 100, 9]);
        plan.config = draw_config(random, plan.config);
        plan.mixed_acks = !plan.config.enable_idempotence && random.percent(30);
        if plan.config.enable_idempotence {
            use UnknownProducer::{Accept, MustStartAtZero, Refuse};
            plan.unknown_producer = random.pick(&[Accept, Accept, MustStartAtZero, Refuse]);
            if plan.config.test_first_sequence != 0 {
                // The property asks for brokers that do not mind.
                plan.unknown_producer = Accept;
                plan.old_brokers = false;
            }
            plan.first_epoch = random.pick(&[0, 0, 0, 0, 32_765, 32_766]);
        }
        if plan.config.enable_idempotence && random.percent(40) {
            plan.draw_transactions(random);
        }
        if plan.record_bytes_most < 1000 || plan.config.batch_size > 1000 {
            plan.config.buffer_memory = random.pick(&[12 << 10, 32 << 10, 8 << 20, 8 << 20]);
        }
        if plan.write_slice < 100 {
            // A byte at a time is a test of cuts, not of patience.
            plan.records = plan.records.min(60);
            plan.record_bytes_most = plan.record_bytes_most.min(60);
        }
        if faulty {
            plan.rates = draw_rates(random);
            plan.codes.extend(RETRIABLE_CODES);
            if random.percent(40) {
                plan.codes.extend(OTHER_CODES);
            }
            if plan.config.enable_idempotence && random.percent(40) {
                plan.codes.extend(SEQUENCE_CODES);
            }
            if plan.config.transactional_id.is_some() {
                // What is lost or forgotten within a transaction is another matter.
                plan.rates.truncation = 0;
                if plan.old_brokers {
                    // Old brokers let late requests into whatever transaction is open.
                    plan.rates.zombie = 0;
                }
            }
            if plan.rates.error_code == 0 {
                plan.codes.clear();
            }
        }
        plan
    }

    /// Every other seed compresses: beside what is drawn, so that the others' runs stay what they are.
    pub fn compress(&mut self, seed: u64) {
        let codec = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd][(seed / 2 % 4) as usize];
        if seed % 2 == 1 {
            self.config.compression = Compression { codec, level: 1 };
            self.packers = (seed / 8 % 4) as usize;
            // Whoever is slower than the records' time for delivery loses them, and should.
            let most = self.config.delivery_timeout_ms * 1000 / 200;
            self.packing_us = most.min([1, 300, 20_000, 400_000][(seed / 32 % 4) as usize]);
        }
    }

    /// Brokers of other makers, and a client that is stopped and continued: beside what is drawn, so that the other
    /// seeds' runs stay what they are.
    pub fn go_abroad(&mut self, seed: u64) {
        self.greets = match seed % 13 {
            3 => Greets::HangsUp,
            5 => Greets::Refuses(&[]),
            7 => Greets::Refuses(&[0, 0, 0, 0, 0xff]),
            11 => Greets::InVersion0,
            _ => Greets::AsKafka,
        };
        if seed % 7 == 4 {
            self.config.max_request_size = 5_000;
        }
        if seed % 11 == 6 && self.faults_span_us > 0 {
            self.request_bytes_max = Some(30_000);
        }
        if seed % 5 == 2 && self.faults_span_us > 0 {
            self.rates.stands_still = 40;
        }
    }

    fn draw_transactions(&mut self, random: &mut Random) {
        self.config.transactional_id = Some(TRANSACTIONAL_ID.to_owned());
        self.config.transaction_timeout_ms = random.pick(&[8_000, 60_000, 300_000]);
        self.config.request_timeout_ms = self.config.request_timeout_ms.min(self.config.transaction_timeout_ms / 2);
        self.config.delivery_timeout_ms = self.config.delivery_timeout_ms.min(self.config.transaction_timeout_ms);
        self.config.on_in_doubt_timeout = OnInDoubtTimeout::Report;
        self.config.test_first_sequence = 0;
        self.config.linger_us = self.config.linger_us.min(50_000);
        self.transactions = random.pick(&[1, 3, 3, 8]);
        self.transaction_version = random.pick(&[0, 1, 2, 2]);
        self.hard_codes = random.percent(30);
        self.ghost_topic = false;
        self.own_deadlines = random.percent(10);
        self.purges = false;
        if random.percent(20) && !self.old_brokers {
            self.config.two_phase_commit = true;
            self.config.transaction_timeout_ms = i32::MAX as u64;
        }
    }

    /// Whether a broker may have been made to answer this code.
    pub fn may_answer(&self, code: i32) -> bool {
        self.codes.iter().any(|known| i32::from(*known) == code)
    }

    /// How long after the faults stop everything is as if there had been none.
    pub fn settle_us(&self) -> u64 {
        let ms = self.config.request_timeout_ms + self.config.socket_connection_setup_timeout_ms;
        1000 * (2 * ms + 8_000)
    }
}

fn draw_config(random: &mut Random, base: Config) -> Config {
    let request_timeout_ms = random.pick(&[200, 1_000, 5_000]);
    let linger_us = random.pick(&[0, 0, 1_000, 5_000, 50_000, 3_600_000_000]);
    let delivery_timeout_ms = random.pick(&[300, 2_000, 30_000, 120_000, 120_000]);
    let mut config = Config {
        acks: random.pick(&[-1, -1, -1, 1, 0]),
        max_in_flight_requests_per_connection: random.pick(&[1, 1, 5, 5, 2]),
        linger_us,
        batch_size: random.pick(&[100, 500, 2_000, 16 << 10, 1_000_000]),
        delivery_timeout_ms,
        request_timeout_ms,
        retries: random.pick(&[0, 1, 3, i32::MAX as u32, i32::MAX as u32, i32::MAX as u32, i32::MAX as u32]),
        retry_backoff_ms: random.pick(&[10, 100]),
        retry_backoff_max_ms: random.pick(&[100, 1_000]),
        reconnect_backoff_ms: random.pick(&[5, 50]),
        reconnect_backoff_max_ms: random.pick(&[50, 1_000]),
        socket_connection_setup_timeout_ms: random.pick(&[300, 2_000]),
        metadata_max_age_ms: random.pick(&[1_000, 5_000, 300_000]),
        unknown_topic_grace_ms: random.pick(&[500, 5_000]),
        connections_max_idle_ms: random.pick(&[Some(200), Some(5_000), Some(180_000), None]),
        metadata_recovery_rebootstrap: !random.percent(10),
        metadata_recovery_rebootstrap_trigger_ms: random.pick(&[2_000, 300_000]),
        on_failure: random.pick(&[OnFailure::Gap, OnFailure::Gap, OnFailure::StopPartition]),
        enable_idempotence: random.percent(70),
        ..base
    };
    if config.enable_idempotence {
        config.acks = -1;
        config.retries = config.retries.max(1);
        config.on_sequence_gap = random.pick(&[OnSequenceGap::Bump, OnSequenceGap::Bump, OnSequenceGap::Fatal]);
        config.on_in_doubt_timeout =
            random.pick(&[OnInDoubtTimeout::Report, OnInDoubtTimeout::Report, OnInDoubtTimeout::Hold]);
        let near_the_end = i32::MAX as u32 - random.below(12) as u32;
        config.test_first_sequence = random.pick(&[0, 0, near_the_end]);
    }
    config
}

fn draw_rates(random: &mut Random) -> Rates {
    // Half of the kinds are missing from a run; the rest have a rate of their own.
    let mut rate = |most: u64| if random.percent(50) { 0 } else { random.between(1, most) as u32 };
    Rates {
        connect_refused: rate(300),
        connect_hangs: rate(150),
        reset_on_write: rate(30),
        reset_before_processing: rate(100),
        reset_after_processing: rate(100),
        reset_in_response: rate(60),
        response_lost: rate(60),
        response_late: rate(80),
        response_repeated: rate(40),
        response_garbage: rate(40),
        response_truncated: rate(40),
        response_entries: rate(100),
        metadata_entries: rate(150),
        metadata_lags: rate(400),
        write_stalls: rate(50),
        zombie: rate(800),
        broker_down: rate(60),
        broker_freezes: rate(60),
        broker_moves: rate(40),
        leader_moves: rate(200),
        leader_lost: rate(60),
        throttle: rate(60),
        latency: rate(60),
        error_code: rate(300),
        message_max: rate(60),
        stands_still: 0,
        coordinator_moves: rate(80),
        coordinator_loads: rate(60),
        coordinator_error: rate(200),
        markers_late: rate(60),
        version_changes: rate(40),
        fenced: if rate(10) > 8 { 10 } else { 0 },
        hidden_act: rate(100),
        truncation: rate(20),
        producer_expiry: rate(100),
        producer_id_error: rate(300),
        hidden_append: rate(60),
    }
}
