//! Whether a send would find room, as an event loop hears it: not, from when one was refused or had to wait until what it
//! lacked is there again.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::sync::Mutex;

use super::level::Level;

/// What a send can lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lack {
    /// `buffer.memory` is full.
    Memory = 1,
    /// Too many reports wait to be taken.
    Reports = 2,
    /// The record's broker or partition has its share of `buffer.memory`.
    Share = 4,
}

/// Its lock is the last one taken: under the memory's or the report queue's.
#[derive(Debug, Default)]
pub struct Room {
    /// Bits of `Lack`; changed under the lock.
    lacks: AtomicU8,
    level: Mutex<Option<Level>>,
}

impl Room {
    /// A send was refused or has to wait for lack of this.
    pub fn lacks(&self, what: Lack) {
        let mut level = self.level.lock();
        self.lacks.fetch_or(what as u8, Ordering::Relaxed);
        self.show(&mut level);
    }

    /// It is there again.
    pub fn regains(&self, what: Lack) {
        if self.is_lacking(what) {
            let mut level = self.level.lock();
            self.lacks.fetch_and(!(what as u8), Ordering::Relaxed);
            self.show(&mut level);
        }
    }

    pub fn is_lacking(&self, what: Lack) -> bool {
        self.lacks.load(Ordering::Relaxed) & what as u8 != 0
    }

    /// The descriptor that is readable while nothing is lacking; made when it is first asked for.
    pub fn descriptor(&self) -> io::Result<RawFd> {
        let mut level = self.level.lock();
        if level.is_none() {
            *level = Some(Level::new()?);
        }
        self.show(&mut level);
        Ok(level.as_ref().map_or(-1, Level::descriptor))
    }

    /// Nobody watches any more.
    pub fn close_descriptor(&self) {
        *self.level.lock() = None;
    }

    fn show(&self, level: &mut Option<Level>) {
        if let Some(level) = level {
            level.set(self.lacks.load(Ordering::Relaxed) == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_when_nothing_is_lacking() {
        let room = Room::default();
        room.lacks(Lack::Memory);
        let descriptor = room.descriptor().expect("a descriptor");
        assert_eq!(room.descriptor().expect("the same"), descriptor);
        room.lacks(Lack::Reports);
        room.regains(Lack::Memory);
        assert!(room.is_lacking(Lack::Reports) && !room.is_lacking(Lack::Memory));
        room.regains(Lack::Reports);
        room.regains(Lack::Reports);
        assert!(!room.is_lacking(Lack::Reports));
    }
}
