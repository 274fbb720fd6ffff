//! The sender core: everything the I/O thread decides, without a thread, socket, clock, environment or lock of its own.
//! `now` and randomness are arguments. Input comes through `handle_*`, output is taken with `poll_*`:
//!
//! after every `handle_*` call the driver takes `poll_action` until `None`, then sleeps at most until `poll_timeout`.

mod authentication;
mod availability;
mod broker;
mod cancelled;
mod cluster;
mod conn_id;
mod connection;
mod coordinator;
mod coordinator_answers;
mod coordinator_link;
mod coordinator_verdict;
mod counting;
mod direct;
mod expiry;
mod features;
mod flush;
mod frame;
mod greeting;
#[doc(hidden)]
pub mod hostile;
mod idempotence;
mod identity;
mod input;
mod leader_tally;
mod links;
mod metadata_schedule;
mod obstacles;
mod opening;
mod outcome;
mod partition;
mod produce;
mod published;
mod queries;
mod random;
mod rate_limit;
mod refusal;
mod request_limit;
mod sequence;
mod silence;
mod telemetry;
mod throttle;
mod timers;
mod topic_doubts;
mod topic_state;
mod transaction;
pub mod verdict;
mod warm_up;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use conn_id::ConnId;
pub use frame::Frame;

use crate::accumulator::{Accumulator, Command, Event, Letters, NO_LEADER};
use crate::config::Config;
use crate::reports::{FinishedBatch, Reports};
use crate::security::login::Login;
use crate::time::{Micros, Time};
use broker::Broker;
use cluster::Cluster;
use features::Features;
use idempotence::Idempotence;
use partition::PartitionState;
use published::Published;
use queries::Queries;
use random::Random;
use telemetry::Telemetry;
use timers::{Timer, Timers};
use transaction::Transaction;
use warm_up::WarmUp;
use window::Window;

/// Free memory goes back to the system when it was not needed for so long, twice that at most.
const MEMORY_KEPT: Micros = Micros::from_ms(10_000);

/// Why a connection could not be made, or ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closed {
    /// What happened, with host and address.
    pub reason: String,
    pub cause: Cause,
}

/// What kind of trouble ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It may be better next time.
    Network,
    /// Certificates, names or versions do not fit: it will not pass by itself.
    Tls,
}

impl From<String> for Closed {
    fn from(reason: String) -> Closed {
        Closed { reason, cause: Cause::Network }
    }
}

/// What the driver (`io/` or the simulator) is to do.
#[derive(Debug)]
pub enum Action {
    /// Resolve `host` (off the I/O thread), connect to its addresses one after the other until one answers, then call
    /// `handle_connected`, or `handle_closed` with a sentence when none did. `setup_timeout_ms` bounds the whole of it.
    Connect { conn: ConnId, host: String, port: u16, setup_timeout_ms: u64 },
    /// Append the frame to the connection's output. Progress is told by `handle_written`. The frame is kept, whole,
    /// until its last byte is written or the connection is destroyed: batch memory is only reused after that.
    Write { conn: ConnId, frame: Frame },
    /// Close at once and forget; no `handle_closed` follows.
    Close { conn: ConnId },
}

pub struct Sender {
    config: Arc<Config>,
    accumulator: Arc<Accumulator>,
    reports: Arc<Reports>,
    random: Random,
    timers: Timers,
    actions: VecDeque<Action>,
    brokers: BTreeMap<i32, Broker>,
    /// Which broker a connection belongs to; connections that were closed are not here any more.
    connections: BTreeMap<ConnId, i32>,
    next_connection: u64,
    /// By the dense partition id that the accumulator's partitions carry.
    partitions: Vec<PartitionState>,
    cluster: Cluster,
    published: Published,
    queries: Queries,
    warm_ups: Vec<WarmUp>,
    telemetry: Telemetry,
    features: Features,
    idempotence: Idempotence,
    /// Who speaks the SASL mechanism; without one nobody is authenticated.
    login: Option<Arc<dyn Login>>,
    transaction: Transaction,
    window: Window,
    /// When open batches are due, in that order: most come in it, because most topics have one linger.
    linger: VecDeque<(Time, u32)>,
    /// The same for those that came out of turn, or were opened behind another batch of their partition.
    linger_again: BTreeSet<(Time, u32)>,
    /// Partitions with something to send and no leader.
    leaderless: BTreeSet<u32>,
    /// Batches with a smaller number do not linger: a flush asked for them.
    flush_before: u64,
    /// Brokers whose line got longer, or whose connection can take more.
    pump_soon: Vec<i32>,
    letters: Letters,
    /// Reports of batches that this input finished: handed over together, before anybody is told of a flush.
    outcomes: Vec<FinishedBatch>,
    /// Batches of the application's own that were cut.
    direct_parts: direct::PartsByReport,
    /// Partitions of which a batch failed, and its place: with `on.failure=stop-partition`.
    stopped: Vec<(u32, (u64, u32))>,
    /// Batches were finished by this input, with or without reports.
    some_finished: bool,
    /// `Timer::Memory` is armed: without this each batch would arm another.
    trims_memory: bool,
    finished: bool,
}

impl Sender {
    /// `seed` decides jitter and the order in which bootstrap servers are tried.
    pub fn new(config: Arc<Config>, accumulator: Arc<Accumulator>, seed: u64, now: Time) -> Sender {
        let reports = accumulator.reports.clone();
        let mut sender = Sender {
            random: Random::new(seed),
            cluster: Cluster::new(now, &config),
            published: Published::default(),
            queries: Queries::default(),
            warm_ups: Vec::new(),
            telemetry: Telemetry::new(now, &config),
            features: Features::default(),
            idempotence: Idempotence::new(&config),
            login: None,
            transaction: Transaction::new(&config),
            config,
            accumulator,
            reports,
            timers: Timers::default(),
            actions: VecDeque::new(),
            brokers: BTreeMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            partitions: Vec::new(),
            window: Window::default(),
            linger: VecDeque::new(),
            linger_again: BTreeSet::new(),
            leaderless: BTreeSet::new(),
            flush_before: 0,
            pump_soon: Vec::new(),
            letters: Letters::default(),
            outcomes: Vec::new(),
            direct_parts: direct::PartsByReport::new(),
            stopped: Vec::new(),
            some_finished: false,
            trims_memory: false,
            finished: false,
        };
        sender.add_bootstrap_servers();
        // Connecting before the first record saves it the round trips.
        sender.drive_metadata(now);
        sender.arm_statistics(now);
        sender
    }

    /// The application left events or commands in the inbox.
    pub fn handle_wakeup(&mut self, now: Time) {
        if self.finished {
            // Only the last push of telemetry is waited for; who left a letter hears that nothing comes any more.
            self.accumulator.inbox.take(&mut self.letters);
            self.letters.events.clear();
            for command in std::mem::take(&mut self.letters.commands) {
                if let Command::Login { attempt, reply } = command {
                    self.telemetry_login(now, attempt, reply);
                }
            }
            return;
        }
        let mut letters = std::mem::take(&mut self.letters);
        self.accumulator.inbox.take(&mut letters);
        for event in letters.events.drain(..) {
            self.handle_event(now, event);
        }
        self.window.know(letters.next_batch);
        for command in letters.commands.drain(..) {
            self.handle_command(now, command, letters.next_batch);
        }
        self.letters = letters;
        self.sweep_after_failure(now);
        self.serve(now);
    }

    fn handle_event(&mut self, now: Time, event: Event) {
        match event {
            Event::Opened { partition, batch, due_at, deadline } => {
                self.window.opened(batch, self.partitions[partition as usize].topic.id);
                self.arm_deadline(partition, deadline);
                self.transaction_expects(now, partition);
                // A flush may have come before the event: its parked records got their batches only now.
                if due_at <= now || batch < self.flushes_before(partition) || self.accumulator.memory.hurries(partition)
                {
                    self.mark_ready(now, partition);
                } else {
                    self.arm_linger(partition, due_at);
                }
            }
            Event::Sealed { partition } => self.mark_ready(now, partition),
            Event::Deadline { partition, deadline } => self.arm_deadline(partition, deadline),
            Event::Parked { topic, deadline } => self.topic_wanted(now, topic, deadline),
            Event::Emptied { partition, batch } => self.batch_emptied(partition, batch),
            Event::Unparked { topic } => self.topic_unparked(topic),
            Event::Pressure => {
                self.accumulator.memory.clear_pressure();
                // A shortage without waiters (max.block.ms=0) still has to send what lingers.
                self.flush_before = self.flush_before.max(self.accumulator.inbox.next_batch());
                self.end_linger(now);
            }
            Event::Crowded { leader } => self.end_linger_of(now, leader),
        }
    }

    fn handle_command(&mut self, now: Time, command: Command, next_batch: u64) {
        match command {
            Command::Flush { topic, before, started, done } => self.handle_flush(now, before, topic, &started, done),
            Command::Hurry { topic, placed } => self.handle_hurry(now, next_batch, topic, placed),
            Command::Purge { queued, in_flight, done } => {
                self.purge(now, queued, in_flight);
                self.reports.push_all(&mut self.outcomes);
                self.reports.complete(&done);
            }
            Command::LastPush => self.telemetry.want_last_push(),
            Command::Chosen { topic } => self.topic_chosen(now, topic),
            Command::Abort => self.abort(now),
            Command::Metadata { question, reply } => self.handle_query(now, question, reply),
            Command::WarmUp { topic, reply } => self.warm_up(now, topic, reply),
            Command::Login { attempt, reply } => self.handle_login(now, attempt, reply),
            Command::CredentialsChanged => self.credentials_changed(now),
            Command::Transaction { call, reply } => self.handle_transaction_call(now, call, reply),
        }
    }

    /// Timers are due.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.finished {
            self.linger.clear();
            self.linger_again.clear();
            while self.timers.pop_due(now).is_some() {}
            self.telemetry_timeout(now);
            return;
        }
        while let Some(&(due, partition)) = self.linger.front()
            && due <= now
        {
            self.linger.pop_front();
            self.lingered(now, due, partition);
        }
        while let Some(&(due, partition)) = self.linger_again.first()
            && due <= now
        {
            self.linger_again.pop_first();
            self.lingered(now, due, partition);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Partition(partition) => self.mark_ready(now, partition),
                Timer::Deadline(partition) => self.expire_partition(now, partition),
                Timer::Parked(topic) => self.expire_parked(now, topic),
                Timer::Broker(broker) => self.broker_timeout(now, broker),
                Timer::Metadata => {
                    self.cluster.timer_fired();
                    self.drive_metadata(now);
                }
                Timer::LeadersMoved => self.leave_silent_leaders(now),
                Timer::ProducerId => self.drive_producer_id(now),
                Timer::Transaction => self.drive_transaction(now),
                Timer::Query => self.drive_queries(now),
                Timer::WarmUp => self.drive_warm_ups(now),
                Timer::Statistics => self.tell_statistics(now),
                Timer::Health => self.published.look_again(),
                Timer::Telemetry => self.telemetry_timeout(now),
                Timer::Memory => self.trim_memory(now),
            }
        }
        self.serve(now);
    }

    pub fn poll_action(&mut self, _now: Time) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When `handle_timeout` is wanted at the latest.
    pub fn poll_timeout(&self) -> Time {
        let first = self.linger.front().map_or(Time::NEVER, |(due, _)| *due);
        let again = self.linger_again.first().map_or(Time::NEVER, |(due, _)| *due);
        self.poll_deadline().min(first).min(again)
    }

    /// The same without what lingers: sending early or late gives nothing up.
    pub fn poll_deadline(&self) -> Time {
        self.timers.next_timeout()
    }

    /// Whether everything is reported and nothing will be done any more.
    pub fn is_finished(&self) -> bool {
        self.finished && !self.telemetry.is_ending()
    }

    /// Whether a batch of the partition that is still open may be sealed and sent.
    fn may_seal(&self, now: Time, partition: u32) -> impl Fn(u64, Time) -> bool + use<> {
        let flush_before = self.flushes_before(partition);
        let hurry = self.accumulator.memory.hurries(partition);
        move |batch, due_at| hurry || batch < flush_before || due_at <= now
    }

    /// `flush_before` has grown: a flush, or memory is short. Whatever lingers is looked at again.
    fn end_linger(&mut self, now: Time) {
        for (due, partition) in std::mem::take(&mut self.linger) {
            self.lingered(now, due, partition);
        }
        for (due, partition) in std::mem::take(&mut self.linger_again) {
            self.lingered(now, due, partition);
        }
    }

    /// What lingers for this broker is due now.
    fn end_linger_of(&mut self, now: Time, leader: i32) {
        if leader == NO_LEADER {
            return;
        }
        let before = self.accumulator.inbox.next_batch();
        let partitions = &mut self.partitions;
        let mut ended = Vec::new();
        let mut keeps = |entry: &(Time, u32)| {
            let state = &mut partitions[entry.1 as usize];
            let stays = state.leader != leader;
            if !stays {
                state.hurry_before = state.hurry_before.max(before);
                ended.push(*entry);
            }
            stays
        };
        self.linger.retain(&mut keeps);
        self.linger_again.retain(keeps);
        for (due, partition) in ended {
            self.lingered(now, due, partition);
        }
    }

    /// Has the partition looked at when its batch is due, unless that happens earlier anyway.
    fn arm_linger(&mut self, partition: u32, due_at: Time) {
        let state = &mut self.partitions[partition as usize];
        if due_at >= state.linger_armed {
            return;
        }
        state.linger_armed = due_at;
        if self.linger.back().is_none_or(|(last, _)| *last <= due_at) {
            self.linger.push_back((due_at, partition));
        } else {
            self.linger_again.insert((due_at, partition));
        }
    }

    /// The batch that was open when this was arranged is due, or gone; a later one gets a timer of its own.
    fn lingered(&mut self, now: Time, armed_for: Time, partition: u32) {
        let may_seal = self.may_seal(now, partition);
        let state = &mut self.partitions[partition as usize];
        if state.linger_armed == armed_for {
            state.linger_armed = Time::NEVER;
        }
        // The batch that is open now may stand behind one that is due: it waits for a time of its own.
        let due = state.shared().due_at().filter(|due| *due > now);
        let has_batch = state.shared().has_batch(may_seal);
        if let Some(due) = due {
            self.arm_linger(partition, due);
        }
        if has_batch {
            self.mark_ready(now, partition);
        }
    }

    /// The partition may have something to send: it gets in line at its leader, who is served when everything that came
    /// in has been looked at, so that many partitions share a request.
    fn mark_ready(&mut self, now: Time, partition: u32) {
        let state = &mut self.partitions[partition as usize];
        let leader = state.leader;
        if leader != NO_LEADER
            && let Some(broker) = self.brokers.get_mut(&leader)
        {
            if state.queued_on != Some(leader) {
                state.queued_on = Some(leader);
                broker.ready.push_back(partition);
            }
            if self.pump_soon.last() != Some(&leader) {
                self.pump_soon.push(leader);
            }
            return;
        }
        if !state.has_any() {
            // Purged or expired while it lingered: nobody needs a leader.
            return;
        }
        self.leader_wanted(now, partition);
    }

    fn arm_deadline(&mut self, partition: u32, deadline: Time) {
        let state = &mut self.partitions[partition as usize];
        if deadline < state.deadline_armed {
            state.deadline_armed = deadline;
            self.timers.arm(Timer::Deadline(partition), deadline);
        }
    }

    /// The end of every input: brokers with new work are served, flushes that became complete are told, and the
    /// transaction does what follows from it, which may be more work for brokers.
    fn serve(&mut self, now: Time) {
        loop {
            self.fail_refused(now);
            self.stop_partitions(now);
            while let Some(broker) = self.pump_soon.pop() {
                self.pump(now, broker);
            }
            self.tell_flushes(now);
            self.drive_transaction(now);
            self.publish_changes(now);
            if self.cluster.schedule.take_changed() {
                self.drive_metadata(now);
            }
            if self.pump_soon.is_empty() {
                return;
            }
        }
    }

    /// Free memory that was not needed since the last time goes back to the system, now and then: the next burst of a
    /// program that sends in bursts would pay for each page of it again.
    fn trim_memory(&mut self, now: Time) {
        self.accumulator.memory.trim();
        self.trims_memory = false;
        self.watch_memory(now);
    }

    fn watch_memory(&mut self, now: Time) {
        if !self.trims_memory && self.accumulator.memory.has_surplus() {
            self.trims_memory = true;
            self.timers.arm(Timer::Memory, now + MEMORY_KEPT);
        }
    }

    /// Hands over what was finished, then tells the flushes that are complete by it.
    fn tell_flushes(&mut self, now: Time) {
        self.reports.push_all(&mut self.outcomes);
        if std::mem::take(&mut self.some_finished) {
            self.watch_memory(now);
        }
        if self.window.has_flushes() {
            for completion in self.window.take_complete() {
                self.reports.complete(&completion);
            }
        }
    }
}
