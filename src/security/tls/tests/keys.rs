//! The client's key and certificate.

use super::*;

fn with_key(key: &str, certificate: &str, password: &str) -> TlsSettings {
    TlsSettings {
        keystore_key: fixture_text(key).into(),
        keystore_certificate_chain: fixture_text(certificate),
        key_password: password.to_owned().into(),
        ..trusting(&fixture_text("ec-cert.pem"))
    }
}

fn with_store(location: String, password: &str) -> TlsSettings {
    TlsSettings {
        keystore_location: location,
        keystore_password: password.to_owned().into(),
        ..trusting(&fixture_text("ec-cert.pem"))
    }
}

const EC_LOCKED: &[&str] = &[
    "ec-sec1-aes256.pem",
    "ec-pbes2-aes-128-cbc.pem",
    "ec-pbes2-aes-192-cbc.pem",
    "ec-pbes2-aes-256-cbc.pem",
    "ec-pbes2-des-ede3-cbc.pem",
    "ec-pbes2-sha1.pem",
    "ec-pbes2-sha512.pem",
    "ec-pbes2-scrypt.pem",
    "ec-pbe-md5-des.pem",
    "ec-pbe-sha1-des.pem",
    "ec-pbe-sha1-3des.pem",
    "ec-pbe-sha1-2des.pem",
];
const RSA_LOCKED: &[&str] = &[
    "rsa-pkcs1-aes128.pem",
    "rsa-pkcs1-aes192.pem",
    "rsa-pkcs1-aes256.pem",
    "rsa-pkcs1-des3.pem",
    "rsa-pkcs1-des.pem",
];

#[test]
fn keys_in_every_form_are_read() {
    for (key, certificate) in [
        ("ec.pem", "ec-cert.pem"),
        ("ec-sec1.pem", "ec-cert.pem"),
        ("ec-sec1-no-public.pem", "ec-cert.pem"),
        ("ec.pem", "ec-trusted-cert.pem"),
        ("rsa.pem", "rsa-cert.pem"),
        ("rsa-pkcs1.pem", "rsa-cert.pem"),
        ("ed25519.pem", "ed25519-cert.pem"),
    ] {
        for password in ["", "not needed"] {
            if let Err(error) = ClientTls::new(&with_key(key, certificate, password)) {
                panic!("{key}: {error}");
            }
        }
    }
}

#[test]
fn encrypted_keys_open_with_their_password_and_only_with_it() {
    let all =
        EC_LOCKED.iter().map(|key| (key, "ec-cert.pem")).chain(RSA_LOCKED.iter().map(|key| (key, "rsa-cert.pem")));
    for (key, certificate) in all {
        if let Err(error) = ClientTls::new(&with_key(key, certificate, PASSWORD)) {
            panic!("{key}: {error}");
        }
        let wrong = ["ssl.keystore.key", "the password in ssl.key.password is wrong"];
        bad(&with_key(key, certificate, "Sesame"), Status::INVALID_PROPERTY, &wrong);
        let missing = ["holds an encrypted key: set ssl.key.password"];
        bad(&with_key(key, certificate, ""), Status::INVALID_PROPERTY, &missing);
    }
    for key in ["ec-pbe-sha1-rc2-40.pem", "rsa-pkcs1-camellia.pem"] {
        bad(
            &with_key(key, "ec-cert.pem", PASSWORD),
            Status::INVALID_PROPERTY,
            &["openssl pkcs8 -topk8 -v2 aes-256-cbc"],
        );
    }
}

#[test]
fn keys_of_other_kinds_are_refused_with_those_that_are_not() {
    bad(&with_key("p521.pem", "ec-cert.pem", ""), Status::INVALID_PROPERTY, &["an EC key on P-521", "P-256 or P-384"]);
    bad(&with_key("rsa1024.pem", "rsa-cert.pem", ""), Status::INVALID_PROPERTY, &["RSA of 2048"]);
    let with = |key: &str| TlsSettings { keystore_key: key.to_owned().into(), ..with_key("ec.pem", "ec-cert.pem", "") };
    let section = |label: &str| format!("-----BEGIN {label}-----\nMAMCAQA=\n-----END {label}-----\n");
    bad(&with(&section("OPENSSH PRIVATE KEY")), Status::INVALID_PROPERTY, &["ssh-keygen -p -m PKCS8"]);
    bad(&with(&section("DSA PRIVATE KEY")), Status::INVALID_PROPERTY, &["DSA PRIVATE KEY", "Ed25519"]);
    bad(&with(&section("PRIVATE KEY")), Status::INVALID_PROPERTY, &["damaged"]);
    bad(&with("rubbish"), Status::INVALID_PROPERTY, &["ssl.keystore.key", "holds no private key"]);
    let two = fixture_text("ec.pem") + &fixture_text("rsa.pem");
    bad(&with(&two), Status::INVALID_PROPERTY, &["holds 2 private keys: leave one"]);
    bad(&with(&fixture_text("ec.pem")[..100]), Status::INVALID_PROPERTY, &["PRIVATE KEY", "no END line"]);
    let spoilt = fixture_text("ec.pem").replacen("MIG", "M*G", 1);
    bad(&with(&spoilt), Status::INVALID_PROPERTY, &["no base64"]);
}

#[test]
fn a_key_and_a_certificate_that_do_not_belong_together_are_refused() {
    let says =
        ["the certificate of 'O=Test, CN=rsa client'", "does not belong to the private key", "public keys differ"];
    bad(&with_key("ec.pem", "rsa-cert.pem", ""), Status::INVALID_PROPERTY, &says);
    let key_only = TlsSettings { keystore_certificate_chain: String::new(), ..with_key("ec.pem", "ec-cert.pem", "") };
    let says = ["ssl.keystore.key is set, but no certificate", "ssl.certificate.location"];
    bad(&key_only, Status::CONFIG_CONFLICT, &says);
    let certificate_only = TlsSettings { keystore_key: String::new().into(), ..with_key("ec.pem", "ec-cert.pem", "") };
    let says = ["ssl.keystore.certificate.chain is set, but no key", "ssl.key.location"];
    bad(&certificate_only, Status::CONFIG_CONFLICT, &says);
    let twice = TlsSettings { key_location: fixture("ec.pem"), ..with_key("ec.pem", "ec-cert.pem", "") };
    bad(&twice, Status::CONFIG_CONFLICT, &["ssl.keystore.key and ssl.key.location", "set one"]);
    let store_too = TlsSettings { keystore_location: fixture("modern.p12"), ..with_key("ec.pem", "ec-cert.pem", "") };
    bad(&store_too, Status::CONFIG_CONFLICT, &["ssl.keystore.location and ssl.keystore.key", "set one"]);
}

#[test]
fn keys_and_certificates_come_from_files_too() {
    let files = TlsSettings {
        key_location: fixture("ec-pbes2-aes-256-cbc.pem"),
        certificate_location: fixture("ec-cert.der"),
        key_password: PASSWORD.to_owned().into(),
        ..trusting(&fixture_text("ec-cert.pem"))
    };
    client(&files);
    let mixed = TlsSettings {
        key_location: String::new(),
        keystore_key: fixture_text("ec.pem").into(),
        certificate_location: fixture("ec-cert.pem"),
        ..files.clone()
    };
    client(&mixed);
    let missing = TlsSettings { key_location: fixture("nothing.pem"), ..files.clone() };
    bad(&missing, Status::NOT_FOUND, &["property 'ssl.key.location': '", "nothing.pem' does not exist"]);
    let directory = TlsSettings { certificate_location: fixture(""), ..files.clone() };
    bad(&directory, Status::IO, &["ssl.certificate.location", "it is no file"]);
    let scratch = Scratch::new();
    let both = scratch.write("both.pem", fixture_text("ec-cert.pem") + &fixture_text("ec.pem"));
    client(&TlsSettings { key_location: both.clone(), certificate_location: String::new(), ..files.clone() });
    client(&with_store(both, ""));
    let locked = scratch.write("locked.pem", fixture_text("ec-cert.pem") + &fixture_text("ec-pbes2-sha1.pem"));
    client(&with_store(locked.clone(), PASSWORD));
    client(&TlsSettings { key_password: PASSWORD.to_owned().into(), ..with_store(locked, "") });
}

#[test]
fn text_with_its_line_ends_escaped_or_lost_is_read() {
    for change in [
        |text: String| text.replace('\n', "\\n"),
        |text: String| text.replace('\n', " "),
        |text: String| text.replace('\n', "\r\n"),
    ] {
        let plain = with_key("ec.pem", "ec-cert.pem", "");
        client(&TlsSettings {
            keystore_key: change(plain.keystore_key.reveal().to_owned()).into(),
            keystore_certificate_chain: change(plain.keystore_certificate_chain.clone()),
            truststore_certificates: change(plain.truststore_certificates.clone()),
            ..plain
        });
    }
}

#[test]
fn the_password_that_does_not_open_a_pem_store_is_named_by_its_own_property() {
    let scratch = Scratch::new();
    let pem = format!("{}{}", fixture_text(EC_LOCKED[0]), fixture_text("ec-cert.pem"));
    let location = scratch.write("store.pem", pem);
    client(&with_store(location.clone(), PASSWORD));
    let says = ["the password in ssl.keystore.password is wrong"];
    bad(&with_store(location.clone(), "Sesame"), Status::INVALID_PROPERTY, &says);
    let both = TlsSettings { key_password: "Sesame".into(), ..with_store(location.clone(), PASSWORD) };
    bad(&both, Status::INVALID_PROPERTY, &["the password in ssl.key.password is wrong"]);
    bad(&with_store(location, ""), Status::INVALID_PROPERTY, &["set ssl.key.password to its password"]);
}

#[test]
fn pkcs12_key_stores_of_openssl_and_java_are_read() {
    for store in ["modern.p12", "legacy.p12", "java-key.p12", "java-p384.p12"] {
        client(&with_store(fixture(store), PASSWORD));
        let wrong = ["ssl.keystore.location", store, "the password in ssl.keystore.password is wrong"];
        bad(&with_store(fixture(store), "Sesame"), Status::INVALID_PROPERTY, &wrong);
        let missing = [store, "has a password: set ssl.keystore.password"];
        bad(&with_store(fixture(store), ""), Status::INVALID_PROPERTY, &missing);
    }
    let says = ["holds no private key", "ssl.truststore.location"];
    bad(&with_store(fixture("certs.p12"), PASSWORD), Status::INVALID_PROPERTY, &says);
    bad(&with_store(fixture("java-trust.jks"), PASSWORD), Status::INVALID_PROPERTY, &["keytool -importkeystore"]);
    bad(&with_store(fixture("README.md"), PASSWORD), Status::INVALID_PROPERTY, &["neither PEM nor PKCS#12"]);
    let pem = TlsSettings { keystore_type: StoreType::Pem, ..with_store(fixture("modern.p12"), PASSWORD) };
    bad(&pem, Status::INVALID_PROPERTY, &["ssl.keystore.type is PEM"]);
    let pkcs12 = TlsSettings { keystore_type: StoreType::Pkcs12, ..with_store(fixture("ec.pem"), "") };
    bad(&pkcs12, Status::INVALID_PROPERTY, &["ssl.keystore.type is PKCS12"]);
    let scratch = Scratch::new();
    let store = std::fs::read(fixture("modern.p12")).unwrap();
    let cut = scratch.write("cut.p12", &store[..store.len() / 2]);
    bad(&with_store(cut, PASSWORD), Status::INVALID_PROPERTY, &["damaged"]);
}

/// Bytes of nobody's making: none may panic. The fuzz targets do this for longer.
#[test]
fn damaged_stores_and_keys_are_errors() {
    for name in ["modern.p12", "legacy.p12", "java-key.p12"] {
        let store = std::fs::read(fixture(name)).unwrap();
        for at in (0..store.len()).step_by(37) {
            let mut spoilt = store.clone();
            spoilt[at] ^= 0x55;
            let _opened = store::open(&spoilt, "x");
        }
    }
    for name in EC_LOCKED.iter().chain(RSA_LOCKED) {
        let sections = pem::sections(fixture_text(name).as_bytes()).unwrap();
        let section = &sections[0];
        for at in (0..section.der.reveal().len().min(120)).step_by(7) {
            let mut spoilt = section.der.reveal().to_vec();
            // Not the rounds, which would only take time.
            spoilt[at] ^= 1;
            let _opened = match section.header("DEK-Info") {
                Some(header) => pbe::decrypt_traditional(header, &spoilt, "x"),
                None if name.contains("pbes2") => pbe::decrypt_pkcs8(&spoilt[..at], "x"),
                None => pbe::decrypt_pkcs8(&spoilt, "x"),
            };
        }
    }
    for header in
        ["", "AES-128-CBC", "AES-128-CBC,", "AES-128-CBC,00", "AES-128-CBC,zz", "AES-128-CBC,0011223344556677", ","]
    {
        assert!(pbe::decrypt_traditional(header, &[0; 16], "x").is_err(), "{header}");
    }
}

#[test]
fn brokers_that_demand_a_certificate_get_it() {
    let (ca, clients) = (root("Test CA"), root("Clients' CA"));
    let middle = intermediate("Clients' middle", &clients);
    let usage = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = named("client 7");
    };
    let mine = leaf_with(&[], &middle, usage);
    let shown = leaf(&[HOST], &ca);
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let broker = demanding_broker(&shown, std::slice::from_ref(&clients.der), versions);
        // In the wrong order, and with one that has nothing to do with it.
        let chain = format!("{}{}{}", ca.pem, middle.pem, mine.pem);
        let settings = TlsSettings {
            keystore_key: mine.key.serialize_pem().into(),
            keystore_certificate_chain: chain,
            ..trusting(&ca.pem)
        };
        accepted(&settings, HOST, &broker);
        let without = trusting(&ca.pem);
        refused(&without, HOST, &broker, &["demands a client certificate", "ssl.keystore.location"]);
        let incomplete = TlsSettings { keystore_certificate_chain: mine.pem.clone(), ..settings.clone() };
        let about = "subject 'CN=client 7', issuer 'CN=Clients' middle', valid from ";
        refused(&incomplete, HOST, &broker, &["does not trust the issuer of the client's certificate", about]);
        let foreign = leaf_with(&[], &ca, usage);
        let foreign = TlsSettings {
            keystore_key: foreign.key.serialize_pem().into(),
            keystore_certificate_chain: foreign.pem,
            ..settings.clone()
        };
        refused(&foreign, HOST, &broker, &["issuer 'CN=Test CA'"]);
        let old = leaf_with(&[], &clients, |params| {
            usage(params);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        });
        let old = TlsSettings {
            keystore_key: old.key.serialize_pem().into(),
            keystore_certificate_chain: old.pem,
            ..settings
        };
        refused(&old, HOST, &broker, &["expired", "to 2020-01-01 00:00:00 UTC", "renew it"]);
    }
}
