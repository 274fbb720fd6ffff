//! The loop: sleep, hand events to the core, do what the core says, write, sleep.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::connect::{Progress, Setup, Surroundings};
use super::connection::{Open, Output, Transport};
use super::resolve::{Lookup, Resolver};
use super::tls::{closed_by, is_trouble};
use super::{Clock, Core, IoOptions, SHORT_READ_IS_LAST, Waker};
use crate::sender::{Action, Closed, ConnId};
use crate::time::{Micros, Time};

const WAKER_TOKEN: Token = Token(usize::MAX);
/// Events taken per turn; the rest comes in the next one.
const EVENTS_PER_TURN_MAX: usize = 256;
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// Full buffers read from one connection per turn, so that it cannot starve the others.
const READS_PER_TURN_MAX: usize = 4;
/// Looks at the sockets before a deadline that is due: a broker that sends without end does not keep timers from
/// firing.
const LOOKS_BEFORE_TIMERS_MAX: usize = 64;
/// Buffers read from a connection that can no longer be written: answers that came before the end still count.
const LAST_READS_MAX: usize = 64;
/// Writes per connection and turn, one per round, so that reading goes on while a fast socket takes everything.
const WRITE_ROUNDS_PER_TURN_MAX: usize = 16;

enum Stage {
    Setup(Setup),
    Open(Open),
}

struct Connection {
    stage: Stage,
    output: Output,
}

/// How long the next poll may sleep.
enum Sleep {
    /// There is work left: only look for events.
    No,
    AtMost(Duration),
    UntilWoken,
}

pub(super) struct Reactor<C> {
    pub(super) poll: Poll,
    core: C,
    clock: Clock,
    options: IoOptions,
    resolver: Resolver,
    connections: HashMap<ConnId, Connection>,
    /// How many of `connections` are in `Stage::Setup`: while none is, no deadlines are looked for.
    setups: usize,
    /// Open connections with output to try, each once.
    dirty: Vec<ConnId>,
    /// Open connections whose input was not read to the end, each once.
    unread: Vec<ConnId>,
    read_buffer: Box<[u8]>,
}

impl<C: Core> Reactor<C> {
    pub fn new(options: IoOptions, clock: Clock, core: C, lookup: Lookup) -> io::Result<(Reactor<C>, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker(Arc::new(mio::Waker::new(poll.registry(), WAKER_TOKEN)?));
        let reactor = Reactor {
            poll,
            core,
            clock,
            options,
            resolver: Resolver::new(lookup, waker.clone()),
            connections: HashMap::new(),
            setups: 0,
            dirty: Vec::new(),
            unread: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
        };
        Ok((reactor, waker))
    }

    /// Runs until the core is finished. A panic, in the core or here, ends the loop through `handle_panic`.
    pub fn run_to_end(mut self) {
        let message = match catch_unwind(AssertUnwindSafe(|| self.run())) {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(format!("the I/O thread's event queue failed: {e}")),
            Err(panic) => Some(format!("the I/O thread panicked: {}", panic_message(panic.as_ref()))),
        };
        let ids: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in ids {
            self.close(conn);
        }
        if let Some(message) = message {
            // When even this panics, nothing is left that could be done: the thread ends, and `join` tells.
            let _ = catch_unwind(AssertUnwindSafe(|| self.core.handle_panic(&message)));
        }
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
        let mut sleep = Sleep::No;
        loop {
            let timeout = match sleep {
                Sleep::No => Some(Duration::ZERO),
                Sleep::AtMost(timeout) => Some(timeout),
                Sleep::UntilWoken => None,
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                // A stop-and-continue or a debugger; there are no events then.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            self.core.after_sleep();
            // While the loop has not slept, application threads leave work without waking it.
            let woken = matches!(sleep, Sleep::No);
            let handled = self.turn(&mut events, woken)?;
            if self.core.is_finished() {
                return Ok(());
            }
            sleep = self.prepare_sleep(handled);
        }
    }

    /// Everything between two sleeps. Answers the time up to which timers have been handled.
    pub(super) fn turn(&mut self, events: &mut Events, mut woken: bool) -> io::Result<Time> {
        let now = self.clock.now();
        woken |= self.take_input(now, events);
        if woken {
            self.take_resolved(now);
            self.core.handle_wakeup(now);
            self.take_actions(now);
        }
        // What came before may have taken a while (compression, thousands of responses).
        let now = self.look_before_timers(events)?;
        self.expire_setups(now);
        if self.core.poll_timeout() <= now {
            self.core.handle_timeout(now);
            self.take_actions(now);
        }
        self.flush();
        Ok(now)
    }

    /// A process that was stopped and continued, or a machine that was paused, finds deadlines that have passed and
    /// answers that had come before them. No deadline fires unless the sockets were looked at after it, and had
    /// nothing: answers the time of that look.
    fn look_before_timers(&mut self, events: &mut Events) -> io::Result<Time> {
        for _ in 0..LOOKS_BEFORE_TIMERS_MAX {
            let now = self.clock.now();
            if self.core.poll_deadline().min(self.next_setup_deadline()) > now {
                return Ok(now);
            }
            match self.poll.poll(events, Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            if events.is_empty() && self.unread.is_empty() {
                return Ok(now);
            }
            if self.take_input(now, events) {
                self.take_resolved(now);
            }
            // Whoever leaves work does not wake a loop that is not asleep: a close must not wait for all of these
            // looks.
            self.core.handle_wakeup(now);
            self.take_actions(now);
            if self.core.is_finished() {
                break;
            }
        }
        Ok(self.clock.now())
    }

    /// Handles what the sockets have. True: somebody left work.
    fn take_input(&mut self, now: Time, events: &Events) -> bool {
        let mut woken = false;
        for conn in std::mem::take(&mut self.unread) {
            if let Some(open) = self.open(conn) {
                open.listed_unread = false;
                self.read(now, conn, true);
            }
        }
        for event in events {
            if event.token() == WAKER_TOKEN {
                woken = true;
                continue;
            }
            let conn = ConnId(event.token().0 as u64);
            let readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let writable = event.is_writable() || event.is_write_closed() || event.is_error();
            self.handle_event(now, conn, readable, writable, event.is_read_closed() || event.is_error());
        }
        woken
    }

    /// How long to sleep, told to the core. `handled` is the time of the last look at timers.
    fn prepare_sleep(&mut self, handled: Time) -> Sleep {
        if !self.dirty.is_empty() || !self.unread.is_empty() {
            return Sleep::No;
        }
        let until = self.core.poll_timeout().min(self.next_setup_deadline());
        let now = self.clock.now();
        if self.core.before_sleep(now, until) {
            return Sleep::No;
        }
        if until == Time::NEVER {
            return Sleep::UntilWoken;
        }
        if until <= now && until > handled {
            return Sleep::No;
        }
        // A timer that is due although its time was just handled must not make the loop spin. The poll rounds up to ms.
        Sleep::AtMost(Duration::from_micros(until.since(now).max(Micros(1)).0))
    }

    fn handle_event(&mut self, now: Time, conn: ConnId, readable: bool, writable: bool, ended: bool) {
        // Late events of connections that are gone are ignored here.
        if self.setup(conn).is_some() {
            self.step_setup(now, conn, |setup, at| setup.ready(at));
        }
        if writable && let Some(open) = self.open(conn) {
            open.write_blocked = false;
            self.mark_dirty(conn);
        }
        if readable {
            self.read(now, conn, ended);
        }
    }

    /// Reads what has come, within limits. `to_the_end` reads on after a short read, for an end of stream behind the
    /// data.
    fn read(&mut self, now: Time, conn: ConnId, to_the_end: bool) {
        for _ in 0..READS_PER_TURN_MAX {
            let Some(Connection { stage: Stage::Open(open), .. }) = self.connections.get_mut(&conn) else {
                return;
            };
            match open.transport.read(&mut self.read_buffer) {
                Ok(0) => return self.lose(now, conn, "the broker closed the connection".to_owned().into()),
                Ok(bytes) => {
                    let goes_on = to_the_end || open.transport.knows_its_end();
                    self.core.handle_bytes(now, conn, &self.read_buffer[..bytes]);
                    self.take_actions(now);
                    if SHORT_READ_IS_LAST && bytes < READ_BUFFER_BYTES && !goes_on {
                        return;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return self.lose(now, conn, closed_by(&e)),
            }
        }
        self.mark_unread(conn);
    }

    /// Notes, once, that there is more to read.
    fn mark_unread(&mut self, conn: ConnId) {
        if let Some(open) = self.open(conn)
            && !open.listed_unread
        {
            open.listed_unread = true;
            self.unread.push(conn);
        }
    }

    /// Writes the output of every connection that has some: one call for all frames of the turn, where they fit.
    fn flush(&mut self) {
        for _ in 0..WRITE_ROUNDS_PER_TURN_MAX {
            if self.dirty.is_empty() {
                return;
            }
            let now = self.clock.now();
            let mut round = std::mem::take(&mut self.dirty);
            for conn in round.drain(..) {
                self.write(now, conn);
            }
            // Keeps the allocation: most rounds leave nothing behind.
            if self.dirty.is_empty() {
                self.dirty = round;
            }
        }
    }

    fn write(&mut self, now: Time, conn: ConnId) {
        let Some(Connection { stage: Stage::Open(open), output }) = self.connections.get_mut(&conn) else {
            return;
        };
        open.listed_dirty = false;
        if open.write_blocked || !open.has_output(output) {
            return;
        }
        match open.write_once(output) {
            Ok((bytes, through)) => {
                if bytes > 0 || through > 0 {
                    self.core.handle_written(now, conn, bytes, through);
                    self.take_actions(now);
                }
                self.mark_dirty(conn);
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => open.write_blocked = true,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => self.mark_dirty(conn),
            Err(e) => {
                let why = self.read_last(now, conn).unwrap_or(e);
                self.lose(now, conn, closed_by(&why));
            }
        }
    }

    /// Hands over what the broker had answered before the connection broke, so that it does not count as unanswered. In
    /// TLS the broker may also have said why it closed: that is answered.
    fn read_last(&mut self, now: Time, conn: ConnId) -> Option<io::Error> {
        for _ in 0..LAST_READS_MAX {
            let Some(Connection { stage: Stage::Open(open), .. }) = self.connections.get_mut(&conn) else {
                return None;
            };
            match open.transport.read(&mut self.read_buffer) {
                Ok(0) => return None,
                Ok(bytes) => {
                    self.core.handle_bytes(now, conn, &self.read_buffer[..bytes]);
                    self.take_actions(now);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more to read, or the break itself, which the caller reports.
                Err(e) => return is_trouble(&e).then_some(e),
            }
        }
        None
    }

    /// Does what the core says until it says nothing more. It is the core's back-off that bounds this.
    fn take_actions(&mut self, now: Time) {
        while let Some(action) = self.core.poll_action(now) {
            match action {
                Action::Connect { conn, host, port, setup_timeout_ms } => {
                    let setup = Setup::new(host, port, setup_timeout_ms, now);
                    self.start_setup(now, conn, setup);
                }
                Action::Write { conn, frame } => {
                    // The core may not know yet that the connection is gone; its `handle_closed` is on the way then.
                    if let Some(connection) = self.connections.get_mut(&conn) {
                        connection.output.push(frame);
                        self.mark_dirty(conn);
                    }
                }
                Action::Close { conn } => self.close(conn),
            }
        }
    }

    fn start_setup(&mut self, now: Time, conn: ConnId, mut setup: Setup) {
        let Ok(token) = usize::try_from(conn.0) else {
            return self.core.handle_closed(now, conn, format!("connection number {} is too large", conn.0).into());
        };
        let at = Surroundings { registry: self.poll.registry(), options: &self.options, token: Token(token), now };
        let progress = setup.start(&at, &mut self.resolver);
        self.connections.insert(conn, Connection { stage: Stage::Setup(setup), output: Output::default() });
        self.setups += 1;
        self.apply(now, conn, progress);
    }

    /// Takes a connection that is being made one step on, and takes the core's actions.
    fn step_setup(&mut self, now: Time, conn: ConnId, step: impl FnOnce(&mut Setup, &Surroundings<'_>) -> Progress) {
        let Some(Connection { stage: Stage::Setup(setup), .. }) = self.connections.get_mut(&conn) else {
            return;
        };
        let token = Token(conn.0 as usize);
        let at = Surroundings { registry: self.poll.registry(), options: &self.options, token, now };
        let progress = step(setup, &at);
        self.apply(now, conn, progress);
        self.take_actions(now);
    }

    fn apply(&mut self, now: Time, conn: ConnId, progress: Progress) {
        match progress {
            Progress::Pending => {}
            Progress::Connected(open) => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    // A handshake may have read more than its own, and no event tells of that.
                    let may_have_more = matches!(open.transport, Transport::Tls(_));
                    connection.stage = Stage::Open(open);
                    self.setups -= 1;
                    self.mark_dirty(conn);
                    if may_have_more {
                        self.mark_unread(conn);
                    }
                    self.core.handle_connected(now, conn);
                }
            }
            Progress::Failed(closed) => {
                self.close(conn);
                self.core.handle_closed(now, conn, closed);
            }
        }
    }

    fn take_resolved(&mut self, now: Time) {
        while let Some(resolved) = self.resolver.poll() {
            let waiting = self.setups_where(|setup| setup.waits_for(&resolved.host));
            for conn in waiting {
                self.step_setup(now, conn, |setup, at| setup.resolved(at, &resolved.result));
            }
        }
    }

    fn expire_setups(&mut self, now: Time) {
        if self.setups == 0 {
            return;
        }
        for conn in self.setups_where(|setup| setup.deadline() <= now) {
            self.step_setup(now, conn, |setup, at| setup.expired(at));
        }
    }

    fn setups_where(&self, wanted: impl Fn(&Setup) -> bool) -> Vec<ConnId> {
        let mut found = Vec::new();
        for (conn, connection) in &self.connections {
            if matches!(&connection.stage, Stage::Setup(setup) if wanted(setup)) {
                found.push(*conn);
            }
        }
        found
    }

    fn next_setup_deadline(&self) -> Time {
        if self.setups == 0 {
            return Time::NEVER;
        }
        let deadlines = self.connections.values().filter_map(|connection| match &connection.stage {
            Stage::Setup(setup) => Some(setup.deadline()),
            Stage::Open(_) => None,
        });
        deadlines.min().unwrap_or(Time::NEVER)
    }

    /// An open connection broke: closes it and tells the core, unless the core has closed it in the meantime.
    fn lose(&mut self, now: Time, conn: ConnId, mut closed: Closed) {
        let Some(open) = self.open(conn) else {
            return;
        };
        closed.reason = format!("{}: {}", open.peer, closed.reason);
        self.close(conn);
        self.core.handle_closed(now, conn, closed);
        self.take_actions(now);
    }

    /// Closes and forgets, with the frames that were not written.
    fn close(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.remove(&conn) else {
            return;
        };
        match connection.stage {
            Stage::Setup(mut setup) => {
                self.setups -= 1;
                setup.close(self.poll.registry());
            }
            Stage::Open(open) => open.transport.close(self.poll.registry()),
        }
    }

    /// Notes that there is something to write, once, and only where a write can succeed.
    fn mark_dirty(&mut self, conn: ConnId) {
        let Some(Connection { stage: Stage::Open(open), output }) = self.connections.get_mut(&conn) else {
            return;
        };
        if !open.write_blocked && !open.listed_dirty && open.has_output(output) {
            open.listed_dirty = true;
            self.dirty.push(conn);
        }
    }

    fn open(&mut self, conn: ConnId) -> Option<&mut Open> {
        match self.connections.get_mut(&conn) {
            Some(Connection { stage: Stage::Open(open), .. }) => Some(open),
            _ => None,
        }
    }

    fn setup(&mut self, conn: ConnId) -> Option<&mut Setup> {
        match self.connections.get_mut(&conn) {
            Some(Connection { stage: Stage::Setup(setup), .. }) => Some(setup),
            _ => None,
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "(no message)"
    }
}
