//! Produce requests and responses, versions 7 to 13. The request is encoded around its batches, which are never copied.

use super::header::{Api, begin_request, finish_request};
use super::primitives::{
    DecodeError, Reader, Result, put_array_len, put_i16, put_i32, put_no_tagged_fields, put_nullable_string, put_string,
};

/// Tells a topic from one of the same name that was deleted before it was made.
pub type TopicId = [u8; 16];

/// A topic without one: of a broker before Kafka 2.8, or not known yet.
pub const NO_TOPIC_ID: TopicId = [0; 16];

/// The first version whose requests and answers have topic ids in the place of names (KIP-516).
pub const PRODUCE_BY_ID: i16 = 13;

/// One topic of a produce request.
#[derive(Clone, Copy, Debug)]
pub struct TopicPart<'a> {
    pub name: &'a str,
    /// Says which topic it is from v13 on, instead of the name.
    pub id: TopicId,
    /// Partition index and the bytes of its batch.
    pub partitions: &'a [(i32, usize)],
}

/// A produce request without its batches. Kept and used again, it allocates nothing in the long run.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct ProduceHead {
    /// All bytes but the batches, the length prefix included.
    pub head: Vec<u8>,
    /// `cuts[i]` is the offset in `head` before which batch `i` is written, in order of topics, then partitions.
    pub cuts: Vec<usize>,
}

/// Encodes the request into `out`, whose former content is dropped. The length in front counts the batches too.
#[allow(clippy::too_many_arguments)]
pub fn encode_produce(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    transactional_id: Option<&str>,
    acks: i16,
    timeout_ms: i32,
    topics: &[TopicPart<'_>],
    out: &mut ProduceHead,
) {
    let form = Api::Produce.form(version);
    let ProduceHead { head, cuts } = out;
    cuts.clear();
    begin_request(head, Api::Produce, version, correlation_id, client_id);
    put_nullable_string(head, form, transactional_id);
    put_i16(head, acks);
    put_i32(head, timeout_ms);
    put_array_len(head, form, Some(topics.len()));
    let mut batches_bytes = 0;
    for topic in topics {
        if version >= PRODUCE_BY_ID {
            head.extend_from_slice(&topic.id);
        } else {
            put_string(head, form, topic.name);
        }
        put_array_len(head, form, Some(topic.partitions.len()));
        for &(index, batch_bytes) in topic.partitions {
            put_i32(head, index);
            // The length of bytes is written like the count of an array, in both forms.
            put_array_len(head, form, Some(batch_bytes));
            cuts.push(head.len());
            batches_bytes += batch_bytes;
            put_no_tagged_fields(head, form);
        }
        put_no_tagged_fields(head, form);
    }
    put_no_tagged_fields(head, form);
    finish_request(head, batches_bytes);
}

/// The most that a request takes beside its topics, the length prefix included, whatever its version.
pub fn request_bytes(client_id: &str, transactional_id: Option<&str>) -> usize {
    64 + client_id.len() + transactional_id.map_or(0, str::len)
}

/// The most that a topic of a request takes beside its partitions.
pub fn topic_bytes(name: &str) -> usize {
    // A topic id has sixteen bytes itself.
    16 + name.len().max(size_of::<TopicId>())
}

/// The most that a partition of a request takes beside its batch.
pub const PARTITION_BYTES: usize = 16;

/// How an answer says which topic it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnsweredTopic<'a> {
    Name(&'a str),
    /// From v13 on.
    Id(TopicId),
}

/// The broker's answer for one partition. Its texts are clean lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionResponse<'a> {
    pub topic: AnsweredTopic<'a>,
    pub index: i32,
    pub error_code: i16,
    /// -1 when unknown.
    pub base_offset: i64,
    /// -1 unless the topic stamps records on append.
    pub log_append_time_ms: i64,
    /// -1 when unknown.
    pub log_start_offset: i64,
    /// Records that made the batch be refused, by their place in it, with a message (v8 on). Usually empty.
    pub record_errors: Vec<(i32, Option<String>)>,
    pub error_message: Option<String>,
    /// Id and epoch of the leader, when the broker knows a newer one than we do (v10 on, KIP-951). Never negative.
    pub current_leader: Option<(i32, i32)>,
}

/// A broker as a produce response names it, beside the leaders it tells of (v10 on, KIP-951).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeEndpoint {
    pub id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

/// What a produce response says beyond its partitions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProduceTail {
    /// How long the broker asks us to send nothing on this connection.
    pub throttle_time_ms: i32,
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// Decodes `body`, what follows the response header, giving each partition's answer to `visit` in the broker's order:
/// entries may be missing, foreign or repeated. All or nothing: `visit` is first called when the whole body is known to
/// be readable. Bytes after the end of the response are ignored, as by other clients.
pub fn decode_produce_response(
    version: i16,
    body: &[u8],
    visit: impl FnMut(PartitionResponse<'_>),
) -> std::result::Result<ProduceTail, DecodeError> {
    let tail = walk(version, body, |_| {})?;
    walk(version, body, visit)?;
    Ok(tail)
}

fn walk(version: i16, body: &[u8], mut visit: impl FnMut(PartitionResponse<'_>)) -> Result<ProduceTail> {
    let form = Api::Produce.form(version);
    let mut reader = Reader::new(body, form);
    for _ in 0..reader.array_len(TOPIC_BYTES_MIN, "produced topics")? {
        let (name, id) = match version {
            PRODUCE_BY_ID.. => (None, reader.uuid("topic id")?),
            _ => (Some(reader.string("topic name")?), NO_TOPIC_ID),
        };
        let topic = name.as_deref().map_or(AnsweredTopic::Id(id), AnsweredTopic::Name);
        for _ in 0..reader.array_len(PARTITION_BYTES_MIN, "produced partitions")? {
            visit(read_partition(version, topic, &mut reader)?);
        }
        reader.skip_tagged_fields("topic's tagged fields")?;
    }
    let mut tail = ProduceTail { throttle_time_ms: reader.i32("throttle time")?, node_endpoints: Vec::new() };
    reader.tagged_fields("produce response's tagged fields", |tag, field| {
        if tag == TAG_NODE_ENDPOINTS && version >= 10 {
            tail.node_endpoints.clear();
            for _ in 0..field.array_len(NODE_ENDPOINT_BYTES_MIN, "node endpoints")? {
                tail.node_endpoints.push(read_node_endpoint(field)?);
            }
        }
        Ok(())
    })?;
    Ok(tail)
}

fn read_partition<'a>(
    version: i16,
    topic: AnsweredTopic<'a>,
    reader: &mut Reader<'_>,
) -> Result<PartitionResponse<'a>> {
    let mut partition = PartitionResponse {
        topic,
        index: reader.i32("partition index")?,
        error_code: reader.i16("error code")?,
        base_offset: reader.i64("base offset")?,
        log_append_time_ms: reader.i64("log append time")?,
        log_start_offset: reader.i64("log start offset")?,
        record_errors: Vec::new(),
        error_message: None,
        current_leader: None,
    };
    if version >= 8 {
        for _ in 0..reader.array_len(RECORD_ERROR_BYTES_MIN, "record errors")? {
            let index = reader.i32("record index")?;
            let message = reader.nullable_line("record's error message")?;
            reader.skip_tagged_fields("record error's tagged fields")?;
            partition.record_errors.push((index, message));
        }
        partition.error_message = reader.nullable_line("error message")?;
    }
    reader.tagged_fields("partition's tagged fields", |tag, field| {
        if tag == TAG_CURRENT_LEADER && version >= 10 {
            let (id, epoch) = (field.i32("leader id")?, field.i32("leader epoch")?);
            field.skip_tagged_fields("leader's tagged fields")?;
            partition.current_leader = (id >= 0 && epoch >= 0).then_some((id, epoch));
        }
        Ok(())
    })?;
    Ok(partition)
}

fn read_node_endpoint(reader: &mut Reader<'_>) -> Result<NodeEndpoint> {
    let endpoint = NodeEndpoint {
        id: reader.i32("node id")?,
        host: reader.line("node host")?,
        port: reader.i32("node port")?,
        rack: reader.nullable_line("node rack")?,
    };
    reader.skip_tagged_fields("node endpoint's tagged fields")?;
    Ok(endpoint)
}

const TAG_CURRENT_LEADER: u32 = 0;
const TAG_NODE_ENDPOINTS: u32 = 0;

/// The least an element can take, over all versions: what a claimed count is measured by.
const TOPIC_BYTES_MIN: usize = 3;
const PARTITION_BYTES_MIN: usize = 4 + 2 + 8 + 8 + 8;
const RECORD_ERROR_BYTES_MIN: usize = 4 + 2;
const NODE_ENDPOINT_BYTES_MIN: usize = 4 + 1 + 4 + 1 + 1;

#[cfg(test)]
mod tests;
