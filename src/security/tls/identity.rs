//! The client's key and certificates, for brokers that demand one.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{StoreType, TlsSettings};
use crate::error::{Error, Result, Status};
use crate::secret::SecretBytes;
use crate::security::tls::ec;
use crate::security::tls::files::{Files, shown};
use crate::security::tls::pbe::{Locked, decrypt_pkcs8, decrypt_traditional};
use crate::security::tls::pem::{self, Section};
use crate::security::tls::store::{self, Form, Unopened};
use crate::security::tls::words;

/// What the client shows of itself.
pub(super) struct Identity {
    pub certified: Arc<CertifiedKey>,
    /// Of the certificate, for messages.
    pub about: String,
}

/// Content with the property that brought it.
struct Source {
    property: &'static str,
    /// The file, or `the text`.
    name: String,
    /// It may hold a key.
    content: SecretBytes,
}

impl Source {
    fn file(property: &'static str, location: &str, files: &mut Files) -> Result<Source> {
        let content = SecretBytes::new(files.read(property, location)?);
        Ok(Source { property, name: shown(Path::new(location)), content })
    }

    fn text(property: &'static str, text: &str) -> Source {
        Source { property, name: "the text".to_owned(), content: SecretBytes::new(text.as_bytes().to_vec()) }
    }

    fn bad(&self, what: &str) -> Error {
        Error::new(Status::INVALID_PROPERTY, format!("property '{}': {} {what}", self.property, self.name))
    }

    fn sections(&self) -> Result<Vec<Section>> {
        pem::sections(self.content.reveal()).map_err(|what| {
            Error::new(Status::INVALID_PROPERTY, format!("property '{}': {}: {what}", self.property, self.name))
        })
    }
}

fn conflict(text: String) -> Error {
    Error::new(Status::CONFIG_CONFLICT, text)
}

/// `None`: the client shows nothing.
pub(super) fn load(settings: &TlsSettings, provider: &CryptoProvider, files: &mut Files) -> Result<Option<Identity>> {
    let keys =
        [("ssl.keystore.key", settings.keystore_key.reveal()), ("ssl.key.location", settings.key_location.as_str())];
    let chains = [
        ("ssl.keystore.certificate.chain", settings.keystore_certificate_chain.as_str()),
        ("ssl.certificate.location", settings.certificate_location.as_str()),
    ];
    let key_property = one_of(&keys)?;
    let chain_property = one_of(&chains)?;
    if !settings.keystore_location.is_empty() {
        if let Some(other) = key_property.or(chain_property) {
            return Err(conflict(format!(
                "ssl.keystore.location and {other} both bring the client's key and certificate: set one"
            )));
        }
        return from_store(settings, provider, files).map(Some);
    }
    let key = match key_property {
        Some("ssl.keystore.key") => Source::text("ssl.keystore.key", settings.keystore_key.reveal()),
        Some(property) => Source::file(property, &settings.key_location, files)?,
        None => {
            return match chain_property {
                Some(chain) => Err(conflict(format!(
                    "{chain} is set, but no key that belongs to the certificate: set ssl.keystore.key (PEM text) or \
                     ssl.key.location (a file)"
                ))),
                None => Ok(None),
            };
        }
    };
    let chain = match chain_property {
        Some("ssl.keystore.certificate.chain") => {
            Source::text("ssl.keystore.certificate.chain", &settings.keystore_certificate_chain)
        }
        Some(property) => Source::file(property, &settings.certificate_location, files)?,
        // One file may hold both.
        None if certificates(&key).is_ok() => Source { content: key.content.clone(), name: key.name.clone(), ..key },
        None => {
            return Err(conflict(format!(
                "{} is set, but no certificate that belongs to the key: set ssl.keystore.certificate.chain (PEM text) or \
                 ssl.certificate.location (a file)",
                key.property
            )));
        }
    };
    let certificates = certificates(&chain)?;
    let signing = signing_key(&key, private_key(&key, settings.key_password.reveal())?, &certificates, provider)?;
    join(&key, signing, &chain, certificates).map(Some)
}

/// The one of two properties that is set.
fn one_of(pair: &[(&'static str, &str); 2]) -> Result<Option<&'static str>> {
    match pair.iter().filter(|(_, value)| !value.is_empty()).map(|(property, _)| *property).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(conflict(format!("{} and {} say the same thing in two ways: set one", pair[0].0, pair[1].0))),
    }
}

fn from_store(settings: &TlsSettings, provider: &CryptoProvider, files: &mut Files) -> Result<Identity> {
    let source = Source::file("ssl.keystore.location", &settings.keystore_location, files)?;
    let form = store::form(source.content.reveal());
    let form = match (settings.keystore_type, form) {
        (_, Form::Jks) => return Err(source.bad(store::CONVERT_JKS)),
        (StoreType::Pem, Form::Pkcs12) => {
            return Err(source.bad("is PKCS#12, but ssl.keystore.type is PEM: remove that"));
        }
        (StoreType::Pkcs12, Form::Pem) => {
            return Err(source.bad("is PEM, but ssl.keystore.type is PKCS12: remove that"));
        }
        (_, form) => form,
    };
    match form {
        Form::Pem => {
            // Java takes ssl.key.password only; who has set the other one alone means the same.
            let password = match (settings.key_password.reveal(), settings.keystore_password.reveal()) {
                ("", "") => ("ssl.key.password", ""),
                ("", password) => ("ssl.keystore.password", password),
                (password, _) => ("ssl.key.password", password),
            };
            let key = unlocked_key(&source, password)?;
            let certificates = certificates(&source)?;
            let signing = signing_key(&source, key, &certificates, provider)?;
            join(&source, signing, &source, certificates)
        }
        Form::Pkcs12 => from_pkcs12(&source, settings.keystore_password.reveal(), provider),
        _ => Err(source.bad("is neither PEM nor PKCS#12")),
    }
}

fn from_pkcs12(source: &Source, password: &str, provider: &CryptoProvider) -> Result<Identity> {
    let opened = store::open(source.content.reveal(), password).map_err(|why| match why {
        Unopened::WrongPassword if password.is_empty() => source.bad("has a password: set ssl.keystore.password to it"),
        Unopened::WrongPassword => source.bad("does not open: the password in ssl.keystore.password is wrong"),
        Unopened::Because(what) => source.bad(&format!("cannot be read: {what}")),
    })?;
    if opened.keys.is_empty() {
        let text = "holds no private key: for certificates alone there is ssl.truststore.location";
        return Err(source.bad(text));
    }
    let certificates: Vec<_> = opened.certificates.into_iter().map(|(certificate, _)| certificate).collect();
    // Of several keys the first that has a certificate, as with Java when the broker has no wish.
    let mut refused = None;
    for key in opened.keys {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.reveal().to_vec()));
        let signing = signing_key(source, key, &certificates, provider);
        match signing.and_then(|signing| join(source, signing, source, certificates.clone())) {
            Ok(identity) => return Ok(identity),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or_else(|| source.bad("holds no private key")))
}

fn certificates(source: &Source) -> Result<Vec<CertificateDer<'static>>> {
    if store::form(source.content.reveal()) == Form::Der && X509Certificate::from_der(source.content.reveal()).is_ok() {
        return Ok(vec![CertificateDer::from(source.content.reveal().to_vec())]);
    }
    let found: Vec<_> = source
        .sections()?
        .into_iter()
        .filter(Section::is_certificate)
        .map(|section| CertificateDer::from(section.certificate_der()))
        .collect();
    if found.is_empty() {
        return Err(source.bad("holds no PEM certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

fn private_key(source: &Source, password: &str) -> Result<PrivateKeyDer<'static>> {
    unlocked_key(source, ("ssl.key.password", password))
}

/// The key in a PEM text or DER that another property than TLS's names, `name` being the file or `the text`.
pub(super) fn key_of(
    property: &'static str,
    name: &str,
    content: &[u8],
    password: (&str, &str),
) -> Result<PrivateKeyDer<'static>> {
    unlocked_key(&Source { property, name: name.to_owned(), content: SecretBytes::new(content.to_vec()) }, password)
}

fn unlocked_key(source: &Source, (password_property, password): (&str, &str)) -> Result<PrivateKeyDer<'static>> {
    if store::form(source.content.reveal()) == Form::Der {
        return PrivateKeyDer::try_from(source.content.reveal().to_vec())
            .map_err(|_| source.bad("is neither a PEM file nor a private key in DER"));
    }
    let mut keys: Vec<Section> = source.sections()?.into_iter().filter(Section::is_key).collect();
    let key = match (keys.pop(), keys.len()) {
        (Some(key), 0) => key,
        (None, _) => return Err(source.bad("holds no private key (-----BEGIN PRIVATE KEY-----)")),
        (Some(_), others) => return Err(source.bad(&format!("holds {} private keys: leave one", others + 1))),
    };
    let opened = |open: &dyn Fn() -> std::result::Result<SecretBytes, Locked>| {
        if password.is_empty() {
            return Err(source.bad(&format!("holds an encrypted key: set {password_property} to its password")));
        }
        open().map_err(|why| match why {
            Locked::WrongPassword => {
                source.bad(&format!("does not open: the password in {password_property} is wrong"))
            }
            Locked::Damaged => source.bad("holds a damaged key"),
            Locked::UnknownScheme => source.bad(
                "holds a key that is encrypted in a way that is not read here: encrypt it again with \
                 'openssl pkcs8 -topk8 -v2 aes-256-cbc'",
            ),
        })
    };
    let is_locked = key.header("Proc-Type").is_some_and(|value| value.contains("ENCRYPTED"));
    let der = match (key.label.as_str(), is_locked) {
        ("ENCRYPTED PRIVATE KEY", _) => opened(&|| decrypt_pkcs8(key.der.reveal(), password))?,
        (_, true) => {
            let dek_info = key.header("DEK-Info").unwrap_or_default();
            opened(&|| decrypt_traditional(dek_info, key.der.reveal(), password))?
        }
        (_, false) => key.der,
    };
    // The library takes its own, and what it makes of it stays as long as the connections.
    let der = der.reveal().to_vec();
    match key.label.as_str() {
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "OPENSSH PRIVATE KEY" => Err(source.bad(
            "holds a key in OpenSSH's own form: convert a copy of it with 'ssh-keygen -p -m PKCS8 -f COPY', and name that",
        )),
        label => {
            let label = words::clean(label);
            Err(source.bad(&format!("holds a key of a kind that TLS has no use for ({label}): {KINDS}")))
        }
    }
}

const KINDS: &str = "keys may be RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519";

fn signing_key(
    source: &Source,
    key: PrivateKeyDer<'static>,
    certificates: &[CertificateDer<'_>],
    provider: &CryptoProvider,
) -> Result<Arc<dyn SigningKey>> {
    /// The object identifier of P-521 in DER.
    const P521: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
    let is_p521 = key.secret_der().windows(P521.len()).any(|part| part == P521);
    let completed = ec::with_public_key(&key, certificates);
    // What the library says of it is not passed on: it might quote the key.
    let loaded = provider.key_provider.load_private_key(key).ok();
    let loaded =
        loaded.or_else(|| completed.into_iter().find_map(|key| provider.key_provider.load_private_key(key).ok()));
    loaded.ok_or_else(|| {
        let what = if is_p521 { "holds an EC key on P-521" } else { "holds a key that is damaged or of another kind" };
        source.bad(&format!("{what}: {KINDS}"))
    })
}

/// Finds the certificate of the key, and those that lead from it to the root.
fn join(
    key_source: &Source,
    key: Arc<dyn SigningKey>,
    chain_source: &Source,
    mut rest: Vec<CertificateDer<'static>>,
) -> Result<Identity> {
    let public = key.public_key();
    let belongs = |certificate: &CertificateDer<'_>| match (&public, X509Certificate::from_der(certificate)) {
        (Some(public), Ok((_, certificate))) => {
            let bits = &certificate.public_key().subject_public_key.data;
            !bits.is_empty() && public.ends_with(bits)
        }
        _ => false,
    };
    for (at, certificate) in rest.iter().enumerate() {
        if X509Certificate::from_der(certificate).is_err() {
            return Err(chain_source.bad(&format!("holds a damaged certificate: number {}", at + 1)));
        }
    }
    let Some(at) = rest.iter().position(belongs) else {
        let Some(first) = rest.first() else {
            return Err(chain_source.bad("holds a private key, but no certificate that belongs to it"));
        };
        let subject = words::facts(first).map(|facts| facts.subject).unwrap_or_default();
        let key_is_in = match key_source.name == chain_source.name {
            true => "the private key in it".to_owned(),
            false => format!("the private key of {}", key_source.property),
        };
        return Err(chain_source.bad(&format!(
            "holds the certificate of '{subject}', which does not belong to {key_is_in}: their public keys differ; name the \
             pair that was made together"
        )));
    };
    let mut chain = vec![rest.remove(at)];
    while let Some(at) = chain.last().and_then(|last| issuer_of(last, &rest)) {
        chain.push(rest.remove(at));
    }
    let about = match chain.first().and_then(words::facts) {
        Some(facts) => format!("{}, {}", facts.who(), facts.validity()),
        None => "the client's certificate".to_owned(),
    };
    Ok(Identity { certified: Arc::new(CertifiedKey::new(chain, key)), about })
}

fn issuer_of(certificate: &CertificateDer<'_>, among: &[CertificateDer<'_>]) -> Option<usize> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let issuer = parsed.issuer().as_raw();
    if parsed.subject().as_raw() == issuer {
        return None;
    }
    among
        .iter()
        .position(|other| X509Certificate::from_der(other).is_ok_and(|(_, other)| other.subject().as_raw() == issuer))
}
