//! A descriptor that an event loop watches: readable as long as something is so.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::threads;

/// Two connected sockets with one byte between them while the level is high, and none while it is low: neither end ever blocks. Whoever owns it
/// keeps others out while it changes.
#[derive(Debug)]
pub(super) struct Level {
    reader: UnixStream,
    writer: UnixStream,
    high: bool,
}

impl Level {
    pub fn new() -> io::Result<Level> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Level { reader, writer, high: false })
    }

    /// What the event loop watches.
    pub fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    #[cfg(test)]
    pub fn is_high(&self) -> bool {
        self.high
    }

    /// One system call when it changes, none otherwise.
    pub fn set(&mut self, high: bool) {
        if high == self.high {
            return;
        }
        let changed =
            threads::uncancelled(|| if high { self.writer.write_all(&[1]) } else { self.reader.read_exact(&mut [0]) });
        // Both ends are ours and open, and there is room for a byte and a byte to read: only a program that closes or reads
        // descriptors that are not its own gets an error here. One that has taken the byte has made the level low; after
        // another error the next change tries again.
        let is_taken = |error: &io::Error| !high && error.kind() == io::ErrorKind::WouldBlock;
        if changed.as_ref().err().is_none_or(is_taken) {
            self.high = high;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_takes_the_byte_holds_nobody_up() {
        let mut level = Level::new().expect("a descriptor");
        level.set(true);
        let mut reader = level.reader.try_clone().expect("a duplicate");
        assert_eq!(reader.read(&mut [0; 2]).expect("one byte waits"), 1);
        level.set(false);
        assert!(reader.read(&mut [0]).is_err(), "nothing to read, and no wait for it");
        level.set(true);
        assert_eq!(reader.read(&mut [0; 2]).expect("one byte waits"), 1);
    }

    #[test]
    fn one_byte_while_high_and_none_while_low() {
        let mut level = Level::new().expect("a descriptor");
        assert!(level.descriptor() >= 0);
        for _ in 0..100_000 {
            level.set(true);
            level.set(true);
            level.set(false);
            level.set(false);
        }
        level.set(true);
        let mut byte = [0; 2];
        let mut reader = level.reader.try_clone().expect("a duplicate");
        assert_eq!(reader.read(&mut byte).expect("one byte waits"), 1);
    }
}
