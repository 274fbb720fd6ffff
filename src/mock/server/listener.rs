//! One broker's port: listening while the broker is up, kept reserved while it is down.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

/// Connections the kernel takes in before the thread does.
const BACKLOG: i32 = 128;

pub(super) struct BrokerListener {
    broker: i32,
    address: SocketAddr,
    /// Bound, never listening: connects to it are refused, and nobody else gets the port.
    _reservation: Socket,
    listener: Option<TcpListener>,
}

fn bound_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // Lets the listener share the port with its reservation and with connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

impl BrokerListener {
    /// Port 0 is a free one.
    pub(super) fn reserve(broker: i32, address: SocketAddr) -> io::Result<BrokerListener> {
        let reservation = bound_socket(address)?;
        let bound = reservation.local_addr()?.as_socket();
        let address = bound.ok_or_else(|| io::Error::other("the broker's socket has no address"))?;
        Ok(BrokerListener { broker, address, _reservation: reservation, listener: None })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn broker(&self) -> i32 {
        self.broker
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    pub(super) fn listen(&mut self, registry: &Registry) -> io::Result<()> {
        let socket = bound_socket(self.address)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(socket.into());
        let token = Token(self.broker as usize);
        registry.register(&mut listener, token, Interest::READABLE)?;
        self.listener = Some(listener);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.listener = None;
    }

    /// The next connection, `None` when there is no more for now.
    pub(super) fn accept(&self) -> io::Result<Option<TcpStream>> {
        let Some(listener) = &self.listener else { return Ok(None) };
        match listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}
