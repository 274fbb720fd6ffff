//! Small scope, all of it: a few batches on two brokers, and one fault of each kind at every step of the run; two faults at
//! every pair of steps for the kinds that matter most.

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::plan::Plan;
use super::random::Random;
use crate::config::{OnFailure, OnInDoubtTimeout};
use crate::mock::{CoordinatorKind, UnknownProducer, api_key};
use crate::time::{Micros, Time};

/// Time for one fault and what follows from it.
const SETTLE: Micros = Micros::from_ms(4_000);
/// Time for the last record, when nothing is wrong any more.
const TAIL: Micros = Micros::from_ms(3_000);
/// Every so many pairs of faults are tried when nothing else is asked for.
const PAIRS_STRIDE: usize = 97;

/// One thing that goes wrong, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The next produce request is refused, or so it is said, with this code.
    Refusal(i16),
    /// The next produce request is acted on, and the answer hides it.
    HiddenAppend(i16),
    /// InitProducerId answers this.
    ProducerId(i16),
    /// Connections to the leader end; what is under way arrives.
    Cut,
    /// And what is under way arrives after so many milliseconds, if the broker has not acted on it, once more if it has.
    CutLate(u64),
    CutBefore,
    CutAfter,
    /// The answer to the next produce request is lost, or leaves the partition out.
    Silence,
    LeftOut,
    Frozen,
    Down,
    DownAndUp,
    Moved,
    /// Away and back again before anybody has looked.
    MovedTwice,
    Leaderless,
    MissingTopic,
    TooLarge,
    Stalled,
    Forgotten,
    Truncated,
    PurgeQueued,
    PurgeInFlight,
    /// The next request of this API to a coordinator is answered so.
    Coordinator(i16, i16),
    CoordinatorMoved,
    CoordinatorLoads,
    /// Connections to the coordinator end, and what it has not acted on comes after so many milliseconds.
    CoordinatorCut(u64),
    /// It reads requests of this API, and they stand in its queue.
    CoordinatorStuck(i16),
    MarkersLate,
    /// `transaction.version`.
    Version(i16),
    Fenced,
}

use Fault::*;

const ALL: &[Fault] = &[
    Refusal(2),
    Refusal(3),
    Refusal(5),
    Refusal(6),
    Refusal(10),
    Refusal(14),
    Refusal(17),
    Refusal(19),
    Refusal(29),
    Refusal(45),
    Refusal(47),
    Refusal(48),
    Refusal(59),
    Refusal(87),
    Refusal(100),
    Refusal(-1),
    Refusal(7),
    Refusal(20),
    Refusal(56),
    Refusal(999),
    HiddenAppend(-1),
    HiddenAppend(7),
    HiddenAppend(13),
    HiddenAppend(20),
    HiddenAppend(56),
    HiddenAppend(999),
    ProducerId(14),
    ProducerId(51),
    ProducerId(-1),
    Cut,
    CutLate(1),
    CutLate(300),
    CutLate(60_000),
    CutBefore,
    CutAfter,
    Silence,
    LeftOut,
    Frozen,
    Down,
    DownAndUp,
    Moved,
    MovedTwice,
    Leaderless,
    MissingTopic,
    TooLarge,
    Stalled,
    Forgotten,
    Truncated,
    PurgeQueued,
    PurgeInFlight,
];

/// The kinds that are tried in pairs.
const PAIRED: &[Fault] = &[
    Refusal(6),
    Refusal(45),
    Refusal(87),
    HiddenAppend(-1),
    CutLate(1),
    CutLate(300),
    CutAfter,
    Silence,
    LeftOut,
    Moved,
    Truncated,
    Forgotten,
];

/// What is configured beside the usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Variant {
    Usual,
    /// Three batches go to a partition that knows the producer already.
    Warm,
    Hold,
    StopPartition,
    MustStartAtZero,
    OldBrokers,
    /// Frames are taken by the socket in pieces.
    Pieces,
    /// Sequence numbers wrap on the way.
    Wrap,
    ShortDeadline,
}

const VARIANTS: [Variant; 9] = [
    Variant::Usual,
    Variant::Warm,
    Variant::Hold,
    Variant::StopPartition,
    Variant::MustStartAtZero,
    Variant::OldBrokers,
    Variant::Pieces,
    Variant::Wrap,
    Variant::ShortDeadline,
];

fn plan(variant: Variant) -> Plan {
    let mut plan = Plan::calm();
    plan.faults_span_us = 1;
    plan.config.enable_idempotence = true;
    plan.config.batch_size = 200;
    plan.config.request_timeout_ms = 400;
    plan.config.socket_connection_setup_timeout_ms = 400;
    plan.config.delivery_timeout_ms = 3_000;
    plan.config.metadata_max_age_ms = 1_000;
    plan.config.unknown_topic_grace_ms = 2_000;
    match variant {
        Variant::Usual | Variant::Warm => {}
        Variant::Hold => plan.config.on_in_doubt_timeout = OnInDoubtTimeout::Hold,
        Variant::StopPartition => plan.config.on_failure = OnFailure::StopPartition,
        Variant::MustStartAtZero => plan.unknown_producer = UnknownProducer::MustStartAtZero,
        Variant::OldBrokers => plan.old_brokers = true,
        Variant::Pieces => plan.write_slice = 90,
        Variant::Wrap => plan.config.test_first_sequence = i32::MAX as u32 - 1,
        Variant::ShortDeadline => plan.config.delivery_timeout_ms = 350,
    }
    plan
}

/// One run with these faults, each before the step of its number. The answer is the number of steps until everything was
/// reported.
fn run(variant: Variant, faults: &[(u64, Fault)], is_traced: bool) -> (u64, Option<String>) {
    let mut sim = Sim::new(plan(variant), Random::new(7), is_traced);
    if variant == Variant::Warm {
        sim.say(0, 0, b"opens the way");
        sim.advance(Micros::from_ms(50), &[]);
    }
    let begun = sim.steps;
    let faults: Vec<(u64, Fault)> = faults.iter().map(|(step, fault)| (step + begun, *fault)).collect();
    sim.say(0, 0, &[1; 150]);
    sim.say(0, 0, &[2; 150]);
    sim.say(0, 1, &[3; 150]);
    sim.advance(SETTLE, &faults);
    let steps = sim.app.last_report_step.saturating_sub(begun);
    sim.mend();
    sim.advance(TAIL, &[]);
    let tail = sim.say_tail();
    sim.advance(TAIL, &[]);
    if let Some(text) = tail.and_then(|tail| sim.undelivered(&tail)) {
        sim.fail(text);
    }
    (steps, sim.end())
}

fn check(variant: Variant, faults: &[(u64, Fault)], broken: &mut Vec<String>) -> u64 {
    let attempt = std::panic::catch_unwind(|| run(variant, faults, false));
    let (steps, violation) = attempt.unwrap_or_else(|_| (0, Some("it panicked".into())));
    if let Some(text) = violation {
        broken.push(format!("{variant:?} with {faults:?}: {text}"));
    }
    steps
}

impl Sim {
    /// Time passes, and each fault happens before the step of its number.
    pub(super) fn advance(&mut self, time: Micros, faults: &[(u64, Fault)]) {
        let until = self.now + time;
        let mut left: Vec<(u64, Fault)> = faults.to_vec();
        loop {
            while let Some(at) = left.iter().position(|(step, _)| *step <= self.steps) {
                let (_, fault) = left.remove(at);
                self.cause(fault);
            }
            if self.violation.is_some() || !self.step(until) {
                break;
            }
            self.take_reports();
        }
        self.now = until;
        self.steps_at_once = 0;
        self.take_reports();
    }

    fn cause(&mut self, fault: Fault) {
        self.note(60, 0, 0, || format!("FAULT: {fault:?}"));
        let leader = self.cluster.partition_leader("t0", 0).expect("it exists").0.unwrap_or(1);
        match fault {
            Refusal(code) => self.refuse(code, 1),
            HiddenAppend(code) => {
                let mut code = Some(code);
                self.faults.twist_produce = Some(Box::new(move |response| {
                    let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partition_responses);
                    for partition in partitions.filter(|partition| partition.error_code == 0) {
                        if let Some(code) = code.take() {
                            partition.error_code = code;
                            partition.base_offset = -1;
                        }
                    }
                }));
            }
            ProducerId(code) => self.cluster.push_error(api_key::INIT_PRODUCER_ID, code, 2),
            Cut => self.cut_off(leader),
            CutLate(ms) => {
                self.faults.zombies_after = Some(Micros::from_ms(ms));
                self.cut_off(leader);
            }
            CutBefore => self.cluster.push_disconnect(api_key::PRODUCE, false, 1),
            CutAfter => self.cluster.push_disconnect(api_key::PRODUCE, true, 1),
            Silence => self.faults.silent = vec![(leader, api_key::PRODUCE)],
            LeftOut => {
                let mut first = true;
                self.faults.twist_produce = Some(Box::new(move |response| {
                    if std::mem::take(&mut first) {
                        response.responses.clear();
                    }
                }));
            }
            Frozen => self.cluster.broker_set_frozen(leader, true),
            Down | DownAndUp => {
                self.cluster.broker_down(leader);
                self.cut_off(leader);
                if fault == DownAndUp {
                    self.cluster.broker_up(leader);
                }
            }
            Moved => self.lead(3 - leader),
            MovedTwice => {
                self.lead(3 - leader);
                self.lead(leader);
            }
            Leaderless => self.cluster.partition_set_leader("t0", 0, None).expect("it exists"),
            MissingTopic => {
                self.faults.twist_metadata = Some(Box::new(|_, response| {
                    for topic in &mut response.topics {
                        topic.error_code = 3;
                        topic.partitions.clear();
                    }
                }));
            }
            TooLarge => self.cluster.set_message_max_bytes(100),
            Stalled => self.net.stalled_until = self.now + Micros::from_ms(1_000),
            Forgotten => {
                // Only what is at rest is forgotten: nobody can tell a repetition after that.
                let place = ("t0".to_owned(), 0);
                if self.watch.is_quiet(&place) && self.zombies_pending == 0 {
                    self.restart_without_producers("t0", 0);
                }
            }
            Truncated => {
                let end = self.cluster.end_offset("t0", 0).expect("it exists");
                self.truncate("t0", 0, end - 1);
            }
            Coordinator(api, code) => self.cluster.push_error(api, code, 1),
            CoordinatorMoved => {
                let to = 3 - self.transaction_coordinator().unwrap_or(1);
                self.cluster
                    .coordinator_move(CoordinatorKind::Transaction, TRANSACTIONAL_ID, Some(to))
                    .expect("it exists");
            }
            CoordinatorLoads => {
                self.cluster.set_coordinator_load_ms(300);
                self.cause(CoordinatorMoved);
            }
            CoordinatorCut(ms) => {
                self.faults.zombies_after = Some(Micros::from_ms(ms));
                if let Some(coordinator) = self.transaction_coordinator() {
                    self.cut_off(coordinator);
                }
            }
            CoordinatorStuck(api) => {
                let coordinator = self.transaction_coordinator();
                self.faults.zombies_after = Some(Micros::from_ms(1_500));
                self.faults.frozen_requests = coordinator.map(|broker| (broker, api)).into_iter().collect();
            }
            MarkersLate => self.cluster.set_marker_delay_ms(200),
            Version(version) => self.cluster.set_transaction_version(version).expect("it exists"),
            Fenced => {
                self.was_fenced = true;
                // An id that nobody has initialized cannot be fenced.
                let fenced = self.cluster.fence(TRANSACTIONAL_ID);
                self.note(61, 0, 0, || format!("another producer takes over: {fenced:?}"));
            }
            PurgeQueued => self.purge(true, false),
            PurgeInFlight => self.purge(false, true),
        }
    }

    fn lead(&mut self, broker: i32) {
        self.cluster.partition_set_leader("t0", 0, Some(broker)).expect("both exist");
    }

    fn transaction_coordinator(&mut self) -> Option<i32> {
        self.cluster.coordinator(CoordinatorKind::Transaction, TRANSACTIONAL_ID)
    }

    /// Whatever went wrong is over.
    pub(super) fn mend(&mut self) {
        self.faults.frozen_requests.clear();
        self.heal_coordinators();
        self.cluster.clear_faults();
        self.cluster.set_message_max_bytes(1 << 20);
        self.faults.silent.clear();
        self.faults.twist_metadata = None;
        self.faults.twist_produce = None;
        for broker in 1..=2 {
            self.cluster.broker_up(broker);
            self.cluster.broker_set_frozen(broker, false);
        }
        if self.cluster.partition_leader("t0", 0).is_ok_and(|(leader, _)| leader.is_none()) {
            self.lead(1);
        }
    }

    /// The last records, unless the producer has failed for good.
    fn say_tail(&mut self) -> Option<[usize; 2]> {
        let may_go_on = self.violation.is_none() && self.accumulator.fatal().is_none();
        may_go_on.then(|| [self.say(0, 0, b"tail"), self.say(0, 1, b"tail")])
    }

    fn undelivered(&self, records: &[usize]) -> Option<String> {
        let index = records.iter().find(|index| !self.is_delivered(**index))?;
        Some(format!("the partition does not go on: {:?}", self.report_of(*index)))
    }

    /// Closes; what was violated.
    pub(super) fn end(mut self) -> Option<String> {
        self.abort();
        self.faults.are_over = true;
        while self.violation.is_none()
            && (!self.sender.is_finished() || !self.queue.is_empty())
            && self.step(Time::NEVER)
        {}
        self.check_end();
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        self.violation.map(|text| format!("{text}\n{}", trace.join("\n")))
    }
}

fn report(broken: &[String], first: Option<(Variant, Vec<(u64, Fault)>)>, runs: usize) {
    for text in broken.iter().take(30) {
        println!("{}", text.lines().next().unwrap_or_default());
    }
    if let Some((variant, faults)) = first {
        let (_, violation) = run(variant, &faults, true);
        panic!(
            "{} of {runs} runs failed; the first: {variant:?} {faults:?}: {}",
            broken.len(),
            violation.unwrap_or_default()
        );
    }
    println!("{runs} runs");
}

#[test]
fn one_fault_of_each_kind_at_every_step() {
    let (mut broken, mut first, mut runs) = (Vec::new(), None, 0);
    for variant in VARIANTS {
        let steps = check(variant, &[], &mut broken);
        assert!(broken.is_empty(), "without a fault: {broken:?}");
        for fault in ALL {
            for step in 0..=steps {
                let faults = [(step, *fault)];
                check(variant, &faults, &mut broken);
                runs += 1;
                if !broken.is_empty() && first.is_none() {
                    first = Some((variant, faults.to_vec()));
                }
            }
        }
    }
    report(&broken, first, runs);
}

#[test]
fn two_faults_at_pairs_of_steps() {
    let stride = std::env::var("KP_SIM_PAIRS_STRIDE").map_or(PAIRS_STRIDE, |text| text.parse().expect("a number"));
    let (mut broken, mut first, mut runs, mut pair) = (Vec::new(), None, 0, 0usize);
    for variant in [Variant::Warm, Variant::MustStartAtZero] {
        let steps = check(variant, &[], &mut broken);
        for one in PAIRED {
            for step in 0..=steps {
                for other in PAIRED {
                    for later in step..=2 * steps {
                        pair += 1;
                        if pair % stride != 0 {
                            continue;
                        }
                        let faults = [(step, *one), (later, *other)];
                        check(variant, &faults, &mut broken);
                        runs += 1;
                        if !broken.is_empty() && first.is_none() {
                            first = Some((variant, faults.to_vec()));
                        }
                    }
                }
            }
        }
    }
    report(&broken, first, runs);
}
