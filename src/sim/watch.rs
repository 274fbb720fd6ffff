//! What the wire shows of the client's rules, judged at the moment at which a request is handed over: every produce
//! request is read by decoders that are not the client's, and every answer that the client has read whole is noted
//! beside it. The rules are those of docs/DESIGN.md ("Idempotence"); R1 to R8 are their numbers there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::{ProduceRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use crate::mock::{BatchHeader, Records, api_key, check_batch, plain_batch};
use crate::sender::ConnId;

/// Topic and partition.
pub(super) type Place = (String, i32);
/// Producer id and epoch.
pub(super) type Identity = (i64, i16);

/// Batches from the oldest undecided one to the newest (R5): a broker recognises a repetition of the last five.
const WINDOW_MAX: usize = 5;
/// Codes that prove that this attempt is not in the log (section 4 of the rules).
const REFUSALS: [i16; 34] = [
    2, 3, 5, 6, 9, 10, 14, 15, 16, 17, 18, 19, 21, 29, 31, 32, 35, 42, 43, 44, 45, 47, 48, 49, 51, 53, 59, 74, 76, 87,
    90, 100, 103, 120,
];
const DUPLICATE: i16 = 46;
const UNKNOWN_SERVER_ERROR: i16 = -1;

pub(super) fn is_refusal(code: i16) -> bool {
    REFUSALS.contains(&code)
}

fn is_success(code: i16) -> bool {
    code == 0 || code == DUPLICATE
}

/// What became of one attempt, as far as the client can know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Outstanding,
    /// `clean`: nothing damaged was in the stream before, so the client believes it.
    Answered {
        code: i16,
        clean: bool,
    },
    /// The connection ended, or the answer left the partition out; the broker may have the whole request.
    Lost,
    /// The socket never took the last byte.
    Unsent,
}

impl Fate {
    fn is_certain_refusal(self) -> bool {
        match self {
            Fate::Unsent => true,
            Fate::Answered { code, .. } => is_refusal(code),
            Fate::Outstanding | Fate::Lost => false,
        }
    }
}

struct Attempt {
    conn: ConnId,
    broker: i32,
    fate: Fate,
}

/// Bytes that were handed over for a partition, once or again and again.
struct Batch {
    header: BatchHeader,
    bytes: Bytes,
    timestamps: Vec<i64>,
    attempts: Vec<Attempt>,
}

impl Batch {
    fn is_outstanding(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.fate == Fate::Outstanding)
    }

    fn is_acked(&self) -> bool {
        self.attempts.iter().any(|attempt| matches!(attempt.fate, Fate::Answered { code, .. } if is_success(code)))
    }

    fn is_surely_acked(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.fate == Fate::Answered { code: 0, clean: true })
    }

    /// An answer came that the client may have believed or not.
    fn is_unclear(&self) -> bool {
        self.attempts.iter().any(|attempt| matches!(attempt.fate, Fate::Answered { clean: false, .. }))
    }

    /// Every attempt is proven not to be in the log.
    fn is_refused(&self) -> bool {
        self.attempts.iter().all(|attempt| attempt.fate.is_certain_refusal())
    }

    fn label(&self) -> String {
        label(&self.header)
    }
}

/// The batches of one producer id and epoch, by sequence. Places count on where sequence numbers wrap.
#[derive(Default)]
struct Line {
    first_sequence: i32,
    /// Behind the last place that was ever given.
    end: i64,
    /// Place of the first record, place behind the last one, index of the batch.
    batches: Vec<(i64, i64, usize)>,
}

#[derive(Default)]
struct Partition {
    batches: Vec<Batch>,
    by_crc: BTreeMap<u32, Vec<usize>>,
    /// The batches that each record travelled in.
    of_record: BTreeMap<i64, Vec<usize>>,
    lines: BTreeMap<Identity, Line>,
    current: Option<Identity>,
    /// The broker that has answered this identity's last attempt with success (R6).
    proven: Option<(i32, Identity)>,
}

struct Request {
    correlation_id: i32,
    is_whole: bool,
    parts: Vec<(Place, usize)>,
}

/// Everything seen so far.
pub(super) struct Watch {
    pub is_idempotent: bool,
    pub first_sequence: i32,
    requests: BTreeMap<ConnId, VecDeque<Request>>,
    partitions: BTreeMap<Place, Partition>,
    /// Requests to coordinators that are not answered, by connection and correlation id.
    asked: Vec<(ConnId, i32, i16)>,
    pub transactional_id: Option<String>,
    /// Retries, renumbered batches and bumps seen: a search that meets none finds nothing.
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub retries: u64,
    pub renumbered: u64,
    pub bumps: u64,
    pub wraps: u64,
}

/// A produce request as it lies on the wire.
pub(super) struct Produced {
    pub correlation_id: i32,
    pub transactional_id: Option<String>,
    pub acks: i16,
    pub parts: Vec<(Place, Bytes)>,
}

impl Produced {
    /// Of all its records: their names.
    pub fn timestamps(&self) -> Vec<i64> {
        let plain: Vec<_> = self.parts.iter().filter_map(|(_, bytes)| plain_batch(bytes)).collect();
        let records = plain.iter().flat_map(|bytes| Records::new(bytes).into_iter().flatten());
        records.map(|record| record.timestamp_ms).collect()
    }

    pub fn label(&self) -> String {
        let part = |((topic, index), bytes): &(Place, Bytes)| {
            let batch = BatchHeader::read(bytes).map_or_else(|| "?".into(), |header| label(&header));
            format!("{topic} [{index}] {batch}")
        };
        self.parts.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

fn label(header: &BatchHeader) -> String {
    let BatchHeader { producer_id, producer_epoch, base_sequence, records_count, .. } = *header;
    format!("producer {producer_id} epoch {producer_epoch} sequence {base_sequence} of {records_count} records")
}

/// Reads a frame without its length. `name_of` a topic id: from v13 on requests have these instead of names.
pub(super) fn read_produce(frame: &[u8], name_of: impl Fn([u8; 16]) -> String) -> Option<Produced> {
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let mut rest = Bytes::copy_from_slice(frame);
    let header = RequestHeader::decode(&mut rest, ProduceRequest::header_version(version)).ok()?;
    let request = ProduceRequest::decode(&mut rest, version).ok()?;
    let mut parts = Vec::new();
    for topic in request.topic_data {
        let name = if version >= 13 { name_of(topic.topic_id.into_bytes()) } else { topic.name.0.to_string() };
        for partition in topic.partition_data {
            parts.push(((name.clone(), partition.index), partition.records.unwrap_or_default()));
        }
    }
    let transactional_id = request.transactional_id.map(|id| id.0.to_string());
    let acks = request.acks;
    Some(Produced { correlation_id: header.correlation_id, transactional_id, acks, parts })
}

impl Watch {
    pub fn new(is_idempotent: bool, first_sequence: u32) -> Watch {
        Watch {
            is_idempotent,
            first_sequence: first_sequence as i32,
            requests: BTreeMap::new(),
            partitions: BTreeMap::new(),
            asked: Vec::new(),
            transactional_id: None,
            counts: Counts::default(),
        }
    }

    /// A request is handed over. `has_ended` says of a record's timestamp whether its report is out, if
    /// it gets one.
    pub fn handed_over(
        &mut self,
        conn: ConnId,
        broker: i32,
        produced: Produced,
        has_ended: impl Fn(i64) -> Option<bool>,
    ) -> Result<(), String> {
        let mut places: Vec<&Place> = produced.parts.iter().map(|(place, _)| place).collect();
        places.sort();
        places.dedup();
        if places.is_empty() || places.len() != produced.parts.len() {
            let count = produced.parts.len();
            return Err(format!("a produce request names {count} partitions, {} different ones", places.len()));
        }
        if produced.transactional_id != self.transactional_id {
            return Err(format!("a produce request names the transactional id {:?}", produced.transactional_id));
        }
        let mut parts = Vec::with_capacity(produced.parts.len());
        for (place, bytes) in produced.parts {
            let batch = self
                .part_handed_over((conn, broker), &place, bytes, &has_ended)
                .map_err(|text| format!("{} [{}]: {text}", place.0, place.1))?;
            parts.push((place, batch));
        }
        let request = Request { correlation_id: produced.correlation_id, is_whole: false, parts };
        self.requests.entry(conn).or_default().push_back(request);
        Ok(())
    }

    fn part_handed_over(
        &mut self,
        (conn, broker): (ConnId, i32),
        place: &Place,
        bytes: Bytes,
        has_ended: &impl Fn(i64) -> Option<bool>,
    ) -> Result<usize, String> {
        let header = check_batch(&bytes).map_err(|refusal| format!("a batch that no broker takes: {refusal}"))?;
        let (is_idempotent, first_sequence) = (self.is_idempotent, self.first_sequence);
        if is_idempotent != (header.producer_id >= 0) {
            return Err(format!("enable.idempotence={is_idempotent}, and the producer id is {}", header.producer_id));
        }
        if header.is_transactional() != self.transactional_id.is_some() {
            return Err(format!("{} has the wrong transactional bit", label(&header)));
        }
        let partition = self.partitions.entry(place.clone()).or_default();
        if let Some(other) = partition.batches.iter().find(|batch| batch.is_outstanding_elsewhere(conn)) {
            // R7.
            return Err(format!("sent to another connection while {} is not answered", other.label()));
        }
        let known = partition.by_crc.get(&header.crc).into_iter().flatten().copied();
        let known = known.into_iter().find(|index| partition.batches[*index].bytes == bytes);
        if let Some(index) = known {
            self.counts.retries += 1;
            partition.sent_again(index, is_idempotent, has_ended)?;
        }
        let index = match known {
            Some(index) => index,
            None => {
                let plain = plain_batch(&bytes).unwrap_or_default();
                let timestamps: Vec<i64> = Records::new(&plain).into_iter().flatten().map(|r| r.timestamp_ms).collect();
                if timestamps.iter().any(|timestamp| partition.of_record.contains_key(timestamp)) {
                    self.counts.renumbered += u64::from(is_idempotent);
                }
                let bumps = partition.lines.len();
                let batch = Batch { header, bytes, timestamps, attempts: Vec::new() };
                let index = partition.sent_first(batch, is_idempotent, first_sequence, has_ended)?;
                self.counts.bumps += u64::from(bumps > 0 && partition.lines.len() > bumps);
                let end = i64::from(header.base_sequence) + i64::from(header.records_count);
                self.counts.wraps += u64::from(header.base_sequence >= 0 && end > i64::from(i32::MAX));
                index
            }
        };
        if is_idempotent {
            partition.check_ramp(broker, index)?;
        }
        partition.batches[index].attempts.push(Attempt { conn, broker, fate: Fate::Outstanding });
        Ok(index)
    }

    /// The client's socket has the last byte of the request.
    pub fn taken_whole(&mut self, conn: ConnId, correlation_id: i32) {
        if let Some(request) = self.requests.get_mut(&conn).and_then(|requests| requests.find(correlation_id)) {
            request.is_whole = true;
        }
    }

    /// The client has read the whole answer. `codes`: the first entry of each partition.
    pub fn answered(&mut self, conn: ConnId, correlation_id: i32, codes: &[(Place, i16)], clean: bool) {
        let Some(requests) = self.requests.get_mut(&conn) else { return };
        let Some(at) = requests.iter().position(|request| request.correlation_id == correlation_id) else { return };
        let Some(request) = requests.remove(at) else { return };
        for (place, index) in request.parts {
            let fate = match codes.iter().find(|(named, _)| *named == place) {
                Some((_, code)) => Fate::Answered { code: *code, clean },
                None if clean => Fate::Lost,
                None => Fate::Answered { code: UNKNOWN_SERVER_ERROR, clean },
            };
            self.decide(&place, index, conn, fate);
        }
    }

    /// A request goes to a coordinator: one at a time, and the end of a transaction when all of its batches are
    /// decided.
    pub fn coordinator_asked(
        &mut self,
        conn: ConnId,
        correlation_id: i32,
        api: i16,
        has_ended: impl Fn(i64) -> Option<bool>,
    ) -> Result<(), String> {
        if api == api_key::FIND_COORDINATOR {
            return Ok(());
        }
        if let Some((other, _, earlier)) = self.asked.first() {
            return Err(format!("API {api} is asked on {conn:?} while API {earlier} on {other:?} is not answered"));
        }
        self.asked.push((conn, correlation_id, api));
        if api != api_key::END_TXN {
            return Ok(());
        }
        for batch in self.partitions.values().flat_map(|partition| &partition.batches) {
            if batch.has_ended(&has_ended) == Some(false) && !batch.is_acked() && !batch.is_unclear() {
                return Err(format!("a transaction is ended while {} is undecided", batch.label()));
            }
        }
        Ok(())
    }

    pub fn coordinator_answered(&mut self, conn: ConnId, correlation_id: i32) {
        self.asked.retain(|(asked, id, _)| (*asked, *id) != (conn, correlation_id));
    }

    /// The client's end of the connection is closed: what was not answered never will be.
    pub fn closed(&mut self, conn: ConnId) {
        self.asked.retain(|(asked, _, _)| *asked != conn);
        for request in self.requests.remove(&conn).into_iter().flatten() {
            let fate = if request.is_whole { Fate::Lost } else { Fate::Unsent };
            for (place, index) in request.parts {
                self.decide(&place, index, conn, fate);
            }
        }
    }

    fn decide(&mut self, place: &Place, index: usize, conn: ConnId, fate: Fate) {
        let Some(partition) = self.partitions.get_mut(place) else { return };
        let batch = &mut partition.batches[index];
        let identity = batch.identity();
        let outstanding = batch.attempts.iter_mut().find(|a| a.conn == conn && a.fate == Fate::Outstanding);
        let Some(attempt) = outstanding else { return };
        attempt.fate = fate;
        match fate {
            Fate::Answered { code, .. } if is_success(code) => partition.proven = Some((attempt.broker, identity)),
            // An answer that was damaged is believed or not.
            Fate::Answered { clean: false, .. } => {}
            _ => partition.proven = None,
        }
    }

    /// Every producer id that was ever on the wire.
    pub fn producer_ids(&self) -> BTreeSet<i64> {
        self.partitions.values().flat_map(|partition| partition.lines.keys().map(|(id, _)| *id)).collect()
    }

    /// Whether nothing of the partition is on its way or in doubt: nothing that was sent can still arrive.
    pub fn is_quiet(&self, place: &Place) -> bool {
        let settled = |batch: &Batch| batch.is_surely_acked() || batch.is_refused();
        self.partitions.get(place).is_none_or(|partition| partition.batches.iter().all(settled))
    }
}

trait Find {
    fn find(&mut self, correlation_id: i32) -> Option<&mut Request>;
}

impl Find for VecDeque<Request> {
    fn find(&mut self, correlation_id: i32) -> Option<&mut Request> {
        self.iter_mut().find(|request| request.correlation_id == correlation_id)
    }
}

impl Batch {
    fn identity(&self) -> Identity {
        (self.header.producer_id, self.header.producer_epoch)
    }

    fn is_outstanding_elsewhere(&self, conn: ConnId) -> bool {
        self.attempts.iter().any(|attempt| attempt.fate == Fate::Outstanding && attempt.conn != conn)
    }

    /// Whether its reports are out; `None` when none of its records gets one.
    fn has_ended(&self, has_ended: &impl Fn(i64) -> Option<bool>) -> Option<bool> {
        self.timestamps.iter().find_map(|timestamp| has_ended(*timestamp))
    }
}

impl Partition {
    /// The same bytes again.
    fn sent_again(
        &mut self,
        index: usize,
        is_idempotent: bool,
        has_ended: &impl Fn(i64) -> Option<bool>,
    ) -> Result<(), String> {
        let batch = &self.batches[index];
        let label = batch.label();
        if batch.is_outstanding() {
            return Err(format!("{label} is sent again while it is in flight"));
        }
        if batch.is_surely_acked() {
            return Err(format!("{label} is sent again after its success"));
        }
        if !is_idempotent {
            return Ok(());
        }
        if Some(batch.identity()) != self.current {
            return Err(format!("{label} is sent again, and the partition has gone on to {:?}", self.current));
        }
        if let Some(other) = self.batches.iter().find(|other| other.is_outstanding()) {
            // R8.
            return Err(format!("{label} is sent again beside {}", other.label()));
        }
        let line = &self.lines[&batch.identity()];
        for (_, _, earlier) in line.batches.iter().take_while(|(_, _, other)| *other != index) {
            let earlier = &self.batches[*earlier];
            if !earlier.is_acked() && !earlier.is_unclear() && earlier.has_ended(has_ended) == Some(false) {
                return Err(format!("{label} is sent again before {}, which is older", earlier.label()));
            }
        }
        Ok(())
    }

    /// Bytes that were never seen before.
    fn sent_first(
        &mut self,
        batch: Batch,
        is_idempotent: bool,
        first_sequence: i32,
        has_ended: &impl Fn(i64) -> Option<bool>,
    ) -> Result<usize, String> {
        let index = self.batches.len();
        if is_idempotent {
            self.check_records(&batch)?;
            self.enter_line(&batch, index, first_sequence, has_ended)?;
        }
        for timestamp in &batch.timestamps {
            self.of_record.entry(*timestamp).or_default().push(index);
        }
        self.by_crc.entry(batch.header.crc).or_default().push(index);
        self.batches.push(batch);
        Ok(index)
    }

    /// A record changes its batch only when every attempt of the earlier one was refused for certain (R1, R3).
    fn check_records(&self, batch: &Batch) -> Result<(), String> {
        for timestamp in &batch.timestamps {
            for earlier in self.of_record.get(timestamp).into_iter().flatten() {
                let earlier = &self.batches[*earlier];
                if !earlier.is_refused() {
                    let fates: Vec<Fate> = earlier.attempts.iter().map(|attempt| attempt.fate).collect();
                    return Err(format!(
                        "the record of timestamp {timestamp} travels as {} and as {}, whose attempts are {fates:?}",
                        batch.label(),
                        earlier.label()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The batch's place in the sequence of its producer id and epoch.
    fn enter_line(
        &mut self,
        batch: &Batch,
        index: usize,
        first_sequence: i32,
        has_ended: &impl Fn(i64) -> Option<bool>,
    ) -> Result<(), String> {
        let (identity, label) = (batch.identity(), batch.label());
        if self.current != Some(identity) {
            self.check_adoption(identity, &label, has_ended)?;
            let begins_at = batch.header.base_sequence;
            if begins_at != 0 && begins_at != first_sequence {
                return Err(format!("{label} is the first of its epoch: the sequence begins at 0"));
            }
            self.current = Some(identity);
            self.lines.insert(identity, Line { first_sequence: begins_at, ..Line::default() });
        }
        let Some(line) = self.lines.get_mut(&identity) else { return Ok(()) };
        let from = i64::from(batch.header.base_sequence.wrapping_sub(line.first_sequence) & i32::MAX);
        let to = from + i64::from(batch.header.records_count);
        for (_, _, other) in line.batches.iter().filter(|(start, end, _)| *start < to && *end > from) {
            let other = &self.batches[*other];
            if !other.is_refused() {
                // R1, I9.
                return Err(format!(
                    "{label} takes the sequence numbers of {}, which may be in the log",
                    other.label()
                ));
            }
        }
        line.batches.retain(|(start, end, _)| *start >= to || *end <= from);
        let at = line.batches.partition_point(|(start, _, _)| *start < from);
        let before = at.checked_sub(1).map_or(0, |at| line.batches[at].1);
        if before != from {
            return Err(format!("{label}: sequence numbers are missing, the last batch ends before place {before}"));
        }
        let mut undecided = None;
        for (place, (_, _, earlier)) in line.batches[..at].iter().enumerate() {
            let earlier = &self.batches[*earlier];
            if earlier.is_acked() || earlier.is_unclear() {
                continue;
            }
            let has_ended = earlier.has_ended(has_ended);
            let later_acked = line.batches[place + 1..at].iter().any(|(_, _, later)| self.batches[*later].is_acked());
            if has_ended != Some(false) && later_acked {
                continue;
            }
            match has_ended {
                // Parts of a batch that was cut have had their numbers before: sending them decides about what is
                // behind.
                Some(true) if from < line.end => {}
                Some(true) => {
                    let earlier = earlier.label();
                    return Err(format!("{label} follows {earlier}, which has failed: a hole in the sequence"));
                }
                Some(false) if !earlier.is_outstanding() => {
                    return Err(format!("{label} overtakes {}, which has to be sent again", earlier.label()));
                }
                None if !earlier.is_outstanding() => continue,
                _ => {}
            }
            undecided = undecided.or(Some(place));
        }
        if undecided.is_some_and(|oldest| at - oldest >= WINDOW_MAX) {
            // R5.
            return Err(format!("{label} is more than {WINDOW_MAX} batches ahead of the oldest undecided one"));
        }
        line.batches.insert(at, (from, to, index));
        line.end = line.end.max(to);
        Ok(())
    }

    /// A new producer id or epoch is taken on when nothing of the partition is undecided (R4), and never an older one.
    fn check_adoption(
        &self,
        identity: Identity,
        label: &str,
        has_ended: &impl Fn(i64) -> Option<bool>,
    ) -> Result<(), String> {
        if self.lines.keys().any(|(id, epoch)| *id == identity.0 && *epoch >= identity.1) {
            return Err(format!("{label} goes back to an epoch that was left"));
        }
        for batch in &self.batches {
            if batch.is_outstanding() {
                return Err(format!("{label} is sent while {} is in flight", batch.label()));
            }
            let is_in_doubt = !batch.is_acked() && !batch.is_refused() && !batch.is_unclear();
            if is_in_doubt && batch.has_ended(has_ended) == Some(false) {
                return Err(format!("{label} is sent while {} is in doubt", batch.label()));
            }
        }
        Ok(())
    }

    /// R6: until this leader has acknowledged something of this epoch, one batch at a time; and a batch that is sent
    /// again goes alone (R8).
    fn check_ramp(&self, broker: i32, index: usize) -> Result<(), String> {
        let batch = &self.batches[index];
        let is_proven = self.proven == Some((broker, batch.identity()));
        for other in self.batches.iter().filter(|other| other.is_outstanding()) {
            if !is_proven {
                let (label, other) = (batch.label(), other.label());
                return Err(format!("{label} is sent beside {other} before the leader has acknowledged anything"));
            }
            if other.attempts.len() > 1 {
                return Err(format!("{} is sent beside {}, which is a retry", batch.label(), other.label()));
            }
        }
        Ok(())
    }
}
