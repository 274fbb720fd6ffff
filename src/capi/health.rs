//! How the producer is: asked, or told when it changes.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{CStr, c_char, c_void};

use crate::capi::boundary::{call, out_struct};
use crate::capi::call_out::call_out;
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::producer::{enter, producer_t};
use crate::capi::status::producer_status_t;
use crate::stats::{Health, HealthState};

/// `state`: the producer is new, no broker has answered yet, and not every bootstrap server has failed either.
pub const PRODUCER_HEALTH_CONNECTING: i32 = 0;
/// `state`: all is well. Single brokers may come and go: as long as every partition has a leader and no records wait for a broker that
/// is away, nothing is wrong.
pub const PRODUCER_HEALTH_OK: i32 = 1;
/// `state`: brokers answer, but records wait. Partitions of the topics in use have no leader, says the cluster; or a broker that leads
/// some cannot be reached, its name not be resolved, or it does not answer; or it throttles this producer by a quota; or a topic is not
/// there; or a partition's records are sent again and again. `text` names the broker, partition or topic, and the last error. What may
/// pass by itself counts when it has lasted a second, and slow answers after three.
pub const PRODUCER_HEALTH_DEGRADED: i32 = 2;
/// `state`: every known broker failed when it was last connected to or asked; the producer goes on trying.
pub const PRODUCER_HEALTH_UNREACHABLE: i32 = 3;
/// `state`: every known broker failed when it was last connected to, and those that could be reached refuse this producer: the
/// broker its credentials, or one of the two the other's certificate. Before any broker has let the producer in, what waits fails
/// with that reason at once; afterwards it waits as in any outage, because credentials may be put right while it runs.
pub const PRODUCER_HEALTH_AUTHENTICATION_FAILED: i32 = 4;
/// `state`: the producer has failed for good; close it and make a new one.
pub const PRODUCER_HEALTH_FATAL: i32 = 5;

/// Bytes of `text` in producer_health_t, its NUL included.
pub const PRODUCER_HEALTH_TEXT_BYTES: usize = 256;

/// How a producer is. A plain copy: nothing in it has to be freed.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_health_t {
    /// Bytes of this struct, set by PRODUCER_HEALTH_INIT.
    pub struct_size: usize,
    /// A PRODUCER_HEALTH_ constant.
    pub state: i32,
    /// Milliseconds since this state began.
    pub since_ms: i64,
    /// Partitions of the topics in use.
    pub partitions: i64,
    /// Those of them without a leader.
    pub partitions_leaderless: i64,
    /// What is wrong, in words that name brokers, partitions or topics, cut to fit; empty when nothing is.
    pub text: [c_char; PRODUCER_HEALTH_TEXT_BYTES],
}

/// Receives the news that a producer's state of health is another.
///
/// `health`: how it is now; valid until the callback returns. `opaque`: the pointer given along with the callback.
/// It runs on the thread that polls, flushes, closes or is in a function of transactions, with delivery.dispatch=thread on the
/// library's dispatching thread, under the rules of delivery callbacks.
/// Changes that nobody has polled for become one, the latest, which is never lost; back at the state that was told last,
/// nothing is told.
#[allow(non_camel_case_types)]
pub type producer_health_fn = Option<unsafe extern "C" fn(health: *const producer_health_t, opaque: *mut c_void)>;

/// A health callback with its pointer.
#[derive(Clone, Copy)]
pub struct HealthCallback {
    function: unsafe extern "C" fn(*const producer_health_t, *mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the callback runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for HealthCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for HealthCallback {}

impl HealthCallback {
    /// Hands a change to the application. Must not be called on the I/O thread, nor with a lock held.
    pub(super) fn tell(&self, health: &Health) {
        let told = to_c(health);
        // SAFETY: the application gave function and pointer for this use; the struct outlives the call.
        unsafe { call_out(self.function as *const (), [(&raw const told) as usize, self.opaque as usize, 0, 0]) };
    }
}

/// Tells how the producer is.
///
/// `producer`: the producer. `health`: a struct begun with PRODUCER_HEALTH_INIT; receives the state.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT for a NULL argument or a struct_size smaller than the struct ever was;
/// PRODUCER_ERR_CLOSED, or PRODUCER_ERR_IN_CALLBACK in a callback that producer_close runs; PRODUCER_ERR_FORKED. A producer
/// that has failed for good answers PRODUCER_OK and PRODUCER_HEALTH_FATAL.
/// Does not block and asks no broker: an idle producer notices a dead cluster when it next has something to send. May be
/// called from any thread and from callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_health(
    producer: *mut producer_t,
    health: *mut producer_health_t,
) -> producer_status_t {
    call(|| {
        // SAFETY: the caller's promise: NULL or a handle of ours.
        let inside = unsafe { enter(producer) }?;
        // SAFETY: the caller's promise: NULL or a struct of `struct_size` bytes.
        unsafe { out_struct(health, "health", "PRODUCER_HEALTH_INIT", &to_c(&inside.health())) }
    })
}

/// Sets the function that is told when the state of health of producers made from this configuration changes.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is;
/// both must stay usable until the last producer made from this configuration is closed.
/// Returns PRODUCER_OK; PRODUCER_ERR_INVALID_ARGUMENT when `config` is NULL.
/// The first change told is the one from PRODUCER_HEALTH_CONNECTING. May be called from any thread and from callbacks; does
/// not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_health_callback(
    config: *mut producer_config_t,
    callback: producer_health_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.set_health(callback.map(|function| HealthCallback { function, opaque }));
        Ok(())
    })
}

fn to_c(health: &Health) -> producer_health_t {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    producer_health_t {
        struct_size: size_of::<producer_health_t>(),
        state: match health.state {
            HealthState::Connecting => PRODUCER_HEALTH_CONNECTING,
            HealthState::Ok => PRODUCER_HEALTH_OK,
            HealthState::Degraded => PRODUCER_HEALTH_DEGRADED,
            HealthState::Unreachable => PRODUCER_HEALTH_UNREACHABLE,
            HealthState::AuthenticationFailed => PRODUCER_HEALTH_AUTHENTICATION_FAILED,
            HealthState::Fatal => PRODUCER_HEALTH_FATAL,
        },
        since_ms: count(health.age.as_ms()),
        partitions: count(health.partitions),
        partitions_leaderless: count(health.partitions_leaderless),
        text: copied(&health.text),
    }
}

/// As much of the text as fits, cut between characters.
fn copied(text: &CStr) -> [c_char; PRODUCER_HEALTH_TEXT_BYTES] {
    let text = text.to_str().unwrap_or_default();
    let mut end = text.len().min(PRODUCER_HEALTH_TEXT_BYTES - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut copy = [0; PRODUCER_HEALTH_TEXT_BYTES];
    for (to, from) in copy.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *from as c_char;
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_ends_with_a_nul() {
        let long = std::ffi::CString::new("é".repeat(200)).expect("no NUL");
        let copy = copied(&long);
        assert_eq!((copy[253] != 0, copy[254], copy[255]), (true, 0, 0));
        assert_eq!(copied(c"x")[..2], [b'x' as c_char, 0]);
    }
}
