//! Certificates in words, for messages: bounded, and without control characters, for peers send them.

use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Longest name shown.
const NAME_MAX: usize = 160;
/// Most alternative names shown.
const NAMES_MAX: usize = 10;

/// What is told of a certificate.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub subject: String,
    pub issuer: String,
    pub not_before_s: i64,
    pub not_after_s: i64,
    pub is_self_issued: bool,
    /// What it may be used as the certificate of.
    pub names: Names,
    pub signature_oid: String,
}

/// The names that a certificate is for.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    pub dns: Vec<String>,
    pub addresses: Vec<IpAddr>,
    /// The most specific CN of the subject.
    pub common_name: Option<String>,
}

pub(super) fn facts(certificate: &CertificateDer<'_>) -> Option<Facts> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(Facts {
        subject: distinguished(parsed.subject()),
        issuer: distinguished(parsed.issuer()),
        not_before_s: parsed.validity().not_before.timestamp(),
        not_after_s: parsed.validity().not_after.timestamp(),
        is_self_issued: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        names: names(&parsed),
        signature_oid: parsed.signature_algorithm.algorithm.to_id_string(),
    })
}

pub(super) fn names(certificate: &X509Certificate<'_>) -> Names {
    let mut names = Names {
        common_name: certificate.subject().iter_common_name().last().and_then(|cn| Some(cn.as_str().ok()?.to_owned())),
        ..Names::default()
    };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return names;
    };
    for name in &extension.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
            GeneralName::IPAddress(octets) => names.addresses.extend(address(octets)),
            _ => {}
        }
    }
    names
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => None,
    }
}

impl Facts {
    /// `subject 'CN=…', issuer 'CN=…'`.
    pub fn who(&self) -> String {
        format!("subject '{}', issuer '{}'", self.subject, self.issuer)
    }

    pub fn validity(&self) -> String {
        format!("valid from {} to {}", date(self.not_before_s), date(self.not_after_s))
    }
}

impl Names {
    pub fn shown(&self) -> String {
        let mut all: Vec<String> = self.dns.iter().map(|name| clean(name)).collect();
        all.extend(self.addresses.iter().map(IpAddr::to_string));
        if self.dns.is_empty() {
            all.extend(self.common_name.iter().map(|name| format!("CN {}", clean(name))));
        }
        let more = all.len().saturating_sub(NAMES_MAX);
        all.truncate(NAMES_MAX);
        match (all.is_empty(), more) {
            (true, _) => "no host at all".to_owned(),
            (false, 0) => all.join(", "),
            (false, more) => format!("{} and {more} more", all.join(", ")),
        }
    }
}

fn distinguished(name: &X509Name<'_>) -> String {
    match clean(&name.to_string()) {
        name if name.is_empty() => "(empty)".to_owned(),
        name => name,
    }
}

pub(super) fn clean(text: &str) -> String {
    let mut shown: String = text.chars().take(NAME_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(NAME_MAX).is_some() {
        shown.push('…');
    }
    // Names often hold apostrophes, which are no danger.
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

/// `2026-11-21 18:46:39 UTC`.
pub(super) fn date(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a civil date, in years that begin in March (proleptic Gregorian calendar).
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}
