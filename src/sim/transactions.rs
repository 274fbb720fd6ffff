//! Named scenarios of the transactional producer, each with the bug of another client (seed) or the rule that it
//! guards.

use super::Sim;
use super::coordination::TRANSACTIONAL_ID;
use super::hands::scenario;
use super::plan::Plan;
use super::transacting::Stage;
use crate::accumulator::TransactionCall;
use crate::error::{Class, Error, Status};
use crate::mock::{CoordinatorKind, api_key};
use crate::offsets::{GroupMetadata, TopicOffset};
use crate::reports::Persisted;
use crate::time::Micros;

/// Transactions of version 1 or 2, initialized.
pub(super) fn transactional(version: i16, edit: impl FnOnce(&mut Plan)) -> Sim {
    let mut sim = scenario(|plan| {
        plan.config.enable_idempotence = true;
        plan.config.transactional_id = Some(TRANSACTIONAL_ID.to_owned());
        plan.config.delivery_timeout_ms = 30_000;
        plan.config.request_timeout_ms = 5_000;
        plan.transaction_version = version;
        edit(plan);
    });
    sim.done(TransactionCall::Init).expect("nothing is wrong");
    sim
}

impl Sim {
    /// Makes a call and waits for its result, ten seconds at most.
    pub(super) fn done(&mut self, call: TransactionCall) -> Result<(), Error> {
        self.done_within(call, 10_000)
    }

    pub(super) fn done_within(&mut self, call: TransactionCall, ms: u64) -> Result<(), Error> {
        self.call(call);
        let until = self.now + Micros::from_ms(ms);
        while self.violation.is_none() && !self.txn.is_answered() && self.step(until) {}
        self.now = if self.txn.is_answered() { self.now } else { until };
        self.take_reports();
        let trace: Vec<String> = self.trace.iter().cloned().collect();
        assert_eq!(self.violation, None, "\n{}", trace.join("\n"));
        self.result_of_call()
    }

    pub(super) fn begin(&mut self) {
        self.done(TransactionCall::Begin).expect("nothing is wrong");
    }

    fn commit(&mut self) {
        self.done(TransactionCall::Commit).expect("nothing is wrong");
    }

    fn abort_transaction(&mut self) {
        self.done(TransactionCall::Abort).expect("nothing is wrong");
    }

    fn say_offset(&mut self, offset: i64) -> Result<(), Error> {
        let group = GroupMetadata {
            group_id: "group0".into(),
            generation_id: -1,
            member_id: String::new(),
            group_instance_id: None,
        };
        let offset = TopicOffset { topic: "source".into(), partition: 0, offset, leader_epoch: -1, metadata: None };
        self.done(TransactionCall::SendOffsets { offsets: vec![offset], group })
    }

    /// A transaction of one record each to both partitions, committed.
    pub(super) fn transact_once(&mut self) {
        self.begin();
        self.say(0, 0, b"of a whole transaction");
        self.say(0, 1, b"of a whole transaction");
        self.commit();
    }

    pub(super) fn visible(&mut self) -> usize {
        let wall_ms = self.wall_ms();
        self.cluster.advance(self.now, wall_ms);
        let read = |partition| self.cluster.committed_records("t0", partition).expect("it exists").len();
        read(0) + read(1)
    }

    pub(super) fn coordinator(&mut self) -> i32 {
        self.cluster.coordinator(CoordinatorKind::Transaction, TRANSACTIONAL_ID).expect("there is one")
    }
}

#[test]
fn a_committed_transaction_is_visible_with_its_offsets_and_an_aborted_one_is_not() {
    for version in [0, 1, 2] {
        let mut sim = transactional(version, |_| ());
        sim.begin();
        let records = [sim.say(0, 0, b"one"), sim.say(0, 1, b"two")];
        sim.say_offset(7).expect("nothing is wrong");
        assert_eq!(sim.visible(), 0);
        sim.commit();
        assert!(records.iter().all(|index| sim.is_delivered(*index)));
        assert_eq!(sim.visible(), 2);
        assert_eq!(sim.cluster.committed_offset("group0", "source", 0), Some(7));
        sim.begin();
        sim.say(0, 0, b"three");
        sim.say_offset(8).expect("nothing is wrong");
        sim.run_for(100);
        sim.abort_transaction();
        assert_eq!(sim.visible(), 2);
        assert_eq!(sim.cluster.committed_offset("group0", "source", 0), Some(7));
        sim.transact_once();
        assert_eq!(sim.visible(), 4);
        sim.finish();
    }
}

// Seed 13: the first EndTxn of a committed transaction stands in a queue while the next transaction is open.
#[test]
fn a_delayed_end_does_not_end_a_later_transaction() {
    let mut sim = transactional(1, |_| ());
    sim.begin();
    sim.say(0, 0, b"committed");
    sim.run_for(200);
    let coordinator = sim.coordinator();
    sim.faults.frozen_requests = vec![(coordinator, api_key::END_TXN)];
    sim.faults.zombies_after = Some(Micros::from_ms(3_000));
    assert_eq!(sim.done_within(TransactionCall::Commit, 500).expect_err("no answer").status, Status::TIMED_OUT);
    sim.cut_off(coordinator);
    sim.faults.frozen_requests.clear();
    sim.commit();
    assert_eq!(sim.visible(), 1);
    sim.begin();
    sim.say(0, 0, b"aborted");
    sim.run_for(6_000);
    assert_eq!(sim.zombies, 1);
    sim.abort_transaction();
    assert_eq!(sim.visible(), 1, "nothing of the second one");
    sim.transact_once();
    sim.finish();
}

// Seed 14.
#[test]
fn a_producer_id_that_is_not_the_transactional_ids_is_the_end() {
    let mut sim = transactional(1, |_| ());
    sim.transact_once();
    sim.hard_code_answered = true;
    sim.cluster.push_error(api_key::ADD_PARTITIONS_TO_TXN, 49, 1);
    sim.begin();
    sim.say(0, 0, b"for nobody");
    let error = sim.done(TransactionCall::Commit).expect_err("refused");
    assert_eq!(error.status, Status::INVALID_PRODUCER_ID_MAPPING);
    let again = sim.done(TransactionCall::Abort).expect_err("the same for ever");
    assert_eq!(again, error);
    sim.finish();
}

// Seed 15: a record that runs out of retries asks for an abort, whatever Kafka says of its code.
#[test]
fn a_retriable_failure_inside_a_transaction_asks_for_an_abort() {
    for version in [1, 2] {
        let mut sim = transactional(version, |plan| plan.config.retries = 2);
        sim.transact_once();
        sim.begin();
        sim.refuse(19, 10);
        let index = sim.say(0, 0, b"refused again and again");
        let error = sim.done(TransactionCall::Commit).expect_err("a record failed");
        assert_eq!(error.status.class(), Class::Abortable, "{error}");
        assert_eq!(sim.report(index).status, Status::NOT_ENOUGH_REPLICAS);
        sim.cluster.clear_faults();
        sim.abort_transaction();
        sim.transact_once();
        assert_eq!(sim.visible(), 4);
        sim.finish();
    }
}

// Seed 5.
#[test]
fn a_gap_inside_a_transaction_cannot_be_committed() {
    for version in [1, 2] {
        let mut sim = transactional(version, |_| ());
        sim.begin();
        sim.say(0, 0, b"one");
        sim.run_for(200);
        sim.refuse(45, 1);
        sim.say(0, 0, b"out of order, says the broker");
        let error = sim.done(TransactionCall::Commit).expect_err("a record failed");
        assert_eq!(error.status, Status::OUT_OF_ORDER_SEQUENCE_NUMBER);
        sim.abort_transaction();
        sim.transact_once();
        assert_eq!(sim.visible(), 2);
        sim.finish();
    }
}

// Seed 16.
#[test]
fn an_abort_that_asks_for_an_abort_is_the_end() {
    let mut sim = transactional(2, |_| ());
    sim.begin();
    sim.say(0, 0, b"one");
    sim.run_for(200);
    sim.hard_code_answered = true;
    sim.cluster.push_error(api_key::END_TXN, 120, 1);
    let error = sim.done(TransactionCall::Abort).expect_err("refused");
    assert_eq!(error.status.class(), Class::Fatal, "{error}");
    sim.finish();
}

// Seed 17.
#[test]
fn when_the_epochs_are_used_up_the_next_transaction_has_another_producer_id() {
    for version in [1, 2] {
        let mut sim = transactional(version, |plan| plan.first_epoch = 32_763);
        for _ in 0..6 {
            sim.begin();
            sim.say(0, 0, b"one");
            sim.run_for(100);
            sim.refuse(87, 1);
            sim.say(0, 0, b"costs an epoch");
            sim.done(TransactionCall::Commit).expect_err("a record failed");
            sim.abort_transaction();
            sim.transact_once();
        }
        assert_eq!(sim.visible(), 12);
        assert_eq!(sim.watch.producer_ids().len(), 2);
        sim.finish();
    }
}

// Seed 18: the coordinator does not say whether it has committed, and then gives the transaction up.
#[test]
fn an_end_that_nobody_confirms_is_no_commit() {
    for version in [1, 2] {
        let mut sim = transactional(version, |plan| {
            plan.config.transaction_timeout_ms = 4_000;
            plan.config.delivery_timeout_ms = 4_000;
            plan.config.request_timeout_ms = 1_000;
        });
        sim.begin();
        sim.say(0, 0, b"one");
        sim.run_for(100);
        sim.cluster.push_error(api_key::END_TXN, -1, 100_000);
        let error = sim.done_within(TransactionCall::Commit, 6_000).expect_err("not confirmed");
        assert_eq!(error.status, Status::TIMED_OUT);
        sim.cluster.clear_faults();
        let error = sim.done(TransactionCall::Commit).expect_err("it was given up");
        // Version 2 gives each transaction an epoch of its own, so that the coordinator knows what became of this one.
        let class = if version == 2 { Class::Abortable } else { Class::Fatal };
        assert_eq!((error.status.class(), sim.visible()), (class, 0), "{error}");
        sim.finish();
    }
}

// Seed 19: the calls keep their state while an end is under way.
#[test]
fn no_transaction_is_begun_while_the_end_of_another_is_not_confirmed() {
    for version in [1, 2] {
        let mut sim = transactional(version, |_| ());
        sim.begin();
        let index = sim.say(0, 0, b"one");
        sim.run_for(100);
        let coordinator = sim.coordinator();
        sim.faults.silent = vec![(coordinator, api_key::END_TXN)];
        assert_eq!(sim.done_within(TransactionCall::Commit, 300).expect_err("no answer").status, Status::TIMED_OUT);
        for call in [TransactionCall::Begin, TransactionCall::Abort, TransactionCall::Init] {
            let error = sim.done(call).expect_err("a commit is under way");
            assert_eq!(error.status, Status::STATE, "{error}");
        }
        sim.txn.stage = Stage::Open;
        sim.faults.silent.clear();
        sim.commit();
        assert!(sim.is_delivered(index));
        sim.transact_once();
        assert_eq!(sim.visible(), 3);
        sim.finish();
    }
}

// Seed 20: a partition was added before another was refused; the coordinator has to be told of the abort.
#[test]
fn a_refused_partition_does_not_make_those_before_it_forgotten() {
    let mut sim = transactional(1, |_| ());
    sim.begin();
    sim.say(0, 0, b"of a partition that was added");
    sim.run_for(200);
    sim.cluster.push_error(api_key::ADD_PARTITIONS_TO_TXN, 29, 1);
    sim.say(0, 1, b"of one that is refused");
    let error = sim.done(TransactionCall::Commit).expect_err("not allowed");
    assert_eq!(error.status.class(), Class::Abortable, "{error}");
    sim.abort_transaction();
    assert!(!sim.cluster.is_transaction_open(TRANSACTIONAL_ID));
    sim.transact_once();
    assert_eq!(sim.visible(), 2);
    sim.finish();
}

// Seed 21: version 2 is finalized, and a broker's requests are too old for it.
#[test]
fn version_two_is_used_only_where_every_request_reaches_it() {
    for (api, version) in [(api_key::PRODUCE, 11), (api_key::END_TXN, 4), (api_key::TXN_OFFSET_COMMIT, 4)] {
        let mut sim = scenario(|plan| {
            plan.config.enable_idempotence = true;
            plan.config.transactional_id = Some(TRANSACTIONAL_ID.to_owned());
            plan.config.delivery_timeout_ms = 30_000;
        });
        sim.cluster.set_max_version(api, version);
        sim.done(TransactionCall::Init).expect("nothing is wrong");
        sim.begin();
        sim.say(0, 0, b"one");
        sim.say_offset(1).expect("nothing is wrong");
        sim.commit();
        assert!(sim.requests(api_key::ADD_PARTITIONS_TO_TXN) > 0);
        assert_eq!(sim.visible(), 1);
        sim.finish();
    }
}

// The coordinator writes the markers of one transaction while the next is given up; it speaks of fencing then.
#[test]
fn an_abort_before_the_last_transaction_is_complete_is_not_taken_for_fencing() {
    let mut sim = transactional(2, |_| ());
    sim.cluster.set_marker_delay_ms(500);
    sim.transact_once();
    sim.begin();
    let index = sim.say(0, 0, b"thought better of");
    sim.run_for(5);
    sim.abort_transaction();
    assert_eq!(sim.report(index).persisted, Persisted::No);
    sim.transact_once();
    sim.run_for(1_000);
    assert_eq!(sim.visible(), 4);
    sim.finish();
}

// InitProducerId of the fenced producer would: Kafka checks its epoch only after it has aborted what is open.
#[test]
fn the_abort_of_a_fenced_producer_leaves_the_open_transaction_of_its_successor_alone() {
    let mut sim = transactional(2, |_| ());
    sim.transact_once();
    sim.was_fenced = true;
    sim.cluster.fence(TRANSACTIONAL_ID).expect("it is known");
    sim.begin();
    sim.say(0, 0, b"too late");
    sim.cluster.begin_as_successor(TRANSACTIONAL_ID, "t0", 1);
    sim.run_for(200);
    let error = sim.done_within(TransactionCall::Abort, 30_000).expect_err("another one is here");
    assert_eq!(error.status, Status::PRODUCER_FENCED, "{error}");
    assert!(sim.cluster.is_transaction_open(TRANSACTIONAL_ID), "the successor's transaction goes on");
    assert_eq!(sim.visible(), 2);
}

// KIP-588: only the coordinator tells whether another producer has come. Whichever call meets it first says so.
#[test]
fn a_fenced_producer_is_told_so_by_the_first_call_that_meets_it_and_stays_so() {
    for version in [1, 2] {
        for meeting in [Meeting::Commit, Meeting::Abort, Meeting::RecordAndCommit, Meeting::Offsets] {
            for is_overdue in [false, true] {
                let mut sim = short_lived(version);
                sim.begin();
                sim.say(0, 0, b"one");
                sim.run_for(if is_overdue { 6_000 } else { 200 });
                assert_eq!(sim.visible(), 0);
                sim.was_fenced = true;
                sim.cluster.fence(TRANSACTIONAL_ID).expect("it is known");
                sim.cluster.begin_as_successor(TRANSACTIONAL_ID, "t0", 1);
                let error = sim.meet(meeting).expect_err("another one is here");
                assert_eq!(error.status, Status::PRODUCER_FENCED, "version {version}, {meeting:?}: {error}");
                assert!(!error.message.contains("most likely"), "{error}");
                assert_eq!(sim.done(TransactionCall::Begin).expect_err("for good"), error);
                let is_open = sim.cluster.is_transaction_open(TRANSACTIONAL_ID);
                assert!(is_open, "version {version}, {meeting:?}, {is_overdue}: the successor's transaction goes on");
                assert_eq!(sim.visible(), 0);
            }
        }
    }
}

/// The call that meets what has happened to the transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meeting {
    Commit,
    Abort,
    RecordAndCommit,
    Offsets,
}

impl Sim {
    fn meet(&mut self, meeting: Meeting) -> Result<(), Error> {
        match meeting {
            Meeting::Commit => self.done(TransactionCall::Commit),
            Meeting::Abort => self.done(TransactionCall::Abort),
            Meeting::Offsets => self.say_offset(7),
            Meeting::RecordAndCommit => {
                self.say(0, 1, b"too late");
                self.run_for(100);
                self.done(TransactionCall::Commit)
            }
        }
    }
}

/// Transactions that their coordinator gives up after four seconds.
fn short_lived(version: i16) -> Sim {
    transactional(version, |plan| {
        plan.config.transaction_timeout_ms = 4_000;
        plan.config.delivery_timeout_ms = 4_000;
        plan.config.request_timeout_ms = 1_000;
    })
}

// Kafka 4 answers the commit with INVALID_TXN_STATE, older ones with PRODUCER_FENCED.
#[test]
fn a_transaction_that_its_coordinator_gave_up_is_aborted_and_the_next_one_works() {
    for version in [1, 2] {
        for meeting in [Meeting::Commit, Meeting::Abort, Meeting::RecordAndCommit, Meeting::Offsets] {
            for marker_delay_ms in [0, 300] {
                let mut sim = short_lived(version);
                sim.transact_once();
                sim.begin();
                sim.say(0, 0, b"given up");
                sim.run_for(200);
                sim.cluster.set_marker_delay_ms(marker_delay_ms);
                sim.run_for(4_000);
                let name = format!("version {version}, {meeting:?}");
                match sim.meet(meeting) {
                    Ok(()) => assert_eq!(meeting, Meeting::Abort, "{name}"),
                    Err(error) => {
                        assert_eq!(error.status, Status::INVALID_PRODUCER_EPOCH, "{name}: {error}");
                        assert!(error.message.contains("transaction.timeout.ms=4000"), "{name}: {error}");
                        sim.abort_transaction();
                    }
                }
                for _ in 0..2 {
                    sim.transact_once();
                }
                sim.run_for(1_000);
                assert_eq!(sim.visible(), 6, "{name}");
                sim.finish();
            }
        }
    }
}

// The epoch of the coordinator's own abort is the last but one of the producer id, the last one, or the one behind it.
#[test]
fn a_transaction_that_its_coordinator_gave_up_may_have_used_up_the_epochs() {
    for version in [1, 2] {
        for first_epoch in 32_763..=32_765 {
            let mut sim = transactional(version, |plan| {
                plan.first_epoch = first_epoch;
                plan.config.transaction_timeout_ms = 4_000;
                plan.config.delivery_timeout_ms = 4_000;
                plan.config.request_timeout_ms = 1_000;
            });
            for _ in 0..2 {
                sim.begin();
                sim.say(0, 0, b"given up");
                sim.run_for(5_000);
                let error = sim.done(TransactionCall::Commit).expect_err("given up");
                assert_eq!(error.status, Status::INVALID_PRODUCER_EPOCH, "{error}");
                sim.abort_transaction();
                sim.transact_once();
            }
            assert_eq!(sim.visible(), 4);
            sim.finish();
        }
    }
}

// The abort that asks for the reason is lost, or its coordinator moves.
#[test]
fn why_an_epoch_is_refused_is_asked_until_the_answer_comes() {
    for version in [1, 2] {
        for moves in [true, false] {
            let mut sim = short_lived(version);
            sim.begin();
            sim.say(0, 0, b"given up");
            sim.run_for(5_000);
            let coordinator = sim.coordinator();
            if moves {
                let to = Some(coordinator % 2 + 1);
                sim.cluster.coordinator_move(CoordinatorKind::Transaction, TRANSACTIONAL_ID, to).expect("it exists");
            } else {
                sim.faults.silent = vec![(coordinator, api_key::END_TXN)];
                let error = sim.done_within(TransactionCall::Commit, 500).expect_err("no answer");
                assert_eq!(error.status, Status::TIMED_OUT);
                sim.faults.silent.clear();
            }
            let error = sim.done(TransactionCall::Commit).expect_err("given up");
            if version == 1 {
                // An end without a clear answer may have been carried out, and another producer have come since.
                assert_eq!(error.status, Status::PRODUCER_FENCED, "{error}");
            } else {
                assert_eq!(error.status, Status::INVALID_PRODUCER_EPOCH, "{error}");
                sim.abort_transaction();
                sim.transact_once();
                assert_eq!(sim.visible(), 2);
            }
            sim.finish();
        }
    }
}

// The commit was carried out, its answer was lost, and the producer that came then has been given the very next epoch.
#[test]
fn an_end_in_doubt_is_never_asked_for_under_the_epoch_of_a_successor() {
    let mut sim = short_lived(1);
    sim.begin();
    sim.say(0, 0, b"committed");
    sim.run_for(200);
    let coordinator = sim.coordinator();
    sim.faults.silent = vec![(coordinator, api_key::END_TXN)];
    assert_eq!(sim.done_within(TransactionCall::Commit, 100).expect_err("no answer").status, Status::TIMED_OUT);
    assert_eq!(sim.visible(), 1);
    sim.was_fenced = true;
    sim.cluster.fence(TRANSACTIONAL_ID).expect("it is known");
    sim.cluster.begin_as_successor(TRANSACTIONAL_ID, "t0", 1);
    sim.faults.silent.clear();
    let error = sim.done_within(TransactionCall::Commit, 3_000).expect_err("another one is here");
    assert_eq!(error.status, Status::PRODUCER_FENCED, "{error}");
    assert!(error.message.contains("committed is not known"), "{error}");
    assert!(sim.cluster.is_transaction_open(TRANSACTIONAL_ID), "the successor's transaction goes on");
}

// A coordinator that refuses the commit of a transaction which it has open is asked to abort it, and does.
#[test]
fn a_commit_that_does_not_fit_the_coordinators_state_is_never_taken_for_one() {
    for version in [1, 2] {
        for code in [47, 48, 90] {
            let mut sim = transactional(version, |_| ());
            sim.begin();
            sim.say(0, 0, b"refused");
            sim.run_for(100);
            sim.cluster.push_error(api_key::END_TXN, code, 1);
            let error = sim.done(TransactionCall::Commit).expect_err("refused");
            assert_eq!(error.status, Status::INVALID_PRODUCER_EPOCH, "{error}");
            sim.abort_transaction();
            sim.transact_once();
            assert_eq!(sim.visible(), 2);
            sim.finish();
        }
    }
}

// An end comes after every answer of its transaction's batches.
#[test]
fn a_transaction_is_ended_when_all_of_its_batches_are_decided() {
    for (version, call) in [(1, TransactionCall::Commit), (2, TransactionCall::Commit), (2, TransactionCall::Abort)] {
        let mut sim = transactional(version, |_| ());
        sim.transact_once();
        sim.begin();
        let leader = sim.leader(0);
        sim.cluster.broker_set_latency(leader, 700);
        sim.say(0, 0, b"answered late");
        sim.run_for(50);
        sim.cluster.broker_set_latency(leader, 0);
        sim.done(call).expect("nothing is wrong");
        sim.finish();
    }
}

// A new protocol begins with a new epoch: what was sent under the old one must not fit into it.
#[test]
fn a_change_to_version_two_begins_with_a_new_epoch() {
    let mut sim = transactional(1, |plan| plan.config.metadata_max_age_ms = 500);
    sim.transact_once();
    sim.cluster.set_transaction_version(2).expect("it exists");
    let leaders = [sim.leader(0), sim.leader(1)];
    leaders.into_iter().for_each(|leader| sim.cut_off(leader));
    sim.run_for(2_000);
    sim.transact_once();
    sim.transact_once();
    assert_eq!(sim.requests(api_key::INIT_PRODUCER_ID), 2);
    assert_eq!(sim.visible(), 6);
    sim.finish();
}
