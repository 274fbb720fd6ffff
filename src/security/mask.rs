//! What was told a peer in confidence, kept out of what the peer says about it.
//!
//! A peer may repeat a secret as its own format writes it, or the message that it stood in, in base64 for example. So
//! a secret is looked for in each writing of `spelled.rs`, and in base64 at each of the three places where it can stand
//! in what was encoded. What is left of a message without it may be told.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::secret::{Secret, wipe};
use crate::security::spelled::{Way, end_of};
use crate::text::line_of;

/// Shorter secrets are taken out as whole words only: otherwise they would star half of every sentence, and be told by
/// it.
const ANYWHERE_MIN: usize = 4;
/// Shorter runs of base64 are found in ordinary words.
const BASE64_ANYWHERE_MIN: usize = 6;
/// Shorter secrets are not looked for in hexadecimal: their digits are any number.
const HEX_BYTES_MIN: usize = 3;
/// Shorter texts are not taken for base64 that holds something, nor for the signature of a token.
const INNER_MIN: usize = 16;
/// How much of a peer's own words gets into a message.
const PEER_WORDS_MAX: usize = 400;
const STARS: &str = "***";

/// Secrets as a peer may repeat them.
#[derive(Default)]
pub struct Mask {
    secrets: Vec<Secret>,
    sought: Vec<Sought>,
}

/// One writing of a secret.
struct Sought {
    text: Secret,
    way: Way,
    /// Only where no letter or digit is beside it.
    is_word: bool,
    /// The sign before is made of a part of the secret as well; so is the one behind.
    begins_before: bool,
    ends_behind: bool,
}

impl Mask {
    /// For these secrets.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Mask {
        let mut mask = Mask::default();
        for secret in secrets {
            mask.add(secret.reveal());
        }
        mask
    }

    /// The text in every writing, and what would be as good: the text that it is the base64 of, and its signatures.
    pub fn add(&mut self, secret: &str) {
        self.add_alone(secret);
        let secret = secret.trim();
        let bare = secret.trim_end_matches('=');
        let is_long = bare.len() >= INNER_MIN;
        let inner = STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare));
        if let Some(inner) = inner.ok().filter(|_| is_long).and_then(|inner| String::from_utf8(inner).ok()) {
            let inner = Secret::new(inner);
            self.add_alone(inner.reveal());
            self.add_signed(inner.reveal());
        }
        self.add_signed(secret);
        // Nobody can use a token of three parts (JWT) without the last one.
        if let Some((_, signature)) = secret.rsplit_once('.').filter(|_| secret.matches('.').count() == 2) {
            self.add_alone(Some(signature).filter(|signature| signature.len() >= INNER_MIN).unwrap_or_default());
        }
    }

    /// What AWS's signed requests hold, as headers and as URLs.
    fn add_signed(&mut self, text: &str) {
        for name in ["Signature=", "Security-Token="] {
            let Some((_, value)) = text.split_once(name) else { continue };
            let value = value.split(['&', ',', ' ']).next().unwrap_or_default();
            // In a URL it is escaped; as it was it is found in both forms.
            self.add_alone(unescaped(value).reveal());
        }
    }

    fn add_alone(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.is_empty() || self.secrets.iter().any(|known| known.reveal() == secret) {
            return;
        }
        self.secrets.push(Secret::from(secret));
        let sought = |text: Secret, way: Way, is_word: bool| Sought {
            text,
            way,
            is_word,
            begins_before: false,
            ends_behind: false,
        };
        // Of control characters cleaning may leave nothing: they do not count.
        let length: usize = secret.chars().filter(|sign| !sign.is_control()).map(char::len_utf8).sum();
        let is_short = length < ANYWHERE_MIN;
        if length > 0 {
            self.sought.push(sought(Secret::from(secret), Way::Signs, is_short));
        }
        let whole = Secret::new(STANDARD_NO_PAD.encode(secret));
        let is_word = whole.reveal().len() < BASE64_ANYWHERE_MIN;
        self.sought.push(sought(whole, Way::Base64, is_word));
        for before in 0..3 {
            self.sought.extend(inside_base64(secret, before));
        }
        if secret.len() >= HEX_BYTES_MIN {
            self.sought.push(sought(hex(secret), Way::Hex, is_short));
        }
    }

    /// A peer's words, fit for a message: without secrets first of all, for a cut one would not be found, and then
    /// short.
    pub fn said(&self, text: &str) -> String {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let mut out = String::with_capacity(text.len().min(PEER_WORDS_MAX) + STARS.len());
        // Where what was found ends: another secret may begin inside, and go on behind it.
        let mut hidden_until = 0;
        for (at, sign) in text.char_indices() {
            if let Some((end, begins_before)) = self.found(text, at) {
                if at > hidden_until || hidden_until == 0 {
                    if begins_before && at > 0 && out.ends_with(is_base64) {
                        out.pop();
                    }
                    out.push_str(STARS);
                }
                hidden_until = hidden_until.max(end);
            }
            if at >= hidden_until {
                out.push(sign);
            }
            // Whatever follows does not fit in any more.
            if out.len() > PEER_WORDS_MAX {
                break;
            }
        }
        line_of(&out, PEER_WORDS_MAX).into_owned()
    }

    /// The end of the longest secret that begins here, and whether a part of it is in the sign before.
    fn found(&self, text: &str, at: usize) -> Option<(usize, bool)> {
        self.sought.iter().filter_map(|sought| Some((sought.end(text, at)?, sought.begins_before))).max()
    }
}

impl Sought {
    fn end(&self, text: &str, at: usize) -> Option<usize> {
        let mut end = end_of(self.text.reveal(), self.way, text, at)?;
        let is_of_word = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
        if self.is_word && (is_of_word(text[..at].chars().next_back()) || is_of_word(text[end..].chars().next())) {
            return None;
        }
        if self.ends_behind && text[end..].starts_with(is_base64) {
            end += 1;
        }
        if self.way == Way::Base64 {
            for _ in 0..2 {
                let padding = ["=", "%3D", "%3d"].iter().find(|padding| text[end..].starts_with(**padding));
                end += padding.map_or(0, |padding| padding.len());
            }
        }
        Some(end)
    }
}

fn is_base64(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '+' | '/' | '-' | '_')
}

/// What is the same in the base64 of every text that holds the secret behind a multiple of three bytes and so many
/// more.
fn inside_base64(secret: &str, before: usize) -> Option<Sought> {
    let mut bytes = Vec::with_capacity(before + secret.len() + 2);
    bytes.resize(before, 0);
    bytes.extend_from_slice(secret.as_bytes());
    let (from_bit, to_bit) = (8 * before, 8 * bytes.len());
    // Without bits of what is behind it, nor the zeros at the end of everything.
    bytes.resize(bytes.len().next_multiple_of(3), 0);
    let encoded = Secret::new(STANDARD_NO_PAD.encode(&bytes));
    wipe(&mut bytes);
    let text = encoded.reveal().get(from_bit.div_ceil(6)..to_bit / 6)?;
    (text.len() >= BASE64_ANYWHERE_MIN).then(|| Sought {
        text: Secret::from(text),
        way: Way::Base64,
        is_word: false,
        begins_before: !from_bit.is_multiple_of(6),
        ends_behind: !to_bit.is_multiple_of(6),
    })
}

/// A value of a URL without its `%` and digits.
fn unescaped(value: &str) -> Secret {
    let mut plain = Secret::with_capacity(value.len());
    let mut rest = value;
    while let Some(sign) = rest.chars().next() {
        let code = rest.strip_prefix('%').and_then(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
        plain.push(code.map_or(sign, char::from));
        rest = &rest[if code.is_some() { 3 } else { sign.len_utf8() }..];
    }
    plain
}

fn hex(secret: &str) -> Secret {
    let mut digits = Secret::with_capacity(2 * secret.len());
    for byte in secret.bytes() {
        for half in [byte >> 4, byte & 15] {
            digits.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
        }
    }
    digits
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
