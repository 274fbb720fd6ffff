//! The connection that telemetry has for itself: made when a request is due, one request at a time, closed when the
//! next one is far away. To a broker that offers both requests: another connection has told so.

use std::sync::Arc;

use super::super::authentication::Next;
use super::super::connection::{Connection, Kind, Phase, Versions};
use super::super::frame::Frame;
use super::super::greeting::{self, Reading};
use super::super::input::Response;
use super::super::{Action, ConnId, Sender};
use crate::secret::wipe;
use crate::security::login::{AttemptId, Login, Refusal, Reply};
use crate::time::{Micros, Time};
use crate::wire::api::encode_api_versions;
use crate::wire::header::{Api, split_response};
use crate::wire::sasl::{HANDSHAKE_VERSION, encode_sasl_authenticate, encode_sasl_handshake};
use crate::wire::telemetry::{decode_pushed, decode_subscriptions};

/// An answer that takes longer is not waited for.
const ANSWER_TIMEOUT_MS: u64 = 10_000;
/// A subscription is a list of names.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The two requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    Subscription,
    Push,
}

pub struct Link {
    connection: Connection,
    /// The connection's end, or the answer, is awaited until then.
    until: Time,
    /// The version of ApiVersions that it was asked with last.
    greeted_with: i16,
    /// The request whose answer is awaited; with `ApiVersions` there is none.
    awaited: Option<Awaited>,
}

struct Awaited {
    correlation_id: i32,
    asked: Asked,
    terminating: bool,
}

impl Link {
    /// When the broker must have done what is awaited; never while nothing is.
    pub fn deadline(&self) -> Time {
        self.until
    }

    /// The broker ends the session before long: another connection begins another.
    pub fn is_expiring(&self, now: Time) -> bool {
        self.awaited.is_none() && self.connection.sasl.must_renew(now)
    }

    /// What has not come.
    pub fn overdue(&self) -> &'static str {
        match (self.connection.phase, &self.awaited) {
            (Phase::Connecting, _) => "no connection in time",
            (Phase::Negotiating, _) => "no answer to ApiVersions in time",
            (Phase::Authenticating, _) => "it was not authenticated in time",
            (Phase::Ready, _) => "no answer in time",
        }
    }
}

impl Sender {
    /// A broker has told what it speaks.
    pub(in super::super) fn telemetry_offered(&mut self, now: Time, id: i32) {
        let connection = self.brokers.get(&id).and_then(|broker| broker.connection.as_ref());
        if self.telemetry.link.is_none() && connection.is_some_and(|connection| offers(&connection.versions)) {
            self.drive_telemetry(now);
        }
    }

    /// Connects to where the last connection led, or to one of the brokers that offer telemetry.
    pub(super) fn connect_telemetry(&mut self, now: Time) {
        if self.telemetry.target.is_none() {
            let offering = self.brokers.values().filter(|broker| {
                broker.connection.as_ref().is_some_and(|c| c.phase == Phase::Ready && offers(&c.versions))
            });
            let offering: Vec<(String, u16)> = offering.map(|broker| (broker.host.clone(), broker.port)).collect();
            if offering.is_empty() {
                // Whoever offers it next drives on.
                self.accumulator.client_instance.note("");
                return;
            }
            let choice = self.random.below(offering.len() as u64) as usize;
            self.telemetry.target = offering.into_iter().nth(choice);
        }
        let Some((host, port)) = self.telemetry.target.clone() else { return };
        self.accumulator.client_instance.note("a broker is being asked");
        let conn = ConnId(self.next_connection);
        self.next_connection += 1;
        let setup_timeout_ms = self.config.socket_connection_setup_timeout_ms;
        // The driver keeps to the limit; should it not, this does.
        let until = now + Micros::from_ms(setup_timeout_ms.saturating_add(ANSWER_TIMEOUT_MS));
        let same = self.brokers.values().find(|broker| broker.host == host && broker.port == port);
        let greeted_with = same.map(|broker| broker.greeting).unwrap_or_default().version();
        self.telemetry.link = Some(Link { connection: Connection::new(conn, now), until, greeted_with, awaited: None });
        self.actions.push_back(Action::Connect { conn, host, port, setup_timeout_ms });
        self.arm_telemetry(until);
    }

    /// Whether this is telemetry's connection.
    fn is_telemetry(&self, conn: ConnId) -> bool {
        self.telemetry.link.as_ref().is_some_and(|link| link.connection.id == conn)
    }

    pub(in super::super) fn telemetry_connected(&mut self, now: Time, conn: ConnId) {
        if self.is_telemetry(conn) {
            self.greet_telemetry(now, conn);
        }
    }

    fn greet_telemetry(&mut self, now: Time, conn: ConnId) {
        let until = now + self.answer_timeout();
        let Some(link) = &mut self.telemetry.link else { return };
        link.connection.phase = Phase::Negotiating;
        link.until = until;
        let correlation_id = link.connection.next_correlation_id();
        let (name, version) = super::SCOPE;
        let frame = encode_api_versions(link.greeted_with, correlation_id, &self.config.client_id, name, version, None);
        link.awaited = None;
        self.actions.push_back(Action::Write { conn, frame: Frame::plain(frame) });
        self.arm_telemetry(until);
    }

    fn answer_timeout(&self) -> Micros {
        Micros::from_ms(self.config.request_timeout_ms.min(ANSWER_TIMEOUT_MS))
    }

    pub(super) fn write_telemetry(&mut self, now: Time, asked: Asked, encode: impl FnOnce(i32) -> Vec<u8>) {
        let until = now + self.answer_timeout();
        let terminating = self.telemetry.ending.is_some();
        let Some(link) = &mut self.telemetry.link else { return };
        let correlation_id = link.connection.next_correlation_id();
        link.awaited = Some(Awaited { correlation_id, asked, terminating });
        link.until = until;
        let conn = link.connection.id;
        self.actions.push_back(Action::Write { conn, frame: Frame::plain(encode(correlation_id)) });
        self.arm_telemetry(until);
    }

    pub(in super::super) fn telemetry_bytes(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        if !self.is_telemetry(conn) {
            return;
        }
        let Some(link) = &mut self.telemetry.link else { return };
        let limit = ANSWER_BYTES_MAX.min(self.config.receive_message_max_bytes);
        let mut frames: Vec<Response<'static>> = Vec::new();
        let cut = link.connection.frames(bytes, limit, |_, frame| {
            frames.push(frame.into_owned());
            true
        });
        let mut failed = cut.err();
        for frame in frames {
            // An answer may have ended the connection.
            if !self.is_telemetry(conn) {
                return;
            }
            if let Err(reason) = self.telemetry_answered(now, frame.bytes()) {
                failed = Some(reason);
                break;
            }
        }
        if let Some(reason) = failed.filter(|_| self.is_telemetry(conn)) {
            self.leave_telemetry_link();
            self.telemetry_failed(now, &reason);
        }
    }

    fn telemetry_answered(&mut self, now: Time, frame: &[u8]) -> Result<(), String> {
        let Some(link) = &mut self.telemetry.link else { return Ok(()) };
        if link.connection.phase == Phase::Authenticating {
            return self.telemetry_sasl_answered(now, frame);
        }
        if link.connection.phase != Phase::Ready {
            let (_, body) = split_response(Api::ApiVersions, link.greeted_with, frame)
                .map_err(|error| format!("the ApiVersions response cannot be read: {error}"))?;
            let versions = match greeting::read(link.greeted_with, body)? {
                Reading::Versions(answer) => Versions::new(answer.ranges),
                Reading::Misrouted => return Err("it is another broker".into()),
                Reading::AskAgain(older) => {
                    link.greeted_with = older;
                    let conn = link.connection.id;
                    self.greet_telemetry(now, conn);
                    return Ok(());
                }
            };
            if !offers(&versions) {
                return Err("this broker does not offer client telemetry".into());
            }
            link.connection.versions = versions;
            match self.login.clone() {
                Some(login) => self.authenticate_telemetry(now, login),
                None => self.telemetry_ready(now),
            }
            return Ok(());
        }
        let Some(awaited) = link.awaited.take() else { return Err("it sent a response that nobody asked for".into()) };
        let api = match awaited.asked {
            Asked::Subscription => Api::GetTelemetrySubscriptions,
            Asked::Push => Api::PushTelemetry,
        };
        let unreadable = |error| format!("the {} response cannot be read: {error}", api.name());
        let (correlation_id, body) = split_response(api, api.versions().1, frame).map_err(unreadable)?;
        if correlation_id != awaited.correlation_id {
            return Err("the stream of responses is out of step".into());
        }
        link.until = Time::NEVER;
        match awaited.asked {
            Asked::Subscription => {
                let answer = decode_subscriptions(body).map_err(unreadable)?;
                self.subscription_answered(now, answer);
            }
            Asked::Push => {
                let answer = decode_pushed(body).map_err(unreadable)?;
                self.push_answered(now, answer.error_code, answer.throttle_time_ms, awaited.terminating);
            }
        }
        Ok(())
    }

    fn telemetry_ready(&mut self, now: Time) {
        if let Some(link) = &mut self.telemetry.link {
            link.connection.phase = Phase::Ready;
            link.until = Time::NEVER;
        }
        self.drive_telemetry(now);
    }

    /// SASL as on every connection, but for renewals: a link whose session ends is left for another.
    fn authenticate_telemetry(&mut self, now: Time, login: Arc<dyn Login>) {
        let until = now + self.login_timeout();
        let host = self.telemetry.target.as_ref().map_or_else(String::new, |(host, _)| host.clone());
        let Some(link) = &mut self.telemetry.link else { return };
        link.connection.phase = Phase::Authenticating;
        link.until = until;
        let conn = link.connection.id;
        link.connection.sasl.begin(login, conn, &host, until);
        self.arm_telemetry(until);
    }

    /// What the login answers to an exchange that is none of a broker's connection.
    pub(in super::super) fn telemetry_login(&mut self, now: Time, attempt: AttemptId, reply: Reply) {
        let link = self.telemetry.link.as_mut().filter(|link| link.connection.id.0 == attempt.conn);
        let Some(exchange) = link.and_then(|link| link.connection.sasl.awaiting(attempt)) else { return };
        let next = exchange.replied(reply);
        if let Err(reason) = self.telemetry_goes_on(now, next) {
            self.leave_telemetry_link();
            self.telemetry_failed(now, &reason);
        }
    }

    fn telemetry_sasl_answered(&mut self, now: Time, frame: &[u8]) -> Result<(), String> {
        let Some(link) = &mut self.telemetry.link else { return Ok(()) };
        let request = link.connection.requests.pop_front();
        let (Some(request), Some(exchange)) = (request, &mut link.connection.sasl.exchange) else {
            return Err("it sent a response that nobody asked for".into());
        };
        let api = if let Kind::Sasl(api) = request.kind { api } else { Api::SaslAuthenticate };
        let (correlation_id, body) = split_response(api, request.version, frame)
            .map_err(|error| format!("the {} response cannot be read: {error}", api.name()))?;
        if correlation_id != request.correlation_id {
            return Err("the stream of responses is out of step".into());
        }
        let next = match api {
            Api::SaslHandshake => exchange.handshake_answered(body),
            _ => exchange.answered(request.version, body),
        };
        self.telemetry_goes_on(now, next)
    }

    fn telemetry_goes_on(&mut self, now: Time, next: Result<Next, Refusal>) -> Result<(), String> {
        let next = next.map_err(|refusal| refusal.text)?;
        let until = now + if next == Next::Login { self.login_timeout() } else { self.setup_timeout() };
        let spread = self.random.below(1_000);
        let Some(link) = &mut self.telemetry.link else { return Ok(()) };
        let connection = &mut link.connection;
        let version = connection.versions.choose(Api::SaslAuthenticate)?;
        let Some(exchange) = &connection.sasl.exchange else { return Ok(()) };
        let (mechanism, client_id) = (exchange.mechanism(), &self.config.client_id);
        let mut request = None;
        match next {
            Next::Login => {}
            Next::Handshake => {
                let id = connection.next_correlation_id();
                let frame = encode_sasl_handshake(id, client_id, mechanism);
                request = Some((id, HANDSHAKE_VERSION, Api::SaslHandshake, frame));
            }
            Next::Authenticate(mut bytes) => {
                connection.sasl.asked_at = now;
                let id = connection.next_correlation_id();
                let frame = encode_sasl_authenticate(version, id, client_id, &bytes);
                wipe(&mut bytes);
                request = Some((id, version, Api::SaslAuthenticate, frame));
            }
            Next::Done { lifetime_ms } => {
                connection.sasl.agreed(lifetime_ms, spread);
                self.telemetry_ready(now);
                return Ok(());
            }
        }
        if let Some((id, version, api, frame)) = request {
            connection.push(now, id, version, Kind::Sasl(api), frame.len(), until);
            self.actions.push_back(Action::Write { conn: connection.id, frame: Frame::plain(frame) });
        }
        link.until = until;
        self.arm_telemetry(until);
        Ok(())
    }

    /// The driver says that the connection ended.
    pub(in super::super) fn telemetry_closed(&mut self, now: Time, conn: ConnId, reason: &str) {
        if !self.is_telemetry(conn) {
            return;
        }
        let Some(link) = self.telemetry.link.take() else { return };
        if link.until == Time::NEVER {
            // Brokers close idle connections: that is no failure.
            self.drive_telemetry(now);
            return;
        }
        self.telemetry_failed(now, reason);
    }

    /// Closes the connection, if there is one.
    pub(super) fn leave_telemetry_link(&mut self) {
        if let Some(link) = self.telemetry.link.take() {
            self.actions.push_back(Action::Close { conn: link.connection.id });
        }
    }
}

fn offers(versions: &Versions) -> bool {
    [Api::GetTelemetrySubscriptions, Api::PushTelemetry].iter().all(|api| versions.get(*api).is_some())
}
