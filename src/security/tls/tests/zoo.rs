//! Brokers' certificates.

use rcgen::{
    CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::SignatureScheme;

use super::*;

#[test]
fn a_good_certificate_is_accepted_and_the_session_resumed() {
    let ca = root("Test CA");
    let tls = client(&trusting(&ca.pem));
    let broker = broker(&leaf(&[HOST], &ca));
    assert_eq!(connect(&tls, HOST, &broker).unwrap().handshake_kind(), Some(rustls::HandshakeKind::Full));
    assert_eq!(connect(&tls, HOST, &broker).unwrap().handshake_kind(), Some(rustls::HandshakeKind::Resumed));
    assert!(tls.warnings().is_empty(), "{:?}", tls.warnings());
}

#[test]
fn names_of_hosts_are_found_in_certificates_as_they_are_meant() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    for (names, host) in [
        (&["broker.example.com", "other.example.com"][..], "broker.example.com"),
        (&["broker.example.com"], "BROKER.Example.COM"),
        (&["broker.example.com"], "broker.example.com."),
        (&["*.example.com"], "broker.example.com"),
        (&["10.1.2.3"], "10.1.2.3"),
        (&["fd00::7"], "fd00::7"),
        (&["fd00::7"], "[fd00::7]"),
        (&["localhost"], "localhost"),
        (&["kafka_1"], "kafka_1"),
    ] {
        accepted(&settings, host, &broker(&leaf(names, &ca)));
    }
    for (names, host, says) in [
        (&["other.example.com"][..], "broker.example.com", "not for 'broker.example.com' but for other.example.com:"),
        (&["a.example.com", "b.example.com"], "broker.example.com", "a.example.com, b.example.com"),
        (&["*.example.com"], "a.broker.example.com", "for *.example.com"),
        (&["*.example.com"], "example.com", "for *.example.com"),
        (&["broker.example.com"], "10.1.2.3", "not for '10.1.2.3' but for broker.example.com"),
        (&["10.1.2.3"], "10.1.2.4", "for 10.1.2.3"),
        (&["10.1.2.3"], "broker.example.com", "for 10.1.2.3, CN broker 1:"),
    ] {
        let broker = broker(&leaf(names, &ca));
        refused(&settings, host, &broker, &[says, "ssl.endpoint.identification.algorithm=none"]);
    }
}

#[test]
fn a_common_name_counts_only_where_there_is_no_dns_name() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    let with_cn = |common_name: &str, names: &[&str]| {
        broker(&leaf_with(names, &ca, |params| params.distinguished_name = named(common_name)))
    };
    accepted(&settings, HOST, &with_cn(HOST, &[]));
    accepted(&settings, HOST, &with_cn("*.example.com", &[]));
    accepted(&settings, HOST, &with_cn(HOST, &["10.0.0.1"]));
    refused(&settings, HOST, &with_cn(HOST, &["other.example.com"]), &["for other.example.com:"]);
    refused(&settings, HOST, &with_cn("other", &[]), &["but for CN other:"]);
    refused(&settings, "10.0.0.2", &with_cn("10.0.0.2", &[]), &["'10.0.0.2'"]);
}

#[test]
fn the_check_of_names_can_be_switched_off_and_says_so() {
    let ca = root("Test CA");
    let settings = TlsSettings { verify_hostname: false, ..trusting(&ca.pem) };
    accepted(&settings, "elsewhere.org", &broker(&leaf(&[HOST], &ca)));
    accepted(&settings, "10.0.0.1", &broker(&leaf(&[], &ca)));
    assert!(client(&settings).warnings()[0].contains("ssl.endpoint.identification.algorithm"));
    refused(&settings, HOST, &broker(&leaf(&[HOST], &root("Other CA"))), &["'CN=Other CA'"]);
}

#[test]
fn the_check_of_certificates_can_be_switched_off_and_says_so() {
    let settings = TlsSettings { verify_certificates: false, ..TlsSettings::default() };
    accepted(&settings, HOST, &broker(&self_signed(&["elsewhere"], |_| {})));
    assert!(client(&settings).warnings()[0].contains("enable.ssl.certificate.verification=false"));
}

#[test]
fn intermediates_have_to_be_sent_or_trusted() {
    let ca = root("Test CA");
    let middle = intermediate("Middle", &ca);
    let settings = trusting(&ca.pem);
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &middle).with(&middle)));
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &middle).with(&middle).with(&ca)));
    accepted(&trusting(&middle.pem), HOST, &broker(&leaf(&[HOST], &middle)));
    let says = [
        "no trusted certificate issued the broker's (subject 'CN=broker 1', issuer 'CN=Middle'; the broker sent no other)",
        "trusted are ssl.truststore.certificates (1 certificate)",
        "add the certificate of 'CN=Middle' there",
        "let the broker send it",
    ];
    refused(&settings, HOST, &broker(&leaf(&[HOST], &middle)), &says);
    let low = intermediate("Low", &middle);
    refused(
        &settings,
        HOST,
        &broker(&leaf(&[HOST], &low).with(&low)),
        &["add the certificate of 'CN=Middle'", "sent 1 more"],
    );
}

#[test]
fn an_unknown_issuer_is_named_with_what_is_trusted() {
    let (ca, other) = (root("Test CA"), root("Other CA"));
    let scratch = Scratch::new();
    let location = scratch.write("both.pem", format!("{}\n{}", root("A").pem, root("B").pem));
    let settings = TlsSettings { ca_location: location.clone(), ..TlsSettings::default() };
    let trusted = format!("trusted are ssl.ca.location '{location}' (2 certificates)");
    refused(&settings, HOST, &broker(&leaf(&[HOST], &ca)), &["issuer 'CN=Test CA'", &trusted]);
    let both = TlsSettings { truststore_certificates: other.pem.clone(), ..settings };
    refused(&both, HOST, &broker(&leaf(&[HOST], &ca)), &[" and ssl.truststore.certificates (1 certificate)"]);
    accepted(&both, HOST, &broker(&leaf(&[HOST], &other)));
}

#[test]
fn a_root_that_was_made_anew_under_its_old_name_is_told() {
    let (old, new) = (root("Test CA"), root("Test CA"));
    let says = ["a certificate of that name is trusted, but its key is another", "'CN=Test CA'"];
    refused(&trusting(&old.pem), HOST, &broker(&leaf(&[HOST], &new)), &says);
}

#[test]
fn the_operating_systems_store_is_the_default_where_there_is_one() {
    match ClientTls::new(&TlsSettings::default()) {
        Ok(tls) => {
            let trouble = connect(&tls, HOST, &broker(&leaf(&[HOST], &root("Nobody's CA")))).unwrap_err();
            assert!(trouble.text.contains("trusted are the operating system's store ("), "{}", trouble.text);
            assert!(trouble.text.contains("name that in ssl.ca.location"), "{}", trouble.text);
        }
        Err(error) => assert!(error.message.contains("ca-certificates"), "{}", error.message),
    }
}

#[test]
fn a_self_signed_certificate_is_accepted_only_if_it_is_itself_trusted() {
    let plain = self_signed(&[HOST], |_| {});
    let says = ["is self-signed (subject 'CN=broker 1')", "add it there"];
    refused(&trusting(&root("Test CA").pem), HOST, &broker(&plain), &says);
    accepted(&trusting(&plain.pem), HOST, &broker(&plain));
    // As 'openssl req -x509' makes them.
    let authority = self_signed(&[HOST], |params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    accepted(&trusting(&authority.pem), HOST, &broker(&authority));
    refused(&trusting(&authority.pem), "elsewhere.org", &broker(&authority), &["not for 'elsewhere.org'"]);
    let old = self_signed(&[HOST], |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    });
    refused(&trusting(&old.pem), HOST, &broker(&old), &["expired on 2020-01-01 00:00:00 UTC"]);
}

#[test]
fn a_certificate_that_is_trusted_itself_needs_no_issuer() {
    let shown = leaf(&[HOST], &root("Nobody's CA"));
    accepted(&trusting(&shown.pem), HOST, &broker(&shown));
    refused(&trusting(&shown.pem), "elsewhere.org", &broker(&shown), &["for broker.example.com"]);
}

#[test]
fn a_broker_that_is_trusted_itself_issues_nothing() {
    let ca = root("Nobody's CA");
    let usage = |params: &mut CertificateParams| params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let no_authority = |params: &mut CertificateParams| params.is_ca = IsCa::ExplicitNoCa;
    for pinned in [leaf_with(&[HOST], &ca, no_authority), leaf_with(&[HOST], &ca, usage)] {
        let settings = trusting(&pinned.pem);
        accepted(&settings, HOST, &broker(&pinned));
        let (der, key) = (pinned.chain[0].clone(), KeyPair::from_pem(&pinned.key.serialize_pem()).unwrap());
        let pretended = Authority { issuer: Issuer::new(leaf_params(&[HOST]), key), pem: String::new(), der };
        let says = ["'CN=broker 1', which is trusted for itself alone"];
        let other = leaf_with(&["other.example.com"], &pretended, |params| params.distinguished_name = named("other"));
        refused(&settings, "other.example.com", &broker(&other), &says);
        // Beside a root that may.
        let both = trusting(&format!("{}{}", pinned.pem, root("Test CA").pem));
        accepted(&both, HOST, &broker(&pinned));
        refused(&both, "other.example.com", &broker(&other.with(&pretended)), &[]);
    }
}

#[test]
fn a_common_name_does_not_count_under_an_authority_of_certain_names() {
    let limited = |params: &mut CertificateParams| {
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.org".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    };
    let ca = root("Test CA");
    let middle = intermediate_with("Middle", &ca, limited);
    let with_cn = |common_name: &str, names: &[&str], by: &Authority| {
        leaf_with(names, by, |params| params.distinguished_name = named(common_name))
    };
    let settings = trusting(&ca.pem);
    accepted(&settings, "a.other.org", &broker(&with_cn("x", &["a.other.org"], &middle).with(&middle)));
    refused(&settings, HOST, &broker(&with_cn(HOST, &[], &middle).with(&middle)), &["but for CN broker.example.com"]);
    // The same as a root, alone and above one without limits.
    refused(&trusting(&middle.pem), HOST, &broker(&with_cn(HOST, &[], &middle)), &["but for CN"]);
    let low = intermediate("Low", &middle);
    refused(&trusting(&middle.pem), HOST, &broker(&with_cn(HOST, &[], &low).with(&low)), &["but for CN"]);
    // A limited root that has nothing to do with the chain takes nothing away.
    let both = trusting(&format!("{}{}", ca.pem, middle.pem));
    accepted(&both, HOST, &broker(&with_cn(HOST, &[], &ca)));
}

#[test]
fn one_odd_certificate_is_left_out_of_a_bundle() {
    const ODD: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n";
    let ca = root("Test CA");
    let settings = trusting(&format!("{ODD}{}", ca.pem));
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &ca)));
    let warnings = client(&settings).warnings();
    assert!(warnings[0].contains("certificate 1 is damaged; left out"), "{warnings:?}");
}

#[test]
fn times_of_validity_are_told() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    let old = leaf_with(&[HOST], &ca, |params| params.not_after = date_time_ymd(2021, 3, 4));
    let says = ["the broker's certificate (subject 'CN=broker 1') expired on 2021-03-04 00:00:00 UTC (now is 2"];
    refused(&settings, HOST, &broker(&old), &says);
    let early = leaf_with(&[HOST], &ca, |params| params.not_before = date_time_ymd(3000, 1, 2));
    refused(&settings, HOST, &broker(&early), &["is not valid before 3000-01-02 00:00:00 UTC", "clock"]);
    let middle = intermediate_with("Middle", &ca, |params| params.not_after = date_time_ymd(2020, 2, 29));
    let says = ["the certificate 'CN=Middle', which issued the broker's, expired on 2020-02-29 00:00:00 UTC"];
    refused(&settings, HOST, &broker(&leaf(&[HOST], &middle).with(&middle)), &says);
}

#[test]
fn certificates_for_something_else_are_refused() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    let clients =
        leaf_with(&[HOST], &ca, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    refused(&settings, HOST, &broker(&clients), &["is not for servers", "serverAuth"]);
    let any = leaf_with(&[HOST], &ca, |params| params.extended_key_usages.clear());
    accepted(&settings, HOST, &broker(&any));
    let not_an_issuer = leaf(&["issuer"], &ca);
    let pretended = Authority {
        issuer: Issuer::new(leaf_params(&["issuer"]), not_an_issuer.key),
        pem: String::new(),
        der: not_an_issuer.chain[0].clone(),
    };
    let trouble = connect(&client(&settings), HOST, &broker(&leaf(&[HOST], &pretended).with(&pretended))).unwrap_err();
    assert!(trouble.is_permanent, "{trouble:?}");
}

#[test]
fn a_certificate_of_version_1_is_accepted_from_a_trusted_root() {
    let certificates = pem::sections(fixture_text("v1.pem").as_bytes()).unwrap();
    let key = pem::sections(fixture_text("v1.key").as_bytes()).unwrap();
    let chain: Vec<_> =
        certificates.into_iter().map(|section| CertificateDer::from(section.certificate_der())).collect();
    let key: PrivateKeyDer<'static> = PrivatePkcs8KeyDer::from(key[0].der.reveal().to_vec()).into();
    let broker = broker_of(chain, key);
    let settings = trusting(&fixture_text("v1-ca.pem"));
    accepted(&settings, HOST, &broker);
    accepted(&TlsSettings { version_max: TlsVersion::V12, ..settings.clone() }, HOST, &broker);
    refused(&settings, "elsewhere.org", &broker, &["but for CN broker.example.com"]);
    refused(&trusting(&root("tutorial ca").pem), HOST, &broker, &["X.509 version 1"]);
}

#[test]
fn revoked_certificates_are_refused() {
    let ca = root("Test CA");
    let revoked = leaf_with(&[HOST], &ca, |params| params.serial_number = Some(SerialNumber::from(7_u64)));
    let good = leaf_with(&[HOST], &ca, |params| params.serial_number = Some(SerialNumber::from(8_u64)));
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(3000, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(7_u64),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let scratch = Scratch::new();
    let crl = scratch.write("list.pem", list.signed_by(&ca.issuer).unwrap().pem().unwrap());
    let settings = TlsSettings { crl_location: crl, ..trusting(&ca.pem) };
    refused(&settings, HOST, &broker(&revoked), &["is revoked", "ssl.crl.location"]);
    accepted(&settings, HOST, &broker(&good));
    let directory = TlsSettings { crl_location: scratch.0.to_str().unwrap().to_owned(), ..settings.clone() };
    refused(&directory, HOST, &broker(&revoked), &["is revoked"]);
    // Another issuer's certificates have no list, and pass.
    let other = root("Other CA");
    let both = TlsSettings { truststore_certificates: format!("{}{}", ca.pem, other.pem), ..settings };
    accepted(&both, HOST, &broker(&leaf(&[HOST], &other)));
    let trusted_and_revoked = TlsSettings { truststore_certificates: format!("{}{}", ca.pem, revoked.pem), ..both };
    refused(&trusted_and_revoked, HOST, &broker(&revoked), &["is revoked"]);
}

#[test]
fn weak_and_foreign_keys_are_told() {
    // Shown to a client that cannot read the key at all.
    let p521 = fixture_text("p521-cert.pem");
    let sections = pem::sections(p521.as_bytes()).unwrap();
    let certificate = CertificateDer::from(sections.into_iter().next().unwrap().certificate_der());
    let ca = root("Test CA");
    let trust = trust::load(&trusting(&ca.pem), &SystemStore::default(), &mut Files::default()).unwrap();
    let error: rustls::Error = rustls::CertificateError::UnsupportedSignatureAlgorithmContext {
        signature_algorithm_id: Vec::new(),
        supported_algorithms: Vec::new(),
    }
    .into();
    let host = names::server_name(HOST).unwrap();
    let explained = |end_entity: &CertificateDer<'_>| {
        let now = rustls::pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
        explain::certificate(
            &explain::Refused { error: &error, end_entity, intermediates: &[], host: &host, now },
            &trust,
        )
        .text
    };
    assert!(explained(&certificate).contains("has a key on P-521"), "{}", explained(&certificate));
    let sha1 = pem::sections(fixture_text("sha1-cert.pem").as_bytes()).unwrap();
    let certificate = CertificateDer::from(sha1.into_iter().next().unwrap().certificate_der());
    assert!(explained(&certificate).contains("'CN=sha1' of the broker's chain is signed with SHA-1"));
    assert!(explained(&leaf(&[HOST], &ca).chain[0]).contains("not accepted (1.2.840.10045.4.3.2)"));
    assert!(explained(&CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01])).contains("no X.509 certificate"));
}

#[test]
fn versions_suites_and_groups_are_chosen_by_name() {
    let ca = root("Test CA");
    let broker = broker(&leaf(&[HOST], &ca));
    let settings = trusting(&ca.pem);
    let spoken = |settings: &TlsSettings| connect(&client(settings), HOST, &broker).unwrap();
    assert_eq!(spoken(&settings).protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    for capped in [
        TlsSettings { version_max: TlsVersion::V12, ..settings.clone() },
        TlsSettings { version_cap: TlsVersion::V12, ..settings.clone() },
    ] {
        assert_eq!(spoken(&capped).protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    }
    for name in ["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] {
        let one = TlsSettings { cipher_suites: vec![name.into(), "HIGH".into()], ..settings.clone() };
        let suite = spoken(&one).negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
        assert!(client(&one).warnings()[0].contains("left out: HIGH"), "{:?}", client(&one).warnings());
    }
    let chacha = TlsSettings { cipher_suites: vec!["ECDHE-ECDSA-CHACHA20-POLY1305".into()], ..settings.clone() };
    assert!(spoken(&chacha).negotiated_cipher_suite().unwrap().tls13().is_none());
    let new = TlsSettings { cipher_suites: vec!["tls_aes_256_gcm_sha384".into()], ..settings.clone() };
    assert!(spoken(&new).negotiated_cipher_suite().unwrap().tls13().is_some());
    let group = TlsSettings { curves: vec!["secp384r1".into()], ..settings.clone() };
    let negotiated = spoken(&group).negotiated_key_exchange_group().unwrap().name();
    assert_eq!(negotiated, rustls::NamedGroup::secp384r1);
    accepted(&TlsSettings { signature_algorithms: vec!["ECDSA+SHA256".into()], ..settings.clone() }, HOST, &broker);
    let rsa_only = TlsSettings { signature_algorithms: vec!["rsa_pss_rsae_sha256".into()], ..settings.clone() };
    assert!(connect(&client(&rsa_only), HOST, &broker).unwrap_err().is_permanent);
    assert_eq!(suites::offer(&rsa_only).unwrap().signatures, [SignatureScheme::RSA_PSS_SHA256]);

    let one = |cipher: &str| TlsSettings { cipher_suites: vec![cipher.into()], ..settings.clone() };
    bad(&one("RC4-SHA"), Status::INVALID_PROPERTY, &["ssl.cipher.suites", "RC4-SHA", "TLS_AES_256_GCM_SHA384"]);
    let unfit = TlsSettings { version_max: TlsVersion::V12, ..one("TLS_AES_256_GCM_SHA384") };
    bad(&unfit, Status::CONFIG_CONFLICT, &["ssl.cipher.suites", "ssl.enabled.protocols"]);
    let never = TlsSettings { version_min: TlsVersion::V13, version_cap: TlsVersion::V12, ..settings.clone() };
    bad(&never, Status::CONFIG_CONFLICT, &["ssl.protocol=TLSv1.2"]);
    bad(
        &TlsSettings { curves: vec!["P-521".into()], ..settings.clone() },
        Status::INVALID_PROPERTY,
        &["X25519, P-256"],
    );
    let none = TlsSettings { signature_algorithms: vec!["RSA+SHA1".into()], ..settings };
    bad(&none, Status::INVALID_PROPERTY, &["ssl.sigalgs.list", "RSA+SHA1"]);
}

#[test]
fn a_version_that_the_broker_does_not_speak_is_told() {
    let ca = root("Test CA");
    let shown = leaf(&[HOST], &ca);
    let old = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(shown.chain.clone(), shown.key_der())
        .unwrap();
    let settings = TlsSettings { version_min: TlsVersion::V13, ..trusting(&ca.pem) };
    refused(&settings, HOST, &old, &["none of the TLS versions offered (TLSv1.3)", "ssl.enabled.protocols"]);
}

#[test]
fn who_answers_without_tls_is_recognised() {
    let tls = client(&trusting(&root("Test CA").pem));
    let garbled = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
    for (bytes, says) in [
        (&b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"[..], "an HTTP port (it answered 'HTTP/1.1 400 Bad Request')"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it answered 'SSH-2.0-OpenSSH_9.2'"),
        (b"\0\0\0\x0a\0\0\0\x01\0\x23", "the answer is not TLS"),
    ] {
        for trouble in [tls.explain(&garbled, HOST, bytes), tls.explain_close(HOST, bytes)] {
            assert!(trouble.text.contains(says) && trouble.is_permanent, "{trouble:?}");
        }
    }
    let closed = tls.explain_close(HOST, b"");
    assert!(closed.text.contains("PLAINTEXT or SASL_PLAINTEXT port") && !closed.is_permanent, "{closed:?}");
    let middle = tls.explain_close(HOST, &[0x16, 3, 3, 0]);
    assert!(middle.text.contains("in the middle") && !middle.is_permanent, "{middle:?}");
    let changed = tls.explain(&garbled, HOST, &[0x16, 3, 3, 0]);
    assert!(!changed.is_permanent, "{changed:?}");
    let strange = "x\u{1b}[31m".repeat(100);
    let trouble = tls.explain_close(HOST, strange.as_bytes());
    assert!(!trouble.text.contains('\u{1b}') && trouble.text.len() < 800, "{trouble:?}");
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, shown) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_399, "2000-02-28 23:59:59 UTC"),
        (951_782_400, "2000-02-29 00:00:00 UTC"),
        (1_795_286_799, "2026-11-21 18:46:39 UTC"),
        (-1, "1969-12-31 23:59:59 UTC"),
        (253_402_300_799, "9999-12-31 23:59:59 UTC"),
    ] {
        assert_eq!(words::date(seconds), shown);
    }
    words::date(i64::MAX);
    words::date(i64::MIN);
}
