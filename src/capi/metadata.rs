//! What the cluster says: brokers, topics, partitions; and connections before they are needed.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::sync::Arc;

use crate::accumulator::{Nodes, Snapshot, TopicDetail};
use crate::capi::boundary::{call, invalid, out_arg, out_struct, str_arg, timeout_arg};
use crate::capi::handle::{Handles, Kind, free_string, give_string};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::Result;

/// Metadata of a cluster at one moment: opaque, made by producer_metadata and freed by producer_metadata_free. It never changes,
/// does not need its producer any more, and may be read by any number of threads at once.
#[allow(non_camel_case_types)]
pub struct producer_metadata_t {
    _opaque: [u8; 0],
}

static METADATA: Handles<Snapshot> = Handles::new(Kind::Metadata);

/// A broker. The strings live as long as the metadata.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_metadata_broker_t {
    /// Bytes of this struct, set by PRODUCER_METADATA_BROKER_INIT.
    pub struct_size: usize,
    /// The broker's id.
    pub id: i32,
    /// The name or address that it advertises.
    pub host: *const c_char,
    /// The port that it advertises.
    pub port: i32,
    /// Its rack; NULL when it has none.
    pub rack: *const c_char,
    /// Whether this producer had a connection to it that requests could be sent over. A connection is made when it is needed.
    pub connected: bool,
}

/// A topic. The name lives as long as the metadata.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_metadata_topic_t {
    /// Bytes of this struct, set by PRODUCER_METADATA_TOPIC_INIT.
    pub struct_size: usize,
    /// The topic's name.
    pub name: *const c_char,
    /// PRODUCER_OK; otherwise what the broker says is wrong with it, such as PRODUCER_ERR_UNKNOWN_TOPIC_OR_PARTITION or
    /// PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED.
    pub status: producer_status_t,
    /// How many partitions producer_metadata_partition_at knows; 0 when `status` says that something is wrong.
    pub partition_count: usize,
}

/// A partition. The arrays of broker ids live as long as the metadata; they are empty in metadata that was not asked of a
/// broker (`timeout_ms` 0).
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_metadata_partition_t {
    /// Bytes of this struct, set by PRODUCER_METADATA_PARTITION_INIT.
    pub struct_size: usize,
    /// The partition's number.
    pub partition: i32,
    /// PRODUCER_OK; otherwise what the broker says is wrong with it, such as PRODUCER_ERR_LEADER_NOT_AVAILABLE.
    pub status: producer_status_t,
    /// The leader's broker id; -1 when there is none.
    pub leader: i32,
    /// How often the leader has changed, as the brokers count; -1 when unknown.
    pub leader_epoch: i32,
    /// The brokers that have a copy.
    pub replicas: *const i32,
    /// How many they are.
    pub replica_count: usize,
    /// Those of them that are in sync with the leader.
    pub in_sync_replicas: *const i32,
    /// How many they are.
    pub in_sync_replica_count: usize,
    /// Those of them that are down.
    pub offline_replicas: *const i32,
    /// How many they are.
    pub offline_replica_count: usize,
}

/// Asks the cluster for its metadata: brokers, and topics with their partitions, leaders and replicas.
///
/// `producer`: the producer. `topic`: the topic to ask for, in use or not; NULL for all topics that this producer has sent to.
/// With allow.auto.create.topics, asking for a topic that does not exist creates it, where the brokers allow it. `timeout_ms`:
/// how long to wait for a broker, and for a topic that is being created; -1 waits for ever; 0 asks nobody and tells what is
/// known now: leaders without replicas, and only of topics in use. `metadata`: receives the metadata, to be freed with
/// producer_metadata_free.
/// Returns PRODUCER_OK when a broker has answered: what it says of the topic, a topic that does not exist included, is in
/// producer_metadata_topic_at; PRODUCER_ERR_TIMED_OUT when none answered in time; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a
/// name that Kafka does not allow; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of this producer's own
/// callbacks, unless `timeout_ms` is 0; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the
/// library.
/// Blocks up to `timeout_ms`, with 0 no longer than the I/O thread takes to hear of it, which waits for no broker; runs no callbacks, and changes nothing of what is being sent. May be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata(
    producer: *mut producer_t,
    topic: *const c_char,
    timeout_ms: i32,
    metadata: *mut *mut producer_metadata_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(metadata, "metadata")?;
        let topic = match topic.is_null() {
            true => None,
            // SAFETY: the caller's promise: a NUL-ended string.
            false => Some(unsafe { str_arg(topic, "topic") }?),
        };
        let snapshot = inside.metadata(topic, timeout_arg(timeout_ms)?)?;
        let made = METADATA.insert(snapshot)?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { out.write(made) };
        Ok(())
    })
}

/// Frees metadata, and with it every string and array it has given out.
///
/// `metadata`: the metadata, or NULL, which does nothing. No other thread may be using it.
/// May be called from any thread and from callbacks, also after the producer was closed; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_free(metadata: *mut producer_metadata_t) {
    call(|| if metadata.is_null() { Ok(()) } else { METADATA.remove(metadata, "metadata").map(drop) });
}

/// Tells the cluster's id.
///
/// `metadata`: the metadata. Returns a string that lives as long as the metadata; NULL when the brokers told none, or
/// `metadata` is NULL. May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_cluster_id(metadata: *const producer_metadata_t) -> *const c_char {
    METADATA.get(metadata, "metadata").map_or(ptr::null(), |snapshot| text_or_null(snapshot.cluster_id.as_ref()))
}

/// Tells the broker id of the cluster's controller, or of the broker that stands for it.
///
/// `metadata`: the metadata. Returns the id; -1 when it is unknown, or `metadata` is NULL. May be called from any thread;
/// does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_controller_id(metadata: *const producer_metadata_t) -> i32 {
    METADATA.get(metadata, "metadata").map_or(-1, |snapshot| snapshot.controller_id)
}

/// Tells how many brokers there are.
///
/// `metadata`: the metadata. Returns the count; 0 when `metadata` is NULL. May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_broker_count(metadata: *const producer_metadata_t) -> usize {
    METADATA.get(metadata, "metadata").map_or(0, |snapshot| snapshot.brokers.len())
}

/// Describes a broker.
///
/// `metadata`: the metadata. `index`: 0 to producer_metadata_broker_count - 1, in the order of their ids. `broker`: a struct
/// begun with PRODUCER_METADATA_BROKER_INIT; receives the description.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
/// May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_broker_at(
    metadata: *const producer_metadata_t,
    index: usize,
    broker: *mut producer_metadata_broker_t,
) -> producer_status_t {
    call(|| {
        let snapshot = METADATA.get(metadata, "metadata")?;
        let found = at(&snapshot.brokers, index, "brokers")?;
        let value = producer_metadata_broker_t {
            struct_size: size_of::<producer_metadata_broker_t>(),
            id: found.id,
            host: found.host.as_ptr(),
            port: found.port,
            rack: text_or_null(found.rack.as_ref()),
            connected: found.connected,
        };
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        unsafe { out_struct(broker, "broker", "PRODUCER_METADATA_BROKER_INIT", &value) }
    })
}

/// Tells how many topics there are.
///
/// `metadata`: the metadata. Returns the count; 0 when `metadata` is NULL. May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_topic_count(metadata: *const producer_metadata_t) -> usize {
    METADATA.get(metadata, "metadata").map_or(0, |snapshot| snapshot.topics.len())
}

/// Describes a topic.
///
/// `metadata`: the metadata. `index`: 0 to producer_metadata_topic_count - 1, in the order of their names. `topic`: a struct
/// begun with PRODUCER_METADATA_TOPIC_INIT; receives the description.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
/// May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_topic_at(
    metadata: *const producer_metadata_t,
    index: usize,
    topic: *mut producer_metadata_topic_t,
) -> producer_status_t {
    call(|| {
        let snapshot = METADATA.get(metadata, "metadata")?;
        let found = at(&snapshot.topics, index, "topics")?;
        let value = producer_metadata_topic_t {
            struct_size: size_of::<producer_metadata_topic_t>(),
            name: found.name.as_ptr(),
            status: found.status.code(),
            partition_count: found.partitions.len(),
        };
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        unsafe { out_struct(topic, "topic", "PRODUCER_METADATA_TOPIC_INIT", &value) }
    })
}

/// Describes a partition of a topic.
///
/// `metadata`: the metadata. `topic_index`: as for producer_metadata_topic_at. `index`: 0 to the topic's partition_count - 1, in
/// the order of their numbers. `partition`: a struct begun with PRODUCER_METADATA_PARTITION_INIT; receives the description.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument, an index too large or a struct_size too small.
/// May be called from any thread; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_metadata_partition_at(
    metadata: *const producer_metadata_t,
    topic_index: usize,
    index: usize,
    partition: *mut producer_metadata_partition_t,
) -> producer_status_t {
    call(|| {
        let snapshot = METADATA.get(metadata, "metadata")?;
        let topic = at(&snapshot.topics, topic_index, "topics")?;
        let found = at(&topic.partitions, index, "partitions")?;
        let value = producer_metadata_partition_t {
            struct_size: size_of::<producer_metadata_partition_t>(),
            partition: found.index,
            status: found.status.code(),
            leader: found.leader,
            leader_epoch: found.leader_epoch,
            replicas: list(topic, found.replicas),
            replica_count: found.replicas.len,
            in_sync_replicas: list(topic, found.in_sync),
            in_sync_replica_count: found.in_sync.len,
            offline_replicas: list(topic, found.offline),
            offline_replica_count: found.offline.len,
        };
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        unsafe { out_struct(partition, "partition", "PRODUCER_METADATA_PARTITION_INIT", &value) }
    })
}

/// Tells the id of the cluster that the producer is connected to.
///
/// `producer`: the producer. `timeout_ms`: how long to wait for a broker when none has told yet; 0 does not wait, -1 waits for
/// ever. `cluster_id`: receives the id, to be freed with producer_string_free.
/// Returns PRODUCER_OK; PRODUCER_ERR_NOT_FOUND when it is not known, and `timeout_ms` is 0 or the brokers tell none;
/// PRODUCER_ERR_TIMED_OUT when no broker answered in time; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of
/// this producer's own callbacks when it would have to wait; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL
/// after a bug of the library.
/// Blocks up to `timeout_ms`, not at all once a broker has told, and runs no callbacks. May be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_cluster_id(
    producer: *mut producer_t,
    timeout_ms: i32,
    cluster_id: *mut *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(cluster_id, "cluster_id")?;
        let id = inside.cluster_id(timeout_arg(timeout_ms)?)?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { out.write(give_string(CString::from(&*id))) };
        Ok(())
    })
}

/// Makes the first record to a topic as fast as any other: gets the topic's metadata and connects to the leaders of all of its
/// partitions; with enable.idempotence also the producer id.
///
/// `producer`: the producer. `topic`: the topic's name. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when every leader is connected, or with 0 at once; PRODUCER_ERR_TIMED_OUT when the time passed first:
/// it goes on, and producer_last_error says what is missing; what a broker says of the topic, when that does not go away by
/// itself, such as PRODUCER_ERR_TOPIC_AUTHORIZATION_FAILED; PRODUCER_ERR_INVALID_TOPIC_EXCEPTION for a name that Kafka does not
/// allow; PRODUCER_ERR_NO_RESOURCES for too many topics; PRODUCER_ERR_INVALID_ARGUMENT; PRODUCER_ERR_IN_CALLBACK from one of
/// this producer's own callbacks, unless `timeout_ms` is 0; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL
/// after a bug of the library; the fatal status when the producer has failed for good.
/// Blocks up to `timeout_ms` and runs no callbacks. The connections are closed again after connections.max.idle.ms without use.
/// May be called from any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_warm_up(
    producer: *mut producer_t,
    topic: *const c_char,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let topic = unsafe { str_arg(topic, "topic") }?;
        inside.warm_up(topic, timeout_arg(timeout_ms)?)
    })
}

/// Frees a string that a function of this library has given to the caller to be freed.
///
/// `string`: the string, or NULL, which does nothing.
/// May be called from any thread and from callbacks, also after the producer was closed; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_string_free(string: *mut c_char) {
    call(|| if string.is_null() { Ok(()) } else { free_string(string) });
}

fn at<'a, T>(all: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    all.get(index).ok_or_else(|| invalid(format!("index {index} is too large: there are {} {what}", all.len())))
}

fn list(topic: &TopicDetail, nodes: Nodes) -> *const i32 {
    match topic.nodes(nodes) {
        [] => ptr::null(),
        ids => ids.as_ptr(),
    }
}

fn text_or_null(text: Option<&Arc<CStr>>) -> *const c_char {
    text.map_or(ptr::null(), |text| text.as_ptr())
}
