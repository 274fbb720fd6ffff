//! Calls of the application's functions, and what happens when one does not return.
//!
//! A callback may end its thread (`pthread_exit`, `pthread_cancel`) or throw an exception of C++ or another language. Both unwind the
//! stack, and unwinding must not pass frames of Rust that have destructors, nor a `catch_unwind`: the first is not defined, the second
//! ends the process. So every callback is called by a few instructions of assembly whose personality routine catches whatever
//! unwinds. What was caught waits in `PENDING`; the call of the library returns through its frames in the ordinary way, with locks,
//! guards and state as after any callback; and at the border, in frames without destructors, unwinding goes on to the application
//! (`leave`). The Itanium C++ ABI has this as a catch clause that ends with `_Unwind_Resume`: the thread is not cancelled or thrown
//! out of less, only later. On the library's own threads there is nothing to go on to, and it is dropped (`forget`).
//!
//! Where there is no assembly for it the call is a plain one.

use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use crate::error::{Error, Result, Status};
use crate::reports::Leaving;
use crate::threads::{self, CancelState, CancelType};

/// The head of an exception, as the Itanium C++ ABI has it.
#[repr(C)]
pub(super) struct Exception {
    class: u64,
    cleanup: *const c_void,
    /// Not 0 while a thread is being ended: the stop function of a forced unwind.
    private_1: usize,
    private_2: usize,
}

thread_local! {
    /// What is to leave the call that is under way on this thread.
    static PENDING: Cell<*mut Exception> = const { Cell::new(ptr::null_mut()) };
    /// How often a callback of this thread did not return.
    static COUNT: Cell<u32> = const { Cell::new(0) };
    /// How the application may have this thread cancelled, while a call of the library keeps it from that.
    static CANCEL_STATE: Cell<Option<CancelState>> = const { Cell::new(None) };
}

/// Calls a function of the application with up to four arguments; `None` when it did not return. Then `leave` has to be reached.
///
/// # Safety
/// `function` is a C function that may be called with these arguments, each an integer or a pointer.
pub(super) unsafe fn call_out(function: *const (), arguments: [usize; 4]) -> Option<usize> {
    let cancel_state = CANCEL_STATE.take();
    if let Some(state) = cancel_state {
        // Deferred by `Uncancelled::begin`: it takes effect at a cancellation point of the callback.
        threads::set_cancellation(state);
    }
    let mut returned = 0;
    // SAFETY: the caller's promise.
    let caught = unsafe { trampoline::call(function, arguments, &mut returned) };
    if cancel_state.is_some() {
        // The callback may have changed it, for good.
        CANCEL_STATE.set(threads::disable_cancellation());
    }
    if caught.is_null() {
        return Some(returned);
    }
    COUNT.set(COUNT.get().wrapping_add(1));
    // SAFETY: it was caught just now, and nobody else has it.
    unsafe { keep(caught) };
    None
}

/// # Safety
/// The exception was caught by this thread and is in nobody's hands.
unsafe fn keep(caught: *mut Exception) {
    let before = PENDING.get();
    // SAFETY: whatever is caught begins with this head; `before` is kept, and so it is alive.
    let superseded = unsafe {
        match before.as_ref() {
            None => ptr::null_mut(),
            // The end of a thread has one exception, whatever it meets on its way.
            Some(_) if before == caught => return,
            Some(_) if (*caught).private_1 != 0 => before,
            Some(_) => caught,
        }
    };
    if superseded != caught {
        PENDING.set(caught);
    }
    if !superseded.is_null() {
        // SAFETY: a forced unwind is never superseded, so it is an exception, and it goes nowhere any more.
        unsafe { trampoline::delete(superseded) };
    }
}

/// How often a callback of this thread did not return: compared before and after.
#[inline]
pub(super) fn times_left() -> u32 {
    COUNT.get()
}

/// How the callback left that did not return; `None` when all have.
pub(super) fn leaving() -> Option<Leaving> {
    // SAFETY: what is pending is alive.
    let pending = unsafe { PENDING.get().as_ref() }?;
    Some(if pending.private_1 == 0 { Leaving::Exception } else { Leaving::Thread })
}

/// The end of a call: goes on with what a callback has left it by. False when nothing in the program catches the exception, which is
/// dropped then. Its callers, up to the application's, have no destructor left to run.
#[inline]
pub(super) extern "C-unwind" fn leave() -> bool {
    PENDING.get().is_null() || go_on()
}

#[cold]
#[inline(never)]
extern "C-unwind" fn go_on() -> bool {
    let pending = PENDING.replace(ptr::null_mut());
    COUNT.set(COUNT.get().wrapping_sub(1));
    // SAFETY: it was caught on this thread and is in nobody's hands. It unwinds through this frame and its callers up to the
    // application: functions that may be unwound, without destructors.
    unsafe {
        trampoline::resume(pending);
        // Nothing above catches it.
        trampoline::delete(pending);
    }
    false
}

/// On a thread of the library's own, where nothing can go on: answers how the callback left.
pub(super) fn forget() -> Option<Leaving> {
    let how = leaving();
    let pending = PENDING.replace(ptr::null_mut());
    if how == Some(Leaving::Exception) {
        // SAFETY: an exception that goes nowhere any more. That of a thread's end is the C library's own.
        unsafe { trampoline::delete(pending) };
    }
    how
}

/// What a call is refused with whose callback did not return. Nobody reads it, unless the program does not catch its own exception.
#[cold]
pub(super) fn not_returned() -> Error {
    Error::new(Status::INTERNAL, "a callback threw an exception that nothing catches")
}

/// Leaves the frames up to `returning`, or to the border, without a panic's noise: for code that cannot answer an error.
#[cold]
pub(super) fn leave_frames() -> ! {
    resume_unwind(Box::new(LeftFrames))
}

/// What unwinds Rust's own frames in `leave_frames`.
struct LeftFrames;

/// Whether a panic is that of `leave_frames`.
pub(super) fn is_leaving_frames(panic: &(dyn std::any::Any + Send)) -> bool {
    panic.is::<LeftFrames>()
}

/// Runs code whose callbacks may leave by `leave_frames`; then it is an error.
#[inline]
pub(super) fn returning<R>(code: impl FnOnce() -> Result<R>) -> Result<R> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(result) => result,
        Err(panic) if is_leaving_frames(&*panic) => Err(not_returned()),
        Err(panic) => resume_unwind(panic),
    }
}

/// A call during which the thread is not cancelled. Not a guard: ending it may end the thread.
#[derive(Clone, Copy)]
pub(super) struct Uncancelled {
    outer: Option<CancelState>,
    cancel_type: Option<CancelType>,
}

impl Uncancelled {
    pub fn begin() -> Uncancelled {
        let state = threads::disable_cancellation();
        // Also for callbacks: at any time, it would not respect frames of ours either.
        let cancel_type = threads::defer_cancellation();
        Uncancelled { outer: CANCEL_STATE.replace(state), cancel_type }
    }

    /// To be called from a frame without destructors.
    #[inline]
    pub fn end(self) {
        let state = CANCEL_STATE.replace(self.outer);
        if let Some(state) = state {
            threads::set_cancellation(state);
        }
        if let Some(before) = self.cancel_type {
            threads::set_cancel_type(before);
        }
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod trampoline {
    use super::Exception;
    use std::ffi::{c_int, c_void};

    const SEARCH_PHASE: c_int = 1;
    const HANDLER_FOUND: c_int = 6;
    const INSTALL_CONTEXT: c_int = 7;

    unsafe extern "C" {
        fn kproducer_call_out(
            function: *const (),
            a: usize,
            b: usize,
            c: usize,
            d: usize,
            returned: *mut usize,
        ) -> *mut Exception;
        fn kproducer_call_out_landing();
        fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
        fn _Unwind_SetIP(context: *mut c_void, address: usize);
        fn _Unwind_DeleteException(exception: *mut Exception);
    }

    unsafe extern "C-unwind" {
        fn _Unwind_Resume_or_Rethrow(exception: *mut Exception) -> c_int;
    }

    /// Null when the function has returned.
    ///
    /// # Safety
    /// As of `call_out`.
    pub unsafe fn call(function: *const (), arguments: [usize; 4], returned: &mut usize) -> *mut Exception {
        let [a, b, c, d] = arguments;
        // SAFETY: the caller's promise; whatever unwinds out of the function ends in the trampoline.
        unsafe { kproducer_call_out(function, a, b, c, d, returned) }
    }

    /// Returns when nothing above catches it.
    ///
    /// # Safety
    /// The exception was caught by `call` on this thread, and frames up to the next function of C have no destructors.
    pub unsafe extern "C-unwind" fn resume(exception: *mut Exception) {
        // SAFETY: the caller's promise. A forced unwind goes on, an exception is thrown again.
        unsafe { _Unwind_Resume_or_Rethrow(exception) };
    }

    /// # Safety
    /// It is an exception, not a thread's end, and nobody uses it any more.
    pub unsafe fn delete(exception: *mut Exception) {
        // SAFETY: the caller's promise.
        unsafe { _Unwind_DeleteException(exception) };
    }

    /// Asked by the unwinder about the trampoline's frame: it catches everything.
    unsafe extern "C" fn personality(
        _version: c_int,
        actions: c_int,
        _class: u64,
        exception: *mut Exception,
        context: *mut c_void,
    ) -> c_int {
        if actions & SEARCH_PHASE != 0 {
            return HANDLER_FOUND;
        }
        // SAFETY: the unwinder's context, for this call. Register 0 is the first of those that a landing pad receives.
        unsafe {
            _Unwind_SetGR(context, 0, exception as usize);
            _Unwind_SetIP(context, kproducer_call_out_landing as *const () as usize);
        }
        INSTALL_CONTEXT
    }

    // The landing pad tells AddressSanitizer, where it is there, that frames are gone from the stack.
    #[cfg(target_arch = "x86_64")]
    std::arch::global_asm!(
        r#"
        .pushsection .text.kproducer_call_out,"ax",@progbits
        .balign 16
        .globl kproducer_call_out
        .hidden kproducer_call_out
        .type kproducer_call_out,@function
        .globl kproducer_call_out_landing
        .hidden kproducer_call_out_landing
        .weak __asan_handle_no_return
    kproducer_call_out:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        endbr64
        push rbp
        .cfi_def_cfa_offset 16
        .cfi_offset rbp, -16
        mov rbp, rsp
        .cfi_def_cfa_register rbp
        push rbx
        .cfi_offset rbx, -24
        push rbx
        mov rbx, r9
        mov rax, rdi
        mov rdi, rsi
        mov rsi, rdx
        mov rdx, rcx
        mov rcx, r8
        call rax
        mov qword ptr [rbx], rax
        xor eax, eax
        jmp 2f
    kproducer_call_out_landing:
        endbr64
        mov rbx, rax
        mov rdx, qword ptr [rip + __asan_handle_no_return@GOTPCREL]
        test rdx, rdx
        je 1f
        call rdx
    1:
        mov rax, rbx
    2:
        pop rbx
        pop rbx
        pop rbp
        .cfi_def_cfa rsp, 8
        ret
        .cfi_endproc
        .size kproducer_call_out, .-kproducer_call_out
        .popsection
        "#,
        personality = sym personality,
    );

    #[cfg(target_arch = "aarch64")]
    std::arch::global_asm!(
        r#"
        .pushsection .text.kproducer_call_out,"ax",@progbits
        .balign 16
        .globl kproducer_call_out
        .hidden kproducer_call_out
        .type kproducer_call_out,@function
        .globl kproducer_call_out_landing
        .hidden kproducer_call_out_landing
        .weak __asan_handle_no_return
    kproducer_call_out:
        .cfi_startproc
        .cfi_personality 0x1b, {personality}
        hint #34
        stp x29, x30, [sp, #-32]!
        .cfi_def_cfa_offset 32
        .cfi_offset x29, -32
        .cfi_offset x30, -24
        mov x29, sp
        .cfi_def_cfa x29, 32
        str x19, [sp, #16]
        .cfi_offset x19, -16
        mov x19, x5
        mov x9, x0
        mov x0, x1
        mov x1, x2
        mov x2, x3
        mov x3, x4
        blr x9
        str x0, [x19]
        mov x0, xzr
        b 2f
    kproducer_call_out_landing:
        hint #36
        mov x19, x0
        adrp x9, :got:__asan_handle_no_return
        ldr x9, [x9, :got_lo12:__asan_handle_no_return]
        cbz x9, 1f
        blr x9
    1:
        mov x0, x19
    2:
        ldr x19, [sp, #16]
        ldp x29, x30, [sp], #32
        .cfi_def_cfa sp, 0
        .cfi_restore x19
        .cfi_restore x30
        .cfi_restore x29
        ret
        .cfi_endproc
        .size kproducer_call_out, .-kproducer_call_out
        .popsection
        "#,
        personality = sym personality,
    );
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod trampoline {
    use super::Exception;

    /// # Safety
    /// As of `call_out`.
    pub unsafe fn call(function: *const (), arguments: [usize; 4], returned: &mut usize) -> *mut Exception {
        type Function = unsafe extern "C-unwind" fn(usize, usize, usize, usize) -> usize;
        let [a, b, c, d] = arguments;
        // SAFETY: the caller's promise; a function that takes fewer arguments leaves the others alone.
        *returned = unsafe { std::mem::transmute::<*const (), Function>(function)(a, b, c, d) };
        std::ptr::null_mut()
    }

    /// # Safety
    /// Never called: nothing is caught.
    pub unsafe extern "C-unwind" fn resume(_exception: *mut Exception) {}

    /// # Safety
    /// Never called: nothing is caught.
    pub unsafe fn delete(_exception: *mut Exception) {}
}
