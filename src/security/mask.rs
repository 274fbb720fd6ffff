//! What was told a peer in confidence, kept out of what the peer says about it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::security::http::{form_encoded, percent_encoded, printable};
use crate::security::secret::Secret;

/// Shorter secrets are taken out as whole words only: otherwise they would star half of every sentence, and be told by it.
const ANYWHERE_MIN: usize = 4;
const STARS: &str = "***";

/// Secrets as a peer may repeat them.
#[derive(Default)]
pub struct Mask(Vec<Secret>);

impl Mask {
    /// The text itself, and as it is written in forms, URLs and base64.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.is_empty() {
            return;
        }
        let forms = [
            secret.to_owned(),
            form_encoded(secret),
            percent_encoded(secret),
            STANDARD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        for form in forms {
            if !self.0.iter().any(|known| known.reveal() == form) {
                self.0.push(Secret::new(form));
            }
        }
        // A secret may be a part of another one.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
    }

    /// For one secret, if there is one.
    pub fn of(secret: Option<&Secret>) -> Mask {
        let mut mask = Mask::default();
        if let Some(secret) = secret {
            mask.add(secret.reveal());
        }
        mask
    }

    /// A peer's words, fit for a message: without secrets first of all, for a cut one would not be found, and then short.
    pub fn said(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = match secret.reveal() {
                word if word.len() < ANYWHERE_MIN => without_word(&text, word),
                secret => text.replace(secret, STARS),
            };
        }
        printable(&text)
    }
}

fn without_word(text: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let is_of_word = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
    while let Some(at) = rest.find(word) {
        let (before, behind) = (&rest[..at], &rest[at + word.len()..]);
        let last = before.chars().next_back().or_else(|| out.chars().next_back());
        out.push_str(before);
        out.push_str(if is_of_word(last) || is_of_word(behind.chars().next()) { word } else { STARS });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let mut mask = Mask::default();
        for secret in secrets {
            mask.add(secret);
        }
        mask
    }

    #[test]
    fn secrets_go_in_every_form_and_before_the_text_is_cut() {
        let mask = mask(&["s3 cr€t/+", "s3 cr€t/+more"]);
        for form in ["s3 cr€t/+", "s3+cr%E2%82%ACt%2F%2B", "s3%20cr%E2%82%ACt%2F%2B", &STANDARD.encode("s3 cr€t/+")]
        {
            assert_eq!(mask.said(&format!("no '{form}' here")), "no '***' here");
        }
        assert_eq!(mask.said("s3 cr€t/+more"), "***");
        for filler in 385..400 {
            let said = mask.said(&format!("{}s3 cr€t/+", "x".repeat(filler)));
            assert!(!said.contains("s3"), "{said}");
        }
    }

    #[test]
    fn short_secrets_do_not_star_words() {
        let mask = mask(&["e", "abc", ""]);
        assert_eq!(mask.said("the client e has abc, abcd and xabc"), "the client *** has ***, abcd and xabc");
        assert_eq!(mask.said("invalid_client: see e"), "invalid_client: see ***");
    }
}
