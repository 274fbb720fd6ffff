//! The table, the settings one by one, and the settings together.

use super::table::{Kind, State, Value, lookup, properties};
use super::*;
use crate::error::{Error, Result, Status};
use std::collections::BTreeSet;

fn set(name: &str, value: &str) -> Result<Config> {
    let mut builder = ConfigBuilder::new();
    builder.set(name, value)?;
    if !matches!(name, "bootstrap.servers" | "metadata.broker.list" | "test.mock.num.brokers") {
        builder.set("bootstrap.servers", "localhost")?;
    }
    builder.build()
}

fn good(name: &str, value: &str) -> Config {
    set(name, value).unwrap_or_else(|error| panic!("{name}={value}: {error}"))
}

fn bad(name: &str, value: &str) -> Error {
    match set(name, value) {
        Ok(_) => panic!("{name}={value} was accepted"),
        Err(error) => error,
    }
}

fn build(settings: &[(&str, &str)]) -> Result<Config> {
    let mut builder = ConfigBuilder::new();
    for (name, value) in settings {
        builder.set(name, value)?;
    }
    builder.build()
}

#[test]
fn every_name_is_used_once_and_every_row_says_something() {
    let mut names = BTreeSet::new();
    for row in properties() {
        assert!(names.insert(row.name), "{} twice", row.name);
        for alias in row.aliases {
            assert!(names.insert(alias.name), "{} twice", alias.name);
        }
        assert!(row.doc.ends_with('.') && !row.doc.contains('\n'), "{}", row.name);
    }
    for name in rows::FOREIGN.iter().flat_map(|(_, names)| names.iter()) {
        assert!(names.insert(name), "{name} is both ours and foreign");
    }
}

#[test]
fn every_default_is_a_legal_value_and_accepted_when_set() {
    for row in properties() {
        let (canonical, _) = value::parse(row, row.default).unwrap_or_else(|why| panic!("{}: {why}", row.name));
        assert_eq!(canonical, row.default, "{} is written as it is shown", row.name);
        let accepted = ConfigBuilder::new().set(row.name, row.default);
        match row.state {
            State::Absent(_) => {
                assert_eq!(accepted.unwrap_err().status, Status::PROPERTY_NOT_SUPPORTED, "{}", row.name)
            }
            _ => accepted.unwrap_or_else(|error| panic!("{}: {error}", row.name)),
        }
    }
}

#[test]
fn config_default_is_the_tables_defaults() {
    // A configuration in which every number, flag and text differs from its default.
    let mut config = build(&[
        ("bootstrap.servers", "a:1"),
        ("client.id", "x"),
        ("batch.size", "1"),
        ("linger.ms", "1"),
        ("buffer.memory", "70000"),
        ("max.block.ms", "1"),
        ("max.request.size", "2000"),
        ("acks", "1"),
        ("retries", "1"),
        ("delivery.timeout.ms", "1000"),
        ("request.timeout.ms", "1"),
        ("retry.backoff.ms", "1"),
        ("retry.backoff.max.ms", "1"),
        ("max.in.flight", "1"),
        ("metadata.max.age.ms", "10"),
        ("metadata.recovery.strategy", "none"),
        ("metadata.recovery.rebootstrap.trigger.ms", "1"),
        ("topic.metadata.propagation.max.ms", "1"),
        ("allow.auto.create.topics", "false"),
        ("broker.address.family", "v6"),
        ("connections.max.idle.ms", "1"),
        ("reconnect.backoff.ms", "1"),
        ("reconnect.backoff.max.ms", "1"),
        ("socket.connection.setup.timeout.ms", "1"),
        ("send.buffer.bytes", "1"),
        ("receive.buffer.bytes", "1"),
        ("socket.keepalive.enable", "false"),
        ("tcp.user.timeout.ms", "1"),
        ("receive.message.max.bytes", "1000"),
        ("delivery.reports.max.count", "1"),
        ("log_level", "0"),
        ("enable.idempotence", "false"),
        ("transaction.timeout.ms", "1000"),
        ("on.failure", "stop-partition"),
    ])
    .unwrap();
    config.transactional_id = Some("x".to_string());
    config.on_sequence_gap = OnSequenceGap::Fatal;
    config.on_in_doubt_timeout = OnInDoubtTimeout::Hold;
    config.test_first_sequence = 1;
    config.test_mock_num_brokers = 1;
    config.test_mock_broker_rtt_ms = 1;
    let before = format!("{config:?}");
    for row in properties() {
        if let State::Built(apply) | State::Partly(_, apply) = row.state {
            apply(&mut config, &value::parse(row, row.default).unwrap().1);
        }
    }
    // This default follows another property; build settles it.
    config.tcp_user_timeout_ms = Some(config.request_timeout_ms);
    config.explicit.clear();
    assert_ne!(before, format!("{config:?}"));
    assert_eq!(config, Config::default());
}

#[test]
fn values_arrive_in_their_fields() {
    assert_eq!(good("linger.ms", "0.5").linger_us, 500);
    assert_eq!(good("linger.ms", " 20 ").linger_us, 20_000);
    assert_eq!(good("linger.ms", "0.0001").linger_us, 1, "what is finer than a microsecond is rounded up");
    assert_eq!(good("queue.buffering.max.ms", "1.25").linger_us, 1250);
    assert_eq!(good("queue.buffering.max.kbytes", "2048").buffer_memory, 2 << 20);
    assert_eq!(good("message.max.bytes", "5000").max_request_size, 5000);
    assert_eq!(good("message.timeout.ms", "0").delivery_timeout_ms, 2_147_483_647);
    assert_eq!(good("message.timeout.ms", "300000").delivery_timeout_ms, 300_000);
    assert_eq!(good("socket.timeout.ms", "60000").request_timeout_ms, 60_000);
    assert_eq!(good("max.in.flight", "4").max_in_flight_requests_per_connection, 4);
    assert_eq!(good("message.send.max.retries", "7").retries, 7);
    assert_eq!(good("topic.metadata.refresh.interval.ms", "-1").metadata_max_age_ms, MS_FOREVER);
    assert_eq!(good("max.block.ms", "9223372036854775807").max_block_ms, MS_FOREVER);
    assert_eq!(good("socket.send.buffer.bytes", "0").send_buffer_bytes, None);
    assert_eq!(good("send.buffer.bytes", "131072").send_buffer_bytes, Some(131_072));
    assert_eq!(good("connections.max.idle.ms", "0").connections_max_idle_ms, None);
    assert_eq!(good("connections.max.idle.ms", "-1").connections_max_idle_ms, None);
    assert_eq!(good("connections.max.idle.ms", "9").connections_max_idle_ms, Some(9));
    assert_eq!(good("batch.size", "0").batch_size, 1);
    assert_eq!(good("test.mock.num.brokers", "3").test_mock_num_brokers, 3);
    assert!(!good("allow.auto.create.topics", "FALSE").allow_auto_create_topics);
    for (text, acks) in [("all", -1), ("-1", -1), ("0", 0), ("1", 1), ("ALL", -1)] {
        let settings = [("bootstrap.servers", "a"), ("request.required.acks", text), ("enable.idempotence", "false")];
        assert_eq!(build(&settings).unwrap().acks, acks);
    }
    assert_eq!(good("broker.address.family", "V4").broker_address_family, AddressFamily::V4);
    assert_eq!(good("client.id", " me ").client_id, "me");
    assert!(
        good("enable.idempotence", "true").enable_idempotence
            && !good("enable.idempotence", "false").enable_idempotence
    );
    assert_eq!(good("transactional.id", " t 1 ").transactional_id.as_deref(), Some("t 1"));
    assert_eq!(good("transactional.id", " ").transactional_id, None);
    assert_eq!(good("transaction.timeout.ms", "900000").transaction_timeout_ms, 900_000);
    assert_eq!(good("on.sequence.gap", "FATAL").on_sequence_gap, OnSequenceGap::Fatal);
    assert_eq!(good("on.in.doubt.timeout", "hold").on_in_doubt_timeout, OnInDoubtTimeout::Hold);
    assert_eq!(good("on.failure", "stop-partition").on_failure, OnFailure::StopPartition);
    assert_eq!(good("test.first.sequence", "2147483647").test_first_sequence, 2_147_483_647);
    for (text, kept) in [("0", None), ("-1", Some(30_000)), ("77", Some(77))] {
        assert_eq!(good("tcp.user.timeout.ms", text).tcp_user_timeout_ms, kept);
    }
    assert_eq!(good("request.timeout.ms", "4000").tcp_user_timeout_ms, Some(4000));
    let class = "org.apache.kafka.clients.producer.internals.DefaultPartitioner";
    for text in ["murmur2", "", "null", class] {
        assert_eq!(good("partitioner.class", text).partitioner, Partitioner::Murmur2);
    }
    for (text, partitioner) in [
        ("murmur2_random", Partitioner::Murmur2Random),
        ("consistent", Partitioner::Consistent),
        ("Consistent_Random", Partitioner::ConsistentRandom),
        ("fnv1a", Partitioner::Fnv1a),
        ("fnv1a_random", Partitioner::Fnv1aRandom),
        ("random", Partitioner::Random),
        ("round_robin", Partitioner::RoundRobin),
        ("sticky", Partitioner::Sticky),
        ("adaptive", Partitioner::Adaptive),
        ("single_broker", Partitioner::SingleBroker),
        ("org.apache.kafka.clients.producer.RoundRobinPartitioner", Partitioner::RoundRobin),
    ] {
        assert_eq!(good("partitioner.class", text).partitioner, partitioner);
        assert!(text.contains('.') || good("partitioner", text).partitioner == partitioner, "{text}");
    }
    let defaults = Config::default();
    assert!(defaults.partitioner_adaptive_partitioning_enable && !defaults.partitioner_ignore_keys);
    assert!(!good("partitioner.adaptive.partitioning.enable", "false").partitioner_adaptive_partitioning_enable);
    assert_eq!(good("partitioner.availability.timeout.ms", "700").partitioner_availability_timeout_ms, 700);
    assert!(good("partitioner.ignore.keys", "true").partitioner_ignore_keys);
    assert_eq!(good("client.rack", "a").client_rack, "a");
}

#[test]
fn tls_settings_arrive_in_their_fields() {
    for (text, protocol) in [
        ("plaintext", SecurityProtocol::Plaintext),
        ("SSL", SecurityProtocol::Ssl),
        ("sasl_plaintext", SecurityProtocol::SaslPlaintext),
        ("SASL_SSL", SecurityProtocol::SaslSsl),
    ] {
        let mut builder = ConfigBuilder::new();
        builder.set("security.protocol", text).unwrap();
        assert_eq!(builder.get("security.protocol").as_deref(), Some(text.to_uppercase().as_str()));
        assert_eq!(protocol.uses_tls(), text.to_uppercase().ends_with("SSL"));
        if !protocol.uses_sasl() {
            assert_eq!(good("security.protocol", text).security_protocol, protocol);
        }
    }
    let tls = |name: &str, value: &str| good(name, value).tls;
    let defaults = TlsSettings::default();
    assert!(defaults.verify_hostname && defaults.verify_certificates);
    for value in ["", "none", "NONE"] {
        assert!(!tls("ssl.endpoint.identification.algorithm", value).verify_hostname);
    }
    assert!(tls("ssl.endpoint.identification.algorithm", "HTTPS").verify_hostname);
    assert!(!tls("enable.ssl.certificate.verification", "false").verify_certificates);
    let versions = |tls: TlsSettings| (tls.version_min, tls.version_max, tls.version_cap);
    let (old, new) = (TlsVersion::V12, TlsVersion::V13);
    assert_eq!(versions(tls("ssl.enabled.protocols", "tlsv1.3, TLSv1.2,")), (old, new, new));
    assert_eq!(versions(tls("ssl.enabled.protocols", "TLSv1.3")), (new, new, new));
    assert_eq!(versions(tls("ssl.enabled.protocols", "TLSv1.2,TLSv1.2")), (old, old, new));
    assert_eq!(versions(tls("ssl.protocol", "TLSv1.2")), (old, new, old));
    for value in ["TLSv1.3,TLSv1.1", "TLSv1", "SSLv3", ",", ""] {
        let error = bad("ssl.enabled.protocols", value);
        assert!(error.message.contains("TLSv1.2, TLSv1.3, separated by commas"), "{error}");
    }
    for (name, value) in [("ssl.protocol", "TLSv1.1"), ("ssl.keystore.type", "BCFKS"), ("ssl.truststore.type", "x")] {
        assert_eq!(bad(name, value).status, Status::INVALID_PROPERTY);
    }
    assert_eq!(tls("ssl.cipher.suites", "A, B:C,").cipher_suites, ["A", "B", "C"]);
    assert_eq!(tls("ssl.curves.list", "X25519:P-256").curves, ["X25519", "P-256"]);
    assert_eq!(tls("ssl.keystore.type", "pkcs12").keystore_type, StoreType::Pkcs12);
    assert_eq!(tls("ssl.truststore.type", "JKS").truststore_type, StoreType::Any);
    assert_eq!(tls("ssl.truststore.type", "PEM").truststore_type, StoreType::Pem);
    assert_eq!(tls("ssl.reload.interval.ms", "5000").reload_interval_ms, 5000);
    for (name, value) in [
        ("ssl.ca.pem", |tls: &TlsSettings| tls.truststore_certificates.clone()),
        ("ssl.key.pem", |tls| tls.keystore_key.reveal().to_owned()),
        ("ssl.certificate.pem", |tls| tls.keystore_certificate_chain.clone()),
        ("ssl.ca.location", |tls| tls.ca_location.clone()),
        ("ssl.crl.location", |tls| tls.crl_location.clone()),
        ("ssl.key.location", |tls| tls.key_location.clone()),
        ("ssl.key.password", |tls| tls.key_password.reveal().to_owned()),
        ("ssl.certificate.location", |tls| tls.certificate_location.clone()),
        ("ssl.keystore.location", |tls| tls.keystore_location.clone()),
        ("ssl.keystore.password", |tls| tls.keystore_password.reveal().to_owned()),
        ("ssl.truststore.location", |tls| tls.truststore_location.clone()),
        ("ssl.truststore.password", |tls| tls.truststore_password.reveal().to_owned()),
    ] as [(&str, fn(&TlsSettings) -> String); 12]
    {
        assert_eq!(value(&tls(name, "x y")), "x y", "{name}");
    }
}

#[test]
fn settings_of_partitioners_that_would_do_nothing_are_contradictions() {
    let build = |pairs: &[(&str, &str)]| build(&[&[("bootstrap.servers", "h")], pairs].concat());
    let rackless = build(&[("partitioner.rack.aware", "true")]).expect_err("no rack");
    assert!(rackless.message.contains("client.rack"), "{}", rackless.message);
    assert!(build(&[("partitioner.rack.aware", "true"), ("client.rack", "a")]).expect("both").partitioner_rack_aware);
    let rotation = build(&[("partitioner.broker.rotation.ms", "9")]).expect_err("nothing rotates");
    assert!(rotation.message.contains("partitioner=single_broker"), "{}", rotation.message);
    let rotating = build(&[("partitioner.broker.rotation.ms", "9"), ("partitioner", "single_broker")]);
    assert_eq!(rotating.expect("both").partitioner_broker_rotation_ms, 9);
}

#[test]
fn bad_values_are_refused_with_what_is_allowed() {
    let long = "x".repeat(1001);
    for (name, value, says) in [
        ("batch.size", "", "the empty value is not allowed; allowed: a whole number, 0 to 2147483647 bytes"),
        ("batch.size", "1e3", "property 'batch.size': value '1e3' is not allowed"),
        ("batch.size", "0x10", "'0x10'"),
        ("batch.size", "+5", "'+5'"),
        ("batch.size", "1 0", "'1 0'"),
        ("batch.size", "-1", "0 to 2147483647"),
        ("batch.size", "2147483648", "0 to 2147483647"),
        ("batch.size", "99999999999999999999999", "0 to 2147483647"),
        ("batch.size", "१", "0 to 2147483647"),
        ("buffer.memory", "65535", "65536"),
        ("queue.buffering.max.kbytes", "63", "a whole number, 64 to"),
        ("queue.buffering.max.kbytes", "9223372036854775807", "a whole number, 64 to 1099511627776"),
        ("queue.buffering.max.kbytes", "x", "a whole number, 64 to"),
        ("linger.ms", "1e3", "a fraction is allowed"),
        ("linger.ms", ".5", "a fraction is allowed"),
        ("linger.ms", "5.", "a fraction is allowed"),
        ("linger.ms", "-0.5", "a fraction is allowed"),
        ("linger.ms", "0.5.5", "a fraction is allowed"),
        ("linger.ms", "NaN", "a fraction is allowed"),
        ("linger.ms", "inf", "a fraction is allowed"),
        ("linger.ms", "", "the empty value"),
        ("acks", "2", "all (the same as -1), 0, 1"),
        ("acks", "", "all (the same as -1), 0, 1"),
        ("delivery.timeout.ms", "0", "1 to 2147483647 ms"),
        ("transaction.timeout.ms", "999", "1000 to 2147483647 ms"),
        ("enable.idempotence", "yes", "true, false"),
        ("on.sequence.gap", "ignore", "bump, fatal"),
        ("on.in.doubt.timeout", "drop", "report, hold"),
        ("on.failure", "stop_partition", "gap, stop-partition"),
        ("test.first.sequence", "2147483648", "0 to 2147483647"),
        ("allow.auto.create.topics", "yes", "true, false"),
        ("allow.auto.create.topics", "1", "true, false"),
        ("compression.type", "brotli", "none, gzip, snappy, lz4, zstd"),
        ("metadata.recovery.strategy", "never", "rebootstrap, none"),
        ("partitioner.class", "com.acme.Mine", "cannot be loaded by a C library"),
        ("partitioner.class", "UniformStickyPartitioner", "partitioner.ignore.keys=true"),
        ("partitioner", "sticky_random", "round_robin, sticky, adaptive, single_broker"),
        ("partitioner.broker.rotation.ms", "0", "1 to"),
        ("log_level", "8", "0 to 7"),
        ("client.id", &long, "at most 1000 bytes"),
        ("client.id", "a\0b", "NUL"),
        ("client.id", "line\nbreak\0", "'line\\nbreak"),
        ("bootstrap.servers", ",", "no entry"),
        ("bootstrap.servers", "a:b", "entry 'a:b' has no valid port"),
        ("bootstrap.servers", "a:1, b:0", "entry 'b:0' has no valid port"),
        ("bootstrap.servers", "a:65536", "has no valid port"),
        ("bootstrap.servers", "a:", "has no valid port"),
        ("bootstrap.servers", "a:1:2", "has no valid port"),
        ("bootstrap.servers", ":9092", "no valid host name"),
        ("bootstrap.servers", "a b:1", "no valid host name"),
        ("bootstrap.servers", "::1", "write [::1]:9092"),
        ("bootstrap.servers", "[::1", "closing bracket"),
        ("bootstrap.servers", "[x]:1", "no IPv6 address"),
        ("bootstrap.servers", "[::1]9", "not :port"),
        ("bootstrap.servers", "http://a:1", "names a protocol that is none of Kafka's"),
        ("bootstrap.servers", "a:1,SSL2://b:1", "entry 'SSL2://b:1' names a protocol"),
        ("bootstrap.servers", "://a:1", "names a protocol"),
        ("bootstrap.servers", "SSL://", "no valid host name"),
        ("bootstrap.servers", "SSL://SSL://a", "no valid port"),
    ] {
        let error = bad(name, value);
        assert_eq!(error.status, Status::INVALID_PROPERTY, "{name}={value}: {error}");
        assert!(error.message.contains(says) && error.message.contains(name), "{name}={value}: {error}");
        assert!(!error.message.contains('\0') && !error.message.contains('\n'));
    }
    let error = bad("client.id", &"y".repeat(100_000));
    assert!(error.message.len() < 500, "a long value is cut in the message");
}

#[test]
fn server_lists_are_parsed() {
    let servers = |text| good("metadata.broker.list", text).bootstrap_servers;
    let pair = |host: &str, port| (host.to_string(), port);
    assert_eq!(servers("a"), [pair("a", 9092)]);
    assert_eq!(servers("a:1,b-c.d_e:2"), [pair("a", 1), pair("b-c.d_e", 2)]);
    assert_eq!(servers(" a:1 ,, a:1, "), [pair("a", 1)], "blanks, empty entries and repetitions do not count");
    assert_eq!(servers("[::1]:7,[fe80::1%eth0]"), [pair("::1", 7), pair("fe80::1%eth0", 9092)]);
    assert_eq!(servers("PLAINTEXT://127.0.0.1:65535"), [pair("127.0.0.1", 65535)]);
    assert_eq!(servers("plaintext://[::1]:7, a, PlainText://a:9092"), [pair("::1", 7), pair("a", 9092)]);
}

#[test]
fn a_server_list_may_name_the_protocol_that_is_spoken_and_no_other() {
    let protocols = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let sasl = [("sasl.mechanism", "PLAIN"), ("sasl.username", "u"), ("sasl.password", "p")];
    for spoken in protocols {
        for named in protocols {
            let list = format!("a:1,{}://b:2", named.to_lowercase());
            let mut settings = vec![("bootstrap.servers", list.as_str()), ("security.protocol", spoken)];
            settings.extend(sasl.iter().filter(|_| spoken.starts_with("SASL")));
            match build(&settings) {
                Ok(config) => {
                    assert_eq!(named, spoken);
                    assert_eq!(config.bootstrap_servers, [("a".to_string(), 1), ("b".to_string(), 2)]);
                }
                Err(error) => {
                    assert_ne!(named, spoken, "{error}");
                    assert_eq!(error.status, Status::CONFIG_CONFLICT);
                    let words =
                        [format!("entry '{}://b:2'", named.to_lowercase()), format!("security.protocol={spoken}")];
                    assert!(words.iter().all(|words| error.message.contains(words)), "{error}");
                    assert!(error.message.contains(&format!("set security.protocol={named}")), "{error}");
                }
            }
        }
    }
    let error = build(&[("bootstrap.servers", "SASL_SSL://a:1")]).expect_err("the default is another");
    assert!(error.message.contains("security.protocol=PLAINTEXT, the default"), "{error}");
}

#[test]
fn a_batch_that_was_not_sized_has_room_in_a_request() {
    for (request, most) in [("1048576", 1_000_000), ("100000", 100_000), ("1000", 1_000), ("100000000", 1_000_000)] {
        let config = good("max.request.size", request);
        assert!(config.batch_size <= most && config.batch_size >= most / 32 * 31, "{request}: {}", config.batch_size);
    }
    let both = build(&[("bootstrap.servers", "a"), ("max.request.size", "5000"), ("batch.size", "200000")]);
    assert_eq!(both.expect("a lone batch may be larger").batch_size, 200_000);
}

#[test]
fn unknown_names_propose_the_nearest() {
    for (name, near) in [
        ("lingr.ms", "linger.ms"),
        ("linger_ms", "linger.ms"),
        ("Linger.MS", "linger.ms"),
        ("bootstrap.server", "bootstrap.servers"),
        ("max.inflight.requests.per.connection", "max.in.flight.requests.per.connection"),
        ("ack", "acks"),
        ("message.max.byte", "message.max.bytes"),
        ("buffer.memmory", "buffer.memory"),
        ("linger", "linger.ms"),
        ("compression", "compression.type"),
    ] {
        let error = bad(name, "1");
        assert_eq!(error.status, Status::UNKNOWN_PROPERTY);
        assert_eq!(error.message, format!("unknown property '{name}'; did you mean '{near}'?"));
    }
    for name in ["", "völlig.anders", "zzzzzzzzzzzzzzzz", &"linger.ms".repeat(5000)] {
        let error = bad(name, "secret-value");
        assert_eq!(error.status, Status::UNKNOWN_PROPERTY);
        assert!(!error.message.contains("did you mean") && error.message.len() < 500, "{error}");
        assert!(!error.message.contains("secret-value"), "an unknown property may be a misspelled secret");
    }
}

#[test]
fn what_is_not_built_is_refused_and_what_asks_for_nothing_accepted() {
    for (name, value, says) in [
        ("enable.gapless.guarantee", "true", "use on.failure=stop-partition"),
        ("ssl.engine.location", "/usr/lib/engine.so", "without OpenSSL"),
        ("ssl_ca", "0x1234", "ssl.truststore.certificates"),
        ("sasl.login.class", "com.acme.Login", "which a C library cannot load"),
        ("interceptor.classes", "com.acme.I", "cannot be loaded"),
        ("key.serializer", "io.confluent.kafka.serializers.KafkaAvroSerializer", "keys and values are bytes here"),
        ("value.serializer", "StringSerializer", "keys and values are bytes here"),
        ("metric.reporters", "x", "cannot be loaded"),
        ("group.id", "g", "it is a setting of consumers, not of a producer; remove it"),
        ("auto.offset.reset", "earliest", "a setting of consumers"),
        ("min.insync.replicas", "2", "a setting of brokers and topics"),
        ("replication.factor", "3", "a setting of brokers and topics"),
        ("queue.buffering.max.messages", "1000000", "use buffer.memory"),
        ("queuing.strategy", "lifo", "order"),
        ("dr_msg_cb", "0x1234", "producer_send"),
        ("socket.nagle.disable", "false", "accepts only 'true'"),
        ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only", "use_all_dns_ips"),
    ] {
        let error = bad(name, value);
        assert_eq!(error.status, Status::PROPERTY_NOT_SUPPORTED, "{name}={value}: {error}");
        assert!(error.message.contains(says) && error.message.contains(name), "{name}={value}: {error}");
    }
    for (name, value) in [
        ("enable.gapless.guarantee", "false"),
        ("security.protocol", "plaintext"),
        ("interceptor.classes", ""),
        ("queuing.strategy", "fifo"),
        ("statistics.interval.ms", "0"),
        ("ssl.endpoint.identification.algorithm", "https"),
    ] {
        good(name, value);
    }
}

#[test]
fn secrets_are_never_shown() {
    for row in properties().filter(|row| row.is_secret()) {
        let mut builder = ConfigBuilder::new();
        assert_eq!(builder.get(row.name).as_deref(), Some(""));
        match builder.set(row.name, "hunter2") {
            Ok(()) => {
                assert_eq!(builder.get(row.name).as_deref(), Some("[hidden]"));
                builder.set("bootstrap.servers", "localhost").unwrap();
                let shown = format!("{:?}", builder.build().map_err(|error| error.message));
                assert!(!shown.contains("hunter2"), "{}: {shown}", row.name);
            }
            Err(error) => assert!(!error.message.contains("hunter2"), "{error}"),
        }
        let error = ConfigBuilder::new().set(row.name, "hunter2\0").unwrap_err();
        assert!(!error.message.contains("hunter2"), "{error}");
    }
    assert!(matches!(lookup("ssl.key.password").unwrap().property.kind, Kind::Secret));
}

#[test]
fn get_tells_the_value_in_force_in_the_unit_of_the_name() {
    let mut builder = ConfigBuilder::new();
    assert_eq!(builder.get("linger.ms").as_deref(), Some("5"));
    assert_eq!(builder.get("queue.buffering.max.kbytes").as_deref(), Some("131072"));
    assert_eq!(builder.get("no.such.thing"), None);
    builder.set("queue.buffering.max.kbytes", "128").unwrap();
    builder.set("linger.ms", "007.500").unwrap();
    builder.set("message.timeout.ms", "0").unwrap();
    builder.set("acks", "-1").unwrap();
    for (name, value) in [
        ("buffer.memory", "131072"),
        ("queue.buffering.max.kbytes", "128"),
        ("linger.ms", "7.5"),
        ("queue.buffering.max.ms", "7.5"),
        ("delivery.timeout.ms", "2147483647"),
        ("message.timeout.ms", "0"),
        ("acks", "all"),
        ("request.required.acks", "all"),
    ] {
        assert_eq!(builder.get(name).as_deref(), Some(value), "{name}");
    }
    let before = builder.clone();
    assert!(builder.set("linger.ms", "x").is_err());
    assert_eq!(builder.get("linger.ms").as_deref(), Some("7.5"), "a refused value changes nothing");
    builder.set("linger.ms", "1").unwrap();
    assert_eq!(before.get("linger.ms").as_deref(), Some("7.5"), "a clone is independent");
}

#[test]
fn set_properties_are_told_from_defaults() {
    let config = good("max.in.flight", "5");
    assert_eq!(config.explicit, ["bootstrap.servers", "max.in.flight.requests.per.connection"]);
    assert!(config.is_explicit("bootstrap.servers") && !config.is_explicit("linger.ms"));
}

#[test]
fn contradictions_are_found_together() {
    let error = build(&[
        ("delivery.timeout.ms", "1000"),
        ("linger.ms", "0.5"),
        ("retry.backoff.ms", "10"),
        ("retry.backoff.max.ms", "5"),
        ("reconnect.backoff.ms", "10"),
        ("reconnect.backoff.max.ms", "5"),
        ("buffer.memory", "65536"),
        ("batch.size", "65537"),
        ("max.request.size", "1048576"),
        ("test.mock.broker.rtt", "5"),
        ("queue.buffering.max.ms", "6"),
    ])
    .unwrap_err();
    assert_eq!(error.status, Status::CONFIG_CONFLICT);
    for says in [
        "8 contradictions: (1) ",
        "linger.ms=0.5 and queue.buffering.max.ms=6 are two names of one property",
        "bootstrap.servers is required",
        "delivery.timeout.ms=1000 is less than linger.ms + request.timeout.ms = 30006",
        "retry.backoff.ms=10 is more than retry.backoff.max.ms=5",
        "reconnect.backoff.ms=10 is more than reconnect.backoff.max.ms=5",
        "batch.size=65537 is more than buffer.memory=65536",
        "max.request.size=1048576 is more than buffer.memory=65536",
        "test.mock.broker.rtt.ms has a meaning only with",
    ] {
        assert!(error.message.contains(says), "{says}: {error}");
    }
    let error = build(&[("bootstrap.servers", "a"), ("test.mock.num.brokers", "1")]).unwrap_err();
    assert!(error.message.contains("exclude each other") && !error.message.contains("contradictions"), "{error}");
    assert!(build(&[("bootstrap.servers", "")]).unwrap_err().message.starts_with("bootstrap.servers is required"));
    assert!(build(&[("test.mock.num.brokers", "1"), ("test.mock.broker.rtt", "5")]).is_ok());
}

#[test]
fn two_names_with_one_value_are_no_contradiction() {
    let settings = [("bootstrap.servers", "a"), ("buffer.memory", "4194304"), ("queue.buffering.max.kbytes", "4096")];
    assert_eq!(build(&settings).unwrap().buffer_memory, 4 << 20);
    assert!(build(&[("bootstrap.servers", "a"), ("acks", "all"), ("request.required.acks", "-1")]).is_ok());
    // The same name again simply replaces the earlier value.
    assert_eq!(build(&[("bootstrap.servers", "a"), ("retries", "1"), ("retries", "2")]).unwrap().retries, 2);
}

#[test]
fn defaults_give_way_to_what_was_set() {
    assert_eq!(good("request.timeout.ms", "200000").delivery_timeout_ms, 200_005);
    assert_eq!(good("retry.backoff.ms", "5000").retry_backoff_max_ms, 5000);
    assert_eq!(good("retry.backoff.max.ms", "20").retry_backoff_ms, 20);
    assert_eq!(good("reconnect.backoff.ms", "5000").reconnect_backoff_max_ms, 5000);
    assert_eq!(good("reconnect.backoff.max.ms", "20").reconnect_backoff_ms, 20);
    let small = good("buffer.memory", "65536");
    assert_eq!((small.batch_size, small.max_request_size), (65_536 - 65_536 / 32, 65_536));
    let set = [("bootstrap.servers", "a"), ("delivery.timeout.ms", "30005")];
    assert_eq!(build(&set).unwrap().delivery_timeout_ms, 30_005, "the least that is legal");
}

#[test]
fn ranges_keep_microseconds_from_overflowing() {
    let config = good("linger.ms", &MS_FOREVER.to_string());
    assert_eq!(config.linger_us, MS_FOREVER * 1000);
    assert!(config.delivery_timeout_ms > MS_FOREVER && config.delivery_timeout_ms.checked_mul(1000).is_some());
    assert_eq!(Value::Int(i64::MAX).ms(), MS_FOREVER);
}

/// `build` with a broker.
fn with_broker(settings: &[(&str, &str)]) -> Result<Config> {
    build(&[&[("bootstrap.servers", "a")], settings].concat())
}

#[test]
fn what_contradicts_idempotence_is_an_error_and_never_drops_it() {
    for (name, value, says) in [
        ("acks", "1", "needs acks=all, but acks=1: set acks=all, or set enable.idempotence=false"),
        ("acks", "0", "needs acks=all, but acks=0"),
        ("retries", "0", "needs retries above 0, but retries=0: remove retries, or set enable.idempotence=false"),
        ("max.in.flight", "6", "max.in.flight.requests.per.connection=6: lower it, or set enable.idempotence=false"),
    ] {
        for (explicit, begins) in [
            (&[][..], "enable.idempotence=true, which is the default, needs "),
            (&[("enable.idempotence", "true")][..], "enable.idempotence=true needs "),
        ] {
            let error = with_broker(&[&[(name, value)], explicit].concat()).unwrap_err();
            assert_eq!(error.status, Status::CONFIG_CONFLICT);
            assert!(error.message.starts_with(begins) && error.message.contains(says), "{error}");
        }
        let without = with_broker(&[(name, value), ("enable.idempotence", "false")]).unwrap();
        assert!(!without.enable_idempotence);
        let error = with_broker(&[(name, value), ("transactional.id", "t")]).unwrap_err();
        assert!(error.message.contains("or remove transactional.id and set enable.idempotence=false"), "{error}");
    }
    let error = with_broker(&[("acks", "1"), ("retries", "0"), ("max.in.flight", "9")]).unwrap_err();
    assert!(error.message.starts_with("3 contradictions: "), "{error}");
    assert!(with_broker(&[("acks", "-1"), ("retries", "1"), ("max.in.flight", "5")]).unwrap().enable_idempotence);
}

#[test]
fn what_has_a_meaning_only_with_idempotence_is_not_ignored_without() {
    for (name, value) in [("on.sequence.gap", "bump"), ("on.in.doubt.timeout", "hold"), ("test.first.sequence", "5")] {
        let error = with_broker(&[(name, value), ("enable.idempotence", "false")]).unwrap_err();
        let says = format!("{name} has a meaning only with enable.idempotence=true: set that, or remove {name}");
        assert_eq!((error.status, error.message), (Status::CONFIG_CONFLICT, says));
    }
    assert!(with_broker(&[("on.failure", "stop-partition"), ("enable.idempotence", "false")]).is_ok());
    let error = with_broker(&[("transactional.id", "t"), ("enable.idempotence", "false")]).unwrap_err();
    assert!(error.message.contains("transactional.id needs enable.idempotence=true"), "{error}");
}

#[test]
fn time_limits_fit_into_the_transactions() {
    let times = |settings: &[(&str, &str)]| {
        let config = with_broker(&[&[("transactional.id", "t")], settings].concat()).unwrap();
        (config.request_timeout_ms, config.delivery_timeout_ms, config.transaction_timeout_ms)
    };
    assert_eq!(times(&[]), (30_000, 60_000, 60_000), "defaults give way");
    assert_eq!(times(&[("transaction.timeout.ms", "900000")]), (30_000, 120_000, 900_000));
    assert_eq!(times(&[("transaction.timeout.ms", "1000")]), (500, 1000, 1000));
    assert_eq!(times(&[("transaction.timeout.ms", "1000"), ("linger.ms", "900.5")]), (99, 1000, 1000));
    assert_eq!(times(&[("delivery.timeout.ms", "60000")]), (30_000, 60_000, 60_000));
    assert_eq!(times(&[("request.timeout.ms", "59995")]), (59_995, 60_000, 60_000));
    for (settings, says) in [
        (
            &[("delivery.timeout.ms", "60001")][..],
            "delivery.timeout.ms=60001 is more than transaction.timeout.ms=60000: lower",
        ),
        (
            &[("request.timeout.ms", "60000")],
            "request.timeout.ms=60000 is not less than transaction.timeout.ms=60000: lower",
        ),
        (
            &[("request.timeout.ms", "59996")],
            "linger.ms + request.timeout.ms=60001 is more than transaction.timeout.ms=60000",
        ),
        (&[("linger.ms", "70000")], "linger.ms + request.timeout.ms=70001 is more than transaction.timeout.ms=60000"),
    ] {
        let error = with_broker(&[&[("transactional.id", "t")], settings].concat()).unwrap_err();
        assert_eq!(error.status, Status::CONFIG_CONFLICT);
        assert!(error.message.starts_with(says), "{error}");
        // Without transactions nothing of this matters.
        assert!(with_broker(settings).is_ok(), "{settings:?}");
    }
}

#[test]
fn two_phase_commit_has_no_time_limit_and_needs_a_transactional_id() {
    let two_phase = ("transaction.two.phase.commit.enable", "true");
    let config = with_broker(&[("transactional.id", "t"), two_phase]).unwrap();
    assert!(config.two_phase_commit);
    assert_eq!((config.request_timeout_ms, config.delivery_timeout_ms), (30_000, 120_000), "nothing limits them");
    assert_eq!(config.transaction_timeout_ms, 2_147_483_647);
    assert!(!with_broker(&[("transactional.id", "t")]).unwrap().two_phase_commit);
    for (settings, says) in [
        (&[("transactional.id", "t"), two_phase, ("transaction.timeout.ms", "60000")][..], "exclude each other"),
        (&[two_phase], "only with transactional.id"),
    ] {
        let error = with_broker(settings).unwrap_err();
        assert!(error.status == Status::CONFIG_CONFLICT && error.message.contains(says), "{error}");
    }
}
