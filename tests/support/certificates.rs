//! Certificates for the C programs: made anew for each run, so that none is ever too old.
//!
//! | file | what |
//! |---|---|
//! | `ca.pem`, `other-ca.pem`, `both-ca.pem` | two authorities, and both in one file |
//! | `server.pem`, `server.key` | a broker for `localhost` and 127.0.0.1, signed by `ca.pem` |
//! | `other-server.pem`, `.key` | the same, signed by `other-ca.pem` |
//! | `expired.pem`, `notyet.pem`, `wronghost.pem`, and their keys | brokers signed by `ca.pem` that nobody should accept |
//! | `revoked.pem`, `revoked.key`, `crl.pem` | a broker signed by `ca.pem`, and the list in which that revokes it |
//! | `client.pem`, `client.key` | a client, signed by `ca.pem` |
//! | `other-client.pem`, `.key` | a client, signed by `other-ca.pem` |
//! | `expired-client.pem`, `.key` | a client, signed by `ca.pem`, whom nobody should let in |
//! | `ca-directory/` | `ca.pem` among files that hold no certificate |
//! | `client-encrypted.key` | the key of `client.pem` as encrypted PKCS#8; its password is [`PASSWORD`] |
//! | `client.p12`, `ca.p12` | key store and trust store; their password is [`PASSWORD`] |
//! | `truststore.jks` | the beginning of a Java key store, which is refused |

use std::fs;
use std::path::Path;

use base64::Engine;
use p12_keystore::{Certificate as StoreCertificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use pkcs8::{PrivateKeyInfoRef, pkcs5::pbes2};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

pub const PASSWORD: &str = "open sesame";

/// Writes all of them to a directory that is there.
pub fn write(directory: &Path) {
    let save = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).expect("the directory is writable");
    let (ca, ca_pem, ca_der) = authority("Test authority");
    let (other_ca, other_pem, _) = authority("Other authority");
    save("ca.pem", ca_pem.as_bytes());
    save("other-ca.pem", other_pem.as_bytes());
    save("both-ca.pem", format!("{ca_pem}{other_pem}").as_bytes());

    let here = ["localhost", "127.0.0.1"];
    for (name, issuer, hosts, years) in [
        ("server", &ca, &here[..], YEARS),
        ("other-server", &other_ca, &here[..], YEARS),
        ("expired", &ca, &here[..], (2000, 2001)),
        ("notyet", &ca, &here[..], (3000, 4000)),
        ("revoked", &ca, &here[..], YEARS),
        ("wronghost", &ca, &["broker.example.com", "10.1.2.3"][..], YEARS),
    ] {
        let (pem, key, _) = leaf(name, hosts, ExtendedKeyUsagePurpose::ServerAuth, years, issuer);
        save(&format!("{name}.pem"), pem.as_bytes());
        save(&format!("{name}.key"), key.serialize_pem().as_bytes());
    }
    let usage = ExtendedKeyUsagePurpose::ClientAuth;
    for (name, issuer, years) in [("other-client", &other_ca, YEARS), ("expired-client", &ca, (2000, 2001))] {
        let (pem, key, _) = leaf(name, &[], usage.clone(), years, issuer);
        save(&format!("{name}.pem"), pem.as_bytes());
        save(&format!("{name}.key"), key.serialize_pem().as_bytes());
    }
    let (pem, key, der) = leaf("client", &[], usage, YEARS, &ca);
    save("client.pem", pem.as_bytes());
    save("client.key", key.serialize_pem().as_bytes());
    save("client-encrypted.key", encrypted(&key).as_bytes());
    save("client.p12", &key_store(&key, &der, &ca_der));
    save("ca.p12", &trust_store(&ca_der));
    save("crl.pem", revocations("revoked", &ca).as_bytes());
    fs::create_dir_all(directory.join("ca-directory")).expect("the directory is writable");
    save("ca-directory/authority", ca_pem.as_bytes());
    save("ca-directory/README", b"no certificate");
    save("truststore.jks", b"\xFE\xED\xFE\xED\0\0\0\x02\0\0\0\x01 a Java key store begins so");
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, String, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let (pem, der) = (certificate.pem(), certificate.der().to_vec());
    (Issuer::new(params, key), pem, der)
}

/// Of what is valid now.
const YEARS: (i32, i32) = (2000, 4000);

/// A list of `issuer` with the one certificate of this name.
fn revocations(name: &str, issuer: &Issuer<'_, KeyPair>) -> String {
    let revoked = RevokedCertParams {
        serial_number: serial_number(name),
        revocation_time: date_time_ymd(2001, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2001, 1, 1),
        next_update: date_time_ymd(YEARS.1, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![revoked],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).expect("a list").pem().expect("PEM")
}

fn serial_number(name: &str) -> SerialNumber {
    SerialNumber::from_slice(&[b"\x01", name.as_bytes()].concat())
}

fn leaf(
    name: &str,
    hosts: &[&str],
    usage: ExtendedKeyUsagePurpose,
    (first_year, last_year): (i32, i32),
    issuer: &Issuer<'_, KeyPair>,
) -> (String, KeyPair, Vec<u8>) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial_number(name));
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    (certificate.pem(), key, certificate.der().to_vec())
}

fn encrypted(key: &KeyPair) -> String {
    let der = key.serialize_der();
    let key = PrivateKeyInfoRef::try_from(der.as_slice()).expect("PKCS#8");
    let how = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"salt of the tests", [7; 16]).expect("PBES2");
    let encrypted = key.encrypt_with_params(how, PASSWORD).expect("encrypted");
    pem("ENCRYPTED PRIVATE KEY", encrypted.as_bytes())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

fn key_store(key: &KeyPair, certificate: &[u8], ca: &[u8]) -> Vec<u8> {
    let certificates = [certificate, ca].map(|der| StoreCertificate::from_der(der).expect("a certificate"));
    let key = PrivateKey::from_der(&key.serialize_der()).expect("a key");
    let chain = PrivateKeyChain::new("client", key, certificates);
    let mut store = KeyStore::new();
    store.add_entry("client", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(PASSWORD).write().expect("PKCS#12")
}

fn trust_store(ca: &[u8]) -> Vec<u8> {
    let mut store = KeyStore::new();
    store.add_entry("ca", KeyStoreEntry::Certificate(StoreCertificate::from_der(ca).expect("a certificate")));
    store.writer(PASSWORD).write().expect("PKCS#12")
}
