//! A broker's side of SCRAM (RFC 5802) and of the other mechanisms, written apart from the client's, so that a mistake of
//! theirs cannot agree with itself. No channel binding, as in Kafka.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

/// Kafka's own default.
const ITERATIONS: u32 = 4_096;
const SALT: &[u8] = b"a mock cluster's";

/// Which hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        if self == Hash::Sha256 { hmac::HMAC_SHA256 } else { hmac::HMAC_SHA512 }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = if self == Hash::Sha256 { &digest::SHA256 } else { &digest::SHA512 };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    fn sign(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), bytes).as_ref().to_vec()
    }

    fn salted(self, password: &str) -> Vec<u8> {
        let algorithm = if self == Hash::Sha256 { pbkdf2::PBKDF2_HMAC_SHA256 } else { pbkdf2::PBKDF2_HMAC_SHA512 };
        let mut out = vec![0; if self == Hash::Sha256 { 32 } else { 64 }];
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(algorithm, iterations, SALT, password.as_bytes(), &mut out);
        out
    }
}

/// What a broker keeps of a user instead of the password.
#[derive(Clone)]
pub(super) struct Keys {
    hash: Hash,
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl Keys {
    pub(super) fn new(hash: Hash, password: &str) -> Keys {
        let salted = hash.salted(password);
        let stored = hash.digest(&hash.sign(&salted, b"Client Key"));
        Keys { hash, stored, server: hash.sign(&salted, b"Server Key") }
    }
}

/// An exchange whose client has named itself.
pub(super) struct Scram {
    keys: Keys,
    nonce: String,
    /// The start of what both sides sign.
    bare_and_first: String,
}

impl Scram {
    /// The client's first message; `nonce` is ours. Gives what is answered. `None`: it is not SCRAM, or another user.
    pub(super) fn begin(keys: &Keys, username: &str, message: &[u8], nonce: &str) -> Option<(Scram, Vec<u8>)> {
        let message = std::str::from_utf8(message).ok()?;
        // "n" or "y": no channel binding. Then perhaps an identity to act for.
        let (binding, rest) = message.split_once(',')?;
        let (_, bare) = rest.split_once(',')?;
        let (name, rest) = bare.strip_prefix("n=")?.split_once(',')?;
        let theirs = rest.strip_prefix("r=")?.split(',').next()?;
        let name = name.replace("=2C", ",").replace("=3D", "=");
        if !matches!(binding, "n" | "y") || theirs.is_empty() || name != username {
            return None;
        }
        let nonce = format!("{theirs}{nonce}");
        let first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(SALT));
        let scram = Scram { keys: keys.clone(), nonce, bare_and_first: format!("{bare},{first}") };
        Some((scram, first.into_bytes()))
    }

    /// The client's proof. Gives ours. `None`: it does not know the password.
    pub(super) fn finish(&self, message: &[u8]) -> Option<Vec<u8>> {
        let message = std::str::from_utf8(message).ok()?;
        let (unproved, proof) = message.rsplit_once(",p=")?;
        let binding = unproved.strip_prefix("c=")?.split(',').next()?;
        if !matches!(STANDARD.decode(binding).ok()?.first()?, b'n' | b'y') {
            return None;
        }
        if !unproved.split(',').any(|part| part.strip_prefix("r=") == Some(&self.nonce)) {
            return None;
        }
        let signed = format!("{},{unproved}", self.bare_and_first);
        let hash = self.keys.hash;
        let signature = hash.sign(&self.keys.stored, signed.as_bytes());
        let proof = STANDARD.decode(proof).ok()?;
        if proof.len() != signature.len() {
            return None;
        }
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let ours = hash.sign(&self.keys.server, signed.as_bytes());
        (hash.digest(&client_key) == self.keys.stored).then(|| format!("v={}", STANDARD.encode(ours)).into_bytes())
    }
}

/// PLAIN: an identity to act for, or none, the name and the password.
pub(super) fn is_plain(message: &[u8], username: &str, password: &str) -> bool {
    let mut parts = message.split(|byte| *byte == 0);
    let (act_for, name, given) = (parts.next(), parts.next(), parts.next());
    let is_same = |act_for: &[u8]| act_for.is_empty() || act_for == username.as_bytes();
    parts.next().is_none()
        && act_for.is_some_and(is_same)
        && name == Some(username.as_bytes())
        && given == Some(password.as_bytes())
}

/// OAUTHBEARER (RFC 7628): the token of the client's first message.
pub(super) fn bearer_token(message: &[u8]) -> Option<&str> {
    let message = std::str::from_utf8(message).ok()?;
    let (header, rest) = message.split_once('\u{1}')?;
    if !header.starts_with("n,") {
        return None;
    }
    rest.split('\u{1}').find_map(|pair| pair.strip_prefix("auth=Bearer "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677's example, but with the salt and the nonces that it is given here: what the client would compute.
    fn proof(hash: Hash, password: &str, bare_and_first: &str, unproved: &str) -> String {
        let salted = hash.salted(password);
        let client_key = hash.sign(&salted, b"Client Key");
        let signature = hash.sign(&hash.digest(&client_key), format!("{bare_and_first},{unproved}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        format!("{unproved},p={}", STANDARD.encode(proof))
    }

    #[test]
    fn who_knows_the_password_is_believed_and_nobody_else() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let keys = Keys::new(hash, "pencil");
            let (scram, first) = Scram::begin(&keys, "us,er", b"n,,n=us=2Cer,r=theirs", "ours").expect("the user");
            assert!(first.starts_with(b"r=theirsours,s="));
            let unproved = "c=biws,r=theirsours";
            let right = proof(hash, "pencil", &scram.bare_and_first, unproved);
            assert!(scram.finish(right.as_bytes()).is_some_and(|ours| ours.starts_with(b"v=")));
            let wrong = proof(hash, "pen", &scram.bare_and_first, unproved);
            assert_eq!(scram.finish(wrong.as_bytes()), None);
            let replayed = proof(hash, "pencil", &scram.bare_and_first, "c=biws,r=theirs");
            assert_eq!(scram.finish(replayed.as_bytes()), None);
            assert!(Scram::begin(&keys, "user", b"n,,n=other,r=theirs", "ours").is_none());
            for garbage in [&b""[..], b"n", b"n,,", b"n,,n=user", b"p=x,,n=user,r=a", &[0xff; 9], b"n,,n=user,r="] {
                assert!(Scram::begin(&keys, "user", garbage, "ours").is_none());
                assert_eq!(scram.finish(garbage), None);
            }
        }
    }

    #[test]
    fn the_other_mechanisms_are_read_as_they_are_written() {
        assert!(is_plain(b"\0user\0pass", "user", "pass") && is_plain(b"user\0user\0pass", "user", "pass"));
        for wrong in [&b"\0user\0"[..], b"\0user\0pass\0", b"other\0user\0pass", b"user\0pass", b""] {
            assert!(!is_plain(wrong, "user", "pass"), "{wrong:?}");
        }
        assert_eq!(bearer_token(b"n,,\x01auth=Bearer abc\x01traceId=7\x01\x01"), Some("abc"));
        assert_eq!(bearer_token(b"n,a=me,\x01auth=Bearer abc\x01\x01"), Some("abc"));
        for wrong in [&b""[..], b"n,,", b"n,,\x01auth=Basic abc\x01\x01", b"\x01"] {
            assert_eq!(bearer_token(wrong), None);
        }
    }
}
