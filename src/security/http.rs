//! HTTP for those who get tokens and credentials: one short question, one short answer, bounded in time and size.
//!
//! Blocks; called on the thread "kp-login" only. Redirects are not followed: a secret goes where the configuration
//! says, nowhere else. Connections are not kept, since questions are minutes apart.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::CertificateError;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::error::Status;
use crate::secret::{Secret, wipe};
use crate::security::login::Refusal;
use crate::security::mask::Mask;
use crate::security::tls::{self, SystemStore};
use crate::text::line_of;

/// No answer that is any good is larger.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// How much of a peer's own words gets into a message.
const PEER_WORDS_MAX: usize = 400;
/// Where nothing is configured.
const TIMEOUT_MS: u64 = 10_000;

/// How to talk to an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpSettings {
    /// Until the connection stands, TLS included; 0 is ten seconds.
    pub connect_timeout_ms: u64,
    /// For the answer, head and body; 0 is ten seconds.
    pub read_timeout_ms: u64,
    /// `https.ca.location`: file or directory; empty or `probe`: the operating system's store.
    pub ca_location: String,
    /// `https.ca.pem`.
    pub ca_pem: String,
    /// The proxy is the first of ALL_PROXY, HTTPS_PROXY and HTTP_PROXY, but for hosts in NO_PROXY. Metadata services
    /// are never asked through one.
    pub uses_proxy: bool,
}

/// One question.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

/// What is done with a URL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Get,
    Post,
    Put,
}

/// An answer of whatever status.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Where a redirect leads.
    location: String,
}

/// Tokens and keys come in answers.
impl Drop for Answer {
    fn drop(&mut self) {
        wipe(&mut self.body);
    }
}

/// Why there is no answer, or none that helps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpTrouble {
    /// A sentence that names the URL without its query, what is wrong and the remedy. Without secrets.
    pub text: String,
    /// It will not pass by itself.
    pub is_permanent: bool,
}

impl HttpTrouble {
    /// As the login tells it.
    pub fn refusal(self) -> Refusal {
        Refusal { status: Status::CREDENTIALS, text: self.text, is_permanent: self.is_permanent }
    }
}

/// Asks.
pub struct Http {
    settings: HttpSettings,
    agent: Agent,
    system: SystemStore,
    /// What the last question told in confidence.
    mask: Mask,
    timed_out: bool,
    /// Whether the time limits are those of properties.
    has_properties: bool,
    /// Read with the first `https` question, and again after a certificate was not trusted: it may have been renewed.
    roots: Option<Arc<Vec<Certificate<'static>>>>,
}

impl Http {
    /// Proxies and the place of the system's store are read from the environment here and not later, while other
    /// threads may change it.
    pub fn new(settings: HttpSettings) -> Http {
        let or_default = |ms: u64| Some(Duration::from_millis(if ms == 0 { TIMEOUT_MS } else { ms }));
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEADER_BYTES_MAX)
            .max_idle_connections(0)
            .user_agent(concat!("libkproducer/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(or_default(settings.connect_timeout_ms))
            .timeout_send_request(or_default(settings.read_timeout_ms))
            .timeout_send_body(or_default(settings.read_timeout_ms))
            .timeout_recv_response(or_default(settings.read_timeout_ms))
            .timeout_recv_body(or_default(settings.read_timeout_ms));
        if !settings.uses_proxy {
            config = config.proxy(None);
        }
        let system = SystemStore::of_process();
        Http {
            agent: Agent::new_with_config(config.build()),
            settings,
            system,
            mask: Mask::default(),
            timed_out: false,
            has_properties: true,
            roots: None,
        }
    }

    /// For a service whose time limits nobody can set.
    pub fn of_metadata(settings: HttpSettings) -> Http {
        Http { has_properties: false, ..Http::new(settings) }
    }

    /// Whether the last question had no answer in time.
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// What whoever was asked last says, fit for a message: without what was told in confidence, and short.
    pub fn said(&self, text: &str) -> String {
        self.mask.said(text)
    }

    /// Asks with secrets in the body or behind an encoding; those of the headers are known anyway.
    pub fn ask_in_confidence(&mut self, question: &Question<'_>, secrets: &[&str]) -> Result<Answer, HttpTrouble> {
        let mut mask = Mask::default();
        for secret in secrets {
            mask.add(secret);
        }
        for (name, value) in question.headers {
            if is_secret_header(name) {
                mask.add(value);
                let (scheme, value) = value.split_once(' ').unwrap_or_default();
                mask.add(value);
                let pair = STANDARD.decode(value).ok().filter(|_| scheme.eq_ignore_ascii_case("Basic"));
                if let Some(pair) = pair.and_then(|pair| String::from_utf8(pair).ok()) {
                    mask.add(Secret::new(pair).reveal());
                }
            }
        }
        self.mask = mask;
        self.put(question)
    }

    /// The answer, of whatever status but a redirect.
    pub fn ask(&mut self, question: &Question<'_>) -> Result<Answer, HttpTrouble> {
        self.ask_in_confidence(question, &[])
    }

    fn put(&mut self, question: &Question<'_>) -> Result<Answer, HttpTrouble> {
        self.timed_out = false;
        let shown = shown_url(question.url);
        check_url(question.url)?;
        let roots = if starts_with_ignoring_case(question.url, "https://") { Some(self.roots()?) } else { None };
        let answer = self.run(question, roots).map_err(|error| {
            let trouble = self.explain(&error, &shown);
            if tls_error(&error).is_some() {
                self.roots = None;
            }
            self.timed_out = matches!(error, ureq::Error::Timeout(_));
            trouble
        })?;
        if (300..400).contains(&answer.status) && !answer.location.is_empty() {
            let to = shown_url(&self.said(&answer.location));
            return Err(HttpTrouble {
                text: format!("{shown} redirects to {to}, and redirects are not followed; configure the final URL"),
                is_permanent: true,
            });
        }
        Ok(answer)
    }

    fn run(
        &self,
        question: &Question<'_>,
        roots: Option<Arc<Vec<Certificate<'static>>>>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(match question.method {
                Method::Get => "GET",
                Method::Post => "POST",
                Method::Put => "PUT",
            })
            .uri(question.url);
        for (name, value) in question.headers {
            request = request.header(*name, *value);
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(roots.unwrap_or_default()))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let mut response = if question.method == Method::Get {
            let request = self.agent.configure_request(request.body(())?).tls_config(tls).build();
            self.agent.run(request)?
        } else {
            let request = self.agent.configure_request(request.body(question.body)?).tls_config(tls).build();
            self.agent.run(request)?
        };
        let location =
            response.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Answer { status: response.status().as_u16(), body, location })
    }

    fn roots(&mut self) -> Result<Arc<Vec<Certificate<'static>>>, HttpTrouble> {
        if let Some(roots) = &self.roots {
            return Ok(Arc::clone(roots));
        }
        let (location, pem) = (&self.settings.ca_location, &self.settings.ca_pem);
        let found = tls::roots(("https.ca.location", location), ("https.ca.pem", pem), &self.system)
            .map_err(|error| HttpTrouble { text: error.message, is_permanent: true })?;
        let roots: Vec<_> = found.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
        Ok(Arc::clone(self.roots.insert(Arc::new(roots))))
    }

    fn explain(&self, error: &ureq::Error, url: &str) -> HttpTrouble {
        if let Some(tls) = tls_error(error) {
            return self.explain_tls(tls, url);
        }
        let passing = |text: String| HttpTrouble { text, is_permanent: false };
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => passing(format!(
                "{url} could not be connected to within {} ms{}; is the network open to it, or a proxy needed?",
                or_default_ms(self.settings.connect_timeout_ms),
                self.property(" (sasl.login.connect.timeout.ms)")
            )),
            ureq::Error::Timeout(_) => passing(format!(
                "{url} did not answer within {} ms{}",
                or_default_ms(self.settings.read_timeout_ms),
                self.property(" (sasl.login.read.timeout.ms)")
            )),
            ureq::Error::HostNotFound => {
                passing(format!("the host name of {url} could not be resolved; is it spelled right?"))
            }
            ureq::Error::BodyExceedsLimit(_) => HttpTrouble {
                text: format!("{url} answered with more than {ANSWER_BYTES_MAX} bytes; is it the right endpoint?"),
                is_permanent: true,
            },
            ureq::Error::LargeResponseHeader(..) | ureq::Error::Protocol(_) => HttpTrouble {
                text: format!("{url} did not answer in HTTP/1.1; is the port right, and does it want https?"),
                is_permanent: true,
            },
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpTrouble {
                text: format!("{url} is not a URL that can be asked; write http://host/path or https://host/path"),
                is_permanent: true,
            },
            ureq::Error::InvalidProxyUrl | ureq::Error::ConnectProxyFailed(_) => passing(format!(
                "{url} could not be reached through the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names; mend the proxy or put the host into NO_PROXY"
            )),
            ureq::Error::Io(error) => passing(format!("{url} could not be asked: {}", self.said(&error.to_string()))),
            other => passing(format!("{url} could not be asked: {}", self.said(&other.to_string()))),
        }
    }

    fn explain_tls(&self, error: &rustls::Error, url: &str) -> HttpTrouble {
        let text = match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
                "the certificate of {url} was issued by nobody in {}; set https.ca.location or https.ca.pem to its issuer",
                self.store()
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. },
            ) => format!(
                "the certificate of {url} is not valid at this time ({error}); it has to be renewed, or this machine's clock is wrong"
            ),
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => format!(
                "the certificate of {url} is for another host ({error}); use the host name that the certificate names"
            ),
            rustls::Error::InvalidMessage(_) => {
                format!("{url} does not answer in TLS; is it a plain http port, then write http://?")
            }
            other => format!("TLS with {url} failed: {other}"),
        };
        // What else happens to a connection is the network's, or a server's that restarts.
        let is_permanent = matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_));
        HttpTrouble { text: self.said(&text), is_permanent }
    }

    fn property(&self, name: &'static str) -> &'static str {
        if self.has_properties { name } else { "" }
    }

    fn store(&self) -> String {
        let count = self.roots.as_ref().map_or(0, |roots| roots.len());
        if !self.settings.ca_pem.is_empty() {
            format!("https.ca.pem (certificates: {count})")
        } else if has_location(&self.settings) {
            format!("https.ca.location {} (certificates: {count})", self.settings.ca_location)
        } else {
            format!("the operating system's store (certificates: {count})")
        }
    }
}

fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "authorization" || name.ends_with("-token")
}

fn or_default_ms(ms: u64) -> u64 {
    if ms == 0 { TIMEOUT_MS } else { ms }
}

fn has_location(settings: &HttpSettings) -> bool {
    !settings.ca_location.is_empty() && settings.ca_location != "probe"
}

/// The TLS error somewhere inside.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => inner_tls(error),
        _ => None,
    }
}

fn inner_tls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn check_url(url: &str) -> Result<(), HttpTrouble> {
    let refused =
        |why: &str| Err(HttpTrouble { text: format!("{} {why}", printable(&shown_url(url))), is_permanent: true });
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => rest,
        _ => return refused("is not a URL that begins with http:// or https://"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    if authority.is_empty() {
        return refused("names no host");
    }
    if authority.contains('@') {
        return refused("has a user in it; credentials have properties of their own");
    }
    Ok(())
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A URL without its query, fragment and user: those may be secrets.
pub fn shown_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or("");
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// What somebody else says, fit for a message: one line, not too long.
pub fn printable(text: &str) -> String {
    line_of(text, PEER_WORDS_MAX).into_owned()
}

/// Percent-encoding as forms want it: a space is `+` there, and `%20` in URLs.
pub fn form_encoded(text: &str) -> String {
    encoded(text, true)
}

/// Percent-encoding of everything but letters, digits and `-._~` (RFC 3986).
pub fn percent_encoded(text: &str) -> String {
    encoded(text, false)
}

fn encoded(text: &str, is_form: bool) -> String {
    // It may be a secret: no memory that it would grow out of.
    let mut out = String::with_capacity(3 * text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' if is_form => out.push('+'),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
