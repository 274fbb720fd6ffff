//! Deterministic simulation: the real sender, accumulator and reports against the broker model, under a virtual clock.
//! One seed decides configuration, timing and faults, and repeats the run exactly.
//!
//! `KP_SIM_SEED=7 cargo test sim::` runs one seed and tells what happened; `KP_SIM_SEEDS=100000` runs more of them,
//! from `KP_SIM_FIRST` on.

mod abroad;
mod all_or_nothing;
mod bad_neighbours;
mod batches;
mod check;
mod cluster_changes;
mod coordination;
mod driver;
mod exactly_once;
mod exhaustive;
mod exhaustive_transactions;
mod faults;
mod flushing;
mod hands;
mod idempotence;
mod login_scenarios;
mod logins;
mod losses;
mod network;
mod options;
mod other_logs;
mod packing;
mod partitioning;
mod plan;
mod prepared;
mod random;
mod scenarios;
mod tests;
mod topic_changes;
mod transacting;
mod transactions;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::accumulator::{Accumulator, CallReply, Command, PackingJob, PackingTools, TransactionCall};
use crate::mock::{Cluster, ClusterOptions, Subscription, TwoPhase, api_key};
use crate::reports::Reports;
use crate::security::login::{AttemptId, Reply};
use crate::sender::{ConnId, Sender};
use crate::time::{Micros, Time};
use driver::App;
use faults::Faults;
use logins::{LoginPlan, Logins};
use losses::Losses;
use network::{Network, Told};
use plan::Plan;
use random::Random;
use transacting::{SOURCE, Transacting};
use watch::Watch;

/// Lines kept of what happened before a violation.
const TRACE_LINES: usize = 20_000;
/// A run beyond this virtual time does not end.
const RUN_MAX: Micros = Micros(1_000_000_000);
/// Inputs that the I/O thread may handle at one moment, and actions in one second, before it is a busy loop.
const STEPS_AT_ONCE_MAX: u32 = 3_000;
const ACTIONS_PER_SECOND_MAX: u32 = 20_000;

#[derive(Debug)]
enum Happening {
    Connected(ConnId),
    HangUp(ConnId, &'static str),
    /// The client's socket takes bytes.
    Take(ConnId),
    Arrive(ConnId, Vec<u8>),
    Answer(ConnId, Vec<u8>, Option<Told>),
    /// A request of a connection that is gone reaches its broker.
    Zombie(i32, Vec<u8>),
    Wake,
    /// The login has an answer.
    Login(AttemptId, Reply),
    /// A batch has been compressed.
    Packed(PackingJob),
    App,
    Fault,
    Heal,
    /// Everything has settled after the faults: the last records are sent.
    Tail,
    Close,
    Abort,
}

impl Happening {
    /// Whether it goes on without the client's process.
    fn is_elsewhere(&self) -> bool {
        use Happening::{Arrive, Fault, Heal, Zombie};
        matches!(self, Arrive(..) | Zombie(..) | Fault | Heal)
    }

    /// Whether it is something that the client's end of the connection sees.
    fn is_for_client(&self, conn: ConnId) -> bool {
        matches!(self, Happening::Answer(to, ..) | Happening::HangUp(to, _) if *to == conn)
    }
}

struct Sim {
    now: Time,
    random: Random,
    plan: Plan,
    sender: Sender,
    accumulator: Arc<Accumulator>,
    reports: Arc<Reports>,
    cluster: Cluster,
    net: Network,
    watch: Watch,
    zombies: u64,
    zombies_pending: u64,
    losses: Losses,
    txn: Transacting,
    logins: Option<Logins>,
    was_fenced: bool,
    hard_code_answered: bool,
    app: App,
    faults: Faults,
    queue: BTreeMap<(Time, u64), Happening>,
    scheduled: u64,
    /// Set by the wake-up that the inbox asks for.
    woken: Arc<AtomicBool>,
    packers_busy: usize,
    packing_tools: PackingTools,
    /// Batches that a response, read whole by the client, said are appended: topic, partition, base offset.
    answered: BTreeSet<(String, i32, i64)>,
    healed_at: Time,
    moves: u32,
    steps_at_once: u32,
    second: u64,
    actions_in_second: u32,
    metadata_before_second: u64,
    hash: u64,
    steps: u64,
    is_traced: bool,
    trace: VecDeque<String>,
    violation: Option<String>,
}

/// What a run came to.
struct Outcome {
    hash: u64,
    records: usize,
    delivered: usize,
    steps: u64,
}

/// Runs one seed. The error says what was violated, with the plan and the last lines of the trace.
fn run(seed: u64) -> Result<Outcome, String> {
    let mut sim = Sim::seeded(seed, false);
    sim.run_whole();
    let Some(violation) = sim.violation.take() else {
        let delivered = sim.app.sent.iter().filter(|sent| sent.report.as_ref().is_some_and(|r| r.status.code() == 0));
        return Ok(Outcome {
            hash: sim.hash,
            records: sim.app.sent.len(),
            delivered: delivered.count(),
            steps: sim.steps,
        });
    };
    // Tracing costs more than running: only a run that failed is traced, by repeating it.
    let mut again = Sim::seeded(seed, true);
    again.run_whole();
    let lines: Vec<String> = again.trace.into_iter().collect();
    Err(format!("seed {seed}: {violation}\n{:?}\n{}", again.plan, lines.join("\n")))
}

impl Sim {
    fn seeded(seed: u64, is_traced: bool) -> Sim {
        let mut random = Random::new(seed);
        let mut plan = Plan::draw(&mut random);
        // Beside what is drawn, so that the other seeds' runs stay what they are.
        plan.compress(seed);
        plan.go_abroad(seed);
        plan.compacted = seed % 7 == 3;
        plan.telemetry_ms = (seed % 4 == 1).then_some(100 + 300 * (seed / 4 % 8) as i32);
        plan.logins = (seed % 3 == 2).then(|| LoginPlan::draw(&mut Random::new(seed.rotate_left(17))));
        Sim::new(plan, random, is_traced)
    }

    fn new(mut plan: Plan, mut random: Random, is_traced: bool) -> Sim {
        let mut cluster = Cluster::new(ClusterOptions {
            brokers: plan.brokers,
            auto_create_partitions: plan.auto_create_partitions,
            refuses_trailing_bytes: true,
            ..ClusterOptions::default()
        });
        let wanted = plan.telemetry_ms.map(|interval_ms| Subscription::new(&["*"], interval_ms));
        cluster.telemetry_subscribe(wanted);
        let mut net = Network::default();
        plan.config.bootstrap_servers.clear();
        for broker in 1..=plan.brokers {
            let (host, port) = (format!("b{broker}"), 9000 + broker as u16);
            cluster.set_address(broker, &host, port);
            net.listeners.insert(format!("{host}:{port}"), broker);
            // Aliases outlive a broker's moves, as a name that is kept up does.
            let alias = format!("boot{broker}");
            net.listeners.insert(format!("{alias}:{port}"), broker);
            let name = if plan.bootstrap_aliases { alias } else { host };
            plan.config.bootstrap_servers.push((name, port));
        }
        if plan.old_brokers {
            cluster.pretend_kafka_2_1();
        } else {
            cluster.set_unknown_producer(plan.unknown_producer);
        }
        let mut watch = Watch::new(plan.config.enable_idempotence, plan.config.test_first_sequence);
        watch.transactional_id.clone_from(&plan.config.transactional_id);
        let config = Arc::new(plan.config.clone());
        let reports = Arc::new(Reports::new(config.reports_max_count, config.log_level));
        let accumulator = Arc::new(Accumulator::new(&config, 1, random.next(), reports.clone()));
        // Drawn from beside the rest, so that the other seeds' runs stay what they are.
        let seed = random.clone().next();
        let woken = Arc::new(AtomicBool::new(false));
        let flag = woken.clone();
        accumulator.inbox.set_wake(move || flag.store(true, Ordering::SeqCst));
        let sender = Sender::new(config, accumulator.clone(), random.next(), Time::ZERO);
        let mut sim = Sim {
            now: Time::ZERO,
            random,
            plan,
            sender,
            accumulator,
            reports,
            cluster,
            net,
            watch,
            zombies: 0,
            zombies_pending: 0,
            losses: Losses::default(),
            txn: Transacting::default(),
            logins: None,
            was_fenced: false,
            hard_code_answered: false,
            app: App::default(),
            faults: Faults::default(),
            queue: BTreeMap::new(),
            scheduled: 0,
            woken,
            packers_busy: 0,
            packing_tools: PackingTools::default(),
            answered: BTreeSet::new(),
            healed_at: Time::NEVER,
            moves: 0,
            steps_at_once: 0,
            second: 0,
            actions_in_second: 0,
            metadata_before_second: 0,
            hash: 0,
            steps: 0,
            is_traced,
            trace: VecDeque::new(),
            violation: None,
        };
        if let Some(logins) = sim.plan.logins.clone() {
            sim.demand_logins(logins, seed);
        }
        if sim.plan.packers > 0 {
            // However small: that is what the batches of most runs are.
            sim.accumulator.packing.open(0);
        }
        sim.app.left = if sim.is_transactional() { 0 } else { sim.plan.records };
        sim.txn.left = sim.plan.transactions;
        sim.make_topics();
        if sim.is_transactional() {
            sim.prepare_transactions();
        }
        sim.io(|_| ());
        sim
    }

    /// From the first record to the last, through faults and their end.
    fn run_whole(&mut self) {
        let faults_end = Time(self.plan.faults_span_us);
        self.schedule(Time::ZERO, Happening::App);
        self.schedule(Time::ZERO, Happening::Fault);
        if self.plan.close_early {
            let at = self.random.between(1, self.plan.app_span_us + self.plan.faults_span_us);
            self.schedule(Time(at), Happening::Close);
        } else {
            self.schedule(faults_end, Happening::Heal);
            self.schedule(faults_end + Micros(self.plan.settle_us()), Happening::Tail);
        }
        while self.violation.is_none() && !(self.sender.is_finished() && self.has_nothing_ahead()) {
            if self.now > Time::ZERO + RUN_MAX {
                self.fail("the run does not end".into());
            }
            if !self.step(Time::NEVER) {
                self.fail("nothing is left to happen, and the producer is not closed".into());
            }
        }
        self.check_end();
    }

    fn has_nothing_ahead(&self) -> bool {
        self.queue.is_empty() && self.faults.meanwhile.is_empty()
    }

    /// The next thing that happens, if it does so by `until`. The sender's own timer comes after everything else of its
    /// time.
    fn step(&mut self, until: Time) -> bool {
        let due = if self.sender.is_finished() { Time::NEVER } else { self.sender.poll_timeout() };
        let due = if self.faults.still_until > self.now { due.max(self.faults.still_until) } else { due };
        let first = self.queue.first_key_value().map_or(Time::NEVER, |((at, _), _)| *at);
        let first = if self.faults.meanwhile.is_empty() { first } else { first.min(self.faults.still_until) };
        let next = first.min(due).max(self.now);
        if first.min(due) == Time::NEVER || next > until {
            return false;
        }
        if next > self.now {
            self.steps_at_once = 0;
            self.now = next;
        }
        self.steps += 1;
        self.steps_at_once += 1;
        if self.steps_at_once > STEPS_AT_ONCE_MAX {
            self.fail("a busy loop: the clock does not move any more".into());
        }
        self.count_work();
        if first > due.max(self.now) || first > self.now {
            let now = self.now;
            self.note(8, 0, 0, || "timers are due".into());
            self.io(|sim| sim.sender.handle_timeout(now));
            self.begin_packing();
            return true;
        }
        let waited = if self.faults.still_until <= self.now { self.faults.meanwhile.pop_front() } else { None };
        let Some(happening) = waited.or_else(|| Some(self.queue.pop_first()?.1)) else { return false };
        if self.faults.still_until > self.now && !happening.is_elsewhere() {
            self.faults.meanwhile.push_back(happening);
        } else {
            self.happen(happening);
        }
        self.begin_packing();
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Connected(conn) => self.connected(conn),
            Happening::HangUp(conn, why) => self.hang_up(conn, why),
            Happening::Take(conn) => self.socket_takes(conn),
            Happening::Arrive(conn, bytes) => self.arrive(conn, bytes),
            Happening::Answer(conn, bytes, told) => self.answer(conn, bytes, told),
            Happening::Zombie(broker, frame) => self.zombie(broker, frame),
            Happening::Wake => {
                let now = self.now;
                self.io(|sim| sim.sender.handle_wakeup(now));
            }
            Happening::Login(attempt, reply) => self.login_replied(attempt, reply),
            Happening::Packed(job) => self.packed(job),
            Happening::App => {
                if self.is_transactional() {
                    self.transact();
                } else {
                    self.app_step();
                }
                self.app_goes_on();
            }
            Happening::Fault => self.fault_step(),
            Happening::Heal => self.heal(),
            Happening::Tail => self.send_tail(),
            Happening::Close => self.close(),
            Happening::Abort => {
                self.abort();
                // What is under way arrives; nothing new goes wrong.
                self.faults.are_over = true;
                (1..=self.plan.brokers).for_each(|broker| self.cluster.broker_set_frozen(broker, false));
            }
        }
    }

    /// One turn of the I/O thread: it wakes for one input and sleeps again only when the inbox says that it may.
    fn io(&mut self, input: impl FnOnce(&mut Sim)) {
        if self.sender.is_finished() {
            return;
        }
        self.accumulator.inbox.after_sleep();
        input(self);
        self.take_actions();
        self.hear_logins();
        let now = self.now;
        for turn in 0.. {
            if self.sender.is_finished() || !self.accumulator.inbox.before_sleep(self.sender.poll_timeout()) {
                break;
            }
            self.sender.handle_wakeup(now);
            self.take_actions();
            self.hear_logins();
            if turn > 100 {
                self.fail("the inbox never gets empty".into());
                break;
            }
        }
        self.check_flushes();
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), happening);
    }

    /// Something happened: it goes into the run's hash, and into the trace when there is one.
    fn note(&mut self, kind: u64, first: u64, second: u64, text: impl FnOnce() -> String) {
        for word in [kind, first, second, self.now.0] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        if self.is_traced {
            if self.trace.len() == TRACE_LINES {
                self.trace.pop_front();
            }
            self.trace.push_back(format!("{:>12} us  {}", self.now.0, text()));
        }
    }

    /// The first violation ends the run.
    fn fail(&mut self, text: String) {
        if self.violation.is_none() {
            self.note(9, 0, 0, || format!("VIOLATED: {text}"));
            self.violation = Some(format!("at {} us: {text}", self.now.0));
        }
    }

    /// Bounded work: no busy loop, no storm of metadata requests.
    fn count_work(&mut self) {
        let second = self.now.0 / 1_000_000;
        if second == self.second {
            return;
        }
        let metadata = self.cluster.stats().requests(api_key::METADATA);
        let asked = metadata - self.metadata_before_second;
        let most = 4 + 2 * 1_000 / self.plan.config.retry_backoff_ms.max(1);
        if asked > most {
            self.fail(format!("{asked} metadata requests in one second"));
        }
        if self.actions_in_second > ACTIONS_PER_SECOND_MAX {
            self.fail(format!("{} actions in one second", self.actions_in_second));
        }
        self.second = second;
        self.actions_in_second = 0;
        self.metadata_before_second = metadata;
    }

    fn is_transactional(&self) -> bool {
        self.plan.config.transactional_id.is_some()
    }

    fn prepare_transactions(&mut self) {
        self.cluster.topic_create(SOURCE, 2, 1).expect("a legal topic");
        self.cluster.set_transaction_version(self.plan.transaction_version).expect("it exists");
        if self.plan.config.two_phase_commit {
            self.cluster.set_two_phase_commit(TwoPhase::Whole);
        }
        if self.plan.first_epoch > 0 {
            self.age_transactional_id();
        }
    }

    fn send_tail(&mut self) {
        if self.is_transactional() {
            self.transact_tail();
            return;
        }
        for topic in 0..self.plan.topics.len() {
            for partition in 0..self.plan.topics[topic] as u32 {
                let mut sent = self.record(
                    topic,
                    Some(partition),
                    Some(b"tail".to_vec()),
                    Some(b"tail".to_vec()),
                    Vec::new(),
                    None,
                    true,
                );
                sent.is_tail = true;
                // A full budget at this point is full of what nobody can deliver.
                self.send(sent, u32::MAX);
            }
        }
        self.close();
    }

    fn close(&mut self) {
        self.app.left = 0;
        self.app.is_closing = true;
        if self.is_transactional() {
            self.txn.left = 0;
            self.accumulator
                .inbox
                .command(Command::Transaction { call: TransactionCall::Finish, reply: Arc::new(CallReply::default()) });
        }
        self.flush();
        let wait = if self.plan.close_early { self.random.micros(0, 2_000_000) } else { Micros(3_000_000) };
        self.schedule(self.now + wait, Happening::Abort);
    }
}
