//! Telling the child of a fork from its parent: threads do not survive fork(), so inherited handles are dead there.

use std::any::Any;
use std::cell::UnsafeCell;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{gate, handle, producer, topic};

/// The locks that are taken across a fork: those that live as long as the process and are held for moments only.
struct Held(UnsafeCell<Option<Locks>>);

type Locks = (gate::ForkLock, producer::ForkLock, topic::PlacesLock, Vec<Box<dyn Any>>);

// SAFETY: only touched by the thread that forks, between `before`, after it has taken the locks, and `after_*`, before it
// lets go of them: the locks themselves keep other forks out.
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

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
    let held = (gate::lock_for_fork(), producer::lock_for_fork(), topic::lock_for_fork(), handle::lock_for_fork());
    // SAFETY: all locks are held.
    unsafe { *HELD.0.get() = Some(held) };
}

extern "C" fn after_in_parent() {
    // SAFETY: `before` has taken the locks on this thread.
    drop(unsafe { (*HELD.0.get()).take() });
}

extern "C" fn after_in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    after_in_parent();
}
