//! From text to checked values: one parser per kind of property, and the sentences for what does not parse.

use crate::config::jaas;
use crate::config::secure::SECURITY_PROTOCOLS;
use crate::config::table::{Convert, Found, Kind, Property, State, Value, not_supported, shown};
use crate::error::{Error, Result, Status};
use crate::secret::Secret;
use std::net::Ipv6Addr;

/// Longest value accepted, in bytes.
const VALUE_MAX: usize = 65_536;
/// Most entries of a server list.
const SERVERS_MAX: usize = 1_000;
const DEFAULT_PORT: u16 = 9092;

/// Checks a value given under a name that was found, and brings it into the property's own form and unit: as text,
/// which may be a secret, and as what it comes to.
pub fn check(found: &Found, text: &str) -> Result<(Secret, Value)> {
    let property = found.property;
    if let State::Absent(why) = property.state {
        return Err(not_supported(found.spelled, why));
    }
    let text = text.trim();
    if text.len() > VALUE_MAX {
        return Err(invalid(found, text, &format!("at most {VALUE_MAX} bytes")));
    }
    if text.contains('\0') {
        return Err(invalid(found, text, "text without NUL characters"));
    }
    let text = Secret::new(convert(found, text)?);
    let text = text.reveal();
    let (canonical, value) = parse(property, text).map_err(|allowed| invalid(found, text, &allowed))?;
    let canonical = Secret::new(canonical);
    let (accepted, remedy) = match property.state {
        State::Partly(accepted, _) => (accepted, "use one of the values that are"),
        State::Harmless(accepted, remedy) => (accepted, remedy),
        State::Built(_) | State::NoEffect(_) | State::Absent(_) => return Ok((canonical, value)),
    };
    if accepted.contains(&canonical.reveal()) {
        return Ok((canonical, value));
    }
    let listed: Vec<_> = accepted.iter().map(|value| format!("'{value}'")).collect();
    let value = if property.is_secret() { String::new() } else { format!("value '{}' of ", shown(text)) };
    let message = format!(
        "{value}property '{}' is not supported by this version, which accepts only {}: {remedy}",
        found.spelled,
        listed.join(", ")
    );
    Err(Error::new(Status::PROPERTY_NOT_SUPPORTED, message))
}

/// Checks text that is already in the property's own form, such as its default.
pub fn parse(property: &Property, text: &str) -> std::result::Result<(String, Value), String> {
    let allowed = || property.range();
    match property.kind {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(("true".to_string(), Value::Bool(true))),
            "false" => Ok(("false".to_string(), Value::Bool(false))),
            _ => Err(allowed()),
        },
        Kind::Int(min, max, _) => match whole(text) {
            Some(number) if (min..=max).contains(&number) => Ok((number.to_string(), Value::Int(number))),
            _ => Err(format!("a whole number, {}", allowed())),
        },
        Kind::Level(other, min, max) => match whole(text) {
            Some(number) if number == other || (min..=max).contains(&number) => {
                Ok((number.to_string(), Value::Int(number)))
            }
            _ => Err(format!("a whole number, {}", allowed())),
        },
        Kind::FloatMs(max) => match micros(text) {
            Some(us) if us <= max.saturating_mul(1000) => Ok((ms_text(us), Value::Int(us))),
            _ => Err(allowed()),
        },
        Kind::Fraction(min, max) => match micros(text) {
            Some(thousandths) if (min..=max).contains(&thousandths) => {
                Ok((ms_text(thousandths), Value::Int(thousandths)))
            }
            _ => Err(format!("a number, {}", allowed())),
        },
        Kind::Choice(choices) => match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
            Some(choice) => Ok((choice.to_string(), Value::Text(choice.to_string()))),
            None => Err(allowed()),
        },
        Kind::Words(allowed_words) => {
            let mut found = Vec::new();
            for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                match allowed_words.iter().find(|allowed| allowed.eq_ignore_ascii_case(word)) {
                    Some(word) if found.contains(word) => {}
                    Some(word) => found.push(*word),
                    None => return Err(allowed()),
                }
            }
            if found.is_empty() {
                return Err(allowed());
            }
            Ok((found.join(","), Value::Text(found.join(","))))
        }
        Kind::Acks => match text.to_ascii_lowercase().as_str() {
            "all" | "-1" => Ok(("all".to_string(), Value::Int(-1))),
            "0" => Ok(("0".to_string(), Value::Int(0))),
            "1" => Ok(("1".to_string(), Value::Int(1))),
            _ => Err(allowed()),
        },
        Kind::Text(max) if text.len() > max => Err(format!("at most {max} bytes")),
        Kind::Text(_) => Ok((text.to_string(), Value::Text(text.to_string()))),
        Kind::Secret => Ok((text.to_string(), Value::Secret(Secret::from(text)))),
        Kind::Jaas if text.is_empty() => Ok((String::new(), Value::Secret(Secret::default()))),
        Kind::Jaas => match jaas::parse(text) {
            Ok(_) => Ok((text.to_string(), Value::Secret(Secret::from(text)))),
            Err(what) => Err(format!("{}; {what}", allowed())),
        },
        Kind::Servers => {
            let servers = servers(text).map_err(|what| format!("{}; {what}", allowed()))?;
            Ok((text.to_string(), Value::Servers(servers)))
        }
    }
}

/// The property's value as the alias would say it: the way back of the conversion.
pub fn spelled_as(convert: &Convert, canonical: &str) -> String {
    match convert {
        Convert::Times(factor) => whole(canonical).map_or_else(String::new, |number| (number / factor).to_string()),
        Convert::Replace(alias, own) if *own == canonical => alias.to_string(),
        _ => canonical.to_string(),
    }
}

fn convert(found: &Found, text: &str) -> Result<String> {
    match found.convert {
        Convert::Same => Ok(text.to_string()),
        Convert::Times(factor) => {
            let product = whole(text).and_then(|number| number.checked_mul(*factor));
            match (product, &found.property.kind) {
                (Some(product), Kind::Int(min, max, _)) if (min..=max).contains(&&product) => Ok(product.to_string()),
                (_, Kind::Int(min, max, _)) => {
                    let (min, max) = (min.saturating_add(factor - 1) / factor, max / factor);
                    Err(invalid(found, text, &format!("a whole number, {min} to {max}")))
                }
                _ => Err(invalid(found, text, "a whole number")),
            }
        }
        Convert::Replace(alias, own) => Ok(if text == *alias { own } else { text }.to_string()),
        Convert::JavaPartitioner => Ok(match text.rsplit('.').next().unwrap_or(text) {
            "" | "null" | "DefaultPartitioner" => "murmur2",
            "RoundRobinPartitioner" => "round_robin",
            "UniformStickyPartitioner" => {
                let allowed = "partitioner=sticky with partitioner.ignore.keys=true, which is the same";
                return Err(invalid(found, text, allowed));
            }
            _ if text.contains('.') => {
                let allowed = "the name of a built-in partitioner; a class cannot be loaded by a C library";
                return Err(invalid(found, text, allowed));
            }
            _ => text,
        }
        .to_string()),
    }
}

fn invalid(found: &Found, text: &str, allowed: &str) -> Error {
    let value = match (found.property.is_secret(), text) {
        (true, _) => "the value (not shown)".to_string(),
        (false, "") => "the empty value".to_string(),
        (false, text) => format!("value '{}'", shown(text)),
    };
    let message = format!("property '{}': {value} is not allowed; allowed: {allowed}", found.spelled);
    Error::new(Status::INVALID_PROPERTY, message)
}

/// A plain decimal whole number: no sign but a minus, no exponent, no other base.
fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Milliseconds with an optional fraction, as microseconds. What is finer is rounded up, so that no wait becomes none.
fn micros(text: &str) -> Option<i64> {
    let (ms, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if ms.starts_with('-') || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let finer = fraction.bytes().skip(3).any(|digit| digit != b'0');
    let us = whole(ms)?.saturating_mul(1000);
    Some(us.saturating_add(whole(&thousandths)?).saturating_add(i64::from(finer)))
}

pub(super) fn ms_text(us: i64) -> String {
    let text = format!("{}.{:03}", us / 1000, us % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Parses `bootstrap.servers`. An empty text is an empty list; empty entries between commas are skipped, as in Java.
fn servers(text: &str) -> std::result::Result<Vec<(String, u16)>, String> {
    let mut servers = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let server = server(entry).map_err(|why| format!("entry '{}' {why}", shown(entry)))?;
        if !servers.contains(&server) {
            servers.push(server);
        }
        if servers.len() > SERVERS_MAX {
            return Err(format!("there are more than {SERVERS_MAX} entries"));
        }
    }
    if servers.is_empty() && !text.is_empty() {
        return Err("there is no entry".to_string());
    }
    Ok(servers)
}

/// The entries of a server list that begin with a protocol, and that protocol, one of security.protocol's values.
pub(super) fn protocols_named(text: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let entries = text.split(',').map(str::trim);
    entries.filter_map(|entry| Some((entry, protocol(entry.split_once("://")?.0)?)))
}

fn protocol(name: &str) -> Option<&'static str> {
    SECURITY_PROTOCOLS.iter().find(|known| known.eq_ignore_ascii_case(name)).copied()
}

fn server(entry: &str) -> std::result::Result<(String, u16), String> {
    let rest = match entry.split_once("://") {
        // Whether it is the one of security.protocol is looked at when both are known.
        Some((name, rest)) if protocol(name).is_some() => rest,
        Some(_) => {
            let known = SECURITY_PROTOCOLS.join(", ");
            return Err(format!("names a protocol that is none of Kafka's ({known}); write host:port"));
        }
        None => entry,
    };
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or("lacks the closing bracket")?;
        let address = host.split_once('%').map_or(host, |(address, _zone)| address);
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("has no IPv6 address in its brackets".to_string());
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err("has text after its bracket that is not :port".to_string()),
        }
    } else {
        if rest.parse::<Ipv6Addr>().is_ok() {
            return Err(format!("is an IPv6 address without brackets; write [{rest}]:{DEFAULT_PORT}"));
        }
        let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || host.len() > 255 || !host.bytes().all(legal) {
            return Err("has no valid host name".to_string());
        }
        (host, port)
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => match whole(text).and_then(|number| u16::try_from(number).ok()) {
            Some(port) if port > 0 => port,
            _ => return Err("has no valid port; a port is a number from 1 to 65535".to_string()),
        },
    };
    Ok((host.to_string(), port))
}
