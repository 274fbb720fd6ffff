//! Names to addresses. `getaddrinfo` may hang for as long as it likes, so it runs on a thread of its own and nobody waits
//! for that thread: a connection gives up at its deadline, and the answer to a name nobody asks for any more is dropped.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;

use super::{AddressFamily, Waker};
use crate::threads;

/// Names being looked up at once. More means that the resolver hangs; then threads must not pile up.
const LOOKUPS_MAX: usize = 64;

/// The blocking look-up; the ports of its answers do not matter.
pub(super) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The look-up of the operating system, in its order of preference.
pub(super) fn getaddrinfo(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect)
}

/// The end of a look-up: the addresses, or the reason as the resolver gave it.
pub(super) struct Resolved {
    pub host: String,
    pub result: Result<Vec<SocketAddr>, String>,
}

/// The look-ups under way, one per name: those who ask for a name that is being looked up share its answer.
pub(super) struct Resolver {
    lookup: Lookup,
    waker: Waker,
    running: HashSet<String>,
    sender: mpsc::Sender<Resolved>,
    receiver: mpsc::Receiver<Resolved>,
}

impl Resolver {
    pub fn new(lookup: Lookup, waker: Waker) -> Resolver {
        let (sender, receiver) = mpsc::channel();
        Resolver { lookup, waker, running: HashSet::new(), sender, receiver }
    }

    /// Begins to look `host` up, unless that is under way. The waker fires when there is an answer.
    pub fn start(&mut self, host: &str) -> Result<(), String> {
        if self.running.contains(host) {
            return Ok(());
        }
        if self.running.len() >= LOOKUPS_MAX {
            return Err(format!("{LOOKUPS_MAX} name look-ups are unanswered already"));
        }
        let (lookup, sender, waker, host_owned) =
            (self.lookup.clone(), self.sender.clone(), self.waker.clone(), host.to_owned());
        threads::spawn("kp-resolve", move || {
            let result = match catch_unwind(AssertUnwindSafe(|| lookup(&host_owned))) {
                Ok(Ok(addresses)) => Ok(addresses),
                Ok(Err(e)) => Err(reason_of(&e)),
                Err(_) => Err("the look-up panicked".to_owned()),
            };
            // Nobody listens any more when the I/O thread has ended.
            if sender.send(Resolved { host: host_owned, result }).is_ok() {
                waker.wake();
            }
        })
        .map_err(|e| format!("the operating system refused a thread for the name look-up: {e}"))?;
        self.running.insert(host.to_owned());
        Ok(())
    }

    /// The next answer that has come.
    pub fn poll(&mut self) -> Option<Resolved> {
        let resolved = self.receiver.try_recv().ok()?;
        self.running.remove(&resolved.host);
        Some(resolved)
    }
}

/// The address when `host` is one and needs no look-up; brackets around IPv6 are allowed.
pub(super) fn numeric(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// The addresses of the wanted family with `port`, each once, in order.
pub(super) fn select(addresses: &[SocketAddr], family: AddressFamily, port: u16) -> Vec<SocketAddr> {
    let mut selected: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        let wanted = match family {
            AddressFamily::Any => true,
            AddressFamily::V4 => address.is_ipv4(),
            AddressFamily::V6 => address.is_ipv6(),
        };
        let mut address = *address;
        address.set_port(port);
        if wanted && !selected.contains(&address) {
            selected.push(address);
        }
    }
    selected
}

/// The resolver's own words without std's introduction, which our sentence already gives.
fn reason_of(error: &io::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_hosts_are_recognised_with_and_without_brackets() {
        assert_eq!(numeric("127.0.0.1"), Some("127.0.0.1".parse().unwrap()));
        assert_eq!(numeric("::1"), Some("::1".parse().unwrap()));
        assert_eq!(numeric("[::1]"), Some("::1".parse().unwrap()));
        assert_eq!(numeric("[::1"), None);
        assert_eq!(numeric("broker-1"), None);
    }

    #[test]
    fn select_keeps_order_drops_doubles_and_the_other_family() {
        let all: Vec<SocketAddr> =
            ["[::1]:0", "127.0.0.1:0", "127.0.0.1:5", "127.0.0.2:0"].map(|a| a.parse().unwrap()).into();
        let text = |family| select(&all, family, 9092).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(text(AddressFamily::Any), "[::1]:9092 127.0.0.1:9092 127.0.0.2:9092");
        assert_eq!(text(AddressFamily::V4), "127.0.0.1:9092 127.0.0.2:9092");
        assert_eq!(text(AddressFamily::V6), "[::1]:9092");
    }
}
