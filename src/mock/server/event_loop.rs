//! The thread's loop: accept, read, let the model answer, write when due.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use crate::mock::request::Answer;
use crate::time::Time;

use super::connection::{Connection, ReadTurn};
use super::link::Link;
use super::listener::BrokerListener;
use super::{Shared, wall_ms};

pub(super) const WAKER: Token = Token(0);
/// Below are the waker and the listeners, whose tokens are the broker ids.
const FIRST_CONNECTION: usize = 1 << 16;
/// More connections than that are closed at once.
const CONNECTIONS_MAX: usize = 4096;

/// What the loop last saw of a broker.
#[derive(Clone, Copy, Default)]
struct BrokerSeen {
    times_down: u64,
    is_frozen: bool,
}

pub(super) struct EventLoop {
    poll: Poll,
    shared: Arc<Shared>,
    listeners: Vec<BrokerListener>,
    seen: BTreeMap<i32, BrokerSeen>,
    connections: BTreeMap<usize, Connection>,
    next_token: usize,
    /// Connections that may have something to read. Events are edges, so what is not read at once is remembered here.
    readable: BTreeSet<usize>,
    /// When which connection has an answer due; entries of connections long gone are skipped.
    timers: BinaryHeap<Reverse<(Time, usize)>>,
}

/// Says that the thread is gone, whether it returned or panicked, so that nobody waits for it.
struct StoppedOnDrop(Arc<Shared>);

impl Drop for StoppedOnDrop {
    fn drop(&mut self) {
        self.0.progress.lock().stopped = true;
        self.0.progressed.notify_all();
    }
}

impl EventLoop {
    pub(super) fn new(poll: Poll, listeners: Vec<BrokerListener>, shared: Arc<Shared>) -> EventLoop {
        EventLoop {
            poll,
            shared,
            seen: listeners.iter().map(|listener| (listener.broker(), BrokerSeen::default())).collect(),
            listeners,
            connections: BTreeMap::new(),
            next_token: FIRST_CONNECTION,
            readable: BTreeSet::new(),
            timers: BinaryHeap::new(),
        }
    }

    fn now(&self) -> Time {
        self.shared.now()
    }

    pub(super) fn run(mut self) {
        let _stopped = StoppedOnDrop(Arc::clone(&self.shared));
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, self.poll_timeout()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
            if self.shared.progress.lock().stop {
                return;
            }
            self.follow_cluster();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    Token(id) if id < FIRST_CONNECTION => self.accept(id as i32),
                    Token(id) => {
                        if event.is_writable() {
                            self.flush(id);
                        }
                        self.readable.insert(id);
                    }
                }
            }
            self.flush_due();
            self.serve_readable();
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        if self.readable.iter().any(|id| self.can_read(*id)) {
            return Some(Duration::ZERO);
        }
        let Reverse((due, _)) = self.timers.peek()?;
        // Rounded up, or the loop would spin through the last fraction of a millisecond.
        Some(Duration::from_micros(due.since(self.now()).0).saturating_add(Duration::from_micros(999)))
    }

    fn is_frozen(&self, broker: i32) -> bool {
        self.seen.get(&broker).is_some_and(|seen| seen.is_frozen)
    }

    fn can_read(&self, id: usize) -> bool {
        self.connections
            .get(&id)
            .is_some_and(|connection| connection.takes_requests() && !self.is_frozen(connection.broker))
    }

    /// Brings sockets to what the cluster says of its brokers.
    fn follow_cluster(&mut self) {
        let changes_seen = self.shared.progress.lock().changes_seen;
        let (changes, wanted): (u64, Vec<(i32, bool, BrokerSeen)>) = {
            let cluster = self.shared.cluster.lock();
            if cluster.server_changes() == changes_seen {
                return;
            }
            let wanted = cluster.broker_ids().filter_map(|id| {
                let broker = cluster.broker(id)?;
                Some((id, broker.is_up, BrokerSeen { times_down: broker.times_down, is_frozen: broker.is_frozen }))
            });
            (cluster.server_changes(), wanted.collect())
        };
        let mut listen_error = None;
        for (id, is_up, wanted) in wanted {
            let before = self.seen.insert(id, wanted).unwrap_or_default();
            if before.times_down != wanted.times_down {
                self.connections.retain(|_, connection| connection.broker != id);
                self.listener_mut(id).into_iter().for_each(BrokerListener::close);
            }
            if is_up {
                listen_error = self.listen(id).err().or(listen_error);
            }
            if before.is_frozen && !wanted.is_frozen {
                self.thaw(id);
            }
        }
        let mut progress = self.shared.progress.lock();
        progress.changes_seen = changes;
        if let Some(error) = listen_error {
            progress.listen_error = Some(format!("a mock broker cannot listen on its port again: {error}"));
        }
        self.shared.progressed.notify_all();
    }

    fn listener_mut(&mut self, broker: i32) -> Option<&mut BrokerListener> {
        self.listeners.iter_mut().find(|listener| listener.broker() == broker)
    }

    fn listen(&mut self, broker: i32) -> io::Result<()> {
        let found = self.listeners.iter_mut().find(|listener| listener.broker() == broker);
        match found.filter(|listener| !listener.is_listening()) {
            Some(listener) => listener.listen(self.poll.registry()),
            None => Ok(()),
        }
    }

    fn thaw(&mut self, broker: i32) {
        self.accept(broker);
        let ids = self.connections.iter().filter(|(_, connection)| connection.broker == broker);
        let ids: Vec<usize> = ids.map(|(&id, _)| id).collect();
        for id in ids {
            self.flush(id);
            self.readable.insert(id);
        }
    }

    fn accept(&mut self, broker: i32) {
        if self.is_frozen(broker) {
            return;
        }
        // Ends when the backlog is empty; an error such as ECONNABORTED concerns the one connection.
        for _ in 0..CONNECTIONS_MAX {
            let Some(listener) = self.listener_mut(broker) else { return };
            let mut stream = match listener.accept() {
                Ok(Some(stream)) => stream,
                Ok(None) => return,
                Err(_) => continue,
            };
            let id = self.next_token;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registered = self.poll.registry().register(&mut stream, Token(id), interest);
            let ready = stream.set_nodelay(true).and(registered);
            // A stream that cannot be set up, or is one too many, closes here by being dropped.
            if ready.is_ok() && self.connections.len() < CONNECTIONS_MAX {
                let tls = self.shared.tls.lock().clone();
                if let Ok(link) = Link::new(stream, tls) {
                    self.next_token += 1;
                    self.connections.insert(id, Connection::new(link, broker));
                }
            }
        }
    }

    fn flush_due(&mut self) {
        let now = self.now();
        while let Some(&Reverse((due, id))) = self.timers.peek() {
            if due > now {
                return;
            }
            self.timers.pop();
            self.flush(id);
        }
    }

    /// Writes what is due. A connection that broke or is finished goes.
    fn flush(&mut self, id: usize) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.seen.get(&connection.broker).is_some_and(|seen| seen.is_frozen) {
            return;
        }
        let goes_on = connection.flush(now).unwrap_or(false);
        if !goes_on || (connection.at_end && connection.is_idle()) {
            self.connections.remove(&id);
        } else if let Some(due) = connection.take_timer() {
            self.timers.push(Reverse((due, id)));
        }
    }

    fn serve_readable(&mut self) {
        for id in self.readable.clone() {
            if !self.connections.contains_key(&id) {
                self.readable.remove(&id);
                continue;
            }
            // Kept in the set while it may not read, and served when it may.
            if self.can_read(id) && self.serve(id) == ReadTurn::Drained {
                self.readable.remove(&id);
            }
        }
    }

    /// Reads, answers, writes.
    fn serve(&mut self, id: usize) -> ReadTurn {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&id) else { return ReadTurn::Drained };
        let served = connection.read().and_then(|turn| {
            answer_frames(&self.shared, id as u64, connection, now).map(|answered_all| (turn, answered_all))
        });
        let Ok((turn, answered_all)) = served else {
            self.connections.remove(&id);
            return ReadTurn::Drained;
        };
        self.flush(id);
        if answered_all { turn } else { ReadTurn::More }
    }
}

/// Answers the whole frames in the buffer. False: frames may be left in it until the client has read its answers.
fn answer_frames(shared: &Shared, id: u64, connection: &mut Connection, now: Time) -> io::Result<bool> {
    while connection.takes_requests() {
        let Some(frame) = connection.next_frame()? else { return Ok(true) };
        let broker = connection.broker;
        let answer = shared.cluster.lock().handle_frame_from(now, wall_ms(), broker, id, connection.bytes(frame));
        let (bytes, delay) = match answer {
            Answer::Respond { bytes, delay } => (Some(bytes), delay),
            Answer::Disconnect { delay } => (None, delay),
            Answer::Nothing => continue,
        };
        connection.push_answer(now + delay, bytes);
    }
    Ok(false)
}
