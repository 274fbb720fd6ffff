//! Two-phase commit: what is prepared is ended by whoever knows its name, and by nobody else.

use super::*;
use crate::mock::TwoPhase;
use crate::prepared::PreparedTransaction;

const WHOLE: TwoPhase = TwoPhase::Whole;

fn two_phase(config: &mut Config) {
    config.two_phase_commit = true;
    config.transaction_timeout_ms = i32::MAX as u64;
    config.delivery_timeout_ms = 30_000;
}

/// A producer with two-phase commit, on brokers that know as much of it as `level` says; not initialized.
fn producer(version: i16, level: TwoPhase) -> Rig {
    let mut rig = Rig::with(version, two_phase);
    rig.cluster.set_two_phase_commit(level);
    on(rig)
}

/// The next producer of the cluster, the one before having died.
fn on(earlier: Rig) -> Rig {
    Rig::on(earlier.cluster, earlier.now, two_phase)
}

impl Rig {
    /// The result of a call that is over sooner or later, and the transaction that it names.
    fn named(&mut self, call: TransactionCall) -> Result<Option<PreparedTransaction>, Error> {
        let reply = self.call(call);
        while !reply.done.is_complete() {
            self.step();
        }
        match reply.give_up() {
            GivenUp::Answered(result) => result.map(|()| reply.prepared.get().copied()),
            GivenUp::Waiting(_) => panic!("it is complete"),
        }
    }

    fn over(&mut self, call: TransactionCall) -> Result<(), Status> {
        self.named(call).map(|_| ()).map_err(|error| error.status)
    }

    fn committed(&self) -> usize {
        self.cluster.committed_records("t", 0).expect("it exists").len()
    }

    /// With one record in a prepared transaction, whose name is the answer.
    fn prepare(&mut self) -> PreparedTransaction {
        assert_eq!(self.over(TransactionCall::Init), Ok(()));
        assert_eq!(self.over(TransactionCall::Begin), Ok(()));
        self.send(0);
        let prepared = self.named(TransactionCall::Prepare).expect("nothing is wrong").expect("it is prepared");
        assert_eq!((self.state(), self.committed()), (State::Prepared, 0));
        prepared
    }

    /// One more transaction comes through.
    fn goes_on(&mut self) {
        let before = self.committed();
        assert_eq!(self.over(TransactionCall::Begin), Ok(()));
        self.send(0);
        assert_eq!(self.over(TransactionCall::Commit), Ok(()));
        assert_eq!(self.committed(), before + 1);
    }
}

#[test]
fn a_prepared_transaction_is_ended_by_the_producer_that_prepared_it() {
    for version in 1..=2 {
        for level in [TwoPhase::NeverExpires, WHOLE] {
            let mut rig = producer(version, level);
            let prepared = rig.prepare();
            assert!(!rig.offer(0));
            assert_eq!(rig.over(TransactionCall::Complete(Some(prepared))), Ok(()));
            assert_eq!((rig.state(), rig.committed()), (State::Ready, 1));
            for end in [TransactionCall::Commit, TransactionCall::Abort, TransactionCall::Complete(Some(prepared))] {
                assert_eq!(rig.over(TransactionCall::Begin), Ok(()));
                rig.send(0);
                assert_eq!(rig.over(TransactionCall::Prepare), Ok(()));
                let before = rig.committed();
                assert_eq!(rig.over(end.clone()), Ok(()));
                // With version 1 every transaction of a producer has the same name.
                let commits = end == TransactionCall::Commit
                    || (version == 1 && end == TransactionCall::Complete(Some(prepared)));
                assert_eq!(rig.committed(), before + usize::from(commits), "version {version}, {end:?}");
            }
            rig.goes_on();
        }
    }
}

#[test]
fn another_producer_commits_what_one_that_died_has_prepared() {
    for version in 1..=2 {
        let mut first = producer(version, WHOLE);
        let prepared = first.prepare();
        let mut second = on(first);
        let kept = second.named(TransactionCall::InitKeepPrepared).expect("nothing is wrong");
        assert_eq!((kept, second.state(), second.committed()), (Some(prepared), State::Prepared, 0));
        assert!(!second.offer(0));
        assert_eq!(second.over(TransactionCall::Begin), Err(Status::STATE));
        assert_eq!(second.over(TransactionCall::Complete(kept)), Ok(()));
        assert_eq!(second.committed(), 1);
        second.goes_on();
    }
}

#[test]
fn another_producer_aborts_what_is_prepared_and_was_not_decided() {
    let other = PreparedTransaction { producer_id: 7, producer_epoch: 7 };
    for version in 1..=2 {
        for wanted in [None, Some(other)] {
            let mut first = producer(version, WHOLE);
            first.prepare();
            let mut second = on(first);
            assert_eq!(second.over(TransactionCall::InitKeepPrepared), Ok(()));
            assert_eq!(second.over(TransactionCall::Complete(wanted)), Ok(()));
            assert_eq!((second.state(), second.committed()), (State::Ready, 0));
            second.goes_on();
        }
    }
}

#[test]
fn a_producer_that_keeps_what_another_had_kept_names_it_and_fences_the_other() {
    for version in 1..=2 {
        let mut first = producer(version, WHOLE);
        let prepared = first.prepare();
        let mut second = on(first);
        assert_eq!(second.named(TransactionCall::InitKeepPrepared).expect("nothing is wrong"), Some(prepared));
        let mut third = Rig::on(second.cluster, second.now, two_phase);
        assert_eq!(third.named(TransactionCall::InitKeepPrepared).expect("nothing is wrong"), Some(prepared));
        second.cluster = third.cluster;
        assert_eq!(second.over(TransactionCall::Complete(None)), Err(Status::PRODUCER_FENCED));
        third.cluster = second.cluster;
        assert_eq!(third.over(TransactionCall::Complete(Some(prepared))), Ok(()));
        assert_eq!(third.committed(), 1);
    }
}

#[test]
fn who_has_prepared_is_fenced_by_the_producer_that_keeps_it() {
    for version in 1..=2 {
        for end in [TransactionCall::Commit, TransactionCall::Abort] {
            let mut first = producer(version, WHOLE);
            let prepared = first.prepare();
            let mut second = Rig::on(first.cluster, first.now, two_phase);
            assert_eq!(second.named(TransactionCall::InitKeepPrepared).expect("nothing is wrong"), Some(prepared));
            first.cluster = second.cluster;
            assert_eq!(first.over(end), Err(Status::PRODUCER_FENCED), "version {version}");
            second.cluster = first.cluster;
            assert_eq!(second.over(TransactionCall::Complete(Some(prepared))), Ok(()));
            assert_eq!(second.committed(), 1);
        }
    }
}

#[test]
fn with_nothing_prepared_a_producer_that_would_keep_it_is_initialized_as_ever() {
    for version in 1..=2 {
        let mut rig = producer(version, WHOLE);
        assert_eq!(rig.named(TransactionCall::InitKeepPrepared).expect("nothing is wrong"), None);
        assert_eq!(rig.state(), State::Ready);
        assert_eq!(rig.over(TransactionCall::Complete(None)), Err(Status::STATE));
        rig.goes_on();
    }
}

/// Kafka 4.3: the name alone has to do.
#[test]
fn where_the_coordinator_keeps_nothing_the_name_commits_before_init() {
    for version in 1..=2 {
        for lost in [None, Some(false), Some(true)] {
            let mut first = producer(version, TwoPhase::NeverExpires);
            let prepared = first.prepare();
            let mut second = on(first);
            let refused = second.named(TransactionCall::InitKeepPrepared).expect_err("4.3 cannot");
            assert_eq!((refused.status, second.state()), (Status::UNSUPPORTED_BROKER, State::Uninitialized));
            assert!(refused.message.contains("producer_complete_transaction before"), "{refused:?}");
            if let Some(acts) = lost {
                second.cluster.push_disconnect(END, acts, 1);
            }
            let call = TransactionCall::Complete(Some(prepared));
            assert_eq!(second.over(call.clone()), Ok(()), "version {version}, {lost:?}");
            assert_eq!((second.state(), second.committed()), (State::Uninitialized, 1));
            assert!(!second.offer(0));
            // Whoever does not know that it was done does it again.
            assert_eq!(second.over(call), Ok(()));
            assert_eq!(second.over(TransactionCall::Init), Ok(()));
            assert_eq!(second.committed(), 1);
            second.goes_on();
        }
    }
}

#[test]
fn a_name_commits_nothing_that_was_aborted_or_taken_over() {
    for version in 1..=2 {
        let mut first = producer(version, TwoPhase::NeverExpires);
        let prepared = first.prepare();
        let mut second = on(first);
        assert_eq!(second.over(TransactionCall::Init), Ok(()));
        let mut third = on(second);
        let error = third.named(TransactionCall::Complete(Some(prepared))).expect_err("it was aborted");
        assert!(error.status.is_fatal(), "{error:?}");
        assert_eq!((third.state(), third.committed()), (State::FatalError, 0));
        let mut fourth = on(third);
        assert_eq!(fourth.over(TransactionCall::Complete(None)), Err(Status::STATE));
        assert_eq!(fourth.over(TransactionCall::Init), Ok(()));
        fourth.goes_on();
    }
}

#[test]
fn time_aborts_no_transaction_with_two_phase_commit() {
    let day = Micros::from_ms(86_400_000);
    for version in 1..=2 {
        let mut rig = producer(version, TwoPhase::NeverExpires);
        let prepared = rig.prepare();
        rig.now = rig.now + day;
        rig.cluster.advance(rig.now, 1_000);
        assert!(rig.cluster.is_transaction_open("tx"));
        assert_eq!(rig.over(TransactionCall::Complete(Some(prepared))), Ok(()));
        assert_eq!(rig.committed(), 1);
        // Without the property it would have been.
        let mut rig = Rig::open(version);
        rig.send(0);
        rig.cluster.advance(rig.now + day, 1_000);
        assert!(!rig.cluster.is_transaction_open("tx"));
    }
}

#[test]
fn brokers_without_two_phase_commit_are_named_and_left_alone_without_the_property() {
    for call in [TransactionCall::Init, TransactionCall::InitKeepPrepared] {
        let mut rig = producer(2, TwoPhase::Off);
        let error = rig.named(call.clone()).expect_err("it is not offered");
        assert_eq!((error.status, rig.state()), (Status::UNSUPPORTED_BROKER, State::Uninitialized));
        assert!(error.message.contains("unstable.api.versions.enable"), "{error:?}");
        assert_eq!(rig.asked(INIT), 0);
        // The right, or the brokers' own setting.
        rig.cluster.set_two_phase_commit(WHOLE);
        let mut rig = on(rig);
        rig.cluster.push_error(INIT, 53, 1);
        let error = rig.named(call.clone()).expect_err("refused");
        assert_eq!(error.status, Status::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        assert!(error.message.contains("TWO_PHASE_COMMIT"), "{error:?}");
        assert_eq!(rig.over(call), Ok(()));
    }
    let mut rig = Rig::new(2);
    rig.cluster.set_two_phase_commit(WHOLE);
    assert_eq!(rig.over(TransactionCall::Init), Ok(()));
    let versions = rig.cluster.stats().recent().filter(|seen| seen.api_key == INIT).map(|seen| seen.api_version);
    assert!(versions.eq([5]), "as without two-phase commit");
}

#[test]
fn a_record_that_fails_while_the_transaction_is_prepared_costs_it() {
    let mut rig = producer(2, WHOLE);
    assert_eq!(rig.over(TransactionCall::Init), Ok(()));
    assert_eq!(rig.over(TransactionCall::Begin), Ok(()));
    rig.cluster.push_error(PRODUCE, 87, 1);
    rig.hold.insert(PRODUCE);
    rig.send(0);
    let reply = rig.call(TransactionCall::Prepare);
    assert!(!reply.done.is_complete());
    rig.release();
    assert!(matches!(reply.give_up(), GivenUp::Answered(Err(error)) if error.status == Status::INVALID_RECORD));
    assert_eq!(rig.state(), State::AbortableError);
    assert_eq!(rig.over(TransactionCall::Complete(None)), Err(Status::INVALID_RECORD));
    assert_eq!(rig.over(TransactionCall::Abort), Ok(()));
    rig.goes_on();
}

#[test]
fn a_prepare_whose_time_is_over_goes_on_and_is_told_when_it_is_called_again() {
    let mut rig = producer(2, WHOLE);
    assert_eq!(rig.over(TransactionCall::Init), Ok(()));
    assert_eq!(rig.over(TransactionCall::Begin), Ok(()));
    rig.hold.insert(PRODUCE);
    rig.send(0);
    assert_eq!(rig.status(TransactionCall::Prepare), None);
    rig.release();
    assert_eq!(rig.state(), State::Prepared);
    assert_eq!(rig.status(TransactionCall::Commit), Some(Status::STATE));
    let prepared = rig.named(TransactionCall::Prepare).expect("nothing is wrong");
    assert!(prepared.is_some());
    assert_eq!(rig.over(TransactionCall::Complete(prepared)), Ok(()));
    assert_eq!(rig.committed(), 1);
}

#[test]
fn closing_leaves_open_what_is_prepared_and_aborts_what_nobody_knows_the_name_of() {
    // Told, not told, not prepared yet.
    for (told, prepared) in [(true, true), (false, true), (false, false)] {
        let mut rig = producer(2, WHOLE);
        assert_eq!(rig.over(TransactionCall::Init), Ok(()));
        assert_eq!(rig.over(TransactionCall::Begin), Ok(()));
        if !told {
            rig.hold.insert(PRODUCE);
        }
        rig.send(0);
        assert_eq!(rig.status(TransactionCall::Prepare), told.then_some(Status::OK));
        if prepared {
            rig.release();
        }
        let closing = rig.call(TransactionCall::Finish);
        rig.release();
        while !closing.done.is_complete() {
            rig.step();
        }
        assert_eq!(rig.cluster.is_transaction_open("tx"), told);
        assert_eq!(rig.committed(), 0);
    }
}
