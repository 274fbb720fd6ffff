//! The producer's numbers: as a struct, as JSON, for Prometheus, and told at intervals.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CString, c_char, c_void};

use crate::capi::boundary::{call, out_arg, out_struct_since};
use crate::capi::call_out::call_out;
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::handle::give_string;
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::error::Result;
use crate::stats::{Percentiles, Summary};

/// How long something took, in microseconds, over the last 30 to 60 seconds. A value is at most a sixteenth above the exact
/// one, and never below it. All are 0 when nothing was measured in that time.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Default)]
pub struct producer_percentiles_t {
    /// How many were measured.
    pub count: i64,
    /// Half of them took no longer.
    pub p50_us: i64,
    /// 95 of 100 took no longer.
    pub p95_us: i64,
    /// 99 of 100 took no longer.
    pub p99_us: i64,
    /// 999 of 1000 took no longer.
    pub p999_us: i64,
    /// The longest.
    pub max_us: i64,
}

/// A producer's numbers at one moment. A plain copy: nothing in it has to be freed. The numbers are read one after the other
/// while the producer works, so that two of them may be of slightly different moments.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_stats_t {
    /// Bytes of this struct, set by PRODUCER_STATS_INIT.
    pub struct_size: usize,
    /// Accepted records that were handed to a connection, or failed before that. Records in batches that are still open or
    /// queued are not counted yet: after a flush it is every accepted record.
    pub records_sent: i64,
    /// Records acknowledged by a broker; with acks=0, written.
    pub records_delivered: i64,
    /// Records that failed for whatever reason, with a callback or without.
    pub records_failed: i64,
    /// Those of the failed records that may be in the log: PRODUCER_PERSISTED_MAYBE.
    pub records_in_doubt: i64,
    /// Those of the failed records whose delivery time was over.
    pub records_expired: i64,
    /// Those of the failed records that producer_cancel took back.
    pub records_cancelled: i64,
    /// Bytes of batches, with their headers, handed to a connection for the first time.
    pub bytes_sent: i64,
    /// Bytes of batches that were delivered.
    pub bytes_delivered: i64,
    /// Batches handed to a connection for the first time; one that a broker finds too large and that is cut counts for each
    /// part.
    pub batches_sent: i64,
    /// Batches that were delivered.
    pub batches_delivered: i64,
    /// Batches that failed; a record that failed before its topic was known counts as one.
    pub batches_failed: i64,
    /// Batches handed to a connection again.
    pub batch_retries: i64,
    /// Batches cut because a broker found them too large, or because compression left more of them than was expected.
    pub batch_splits: i64,
    /// Records of the batches in `batches_sent`.
    pub batch_records: i64,
    /// Requests handed to connections, of every kind.
    pub requests: i64,
    /// Produce requests handed to connections.
    pub produce_requests: i64,
    /// Bytes that sockets took.
    pub bytes_written: i64,
    /// Bytes that came from sockets.
    pub bytes_received: i64,
    /// Connections over which a broker could be used.
    pub connects: i64,
    /// Of them, the second and later ones to the same broker.
    pub reconnects: i64,
    /// Attempts to connect that failed, and connections that ended as a failure.
    pub connection_failures: i64,
    /// Milliseconds of silence that brokers asked for (quotas), summed over brokers.
    pub throttle_ms: i64,
    /// Answers with metadata that were taken over.
    pub metadata_refreshes: i64,
    /// How often the producer went on under a new epoch or producer id, as idempotence and transactions need it.
    pub epoch_bumps: i64,
    /// Transactions committed.
    pub transactions_committed: i64,
    /// Transactions aborted.
    pub transactions_aborted: i64,
    /// Requests whose answer is awaited.
    pub requests_in_flight: i64,
    /// Connections that can be used now.
    pub connections: i64,
    /// Bytes of buffer.memory in use.
    pub buffer_used_bytes: i64,
    /// buffer.memory.
    pub buffer_limit_bytes: i64,
    /// Threads that wait for room in buffer.memory.
    pub senders_waiting: i64,
    /// Records whose reports wait to be taken.
    pub reports_waiting: i64,
    /// Topics in use.
    pub topics: i64,
    /// Partitions of the topics in use.
    pub partitions: i64,
    /// Partitions of the topics in use that have no leader.
    pub partitions_leaderless: i64,
    /// `batch_records` for each of `batches_sent`: how well batches are filled.
    pub batch_records_avg: f64,
    /// `bytes_sent` for each of `batches_sent`; compare it with batch.size.
    pub batch_bytes_avg: f64,
    /// From the first record of a batch to its first request, counted for each of the batch's records.
    pub queue_time: producer_percentiles_t,
    /// From a produce request to its answer.
    pub round_trip: producer_percentiles_t,
    /// From the first record of a batch to its outcome, counted for each of the batch's records.
    pub delivery: producer_percentiles_t,
    /// Bytes of batches before compression. Those that compression.type=none sends are not counted.
    pub compress_bytes_in: i64,
    /// Bytes of the same batches after compression; one that did not get smaller is sent as it is and counts so.
    pub compress_bytes_out: i64,
    /// Microseconds that compressing took, summed over the threads that do it.
    pub compress_time_us: i64,
    /// `compress_bytes_out` for each of `compress_bytes_in`: 0.25 when a quarter is left; 1 when nothing was compressed.
    pub compress_ratio: f64,
}

/// Receives the producer's numbers as JSON, every `statistics.interval.ms`.
///
/// `json`: as producer_stats_json gives it, NUL-ended; valid until the callback returns. `len`: its bytes, without the NUL.
/// `opaque`: the pointer given along with the callback.
/// It runs on the thread that polls, flushes, closes or is in a function of transactions, with delivery.dispatch=thread on the
/// library's dispatching thread, under the rules of delivery callbacks; the text is made there at that moment. When nobody
/// polls, nothing piles up: the next poll tells once.
#[allow(non_camel_case_types)]
pub type producer_stats_fn = Option<unsafe extern "C" fn(json: *const c_char, len: usize, opaque: *mut c_void)>;

/// A stats callback with its pointer.
#[derive(Clone, Copy)]
pub struct StatsCallback {
    function: unsafe extern "C" fn(*const c_char, usize, *mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the callback runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for StatsCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for StatsCallback {}

impl StatsCallback {
    /// Hands the text to the application. Must not be called on the I/O thread, nor with a lock held.
    pub(super) fn tell(&self, json: &str) {
        let text = CString::new(json.replace('\0', "")).unwrap_or_default();
        let arguments = [text.as_ptr() as usize, text.as_bytes().len(), self.opaque as usize, 0];
        // SAFETY: the application gave function and pointer for this use; the text outlives the call.
        unsafe { call_out(self.function as *const (), arguments) };
    }
}

/// Tells the producer's numbers.
///
/// `producer`: the producer. `stats`: a struct begun with PRODUCER_STATS_INIT; receives the numbers.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a struct_size smaller than the struct ever was;
/// PRODUCER_ERR_CLOSED, or PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
/// Does not block, takes no lock that sending needs, and costs the same whatever the number of partitions. May be called from
/// any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_stats(
    producer: *mut producer_t,
    stats: *mut producer_stats_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // The numbers of compression came later.
        let least = std::mem::offset_of!(producer_stats_t, compress_bytes_in);
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        unsafe { out_struct_since(stats, "stats", "PRODUCER_STATS_INIT", &to_c(&inside.numbers()), least) }
    })
}

/// Gives the producer's numbers as JSON: those of producer_stats under the same names, with lists of brokers and topics and of
/// the 100 partitions that hold most bytes.
///
/// `producer`: the producer. `json`: receives the text, one object in UTF-8, to be freed with producer_string_free.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED, or
/// PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
/// Waits for no broker. It looks at each partition under its lock for a moment: with very many partitions prefer producer_stats.
/// May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_stats_json(
    producer: *mut producer_t,
    json: *mut *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(json, "json")?;
        // SAFETY: the caller's promise: not NULL, and his to be written.
        unsafe { give_text(out, inside.stats_json()) }
    })
}

/// Gives the producer's numbers in Prometheus' text format, version 0.0.4, ready to be served to a scraper.
///
/// `producer`: the producer. `text`: receives the text, to be freed with producer_string_free. Each series begins with
/// kproducer_ and has the label client_id; those of brokers and topics have a label broker or topic. Times are in seconds; the
/// histograms count from the start of the producer.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument; PRODUCER_ERR_CLOSED, or
/// PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED.
/// Waits for no broker and looks at no partition. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_stats_prometheus(
    producer: *mut producer_t,
    text: *mut *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        let out = out_arg(text, "text")?;
        // SAFETY: the caller's promise: not NULL, and his to be written.
        unsafe { give_text(out, inside.stats_prometheus()) }
    })
}

/// Sets the function that receives the numbers of producers made from this configuration, every `statistics.interval.ms`.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is;
/// both must stay usable until the last producer made from this configuration is closed.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// With `statistics.interval.ms` at 0, the default, it is never called. May be called from any thread and from callbacks;
/// does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_stats_callback(
    config: *mut producer_config_t,
    callback: producer_stats_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.set_stats(callback.map(|function| StatsCallback { function, opaque }));
        Ok(())
    })
}

/// # Safety
/// `out` may be written.
unsafe fn give_text(out: *mut *mut c_char, text: String) -> Result<()> {
    // A NUL in a client.id or a broker's words would end the text early.
    let text = CString::new(text.replace('\0', "")).unwrap_or_default();
    // SAFETY: the caller's promise.
    unsafe { out.write(give_string(text)) };
    Ok(())
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn to_c(numbers: &Summary) -> producer_stats_t {
    let average = |of: u64| match numbers.batches_sent {
        0 => 0.0,
        batches => of as f64 / batches as f64,
    };
    producer_stats_t {
        struct_size: size_of::<producer_stats_t>(),
        records_sent: count(numbers.records_sent),
        records_delivered: count(numbers.records_delivered),
        records_failed: count(numbers.records_failed),
        records_in_doubt: count(numbers.records_in_doubt),
        records_expired: count(numbers.records_expired),
        records_cancelled: count(numbers.records_cancelled),
        bytes_sent: count(numbers.bytes_sent),
        bytes_delivered: count(numbers.bytes_delivered),
        batches_sent: count(numbers.batches_sent),
        batches_delivered: count(numbers.batches_delivered),
        batches_failed: count(numbers.batches_failed),
        batch_retries: count(numbers.batch_retries),
        batch_splits: count(numbers.batch_splits),
        batch_records: count(numbers.batch_records),
        requests: count(numbers.requests),
        produce_requests: count(numbers.produce_requests),
        bytes_written: count(numbers.bytes_written),
        bytes_received: count(numbers.bytes_received),
        connects: count(numbers.connects),
        reconnects: count(numbers.reconnects),
        connection_failures: count(numbers.connection_failures),
        throttle_ms: count(numbers.throttle_ms),
        metadata_refreshes: count(numbers.metadata_refreshes),
        epoch_bumps: count(numbers.epoch_bumps),
        transactions_committed: count(numbers.transactions_committed),
        transactions_aborted: count(numbers.transactions_aborted),
        requests_in_flight: count(numbers.requests_in_flight),
        connections: count(numbers.connections),
        buffer_used_bytes: count(numbers.buffer_used_bytes),
        buffer_limit_bytes: count(numbers.buffer_limit_bytes),
        senders_waiting: count(numbers.senders_waiting),
        reports_waiting: count(numbers.reports_waiting),
        topics: count(numbers.topics),
        partitions: count(numbers.partitions),
        partitions_leaderless: count(numbers.partitions_leaderless),
        batch_records_avg: average(numbers.batch_records),
        batch_bytes_avg: average(numbers.bytes_sent),
        queue_time: percentiles(&numbers.queue_time),
        round_trip: percentiles(&numbers.round_trip),
        delivery: percentiles(&numbers.delivery),
        compress_bytes_in: count(numbers.compress_bytes_in),
        compress_bytes_out: count(numbers.compress_bytes_out),
        compress_time_us: count(numbers.compress_time_us),
        compress_ratio: numbers.compress_ratio(),
    }
}

fn percentiles(of: &Percentiles) -> producer_percentiles_t {
    producer_percentiles_t {
        count: count(of.count),
        p50_us: count(of.p50),
        p95_us: count(of.p95),
        p99_us: count(of.p99),
        p999_us: count(of.p999),
        max_us: count(of.max),
    }
}
