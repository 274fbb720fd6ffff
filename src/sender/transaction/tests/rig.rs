//! The sender and the broker model face to face, without threads or time of their own: a test holds back what it likes,
//! and sees the order in which things are asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::*;
use crate::accumulator::{Accumulator, Command, Sending, Tag};
use crate::mock::{Answer, ClusterOptions};
use crate::record::Record;
use crate::reports::{Handed, Item, Reports};
use crate::sender::{Action, ConnId};

pub(super) struct Rig {
    pub(super) now: Time,
    pub(super) sender: Sender,
    pub(super) accumulator: Arc<Accumulator>,
    pub(super) cluster: Cluster,
    pub(super) brokers: BTreeMap<ConnId, i32>,
    /// Requests of these APIs reach no broker until they are let through.
    pub(super) hold: BTreeSet<i16>,
    pub(super) held: VecDeque<(ConnId, i16, Vec<u8>)>,
    /// Every request in the order in which it was written, and when.
    pub(super) seen: Vec<(i16, Time)>,
}

impl Rig {
    pub(super) fn new(version: i16) -> Rig {
        Rig::with(version, |_| ())
    }

    pub(super) fn with(version: i16, change: impl FnOnce(&mut Config)) -> Rig {
        let mut cluster =
            Cluster::new(ClusterOptions { brokers: 3, refuses_trailing_bytes: true, ..ClusterOptions::default() });
        cluster.set_transaction_version(version).expect("legal");
        cluster.topic_create("t", 4, 3).expect("legal");
        for broker in 1..=3 {
            cluster.set_address(broker, "mock", 9090 + broker as u16);
        }
        Rig::on(cluster, Time(1_000), change)
    }

    /// A producer of this cluster, which may have had others.
    pub(super) fn on(cluster: Cluster, now: Time, change: impl FnOnce(&mut Config)) -> Rig {
        let mut config = Config {
            bootstrap_servers: (1..=3).map(|broker| ("mock".to_owned(), 9090 + broker)).collect(),
            transactional_id: Some("tx".into()),
            enable_idempotence: true,
            linger_us: 0,
            ..Config::default()
        };
        change(&mut config);
        let reports = Arc::new(Reports::new(1 << 20, -1));
        let accumulator = Arc::new(Accumulator::new(&config, 1, 7, reports));
        let sender = Sender::new(Arc::new(config), accumulator.clone(), 7, now);
        let (hold, held) = (BTreeSet::new(), VecDeque::new());
        let mut rig = Rig { now, sender, accumulator, cluster, brokers: BTreeMap::new(), hold, held, seen: Vec::new() };
        rig.run();
        rig
    }

    /// Initialized, with nothing held back.
    pub(super) fn ready(version: i16) -> Rig {
        let mut rig = Rig::new(version);
        assert_eq!(rig.result(TransactionCall::Init), Ok(()));
        rig
    }

    pub(super) fn open(version: i16) -> Rig {
        let mut rig = Rig::ready(version);
        assert_eq!(rig.result(TransactionCall::Begin), Ok(()));
        rig
    }

    /// No leader coordinates: a silent one does not keep the coordinator's answers back.
    pub(super) fn apart(&mut self) {
        self.cluster.coordinator_move(CoordinatorKind::Transaction, "tx", Some(1)).expect("legal");
        for partition in 0..4 {
            self.cluster.partition_set_leader("t", partition, Some(2 + partition % 2)).expect("legal");
        }
    }

    /// Everything that follows from what is there now, in no time.
    pub(super) fn run(&mut self) {
        loop {
            self.sender.handle_wakeup(self.now);
            let Some(action) = self.sender.poll_action(self.now) else { return };
            self.act(action);
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Connect { conn, port, .. } => {
                self.brokers.insert(conn, i32::from(port) - 9090);
                self.sender.handle_connected(self.now, conn);
            }
            Action::Close { conn } => {
                self.brokers.remove(&conn);
                self.held.retain(|(held, ..)| *held != conn);
            }
            Action::Write { conn, frame } => {
                let bytes = frame.to_vec();
                let api = i16::from_be_bytes([bytes[4], bytes[5]]);
                self.seen.push((api, self.now));
                self.sender.handle_written(self.now, conn, bytes.len(), bytes.len());
                let behind = self.held.iter().any(|(held, ..)| *held == conn);
                if self.hold.contains(&api) || behind {
                    self.held.push_back((conn, api, bytes));
                } else {
                    self.deliver(conn, &bytes);
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(&broker) = self.brokers.get(&conn) else { return };
        match self.cluster.handle_frame(self.now, 1_000, broker, &bytes[4..]) {
            Answer::Respond { bytes, .. } => self.sender.handle_bytes(self.now, conn, &bytes),
            Answer::Nothing => {}
            Answer::Disconnect { .. } => self.lose(conn),
        }
    }

    pub(super) fn lose(&mut self, conn: ConnId) {
        self.brokers.remove(&conn);
        self.held.retain(|(held, ..)| *held != conn);
        self.sender.handle_closed(self.now, conn, "gone".to_owned());
    }

    /// Nothing is held back any more.
    pub(super) fn release(&mut self) {
        self.hold.clear();
        while let Some((conn, _, bytes)) = self.held.pop_front() {
            self.deliver(conn, &bytes);
        }
        self.run();
    }

    /// The connection on which a request of this API waits breaks; `acts`: after the broker has acted on it.
    pub(super) fn break_held(&mut self, api: i16, acts: bool) {
        let at = self.held.iter().position(|(_, held, _)| *held == api).expect("it is held");
        let (conn, _, bytes) = self.held[at].clone();
        if acts {
            let broker = self.brokers[&conn];
            self.cluster.handle_frame(self.now, 1_000, broker, &bytes[4..]);
        }
        self.hold.clear();
        self.lose(conn);
        self.run();
    }

    /// To the next moment at which the sender wants to be called.
    pub(super) fn step(&mut self) {
        let next = self.sender.poll_timeout();
        assert!(next < Time::NEVER, "nothing would ever happen");
        self.now = self.now.max(next);
        self.sender.handle_timeout(self.now);
        self.run();
    }

    pub(super) fn call(&mut self, call: TransactionCall) -> Arc<CallReply> {
        let reply = Arc::new(CallReply::default());
        self.accumulator.inbox.command(Command::Transaction { call, reply: reply.clone() });
        self.run();
        assert!(reply.started.is_complete());
        reply
    }

    /// The status of a call that is over at once; `None` when it waits.
    pub(super) fn status(&mut self, call: TransactionCall) -> Option<Status> {
        let reply = self.call(call);
        let is_done = reply.done.is_complete();
        match reply.give_up() {
            GivenUp::Answered(result) => {
                assert!(is_done);
                Some(result.map_or_else(|error| error.status, |()| Status::OK))
            }
            GivenUp::Waiting(_) => {
                assert!(!is_done);
                None
            }
        }
    }

    pub(super) fn result(&mut self, call: TransactionCall) -> Result<(), Status> {
        match self.status(call) {
            Some(Status::OK) => Ok(()),
            Some(other) => Err(other),
            None => panic!("it waits"),
        }
    }

    pub(super) fn offer(&self, partition: u32) -> bool {
        self.offer_to("t", partition)
    }

    pub(super) fn offer_to(&self, topic: &str, partition: u32) -> bool {
        let topic = self.accumulator.topics.intern(topic).expect("legal");
        let tag = Some(Tag::marked(1, partition as usize));
        let how = Sending { partition: Some(partition), tag, own_timeout: None, acks: None };
        let record = Record { value: Some(b"v"), ..Record::default() };
        self.accumulator.append(&topic, &record, &how, &mut None, || self.now).is_ok()
    }

    pub(super) fn send(&mut self, partition: u32) {
        assert!(self.offer(partition), "the door is open");
        self.run();
    }

    pub(super) fn asked(&self, api: i16) -> usize {
        self.seen.iter().filter(|(seen, _)| *seen == api).count()
    }

    pub(super) fn reports(&self) -> Vec<Status> {
        let mut statuses = Vec::new();
        self.accumulator.reports.poll_now(|item| {
            if let Item::Batch { batch, .. } = item {
                statuses.extend(batch.slots.iter().map(|_| batch.status));
            }
            Handed::All
        });
        statuses
    }

    pub(super) fn state(&self) -> State {
        self.sender.transaction.state
    }
}

pub(super) fn offsets() -> TransactionCall {
    let group =
        GroupMetadata { group_id: "g".into(), generation_id: -1, member_id: String::new(), group_instance_id: None };
    let offset = TopicOffset { topic: "t".into(), partition: 0, offset: 5, leader_epoch: -1, metadata: None };
    TransactionCall::SendOffsets { offsets: vec![offset], group }
}

/// A producer that has come into this state in a usual way, with whatever would take it further held back.
pub(super) fn in_state(state: State) -> Rig {
    let mut rig = match state {
        State::Uninitialized | State::Initializing => Rig::new(1),
        State::Ready => Rig::ready(1),
        _ => Rig::open(1),
    };
    match state {
        State::Uninitialized | State::Ready | State::InTransaction => {}
        State::Initializing => {
            rig.hold.insert(FIND);
            assert_eq!(rig.status(TransactionCall::Init), None);
        }
        State::Committing | State::Aborting => {
            rig.send(0);
            rig.hold.insert(END);
            let call = if state == State::Committing { TransactionCall::Commit } else { TransactionCall::Abort };
            assert_eq!(rig.status(call), None);
        }
        State::Preparing => {
            rig.hold.insert(PRODUCE);
            rig.send(0);
            assert_eq!(rig.status(TransactionCall::Prepare), None);
        }
        State::Prepared => {
            rig.send(0);
            assert_eq!(rig.result(TransactionCall::Prepare), Ok(()));
        }
        State::AbortableError => {
            rig.cluster.push_error(PRODUCE, 87, 1);
            rig.send(0);
        }
        State::FatalError => {
            let now = rig.now;
            rig.sender.transaction_fatal(now, Status::PRODUCER_FENCED, "fenced");
        }
    }
    assert_eq!(rig.state(), state);
    rig
}
