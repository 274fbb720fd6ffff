//! Telling the child of a fork from its parent: threads do not survive fork(), so inherited handles are dead there.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::gate;

/// Counts the forks that lie between this process and the one that loaded the library.
static GENERATION: AtomicU32 = AtomicU32::new(0);

#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Registers the handlers, once. Without them a child could not be told from its parent except by a system call per record.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are `extern "C"` functions of this library that never unwind; registering them has no
        // other precondition.
        let refused = unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
        // It fails only without memory; then a child that uses an inherited handle is not recognised.
        debug_assert_eq!(refused, 0);
    });
}

extern "C" fn before() {
    // Nobody else may be inside when the process is copied: the child could never get in again.
    gate::lock_for_fork();
}

extern "C" fn after_in_parent() {
    gate::unlock_after_fork();
}

extern "C" fn after_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    gate::unlock_after_fork();
}
