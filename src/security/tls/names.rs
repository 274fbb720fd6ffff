//! Names of brokers: as they are configured, and as certificates hold them.

use rustls::pki_types::{CertificateDer, ServerName};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::security::tls::{TlsTrouble, words};

/// The name that is sent (SNI; addresses are not) and looked for in the broker's certificate. A trailing dot only says
/// that the name is complete, and an address's zone is of this machine alone.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TlsTrouble> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsTrouble {
        text: format!(
            "'{}' is neither a DNS name nor an address, so that no certificate can name it",
            words::clean(host)
        ),
        is_permanent: true,
    })
}

/// Whether the CN of the certificate's subject names the host. It counts only in certificates that have no DNS names of
/// their own and only for DNS names: so do Java and OpenSSL, and old instructions for brokers make such certificates.
pub(super) fn common_name_fits(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    let (ServerName::DnsName(host), Ok((_, certificate))) = (host, X509Certificate::from_der(certificate)) else {
        return false;
    };
    let names = words::names(&certificate);
    // Names of the extension that cannot be read may be DNS names as well.
    let has_dns = !names.dns.is_empty() || certificate.subject_alternative_name().is_err();
    match names.common_name {
        Some(common_name) if !has_dns => fits(&common_name, host.as_ref()),
        _ => false,
    }
}

/// Whether an authority that can be in the certificate's chain is limited to certain names. The limits are checked on
/// alternative names only, so that a CN must not count there. Each certificate that was sent may be in the chain, and each
/// root that issued one of them.
pub(super) fn are_constrained(
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'static>],
) -> bool {
    let parsed = |certificate| X509Certificate::from_der(certificate).ok().map(|(_, parsed)| parsed);
    let has_limits = |certificate: &X509Certificate<'_>| !matches!(certificate.name_constraints(), Ok(None));
    let Some(leaf) = parsed(end_entity) else { return true };
    let Some(above) = intermediates.iter().map(|one| parsed(one)).collect::<Option<Vec<_>>>() else { return true };
    let is_of_root = |root: &X509Certificate<'_>| {
        [&leaf].into_iter().chain(&above).any(|sent| sent.issuer().as_raw() == root.subject().as_raw())
    };
    above.iter().any(has_limits)
        || trusted.iter().filter_map(|root| parsed(root)).any(|root| is_of_root(&root) && has_limits(&root))
}

/// A wildcard stands for exactly one label, the first.
fn fits(pattern: &str, host: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && parent.contains('.') && rest.eq_ignore_ascii_case(parent)
        }),
        None => !pattern.contains('*') && pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::{fits, server_name};

    #[test]
    fn a_wildcard_is_one_label() {
        assert!(fits("b.example.com", "B.Example.com") && fits("*.example.com", "b.example.com"));
        for (pattern, host) in [
            ("*.example.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.com", "example.com"),
            ("*", "b"),
            ("b*.example.com", "b1.example.com"),
            ("*.example.com", ".example.com"),
        ] {
            assert!(!fits(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn hosts_as_they_are_configured_have_a_name() {
        for (host, name) in [
            ("kafka.example.", "kafka.example"),
            ("kafka_1", "kafka_1"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1"),
        ] {
            assert_eq!(server_name(host).unwrap().to_str(), name);
        }
        let trouble = server_name("a b").unwrap_err();
        assert!(trouble.is_permanent && trouble.text.contains("'a b'"), "{trouble:?}");
        assert!(server_name("").is_err() && server_name(".").is_err());
    }
}
