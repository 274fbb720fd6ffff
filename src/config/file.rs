//! Java's `.properties` syntax: comments with # and !, `=`, `:` or white space after the name, lines continued by a
//! backslash, and its escapes. The text is UTF-8, as Java reads it through a Reader.

use crate::config::table::shown;
use crate::error::{Error, Result, Status};
use crate::secret::{Secret, wipe};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::str::Chars;

/// Largest file read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// One setting of a file.
#[derive(PartialEq, Debug)]
pub struct Entry {
    /// The line it begins on, from 1.
    pub line: usize,
    pub name: String,
    pub value: Secret,
}

/// What a line does wrong.
#[derive(PartialEq, Debug)]
pub struct BadLine {
    /// The line it begins on, from 1.
    pub line: usize,
    pub why: String,
}

/// Reads a whole file. Any of it may be a secret.
pub fn read(path: &Path) -> Result<Secret> {
    let name = shown(&path.to_string_lossy());
    let failed = |error: std::io::Error| {
        let status = if error.kind() == ErrorKind::NotFound { Status::NOT_FOUND } else { Status::IO };
        Error::new(status, format!("the configuration file {name} cannot be read: {error}"))
    };
    // Opening a pipe would wait for its other end, and reading a directory or device makes no sense.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::new(Status::IO, format!("the configuration file {name} is not a regular file")));
    }
    let mut file = File::open(path).map_err(failed)?.take(FILE_MAX + 1);
    // Room for all of it, since memory that it grows out of would keep a copy.
    let mut bytes = Vec::with_capacity(FILE_MAX as usize + 1);
    let read = file.read_to_end(&mut bytes).map_err(failed);
    let is_too_large = bytes.len() as u64 > FILE_MAX;
    let text = decode(bytes);
    read?;
    if is_too_large {
        return Err(Error::new(Status::IO, format!("the configuration file {name} is larger than {FILE_MAX} bytes")));
    }
    text.map_err(|line| Error::new(Status::IO, format!("{name}:{line}: the line is not valid UTF-8")))
}

/// Text from bytes, without a byte order mark; or the line that is not UTF-8.
pub fn decode(bytes: Vec<u8>) -> std::result::Result<Secret, usize> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => Secret::new(text),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            wipe(&mut error.into_bytes());
            return Err(line);
        }
    };
    match text.reveal().strip_prefix('\u{feff}') {
        Some(rest) => Ok(Secret::from(rest)),
        None => Ok(text),
    }
}

/// The settings of a text, in order.
pub fn entries(text: &str) -> impl Iterator<Item = std::result::Result<Entry, BadLine>> {
    logical_lines(text).into_iter().map(|(line, text)| entry(line, text.reveal()).map_err(|why| BadLine { line, why }))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines without comments and blank ones, continued lines joined, each with the number it begins on.
fn logical_lines(text: &str) -> Vec<(usize, Secret)> {
    let mut lines = Vec::new();
    // The logical line that the next natural line continues.
    let mut open: Option<(usize, Vec<&str>)> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let natural = natural.trim_start_matches(is_space);
        if open.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let (number, mut parts) = open.take().unwrap_or((index + 1, Vec::new()));
        let backslashes = natural.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 1 {
            parts.push(&natural[..natural.len() - 1]);
            open = Some((number, parts));
        } else {
            parts.push(natural);
            lines.push((number, Secret::concat(&parts)));
        }
    }
    // A backslash on the file's last line continues nothing.
    let last = open.map(|(number, parts)| (number, Secret::concat(&parts)));
    lines.extend(last.filter(|(_, joined)| !joined.is_empty()));
    lines
}

/// What is between `\n`, `\r` and both together.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let last = text.ends_with('\n').then_some("");
    let lines = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => line,
    });
    lines.flat_map(|line| line.split('\r')).chain(last)
}

fn entry(line: usize, text: &str) -> std::result::Result<Entry, String> {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || is_space(c));
        escaped = !escaped && c == '\\';
        ends
    });
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space);
    let name = unescape(name)?.reveal().to_owned();
    if name.is_empty() {
        return Err("the line has no property name before its separator".to_string());
    }
    let value = unescape(rest).map_err(|why| format!("property '{}': {why}", shown(&name)))?;
    Ok(Entry { line, name, value })
}

fn unescape(text: &str) -> std::result::Result<Secret, String> {
    let mut plain = Secret::with_capacity(text.len());
    // The first half of a character that is escaped as two units of UTF-16.
    let mut half: Option<u16> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let unit = escaped_unit(&mut chars)?;
                    if half.is_none() && (0xd800..0xdc00).contains(&unit) {
                        half = Some(unit);
                        continue;
                    }
                    let mut decoded = char::decode_utf16(half.take().into_iter().chain([unit]));
                    decoded.next().and_then(std::result::Result::ok).ok_or(HALF)?
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            c => c,
        };
        if half.is_some() {
            return Err(HALF.to_string());
        }
        plain.push(c);
    }
    if half.is_some() { Err(HALF.to_string()) } else { Ok(plain) }
}

const HALF: &str = "an escape \\u is half of a character";

fn escaped_unit(chars: &mut Chars<'_>) -> std::result::Result<u16, String> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = chars.next().and_then(|digit| digit.to_digit(16));
        unit = unit << 4 | digit.ok_or("an escape \\u lacks its four hexadecimal digits")?;
    }
    u16::try_from(unit).map_err(|_| HALF.to_string())
}
