//! Tokens from a file that somebody else renews: an agent, a sidecar, Kubernetes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::error::Status;
use crate::secret::{Secret, SecretBytes};
use crate::security::claims::Claims;
use crate::security::login::Refusal;
use crate::security::token::{Token, TokenGetter};

/// No file of credentials is larger.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// A token that does not tell its end is read again so soon: only the file knows when there is a new one.
const READ_AGAIN_MS: i64 = 300_000;

/// Reads the file anew for each token.
pub struct TokenFile {
    path: String,
    sub_claim: String,
    extensions: Vec<(String, String)>,
}

impl TokenFile {
    /// `location`: a path, or a `file://` URL.
    pub fn new(location: &str, sub_claim: &str, extensions: Vec<(String, String)>) -> TokenFile {
        TokenFile { path: path_of(location), sub_claim: sub_claim.to_owned(), extensions }
    }
}

impl TokenGetter for TokenFile {
    fn get(&mut self, now_ms: i64) -> Result<Token, Refusal> {
        let text = read_text(&self.path, "sasl.oauthbearer.token.endpoint.url")?;
        let value = text.reveal().trim();
        if value.is_empty() {
            return Err(refusal(
                format!("the token file {} is empty; whoever writes it has not yet", self.path),
                false,
            ));
        }
        if value.bytes().any(|byte| !(0x21..=0x7e).contains(&byte)) {
            return Err(refusal(
                format!(
                    "the token file {} holds more than one token, or something else; it has to hold a token alone",
                    self.path
                ),
                true,
            ));
        }
        let claims = Claims::of_token(value);
        let expires_at_ms = claims.expires_at_ms().unwrap_or(now_ms.saturating_add(READ_AGAIN_MS));
        if expires_at_ms <= now_ms {
            let text = format!("the token in {} has expired; whoever renews the file has not done so", self.path);
            return Err(refusal(text, false));
        }
        Ok(Token {
            value: Secret::from(value),
            expires_at_ms,
            principal: claims.text(&self.sub_claim),
            extensions: self.extensions.clone(),
        })
    }
}

fn refusal(text: String, is_permanent: bool) -> Refusal {
    Refusal { status: Status::CREDENTIALS, text, is_permanent }
}

/// The path that a `file://` URL names; other texts are paths already.
pub fn path_of(location: &str) -> String {
    let Some(rest) = location.strip_prefix("file:") else { return location.to_owned() };
    let path = rest.strip_prefix("//").map_or(rest, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
    percent_decoded(path)
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
            .flatten();
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// A small file of text with secrets in it. `property` names it in the error.
pub fn read_text(path: &str, property: &str) -> Result<Secret, Refusal> {
    read_bounded(Path::new(path)).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "is not there",
            io::ErrorKind::PermissionDenied => "may not be read by this process",
            io::ErrorKind::InvalidData => "is not text in UTF-8",
            io::ErrorKind::FileTooLarge => "is larger than 1 MiB",
            io::ErrorKind::InvalidInput => "is a directory, a pipe or a device",
            _ => "could not be read",
        };
        refusal(format!("the file {path} that {property} names {what} ({error})"), true)
    })
}

/// The text of a file, if it is not too large.
pub fn read_bounded(path: &Path) -> io::Result<Secret> {
    // A pipe or a device would hold up whoever reads.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    // Room for all of it: it may be a secret, and memory that it grows out of would keep a copy.
    let mut bytes = Vec::with_capacity(FILE_BYTES_MAX as usize + 1);
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    if read? as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large"));
    }
    let text = std::str::from_utf8(bytes.reveal());
    text.map(Secret::from).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::testing::{TempFile, unsigned};

    const NOW_MS: i64 = 1_700_000_000_000;

    #[test]
    fn the_token_is_read_anew_each_time_and_tells_its_end() {
        let file = TempFile::new("token", &format!("{}\n", unsigned(r#"{"exp":1700000600,"sub":"alice"}"#)));
        let mut getter = TokenFile::new(&format!("file://{}", file.path()), "sub", vec![("a".into(), "b".into())]);
        let token = getter.get(NOW_MS).expect("a token");
        assert_eq!((token.expires_at_ms, token.principal.as_str()), (1_700_000_600_000, "alice"));
        assert_eq!(token.extensions, [("a".to_owned(), "b".to_owned())]);
        file.write(&unsigned(r#"{"exp":1700009999,"sub":"bob"}"#));
        assert_eq!(getter.get(NOW_MS).expect("a token").principal, "bob");
        file.write("opaque-token");
        assert_eq!(getter.get(NOW_MS).expect("a token").expires_at_ms, NOW_MS + READ_AGAIN_MS);
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_and_never_its_content() {
        let file = TempFile::new("bad-token", "");
        let mut getter = TokenFile::new(file.path(), "sub", Vec::new());
        for (content, words, is_permanent) in [
            (String::new(), "is empty", false),
            (unsigned(r#"{"exp":1600000000}"#), "has expired", false),
            ("secret1 secret2".to_owned(), "token alone", true),
        ] {
            file.write(&content);
            let refusal = getter.get(NOW_MS).expect_err("a refusal");
            assert!(refusal.text.contains(words) && refusal.text.contains(file.path()), "{}", refusal.text);
            assert!(!refusal.text.contains("secret1"), "{}", refusal.text);
            assert_eq!(refusal.is_permanent, is_permanent, "{}", refusal.text);
        }
        let refusal = TokenFile::new("/dev/zero", "sub", Vec::new()).get(NOW_MS).expect_err("a refusal");
        assert!(refusal.text.contains("a pipe or a device"), "{}", refusal.text);
        let refusal = TokenFile::new("/no/such/token", "sub", Vec::new()).get(NOW_MS).expect_err("a refusal");
        assert!(refusal.text.contains("/no/such/token") && refusal.text.contains("is not there"), "{}", refusal.text);
    }

    #[test]
    fn file_urls_become_paths() {
        for (url, path) in [
            ("file:///run/token", "/run/token"),
            ("file://localhost/run/token", "/run/token"),
            ("file:/run/token", "/run/token"),
            ("file:///run/a%20b%", "/run/a b%"),
            ("/run/token", "/run/token"),
        ] {
            assert_eq!(path_of(url), path);
        }
    }
}
