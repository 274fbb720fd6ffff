//! Locks that a fork leaves usable in the child: each is a word of its own, on Linux and macOS, with no table of sleeping
//! threads behind all of them. In a child such a table would still list the parent's threads, in memory that the child's
//! own threads get: its waits end in loops. There is no poisoning: panics are told by status.

use std::ops::{Deref, DerefMut};
use std::sync::{self, PoisonError};
use std::time::{Duration, Instant};

/// A lock that outlives a panic of its holder.
#[derive(Debug, Default)]
pub struct Mutex<T>(sync::Mutex<T>);

/// The right to what the lock guards. `None` only inside `Condvar`, while the lock is not held.
#[derive(Debug)]
pub struct MutexGuard<'a, T>(Option<sync::MutexGuard<'a, T>>);

/// A lock with many readers.
#[derive(Debug, Default)]
pub struct RwLock<T>(sync::RwLock<T>);

/// Waiting for what another thread does under a lock.
#[derive(Debug, Default)]
pub struct Condvar(sync::Condvar);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    timed_out: bool,
}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Mutex<T> {
        Mutex(sync::Mutex::new(value))
    }

    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("the lock is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("the lock is held")
    }
}

impl<T> RwLock<T> {
    pub const fn new(value: T) -> RwLock<T> {
        RwLock(sync::RwLock::new(value))
    }

    pub fn read(&self) -> sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condvar {
    pub const fn new() -> Condvar {
        Condvar(sync::Condvar::new())
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Waits for a notification; it may also come without one.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.0 = guard.0.take().map(|held| self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    /// As `wait`, for `timeout` at most.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, timeout: Duration) -> Waited {
        let mut timed_out = false;
        guard.0 = guard.0.take().map(|held| {
            let (held, result) = self.0.wait_timeout(held, timeout).unwrap_or_else(PoisonError::into_inner);
            timed_out = result.timed_out();
            held
        });
        Waited { timed_out }
    }

    /// As `wait`, until `deadline` at most.
    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Instant) -> Waited {
        self.wait_for(guard, deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits while `condition` holds, for `timeout` at most.
    pub fn wait_while_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        condition: impl FnMut(&mut T) -> bool,
        timeout: Duration,
    ) -> Waited {
        let mut timed_out = false;
        guard.0 = guard.0.take().map(|held| {
            let waited = self.0.wait_timeout_while(held, timeout, condition);
            let (held, result) = waited.unwrap_or_else(PoisonError::into_inner);
            timed_out = result.timed_out();
            held
        });
        Waited { timed_out }
    }
}

impl Waited {
    pub fn timed_out(self) -> bool {
        self.timed_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_lock_outlives_the_panic_of_its_holder() {
        let lock = Arc::new(Mutex::new(1));
        let theirs = lock.clone();
        let holder = std::thread::spawn(move || {
            let _guard = theirs.lock();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(holder.join().is_err());
        *lock.lock() += 1;
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn a_wait_ends_by_notification_or_by_time() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let mut guard = pair.0.lock();
        assert!(pair.1.wait_until(&mut guard, Instant::now()).timed_out());
        let theirs = pair.clone();
        let other = std::thread::spawn(move || {
            *theirs.0.lock() = true;
            theirs.1.notify_all();
        });
        assert!(!pair.1.wait_while_for(&mut guard, |done| !*done, Duration::from_secs(20)).timed_out());
        assert!(*guard);
        drop(guard);
        other.join().expect("no panic");
    }
}
