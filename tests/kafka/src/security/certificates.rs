//! Certificates of brokers and clients, made anew for each run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use p12_keystore::{Certificate as P12Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::cluster::temporary_directory;

/// The password of every PKCS#12 store.
pub const STORE_PASSWORD: &str = "store-secret";

/// A life that no test outlives.
pub const LONG: Duration = Duration::from_secs(86_400);
const BROKER_NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority, a broker's certificate and a client's, as files.
#[derive(Debug)]
pub struct Certificates {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// The authority's certificate, PEM.
    pub authority_file: PathBuf,
    /// The same text.
    pub authority_pem: String,
    /// The authority's certificate in a PKCS#12 trust store.
    pub authority_store: PathBuf,
    /// Of `localhost` and `127.0.0.1`.
    pub broker: Identity,
    /// Of a client.
    pub client: Identity,
}

/// A certificate and its key in the forms that brokers and clients read.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The key, PKCS#8 in PEM.
    pub key_pem: String,
    /// Key and certificate in one PEM file.
    pub pem_file: PathBuf,
    /// The certificate alone.
    pub certificate_file: PathBuf,
    /// The key alone.
    pub key_file: PathBuf,
    /// Both in PKCS#12, with [`STORE_PASSWORD`].
    pub store_file: PathBuf,
}

impl Identity {
    /// Puts the files of this one in the places of `old`, each in one go, as those do who renew certificates.
    pub fn replace(&self, old: &Self) {
        let files = |identity: &Self| {
            [&identity.pem_file, &identity.certificate_file, &identity.key_file, &identity.store_file].map(Clone::clone)
        };
        for (new, old) in files(self).iter().zip(files(old)) {
            std::fs::rename(new, &old).unwrap_or_else(|error| panic!("cannot replace {}: {error}", old.display()));
        }
    }

    /// A listener's lines with a PEM store, which brokers read since 2.7.
    pub fn as_pem_store(&self) -> Vec<String> {
        vec!["ssl.keystore.type=PEM".to_owned(), format!("ssl.keystore.location={}", self.pem_file.display())]
    }

    /// A listener's lines with a store that every release reads.
    pub fn as_pkcs12_store(&self) -> Vec<String> {
        vec![
            "ssl.keystore.type=PKCS12".to_owned(),
            format!("ssl.keystore.location={}", self.store_file.display()),
            format!("ssl.keystore.password={STORE_PASSWORD}"),
            format!("ssl.key.password={STORE_PASSWORD}"),
        ]
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// An authority of its own and what it certifies.
    pub fn new() -> Self {
        let directory = temporary_directory();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let authority_file = directory.join("ca.pem");
        write(&authority_file, authority.pem().as_bytes());
        let mut store = KeyStore::new();
        let trusted = P12Certificate::from_der(authority.der()).expect("a certificate");
        store.add_entry("ca", KeyStoreEntry::Certificate(trusted));
        let authority_store = directory.join("ca.p12");
        write(&authority_store, &store.writer(STORE_PASSWORD).write().expect("a store"));
        let broker = certify(&directory, &issuer, "broker", &BROKER_NAMES, LONG);
        let client = certify(&directory, &issuer, "client", &["client"], LONG);
        Self { directory, issuer, authority_file, authority_pem: authority.pem(), authority_store, broker, client }
    }

    /// A new certificate of the brokers, with the names of the old one and a life of its own.
    pub fn renewed_broker(&self, life: Duration) -> Identity {
        certify(&self.directory, &self.issuer, "broker", &BROKER_NAMES, life)
    }

    /// A new certificate of the client.
    pub fn renewed_client(&self, life: Duration) -> Identity {
        certify(&self.directory, &self.issuer, "client", &["client"], life)
    }
}

/// Every file has a number, so that none changes under a reader.
fn certify(
    directory: &Path,
    issuer: &Issuer<'static, KeyPair>,
    name: &str,
    names: &[&str],
    life: Duration,
) -> Identity {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    // Always the same: brokers refuse to change to a certificate of another name while they run.
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    params.not_after = date_time_ymd(1970, 1, 1) + (now + life);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let file = |ending: &str| directory.join(format!("{name}-{number}{ending}"));
    let identity = Identity {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        pem_file: file(".pem"),
        certificate_file: file("-certificate.pem"),
        key_file: file("-key.pem"),
        store_file: file(".p12"),
    };
    write(&identity.certificate_file, identity.certificate_pem.as_bytes());
    write(&identity.key_file, identity.key_pem.as_bytes());
    write(&identity.pem_file, format!("{}{}", identity.key_pem, identity.certificate_pem).as_bytes());
    let chain = [P12Certificate::from_der(certificate.der()).expect("a certificate")];
    let private = PrivateKey::from_der(&key.serialize_der()).expect("a key");
    let mut store = KeyStore::new();
    store.add_entry(name, KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("key", private, chain)));
    write(&identity.store_file, &store.writer(STORE_PASSWORD).write().expect("a store"));
    identity
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
