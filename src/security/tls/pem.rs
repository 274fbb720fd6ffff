//! PEM as it is found in the field: text around the sections, headers inside them (RFC 1421), everything on one line as
//! in Java's properties, `\n` written as two characters.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::secret::{Secret, SecretBytes};

const DECODER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Longest name of a section that is taken for one.
const LABEL_MAX: usize = 64;

/// What stands between a BEGIN and its END.
#[derive(PartialEq, Eq)]
pub(super) struct Section {
    pub label: String,
    /// `Proc-Type`, `DEK-Info` and the like.
    pub headers: Vec<(String, String)>,
    /// It may be a key.
    pub der: SecretBytes,
}

impl Section {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    /// OpenSSL's TRUSTED CERTIFICATE has words of its own behind the certificate.
    pub fn certificate_der(self) -> Vec<u8> {
        let der = self.der.reveal();
        let behind = X509Certificate::from_der(der).map_or(0, |(behind, _)| behind.len());
        der[..der.len() - behind].to_vec()
    }

    pub fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    pub fn is_crl(&self) -> bool {
        self.label == "X509 CRL"
    }
}

/// Whether the text is meant to be PEM.
pub(super) fn is_pem(content: &[u8]) -> bool {
    content.windows(BEGIN.len()).any(|part| part == BEGIN.as_bytes())
}

/// All sections in their order. The error says what is wrong with which section, and shows nothing of its content.
pub(super) fn sections(content: &[u8]) -> Result<Vec<Section>, String> {
    let text = String::from_utf8_lossy(content);
    let text = with_line_ends(&text);
    let mut rest = text.reveal();
    let mut sections = Vec::new();
    while let Some(at) = rest.find(BEGIN) {
        let number = sections.len() + 1;
        rest = &rest[at + BEGIN.len()..];
        let label = match rest.find(DASHES) {
            Some(end) if end <= LABEL_MAX && !rest[..end].contains('\n') => &rest[..end],
            _ => return Err(format!("section {number} of the PEM text has a damaged BEGIN line")),
        };
        rest = &rest[label.len() + DASHES.len()..];
        let Some(end) = rest.find(&format!("{END}{label}{DASHES}")) else {
            let label: String = label.chars().flat_map(char::escape_debug).collect();
            return Err(format!("section {number} of the PEM text ({label}) has no END line: the text is cut off"));
        };
        let (headers, body) = headers(&rest[..end]);
        let mut compact = Vec::with_capacity(body.len());
        compact.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let compact = SecretBytes::new(compact);
        let der = DECODER.decode(compact.reveal()).map_err(|_| {
            let label: String = label.chars().flat_map(char::escape_debug).collect();
            format!("section {number} of the PEM text ({label}) is no base64: it is damaged")
        })?;
        sections.push(Section { label: label.trim().to_owned(), headers, der: SecretBytes::new(der) });
        rest = &rest[end..];
    }
    Ok(sections)
}

/// Text from an environment variable or a JSON file often has its line ends escaped once more.
fn with_line_ends(text: &str) -> Secret {
    let mut plain = Secret::with_capacity(text.len());
    for (at, line) in text.split("\\n").enumerate() {
        if at > 0 {
            plain.push('\n');
        }
        line.split("\\r").for_each(|part| plain.push_str(part));
    }
    plain
}

/// Header lines, then an empty line, then the content. Base64 has no colons.
fn headers(body: &str) -> (Vec<(String, String)>, &str) {
    let mut headers = Vec::new();
    let mut rest = body;
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None if headers.is_empty() && line.trim().is_empty() && !after.is_empty() => {}
            None => return (headers, rest),
        }
        rest = after;
    }
}
