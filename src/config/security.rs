//! The rows of TLS and SASL.

use crate::config::rows::{LONG_MS, rows};
use crate::config::table::Convert::Same;
use crate::config::table::Kind::{Bool, Choice, Int, Secret, Text, Words};
use crate::config::table::State::{Absent, Built, Harmless};
use crate::config::table::{Alias, Property};
use crate::config::{Config, SecurityProtocol, StoreType, TlsVersion};

const ANY: usize = 65_536;
const STORE_TYPES: &[&str] = &["PEM", "PKCS12", "JKS", ""];
const NO_OPENSSL: &str = "TLS is built in here, without OpenSSL; remove it";
const NO_SASL: &str = "SASL comes in a later version";
const JVM: &str = "it chooses a Java class, which a C library cannot load; remove it";
const BROKER: &str = "only brokers use it; remove it";

pub(super) static SECURITY: &[Property] = rows! {
    "security.protocol" [] Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), "PLAINTEXT", Built(|c, v| c.security_protocol = protocol(v.text())),
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
    "ssl.keystore.password" [] Secret, "", Built(|c, v| c.tls.keystore_password = v.text().to_owned()),
        "Password of the key store. Of a PEM file only ssl.key.password counts.";
    "ssl.keystore.key" ["ssl.key.pem" Same] Secret, "", Built(|c, v| c.tls.keystore_key = v.text().to_owned()),
        "The client's key, PEM text: PKCS#8, PKCS#1 or SEC1, encrypted or not.";
    "ssl.keystore.certificate.chain" ["ssl.certificate.pem" Same] Text(ANY), "", Built(|c, v| c.tls.keystore_certificate_chain = v.text().to_owned()),
        "The client's certificate and those between it and the root, PEM text.";
    "ssl.key.location" [] Text(ANY), "", Built(|c, v| c.tls.key_location = v.text().to_owned()),
        "PEM file with the client's key; with ssl.certificate.location.";
    "ssl.certificate.location" [] Text(ANY), "", Built(|c, v| c.tls.certificate_location = v.text().to_owned()),
        "PEM file with the client's certificate and those between it and the root; with ssl.key.location.";
    "ssl.key.password" [] Secret, "", Built(|c, v| c.tls.key_password = v.text().to_owned()),
        "Password of the client's key.";
    "ssl.truststore.location" [] Text(ANY), "", Built(|c, v| c.tls.truststore_location = v.text().to_owned()),
        "File of trusted certificates, PEM or PKCS#12.";
    "ssl.truststore.password" [] Secret, "", Built(|c, v| c.tls.truststore_password = v.text().to_owned()),
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
    "ssl.reload.interval.ms" [] LONG_MS, "0", Built(|c, v| c.tls.reload_interval_ms = v.ms()),
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

pub(super) static SASL: &[Property] = rows! {
    "sasl.mechanism" ["sasl.mechanisms" Same] Text(ANY), "", Absent(NO_SASL),
        "How the client proves who it is.";
    "sasl.jaas.config" [] Secret, "", Harmless(&[""], NO_SASL),
        "Java: login module and credentials.";
    "sasl.username" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "librdkafka: user for PLAIN and SCRAM.";
    "sasl.password" [] Secret, "", Harmless(&[""], NO_SASL),
        "librdkafka: password for PLAIN and SCRAM.";
    "sasl.client.callback.handler.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class of its SASL implementation.";
    "sasl.login.callback.handler.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class of its SASL implementation.";
    "sasl.login.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class of its SASL implementation.";
    "sasl.kerberos.service.name" [] Text(ANY), "", Absent(NO_SASL),
        "Kerberos service of the brokers.";
    "sasl.kerberos.kinit.cmd" [] Text(ANY), "", Absent(NO_SASL),
        "Command that renews the ticket.";
    "sasl.kerberos.keytab" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "librdkafka: key table file.";
    "sasl.kerberos.principal" [] Text(ANY), "", Absent(NO_SASL),
        "librdkafka: client principal.";
    "sasl.kerberos.min.time.before.relogin" [] LONG_MS, "60000", Absent(NO_SASL),
        "Least time between renewals.";
    "sasl.kerberos.ticket.renew.window.factor" [] Text(ANY), "", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.kerberos.ticket.renew.jitter" [] Text(ANY), "", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.login.refresh.window.factor" [] Text(ANY), "", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.login.refresh.window.jitter" [] Text(ANY), "", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.login.refresh.min.period.seconds" [] Int(0, 3600, "s"), "60", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.login.refresh.buffer.seconds" [] Int(0, 3600, "s"), "300", Absent(NO_SASL),
        "Java: when credentials are renewed.";
    "sasl.login.connect.timeout.ms" [] LONG_MS, "0", Absent(NO_SASL),
        "Java: time limits of the token endpoint.";
    "sasl.login.read.timeout.ms" [] LONG_MS, "0", Absent(NO_SASL),
        "Java: time limits of the token endpoint.";
    "sasl.login.retry.backoff.ms" [] LONG_MS, "100", Absent(NO_SASL),
        "Java: time limits of the token endpoint.";
    "sasl.login.retry.backoff.max.ms" [] LONG_MS, "10000", Absent(NO_SASL),
        "Java: time limits of the token endpoint.";
    "sasl.oauthbearer.method" [] Choice(&["default", "oidc"]), "default", Harmless(&["default"], NO_SASL),
        "librdkafka: how tokens are got.";
    "sasl.oauthbearer.token.endpoint.url" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Where tokens are got.";
    "sasl.oauthbearer.client.credentials.client.id" ["sasl.oauthbearer.client.id" Same] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Client id for the token endpoint.";
    "sasl.oauthbearer.client.credentials.client.secret" ["sasl.oauthbearer.client.secret" Same] Secret, "", Harmless(&[""], NO_SASL),
        "Client secret for the token endpoint.";
    "sasl.oauthbearer.scope" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Scope of the token.";
    "sasl.oauthbearer.scope.claim.name" [] Text(ANY), "", Absent(NO_SASL),
        "Claim that holds the scope.";
    "sasl.oauthbearer.sub.claim.name" [] Text(ANY), "", Absent(NO_SASL),
        "Claim that holds the subject.";
    "sasl.oauthbearer.header.urlencode" [] Bool, "false", Harmless(&["false"], NO_SASL),
        "Encode the client credentials (KIP-1025).";
    "sasl.oauthbearer.jwt.retriever.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class that gets tokens.";
    "sasl.oauthbearer.jwt.validator.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: class that checks tokens.";
    "sasl.oauthbearer.grant.type" [] Text(ANY), "", Absent(NO_SASL),
        "librdkafka: OAuth grant type.";
    "sasl.oauthbearer.assertion.algorithm" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.private.key.file" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.private.key.passphrase" [] Secret, "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.private.key.pem" [] Secret, "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.file" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.aud" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.iss" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.jti.include" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.claim.sub" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Signed assertion for the token endpoint.";
    "sasl.oauthbearer.assertion.template.file" ["sasl.oauthbearer.assertion.jwt.template.file" Same] Text(ANY), "", Harmless(&[""], NO_SASL),
        "Template of the assertion.";
    "sasl.oauthbearer.extensions" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "librdkafka: SASL extensions.";
    "sasl.oauthbearer.config" [] Secret, "", Harmless(&[""], NO_SASL),
        "librdkafka: free-form settings.";
    "enable.sasl.oauthbearer.unsecure.jwt" [] Bool, "false", Harmless(&["false"], NO_SASL),
        "librdkafka: unsigned tokens for tests.";
    "sasl.oauthbearer.metadata.authentication.type" [] Choice(&["none", "azure_imds", "aws_iam"]), "none", Harmless(&["none"], NO_SASL),
        "librdkafka: tokens of cloud providers.";
    "oauthbearer_token_refresh_cb" [] Text(ANY), "", Harmless(&[""], NO_SASL),
        "librdkafka: function that gets tokens.";
    "sasl.oauthbearer.jwks.endpoint.url" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.clock.skew.seconds" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.expected.audience" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
    "sasl.oauthbearer.expected.issuer" [] Text(ANY), "", Absent(BROKER),
        "Java: how brokers check tokens.";
};
