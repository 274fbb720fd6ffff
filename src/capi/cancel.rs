//! Taking a record back before it is sent.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_void;

use crate::accumulator::{Tag, Ticket};
use crate::capi::boundary::{call, invalid, out_arg};
use crate::capi::producer::{pass, producer_t};
use crate::capi::record::{partition_arg, producer_record_t, record_arg};
use crate::capi::report::{callback_address, producer_delivery_fn};
use crate::capi::send::send_one;
use crate::capi::status::producer_status_t;
use crate::capi::topic::topic_of;
use crate::error::Result;
use crate::producer::SentTicket;
use crate::reports::RICH;

/// What names a record that was sent with producer_send_cancellable. A plain value: copy it as you like; nothing is to be
/// freed. Its fields are the library's.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_ticket_t {
    /// The producer; 0: the ticket names no record.
    pub producer: u64,
    /// The record.
    pub id: u64,
    /// Where it was put.
    pub batch: u64,
    /// Who hears of it.
    pub key: u64,
    /// Its topic.
    pub topic: u32,
    /// Its partition, where that was known; otherwise -1.
    pub partition: i32,
}

/// Of a record that was parked: its batch is not known.
const NO_BATCH: u64 = u64::MAX;

/// Sends a record like producer_send, and gives a ticket with which producer_cancel takes it back as long as it waits.
///
/// `producer`, `record`, `callback`, `opaque`: as for producer_send. `ticket`: receives the ticket; not NULL.
/// Returns what producer_send returns; PRODUCER_ERR_INVALID_ARGUMENT also for a NULL ticket, before anything is sent.
/// Blocks as producer_send does. May be called from any thread and from delivery callbacks. It costs a little more than
/// producer_send; other records pay nothing for it.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_send_cancellable(
    producer: *mut producer_t,
    record: *const producer_record_t,
    callback: producer_delivery_fn,
    opaque: *mut c_void,
    ticket: *mut producer_ticket_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { pass(producer) }?;
        // SAFETY: the caller's promise: NULL or a record of `struct_size` bytes.
        let record = unsafe { record_arg(record) }?;
        let out = out_arg(ticket, "ticket")?;
        // SAFETY: the caller's promise about both fields; the pass keeps the producer alive.
        let topic = unsafe { topic_of(&inside, record.topic_handle, record.topic) }?;
        let partition = partition_arg(record.partition)?;
        let callback = callback.map_or(0, callback_address);
        let sent = inside.send_ticketed(topic, partition, callback, opaque as usize, |tag| {
            // SAFETY: the caller's promise about the record's pointers.
            unsafe { send_one(&inside, record, Some(tag)) }
        })?;
        // SAFETY: not NULL, and the caller's to be written.
        unsafe { *out = ticket_of(inside.id(), &sent) };
        Ok(())
    })
}

/// Takes a record back that was sent with producer_send_cancellable and is not on its way yet.
///
/// `producer`: the producer that the record was sent with. `ticket`: the record's ticket; borrows until return.
/// Returns PRODUCER_OK: it was not sent, and never will be; its one report, if it has a callback, comes with
/// PRODUCER_ERR_CANCELLED and PRODUCER_PERSISTED_NO. PRODUCER_ERR_TOO_LATE: a broker has it or may have it, or it is finished,
/// or was cancelled before: its own report says what became of it. PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a
/// ticket that is not this producer's; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED.
/// The records around it are sent as if it had never been there. In a transaction it is no part of it, and costs nothing. Its
/// report does not wait for those of the records before it. A delivery_timeout_ms of its own that was shorter than theirs still
/// ends its batch.
/// Does not block. May be called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_cancel(
    producer: *mut producer_t,
    ticket: *const producer_ticket_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours. Closing waits for this pass before it takes the last reports.
        let inside = unsafe { pass(producer) }?;
        // SAFETY: the caller's promise: NULL or a ticket.
        let Some(ticket) = (unsafe { ticket.as_ref() }) else { return Err(invalid("ticket is NULL")) };
        // Interceptors may send a record elsewhere.
        inside.cancel(&sent_ticket(inside.id(), ticket)?, inside.hooks().is_some())
    })
}

fn ticket_of(producer: u64, sent: &SentTicket) -> producer_ticket_t {
    producer_ticket_t {
        producer,
        id: sent.number,
        batch: sent.place.batch.unwrap_or(NO_BATCH),
        key: sent.place.tag.opaque as u64,
        topic: sent.topic,
        partition: sent.place.partition.map_or(-1, |partition| partition as i32),
    }
}

fn sent_ticket(producer: u64, ticket: &producer_ticket_t) -> Result<SentTicket> {
    if ticket.producer == 0 {
        return Err(invalid(
            "the ticket names no record: producer_send_cancellable fills it in when it answers PRODUCER_OK",
        ));
    }
    if ticket.producer != producer {
        return Err(invalid("the ticket is of a record that another producer has sent: cancel it there"));
    }
    let Ok(opaque) = usize::try_from(ticket.key) else { return Err(invalid("the ticket's fields were changed")) };
    let place = Ticket {
        partition: u32::try_from(ticket.partition).ok(),
        batch: (ticket.batch != NO_BATCH).then_some(ticket.batch),
        tag: Tag::marked(RICH, opaque),
    };
    Ok(SentTicket { topic: ticket.topic, number: ticket.id, place })
}
