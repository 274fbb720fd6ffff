//! Reading the key that assertions are signed with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;

use crate::secret::Secret;
use crate::security::tls;

const PASSPHRASE: &str = "sasl.oauthbearer.assertion.private.key.passphrase";

/// A key in every form that TLS's keys have, or, as Java's client has it, PKCS#8 in base64 without the lines around it.
/// `property` and `name` (the file, or `the text`) are for the error.
pub fn read_key(
    property: &'static str,
    name: &str,
    text: &str,
    passphrase: &str,
) -> Result<PrivateKeyDer<'static>, String> {
    let with_lines = |text: &str| {
        tls::private_key(property, name, text.as_bytes(), (PASSPHRASE, passphrase)).map_err(|error| error.message)
    };
    if text.contains("-----BEGIN") {
        return with_lines(text);
    }
    let mut bare = Secret::with_capacity(text.len());
    text.split_ascii_whitespace().for_each(|part| bare.push_str(part));
    let bare = bare.reveal();
    let Ok(der) = STANDARD.decode(bare) else { return with_lines(text) };
    if !passphrase.is_empty() {
        let (begin, end) = ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "\n-----END ENCRYPTED PRIVATE KEY-----\n");
        return with_lines(Secret::concat(&[begin, bare, end]).reveal());
    }
    PrivateKeyDer::try_from(der).or_else(|_| with_lines(text))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn base64_alone_is_a_key_as_well() {
        let pem = include_str!("testdata/rsa-pkcs8.pem");
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let of_pem = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key");
        let bare = read_key("p", "the text", &body, "").expect("a key");
        assert_eq!(bare.secret_der(), of_pem.secret_der());
    }
}
