//! Threads inherit the signal mask of the thread that starts them, so ours are started with signals blocked.

/// Runs `start` with every asynchronous signal blocked in the calling thread, then restores its mask.
///
/// Signals that a thread raises by its own fault (SIGSEGV and its like) stay open: blocked, the kernel would kill the
/// process without running the host's crash handler.
#[cfg(unix)]
pub(super) fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
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
pub(super) fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
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
}
