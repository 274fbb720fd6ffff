//! Two-phase commit (KIP-939): prepare, and end what was prepared.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::c_char;
use std::ptr;

use crate::capi::boundary::{call, invalid, out_arg, str_arg, timeout_arg};
use crate::capi::producer::producer_t;
use crate::capi::status::producer_status_t;
use crate::capi::transaction::enter_outside_callbacks;
use crate::error::Result;
use crate::prepared::PreparedTransaction;
use crate::producer::transaction;

/// The bytes that the name of a prepared transaction needs, its NUL included.
pub const PRODUCER_PREPARED_STATE_LEN: usize = 26;

/// Makes the producer ready for transactions as producer_init_transactions does, but leaves a transaction open that an earlier
/// producer of the same transactional.id has prepared (KIP-939): producer_complete_transaction then ends it. The earlier
/// producer is shut out. No broker of Kafka up to 4.3 can: see PRODUCER_ERR_UNSUPPORTED_BROKER.
///
/// `producer`: the producer; transaction.two.phase.commit.enable is true. `timeout_ms`: how long to wait; 0 only starts it, -1
/// waits for ever. `state`: PRODUCER_PREPARED_STATE_LEN bytes; receives the name of the transaction that is open, or an empty
/// text when none was, and then a transaction may be begun.
/// Returns PRODUCER_OK.
/// Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
/// PRODUCER_ERR_UNSUPPORTED_BROKER when the brokers do not know two-phase commit, or cannot keep a transaction: nothing has
/// changed. producer_complete_transaction may be called all the same, and producer_init_transactions, which aborts what is open.
/// Make a new producer, and the call was wrong: as for producer_init_transactions;
/// PRODUCER_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED also when the right TWO_PHASE_COMMIT is missing or the brokers' own
/// transaction.two.phase.commit.enable is not true; PRODUCER_ERR_STATE also without this producer's
/// transaction.two.phase.commit.enable. With any of them `state` is left alone.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread meanwhile. Until it has returned PRODUCER_OK every
/// other function of transactions but these two, and producer_send, answers PRODUCER_ERR_STATE.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_init_transactions_keep_prepared(
    producer: *mut producer_t,
    timeout_ms: i32,
    state: *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_init_transactions_keep_prepared") }?;
        let out = out_arg(state, "state")?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        let kept = transaction::init_transactions_keep_prepared(&inside, timeout_ms, inside.dispatcher())?;
        // SAFETY: not NULL, and by the header it has room for a name.
        unsafe { write_state(out, kept) };
        Ok(())
    })
}

/// Prepares the open transaction for two-phase commit (KIP-939): sends everything that is buffered at once, waits until all of
/// its records have their outcome, and leaves the transaction open. From then on only its end may be asked for. The brokers
/// never abort it by themselves. Write the state down together with what has to happen if and only if the transaction is
/// committed; then end it, with this producer or, should this process die, with another one.
///
/// `producer`: the producer; transaction.two.phase.commit.enable is true. `timeout_ms`: how long to wait; 0 only starts it, -1
/// waits for ever (each record's delivery time still ends). `state`: PRODUCER_PREPARED_STATE_LEN bytes; receives the name of the
/// transaction, "producer id:epoch", as Kafka's own client writes it.
/// Returns PRODUCER_OK when it is prepared; every callback of its records has run then, each with a success.
/// Call again: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
/// Abort and go on: whatever made the transaction fail: the status of its first record that failed, such as
/// PRODUCER_ERR_DELIVERY_TIMED_OUT; PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id has taken over;
/// PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE without transaction.two.phase.commit.enable, when no transaction
/// is open or it is prepared already, when another call is pending, or when producer_send_offsets_to_transaction has timed out
/// and was not called again; PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT;
/// PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED; PRODUCER_ERR_FORKED;
/// PRODUCER_ERR_INTERNAL after a bug of the library. With any of them `state` is left alone.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread. producer_commit_transaction,
/// producer_abort_transaction and producer_complete_transaction end what it has prepared; every other function of transactions,
/// and producer_send, answers PRODUCER_ERR_STATE. Closing the producer leaves a prepared transaction open, until it is ended
/// by another one. Consumers that read committed records wait behind it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_prepare_transaction(
    producer: *mut producer_t,
    timeout_ms: i32,
    state: *mut c_char,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_prepare_transaction") }?;
        let out = out_arg(state, "state")?;
        let timeout_ms = timeout_arg(timeout_ms)?;
        let prepared = transaction::prepare_transaction(&inside, timeout_ms, inside.dispatcher())?;
        // SAFETY: not NULL, and by the header it has room for a name.
        unsafe { write_state(out, Some(prepared)) };
        Ok(())
    })
}

/// Ends a prepared transaction as the other system has decided (KIP-939): commits it when it is the one that `state` names, and
/// aborts it when `state` names another or none.
///
/// Before the producer is initialized it commits the transaction that `state` names, under the identity of the producer that
/// prepared it. No broker has to be able to keep transactions for that. The commit may be repeated; afterwards
/// producer_init_transactions comes as usual, which also aborts whatever else is open.
///
/// `producer`: the producer; transaction.two.phase.commit.enable is true. `state`: what producer_prepare_transaction gave, or an
/// empty text for no transaction; borrows until return. `timeout_ms`: how long to wait; 0 only starts it, -1 waits for ever.
/// Returns PRODUCER_OK when it is committed, or aborted.
/// Call again, with the same `state`: PRODUCER_ERR_TIMED_OUT when the time passed first: it goes on, and the same call resumes it.
/// Abort and go on: PRODUCER_ERR_TRANSACTION_ABORTABLE when the coordinator says so.
/// Make a new producer: PRODUCER_ERR_PRODUCER_FENCED when a newer producer of this transactional.id has taken over: it has
/// ended the transaction, or will; PRODUCER_ERR_FATAL and others for which producer_status_is_fatal is true.
/// The call was wrong, and nothing changed: PRODUCER_ERR_STATE without transaction.two.phase.commit.enable, when nothing is
/// prepared, when another call is pending, or for an empty `state` before the producer is initialized;
/// PRODUCER_ERR_NOT_TRANSACTIONAL without transactional.id; PRODUCER_ERR_INVALID_ARGUMENT also for a `state` that no
/// producer gives; PRODUCER_ERR_IN_CALLBACK from one of this producer's own callbacks; PRODUCER_ERR_CLOSED;
/// PRODUCER_ERR_FORKED; PRODUCER_ERR_INTERNAL after a bug of the library.
/// Blocks for `timeout_ms` at most and runs callbacks on this thread meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_complete_transaction(
    producer: *mut producer_t,
    state: *const c_char,
    timeout_ms: i32,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter_outside_callbacks(producer, "producer_complete_transaction") }?;
        // SAFETY: the caller's promise: NULL or a NUL-ended string.
        let wanted = state_arg(unsafe { str_arg(state, "state") }?)?;
        transaction::complete_transaction(&inside, wanted, timeout_arg(timeout_ms)?, inside.dispatcher())
    })
}

fn state_arg(text: &str) -> Result<Option<PreparedTransaction>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || invalid("state is no \"producer id:epoch\": give what producer_prepare_transaction gave, unchanged");
    PreparedTransaction::parse(text).map(Some).ok_or_else(wrong)
}

/// # Safety
/// `out` has room for PRODUCER_PREPARED_STATE_LEN bytes.
unsafe fn write_state(out: *mut c_char, prepared: Option<PreparedTransaction>) {
    let text = prepared.map_or_else(String::new, |prepared| prepared.to_string());
    debug_assert!(text.len() < PRODUCER_PREPARED_STATE_LEN);
    // SAFETY: the longest name and its NUL have room there, as the caller promises; the text is not in it.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        *out.add(text.len()) = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_state_has_room() {
        let longest = PreparedTransaction { producer_id: i64::MAX, producer_epoch: i16::MAX };
        assert_eq!(longest.to_string().len() + 1, PRODUCER_PREPARED_STATE_LEN);
    }
}
