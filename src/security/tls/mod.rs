//! TLS as clients of Kafka configure it, over rustls.

mod files;
mod names;
mod pem;
mod trust;

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use crate::config::TlsSettings;
use crate::error::{Error, Result, Status};
use crate::security::tls::files::Files;
use crate::sync::Mutex;

/// What connections are secured with. Certificates may be replaced at any time; new connections take the new ones.
pub struct ClientTls {
    settings: TlsSettings,
    current: Mutex<Arc<Loaded>>,
    /// The files as they were at the last attempt to load them, also at one that failed.
    seen: Mutex<Files>,
}

struct Loaded {
    config: Arc<ClientConfig>,
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
    /// Reads certificates and keys; the error names the property, the file and the remedy.
    pub fn new(settings: &TlsSettings) -> Result<ClientTls> {
        let mut files = Files::default();
        let loaded = load(settings, &mut files)?;
        Ok(ClientTls { settings: settings.clone(), current: Mutex::new(Arc::new(loaded)), seen: Mutex::new(files) })
    }

    /// Begins a connection to `host`, which the broker's certificate has to name.
    pub fn start(&self, host: &str) -> std::result::Result<ClientConnection, TlsTrouble> {
        let name = names::server_name(host)?;
        let config = self.current.lock().config.clone();
        ClientConnection::new(config, name).map_err(|error| self.explain(&error, host, &[]))
    }

    /// What the failure of a connection to `host` means; also of one whose handshake was finished, for brokers of TLS 1.3
    /// look at the client's certificate after that. `first_bytes`: what the peer sent first, to recognise who it is.
    pub fn explain(&self, error: &rustls::Error, _host: &str, _first_bytes: &[u8]) -> TlsTrouble {
        TlsTrouble { text: error.to_string(), is_permanent: true }
    }

    /// What it means that the peer closed the connection before the handshake was finished.
    pub fn explain_close(&self, _host: &str, _first_bytes: &[u8]) -> TlsTrouble {
        TlsTrouble { text: "the connection was closed during the TLS handshake".to_owned(), is_permanent: false }
    }

    /// Lines for the log: what is set that weakens the protection, files that were passed over.
    pub fn warnings(&self) -> Vec<String> {
        self.current.lock().warnings.clone()
    }

    /// Whether a file looks different from when it was last read, whatever came of that. Cheap enough for a timer.
    pub fn files_changed(&self) -> bool {
        self.seen.lock().look_different()
    }

    /// Reads the files again. True: something is new and in use from now on. The error leaves everything as it was.
    pub fn reload(&self) -> Result<bool> {
        let mut files = Files::default();
        let loaded = load(&self.settings, &mut files);
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

fn load(settings: &TlsSettings, files: &mut Files) -> Result<Loaded> {
    let trust = trust::load(settings, files)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Status::INTERNAL, error.to_string()))?
        .with_root_certificates(trust.roots)
        .with_no_client_auth();
    Ok(Loaded { config: Arc::new(config), warnings: trust.warnings })
}

/// Shared by the I/O thread and whoever reloads.
pub type SharedTls = Arc<ClientTls>;
