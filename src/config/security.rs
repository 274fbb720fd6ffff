//! The rows of TLS and SASL. This version speaks PLAINTEXT only: each is known, so that it is refused with a reason and
//! never ignored.

use crate::config::SecurityProtocol;
use crate::config::rows::{LONG_MS, rows};
use crate::config::table::Convert::Same;
use crate::config::table::Kind::{Bool, Choice, Int, Secret, Text};
use crate::config::table::State::{Absent, Harmless, Partly};
use crate::config::table::{Alias, Property};

const ANY: usize = 65_536;
const TLS: &str = "TLS comes in a later version";
const NO_SASL: &str = "SASL comes in a later version";
const JVM: &str = "it chooses a Java class, which a C library cannot load; remove it";
const BROKER: &str = "only brokers use it; remove it";

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
