//! The network between the sender and the broker model: per connection a stream of bytes each way, with delays, slices
//! and breaks at any byte.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::messages::{MetadataRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use super::coordination::{COORDINATOR_APIS, is_initialization};
use super::watch::{Place, Produced, read_produce};
use super::{Happening, Sim};
use crate::sender::{Action, Cause, Closed, ConnId, Frame};
use crate::time::{Micros, Time};

/// One connection attempt and what it became. It stays after the client has closed it: requests that are under way may
/// still reach the broker.
pub(super) struct Link {
    pub broker: Option<i32>,
    pub address: String,
    pub is_connected: bool,
    /// The client has not closed it and was not told that it ended.
    pub client_open: bool,
    pub broker_open: bool,
    out: VecDeque<Outgoing>,
    taking: bool,
    pub stalled_until: Time,
    last_arrival: Time,
    last_answer: Time,
    broker_input: Vec<u8>,
    /// Produce requests handed over and not answered (acks=0: not taken by the socket).
    pub outstanding: usize,
    /// Requests that the socket has whole and that are not answered: they may reach the broker late.
    unanswered: VecDeque<Vec<u8>>,
    /// Bytes were put into the stream that no broker sends: what the client makes of later ones is not known.
    pub is_dirty: bool,
}

struct Outgoing {
    frame: Frame,
    /// The bytes at the moment of `Action::Write`: they must never change.
    copy: Vec<u8>,
    taken: usize,
    /// Of a produce request; -1 of others.
    acks: i16,
}

/// What a response, once the client has read all of it, tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Topic, partition, base offset of batches that it says are appended.
    pub appended: Vec<(String, i32, i64)>,
    pub answers_produce: bool,
    pub correlation_id: i32,
    /// What a produce response says of each partition; the first entry counts.
    pub codes: Vec<(Place, i16)>,
    /// Neither this response nor what went before it was damaged.
    pub is_clean: bool,
}

#[derive(Default)]
pub(super) struct Network {
    pub links: BTreeMap<ConnId, Link>,
    /// Which broker listens at an address.
    pub listeners: BTreeMap<String, i32>,
    pub connects: Vec<(Time, String)>,
    /// Each produce request: when it was handed over, to which broker.
    pub produced: Vec<(Time, i32)>,
    /// Each metadata request of a traced run: the topics that it names, and whether they may be created.
    pub metadata: Vec<(Vec<String>, bool)>,
    /// Named scenarios: until then sockets take nothing.
    pub stalled_until: Time,
    /// Named scenarios: connections end because certificates do not fit.
    pub tls_refuses: bool,
}

impl Sim {
    /// Carries out what the sender asks for.
    pub(super) fn take_actions(&mut self) {
        while let Some(action) = self.sender.poll_action(self.now) {
            self.actions_in_second += 1;
            match action {
                Action::Connect { conn, host, port, setup_timeout_ms } => {
                    self.connect(conn, format!("{host}:{port}"), Micros::from_ms(setup_timeout_ms));
                }
                Action::Write { conn, frame } => self.write(conn, frame),
                Action::Close { conn } => {
                    self.note(3, conn.0, 0, || format!("client closes {conn:?}"));
                    self.close_client_side(conn);
                }
            }
        }
    }

    fn connect(&mut self, conn: ConnId, address: String, setup_timeout: Micros) {
        let broker = self.net.listeners.get(&address).copied();
        self.note(1, conn.0, 0, || format!("connect {conn:?} to {address} (broker {broker:?})"));
        let same = self.net.links.values().filter(|link| link.client_open && link.address == address).count();
        // Telemetry has a connection of its own.
        let most = usize::from(!self.plan.bootstrap_aliases && !address.starts_with("boot"))
            + usize::from(self.plan.telemetry_ms.is_some());
        if same > most {
            self.fail(format!("{address} has {} connections at once", same + 1));
        }
        self.net.connects.push((self.now, address.clone()));
        let is_up = broker.is_some_and(|broker| self.cluster.is_up(broker) && !self.cluster.is_frozen(broker));
        let latency = self.latency();
        let hangs = self.fault(|rates| rates.connect_hangs);
        let refused = !is_up || self.fault(|rates| rates.connect_refused);
        self.net.links.insert(
            conn,
            Link {
                broker,
                address,
                is_connected: false,
                client_open: true,
                broker_open: !hangs && !refused,
                out: VecDeque::new(),
                taking: false,
                stalled_until: Time::ZERO,
                last_arrival: Time::ZERO,
                last_answer: Time::ZERO,
                broker_input: Vec::new(),
                outstanding: 0,
                unanswered: VecDeque::new(),
                is_dirty: false,
            },
        );
        let frozen = broker.is_some_and(|broker| self.cluster.is_frozen(broker));
        if hangs || frozen {
            self.schedule(self.now + setup_timeout, Happening::HangUp(conn, "connecting took too long"));
        } else if refused || self.net.tls_refuses {
            self.schedule(self.now + latency, Happening::HangUp(conn, "connection refused"));
        } else {
            self.schedule(self.now + latency, Happening::Connected(conn));
        }
    }

    fn write(&mut self, conn: ConnId, frame: Frame) {
        let copy = frame.to_vec();
        self.note(2, conn.0, copy.len() as u64, || format!("write {conn:?}: {}", describe(&copy)));
        if copy.len() != frame.len() {
            self.fail("a frame's length is not that of its bytes".into());
        }
        self.note_let_in(api_key(&copy));
        let produced = if is_produce(&copy) {
            read_produce(&copy[4..], |id| self.faults.topic_names.get(&id).cloned().unwrap_or_default())
        } else {
            None
        };
        let acks = produced.as_ref().map_or(-1, |produced| produced.acks);
        let most = self.plan.config.max_in_flight_requests_per_connection;
        let now = self.now;
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.client_open) else {
            self.fail(format!("a write to {conn:?}, which is not open"));
            return;
        };
        if !link.is_connected {
            self.fail(format!("a write to {conn:?}, which is not connected"));
            return;
        }
        if is_produce(&copy) {
            link.outstanding += 1;
            let (outstanding, is_dirty, broker) = (link.outstanding, link.is_dirty, link.broker.unwrap_or(-1));
            self.net.produced.push((now, broker));
            if outstanding > most && !is_dirty {
                self.fail(format!("{outstanding} produce requests in flight (acks={acks}), {most} allowed"));
                return;
            }
            self.watch_produce(conn, broker, copy.len(), produced);
        }
        if self.is_traced && api_key(&copy) == crate::mock::api_key::METADATA {
            self.net.metadata.push(read_metadata(&copy[4..]));
        }
        if self.is_transactional() && COORDINATOR_APIS.contains(&api_key(&copy)) {
            self.watch_coordinator(conn, &copy);
        }
        if let Some(link) = self.net.links.get_mut(&conn) {
            link.out.push_back(Outgoing { frame, copy, taken: 0, acks });
        }
        self.start_taking(conn);
    }

    /// The rules that the wire shows.
    fn watch_produce(&mut self, conn: ConnId, broker: i32, len: usize, produced: Option<Produced>) {
        let Some(produced) = produced else {
            self.fail("a produce request cannot be read".into());
            return;
        };
        let most = self.plan.config.max_request_size;
        if len > most && produced.parts.len() > 1 {
            self.fail(format!(
                "a request of {} batches has {len} bytes, max.request.size is {most}",
                produced.parts.len()
            ));
            return;
        }
        if let Some(text) = self.wrong_acks(&produced) {
            self.fail(text);
            return;
        }
        if produced.acks == 0 {
            return;
        }
        self.take_reports();
        self.note(12, conn.0, produced.parts.len() as u64, || format!("  carries {}", produced.label()));
        let app = &self.app;
        let seen = self.watch.handed_over(conn, broker, produced, |timestamp_ms| app.has_ended(timestamp_ms));
        if let Err(text) = seen {
            self.fail(text);
        }
    }

    /// A request has the acks that each of its records asks for.
    fn wrong_acks(&self, produced: &Produced) -> Option<String> {
        produced.timestamps().into_iter().find_map(|timestamp_ms| {
            let index = *self.app.by_timestamp.get(&timestamp_ms)?;
            let wanted = self.app.sent[index].acks.unwrap_or(self.plan.config.acks);
            let acks = produced.acks;
            (wanted != acks).then(|| format!("record {index}, which asks for acks={wanted}, is sent with acks={acks}"))
        })
    }

    fn watch_coordinator(&mut self, conn: ConnId, frame: &[u8]) {
        self.take_reports();
        let app = &self.app;
        let has_ended = |timestamp_ms| app.has_ended(timestamp_ms);
        if let Err(text) = self.watch.coordinator_asked(conn, correlation_id(frame), api_key(frame), has_ended) {
            self.fail(text);
        }
    }

    fn start_taking(&mut self, conn: ConnId) {
        let stall = self.fault(|rates| rates.write_stalls);
        let pause = if stall { self.random.micros(1_000, 3_000_000) } else { Micros::ZERO };
        let all = self.net.stalled_until;
        let Some(link) = self.net.links.get_mut(&conn) else { return };
        if link.taking || link.out.is_empty() {
            return;
        }
        link.taking = true;
        link.stalled_until = link.stalled_until.max(self.now + pause).max(all);
        let at = link.stalled_until;
        self.schedule(at, Happening::Take(conn));
    }

    /// The client's socket takes some bytes.
    pub(super) fn socket_takes(&mut self, conn: ConnId) {
        let now = self.now;
        let most = if self.plan.write_slice == u64::MAX {
            usize::MAX
        } else {
            self.random.between(1, self.plan.write_slice) as usize
        };
        let reset = self.fault(|rates| rates.reset_on_write);
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.client_open) else { return };
        link.taking = false;
        let mut bytes: Vec<u8> = Vec::new();
        let mut changed = false;
        while let Some(first) = link.out.front_mut()
            && bytes.len() < most
        {
            let before = bytes.len();
            first.frame.slices_from(first.taken, |slice| {
                let room = most - bytes.len();
                bytes.extend_from_slice(&slice[..slice.len().min(room)]);
                bytes.len() < most
            });
            let count = bytes.len() - before;
            changed |= first.copy.get(first.taken..first.taken + count) != Some(&bytes[before..]);
            first.taken += count;
            if first.taken == first.copy.len()
                && let Some(whole) = link.out.pop_front()
            {
                if is_produce(&whole.copy) {
                    link.outstanding -= usize::from(whole.acks == 0);
                    self.watch.taken_whole(conn, correlation_id(&whole.copy));
                }
                link.unanswered.push_back(whole.copy);
            }
        }
        if changed {
            self.fail(format!("bytes of a frame of {conn:?} changed after it was handed over"));
            return;
        }
        let more = !link.out.is_empty();
        let count = bytes.len();
        self.note(4, conn.0, count as u64, || format!("socket of {conn:?} takes {count} bytes"));
        if reset {
            // What was taken may or may not arrive.
            let arrives = self.random.percent(50);
            if arrives {
                self.send_up(conn, bytes);
            }
            self.io(|sim| sim.sender.handle_written(now, conn, count, count));
            self.hang_up(conn, "connection reset by peer");
            return;
        }
        self.send_up(conn, bytes);
        self.io(|sim| sim.sender.handle_written(now, conn, count, count));
        if more {
            let pause = self.random.micros(0, 50);
            if let Some(link) = self.net.links.get_mut(&conn)
                && !link.taking
            {
                link.taking = true;
                self.schedule(now + pause, Happening::Take(conn));
            }
        }
    }

    fn send_up(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let at = self.now + self.latency();
        let Some(link) = self.net.links.get_mut(&conn) else { return };
        link.last_arrival = link.last_arrival.max(at);
        let at = link.last_arrival;
        self.schedule(at, Happening::Arrive(conn, bytes));
    }

    /// Bytes reach the broker, whatever the client has done with the connection meanwhile.
    pub(super) fn arrive(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.broker_open) else { return };
        let Some(broker) = link.broker else { return };
        link.broker_input.extend_from_slice(&bytes);
        if self.cluster.is_frozen(broker) {
            // It waits in the broker's socket; the broker looks again later.
            self.schedule(self.now + Micros::from_ms(20), Happening::Arrive(conn, Vec::new()));
            return;
        }
        loop {
            let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.broker_open) else { return };
            let Some(head) = link.broker_input.first_chunk::<4>() else { return };
            let len = i32::from_be_bytes(*head);
            if !(0..100 << 20).contains(&len) {
                self.fail(format!("a request of {len} bytes: the stream to broker {broker} is garbage"));
                return;
            }
            let end = 4 + len as usize;
            if self.refuses_size(conn, end) {
                return;
            }
            let Some(link) = self.net.links.get_mut(&conn) else { return };
            if link.broker_input.len() < end {
                return;
            }
            let request: Vec<u8> = link.broker_input.drain(..end).skip(4).collect();
            self.process(conn, broker, &request);
        }
    }

    /// Puts a response on its way, in slices.
    pub(super) fn send_down(&mut self, conn: ConnId, bytes: &[u8], delay: Micros, told: Told) {
        let at = self.now + delay + self.latency();
        let slice = self.plan.read_slice;
        let breaks =
            self.fault(|rates| rates.reset_in_response).then(|| self.random.below(bytes.len() as u64) as usize);
        let mut at = match self.net.links.get(&conn) {
            Some(link) => link.last_answer.max(at),
            None => return,
        };
        let end = breaks.unwrap_or(bytes.len());
        let mut from = 0;
        while from < end {
            let most = (end - from) as u64;
            let take = if slice == u64::MAX { most } else { self.random.between(1, slice.min(most)) } as usize;
            let whole = from + take == bytes.len();
            let told = whole.then(|| told.clone());
            self.schedule(at, Happening::Answer(conn, bytes[from..from + take].to_vec(), told));
            from += take;
            at = at + self.random.micros(0, 20);
        }
        if let Some(link) = self.net.links.get_mut(&conn) {
            link.last_answer = at;
        }
        if breaks.is_some() {
            self.end_broker_side(conn);
            self.schedule(at, Happening::HangUp(conn, "connection reset in a response"));
        }
    }

    /// Bytes reach the client, often together with those that come soon after them.
    pub(super) fn answer(&mut self, conn: ConnId, mut bytes: Vec<u8>, told: Option<Told>) {
        let now = self.now;
        let mut told: Vec<Told> = told.into_iter().collect();
        // What came while the process stood still has its own order.
        if self.random.percent(50) && self.faults.meanwhile.is_empty() {
            let soon = self.queue.range(..(now + Micros::from_ms(1), 0)).map(|(key, happening)| (*key, happening));
            let ours = soon.filter(|(_, happening)| happening.is_for_client(conn));
            let answers = ours.take_while(|(_, happening)| matches!(happening, Happening::Answer(..)));
            let keys: Vec<(Time, u64)> = answers.map(|(key, _)| key).collect();
            for key in keys {
                if let Some(Happening::Answer(_, more, more_told)) = self.queue.remove(&key) {
                    bytes.extend_from_slice(&more);
                    told.extend(more_told);
                }
            }
        }
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.client_open) else { return };
        for told in told {
            link.unanswered.retain(|request| correlation_id(request) != told.correlation_id);
            self.watch.coordinator_answered(conn, told.correlation_id);
            if told.answers_produce {
                link.outstanding = link.outstanding.saturating_sub(1);
                self.watch.answered(conn, told.correlation_id, &told.codes, told.is_clean);
            }
            if told.is_clean {
                self.answered.extend(told.appended);
            }
        }
        self.note(5, conn.0, bytes.len() as u64, || format!("{conn:?} gets {} bytes", bytes.len()));
        self.io(|sim| sim.sender.handle_bytes(now, conn, &bytes));
    }

    pub(super) fn connected(&mut self, conn: ConnId) {
        let now = self.now;
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.client_open) else { return };
        if !link.broker_open || self.net.tls_refuses {
            self.hang_up(conn, "connection refused");
            return;
        }
        link.is_connected = true;
        self.note(6, conn.0, 0, || format!("{conn:?} is connected"));
        self.io(|sim| sim.sender.handle_connected(now, conn));
    }

    /// The client learns that the connection ended.
    pub(super) fn hang_up(&mut self, conn: ConnId, why: &str) {
        let now = self.now;
        if !self.net.links.get(&conn).is_some_and(|link| link.client_open) {
            return;
        }
        self.note(7, conn.0, 0, || format!("{conn:?} ends: {why}"));
        self.close_client_side(conn);
        let cause = if self.net.tls_refuses { Cause::Tls } else { Cause::Network };
        self.io(|sim| sim.sender.handle_closed(now, conn, Closed { reason: why.to_owned(), cause }));
    }

    fn close_client_side(&mut self, conn: ConnId) {
        // Requests under way may still be acted on, or the broker learns of the end first.
        let drawn = self.random.percent(30) || self.faults.zombies_after.is_some();
        self.watch.closed(conn);
        let Some(link) = self.net.links.get_mut(&conn).filter(|link| link.client_open) else { return };
        let lost = drawn || link.unanswered.iter().any(|request| is_initialization(request));
        link.client_open = false;
        link.out.clear();
        if lost {
            link.broker_open = false;
        }
        let (broker, unanswered) = (link.broker, std::mem::take(&mut link.unanswered));
        if let Some(broker) = broker {
            self.raise_zombies(broker, unanswered);
        }
    }

    /// Requests whose connection is gone may reach their broker much later, whether or not they did so before: brokers
    /// act on what stands in their queues after the connection has ended. The client knows of none of it.
    fn raise_zombies(&mut self, broker: i32, unanswered: VecDeque<Vec<u8>>) {
        let mut after = Micros::ZERO;
        for request in unanswered {
            let always = self.faults.zombies_after;
            if !self.may_come_late(&request) || (always.is_none() && !self.fault(|rates| rates.zombie)) {
                continue;
            }
            let most = self.random.pick(&[5_000, 200_000, 5_000_000, 150_000_000]);
            // In the order in which they were written.
            after = always.unwrap_or_else(|| after.max(self.random.micros(0, most)));
            self.zombies_pending += 1;
            self.schedule(self.now + after, Happening::Zombie(broker, request));
        }
    }

    /// A request of a connection that is long gone reaches the broker.
    pub(super) fn zombie(&mut self, broker: i32, frame: Vec<u8>) {
        if self.cluster.is_frozen(broker) {
            self.schedule(self.now + Micros::from_ms(20), Happening::Zombie(broker, frame));
            return;
        }
        self.zombies_pending -= 1;
        if self.cluster.is_up(broker) {
            self.zombies += 1;
            // A late one may open a transaction again that the next initialization then has to end, as if it were
            // another's.
            self.was_fenced |= self.is_transactional() && !is_produce(&frame);
            self.note(10, broker as u64, frame.len() as u64, || {
                format!("zombie at broker {broker}: {}", describe(&frame))
            });
            // Nobody hears the answer.
            self.cluster.handle_frame(self.now, self.wall_ms(), broker, &frame[4..]);
        }
    }

    pub(super) fn end_broker_side(&mut self, conn: ConnId) {
        if let Some(link) = self.net.links.get_mut(&conn) {
            link.broker_open = false;
        }
    }

    /// Every connection to the broker ends.
    pub(super) fn cut_off(&mut self, broker: i32) {
        let links = self.net.links.iter().filter(|(_, link)| link.broker == Some(broker) && link.client_open);
        let conns: Vec<ConnId> = links.map(|(conn, _)| *conn).collect();
        for conn in conns {
            self.end_broker_side(conn);
            let at = self.now + self.latency();
            self.schedule(at, Happening::HangUp(conn, "the broker went away"));
        }
    }

    pub(super) fn latency(&mut self) -> Micros {
        let most = self.plan.latency_us;
        self.random.micros(most / 4, most)
    }
}

/// The topics that a metadata request names, and whether they may be created.
fn read_metadata(mut request: &[u8]) -> (Vec<String>, bool) {
    let version = i16::from_be_bytes([request[2], request[3]]);
    RequestHeader::decode(&mut request, MetadataRequest::header_version(version)).expect("a header");
    let request = MetadataRequest::decode(&mut request, version).expect("a metadata request");
    let names = request.topics.unwrap_or_default().into_iter().filter_map(|topic| topic.name);
    (names.map(|name| name.0.to_string()).collect(), request.allow_auto_topic_creation)
}

fn is_produce(request: &[u8]) -> bool {
    api_key(request) == 0
}

fn api_key(request: &[u8]) -> i16 {
    request.get(4..6).map_or(-1, |key| i16::from_be_bytes([key[0], key[1]]))
}

fn correlation_id(request: &[u8]) -> i32 {
    request.get(8..12).map_or(-1, |id| i32::from_be_bytes([id[0], id[1], id[2], id[3]]))
}

fn describe(request: &[u8]) -> String {
    let (key, correlation_id) = (api_key(request), correlation_id(request));
    format!("API {key} request {correlation_id} of {} bytes", request.len())
}
