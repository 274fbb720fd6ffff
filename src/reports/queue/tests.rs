#![allow(clippy::disallowed_methods)] // Waiting threads are tested in real time.

use super::*;
use crate::error::Status;
use crate::reports::{
    Future, KeptRecords, Persisted, Phase, RICH, RichTag, SILENT, Undelivered, UndeliveredTo, Waiting,
};
use crate::time::Time;
use std::time::Duration;

fn batch(records: u32) -> FinishedBatch {
    let slot = |offset_delta| Slot {
        callback: 9,
        opaque: offset_delta as usize,
        key_len: -1,
        value_len: 0,
        timestamp_delta_ms: 0,
        offset_delta,
    };
    FinishedBatch {
        topic: Arc::from(c"t"),
        partition: 0,
        status: Status::OK,
        persisted: Persisted::Yes,
        phase: Phase::Answered,
        base_offset: 0,
        base_timestamp_ms: 0,
        log_append_time_ms: None,
        broker: 1,
        attempts: 1,
        opened_at: Time(0),
        finished_at: Time(1),
        cause: None,
        record_causes: Vec::new(),
        slots: (0..records).map(slot).collect(),
        rich: Vec::new(),
        undelivered: None,
    }
}

fn now() -> Option<Instant> {
    Some(Instant::now())
}

#[test]
fn a_batch_without_slots_leaves_nothing_behind() {
    let reports = Reports::new(10, 6);
    reports.push(batch(0));
    assert_eq!(reports.poll(now(), |_| panic!("nothing to hand out")), Dispatch::TimedOut(0));
}

#[test]
fn the_bound_counts_records_until_they_are_taken() {
    let reports = Reports::new(3, 6);
    reports.push(batch(2));
    assert!(!reports.is_full());
    reports.push(batch(1));
    assert!(reports.is_full());
    assert_eq!(reports.poll(now(), |_| Handed::All), Dispatch::Done(3));
    assert!(!reports.is_full());
    assert_eq!(reports.spare_slots().map(|slots| slots.len()), Some(0));
}

#[test]
fn a_completion_waits_for_what_was_pushed_before_it_and_not_for_later() {
    let reports = Reports::new(100, 6);
    let completion = Completion::default();
    assert_eq!(reports.wait_for(&completion, now(), |_| Handed::All), Dispatch::TimedOut(0));
    reports.push(batch(1));
    reports.complete(&completion);
    let mut handed = 0;
    assert_eq!(
        reports.wait_for(&completion, now(), |_| {
            handed += 1;
            Handed::All
        }),
        Dispatch::Done(1)
    );
    reports.push(batch(1));
    assert_eq!(
        reports.wait_for(&completion, now(), |_| {
            handed += 1;
            Handed::All
        }),
        Dispatch::Done(0)
    );
    assert_eq!(handed, 1);
}

#[test]
fn a_dispatch_inside_a_dispatch_is_recognised() {
    let reports = Reports::new(100, 6);
    reports.push(batch(1));
    let mut inner = None;
    reports.poll(now(), |_| {
        assert!(reports.in_callback());
        inner = Some(reports.poll(now(), |_| Handed::All));
        Handed::All
    });
    assert_eq!(inner, Some(Dispatch::Reentered));
    assert!(!reports.in_callback());
}

#[test]
fn a_poll_without_time_hands_out_what_is_there() {
    let reports = Reports::new(100, 6);
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::TimedOut(0));
    reports.push(batch(2));
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::Done(2));
}

#[test]
fn a_waiting_poll_wakes_when_a_batch_comes() {
    let reports = Arc::new(Reports::new(100, 6));
    let theirs = reports.clone();
    let soon = Instant::now() + Duration::from_secs(20);
    let poller = std::thread::spawn(move || theirs.poll(Some(soon), |_| Handed::All));
    reports.push(batch(2));
    assert_eq!(poller.join().expect("no panic"), Dispatch::Done(2));
}

#[test]
fn log_lines_do_not_end_the_wait_for_reports() {
    let reports = Arc::new(Reports::new(100, 6));
    reports.log(6, "X", || "line".into());
    let (told, lines) = std::sync::mpsc::channel();
    let theirs = reports.clone();
    let poller = std::thread::spawn(move || {
        theirs.poll(None, |item| {
            if let Item::Log(_) = item {
                told.send(()).expect("the test listens");
            }
            Handed::All
        })
    });
    lines.recv().expect("the line");
    reports.push(batch(2));
    assert_eq!(poller.join().expect("no panic"), Dispatch::Done(2));
}

#[test]
fn waits_of_other_threads_end_when_the_producer_does() {
    let reports = Reports::new(100, 6);
    reports.push(batch(1));
    reports.shut();
    assert_eq!(reports.poll(None, |_| Handed::All), Dispatch::Done(1), "what is there is still served");
    assert_eq!(reports.poll(None, |_| Handed::All), Dispatch::Ended(0));
    assert_eq!(reports.wait_for(&Completion::default(), None, |_| Handed::All), Dispatch::Ended(0));
    assert!(!reports.wait_complete(&Completion::default(), None), "it will not happen any more");
}

#[test]
fn log_lines_are_bounded_and_the_loss_is_told() {
    let reports = Reports::new(100, 6);
    reports.log(7, "X", || unreachable!("above the level"));
    for _ in 0..LOG_LINES_MAX + 5 {
        reports.log(6, "X", || "line".into());
    }
    let mut lines = Vec::new();
    reports.poll(now(), |item| {
        if let Item::Log(line) = item {
            lines.push(line.text.clone());
        }
        Handed::All
    });
    assert_eq!(lines.len(), LOG_LINES_MAX + 1);
    assert_eq!(lines.first().map(String::as_str), Some("5 log lines were dropped because nobody polled"));
}

#[test]
fn losses_of_a_partition_become_one_and_none_is_dropped() {
    let reports = Reports::new(100, -1);
    let loss = |partition, acked_offset, text: &CStr| DataLoss {
        topic: Arc::from(c"t"),
        partition,
        acked_offset,
        text: Arc::from(text),
    };
    for partition in 0..5_000 {
        reports.data_loss(loss(partition, 7, c"first"));
    }
    reports.data_loss(loss(3, 5, c"second"));
    let mut told = Vec::new();
    let ended = reports.poll(now(), |item| {
        if let Item::DataLoss(loss) = item {
            told.push(loss.clone());
        }
        Handed::All
    });
    assert_eq!(ended, Dispatch::TimedOut(0), "a loss is no report");
    assert_eq!(told.len(), 5_000);
    assert_eq!(told[3], loss(3, 7, c"second"));
}

/// The slots' opaques, until `most` of them are taken.
fn taking<'a>(
    taken: &'a mut Vec<usize>,
    mut most: usize,
    mut keep: impl FnMut(&Slot) -> bool + 'a,
) -> impl FnMut(Item<'_>) -> Handed + 'a {
    move |item| {
        let Item::Batch { batch, from } = item else { return Handed::All };
        let mut kept = false;
        for (place, slot) in batch.slots[from..].iter().enumerate() {
            if most == 0 {
                return Handed::Part(place);
            }
            if keep(slot) {
                kept = true;
                continue;
            }
            most -= 1;
            taken.push(slot.opaque);
        }
        if kept { Handed::AllButKept } else { Handed::All }
    }
}

fn numbered(from: u32, count: u32) -> FinishedBatch {
    let mut batch = batch(from + count);
    batch.slots.drain(..from as usize);
    batch
}

#[test]
fn what_a_dispatch_leaves_comes_next_and_in_order() {
    let reports = Reports::new(100, 6);
    for from in [0, 3, 6] {
        reports.push(numbered(from, 3));
    }
    let done = Completion::default();
    reports.complete(&done);
    let mut taken = Vec::new();
    assert_eq!(reports.poll_now(taking(&mut taken, 4, |_| false)), Dispatch::Done(4));
    assert_eq!(reports.pending(), 5);
    reports.push(numbered(9, 2));
    assert_eq!(reports.take_now(taking(&mut taken, 1, |_| false)), Dispatch::Done(1));
    assert_eq!(reports.poll_now(taking(&mut taken, 1, |_| false)), Dispatch::Done(1));
    // As often as the dispatch is cut short.
    assert_eq!(
        reports.wait_for(&done, now(), |item| {
            let Item::Batch { batch, from } = item else { return Handed::All };
            taken.push(batch.slots[from].opaque);
            Handed::Part(1)
        }),
        Dispatch::Done(3)
    );
    assert_eq!(reports.poll_now(taking(&mut taken, 100, |_| false)), Dispatch::Done(2));
    assert_eq!(taken, (0..11).collect::<Vec<_>>());
    assert_eq!(reports.pending(), 0);
}

#[test]
fn reports_that_are_kept_wait_for_who_copies_them() {
    let reports = Reports::new(5, 6);
    let mut mixed = batch(4);
    mixed.slots[1].callback = KEPT;
    mixed.slots[2].callback = KEPT;
    reports.push(mixed);
    let done = Completion::default();
    reports.complete(&done);
    let mut called = Vec::new();
    assert_eq!(reports.poll_now(taking(&mut called, 3, |slot| slot.callback == KEPT)), Dispatch::Done(2));
    assert_eq!((called, reports.pending()), (vec![0, 3], 2));
    assert_eq!(reports.wait_for(&done, now(), |_| Handed::All), Dispatch::Done(0), "a flush does not wait for them");
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::TimedOut(0));
    reports.push(numbered(4, 3));
    assert!(reports.is_full(), "they count until they are taken");
    let mut copied = Vec::new();
    assert_eq!(reports.take_now(taking(&mut copied, 1, |_| false)), Dispatch::Done(1));
    assert_eq!(reports.take_now(taking(&mut copied, 10, |_| false)), Dispatch::Done(4));
    assert_eq!((copied, reports.pending()), (vec![1, 2, 4, 5, 6], 0));
}

#[test]
fn a_line_that_cuts_a_dispatch_short_leaves_the_others() {
    let reports = Reports::new(5, 6);
    for text in ["a", "b"] {
        reports.log(6, "X", || text.into());
    }
    reports.push(batch(1));
    let mut lines = Vec::new();
    let hand = |item: Item<'_>| match item {
        Item::Log(line) => {
            lines.push(line.text.clone());
            Handed::Part(0)
        }
        _ => Handed::All,
    };
    assert_eq!(reports.poll_now(hand), Dispatch::Done(0));
    reports.log(6, "X", || "c".into());
    let ended = reports.poll_now(|item| {
        if let Item::Log(line) = item {
            lines.push(line.text.clone());
        }
        Handed::All
    });
    assert_eq!(ended, Dispatch::Done(1));
    assert_eq!(lines, ["a", "b", "c"]);
}

#[test]
fn a_panic_in_a_dispatch_costs_its_batch_and_no_other() {
    let reports = Reports::new(10, 6);
    reports.push(batch(1));
    reports.push(batch(2));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reports.poll_now(|_| std::panic::resume_unwind(Box::new(())))
    }));
    assert!(caught.is_err());
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::Done(2));
    assert_eq!(reports.pending(), 0);
}

#[test]
fn only_failures_are_reported_when_that_is_asked_for() {
    let reports = Reports::new(10, 6).with_only_errors(true);
    reports.push(batch(3));
    let mut failed = batch(2);
    failed.status = Status::CLOSED;
    reports.push(failed);
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::Done(2));
}

#[test]
fn a_thread_of_its_own_hands_out_everything_and_nobody_else_does() {
    let reports = Arc::new(Reports::new(100, 6));
    reports.leave_to_thread(true);
    reports.push(batch(2));
    assert_eq!(reports.poll_now(|_| panic!("not here")), Dispatch::TimedOut(0));
    let done = Completion::default();
    reports.complete(&done);
    let handed = Arc::new(AtomicUsize::new(0));
    let (theirs, counted) = (reports.clone(), handed.clone());
    let thread = std::thread::spawn(move || {
        theirs.serve(|item| {
            if let Item::Batch { batch, from } = item {
                counted.fetch_add(batch.slots.len() - from, Ordering::SeqCst);
            }
            Handed::All
        });
    });
    let soon = Instant::now() + Duration::from_secs(20);
    assert_eq!(reports.wait_for(&done, Some(soon), |_| panic!("not here")), Dispatch::Done(0));
    assert_eq!(handed.load(Ordering::SeqCst), 2);
    reports.push(batch(1));
    reports.shut();
    assert!(reports.drain_all(Some(soon), |_| Handed::All));
    thread.join().expect("no panic");
    assert_eq!(handed.load(Ordering::SeqCst), 3);
    reports.push(batch(1));
    assert_eq!(reports.poll_now(|_| Handed::All), Dispatch::Done(1), "others take over when it has ended");
}

#[test]
fn what_a_thread_was_lent_lives_until_it_copies_again() {
    let reports = Reports::new(100, 6);
    let text: Arc<CStr> = Arc::from(c"why");
    reports.lend(vec![text.clone()]);
    std::thread::scope(|scope| scope.spawn(|| reports.lend(Vec::new())).join()).expect("no panic");
    assert_eq!(Arc::strong_count(&text), 2);
    reports.lend(Vec::new());
    assert_eq!(Arc::strong_count(&text), 1);
}

#[test]
fn there_is_room_again_when_an_eighth_of_the_reports_is_taken() {
    let reports = Reports::new(16, 6);
    reports.refuse_for_reports();
    assert!(!reports.room.is_lacking(Lack::Reports), "none wait");
    reports.push(numbered(0, 17));
    reports.refuse_for_reports();
    let mut taken = Vec::new();
    assert_eq!(reports.poll_now(taking(&mut taken, 2, |_| false)), Dispatch::Done(2));
    assert!(reports.room.is_lacking(Lack::Reports) && !reports.is_full());
    assert_eq!(reports.poll_now(taking(&mut taken, 1, |_| false)), Dispatch::Done(1));
    assert!(!reports.room.is_lacking(Lack::Reports));
}

fn tagged(reports: &Reports) -> FinishedBatch {
    let future = Arc::new(Future::new(Arc::from(c"t")));
    assert!(future.when_complete(Waiting { callback: 70, opaque: 71 }).is_none());
    let tags = [
        RichTag::Future(future),
        RichTag::Ticketed { ticket: 1, callback: KEPT, opaque: 5 },
        RichTag::Direct { callback: KEPT, opaque: 6, count: 2 },
    ];
    let mut tagged = batch(4);
    for (slot, tag) in tagged.slots.iter_mut().zip(tags) {
        (slot.callback, slot.opaque) = (RICH, reports.rich.insert(tag));
    }
    tagged
}

#[test]
fn tickets_and_batches_are_kept_like_records() {
    let reports = Reports::new(10, 6);
    reports.push(tagged(&reports));
    let mut called = 0;
    let hand = |item: Item<'_>| {
        let Item::Batch { batch, from } = item else { return Handed::All };
        called = batch.slots[from..].iter().filter(|slot| !batch.is_kept(slot)).count();
        Handed::AllButKept
    };
    assert_eq!(reports.poll_now(hand), Dispatch::Done(2));
    assert_eq!((called, reports.pending()), (2, 2));
    let mut opaques = Vec::new();
    let copy = |item: Item<'_>| {
        let Item::Batch { batch, from } = item else { return Handed::All };
        opaques.extend(batch.slots[from..].iter().filter_map(|slot| match batch.rich_tag(slot)? {
            RichTag::Ticketed { opaque, .. } | RichTag::Direct { opaque, .. } => Some(*opaque),
            RichTag::Future(_) => None,
        }));
        Handed::All
    };
    assert_eq!(reports.take_now(copy), Dispatch::Done(2));
    assert_eq!(opaques, [5, 6]);
}

#[test]
fn of_delivered_records_only_futures_and_who_hears_of_all_are_told() {
    for heard in [false, true] {
        let reports = Reports::new(10, 6).with_only_errors(true);
        if heard {
            reports.hear_of_all();
        }
        reports.push(tagged(&reports));
        let mut callbacks = Vec::new();
        reports.poll_now(|item| {
            let Item::Batch { batch, .. } = item else { return Handed::All };
            callbacks.extend(batch.slots.iter().map(|slot| (slot.callback, slot.offset_delta)));
            Handed::All
        });
        // The ticket's and the plain one's; of batches of the application's own nobody hears besides.
        let expected = if heard { vec![(RICH, 0), (SILENT, 1), (SILENT, 3)] } else { vec![(RICH, 0)] };
        assert_eq!(callbacks, expected);
    }
}

#[derive(Debug)]
struct NoRecords;

impl KeptRecords for NoRecords {
    fn each(&self, _take: &mut dyn FnMut(u32, &crate::record::Record<'_>)) {}
}

#[test]
fn a_batch_with_other_things_to_tell_is_left_when_an_array_is_full() {
    let reports = Reports::new(10, 6);
    let mut other = batch(0);
    let to = UndeliveredTo { callback: 9, opaque: 0 };
    other.undelivered = Some(Undelivered::new(to, Box::new(NoRecords), None));
    reports.push(other);
    assert_eq!(reports.take_now(|_| Handed::Part(0)), Dispatch::Done(0));
    let mut handed = 0;
    reports.take_now(|_| {
        handed += 1;
        Handed::All
    });
    assert_eq!(handed, 1);
}

#[test]
fn what_closing_leaves_to_another_thread_is_handed_out_by_it() {
    let reports = Reports::new(100, 6);
    reports.push(batch(1));
    let mut handed = 0;
    let ended = reports.poll_now(|_| {
        // As closing does meanwhile, on a thread of its own.
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| {
                reports.push(batch(2));
                reports.shut();
                reports.drain_all(now(), |_| panic!("another thread has the turn"))
            });
            assert!(!closing.join().expect("no panic"));
        });
        handed += 1;
        Handed::All
    });
    assert_eq!((ended, handed), (Dispatch::Done(1), 1));
    let mut left = 0;
    reports.hand_left(|_| {
        left += 1;
        Handed::All
    });
    assert_eq!((left, reports.pending()), (1, 0));
    assert!(reports.drain_all(now(), |_| Handed::All));
}

#[test]
fn closing_that_waited_for_a_turn_that_ends_hands_out_the_rest_itself() {
    let reports = Reports::new(100, 6);
    reports.push(batch(2));
    reports.shut();
    let mut handed = 0;
    let all = reports.drain_all(now(), |_| {
        handed += 1;
        Handed::All
    });
    assert_eq!((all, handed), (true, 1));
    reports.hand_left(|_| panic!("nothing was left"));
}

#[test]
fn a_cut_of_a_batch_without_slots_ends_the_turn_and_the_batch() {
    let reports = Reports::new(100, 6);
    let to = UndeliveredTo { callback: 9, opaque: 0 };
    let undelivered = Some(Undelivered::new(to, Box::new(NoRecords), None));
    reports.push_all(&mut vec![FinishedBatch { undelivered, ..batch(0) }, batch(3)]);
    assert_eq!(reports.poll_now(|_| Handed::Part(1)), Dispatch::Done(0));
    let taken = reports.poll_now(|item| {
        let Item::Batch { batch, .. } = item else { panic!("a batch") };
        assert!(batch.undelivered.is_none(), "it comes once");
        Handed::All
    });
    assert_eq!(taken, Dispatch::Done(3));
}

#[test]
fn event_loops_are_not_woken_for_what_another_thread_hands_out() {
    let reports = Reports::new(100, 6);
    assert!(reports.descriptor().expect("a descriptor") >= 0);
    let is_high = || reports.state.lock().level.as_ref().is_some_and(Level::is_high);
    reports.push(batch(1));
    assert!(is_high());
    reports.poll_now(|_| {
        assert!(!is_high());
        reports.push(batch(1));
        assert!(!is_high(), "nobody else can take it now");
        Handed::All
    });
    assert!(is_high());
    reports.poll_now(|_| Handed::All);
    assert!(!is_high());
    reports.close_descriptors();
    reports.push(batch(1));
    assert!(!is_high());
}
