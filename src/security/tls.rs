//! TLS as clients of Kafka configure it, over rustls.

use std::sync::Arc;

use crate::config::TlsSettings;
use crate::error::{Error, Result, Status};

/// What connections are secured with. Certificates may be replaced at any time; new connections take the new ones.
pub struct ClientTls {}

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
    pub fn new(_settings: &TlsSettings) -> Result<ClientTls> {
        Err(Error::new(Status::PROPERTY_NOT_SUPPORTED, "TLS is not there yet".to_owned()))
    }

    /// Begins a connection to `host`, which the broker's certificate has to name.
    pub fn start(&self, _host: &str) -> std::result::Result<rustls::ClientConnection, TlsTrouble> {
        Err(TlsTrouble { text: "TLS is not there yet".into(), is_permanent: true })
    }

    /// What the failure of a connection to `host` means. `first_bytes`: what the peer sent first, to recognise who it is.
    pub fn explain(&self, error: &rustls::Error, _host: &str, _first_bytes: &[u8]) -> TlsTrouble {
        TlsTrouble { text: error.to_string(), is_permanent: true }
    }

    /// Reads the files again. True: something is new and in use from now on. The error leaves everything as it was.
    pub fn reload(&self) -> Result<bool> {
        Ok(false)
    }
}

/// Shared by the I/O thread and whoever reloads.
pub type SharedTls = Arc<ClientTls>;
