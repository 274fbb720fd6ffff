//! One client's connection to one broker: frames out of a growing buffer, answers back in the order of their requests.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;

use super::link::Link;
use crate::time::Time;

/// A length beyond this is no Kafka request; the connection closes, as Kafka's does.
const FRAME_BYTES_MAX: usize = 100 << 20;
const READ_BUFFER_BYTES_MIN: usize = 64 << 10;
/// An empty buffer larger than this is given back.
const READ_BUFFER_BYTES_KEPT: usize = 4 << 20;
/// Read in one go before other connections have their turn.
const READ_TURN_BYTES_MAX: usize = 4 << 20;
/// With so many answers or answer bytes waiting, no further request is read.
const ANSWERS_WAITING_MAX: usize = 4096;
const ANSWER_BYTES_WAITING_MAX: usize = 64 << 20;
/// Small answers are joined into one write.
const WRITE_JOIN_BYTES: usize = 64 << 10;

struct WaitingAnswer {
    due: Time,
    /// `None` closes the connection.
    bytes: Option<Vec<u8>>,
}

pub(super) struct Connection {
    link: Link,
    pub(super) broker: i32,
    /// Filled from `start` to `filled`; the rest is room that was zeroed once.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    answers: VecDeque<WaitingAnswer>,
    answer_bytes: usize,
    last_due: Time,
    out: VecDeque<Vec<u8>>,
    /// How much of the first piece is written.
    out_written: usize,
    closes_after_out: bool,
    /// The client has ended its side.
    pub(super) at_end: bool,
    /// The time for which the loop's timer was set last.
    timer_due: Option<Time>,
}

/// How a turn of reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadTurn {
    /// Nothing more for now: the next event says when.
    Drained,
    /// Bytes may be left, of the socket or of the buffer.
    More,
}

impl Connection {
    pub(super) fn new(link: Link, broker: i32) -> Connection {
        Connection {
            link,
            broker,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            answers: VecDeque::new(),
            answer_bytes: 0,
            last_due: Time::ZERO,
            out: VecDeque::new(),
            out_written: 0,
            closes_after_out: false,
            at_end: false,
            timer_due: None,
        }
    }

    /// Reads until the socket is empty or the turn is over.
    pub(super) fn read(&mut self) -> io::Result<ReadTurn> {
        if self.at_end {
            return Ok(ReadTurn::Drained);
        }
        let mut turn_bytes = 0;
        while turn_bytes < READ_TURN_BYTES_MAX {
            self.make_room()?;
            match self.link.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.at_end = true;
                    return Ok(ReadTurn::Drained);
                }
                Ok(len) => {
                    self.filled += len;
                    turn_bytes += len;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(ReadTurn::Drained),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ReadTurn::More)
    }

    /// Room at the buffer's end, growing by doubling: a length that lies costs no memory before its bytes have come.
    fn make_room(&mut self) -> io::Result<()> {
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
            if self.buffer.len() > READ_BUFFER_BYTES_KEPT {
                self.buffer = Vec::new();
            }
        }
        self.check_frame_len()?;
        if self.filled < self.buffer.len() {
            return Ok(());
        }
        if self.start > self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.filled, 0);
            (self.start, self.filled) = (0, self.filled - self.start);
        } else {
            // Zeroed memory from the allocator costs nothing; `resize` would write every byte.
            let mut larger = vec![0; (self.buffer.len() * 2).max(READ_BUFFER_BYTES_MIN)];
            larger[self.start..self.filled].copy_from_slice(&self.buffer[self.start..self.filled]);
            self.buffer = larger;
        }
        Ok(())
    }

    fn frame_len(&self) -> Option<i32> {
        self.buffer[self.start..self.filled].first_chunk().map(|len| i32::from_be_bytes(*len))
    }

    fn check_frame_len(&self) -> io::Result<()> {
        match self.frame_len() {
            Some(len) if !(0..=FRAME_BYTES_MAX as i32).contains(&len) => {
                Err(io::Error::new(ErrorKind::InvalidData, format!("a request cannot have {len} bytes")))
            }
            _ => Ok(()),
        }
    }

    fn whole_frame(&self) -> Option<Range<usize>> {
        let len = usize::try_from(self.frame_len()?).ok()?;
        let frame = self.start + 4..self.start + 4 + len;
        (frame.end <= self.filled).then_some(frame)
    }

    /// The next whole frame as a range of the buffer, taken from it. The bytes stay until the next `read`.
    pub(super) fn next_frame(&mut self) -> io::Result<Option<Range<usize>>> {
        self.check_frame_len()?;
        let frame = self.whole_frame();
        if let Some(frame) = &frame {
            self.start = frame.end;
        }
        Ok(frame)
    }

    pub(super) fn bytes(&self, frame: Range<usize>) -> &[u8] {
        &self.buffer[frame]
    }

    /// False while the client has to read its answers first, and once the connection is about to close.
    pub(super) fn takes_requests(&self) -> bool {
        let out_bytes: usize = self.out.iter().map(Vec::len).sum();
        let closes = self.closes_after_out || self.answers.back().is_some_and(|answer| answer.bytes.is_none());
        !closes
            && self.answers.len() < ANSWERS_WAITING_MAX
            && self.answer_bytes.saturating_add(out_bytes) < ANSWER_BYTES_WAITING_MAX
    }

    /// Queues an answer, `None` to close instead. It leaves at `due`, and never before the ones queued earlier.
    pub(super) fn push_answer(&mut self, due: Time, bytes: Option<Vec<u8>>) {
        self.last_due = due.max(self.last_due);
        self.answer_bytes += bytes.as_ref().map_or(0, Vec::len);
        self.answers.push_back(WaitingAnswer { due: self.last_due, bytes });
    }

    /// When the loop has to come back for the first waiting answer; given once for each time.
    pub(super) fn take_timer(&mut self) -> Option<Time> {
        let next_due = self.answers.front().map(|answer| answer.due);
        if next_due == self.timer_due {
            return None;
        }
        self.timer_due = next_due;
        next_due
    }

    /// Moves the answers that are due into the output and writes what the socket takes. False: the connection is over.
    pub(super) fn flush(&mut self, now: Time) -> io::Result<bool> {
        while let Some(answer) = self.answers.pop_front_if_due(now) {
            match answer.bytes {
                Some(bytes) => {
                    self.answer_bytes -= bytes.len();
                    self.push_out(bytes);
                }
                None => self.closes_after_out = true,
            }
        }
        let mut is_pushed = self.link.push()?;
        while let Some(piece) = self.out.front() {
            match self.link.write(&piece[self.out_written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.out_written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.out_written == piece.len() {
                self.out.pop_front();
                self.out_written = 0;
            }
            is_pushed = self.link.push()?;
        }
        if self.closes_after_out && is_pushed {
            self.link.end();
        }
        Ok(!(self.closes_after_out && is_pushed))
    }

    fn push_out(&mut self, bytes: Vec<u8>) {
        match self.out.back_mut() {
            Some(last) if last.len() + bytes.len() <= WRITE_JOIN_BYTES => last.extend_from_slice(&bytes),
            _ => self.out.push_back(bytes),
        }
    }

    /// Nothing waits to be answered or written: an ended connection can go.
    pub(super) fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.out.is_empty() && self.whole_frame().is_none()
    }
}

trait PopIfDue {
    fn pop_front_if_due(&mut self, now: Time) -> Option<WaitingAnswer>;
}

impl PopIfDue for VecDeque<WaitingAnswer> {
    fn pop_front_if_due(&mut self, now: Time) -> Option<WaitingAnswer> {
        if self.front()?.due <= now { self.pop_front() } else { None }
    }
}
