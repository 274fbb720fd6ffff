//! Memory that the operating system may refuse: what records take is asked for so that a refusal is an error of the
//! call, and not the end of the process. A reserve is kept back from them, for what has no such way out.

use std::ops::Deref;
use std::sync::Arc;

use crate::sync::Mutex;

/// What batches leave to everybody else. It is asked for and never touched, so it takes address space only.
const RESERVE_BYTES: usize = 1 << 20;

/// The operating system gives no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Bytes in memory of their own.
pub fn boxed(bytes: &[u8]) -> Result<Box<[u8]>, OutOfMemory> {
    let mut own = room(bytes.len())?;
    own.extend_from_slice(bytes);
    Ok(own.into_boxed_slice())
}

/// Text in memory of its own.
pub fn boxed_str(text: &str) -> Result<Box<str>, OutOfMemory> {
    let mut own = String::new();
    own.try_reserve_exact(text.len()).map_err(|_| OutOfMemory)?;
    own.push_str(text);
    Ok(own.into_boxed_str())
}

/// A vector with room for `count`.
pub fn room<T>(count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    Ok(room)
}

/// Bytes that several have.
#[derive(Clone, Debug)]
pub struct SharedBytes(Arc<Vec<u8>>);

impl SharedBytes {
    pub fn new(bytes: &[u8]) -> Result<SharedBytes, OutOfMemory> {
        let mut own = room(bytes.len())?;
        own.extend_from_slice(bytes);
        Ok(SharedBytes(Arc::new(own)))
    }
}

impl Deref for SharedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Where batches get new memory from.
#[derive(Debug, Default)]
pub struct Source {
    /// Empty until the first batch, and after a refusal.
    reserve: Mutex<Vec<u8>>,
    #[cfg(test)]
    refuses: std::sync::atomic::AtomicBool,
}

impl Source {
    /// So many zeros. When they are refused, `shed` gives back what it can, and they are asked for once more.
    pub fn zeros(&self, count: usize, shed: impl FnOnce()) -> Result<Box<[u8]>, OutOfMemory> {
        let mut reserve = self.reserve.lock();
        if reserve.capacity() == 0 {
            *reserve = self.room(RESERVE_BYTES)?;
        }
        let mut zeros = self.room(count).or_else(|_| {
            shed();
            self.room(count)
        });
        if zeros.is_err() {
            // The next to ask is one that cannot do without.
            *reserve = Vec::new();
        }
        drop(reserve);
        if let Ok(zeros) = &mut zeros {
            zeros.resize(count, 0);
        }
        zeros.map(Vec::into_boxed_slice)
    }

    fn room(&self, count: usize) -> Result<Vec<u8>, OutOfMemory> {
        #[cfg(test)]
        if self.refuses.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(OutOfMemory);
        }
        room(count)
    }

    /// From now on nothing is given, or whatever there is.
    #[cfg(test)]
    pub fn set_refuses(&self, refuses: bool) {
        self.refuses.store(refuses, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_system_has_is_refused() {
        assert_eq!(room::<u64>(usize::MAX / 16).unwrap_err(), OutOfMemory);
        assert_eq!(boxed(b"abc").unwrap()[..], *b"abc");
        assert_eq!(&*boxed_str("abc").unwrap(), "abc");
        assert_eq!(SharedBytes::new(b"abc").unwrap()[..], *b"abc");
        let source = Source::default();
        let mut shed = 0;
        assert_eq!(source.zeros(isize::MAX as usize, || shed += 1), Err(OutOfMemory));
        assert_eq!(shed, 1);
        assert_eq!(source.reserve.lock().capacity(), 0, "the reserve is given up");
        assert_eq!(source.zeros(3, || shed += 1).unwrap()[..], [0; 3]);
        assert!(source.reserve.lock().capacity() >= RESERVE_BYTES && shed == 1);
    }

    #[test]
    fn without_the_reserve_nothing_is_given() {
        let source = Source::default();
        source.set_refuses(true);
        assert_eq!(source.zeros(1, || panic!("nothing was asked for yet")), Err(OutOfMemory));
        source.set_refuses(false);
        assert!(source.zeros(1, || ()).is_ok());
    }
}
