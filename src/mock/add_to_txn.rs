//! AddPartitionsToTxn v0-3 and AddOffsetsToTxn v0-4. Versions of AddPartitionsToTxn above 3 are the brokers' own.

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddOffsetsToTxnResponse, AddPartitionsToTxnResponse};

use super::cluster::Cluster;
use super::code;
use super::coordinators::CoordinatorKind;
use super::reader::{ReadResult, Reader};
use super::request::{Outcome, Request, topic_name};
use super::transactions::{Identity, Transaction};

/// Older clients do not know PRODUCER_FENCED.
pub(super) fn fenced_for(version: i16, first_that_knows: i16, error_code: i16) -> i16 {
    match error_code {
        code::PRODUCER_FENCED if version < first_that_knows => code::INVALID_PRODUCER_EPOCH,
        other => other,
    }
}

struct AddPartitions<'a> {
    transactional_id: &'a str,
    client: Identity,
    topics: Vec<(&'a str, Vec<i32>)>,
}

fn read_partitions<'a>(body: &mut Reader<'a>) -> ReadResult<AddPartitions<'a>> {
    let transactional_id = body.string()?;
    let client = Identity { producer_id: body.i64()?, epoch: body.i16()? };
    let mut topics = Vec::new();
    for _ in 0..body.array()? {
        let name = body.string()?;
        let mut indexes = Vec::new();
        for _ in 0..body.array()? {
            indexes.push(body.i32()?);
        }
        body.tagged_fields()?;
        topics.push((name, indexes));
    }
    body.tagged_fields()?;
    body.end()?;
    Ok(AddPartitions { transactional_id, client, topics })
}

pub(super) fn handle_partitions(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let asked = read_partitions(&mut request.body)?;
    cluster.stats.set_partition_count(asked.topics.iter().map(|(_, indexes)| indexes.len()).sum());
    let is_known = |cluster: &Cluster, name: &str, index: i32| {
        cluster.has_partition(name, index) && cluster.transactions.late_topic.as_deref() != Some(name)
    };
    let all_known = asked.topics.iter().all(|(name, indexes)| indexes.iter().all(|&i| is_known(cluster, name, i)));
    let result = match injected {
        Some(error_code) => Err(error_code),
        None if all_known => add_partitions(cluster, request.broker, &asked),
        None => Ok(()),
    };
    let error_code = result.err().map_or(code::NONE, |error_code| fenced_for(request.api_version, 2, error_code));
    let mut response = AddPartitionsToTxnResponse::default().with_throttle_time_ms(request.throttle_ms(cluster));
    for (name, indexes) in &asked.topics {
        let results = indexes.iter().map(|&index| {
            let error_code = match injected {
                Some(_) => error_code,
                None if all_known => error_code,
                // One partition that is not there keeps the others from being added.
                None if is_known(cluster, name, index) => code::OPERATION_NOT_ATTEMPTED,
                None => code::UNKNOWN_TOPIC_OR_PARTITION,
            };
            let result = AddPartitionsToTxnPartitionResult::default().with_partition_index(index);
            result.with_partition_error_code(error_code)
        });
        let topic = AddPartitionsToTxnTopicResult::default().with_name(topic_name(name));
        response.results_by_topic_v3_and_below.push(topic.with_results_by_partition(results.collect()));
    }
    request.encode(&response).map(Outcome::Respond)
}

fn add_partitions(cluster: &mut Cluster, broker: i32, asked: &AddPartitions<'_>) -> Result<(), i16> {
    let now = cluster.now;
    let partitions = asked.topics.iter().flat_map(|(name, indexes)| indexes.iter().map(|&i| ((*name).to_owned(), i)));
    cluster.transaction_at(broker, asked.transactional_id)?.add(asked.client, partitions, None, now)
}

impl Cluster {
    /// The transaction of an id, for a request that came to `broker` as its coordinator.
    pub(super) fn transaction_at(&mut self, broker: i32, transactional_id: &str) -> Result<&mut Transaction, i16> {
        if transactional_id.is_empty() {
            return Err(code::INVALID_REQUEST);
        }
        self.coordinates(CoordinatorKind::Transaction, transactional_id, broker)?;
        self.transactions.by_id.get_mut(transactional_id).ok_or(code::INVALID_PRODUCER_ID_MAPPING)
    }
}

pub(super) fn handle_offsets(
    cluster: &mut Cluster,
    mut request: Request<'_>,
    injected: Option<i16>,
) -> ReadResult<Outcome> {
    let body = &mut request.body;
    let transactional_id = body.string()?;
    let client = Identity { producer_id: body.i64()?, epoch: body.i16()? };
    let group = body.string()?;
    body.tagged_fields()?;
    body.end()?;
    let now = cluster.now;
    let result = match injected {
        Some(error_code) => Err(error_code),
        // The group's own rules are looked at by its coordinator, in TxnOffsetCommit.
        None => cluster
            .transaction_at(request.broker, transactional_id)
            .and_then(|transaction| transaction.add(client, None, [group.to_owned()], now)),
    };
    let error_code = result.err().map_or(code::NONE, |error_code| fenced_for(request.api_version, 2, error_code));
    let response = AddOffsetsToTxnResponse::default()
        .with_throttle_time_ms(request.throttle_ms(cluster))
        .with_error_code(error_code);
    request.encode(&response).map(Outcome::Respond)
}
