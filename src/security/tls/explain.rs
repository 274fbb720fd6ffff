//! What the failure of a TLS connection means and what helps, in words. The texts follow the broker's name and a colon.

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::security::tls::TlsTrouble;
use crate::security::tls::purpose;
use crate::security::tls::trust::Trust;
use crate::security::tls::words::{self, Facts, date};

/// A broker's certificate that was refused.
pub(super) struct Refused<'a> {
    pub error: &'a Error,
    pub end_entity: &'a CertificateDer<'a>,
    pub intermediates: &'a [CertificateDer<'a>],
    pub host: &'a ServerName<'a>,
    pub now: UnixTime,
}

/// What of the client matters to a broker's alert.
pub(super) struct Client<'a> {
    /// The certificate that the client shows, in words.
    pub certificate: Option<&'a str>,
    /// The versions that are offered, such as `TLSv1.2,TLSv1.3`.
    pub versions: &'a str,
}

fn permanent(text: String) -> TlsTrouble {
    TlsTrouble { text, is_permanent: true }
}

fn passing(text: String) -> TlsTrouble {
    TlsTrouble { text, is_permanent: false }
}

/// Why the broker's certificate is not accepted.
pub(super) fn certificate(refused: &Refused<'_>, trust: &Trust) -> TlsTrouble {
    let Some(facts) = words::facts(refused.end_entity) else {
        return permanent("the broker's certificate is damaged: it is no X.509 certificate".to_owned());
    };
    let Error::InvalidCertificate(error) = refused.error else {
        return permanent(format!("the broker's certificate ({}) is refused: {}", facts.who(), refused.error));
    };
    let text = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => expired(refused, &facts),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => not_valid_yet(refused, &facts),
        CertificateError::UnknownIssuer => unknown_issuer(refused, &facts, trust),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "the broker's certificate (subject '{}') is not for '{}' but for {}: connect by a name that it has, or issue it \
             anew with that name among its subject alternative names (ssl.endpoint.identification.algorithm=none switches \
             the check off)",
            facts.subject,
            words::clean(&refused.host.to_str()),
            facts.names.shown()
        ),
        CertificateError::Revoked => format!(
            "the broker's certificate or one that issued it ({}) is revoked by a list of ssl.crl.location: the broker needs \
             another certificate",
            facts.who()
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => wrong_purpose(refused, &facts),
        CertificateError::BadSignature => namesake(refused, &facts, trust).unwrap_or_else(|| {
            format!(
                "the broker's certificate or one that issued it ({}) is not signed by the key of its issuer: it is damaged \
                 or forged",
                facts.who()
            )
        }),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => unsupported(refused, &facts, trust),
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            // A key of another kind is another key.
            let text = unread_key_in_chain(refused, &facts, trust).or_else(|| namesake(refused, &facts, trust));
            text.unwrap_or_else(|| unsupported(refused, &facts, trust))
        }
        CertificateError::BadEncoding => format!(
            "the broker's certificate ({}) does not keep to the rules of DER and X.509: issue it anew",
            facts.who()
        ),
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::UnsupportedCertVersion) => format!(
                "the broker's certificate ({}) is of X.509 version 1, which is accepted only if a trusted root issued it \
                 directly: issue it anew with subject alternative names",
                facts.who()
            ),
            _ => format!("the broker's certificate ({}) is refused: {other}", facts.who()),
        },
        other => format!("the broker's certificate ({}) is refused: {other:?}", facts.who()),
    };
    permanent(text)
}

/// The whole chain as it was sent, in words.
fn chain(refused: &Refused<'_>) -> Vec<Facts> {
    const SHOWN_MAX: usize = 10;
    let all = std::iter::once(refused.end_entity).chain(refused.intermediates);
    all.take(SHOWN_MAX).filter_map(words::facts).collect()
}

fn whose(at: usize, facts: &Facts) -> String {
    match at {
        0 => format!("the broker's certificate (subject '{}')", facts.subject),
        _ => format!("the certificate '{}', which issued the broker's,", facts.subject),
    }
}

fn expired(refused: &Refused<'_>, leaf: &Facts) -> String {
    let now_s = i64::try_from(refused.now.as_secs()).unwrap_or(i64::MAX);
    let chain = chain(refused);
    let (at, facts) = chain
        .iter()
        .enumerate()
        .find(|(_, facts)| facts.not_after_s < now_s)
        .unwrap_or((0, chain.first().unwrap_or(leaf)));
    format!(
        "{} expired on {} (now is {}): the broker needs a new one, or this machine's clock is wrong",
        whose(at, facts),
        date(facts.not_after_s),
        date(now_s)
    )
}

fn not_valid_yet(refused: &Refused<'_>, leaf: &Facts) -> String {
    let now_s = i64::try_from(refused.now.as_secs()).unwrap_or(i64::MAX);
    let chain = chain(refused);
    let (at, facts) = chain
        .iter()
        .enumerate()
        .find(|(_, facts)| facts.not_before_s > now_s)
        .unwrap_or((0, chain.first().unwrap_or(leaf)));
    format!(
        "{} is not valid before {} (now is {}): this machine's clock is wrong, or that of whoever made the certificate",
        whose(at, facts),
        date(facts.not_before_s),
        date(now_s)
    )
}

fn unknown_issuer(refused: &Refused<'_>, leaf: &Facts, trust: &Trust) -> String {
    let trusted = format!("trusted are {}", trust.source);
    if leaf.is_self_issued {
        return format!(
            "the broker's certificate is self-signed (subject '{}') and not among those trusted: {trusted}; add it {}, or \
             give the broker one of an issuer that is trusted",
            leaf.subject, trust.remedy
        );
    }
    if let Some(text) = issued_without_leave(refused, leaf).or_else(|| namesake(refused, leaf, trust)) {
        return text;
    }
    let missing = missing(refused, leaf);
    let sent = match refused.intermediates.len() {
        0 => "the broker sent no other".to_owned(),
        1 => "the broker sent 1 more".to_owned(),
        more => format!("the broker sent {more} more"),
    };
    format!(
        "no trusted certificate issued the broker's ({}; {sent}): {trusted}; add the certificate of '{missing}' {}, or, if \
         that is an intermediate of an issuer that is trusted, let the broker send it",
        leaf.who(),
        trust.remedy
    )
}

/// The issuer of the topmost certificate that the broker sent.
fn missing(refused: &Refused<'_>, leaf: &Facts) -> String {
    let chain = chain(refused);
    let mut top = leaf;
    for _ in 0..chain.len() {
        match chain.iter().find(|facts| facts.subject == top.issuer && !top.is_self_issued) {
            Some(issuer) => top = issuer,
            None => break,
        }
    }
    top.issuer.clone()
}

/// The issuer is trusted by its name, but has another key: it was made anew.
fn namesake(refused: &Refused<'_>, leaf: &Facts, trust: &Trust) -> Option<String> {
    let missing = missing(refused, leaf);
    let is_namesake = |root: &&CertificateDer<'_>| words::facts(root).is_some_and(|facts| facts.subject == missing);
    let root = trust.certificates.iter().find(is_namesake)?;
    if !purpose::may_issue(root) {
        return Some(format!(
            "the broker's certificate ({}) was issued by '{missing}', which is trusted for itself alone, for by its extensions \
             it is no authority for brokers (no CA:TRUE, a key usage without keyCertSign, or extended key usages without \
             serverAuth): trusted are {}; put an authority's certificate {}",
            leaf.who(),
            trust.source,
            trust.remedy
        ));
    }
    Some(format!(
        "the broker's certificate ({}) was issued by '{missing}', and a certificate of that name is trusted, but its key is \
         another: trusted are {}; put the issuer's present certificate {}",
        leaf.who(),
        trust.source,
        trust.remedy
    ))
}

fn wrong_purpose(refused: &Refused<'_>, leaf: &Facts) -> String {
    match purpose::no_server(refused.end_entity) {
        Some(lacking) => {
            format!("the broker's certificate ({}) is not for servers: issue it anew with {lacking}", leaf.who())
        }
        None => format!(
            "a certificate that issued the broker's ({}) is not for issuing servers' (its extended key usages lack serverAuth): \
             let another authority issue it",
            leaf.who()
        ),
    }
}

/// One of those that the broker sent, which issued another of them and by its key usage may not.
fn issued_without_leave(refused: &Refused<'_>, leaf: &Facts) -> Option<String> {
    let chain = chain(refused);
    let unable = refused.intermediates.iter().filter(|one| !purpose::may_be_between(one)).filter_map(words::facts);
    let issuer = unable.into_iter().find(|facts| chain.iter().any(|issued| issued.issuer == facts.subject))?;
    Some(format!(
        "the broker's certificate ({}) was issued by '{}', which may not issue any (its key usage lacks keyCertSign): issue \
         that one anew",
        leaf.who(),
        issuer.subject
    ))
}

/// A key that the crypto library does not know, in the chain as it was sent or in the trusted certificate that it ends at.
fn unread_key_in_chain(refused: &Refused<'_>, leaf: &Facts, trust: &Trust) -> Option<String> {
    let missing = missing(refused, leaf);
    let is_root = |root: &&CertificateDer<'_>| words::facts(root).is_some_and(|facts| facts.subject == missing);
    let roots = trust.certificates.iter().filter(is_root);
    let kind_of_key = |certificate: &CertificateDer<'_>| {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let algorithm = &parsed.public_key().algorithm;
        let curve = algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        curve
            .and_then(|oid| unread_key(&oid.to_id_string()))
            .or_else(|| unread_key(&algorithm.algorithm.to_id_string()))
    };
    let mut all = [refused.end_entity].into_iter().chain(refused.intermediates).chain(roots);
    let kind = all.find_map(kind_of_key)?;
    Some(format!(
        "the broker's certificate ({}) or one that issued it has a key on {kind}, which is not read here: use P-256, P-384, RSA \
         or Ed25519",
        leaf.who()
    ))
}

fn unsupported(refused: &Refused<'_>, leaf: &Facts, trust: &Trust) -> String {
    if let Some(text) = unread_key_in_chain(refused, leaf, trust) {
        return text;
    }
    let chain = chain(refused);
    let weak = chain.iter().find_map(|facts| Some((facts, weak_signature(&facts.signature_oid)?)));
    if let Some((facts, name)) = weak {
        return format!(
            "the certificate '{}' of the broker's chain is signed with {name}, which is not safe any more: issue it anew with \
             SHA-256",
            facts.subject
        );
    }
    let unread = chain.iter().find_map(|facts| Some((facts, unread_signature(&facts.signature_oid)?)));
    let (facts, name) = unread.unwrap_or((leaf, leaf.signature_oid.as_str()));
    format!(
        "the certificate '{}' of the broker's chain is signed with an algorithm that is not accepted ({name}): RSA of 2048 bits \
         and more, ECDSA on P-256 and P-384 with SHA-256 or SHA-384, and Ed25519 are",
        facts.subject
    )
}

/// Curves and kinds of keys that the crypto library does not know, by their object identifiers.
fn unread_key(oid: &str) -> Option<&'static str> {
    match oid {
        "1.3.132.0.35" => Some("P-521"),
        "1.3.132.0.33" => Some("P-224"),
        "1.3.132.0.10" => Some("secp256k1"),
        "1.3.101.113" => Some("Ed448"),
        "1.2.840.10040.4.1" => Some("DSA"),
        _ => oid.starts_with("1.3.36.3.3.2.8.1.1.").then_some("a brainpool curve"),
    }
}

fn unread_signature(oid: &str) -> Option<&'static str> {
    match oid {
        "1.2.840.10045.4.3.4" => Some("ECDSA with SHA-512"),
        "1.2.840.10045.4.3.1" => Some("ECDSA with SHA-224"),
        "1.2.840.113549.1.1.10" => Some("RSA-PSS with other parameters than TLS's: salt and both hashes of one length"),
        "1.2.840.113549.1.1.14" => Some("RSA with SHA-224"),
        "1.3.101.113" => Some("Ed448"),
        _ => None,
    }
}

fn weak_signature(oid: &str) -> Option<&'static str> {
    match oid {
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => Some("SHA-1"),
        _ => None,
    }
}

/// Everything that has nothing to do with the broker's certificate.
pub(super) fn connection(error: &Error, first_bytes: &[u8], client: &Client<'_>) -> TlsTrouble {
    if let Some(trouble) = not_tls(first_bytes) {
        return trouble;
    }
    match error {
        Error::AlertReceived(alert) => alerted(*alert, client),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => version_refused(client),
        Error::PeerIncompatible(what) => permanent(format!(
            "the broker and this client have nothing in common in TLS ({what:?}): look at ssl.enabled.protocols and \
             ssl.cipher.suites on both sides"
        )),
        Error::NoCertificatesPresented => permanent("the broker shows no certificate: give it a key store".to_owned()),
        Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => version_refused(client),
        Error::InvalidCertificate(what) => permanent(format!("the broker's certificate is refused: {what}")),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            passing(format!(
                "what the broker sends breaks the rules of TLS ({error}): is something between that changes it?"
            ))
        }
        other => passing(format!("TLS failed: {other}")),
    }
}

/// The peer closed the connection before the handshake was finished.
pub(super) fn closed(first_bytes: &[u8]) -> TlsTrouble {
    if let Some(trouble) = not_tls(first_bytes) {
        return trouble;
    }
    // Not permanent: a broker or a load balancer that is just going down does the same.
    passing(match first_bytes.is_empty() {
        true => "the connection was closed at the first message of the TLS handshake, as a listener without TLS does it: is \
                 this a PLAINTEXT or SASL_PLAINTEXT port (then security.protocol has to say so, or the port is another)?"
            .to_owned(),
        false => "the broker closed the connection in the middle of the TLS handshake, and gave no reason: its log says why"
            .to_owned(),
    })
}

/// What speaks on the other side if its first bytes are not TLS's.
fn not_tls(first_bytes: &[u8]) -> Option<TlsTrouble> {
    let shown = || {
        let line: String =
            String::from_utf8_lossy(first_bytes).chars().take_while(|c| *c != '\r' && *c != '\n').collect();
        line.chars().take(60).flat_map(char::escape_debug).collect::<String>()
    };
    match first_bytes {
        // Alert, handshake, and what comes later; version 3.x.
        [] | [0x14..=0x17] | [0x14..=0x17, 3, ..] => None,
        _ if first_bytes.starts_with(b"HTTP/") => Some(permanent(format!(
            "this is an HTTP port (it answered '{}'), not one of a Kafka broker: look at the port in bootstrap.servers, or in \
             advertised.listeners of the brokers",
            shown()
        ))),
        _ if first_bytes.iter().take(8).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            Some(permanent(format!(
                "this is no port of a Kafka broker with TLS: it answered '{}'; look at the port in bootstrap.servers",
                shown()
            )))
        }
        _ => Some(permanent(
            "the answer is not TLS: this is a port without it; look at security.protocol and at the port in bootstrap.servers"
                .to_owned(),
        )),
    }
}

fn version_refused(client: &Client<'_>) -> TlsTrouble {
    permanent(format!(
        "the broker speaks none of the TLS versions offered ({}): enable TLSv1.2 or TLSv1.3 in ssl.enabled.protocols of the \
         broker, and here",
        client.versions
    ))
}

fn alerted(alert: AlertDescription, client: &Client<'_>) -> TlsTrouble {
    use AlertDescription as A;
    const DEMANDED: &str = "the broker demands a client certificate (ssl.client.auth=required): set ssl.keystore.location, or \
                            ssl.keystore.key and ssl.keystore.certificate.chain";
    match (alert, client.certificate) {
        (A::ProtocolVersion, _) => version_refused(client),
        (A::UnrecognisedName, _) => permanent(
            "the broker does not know the name it was connected by (TLS alert unrecognized_name): connect by the name in its \
             certificate"
                .to_owned(),
        ),
        (A::CertificateRequired | A::BadCertificate | A::CertificateUnknown | A::AccessDenied, None) => {
            permanent(format!("{DEMANDED} (TLS alert {})", name(alert)))
        }
        (A::HandshakeFailure | A::InsufficientSecurity, None) => permanent(format!(
            "the broker refuses the handshake (TLS alert {}): either it demands a client certificate, which \
             ssl.keystore.location brings, or it has no cipher suite in common with ssl.cipher.suites, or its certificate has \
             a key that is not accepted here (on P-521, Ed448 or DSA; give it RSA, P-256, P-384 or Ed25519)",
            name(alert)
        )),
        (A::HandshakeFailure | A::InsufficientSecurity, Some(about)) => permanent(format!(
            "the broker refuses the handshake (TLS alert {}): it has no cipher suite or signature in common with this client, or \
             does not take its certificate ({about}); a broker's own key has to be RSA, P-256, P-384 or Ed25519, not P-521",
            name(alert)
        )),
        (A::CertificateExpired, Some(about)) => {
            permanent(format!("the broker finds the client's certificate expired ({about}): renew it"))
        }
        (A::CertificateRevoked, Some(about)) => {
            permanent(format!("the broker finds the client's certificate revoked ({about}): use another"))
        }
        (A::UnknownCA, Some(about)) => permanent(format!(
            "the broker does not trust the issuer of the client's certificate ({about}): add that issuer to the broker's trust \
             store, or the certificates between to ssl.keystore.certificate.chain"
        )),
        (
            A::CertificateRequired
            | A::BadCertificate
            | A::CertificateUnknown
            | A::UnsupportedCertificate
            | A::AccessDenied
            | A::DecryptError,
            Some(about),
        ) => permanent(format!(
            "the broker does not accept the client's certificate ({about}; TLS alert {}): the broker's trust store lacks its \
             issuer, or it is out of its time or not for clients",
            name(alert)
        )),
        (
            A::CertificateExpired | A::CertificateRevoked | A::UnknownCA | A::UnsupportedCertificate | A::DecryptError,
            None,
        ) => permanent(format!("the broker refuses the connection (TLS alert {}): its log says why", name(alert))),
        (alert, _) => passing(format!("the broker ended the connection (TLS alert {}): its log says why", name(alert))),
    }
}

/// As RFC 8446 writes it: `certificate_required`.
fn name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let mut was_lower = false;
    for c in format!("{alert:?}").chars() {
        if c.is_uppercase() && was_lower {
            name.push('_');
        }
        was_lower = c.is_lowercase();
        name.extend(c.to_lowercase());
    }
    name
}
