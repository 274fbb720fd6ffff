//! Ends that time or the application decides: delivery deadlines, purge, close, and the last rites after a panic.

use super::cluster::leader_of;
use super::connection::Kind;
use super::outcome::Ending;
use super::partition::Taken;
use super::produce::c_text;
use super::published::{throttle_words, why_records_wait};
use super::timers::Timer;
use super::topic_doubts::is_absence;
use super::{Action, Sender};
use crate::accumulator::{NO_LEADER, Orphan, Topic};
use crate::config::{OnFailure, OnInDoubtTimeout};
use crate::error::Status;
use crate::reports::{FinishedBatch, Persisted, Phase};
use crate::time::{Micros, Time};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// Where an expired batch stood that no thread had finished compressing.
const IN_COMPRESSION: &str = "waiting to be compressed: raise compression.threads, or lower the level";

/// Batches that end together, in the order in which they were opened; each with what is said of its kind.
fn in_send_order<T: Copy>(in_flight: Vec<Taken>, waiting: Vec<Taken>, written: T, queued: T) -> Vec<(Taken, T)> {
    let in_flight = in_flight.into_iter().map(|taken| (taken, written));
    let mut all: Vec<(Taken, T)> = in_flight.chain(waiting.into_iter().map(|taken| (taken, queued))).collect();
    all.sort_by_key(|(taken, _)| taken.place());
    all
}

impl Sender {
    /// The partition's earliest deadline may have passed.
    pub(super) fn expire_partition(&mut self, now: Time, dense: u32) {
        self.partitions[dense as usize].deadline_armed = Time::NEVER;
        let memory = self.accumulator.memory.clone();
        let hold = self.holds();
        let state = &mut self.partitions[dense as usize];
        let mut waiting = Vec::new();
        let mut kept = std::mem::take(&mut state.retries);
        while let Some(taken) = kept.pop_front() {
            if taken.batch.deadline <= now && !(hold && taken.in_doubt) {
                waiting.push(taken);
            } else {
                state.retries.push_back(taken);
            }
        }
        waiting.extend(state.shared().take_expired(&memory, now).into_iter().map(Taken::new));
        let in_flight = self.take_in_flight(dense, |taken| taken.batch.deadline <= now && !hold);
        let expired = in_send_order(in_flight, waiting, false, true);
        for (taken, queued) in expired {
            self.fail_expired(now, dense, taken, queued);
        }
        self.stop_partitions(now);
        self.leave_leaderless(dense);
        self.rearm_deadline(dense);
        self.after_outcome(now, dense);
    }

    /// Takes batches of the partition out of their requests: their outcome is decided, the answer is of no interest.
    /// Whatever the socket has not let go of stays alive in its frame.
    fn take_in_flight(&mut self, dense: u32, wanted: impl Fn(&Taken) -> bool) -> Vec<Taken> {
        let sent_to = self.partitions[dense as usize].sent_to;
        let mut out = Vec::new();
        if self.partitions[dense as usize].in_flight == 0 {
            return out;
        }
        let Some(connection) = self.brokers.get_mut(&sent_to).and_then(|b| b.connection.as_mut()) else { return out };
        for request in &mut connection.requests {
            let Kind::Produce { parts, .. } = &mut request.kind else { continue };
            for part in parts.iter_mut().filter(|part| part.partition == dense) {
                if part.taken.as_ref().is_some_and(&wanted)
                    && let Some(mut taken) = part.taken.take()
                {
                    // Even a request that is still being written may be written whole after this.
                    taken.in_doubt = true;
                    taken.reached_broker = true;
                    out.push(taken);
                }
            }
        }
        out
    }

    /// `on.in.doubt.timeout=hold`: what may be in the log does not expire; a broker decides, or closing does.
    fn holds(&self) -> bool {
        self.idempotence.is_on && self.config.on_in_doubt_timeout == OnInDoubtTimeout::Hold
    }

    pub(super) fn is_held(&self, taken: &Taken) -> bool {
        taken.in_doubt && self.holds()
    }

    fn rearm_deadline(&mut self, dense: u32) {
        let state = &self.partitions[dense as usize];
        let hold = self.holds();
        let mut next = state.shared().earliest_deadline().unwrap_or(Time::NEVER);
        let counted = state.retries.iter().filter(|taken| !(hold && taken.in_doubt));
        next = counted.map(|taken| taken.batch.deadline).fold(next, Time::min);
        if state.in_flight > 0
            && !hold
            && let Some(connection) = self.brokers.get(&state.sent_to).and_then(|broker| broker.connection.as_ref())
        {
            for request in &connection.requests {
                let Kind::Produce { parts, .. } = &request.kind else { continue };
                let ours = parts.iter().filter(|part| part.partition == dense);
                next = ours.filter_map(|part| part.taken.as_ref()).map(|t| t.batch.deadline).fold(next, Time::min);
            }
        }
        if next < Time::NEVER {
            self.partitions[dense as usize].deadline_armed = next;
            self.timers.arm(Timer::Deadline(dense), next);
        }
    }

    /// Nobody needs to look for the leader of a partition that has nothing left.
    pub(super) fn leave_leaderless(&mut self, dense: u32) {
        if !self.partitions[dense as usize].has_any() {
            self.leaderless.remove(&dense);
        }
    }

    /// Reports a batch whose delivery time is over, saying where it stood and what went wrong last.
    pub(super) fn fail_expired(&mut self, now: Time, dense: u32, mut taken: Taken, queued: bool) {
        let state = &self.partitions[dense as usize];
        let broker = leader_of(state, &self.brokers);
        let (phase, place) = match broker {
            _ if !queued => (Phase::InFlight, "waiting for the answer to a request".to_owned()),
            _ if taken.batch.is_being_compressed() => (Phase::Queued, IN_COMPRESSION.to_owned()),
            None => (Phase::Leader, format!("{} had no leader", state.label())),
            Some(broker) if !broker.is_ready() => (Phase::Leader, format!("{} was not connected", broker.label())),
            Some(broker) => {
                let throttled = throttle_words(broker, now).map_or_else(String::new, |words| format!("; {words}"));
                (Phase::Queued, format!("waiting in the queue of {}{throttled}", broker.label()))
            }
        };
        let after_ms = now.since(taken.batch.opened_at).as_ms();
        let mut text =
            format!("not delivered within {after_ms} ms (delivery.timeout.ms, or the record's own): {place}");
        // What keeps it from a leader now says more than what an attempt came to before.
        let present = if phase == Phase::Leader { self.last_trouble(state.leader) } else { None };
        let last = match (present, &taken.cause) {
            (Some(trouble), _) => Some(trouble),
            (None, Some(cause)) => Some(cause.to_string_lossy().into_owned()),
            (None, None) => self.last_trouble(state.leader),
        };
        if let Some(last) = last {
            text = format!("{text}; last: {last}");
        }
        taken.cause = c_text(&text);
        // With nothing left to wait, a broker that cannot be reached hinders nobody.
        self.note_change();
        let ending = Ending::without_answer(Status::DELIVERY_TIMED_OUT, taken.in_doubt, phase);
        self.finish(now, dense, taken, ending);
    }

    /// The last thing that went wrong with a broker, or with any when there is none to name.
    fn last_trouble(&self, id: i32) -> Option<String> {
        let words = |broker: &super::broker::Broker| {
            broker.last_error.as_ref().map(|error| format!("{}: {error}", broker.label()))
        };
        if id != NO_LEADER {
            return self.brokers.get(&id).and_then(words);
        }
        self.brokers.values().find_map(words)
    }

    /// Parked records whose time is over: their own deadline, or the grace that an unknown topic is given.
    pub(super) fn expire_parked(&mut self, now: Time, id: u32) {
        let Some(state) = self.cluster.topics.get(&id) else { return };
        let topic = state.topic.clone();
        let missing = state.missing;
        let grace = Micros::from_ms(self.config.unknown_topic_grace_ms);
        let partitions = state.partitions.clone();
        for index in state.doubts.absent_for(now, grace) {
            let Some(dense) = partitions.get(index as usize).copied() else { continue };
            let status = Status(i32::from(UNKNOWN_TOPIC_OR_PARTITION));
            let cause = format!(
                "no answer has named {} for {} ms (topic.metadata.propagation.max.ms); topic '{}' has {} partitions",
                self.partitions[dense as usize].label(),
                grace.as_ms(),
                topic.name(),
                topic.partition_count()
            );
            self.fail_queued(now, dense, status, &cause);
        }
        if let Some((since, code)) = missing
            && since + grace <= now
        {
            // Error 0 with no partitions is a topic on its way in or out.
            let code = if code == 0 { UNKNOWN_TOPIC_OR_PARTITION } else { code };
            let status = Status(i32::from(code));
            let remedy = if is_absence(code) { "; create it, or check its name" } else { "" };
            let cause = format!(
                "topic '{}' is not there after {} ms (topic.metadata.propagation.max.ms): {}{remedy}",
                topic.name(),
                grace.as_ms(),
                status.text()
            );
            self.fail_all_parked(now, &topic, status, &cause);
            for dense in partitions {
                self.fail_queued(now, dense, status, &cause);
            }
            return;
        }
        let answered = missing.filter(|(_, code)| *code != 0).map(|(_, code)| Status(i32::from(code)).text());
        let why = answered.map(str::to_owned).or_else(|| self.last_trouble(NO_LEADER));
        let why = why.map_or_else(String::new, |last| format!("; last: {last}"));
        let cause = format!("delivery time passed before metadata of topic '{}' was there{why}", topic.name());
        for record in self.accumulator.take_parked(&topic, Some(now)) {
            self.fail_parked(now, &topic, record, Status::DELIVERY_TIMED_OUT, &cause);
        }
        match self.accumulator.parked_since(&topic) {
            None => self.window.unparked(id, 0),
            Some((_, deadline)) => {
                let grace_ends = missing.map_or(Time::NEVER, |(since, _)| since + grace);
                self.timers.arm(Timer::Parked(id), deadline.min(grace_ends));
            }
        }
    }

    pub(super) fn fail_all_parked(&mut self, now: Time, topic: &Topic, status: Status, cause: &str) {
        for record in self.accumulator.take_parked(topic, None) {
            self.fail_parked(now, topic, record, status, cause);
        }
        self.window.unparked(topic.id, 0);
        self.cluster.none_parked(topic.id);
        if let Some(state) = self.cluster.topics.get_mut(&topic.id) {
            // The next record for it gets a grace of its own.
            state.missing = None;
        }
    }

    /// `on.failure=stop-partition`: a batch of the partition failed.
    pub(super) fn note_failure(&mut self, dense: u32, failed: (u64, u32), status: Status) {
        let by_application =
            [Status::PURGED, Status::CLOSED, Status::INTERNAL, Status::EARLIER_FAILED, Status::TRANSACTION_ABORTED];
        if self.config.on_failure == OnFailure::StopPartition && !by_application.contains(&status) {
            self.stopped.push((dense, failed));
        }
    }

    /// Carries out what failures have brought about, before anything else is sent: when every request of a connection
    /// that ended has its outcome, what is behind the failed one is found among the retries.
    pub(super) fn stop_partitions(&mut self, now: Time) {
        while let Some((dense, failed)) = self.stopped.pop() {
            self.stop_partition(now, dense, failed);
        }
    }

    /// Everything accepted for the partition behind the failed batch fails with it.
    fn stop_partition(&mut self, now: Time, dense: u32, failed: (u64, u32)) {
        let memory = self.accumulator.memory.clone();
        let state = &mut self.partitions[dense as usize];
        let (behind, before) = std::mem::take(&mut state.retries).into_iter().partition(|t| t.place() > failed);
        state.retries = before;
        let behind: std::collections::VecDeque<Taken> = behind;
        let mut waiting: Vec<Taken> = behind.into();
        waiting.extend(state.shared().take_expired(&memory, Time::NEVER).into_iter().map(Taken::new));
        let in_flight = self.take_in_flight(dense, |taken| taken.place() > failed);
        for (mut taken, phase) in in_send_order(in_flight, waiting, Phase::InFlight, Phase::Queued) {
            taken.cause = Some(c"an earlier record of the partition failed (on.failure=stop-partition)".into());
            let ending = Ending::without_answer(Status::EARLIER_FAILED, taken.in_doubt, phase);
            self.finish(now, dense, taken, ending);
        }
        self.leave_leaderless(dense);
    }

    /// Everything that waits in the partition fails. While something is in flight nothing does: reports keep their
    /// order, and what is asked for next hears the same.
    pub(super) fn fail_queued(&mut self, now: Time, dense: u32, status: Status, cause: &str) {
        let memory = self.accumulator.memory.clone();
        let state = &mut self.partitions[dense as usize];
        if state.in_flight > 0 {
            return;
        }
        let mut waiting: Vec<Taken> = state.retries.drain(..).collect();
        waiting.extend(state.shared().take_expired(&memory, Time::NEVER).into_iter().map(Taken::new));
        for mut taken in waiting {
            taken.cause = c_text(cause);
            let ending = Ending::without_answer(status, taken.in_doubt, Phase::Queued);
            self.finish(now, dense, taken, ending);
        }
        self.leave_leaderless(dense);
    }

    /// The whole topic is forbidden: what else is queued for it would only hear the same.
    pub(super) fn fail_topic(&mut self, now: Time, dense: u32, status: Status, cause: &str) {
        let topic = self.partitions[dense as usize].topic.id;
        let partitions = self.cluster.topics.get(&topic).map_or_else(Vec::new, |state| state.partitions.clone());
        for other in partitions {
            self.fail_queued(now, other, status, cause);
        }
    }

    /// The producer cannot go on: nothing is accepted any more, and every record gets its report.
    pub(super) fn fail_for_good(&mut self, now: Time, status: Status, text: &str) {
        if let Some((status, text)) = self.shut_for_good(status, text) {
            self.fail_where(now, true, true, status, &text);
        }
    }

    /// The first half of it: whoever is refused from now on hears the cause. `None` when there was one before; else
    /// what the rest is to be failed with.
    pub(super) fn shut_for_good(&mut self, status: Status, text: &str) -> Option<(Status, String)> {
        if self.accumulator.fatal().is_some() {
            return None;
        }
        let status = if status.is_fatal() { status } else { Status::FATAL };
        let text = format!("{text}; the producer cannot go on: close it and make a new one");
        self.reports.log(2, "PRODUCER", || text.clone());
        self.accumulator.fail(status, &text);
        self.note_change();
        Some((status, text))
    }

    /// A record that was being accepted while the producer failed for good.
    pub(super) fn sweep_after_failure(&mut self, now: Time) {
        if let Some(fatal) = self.accumulator.fatal() {
            let (status, text) = (fatal.status, fatal.message.clone());
            self.fail_where(now, true, true, status, &text);
        }
    }

    /// `producer_purge`.
    pub(super) fn purge(&mut self, now: Time, queued: bool, in_flight: bool) {
        self.fail_where(now, queued, in_flight, Status::PURGED, "purged by the application");
    }

    /// The application's time for closing is over: everything left fails now and the connections go.
    pub(super) fn abort(&mut self, now: Time) {
        let mut text = "the producer was closed before the record was delivered".to_owned();
        if let Some(why) = why_records_wait(self, now) {
            text.push_str(&format!("; {why}"));
        }
        self.fail_where(now, true, true, Status::CLOSED, &text);
        for conn in std::mem::take(&mut self.connections).into_keys() {
            self.actions.push_back(Action::Close { conn });
        }
        for broker in self.brokers.values_mut() {
            broker.connection = None;
        }
        self.finished = true;
        self.begin_telemetry_end(now);
    }

    pub(super) fn fail_where(&mut self, now: Time, queued: bool, in_flight: bool, status: Status, cause: &str) {
        let memory = self.accumulator.memory.clone();
        for dense in 0..self.partitions.len() as u32 {
            let mut waiting = Vec::new();
            let state = &mut self.partitions[dense as usize];
            if queued {
                waiting.extend(state.retries.drain(..));
                waiting.extend(state.shared().take_expired(&memory, Time::NEVER).into_iter().map(Taken::new));
                self.leaderless.remove(&dense);
            }
            let written = if in_flight { self.take_in_flight(dense, |_| true) } else { Vec::new() };
            for (mut taken, phase) in in_send_order(written, waiting, Phase::InFlight, Phase::Queued) {
                let text = match &taken.cause {
                    Some(last) => format!("{cause}; last: {}", last.to_string_lossy()),
                    None => cause.to_owned(),
                };
                taken.cause = c_text(&text);
                let ending = Ending::without_answer(status, taken.in_doubt, phase);
                self.finish(now, dense, taken, ending);
            }
        }
        if queued {
            let topics: Vec<_> = self.cluster.topics.values().map(|state| state.topic.clone()).collect();
            for topic in topics {
                self.fail_all_parked(now, &topic, status, cause);
            }
        }
    }

    /// A bug was caught. Every outstanding record still gets its report, and nothing is accepted any more.
    pub fn handle_panic(&mut self, now: Time, message: &str) {
        let cause = format!("internal error of the library: {message}");
        self.accumulator.fail(Status::INTERNAL, &cause);
        self.reports.log(2, "PRODUCER", || cause.clone());
        self.fail_where(now, true, true, Status::INTERNAL, &cause);
        for orphan in self.accumulator.memory.take_orphans() {
            self.report_orphan(now, orphan, &cause);
        }
        self.reports.push_all(&mut self.outcomes);
        for completion in self.window.take_all() {
            self.reports.complete(&completion);
        }
        self.note_change();
        self.publish_changes(now);
        // Whoever waits for a command that nobody will read any more goes home.
        self.reports.shut();
        self.telemetry.stop();
        self.finished = true;
    }

    /// A batch that the panic caught in somebody's hands: it may have been written.
    fn report_orphan(&mut self, now: Time, orphan: Orphan, cause: &str) {
        let Some(state) = self.partitions.get(orphan.partition as usize) else { return };
        self.outcomes.push(FinishedBatch {
            topic: state.topic.c_name().clone(),
            partition: state.index as i32,
            status: Status::INTERNAL,
            persisted: Persisted::Maybe,
            phase: Phase::InFlight,
            base_offset: -1,
            base_timestamp_ms: orphan.base_timestamp_ms,
            log_append_time_ms: None,
            broker: NO_LEADER,
            attempts: 0,
            opened_at: orphan.opened_at,
            finished_at: now,
            cause: c_text(cause),
            record_causes: Vec::new(),
            slots: orphan.slots,
            rich: Vec::new(),
            undelivered: None,
        });
    }
}
