//! Private keys behind a password: PKCS#8 with PBES2, PBES1 or PKCS#12's schemes, and the traditional PEM of OpenSSL.
//!
//! Old schemes are read because keys in files have them; nothing is ever encrypted with them here.

use aes::{Aes128Dec, Aes192Dec, Aes256Dec};
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::{Des, TdesEde2, TdesEde3};
use md5::{Digest, Md5};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Reader, SliceReader};
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use pkcs8::spki::AlgorithmIdentifierRef;
use ring::digest;

use crate::secret::{SecretBytes, wipe};

/// Why a key does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Locked {
    /// The password is wrong, or what is behind it damaged: from outside they look the same.
    WrongPassword,
    /// The content is no encrypted key.
    Damaged,
    /// The scheme is one that is not read.
    UnknownScheme,
}

/// Rounds that derive a key. More would only be there to keep somebody waiting.
const ROUNDS_MAX: u32 = 2_000_000;
/// Memory that scrypt may take.
const SCRYPT_BYTES_MAX: u64 = 128 << 20;

const PBES2: &str = "1.2.840.113549.1.5.13";
const MD5_DES: &str = "1.2.840.113549.1.5.3";
const SHA1_DES: &str = "1.2.840.113549.1.5.10";
const PKCS12_SHA1_3DES: &str = "1.2.840.113549.1.12.1.3";
const PKCS12_SHA1_2DES: &str = "1.2.840.113549.1.12.1.4";

/// The plain PKCS#8 key of an `ENCRYPTED PRIVATE KEY`.
pub(super) fn decrypt_pkcs8(der: &[u8], password: &str) -> Result<SecretBytes, Locked> {
    let (algorithm, data) = envelope(der).map_err(|_| Locked::Damaged)?;
    let scheme = algorithm.oid.to_string();
    let plain = match scheme.as_str() {
        PBES2 => SecretBytes::new(decrypt_pbes2(algorithm, data, password)?),
        MD5_DES | SHA1_DES => {
            let (salt, rounds) = salt_and_rounds(&algorithm)?;
            let keys = SecretBytes::new(pbkdf1(scheme == MD5_DES, password.as_bytes(), salt, rounds));
            let (key, iv) = keys.reveal()[..16].split_at(8);
            cbc::<Des>(key, iv, data)?
        }
        PKCS12_SHA1_3DES | PKCS12_SHA1_2DES => {
            let (salt, rounds) = salt_and_rounds(&algorithm)?;
            let iv = pkcs12_key(password, salt, rounds, 2, 8);
            let key = |length| SecretBytes::new(pkcs12_key(password, salt, rounds, 1, length));
            if scheme == PKCS12_SHA1_3DES {
                cbc::<TdesEde3>(key(24).reveal(), &iv, data)?
            } else {
                cbc::<TdesEde2>(key(16).reveal(), &iv, data)?
            }
        }
        _ => return Err(Locked::UnknownScheme),
    };
    plausible(plain)
}

/// The plain key of a section with `Proc-Type: 4,ENCRYPTED`, whose `DEK-Info` header is given.
pub(super) fn decrypt_traditional(dek_info: &str, data: &[u8], password: &str) -> Result<SecretBytes, Locked> {
    let (name, salt) = dek_info.split_once(',').ok_or(Locked::Damaged)?;
    let iv = unhex(salt.trim()).ok_or(Locked::Damaged)?;
    if iv.len() < 8 {
        return Err(Locked::Damaged);
    }
    // OpenSSL salts with the first eight bytes of the IV.
    let key = |length| SecretBytes::new(evp_bytes_to_key(password.as_bytes(), &iv[..8], length));
    let plain = match name.trim().to_ascii_uppercase().as_str() {
        "AES-128-CBC" => cbc::<Aes128Dec>(key(16).reveal(), &iv, data),
        "AES-192-CBC" => cbc::<Aes192Dec>(key(24).reveal(), &iv, data),
        "AES-256-CBC" => cbc::<Aes256Dec>(key(32).reveal(), &iv, data),
        "DES-EDE3-CBC" => cbc::<TdesEde3>(key(24).reveal(), &iv, data),
        "DES-CBC" => cbc::<Des>(key(8).reveal(), &iv, data),
        _ => return Err(Locked::UnknownScheme),
    }?;
    plausible(plain)
}

/// One wrong password in 256 leaves a padding that looks right: what comes out has to be one DER sequence as well.
fn plausible(plain: SecretBytes) -> Result<SecretBytes, Locked> {
    let is_sequence = SliceReader::new(plain.reveal())
        .and_then(|mut reader| {
            let header = pkcs8::der::Header::decode(&mut reader)?;
            Ok(header.tag() == pkcs8::der::Tag::Sequence && header.length() == reader.remaining_len())
        })
        .unwrap_or(false);
    if is_sequence { Ok(plain) } else { Err(Locked::WrongPassword) }
}

fn envelope(der: &[u8]) -> pkcs8::der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|reader| {
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        let data = <&OctetStringRef>::decode(reader)?;
        Ok((algorithm, data.as_bytes()))
    })
}

fn decrypt_pbes2(algorithm: AlgorithmIdentifierRef<'_>, data: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    let parameters = algorithm.parameters.ok_or(Locked::Damaged)?;
    let parameters = pbes2::Parameters::try_from(parameters).map_err(|_| Locked::UnknownScheme)?;
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) if kdf.iteration_count <= ROUNDS_MAX => {}
        Kdf::Scrypt(kdf) => {
            let bytes = 128_u64.checked_mul(kdf.cost_parameter).and_then(|n| n.checked_mul(u64::from(kdf.block_size)));
            if kdf.parallelization > 16 || bytes.is_none_or(|bytes| bytes > SCRYPT_BYTES_MAX) {
                return Err(Locked::UnknownScheme);
            }
        }
        _ => return Err(Locked::UnknownScheme),
    }
    EncryptionScheme::Pbes2(parameters).decrypt(password, data).map_err(|error| match error {
        pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. } => Locked::UnknownScheme,
        _ => Locked::WrongPassword,
    })
}

fn salt_and_rounds<'a>(algorithm: &AlgorithmIdentifierRef<'a>) -> Result<(&'a [u8], u32), Locked> {
    let parameters = algorithm.parameters.ok_or(Locked::Damaged)?;
    let (salt, rounds) = parameters
        .sequence(|reader| Ok((<&OctetStringRef>::decode(reader)?.as_bytes(), u32::decode(reader)?)))
        .map_err(|_: pkcs8::der::Error| Locked::Damaged)?;
    if rounds == 0 || rounds > ROUNDS_MAX { Err(Locked::UnknownScheme) } else { Ok((salt, rounds)) }
}

fn cbc<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], data: &[u8]) -> Result<SecretBytes, Locked> {
    let decryptor = Decryptor::<C>::new_from_slices(key, iv).map_err(|_| Locked::Damaged)?;
    let mut plain = data.to_vec();
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut plain).map_err(|_| Locked::WrongPassword)?.len();
    plain.truncate(length);
    Ok(SecretBytes::new(plain))
}

fn md5(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    for part in parts {
        hash.update(part);
    }
    hash.finish().as_ref().to_vec()
}

/// PBKDF1 (RFC 8018, 5.1): key and IV, eight bytes each.
fn pbkdf1(is_md5: bool, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let hash = if is_md5 { md5 } else { sha1 };
    let mut keys = hash(&[password, salt]);
    for _ in 1..rounds {
        keys = hash(&[&keys]);
    }
    keys
}

/// OpenSSL's derivation for traditional PEM: MD5, one round.
fn evp_bytes_to_key(password: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    // With room for the last block.
    let mut key = Vec::with_capacity(length + 16);
    let mut last = Vec::new();
    while key.len() < length {
        last = md5(&[&last, password, salt]);
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

/// PKCS#12's derivation with SHA-1 (RFC 7292, appendix B.2). `purpose`: 1 is a key, 2 an IV.
fn pkcs12_key(password: &str, salt: &[u8], rounds: u32, purpose: u8, length: usize) -> Vec<u8> {
    const BLOCK: usize = 64;
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().div_ceil(BLOCK) * BLOCK;
        bytes.iter().copied().cycle().take(if bytes.is_empty() { 0 } else { length }).collect()
    };
    // As UTF-16 with a closing NUL.
    let mut units = Vec::with_capacity(2 * password.len() + 2);
    units.extend(password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes));
    let units = SecretBytes::new(units);
    let mut input = [filled(salt), filled(units.reveal())].concat();
    let mut key = Vec::with_capacity(length + 20);
    loop {
        let mut block = sha1(&[&[purpose; BLOCK], &input]);
        for _ in 1..rounds {
            block = sha1(&[&block]);
        }
        key.extend_from_slice(&block);
        if key.len() >= length {
            key.truncate(length);
            wipe(&mut input);
            return key;
        }
        // Each block of the input grows by this one plus 1.
        for chunk in input.chunks_mut(BLOCK) {
            let mut carry = 1_u16;
            for (byte, add) in chunk.iter_mut().rev().zip((0..BLOCK).rev().map(|at| block[at % block.len()])) {
                carry += u16::from(*byte) + u16::from(add);
                *byte = carry.to_le_bytes()[0];
                carry >>= 8;
            }
        }
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 64 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
