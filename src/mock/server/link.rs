//! How a connection's bytes travel: as they are, or in TLS, which rustls speaks for the mock's side.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::ServerConnection;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Result, Status};

/// Bytes read from the socket at a time.
const CIPHERTEXT_BYTES: usize = 64 << 10;

/// What the brokers show, from PEM texts: new connections are in TLS. `client_ca`: who signs the certificates that clients have
/// to show; without it they need none.
pub(super) fn server_config(chain: &str, key: &str, client_ca: Option<&str>) -> Result<Arc<ServerConfig>> {
    let chain = certificates("certificate_chain_pem", chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| invalid(format!("key_pem holds no private key in PEM: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unfit = |what: &str, error: &dyn std::fmt::Display| invalid(format!("{what}: {error}"));
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit("the TLS versions", &error))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(text) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates("client_ca_pem", text)? {
                roots.add(certificate).map_err(|error| unfit("client_ca_pem", &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| unfit("client_ca_pem", &error))?)
        }
    };
    let config = builder.with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| unfit("certificate_chain_pem and key_pem do not make a server", &error))
}

fn certificates(name: &str, text: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let all = all.map_err(|error| invalid(format!("{name} is no PEM: {error}")))?;
    if all.is_empty() {
        return Err(invalid(format!("{name} holds no certificate in PEM")));
    }
    Ok(all)
}

fn invalid(text: String) -> Error {
    Error::new(Status::INVALID_ARGUMENT, text)
}

pub(super) enum Link {
    Plain(TcpStream),
    Tls(Box<TlsLink>),
}

impl Link {
    /// The brokers' end of a connection that has just come.
    pub fn new(stream: TcpStream, tls: Option<Arc<ServerConfig>>) -> io::Result<Link> {
        Ok(match tls {
            None => Link::Plain(stream),
            Some(config) => {
                let session = ServerConnection::new(config).map_err(io::Error::other)?;
                Link::Tls(Box::new(TlsLink { stream, session, ciphertext: vec![0; CIPHERTEXT_BYTES], untaken: 0..0 }))
            }
        })
    }

    /// Writes what the link itself still holds; false: the socket takes no more for now.
    pub fn push(&mut self) -> io::Result<bool> {
        match self {
            Link::Plain(_) => Ok(true),
            Link::Tls(link) => link.push(),
        }
    }

    /// Says farewell where the protocol has a word for it, as far as the socket takes it.
    pub fn end(&mut self) {
        if let Link::Tls(link) = self {
            link.session.send_close_notify();
            // The connection closes either way.
            let _ = link.push();
        }
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Link::Plain(stream) => stream.read(buffer),
            Link::Tls(link) => link.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Link::Plain(stream) => stream.write(bytes),
            Link::Tls(link) => link.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct TlsLink {
    stream: TcpStream,
    session: ServerConnection,
    ciphertext: Vec<u8>,
    /// What of `ciphertext` rustls has not taken yet.
    untaken: Range<usize>,
}

/// Writes piece by piece: a `writev`, which the standard library uses for several at once, would raise SIGPIPE.
struct Pieces<'a>(&'a mut TcpStream);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsLink {
    fn push(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Pieces(&mut self.stream)) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                // Nothing decrypted is left: more has to come out of the socket.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if !self.untaken.is_empty() {
                self.take()?;
                continue;
            }
            match self.stream.read(&mut self.ciphertext) {
                // A client that ends without a word has ended all the same.
                Ok(0) => return Ok(0),
                Ok(len) => self.untaken = 0..len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives rustls some of what was read: it takes a piece at a time, and none while decrypted bytes wait.
    fn take(&mut self) -> io::Result<()> {
        let taken = self.session.read_tls(&mut &self.ciphertext[self.untaken.clone()])?;
        // Nothing is taken any more after the client's farewell.
        self.untaken.start = if taken == 0 { self.untaken.end } else { self.untaken.start + taken };
        let processed = self.session.process_new_packets();
        // Answers of the handshake, and the alert that says why there is none.
        self.push()?;
        processed.map(|_| ()).map_err(io::Error::other)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What rustls holds is bounded: it takes more when the socket has taken what it holds.
        self.push()?;
        let taken = self.session.writer().write(bytes)?;
        self.push()?;
        if taken == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }
}
