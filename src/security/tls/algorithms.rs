//! The signatures that are accepted in certificates and handshakes: those of the crypto library, and those of RSA-PSS keys
//! (RFC 4055, id-RSASSA-PSS), which it can verify and has no entries for.

use std::sync::LazyLock;

use ring::signature::{self, RsaParameters, UnparsedPublicKey};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use crate::security::tls::adapted::AsSent;

type Verification = &'static dyn SignatureVerificationAlgorithm;

/// RFC 8446's `rsa_pss_pss_*`: signatures by keys that are for RSA-PSS alone.
pub(super) const RSA_PSS_PSS_SHA256: SignatureScheme = SignatureScheme::Unknown(0x0809);
pub(super) const RSA_PSS_PSS_SHA384: SignatureScheme = SignatureScheme::Unknown(0x080a);
pub(super) const RSA_PSS_PSS_SHA512: SignatureScheme = SignatureScheme::Unknown(0x080b);

/// Bytes of the object identifier at the beginning of an algorithm's identifier.
const OID_LEN: usize = 11;
/// Bytes of `saltLength` at the end of an algorithm's parameters.
const SALT_LEN: usize = 5;

/// Everything that is accepted. Made once: a TLS configuration wants it to live for ever.
static SUPPORTED: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let library = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let mut all = library.all.to_vec();
    let mut mapping = library.mapping.to_vec();
    for (scheme, signature, verification) in [
        (RSA_PSS_PSS_SHA256, alg_id::RSA_PSS_SHA256, &signature::RSA_PSS_2048_8192_SHA256),
        (RSA_PSS_PSS_SHA384, alg_id::RSA_PSS_SHA384, &signature::RSA_PSS_2048_8192_SHA384),
        (RSA_PSS_PSS_SHA512, alg_id::RSA_PSS_SHA512, &signature::RSA_PSS_2048_8192_SHA512),
    ] {
        let of_keys = |key| -> Verification { Box::leak(Box::new(RsaPss { key, signature, verification })) };
        let algorithms: Vec<Verification> = keys_for(signature).into_iter().map(of_keys).collect();
        all.extend(&algorithms);
        // Last: a broker that has another key as well shall use that.
        mapping.push((scheme, algorithms.leak()));
    }
    WebPkiSupportedAlgorithms { all: all.leak(), mapping: mapping.leak() }
});

/// The same for signatures in certificates that were adapted before they are read.
static FOR_CHAINS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let as_sent = |algorithm: &Verification| -> Verification { Box::leak(Box::new(AsSent(*algorithm))) };
    let all: Vec<Verification> = SUPPORTED.all.iter().map(as_sent).collect();
    WebPkiSupportedAlgorithms { all: all.leak(), mapping: SUPPORTED.mapping }
});

pub(super) fn supported() -> WebPkiSupportedAlgorithms {
    *SUPPORTED
}

pub(super) fn for_chains() -> WebPkiSupportedAlgorithms {
    *FOR_CHAINS
}

/// The algorithms that a scheme of TLS 1.2 may mean: it leaves the curve open.
pub(super) fn of_tls12(supported: &WebPkiSupportedAlgorithms, scheme: SignatureScheme) -> &'static [Verification] {
    supported.mapping.iter().find(|(known, _)| *known == scheme).map_or(&[], |(_, algorithms)| *algorithms)
}

/// The algorithms that a scheme of TLS 1.3 means: one, but for the parameters that RSA-PSS keys may carry. Empty: the scheme is
/// none of TLS 1.3's.
pub(super) fn of_tls13(supported: &WebPkiSupportedAlgorithms, scheme: SignatureScheme) -> &'static [Verification] {
    use SignatureScheme as S;
    let algorithms = of_tls12(supported, scheme);
    match scheme {
        S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512 => &[],
        RSA_PSS_PSS_SHA256 | RSA_PSS_PSS_SHA384 | RSA_PSS_PSS_SHA512 => algorithms,
        _ => algorithms.get(..1).unwrap_or_default(),
    }
}

/// The name that the same signature has by a key for RSA-PSS alone.
pub(super) fn by_pss_key(scheme: SignatureScheme) -> Option<SignatureScheme> {
    match scheme {
        SignatureScheme::RSA_PSS_SHA256 => Some(RSA_PSS_PSS_SHA256),
        SignatureScheme::RSA_PSS_SHA384 => Some(RSA_PSS_PSS_SHA384),
        SignatureScheme::RSA_PSS_SHA512 => Some(RSA_PSS_PSS_SHA512),
        _ => None,
    }
}

/// One kind of RSA-PSS key with one hash.
#[derive(Debug)]
struct RsaPss {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verification: &'static RsaParameters,
}

impl SignatureVerificationAlgorithm for RsaPss {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(self.verification, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// The keys that may make such signatures: those without parameters, and those limited to the signature's, with the salt's
/// least length or without it (which means 20).
fn keys_for(signature: AlgorithmIdentifier) -> [AlgorithmIdentifier; 3] {
    let whole: &'static [u8] = signature.as_ref().to_vec().leak();
    let mut without_salt = whole[..whole.len() - SALT_LEN].to_vec();
    // The length of the parameters, all below 128.
    without_salt[OID_LEN + 1] -= SALT_LEN as u8;
    let identifier = AlgorithmIdentifier::from_slice;
    [identifier(&whole[..OID_LEN]), signature, identifier(without_salt.leak())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_rsa_pss_keys_are_der() {
        for signature in [alg_id::RSA_PSS_SHA256, alg_id::RSA_PSS_SHA384, alg_id::RSA_PSS_SHA512] {
            let [bare, whole, without_salt] = keys_for(signature);
            assert_eq!(bare.as_ref(), b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a");
            for with_parameters in [whole, without_salt] {
                assert_eq!(with_parameters.as_ref()[OID_LEN], 0x30);
                assert_eq!(usize::from(with_parameters.as_ref()[OID_LEN + 1]), with_parameters.len() - OID_LEN - 2);
            }
            assert_eq!(&whole.as_ref()[whole.len() - SALT_LEN..whole.len() - 1], b"\xa2\x03\x02\x01");
        }
    }

    #[test]
    fn a_scheme_of_tls_1_3_means_one_curve_and_no_pkcs1() {
        let supported = supported();
        for (scheme, in_12, in_13) in [
            (SignatureScheme::ECDSA_NISTP256_SHA256, 2, 1),
            (SignatureScheme::RSA_PKCS1_SHA256, 1, 0),
            (SignatureScheme::RSA_PSS_SHA256, 1, 1),
            (RSA_PSS_PSS_SHA512, 3, 3),
            (SignatureScheme::RSA_PKCS1_SHA1, 0, 0),
        ] {
            assert_eq!(of_tls12(&supported, scheme).len(), in_12, "{scheme:?}");
            assert_eq!(of_tls13(&supported, scheme).len(), in_13, "{scheme:?}");
        }
    }
}
