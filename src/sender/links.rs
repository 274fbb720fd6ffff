//! Connections: made when there is something to send, their deadlines, and what follows when they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::broker::{Broker, Refused, bootstrap_id};
use super::connection::{Connection, Kind, Phase, Versions};
use super::counting::count_ended;
use super::frame::Frame;
use super::greeting::{self, Reading};
use super::input::{Input, Response, check_total};
use super::silence::SUSPECTED_AFTER;
use super::timers::Timer;
use super::verdict::Outcome;
use super::{Action, Cause, Closed, ConnId, Sender};
use crate::error::Status;
use crate::security::login::Refusal;
use crate::text::clean;
use crate::time::{Micros, Time};
use crate::wire::api::{Destination, encode_api_versions};
use crate::wire::header::{Api, split_response};

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(super) struct Trouble {
    reason: String,
    /// The broker, or we, refuse the other.
    refusal: Option<Status>,
    /// And that will not pass by itself.
    is_permanent: bool,
    /// A request was not answered in time.
    is_timeout: bool,
    /// Nothing is wrong with the broker: it is connected to anew at once.
    is_planned: bool,
}

impl Trouble {
    fn new(reason: String, refusal: Option<Status>) -> Trouble {
        // It may repeat a certificate's names, a token endpoint's words, a resolver's or a library's.
        let reason = clean(reason);
        Trouble { reason, refusal, is_permanent: refusal.is_some(), is_timeout: false, is_planned: false }
    }

    pub fn planned(reason: &str) -> Trouble {
        Trouble { is_planned: true, ..Trouble::new(reason.into(), None) }
    }
}

impl From<String> for Trouble {
    fn from(reason: String) -> Trouble {
        Trouble::new(reason, None)
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        // What else passes by itself is an outage as any other.
        let is_ours = refusal.is_permanent || refusal.status == Status::CREDENTIALS;
        let status = is_ours.then_some(refusal.status);
        Trouble { is_permanent: refusal.is_permanent, ..Trouble::new(refusal.text, status) }
    }
}

impl From<Closed> for Trouble {
    fn from(closed: Closed) -> Trouble {
        let refusal = (closed.cause == Cause::Tls).then_some(Status::TLS_FAILED);
        Trouble::new(closed.reason, refusal)
    }
}

/// A broker that accepts a connection and then stays silent is no broker.
const API_VERSIONS_TIMEOUT_MS: u64 = 10_000;
/// Input of this size needs no look at that of other connections.
const SMALL_INPUT_BYTES: usize = 256 << 10;
/// Before a connection can be used, answers are lists of a few names.
const GREETING_BYTES_MAX: usize = 1 << 20;
/// Whoever refuses credentials is not asked again at once: accounts get locked. The first pause, and the longest;
/// longer where reconnecting as such is slower.
const REFUSED_BACKOFF_MS: (u64, u64) = (1_000, 5_000);
/// What brokers see of the library (KIP-511).
const SOFTWARE_NAME: &str = "libkproducer";

/// Whether a broker's connection may hold so many more bytes of a response that is not complete.
fn room_for_input(brokers: &BTreeMap<i32, Broker>, id: i32, more: usize, len_max: usize) -> Result<(), String> {
    let inputs =
        || brokers.values().filter_map(|broker| broker.connection.as_ref()).map(|connection| &connection.input);
    let own = brokers.get(&id).and_then(|broker| broker.connection.as_ref());
    match own.map_or(0, |connection| connection.input.needs(more)) {
        // It is looked at again each time it doubles.
        needs if needs > SMALL_INPUT_BYTES => {
            let others = inputs().map(Input::held).sum::<usize>() - own.map_or(0, |connection| connection.input.held());
            check_total(others, needs, len_max).map_err(Into::into)
        }
        _ => Ok(()),
    }
}

impl Sender {
    pub(super) fn add_bootstrap_servers(&mut self) {
        for (index, (host, port)) in self.config.bootstrap_servers.clone().into_iter().enumerate() {
            let id = bootstrap_id(index);
            self.brokers.insert(id, Broker::new(id, host, port, Arc::default()));
        }
    }

    /// Connects unless there is a connection or the back-off forbids it; then the broker's timer is armed.
    pub(super) fn ensure_connected(&mut self, now: Time, id: i32) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        if broker.connection.is_some() || self.finished {
            return;
        }
        if now < broker.retry_at {
            let at = broker.retry_at;
            self.arm_broker(id, at);
            return;
        }
        let conn = ConnId(self.next_connection);
        self.next_connection += 1;
        broker.connection = Some(Connection::new(conn, now));
        self.connections.insert(conn, id);
        self.actions.push_back(Action::Connect {
            conn,
            host: broker.host.clone(),
            port: broker.port,
            setup_timeout_ms: self.config.socket_connection_setup_timeout_ms,
        });
        self.arm_broker(id, now + SUSPECTED_AFTER);
        self.note_change();
    }

    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        let Some(&id) = self.connections.get(&conn) else { return self.telemetry_connected(now, conn) };
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        // A bootstrap server may be any broker of the cluster.
        let version = match self.features.checks_destination && self.config.checks_destination() && id >= 0 {
            true => broker.greeting.version_with_destination(),
            false => broker.greeting.version(),
        };
        let Some(connection) = &mut broker.connection else { return };
        connection.phase = Phase::Negotiating;
        self.ask_versions(now, id, version);
    }

    fn ask_versions(&mut self, now: Time, id: i32, version: i16) {
        let client_id = self.config.client_id.clone();
        let cluster_id = self.cluster.cluster_id.clone();
        let timeout = Micros::from_ms(self.config.request_timeout_ms.min(API_VERSIONS_TIMEOUT_MS));
        self.write(now, id, version, Kind::ApiVersions, now + timeout, |correlation_id| {
            let software_version = env!("CARGO_PKG_VERSION");
            let (name, to) = (SOFTWARE_NAME, cluster_id.as_deref());
            let destination = to.map(|cluster_id| Destination { cluster_id, node_id: id });
            Frame::plain(encode_api_versions(version, correlation_id, &client_id, name, software_version, destination))
        });
    }

    /// Hands a request to the driver and notes it.
    pub(super) fn write(
        &mut self,
        now: Time,
        id: i32,
        version: i16,
        kind: Kind,
        deadline: Time,
        encode: impl FnOnce(i32) -> Frame,
    ) {
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        let correlation_id = connection.next_correlation_id();
        let frame = encode(correlation_id);
        let is_produce = matches!(kind, Kind::Produce { .. });
        connection.push(now, correlation_id, version, kind, frame.len(), deadline);
        let conn = connection.id;
        self.count_request(id, is_produce);
        self.actions.push_back(Action::Write { conn, frame });
        self.arm_broker(id, deadline.min(now + SUSPECTED_AFTER));
    }

    /// So many more bytes may have gone to the broker, and so many have gone to the socket: in TLS the latter come
    /// later.
    pub fn handle_written(&mut self, now: Time, conn: ConnId, bytes: usize, through: usize) {
        let Some(&id) = self.connections.get(&conn) else { return };
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        connection.written_bytes += bytes as u64;
        connection.through_bytes += through as u64;
        let has_unanswered = connection.unanswered > 0;
        self.count_bytes(id, bytes, 0);
        if has_unanswered {
            self.finish_unanswered(now, id);
            self.leave_if_answered(now, id);
        }
        self.pump_soon.push(id);
        self.serve(now);
    }

    /// Bytes as they came from the socket.
    pub fn handle_bytes(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let Some(&id) = self.connections.get(&conn) else { return self.telemetry_bytes(now, conn, bytes) };
        let mut limit = self.config.receive_message_max_bytes;
        // Frames are handled with the whole sender at hand, so the connection gives them out one list at a time.
        let mut frames: Vec<Response<'static>> = Vec::new();
        let room = room_for_input(&self.brokers, id, bytes.len(), limit);
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        // A listener that answers in TLS will not speak otherwise later.
        let is_other_kind = connection.phase == Phase::Negotiating && matches!(bytes, [0x15 | 0x16, 3, ..]);
        if connection.phase != Phase::Ready {
            limit = limit.min(GREETING_BYTES_MAX);
        } else if connection.sasl.held_since.is_none() {
            connection.last_used = now;
        }
        let cut = room.and_then(|()| {
            connection.frames(bytes, limit, |_, frame| {
                frames.push(frame.into_owned());
                true
            })
        });
        self.count_bytes(id, 0, bytes.len());
        for frame in frames {
            // The connection may have ended, or become another broker's, with the response before this one.
            let Some(&id) = self.connections.get(&conn) else { break };
            if let Err(trouble) = self.handle_response(now, id, frame.bytes()) {
                self.drop_connection(now, conn, trouble);
                self.serve(now);
                return;
            }
            self.stop_partitions(now);
        }
        if let Err(reason) = cut {
            let refusal = is_other_kind.then_some(Status::TLS_FAILED);
            self.drop_connection(now, conn, Trouble::new(reason, refusal));
        }
        let owner = self.connections.get(&conn).copied().unwrap_or(id);
        self.leave_if_answered(now, owner);
        self.pump_soon.push(owner);
        self.serve(now);
    }

    /// One whole response. The error says why the connection is of no use any more.
    fn handle_response(&mut self, now: Time, id: i32, frame: &[u8]) -> Result<(), Trouble> {
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else {
            return Ok(());
        };
        let awaited = |kind: &Kind| !matches!(kind, Kind::Produce { answered: false, .. });
        let Some(at) = connection.requests.iter().position(|request| awaited(&request.kind)) else {
            return Err(Trouble::from("it sent a response that nobody asked for".to_owned()));
        };
        let request = &connection.requests[at];
        let api = match &request.kind {
            Kind::ApiVersions => Api::ApiVersions,
            Kind::Sasl(api) => *api,
            Kind::Metadata | Kind::Query(_) => Api::Metadata,
            Kind::Produce { .. } => Api::Produce,
            Kind::ProducerId(_) => Api::InitProducerId,
            Kind::Coordinator(coordinator) => coordinator.api(),
        };
        let (correlation_id, body) = split_response(api, request.version, frame)
            .map_err(|error| format!("its {} response cannot be read: {error}", api.name()))?;
        if correlation_id != request.correlation_id {
            let text = format!(
                "it answered request {correlation_id} where request {} was next: the stream is out of step",
                request.correlation_id
            );
            return Err(text.into());
        }
        let Some(request) = connection.requests.remove(at) else { return Ok(()) };
        self.count_answer(now, id, &request);
        if matches!(request.kind, Kind::Produce { .. }) {
            self.telemetry.note_round_trip(id, now.since(request.sent_at));
            self.published.note_answer(id);
        }
        if !matches!(request.kind, Kind::ApiVersions | Kind::Sasl(_))
            && let Some(broker) = self.brokers.get_mut(&id)
        {
            // Only now it is known to be of use: one that greets and hangs up keeps its back-off.
            let recovers = std::mem::take(&mut broker.failures) > 0;
            broker.last_error = None;
            broker.refused = None;
            if let Some(connection) = &mut broker.connection {
                connection.has_served = true;
            }
            if matches!(request.kind, Kind::Produce { .. }) {
                broker.request_limit.answered(request.len);
            }
            if recovers || !std::mem::replace(&mut self.published.was_reached, true) {
                self.note_change();
            }
        }
        let handled = match request.kind {
            Kind::Sasl(api) => return self.handle_sasl(now, id, api, request.version, body),
            Kind::ApiVersions => return self.handle_versions(now, id, request.version, body),
            Kind::Metadata => self.handle_metadata(now, id, request.version, body),
            Kind::Query(serial) => self.handle_query_answer(now, id, serial, request.version, body),
            Kind::Produce { parts, .. } => self.handle_produced(now, id, request.version, parts, body),
            Kind::ProducerId(serial) => self.handle_producer_id(now, id, serial, request.version, body),
            Kind::Coordinator(coordinator) => {
                self.handle_coordinator_answer(now, id, coordinator, request.version, body)
            }
        };
        handled.map_err(Trouble::from)
    }

    fn handle_versions(&mut self, now: Time, id: i32, version: i16, body: &[u8]) -> Result<(), Trouble> {
        let answer = match greeting::read(version, body)? {
            Reading::Versions(answer) => answer,
            // The older version is lower for certain, so this cannot go round in circles.
            Reading::AskAgain(older) => {
                self.ask_versions(now, id, older);
                return Ok(());
            }
            Reading::Misrouted => {
                self.cluster.start_again();
                let text = "the connection reached another broker, or another cluster (KIP-1242): asking the bootstrap servers \
                            where it is";
                return Err(Trouble::new(text.into(), None));
            }
        };
        self.features.checks_destination |= greeting::checks_destination(&answer.ranges);
        let versions = Versions::new(answer.ranges);
        let Some(broker) = self.brokers.get_mut(&id) else { return Ok(()) };
        broker.greeting.answered();
        let unsupported = |why| Trouble::new(why, Some(Status::UNSUPPORTED_BROKER));
        for api in [Api::Produce, Api::Metadata] {
            versions.choose(api).map_err(|why| unsupported(format!("{why}; Kafka 2.1 or newer is needed")))?;
        }
        self.features.learn(answer.features_epoch, &answer.features);
        if let Some(connection) = &mut broker.connection {
            connection.versions = versions;
        }
        match self.login.clone() {
            Some(login) => self.begin_authentication(now, id, login).map_err(unsupported)?,
            None => self.connection_ready(now, id),
        }
        Ok(())
    }

    /// The connection can be used.
    pub(super) fn connection_ready(&mut self, now: Time, id: i32) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let label = broker.label();
        if let Some(more) = broker.announce(now, true) {
            self.reports.log(6, "BROKER", || format!("{label}: connected{more}"));
        }
        if let Some(connection) = &mut broker.connection {
            connection.phase = Phase::Ready;
        }
        self.published.was_let_in = true;
        self.note_progress(id);
        self.count_connect(id);
        self.requests_go_on(now, id);
        self.telemetry_offered(now, id);
    }

    /// Whatever waited for this connection has its turn.
    pub(super) fn requests_go_on(&mut self, now: Time, id: i32) {
        self.note_change();
        self.drive_metadata(now);
        self.drive_producer_id(now);
        self.drive_transaction(now);
        self.pump_soon.push(id);
    }

    /// The driver says that the connection ended or never came to be.
    pub fn handle_closed(&mut self, now: Time, conn: ConnId, closed: impl Into<Closed>) {
        let mut closed = closed.into();
        let Some(id) = self.connections.get(&conn) else { return self.telemetry_closed(now, conn, &closed.reason) };
        if let Some(broker) = self.brokers.get_mut(id)
            && let Some(words) = words_of_end(broker, self.login.is_some(), self.config.max_request_size)
        {
            closed.reason = format!("{}; {words}", closed.reason);
        }
        self.connection_ended(now, conn, closed.into());
        self.serve(now);
    }

    /// Ends a connection that is of no use any more, and says so to the driver.
    pub(super) fn drop_connection(&mut self, now: Time, conn: ConnId, why: impl Into<Trouble>) {
        if self.connections.contains_key(&conn) {
            self.actions.push_back(Action::Close { conn });
            self.connection_ended(now, conn, why.into());
        }
    }

    /// Everything unanswered gets its outcome: in doubt, unless the socket never took the whole of it.
    fn connection_ended(&mut self, now: Time, conn: ConnId, trouble: Trouble) {
        let Trouble { reason, refusal, is_permanent, is_timeout: request_timed_out, is_planned } = trouble;
        let Some(id) = self.connections.remove(&conn) else { return };
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let Some(connection) = broker.connection.take() else { return };
        count_ended(&self.accumulator.numbers, broker, connection.requests.len());
        let label = broker.label();
        // With acks=0 a broker says that something is wrong by hanging up, and nothing is outstanding then.
        let refused = connection
            .last_unanswered
            .is_some_and(|at| now.since(at) < Micros::from_ms(self.config.request_timeout_ms));
        let idle = connection.phase == Phase::Ready
            && connection.requests.is_empty()
            && connection.sasl.exchange.is_none()
            && !refused;
        if connection.has_served && broker.failures == 0 {
            self.published.was_good_until = now;
        }
        if let Some(version) = connection.greeted_with().filter(|_| !is_planned) {
            broker.greeting.hung_up(version);
        }
        if is_planned {
            self.reports.log(7, "BROKER", || format!("{label}: {reason}; connecting again"));
        } else if idle && broker.failures == 0 {
            // Brokers close idle connections: that is no failure.
            self.reports.log(7, "BROKER", || format!("{label}: idle connection ended: {reason}"));
        } else {
            let was_dead = broker.is_dead();
            broker.failures += 1;
            broker.failed_at = now;
            let setup_timeout = Micros::from_ms(self.config.socket_connection_setup_timeout_ms);
            broker.timed_out = connection.phase != Phase::Ready && now.since(connection.begun_at) >= setup_timeout;
            // Nobody waits any longer for this one to let us in where others refuse to.
            self.published.was_refused |= broker.is_dead() && !was_dead;
            self.accumulator.numbers.connection_failures.add(1);
            broker.numbers.connection_failures.add(1);
            if let Some(more) = broker.announce(now, false) {
                let level = if refusal.is_some() { 3 } else { 4 };
                self.reports.log(level, "BROKER", || format!("{label}: {reason}; connecting again{more}"));
            }
        }
        let step = broker.failures;
        let (mut first, mut most) = (self.config.reconnect_backoff_ms, self.config.reconnect_backoff_max_ms);
        if is_permanent && refusal.is_some_and(|status| status != Status::TLS_FAILED) {
            (first, most) = (first.max(REFUSED_BACKOFF_MS.0), most.max(REFUSED_BACKOFF_MS.1));
        }
        if step > 0 && !is_planned {
            broker.retry_at = now + self.random.backoff(first, most, step);
        }
        if !is_planned {
            broker.last_error = Some(reason.clone());
            broker.refused = refusal.map(|status| Refused { status, is_permanent, at: now });
        }
        if broker.is_unsupported() {
            self.pump_soon.push(id);
        }
        self.published.was_refused |= refusal.is_some();
        self.note_change();
        self.metadata_connection_lost(now, conn);
        let (written, through) = (connection.written_bytes, connection.through_bytes);
        let had_parts = connection.oldest_produce().is_some() && !is_planned;
        for request in connection.requests {
            let (request_written, is_through) = (request.end <= written, request.end <= through);
            let (parts, answered) = match request.kind {
                Kind::Produce { parts, answered } => (parts, answered),
                other => {
                    self.request_lost(now, id, other, request_written, &reason);
                    continue;
                }
            };
            for part in parts {
                let outcome = if !answered && is_through {
                    // acks=0: that the socket has it is all that can be known.
                    Outcome::code(0)
                } else if request_timed_out {
                    Outcome::RequestTimedOut { request_written }
                } else {
                    Outcome::Disconnected { request_written }
                };
                self.settle_lost(now, part, outcome, &format!("{label}: {reason}"));
            }
        }
        // A partition that waits here may have moved meanwhile, and others may know.
        let waits = self.brokers.get_mut(&id).is_some_and(|broker| broker.has_work(&mut self.partitions));
        if waits || refused || had_parts {
            self.want_topics_led_by(id);
        }
        if waits {
            self.ensure_connected(now, id);
        }
        self.drive_metadata(now);
    }

    /// The broker may have lost its partitions: who leads them is asked.
    pub(super) fn want_topics_led_by(&mut self, id: i32) {
        for state in self.partitions.iter().filter(|state| state.leader == id) {
            self.cluster.schedule.want(state.topic.id);
        }
    }

    /// A request other than produce whose answer will not come.
    pub(super) fn request_lost(&mut self, now: Time, id: i32, kind: Kind, written: bool, reason: &str) {
        match kind {
            Kind::ProducerId(serial) => self.producer_id_lost(now, serial),
            Kind::Query(serial) => self.query_lost(now, serial),
            Kind::Coordinator(request) => self.coordinator_request_lost(now, id, request, written, reason),
            // Metadata is asked for elsewhere; a connection that greets again asks for versions again.
            Kind::Produce { .. } | Kind::ApiVersions | Kind::Sasl(_) | Kind::Metadata => {}
        }
    }

    /// A broker's timer: whatever is due of reconnecting, request deadlines, throttling and idleness.
    pub(super) fn broker_timeout(&mut self, now: Time, id: i32) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        broker.armed_at = Time::NEVER;
        let Some(connection) = &broker.connection else {
            if broker.has_work(&mut self.partitions) {
                self.ensure_connected(now, id);
            } else {
                self.drive_metadata(now);
                // A warm-up may want it.
                self.note_change();
            }
            return;
        };
        let conn = connection.id;
        let due = connection.request_deadline();
        let waited_ms =
            connection.requests.iter().find(|r| r.deadline <= due).map_or(0, |r| r.deadline.since(r.sent_at).as_ms());
        if self.renewal_overdue(now, id) || self.session_over(now, id) {
            return self.broker_timeout(now, id);
        }
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return };
        if due <= now || connection.sasl.is_overdue(now) {
            let is_timeout = connection.requests.iter().any(|r| r.deadline <= now && !matches!(r.kind, Kind::Sasl(_)));
            let lacks =
                connection.sasl.exchange.as_ref().filter(|exchange| exchange.until <= now && exchange.is_preparing());
            let lacks = lacks.map(|exchange| Trouble::from(exchange.overdue_refusal()));
            let what = match (&connection.sasl.exchange, connection.phase) {
                (Some(exchange), _) if exchange.until <= now => exchange.overdue(),
                (_, Phase::Ready) => format!("no answer within request.timeout.ms={waited_ms} ms"),
                _ => "connected, but no answer to ApiVersions: is it a Kafka broker, and does it want TLS?".into(),
            };
            self.actions.push_back(Action::Close { conn });
            let trouble = lacks.unwrap_or_else(|| Trouble::from(what));
            self.connection_ended(now, conn, Trouble { is_timeout, ..trouble });
            return;
        }
        if connection.sasl.must_renew(now) {
            self.begin_renewal(now, id);
        }
        self.hold_expiring(now, id);
        let Some(broker) = self.brokers.get(&id) else { return };
        let Some(connection) = &broker.connection else { return };
        let idle_at = match self.config.connections_max_idle_ms {
            Some(idle_ms)
                if connection.requests.is_empty()
                    && connection.phase == Phase::Ready
                    && connection.sasl.exchange.is_none() =>
            {
                connection.last_used + Micros::from_ms(idle_ms)
            }
            _ => Time::NEVER,
        };
        if idle_at <= now && broker.ready.is_empty() {
            self.actions.push_back(Action::Close { conn });
            self.connection_ended(now, conn, "closed after connections.max.idle.ms without use".to_owned().into());
            return;
        }
        let sasl_at = connection.sasl.due_at();
        let throttled = if connection.throttle.until > now { connection.throttle.until } else { Time::NEVER };
        // Idle for long enough, but throttled work waits: its own timer comes.
        let idle_at = if idle_at > now { idle_at } else { Time::NEVER };
        // A leader that does not answer may have lost its partitions: others know long before the request times out.
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let mut ask_at = broker.ask_at();
        let is_suspected = ask_at <= now;
        if is_suspected {
            if let Some(connection) = &mut broker.connection {
                if connection.sasl.leaves_old_address() {
                    self.drop_connection(
                        now,
                        conn,
                        "the broker has moved, and does not answer at its old address".to_owned(),
                    );
                    return;
                }
                connection.silence.note_asked(now);
            }
            ask_at = broker.ask_at();
        }
        self.arm_broker(id, due.min(idle_at).min(throttled).min(ask_at).min(sasl_at));
        if is_suspected {
            self.note_change();
            self.want_topics_led_by(id);
        }
        self.pump_soon.push(id);
    }

    /// Connections whose partitions have all lost this leader while a request stood unanswered end now: what is in
    /// doubt there is retried at the new leaders, without waiting for request.timeout.ms.
    pub(super) fn leave_silent_leaders(&mut self, now: Time) {
        let mut left = Vec::new();
        for (id, broker) in &self.brokers {
            let Some(connection) = &broker.connection else { continue };
            if !connection.is_silent(now) {
                continue;
            }
            // One without a leader now has lost this one too: it must not keep the others waiting.
            let moved = |dense: u32| self.partitions[dense as usize].leader != *id;
            let all_moved = connection.requests.iter().all(|request| match &request.kind {
                Kind::Produce { parts, .. } => parts.iter().all(|part| moved(part.partition)),
                _ => true,
            });
            if all_moved {
                left.push(connection.id);
            }
        }
        for conn in left {
            self.drop_connection(now, conn, "it does not answer, and its partitions have other leaders".to_owned());
        }
    }

    /// Arms the broker's timer unless it fires earlier anyway.
    pub(super) fn arm_broker(&mut self, id: i32, at: Time) {
        if let Some(broker) = self.brokers.get_mut(&id)
            && at < broker.armed_at
        {
            broker.armed_at = at;
            self.timers.arm(Timer::Broker(id), at);
        }
    }

    /// A connection without work is closed after `connections.max.idle.ms`.
    pub(super) fn arm_idle(&mut self, id: i32) {
        let Some(idle_ms) = self.config.connections_max_idle_ms else { return };
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else { return };
        if connection.requests.is_empty() {
            let at = connection.last_used + Micros::from_ms(idle_ms);
            self.arm_broker(id, at);
        }
    }
}

/// What it most likely means that the broker has ended its connection, where that is known; a request that may have
/// been too large bounds those to come.
fn words_of_end(broker: &mut Broker, logs_in: bool, max_request_size: usize) -> Option<String> {
    let connection = broker.connection.as_ref()?;
    if let Some(exchange) = &connection.sasl.exchange {
        return Some(exchange.place());
    }
    if let Some(version) = connection.greeted_with() {
        return Some(match version {
            0 => "it hung up at ApiVersions: is it a Kafka broker, and does it want TLS?".into(),
            _ => format!("it hung up at version {version} of ApiVersions: the next connection asks with version 0"),
        });
    }
    if connection.phase != Phase::Ready {
        return None;
    }
    if let Some(len) = connection.produce_next_answered()
        && let Some(bound) = broker.request_limit.hung_up(len)
    {
        return Some(format!(
            "it hung up right after a request of {len} bytes, the largest so far: it may refuse that size \
             (socket.request.max.bytes); set max.request.size (now {max_request_size}) and batch.size to what it takes; until then \
             its requests have at most {bound} bytes"
        ));
    }
    // A listener with SASL greets everybody and hangs up at the first request of a client that does not log in.
    let hung_up = !connection.has_served && !connection.requests.is_empty();
    (hung_up && !logs_in).then(|| {
        "it hung up at the first request: if the listener authenticates by SASL, set security.protocol=SASL_PLAINTEXT or \
         SASL_SSL"
            .into()
    })
}
