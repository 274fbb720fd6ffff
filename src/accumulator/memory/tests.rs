#![allow(clippy::disallowed_methods)] // Waiting threads are tested in real time.

use super::*;
use crate::time::Time;
use std::time::Duration;

const CLAIM: Claim = Claim::nobody();

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

#[test]
fn capacity_follows_what_is_expected_and_always_fits() {
    assert_eq!(Memory::capacity_for(100, 0), 1 << 10);
    assert_eq!(Memory::capacity_for(100, 70_000), 64 << 10);
    assert_eq!(Memory::capacity_for(2_000, 0), 4 << 10);
    assert_eq!(Memory::capacity_for(1_000_000, 1 << 20), 1_000_000);
}

#[test]
fn the_bound_holds_and_everything_comes_back() {
    let memory = Memory::new(8 << 10);
    let chunks: Vec<Chunk> = (0..8).map(|_| memory.try_chunk(CLAIM, 1 << 10, 0).expect("room")).collect();
    assert_eq!(memory.try_chunk(CLAIM, 1 << 10, 0).unwrap_err(), NoChunk::Budget);
    memory.release(Holder::Nobody, chunks.into_iter());
    assert_eq!(memory.used(), 0);
    assert!(memory.try_charge(CLAIM, 8 << 10), "free chunks make way");
    assert_eq!(memory.state.lock().free_bytes, 0);
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let memory = Memory::new(10_000);
    assert!(memory.try_charge(CLAIM, 10_000));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut threads = Vec::new();
    for (i, bytes) in [9_000, 1_000, 10_000].into_iter().enumerate() {
        let (memory, order) = (memory.clone(), order.clone());
        let queued = memory.waiting.load(Ordering::SeqCst);
        let theirs = memory.clone();
        threads.push(std::thread::spawn(move || {
            let got = theirs.reserve(CLAIM, bytes, soon(), |_| ()).expect("room comes");
            order.lock().push(i);
            drop(got);
        }));
        while memory.waiting.load(Ordering::SeqCst) == queued {
            std::thread::yield_now();
        }
    }
    assert!(!memory.try_charge(CLAIM, 0), "nobody overtakes those who wait");
    memory.uncharge(Holder::Nobody, 10_000);
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(order.lock().last(), Some(&2));
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_full_budget_refuses_at_the_deadline_and_leaves_no_trace() {
    let memory = Memory::new(10);
    assert!(memory.try_charge(CLAIM, 10));
    assert_eq!(memory.reserve(CLAIM, 1, Some(Instant::now()), |_| ()).err(), Some(Refused::Full));
    assert!(!memory.has_waiters());
    memory.uncharge(Holder::Nobody, 10);
    assert!(memory.try_charge(CLAIM, 10));
}

#[test]
fn closing_frees_a_waiter() {
    let memory = Memory::new(10);
    assert!(memory.try_charge(CLAIM, 10));
    let theirs = memory.clone();
    let waiter = std::thread::spawn(move || theirs.reserve(CLAIM, 1, None, |_| ()).err());
    while !memory.has_waiters() {
        std::thread::yield_now();
    }
    memory.close();
    assert_eq!(waiter.join().expect("no panic"), Some(Refused::Closed));
}

#[test]
fn what_comes_back_after_closing_goes_to_no_waiter() {
    let memory = Memory::new(10);
    assert!(memory.try_charge(CLAIM, 10));
    let theirs = memory.clone();
    let waiter = std::thread::spawn(move || theirs.wait_for_room(1, None, |_| ()).err());
    while !memory.has_waiters() {
        std::thread::yield_now();
    }
    // Under one lock, as the waiter may see it: closed and room again.
    let mut state = memory.state.lock();
    state.closed = true;
    state.sub(Holder::Nobody, 10);
    memory.grant(&mut state);
    drop(state);
    memory.close();
    assert_eq!(waiter.join().expect("no panic"), Some(Refused::Closed));
}

#[test]
fn who_only_asks_for_room_is_none_of_the_event_loops_business() {
    let room = Arc::<Room>::default();
    let memory = Memory::with_room(8_000, room.clone());
    assert!(memory.try_charge(CLAIM, 7_000));
    assert_eq!(memory.look_for_room(1_000), Ok(()));
    assert_eq!(memory.look_for_room(1_001), Err(Refused::Full));
    assert_eq!(memory.wait_for_room(8_000, Some(Instant::now()), |_| ()), Err(Refused::Full));
    assert!(!room.is_lacking(Lack::Memory) && !memory.has_waiters());
    assert_eq!(memory.used(), 7_000);
    memory.close();
    assert_eq!(memory.look_for_room(1), Err(Refused::Closed));
}

#[test]
fn event_loops_hear_of_room_when_what_was_refused_and_an_eighth_is_free() {
    let room = Arc::<Room>::default();
    let memory = Memory::with_room(8_000, room.clone());
    assert!(memory.try_charge(CLAIM, 8_000));
    assert!(memory.reserve(CLAIM, 2_000, Some(Instant::now()), |_| ()).is_err());
    assert!(room.is_lacking(Lack::Memory));
    memory.uncharge(Holder::Nobody, 1_999);
    assert!(room.is_lacking(Lack::Memory), "less than was asked for");
    memory.uncharge(Holder::Nobody, 1);
    assert!(!room.is_lacking(Lack::Memory));
    assert!(memory.try_charge(CLAIM, 2_000));
    assert!(memory.reserve(CLAIM, 1, Some(Instant::now()), |_| ()).is_err());
    memory.uncharge(Holder::Nobody, 999);
    assert!(room.is_lacking(Lack::Memory), "less than an eighth");
    memory.close();
    assert!(!room.is_lacking(Lack::Memory), "a send says that it is closed");
}

#[test]
fn event_loops_hear_of_a_share_that_is_used_up_until_something_comes_back() {
    let room = Arc::<Room>::default();
    let memory = Memory::with_room(100_000, room.clone());
    let claim = |partition, leader| Claim { holder: Holder::Partition(partition), leader, at: Time::from_ms(1) };
    let (slow, quick) = (claim(0, 0), claim(1, 1));
    assert!(memory.try_charge(quick, 1_000));
    while memory.try_charge(slow, 1_000) {}
    let refused = memory.reserve(slow, 1_000, Some(Instant::now()), |_| ());
    assert!(matches!(refused, Err(Refused::Crowded(_))), "{refused:?}");
    assert!(room.is_lacking(Lack::Share) && !room.is_lacking(Lack::Memory));
    memory.uncharge(quick.holder, 1_000);
    assert!(!room.is_lacking(Lack::Share), "it may be tried again, and records for others with it");
}

#[test]
fn who_waits_for_a_brokers_share_is_not_overtaken_by_smaller_claims_of_that_broker() {
    let memory = Memory::new(100_000);
    let claim = |partition, leader| Claim { holder: Holder::Partition(partition), leader, at: Time::from_ms(1) };
    let (large, small, other) = (claim(0, 0), claim(1, 0), claim(2, 1));
    assert!(memory.try_charge(other, 1_000));
    assert!(memory.try_charge(large, 1_000));
    let mut held = 0;
    while memory.try_charge(small, 1_000) {
        held += 1_000;
    }
    let theirs = memory.clone();
    let waiter = std::thread::spawn(move || theirs.reserve(large, 30_000, soon(), |_| ()).map(drop));
    while memory.waiting() == 0 {
        std::thread::yield_now();
    }
    // As batches are finished, smaller records would take what comes back again and again.
    let waits = || memory.state.lock().waiters.len() == 1;
    while waits() {
        assert!(held >= 1_000, "it was never served");
        memory.uncharge(small.holder, 1_000);
        held -= 1_000;
        if waits() {
            assert!(memory.try_charge(other, 1_000), "another broker's part is its own");
            memory.uncharge(other.holder, 1_000);
        }
        assert!(!waits() || !memory.try_charge(small, 500), "a smaller record of the same broker goes first");
    }
    assert_eq!(waiter.join().expect("no panic").err(), None);
}

#[test]
fn memory_goes_back_after_a_burst() {
    let memory = Memory::new(64 << 20);
    let chunks: Vec<Chunk> = (0..100).map(|_| memory.try_chunk(CLAIM, 256 << 10, 0).expect("room")).collect();
    memory.release(Holder::Nobody, chunks.into_iter());
    memory.trim();
    assert_eq!(memory.state.lock().free_bytes, 100 * (256 << 10), "the next burst may come soon");
    let small = memory.try_chunk(CLAIM, 256 << 10, 0).expect("room");
    memory.trim();
    assert!(memory.state.lock().free_bytes <= IDLE_FREE_BYTES, "what is used now and then keeps nothing more");
    assert!(!memory.has_surplus());
    memory.release(Holder::Nobody, std::iter::once(small));
}
