//! InitProducerId and the requests of transactions: AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn.

use super::header::{Api, begin_request, finish_request};
use super::primitives::{
    DecodeError, Reader, put_array_len, put_bool, put_i16, put_i32, put_i64, put_no_tagged_fields, put_nullable_string,
    put_string,
};
use crate::offsets::{GroupMetadata, TopicOffset};

/// Whose transaction a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionHead<'a> {
    pub transactional_id: &'a str,
    pub producer_id: i64,
    pub producer_epoch: i16,
}

/// What InitProducerId asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIdQuestion<'a> {
    /// `None` for a producer that is only idempotent, and then the broker ignores the timeout.
    pub transactional_id: Option<&'a str>,
    pub timeout_ms: i32,
    /// With the epoch the identity that is to be followed up, -1 for none; sent from v3 on and lost before.
    pub producer_id: i64,
    pub producer_epoch: i16,
    /// Transactions never expire (KIP-939). Sent from v6 on; must not be asked for before.
    pub enable_2pc: bool,
    /// An open transaction is left as it is instead of being aborted. As `enable_2pc`.
    pub keep_prepared: bool,
}

impl ProducerIdQuestion<'_> {
    /// For a producer without transactions that has no identity.
    pub const NOTHING: ProducerIdQuestion<'static> = ProducerIdQuestion {
        transactional_id: None,
        timeout_ms: 0,
        producer_id: -1,
        producer_epoch: -1,
        enable_2pc: false,
        keep_prepared: false,
    };
}

/// The answer to InitProducerId.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerIdAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// -1 with an error.
    pub producer_id: i64,
    /// Says nothing with an error.
    pub producer_epoch: i16,
    /// The transaction that was kept open, from v6 on; -1 when none was, and before.
    pub ongoing_producer_id: i64,
    /// -1 when `ongoing_producer_id` is.
    pub ongoing_producer_epoch: i16,
}

/// The answer to AddPartitionsToTxn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddPartitionsAnswer {
    pub throttle_time_ms: i32,
    /// Topic, partition and error code, in the broker's order: entries may be missing, foreign or repeated.
    pub results: Vec<(String, i32, i16)>,
}

/// The answer to AddOffsetsToTxn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddOffsetsAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
}

/// The answer to TxnOffsetCommit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TxnOffsetCommitAnswer {
    pub throttle_time_ms: i32,
    /// Topic, partition and error code, in the broker's order: entries may be missing, foreign or repeated.
    pub results: Vec<(String, i32, i16)>,
}

/// The answer to EndTxn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndTxnAnswer {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// What the next transaction is to use, from v5 on (KIP-890); -1 before, and when the broker has nothing to say.
    pub producer_id: i64,
    /// -1 when `producer_id` is.
    pub producer_epoch: i16,
}

/// Encodes an InitProducerId request with its length prefix.
pub fn encode_init_producer_id(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    question: &ProducerIdQuestion<'_>,
) -> Vec<u8> {
    let form = Api::InitProducerId.form(version);
    let mut out = Vec::with_capacity(48 + client_id.len() + question.transactional_id.map_or(0, str::len));
    begin_request(&mut out, Api::InitProducerId, version, correlation_id, client_id);
    put_nullable_string(&mut out, form, question.transactional_id);
    put_i32(&mut out, question.timeout_ms);
    if version >= 3 {
        put_i64(&mut out, question.producer_id);
        put_i16(&mut out, question.producer_epoch);
    }
    if version >= 6 {
        put_bool(&mut out, question.enable_2pc);
        put_bool(&mut out, question.keep_prepared);
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to InitProducerId of `version`.
pub fn decode_init_producer_id(version: i16, body: &[u8]) -> Result<ProducerIdAnswer, DecodeError> {
    let mut reader = Reader::new(body, Api::InitProducerId.form(version));
    let mut answer = ProducerIdAnswer {
        throttle_time_ms: reader.i32("throttle time")?,
        error_code: reader.i16("error code")?,
        producer_id: reader.i64("producer id")?,
        producer_epoch: reader.i16("producer epoch")?,
        ongoing_producer_id: -1,
        ongoing_producer_epoch: -1,
    };
    if version >= 6 {
        answer.ongoing_producer_id = reader.i64("ongoing producer id")?;
        answer.ongoing_producer_epoch = reader.i16("ongoing producer epoch")?;
    }
    reader.skip_tagged_fields("producer id's tagged fields")?;
    Ok(answer)
}

/// Encodes an AddPartitionsToTxn request with its length prefix. `topics`: each topic once, with its partitions.
pub fn encode_add_partitions_to_txn(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    head: &TransactionHead<'_>,
    topics: &[(&str, Vec<i32>)],
) -> Vec<u8> {
    let form = Api::AddPartitionsToTxn.form(version);
    let mut out = Vec::new();
    begin_request(&mut out, Api::AddPartitionsToTxn, version, correlation_id, client_id);
    put_string(&mut out, form, head.transactional_id);
    put_producer(&mut out, head);
    put_array_len(&mut out, form, Some(topics.len()));
    for (topic, partitions) in topics {
        put_string(&mut out, form, topic);
        put_array_len(&mut out, form, Some(partitions.len()));
        for &partition in partitions {
            put_i32(&mut out, partition);
        }
        put_no_tagged_fields(&mut out, form);
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to AddPartitionsToTxn of `version`.
pub fn decode_add_partitions_to_txn(version: i16, body: &[u8]) -> Result<AddPartitionsAnswer, DecodeError> {
    let (throttle_time_ms, results) = read_partition_results(Api::AddPartitionsToTxn, version, body)?;
    Ok(AddPartitionsAnswer { throttle_time_ms, results })
}

/// Encodes an AddOffsetsToTxn request with its length prefix.
pub fn encode_add_offsets_to_txn(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    head: &TransactionHead<'_>,
    group_id: &str,
) -> Vec<u8> {
    let form = Api::AddOffsetsToTxn.form(version);
    let mut out = Vec::new();
    begin_request(&mut out, Api::AddOffsetsToTxn, version, correlation_id, client_id);
    put_string(&mut out, form, head.transactional_id);
    put_producer(&mut out, head);
    put_string(&mut out, form, group_id);
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to AddOffsetsToTxn of `version`.
pub fn decode_add_offsets_to_txn(version: i16, body: &[u8]) -> Result<AddOffsetsAnswer, DecodeError> {
    let mut reader = Reader::new(body, Api::AddOffsetsToTxn.form(version));
    let answer =
        AddOffsetsAnswer { throttle_time_ms: reader.i32("throttle time")?, error_code: reader.i16("error code")? };
    reader.skip_tagged_fields("offsets answer's tagged fields")?;
    Ok(answer)
}

/// Encodes a TxnOffsetCommit request with its length prefix. `offsets` come in any order and are grouped by topic;
/// those of one topic keep their order. The consumer's place in its group is sent from v3 on: before, a group that
/// names a member must not be asked for, see `GroupMetadata::names_member`.
pub fn encode_txn_offset_commit(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    head: &TransactionHead<'_>,
    group: &GroupMetadata,
    offsets: &[&TopicOffset],
) -> Vec<u8> {
    let form = Api::TxnOffsetCommit.form(version);
    let mut by_topic = offsets.to_vec();
    by_topic.sort_by(|a, b| a.topic.cmp(&b.topic));
    let topics = || by_topic.chunk_by(|a, b| a.topic == b.topic);
    let mut out = Vec::new();
    begin_request(&mut out, Api::TxnOffsetCommit, version, correlation_id, client_id);
    put_string(&mut out, form, head.transactional_id);
    put_string(&mut out, form, &group.group_id);
    put_producer(&mut out, head);
    if version >= 3 {
        put_i32(&mut out, group.generation_id);
        put_string(&mut out, form, &group.member_id);
        put_nullable_string(&mut out, form, group.group_instance_id.as_deref());
    }
    put_array_len(&mut out, form, Some(topics().count()));
    for partitions in topics() {
        put_string(&mut out, form, &partitions[0].topic);
        put_array_len(&mut out, form, Some(partitions.len()));
        for partition in partitions {
            put_i32(&mut out, partition.partition);
            put_i64(&mut out, partition.offset);
            put_i32(&mut out, partition.leader_epoch);
            put_nullable_string(&mut out, form, partition.metadata.as_deref());
            put_no_tagged_fields(&mut out, form);
        }
        put_no_tagged_fields(&mut out, form);
    }
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to TxnOffsetCommit of `version`.
pub fn decode_txn_offset_commit(version: i16, body: &[u8]) -> Result<TxnOffsetCommitAnswer, DecodeError> {
    let (throttle_time_ms, results) = read_partition_results(Api::TxnOffsetCommit, version, body)?;
    Ok(TxnOffsetCommitAnswer { throttle_time_ms, results })
}

/// Encodes an EndTxn request with its length prefix. `committed`: commit, or else abort.
pub fn encode_end_txn(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    head: &TransactionHead<'_>,
    committed: bool,
) -> Vec<u8> {
    let form = Api::EndTxn.form(version);
    let mut out = Vec::new();
    begin_request(&mut out, Api::EndTxn, version, correlation_id, client_id);
    put_string(&mut out, form, head.transactional_id);
    put_producer(&mut out, head);
    put_bool(&mut out, committed);
    put_no_tagged_fields(&mut out, form);
    finish_request(&mut out, 0);
    out
}

/// Decodes the body of an answer to EndTxn of `version`.
pub fn decode_end_txn(version: i16, body: &[u8]) -> Result<EndTxnAnswer, DecodeError> {
    let mut reader = Reader::new(body, Api::EndTxn.form(version));
    let mut answer = EndTxnAnswer {
        throttle_time_ms: reader.i32("throttle time")?,
        error_code: reader.i16("error code")?,
        producer_id: -1,
        producer_epoch: -1,
    };
    if version >= 5 {
        answer.producer_id = reader.i64("producer id")?;
        answer.producer_epoch = reader.i16("producer epoch")?;
    }
    reader.skip_tagged_fields("transaction end's tagged fields")?;
    Ok(answer)
}

fn put_producer(out: &mut Vec<u8>, head: &TransactionHead<'_>) {
    put_i64(out, head.producer_id);
    put_i16(out, head.producer_epoch);
}

/// The body that AddPartitionsToTxn and TxnOffsetCommit share: a throttle time, and an error code per topic and
/// partition.
#[allow(clippy::type_complexity)]
fn read_partition_results(api: Api, version: i16, body: &[u8]) -> Result<(i32, Vec<(String, i32, i16)>), DecodeError> {
    let mut reader = Reader::new(body, api.form(version));
    let throttle_time_ms = reader.i32("throttle time")?;
    let mut results = Vec::new();
    let mut copies_bytes_left = body.len() * COPIES_PER_BYTE_MAX;
    for _ in 0..reader.array_len(TOPIC_BYTES_MIN, "topics")? {
        let too_many_copies = reader.error("topic name");
        let topic = reader.string("topic name")?;
        let partition_count = reader.array_len(PARTITION_BYTES_MIN, "partitions")?;
        copies_bytes_left =
            copies_bytes_left.checked_sub(topic.len().saturating_mul(partition_count)).ok_or(too_many_copies)?;
        for _ in 0..partition_count {
            let index = reader.i32("partition index")?;
            results.push((topic.clone().into_owned(), index, reader.i16("partition's error code")?));
            reader.skip_tagged_fields("partition's tagged fields")?;
        }
        reader.skip_tagged_fields("topic's tagged fields")?;
    }
    reader.skip_tagged_fields("partition results' tagged fields")?;
    Ok((throttle_time_ms, results))
}

/// A name is copied for each of its partitions, so a body of one endless name and many partitions would grow with the
/// square of its length. Kafka's names of at most 249 bytes make 42 bytes of copies per byte received.
const COPIES_PER_BYTE_MAX: usize = 64;
/// Name, count and tagged fields, each at its shortest.
const TOPIC_BYTES_MIN: usize = 3;
/// Index and error; tagged fields only in the flexible form.
const PARTITION_BYTES_MIN: usize = 6;

#[cfg(test)]
mod tests;
