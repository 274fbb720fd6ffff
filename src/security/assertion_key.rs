//! Reading the key that assertions are signed with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// A key in PEM (PKCS#8, encrypted or not, PKCS#1, SEC1), or, as Java's client has it, PKCS#8 in base64 without the lines around it. The error continues a
/// sentence that begins with the property's name.
pub fn read_key(text: &str, passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    const LOCKED: &str = "ENCRYPTED PRIVATE KEY";
    if let Some(der) = section(text, LOCKED)? {
        return unlocked(&der, passphrase);
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err("is encrypted in OpenSSL's old way; convert it: openssl pkcs8 -topk8 -in KEY -out NEW".to_owned());
    }
    if text.contains("-----BEGIN") {
        return PrivateKeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)".to_owned());
    }
    let der = bare(text).ok_or("holds neither PEM nor base64")?;
    if !passphrase.is_empty() {
        return unlocked(&der, passphrase);
    }
    PrivateKeyDer::try_from(der).map_err(|_| "holds no private key".to_owned())
}

fn unlocked(der: &[u8], passphrase: &str) -> Result<PrivateKeyDer<'static>, String> {
    if passphrase.is_empty() {
        return Err("is encrypted; set sasl.oauthbearer.assertion.private.key.passphrase".to_owned());
    }
    let locked = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|_| "holds an encrypted key in a form that is not PKCS#8".to_owned())?;
    let open = locked.decrypt(passphrase).map_err(|_| {
        "could not be decrypted: sasl.oauthbearer.assertion.private.key.passphrase is wrong, or the cipher is not known"
            .to_owned()
    })?;
    PrivateKeyDer::try_from(open.as_bytes().to_vec()).map_err(|_| "holds no private key".to_owned())
}

/// The bytes between two lines of PEM.
fn section(text: &str, name: &str) -> Result<Option<Vec<u8>>, String> {
    let Some((_, rest)) = text.split_once(&format!("-----BEGIN {name}-----")) else { return Ok(None) };
    let Some((body, _)) = rest.split_once(&format!("-----END {name}-----")) else {
        return Err(format!("ends before -----END {name}-----"));
    };
    bare(body).map(Some).ok_or_else(|| "holds PEM that is damaged".to_owned())
}

fn bare(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok().filter(|der| !der.is_empty())
}
