//! Java's `.properties` syntax: comments with # and !, `=`, `:` or white space after the name, lines continued by a
//! backslash, and its escapes. The text is UTF-8, as Java reads it through a Reader.

use crate::config::table::shown;
use crate::error::{Error, Result, Status};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Largest file read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// One setting of a file.
#[derive(PartialEq, Debug)]
pub struct Entry {
    /// The line it begins on, from 1.
    pub line: usize,
    pub name: String,
    pub value: String,
}

/// What a line does wrong.
#[derive(PartialEq, Debug)]
pub struct BadLine {
    /// The line it begins on, from 1.
    pub line: usize,
    pub why: String,
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<String> {
    let name = shown(&path.to_string_lossy());
    let failed = |error: std::io::Error| {
        let status = if error.kind() == ErrorKind::NotFound { Status::NOT_FOUND } else { Status::IO };
        Error::new(status, format!("the configuration file {name} cannot be read: {error}"))
    };
    // Opening a pipe would wait for its other end, and reading a directory or device makes no sense.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::new(Status::IO, format!("the configuration file {name} is not a regular file")));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(Error::new(Status::IO, format!("the configuration file {name} is larger than {FILE_MAX} bytes")));
    }
    decode(bytes).map_err(|line| Error::new(Status::IO, format!("{name}:{line}: the line is not valid UTF-8")))
}

/// Text from bytes, without a byte order mark; or the line that is not UTF-8.
pub fn decode(bytes: Vec<u8>) -> std::result::Result<String, usize> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text)),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            Err(1 + valid.iter().filter(|byte| **byte == b'\n').count())
        }
    }
}

/// The settings of a text, in order.
pub fn entries(text: &str) -> impl Iterator<Item = std::result::Result<Entry, BadLine>> {
    logical_lines(text).into_iter().map(|(line, text)| entry(line, &text).map_err(|why| BadLine { line, why }))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Lines without comments and blank ones, continued lines joined, each with the number it begins on.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    // The logical line that the next natural line continues.
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        let natural = natural.trim_start_matches(is_space);
        if open.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let (number, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        let backslashes = natural.bytes().rev().take_while(|byte| *byte == b'\\').count();
        if backslashes % 2 == 1 {
            joined.push_str(&natural[..natural.len() - 1]);
            open = Some((number, joined));
        } else {
            joined.push_str(natural);
            lines.push((number, joined));
        }
    }
    // A backslash on the file's last line continues nothing.
    lines.extend(open.filter(|(_, joined)| !joined.is_empty()));
    lines
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
    let name = unescape(name)?;
    if name.is_empty() {
        return Err("the line has no property name before its separator".to_string());
    }
    let value = unescape(rest).map_err(|why| format!("property '{}': {why}", shown(&name)))?;
    Ok(Entry { line, name, value })
}

fn unescape(text: &str) -> std::result::Result<String, String> {
    // UTF-16, because an escape may be half of a pair.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                    let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| hex);
                    units.push(unit.ok_or("an escape \\u lacks its four hexadecimal digits")?);
                    continue;
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
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "an escape \\u is half of a character".to_string())
}
