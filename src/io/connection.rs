//! An open socket and what waits to be written to it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;

use mio::net::TcpStream;

use super::socket;
use super::tls::TlsStream;
use crate::sender::Frame;

/// Slices given to one write call. More would make the kernel's copy of the list costlier than a second call.
pub(super) const SLICES_PER_WRITE_MAX: usize = 256;

/// How bytes travel.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Transport {
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.read(buffer),
            Transport::Tls(stream) => stream.read(buffer),
        }
    }

    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => socket::send_vectored(stream, slices),
            Transport::Tls(stream) => stream.write_vectored(slices),
        }
    }

    /// Whether it holds bytes, behind those that it has taken, that the socket has not.
    pub fn wants_write(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.wants_write(),
        }
    }

    /// Writes what it holds; `WouldBlock`: the socket takes no more.
    pub fn push(&mut self) -> io::Result<()> {
        match self {
            Transport::Plain(_) => Ok(()),
            Transport::Tls(stream) => stream.push(),
        }
    }

    /// After `bytes` more were taken: how many more the socket has of all that were.
    fn through(&mut self, bytes: usize) -> usize {
        match self {
            Transport::Plain(_) => bytes,
            Transport::Tls(stream) => stream.take_through(),
        }
    }

    /// The next read tells of the end, and no event will.
    pub fn knows_its_end(&self) -> bool {
        match self {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.knows_its_end(),
        }
    }

    /// Ends the connection for the peer at once, even if a forked child still holds a copy of the descriptor.
    pub fn close(self, registry: &mio::Registry) {
        match self {
            Transport::Plain(stream) => close_stream(stream, registry),
            Transport::Tls(stream) => close_stream(stream.into_ended(), registry),
        }
    }
}

/// Takes the socket out of the event queue, shuts it down and closes it. Errors mean that it is down already.
pub(super) fn close_stream(mut stream: TcpStream, registry: &mio::Registry) {
    let _ = registry.deregister(&mut stream);
    let _ = stream.shutdown(Shutdown::Both);
}

/// The frames of one connection in order. A frame is dropped when its last byte is written, or with the connection.
#[derive(Default)]
pub(super) struct Output {
    frames: VecDeque<Frame>,
    /// Bytes of the first frame that are written.
    written: usize,
}

impl Output {
    pub fn push(&mut self, frame: Frame) {
        // An empty frame would never see its last byte written.
        if !frame.is_empty() {
            self.frames.push_back(frame);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Fills `slices` with what is to be written next; answers how many it used.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let mut from = self.written;
        for frame in &self.frames {
            if used == slices.len() {
                break;
            }
            frame.slices_from(from, |slice| {
                slices[used] = IoSlice::new(slice);
                used += 1;
                used < slices.len()
            });
            from = 0;
        }
        used
    }

    /// `bytes` more were written: drops the frames that are through.
    pub fn advance(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(first) = self.frames.front() {
            if self.written < first.len() {
                break;
            }
            self.written -= first.len();
            self.frames.pop_front();
        }
    }
}

/// An established connection.
pub(super) struct Open {
    pub transport: Transport,
    /// Host, port and address for sentences.
    pub peer: String,
    /// The socket took no more: the next write waits for its writable event.
    pub write_blocked: bool,
    /// Already in the reactor's list of connections with output.
    pub listed_dirty: bool,
    /// Already in the reactor's list of connections whose input was not read to the end.
    pub listed_unread: bool,
}

impl Open {
    pub fn new(transport: Transport, peer: String) -> Open {
        Open { transport, peer, write_blocked: false, listed_dirty: false, listed_unread: false }
    }

    /// Whether there is something to write.
    pub fn has_output(&self, output: &Output) -> bool {
        !output.is_empty() || self.transport.wants_write()
    }

    /// One write of as much of `output` as fits; the frames that were taken whole are dropped. Answers how many bytes were taken,
    /// and how many more the socket has.
    pub fn write_once(&mut self, output: &mut Output) -> io::Result<(usize, usize)> {
        if output.is_empty() {
            self.transport.push()?;
            return Ok((0, self.transport.through(0)));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE_MAX];
        let used = output.fill(&mut slices);
        let bytes = self.transport.write_vectored(&slices[..used])?;
        output.advance(bytes);
        Ok((bytes, self.transport.through(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes everything out of `output` in writes of at most `step` bytes.
    fn take_all(output: &mut Output, step: usize, slices_max: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            let mut slices = vec![IoSlice::new(&[]); slices_max];
            let used = output.fill(&mut slices);
            let given: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert!(!given.is_empty());
            let bytes = given.len().min(step);
            all.extend_from_slice(&given[..bytes]);
            output.advance(bytes);
        }
        all
    }

    #[test]
    fn partial_writes_of_any_size_give_the_frames_whole_and_in_order() {
        for step in [1, 2, 3, 5, 7, 100] {
            for slices_max in [1, 2, 64] {
                let mut output = Output::default();
                for frame in ["first", "2", "", "third frame"] {
                    output.push(Frame::plain(frame.as_bytes().to_vec()));
                }
                assert_eq!(take_all(&mut output, step, slices_max), b"first2third frame");
            }
        }
    }

    #[test]
    fn a_frame_stays_until_its_last_byte_is_written() {
        let mut output = Output::default();
        output.push(Frame::plain(vec![1; 10]));
        output.push(Frame::plain(vec![2; 10]));
        output.advance(9);
        assert_eq!(output.frames.len(), 2);
        output.advance(1);
        assert_eq!(output.frames.len(), 1);
        output.advance(10);
        assert!(output.is_empty());
    }
}
