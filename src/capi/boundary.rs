//! What every function of the C interface does at its edge.

use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call's body; a panic becomes `INTERNAL`.
pub fn call(body: impl FnOnce() -> Result<()>) -> producer_status_t {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::OK.code(),
        Ok(Err(error)) => error.status.code(),
        Err(_) => Status::INTERNAL.code(),
    }
}

/// Borrows a string argument.
///
/// # Safety
/// `ptr` is NULL or points to a NUL-ended string that outlives `'a`.
pub unsafe fn str_arg<'a>(ptr: *const c_char, name: &str) -> Result<&'a str> {
    if ptr.is_null() {
        return Err(Error::new(Status::INVALID_ARGUMENT, format!("{name} is NULL")));
    }
    // SAFETY: not NULL, and NUL-ended by the caller's promise.
    unsafe { CStr::from_ptr(ptr) }
        .to_str()
        .map_err(|_| Error::new(Status::INVALID_ARGUMENT, format!("{name} is not valid UTF-8")))
}
