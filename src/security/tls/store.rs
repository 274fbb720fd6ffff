//! PKCS#12 files, as key stores and as trust stores.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as Pkcs12Error;
use rustls::pki_types::CertificateDer;

use crate::secret::SecretBytes;

/// What a PKCS#12 file holds.
pub(super) struct Store {
    /// PKCS#8.
    pub keys: Vec<SecretBytes>,
    /// Each with Java's mark of an entry that is trusted.
    pub certificates: Vec<(CertificateDer<'static>, bool)>,
}

/// Why a store does not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unopened {
    WrongPassword,
    /// What else, in words.
    Because(String),
}

/// What a file is by its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Pem,
    Pkcs12,
    /// Java's own form, JKS or JCEKS.
    Jks,
    /// Bouncy Castle's BKS and others.
    Unknown,
    /// A certificate or key without PEM around it.
    Der,
}

pub(super) fn form(content: &[u8]) -> Form {
    const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
    const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
    if content.starts_with(&JKS) || content.starts_with(&JCEKS) {
        Form::Jks
    } else if super::pem::is_pem(content) {
        Form::Pem
    } else if content.first() != Some(&0x30) {
        Form::Unknown
    } else if begins_with_version_3(content) {
        Form::Pkcs12
    } else {
        Form::Der
    }
}

/// `SEQUENCE { INTEGER 3`: a PFX. A plain PKCS#8 or PKCS#1 key begins with 0 or 1, a certificate with a sequence.
fn begins_with_version_3(content: &[u8]) -> bool {
    let length_bytes = match content.get(1) {
        Some(length) if *length >= 0x80 => usize::from(*length & 0x7f),
        _ => 0,
    };
    content.get(2 + length_bytes..).is_some_and(|inside| inside.starts_with(&[0x02, 0x01, 0x03]))
}

pub(super) fn open(content: &[u8], password: &str) -> Result<Store, Unopened> {
    let archive = Pkcs12Archive::from_pkcs12(content, password).map_err(|error| match error {
        Pkcs12Error::MacError(_) | Pkcs12Error::UnpadError | Pkcs12Error::Pkcs5Error(_) => Unopened::WrongPassword,
        Pkcs12Error::UnsupportedEncryptionScheme | Pkcs12Error::UnsupportedMacAlgorithm => Unopened::Because(
            "it is encrypted in a way that is not read here: write it again with 'openssl pkcs12 -export' or keytool"
                .into(),
        ),
        _ => Unopened::Because("it is no PKCS#12 file, or it is damaged".into()),
    })?;
    Ok(Store {
        keys: archive.keys.iter().map(|bag| SecretBytes::new(bag.key.as_der().to_vec())).collect(),
        certificates: archive
            .certs
            .iter()
            .map(|bag| (CertificateDer::from(bag.cert.as_der().to_vec()), bag.trusted))
            .collect(),
    })
}

/// What to do with a file in Java's own form.
pub(super) const CONVERT_JKS: &str = "is a store in Java's own form (JKS), which only Java reads: convert it with \
     'keytool -importkeystore -srckeystore OLD.jks -destkeystore NEW.p12 -deststoretype PKCS12', and name the new file";
