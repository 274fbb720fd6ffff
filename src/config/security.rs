//! The rows of TLS; those of SASL are in sasl.rs. This version speaks PLAINTEXT only: each is known, so that it is refused with a reason and
//! never ignored.

use crate::config::SecurityProtocol;
use crate::config::rows::rows;
use crate::config::table::Convert::Same;
use crate::config::table::Kind::{Bool, Choice, Secret, Text};
use crate::config::table::State::{Absent, Harmless, Partly};
use crate::config::table::{Alias, Property};

const ANY: usize = 65_536;
const TLS: &str = "TLS comes in a later version";
const JVM: &str = "it chooses a Java class, which a C library cannot load; remove it";

pub(super) static SECURITY: &[Property] = rows! {
    "security.protocol" [] Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]), "PLAINTEXT", Partly(&["PLAINTEXT"], |c, _| c.security_protocol = SecurityProtocol::Plaintext),
        "How connections are protected; only PLAINTEXT in this version.";
    "security.providers" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: security providers.";
    "ssl.providers" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: OpenSSL providers.";
    "ssl.protocol" [] Text(ANY), "", Absent(TLS),
        "Java: TLS version.";
    "ssl.enabled.protocols" [] Text(ANY), "", Absent(TLS),
        "Java: TLS versions.";
    "ssl.cipher.suites" [] Text(ANY), "", Harmless(&[""], TLS),
        "Cipher suites.";
    "ssl.curves.list" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: key exchange groups.";
    "ssl.sigalgs.list" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: signature algorithms.";
    "ssl.keystore.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "File with the client certificate and key.";
    "ssl.keystore.type" [] Text(ANY), "", Absent(TLS),
        "Form of the key store.";
    "ssl.keystore.password" [] Secret, "", Harmless(&[""], TLS),
        "Password of the key store.";
    "ssl.keystore.key" ["ssl.key.pem" Same] Secret, "", Harmless(&[""], TLS),
        "Client key, PEM text.";
    "ssl.keystore.certificate.chain" ["ssl.certificate.pem" Same] Text(ANY), "", Harmless(&[""], TLS),
        "Client certificates, PEM text.";
    "ssl.key.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: file of the client key.";
    "ssl.certificate.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: file of the client certificate.";
    "ssl.key.password" [] Secret, "", Harmless(&[""], TLS),
        "Password of the client key.";
    "ssl.truststore.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "Java: file of trusted certificates.";
    "ssl.truststore.password" [] Secret, "", Harmless(&[""], TLS),
        "Password of the trust store.";
    "ssl.truststore.type" [] Text(ANY), "", Absent(TLS),
        "Form of the trust store.";
    "ssl.truststore.certificates" ["ssl.ca.pem" Same] Text(ANY), "", Harmless(&[""], TLS),
        "Trusted certificates, PEM text.";
    "ssl.ca.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: file or directory of trusted certificates.";
    "ssl.ca.certificate.stores" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: Windows certificate stores.";
    "ssl.crl.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: revocation list.";
    "ssl.endpoint.identification.algorithm" [] Choice(&["https", "none", ""]), "https", Harmless(&["https"], TLS),
        "Check of the host name in the broker's certificate; empty or none is off.";
    "enable.ssl.certificate.verification" [] Bool, "true", Harmless(&["true"], TLS),
        "librdkafka: check the broker's certificate.";
    "ssl.engine.factory.class" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.provider" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.keymanager.algorithm" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.trustmanager.algorithm" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.secure.random.implementation" [] Text(ANY), "", Harmless(&[""], JVM),
        "Java: part of its TLS implementation.";
    "ssl.engine.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl.engine.id" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl_engine_callback_data" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl.certificate.verify_cb" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl_key" [] Secret, "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl_certificate" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "ssl_ca" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: hook into OpenSSL.";
    "https.ca.location" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: trusted certificates of the token endpoint.";
    "https.ca.pem" [] Text(ANY), "", Harmless(&[""], TLS),
        "librdkafka: trusted certificates of the token endpoint, PEM text.";
};
