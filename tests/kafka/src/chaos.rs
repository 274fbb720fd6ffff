//! Faults by a schedule that a seed decides: brokers killed and started again, brokers that stand still, leaders that move.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cluster::KafkaCluster;
use crate::env;
use crate::tools::LeaderMover;

/// Random numbers that a seed decides (xorshift64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low + 1)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = u64::try_from(choices.len()).expect("fits") - 1;
        &choices[usize::try_from(self.between(0, last)).expect("fits")]
    }
}

/// The seed of this run, printed so that the schedule can be had again: `KPRODUCER_KAFKA_TESTS_SEED`, or the time.
pub fn seed() -> u64 {
    let given = std::env::var(env::SEED).ok();
    let seed = given.map_or_else(
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| u64::from(time.subsec_micros())),
        |text| text.parse().unwrap_or_else(|_| panic!("{} is not a number: {text}", env::SEED)),
    );
    println!("seed {seed}: {}={seed} repeats the schedule", env::SEED);
    seed
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    Stop,
    Move,
    KillAndStop,
    StopTwo,
}

/// What is dealt out once, in an order by chance, before anything comes again.
const DECK: [Fault; 10] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Stop,
    Fault::Stop,
    Fault::Move,
    Fault::Move,
    Fault::Move,
    Fault::Move,
    Fault::KillAndStop,
    Fault::StopTwo,
];

/// A schedule of faults for one cluster.
#[derive(Debug)]
pub struct Chaos {
    random: Random,
    mover: LeaderMover,
    topics: Vec<String>,
    deck: Vec<Fault>,
    started: Instant,
    moved: u32,
    dealt: u32,
}

impl Chaos {
    /// Faults for the cluster; the leaders of `topics` and of Kafka's own topics are moved.
    pub fn new(seed: u64, cluster: &KafkaCluster, topics: &[&str]) -> Self {
        let topics = topics.iter().chain(&["__transaction_state", "__consumer_offsets"]);
        Self {
            random: Random::new(seed),
            mover: LeaderMover::start(&cluster.bootstrap()),
            topics: topics.map(|topic| (*topic).to_owned()).collect(),
            deck: Vec::new(),
            started: Instant::now(),
            moved: 0,
            dealt: 0,
        }
    }

    /// One fault and a pause after it. All brokers run afterwards, if perhaps not in sync.
    pub fn step(&mut self, cluster: &mut KafkaCluster) {
        if self.deck.is_empty() {
            self.deck.extend(DECK);
        }
        let place = usize::try_from(self.random.number()).unwrap_or(0) % self.deck.len();
        let fault = self.deck.swap_remove(place);
        self.dealt += 1;
        let nodes = cluster.node_ids();
        let victim = *self.random.pick(&nodes);
        let others: Vec<i32> = nodes.into_iter().filter(|node| *node != victim).collect();
        match fault {
            Fault::Kill => {
                let down = self.pause(0, 6000);
                self.tell(&format!("node {victim} is killed for {down:?}"));
                cluster.kill(victim);
                std::thread::sleep(down);
                cluster.restart(victim);
            }
            Fault::Stop => {
                let still = self.pause(1000, 10_000);
                self.tell(&format!("node {victim} stands still for {still:?}"));
                cluster.stop(victim);
                std::thread::sleep(still);
                cluster.resume(victim);
            }
            Fault::Move => self.move_leaders(cluster),
            Fault::KillAndStop => {
                let (other, still) = (*self.random.pick(&others), self.pause(1000, 4000));
                self.tell(&format!("node {victim} is killed, node {other} stands still for {still:?}"));
                cluster.kill(victim);
                cluster.stop(other);
                std::thread::sleep(still);
                cluster.resume(other);
                cluster.restart(victim);
            }
            Fault::StopTwo => {
                let still = self.pause(1000, 3000);
                self.tell(&format!("all nodes but {victim} stand still for {still:?}"));
                others.iter().for_each(|node| cluster.stop(*node));
                std::thread::sleep(still);
                others.iter().for_each(|node| cluster.resume(*node));
            }
        }
        std::thread::sleep(self.pause(300, 2500));
    }

    /// Deals out faults until `done` says so, once through the deck at least.
    pub fn run(&mut self, cluster: &mut KafkaCluster, mut done: impl FnMut() -> bool) {
        let deck = u32::try_from(DECK.len()).expect("fits");
        while self.dealt < deck || !done() {
            self.step(cluster);
        }
        self.tell(&format!("{} faults, {} leaders moved", self.dealt, self.moved));
        assert!(self.moved > 0, "no leader could be moved");
    }

    fn move_leaders(&mut self, cluster: &KafkaCluster) {
        for _ in 0..3 {
            let topic = self.random.pick(&self.topics).clone();
            let states = cluster.topic(&topic);
            if states.is_empty() {
                continue;
            }
            let state = self.random.pick(&states);
            let targets: Vec<i32> = state.in_sync.iter().copied().filter(|id| *id != state.leader).collect();
            if targets.is_empty() {
                continue;
            }
            let (partition, target) = (state.partition, *self.random.pick(&targets));
            match self.mover.try_move_to(&topic, partition, target) {
                Ok(()) => {
                    self.moved += 1;
                    self.tell(&format!("{topic}-{partition} has moved to node {target}"));
                }
                Err(why) => self.tell(&format!("{topic}-{partition} has not moved to node {target}: {why}")),
            }
        }
    }

    fn pause(&mut self, low_ms: u64, high_ms: u64) -> Duration {
        Duration::from_millis(self.random.between(low_ms, high_ms))
    }

    fn tell(&self, what: &str) {
        println!("  {:5.1} s  {what}", self.started.elapsed().as_secs_f64());
    }
}
