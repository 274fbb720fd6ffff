//! What goes wrong between a transactional producer and its coordinators.

use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, EndTxnResponse, InitProducerIdRequest, RequestHeader,
    TxnOffsetCommitResponse,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use super::{Sim, faults};
use crate::mock::{CoordinatorKind, api_key, testing};
use crate::time::Micros;

pub(super) const TRANSACTIONAL_ID: &str = "simulated";

/// APIs of coordinators, and those that change something there.
pub(super) const COORDINATOR_APIS: [i16; 6] = [
    api_key::FIND_COORDINATOR,
    api_key::INIT_PRODUCER_ID,
    api_key::ADD_PARTITIONS_TO_TXN,
    api_key::ADD_OFFSETS_TO_TXN,
    api_key::END_TXN,
    api_key::TXN_OFFSET_COMMIT,
];
/// What coordinators answer when the client has to try again.
const PASSING_CODES: [i16; 5] = [14, 15, 16, 51, 7];
/// The same, though they have acted.
const AFTER_ACTING: [i16; 4] = [14, 15, 16, 51];
/// And what costs the transaction or the producer.
const HARD_CODES: [i16; 6] = [-1, 120, 47, 90, 49, 53];

impl Sim {
    pub(super) fn transaction_fault_step(&mut self) {
        if self.fault(|rates| rates.coordinator_moves) {
            let broker = self.random.between(1, self.plan.brokers as u64) as i32;
            let group = self.random.percent(30);
            let (kind, key) = match group {
                true => (CoordinatorKind::Group, format!("group{}", self.random.below(2))),
                false => (CoordinatorKind::Transaction, TRANSACTIONAL_ID.to_owned()),
            };
            let to = (!self.random.percent(15)).then_some(broker);
            self.note(80, broker as u64, 0, || format!("the coordinator of {key} is {to:?}"));
            self.cluster.coordinator_move(kind, &key, to).expect("the broker exists");
        }
        if self.fault(|rates| rates.coordinator_loads) {
            let load_ms = self.random.pick(&[0, 50, 1_000]);
            self.cluster.set_coordinator_load_ms(load_ms);
        }
        if self.fault(|rates| rates.markers_late) {
            let delay_ms = self.random.pick(&[0, 5, 100, 1_500]);
            self.cluster.set_marker_delay_ms(delay_ms);
        }
        if self.fault(|rates| rates.coordinator_error) {
            let api = self.random.pick(&COORDINATOR_APIS);
            let hard = self.plan.hard_codes && self.random.percent(10);
            let code = if hard { self.random.pick(&HARD_CODES) } else { self.random.pick(&PASSING_CODES) };
            let count = self.random.between(1, 3) as u32;
            self.note(81, code as u64, count.into(), || format!("API {api} answers {code} {count} times"));
            self.hard_code_answered |= hard;
            self.cluster.push_error(api, code, count);
        }
        if self.fault(|rates| rates.version_changes) && !self.plan.old_brokers {
            let version = self.random.pick(&[0, 1, 2, 2]);
            self.note(82, version as u64, 0, || format!("transaction.version={version}"));
            self.cluster.set_transaction_version(version).expect("it exists");
        }
        if self.fault(|rates| rates.fenced) {
            self.was_fenced = true;
            let outcome = self.cluster.fence(TRANSACTIONAL_ID);
            self.note(83, 0, 0, || format!("another producer takes over: {outcome:?}"));
        }
    }

    /// Coordinators work again.
    pub(super) fn heal_coordinators(&mut self) {
        self.cluster.set_coordinator_load_ms(0);
        self.cluster.set_marker_delay_ms(0);
        let keys = [
            (CoordinatorKind::Transaction, TRANSACTIONAL_ID),
            (CoordinatorKind::Group, "group0"),
            (CoordinatorKind::Group, "group1"),
        ];
        for (kind, key) in keys {
            if self.cluster.coordinator(kind, key).is_none() {
                self.cluster.coordinator_move(kind, key, Some(1)).expect("it exists");
            }
        }
    }

    /// The coordinator has acted, and says that it has not.
    pub(super) fn hide_acts(&mut self, key: i16, version: i16, bytes: Vec<u8>) -> Vec<u8> {
        if !COORDINATOR_APIS.contains(&key) || !self.fault(|rates| rates.hidden_act) {
            return bytes;
        }
        let code = self.random.pick(&AFTER_ACTING);
        match key {
            api_key::END_TXN => {
                let (correlation_id, mut response) = testing::response::<EndTxnResponse>(&bytes, version);
                if response.error_code == 0 {
                    response = EndTxnResponse::default().with_error_code(code);
                }
                faults::encode(correlation_id, version, &response)
            }
            api_key::ADD_OFFSETS_TO_TXN => {
                let (correlation_id, mut response) = testing::response::<AddOffsetsToTxnResponse>(&bytes, version);
                if response.error_code == 0 {
                    response.error_code = code;
                }
                faults::encode(correlation_id, version, &response)
            }
            api_key::ADD_PARTITIONS_TO_TXN => {
                let (correlation_id, mut response) = testing::response::<AddPartitionsToTxnResponse>(&bytes, version);
                let topics = response.results_by_topic_v3_and_below.iter_mut();
                for result in topics.flat_map(|topic| &mut topic.results_by_partition) {
                    if result.partition_error_code == 0 {
                        result.partition_error_code = code;
                    }
                }
                faults::encode(correlation_id, version, &response)
            }
            api_key::TXN_OFFSET_COMMIT => {
                let (correlation_id, mut response) = testing::response::<TxnOffsetCommitResponse>(&bytes, version);
                for result in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    if result.error_code == 0 {
                        result.error_code = code;
                    }
                }
                faults::encode(correlation_id, version, &response)
            }
            _ => bytes,
        }
    }

    /// A late copy of a request that initializes a transactional id ends what is open then, and no client can help it.
    pub(super) fn may_come_late(&self, request: &[u8]) -> bool {
        let key = i16::from_be_bytes([request[4], request[5]]);
        let asks = [api_key::METADATA, api_key::API_VERSIONS, api_key::FIND_COORDINATOR].contains(&key);
        !asks && !is_initialization(request)
    }

    /// The transactional id has been in use for long before this producer comes.
    pub(super) fn age_transactional_id(&mut self) {
        use kafka_protocol::messages::TransactionalId;
        use kafka_protocol::protocol::StrBytes;
        let Some(coordinator) = self.cluster.coordinator(CoordinatorKind::Transaction, TRANSACTIONAL_ID) else {
            return;
        };
        let id = TransactionalId(StrBytes::from_static_str(TRANSACTIONAL_ID));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id))
            .with_transaction_timeout_ms(1_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let frame = testing::request(api_key::INIT_PRODUCER_ID, 1, 0, &request);
        self.cluster.handle_frame(self.now, self.wall_ms(), coordinator, &frame);
        self.cluster.set_producer_epoch(TRANSACTIONAL_ID, self.plan.first_epoch).expect("it is idle");
    }

    /// Whether the coordinator may have given the open transaction up.
    pub(super) fn was_overdue(&self) -> bool {
        let limit = Micros::from_ms(self.plan.config.transaction_timeout_ms);
        let ends = |end: crate::time::Time| end.min(self.now);
        self.txn.transactions.iter().any(|transaction| ends(transaction.ended_at).since(transaction.begun_at) >= limit)
    }
}

/// Whether a request asks for the producer id and epoch of a transactional id; such a one ends what is open.
pub(super) fn is_initialization(request: &[u8]) -> bool {
    let key = i16::from_be_bytes([request[4], request[5]]);
    if key != api_key::INIT_PRODUCER_ID {
        return false;
    }
    let version = i16::from_be_bytes([request[6], request[7]]);
    let mut rest = bytes::Bytes::copy_from_slice(&request[4..]);
    let header = RequestHeader::decode(&mut rest, InitProducerIdRequest::header_version(version));
    let body = header.and_then(|_| InitProducerIdRequest::decode(&mut rest, version));
    body.is_ok_and(|body| body.transactional_id.is_some())
}
