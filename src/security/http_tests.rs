use std::net::TcpListener;

use super::*;
use crate::security::testing::{HttpServer, status};

fn http(settings: impl FnOnce(&mut HttpSettings)) -> Http {
    let mut plain = HttpSettings {
        connect_timeout_ms: 2_000,
        read_timeout_ms: 2_000,
        ca_location: String::new(),
        ca_pem: String::new(),
        uses_proxy: false,
    };
    settings(&mut plain);
    Http::new(plain)
}

fn get(url: &str) -> Question<'_> {
    Question { method: Method::Get, url, headers: &[], body: "" }
}

#[test]
fn a_question_arrives_as_it_was_put_and_every_status_is_an_answer() {
    let server = HttpServer::new(|asked| status(if asked.body == "a=b" { 201 } else { 500 }, "hello"));
    let url = server.url("/path?q=1");
    let question = Question { method: Method::Post, url: &url, headers: &[("X-Name", "value")], body: "a=b" };
    let answer = http(|_| {}).ask(&question).expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"hello"[..]));
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), asked.headers["x-name"].as_str()), ("POST /path?q=1", "value"));
    assert!(asked.headers["user-agent"].starts_with("libkproducer/"));
    assert_eq!(http(|_| {}).ask(&get(&url)).expect("an answer").status, 500);
}

#[test]
fn redirects_are_not_followed() {
    let server = HttpServer::new(|_| {
        "HTTP/1.1 307 Elsewhere\r\nLocation: https://other.example/token?code=secret\r\nContent-Length: 0\r\n\r\n"
            .to_owned()
    });
    let trouble = http(|_| {}).ask(&get(&server.url("/token"))).err().expect("trouble");
    assert!(trouble.is_permanent && trouble.text.contains("https://other.example/token"), "{}", trouble.text);
    assert!(!trouble.text.contains("secret"), "{}", trouble.text);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let long = "x".repeat(2 * 1024 * 1024);
    let server = HttpServer::new(move |_| status(200, &long));
    let trouble = http(|_| {}).ask(&get(&server.url("/"))).err().expect("trouble");
    assert!(trouble.text.contains("more than 1048576 bytes"), "{}", trouble.text);
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "y".repeat(200_000));
    let server = HttpServer::new(move |_| head.clone());
    http(|_| {}).ask(&get(&server.url("/"))).err().expect("trouble");
}

#[test]
fn what_is_not_http_is_said() {
    for answer in ["220 mail.example ESMTP\r\n", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}(", "HTTP/1.1 999999 x\r\n\r\n", ""] {
        let server = HttpServer::new(move |_| answer.to_owned());
        let url = server.url("/token");
        let trouble = http(|_| {}).ask(&get(&url)).err().expect("trouble");
        assert!(trouble.text.contains(&url), "{}", trouble.text);
    }
}

#[test]
fn silence_ends_with_the_time_limit_and_its_name() {
    // Connections are taken by the system, and nobody reads them.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let trouble = http(|settings| settings.read_timeout_ms = 50).ask(&get(&url)).err().expect("trouble");
    assert!(!trouble.is_permanent, "{}", trouble.text);
    assert!(trouble.text.contains("50 ms") && trouble.text.contains("sasl.login.read.timeout.ms"), "{}", trouble.text);
    drop(listener);
    let trouble = http(|_| {}).ask(&get(&url)).err().expect("trouble");
    assert!(!trouble.is_permanent && trouble.text.contains(&url), "{}", trouble.text);
}

#[test]
fn a_url_that_cannot_be_asked_is_refused_and_its_secrets_are_not_shown() {
    for (url, words) in [
        ("ftp://example.com/", "http:// or https://"),
        ("", "http:// or https://"),
        ("http://", "names no host"),
        ("https:///path", "names no host"),
        ("https://me:hunter2@example.com/", "has a user in it"),
        ("http://exa mple/", "is not a URL"),
    ] {
        let trouble = http(|_| {}).ask(&get(url)).err().expect("trouble");
        assert!(trouble.is_permanent && trouble.text.contains(words), "{url}: {}", trouble.text);
        assert!(!trouble.text.contains("hunter2"), "{}", trouble.text);
    }
    assert_eq!(shown_url("https://u:p@h:1/a/b?c=d#e"), "https://h:1/a/b");
    assert_eq!(shown_url("https://h?c=d"), "https://h");
}

#[test]
fn certificates_are_read_from_where_they_are_configured() {
    for (settings, words) in [(("", "nonsense"), "https.ca.pem"), (("/no/such/file.pem", ""), "/no/such/file.pem")] {
        let ((location, pem), url) = (settings, "https://127.0.0.1:1/");
        let trouble = http(|settings| {
            settings.ca_location = location.to_owned();
            settings.ca_pem = pem.to_owned();
        })
        .ask(&get(url))
        .err()
        .expect("trouble");
        assert!(trouble.is_permanent && trouble.text.contains(words), "{}", trouble.text);
    }
}

#[test]
fn a_certificate_is_checked_and_the_remedy_named() {
    let ca = Ca::new("Tests");
    let server = ca.serve("127.0.0.1");
    let url = server.url("/token").replace("http://", "https://");
    let answer = http(|settings| settings.ca_pem = ca.pem()).ask(&get(&url)).expect("an answer");
    assert_eq!(answer.status, 200);
    let trouble = http(|settings| settings.ca_pem = Ca::new("Others").pem()).ask(&get(&url)).err().expect("trouble");
    assert!(trouble.is_permanent, "{}", trouble.text);
    assert!(trouble.text.contains("https.ca.location") && trouble.text.contains("certificates: 1"), "{}", trouble.text);
    let server = ca.serve("other.example");
    let url = server.url("/token").replace("http://", "https://");
    let trouble = http(|settings| settings.ca_pem = ca.pem()).ask(&get(&url)).err().expect("trouble");
    assert!(trouble.text.contains("is for another host") && trouble.text.contains("other.example"), "{}", trouble.text);
    let plain = HttpServer::new(|_| status(200, ""));
    let url = plain.url("/").replace("http://", "https://");
    let trouble = http(|settings| settings.ca_pem = ca.pem()).ask(&get(&url)).err().expect("trouble");
    assert!(trouble.text.contains(&shown_url(&url)), "{}", trouble.text);
}

#[test]
fn only_certificates_and_ports_without_tls_are_trouble_for_good() {
    let of = |error: rustls::Error| http(|_| {}).explain_tls(&error, "https://h/").is_permanent;
    assert!(of(CertificateError::UnknownIssuer.into()));
    assert!(of(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)));
    assert!(!of(rustls::Error::AlertReceived(rustls::AlertDescription::InternalError)));
    assert!(!of(rustls::Error::PeerMisbehaved(rustls::PeerMisbehaved::TooMuchEarlyDataReceived)));
    assert!(!of(rustls::Error::General("x".to_owned())));
}

#[test]
fn texts_are_encoded_for_forms_and_urls() {
    assert_eq!(form_encoded("a b+c/ü~-._"), "a+b%2Bc%2F%C3%BC~-._");
    assert_eq!(percent_encoded("a b+c/ü~-._"), "a%20b%2Bc%2F%C3%BC~-._");
}

/// An authority of this test alone.
struct Ca {
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Ca {
    fn new(name: &str) -> Ca {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        Ca { issuer: rcgen::CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server with a certificate for this name, that says hello in TLS to everybody.
    fn serve(&self, name: &str) -> HttpServer {
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let private = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a configuration");
        HttpServer::with_tls(Arc::new(config), |_| status(200, "hello"))
    }
}
