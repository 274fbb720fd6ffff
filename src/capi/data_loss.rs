//! Hearing of records that a broker acknowledged and lost.

#![allow(clippy::missing_safety_doc)] // The comments are the C header's: they say it in C's terms.

use std::ffi::{c_char, c_void};

use crate::capi::boundary::call;
use crate::capi::call_out::call_out;
use crate::capi::config::{config_arg, producer_config_t};
use crate::capi::status::producer_status_t;
use crate::reports::DataLoss;

/// What is known of a loss. It lives until the callback that receives it returns, and so does `text`; `topic` lives as
/// long as the producer.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy)]
pub struct producer_data_loss_t {
    /// Bytes of this struct in the library: a later version has more fields at the end.
    pub struct_size: usize,
    /// The topic's name.
    pub topic: *const c_char,
    /// The partition.
    pub partition: i32,
    /// The offset of the last record that the partition's brokers had acknowledged to this producer; -1 when unknown. Which
    /// records up to there are missing, only a reader of the partition can tell.
    pub acked_offset: i64,
    /// What the broker answered, in words.
    pub text: *const c_char,
}

/// Receives the news that a broker has lost records which it had acknowledged: it finds a gap in the sequence numbers of
/// a partition before a record of which everything earlier had been acknowledged.
///
/// `loss`: valid until the callback returns. `opaque`: the pointer given along with the callback.
/// Reports of the lost records, which said PRODUCER_OK, were made long ago: nothing takes them back. It runs on the thread
/// that polls, flushes, closes or is in a function of transactions, under the rules of delivery callbacks. Several losses of one
/// partition that nobody has polled for become one; none is dropped.
#[allow(non_camel_case_types)]
pub type producer_data_loss_fn = Option<unsafe extern "C" fn(loss: *const producer_data_loss_t, opaque: *mut c_void)>;

/// A data-loss callback with its pointer.
#[derive(Clone, Copy)]
pub struct DataLossCallback {
    function: unsafe extern "C" fn(*const producer_data_loss_t, *mut c_void),
    opaque: *mut c_void,
}

// SAFETY: the header says on which threads the callback runs; that its pointer may be used there is the application's
// side of the contract. The library only passes the pointer on.
unsafe impl Send for DataLossCallback {}
// SAFETY: as above; nothing is ever changed through the pointer here.
unsafe impl Sync for DataLossCallback {}

impl DataLossCallback {
    /// Hands a loss to the application. Must not be called on the I/O thread, nor with a lock held.
    pub(super) fn tell(&self, loss: &DataLoss) {
        let told = producer_data_loss_t {
            struct_size: size_of::<producer_data_loss_t>(),
            topic: loss.topic.as_ptr(),
            partition: loss.partition,
            acked_offset: loss.acked_offset,
            text: loss.text.as_ptr(),
        };
        // SAFETY: the application gave function and pointer for this use; the struct and its texts outlive the call.
        unsafe { call_out(self.function as *const (), [(&raw const told) as usize, self.opaque as usize, 0, 0]) };
    }
}

/// Sets the function that is told when a broker has lost records which it had acknowledged; without one the log says it.
///
/// `config`: the configuration. `callback`: the function, or NULL for none. `opaque`: a pointer passed to it, kept as it is;
/// both must stay usable until the last producer made from this configuration is closed.
/// With on.sequence.gap=bump, the default, the producer then goes on; a transaction that is open has to be aborted. With
/// fatal it fails for good. Losses are noticed by enable.idempotence only, and only when records follow the lost ones.
/// Returns `PRODUCER_OK`; `PRODUCER_ERR_INVALID_ARGUMENT` when `config` is NULL.
/// May be called from any thread and from callbacks; does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn producer_config_set_data_loss_callback(
    config: *mut producer_config_t,
    callback: producer_data_loss_fn,
    opaque: *mut c_void,
) -> producer_status_t {
    call(|| {
        let config = config_arg(config)?;
        config.set_data_loss(callback.map(|function| DataLossCallback { function, opaque }));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capi::config::{producer_config_clone, producer_config_free, producer_config_new};
    use crate::capi::status::{PRODUCER_ERR_INVALID_ARGUMENT, PRODUCER_OK};
    use std::ffi::CStr;
    use std::ptr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    unsafe extern "C" fn note(loss: *const producer_data_loss_t, opaque: *mut c_void) {
        // SAFETY: the library gives a struct and the texts it names; the test gives its counter. Both outlive the call.
        let (loss, topic, text, seen) = unsafe {
            let loss = &*loss;
            (loss, CStr::from_ptr(loss.topic), CStr::from_ptr(loss.text), &*opaque.cast::<AtomicI64>())
        };
        assert_eq!((topic, text, loss.partition), (c"t", c"gone", 3));
        assert_eq!(loss.struct_size, size_of::<producer_data_loss_t>());
        seen.store(loss.acked_offset, Ordering::Relaxed);
    }

    #[test]
    fn the_callback_travels_with_the_configuration_and_receives_the_loss() {
        let (mut config, mut copy) = (ptr::null_mut(), ptr::null_mut());
        let seen = AtomicI64::new(0);
        let opaque = (&raw const seen).cast_mut().cast::<c_void>();
        // SAFETY: live handles, outputs of ours, and a callback that fits its pointer.
        unsafe {
            assert_eq!(producer_config_new(&mut config), PRODUCER_OK);
            assert_eq!(producer_config_set_data_loss_callback(config, Some(note), opaque), PRODUCER_OK);
            assert_eq!(producer_config_clone(config, &mut copy), PRODUCER_OK);
            assert_eq!(producer_config_set_data_loss_callback(config, None, opaque), PRODUCER_OK);
            assert!(config_arg(config).unwrap().parts().1.data_loss.is_none());
            let (_, callbacks) = config_arg(copy).unwrap().parts();
            let loss = DataLoss { topic: Arc::from(c"t"), partition: 3, acked_offset: 41, text: Arc::from(c"gone") };
            callbacks.data_loss.unwrap().tell(&loss);
            assert_eq!(seen.load(Ordering::Relaxed), 41);
            producer_config_free(config);
            producer_config_free(copy);
            let refused = producer_config_set_data_loss_callback(ptr::null_mut(), Some(note), opaque);
            assert_eq!(refused, PRODUCER_ERR_INVALID_ARGUMENT);
        }
    }
}
