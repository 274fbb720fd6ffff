//! Making a socket: non-blocking, close-on-exec, tuned.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::IoOptions;

/// Probes begin after this much silence, below the four minutes after which cloud load balancers forget a connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// A socket that has begun to connect to `address`.
pub(super) fn connect(address: SocketAddr, options: &IoOptions) -> io::Result<mio::net::TcpStream> {
    // socket2 sets close-on-exec, and SO_NOSIGPIPE where that exists.
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    tune(&socket, options);
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(e) if is_in_progress(&e) => {}
        Err(e) => return Err(e),
    }
    Ok(mio::net::TcpStream::from_std(socket.into()))
}

/// Sets what the options ask for. Buffer sizes must be set before connecting to count for the TCP window.
///
/// A refused option is not an error: some kernels and sandboxes lack some of them, and a connection without is slower to
/// notice a dead peer, not wrong.
fn tune(socket: &Socket, options: &IoOptions) {
    let _ = socket.set_tcp_nodelay(true);
    if let Some(bytes) = buffer_bytes(options.send_buffer_bytes) {
        let _ = socket.set_send_buffer_size(bytes);
    }
    if let Some(bytes) = buffer_bytes(options.receive_buffer_bytes) {
        let _ = socket.set_recv_buffer_size(bytes);
    }
    if options.keepalive {
        let times = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        let _ = socket.set_tcp_keepalive(&times);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if options.tcp_user_timeout_ms > 0 {
        let timeout_ms = options.tcp_user_timeout_ms.min(i32::MAX as u64);
        let _ = socket.set_tcp_user_timeout(Some(Duration::from_millis(timeout_ms)));
    }
}

/// The size to set, if any, within what the call takes.
fn buffer_bytes(configured: i64) -> Option<usize> {
    if configured <= 0 { None } else { usize::try_from(configured.min(i64::from(i32::MAX))).ok() }
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(libc::EINPROGRESS) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

/// Writes the slices with one call that never raises SIGPIPE. (`TcpStream::write_vectored` is a plain `writev`, which would
/// raise it.)
pub(super) fn send_vectored(stream: &mio::net::TcpStream, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
    #[cfg(all(unix, not(target_vendor = "apple")))]
    const FLAGS: i32 = libc::MSG_NOSIGNAL;
    #[cfg(not(all(unix, not(target_vendor = "apple"))))]
    const FLAGS: i32 = 0;
    stream.try_io(|| SockRef::from(stream).send_vectored_with_flags(slices, FLAGS))
}

/// The error in the words of an operator.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by the broker".to_owned(),
        io::ErrorKind::BrokenPipe => "the broker closed the connection".to_owned(),
        io::ErrorKind::TimedOut => "timed out: the broker acknowledged nothing".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn sockets_carry_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = IoOptions {
            send_buffer_bytes: 100_000,
            receive_buffer_bytes: 50_000,
            keepalive: true,
            tcp_user_timeout_ms: 12_345,
            ..IoOptions::default()
        };
        let stream = connect(listener.local_addr().unwrap(), &options).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert!(socket.send_buffer_size().unwrap() >= 100_000);
        assert!(socket.recv_buffer_size().unwrap() >= 50_000);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(12_345)));
            assert!(socket.nonblocking().unwrap());
            use std::os::fd::AsRawFd;
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", stream.as_raw_fd())).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
            let flags = i32::from_str_radix(flags, 8).unwrap();
            assert_ne!(flags & libc::O_CLOEXEC, 0);
        }
    }

    #[test]
    fn unset_buffer_sizes_are_left_alone_and_huge_ones_are_bounded() {
        assert_eq!(buffer_bytes(-1), None);
        assert_eq!(buffer_bytes(0), None);
        assert_eq!(buffer_bytes(4096), Some(4096));
        assert_eq!(buffer_bytes(i64::MAX), Some(i32::MAX as usize));
    }
}
