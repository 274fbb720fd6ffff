//! Connections in TLS against servers of rustls' in threads of their own.

use std::thread::JoinHandle;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::config::TlsSettings;
use crate::security::tls::ClientTls;

/// An authority and what it has signed for 127.0.0.1 and localhost.
struct Signed {
    ca_pem: String,
    chain: Vec<CertificateDer<'static>>,
    key_pem: String,
}

impl Signed {
    fn new() -> Signed {
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Signed { ca_pem: ca.pem(), chain: vec![certificate.der().clone()], key_pem: key.serialize_pem() }
    }

    fn options(&self) -> IoOptions {
        let settings = TlsSettings { truststore_certificates: self.ca_pem.clone(), ..TlsSettings::default() };
        IoOptions { tls: Some(Arc::new(ClientTls::new(&settings).unwrap())), ..IoOptions::default() }
    }

    fn fixture(&self) -> Fixture {
        Fixture::with(self.options(), Arc::new(|_| Err(io::Error::other("no names in this test"))))
    }

    fn server(&self, wants_client: bool, versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
        let builder = if wants_client {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(self.chain.clone(), key).unwrap())
    }
}

type Peer = StreamOwned<ServerConnection, TcpStream>;

/// Accepts one connection in TLS; the handshake is made by the first read or write.
fn accept(listener: &TcpListener, config: Arc<ServerConfig>) -> Peer {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
}

/// A connection `conn` of the fixture, with its handshake done.
fn secured(fixture: &Fixture, signed: &Signed, conn: u64) -> Peer {
    let (listener, address) = listen();
    fixture.connect(conn, address);
    let mut peer = accept(&listener, signed.server(false, rustls::ALL_VERSIONS));
    while peer.conn.is_handshaking() {
        peer.conn.complete_io(&mut peer.sock).unwrap();
    }
    fixture.wait_connected(conn);
    peer
}

/// Bytes that do not repeat.
fn pattern(len: usize, mut seed: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend_from_slice(&seed.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// As many frames of odd sizes as `bytes` needs.
fn frames_of(conn: u64, bytes: &[u8]) -> Vec<Action> {
    let (mut rest, mut frames, mut len) = (bytes, Vec::new(), 1);
    while !rest.is_empty() {
        let (frame, behind) = rest.split_at(len.min(rest.len()));
        frames.push(write(conn, frame.to_vec()));
        (rest, len) = (behind, len * 7 % 300_007 + 1);
    }
    frames
}

#[test]
fn bytes_go_out_and_come_back_in_both_versions() {
    let signed = Signed::new();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13][..]] {
        let fixture = signed.fixture();
        let (listener, address) = listen();
        fixture.connect(1, address);
        let mut peer = accept(&listener, signed.server(false, versions));
        let mut expected = 0;
        for round in 0..100u8 {
            fixture.act([write(1, vec![round; 10]), write(1, vec![round + 100; 5])]);
            let mut got = [0; 15];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(got[..10], [round; 10]);
            assert_eq!(got[10..], [round + 100; 5]);
            peer.write_all(&[round; 7]).unwrap();
            expected += 7;
            fixture.wait_for("answer", |state| (state.received.len() == expected).then_some(()));
        }
        fixture.wait_for("written", |state| (state.written == 1500).then_some(()));
    }
}

#[test]
fn ten_megabytes_both_ways_at_once_through_small_buffers_arrive_whole_and_in_order() {
    let signed = Signed::new();
    let options = IoOptions { send_buffer_bytes: 16 * 1024, ..signed.options() };
    let fixture = Fixture::with(options, Arc::new(|_| Err(io::Error::other("no names in this test"))));
    let mut peer = secured(&fixture, &signed, 1);
    let (out, back) = (pattern(10_000_000, 1), pattern(10_000_000, 2));
    let (expected_out, expected_back) = (out.clone(), back.clone());
    let server: JoinHandle<()> = std::thread::spawn(move || {
        let (mut got, mut sent, mut chunk) = (0, 0, [0; 7001]);
        while got < out.len() || sent < back.len() {
            if got < out.len() {
                let len = peer.read(&mut chunk).unwrap();
                assert!(len > 0 && chunk[..len] == out[got..got + len], "bytes differ at {got}");
                got += len;
            }
            let end = (sent + 7500).min(back.len());
            peer.write_all(&back[sent..end]).unwrap();
            sent = end;
            if sent.is_multiple_of(750_000) {
                peer.conn.refresh_traffic_keys().unwrap();
            }
        }
    });
    fixture.act(frames_of(1, &expected_out));
    server.join().unwrap();
    fixture.wait_for("all that came back", |state| (state.received.len() == expected_back.len()).then_some(()));
    assert!(fixture.shared.state.lock().received == expected_back, "bytes differ");
    fixture.wait_for("written", |state| (state.written == expected_out.len()).then_some(()));
    assert_eq!(fixture.wait_asleep(), Time::NEVER);
}

#[test]
fn bytes_that_wait_for_the_socket_are_not_counted_as_through() {
    let signed = Signed::new();
    let options = IoOptions { send_buffer_bytes: 16 * 1024, ..signed.options() };
    let fixture = Fixture::with(options, Arc::new(|_| Err(io::Error::other("no names in this test"))));
    let mut peer = secured(&fixture, &signed, 1);
    let out = pattern(10_000_000, 1);
    fixture.act(frames_of(1, &out));
    fixture.wait_for("some output", |state| (state.written > 0).then_some(()));
    fixture.wait_asleep();
    let (written, through) = fixture.wait_for("numbers", |state| Some((state.written, state.through)));
    assert!(through < written && written < out.len(), "{through} of {written}: the peer reads nothing");
    let mut got = vec![0; out.len()];
    peer.read_exact(&mut got).unwrap();
    assert!(got == out);
    fixture.wait_for("all of it", |state| (state.through == out.len() && state.written == out.len()).then_some(()));
}

/// Passes bytes on in pieces of the given sizes, in turn.
fn relay(mut from: TcpStream, mut to: TcpStream, sizes: &'static [usize]) -> JoinHandle<()> {
    to.set_nodelay(true).unwrap();
    std::thread::spawn(move || {
        let (mut buffer, mut at) = ([0; 64], 0);
        loop {
            let size = sizes[at % sizes.len()];
            at += 1;
            match from.read(&mut buffer[..size]) {
                Ok(len) if len > 0 => {
                    if to.write_all(&buffer[..len]).is_err() {
                        return;
                    }
                }
                // One end is gone: the other is told.
                _ => {
                    let _ = to.shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
        }
    })
}

#[test]
fn handshake_and_records_in_pieces_of_any_size_are_put_together() {
    let signed = Signed::new();
    for sizes in [&[1][..], &[2, 1, 5, 3], &[61, 7]] {
        let fixture = signed.fixture();
        let (front, front_address) = listen();
        let (back, back_address) = listen();
        fixture.connect(1, front_address);
        let (client, _) = front.accept().unwrap();
        let server = TcpStream::connect(back_address).unwrap();
        let mut peer = accept(&back, signed.server(false, rustls::ALL_VERSIONS));
        let relays =
            [relay(client.try_clone().unwrap(), server.try_clone().unwrap(), sizes), relay(server, client, sizes)];
        let message = pattern(5000, 3);
        fixture.act(frames_of(1, &message));
        let mut got = vec![0; message.len()];
        peer.read_exact(&mut got).unwrap();
        assert!(got == message);
        peer.write_all(&message).unwrap();
        fixture.wait_for("the answer", |state| (state.received.len() == message.len()).then_some(()));
        assert!(fixture.shared.state.lock().received == message);
        // Without a farewell, as when a broker dies.
        peer.sock.shutdown(std::net::Shutdown::Both).unwrap();
        let reason = fixture.wait_closed(1);
        assert!(reason.ends_with("the broker closed the connection"), "{reason}");
        relays.into_iter().for_each(|relay| relay.join().unwrap());
    }
}

#[test]
fn data_before_a_farewell_is_delivered_before_the_end() {
    let signed = Signed::new();
    for says_farewell in [true, false] {
        let fixture = signed.fixture();
        let mut peer = secured(&fixture, &signed, 1);
        peer.write_all(&pattern(600_000, 4)).unwrap();
        if says_farewell {
            peer.conn.send_close_notify();
        }
        peer.flush().unwrap();
        drop(peer);
        assert!(fixture.wait_closed(1).ends_with("the broker closed the connection"));
        assert!(fixture.shared.state.lock().received == pattern(600_000, 4));
        assert_eq!(fixture.shared.state.lock().causes, [Cause::Network]);
    }
}

#[test]
fn a_farewell_alone_ends_the_connection_even_while_the_socket_stays_open() {
    let signed = Signed::new();
    let fixture = signed.fixture();
    let mut peer = secured(&fixture, &signed, 1);
    peer.write_all(b"last words").unwrap();
    peer.conn.send_close_notify();
    peer.flush().unwrap();
    assert!(fixture.wait_closed(1).ends_with("the broker closed the connection"));
    assert_eq!(fixture.shared.state.lock().received, b"last words");
}

#[test]
fn closing_says_farewell() {
    let signed = Signed::new();
    let fixture = signed.fixture();
    let mut peer = secured(&fixture, &signed, 1);
    fixture.act([write(1, vec![5; 1000]), Action::Close { conn: ConnId(1) }]);
    let mut got = Vec::new();
    // Without a farewell rustls would call it an unexpected end.
    peer.read_to_end(&mut got).unwrap();
    assert!(got.len() <= 1000);
}

#[test]
fn a_server_that_stalls_in_the_handshake_fails_at_the_setup_timeout() {
    let signed = Signed::new();
    let fixture = signed.fixture();
    let (listener, address) = listen();
    let begin = Instant::now();
    fixture.act([connect(1, "127.0.0.1", address.port(), 300)]);
    let (mut stream, _) = listener.accept().unwrap();
    // The beginning of a handshake record, and nothing more.
    stream.write_all(&[22, 3, 3]).unwrap();
    let reason = fixture.wait_closed(1);
    assert!(reason.contains("the TLS handshake was not over after 3"), "{reason}");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(fixture.shared.state.lock().causes, [Cause::Network]);
}

/// What becomes of a connection when the server answers the first flight with these bytes and closes.
fn greeted_with(signed: &Signed, answer: &[u8]) -> (String, Cause) {
    let fixture = signed.fixture();
    let (listener, address) = listen();
    fixture.connect(1, address);
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 2000]).unwrap() > 0);
    stream.write_all(answer).unwrap();
    drop(stream);
    let reason = fixture.wait_closed(1);
    let cause = fixture.shared.state.lock().causes[0];
    assert!(reason.starts_with(&format!("cannot connect to {address}: ")), "{reason}");
    (reason, cause)
}

#[test]
fn servers_that_speak_no_tls_are_reported_and_never_connected() {
    let signed = Signed::new();
    // A plain broker takes the greeting for a request that is too large, and hangs up.
    let (_, cause) = greeted_with(&signed, b"");
    assert_eq!(cause, Cause::Network);
    let (_, cause) = greeted_with(&signed, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    assert_eq!(cause, Cause::Tls);
    let (reason, _) = greeted_with(&signed, &pattern(3000, 9));
    assert!(!reason.is_empty());
    // Half a handshake.
    greeted_with(&signed, &[22, 3, 3, 0, 100, 2, 0]);
}

#[test]
fn an_unknown_issuer_is_for_good_and_the_server_hears_of_it() {
    let (signed, other) = (Signed::new(), Signed::new());
    let fixture = signed.fixture();
    let (listener, address) = listen();
    fixture.connect(1, address);
    let mut peer = accept(&listener, other.server(false, rustls::ALL_VERSIONS));
    let error = peer.read(&mut [0; 1]).unwrap_err();
    assert!(format!("{error:?}").contains("AlertReceived"), "{error:?}");
    fixture.wait_closed(1);
    let state = fixture.shared.state.lock();
    assert_eq!(state.causes, [Cause::Tls]);
    assert_eq!(state.connected, []);
}

#[test]
fn a_client_certificate_that_is_demanded_is_missed_for_good_even_after_the_handshake() {
    let signed = Signed::new();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13][..]] {
        let fixture = signed.fixture();
        let (listener, address) = listen();
        fixture.connect(1, address);
        fixture.act([write(1, b"hello".to_vec())]);
        let mut peer = accept(&listener, signed.server(true, versions));
        assert!(peer.read(&mut [0; 1]).is_err());
        drop(peer);
        let reason = fixture.wait_closed(1);
        let state = fixture.shared.state.lock();
        assert_eq!(state.causes, [Cause::Tls], "{reason}");
    }
}

#[test]
fn the_next_address_is_tried_when_the_first_speaks_no_tls() {
    let signed = Signed::new();
    let (listener, address) = listen();
    let plain = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), address.port())).unwrap();
    let addresses = vec![plain.local_addr().unwrap(), address];
    let fixture = Fixture::with(signed.options(), Arc::new(move |_| Ok(addresses.clone())));
    fixture.act([connect(1, "localhost", address.port(), SETUP_TIMEOUT_MS)]);
    let (mut stream, _) = plain.accept().unwrap();
    assert!(stream.read(&mut [0; 2000]).unwrap() > 0);
    drop(stream);
    let mut peer = accept(&listener, signed.server(false, rustls::ALL_VERSIONS));
    fixture.act([write(1, b"hello".to_vec())]);
    let mut got = [0; 5];
    peer.read_exact(&mut got).unwrap();
    fixture.wait_connected(1);
}

#[test]
fn an_idle_connection_in_tls_makes_no_turns() {
    let signed = Signed::new();
    let fixture = signed.fixture();
    let mut peer = secured(&fixture, &signed, 1);
    peer.write_all(b"tickets and a record").unwrap();
    fixture.wait_for("the record", |state| (state.received.len() == 20).then_some(()));
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
fn a_reset_in_the_middle_of_output_is_reported() {
    let signed = Signed::new();
    let fixture = signed.fixture();
    let peer = secured(&fixture, &signed, 1);
    fixture.act([write(1, vec![0; 20_000_000])]);
    fixture.wait_for("some output", |state| (state.written > 0).then_some(()));
    SockRef::from(&peer.sock).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let reason = fixture.wait_closed(1);
    assert!(reason.contains("reset") || reason.contains("closed"), "{reason}");
    let state = fixture.shared.state.lock();
    assert!(state.written < 20_000_000);
    assert_eq!(state.causes, [Cause::Network]);
}

/// What a server hears of the name it was connected by.
fn name_heard(host: &str) -> Option<String> {
    let signed = Signed::new();
    let fixture = Fixture::with(signed.options(), Arc::new(|_| Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()])));
    let (listener, address) = listen();
    fixture.act([connect(1, host, address.port(), SETUP_TIMEOUT_MS)]);
    let mut peer = accept(&listener, signed.server(false, rustls::ALL_VERSIONS));
    while peer.conn.is_handshaking() {
        peer.conn.complete_io(&mut peer.sock).unwrap();
    }
    fixture.wait_connected(1);
    peer.conn.server_name().map(str::to_owned)
}

#[test]
fn servers_hear_the_name_but_no_address() {
    assert_eq!(name_heard("localhost").as_deref(), Some("localhost"));
    assert_eq!(name_heard("localhost.").as_deref(), Some("localhost"), "RFC 6066 wants no dot at its end");
    assert_eq!(name_heard("127.0.0.1"), None);
}
