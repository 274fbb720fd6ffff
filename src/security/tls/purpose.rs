//! What certificates may be used for by their extensions, as OpenSSL and Java look at them: to issue others, to be a broker's.

use rustls::pki_types::CertificateDer;
use x509_parser::oid_registry::OID_X509_EXT_CERT_TYPE;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Extension, X509Version};

/// Whether a trusted certificate's key may issue others. One that says of itself that it is not for that is trusted alone, as
/// is one of version 3 that says nothing: whoever has a broker's key must not be able to issue certificates of other brokers.
pub(super) fn may_issue(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return true;
    };
    let Some(signs) = signs(&certificate) else { return false };
    let is_authority = match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        // A key usage with keyCertSign says it as well; version 1 has no extensions to say anything.
        Ok(None) => certificate.version() == X509Version::V1 || matches!(certificate.key_usage(), Ok(Some(_))),
        Err(_) => false,
    };
    let for_brokers = match certificate.extended_key_usage() {
        Ok(found) => found.is_none_or(|usage| usage.value.server_auth || usage.value.any),
        Err(_) => false,
    };
    signs && is_authority && for_brokers
}

/// Whether a certificate that a broker sent beside its own may have issued others, as far as its key usage goes.
pub(super) fn may_be_between(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| signs(&certificate) == Some(true))
}

/// `None`: the key usage cannot be read.
fn signs(certificate: &X509Certificate<'_>) -> Option<bool> {
    Some(certificate.key_usage().ok()?.is_none_or(|usage| usage.value.key_cert_sign()))
}

/// Why a certificate is none for servers, and what it has to have; `None` if it is one.
pub(super) fn no_server(certificate: &CertificateDer<'_>) -> Option<&'static str> {
    const EXTENDED: &str = "the extended key usage serverAuth";
    const USAGE: &str = "the key usage digitalSignature";
    const TYPE: &str = "the Netscape certificate type SSL server, or none";
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match certificate.extended_key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.server_auth || usage.value.any => {}
        Ok(Some(_)) | Err(_) => return Some(EXTENDED),
    }
    match certificate.key_usage() {
        Ok(None) => {}
        Ok(Some(usage))
            if usage.value.digital_signature() || usage.value.key_encipherment() || usage.value.key_agreement() => {}
        Ok(Some(_)) | Err(_) => return Some(USAGE),
    }
    let mut types = certificate.extensions().iter().filter(|extension| extension.oid == OID_X509_EXT_CERT_TYPE);
    let is_server = |extension: &X509Extension<'_>| match extension.parsed_extension() {
        ParsedExtension::NSCertType(found) => found.ssl_server(),
        _ => false,
    };
    types.any(|extension| !is_server(extension)).then_some(TYPE)
}
