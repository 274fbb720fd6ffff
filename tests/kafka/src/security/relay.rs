//! Stands between clients and a broker, and breaks their connections when it is told to.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A running relay. Its threads end with the program.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Where it leads to; 0 is nowhere yet.
    target: AtomicU16,
    /// Both sides of each connection.
    open: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
}

impl Relay {
    /// Starts one that leads nowhere.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A broker that is not there is a connection that ends at once.
                let target = (Ipv4Addr::LOCALHOST, accepting.target.load(Ordering::Relaxed));
                if let Ok(broker) = TcpStream::connect(target) {
                    accepting.join(&client, &broker);
                }
            }
        });
        Self { port, state }
    }

    /// New connections lead to this port of the loopback.
    pub fn lead_to(&self, port: u16) {
        self.state.target.store(port, Ordering::Relaxed);
    }

    /// Breaks every connection, and says how many there have been since the start.
    pub fn break_all(&self) -> usize {
        for stream in self.state.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that has ended by itself is as good.
            drop(stream.shutdown(Shutdown::Both));
        }
        self.state.accepted.load(Ordering::Relaxed)
    }
}

impl State {
    fn join(&self, client: &TcpStream, broker: &TcpStream) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        for stream in [client, broker] {
            stream.set_nodelay(true).expect("an option of a socket");
        }
        let clone = |stream: &TcpStream| stream.try_clone().expect("a file handle can be cloned");
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([clone(client), clone(broker)]);
        for (from, to) in [(client, broker), (broker, client)] {
            let (mut from, mut to) = (clone(from), clone(to));
            std::thread::spawn(move || {
                // However it ends, the other side learns of it.
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Write));
            });
        }
    }
}
