//! Versions, cipher suites, groups and signatures: from the names of Java and OpenSSL to what rustls has.

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{NamedGroup, SignatureScheme, SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::{TlsSettings, TlsVersion};
use crate::error::{Error, Result, Status};
use crate::security::tls::algorithms::{self, RSA_PSS_PSS_SHA256, RSA_PSS_PSS_SHA384, RSA_PSS_PSS_SHA512};
use crate::security::tls::pss12;

/// What is offered to brokers.
pub(super) struct Offer {
    pub provider: CryptoProvider,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// Empty: all.
    pub signatures: Vec<SignatureScheme>,
    pub warnings: Vec<String>,
}

pub(super) fn offer(settings: &TlsSettings) -> Result<Offer> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.signature_verification_algorithms = algorithms::supported();
    provider.cipher_suites = pss12::suites();
    let mut warnings = Vec::new();
    let suites = provider.cipher_suites.clone();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites =
            chosen("ssl.cipher.suites", &settings.cipher_suites, &suites, suite_names, &mut warnings)?;
    }
    if !settings.curves.is_empty() {
        let groups = provider.kx_groups.clone();
        provider.kx_groups = chosen("ssl.curves.list", &settings.curves, &groups, group_names, &mut warnings)?;
    }
    let mut signatures = Vec::new();
    if !settings.signature_algorithms.is_empty() {
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        signatures = chosen(
            "ssl.sigalgs.list",
            &settings.signature_algorithms,
            &schemes,
            |scheme| signature_names(*scheme),
            &mut warnings,
        )?;
    }
    let versions = versions(settings, &provider.cipher_suites)?;
    Ok(Offer { provider, versions, signatures, warnings })
}

fn versions(settings: &TlsSettings, suites: &[SupportedCipherSuite]) -> Result<Vec<&'static SupportedProtocolVersion>> {
    let newest = settings.version_max.min(settings.version_cap);
    if newest < settings.version_min {
        let text = "ssl.protocol=TLSv1.2 excludes TLSv1.3, which is the only one in ssl.enabled.protocols: remove one of \
                    the two";
        return Err(Error::new(Status::CONFIG_CONFLICT, text));
    }
    let mut versions = Vec::new();
    // A version without a suite may not be offered: brokers would choose it.
    if newest >= TlsVersion::V13 && suites.iter().any(|suite| suite.tls13().is_some()) {
        versions.push(&version::TLS13);
    }
    if settings.version_min <= TlsVersion::V12 && suites.iter().any(|suite| suite.tls13().is_none()) {
        versions.push(&version::TLS12);
    }
    if versions.is_empty() {
        let text = "none of ssl.cipher.suites belongs to a version in ssl.enabled.protocols: TLSv1.3 has suites of its own \
                    (TLS_AES_256_GCM_SHA384 and others)";
        return Err(Error::new(Status::CONFIG_CONFLICT, text));
    }
    Ok(versions)
}

/// Those of `all` that the words name, in the order of the words. Lists are written for several libraries: what is not
/// here is told in a warning as long as something is left.
fn chosen<T: Clone>(
    property: &str,
    words: &[String],
    all: &[T],
    names: impl Fn(&T) -> Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<Vec<T>> {
    let mut found: Vec<usize> = Vec::new();
    let mut unknown = Vec::new();
    for word in words {
        let is_named = |one: &&T| names(one).iter().any(|name| name.eq_ignore_ascii_case(word));
        let before = found.len();
        for at in (0..all.len()).filter(|at| is_named(&&all[*at])) {
            if !found.contains(&at) {
                found.push(at);
            }
        }
        if found.len() == before && !all.iter().any(|one| is_named(&one)) {
            unknown.push(word.chars().take(100).flat_map(char::escape_debug).collect::<String>());
        }
    }
    let known: Vec<String> = all.iter().filter_map(|one| names(one).into_iter().next()).collect();
    if found.is_empty() {
        let text = format!(
            "property '{property}': {} is not known or not safe; there are {}",
            unknown.join(", "),
            known.join(", ")
        );
        return Err(Error::new(Status::INVALID_PROPERTY, text));
    }
    if !unknown.is_empty() {
        let text = format!("property '{property}': not known or not safe, and left out: {}", unknown.join(", "));
        warnings.push(text);
    }
    Ok(found.into_iter().map(|at| all[at].clone()).collect())
}

/// IANA's name, which is Java's, and OpenSSL's.
fn suite_names(suite: &SupportedCipherSuite) -> Vec<String> {
    let iana = format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
    let openssl = iana
        .trim_start_matches("TLS_")
        .replace("_WITH_", "_")
        .replace("AES_", "AES")
        .replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
        .replace('_', "-");
    if suite.tls13().is_some() { vec![iana] } else { vec![iana, openssl] }
}

fn group_names(group: &&'static dyn SupportedKxGroup) -> Vec<String> {
    let names: &[&str] = match group.name() {
        NamedGroup::X25519 => &["X25519"],
        NamedGroup::secp256r1 => &["P-256", "prime256v1", "secp256r1"],
        NamedGroup::secp384r1 => &["P-384", "secp384r1"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn signature_names(scheme: SignatureScheme) -> Vec<String> {
    let names: &[&str] = match scheme {
        SignatureScheme::ECDSA_NISTP256_SHA256 => &["ecdsa_secp256r1_sha256", "ECDSA+SHA256"],
        SignatureScheme::ECDSA_NISTP384_SHA384 => &["ecdsa_secp384r1_sha384", "ECDSA+SHA384"],
        SignatureScheme::ED25519 => &["ed25519"],
        SignatureScheme::RSA_PSS_SHA256 => &["rsa_pss_rsae_sha256", "RSA-PSS+SHA256", "PSS+SHA256"],
        SignatureScheme::RSA_PSS_SHA384 => &["rsa_pss_rsae_sha384", "RSA-PSS+SHA384", "PSS+SHA384"],
        SignatureScheme::RSA_PSS_SHA512 => &["rsa_pss_rsae_sha512", "RSA-PSS+SHA512", "PSS+SHA512"],
        // Java and OpenSSL have no words of their own for keys that are for RSA-PSS alone.
        RSA_PSS_PSS_SHA256 => &["rsa_pss_pss_sha256"],
        RSA_PSS_PSS_SHA384 => &["rsa_pss_pss_sha384"],
        RSA_PSS_PSS_SHA512 => &["rsa_pss_pss_sha512"],
        SignatureScheme::RSA_PKCS1_SHA256 => &["rsa_pkcs1_sha256", "RSA+SHA256"],
        SignatureScheme::RSA_PKCS1_SHA384 => &["rsa_pkcs1_sha384", "RSA+SHA384"],
        SignatureScheme::RSA_PKCS1_SHA512 => &["rsa_pkcs1_sha512", "RSA+SHA512"],
        _ => &[],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}
