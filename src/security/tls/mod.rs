//! TLS as clients of Kafka configure it, over rustls.

mod adapted;
mod algorithms;
mod ec;
mod explain;
mod files;
mod identity;
mod names;
mod pbe;
mod pem;
mod pss12;
mod purpose;
mod store;
mod suites;
mod system;
#[cfg(test)]
mod tests;
mod trust;
mod verifier;
mod words;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::config::TlsSettings;
use crate::error::{Error, Result, Status};
use crate::security::tls::files::Files;
pub use crate::security::tls::pss12::Renamer;
pub use crate::security::tls::system::SystemStore;
use crate::security::tls::verifier::{Memory, Unverified, Verifier};
use crate::sync::Mutex;

/// What connections are secured with. Certificates may be replaced at any time; new connections take the new ones.
pub struct ClientTls {
    settings: TlsSettings,
    system: SystemStore,
    current: Mutex<Arc<Loaded>>,
    /// The files as they were at the last attempt to load them, also at one that failed.
    seen: Mutex<Files>,
    /// Why certificates were refused.
    memory: Arc<Memory>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    /// The one in `config`, which does not give it out again.
    verifier: Arc<dyn ServerCertVerifier>,
    /// The client's certificate in words.
    certificate: Option<String>,
    versions: String,
    warnings: Vec<String>,
}

/// Why a TLS connection did not come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsTrouble {
    /// What is wrong and what to do about it, in one sentence.
    pub text: String,
    /// Trying again will not help: certificates, names or versions do not fit. Otherwise it may be the network.
    pub is_permanent: bool,
}

impl ClientTls {
    /// Reads certificates and keys, and the environment; the error names the property, the file and the remedy.
    pub fn new(settings: &TlsSettings) -> Result<ClientTls> {
        let mut files = Files::default();
        let memory = Arc::new(Memory::default());
        let system = SystemStore::of_process();
        let loaded = load(settings, &system, &mut files, &memory)?;
        let (current, seen) = (Mutex::new(Arc::new(loaded)), Mutex::new(files));
        Ok(ClientTls { settings: settings.clone(), system, current, seen, memory })
    }

    /// Begins a connection to `host`, which the broker's certificate has to name.
    pub fn start(&self, host: &str) -> std::result::Result<ClientConnection, TlsTrouble> {
        let name = names::server_name(host)?;
        let config = self.current.lock().config.clone();
        ClientConnection::new(config, name).map_err(|error| self.explain(&error, host, &[]))
    }

    /// What the failure of a connection to `host` means; also of one whose handshake was finished, for brokers of TLS
    /// 1.3 look at the client's certificate after that. `first_bytes`: what the peer sent first, to recognise who it
    /// is.
    pub fn explain(&self, error: &rustls::Error, host: &str, first_bytes: &[u8]) -> TlsTrouble {
        if matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidCertRevocationList(_)) {
            let remembered = names::server_name(host).ok().and_then(|name| self.memory.take(&name));
            if let Some(trouble) = remembered {
                return trouble;
            }
        }
        let current = self.current.lock().clone();
        let client = explain::Client { certificate: current.certificate.as_deref(), versions: &current.versions };
        explain::connection(error, first_bytes, &client)
    }

    /// What it means that the peer closed the connection before the handshake was finished.
    pub fn explain_close(&self, _host: &str, first_bytes: &[u8]) -> TlsTrouble {
        explain::closed(first_bytes)
    }

    /// Lines for the log: what is set that weakens the protection, files that were passed over.
    pub fn warnings(&self) -> Vec<String> {
        self.current.lock().warnings.clone()
    }

    /// Whether a file looks different from when it was last read, whatever came of that. Cheap enough for a timer.
    pub fn files_changed(&self) -> bool {
        self.seen.lock().look_different()
    }

    /// Whether there are files that may change.
    pub fn reads_files(&self) -> bool {
        self.seen.lock().any()
    }

    /// Reads the files again. True: something is new and in use from now on. The error leaves everything as it was.
    pub fn reload(&self) -> Result<bool> {
        let mut files = Files::default();
        let loaded = load(&self.settings, &self.system, &mut files, &self.memory);
        let mut seen = self.seen.lock();
        match loaded {
            Ok(loaded) => {
                let is_new = !files.same_content(&seen);
                *seen = files;
                if is_new {
                    *self.current.lock() = Arc::new(loaded);
                }
                Ok(is_new)
            }
            Err(error) => {
                seen.update(files);
                Err(error)
            }
        }
    }
}

fn load(settings: &TlsSettings, system: &SystemStore, files: &mut Files, memory: &Arc<Memory>) -> Result<Loaded> {
    let internal = |error: rustls::Error| Error::new(Status::INTERNAL, format!("TLS cannot be set up: {error}"));
    let offer = suites::offer(settings)?;
    let mut warnings = offer.warnings;
    let identity = identity::load(settings, &offer.provider, files)?;
    let supported = offer.provider.signature_verification_algorithms;
    let provider = Arc::new(offer.provider);
    let verifier: Arc<dyn ServerCertVerifier> = if settings.verify_certificates {
        let mut trust = trust::load(settings, system, files)?;
        warnings.append(&mut trust.warnings);
        if !settings.verify_hostname {
            warnings.push(NO_HOST_CHECK.to_owned());
        }
        let roots = std::mem::replace(&mut trust.roots, RootCertStore::empty());
        // All that are trusted may be brokers' own, of which none issued anything.
        let chains = if roots.is_empty() {
            None
        } else {
            let signatures = algorithms::for_chains();
            let for_chains = CryptoProvider { signature_verification_algorithms: signatures, ..(*provider).clone() };
            let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(for_chains))
                .with_crls(trust.crls.iter().cloned())
                .allow_unknown_revocation_status();
            Some(builder.build().map_err(|error| {
                Error::new(Status::INVALID_PROPERTY, format!("property 'ssl.crl.location': {error}"))
            })?)
        };
        let signatures = offer.signatures;
        Arc::new(Verifier::new(chains, supported, signatures, trust, settings.verify_hostname, memory.clone()))
    } else {
        warnings.push(NO_CHECK.to_owned());
        Arc::new(Unverified { supported })
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&offer.versions)
        .map_err(internal)?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone());
    let versions: Vec<_> = offer.versions.iter().map(|one| format!("{:?}", one.version).replace('_', ".")).collect();
    let (config, certificate) = match identity {
        // The broker's list of issuers is a hint: who has one certificate shows that one.
        Some(identity) => {
            let resolver = Arc::new(SingleCertAndKey::from(identity.certified));
            (config.with_client_cert_resolver(resolver), Some(identity.about))
        }
        None => (config.with_no_client_auth(), None),
    };
    Ok(Loaded { config: Arc::new(config), verifier, certificate, versions: versions.join(","), warnings })
}

const NO_CHECK: &str = "enable.ssl.certificate.verification=false: brokers' certificates are not checked, anybody on the way \
                        can pose as a broker and read and change everything";
const NO_HOST_CHECK: &str = "ssl.endpoint.identification.algorithm is off: anybody with a certificate of a trusted issuer can \
                             pose as a broker";

/// Trusted certificates for other servers than brokers: each pair is a property's name and its value. With neither the
/// operating system's.
pub fn roots(location: (&str, &str), text: (&str, &str), system: &SystemStore) -> Result<Vec<CertificateDer<'static>>> {
    trust::of_location_or_text(location, text, system)
}

/// A private key for other purposes than TLS, in every form that is read here. `property` and `name` (a file, or `the
/// text`) are for the error; `password` is a property's name and its value.
pub fn private_key(
    property: &'static str,
    name: &str,
    content: &[u8],
    password: (&str, &str),
) -> Result<PrivateKeyDer<'static>> {
    identity::key_of(property, name, content, password)
}

/// Feeds bytes of nobody's making to everything here that reads files and certificates, for the fuzzer.
#[doc(hidden)]
pub fn read_anything(content: &[u8]) {
    const PASSWORD: &str = "sesame";
    let _opened = store::open(content, PASSWORD);
    let _decrypted = pbe::decrypt_pkcs8(content, PASSWORD);
    let _decrypted = pbe::decrypt_traditional("AES-256-CBC,00112233445566778899AABBCCDDEEFF", content, PASSWORD);
    let certificate = CertificateDer::from(content);
    if let Some(facts) = words::facts(&certificate) {
        let _shown = (facts.who(), facts.validity(), facts.names.shown());
    }
    if let Ok(host) = names::server_name("broker.example.com") {
        let _fits = names::common_name_fits(&certificate, &host);
    }
    let _explained = explain::closed(content);
    let text = String::from_utf8_lossy(content).into_owned();
    let _loaded = ClientTls::new(&TlsSettings {
        truststore_certificates: text.clone(),
        keystore_key: text.as_str().into(),
        keystore_certificate_chain: text,
        ..TlsSettings::default()
    });
}

/// A broker that shows these certificates, its own first, to a client that trusts the last of them, for the fuzzer.
/// True: the client believes it to be `host`.
#[doc(hidden)]
pub fn believes(chain: &[&[u8]], host: &str, now_s: u64) -> bool {
    let [end_entity, others @ ..] = chain else { return false };
    let text = base64::engine::general_purpose::STANDARD.encode(chain[chain.len() - 1]);
    let truststore_certificates = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let Ok(tls) = ClientTls::new(&TlsSettings { truststore_certificates, ..TlsSettings::default() }) else {
        return false;
    };
    let Ok(host) = names::server_name(host) else { return false };
    let others: Vec<_> = others.iter().map(|der| CertificateDer::from(*der)).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
    let verifier = tls.current.lock().verifier.clone();
    verifier.verify_server_cert(&CertificateDer::from(*end_entity), &others, &host, &[], now).is_ok()
}

/// Shared by the I/O thread and whoever reloads.
pub type SharedTls = Arc<ClientTls>;
