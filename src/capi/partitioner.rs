//! The application's own choice of partitions.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::accumulator::{ClusterView, NOT_CHOSEN, Partitioning, Picture, View};
use crate::capi::boundary::call;
use crate::capi::call_out::{call_out, forget, leave_frames};
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::gate::InPartitioner;
use crate::capi::status::producer_status_t;
use crate::reports::Leaving;
use crate::threads;

/// A partition as a partitioner sees it.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_view_partition_t {
    /// The partition's number; also its place in the array.
    pub id: i32,
    /// The id of the broker that leads it; -1 when it has no leader.
    pub leader: i32,
    /// Bytes of records that wait to be sent.
    pub queued_bytes: u64,
    /// Batches that were taken for sending and have no outcome yet.
    pub in_flight: u32,
    /// It has a leader, and that does not keep batches waiting for longer than partitioner.availability.timeout.ms.
    pub is_available: bool,
}

/// A broker as a partitioner sees it.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_view_broker_t {
    /// The broker's id, 0 or more.
    pub id: i32,
    /// Its host name or address, as the cluster tells it to clients.
    pub host: *const c_char,
    /// Its port, 1 to 65535.
    pub port: i32,
    /// Its rack (broker.rack); NULL when it has none.
    pub rack: *const c_char,
}

/// What a partitioner decides by. Key and value are the record's; the rest is a picture of topic and cluster that is some
/// milliseconds old (10, and more with thousands of partitions). All of it lives until the partitioner returns.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_partition_view_t {
    /// Bytes of this struct in the library: a later version has more fields at the end.
    pub struct_size: usize,
    /// The topic's name.
    pub topic: *const c_char,
    /// The key's bytes, NULL for no key.
    pub key: *const c_void,
    /// Bytes of the key; 0 when `key` is NULL.
    pub key_len: usize,
    /// The value's bytes, NULL for a null value.
    pub value: *const c_void,
    /// Bytes of the value; 0 when `value` is NULL.
    pub value_len: usize,
    /// Every partition of the topic, from 0 on.
    pub partitions: *const producer_view_partition_t,
    /// How many partitions there are, 1 or more.
    pub partition_count: usize,
    /// The brokers that are in the cluster, in the order of their ids.
    pub brokers: *const producer_view_broker_t,
    /// How many brokers there are.
    pub broker_count: usize,
}

/// Chooses the partition of a record that names none.
///
/// `view`: what to decide by. `opaque`: the pointer given along with the function.
/// Returns the partition, 0 to `partition_count - 1`; or PRODUCER_PARTITION_ANY, which leaves the choice to the property
/// `partitioner`. Any other number is logged, and leaves it too.
/// It is called by the thread that sends, before producer_send returns; several threads call it at once. For records that
/// were sent before their topic's partitions were known it is called, in their order, on a thread of the library's own. It
/// is called again for a record that had to wait for buffer.memory.
/// It must be quick, and may not use its producer: every function answers PRODUCER_ERR_IN_CALLBACK, producer_send too.
#[allow(non_camel_case_types)]
pub type producer_partitioner_fn =
    Option<unsafe extern "C" fn(view: *const producer_partition_view_t, opaque: *mut c_void) -> i32>;

/// A partitioner with its pointer.
#[derive(Clone, Copy)]
pub struct PartitionerCallback {
    function: unsafe extern "C" fn(*const producer_partition_view_t, *mut c_void) -> i32,
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the function runs; that its pointer may be used there is the application's side
// of the contract. The library only passes the pointer on.
unsafe impl Send for PartitionerCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for PartitionerCallback {}

impl PartitionerCallback {
    /// As the partitioner of the producer with this id.
    pub fn of(self, producer: u64) -> CPartitioner {
        CPartitioner { callback: self, producer, is_over: AtomicBool::new(false) }
    }
}

/// A partitioner in a producer.
pub struct CPartitioner {
    callback: PartitionerCallback,
    producer: u64,
    /// It has ended a thread of the library's own, on which it is not called again.
    is_over: AtomicBool,
}

/// A picture in C's terms: made once, shown to many records.
struct Arrays {
    partitions: Vec<producer_view_partition_t>,
    brokers: Vec<producer_view_broker_t>,
    /// What the brokers' texts belong to.
    _cluster: Arc<ClusterView>,
}

// SAFETY: the pointers are to texts that `_cluster` keeps and nobody changes.
unsafe impl Send for Arrays {}
// SAFETY: as above.
unsafe impl Sync for Arrays {}

impl Arrays {
    fn of(picture: &Picture) -> Arrays {
        let partitions = picture.partitions.iter().enumerate().map(|(id, partition)| producer_view_partition_t {
            id: id as i32,
            leader: partition.leader,
            queued_bytes: partition.queued_bytes,
            in_flight: partition.in_flight,
            is_available: partition.is_available,
        });
        let brokers = picture.cluster.brokers.iter().map(|broker| producer_view_broker_t {
            id: broker.id,
            host: broker.host.as_ptr(),
            port: broker.port,
            rack: broker.rack.as_ref().map_or(ptr::null(), |rack| rack.as_ptr()),
        });
        Arrays { partitions: partitions.collect(), brokers: brokers.collect(), _cluster: picture.cluster.clone() }
    }
}

impl Partitioning for CPartitioner {
    fn choose(&self, view: &View<'_>) -> i32 {
        let prepared = view.picture.prepared.get_or_init(|| Box::new(Arrays::of(view.picture)));
        let arrays = prepared.downcast_ref::<Arrays>().expect("nobody else prepares pictures");
        let bytes = |bytes: Option<&[u8]>| bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()));
        let ((key, key_len), (value, value_len)) = (bytes(view.key), bytes(view.value));
        let shown = producer_partition_view_t {
            struct_size: size_of::<producer_partition_view_t>(),
            topic: view.topic.as_ptr(),
            key,
            key_len,
            value,
            value_len,
            partitions: arrays.partitions.as_ptr(),
            partition_count: arrays.partitions.len(),
            brokers: arrays.brokers.as_ptr(),
            broker_count: arrays.brokers.len(),
        };
        if self.is_over.load(Ordering::Relaxed) && threads::is_own() {
            return NOT_CHOSEN;
        }
        let arguments = [(&raw const shown) as usize, self.callback.opaque as usize, 0, 0];
        let answer = {
            let _inside = InPartitioner::begin(self.producer);
            // SAFETY: the application gave function and pointer for this use; all that the view points to outlives the call.
            unsafe { call_out(self.callback.function as *const (), arguments) }
        };
        match answer {
            // The number that stands for a function that did not return is as wrong as its neighbour.
            Some(index) => (index as i32).max(NOT_CHOSEN + 1),
            None if threads::is_own() => {
                if forget() == Some(Leaving::Thread) {
                    self.is_over.store(true, Ordering::Relaxed);
                }
                NOT_CHOSEN
            }
            // Nothing of the record has been done yet, and frames up to here have no answer for this.
            None => leave_frames(),
        }
    }
}

/// Sets the function that chooses partitions for producers made from this configuration; without one the property
/// `partitioner` does.
///
/// `config`: the configuration. `partitioner`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it
/// is; both must stay usable until producer_close has returned for the last producer made from this configuration, and
/// longer when that answers PRODUCER_ERR_TIMED_OUT because the function has not returned.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_partitioner(
    config: *mut producer_config_t,
    partitioner: producer_partitioner_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.set_partitioner(partitioner.map(|function| PartitionerCallback { function, opaque }));
        Ok(())
    })
}
