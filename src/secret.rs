//! Passwords, tokens and keys as the library carries them about.

use std::fmt;
use std::hint::black_box;

/// A text that is never shown: not by `Debug`, not in a message. Its memory is overwritten when it is dropped, and when
/// it grows out of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text; its memory is the secret's from now on. A text that grew while it was made has left copies
    /// behind: `concat`, or `with_capacity` and `push`, leave none.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Secret {
        Secret(String::with_capacity(bytes))
    }

    /// These texts one behind the other.
    pub fn concat(parts: &[&str]) -> Secret {
        // Makes room for all of them first.
        Secret(parts.concat())
    }

    /// The text itself, for those who send or sign with it. It must not get into a message.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, sign: char) {
        self.push_str(sign.encode_utf8(&mut [0; 4]));
    }

    pub fn push_str(&mut self, text: &str) {
        let needed = self.0.len() + text.len();
        if needed > self.0.capacity() {
            // A string that moves by itself leaves its old memory as it is.
            let mut larger = Secret::with_capacity(needed.max(2 * self.0.capacity()));
            larger.0.push_str(&self.0);
            *self = larger;
        }
        self.0.push_str(text);
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe_vec(std::mem::take(&mut self.0).into_bytes());
    }
}

/// The same of bytes that are no text: keys, and messages that hold a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes the bytes; their memory is the secret's from now on.
    pub fn new(bytes: Vec<u8>) -> SecretBytes {
        SecretBytes(bytes)
    }

    pub fn concat(parts: &[&[u8]]) -> SecretBytes {
        SecretBytes(parts.concat())
    }

    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, for who sends them and wipes them afterwards.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        wipe_vec(std::mem::take(&mut self.0));
    }
}

/// All of its memory: what was cut off its end is behind it still.
fn wipe_vec(mut bytes: Vec<u8>) {
    bytes.resize(bytes.capacity(), 0);
    wipe(&mut bytes);
}

/// Overwrites memory that nobody needs any more.
pub fn wipe<T: Copy + Default>(memory: &mut [T]) {
    memory.fill(T::default());
    // The compiler must take the zeros for read, or it leaves them out.
    black_box(memory);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
        assert_eq!(secret.reveal(), "hunter2");
        assert!(!secret.is_empty() && Secret::default().is_empty());
        let bytes = SecretBytes::concat(&[b"hunter", b"2"]);
        assert_eq!((format!("{bytes:?}").as_str(), bytes.reveal()), ("***", &b"hunter2"[..]));
    }

    #[test]
    fn a_secret_grows_into_memory_of_its_own() {
        let mut secret = Secret::concat(&["hun", "ter"]);
        for sign in "2 ü€".chars() {
            secret.push(sign);
        }
        secret.push_str("");
        assert_eq!(secret.reveal(), "hunter2 ü€");
        let mut roomy = Secret::with_capacity(8);
        let place = roomy.reveal().as_ptr();
        roomy.push_str("hunter22");
        assert_eq!((roomy.reveal(), roomy.reveal().as_ptr()), ("hunter22", place), "there was room");
    }

    #[test]
    fn wiped_memory_is_zeros() {
        let mut bytes = *b"hunter2";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 7]);
        let mut units = [1_u16, 2];
        wipe(&mut units);
        assert_eq!(units, [0; 2]);
    }
}
