//! Every property that librdkafka's producer has (2.15), with its default there and what becomes of that default here: files
//! written for librdkafka load.

use Fate::{NoEffect, SameHere, Used};

use crate::config::table::{State, lookup};
use crate::config::{ConfigBuilder, notices};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    /// It is a setting here.
    Used,
    /// It asks for what happens here anyway; other values are refused with the remedy.
    SameHere,
    /// Any value is accepted, and a log line says that it changes nothing.
    NoEffect,
}

#[rustfmt::skip]
const PROPERTIES: &[(&str, &str, Fate)] = &[
    ("builtin.features", "gzip, snappy, ssl, sasl, regex, lz4, sasl_gssapi, sasl_plain, sasl_scram, plugins, zstd, sasl_oauthbearer, http, oidc", NoEffect),
    ("client.id", "rdkafka", Used),
    ("metadata.broker.list", "", Used),
    ("bootstrap.servers", "", Used),
    ("message.max.bytes", "1000000", Used),
    ("message.copy.max.bytes", "65535", NoEffect),
    ("receive.message.max.bytes", "100000000", Used),
    ("max.in.flight.requests.per.connection", "1000000", Used),
    ("max.in.flight", "1000000", Used),
    ("metadata.recovery.strategy", "rebootstrap", Used),
    ("metadata.recovery.rebootstrap.trigger.ms", "300000", Used),
    ("topic.metadata.refresh.interval.ms", "300000", Used),
    ("metadata.max.age.ms", "900000", Used),
    ("topic.metadata.refresh.fast.interval.ms", "100", SameHere),
    ("topic.metadata.refresh.fast.cnt", "10", NoEffect),
    ("topic.metadata.refresh.sparse", "true", SameHere),
    ("topic.metadata.propagation.max.ms", "30000", Used),
    ("topic.blacklist", "", SameHere),
    ("debug", "", SameHere),
    ("socket.timeout.ms", "60000", Used),
    ("socket.blocking.max.ms", "1000", NoEffect),
    ("socket.send.buffer.bytes", "0", Used),
    ("socket.receive.buffer.bytes", "0", Used),
    ("socket.keepalive.enable", "false", Used),
    ("socket.nagle.disable", "true", Used),
    ("socket.max.fails", "1", SameHere),
    ("broker.address.ttl", "1000", NoEffect),
    ("broker.address.family", "any", Used),
    ("socket.connection.setup.timeout.ms", "30000", Used),
    ("connections.max.idle.ms", "0", Used),
    ("reconnect.backoff.jitter.ms", "0", NoEffect),
    ("reconnect.backoff.ms", "100", Used),
    ("reconnect.backoff.max.ms", "10000", Used),
    ("statistics.interval.ms", "0", Used),
    ("enabled_events", "0", SameHere),
    ("error_cb", "", SameHere),
    ("throttle_cb", "", SameHere),
    ("stats_cb", "", SameHere),
    ("log_cb", "", SameHere),
    ("log_level", "6", Used),
    ("log.queue", "false", NoEffect),
    ("log.thread.name", "true", NoEffect),
    ("enable.random.seed", "true", NoEffect),
    ("log.connection.close", "true", NoEffect),
    ("background_event_cb", "", SameHere),
    ("socket_cb", "", SameHere),
    ("connect_cb", "", SameHere),
    ("closesocket_cb", "", SameHere),
    ("open_cb", "", SameHere),
    ("resolve_cb", "", SameHere),
    ("opaque", "", SameHere),
    ("default_topic_conf", "", SameHere),
    ("internal.termination.signal", "0", SameHere),
    ("api.version.request", "true", SameHere),
    ("api.version.request.timeout.ms", "10000", SameHere),
    ("api.version.fallback.ms", "0", SameHere),
    ("broker.version.fallback", "0.10.0", SameHere),
    ("allow.auto.create.topics", "false", Used),
    ("security.protocol", "plaintext", Used),
    ("ssl.cipher.suites", "", Used),
    ("ssl.curves.list", "", Used),
    ("ssl.sigalgs.list", "", Used),
    ("ssl.key.location", "", Used),
    ("ssl.key.password", "", Used),
    ("ssl.key.pem", "", Used),
    ("ssl_key", "", SameHere),
    ("ssl.certificate.location", "", Used),
    ("ssl.certificate.pem", "", Used),
    ("ssl_certificate", "", SameHere),
    ("ssl.ca.location", "", Used),
    ("https.ca.location", "", Used),
    ("https.ca.pem", "", Used),
    ("ssl.ca.pem", "", Used),
    ("ssl_ca", "", SameHere),
    ("ssl.ca.certificate.stores", "Root", SameHere),
    ("ssl.crl.location", "", Used),
    ("ssl.keystore.location", "", Used),
    ("ssl.keystore.password", "", Used),
    ("ssl.providers", "", SameHere),
    ("ssl.engine.location", "", SameHere),
    ("ssl.engine.id", "dynamic", SameHere),
    ("ssl_engine_callback_data", "", SameHere),
    ("enable.ssl.certificate.verification", "true", Used),
    ("ssl.endpoint.identification.algorithm", "https", Used),
    ("ssl.certificate.verify_cb", "", SameHere),
    ("sasl.mechanisms", "GSSAPI", Used),
    ("sasl.mechanism", "GSSAPI", Used),
    ("sasl.kerberos.service.name", "kafka", Used),
    ("sasl.kerberos.principal", "kafkaclient", Used),
    ("sasl.kerberos.kinit.cmd", r#"kinit -R -t "%{sasl.kerberos.keytab}" -k %{sasl.kerberos.principal} || kinit -t "%{sasl.kerberos.keytab}" -k %{sasl.kerberos.principal}"#, SameHere),
    ("sasl.kerberos.keytab", "", Used),
    ("sasl.kerberos.min.time.before.relogin", "60000", SameHere),
    ("sasl.username", "", Used),
    ("sasl.password", "", Used),
    ("sasl.oauthbearer.config", "", Used),
    ("enable.sasl.oauthbearer.unsecure.jwt", "false", Used),
    ("oauthbearer_token_refresh_cb", "", SameHere),
    ("sasl.oauthbearer.method", "default", Used),
    ("sasl.oauthbearer.client.id", "", Used),
    ("sasl.oauthbearer.client.credentials.client.id", "", Used),
    ("sasl.oauthbearer.client.credentials.client.secret", "", Used),
    ("sasl.oauthbearer.client.secret", "", Used),
    ("sasl.oauthbearer.scope", "", Used),
    ("sasl.oauthbearer.extensions", "", Used),
    ("sasl.oauthbearer.token.endpoint.url", "", Used),
    ("sasl.oauthbearer.sub.claim.name", "sub", Used),
    ("sasl.oauthbearer.grant.type", "client_credentials", Used),
    ("sasl.oauthbearer.assertion.algorithm", "RS256", Used),
    ("sasl.oauthbearer.assertion.private.key.file", "", Used),
    ("sasl.oauthbearer.assertion.private.key.passphrase", "", Used),
    ("sasl.oauthbearer.assertion.private.key.pem", "", Used),
    ("sasl.oauthbearer.assertion.file", "", Used),
    ("sasl.oauthbearer.assertion.claim.aud", "", Used),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", "300", Used),
    ("sasl.oauthbearer.assertion.claim.iss", "", Used),
    ("sasl.oauthbearer.assertion.claim.jti.include", "false", Used),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", "60", Used),
    ("sasl.oauthbearer.assertion.claim.sub", "", Used),
    ("sasl.oauthbearer.assertion.jwt.template.file", "", Used),
    ("sasl.oauthbearer.metadata.authentication.type", "none", Used),
    ("plugin.library.paths", "", SameHere),
    ("interceptors", "", SameHere),
    ("client.rack", "", Used),
    ("transactional.id", "", Used),
    ("transaction.timeout.ms", "60000", Used),
    ("enable.idempotence", "false", Used),
    ("enable.gapless.guarantee", "false", SameHere),
    ("queue.buffering.max.messages", "100000", SameHere),
    ("queue.buffering.max.kbytes", "1048576", Used),
    ("queue.buffering.max.ms", "5", Used),
    ("linger.ms", "5", Used),
    ("message.send.max.retries", "2147483647", Used),
    ("retries", "2147483647", Used),
    ("retry.backoff.ms", "100", Used),
    ("retry.backoff.max.ms", "1000", Used),
    ("queue.buffering.backpressure.threshold", "1", SameHere),
    ("compression.codec", "none", Used),
    ("compression.type", "none", Used),
    ("batch.num.messages", "10000", Used),
    ("batch.size", "1000000", Used),
    ("delivery.report.only.error", "false", Used),
    ("dr_cb", "", SameHere),
    ("dr_msg_cb", "", SameHere),
    ("sticky.partitioning.linger.ms", "10", SameHere),
    ("client.dns.lookup", "use_all_dns_ips", Used),
    ("enable.metrics.push", "true", Used),
    ("request.required.acks", "-1", Used),
    ("acks", "-1", Used),
    ("request.timeout.ms", "30000", Used),
    ("message.timeout.ms", "300000", Used),
    ("delivery.timeout.ms", "300000", Used),
    ("queuing.strategy", "fifo", SameHere),
    ("produce.offset.report", "false", NoEffect),
    ("partitioner", "consistent_random", Used),
    ("partitioner_cb", "", SameHere),
    ("msg_order_cmp", "", SameHere),
    ("compression.level", "-1", Used),
];

#[test]
fn every_property_of_librdkafka_accepts_its_own_default() {
    for &(name, default, fate) in PROPERTIES {
        let property = lookup(name).unwrap_or_else(|error| panic!("{name}: {error}")).property;
        let found = match property.state {
            State::Built(_) | State::Partly(..) => Used,
            State::Harmless(..) => SameHere,
            State::NoEffect(_) => NoEffect,
            State::Absent(why) => panic!("{name} is refused: {why}"),
        };
        assert_eq!(found, fate, "{name}");
        ConfigBuilder::new().set(name, default).unwrap_or_else(|error| panic!("{name}={default}: {error}"));
    }
}

#[test]
fn what_has_no_effect_is_named_in_the_log_and_what_is_refused_says_what_to_do() {
    for &(name, default, fate) in PROPERTIES {
        let mut builder = ConfigBuilder::new();
        builder.set("bootstrap.servers", "a:1").unwrap();
        builder.set(name, default).unwrap();
        if fate == NoEffect {
            let said = notices(&builder.build().unwrap());
            assert!(said.len() == 1 && said[0].starts_with(name) && said[0].contains("has no effect"), "{said:?}");
        }
        if fate == SameHere {
            let error = ConfigBuilder::new().set(name, "7").map_or_else(|error| error.message, |()| String::new());
            assert!(error.is_empty() || error.contains(name), "{error}");
        }
    }
}

#[test]
fn serializers_of_java_that_leave_bytes_as_they_are_are_accepted_with_a_notice() {
    for class in ["ByteArraySerializer", "BytesSerializer", "ByteBufferSerializer", "StringSerializer"] {
        let mut builder = ConfigBuilder::new();
        builder.set("bootstrap.servers", "a:1").unwrap();
        builder.set("key.serializer", &format!("org.apache.kafka.common.serialization.{class}")).unwrap();
        builder.set("value.serializer", &format!("org.apache.kafka.common.serialization.{class}")).unwrap();
        let said = notices(&builder.build().unwrap());
        assert!(said.len() == 2 && said[0].starts_with("key.serializer is set, but has no effect"), "{said:?}");
    }
}
