//! The arithmetic of shares: who is kept what, and that one alone may have everything.

use super::*;

const LIMIT: usize = 1_000_000;

struct House {
    shares: Shares,
    used: usize,
    now: Time,
}

impl House {
    fn new() -> House {
        House { shares: Shares::new(LIMIT), used: 0, now: Time::from_ms(1) }
    }

    fn ask(&mut self, partition: u32, leader: i32, bytes: usize) -> Verdict {
        let holder = Holder::Partition(partition);
        self.shares.ask(Claim { holder, leader, at: self.now });
        let verdict = self.shares.verdict(holder, bytes, self.used);
        if verdict == Verdict::Fits {
            self.shares.add(holder, bytes);
            self.used += bytes;
        }
        verdict
    }

    fn fill(&mut self, partition: u32, leader: i32) -> usize {
        while self.ask(partition, leader, 1_000) == Verdict::Fits {}
        self.shares.held(Holder::Partition(partition))
    }

    fn free(&mut self, partition: u32, bytes: usize) {
        self.shares.sub(Holder::Partition(partition), bytes);
        self.used -= bytes;
    }
}

#[test]
fn one_partition_alone_may_have_the_whole_budget() {
    let mut house = House::new();
    assert_eq!(house.fill(3, 7), LIMIT);
    assert_eq!(house.ask(3, 7, 1), Verdict::Short, "there is no more: that is no matter of shares");
}

#[test]
fn a_stalled_broker_leaves_the_others_their_guarantee() {
    let mut house = House::new();
    for broker in 0..5 {
        assert_eq!(house.ask(broker, broker as i32, 1_000), Verdict::Fits);
        house.free(broker, 1_000);
    }
    assert_eq!(house.fill(0, 0), LIMIT - 4 * LIMIT / 10);
    assert_eq!(house.ask(0, 0, 1_000), Verdict::CappedByLeader);
    for broker in 1..5 {
        assert_eq!(house.fill(broker, broker as i32), LIMIT / 10, "broker {broker}");
        assert_eq!(house.ask(broker, broker as i32, 1_000), Verdict::Short, "it may have more when there is more");
    }
    assert_eq!(house.used, LIMIT);
    house.free(0, 1_000);
    assert_eq!(house.ask(2, 2, 1_000), Verdict::Fits, "what nobody is guaranteed is anybody's");
}

#[test]
fn brokers_that_are_not_used_any_more_are_kept_nothing() {
    let mut house = House::new();
    for broker in 0..5 {
        house.ask(broker, broker as i32, 1_000);
        house.free(broker, 1_000);
    }
    house.now = house.now + ACTIVE_FOR + Micros(1);
    assert_eq!(house.fill(0, 0), LIMIT);
}

#[test]
fn a_stalled_partition_leaves_its_brokers_other_partitions_a_fifth() {
    let mut house = House::new();
    for partition in 0..4 {
        assert_eq!(house.ask(partition, 1, 1_000), Verdict::Fits);
        house.free(partition, 1_000);
    }
    let held = house.fill(0, 1);
    assert!((LIMIT * 79 / 100..=LIMIT * 81 / 100).contains(&held), "{held}");
    assert_eq!(house.ask(0, 1, 1_000), Verdict::Capped);
    assert!(house.fill(1, 1) > LIMIT / 10);
    assert_eq!(house.ask(2, 1, 1_000), Verdict::Fits, "who holds nothing gets in");
}

#[test]
fn whoever_holds_nothing_may_take_what_there_is() {
    let mut house = House::new();
    for broker in 0..5 {
        house.ask(broker, broker as i32, 1_000);
        house.free(broker, 1_000);
    }
    assert_eq!(house.ask(4, 4, LIMIT), Verdict::Fits);
    assert_eq!(house.ask(3, 3, 1), Verdict::Short);
}

#[test]
fn a_partitions_bytes_go_with_it_to_its_new_leader() {
    let mut house = House::new();
    house.ask(0, 1, 300_000);
    house.ask(1, 2, 1_000);
    house.ask(0, 2, 0);
    let crowd = house.shares.crowd(Holder::Partition(1), house.used).expect("known");
    assert_eq!((crowd.leader, crowd.leader_held, crowd.held), (2, 301_000, 1_000));
    house.free(0, 300_000);
    house.free(1, 1_000);
    assert!(house.shares.leaders.iter().all(|leader| leader.held == 0 && leader.holders == 0));
}

#[test]
fn a_crowded_broker_is_told_once_until_it_gets_more() {
    let mut house = House::new();
    house.ask(0, 1, 1_000);
    let holder = Holder::Partition(0);
    assert_eq!((house.shares.tell(holder), house.shares.tell(holder)), (Some(1), None));
    house.ask(0, 1, 1_000);
    assert_eq!(house.shares.tell(holder), Some(1));
}

#[test]
fn what_everybody_may_have_is_never_more_than_there_is() {
    let mut house = House::new();
    let mut random = 7u64;
    for _ in 0..200_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let partition = (random >> 33) as u32 % 12;
        let bytes = (random >> 40) as usize % 20_000;
        house.now = house.now + Micros((random >> 50) % 1_000);
        let held = house.shares.held(Holder::Partition(partition));
        if random >> 60 < 6 && held > 0 {
            house.free(partition, held.min(bytes));
        } else {
            house.ask(partition, (partition % 5) as i32, bytes);
        }
        assert!(house.used <= LIMIT);
        let held: usize = house.shares.leaders.iter().map(|leader| leader.held).sum();
        assert_eq!(held, house.used);
    }
}
