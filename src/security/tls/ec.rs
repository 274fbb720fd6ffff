//! EC keys that are stored without their public key, as Java stores them: ring wants both, and the certificate has it.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Reader, SliceReader};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivateSec1KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";

/// The key with the public key of each certificate that may be its; which one it is, the signature library checks.
pub(super) fn with_public_key(
    key: &PrivateKeyDer<'_>,
    certificates: &[CertificateDer<'_>],
) -> Vec<PrivateKeyDer<'static>> {
    let Some(scalar) = scalar(key) else {
        return Vec::new();
    };
    let mut completed = Vec::new();
    for certificate in certificates {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            continue;
        };
        let public = certificate.public_key();
        let point = &public.subject_public_key.data;
        // Uncompressed: 4, then both coordinates.
        let length = point.len().saturating_sub(1) / 2;
        let is_point = matches!(length, 32 | 48) && point.first() == Some(&4);
        if is_point && public.algorithm.algorithm.to_id_string() == EC_PUBLIC_KEY {
            completed.extend(fitted(&scalar, length).map(|scalar| sec1(&scalar, point)));
        }
    }
    completed
}

/// The secret number of an EC key.
fn scalar(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let sec1 = match key {
        PrivateKeyDer::Sec1(key) => key.secret_sec1_der(),
        PrivateKeyDer::Pkcs8(key) => {
            let info = PrivateKeyInfoRef::try_from(key.secret_pkcs8_der()).ok()?;
            if info.algorithm.oid.to_string() != EC_PUBLIC_KEY {
                return None;
            }
            info.private_key.as_bytes()
        }
        _ => return None,
    };
    let mut reader = SliceReader::new(sec1).ok()?;
    let scalar = reader.sequence(|reader| {
        let _version = u8::decode(reader)?;
        let scalar = <&OctetStringRef>::decode(reader)?.as_bytes().to_vec();
        // The curve, and the public key if it is there after all.
        let length = reader.remaining_len();
        reader.read_slice(length)?;
        Ok::<_, pkcs8::der::Error>(scalar)
    });
    scalar.ok()
}

/// With as many zeros in front as its curve wants.
fn fitted(scalar: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = scalar.iter().take_while(|byte| **byte == 0).count();
    let significant = &scalar[zeros..];
    let missing = length.checked_sub(significant.len())?;
    Some([&vec![0; missing][..], significant].concat())
}

/// `ECPrivateKey` of RFC 5915; the curve follows from the lengths.
fn sec1(scalar: &[u8], point: &[u8]) -> PrivateKeyDer<'static> {
    let public = element(0xa1, &element(0x03, &[&[0], point].concat()));
    let inside = [element(0x02, &[1]), element(0x04, scalar), public].concat();
    PrivateSec1KeyDer::from(element(0x30, &inside)).into()
}

/// Contents here are shorter than 256 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head[..], content].concat()
}
