//! What the library sets on threads: its own start with signals blocked and without cancellation, and an application's thread is
//! not cancelled in the middle of a call.
//!
//! glibc cancels a thread by unwinding its stack from a cancellation point: `write`, `read`, `close`, `open`, a thread's join and
//! many more. The standard library declares these as functions that never unwind, and a forced unwind that reaches a
//! `catch_unwind` ends the process. So no thread is cancellable while it runs code of ours; a pending cancellation takes effect at
//! the application's next cancellation point.

use std::cell::Cell;
use std::io;
use std::thread::{Builder, JoinHandle};

thread_local! {
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Starts a thread of the library's own.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    with_signals_blocked(|| {
        Builder::new().name(name.to_owned()).spawn(move || {
            IS_OWN.set(true);
            // For good: whoever cancels it has only learned its id in a callback.
            disable_cancellation();
            work();
        })
    })
}

/// Whether the calling thread is one of the library's own.
pub fn is_own() -> bool {
    IS_OWN.try_with(Cell::get).unwrap_or(false)
}

/// Runs something short that contains cancellation points.
pub fn uncancelled<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(Option<CancelState>);

    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(before) = self.0 {
                set_cancellation(before);
            }
        }
    }

    let _restore = Restore(disable_cancellation());
    work()
}

/// Whether and when a thread may be cancelled, as `pthread_setcancelstate` and `pthread_setcanceltype` have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelState(i32);

/// Makes the calling thread uncancellable. Answers how it was before; `None` where threads cannot be cancelled.
pub fn disable_cancellation() -> Option<CancelState> {
    cancellation::set_state(cancellation::DISABLE).map(CancelState)
}

/// Sets what `disable_cancellation` has answered; answers how it was before. A thread that is cancellable at any time and was
/// cancelled ends here: to be called from frames without destructors, unless the thread is known not to be of that kind.
pub fn set_cancellation(state: CancelState) -> Option<CancelState> {
    cancellation::set_state(state.0).map(CancelState)
}

/// Lets cancellation act at cancellation points only. Answers how it was before, if that was another.
pub fn defer_cancellation() -> Option<CancelType> {
    cancellation::set_type(cancellation::DEFERRED).filter(|before| *before != cancellation::DEFERRED).map(CancelType)
}

/// Sets what `defer_cancellation` has answered. What `set_cancellation` says of frames holds here too.
pub fn set_cancel_type(before: CancelType) {
    cancellation::set_type(before.0);
}

/// When a cancellation takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelType(i32);

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod cancellation {
    use std::ffi::c_int;

    #[cfg(target_os = "linux")]
    pub const DISABLE: c_int = 1;
    #[cfg(target_os = "linux")]
    pub const DEFERRED: c_int = 0;
    #[cfg(target_os = "macos")]
    pub const DISABLE: c_int = 0;
    #[cfg(target_os = "macos")]
    pub const DEFERRED: c_int = 2;

    // Either may cancel the thread that calls it, which unwinds.
    unsafe extern "C-unwind" {
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
        fn pthread_setcanceltype(kind: c_int, before: *mut c_int) -> c_int;
    }

    pub fn set_state(state: c_int) -> Option<c_int> {
        let mut before = 0;
        // SAFETY: it writes the old state to `before`, and refuses what is no state.
        (unsafe { pthread_setcancelstate(state, &raw mut before) } == 0).then_some(before)
    }

    pub fn set_type(kind: c_int) -> Option<c_int> {
        let mut before = 0;
        // SAFETY: it writes the old type to `before`, and refuses what is no type.
        (unsafe { pthread_setcanceltype(kind, &raw mut before) } == 0).then_some(before)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod cancellation {
    pub const DISABLE: i32 = 0;
    pub const DEFERRED: i32 = 0;

    pub fn set_state(_state: i32) -> Option<i32> {
        None
    }

    pub fn set_type(_kind: i32) -> Option<i32> {
        None
    }
}

/// Runs `start` with every asynchronous signal blocked in the calling thread, then restores its mask: threads inherit the mask of the
/// thread that starts them.
///
/// Signals that a thread raises by its own fault (SIGSEGV and its like) stay open: blocked, the kernel would kill the
/// process without running the host's crash handler.
#[cfg(unix)]
fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    use std::mem::MaybeUninit;

    const FAULTS: [libc::c_int; 6] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

    /// Restores the mask also when `start` panics.
    struct Restore(libc::sigset_t);

    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set was filled by pthread_sigmask; the call only reads it.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
        }
    }

    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises `blocked`, sigdelset changes it in place with valid signal numbers, and
    // pthread_sigmask reads `blocked` and fills `before`. With these arguments none of them can fail, and no pointer
    // outlives its call.
    let restore = unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for signal in FAULTS {
            libc::sigdelset(blocked.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), before.as_mut_ptr());
        Restore(before.assume_init())
    };
    let result = start();
    drop(restore);
    result
}

/// There are no signals to block.
#[cfg(not(unix))]
fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    start()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The blocked set of the calling thread, a bit per signal, as the kernel tells it.
    fn blocked_mask() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    fn bit(signal: libc::c_int) -> u64 {
        1 << (signal - 1)
    }

    #[test]
    fn a_thread_started_inside_blocks_signals_but_not_faults_and_the_starter_keeps_its_mask() {
        let before = blocked_mask();
        let thread = with_signals_blocked(|| std::thread::spawn(blocked_mask));
        assert_eq!(before, blocked_mask());
        let inside = thread.join().unwrap();
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGPIPE, libc::SIGCHLD, libc::SIGALRM, libc::SIGUSR1] {
            assert_ne!(inside & bit(signal), 0, "signal {signal} is open");
        }
        assert_eq!(inside & bit(libc::SIGSEGV), 0);
    }

    #[test]
    fn the_librarys_threads_are_not_cancellable_and_others_are_as_they_were() {
        assert!(!is_own());
        let (said, hear) = std::sync::mpsc::channel();
        let thread = spawn("kp-test", move || said.send((is_own(), disable_cancellation())).unwrap()).unwrap();
        assert_eq!(hear.recv().unwrap(), (true, Some(CancelState(cancellation::DISABLE))));
        thread.join().unwrap();
        let before = disable_cancellation().unwrap();
        assert_ne!(before, CancelState(cancellation::DISABLE));
        uncancelled(|| assert_eq!(disable_cancellation(), Some(CancelState(cancellation::DISABLE))));
        assert_eq!(set_cancellation(before), Some(CancelState(cancellation::DISABLE)));
        assert_eq!(uncancelled(disable_cancellation), Some(CancelState(cancellation::DISABLE)));
        assert_eq!(disable_cancellation(), Some(before), "restored");
        set_cancellation(before);
    }

    #[test]
    fn a_cancellation_type_comes_back() {
        assert_eq!(defer_cancellation(), None, "it is deferred from the start");
        set_cancel_type(CancelType(1 - cancellation::DEFERRED));
        let before = defer_cancellation().expect("another type");
        assert_eq!(defer_cancellation(), None);
        assert_eq!(before, CancelType(1));
    }
}
