//! One request in, one answer out: the header, the versions, ordered faults, and the way to each API's file.

use bytes::BufMut;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::time::{Micros, Time};

use super::cluster::Cluster;
use super::faults::Fault;
use super::reader::{Malformed, ReadResult, Reader};
use super::stats::RequestSeen;
use super::transactions::TwoPhase;
use super::{
    add_to_txn, api_key, api_versions, code, end_txn, fetch, find_coordinator, group_offsets, init_producer_id,
    list_offsets, metadata, produce, sasl, telemetry, txn_offset_commit,
};

/// What becomes of one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Respond {
        /// The whole response, its 4-byte length in front.
        bytes: Vec<u8>,
        /// How long after the request it leaves, if no earlier answer of the connection leaves later.
        delay: Micros,
    },
    /// A Produce with acks=0 gets no answer.
    Nothing,
    /// The connection closes, after the answers to earlier requests.
    Disconnect { delay: Micros },
}

/// A request whose header has been read.
pub(super) struct Request<'a> {
    pub(super) now: Time,
    pub(super) wall_ms: i64,
    pub(super) broker: i32,
    /// The connection that it came by; without one nobody asks who it is.
    pub(super) connection: Option<u64>,
    pub(super) api_key: i16,
    pub(super) api_version: i16,
    pub(super) correlation_id: i32,
    pub(super) body: Reader<'a>,
}

/// What an API's file makes of a request; the broker's latency is added to it here.
pub(super) enum Outcome {
    Respond(Vec<u8>),
    RespondAfter(Vec<u8>, Micros),
    Nothing,
    Disconnect,
}

/// How the mock speaks one API: the versions it announces, and what their encoding depends on.
pub(super) struct ApiRange {
    pub(super) api_key: i16,
    pub(super) min_announced: i16,
    pub(super) min: i16,
    pub(super) max: i16,
    first_flexible: i16,
}

/// Produce is announced from 0, as Kafka 4 does: older librdkafka takes a higher minimum for a broker it cannot talk
/// to.
pub(super) const API_RANGES: [ApiRange; 17] = [
    ApiRange { api_key: api_key::PRODUCE, min_announced: 0, min: 3, max: 13, first_flexible: 9 },
    ApiRange { api_key: api_key::FETCH, min_announced: 4, min: 4, max: 12, first_flexible: 12 },
    ApiRange { api_key: api_key::LIST_OFFSETS, min_announced: 1, min: 1, max: 7, first_flexible: 6 },
    ApiRange { api_key: api_key::METADATA, min_announced: 0, min: 0, max: 13, first_flexible: 9 },
    ApiRange { api_key: api_key::SASL_HANDSHAKE, min_announced: 0, min: 0, max: 1, first_flexible: i16::MAX },
    ApiRange { api_key: api_key::API_VERSIONS, min_announced: 0, min: 0, max: 5, first_flexible: 3 },
    ApiRange { api_key: api_key::INIT_PRODUCER_ID, min_announced: 0, min: 0, max: 6, first_flexible: 2 },
    ApiRange { api_key: api_key::FIND_COORDINATOR, min_announced: 0, min: 0, max: 5, first_flexible: 3 },
    ApiRange { api_key: api_key::ADD_PARTITIONS_TO_TXN, min_announced: 0, min: 0, max: 3, first_flexible: 3 },
    ApiRange { api_key: api_key::ADD_OFFSETS_TO_TXN, min_announced: 0, min: 0, max: 4, first_flexible: 3 },
    ApiRange { api_key: api_key::END_TXN, min_announced: 0, min: 0, max: 5, first_flexible: 3 },
    ApiRange { api_key: api_key::TXN_OFFSET_COMMIT, min_announced: 0, min: 0, max: 5, first_flexible: 3 },
    ApiRange { api_key: api_key::OFFSET_COMMIT, min_announced: 2, min: 2, max: 8, first_flexible: 8 },
    ApiRange { api_key: api_key::OFFSET_FETCH, min_announced: 1, min: 1, max: 8, first_flexible: 6 },
    ApiRange { api_key: api_key::SASL_AUTHENTICATE, min_announced: 0, min: 0, max: 2, first_flexible: 2 },
    ApiRange { api_key: api_key::GET_TELEMETRY_SUBSCRIPTIONS, min_announced: 0, min: 0, max: 0, first_flexible: 0 },
    ApiRange { api_key: api_key::PUSH_TELEMETRY, min_announced: 0, min: 0, max: 0, first_flexible: 0 },
];

impl ApiRange {
    pub(super) fn max_for(&self, cluster: &Cluster) -> i16 {
        let is_telemetry = matches!(self.api_key, api_key::GET_TELEMETRY_SUBSCRIPTIONS | api_key::PUSH_TELEMETRY);
        if is_telemetry && !cluster.telemetry.is_offered() {
            return -1;
        }
        // Kafka 4.3 has its newest version among those that are not stable yet.
        let is_two_phase = self.api_key == api_key::INIT_PRODUCER_ID && cluster.transactions.two_phase == TwoPhase::Off;
        let most = if is_two_phase { self.max - 1 } else { self.max };
        cluster.max_versions.get(&self.api_key).map_or(most, |&max| max.min(most))
    }
}

/// Where a request comes in.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) broker: i32,
    pub(super) connection: Option<u64>,
}

pub(super) fn handle(cluster: &mut Cluster, now: Time, wall_ms: i64, source: Source, frame: &[u8]) -> Answer {
    let Some(broker) = cluster.broker(source.broker).filter(|broker| broker.is_up) else {
        return Answer::Disconnect { delay: Micros::ZERO };
    };
    let latency = broker.latency;
    if frame.len() > cluster.options.request_max_bytes {
        return Answer::Disconnect { delay: latency };
    }
    match answer(cluster, now, wall_ms, source, frame) {
        Ok(Outcome::Respond(bytes)) => Answer::Respond { bytes, delay: latency },
        Ok(Outcome::RespondAfter(bytes, wait)) => {
            Answer::Respond { bytes, delay: Micros(latency.0.saturating_add(wait.0)) }
        }
        Ok(Outcome::Nothing) => Answer::Nothing,
        Ok(Outcome::Disconnect) | Err(Malformed) => Answer::Disconnect { delay: latency },
    }
}

fn answer(cluster: &mut Cluster, now: Time, wall_ms: i64, source: Source, frame: &[u8]) -> ReadResult<Outcome> {
    let Source { broker, connection } = source;
    let mut body = Reader::new(frame, false);
    if cluster.options.refuses_trailing_bytes {
        body.refuse_rest();
    }
    let (api_key, api_version, correlation_id) = (body.i16()?, body.i16()?, body.i32()?);
    cluster.stats.count(RequestSeen { at: now, broker, api_key, api_version, correlation_id, partition_count: 0 });
    // Kafka closes the connection on an API it does not know, too: it could not even read the header.
    let range = API_RANGES.iter().find(|range| range.api_key == api_key).ok_or(Malformed)?;
    let max_version = range.max_for(cluster);
    let mut request = Request { now, wall_ms, broker, connection, api_key, api_version, correlation_id, body };
    if !(range.min..=max_version).contains(&api_version) {
        // ApiVersions alone is answered in a version the client did not ask for, so that it can ask again.
        return match api_key {
            api_key::API_VERSIONS if max_version >= 0 => Ok(api_versions::refuse(cluster, &request)),
            _ => Err(Malformed),
        };
    }
    if connection.is_some_and(|connection| !cluster.sasl.admits(now, connection, api_key)) {
        return Ok(Outcome::Disconnect);
    }
    // The client id is the one string of the header that never became compact.
    request.body.skip_nullable_string()?;
    request.body.set_flexible(api_version >= range.first_flexible);
    request.body.tagged_fields()?;

    let fault = cluster.faults.take(api_key);
    let outcome = match fault {
        Some(Fault::Disconnect { after_append: false }) => Outcome::Disconnect,
        _ => {
            let injected = match fault {
                Some(Fault::Error(error_code)) if error_code != code::NONE => Some(error_code),
                _ => None,
            };
            match api_key {
                api_key::PRODUCE => produce::handle(cluster, request, injected)?,
                api_key::FETCH => fetch::handle(cluster, request, injected)?,
                api_key::LIST_OFFSETS => list_offsets::handle(cluster, request, injected)?,
                api_key::METADATA => metadata::handle(cluster, request, injected)?,
                api_key::INIT_PRODUCER_ID => init_producer_id::handle(cluster, request, injected)?,
                api_key::FIND_COORDINATOR => find_coordinator::handle(cluster, request, injected)?,
                api_key::ADD_PARTITIONS_TO_TXN => add_to_txn::handle_partitions(cluster, request, injected)?,
                api_key::ADD_OFFSETS_TO_TXN => add_to_txn::handle_offsets(cluster, request, injected)?,
                api_key::END_TXN => end_txn::handle(cluster, request, injected)?,
                api_key::TXN_OFFSET_COMMIT => txn_offset_commit::handle(cluster, request, injected)?,
                api_key::OFFSET_COMMIT => group_offsets::handle_commit(cluster, request, injected)?,
                api_key::OFFSET_FETCH => group_offsets::handle_fetch(cluster, request, injected)?,
                api_key::SASL_HANDSHAKE => sasl::handle_handshake(cluster, request, injected)?,
                api_key::SASL_AUTHENTICATE => sasl::handle_authenticate(cluster, request, injected)?,
                api_key::GET_TELEMETRY_SUBSCRIPTIONS => telemetry::handle_get(cluster, request, injected)?,
                api_key::PUSH_TELEMETRY => telemetry::handle_push(cluster, request, injected)?,
                _ => api_versions::handle(cluster, request, injected)?,
            }
        }
    };
    Ok(match fault {
        Some(Fault::Disconnect { .. }) => Outcome::Disconnect,
        _ => outcome,
    })
}

impl Request<'_> {
    /// The whole response frame, in the request's version.
    pub(super) fn encode<M: Encodable>(&self, response: &M) -> ReadResult<Vec<u8>> {
        self.encode_in_version(response, self.api_version)
    }

    pub(super) fn encode_in_version<M: Encodable>(&self, response: &M, version: i16) -> ReadResult<Vec<u8>> {
        let range = API_RANGES.iter().find(|range| range.api_key == self.api_key).ok_or(Malformed)?;
        let body_len = response.compute_size(version).map_err(|_| Malformed)?;
        let mut bytes = Vec::with_capacity(4 + 4 + 1 + body_len);
        bytes.put_i32(0);
        bytes.put_i32(self.correlation_id);
        // The answer to ApiVersions keeps the old header in every version: the client does not know yet what we speak.
        if self.api_key != api_key::API_VERSIONS && version >= range.first_flexible {
            bytes.put_u8(0);
        }
        response.encode(&mut bytes, version).map_err(|_| Malformed)?;
        let frame_len = i32::try_from(bytes.len() - 4).map_err(|_| Malformed)?;
        bytes[..4].copy_from_slice(&frame_len.to_be_bytes());
        Ok(bytes)
    }

    pub(super) fn throttle_ms(&self, cluster: &Cluster) -> i32 {
        cluster.broker(self.broker).map_or(0, |broker| broker.throttle_ms)
    }
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
