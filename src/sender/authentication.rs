//! SASL on the brokers' connections: the exchange that a `Login` speaks, and its repetition before the broker ends the
//! session (KIP-368).
//!
//! A renewal leaves what is in flight alone: the login makes its first message while requests go on, then new requests
//! are held, SaslHandshake goes out behind what is in flight (brokers answer in order), and when the broker agrees they
//! go on.

pub(super) mod exchange;

use std::sync::Arc;

use super::connection::{Connection, Kind, Phase};
use super::frame::Frame;
use super::links::Trouble;
use super::{ConnId, Sender};
use crate::error::Status;
use crate::secret::wipe;
use crate::security::login::{AttemptId, Login, Refusal, Reply};
use crate::time::{Micros, Time};
use crate::wire::header::Api;
use crate::wire::sasl::{HANDSHAKE_VERSION, encode_sasl_authenticate, encode_sasl_handshake};

pub use exchange::{Exchange, Next};

/// Kafka's clients renew between 85 and 95 % of a session's life, so that those of one hour do not come together.
const RENEWED_AFTER_PERMILLE: (u64, u64) = (850, 100);
/// However short a session a broker claims to give: one that renews itself all the time sends nothing.
const SESSION_MIN: Micros = Micros::from_ms(100);

/// How SASL stands on a connection.
#[derive(Debug)]
pub struct Sasl {
    pub exchange: Option<Exchange>,
    /// Exchanges so far.
    serial: u32,
    /// When the session is to be renewed, when new requests wait for that at the latest, and when the broker ends it.
    renew_at: Time,
    hold_at: Time,
    ends_at: Time,
    /// Since when new requests wait for the renewal.
    pub held_since: Option<Time>,
    /// When the last message went out: the broker counts the session from then on or a little later.
    pub asked_at: Time,
    /// As whom the connection was authenticated, where the login knows.
    principal: Option<String>,
    /// Renewals in a row that the login could not begin, and why the last one.
    failures: u32,
    failure: Option<Refusal>,
    /// The connection ends, for this reason, as soon as what is in flight is answered.
    leaving: Option<Leaving>,
}

/// Why a connection is left that still answers.
#[derive(Debug)]
pub(super) enum Leaving {
    /// The session has ended, and the login has nothing to renew it with.
    Ended(Refusal),
    /// The login is somebody else now, and a session stays who it was.
    OtherPrincipal,
    /// The broker has another address now, which is named here.
    Moved(String),
}

impl Default for Sasl {
    fn default() -> Sasl {
        let never = Time::NEVER;
        Sasl {
            exchange: None,
            serial: 0,
            renew_at: never,
            hold_at: never,
            ends_at: never,
            held_since: None,
            asked_at: Time::ZERO,
            principal: None,
            failures: 0,
            failure: None,
            leaving: None,
        }
    }
}

impl Sasl {
    /// The next exchange of this connection.
    pub fn begin(&mut self, login: Arc<dyn Login>, conn: ConnId, host: &str, until: Time) {
        let id = AttemptId { conn: conn.0, serial: self.serial };
        self.serial += 1;
        self.exchange = Some(Exchange::begin(login, id, host, until));
    }

    /// The exchange that the reply is for, if it is still under way.
    pub fn awaiting(&mut self, attempt: AttemptId) -> Option<&mut Exchange> {
        self.exchange.as_mut().filter(|exchange| exchange.id() == attempt)
    }

    /// The broker has agreed. `spread` is a number below 1,000.
    pub fn agreed(&mut self, lifetime_ms: u64, spread: u64) {
        let principal = self.exchange.take().and_then(|exchange| exchange.principal);
        self.principal = principal.or(self.principal.take());
        self.held_since = None;
        (self.failures, self.failure) = (0, None);
        (self.renew_at, self.hold_at, self.ends_at) = (Time::NEVER, Time::NEVER, Time::NEVER);
        if lifetime_ms == 0 {
            return;
        }
        let life = Micros::from_ms(lifetime_ms).max(SESSION_MIN);
        let (least, span) = RENEWED_AFTER_PERMILLE;
        let share = least + spread % span;
        let renewed_after = Micros(life.0 / 1_000 * share);
        self.ends_at = self.asked_at + life;
        self.renew_at = self.asked_at + renewed_after;
        self.hold_at = self.ends_at - Micros((life.0 - renewed_after.0) / 4);
    }

    /// When something is due that nobody else brings about.
    pub fn due_at(&self) -> Time {
        let hold_at = if self.held_since.is_none() { self.hold_at } else { Time::NEVER };
        match &self.exchange {
            None if self.leaving.is_some() => Time::NEVER,
            None => self.renew_at.min(hold_at).min(self.ends_at),
            Some(exchange) if exchange.is_preparing() => exchange.until.min(hold_at),
            Some(exchange) => exchange.until,
        }
    }

    /// The session is about to end and has not been renewed.
    fn must_hold(&self, now: Time) -> bool {
        self.held_since.is_none() && self.hold_at <= now
    }

    pub fn must_renew(&self, now: Time) -> bool {
        self.exchange.is_none() && self.leaving.is_none() && self.renew_at <= now
    }

    /// Whether the connection is being left because the broker has another address.
    pub fn leaves_old_address(&self) -> bool {
        matches!(self.leaving, Some(Leaving::Moved(_)))
    }

    /// Whether what is awaited has not come in time.
    pub fn is_overdue(&self, now: Time) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.until <= now)
    }
}

impl Sender {
    /// From now on connections are authenticated by this one. Called before the first action is taken.
    pub fn set_login(&mut self, login: Arc<dyn Login>) {
        self.login = Some(login);
    }

    /// How long a broker may take for one message, as for everything else before a connection can be used.
    pub(super) fn setup_timeout(&self) -> Micros {
        Micros::from_ms(self.config.socket_connection_setup_timeout_ms.min(self.config.request_timeout_ms))
    }

    /// How long the login may take for one message: it may have to ask somebody else, who is asked again when he is
    /// slow.
    pub(super) fn login_timeout(&self) -> Micros {
        Micros::from_ms(self.config.request_timeout_ms)
    }

    /// The broker has told its versions: now it wants to know who we are.
    pub(super) fn begin_authentication(&mut self, now: Time, id: i32, login: Arc<dyn Login>) -> Result<(), String> {
        let until = now + self.login_timeout();
        let Some(broker) = self.brokers.get_mut(&id) else { return Ok(()) };
        let Some(connection) = &mut broker.connection else { return Ok(()) };
        for api in [Api::SaslHandshake, Api::SaslAuthenticate] {
            connection.versions.choose(api).map_err(|why| format!("{why}; SASL needs them"))?;
        }
        connection.phase = Phase::Authenticating;
        let conn = connection.id;
        connection.sasl.begin(login, conn, &broker.host, until);
        self.arm_broker(id, until);
        Ok(())
    }

    /// The session ends before long: the login prepares its successor while requests go on.
    pub(super) fn begin_renewal(&mut self, now: Time, id: i32) {
        let Some(login) = self.login.clone() else { return };
        let until = now + self.login_timeout();
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let Some(connection) = &mut broker.connection else { return };
        let conn = connection.id;
        connection.sasl.begin(login, conn, &broker.host, until);
    }

    /// New requests wait where the broker would not take them any more.
    pub(super) fn hold_expiring(&mut self, now: Time, id: i32) {
        if let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut())
            && connection.sasl.must_hold(now)
        {
            connection.sasl.held_since = Some(now);
        }
    }

    /// What the login answers; to an attempt that has ended meanwhile it means nothing.
    pub(super) fn handle_login(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        let conn = ConnId(attempt.conn);
        let Some(&id) = self.connections.get(&conn) else { return self.telemetry_login(now, attempt, reply) };
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        let is_renewal = connection.phase == Phase::Ready;
        let known = connection.sasl.principal.clone();
        let Some(exchange) = connection.sasl.awaiting(attempt) else { return };
        let was_preparing = exchange.is_preparing();
        let next = exchange.replied(reply);
        match &next {
            Err(refusal) if is_renewal && was_preparing => {
                let refusal = refusal.clone();
                return self.renewal_failed(now, id, refusal);
            }
            Ok(Next::Handshake) => {
                exchange.principal = self.login.as_ref().and_then(|login| login.principal(attempt));
                if known.is_some() && exchange.principal.is_some() && exchange.principal != known {
                    return self.leave(now, id, Leaving::OtherPrincipal);
                }
            }
            _ => {}
        }
        if let Err(trouble) = self.go_on(now, id, next) {
            self.drop_connection(now, conn, trouble);
        }
    }

    /// The login could not begin to renew the session, which goes on until its end: nothing was written yet.
    fn renewal_failed(&mut self, now: Time, id: i32, refusal: Refusal) {
        let (first, most) = (self.config.reconnect_backoff_ms, self.config.reconnect_backoff_max_ms);
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let label = broker.label();
        let Some(connection) = &mut broker.connection else { return };
        let sasl = &mut connection.sasl;
        sasl.exchange = None;
        sasl.failures += 1;
        sasl.renew_at = now + self.random.backoff(first, most, sasl.failures);
        if sasl.failures == 1
            && let Some(more) = broker.log_limit.allow(now)
        {
            let left_ms = sasl.ends_at.since(now).as_ms();
            let text = &refusal.text;
            self.reports.log(4, "SASL", || {
                format!(
                    "{label}: the session cannot be renewed yet, and ends in {left_ms} ms: {text}; trying again{more}"
                )
            });
        }
        let ends = sasl.ends_at <= now;
        sasl.failure = Some(refusal);
        let due_at = sasl.due_at();
        if ends {
            self.end_session(now, id);
        } else {
            self.arm_broker(id, due_at);
        }
    }

    /// The login has not begun to renew the session in time; true when that was what is overdue.
    pub(super) fn renewal_overdue(&mut self, now: Time, id: i32) -> bool {
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else {
            return false;
        };
        let exchange = connection.sasl.exchange.as_ref().filter(|exchange| exchange.is_preparing());
        let Some(exchange) = exchange.filter(|exchange| connection.phase == Phase::Ready && exchange.until <= now)
        else {
            return false;
        };
        let refusal = exchange.overdue_refusal();
        self.renewal_failed(now, id, refusal);
        true
    }

    /// The broker takes nothing more on this connection, and it was not renewed; true when that is so.
    pub(super) fn session_over(&mut self, now: Time, id: i32) -> bool {
        let Some(connection) = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()) else {
            return false;
        };
        let sasl = &connection.sasl;
        let is_over =
            sasl.exchange.is_none() && sasl.leaving.is_none() && sasl.failure.is_some() && sasl.ends_at <= now;
        if is_over {
            self.end_session(now, id);
        }
        is_over
    }

    fn end_session(&mut self, now: Time, id: i32) {
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        let failure = connection.sasl.failure.take();
        let refusal = failure.unwrap_or_else(|| Refusal {
            status: Status::CREDENTIALS,
            text: "its session has ended".into(),
            is_permanent: false,
        });
        self.leave(now, id, Leaving::Ended(refusal));
    }

    /// Nothing more is sent on the connection; it ends when what is in flight is answered.
    pub(super) fn leave(&mut self, now: Time, id: i32, why: Leaving) {
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        let sasl = &mut connection.sasl;
        sasl.exchange = None;
        sasl.held_since.get_or_insert(now);
        sasl.leaving = Some(why);
        self.leave_if_answered(now, id);
    }

    /// A connection that is to be left is, once nothing is in flight.
    pub(super) fn leave_if_answered(&mut self, now: Time, id: i32) {
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else { return };
        if !connection.requests.is_empty() {
            return;
        }
        let conn = connection.id;
        let trouble = match connection.sasl.leaving.take() {
            None => return,
            Some(Leaving::Ended(refusal)) => Trouble::from(Refusal {
                text: format!("the session has ended and could not be renewed: {}", refusal.text),
                ..refusal
            }),
            Some(Leaving::OtherPrincipal) => Trouble::planned(
                "the credentials are somebody else's now, whom a session that is renewed may not become",
            ),
            Some(Leaving::Moved(address)) => Trouble::planned(&format!("the broker moved to {address}")),
        };
        self.drop_connection(now, conn, trouble);
    }

    /// The broker has answered a request of the exchange.
    pub(super) fn handle_sasl(
        &mut self,
        now: Time,
        id: i32,
        api: Api,
        version: i16,
        body: &[u8],
    ) -> Result<(), Trouble> {
        let connection = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut());
        let Some(exchange) = connection.and_then(|connection| connection.sasl.exchange.as_mut()) else { return Ok(()) };
        let next = match api {
            Api::SaslHandshake => exchange.handshake_answered(body),
            _ => exchange.answered(version, body),
        };
        self.go_on(now, id, next)
    }

    fn go_on(&mut self, now: Time, id: i32, next: Result<Next, Refusal>) -> Result<(), Trouble> {
        let (setup_timeout, login_timeout) = (self.setup_timeout(), self.login_timeout());
        let Some(connection) = self.brokers.get_mut(&id).and_then(|broker| broker.connection.as_mut()) else {
            return Ok(());
        };
        let step = next.map_err(Trouble::from)?;
        // Behind requests that the broker may take its time for.
        let behind = connection.requests.iter().map(|request| request.deadline).max().unwrap_or(now).max(now);
        let until = if step == Next::Login { now + login_timeout } else { behind + setup_timeout };
        let version = connection.versions.get(Api::SaslAuthenticate).unwrap_or_default();
        let Some(exchange) = &mut connection.sasl.exchange else { return Ok(()) };
        exchange.until = until;
        let mechanism = exchange.mechanism();
        let client_id = self.config.client_id.clone();
        match step {
            Next::Login => self.arm_broker(id, until),
            Next::Handshake => {
                if connection.phase == Phase::Ready {
                    connection.sasl.held_since.get_or_insert(now);
                }
                self.write(now, id, HANDSHAKE_VERSION, Kind::Sasl(Api::SaslHandshake), until, |correlation_id| {
                    Frame::plain(encode_sasl_handshake(correlation_id, &client_id, mechanism))
                });
            }
            Next::Authenticate(mut bytes) => {
                connection.sasl.asked_at = now;
                self.write(now, id, version, Kind::Sasl(Api::SaslAuthenticate), until, |correlation_id| {
                    Frame::plain(encode_sasl_authenticate(version, correlation_id, &client_id, &bytes))
                });
                wipe(&mut bytes);
            }
            Next::Done { lifetime_ms } => self.authenticated(now, id, mechanism, lifetime_ms),
        }
        Ok(())
    }

    /// The broker believes us, for `lifetime_ms` or for ever.
    fn authenticated(&mut self, now: Time, id: i32, mechanism: &'static str, lifetime_ms: u64) {
        let spread = self.random.below(1_000);
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let label = broker.label();
        let Some(connection) = &mut broker.connection else { return };
        let was_held = connection.sasl.held_since;
        connection.sasl.agreed(lifetime_ms, spread);
        let (is_first, is_late) = (connection.phase != Phase::Ready, connection.sasl.must_renew(now));
        self.reports.log(7, "SASL", || match (was_held, lifetime_ms) {
            (Some(since), _) => format!(
                "{label}: authenticated again by {mechanism}, for {lifetime_ms} ms; requests waited {} ms",
                now.since(since).as_ms()
            ),
            (None, 0) => format!("{label}: authenticated by {mechanism}"),
            (None, _) => format!("{label}: authenticated by {mechanism}, for {lifetime_ms} ms"),
        });
        if is_late {
            // The login has taken so long to agree that the session is at its end.
            self.begin_renewal(now, id);
            self.hold_expiring(now, id);
        }
        let due_at = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref()).map(|c| c.sasl.due_at());
        self.arm_broker(id, due_at.unwrap_or(Time::NEVER));
        if is_first {
            self.connection_ready(now, id);
        } else {
            self.requests_go_on(now, id);
        }
    }

    /// Credentials, or certificates, are others now: who refused us is asked again at once. Connections that are
    /// authenticated stay as they are until their sessions are renewed.
    pub(super) fn credentials_changed(&mut self, now: Time) {
        // An attempt that was begun with the old ones would be one more refusal, and what was sent since would fail
        // with it.
        let is_stale = |connection: &&Connection| connection.phase != Phase::Ready;
        let stale: Vec<_> = self
            .brokers
            .values()
            .filter(|broker| broker.refused.is_some())
            .filter_map(|broker| broker.connection.as_ref().filter(is_stale).map(|connection| connection.id))
            .collect();
        for conn in stale {
            self.drop_connection(now, conn, Trouble::planned("the credentials have changed"));
        }
        for broker in self.brokers.values_mut().filter(|broker| broker.refused.is_some()) {
            broker.retry_at = now;
        }
        let waiting: Vec<i32> =
            self.brokers.values().filter(|broker| !broker.ready.is_empty()).map(|broker| broker.id).collect();
        for id in waiting {
            self.ensure_connected(now, id);
        }
        self.drive_metadata(now);
        self.note_change();
    }
}

impl Connection {
    /// Whether requests may be written: the broker knows us, and no renewal of the session is under way.
    pub fn takes_requests(&self) -> bool {
        self.phase == Phase::Ready && self.sasl.held_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_renewed_between_85_and_95_percent_of_its_life() {
        for spread in 0..1_000 {
            let mut sasl = Sasl { asked_at: Time(5_000_000), ..Sasl::default() };
            sasl.agreed(10_000, spread);
            assert!((Time(13_500_000)..=Time(14_500_000)).contains(&sasl.renew_at), "{sasl:?}");
            assert!(sasl.renew_at < sasl.hold_at && sasl.hold_at < sasl.ends_at);
            assert_eq!(sasl.ends_at, Time(15_000_000));
        }
    }

    #[test]
    fn sessions_without_an_end_and_absurd_ones_do_no_harm() {
        let mut sasl = Sasl::default();
        sasl.agreed(0, 7);
        assert_eq!((sasl.due_at(), sasl.must_renew(Time(u64::MAX - 1))), (Time::NEVER, false));
        sasl.agreed(1, 7);
        assert!(sasl.due_at() >= Time(85_000), "not a thousand times a second");
        sasl.agreed(u64::MAX, 999);
        assert!(sasl.due_at() > Time(1 << 60));
    }
}
