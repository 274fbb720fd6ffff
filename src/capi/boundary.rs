//! What every function of the C interface does at its edge: panics stay inside, errors leave a status and a sentence, and what a
//! callback of the application has left it by goes on to the application (`call_out`).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char};
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::capi::call_out::{self, Uncancelled};
use crate::capi::status::producer_status_t;
use crate::error::{Error, Result, Status};

thread_local! {
    /// The sentence of this thread's last failed call.
    static LAST_ERROR: RefCell<CString> = RefCell::default();
    /// Set while a call of ours runs on this thread: a panic then is ours to report, not the host's hook's.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a call's body: its error becomes the status, with the sentence kept for `producer_last_error`. The thread is not cancelled
/// meanwhile.
///
/// The exported function has nothing to drop beside its body: when a callback has ended the thread or thrown an exception, that
/// goes on from here, through the exported function.
pub fn call(body: impl FnOnce() -> Result<()>) -> producer_status_t {
    let uncancelled = Uncancelled::begin();
    let status = quietly(|| run(body));
    uncancelled.end();
    leave(status)
}

/// Like `call`, for the call that is made for every record: its panics are recognised by the gate that it passes. What it calls
/// with a cancellation point in it keeps the thread from being cancelled by itself.
#[inline]
pub fn call_hot(body: impl FnOnce() -> Result<()>) -> producer_status_t {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::OK.code(),
        Ok(Err(error)) => fail_and_leave(error),
        Err(panic) => caught_and_leave(panic),
    }
}

/// Runs a call's body without leaving its frame.
fn run(body: impl FnOnce() -> Result<()>) -> producer_status_t {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::OK.code(),
        Ok(Err(error)) => fail(&error),
        Err(panic) => fail_caught(panic),
    }
}

/// A call that succeeds has no callback that did not return.
#[cold]
fn fail_and_leave(error: Error) -> producer_status_t {
    let status = fail(&error);
    drop(error);
    leave(status)
}

#[cold]
fn caught_and_leave(panic: Box<dyn Any + Send>) -> producer_status_t {
    let status = fail_caught(panic);
    leave(status)
}

/// Nothing that is to be dropped is left: a callback may have left this call by something that unwinds.
#[inline]
fn leave(status: producer_status_t) -> producer_status_t {
    if call_out::leave() { status } else { fail(&call_out::not_returned()) }
}

#[cold]
fn fail_caught(panic: Box<dyn Any + Send>) -> producer_status_t {
    if call_out::is_leaving_frames(&*panic) { Status::INTERNAL.code() } else { fail(&caught(&*panic)) }
}

/// Like `call`, for functions that answer a count when all is well.
pub fn call_count(body: impl FnOnce() -> Result<usize>) -> i32 {
    let mut count = 0;
    let status = call(|| {
        count = body()?;
        Ok(())
    });
    if status == Status::OK.code() { i32::try_from(count).unwrap_or(i32::MAX) } else { status }
}

/// Like `call`, for functions that answer a descriptor when all is well.
pub fn call_descriptor(body: impl FnOnce() -> Result<RawFd>) -> i32 {
    let mut descriptor = -1;
    let status = call(|| {
        descriptor = body()?;
        Ok(())
    });
    if status == Status::OK.code() { descriptor } else { status }
}

/// Keeps the sentence and answers the status.
#[cold]
pub fn fail(error: &Error) -> producer_status_t {
    let text = CString::new(error.message.replace('\0', "")).unwrap_or_default();
    // A thread that is ending has no place to keep it any more; the status still says what happened.
    let _ = LAST_ERROR.try_with(|last| last.replace(text));
    error.status.code()
}

/// The sentence of this thread's last failed call; empty when none failed.
pub fn last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

#[cold]
fn caught(panic: &(dyn Any + Send)) -> Error {
    let words = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    Error::new(Status::INTERNAL, format!("internal error of the library: {words}"))
}

/// Marks this thread as inside the library meanwhile.
fn quietly<R>(body: impl FnOnce() -> R) -> R {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let _leave = Leave(INSIDE.replace(true));
    body()
}

/// A library in somebody else's process does not write to stderr: panics on our threads and in our calls are reported by
/// status, all others go to the hook that was there before.
pub fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // Asked last: a thread that is ending has no name any more, and asking would be a second panic.
            let ours = || std::thread::current().name().is_some_and(|name| name.starts_with("kp-"));
            if !INSIDE.try_with(Cell::get).unwrap_or(false) && !super::gate::is_passing() && !ours() {
                before(info);
            }
        }));
    });
}

/// Borrows a string argument.
///
/// # Safety
/// `ptr` is NULL or points to a NUL-ended string that outlives `'a`.
pub unsafe fn str_arg<'a>(ptr: *const c_char, name: &str) -> Result<&'a str> {
    if ptr.is_null() {
        return Err(invalid(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, and NUL-ended by the caller's promise.
    unsafe { CStr::from_ptr(ptr) }.to_str().map_err(|_| invalid(format!("{name} is not valid UTF-8")))
}

/// Checks an output argument.
pub fn out_arg<T>(ptr: *mut T, name: &str) -> Result<*mut T> {
    if ptr.is_null() { Err(invalid(format!("{name} is NULL: there is nowhere to put the result"))) } else { Ok(ptr) }
}

/// Fills a struct of the caller that begins with its size: as much of it as the caller knows, its size left as it is.
///
/// # Safety
/// `out` is NULL, or points to a struct whose first field says how many bytes of it may be written.
pub unsafe fn out_struct<T: Copy>(out: *mut T, name: &str, init: &str, value: &T) -> Result<()> {
    // SAFETY: the caller's promise is that of this function.
    unsafe { out_struct_since(out, name, init, value, size_of::<T>()) }
}

/// As `out_struct`, of a struct that had `least` bytes when it was smallest: who was compiled then gets the fields he knows.
///
/// # Safety
/// As of `out_struct`.
pub unsafe fn out_struct_since<T: Copy>(out: *mut T, name: &str, init: &str, value: &T, least: usize) -> Result<()> {
    let out = out_arg(out, name)?;
    // SAFETY: not NULL, and every version of such a struct begins with its size.
    let struct_size = unsafe { out.cast::<usize>().read() };
    if struct_size < least {
        let text = format!("{name}->struct_size is {struct_size}; begin the struct with {init}");
        return Err(invalid(text));
    }
    let (from, to) = (std::ptr::from_ref(value).cast::<u8>(), out.cast::<u8>());
    let head = size_of::<usize>();
    let len = struct_size.min(size_of::<T>()).saturating_sub(head);
    // SAFETY: both structs have at least these bytes; the caller's size stays as he set it.
    unsafe { std::ptr::copy_nonoverlapping(from.add(head), to.add(head), len) };
    Ok(())
}

/// Checks a timeout in milliseconds.
pub fn timeout_arg(timeout_ms: i32) -> Result<i32> {
    if timeout_ms < -1 {
        let text =
            format!("timeout_ms is {timeout_ms}; 0 does not wait, -1 waits for ever, other values are milliseconds");
        return Err(invalid(text));
    }
    Ok(timeout_ms)
}

#[cold]
pub fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::INVALID_ARGUMENT, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last() -> String {
        // SAFETY: `last_error` answers a NUL-ended string that lives until this thread's next call.
        unsafe { CStr::from_ptr(last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn an_error_leaves_its_status_and_its_sentence() {
        assert_eq!(call(|| Err(Error::new(Status::CLOSED, "gone\0already"))), Status::CLOSED.code());
        assert_eq!(last(), "gonealready");
        assert_eq!(call(|| Ok(())), 0);
        assert_eq!(last(), "gonealready", "success leaves the last sentence alone");
    }

    #[test]
    fn a_panic_becomes_a_status() {
        keep_panics_quiet();
        let status = call(|| panic!("on purpose"));
        assert_eq!(status, Status::INTERNAL.code());
        assert!(last().contains("on purpose"));
        assert_eq!(call_count(|| Ok(7)), 7);
        assert_eq!(call_count(|| Err(Error::new(Status::CLOSED, "x"))), Status::CLOSED.code());
    }
}
