//! The reactor against real sockets on loopback, with a core that records what it is told.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use socket2::{Domain, SockRef, Socket, Type};

use super::*;
use crate::sender::{Cause, Frame};
use crate::time::Micros;

mod tls;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const SETUP_TIMEOUT_MS: u64 = 20_000;

#[derive(Default)]
struct State {
    /// Left by the test; handed out after the next wake-up.
    inbox: VecDeque<Action>,
    connected: Vec<ConnId>,
    closed: Vec<(ConnId, String)>,
    causes: Vec<Cause>,
    received: Vec<u8>,
    written: usize,
    through: usize,
    wakeups: usize,
    timeouts: usize,
    /// Bytes received and connections closed when the timer fired last.
    before_timeout: (usize, usize),
    turns: usize,
    /// `Some` while the loop is asleep.
    asleep_until: Option<Time>,
    timeout: Option<Time>,
    /// What to do with the timer when it fires; by default it is taken away.
    keep_timeout: bool,
    panic_at_wakeup: bool,
    panicked: Option<String>,
    finish: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct FakeCore {
    shared: Arc<Shared>,
    actions: VecDeque<Action>,
}

impl FakeCore {
    fn record(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock());
        self.shared.changed.notify_all();
    }
}

impl Core for FakeCore {
    fn handle_wakeup(&mut self, _now: Time) {
        let mut state = self.shared.state.lock();
        state.wakeups += 1;
        let panics = state.panic_at_wakeup;
        self.actions.append(&mut state.inbox);
        drop(state);
        self.shared.changed.notify_all();
        assert!(!panics, "the core was told to panic");
    }
    fn handle_connected(&mut self, _now: Time, conn: ConnId) {
        self.record(|state| state.connected.push(conn));
    }
    fn handle_bytes(&mut self, _now: Time, _conn: ConnId, bytes: &[u8]) {
        self.record(|state| state.received.extend_from_slice(bytes));
    }
    fn handle_written(&mut self, _now: Time, _conn: ConnId, bytes: usize, through: usize) {
        self.record(|state| (state.written, state.through) = (state.written + bytes, state.through + through));
    }
    fn handle_closed(&mut self, _now: Time, conn: ConnId, closed: Closed) {
        self.record(|state| {
            state.closed.push((conn, closed.reason));
            state.causes.push(closed.cause);
        });
    }
    fn handle_timeout(&mut self, now: Time) {
        self.record(|state| {
            assert!(state.timeout.is_some_and(|timeout| timeout <= now), "the timer came early");
            state.timeouts += 1;
            state.before_timeout = (state.received.len(), state.closed.len());
            if !state.keep_timeout {
                state.timeout = None;
            }
        });
    }
    fn poll_action(&mut self, _now: Time) -> Option<Action> {
        self.actions.pop_front()
    }
    fn poll_timeout(&self) -> Time {
        self.shared.state.lock().timeout.unwrap_or(Time::NEVER)
    }
    fn before_sleep(&mut self, _now: Time, until: Time) -> bool {
        let mut state = self.shared.state.lock();
        state.turns += 1;
        if !state.inbox.is_empty() {
            return true;
        }
        state.asleep_until = Some(until);
        drop(state);
        self.shared.changed.notify_all();
        false
    }
    fn after_sleep(&mut self) {
        self.shared.state.lock().asleep_until = None;
    }
    fn is_finished(&self) -> bool {
        self.shared.state.lock().finish
    }
    fn handle_panic(&mut self, message: &str) {
        self.record(|state| state.panicked = Some(message.to_owned()));
    }
}

/// A running I/O thread with a fake core; ended and joined when dropped.
struct Fixture {
    io: IoThread,
    clock: Clock,
    shared: Arc<Shared>,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture::with(IoOptions::default(), Arc::new(|_| Err(io::Error::other("no names in this test"))))
    }

    fn with_addresses(addresses: &[SocketAddr]) -> Fixture {
        let addresses = addresses.to_vec();
        Fixture::with(IoOptions::default(), Arc::new(move |_| Ok(addresses.clone())))
    }

    fn with(options: IoOptions, lookup: Lookup) -> Fixture {
        let shared = Arc::new(Shared::default());
        let core = FakeCore { shared: shared.clone(), actions: VecDeque::new() };
        let clock = Clock::new();
        let io = IoThread::start_with_lookup("kp-io", options, clock, core, lookup).unwrap();
        Fixture { io, clock, shared }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock());
        self.io.waker().wake();
    }

    fn act(&self, actions: impl IntoIterator<Item = Action>) {
        self.change(|state| state.inbox.extend(actions));
    }

    fn connect(&self, conn: u64, address: SocketAddr) {
        self.act([connect(conn, &address.ip().to_string(), address.port(), SETUP_TIMEOUT_MS)]);
    }

    /// Waits for the state to become as wished; gives back what `look` found.
    fn wait_for<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let waited = self.shared.changed.wait_until(&mut state, end);
            assert!(!waited.timed_out(), "waited in vain: {what}; closed: {:?}", state.closed);
        }
    }

    fn wait_connected(&self, conn: u64) {
        self.wait_for("connected", |state| state.connected.contains(&ConnId(conn)).then_some(()));
    }

    fn wait_closed(&self, conn: u64) -> String {
        self.wait_for("closed", |state| {
            state.closed.iter().find(|(id, _)| *id == ConnId(conn)).map(|(_, reason)| reason.clone())
        })
    }

    /// Waits until the loop sleeps with nothing left to do.
    fn wait_asleep(&self) -> Time {
        self.wait_for("asleep", |state| state.asleep_until.filter(|_| state.inbox.is_empty()))
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.change(|state| state.finish = true);
        let joined = self.io.join(PATIENCE);
        assert!(joined || std::thread::panicking(), "the I/O thread did not end");
    }
}

fn connect(conn: u64, host: &str, port: u16, setup_timeout_ms: u64) -> Action {
    Action::Connect { conn: ConnId(conn), host: host.to_owned(), port, setup_timeout_ms }
}

fn write(conn: u64, bytes: Vec<u8>) -> Action {
    Action::Write { conn: ConnId(conn), frame: Frame::plain(bytes) }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An accepted connection of the fixture's `conn`.
fn connected(fixture: &Fixture, conn: u64) -> TcpStream {
    let (listener, address) = listen();
    fixture.connect(conn, address);
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    fixture.wait_connected(conn);
    stream
}

/// A port of 127.0.0.1 where nobody listens.
fn closed_port() -> u16 {
    listen().1.port()
}

/// A listener whose backlog is full, so that further SYNs get no answer; with the connections that fill it.
#[cfg(target_os = "linux")]
fn deaf_listener(ip: Ipv4Addr, port: u16) -> (Socket, Vec<Socket>, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from((ip, port)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    for _ in 0..8 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let outcome = filler.connect_timeout(&address, Duration::from_millis(200));
        fillers.push(filler);
        if outcome.is_err() {
            break;
        }
    }
    (listener, fillers, address.as_socket().unwrap())
}

#[test]
fn bytes_go_out_and_come_back() {
    let fixture = Fixture::new();
    let mut peer = connected(&fixture, 1);
    for round in 0..100u8 {
        fixture.act([write(1, vec![round; 10]), write(1, vec![round + 100; 5])]);
        let mut got = [0; 15];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(got[..10], [round; 10]);
        assert_eq!(got[10..], [round + 100; 5]);
        peer.write_all(&[round; 7]).unwrap();
        let expected = (usize::from(round) + 1) * 7;
        fixture.wait_for("answer", |state| (state.received.len() == expected).then_some(()));
    }
    fixture.wait_for("written", |state| (state.written == 1500).then_some(()));
}

#[test]
fn a_refused_connection_names_address_and_error() {
    let fixture = Fixture::new();
    let port = closed_port();
    fixture.connect(1, (Ipv4Addr::LOCALHOST, port).into());
    assert_eq!(fixture.wait_closed(1), format!("cannot connect to 127.0.0.1:{port}: connection refused"));
}

#[test]
fn a_name_that_does_not_resolve_is_said_so() {
    let fixture = Fixture::with(IoOptions::default(), Arc::new(|_| Err(io::Error::other("Name or service not known"))));
    fixture.act([connect(1, "nowhere", 9092, SETUP_TIMEOUT_MS)]);
    assert_eq!(
        fixture.wait_closed(1),
        "cannot connect to nowhere:9092: the name does not resolve: Name or service not known"
    );
}

#[test]
fn a_lookup_that_panics_fails_the_connection_only() {
    let fixture = Fixture::with(IoOptions::default(), Arc::new(|_| panic!("broken resolver (expected in this test)")));
    fixture.act([connect(1, "nowhere", 9092, SETUP_TIMEOUT_MS)]);
    assert!(fixture.wait_closed(1).ends_with("the look-up panicked"));
}

#[test]
fn the_systems_resolver_finds_localhost() {
    let addresses = resolve::getaddrinfo("localhost").unwrap();
    assert!(addresses.iter().any(|address| address.ip().is_loopback()));
}

#[test]
fn the_second_address_is_tried_when_the_first_is_dead() {
    let (listener, address) = listen();
    let fixture = Fixture::with_addresses(&["127.0.0.2:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()]);
    fixture.act([connect(1, "broker", address.port(), SETUP_TIMEOUT_MS)]);
    let (mut peer, _) = listener.accept().unwrap();
    fixture.wait_connected(1);
    fixture.act([write(1, b"hello".to_vec())]);
    let mut got = [0; 5];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"hello");
    drop(peer);
    let expected = format!("broker:{0} ({address}): the broker closed the connection", address.port());
    assert_eq!(fixture.wait_closed(1), expected);
}

#[test]
fn when_every_address_is_dead_the_reason_lists_them() {
    let port = closed_port();
    let fixture = Fixture::with_addresses(&["127.0.0.2:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()]);
    fixture.act([connect(1, "broker", port, SETUP_TIMEOUT_MS)]);
    assert_eq!(
        fixture.wait_closed(1),
        format!(
            "cannot connect to broker:{port}: 127.0.0.2:{port}: connection refused; 127.0.0.1:{port}: connection refused"
        )
    );
}

#[test]
fn the_address_family_filters_addresses() {
    let options = IoOptions { address_family: AddressFamily::V6, ..IoOptions::default() };
    let fixture = Fixture::with(options, Arc::new(|_| Ok(vec!["127.0.0.1:0".parse().unwrap()])));
    fixture.act([connect(1, "broker", 9092, SETUP_TIMEOUT_MS)]);
    assert_eq!(fixture.wait_closed(1), "cannot connect to broker:9092: there is no IPv6 address");
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_never_answers_fails_at_the_setup_timeout() {
    let (_listener, _fillers, address) = deaf_listener(Ipv4Addr::LOCALHOST, 0);
    let fixture = Fixture::new();
    let begin = Instant::now();
    fixture.act([connect(1, "127.0.0.1", address.port(), 500)]);
    let reason = fixture.wait_closed(1);
    assert!(reason.contains(&format!("{address}: timed out after 5")), "{reason}");
    assert!(begin.elapsed() >= Duration::from_millis(500));
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_never_answers_leaves_time_for_the_next() {
    let (listener, address) = listen();
    let (_deaf, _fillers, deaf) = deaf_listener(Ipv4Addr::new(127, 0, 0, 2), address.port());
    let fixture = Fixture::with_addresses(&[deaf, address]);
    fixture.act([connect(1, "broker", address.port(), 2500)]);
    let (_peer, _) = listener.accept().unwrap();
    fixture.wait_connected(1);
}

#[test]
fn a_hung_lookup_blocks_neither_the_loop_nor_the_end_and_is_started_once_per_name() {
    let (release, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = lookups.clone();
    let lookup: Lookup = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        // Ends when the test does: the sender is dropped.
        let _ = hold.lock().recv();
        Ok(Vec::new())
    });
    let fixture = Fixture::with(IoOptions::default(), lookup);
    fixture.act([connect(1, "broker", 9092, 300), connect(2, "broker", 9093, 300)]);
    assert_eq!(fixture.wait_closed(1), "cannot connect to broker:9092: the name look-up timed out after 300 ms");
    fixture.wait_closed(2);
    fixture.act([connect(3, "broker", 9092, 300)]);
    // The loop still serves others.
    let _peer = connected(&fixture, 4);
    fixture.wait_closed(3);
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
    drop(fixture);
    drop(release);
}

#[test]
fn ten_megabytes_to_a_slow_reader_arrive_whole_and_in_order() {
    let options = IoOptions { send_buffer_bytes: 16 * 1024, ..IoOptions::default() };
    let fixture = Fixture::with(options, Arc::new(|_| Err(io::Error::other("no names in this test"))));
    let mut peer = connected(&fixture, 1);
    SockRef::from(&peer).set_recv_buffer_size(16 * 1024).unwrap();

    let mut expected = Vec::new();
    let mut frames = Vec::new();
    let mut seed = 1u32;
    while expected.len() < 10_000_000 {
        // Sizes from one byte to 300 KB, contents that do not repeat.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = 1 + (seed >> 8) as usize % if seed.is_multiple_of(3) { 300_000 } else { 500 };
        let frame: Vec<u8> = (0..len).map(|i| (i as u32 ^ seed.rotate_left(i as u32 % 31)) as u8).collect();
        expected.extend_from_slice(&frame);
        frames.push(write(1, frame));
    }
    fixture.act(frames);

    let mut got = Vec::new();
    let mut chunk = [0; 7001];
    while got.len() < expected.len() {
        let n = peer.read(&mut chunk).unwrap();
        assert_ne!(n, 0);
        got.extend_from_slice(&chunk[..n]);
    }
    assert!(got == expected, "bytes differ");
    let total = expected.len();
    fixture.wait_for("written", |state| (state.written >= total).then_some(()));
    fixture.wait_asleep();
    assert_eq!(fixture.shared.state.lock().written, total);
}

#[test]
fn a_flood_of_input_is_read_to_the_end_and_does_not_starve_another_connection() {
    let fixture = Fixture::new();
    let mut flood = connected(&fixture, 1);
    let mut other = connected(&fixture, 2);
    let flooder = std::thread::spawn(move || {
        for _ in 0..320 {
            flood.write_all(&[7; 100_000]).unwrap();
        }
        flood
    });
    other.write_all(b"x").unwrap();
    fixture.wait_for("the other's byte", |state| state.received.contains(&b'x').then_some(()));
    let _flood = flooder.join().unwrap();
    fixture.wait_for("all input", |state| (state.received.len() == 32_000_001).then_some(()));
}

#[test]
fn data_before_the_end_of_stream_is_delivered_before_the_end() {
    let fixture = Fixture::new();
    let mut peer = connected(&fixture, 1);
    let address = peer.local_addr().unwrap();
    peer.write_all(&[9; 600_000]).unwrap();
    drop(peer);
    assert_eq!(fixture.wait_closed(1), format!("{address}: the broker closed the connection"));
    assert_eq!(fixture.shared.state.lock().received.len(), 600_000);
}

#[test]
fn a_reset_is_reported_and_unwritten_frames_are_dropped() {
    let fixture = Fixture::new();
    let peer = connected(&fixture, 1);
    let address = peer.local_addr().unwrap();
    fixture.act([write(1, vec![0; 20_000_000])]);
    fixture.wait_for("some output", |state| (state.written > 0).then_some(()));
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let reason = fixture.wait_closed(1);
    assert!(reason.starts_with(&format!("{address}: ")), "{reason}");
    assert!(reason.contains("reset") || reason.contains("closed"), "{reason}");
    assert!(fixture.shared.state.lock().written < 20_000_000);
}

#[test]
fn answers_that_came_before_a_failed_write_are_delivered_before_the_end() {
    // Driven by hand: the write must fail in a turn that has not seen the events of the answer and the reset yet.
    let shared = Arc::new(Shared::default());
    let core = FakeCore { shared: shared.clone(), actions: VecDeque::new() };
    let lookup: Lookup = Arc::new(|_| Err(io::Error::other("no names in this test")));
    let (mut reactor, _waker) = Reactor::new(IoOptions::default(), Clock::new(), core, lookup).unwrap();
    let mut events = mio::Events::with_capacity(8);

    let (listener, address) = listen();
    shared.state.lock().inbox.push_back(connect(1, "127.0.0.1", address.port(), SETUP_TIMEOUT_MS));
    reactor.turn(&mut events, true).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    while shared.state.lock().connected.is_empty() {
        reactor.poll.poll(&mut events, Some(PATIENCE)).unwrap();
        reactor.turn(&mut events, false).unwrap();
    }

    peer.write_all(b"answer").unwrap();
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    shared.state.lock().inbox.push_back(write(1, b"too late".to_vec()));
    events.clear();
    reactor.turn(&mut events, true).unwrap();
    let state = shared.state.lock();
    assert_eq!(state.received, b"answer");
    assert_eq!(state.closed.len(), 1);
    assert_eq!(state.written, 0);
}

#[test]
fn what_is_in_the_sockets_is_read_before_a_deadline_that_has_passed_fires() {
    // Driven by hand: a process that was stopped and continued finds no events, an interrupted sleep and a deadline in
    // the past.
    let shared = Arc::new(Shared::default());
    let core = FakeCore { shared: shared.clone(), actions: VecDeque::new() };
    let lookup: Lookup = Arc::new(|_| Err(io::Error::other("no names in this test")));
    let (mut reactor, _waker) = Reactor::new(IoOptions::default(), Clock::new(), core, lookup).unwrap();
    let mut events = mio::Events::with_capacity(8);
    let (listener, address) = listen();
    let count = 20;
    let connects = (1..=count).map(|conn| connect(conn, "127.0.0.1", address.port(), SETUP_TIMEOUT_MS));
    shared.state.lock().inbox.extend(connects);
    reactor.turn(&mut events, true).unwrap();
    let mut peers: Vec<TcpStream> = (0..count).map(|_| listener.accept().unwrap().0).collect();
    while shared.state.lock().connected.len() < peers.len() {
        reactor.poll.poll(&mut events, Some(PATIENCE)).unwrap();
        reactor.turn(&mut events, false).unwrap();
    }

    // More connections than events are taken at a time; some have also ended behind their answer.
    peers.iter_mut().for_each(|peer| peer.write_all(b"answer").unwrap());
    let open = peers.split_off(5);
    drop(peers);
    shared.state.lock().timeout = Some(Time::ZERO);
    events.clear();
    reactor.turn(&mut events, false).unwrap();
    let state = shared.state.lock();
    assert_eq!((state.timeouts, state.before_timeout), (1, (6 * count as usize, 5)));
    assert_eq!(open.len(), 15);
}

#[test]
fn a_peer_that_never_stops_sending_does_not_keep_a_timer_from_firing() {
    let fixture = Fixture::new();
    let (listener, address) = listen();
    fixture.connect(1, address);
    let (mut peer, _) = listener.accept().unwrap();
    fixture.wait_connected(1);
    // Ends with the connection.
    let sends = std::thread::spawn(move || while peer.write_all(&[7; 100_000]).is_ok() {});
    fixture.wait_for("bytes", |state| (state.received.len() > 10_000_000).then_some(()));
    fixture.change(|state| {
        state.received.clear();
        state.timeout = Some(Time::ZERO);
    });
    fixture.wait_for("the timer", |state| (state.timeouts > 0).then_some(()));
    drop(fixture);
    sends.join().unwrap();
}

#[test]
fn close_is_silent_drops_the_output_and_ignores_later_writes() {
    let fixture = Fixture::new();
    let mut peer = connected(&fixture, 1);
    fixture.act([write(1, vec![1; 20_000_000])]);
    fixture.wait_for("some output", |state| (state.written > 0).then_some(()));
    fixture.act([Action::Close { conn: ConnId(1) }, write(1, vec![2; 10]), Action::Close { conn: ConnId(77) }]);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got.len() < 20_000_000 && got.iter().all(|byte| *byte == 1));
    // Everything the first connection might still have caused has been handled when a second one is through.
    let _second = connected(&fixture, 2);
    let state = fixture.shared.state.lock();
    assert_eq!(state.closed, []);
    assert_eq!(state.written, got.len());
}

#[test]
fn close_during_the_setup_is_silent() {
    let (release, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let lookup: Lookup = Arc::new(move |_| {
        let _ = hold.lock().recv();
        Err(io::Error::other("late"))
    });
    let fixture = Fixture::with(IoOptions::default(), lookup);
    fixture.act([connect(1, "broker", 9092, 60_000), Action::Close { conn: ConnId(1) }]);
    assert_eq!(fixture.wait_asleep(), Time::NEVER);
    // The late answer wakes the loop and is for nobody.
    let before = fixture.shared.state.lock().wakeups;
    release.send(()).unwrap();
    fixture.wait_for("the answer", |state| (state.wakeups > before).then_some(()));
    let _peer = connected(&fixture, 2);
    assert_eq!(fixture.shared.state.lock().closed, []);
}

#[test]
fn a_wake_from_another_thread_reaches_a_sleeping_core() {
    let fixture = Fixture::new();
    assert_eq!(fixture.wait_asleep(), Time::NEVER);
    let before = fixture.shared.state.lock().wakeups;
    let waker = fixture.io.waker();
    std::thread::spawn(move || waker.wake()).join().unwrap();
    fixture.wait_for("wake-up", |state| (state.wakeups > before).then_some(()));
}

#[test]
fn an_idle_loop_makes_no_turns() {
    let fixture = Fixture::new();
    let _peer = connected(&fixture, 1);
    assert_eq!(fixture.wait_asleep(), Time::NEVER);
    // The writable edge of the connect may be on its way still: two equal counts in a row mean that it is not.
    let mut turns = 0;
    for _ in 0..10 {
        let mut state = fixture.shared.state.lock();
        if state.turns == turns {
            return;
        }
        turns = state.turns;
        fixture.shared.changed.wait_for(&mut state, Duration::from_millis(300));
    }
    panic!("the idle loop keeps turning");
}

#[test]
fn a_timer_fires_at_its_time_and_the_core_is_told_how_long_the_loop_sleeps() {
    let fixture = Fixture::new();
    let at = fixture.clock.now() + Micros::from_ms(200);
    fixture.change(|state| state.timeout = Some(at));
    fixture.wait_for("asleep until the timer", |state| (state.asleep_until == Some(at)).then_some(()));
    fixture.wait_for("timer", |state| (state.timeouts == 1).then_some(()));
    assert!(fixture.clock.now() >= at);
    assert_eq!(fixture.wait_asleep(), Time::NEVER);
}

#[test]
fn a_timer_that_stays_due_does_not_make_the_loop_spin() {
    let fixture = Fixture::new();
    fixture.wait_asleep();
    let begin = Instant::now();
    let turns_before = fixture.shared.state.lock().turns;
    fixture.change(|state| {
        state.keep_timeout = true;
        state.timeout = Some(Time::ZERO);
    });
    let turns = fixture.wait_for("timers", |state| (state.timeouts >= 50).then_some(state.turns)) - turns_before;
    assert!(turns as u128 <= begin.elapsed().as_millis() + 10, "{turns} turns in {:?}", begin.elapsed());
}

#[test]
fn a_panic_in_the_core_is_reported_and_ends_the_thread() {
    let mut fixture = Fixture::new();
    let mut peer = connected(&fixture, 1);
    fixture.change(|state| state.panic_at_wakeup = true);
    let message = fixture.wait_for("panic", |state| state.panicked.clone());
    assert!(message.contains("the core was told to panic"), "{message}");
    assert!(fixture.io.join(PATIENCE));
    // Its connections are closed.
    assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn join_times_out_while_the_core_is_not_finished() {
    let mut fixture = Fixture::new();
    assert!(!fixture.io.join(Duration::from_millis(20)));
    fixture.change(|state| state.finish = true);
    assert!(fixture.io.join(PATIENCE));
    assert!(fixture.io.join(Duration::ZERO));
}

#[test]
fn wakers_cross_threads() {
    fn crosses<T: Send + Sync + Clone>() {}
    crosses::<Waker>();
    crosses::<Clock>();
}
