//! The check of a broker's certificate: rustls's, with what Java and OpenSSL accept beside it, and with a memory of what was
//! refused, so that the message can say why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use webpki::RawPublicKeyEntity;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

use crate::security::tls::adapted::{ReadAs, adapted};
use crate::security::tls::explain::{self, Refused};
use crate::security::tls::trust::Trust;
use crate::security::tls::{TlsTrouble, algorithms, names, purpose};
use crate::sync::Mutex;

/// What was said of the last certificate that was refused, by host. Shared by all configurations of one producer.
#[derive(Default)]
pub(super) struct Memory(Mutex<BTreeMap<String, TlsTrouble>>);

/// Hosts remembered; a producer has fewer brokers at a time that refuse it.
const REMEMBERED_MAX: usize = 256;

impl Memory {
    fn keep(&self, host: &ServerName<'_>, trouble: TlsTrouble) {
        let mut kept = self.0.lock();
        if kept.len() >= REMEMBERED_MAX {
            kept.clear();
        }
        kept.insert(host.to_str().into_owned(), trouble);
    }

    pub fn take(&self, host: &ServerName<'_>) -> Option<TlsTrouble> {
        self.0.lock().remove(host.to_str().as_ref())
    }
}

/// How brokers' certificates are checked.
pub(super) struct Verifier {
    /// `None`: no certificate that is trusted may issue others.
    chains: Option<Arc<WebPkiServerVerifier>>,
    supported: WebPkiSupportedAlgorithms,
    /// Empty: all that are supported.
    signatures: Vec<SignatureScheme>,
    trust: Trust,
    verify_hostname: bool,
    memory: Arc<Memory>,
}

impl Verifier {
    pub fn new(
        chains: Option<Arc<WebPkiServerVerifier>>,
        supported: WebPkiSupportedAlgorithms,
        signatures: Vec<SignatureScheme>,
        trust: Trust,
        verify_hostname: bool,
        memory: Arc<Memory>,
    ) -> Verifier {
        Verifier { chains, supported, signatures, trust, verify_hostname, memory }
    }

    fn check(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        self.check_trust(end_entity, intermediates, host, now)?;
        match purpose::no_server(end_entity) {
            Some(_) => Err(CertificateError::InvalidPurpose.into()),
            None => Ok(()),
        }
    }

    /// Everything but what the certificate may be used for.
    fn check_trust(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let checked = match &self.chains {
            Some(chains) => {
                let issuers = intermediates.iter().filter(|one| purpose::may_be_between(one));
                let issuers: Vec<_> = issuers.map(|one| adapted(one, ReadAs::Issuer)).collect();
                chains.verify_server_cert(&adapted(end_entity, ReadAs::Broker), &issuers, host, &[], now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let refused = match checked {
            Ok(_) => return Ok(()),
            Err(refused) => refused,
        };
        match refused {
            // Only who passes everything else comes to the name.
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => self.check_name(end_entity, intermediates, host, refused),
            Error::InvalidCertificate(CertificateError::Revoked) => Err(refused),
            // A certificate that is itself trusted needs no issuer, and may be a CA's: brokers with a self-signed one.
            _ if self.trust.certificates.iter().any(|trusted| trusted == end_entity) => {
                within_validity(end_entity, now)?;
                self.check_name_of(end_entity, host)
            }
            _ if self.trust.crls.is_empty() && self.is_version_1_of_a_root(end_entity) => {
                within_validity(end_entity, now)?;
                self.check_name(end_entity, &[], host, refused_name(host))
            }
            refused => Err(refused),
        }
    }

    fn check_name_of(&self, end_entity: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), Error> {
        let fits = ParsedCertificate::try_from(&adapted(end_entity, ReadAs::Broker))
            .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, host).is_ok());
        if fits { Ok(()) } else { self.check_name(end_entity, &[], host, refused_name(host)) }
    }

    /// For certificates whose alternative names do not have the host.
    fn check_name(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        refused: Error,
    ) -> Result<(), Error> {
        let fits = || {
            names::common_name_fits(end_entity, host)
                && !names::are_constrained(end_entity, intermediates, &self.trust.certificates)
        };
        if !self.verify_hostname || fits() { Ok(()) } else { Err(refused) }
    }

    /// X.509 version 1, as `openssl x509 -req` without extensions makes them, and rustls does not read. Such a
    /// certificate has no limits of use; what can be checked is that a trusted root signed it.
    fn is_version_1_of_a_root(&self, end_entity: &CertificateDer<'_>) -> bool {
        let Some((certificate, _)) = version_1(end_entity) else {
            return false;
        };
        let signed = certificate.tbs_certificate.as_ref();
        let signature = &certificate.signature_value.data;
        self.trust.certificates.iter().filter(|root| purpose::may_issue(root)).any(|root| {
            let Ok((_, root)) = X509Certificate::from_der(root) else {
                return false;
            };
            let key = SubjectPublicKeyInfoDer::from(root.public_key().raw);
            root.subject().as_raw() == certificate.issuer().as_raw()
                // Constraints of names are not looked at here.
                && matches!(root.name_constraints(), Ok(None))
                && RawPublicKeyEntity::try_from(&key).is_ok_and(|key| {
                    self.supported
                        .all
                        .iter()
                        .any(|algorithm| key.verify_signature(*algorithm, signed, signature).is_ok())
                })
        })
    }

    fn is_offered(&self, scheme: SignatureScheme) -> bool {
        self.signatures.is_empty() || self.signatures.contains(&scheme)
    }
}

fn unadvertised() -> Error {
    PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into()
}

fn refused_name(host: &ServerName<'_>) -> Error {
    let expected = host.to_owned();
    CertificateError::NotValidForNameContext { expected, presented: Vec::new() }.into()
}

/// The certificate, and its public key, if it is of version 1.
fn version_1<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Option<(X509Certificate<'a>, SubjectPublicKeyInfoDer<'static>)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    if parsed.version() != X509Version::V1 {
        return None;
    }
    let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw.to_vec());
    Some((parsed, key))
}

fn within_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if parsed.validity().not_before.timestamp() > now_s {
        return Err(CertificateError::NotValidYet.into());
    }
    if parsed.validity().not_after.timestamp() < now_s {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates, server_name, now).inspect_err(|error| {
            let refused = Refused { error, end_entity, intermediates, host: server_name, now };
            self.memory.keep(server_name, explain::certificate(&refused, &self.trust));
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_tls12(&self.supported, |scheme| self.is_offered(scheme), message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_offered(dss.scheme) {
            return Err(unadvertised());
        }
        check_handshake(algorithms::of_tls13(&self.supported, dss.scheme), message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self.signatures.is_empty() {
            true => self.supported.supported_schemes(),
            false => self.signatures.clone(),
        }
    }
}

/// TLS 1.2: the signature of a key for RSA-PSS alone comes under the name that it has by another (`pss12.rs`).
fn check_tls12(
    supported: &WebPkiSupportedAlgorithms,
    is_offered: impl Fn(SignatureScheme) -> bool,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let schemes = [Some(signed.scheme), algorithms::by_pss_key(signed.scheme)].into_iter().flatten();
    let offered = schemes.filter(|scheme| is_offered(*scheme));
    let all: Vec<_> = offered.flat_map(|scheme| algorithms::of_tls12(supported, scheme)).copied().collect();
    check_handshake(&all, message, certificate, signed)
}

/// Whether the holder of the certificate's key has signed the handshake, by one of these algorithms.
fn check_handshake(
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if algorithms.is_empty() {
        return Err(unadvertised());
    }
    let key = match ParsedCertificate::try_from(&adapted(certificate, ReadAs::Broker)) {
        Ok(parsed) => parsed.subject_public_key_info(),
        // The library reads no version 1.
        Err(error) => version_1(certificate).ok_or(error)?.1,
    };
    let is_valid = RawPublicKeyEntity::try_from(&key).is_ok_and(|key| {
        algorithms.iter().any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok())
    });
    match is_valid {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(CertificateError::BadSignature.into()),
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("trust", &self.trust.source).finish_non_exhaustive()
    }
}

/// `enable.ssl.certificate.verification=false`: whoever answers is believed, as long as it has the key of what it shows.
#[derive(Debug)]
pub(super) struct Unverified {
    pub supported: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_tls12(&self.supported, |_| true, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_handshake(algorithms::of_tls13(&self.supported, dss.scheme), message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.supported.supported_schemes()
    }
}
