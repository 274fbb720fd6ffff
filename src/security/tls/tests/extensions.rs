//! What extensions and kinds of keys allow and forbid, as OpenSSL and Java see it.

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, IsCa};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::*;
use crate::security::tls::algorithms::{RSA_PSS_PSS_SHA256, RSA_PSS_PSS_SHA384, RSA_PSS_PSS_SHA512};

const NETSCAPE_TYPE: &[u64] = &[2, 16, 840, 1, 113_730, 1, 1];

fn critical(id: &[u64], content: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(id, content.to_vec());
    extension.set_criticality(true);
    extension
}

/// Policy 1.2.3.4; its mapping to itself; requireExplicitPolicy 9; inhibitAnyPolicy 1.
fn policies() -> [CustomExtension; 4] {
    [
        critical(&[2, 5, 29, 32], b"\x30\x07\x30\x05\x06\x03\x2a\x03\x04"),
        critical(&[2, 5, 29, 33], b"\x30\x0c\x30\x0a\x06\x03\x2a\x03\x04\x06\x03\x2a\x03\x04"),
        critical(&[2, 5, 29, 36], b"\x30\x03\x80\x01\x09"),
        critical(&[2, 5, 29, 54], b"\x02\x01\x01"),
    ]
}

#[test]
fn critical_extensions_of_policies_are_no_obstacle_anywhere_in_the_chain() {
    let ca = root("Test CA");
    for one in policies() {
        let settings = trusting(&ca.pem);
        let extend = |params: &mut CertificateParams| params.custom_extensions = vec![one.clone()];
        accepted(&settings, HOST, &broker(&leaf_with(&[HOST], &ca, extend)));
        let middle = intermediate_with("Middle", &ca, extend);
        accepted(&settings, HOST, &broker(&leaf_with(&[HOST], &middle, extend).with(&middle)));
        accepted(&trusting(&middle.pem), HOST, &broker(&leaf(&[HOST], &middle)));
        let tls12 = TlsSettings { version_max: TlsVersion::V12, ..settings };
        accepted(&tls12, HOST, &broker(&leaf(&[HOST], &middle).with(&middle)));
        let pinned = leaf_with(&[HOST], &root("Nobody's CA"), extend);
        accepted(&trusting(&pinned.pem), HOST, &broker(&pinned));
        refused(&trusting(&pinned.pem), "elsewhere.org", &broker(&pinned), &["not for 'elsewhere.org'"]);
    }
    let all = intermediate_with("All", &ca, |params| params.custom_extensions = policies().to_vec());
    accepted(&trusting(&ca.pem), HOST, &broker(&leaf(&[HOST], &all).with(&all)));
}

#[test]
fn nothing_else_is_overlooked_because_an_extension_is_critical() {
    let (ca, other) = (root("Test CA"), root("Test CA"));
    let settings = trusting(&ca.pem);
    let extend = |params: &mut CertificateParams| params.custom_extensions = policies().to_vec();
    refused(&settings, HOST, &broker(&leaf_with(&[HOST], &other, extend)), &["its key is another"]);
    refused(&settings, "elsewhere.org", &broker(&leaf_with(&[HOST], &ca, extend)), &["not for 'elsewhere.org'"]);
    let old = leaf_with(&[HOST], &ca, |params| {
        extend(params);
        params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    });
    refused(&settings, HOST, &broker(&old), &["expired on 2021-03-04"]);
    let unknown = |params: &mut CertificateParams| params.custom_extensions = vec![critical(&[1, 2, 3, 4, 5], &[5, 0])];
    assert!(connect(&client(&settings), HOST, &broker(&leaf_with(&[HOST], &ca, unknown))).is_err());
    let middle = intermediate_with("Middle", &ca, unknown);
    assert!(connect(&client(&settings), HOST, &broker(&leaf(&[HOST], &middle).with(&middle))).is_err());
    // Any flipped bit of a certificate with such extensions is noticed.
    let good = leaf_with(&[HOST], &ca, extend);
    for at in (0..good.chain[0].len()).step_by(7) {
        let mut damaged = good.chain[0].to_vec();
        damaged[at] ^= 1;
        let broker = broker_of(vec![CertificateDer::from(damaged)], good.key_der());
        assert!(connect(&client(&settings), HOST, &broker).is_err(), "byte {at}");
    }
}

#[test]
fn a_trusted_certificate_without_a_word_about_it_issues_nothing() {
    let says = ["which is trusted for itself alone", "no CA:TRUE"];
    let silent = |params: &mut CertificateParams| {
        params.is_ca = IsCa::NoCa;
        params.key_usages.clear();
    };
    let signs = |params: &mut CertificateParams| {
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // rcgen leaves out a key usage that stands alone.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let for_clients =
        |params: &mut CertificateParams| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let for_both = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    };
    let authority = |change: fn(&mut CertificateParams)| root_with("Odd CA", change);
    for (ca, issues) in [
        (authority(silent), false),
        (authority(signs), true),
        (authority(for_clients), false),
        (authority(for_both), true),
        (authority(|params| params.key_usages.clear()), true),
        (authority(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]), false),
    ] {
        let broker = broker(&leaf(&[HOST], &ca));
        for pem in [ca.pem.clone(), format!("{}{}", ca.pem, root("Another CA").pem)] {
            match issues {
                true => accepted(&trusting(&pem), HOST, &broker),
                false => refused(&trusting(&pem), HOST, &broker, &says),
            }
        }
    }
}

#[test]
fn an_intermediate_has_to_be_allowed_to_sign() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    let without = intermediate_with("Middle", &ca, |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let says = ["was issued by 'CN=Middle', which may not issue any", "keyCertSign"];
    refused(&settings, HOST, &broker(&leaf(&[HOST], &without).with(&without)), &says);
    let silent = intermediate_with("Middle", &ca, |params| params.key_usages.clear());
    accepted(&settings, HOST, &broker(&leaf(&[HOST], &silent).with(&silent)));
    let for_clients = intermediate_with("Middle", &ca, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let says = ["a certificate that issued the broker's", "lack serverAuth"];
    refused(&settings, HOST, &broker(&leaf(&[HOST], &for_clients).with(&for_clients)), &says);
}

#[test]
fn a_certificate_that_is_not_for_servers_is_refused_even_when_it_is_itself_trusted() {
    let ca = root("Test CA");
    let netscape = |flags: u8| critical(NETSCAPE_TYPE, &[0x03, 0x02, 0x00, flags]);
    let (client_type, server_type) = (netscape(0x80), netscape(0x40));
    type Change<'a> = &'a dyn Fn(&mut CertificateParams);
    let changes: [(Change<'_>, Option<&str>); 7] = [
        (&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth], Some("serverAuth")),
        (&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning], Some("serverAuth")),
        (&|params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment], Some("digitalSignature")),
        (&|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement], None),
        (&|params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature], None),
        (&|params| params.custom_extensions = vec![client_type.clone()], Some("Netscape certificate type")),
        (&|params| params.custom_extensions = vec![server_type.clone()], None),
    ];
    for (change, lacking) in changes {
        let issued = leaf_with(&[HOST], &ca, change);
        let pinned = self_signed(&[HOST], change);
        for (settings, shown) in [(trusting(&ca.pem), &issued), (trusting(&pinned.pem), &pinned)] {
            match lacking {
                None => accepted(&settings, HOST, &broker(shown)),
                Some(lacking) => refused(&settings, HOST, &broker(shown), &["is not for servers", lacking]),
            }
        }
    }
}

#[test]
fn an_authoritys_certificate_may_be_a_brokers() {
    let ca = root("Test CA");
    let settings = trusting(&ca.pem);
    let authority = |params: &mut CertificateParams| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    accepted(&settings, HOST, &broker(&leaf_with(&[HOST], &ca, authority)));
    let limited = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.custom_extensions = policies().to_vec();
    };
    accepted(&settings, HOST, &broker(&leaf_with(&[HOST], &ca, limited)));
    let other = broker(&leaf_with(&[HOST], &root("Other CA"), authority));
    refused(&settings, HOST, &other, &["'CN=Other CA'"]);
    refused(&settings, "elsewhere.org", &broker(&leaf_with(&[HOST], &ca, authority)), &["not for 'elsewhere.org'"]);
}

// ---- keys for RSA-PSS alone
// ------------------------------------------------------------------------------------------

/// The key of a broker that signs by RSA-PSS under the names that are for such keys.
#[derive(Debug)]
struct PssKey(Arc<dyn SigningKey>);

#[derive(Debug)]
struct PssSigner(Box<dyn Signer>);

const PSS: [(SignatureScheme, SignatureScheme); 3] = [
    (RSA_PSS_PSS_SHA256, SignatureScheme::RSA_PSS_SHA256),
    (RSA_PSS_PSS_SHA384, SignatureScheme::RSA_PSS_SHA384),
    (RSA_PSS_PSS_SHA512, SignatureScheme::RSA_PSS_SHA512),
];

impl SigningKey for PssKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let (_, plain) = PSS.iter().find(|(pss, _)| offered.contains(pss))?;
        self.0.choose_scheme(&[*plain]).map(|signer| -> Box<dyn Signer> { Box::new(PssSigner(signer)) })
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for PssSigner {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rustls::Error> {
        self.0.sign(message)
    }

    fn scheme(&self) -> SignatureScheme {
        let plain = self.0.scheme();
        PSS.iter().find(|(_, signed)| *signed == plain).map_or(plain, |(pss, _)| *pss)
    }
}

fn der_of(fixture: &str) -> Vec<u8> {
    pem::sections(fixture_text(fixture).as_bytes()).unwrap().remove(0).der.reveal().to_vec()
}

fn pss_broker(
    chain: Vec<CertificateDer<'static>>,
    key: &str,
    version: &'static rustls::SupportedProtocolVersion,
) -> ServerConfig {
    let mut provider = rustls::crypto::ring::default_provider();
    for suite in &mut provider.cipher_suites {
        let rustls::SupportedCipherSuite::Tls12(plain) = *suite else { continue };
        let sign: &[SignatureScheme] = Box::leak(Box::new(PSS.map(|(pss, _)| pss)));
        // The library names no key of this kind in TLS 1.2.
        let sign = [plain.sign, sign].concat().leak();
        *suite = rustls::SupportedCipherSuite::Tls12(Box::leak(Box::new(rustls::Tls12CipherSuite {
            common: rustls::CipherSuiteCommon {
                suite: plain.common.suite,
                hash_provider: plain.common.hash_provider,
                confidentiality_limit: plain.common.confidentiality_limit,
            },
            prf_provider: plain.prf_provider,
            kx: plain.kx,
            sign,
            aead_alg: plain.aead_alg,
        })));
    }
    let key = rustls::pki_types::PrivatePkcs1KeyDer::from(der_of(key));
    let key = Arc::new(PssKey(provider.key_provider.load_private_key(key.into()).unwrap()));
    ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(rustls::sign::CertifiedKey::new(chain, key))))
}

#[test]
fn keys_for_rsa_pss_alone_sign_certificates_and_handshakes() {
    let settings = trusting(&fixture_text("rsa-pss-ca.pem"));
    let sha384 = TlsSettings { signature_algorithms: vec!["rsa_pss_pss_sha384".to_owned()], ..settings.clone() };
    let sha256 = TlsSettings { signature_algorithms: vec!["rsa_pss_pss_sha256".to_owned()], ..settings.clone() };
    let chain = |name: &str| vec![CertificateDer::from(der_of(name))];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let plain = pss_broker(chain("rsa-pss-plain-cert.pem"), "rsa-pss-plain-pkcs1.pem", version);
        let limited = pss_broker(chain("rsa-pss-sha384-cert.pem"), "rsa-pss-sha384-pkcs1.pem", version);
        accepted(&settings, HOST, &plain);
        accepted(&sha256, HOST, &plain);
        accepted(&sha384, HOST, &plain);
        accepted(&sha384, HOST, &limited);
        refused(&settings, "elsewhere.org", &plain, &["not for 'elsewhere.org'"]);
        // Its key is for SHA-384 only.
        assert!(connect(&client(&sha256), HOST, &limited).is_err());
        // Somebody else's key.
        let forged = pss_broker(chain("rsa-pss-plain-cert.pem"), "rsa-pss-sha384-pkcs1.pem", version);
        assert!(connect(&client(&settings), HOST, &forged).is_err());
        refused(&trusting(&root("RSA-PSS CA").pem), HOST, &plain, &["its key is another"]);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let refused = |alert| rustls::Error::AlertReceived(alert);
    let tls = client(&trusting(&root("Test CA").pem));
    let trouble = tls.explain(&refused(rustls::AlertDescription::HandshakeFailure), HOST, &[0x15, 3, 3]);
    assert!(trouble.is_permanent && trouble.text.contains("P-521, Ed448 or DSA"), "{}", trouble.text);
}
