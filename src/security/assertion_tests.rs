use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;
use crate::security::testing::TempFile;

const NOW_MS: i64 = 1_700_000_000_500;

fn settings(algorithm: &str, pem: &str) -> AssertionSettings {
    AssertionSettings {
        algorithm: algorithm.to_owned(),
        private_key_pem: pem.into(),
        claim_exp_seconds: 300,
        claim_nbf_seconds: 60,
        ..AssertionSettings::default()
    }
}

/// Header and payload, after the signature was checked with the key's public half.
fn checked(
    assertion: &str,
    algorithm: &'static dyn ring::signature::VerificationAlgorithm,
    public: &[u8],
) -> (Value, Value) {
    let (content, signature) = assertion.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    UnparsedPublicKey::new(algorithm, public).verify(content.as_bytes(), &signature).expect("a right signature");
    let (header, payload) = content.split_once('.').expect("three parts");
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON");
    (json(header), json(payload))
}

#[test]
fn es256_signs_in_the_form_of_jws() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut settings = settings("ES256", &key.serialize_pem());
    settings.claim_aud = "https://issuer".to_owned();
    settings.claim_iss = "me".to_owned();
    settings.claim_sub = "service".to_owned();
    settings.claim_jti_include = true;
    let assertion = Assertion::new(&settings).expect("settings");
    // Numbers with a zero in front are shorter in ASN.1: one in 128 has one.
    for _ in 0..300 {
        let made = assertion.make(NOW_MS).expect("an assertion");
        checked(made.reveal(), &ECDSA_P256_SHA256_FIXED, key.public_key_raw());
    }
    let made = assertion.make(NOW_MS).expect("an assertion");
    let (header, payload) = checked(made.reveal(), &ECDSA_P256_SHA256_FIXED, key.public_key_raw());
    assert_eq!(header, json!({"alg": "ES256", "typ": "JWT"}));
    for (name, value) in [
        ("aud", json!("https://issuer")),
        ("iss", json!("me")),
        ("sub", json!("service")),
        ("iat", json!(1_700_000_000)),
        ("exp", json!(1_700_000_300)),
        ("nbf", json!(1_699_999_940)),
    ] {
        assert_eq!(payload[name], value, "{name}");
    }
    let jti = |made: &Secret| {
        checked(made.reveal(), &ECDSA_P256_SHA256_FIXED, key.public_key_raw()).1["jti"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(jti(&made).len(), 36);
    assert_ne!(jti(&made), jti(&assertion.make(NOW_MS).expect("an assertion")));
}

#[test]
fn rs256_signs_with_keys_of_every_form() {
    let text = |name: &str| {
        std::fs::read_to_string(format!("{}/src/security/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).expect(name)
    };
    let public = STANDARD_ENGINE.decode(text("rsa-public.b64").trim()).expect("base64");
    for (name, passphrase) in
        [("rsa-pkcs8.pem", ""), ("rsa-pkcs1.pem", ""), ("rsa-locked.pem", "open sesame"), ("rsa-pkcs8.b64", "")]
    {
        let mut settings = settings("", &text(name));
        settings.private_key_passphrase = passphrase.into();
        let made = Assertion::new(&settings).expect("settings").make(NOW_MS).expect(name);
        let (header, payload) = checked(made.reveal(), &RSA_PKCS1_2048_8192_SHA256, &public);
        assert_eq!((&header["alg"], &payload["jti"]), (&json!("RS256"), &Value::Null), "{name}");
    }
    for (name, passphrase, words) in [
        ("rsa-locked.pem", "", "passphrase"),
        ("rsa-locked.pem", "wrong", "passphrase is wrong"),
        ("rsa-public.b64", "x", "damaged"),
    ] {
        let what = read_key("p", name, &text(name), passphrase).expect_err(name);
        assert!(what.contains(words), "{name}: {what}");
    }
    // The key and the algorithm have to fit.
    let refusal = Assertion::new(&settings("ES256", &text("rsa-pkcs8.pem"))).expect("settings").make(NOW_MS);
    let refusal = refusal.expect_err("another key");
    assert!(refusal.is_permanent && refusal.text.contains("P-256"), "{}", refusal.text);
}

const STANDARD_ENGINE: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

#[test]
fn sec1_keys_sign_as_well() {
    let key = include_str!("testdata/ec-sec1.pem");
    Assertion::new(&settings("ES256", key)).expect("settings").make(NOW_MS).expect("an assertion");
}

#[test]
fn a_template_adds_and_replaces_claims_but_not_times() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let template = TempFile::new(
        "template",
        r#"{"header":{"kid":"k1","alg":"none"},"payload":{"sub":"of template","groups":["a"],"exp":1}}"#,
    );
    let mut settings = settings("ES256", &key.serialize_pem());
    settings.claim_sub = "of property".to_owned();
    settings.template_file = template.path().to_owned();
    let assertion = Assertion::new(&settings).expect("settings");
    let made = assertion.make(NOW_MS).expect("an assertion");
    let (header, payload) = checked(made.reveal(), &ECDSA_P256_SHA256_FIXED, key.public_key_raw());
    assert_eq!(header, json!({"kid": "k1", "alg": "ES256", "typ": "JWT"}));
    assert_eq!((&payload["sub"], &payload["groups"]), (&json!("of template"), &json!(["a"])));
    assert_eq!(payload["exp"], json!(1_700_000_300));
    for text in ["", "{", r#"{"payload":[]}"#, r#"{"header":1}"#] {
        template.write(text);
        let refusal = assertion.make(NOW_MS).expect_err(text);
        assert!(refusal.text.contains(template.path()), "{}", refusal.text);
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_propertys_name() {
    for (settings, words) in
        [(settings("HS256", "x"), "assertion.algorithm"), (settings("RS256", ""), "private.key.file")]
    {
        let what = Assertion::new(&settings).err().expect("an error");
        assert!(what.contains(words), "{what}");
    }
    let locked =
        |body: &str| format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----");
    for (pem, words) in [
        ("hunter2".to_owned(), "private.key.pem"),
        ("hunter22".to_owned(), "private.key.pem"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2".to_owned(), "private.key.pem"),
        (locked("hunter22"), "private.key.passphrase"),
        (locked("hunter2!"), "private.key.pem"),
    ] {
        let refusal = Assertion::new(&settings("", &pem)).expect("settings").make(NOW_MS).expect_err(&pem);
        assert!(refusal.is_permanent && refusal.text.contains(words), "{}", refusal.text);
        assert!(!refusal.text.contains("hunter2"), "{}", refusal.text);
    }
    let mut missing = settings("", "");
    missing.private_key_file = "/no/such/key".to_owned();
    let refusal = Assertion::new(&missing).expect("settings").make(NOW_MS).expect_err("no file");
    assert!(refusal.text.contains("/no/such/key") && refusal.text.contains("private.key.file"), "{}", refusal.text);
}

#[test]
fn numbers_of_any_length_become_32_bytes() {
    let der = |r: &[u8], s: &[u8]| {
        let mut der = vec![0x30, 0];
        for number in [r, s] {
            der.extend([0x02, u8::try_from(number.len()).expect("short")]);
            der.extend(number);
        }
        der
    };
    let fixed = fixed_width(&der(&[0, 0xff], &[1])).expect("two numbers");
    assert_eq!((fixed.len(), fixed[31], fixed[63]), (64, 0xff, 1));
    assert!(fixed_width(&der(&[1; 33], &[1])).is_none());
    for bytes in [&[][..], &[0x30], &[0x30, 2, 2, 5, 1], &[0x31, 0, 2, 0]] {
        assert!(fixed_width(bytes).is_none());
    }
}
