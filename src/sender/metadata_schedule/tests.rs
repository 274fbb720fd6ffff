use super::*;

const PAUSE: Micros = Micros::from_ms(100);

/// A schedule with topics that are in use, and what was asked so far.
struct Rig {
    schedule: MetadataSchedule,
    in_use: Vec<u32>,
    created: BTreeSet<u32>,
    now: Time,
    conns: u64,
}

impl Rig {
    fn new() -> Rig {
        let schedule = MetadataSchedule::new(Time::ZERO, Micros::from_ms(300_000));
        let mut rig =
            Rig { schedule, in_use: Vec::new(), created: BTreeSet::new(), now: Time::from_ms(1_000), conns: 0 };
        assert_eq!(rig.ask(), (vec![], false), "the brokers, before there are topics");
        rig.settle();
        rig.now = rig.now + PAUSE;
        rig
    }

    fn is_due(&mut self) -> bool {
        self.schedule.due_at(self.now) <= self.now
    }

    fn ask(&mut self) -> (Vec<u32>, bool) {
        assert!(self.is_due());
        let (in_use, created) = (self.in_use.clone(), self.created.clone());
        let request = self.schedule.next(self.now, Micros(0), || in_use, |topic| created.contains(&topic));
        let asked = (request.topics.clone(), request.may_create);
        self.conns += 1;
        self.schedule.asked(self.now, ConnId(self.conns), self.now + Micros::from_ms(5_000), PAUSE, request);
        asked
    }

    /// The answer settles everything but these.
    fn settle_but(&mut self, unsettled: &[u32]) {
        let named = self.schedule.answered(self.now, ConnId(self.conns), true, |_| PAUSE).expect("useful");
        for (topic, attempts) in named.topics.clone() {
            let settled = !unsettled.contains(&topic);
            let pause = |attempts: u32| Micros(PAUSE.0 << attempts.min(4));
            self.schedule.told(&named, topic, attempts, settled, pause);
        }
    }

    fn settle(&mut self) {
        self.settle_but(&[]);
    }
}

#[test]
fn each_new_topic_is_asked_for_at_once_and_by_itself() {
    let mut rig = Rig::new();
    let mut names = 0;
    for topic in 0..10_000 {
        rig.in_use.push(topic);
        rig.created.insert(topic);
        rig.schedule.want_new(topic);
        let (asked, may_create) = rig.ask();
        assert!(may_create);
        names += asked.len();
        rig.settle();
        rig.created.remove(&topic);
    }
    assert_eq!(names, 10_000);
    assert!(!rig.is_due());
}

#[test]
fn topics_that_are_new_together_share_a_request() {
    let mut rig = Rig::new();
    (0..5).for_each(|topic| rig.schedule.want_new(topic));
    assert_eq!(rig.ask(), (vec![0, 1, 2, 3, 4], false));
    rig.schedule.want_new(5);
    rig.schedule.want_new(4);
    assert!(!rig.is_due(), "one request at a time");
    rig.settle();
    assert_eq!(rig.ask(), (vec![5], false), "what is being asked for is not asked for again");
}

#[test]
fn a_topic_in_trouble_is_asked_for_alone_with_growing_pauses() {
    let mut rig = Rig::new();
    rig.in_use = (0..100).collect();
    rig.schedule.want(7);
    let mut times = Vec::new();
    for _ in 0..5 {
        while !rig.is_due() {
            rig.now = rig.now + Micros::from_ms(10);
        }
        times.push(rig.now.0 / 1_000);
        assert_eq!(rig.ask(), (vec![7], false));
        rig.settle_but(&[7]);
    }
    let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [200, 400, 800, 1_600]);
}

#[test]
fn the_trouble_of_one_topic_makes_no_other_wait() {
    let mut rig = Rig::new();
    rig.schedule.want(1);
    rig.ask();
    rig.settle_but(&[1]);
    rig.schedule.want_new(2);
    assert_eq!(rig.ask().0, [2], "a new one at once");
    rig.settle();
    rig.schedule.want(3);
    rig.now = rig.now + PAUSE;
    assert_eq!(rig.ask().0, [3], "another one after the least pause");
    rig.settle();
}

#[test]
fn topics_that_are_to_be_created_are_never_named_with_others() {
    let mut rig = Rig::new();
    rig.in_use = vec![1, 2, 3, 4];
    rig.created = [3, 4].into();
    rig.schedule.want(1);
    rig.schedule.want(3);
    rig.schedule.want_new(4);
    rig.now = Time::from_ms(300_000);
    let first = rig.ask();
    rig.settle_but(&[3, 4]);
    rig.now = rig.now + Micros::from_ms(200);
    let second = rig.ask();
    rig.settle_but(&[3, 4]);
    assert_eq!([first, second], [(vec![3, 4], true), (vec![1, 2], false)]);
    // And they take turns.
    rig.schedule.want(1);
    rig.now = rig.now + Micros::from_ms(400);
    let third = rig.ask();
    rig.settle_but(&[1, 3, 4]);
    rig.now = rig.now + Micros::from_ms(800);
    assert_eq!([third, rig.ask()], [(vec![3, 4], true), (vec![1], false)]);
}

#[test]
fn everything_is_asked_for_when_it_is_too_old_and_only_then() {
    let mut rig = Rig::new();
    rig.in_use = vec![1, 2, 3];
    rig.now = Time::from_ms(299_999);
    rig.schedule.want(2);
    assert_eq!(rig.ask().0, [2]);
    rig.settle();
    rig.now = Time::from_ms(300_100);
    assert_eq!(rig.ask().0, [1, 2, 3], "an answer about one topic refreshes no other");
    rig.settle();
    assert_eq!(rig.schedule.due_at(rig.now), Time::from_ms(600_100));
}

#[test]
fn what_a_lost_connection_was_asked_is_asked_again() {
    let mut rig = Rig::new();
    rig.in_use = vec![1, 2];
    rig.now = Time::from_ms(300_000);
    rig.schedule.want_new(3);
    assert_eq!(rig.ask().0, [1, 2, 3]);
    assert!(rig.schedule.connection_lost(ConnId(rig.conns)));
    assert!(!rig.schedule.connection_lost(ConnId(rig.conns)));
    rig.in_use.push(3);
    rig.now = rig.now + PAUSE;
    assert_eq!(rig.ask().0, [1, 2, 3]);
    rig.settle();
    rig.schedule.want_new(4);
    assert_eq!(rig.ask().0, [4]);
    rig.schedule.connection_lost(ConnId(rig.conns));
    rig.now = rig.now + PAUSE;
    assert_eq!(rig.ask().0, [4]);
}

#[test]
fn an_answer_that_comes_after_another_broker_was_asked_counts_for_what_it_was_asked() {
    let mut rig = Rig::new();
    rig.schedule.want_new(1);
    rig.ask();
    let slow = ConnId(rig.conns);
    rig.now = rig.now + Micros::from_ms(5_000);
    assert_eq!(rig.schedule.overdue(rig.now), Some(slow));
    assert_eq!(rig.schedule.overdue(rig.now), None);
    rig.schedule.want_new(2);
    assert_eq!(rig.ask().0, [1, 2]);
    let late = rig.schedule.answered(rig.now, slow, true, |_| PAUSE).expect("useful");
    assert_eq!(late.topics, [(1, 0)]);
    assert!(!rig.is_due(), "the other broker's answer is still awaited");
    rig.settle();
}

#[test]
fn an_answer_that_tells_nothing_has_everything_asked_again_later() {
    let mut rig = Rig::new();
    rig.schedule.want(1);
    for useless in 1..4 {
        assert_eq!(rig.ask().0, [1]);
        let pause = |times: u32| Micros(PAUSE.0 * u64::from(times));
        assert!(rig.schedule.answered(rig.now, ConnId(rig.conns), false, pause).is_none());
        rig.now = rig.now + Micros(PAUSE.0 * useless - 1);
        assert!(!rig.is_due());
        rig.now = rig.now + Micros(1);
    }
}

#[test]
fn a_topic_that_is_forgotten_is_not_asked_for() {
    let mut rig = Rig::new();
    rig.schedule.want(1);
    rig.schedule.want_new(2);
    rig.schedule.forget(1);
    rig.schedule.forget(2);
    assert!(!rig.is_due());
}
