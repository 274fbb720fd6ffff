//! The signed assertions that token endpoints give tokens for (RFC 7523, KIP-1139).

use ring::rand::{SecureRandom, SystemRandom};
use rustls::SignatureScheme;
use rustls_pki_types::PrivateKeyDer;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::config::AssertionSettings;
use crate::error::Status;
use crate::secret::Secret;
use crate::security::assertion_key::read_key;
use crate::security::login::Refusal;
use crate::security::token_file::read_text;

/// Makes an assertion for each question. Files are read anew each time, so that keys and assertions can be replaced.
pub struct Assertion {
    settings: AssertionSettings,
    algorithm: Algorithm,
}

/// What a part of a JWT says.
type Claims = Map<String, Value>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    Rs256,
    Es256,
}

impl Assertion {
    /// The error names the property. What files hold is looked at when they are used.
    pub fn new(settings: &AssertionSettings) -> Result<Assertion, String> {
        let algorithm = match settings.algorithm.to_ascii_uppercase().as_str() {
            "" | "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            other => {
                return Err(format!("sasl.oauthbearer.assertion.algorithm is RS256 or ES256, and not {other}"));
            }
        };
        if settings.file.is_empty() && settings.private_key_file.is_empty() && settings.private_key_pem.is_empty() {
            return Err("an assertion needs sasl.oauthbearer.assertion.private.key.file or .private.key.pem to be signed with, or a ready one in sasl.oauthbearer.assertion.file".to_owned());
        }
        Ok(Assertion { settings: settings.clone(), algorithm })
    }

    /// An assertion that is good from now on.
    pub fn make(&self, now_ms: i64) -> Result<Secret, Refusal> {
        if !self.settings.file.is_empty() {
            let property = "sasl.oauthbearer.assertion.file";
            let text = read_text(&self.settings.file, property)?;
            let assertion = text.reveal().trim();
            return if assertion.is_empty() {
                Err(refusal(format!("the file {} that {property} names is empty", self.settings.file), false))
            } else {
                Ok(Secret::from(assertion))
            };
        }
        let (header, payload) = self.claims(now_ms)?;
        let content = format!("{}.{}", encoded(&header), encoded(&payload));
        let signature = sign(self.algorithm, &self.key()?, content.as_bytes()).map_err(|text| refusal(text, true))?;
        Ok(Secret::concat(&[&content, ".", &URL_SAFE_NO_PAD.encode(signature)]))
    }

    /// Properties first, then the template's, then what only this moment knows, as Java's client has it.
    fn claims(&self, now_ms: i64) -> Result<(Claims, Claims), Refusal> {
        let settings = &self.settings;
        let (mut header, mut payload) = (Claims::new(), Claims::new());
        for (name, value) in [("aud", &settings.claim_aud), ("iss", &settings.claim_iss), ("sub", &settings.claim_sub)]
        {
            if !value.is_empty() {
                payload.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        if !settings.template_file.is_empty() {
            let property = "sasl.oauthbearer.assertion.template.file";
            let text = read_text(&settings.template_file, property)?;
            let wrong = |what: String| refusal(format!("{property} {} {what}", settings.template_file), true);
            let template: Value = serde_json::from_str(text.reveal())
                .map_err(|error| wrong(format!("is not JSON (line {}, column {})", error.line(), error.column())))?;
            for (name, into) in [("header", &mut header), ("payload", &mut payload)] {
                match template.get(name) {
                    Some(Value::Object(claims)) => into.extend(claims.clone()),
                    None => {}
                    Some(_) => return Err(wrong(format!("has a {name} that is no object"))),
                }
            }
        }
        let seconds = now_ms / 1000;
        let plus = |seconds: i64, more: u64| seconds.saturating_add(i64::try_from(more).unwrap_or(i64::MAX));
        header.insert("alg".to_owned(), json!(if self.algorithm == Algorithm::Rs256 { "RS256" } else { "ES256" }));
        header.insert("typ".to_owned(), json!("JWT"));
        payload.insert("iat".to_owned(), json!(seconds));
        payload.insert("exp".to_owned(), json!(plus(seconds, settings.claim_exp_seconds)));
        let before = i64::try_from(settings.claim_nbf_seconds).unwrap_or(i64::MAX);
        payload.insert("nbf".to_owned(), json!(seconds.saturating_sub(before)));
        if settings.claim_jti_include {
            payload.insert("jti".to_owned(), json!(random_uuid()?));
        }
        Ok((header, payload))
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, Refusal> {
        let settings = &self.settings;
        let (property, name, text) = if settings.private_key_pem.is_empty() {
            let property = "sasl.oauthbearer.assertion.private.key.file";
            (property, settings.private_key_file.as_str(), read_text(&settings.private_key_file, property)?)
        } else {
            let text = settings.private_key_pem.clone();
            ("sasl.oauthbearer.assertion.private.key.pem", "the text", text)
        };
        read_key(property, name, text.reveal(), settings.private_key_passphrase.reveal())
            .map_err(|text| refusal(text, true))
    }
}

fn refusal(text: String, is_permanent: bool) -> Refusal {
    Refusal { status: Status::CREDENTIALS, text, is_permanent }
}

fn encoded(claims: &Claims) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(claims.clone()).to_string())
}

fn random_uuid() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| refusal("the operating system gave no random bytes for an assertion's jti".to_owned(), false))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

fn sign(algorithm: Algorithm, key: &PrivateKeyDer<'static>, content: &[u8]) -> Result<Vec<u8>, String> {
    let (name, wanted, scheme) = match algorithm {
        Algorithm::Rs256 => ("RS256", "an RSA key of at least 2048 bits", SignatureScheme::RSA_PKCS1_SHA256),
        Algorithm::Es256 => ("ES256", "a key on the curve P-256", SignatureScheme::ECDSA_NISTP256_SHA256),
    };
    let unfit = || format!("sasl.oauthbearer.assertion.algorithm {name} needs {wanted}, and the key is another");
    let key = rustls::crypto::ring::sign::any_supported_type(key).map_err(|_| unfit())?;
    let signer = key.choose_scheme(&[scheme]).ok_or_else(unfit)?;
    let signature = signer.sign(content).map_err(|_| "the assertion could not be signed".to_owned())?;
    match algorithm {
        Algorithm::Rs256 => Ok(signature),
        Algorithm::Es256 => fixed_width(&signature).ok_or_else(|| "the assertion could not be signed".to_owned()),
    }
}

/// JWS wants r and s side by side, 32 bytes each, and not TLS's ASN.1.
fn fixed_width(der: &[u8]) -> Option<Vec<u8>> {
    let [0x30, _, rest @ ..] = der else { return None };
    let mut out = Vec::with_capacity(64);
    let mut rest = rest;
    for _ in 0..2 {
        let [0x02, length, after @ ..] = rest else { return None };
        let (number, after) = after.split_at_checked(usize::from(*length))?;
        let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        out.extend(std::iter::repeat_n(0, 32_usize.checked_sub(number.len())?));
        out.extend_from_slice(number);
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
#[path = "assertion_tests.rs"]
mod tests;
