//! One connection's protocol state: what was written, what is awaited, which versions the broker speaks.

use std::collections::VecDeque;

use super::ConnId;
use super::authentication::Sasl;
use super::input::{BadInput, Input, Response};
use super::partition::Taken;
use super::silence::{SUSPECTED_AFTER, Silence};
use super::throttle::Throttle;
use super::transaction::CoordinatorRequest;
use crate::time::Time;
use crate::wire::api::{ApiRange, choose_version};
use crate::wire::header::Api;
use crate::wire::produce::TopicId;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Connecting,
    /// Connected; the broker has not told its versions yet.
    Negotiating,
    /// The broker does not know yet who we are.
    Authenticating,
    Ready,
}

#[derive(Debug)]
pub struct Connection {
    pub id: ConnId,
    pub phase: Phase,
    pub versions: Versions,
    pub sasl: Sasl,
    /// A request other than greetings and logins was answered on it.
    pub has_served: bool,
    /// Requests in the order in which they were written: responses come in the same order.
    pub requests: VecDeque<Request>,
    /// Bytes handed to the driver, those of them that may have gone to the broker, and those that the socket took.
    pub queued_bytes: u64,
    pub written_bytes: u64,
    pub through_bytes: u64,
    /// KIP-219: the broker asked for silence until then.
    pub throttle: Throttle,
    /// When connecting began.
    pub begun_at: Time,
    pub last_used: Time,
    /// Produce requests with acks=0 that the socket has not taken whole, and when the last one was handed over.
    pub unanswered: usize,
    pub last_unanswered: Option<Time>,
    /// How often the cluster was asked who leads because this broker does not answer.
    pub silence: Silence,
    next_correlation_id: i32,
    pub input: Input,
}

/// A request that was handed to the driver.
#[derive(Debug)]
pub struct Request {
    pub correlation_id: i32,
    pub version: i16,
    pub kind: Kind,
    pub len: usize,
    /// Its place in the connection's byte stream: tells whether the socket took any or all of it.
    pub end: u64,
    pub sent_at: Time,
    pub deadline: Time,
}

/// What the broker at the other end speaks.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    ranges: Vec<ApiRange>,
}

impl Versions {
    pub fn new(ranges: Vec<ApiRange>) -> Versions {
        Versions { ranges }
    }

    /// The highest version that both sides speak, or a sentence that names the API and both ranges.
    pub fn choose(&self, api: Api) -> Result<i16, String> {
        let (min, max) = api.versions();
        choose_version(&self.ranges, api, min, max)
    }

    /// The same, without the sentence.
    pub fn get(&self, api: Api) -> Option<i16> {
        let (min, max) = api.versions();
        let theirs = self.ranges.iter().find(|range| range.api_key == api.key())?;
        let version = max.min(theirs.max);
        (version >= min.max(theirs.min)).then_some(version)
    }
}

#[derive(Debug)]
pub enum Kind {
    ApiVersions,
    /// SaslHandshake or SaslAuthenticate.
    Sasl(Api),
    Metadata,
    /// Metadata that the application asked for; numbered, so that a late answer is recognised.
    Query(u64),
    /// A producer id for an idempotent producer without transactions; numbered, so that a late answer is recognised.
    ProducerId(u64),
    /// A request to a transaction or group coordinator, or the search for one.
    Coordinator(CoordinatorRequest),
    /// `answered`: false with acks=0, where the broker sends no response.
    Produce {
        parts: Vec<Part>,
        answered: bool,
    },
}

/// One partition's batch in a produce request. `None` when its outcome was decided before the answer came (expired,
/// purged): the answer is then of no interest.
#[derive(Debug)]
pub struct Part {
    pub partition: u32,
    /// Under which the request names the topic; of no meaning where it does by name.
    pub topic_id: TopicId,
    pub taken: Option<Taken>,
}

impl Connection {
    pub fn new(id: ConnId, now: Time) -> Connection {
        Connection {
            id,
            phase: Phase::Connecting,
            versions: Versions::default(),
            sasl: Sasl::default(),
            has_served: false,
            requests: VecDeque::new(),
            queued_bytes: 0,
            written_bytes: 0,
            through_bytes: 0,
            throttle: Throttle::default(),
            begun_at: now,
            last_used: now,
            unanswered: 0,
            last_unanswered: None,
            silence: Silence::default(),
            next_correlation_id: 0,
            input: Input::default(),
        }
    }

    pub fn next_correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = (id + 1) & i32::MAX;
        id
    }

    /// What `next_correlation_id` will answer.
    pub fn peek_correlation_id(&self) -> i32 {
        self.next_correlation_id
    }

    /// Notes a request of `len` bytes.
    pub fn push(&mut self, now: Time, correlation_id: i32, version: i16, kind: Kind, len: usize, deadline: Time) {
        self.queued_bytes += len as u64;
        if !matches!(kind, Kind::Sasl(_)) {
            self.last_used = now;
        }
        if matches!(kind, Kind::Produce { answered: false, .. }) {
            self.unanswered += 1;
            self.last_unanswered = Some(now);
        }
        self.requests.push_back(Request {
            correlation_id,
            version,
            kind,
            len,
            end: self.queued_bytes,
            sent_at: now,
            deadline,
        });
    }

    pub fn unwritten_bytes(&self) -> u64 {
        self.queued_bytes - self.written_bytes
    }

    pub fn owes_metadata(&self) -> bool {
        self.requests.iter().any(|request| matches!(request.kind, Kind::Metadata | Kind::Query(_)))
    }

    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// When the oldest request must have been answered.
    pub fn request_deadline(&self) -> Time {
        self.requests.iter().map(|request| request.deadline).min().unwrap_or(Time::NEVER)
    }

    /// The oldest produce request that waits for its answer, or, with acks=0, for the socket.
    pub fn oldest_produce(&self) -> Option<&Request> {
        self.requests.iter().find(|request| matches!(request.kind, Kind::Produce { .. }))
    }

    /// Whether a produce request has waited so long that the broker may hang.
    pub fn is_silent(&self, now: Time) -> bool {
        self.oldest_produce().is_some_and(|request| now.since(request.sent_at) >= SUSPECTED_AFTER)
    }

    /// When the cluster is to be asked next who leads what waits here. `has_work`: something waits for the connection
    /// itself.
    pub fn ask_at(&mut self, has_work: bool) -> Time {
        let waits = self.oldest_produce().map(|request| (Some(request.correlation_id), request.sent_at));
        let waits = waits.or_else(|| (has_work && self.phase != Phase::Ready).then_some((None, self.begun_at)));
        waits.map_or(Time::NEVER, |(request, since)| self.silence.ask_at(request, since))
    }

    /// The version of ApiVersions whose answer is awaited.
    pub fn greeted_with(&self) -> Option<i16> {
        let greeting = self.requests.iter().find(|request| matches!(request.kind, Kind::ApiVersions));
        greeting.map(|request| request.version)
    }

    /// Bytes of the request that the broker has to answer next, if it is a produce request that may have reached it.
    pub fn produce_next_answered(&self) -> Option<usize> {
        let oldest = self.requests.front().filter(|request| matches!(request.kind, Kind::Produce { .. }))?;
        let begun = oldest.end - (oldest.len as u64) < self.written_bytes;
        begun.then_some(oldest.len)
    }

    /// Takes input apart: gives each whole response to `take` until that answers false. The error is a sentence: the
    /// connection is of no use any more.
    pub fn frames(
        &mut self,
        mut bytes: &[u8],
        frame_bytes_max: usize,
        mut take: impl FnMut(&mut Connection, Response<'_>) -> bool,
    ) -> Result<(), String> {
        loop {
            match self.input.next(&mut bytes, frame_bytes_max) {
                Ok(Some(response)) => {
                    if !take(self, response) {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(BadInput::Length(head)) => return Err(describe_garbage(head, frame_bytes_max)),
                Err(BadInput::OutOfMemory(len)) => {
                    return Err(format!("the operating system gives no memory for its response of {len} bytes"));
                }
            }
        }
    }
}

/// What a length field that cannot be one most likely is.
fn describe_garbage(head: [u8; 4], frame_bytes_max: usize) -> String {
    match head {
        [b'H', b'T', b'T', b'P'] => "it answers in HTTP: this is a web server's port, not a Kafka broker's".into(),
        [0x15, 3, ..] | [0x16, 3, ..] => {
            "it answers in TLS: this listener wants security.protocol=SSL or SASL_SSL, not PLAINTEXT or SASL_PLAINTEXT"
                .into()
        }
        _ => format!(
            "it sent a response of {} bytes, which no broker sends (receive.message.max.bytes={frame_bytes_max}): is it a \
             Kafka broker?",
            i32::from_be_bytes(head)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames_of(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let mut connection = Connection::new(ConnId(1), Time::ZERO);
        let mut got = Vec::new();
        for piece in pieces {
            connection.frames(piece, 100, |_, frame| {
                got.push(frame.bytes().to_vec());
                true
            })?;
        }
        Ok(got)
    }

    #[test]
    fn frames_are_found_however_the_bytes_arrive() {
        let stream = [0u8, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9];
        let expected = Ok(vec![vec![7, 8], vec![], vec![9]]);
        assert_eq!(frames_of(&[&stream]), expected);
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(frames_of(&single), expected);
        for cut in 0..stream.len() {
            assert_eq!(frames_of(&[&stream[..cut], &stream[cut..]]), expected);
        }
    }

    #[test]
    fn garbage_is_named_for_what_it_is() {
        assert!(frames_of(&[b"HTTP/1.1 400"]).expect_err("not Kafka").contains("HTTP"));
        assert!(frames_of(&[&[0x15, 3, 3, 0, 2]]).expect_err("not Kafka").contains("TLS"));
        assert!(frames_of(&[&[0xff; 4]]).expect_err("not Kafka").contains("-1 bytes"));
        assert!(frames_of(&[&[0, 0, 0, 101]]).expect_err("too long").contains("101 bytes"));
    }
}
