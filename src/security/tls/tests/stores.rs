//! Trusted certificates in files, and files that change.

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry};

use super::*;

fn at(location: String) -> TlsSettings {
    TlsSettings { ca_location: location, ..TlsSettings::default() }
}

#[test]
fn every_certificate_of_a_file_is_trusted() {
    let (one, two) = (root("One"), root("Two"));
    let scratch = Scratch::new();
    let bundle = format!("# our roots\nOne:\n{}\nsubject=Two\n{}{}", one.pem, two.pem, two.pem);
    let settings = at(scratch.write("ca.pem", bundle));
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &one)));
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &two)));
    accepted(&trusting(&format!("{}{}", one.pem, two.pem)), HOST, &broker(&leaf(&[HOST], &two)));
    accepted(&at(scratch.write("ca.der", &one.der)), HOST, &broker(&leaf(&[HOST], &one)));
}

#[test]
fn a_directory_is_read_with_its_links_and_without_what_is_no_certificate() {
    let (one, two) = (root("One"), root("Two"));
    let scratch = Scratch::new();
    let outside = Scratch::new();
    let elsewhere = outside.write("two.pem", &two.pem);
    scratch.write("one.crt", &one.pem);
    scratch.write("README", "no certificate");
    scratch.write("key.pem", fixture_text("ec.pem"));
    scratch.write("broken.pem", "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n");
    std::os::unix::fs::symlink(&elsewhere, scratch.0.join("5ed36f99.0")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", scratch.0.join("dangling.0")).unwrap();
    std::fs::create_dir(scratch.0.join("below")).unwrap();
    let settings = at(scratch.0.to_str().unwrap().to_owned());
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &one)));
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &two)));
    let warnings = client(&settings).warnings();
    assert!(
        warnings.len() == 1 && warnings[0].contains("broken.pem") && warnings[0].contains("passed over"),
        "{warnings:?}"
    );
    let says = ["ssl.ca.location", "no file with a PEM certificate in the directory"];
    let empty = Scratch::new();
    bad(&at(empty.0.to_str().unwrap().to_owned()), Status::INVALID_PROPERTY, &says);
}

#[test]
fn what_is_no_store_is_refused_by_name() {
    let scratch = Scratch::new();
    let missing = scratch.0.join("missing.pem").to_str().unwrap().to_owned();
    bad(&at(missing), Status::NOT_FOUND, &["property 'ssl.ca.location'", "missing.pem' does not exist"]);
    for (content, says) in [
        (String::new(), "holds no PEM certificate"),
        ("hello".to_owned(), "holds no PEM certificate"),
        (fixture_text("ec.pem"), "holds no PEM certificate"),
        (fixture_text("ec-cert.pem")[..200].to_owned(), "cut off"),
        ("-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n".to_owned(), "certificate 1 is damaged"),
    ] {
        let location = scratch.write("bad.pem", content);
        bad(&at(location), Status::INVALID_PROPERTY, &["property 'ssl.ca.location'", "bad.pem'", says]);
    }
    bad(&trusting("x"), Status::INVALID_PROPERTY, &["property 'ssl.truststore.certificates': the text holds no PEM"]);
    bad(&at("/dev/zero".into()), Status::IO, &["it is no file"]);
    let crl = |content: &str| TlsSettings {
        crl_location: scratch.write("crl.pem", content),
        ..trusting(&fixture_text("ec-cert.pem"))
    };
    bad(&crl(""), Status::INVALID_PROPERTY, &["ssl.crl.location", "holds no PEM revocation list"]);
    let broken = "-----BEGIN X509 CRL-----\nMAMCAQA=\n-----END X509 CRL-----\n";
    bad(&crl(broken), Status::INVALID_PROPERTY, &["ssl.crl.location", "cannot be used"]);
}

fn java(location: &str, password: &str) -> TlsSettings {
    TlsSettings {
        truststore_location: location.to_owned(),
        truststore_password: password.to_owned().into(),
        ..TlsSettings::default()
    }
}

#[test]
fn pkcs12_trust_stores_are_read() {
    for store in ["certs.p12", "java-trust.p12"] {
        client(&java(&fixture(store), PASSWORD));
        client(&TlsSettings { truststore_type: StoreType::Pkcs12, ..java(&fixture(store), PASSWORD) });
        let wrong = ["ssl.truststore.location", "the password in ssl.truststore.password is wrong"];
        bad(&java(&fixture(store), "Sesame"), Status::INVALID_PROPERTY, &wrong);
        bad(&java(&fixture(store), ""), Status::INVALID_PROPERTY, &["set ssl.truststore.password"]);
    }
    client(&java(&fixture("certs-nopassword.p12"), ""));
    client(&java(&fixture("ec-cert.pem"), "not needed"));
    bad(&java(&fixture("java-trust.jks"), PASSWORD), Status::INVALID_PROPERTY, &["keytool -importkeystore", "JKS"]);
    let pem = TlsSettings { truststore_type: StoreType::Pem, ..java(&fixture("certs.p12"), PASSWORD) };
    bad(&pem, Status::INVALID_PROPERTY, &["ssl.truststore.type is PEM"]);
    let pkcs12 = TlsSettings { truststore_type: StoreType::Pkcs12, ..java(&fixture("ec-cert.pem"), "") };
    bad(&pkcs12, Status::INVALID_PROPERTY, &["ssl.truststore.type is PKCS12"]);

    let (one, two) = (root("One"), root("Two"));
    let mut store = KeyStore::new();
    store.add_entry("one", KeyStoreEntry::Certificate(Certificate::from_der(&one.der).unwrap()));
    store.add_entry("two", KeyStoreEntry::Certificate(Certificate::from_der(&two.der).unwrap()));
    let scratch = Scratch::new();
    let location = scratch.write("trust.p12", store.writer(PASSWORD).write().unwrap());
    accepted(&java(&location, PASSWORD), HOST, &broker(&leaf(&[HOST], &two)));
    let says = format!("trusted are ssl.truststore.location '{location}' (2 certificates)");
    refused(&java(&location, PASSWORD), HOST, &broker(&leaf(&[HOST], &root("Three"))), &[&says]);
}

/// Of a key store as trust store Java trusts the entries that are marked so, not the chain of the key.
#[test]
fn of_a_store_with_marks_only_what_is_marked_is_trusted() {
    let trust =
        trust::load(&java(&fixture("java-key.p12"), PASSWORD), &SystemStore::default(), &mut Files::default()).unwrap();
    assert_eq!(trust.certificates.len(), 1);
    assert_eq!(words::facts(&trust.certificates[0]).unwrap().subject, "O=Test, CN=rsa client");
}

#[test]
fn files_that_change_are_noticed_and_taken_into_use_when_they_are_good() {
    let (one, two) = (root("One"), root("Two"));
    let scratch = Scratch::new();
    let location = scratch.write("ca.pem", &one.pem);
    let tls = client(&at(location.clone()));
    assert!(!tls.files_changed());
    assert_eq!(tls.reload(), Ok(false), "nothing is new");

    scratch.write("ca.pem", &two.pem);
    assert!(tls.files_changed());
    connect(&tls, HOST, &broker(&leaf(&[HOST], &one))).expect("the old one is in use until the reload");
    assert_eq!(tls.reload(), Ok(true));
    assert!(!tls.files_changed());
    connect(&tls, HOST, &broker(&leaf(&[HOST], &two))).expect("the new one is in use");
    assert!(connect(&tls, HOST, &broker(&leaf(&[HOST], &one))).is_err(), "a session of the old one is not resumed");

    scratch.write("ca.pem", "half written");
    assert!(tls.files_changed());
    let error = tls.reload().unwrap_err();
    assert!(error.message.contains("ssl.ca.location") && error.message.contains("ca.pem"), "{}", error.message);
    assert!(!tls.files_changed(), "a bad file is told once, not at every look");
    connect(&tls, HOST, &broker(&leaf(&[HOST], &two))).expect("the old one is kept");
    std::fs::remove_file(&location).unwrap();
    assert!(tls.files_changed());
    assert_eq!(tls.reload().unwrap_err().status, Status::NOT_FOUND);
    assert!(!tls.files_changed());

    scratch.write("ca.pem", &two.pem);
    assert!(tls.files_changed());
    assert_eq!(tls.reload(), Ok(true), "after an error the content counts as new");
    // Touched, but the same.
    scratch.write("ca.pem", &two.pem);
    assert_eq!(tls.reload(), Ok(false));
}

#[test]
fn a_key_that_is_renewed_in_two_steps_is_used_when_both_are_there() {
    let (ca, clients) = (root("Test CA"), root("Clients' CA"));
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let (first, second) = (leaf_with(&[], &clients, usage), leaf_with(&[], &clients, usage));
    let scratch = Scratch::new();
    let settings = TlsSettings {
        certificate_location: scratch.write("client.pem", &first.pem),
        key_location: scratch.write("client.key", first.key.serialize_pem()),
        ..trusting(&ca.pem)
    };
    let tls = client(&settings);
    let demanding = demanding_broker(&leaf(&[HOST], &ca), &[clients.der], &[&rustls::version::TLS13]);
    scratch.write("client.pem", &second.pem);
    assert!(tls.files_changed());
    let error = tls.reload().unwrap_err();
    assert!(error.message.contains("does not belong to the private key of ssl.key.location"), "{}", error.message);
    connect(&tls, HOST, &demanding).expect("the first pair is kept");
    scratch.write("client.key", second.key.serialize_pem());
    assert!(tls.files_changed());
    assert_eq!(tls.reload(), Ok(true));
    connect(&tls, HOST, &demanding).expect("the second pair is used");
}

#[test]
fn a_directory_with_a_new_file_has_changed() {
    let (one, two) = (root("One"), root("Two"));
    let scratch = Scratch::new();
    scratch.write("one.pem", &one.pem);
    let tls = client(&at(scratch.0.to_str().unwrap().to_owned()));
    assert!(!tls.files_changed());
    scratch.write("two.pem", &two.pem);
    assert!(tls.files_changed());
    assert_eq!(tls.reload(), Ok(true));
    connect(&tls, HOST, &broker(&leaf(&[HOST], &two))).expect("the new file counts");
}

#[test]
fn settings_show_no_secrets() {
    let settings = TlsSettings {
        keystore_password: PASSWORD.into(),
        truststore_password: PASSWORD.into(),
        key_password: PASSWORD.into(),
        keystore_key: PASSWORD.into(),
        ..TlsSettings::default()
    };
    assert!(!format!("{settings:?}").contains(PASSWORD));
}
