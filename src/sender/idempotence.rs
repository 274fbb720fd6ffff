//! The producer id and epoch that batches carry: where they come from, when a new epoch begins, and when a partition
//! takes it on (transactions.md 3.1 to 3.3).

use std::collections::BTreeSet;

use super::Sender;
use super::connection::{Connection, Kind};
use super::frame::Frame;
use super::identity::{EPOCH_MAX, Identity};
use super::outcome::Ending;
use super::partition::Taken;
use super::produce::c_text;
use super::rate_limit::RateLimit;
use super::sequence::SequenceBreak;
use super::timers::Timer;
use crate::config::Config;
use crate::error::Status;
use crate::reports::Phase;
use crate::time::{Micros, Time};
use crate::wire::header::Api;
use crate::wire::transactions::{ProducerIdQuestion, decode_init_producer_id, encode_init_producer_id};

/// A broker that takes longer than this is not waited for: another is asked.
const ATTEMPT_TIMEOUT_MS: u64 = 5_000;

const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: i16 = 53;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const UNSUPPORTED_VERSION: i16 = 35;

pub struct Idempotence {
    /// `enable.idempotence`.
    pub is_on: bool,
    /// A transactional producer gets its id from its coordinator, and its epochs too.
    is_transactional: bool,
    pub(super) current: Option<Identity>,
    /// The request for an id that is under way, and until when another broker is not asked instead.
    asked: Option<(u64, Time)>,
    /// Requests so far: numbers them.
    requests: u64,
    /// The last answer was a refusal that somebody has to put right: only who waits for an id asks again.
    is_refused: bool,
    /// Back-off between requests, and its exponent.
    not_before: Time,
    failures: u32,
    /// Of lines about answers without a producer id.
    log_limit: RateLimit,
    /// Why the last answer gave none.
    trouble: Option<String>,
    /// Partitions that have something to send and wait for an id.
    waiting: BTreeSet<u32>,
}

impl Idempotence {
    pub fn new(config: &Config) -> Idempotence {
        Idempotence {
            is_on: config.enable_idempotence,
            is_transactional: config.transactional_id.is_some(),
            current: None,
            asked: None,
            requests: 0,
            is_refused: false,
            not_before: Time::ZERO,
            failures: 0,
            log_limit: RateLimit::default(),
            trouble: None,
            waiting: BTreeSet::new(),
        }
    }

    /// Why records wait for a producer id, if they do and a broker has refused to give one.
    pub fn trouble_of_waiting(&self) -> Option<&str> {
        self.trouble.as_deref().filter(|_| !self.waiting.is_empty())
    }

    /// The identity after `used`, which a partition cannot go on with: the current one if that is another already, else
    /// the next epoch. `None`: a new producer id is needed first.
    fn next_after(&mut self, used: Option<Identity>) -> Option<Identity> {
        let current = self.current?;
        if used == Some(current) {
            self.current = (current.epoch < EPOCH_MAX).then(|| Identity { epoch: current.epoch + 1, ..current });
        }
        self.current
    }
}

impl Sender {
    /// A new identity is current: each partition takes it on when nothing of it is undecided.
    pub(super) fn adopt_identity(&mut self, now: Time, identity: Identity) {
        if self.idempotence.current.is_some_and(|before| before != identity) {
            self.accumulator.numbers.epoch_bumps.add(1);
        }
        self.idempotence.current = Some(identity);
        self.note_change();
        self.idempotence.failures = 0;
        self.idempotence.trouble = None;
        self.idempotence.is_refused = false;
        for dense in std::mem::take(&mut self.idempotence.waiting) {
            self.mark_ready(now, dense);
        }
    }

    /// The current identity.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.idempotence.current
    }

    /// Whether the partition's next batch can be numbered. Takes on the current identity where that is due, and begins
    /// a new epoch where a batch that was given up has left a hole in the sequences.
    pub(super) fn may_number(&mut self, now: Time, dense: u32) -> bool {
        if !self.idempotence.is_on {
            return true;
        }
        let state = &self.partitions[dense as usize];
        let used = state.sequences.identity();
        if state.sequences.is_refused() && state.in_flight == 0 && !self.idempotence.is_transactional {
            self.report_in_doubt(now, dense);
            self.stop_partitions(now);
        }
        // While a batch may be in the log its numbers stand: it is sent with them until the broker decides. The others
        // are certainly not in the log, so that they may be numbered anew.
        let state = &self.partitions[dense as usize];
        let hole = state.sequences.has_hole();
        let all_definite = hole && state.in_flight == 0 && !state.retries.iter().any(|taken| taken.in_doubt);
        if all_definite && !self.idempotence.is_transactional && self.idempotence.current.is_some() {
            let before = self.idempotence.current;
            let next = self.idempotence.next_after(used);
            if next != before {
                self.accumulator.numbers.epoch_bumps.add(1);
            }
            let (label, topic) = (state.label(), state.topic.id);
            if let Some(more) = self.cluster.allow_log(now, topic) {
                self.reports.log(5, "PARTITION", || {
                    let with = next.map_or("a new producer id".into(), |next| format!("producer epoch {}", next.epoch));
                    format!("{label}: a batch is missing from the sequence; going on with {with}{more}")
                });
            }
        }
        if self.idempotence.current.is_none() && !self.idempotence.is_transactional && used.is_some() && !hole {
            // Another partition needs a new producer id; this one is well served with what it has.
            return true;
        }
        let Some(current) = self.idempotence.current else {
            self.idempotence.waiting.insert(dense);
            self.drive_producer_id(now);
            return false;
        };
        let state = &mut self.partitions[dense as usize];
        if used != Some(current) && (all_definite || state.sequences.is_settled()) {
            // The first sequence of an epoch is 0; only where a broker knows nothing of the producer it may be another.
            let first = if used.is_none() { self.config.test_first_sequence } else { 0 };
            state.sequences.adopt(current, first);
            for taken in &mut state.retries {
                taken.forget_number();
            }
        }
        // With a hole, what is in doubt is tried again under its old number; nothing new is.
        state.sequences.identity().is_some() && (!state.sequences.has_hole() || !state.retries.is_empty())
    }

    /// The partition gets a new epoch though batches of it may be in the log. Under new numbers they could be written
    /// twice, so they end here, in doubt (R3).
    fn report_in_doubt(&mut self, now: Time, dense: u32) {
        let state = &mut self.partitions[dense as usize];
        let (in_doubt, definite) = std::mem::take(&mut state.retries).into_iter().partition(|taken| taken.in_doubt);
        state.retries = definite;
        let in_doubt: std::collections::VecDeque<Taken> = in_doubt;
        let (status, text) = match self.partitions[dense as usize].sequences.broken() {
            Some(why @ SequenceBreak::TopicMadeAgain) => (Status::UNKNOWN_TOPIC_OR_PARTITION, why.words()),
            Some(why @ SequenceBreak::OtherCluster) => (Status::UNKNOWN_PRODUCER_ID, why.words()),
            None => (
                Status::OUT_OF_ORDER_SEQUENCE_NUMBER,
                "the broker refuses the sequence, and an earlier attempt, whose answer was lost, may be in the log",
            ),
        };
        for mut taken in in_doubt {
            taken.cause = c_text(&match &taken.cause {
                Some(last) => format!("{text}; last: {}", last.to_string_lossy()),
                None => text.to_owned(),
            });
            let ending = Ending::without_answer(status, true, Phase::Answered);
            self.finish(now, dense, taken, ending);
        }
    }

    /// Whether the first record would wait for a producer id that is being asked for.
    pub(super) fn awaits_producer_id(&self) -> bool {
        let idempotence = &self.idempotence;
        idempotence.is_on && !idempotence.is_transactional && idempotence.current.is_none() && !idempotence.is_refused
    }

    /// Asks for a producer id when one is needed and nobody has been asked.
    pub(super) fn drive_producer_id(&mut self, now: Time) {
        let idempotence = &self.idempotence;
        let wanted = idempotence.is_on
            && !idempotence.is_transactional
            && idempotence.current.is_none()
            && !(idempotence.is_refused && idempotence.waiting.is_empty())
            && !self.finished;
        if !wanted {
            return;
        }
        if let Some((_, until)) = idempotence.asked
            && now < until
        {
            self.timers.arm(Timer::ProducerId, until);
            return;
        }
        if now < idempotence.not_before {
            self.timers.arm(Timer::ProducerId, idempotence.not_before);
            return;
        }
        // One that owes an answer is not asked again, however long it takes: another one is.
        let owes = |connection: &Connection| connection.requests.iter().any(|r| matches!(r.kind, Kind::ProducerId(_)));
        let ready = self.brokers.values().filter(|broker| broker.takes_requests());
        let connections = ready.filter_map(|broker| Some((broker.id, broker.connection.as_ref()?)));
        let connections = connections.filter(|(_, connection)| !owes(connection));
        let Some((id, connection)) = connections.min_by_key(|(_, connection)| connection.in_flight()) else {
            // Nobody is connected: whoever waits for an id has its leader connected to, and asks there.
            for dense in std::mem::take(&mut self.idempotence.waiting) {
                self.mark_ready(now, dense);
            }
            return;
        };
        let version = match connection.versions.choose(Api::InitProducerId) {
            Ok(version) => version,
            Err(why) => {
                let label = self.brokers.get(&id).map_or_else(String::new, |broker| broker.label());
                let text = format!("{label}: {why}; enable.idempotence=false does without it");
                self.producer_id_refused(now, Status::UNSUPPORTED_BROKER, &text);
                return;
            }
        };
        let until = now + Micros::from_ms(ATTEMPT_TIMEOUT_MS.min(self.config.request_timeout_ms));
        self.idempotence.requests += 1;
        let serial = self.idempotence.requests;
        self.idempotence.asked = Some((serial, until));
        self.timers.arm(Timer::ProducerId, until);
        let client_id = self.config.client_id.clone();
        let deadline = now + Micros::from_ms(self.config.request_timeout_ms);
        self.write(now, id, version, Kind::ProducerId(serial), deadline, |correlation_id| {
            let question = ProducerIdQuestion { timeout_ms: i32::MAX, ..ProducerIdQuestion::NOTHING };
            Frame::plain(encode_init_producer_id(version, correlation_id, &client_id, &question))
        });
    }

    pub(super) fn handle_producer_id(
        &mut self,
        now: Time,
        id: i32,
        serial: u64,
        version: i16,
        body: &[u8],
    ) -> Result<(), String> {
        if self.idempotence.asked.is_none_or(|(asked, _)| asked != serial) {
            // Another broker was asked instead, or another cluster is at the other end by now.
            return Ok(());
        }
        self.idempotence.asked = None;
        let answer = decode_init_producer_id(version, body)
            .map_err(|error| format!("its InitProducerId response cannot be read: {error}"));
        let answer = match answer {
            Ok(answer) => answer,
            Err(text) => {
                self.producer_id_backoff(now);
                return Err(text);
            }
        };
        self.throttle(now, id, answer.throttle_time_ms);
        let label = self.brokers.get(&id).map_or_else(String::new, |broker| broker.label());
        let status = Status(i32::from(answer.error_code));
        match answer.error_code {
            0 if answer.producer_id >= 0 && answer.producer_epoch >= 0 => {
                let identity = Identity { id: answer.producer_id, epoch: answer.producer_epoch };
                self.reports.log(7, "IDEMPOTENCE", || format!("{label}: producer id {}", identity.id));
                self.adopt_identity(now, identity);
            }
            CLUSTER_AUTHORIZATION_FAILED | TRANSACTIONAL_ID_AUTHORIZATION_FAILED | UNSUPPORTED_VERSION => {
                let text = format!(
                    "{label}: no producer id: {}: {} (the right needed is IDEMPOTENT_WRITE on the cluster, or WRITE on a \
                     topic; enable.idempotence=false does without)",
                    status.name(),
                    status.text()
                );
                self.producer_id_refused(now, status, &text);
            }
            code => {
                let text = format!("{label}: no producer id yet: {}: {}", status.name(), status.text());
                if code != COORDINATOR_LOAD_IN_PROGRESS
                    && let Some(more) = self.idempotence.log_limit.allow(now)
                {
                    self.reports.log(5, "IDEMPOTENCE", || format!("{text}{more}"));
                }
                self.idempotence.trouble = Some(text);
                self.note_change();
                self.producer_id_backoff(now);
            }
        }
        Ok(())
    }

    /// The connection ended before the answer came.
    pub(super) fn producer_id_lost(&mut self, now: Time, serial: u64) {
        if self.idempotence.asked.is_some_and(|(asked, _)| asked == serial) {
            self.idempotence.asked = None;
            self.producer_id_backoff(now);
        }
    }

    /// Another cluster answers: the producer id was the old one's to give. Partitions begin anew with one of the new.
    pub(super) fn forget_producer_id(&mut self) {
        if self.idempotence.is_transactional {
            // The new cluster's coordinator does not know the id, and says so.
            return;
        }
        self.idempotence.current = None;
        self.idempotence.asked = None;
        for state in &mut self.partitions {
            state.ramp = None;
            state.acked_offset = -1;
            state.sequences.break_off(SequenceBreak::OtherCluster);
            state.sequences.refuse();
        }
    }

    fn producer_id_backoff(&mut self, now: Time) {
        self.idempotence.failures += 1;
        let (first, most) = (self.config.retry_backoff_ms, self.config.retry_backoff_max_ms);
        self.idempotence.not_before = now + self.random.backoff(first, most, self.idempotence.failures);
        self.timers.arm(Timer::ProducerId, self.idempotence.not_before);
    }

    /// No id will be given for the reason of `text`, which somebody has to put right: what waits for one fails, and
    /// what is sent later asks again.
    fn producer_id_refused(&mut self, now: Time, status: Status, text: &str) {
        self.reports.log(3, "IDEMPOTENCE", || text.to_owned());
        let waiting = std::mem::take(&mut self.idempotence.waiting);
        self.idempotence.is_refused = true;
        self.note_change();
        self.producer_id_backoff(now);
        for dense in waiting {
            self.fail_queued(now, dense, status, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_epoch(epoch: i16) -> Idempotence {
        let mut idempotence = Idempotence::new(&Config { enable_idempotence: true, ..Config::default() });
        idempotence.current = Some(Identity { id: 5, epoch });
        idempotence
    }

    #[test]
    fn a_bump_is_made_once_for_all_partitions_that_need_it() {
        let mut idempotence = at_epoch(3);
        let used = idempotence.current;
        let next = Some(Identity { id: 5, epoch: 4 });
        assert_eq!(idempotence.next_after(used), next);
        assert_eq!(idempotence.next_after(used), next, "another partition joins the same epoch");
        assert_eq!(idempotence.next_after(next), Some(Identity { id: 5, epoch: 5 }));
    }

    #[test]
    fn after_the_last_epoch_comes_a_new_producer_id_and_never_epoch_zero_of_the_old_one() {
        let mut idempotence = at_epoch(EPOCH_MAX - 1);
        let last = idempotence.next_after(idempotence.current);
        assert_eq!(last, Some(Identity { id: 5, epoch: EPOCH_MAX }));
        assert_eq!(idempotence.next_after(last), None);
        assert_eq!(idempotence.current, None);
    }
}
