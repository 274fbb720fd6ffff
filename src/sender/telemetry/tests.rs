//! The sender with telemetry against the broker model, under a virtual clock. A broker works off one connection's requests one
//! after the other: what one waits for, those behind it wait for too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::accumulator::{Accumulator, Command, Sending};
use crate::mock::{Answer, Cluster, ClusterOptions, KindSeen, PushSeen, Subscription as Wanted, api_key};
use crate::record::Record;
use crate::reports::Reports;
use crate::sender::{Action, ConnId};
use crate::wire::telemetry::InstanceId;

const GET: i16 = api_key::GET_TELEMETRY_SUBSCRIPTIONS;
const PUSH: i16 = api_key::PUSH_TELEMETRY;
const WALL_MS: i64 = 1_700_000_000_000;

struct World {
    now: Time,
    sender: Sender,
    accumulator: Arc<Accumulator>,
    cluster: Cluster,
    /// The broker of each open connection.
    links: BTreeMap<ConnId, Link>,
    /// Requests of this kind are never answered.
    silent: Option<i16>,
    /// Instead of answers to telemetry.
    garbage: Option<Vec<u8>>,
    connects: usize,
    closed: BTreeSet<ConnId>,
}

#[derive(Default)]
struct Link {
    broker: i32,
    is_stuck: bool,
    /// The kinds of requests that came over it.
    asked: BTreeSet<i16>,
}

impl World {
    fn new(wanted: Option<Wanted>, edit: impl FnOnce(&mut Config)) -> World {
        let mut cluster = Cluster::new(ClusterOptions { refuses_trailing_bytes: true, ..ClusterOptions::default() });
        for id in cluster.broker_ids() {
            cluster.set_address(id, "mock", id as u16);
        }
        cluster.topic_create("t", 3, 1).expect("a new topic");
        cluster.telemetry_subscribe(wanted);
        let mut config = Config { bootstrap_servers: vec![("mock".into(), 1)], ..Config::default() };
        edit(&mut config);
        let reports = Arc::new(Reports::new(1_000, 7));
        let accumulator = Arc::new(Accumulator::new(&config, 1, 1, reports));
        let mut sender = Sender::new(Arc::new(config), accumulator.clone(), 5, Time::ZERO);
        sender.set_wall_clock(Time::ZERO, WALL_MS);
        let mut world = World {
            now: Time::ZERO,
            sender,
            accumulator,
            cluster,
            links: BTreeMap::new(),
            silent: None,
            garbage: None,
            connects: 0,
            closed: BTreeSet::new(),
        };
        world.settle();
        world
    }

    fn settle(&mut self) {
        while let Some(action) = self.sender.poll_action(self.now) {
            match action {
                Action::Connect { conn, port, .. } => {
                    self.connects += 1;
                    self.links.insert(conn, Link { broker: port.into(), ..Link::default() });
                    self.sender.handle_connected(self.now, conn);
                }
                Action::Write { conn, frame } => {
                    let bytes = frame.to_vec();
                    self.sender.handle_written(self.now, conn, bytes.len(), bytes.len());
                    self.arrive(conn, &bytes);
                }
                Action::Close { conn } => {
                    self.links.remove(&conn);
                    self.closed.insert(conn);
                }
            }
        }
    }

    fn arrive(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        let api_key = i16::from_be_bytes([bytes[4], bytes[5]]);
        link.asked.insert(api_key);
        link.is_stuck |= self.silent == Some(api_key);
        if link.is_stuck {
            return;
        }
        let answer = self.cluster.handle_frame(self.now, WALL_MS, link.broker, &bytes[4..]);
        match (answer, &self.garbage) {
            (Answer::Respond { .. }, Some(garbage)) if api_key == GET || api_key == PUSH => {
                let garbage = garbage.clone();
                self.sender.handle_bytes(self.now, conn, &garbage);
            }
            (Answer::Respond { bytes, .. }, _) => self.sender.handle_bytes(self.now, conn, &bytes),
            (Answer::Nothing, _) => {}
            (Answer::Disconnect { .. }, _) => {
                self.links.remove(&conn);
                self.sender.handle_closed(self.now, conn, "the broker hung up".to_owned());
            }
        }
    }

    fn run_for(&mut self, ms: u64) {
        let until = self.now + Micros::from_ms(ms);
        let mut turns = 0;
        while self.sender.poll_timeout() <= until {
            self.now = self.now.max(self.sender.poll_timeout());
            self.turn();
            turns += 1;
            assert!(turns < 100_000, "a busy loop");
        }
        self.now = until;
    }

    /// Runs until so many pushes have come, an hour at most.
    fn run_until_pushes(&mut self, count: usize) {
        let until = self.now + Micros::from_ms(3_600_000);
        while self.pushes().len() < count {
            self.now = self.now.max(self.sender.poll_timeout());
            assert!(self.now < until, "{} of {count} pushes came", self.pushes().len());
            self.turn();
        }
    }

    /// What is due; then the events that records leave when their topic becomes known.
    fn turn(&mut self) {
        self.sender.handle_timeout(self.now);
        self.settle();
        self.sender.handle_wakeup(self.now);
        self.settle();
    }

    fn say(&mut self) {
        let topic = self.accumulator.topics.intern("t").expect("a legal name");
        let record = Record { value: Some(b"value"), ..Record::default() };
        let how = Sending { partition: None, tag: None, own_timeout: None, acks: None };
        let now = self.now;
        assert!(self.accumulator.append(&topic, &record, &how, &mut None, || now).is_ok());
        self.sender.handle_wakeup(self.now);
        self.settle();
        self.sender.handle_wakeup(self.now);
        self.settle();
    }

    fn command(&mut self, commands: Vec<Command>) {
        commands.into_iter().for_each(|command| self.accumulator.inbox.command(command));
        self.sender.handle_wakeup(self.now);
        self.settle();
    }

    fn pushes(&self) -> Vec<PushSeen> {
        self.cluster.telemetry_pushes().cloned().collect()
    }

    fn asked(&self, api_key: i16) -> u64 {
        self.cluster.stats().requests(api_key)
    }

    fn delivered(&self) -> u64 {
        self.accumulator.numbers.records_delivered.get()
    }

    fn id(&self) -> Option<InstanceId> {
        self.accumulator.client_instance.id()
    }
}

fn all_every(ms: i32) -> Option<Wanted> {
    Some(Wanted::new(&["*"], ms))
}

fn value(push: &PushSeen, name: &str) -> Option<f64> {
    let full = format!("org.apache.kafka.producer.{name}");
    let metric = push.metrics.iter().find(|metric| metric.name == full)?;
    Some(metric.points.iter().map(|point| point.value).sum())
}

fn sum_of(pushes: &[PushSeen], name: &str) -> f64 {
    pushes.iter().filter_map(|push| value(push, name)).sum()
}

#[test]
fn the_subscription_is_asked_for_at_once_and_metrics_are_pushed_at_its_interval() {
    let mut world = World::new(all_every(10_000), |config| config.transactional_id = None);
    assert_eq!((world.asked(GET), world.asked(PUSH)), (1, 0));
    let id = world.id().expect("the broker gave one");
    world.say();
    world.run_until_pushes(1);
    assert!((5_000_000..=15_000_000).contains(&world.now.0), "half an interval to one and a half: {:?}", world.now);
    let first = world.now;
    world.say();
    world.say();
    world.run_until_pushes(2);
    assert_eq!(world.now.since(first), Micros::from_ms(10_000));
    let pushes = world.pushes();
    assert!(pushes.iter().all(|push| push.client_instance_id == id && !push.terminating));
    assert_eq!(value(&pushes[0], "record.send.total"), Some(1.0));
    assert_eq!(value(&pushes[1], "record.send.total"), Some(2.0));
    assert_eq!(value(&pushes[1], "record.send.rate"), Some(0.2));
    let total = pushes[1].metrics.iter().find(|metric| metric.name.ends_with("record.send.total")).expect("sent");
    assert_eq!(total.kind, KindSeen::Sum { is_delta: true, is_monotonic: true });
    let point = &total.points[0];
    assert_eq!(point.start_unix_nanos, WALL_MS as u64 * 1_000_000 + first.0 * 1_000);
    assert_eq!(point.time_unix_nanos - point.start_unix_nanos, 10_000_000_000);
    assert_eq!(world.asked(GET), 1);
}

#[test]
fn pushes_are_compressed_by_the_first_codec_that_the_broker_accepts() {
    for (accepted, expected) in [
        (vec![4, 3, 1, 2], 4),
        (vec![1, 4], 1),
        (vec![2], 2),
        (vec![99, -1, 3], 3),
        (vec![0, 4], 0),
        (vec![], 0),
        (vec![99], 0),
    ] {
        let wanted = Wanted { compression_types: accepted.clone(), ..Wanted::new(&["*"], 1_000) };
        let mut world = World::new(Some(wanted), |_| {});
        world.say();
        world.run_until_pushes(2);
        let pushes = world.pushes();
        assert!(pushes.iter().all(|push| push.compression_type == expected), "{accepted:?}");
        assert_eq!(sum_of(&pushes, "record.send.total"), 1.0, "{accepted:?}");
    }
}

#[test]
fn a_broker_that_refuses_the_codec_it_named_gets_plain_pushes() {
    const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
    let mut world = World::new(all_every(1_000), |_| {});
    world.say();
    world.cluster.push_error(PUSH, UNSUPPORTED_COMPRESSION_TYPE, 1);
    world.run_until_pushes(1);
    let pushes = world.pushes();
    assert_eq!(pushes[0].compression_type, 0);
    assert_eq!(sum_of(&pushes, "record.send.total"), 1.0);
}

#[test]
fn records_and_metrics_never_share_a_connection() {
    let mut world = World::new(all_every(1_000), |_| {});
    for _ in 0..50 {
        world.say();
        world.run_for(100);
    }
    assert!(world.pushes().len() >= 3);
    for link in world.links.values() {
        let is_telemetry = link.asked.contains(&GET) || link.asked.contains(&PUSH);
        let others = link.asked.iter().any(|key| ![GET, PUSH, api_key::API_VERSIONS].contains(key));
        assert!(!is_telemetry || !others, "{:?}", link.asked);
    }
}

#[test]
fn nobody_is_asked_who_does_not_offer_it_and_nobody_at_all_when_it_is_switched_off() {
    let mut world = World::new(None, |_| {});
    world.run_for(60_000);
    assert_eq!((world.connects, world.asked(GET), world.id()), (1, 0, None));
    assert_eq!(world.accumulator.client_instance.waits_for(), "no connected broker offers client telemetry");
    let mut world = World::new(all_every(1_000), |config| config.enable_metrics_push = false);
    world.run_for(60_000);
    assert_eq!((world.connects, world.asked(GET)), (1, 0));
}

#[test]
fn names_that_nobody_wants_are_not_pushed() {
    let mut world = World::new(Some(Wanted::new(&["org.apache.kafka.producer.connection."], 1_000)), |_| {});
    world.run_until_pushes(1);
    let push = &world.pushes()[0];
    let names: Vec<&str> = push.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert!(names.iter().all(|name| name.starts_with("org.apache.kafka.producer.connection.")), "{names:?}");
    assert_eq!(names.len(), 3);
    for nothing in [&[][..], &["org.apache.kafka.consumer."]] {
        let mut world = World::new(Some(Wanted::new(nothing, 1_000)), |_| {});
        assert!(world.id().is_some());
        world.run_for(10_500);
        assert_eq!((world.asked(GET), world.asked(PUSH)), (11, 0), "asked again at each interval");
    }
}

#[test]
fn the_rack_and_the_transactional_id_name_the_resource() {
    let labels = |rack: &str, id: Option<&str>| {
        let mut world = World::new(all_every(1_000), |config| {
            config.client_rack = rack.into();
            config.transactional_id = id.map(str::to_owned);
        });
        world.run_until_pushes(1);
        let push = &world.pushes()[0];
        assert!(push.metrics.iter().all(|metric| metric.resource == push.metrics[0].resource));
        push.metrics[0].resource.clone()
    };
    let pair = |name: &str, label: &str| (name.to_owned(), label.to_owned());
    assert_eq!(labels("", None), []);
    assert_eq!(labels("r1", Some("tx")), [pair("client_rack", "r1"), pair("transactional_id", "tx")]);
}

#[test]
fn another_subscription_is_fetched_at_once_and_no_count_is_lost() {
    let mut world = World::new(all_every(1_000), |_| {});
    world.say();
    world.run_until_pushes(1);
    world.say();
    world.cluster.telemetry_subscribe(Some(Wanted { delta_temporality: true, ..Wanted::new(&["*"], 500) }));
    world.run_for(1_001);
    assert_eq!(world.asked(GET), 2);
    world.run_until_pushes(3);
    let pushes = world.pushes();
    assert_ne!(pushes[0].subscription_id, pushes[1].subscription_id);
    assert_eq!(sum_of(&pushes, "record.send.total"), 2.0);
}

#[test]
fn what_a_refused_push_told_is_told_by_the_next() {
    for code in [89, 7] {
        let mut world = World::new(all_every(1_000), |_| {});
        world.say();
        world.run_until_pushes(1);
        world.cluster.push_error(PUSH, code, 2);
        world.say();
        world.run_for(2_500);
        world.say();
        world.run_until_pushes(2);
        let pushes = world.pushes();
        assert_eq!(sum_of(&pushes, "record.send.total"), 3.0, "{code}");
        assert!(value(&pushes[1], "record.queue.time.max").is_some());
        assert_eq!(world.id(), Some(pushes[1].client_instance_id));
    }
}

#[test]
fn answers_that_no_second_try_can_change_end_it_for_good() {
    for (api_key, code) in [(GET, 42), (GET, 35), (GET, 40), (PUSH, 87), (PUSH, 42), (PUSH, 999)] {
        let mut world = World::new(all_every(1_000), |_| {});
        if api_key == GET {
            world = World::new(None, |_| {});
            world.cluster.telemetry_subscribe(all_every(1_000));
            world.cluster.push_error(GET, code, 1);
            // Another connection sees the offer.
            world.say();
        } else {
            world.cluster.push_error(PUSH, code, 1);
        }
        world.run_for(600_000);
        assert_eq!((world.asked(GET), world.asked(PUSH)), (1, u64::from(api_key == PUSH)), "{code}");
        let refused = world.accumulator.client_instance.refused().expect("refused").status;
        assert_eq!(refused, Status(i32::from(code)));
        world.say();
        assert!(world.accumulator.client_instance.settled.is_complete());
    }
}

#[test]
fn a_broker_that_never_answers_costs_records_nothing() {
    for silent in [GET, PUSH, api_key::API_VERSIONS] {
        let mut world = World::new(all_every(1_000), |_| {});
        world.say();
        world.run_for(10);
        let mut said = 1;
        world.silent = Some(silent);
        if silent == GET {
            world.cluster.telemetry_subscribe(all_every(1_000));
        }
        let records: BTreeSet<ConnId> =
            world.links.iter().filter(|(_, link)| link.asked.contains(&api_key::PRODUCE)).map(|(id, _)| *id).collect();
        for _ in 0..600 {
            world.say();
            said += 1;
            world.run_for(100);
        }
        assert_eq!(world.delivered(), said);
        assert!(records.is_disjoint(&world.closed), "a connection that records go over was closed");
        assert!(world.connects < 20, "{} connections in a minute", world.connects);
        world.silent = None;
        let before = world.pushes().len();
        world.run_until_pushes(before + 1);
    }
}

#[test]
fn garbage_and_hang_ups_are_met_with_patience() {
    let http = b"HTTP/1.1 400 Bad Request".to_vec();
    let long = [0x7f, 0xff, 0xff, 0xff].to_vec();
    let short = [0, 0, 0, 5, 0, 0, 0, 1, 0].to_vec();
    let stray = [0, 0, 0, 4, 9, 9, 9, 9].to_vec();
    for garbage in [Some(http), Some(long), Some(short), Some(stray), None] {
        let mut world = World::new(all_every(1_000), |_| {});
        if garbage.is_none() {
            world.cluster.push_disconnect(PUSH, false, 1_000);
        }
        world.garbage = garbage;
        for _ in 0..60 {
            world.say();
            world.run_for(1_000);
        }
        assert_eq!(world.delivered(), 60);
        assert!(world.connects < 15, "{} connections in a minute", world.connects);
        world.garbage = None;
        world.cluster.clear_faults();
        let before = world.pushes().len();
        world.run_until_pushes(before + 1);
    }
}

#[test]
fn an_absurd_subscription_has_no_effect() {
    let names: Vec<String> = (0..20_000).map(|n| format!("org.apache.kafka.nothing.{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (ms, bytes, names) in [(0, 0, &["*"][..]), (-1, -1, &["*"]), (1, 1, &["*"]), (i32::MAX, i32::MAX, &names)] {
        let wanted = Wanted { telemetry_max_bytes: bytes, ..Wanted::new(names, ms) };
        let mut world = World::new(Some(wanted), |_| {});
        for _ in 0..60 {
            world.say();
            world.run_for(1_000);
        }
        assert_eq!(world.delivered(), 60);
        let requests = world.asked(GET) + world.asked(PUSH);
        assert!(requests <= 601, "{ms} ms: {requests} requests in a minute");
    }
}

#[test]
fn a_push_fits_into_what_the_broker_accepts() {
    let wanted = Wanted { telemetry_max_bytes: 600, ..Wanted::new(&["*"], 1_000) };
    let mut world = World::new(Some(wanted), |_| {});
    world.say();
    world.run_until_pushes(2);
    for push in world.pushes() {
        assert!((200..=600).contains(&push.bytes.len()));
        assert!(value(&push, "connection.creation.total").is_some(), "what KIP-714 asks for goes first");
    }
    // A broker that says one limit and has another.
    let mut world = World::new(all_every(1_000), |_| {});
    world.run_until_pushes(1);
    world.cluster.push_error(PUSH, 118, 1);
    world.run_until_pushes(2);
    let pushes = world.pushes();
    assert!(pushes[1].bytes.len() <= pushes[0].bytes.len() / 2 + 40);
}

#[test]
fn the_end_is_told_once_and_takes_a_moment_at_most() {
    let mut world = World::new(all_every(10_000), |_| {});
    world.say();
    world.run_for(10);
    world.command(vec![Command::LastPush, Command::Abort]);
    assert!(world.sender.is_finished());
    let pushes = world.pushes();
    assert_eq!((pushes.len(), pushes[0].terminating), (1, true));
    assert_eq!(value(&pushes[0], "record.send.total"), Some(1.0));
    assert!(world.links.is_empty(), "every connection is closed");

    // A broker that does not answer.
    let mut world = World::new(all_every(10_000), |_| {});
    world.silent = Some(PUSH);
    world.command(vec![Command::LastPush, Command::Abort]);
    assert!(!world.sender.is_finished());
    world.run_for(LAST_PUSH_MAX.as_ms());
    assert!(world.sender.is_finished() && world.links.is_empty());

    // In a hurry, nothing wanted, or none offers it.
    let mut world = World::new(all_every(10_000), |_| {});
    world.command(vec![Command::Abort]);
    assert!(world.sender.is_finished() && world.pushes().is_empty());
    for wanted in [Some(Wanted::new(&[], 1_000)), None] {
        let mut world = World::new(wanted, |_| {});
        world.command(vec![Command::LastPush, Command::Abort]);
        assert!(world.sender.is_finished() && world.asked(PUSH) == 0);
    }
}

#[test]
fn a_push_under_way_is_followed_by_the_last_one() {
    let mut world = World::new(all_every(200_000), |_| {});
    // The connection was closed meanwhile: the next push is far away.
    assert!(world.sender.telemetry.link.is_none());
    world.command(vec![Command::LastPush, Command::Abort]);
    assert!(world.sender.is_finished());
    assert!(world.pushes()[0].terminating);
}

#[test]
fn error_codes_ask_for_what_kip_714_says() {
    for code in [117, 76] {
        assert_eq!(after(code), After::AskNow);
    }
    for code in [89, 118, 7, 14] {
        assert_eq!(after(code), After::Wait);
    }
    for code in [35, 42, 87, 40, 31, -1, 999] {
        assert_eq!(after(code), After::Stop, "{code}");
    }
    assert_eq!(after(0), After::Fine);
}
