//! Small scope, all of it: three transactions of a few records and offsets on two brokers, and one fault of each kind at
//! every step of the run, under both versions of the protocol.

use super::coordination::TRANSACTIONAL_ID;
use super::exhaustive::Fault::{self, *};
use super::plan::Plan;
use super::random::Random;
use super::transacting::Line;
use super::{Happening, Sim};
use crate::mock::api_key::{
    ADD_OFFSETS_TO_TXN, ADD_PARTITIONS_TO_TXN, END_TXN, FIND_COORDINATOR, INIT_PRODUCER_ID, TXN_OFFSET_COMMIT,
};
use crate::time::{Micros, Time};

/// Time for one fault and what follows from it.
const SETTLE: Micros = Micros::from_ms(8_000);
/// Every so many steps are tried when nothing else is asked for: the first one differs from kind to kind.
const STRIDE: u64 = 5;

const SCRIPT: [Line; 10] = [
    Line::Say(0),
    Line::Say(1),
    Line::Offsets,
    Line::Commit,
    Line::Say(0),
    Line::Abort,
    Line::Say(0),
    Line::Say(0),
    Line::Offsets,
    Line::Commit,
];

fn kinds() -> Vec<Fault> {
    let mut kinds = vec![
        Refusal(6),
        Refusal(19),
        Refusal(45),
        Refusal(47),
        Refusal(48),
        Refusal(59),
        Refusal(87),
        Refusal(120),
        HiddenAppend(-1),
        HiddenAppend(7),
        Cut,
        CutLate(1),
        CutLate(300),
        CutLate(60_000),
        CutAfter,
        Silence,
        LeftOut,
        Frozen,
        Down,
        DownAndUp,
        Moved,
        MovedTwice,
        MissingTopic,
        Stalled,
        PurgeQueued,
        PurgeInFlight,
        CoordinatorMoved,
        CoordinatorLoads,
        CoordinatorCut(1),
        CoordinatorCut(300),
        CoordinatorCut(5_000),
        MarkersLate,
        Version(0),
        Version(2),
        Fenced,
    ];
    let apis =
        [FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT];
    for api in apis {
        kinds.extend([-1, 7, 14, 15, 16, 48, 51, 53, 90, 120].map(|code| Coordinator(api, code)));
        kinds.push(CoordinatorStuck(api));
    }
    kinds
}

fn plan(version: i16) -> Plan {
    let mut plan = Plan::calm();
    plan.faults_span_us = 1;
    plan.config.enable_idempotence = true;
    plan.config.transactional_id = Some(TRANSACTIONAL_ID.to_owned());
    plan.config.batch_size = 200;
    plan.config.request_timeout_ms = 400;
    plan.config.socket_connection_setup_timeout_ms = 400;
    plan.config.delivery_timeout_ms = 3_000;
    plan.config.metadata_max_age_ms = 1_000;
    plan.config.unknown_topic_grace_ms = 2_000;
    plan.transactions = 3;
    plan.transaction_version = version;
    plan
}

/// The answer is the number of steps until the application was done.
fn run(version: i16, faults: &[(u64, Fault)], is_traced: bool) -> (u64, Option<String>) {
    let mut sim = Sim::new(plan(version), Random::new(7), is_traced);
    sim.txn.script = Some(SCRIPT.into());
    sim.hard_code_answered = faults.iter().any(|(_, fault)| matches!(fault, Coordinator(..) | Refusal(48 | 120)));
    sim.schedule(Time::ZERO, Happening::App);
    if faults.is_empty() {
        while !sim.txn.is_done() && sim.step(Time::ZERO + SETTLE) {}
        let steps = sim.steps;
        return (steps, if sim.txn.is_done() { None } else { Some("it is not done".into()) });
    }
    sim.advance(SETTLE, faults);
    sim.mend();
    sim.transact_tail();
    while sim.violation.is_none() && !sim.sender.is_finished() && sim.step(Time::ZERO + SETTLE + SETTLE + SETTLE) {}
    if sim.violation.is_none() && !sim.sender.is_finished() {
        sim.fail("the application does not come to its end".into());
    }
    (0, sim.end())
}

#[test]
fn one_fault_of_each_kind_at_every_step_of_transactions() {
    let stride = std::env::var("KP_SIM_STRIDE").map_or(STRIDE, |text| text.parse().expect("a number"));
    let (mut broken, mut first, mut runs) = (Vec::<String>::new(), None::<(i16, (u64, Fault))>, 0_usize);
    for version in [1, 2] {
        let (steps, violation) = run(version, &[], false);
        assert_eq!(violation, None, "without a fault");
        for (number, fault) in kinds().into_iter().enumerate() {
            for step in (number as u64 % stride..=steps).step_by(stride as usize) {
                let attempt = std::panic::catch_unwind(|| run(version, &[(step, fault)], false).1);
                runs += 1;
                if let Some(text) = attempt.unwrap_or_else(|_| Some("it panicked".into())) {
                    broken.push(format!("version {version} with {fault:?} at step {step}: {text}"));
                    first = first.or(Some((version, (step, fault))));
                }
            }
        }
    }
    for text in broken.iter().take(40) {
        println!("{}", text.lines().next().unwrap_or_default());
    }
    if let Some((version, fault)) = first {
        let (_, violation) = run(version, &[fault], true);
        let text = violation.unwrap_or_default();
        panic!("{} of {runs} runs failed; the first: version {version} {fault:?}: {text}", broken.len());
    }
    println!("{runs} runs");
}
