//! Certificates as the library that builds chains can read them.
//!
//! It refuses critical extensions that it does not know. OpenSSL and Java know five more, which ask nothing of a client without
//! policies of its own: those of certificate policies, and Netscape's type, which `purpose.rs` looks at. Nor does it take an
//! authority's certificate for a broker's, as they do. So these flags are cleared, a byte each, before it reads a certificate, and
//! `AsSent` sets them again before it verifies a signature, which covers what was sent.

use std::ops::Range;

use rustls::pki_types::{AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm};

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// The field of a certificate that holds its extensions.
const EXTENSIONS: u8 = 0xa3;
const TRUE: u8 = 0xff;
const FALSE: u8 = 0x00;

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// Extensions that may be critical: certificatePolicies, policyMappings, policyConstraints, inhibitAnyPolicy, nsCertType.
const KNOWN: [&[u8]; 5] = [
    &[0x55, 0x1d, 0x20],
    &[0x55, 0x1d, 0x21],
    &[0x55, 0x1d, 0x24],
    &[0x55, 0x1d, 0x36],
    &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x01],
];

/// What a certificate is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadAs {
    Broker,
    Issuer,
}

/// The certificate with the flags cleared that would have it refused; itself if there are none, or if it is no certificate.
pub(super) fn adapted<'a>(certificate: &'a CertificateDer<'_>, read_as: ReadAs) -> CertificateDer<'a> {
    let Some(signed) = signed_part(certificate) else { return CertificateDer::from(&certificate[..]) };
    let flags = Flags::of(&certificate[signed.clone()]);
    let authority = flags.authority.filter(|_| read_as == ReadAs::Broker);
    let flags = flags.critical.into_iter().chain(authority).map(|at| signed.start + at);
    let set: Vec<usize> = flags.filter(|at| certificate[*at] == TRUE).collect();
    if set.is_empty() {
        return CertificateDer::from(&certificate[..]);
    }
    CertificateDer::from(with(certificate, &set, FALSE))
}

/// Verifies signatures of adapted certificates over the bytes that were sent. It adds nothing that would be accepted: whatever flag
/// is set again was read as cleared, which makes the certificate fit for less or means nothing here.
#[derive(Debug)]
pub(super) struct AsSent(pub &'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for AsSent {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let is_signed = |message: &[u8]| self.0.verify_signature(public_key, message, signature).is_ok();
        match is_signed(message) || originals(message).iter().any(|original| is_signed(original)) {
            true => Ok(()),
            false => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }
}

/// What the signed part of an adapted certificate may have been.
fn originals(signed: &[u8]) -> Vec<Vec<u8>> {
    let flags = Flags::of(signed);
    let is_cleared = |at: &usize| signed[*at] == FALSE;
    let critical: Vec<usize> = flags.critical.into_iter().filter(is_cleared).collect();
    let authority: Vec<usize> = flags.authority.into_iter().filter(is_cleared).collect();
    let both = [&critical[..], &authority].concat();
    let mut choices = vec![critical, authority, both];
    choices.retain(|choice| !choice.is_empty());
    choices.dedup();
    choices.iter().map(|choice| with(signed, choice, TRUE)).collect()
}

fn with(bytes: &[u8], places: &[usize], value: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for at in places {
        changed[*at] = value;
    }
    changed
}

/// Where the flags stand in the signed part of a certificate, if they are written at all.
#[derive(Default)]
struct Flags {
    /// `critical` of the known extensions.
    critical: Vec<usize>,
    /// `cA` of the basic constraints.
    authority: Option<usize>,
}

impl Flags {
    /// Of bytes that are no certificate none.
    fn of(signed: &[u8]) -> Flags {
        let mut flags = Flags::default();
        let Some((SEQUENCE, fields)) = element(signed, 0) else { return flags };
        let extensions = elements(signed, fields)
            .find(|(tag, _)| *tag == EXTENSIONS)
            .and_then(|(_, wrapped)| element(signed, wrapped.start));
        let Some((SEQUENCE, extensions)) = extensions else { return flags };
        for (_, extension) in elements(signed, extensions).filter(|(tag, _)| *tag == SEQUENCE) {
            let mut parts = elements(signed, extension);
            let Some((OID, id)) = parts.next() else { continue };
            let next = parts.next();
            let critical = next.clone().filter(|(tag, content)| *tag == BOOLEAN && content.len() == 1);
            let value = if critical.is_some() { parts.next() } else { next };
            let id = &signed[id];
            if KNOWN.contains(&id) {
                flags.critical.extend(critical.map(|(_, content)| content.start));
            }
            if id == BASIC_CONSTRAINTS
                && let Some((OCTET_STRING, value)) = value
                && let Some((SEQUENCE, constraints)) = element(signed, value.start)
                && let Some((BOOLEAN, flag)) = elements(signed, constraints).next()
                && flag.len() == 1
            {
                flags.authority = Some(flag.start);
            }
        }
        flags
    }
}

/// The place of the part of a certificate that is signed, its own head included.
fn signed_part(certificate: &[u8]) -> Option<Range<usize>> {
    let (_, whole) = element(certificate, 0)?;
    let (_, signed) = element(certificate, whole.start)?;
    Some(whole.start..signed.end)
}

/// The tag of the DER element at a place, and where its content is.
fn element(bytes: &[u8], at: usize) -> Option<(u8, Range<usize>)> {
    let (&[tag, first], rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
    let more = usize::from(first & 0x7f);
    let (start, len) = match first {
        0..=0x7f => (at + 2, usize::from(first)),
        0x81..=0x84 => {
            let digits = rest.get(..more)?;
            (at + 2 + more, digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    let end = start.checked_add(len).filter(|end| *end <= bytes.len())?;
    Some((tag, start..end))
}

/// The elements that stand in a place one after another.
fn elements(bytes: &[u8], place: Range<usize>) -> impl Iterator<Item = (u8, Range<usize>)> {
    let mut at = place.start;
    std::iter::from_fn(move || {
        let found = element(&bytes[..place.end], at)?;
        at = found.1.end;
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CustomExtension, IsCa, KeyPair};

    fn certificate(is_ca: IsCa, ids: &[&[u64]]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.custom_extensions = ids
            .iter()
            .map(|id| {
                let mut extension = CustomExtension::from_oid_content(id, vec![0x30, 0]);
                extension.set_criticality(true);
                extension
            })
            .collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn known_flags_are_cleared_and_set_again() {
        let authority = || IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let policies: &[u64] = &[2, 5, 29, 32];
        let unknown: &[u64] = &[1, 2, 3, 4];
        for (certificate, as_broker, as_issuer) in [
            (certificate(authority(), &[policies, unknown, &[2, 5, 29, 54], &[2, 16, 840, 1, 113_730, 1, 1]]), 4, 3),
            (certificate(authority(), &[]), 1, 0),
            (certificate(IsCa::ExplicitNoCa, &[&[2, 5, 29, 33], &[2, 5, 29, 36]]), 2, 2),
            (certificate(IsCa::NoCa, &[unknown]), 0, 0),
        ] {
            for (read_as, changes) in [(ReadAs::Broker, as_broker), (ReadAs::Issuer, as_issuer)] {
                let changed = adapted(&certificate, read_as);
                let differences = changed.iter().zip(certificate.iter()).filter(|(a, b)| a != b);
                assert!(differences.clone().all(|pair| pair == (&FALSE, &TRUE)));
                assert_eq!(differences.count(), changes);
                let (new, old) = (signed_part(&changed).unwrap(), signed_part(&certificate).unwrap());
                assert_eq!(new, old);
                let is_found = originals(&changed[new]).iter().any(|original| original[..] == certificate[old.clone()]);
                assert_eq!(is_found, changes > 0);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_certificate_stay_as_they_are() {
        let certificate = certificate(IsCa::NoCa, &[&[2, 5, 29, 32]]);
        for len in 0..certificate.len() {
            let cut = CertificateDer::from(&certificate[..len]);
            assert_eq!(adapted(&cut, ReadAs::Broker), cut);
        }
        for at in 0..certificate.len() {
            for value in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let damaged = CertificateDer::from(with(&certificate, &[at], value));
                assert_eq!(adapted(&damaged, ReadAs::Broker).len(), damaged.len());
                originals(&damaged);
            }
        }
    }
}
