//! From a host name to a connection: resolve, then try every address in turn until one answers, in TLS where that is asked
//! for, or the time is up.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::connection::{Open, Transport, close_stream};
use super::resolve::{self, Resolver};
use super::tls::{TlsStream, closed_by};
use super::{AddressFamily, IoOptions, socket};
use crate::sender::{Cause, Closed};
use crate::time::{Micros, Time};

/// What one address gets at least when several share the time.
const ATTEMPT_MIN: Micros = Micros::from_ms(1000);
/// Addresses tried for one connection: the rest of a longer answer is left out.
const ADDRESSES_MAX: usize = 32;

/// What a step of the set-up led to.
pub(super) enum Progress {
    Pending,
    Connected(Open),
    Failed(Closed),
}

/// What a step needs from the reactor.
pub(super) struct Surroundings<'a> {
    pub registry: &'a Registry,
    pub options: &'a IoOptions,
    pub token: Token,
    pub now: Time,
}

/// A connection that is being made.
pub(super) struct Setup {
    host: String,
    port: u16,
    timeout_ms: u64,
    /// When the whole set-up has failed.
    deadline: Time,
    phase: Phase,
    /// Addresses not tried yet.
    waiting: VecDeque<SocketAddr>,
    /// A sentence per address that failed.
    failures: Vec<String>,
    /// TLS for good, as soon as one address failed so: the others of a broker are no other broker.
    cause: Cause,
}

enum Phase {
    Resolving,
    Connecting {
        stream: TcpStream,
        address: SocketAddr,
        started: Time,
        deadline: Time,
    },
    /// The TLS handshake, within the time of its address.
    Securing {
        stream: Box<TlsStream>,
        address: SocketAddr,
        started: Time,
        deadline: Time,
    },
    /// Between two addresses, and after the end.
    Idle,
}

impl Setup {
    pub fn new(host: String, port: u16, timeout_ms: u64, now: Time) -> Setup {
        Setup {
            host,
            port,
            timeout_ms,
            deadline: now + Micros::from_ms(timeout_ms),
            phase: Phase::Resolving,
            waiting: VecDeque::new(),
            failures: Vec::new(),
            cause: Cause::Network,
        }
    }

    /// Begins: a numeric address connects at once, a name goes to the resolver.
    pub fn start(&mut self, at: &Surroundings<'_>, resolver: &mut Resolver) -> Progress {
        if let Some(ip) = resolve::numeric(&self.host) {
            return self.resolved(at, &Ok(vec![SocketAddr::new(ip, self.port)]));
        }
        match resolver.start(&self.host) {
            Ok(()) => Progress::Pending,
            Err(reason) => self.failed(&reason),
        }
    }

    /// True when the answer to `host` is what this set-up waits for.
    pub fn waits_for(&self, host: &str) -> bool {
        matches!(self.phase, Phase::Resolving) && self.host == host
    }

    /// The look-up has ended.
    pub fn resolved(&mut self, at: &Surroundings<'_>, result: &Result<Vec<SocketAddr>, String>) -> Progress {
        let addresses = match result {
            Ok(addresses) => addresses,
            Err(reason) => return self.failed(&format!("the name does not resolve: {reason}")),
        };
        let family = at.options.address_family;
        self.waiting = resolve::select(addresses, family, self.port).into();
        self.waiting.truncate(ADDRESSES_MAX);
        if self.waiting.is_empty() {
            return self.failed(match family {
                AddressFamily::Any => "the name has no address",
                AddressFamily::V4 => "there is no IPv4 address",
                AddressFamily::V6 => "there is no IPv6 address",
            });
        }
        self.next_address(at)
    }

    /// The socket has an event. It may be a late one of an earlier address, so nothing is concluded from it alone.
    pub fn ready(&mut self, at: &Surroundings<'_>) -> Progress {
        let (stream, address) = match &self.phase {
            Phase::Connecting { stream, address, .. } => (stream, *address),
            Phase::Securing { .. } => return self.shake(at),
            Phase::Resolving | Phase::Idle => return Progress::Pending,
        };
        let error = match stream.take_error() {
            Ok(None) => match stream.peer_addr() {
                // A connect to a closed port of our own machine may pick that very port as its source and so meet itself.
                Ok(peer) if stream.local_addr().is_ok_and(|local| local == peer) => {
                    io::ErrorKind::ConnectionRefused.into()
                }
                Ok(_) => return self.connected(at),
                Err(e) if e.kind() == io::ErrorKind::NotConnected => return Progress::Pending,
                Err(e) => e,
            },
            Ok(Some(e)) | Err(e) => e,
        };
        self.attempt_failed(at, address, &socket::describe(&error));
        self.next_address(at)
    }

    /// When `expired` is to be called.
    pub fn deadline(&self) -> Time {
        match &self.phase {
            Phase::Connecting { deadline, .. } | Phase::Securing { deadline, .. } => *deadline,
            Phase::Resolving | Phase::Idle => self.deadline,
        }
    }

    /// The time of the look-up or of the address is up.
    pub fn expired(&mut self, at: &Surroundings<'_>) -> Progress {
        match &self.phase {
            Phase::Connecting { address, started, .. } => {
                let (address, waited_ms) = (*address, at.now.since(*started).as_ms());
                self.attempt_failed(at, address, &format!("timed out after {waited_ms} ms"));
                self.next_address(at)
            }
            Phase::Securing { address, started, .. } => {
                let (address, waited_ms) = (*address, at.now.since(*started).as_ms());
                let text = format!(
                    "connected, but the TLS handshake was not over after {waited_ms} ms: is it a TLS listener, and does it \
                     answer?"
                );
                self.attempt_failed(at, address, &text);
                self.next_address(at)
            }
            Phase::Resolving | Phase::Idle => {
                self.failed(&format!("the name look-up timed out after {} ms", self.timeout_ms))
            }
        }
    }

    /// Closes the socket of the address being tried.
    pub fn close(&mut self, registry: &Registry) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Connecting { stream, .. } => close_stream(stream, registry),
            Phase::Securing { stream, .. } => close_stream(stream.into_ended(), registry),
            Phase::Resolving | Phase::Idle => {}
        }
    }

    /// Tries the next address; those that fail at once are passed over in the same call.
    fn next_address(&mut self, at: &Surroundings<'_>) -> Progress {
        while let Some(address) = self.waiting.pop_front() {
            let remaining = self.deadline.since(at.now);
            if remaining == Micros::ZERO {
                self.failures.push(format!("{address}: not tried, the time was up"));
                continue;
            }
            match self.connect(at, address) {
                Ok(stream) => {
                    let share = Micros(remaining.0 / (self.waiting.len() as u64 + 1));
                    let deadline = (at.now + share.max(ATTEMPT_MIN)).min(self.deadline);
                    self.phase = Phase::Connecting { stream, address, started: at.now, deadline };
                    return Progress::Pending;
                }
                Err(e) => self.failures.push(format!("{address}: {}", socket::describe(&e))),
            }
        }
        let failures = self.failures.join("; ");
        // An address that stands in the sentence already says nothing twice: health has room for so many words.
        let named = format!("{}:{}: ", self.host, self.port);
        self.failed(failures.strip_prefix(&named).unwrap_or(&failures))
    }

    fn connect(&self, at: &Surroundings<'_>, address: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = socket::connect(address, at.options)?;
        // Edge-triggered and for both directions, once: nothing is ever registered anew.
        at.registry.register(&mut stream, at.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    fn attempt_failed(&mut self, at: &Surroundings<'_>, address: SocketAddr, reason: &str) {
        self.close(at.registry);
        self.failures.push(format!("{address}: {reason}"));
    }

    /// The socket is connected: that is all, or TLS begins.
    fn connected(&mut self, at: &Surroundings<'_>) -> Progress {
        let Phase::Connecting { stream, address, started, deadline } = std::mem::replace(&mut self.phase, Phase::Idle)
        else {
            return Progress::Pending;
        };
        let Some(tls) = &at.options.tls else {
            return Progress::Connected(Open::new(Transport::Plain(stream), self.peer(address)));
        };
        match TlsStream::new(stream, tls, &self.host) {
            Ok(stream) => {
                self.phase = Phase::Securing { stream: Box::new(stream), address, started, deadline };
                self.shake(at)
            }
            Err((stream, trouble)) => {
                close_stream(stream, at.registry);
                if trouble.is_permanent {
                    self.cause = Cause::Tls;
                }
                self.failures.push(format!("{address}: {}", trouble.text));
                self.next_address(at)
            }
        }
    }

    /// Takes the handshake on.
    fn shake(&mut self, at: &Surroundings<'_>) -> Progress {
        let Phase::Securing { stream, address, .. } = &mut self.phase else {
            return Progress::Pending;
        };
        let address = *address;
        match stream.shake() {
            Ok(false) => Progress::Pending,
            Ok(true) => match std::mem::replace(&mut self.phase, Phase::Idle) {
                Phase::Securing { stream, .. } => {
                    Progress::Connected(Open::new(Transport::Tls(stream), self.peer(address)))
                }
                Phase::Resolving | Phase::Connecting { .. } | Phase::Idle => Progress::Pending,
            },
            Err(error) => {
                let closed = closed_by(&error);
                if closed.cause == Cause::Tls {
                    self.cause = Cause::Tls;
                }
                self.attempt_failed(at, address, &closed.reason);
                self.next_address(at)
            }
        }
    }

    /// Host and address for sentences.
    fn peer(&self, address: SocketAddr) -> String {
        if resolve::numeric(&self.host).is_some() {
            address.to_string()
        } else {
            format!("{}:{} ({address})", self.host, self.port)
        }
    }

    fn failed(&mut self, why: &str) -> Progress {
        self.phase = Phase::Idle;
        let reason = format!("cannot connect to {}:{}: {why}", self.host, self.port);
        Progress::Failed(Closed { reason, cause: self.cause })
    }
}
