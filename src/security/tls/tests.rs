//! Certificates of every kind against brokers in memory: what is accepted, and what is said of the rest.

mod extensions;
mod keys;
mod stores;
mod zoo;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;
use crate::config::{StoreType, TlsVersion};

pub const HOST: &str = "broker.example.com";
pub const PASSWORD: &str = "sesame";

/// A file of `fixtures/`.
pub fn fixture(name: &str) -> String {
    format!("{}/src/security/tls/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn fixture_text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// A directory of one test, removed with it.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kproducer-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate authority.
pub struct Authority {
    pub issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub der: CertificateDer<'static>,
}

/// What a broker or client shows.
pub struct Shown {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
    pub pem: String,
}

pub fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub fn root(name: &str) -> Authority {
    root_with(name, |_| {})
}

pub fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = authority_params(name);
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    Authority { issuer: Issuer::new(params, key), pem, der }
}

pub fn intermediate(name: &str, above: &Authority) -> Authority {
    intermediate_with(name, above, |_| {})
}

pub fn intermediate_with(name: &str, above: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = authority_params(name);
    change(&mut params);
    let certificate = params.signed_by(&key, &above.issuer).unwrap();
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    Authority { issuer: Issuer::new(params, key), pem, der }
}

pub fn leaf_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = named("broker 1");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub fn leaf(names: &[&str], by: &Authority) -> Shown {
    leaf_with(names, by, |_| {})
}

pub fn leaf_with(names: &[&str], by: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = leaf_params(names);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &by.issuer).unwrap();
    Shown { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
}

pub fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = leaf_params(names);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Shown { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
}

impl Shown {
    pub fn with(mut self, more: &Authority) -> Shown {
        self.chain.push(more.der.clone());
        self
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

/// A broker with this certificate that demands none of clients.
pub fn broker(shown: &Shown) -> ServerConfig {
    broker_of(shown.chain.clone(), shown.key_der())
}

pub fn broker_of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = provider.key_provider.load_private_key(key).unwrap();
    // Unchecked: brokers show certificates that rustls would not read.
    let certified = rustls::sign::CertifiedKey::new(chain, key);
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// A broker that demands a certificate issued by one of these.
pub fn demanding_broker(
    shown: &Shown,
    trusted: &[CertificateDer<'static>],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(shown.chain.clone(), shown.key_der())
        .unwrap()
}

pub fn trusting(pem: &str) -> TlsSettings {
    TlsSettings { truststore_certificates: pem.to_owned(), ..TlsSettings::default() }
}

pub fn client(settings: &TlsSettings) -> ClientTls {
    ClientTls::new(settings).unwrap_or_else(|error| panic!("{error}"))
}

/// Handshakes, and one message each way, for the broker looks at the client's certificate last.
pub fn connect(
    tls: &ClientTls,
    host: &str,
    broker: &ServerConfig,
) -> std::result::Result<ClientConnection, TlsTrouble> {
    let mut client = tls.start(host)?;
    let mut server = ServerConnection::new(Arc::new(broker.clone())).unwrap();
    std::io::Write::write_all(&mut client.writer(), b"ping").unwrap();
    let mut refused = false;
    let mut renamer = Renamer::default();
    for _ in 0..20 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut bytes = &bytes[..];
        while !bytes.is_empty() && !refused {
            server.read_tls(&mut bytes).unwrap();
            refused = server.process_new_packets().is_err();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        renamer.pass(&mut bytes);
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            if let Err(error) = client.process_new_packets() {
                return Err(tls.explain(&error, host, &[0x16, 3, 3]));
            }
        }
    }
    assert!(!client.is_handshaking() && !refused, "the handshake does not end");
    Ok(client)
}

pub fn accepted(settings: &TlsSettings, host: &str, broker: &ServerConfig) {
    if let Err(trouble) = connect(&client(settings), host, broker) {
        panic!("{host}: {}", trouble.text);
    }
}

/// The sentence holds all of these, and the trouble does not pass by itself.
pub fn refused(settings: &TlsSettings, host: &str, broker: &ServerConfig, says: &[&str]) {
    let trouble = match connect(&client(settings), host, broker) {
        Ok(_) => panic!("{host} was accepted, but {says:?} was expected"),
        Err(trouble) => trouble,
    };
    for part in says {
        assert!(trouble.text.contains(part), "'{part}' is not in: {}", trouble.text);
    }
    assert!(trouble.is_permanent, "{}", trouble.text);
    assert!(!trouble.text.contains('\n') && trouble.text.len() < 1200, "{}", trouble.text);
}

/// The error that the settings make.
pub fn bad(settings: &TlsSettings, status: Status, says: &[&str]) {
    let error = match ClientTls::new(settings) {
        Ok(_) => panic!("accepted, but {says:?} was expected"),
        Err(error) => error,
    };
    for part in says {
        assert!(error.message.contains(part), "'{part}' is not in: {}", error.message);
    }
    assert_eq!(error.status, status, "{}", error.message);
    assert!(!error.message.contains(PASSWORD) && !error.message.contains('\n'), "{}", error.message);
}
