//! Brokers' keys for RSA-PSS alone in TLS 1.2.
//!
//! The TLS library accepts the signature schemes of such keys (`rsa_pss_pss_*`) in TLS 1.3 only: in TLS 1.2 it ends the handshake at
//! a ServerKeyExchange that names one, before the verifier is asked. The same signatures have another name for keys that are for
//! all of RSA (`rsa_pss_rsae_*`), which it accepts. So `Renamer` writes that name into the message on its way in, a byte, and
//! `Restored` puts the broker's name back before the message is hashed: the transcript, which both sides confirm at the end of the
//! handshake, stays that of the bytes that were sent. The verifier looks at the key and verifies the signature by its kind.
//!
//! What an attacker changes is noticed as before. A scheme that does not belong to the certificate's kind of key makes the
//! transcripts differ.

use std::sync::LazyLock;

use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::{CipherSuiteCommon, SupportedCipherSuite, Tls12CipherSuite};
use x509_parser::prelude::{FromDer, X509Certificate};

const RECORD_OF_HANDSHAKE: u8 = 22;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const NAMED_CURVE: u8 = 3;
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;
/// Of a ServerKeyExchange: kind of curve, curve, and length of the public point.
const POINT_AT: usize = 4;
/// First byte of all schemes of RSA-PSS.
const PSS: u8 = 8;
/// Second bytes: of keys for RSA-PSS alone, less this they are those of keys for all of RSA.
const FIRST_ALONE: u8 = 9;
const LAST_ALONE: u8 = 11;
const DIFFERENCE: u8 = 5;
const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";

/// Renames the scheme in what a broker sends, until the handshake is encrypted or the message has passed.
#[derive(Debug, Default)]
pub struct Renamer {
    is_over: bool,
    record: Head<RECORD_HEAD>,
    message: Head<MESSAGE_HEAD>,
    /// Where in the message the next byte stands, how long the public point is, and the byte before.
    at: usize,
    point_len: usize,
    before: u8,
}

/// The beginning of a record or message, and how many bytes of its content are to come.
#[derive(Debug)]
struct Head<const N: usize> {
    bytes: [u8; N],
    filled: usize,
    left: usize,
}

impl<const N: usize> Default for Head<N> {
    fn default() -> Head<N> {
        Head { bytes: [0; N], filled: 0, left: 0 }
    }
}

impl<const N: usize> Head<N> {
    /// Takes a byte of the head; true: it is whole. `len_bytes` at its end are the length of the content.
    fn take(&mut self, byte: u8, len_bytes: usize) -> bool {
        self.bytes[self.filled] = byte;
        self.filled += 1;
        if self.filled < N {
            return false;
        }
        self.filled = 0;
        self.left = self.bytes[N - len_bytes..].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        true
    }
}

impl Renamer {
    /// Bytes as they came from the socket, in pieces of any length.
    pub fn pass(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.is_over {
                return;
            }
            if self.record.left > 0 {
                self.record.left -= 1;
                *byte = self.pass_content(*byte);
            } else if self.record.take(*byte, 2) {
                self.is_over = self.record.bytes[0] != RECORD_OF_HANDSHAKE;
            }
        }
    }

    fn pass_content(&mut self, byte: u8) -> u8 {
        if self.message.left == 0 {
            if self.message.take(byte, 3) {
                (self.at, self.point_len) = (0, 0);
            }
            return byte;
        }
        let (at, before) = (self.at, std::mem::replace(&mut self.before, byte));
        self.message.left -= 1;
        self.at += 1;
        if self.message.bytes[0] != SERVER_KEY_EXCHANGE {
            return byte;
        }
        match at {
            0 if byte != NAMED_CURVE => self.is_over = true,
            3 => self.point_len = byte.into(),
            _ if at == POINT_AT + self.point_len + 1 => {
                self.is_over = true;
                if before == PSS && (FIRST_ALONE..=LAST_ALONE).contains(&byte) {
                    return byte - DIFFERENCE;
                }
            }
            _ => {}
        }
        byte
    }
}

/// The same suites, whose hash of the handshake is that of the bytes that were sent.
pub(super) fn suites() -> Vec<SupportedCipherSuite> {
    // Once: a TLS configuration wants them to live for ever.
    static SUITES: LazyLock<Vec<SupportedCipherSuite>> = LazyLock::new(|| {
        let all = rustls::crypto::ring::default_provider().cipher_suites;
        all.into_iter().map(with_restored_hash).collect()
    });
    SUITES.clone()
}

fn with_restored_hash(suite: SupportedCipherSuite) -> SupportedCipherSuite {
    let SupportedCipherSuite::Tls12(plain) = suite else { return suite };
    let common = CipherSuiteCommon {
        suite: plain.common.suite,
        hash_provider: Box::leak(Box::new(Restored(plain.common.hash_provider))),
        confidentiality_limit: plain.common.confidentiality_limit,
    };
    SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
        common,
        prf_provider: plain.prf_provider,
        kx: plain.kx,
        sign: plain.sign,
        aead_alg: plain.aead_alg,
    })))
}

/// Hashes handshakes as they were sent.
struct Restored(&'static dyn Hash);

struct RestoredContext {
    hashed: Box<dyn Context>,
    /// The broker's certificate has a key for RSA-PSS alone.
    is_pss: bool,
}

impl Hash for Restored {
    fn start(&self) -> Box<dyn Context> {
        Box::new(RestoredContext { hashed: self.0.start(), is_pss: false })
    }

    fn hash(&self, data: &[u8]) -> Output {
        self.0.hash(data)
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }
}

impl Context for RestoredContext {
    fn fork_finish(&self) -> Output {
        self.hashed.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(RestoredContext { hashed: self.hashed.fork(), is_pss: self.is_pss })
    }

    fn finish(self: Box<Self>) -> Output {
        self.hashed.finish()
    }

    /// Whole messages, one or several.
    fn update(&mut self, data: &[u8]) {
        match data.first() {
            Some(&CERTIFICATE) => self.is_pss = shows_pss_key(data),
            Some(&SERVER_KEY_EXCHANGE) if self.is_pss => {
                if let Some(sent) = restored(data) {
                    return self.hashed.update(&sent);
                }
            }
            _ => {}
        }
        self.hashed.update(data);
    }
}

/// Whether the first certificate of the message has a key for RSA-PSS alone.
fn shows_pss_key(message: &[u8]) -> bool {
    // The message's head, then two lengths: of the list and of its first certificate.
    let certificate = message.get(MESSAGE_HEAD + 6..).unwrap_or_default();
    X509Certificate::from_der(certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().algorithm.algorithm.to_id_string() == RSASSA_PSS)
}

/// The ServerKeyExchange as the broker sent it.
fn restored(message: &[u8]) -> Option<Vec<u8>> {
    let point_len = usize::from(*message.get(MESSAGE_HEAD + 3)?);
    let at = MESSAGE_HEAD + POINT_AT + point_len;
    let is_renamed = message.get(at) == Some(&PSS)
        && message
            .get(at + 1)
            .is_some_and(|byte| (FIRST_ALONE..=LAST_ALONE).contains(&byte.saturating_add(DIFFERENCE)));
    is_renamed.then(|| {
        let mut sent = message.to_vec();
        sent[at + 1] += DIFFERENCE;
        sent
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ServerKeyExchange with this scheme, behind a ServerHello of four bytes.
    fn messages(scheme: [u8; 2]) -> Vec<u8> {
        let mut exchange = vec![NAMED_CURVE, 0, 29, 3, 8, 9, 10];
        exchange.extend_from_slice(&scheme);
        exchange.extend_from_slice(&[0, 2, 8, 9]);
        let mut bytes = vec![2, 0, 0, 4, 8, 9, 8, 9, SERVER_KEY_EXCHANGE, 0, 0, exchange.len() as u8];
        bytes.extend_from_slice(&exchange);
        bytes
    }

    /// In records of so many bytes.
    fn records(content: &[u8], most: usize) -> Vec<u8> {
        content.chunks(most).flat_map(|piece| [&[22, 3, 3, 0, piece.len() as u8], piece].concat()).collect()
    }

    #[test]
    fn schemes_are_renamed_however_the_bytes_are_cut_and_back_again() {
        for (sent, read) in [([8, 9], [8, 4]), ([8, 10], [8, 5]), ([8, 11], [8, 6]), ([8, 4], [8, 4]), ([4, 9], [4, 9])]
        {
            for most in [1, 2, 7, 100] {
                for piece in [1, 3, 1_000] {
                    let mut bytes = records(&messages(sent), most);
                    let mut renamer = Renamer::default();
                    bytes.chunks_mut(piece).for_each(|piece| renamer.pass(piece));
                    assert_eq!(bytes, records(&messages(read), most), "{sent:?} {most} {piece}");
                    // What follows is none of its business.
                    let mut later = records(&messages([8, 9]), 100);
                    renamer.pass(&mut later);
                    assert_eq!(later, records(&messages([8, 9]), 100));
                }
            }
        }
        let exchange = |scheme| messages(scheme)[8..].to_vec();
        assert_eq!(restored(&exchange([8, 4])), Some(exchange([8, 9])));
        assert_eq!(restored(&exchange([8, 6])), Some(exchange([8, 11])));
        assert_eq!(restored(&exchange([4, 4])), None);
        for len in 0..exchange([8, 4]).len() {
            restored(&exchange([8, 4])[..len]);
        }
    }

    #[test]
    fn what_is_encrypted_or_no_curve_passes_as_it_is() {
        for first in [20, 21, 23] {
            let mut bytes = records(&messages([8, 9]), 100);
            bytes[0] = first;
            let before = bytes.clone();
            Renamer::default().pass(&mut bytes);
            assert_eq!(bytes, before);
        }
        let mut other = messages([8, 9]);
        other[12] = 1;
        let mut bytes = records(&other, 100);
        Renamer::default().pass(&mut bytes);
        assert_eq!(bytes, records(&other, 100));
    }
}
