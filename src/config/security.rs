//! The rows of TLS; those of SASL are in sasl.rs.

use crate::config::rows::{LONG_MS, rows};
use crate::config::secure::SECURITY_PROTOCOLS;
use crate::config::table::Convert::Same;
use crate::config::table::Kind::{Bool, Choice, Secret, Text, Words};
use crate::config::table::State::{Built, Harmless};
use crate::config::table::{Alias, Property};
use crate::config::{Config, SecurityProtocol, StoreType, TlsVersion};

const ANY: usize = 65_536;
const STORE_TYPES: &[&str] = &["PEM", "PKCS12", "JKS", ""];
const NO_OPENSSL: &str = "TLS is built in here, without OpenSSL; remove it";
const JVM: &str = "it chooses a Java class, which a C library cannot load; remove it";

pub(super) static SECURITY: &[Property] = rows! {
    "security.protocol" [] Choice(SECURITY_PROTOCOLS), "PLAINTEXT", Built(|c, v| c.security_protocol = protocol(v.text())),
        "How connections are protected: SSL is TLS, SASL is authentication; it has to be what the brokers' listener speaks.";
    "security.providers" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: security providers.";
    "ssl.providers" [] Text(ANY), "", Harmless(&[""], NO_OPENSSL),
        "librdkafka: OpenSSL providers.";
    "ssl.protocol" [] Choice(&["TLSv1.3", "TLSv1.2", "TLS"]), "TLSv1.3", Built(|c, v| c.tls.version_cap = version_cap(v.text())),
        "Java: TLSv1.2 never speaks TLSv1.3, whatever ssl.enabled.protocols says; the others change nothing.";
    "ssl.enabled.protocols" [] Words(&["TLSv1.2", "TLSv1.3"]), "TLSv1.2,TLSv1.3", Built(|c, v| enabled_protocols(c, v.text())),
        "Versions of TLS that are spoken. Older ones are not safe, and not in this library.";
    "ssl.cipher.suites" [] Text(ANY), "", Built(|c, v| c.tls.cipher_suites = words(v.text())),
        "Cipher suites that are offered, by Java's or OpenSSL's names, separated by commas or colons; empty: all that are safe.";
    "ssl.curves.list" [] Text(ANY), "", Built(|c, v| c.tls.curves = words(v.text())),
        "Groups for the key exchange, best first, separated by colons or commas: X25519, P-256, P-384; empty: all.";
    "ssl.sigalgs.list" [] Text(ANY), "", Built(|c, v| c.tls.signature_algorithms = words(v.text())),
        "Signatures that are accepted from brokers, by OpenSSL's names (ECDSA+SHA256, rsa_pss_rsae_sha256), separated by colons or commas; empty: all that are safe.";
    "ssl.keystore.location" [] Text(ANY), "", Built(|c, v| c.tls.keystore_location = v.text().to_owned()),
        "File with the client's key and certificates, PEM or PKCS#12, for brokers that demand one (mutual TLS).";
    "ssl.keystore.type" [] Choice(STORE_TYPES), "", Built(|c, v| c.tls.keystore_type = store_type(v.text())),
        "Form of the key store. Empty and JKS: the file's content tells; a store in Java's own form has to be converted.";
    "ssl.keystore.password" [] Secret, "", Built(|c, v| c.tls.keystore_password = v.secret()),
        "Password of the key store. Of a PEM file only ssl.key.password counts.";
    "ssl.keystore.key" ["ssl.key.pem" Same] Secret, "", Built(|c, v| c.tls.keystore_key = v.secret()),
        "The client's key, PEM text: PKCS#8, PKCS#1 or SEC1, encrypted or not.";
    "ssl.keystore.certificate.chain" ["ssl.certificate.pem" Same] Text(ANY), "", Built(|c, v| c.tls.keystore_certificate_chain = v.text().to_owned()),
        "The client's certificate and those between it and the root, PEM text.";
    "ssl.key.location" [] Text(ANY), "", Built(|c, v| c.tls.key_location = v.text().to_owned()),
        "PEM file with the client's key; with ssl.certificate.location.";
    "ssl.certificate.location" [] Text(ANY), "", Built(|c, v| c.tls.certificate_location = v.text().to_owned()),
        "PEM file with the client's certificate and those between it and the root; with ssl.key.location.";
    "ssl.key.password" [] Secret, "", Built(|c, v| c.tls.key_password = v.secret()),
        "Password of the client's key.";
    "ssl.truststore.location" [] Text(ANY), "", Built(|c, v| c.tls.truststore_location = v.text().to_owned()),
        "File of trusted certificates, PEM or PKCS#12.";
    "ssl.truststore.password" [] Secret, "", Built(|c, v| c.tls.truststore_password = v.secret()),
        "Password of the trust store.";
    "ssl.truststore.type" [] Choice(STORE_TYPES), "", Built(|c, v| c.tls.truststore_type = store_type(v.text())),
        "Form of the trust store. Empty and JKS: the file's content tells; a store in Java's own form has to be converted.";
    "ssl.truststore.certificates" ["ssl.ca.pem" Same] Text(ANY), "", Built(|c, v| c.tls.truststore_certificates = v.text().to_owned()),
        "Trusted certificates, PEM text with any number of them.";
    "ssl.ca.location" [] Text(ANY), "", Built(|c, v| c.tls.ca_location = v.text().to_owned()),
        "File or directory of trusted certificates, PEM. Empty or probe, with no trust store set: the operating system's store.";
    "ssl.ca.certificate.stores" [] Text(ANY), "", Harmless(&["", "Root"], "there are such stores on Windows only; remove it"),
        "librdkafka: Windows certificate stores.";
    "ssl.crl.location" [] Text(ANY), "", Built(|c, v| c.tls.crl_location = v.text().to_owned()),
        "File or directory of revocation lists, PEM. A certificate whose issuer has no list in it is accepted.";
    "ssl.endpoint.identification.algorithm" [] Choice(&["https", "none", ""]), "https", Built(|c, v| c.tls.verify_hostname = v.text() == "https"),
        "Whether the broker's certificate has to name the host that was connected to; empty or none is off, and lets anybody with a certificate of a trusted issuer pose as a broker.";
    "enable.ssl.certificate.verification" [] Bool, "true", Built(|c, v| c.tls.verify_certificates = v.flag()),
        "Whether the broker's certificate is checked at all. Switched off, anybody can pose as a broker: for tests only.";
    "ssl.reload.interval.ms" [] LONG_MS, "60000", Built(|c, v| c.tls.reload_interval_ms = v.ms()),
        "How often the files of certificates and keys are looked at; changed ones are read again and used for new connections. 0 is never.";
    "ssl.engine.factory.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.provider" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.keymanager.algorithm" [] Text(ANY), "", Harmless(&["", "SunX509", "PKIX"], JVM),
        "Java: part of its TLS implementation.";
    "ssl.trustmanager.algorithm" [] Text(ANY), "", Harmless(&["", "PKIX"], JVM),
        "Java: part of its TLS implementation.";
    "ssl.secure.random.implementation" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.engine.location" [] Text(ANY), "", Harmless(&[""], NO_OPENSSL),
        "librdkafka: hook into OpenSSL.";
    "ssl.engine.id" [] Text(ANY), "", Harmless(&["", "dynamic"], NO_OPENSSL),
        "librdkafka: hook into OpenSSL.";
    "ssl_engine_callback_data" [] Text(ANY), "", Harmless(&[""], NO_OPENSSL),
        "librdkafka: hook into OpenSSL.";
    "ssl.certificate.verify_cb" [] Text(ANY), "", Harmless(&[""], NO_OPENSSL),
        "librdkafka: hook into OpenSSL.";
    "ssl_key" [] Secret, "", Harmless(&[""], "use ssl.keystore.key (PEM text) or ssl.keystore.location (a file)"),
        "librdkafka: a key given by a function.";
    "ssl_certificate" [] Text(ANY), "", Harmless(&[""], "use ssl.keystore.certificate.chain (PEM text) or ssl.keystore.location (a file)"),
        "librdkafka: a certificate given by a function.";
    "ssl_ca" [] Text(ANY), "", Harmless(&[""], "use ssl.truststore.certificates (PEM text) or ssl.ca.location (a file)"),
        "librdkafka: trusted certificates given by a function.";
    "https.ca.location" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.https_ca_location = v.text().to_owned()),
        "File or directory of trusted certificates, PEM, for the token endpoint. Empty: the operating system's store.";
    "https.ca.pem" [] Text(ANY), "", Built(|c, v| c.sasl.oauth.https_ca_pem = v.text().to_owned()),
        "Trusted certificates for the token endpoint, PEM text.";
};

fn protocol(name: &str) -> SecurityProtocol {
    match name {
        "SSL" => SecurityProtocol::Ssl,
        "SASL_PLAINTEXT" => SecurityProtocol::SaslPlaintext,
        "SASL_SSL" => SecurityProtocol::SaslSsl,
        _ => SecurityProtocol::Plaintext,
    }
}

fn version_cap(name: &str) -> TlsVersion {
    if name == "TLSv1.2" { TlsVersion::V12 } else { TlsVersion::V13 }
}

/// Both ends of the list: there is no version between the two.
fn enabled_protocols(config: &mut Config, list: &str) {
    let has = |name: &str| list.split(',').any(|word| word == name);
    config.tls.version_min = if has("TLSv1.2") { TlsVersion::V12 } else { TlsVersion::V13 };
    config.tls.version_max = if has("TLSv1.3") { TlsVersion::V13 } else { TlsVersion::V12 };
}

/// JKS asks for nothing: Java itself reads PKCS#12 under that name.
fn store_type(name: &str) -> StoreType {
    match name {
        "PEM" => StoreType::Pem,
        "PKCS12" => StoreType::Pkcs12,
        _ => StoreType::Any,
    }
}

/// Java separates by commas, OpenSSL by colons.
fn words(list: &str) -> Vec<String> {
    list.split([',', ':']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
