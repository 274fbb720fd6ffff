//! From a host name to an open socket: resolve, then try every address in turn until one answers or the time is up.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::connection::{Open, close_stream};
use super::resolve::{self, Resolver};
use super::{AddressFamily, IoOptions, socket};
use crate::time::{Micros, Time};

/// What one address gets at least when several share the time.
const ATTEMPT_MIN: Micros = Micros::from_ms(1000);
/// Addresses tried for one connection: the rest of a longer answer is left out.
const ADDRESSES_MAX: usize = 32;

/// What a step of the set-up led to.
pub(super) enum Progress {
    Pending,
    Connected(Open),
    Failed(String),
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
}

enum Phase {
    Resolving,
    Connecting {
        stream: TcpStream,
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
        let Phase::Connecting { stream, address, .. } = &self.phase else {
            return Progress::Pending;
        };
        let address = *address;
        let error = match stream.take_error() {
            Ok(None) => match stream.peer_addr() {
                // A connect to a closed port of our own machine may pick that very port as its source and so meet itself.
                Ok(peer) if stream.local_addr().is_ok_and(|local| local == peer) => {
                    io::ErrorKind::ConnectionRefused.into()
                }
                Ok(_) => return self.connected(address),
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
            Phase::Connecting { deadline, .. } => *deadline,
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
            Phase::Resolving | Phase::Idle => {
                self.failed(&format!("the name look-up timed out after {} ms", self.timeout_ms))
            }
        }
    }

    /// Closes the socket of the address being tried.
    pub fn close(&mut self, registry: &Registry) {
        if let Phase::Connecting { stream, .. } = std::mem::replace(&mut self.phase, Phase::Idle) {
            close_stream(stream, registry);
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
        self.failed(&failures)
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

    fn connected(&mut self, address: SocketAddr) -> Progress {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Connecting { stream, .. } => {
                let peer = if resolve::numeric(&self.host).is_some() {
                    address.to_string()
                } else {
                    format!("{}:{} ({address})", self.host, self.port)
                };
                Progress::Connected(Open::new(stream, peer))
            }
            Phase::Resolving | Phase::Idle => Progress::Pending,
        }
    }

    fn failed(&mut self, why: &str) -> Progress {
        self.phase = Phase::Idle;
        Progress::Failed(format!("cannot connect to {}:{}: {why}", self.host, self.port))
    }
}
