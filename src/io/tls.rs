//! TLS over a socket that never blocks: rustls encrypts, decrypts and decides, this file moves the bytes.
//!
//! What is to be sent is encrypted from the frames' own slices into rustls's buffer, which is bounded: while the socket takes
//! nothing and the buffer is full, nothing more is taken. What comes is read in pieces and decrypted until rustls gives nothing
//! more, because the socket will not tell again of bytes that rustls already has.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::ops::Range;

use mio::net::TcpStream;
use rustls::ClientConnection;

use super::{SHORT_READ_IS_LAST, socket};
use crate::security::tls::{Renamer, SharedTls, TlsTrouble};
use crate::sender::{Cause, Closed};

/// Read from the socket at a time: a record of the greatest size and a little more.
const CIPHERTEXT_BYTES: usize = 20 * 1024;
/// What rustls may hold encrypted for a socket that takes no more.
const ENCRYPTED_BYTES_MAX: usize = 256 * 1024;
/// Pieces of some KiB that a handshake may have, and that may come in a row without a byte for us: tickets, a few.
const PIECES_MAX: usize = 256;
/// What the peer said first: enough to tell who it is.
const FIRST_BYTES_MAX: usize = 64;

pub(super) struct TlsStream {
    stream: TcpStream,
    session: ClientConnection,
    tls: SharedTls,
    host: String,
    ciphertext: Box<[u8]>,
    /// What of `ciphertext` rustls has not taken yet.
    untaken: Range<usize>,
    /// The last read of the socket did not fill `ciphertext`, and so emptied it.
    is_drained: bool,
    first_bytes: Vec<u8>,
    renamer: Renamer,
    /// Bytes that rustls took since its buffer was last empty, and those that the socket has and that nobody was told of.
    held: usize,
    through: usize,
    /// The broker has ended the stream, with a farewell or without: many end it so.
    has_ended: bool,
    trouble: Option<TlsTrouble>,
}

impl TlsStream {
    /// Begins: the first flight is written by `shake`.
    pub fn new(stream: TcpStream, tls: &SharedTls, host: &str) -> Result<TlsStream, (TcpStream, TlsTrouble)> {
        let mut session = match tls.start(host) {
            Ok(session) => session,
            Err(trouble) => return Err((stream, trouble)),
        };
        session.set_buffer_limit(Some(ENCRYPTED_BYTES_MAX));
        Ok(TlsStream {
            stream,
            session,
            tls: tls.clone(),
            host: host.to_owned(),
            ciphertext: vec![0; CIPHERTEXT_BYTES].into_boxed_slice(),
            untaken: 0..0,
            is_drained: false,
            first_bytes: Vec::new(),
            renamer: Renamer::default(),
            held: 0,
            through: 0,
            has_ended: false,
            trouble: None,
        })
    }

    /// Takes the handshake as far as the socket lets it; true: it is over, and everything of it is written or waits in the
    /// buffer.
    pub fn shake(&mut self) -> io::Result<bool> {
        for _ in 0..PIECES_MAX {
            match self.push() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(self.last_words().unwrap_or_else(|| self.ended_early(Some(&error)))),
            }
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            match self.take() {
                Ok(true) => {}
                Ok(false) => return Err(self.ended_early(None)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if trouble_in(&error).is_some() => return Err(error),
                Err(error) => return Err(self.ended_early(Some(&error))),
            }
        }
        Err(io::Error::other("the TLS handshake does not end: the broker sends on and on"))
    }

    /// Reads on, after a write that failed, for the alert that tells why the broker closed.
    fn last_words(&mut self) -> Option<io::Error> {
        for _ in 0..PIECES_MAX {
            match self.take() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return trouble_in(&error).is_some().then_some(error),
            }
        }
        None
    }

    /// The connection went before the handshake was over.
    fn ended_early(&self, error: Option<&io::Error>) -> io::Error {
        let mut trouble = self.tls.explain_close(&self.host, &self.first_bytes);
        if let Some(error) = error {
            trouble.text = format!("{}: {}", socket::describe(error), trouble.text);
        }
        troubled(trouble)
    }

    /// Decrypts a piece of what has come, and reads the socket when nothing of it is left. False: the stream has ended.
    fn take(&mut self) -> io::Result<bool> {
        if self.untaken.is_empty() {
            let len = loop {
                match self.stream.read(&mut self.ciphertext) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => break result?,
                }
            };
            if len == 0 {
                return Ok(false);
            }
            self.is_drained = SHORT_READ_IS_LAST && len < self.ciphertext.len();
            self.untaken = 0..len;
            let wanted = FIRST_BYTES_MAX.saturating_sub(self.first_bytes.len()).min(len);
            self.first_bytes.extend_from_slice(&self.ciphertext[..wanted]);
            self.renamer.pass(&mut self.ciphertext[..len]);
        }
        let taken = self.session.read_tls(&mut &self.ciphertext[self.untaken.clone()])?;
        if taken == 0 {
            // Behind the broker's farewell nothing counts.
            self.untaken = 0..0;
            return Ok(false);
        }
        self.untaken.start += taken;
        let processed = self.session.process_new_packets();
        processed.map(|_| true).map_err(|error| {
            // The alert that tells the broker why; the connection ends in any case.
            let _ = self.push();
            troubled(self.tls.explain(&error, &self.host, &self.first_bytes))
        })
    }

    /// As a socket's read, except that it fills as much of `buffer` as there is. `Interrupted`: much came and none of it was
    /// for us; there may be more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut pieces) = (0, 0);
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                Ok(0) => self.has_ended = true,
                Ok(bytes) => {
                    filled += bytes;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What is decrypted comes before what went wrong behind it.
                Err(_) => self.has_ended = true,
            }
            let is_all = filled > 0 && self.is_drained && self.untaken.is_empty();
            if is_all || self.has_ended || self.trouble.is_some() {
                break;
            }
            pieces += 1;
            if pieces > PIECES_MAX && filled == 0 {
                return Err(ErrorKind::Interrupted.into());
            }
            match self.take() {
                Ok(true) => {}
                Ok(false) => self.has_ended = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => match trouble_in(&error) {
                    Some(trouble) => self.trouble = Some(trouble.clone()),
                    // The socket broke behind what came.
                    None if filled > 0 => self.has_ended = true,
                    None => return Err(error),
                },
            }
        }
        match &self.trouble {
            _ if filled > 0 || buffer.is_empty() => Ok(filled),
            Some(trouble) => Err(troubled(trouble.clone())),
            None if self.has_ended => Ok(0),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// After what was read the end is known already: no event will tell of it.
    pub fn knows_its_end(&self) -> bool {
        self.has_ended || self.trouble.is_some()
    }

    /// Encrypts what there is room for and writes what the socket takes. What is answered is with rustls, if not further.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.push()?;
        let taken = self.session.writer().write_vectored(slices)?;
        self.held += taken;
        match self.push() {
            // It took bytes: the next write, or the next writable event, finds the trouble again.
            Err(error) if taken == 0 => Err(error),
            _ if taken == 0 => Err(ErrorKind::WouldBlock.into()),
            _ => Ok(taken),
        }
    }

    /// Bytes are encrypted that the socket has not taken.
    pub fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    /// Writes all that is encrypted; `WouldBlock`: the socket takes no more.
    pub fn push(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Quietly(&self.stream)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => {
                    result?;
                }
            }
        }
        self.through += std::mem::take(&mut self.held);
        Ok(())
    }

    /// How many more of the bytes that were taken the socket has: all, or those before the last that rustls took at once.
    pub fn take_through(&mut self) -> usize {
        std::mem::take(&mut self.through)
    }

    /// Says farewell, as far as the socket takes it at once.
    pub fn into_ended(mut self) -> TcpStream {
        self.session.send_close_notify();
        // The socket is closed in any case.
        let _ = self.push();
        self.stream
    }
}

/// Writes without SIGPIPE.
struct Quietly<'a>(&'a TcpStream);

impl Write for Quietly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send_vectored(self.0, &[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::send_vectored(self.0, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A trouble on its way through `io::Error`.
#[derive(Debug)]
struct Troubled(TlsTrouble);

impl fmt::Display for Troubled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.text)
    }
}

impl std::error::Error for Troubled {}

fn troubled(trouble: TlsTrouble) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, Troubled(trouble))
}

fn trouble_in(error: &io::Error) -> Option<&TlsTrouble> {
    error.get_ref()?.downcast_ref::<Troubled>().map(|troubled| &troubled.0)
}

/// Why a connection with this error ended, in the words of an operator.
pub(super) fn closed_by(error: &io::Error) -> Closed {
    match trouble_in(error) {
        Some(trouble) => Closed {
            reason: trouble.text.clone(),
            cause: if trouble.is_permanent { Cause::Tls } else { Cause::Network },
        },
        None => socket::describe(error).into(),
    }
}

/// Whether TLS itself says what went wrong.
pub(super) fn is_trouble(error: &io::Error) -> bool {
    trouble_in(error).is_some()
}
