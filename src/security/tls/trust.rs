//! Whom brokers' certificates are checked against.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{StoreType, TlsSettings};
use crate::error::{Error, Result, Status};
use crate::security::tls::files::{Directory, Files, shown};
use crate::security::tls::pem::{self, Section};
use crate::security::tls::purpose;
use crate::security::tls::store::{self, Form, Unopened};
use crate::security::tls::system::SystemStore;

/// Certificates that are trusted, and where they are from.
pub(super) struct Trust {
    /// Those of the trusted certificates that may issue others.
    pub roots: RootCertStore,
    /// The trusted certificates themselves: a broker may show one of them.
    pub certificates: Vec<CertificateDer<'static>>,
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// For messages: the stores by their properties, with the number of certificates in each.
    pub source: String,
    /// Where a certificate that is missing belongs, for messages.
    pub remedy: &'static str,
    pub warnings: Vec<String>,
}

/// librdkafka's word for: look where the operating system has them.
const PROBE: &str = "probe";

/// Trusted certificates of what the settings name; several stores are one.
pub(super) fn load(settings: &TlsSettings, system: &SystemStore, files: &mut Files) -> Result<Trust> {
    let mut trust = nothing();
    let mut sources = Vec::new();
    let ca_location = match settings.ca_location.as_str() {
        PROBE => "",
        location => location,
    };
    for (property, location) in
        [("ssl.ca.location", ca_location), ("ssl.truststore.location", settings.truststore_location.as_str())]
    {
        if !location.is_empty() {
            let found = trust.location(property, location, settings, files)?;
            sources.push(counted(&format!("{property} {}", shown(Path::new(location))), found));
        }
    }
    if !settings.truststore_certificates.is_empty() {
        let property = "ssl.truststore.certificates";
        let found = trust.pem(property, "the text", settings.truststore_certificates.as_bytes())?;
        sources.push(counted(property, found));
    }
    if sources.is_empty() {
        trust.system(system, files)?;
        trust.remedy = "to a file, and name that in ssl.ca.location";
        sources.push(counted("the operating system's store", trust.certificates.len()));
    }
    trust.source = sources.join(" and ");
    if !settings.crl_location.is_empty() {
        trust.revocation_lists("ssl.crl.location", &settings.crl_location, files)?;
    }
    Ok(trust)
}

/// The trusted certificates of a file, directory or text that these properties name; the operating system's without
/// any.
pub(super) fn of_location_or_text(
    (location_property, location): (&str, &str),
    (text_property, text): (&str, &str),
    system: &SystemStore,
) -> Result<Vec<CertificateDer<'static>>> {
    let mut files = Files::default();
    let mut trust = nothing();
    if !location.is_empty() && location != PROBE {
        trust.location(location_property, location, &TlsSettings::default(), &mut files)?;
    }
    if !text.is_empty() {
        trust.pem(text_property, "the text", text.as_bytes())?;
    }
    if trust.certificates.is_empty() {
        trust.system(system, &mut files)?;
    }
    Ok(trust.certificates)
}

fn nothing() -> Trust {
    Trust {
        roots: RootCertStore::empty(),
        certificates: Vec::new(),
        crls: Vec::new(),
        source: String::new(),
        remedy: "there",
        warnings: Vec::new(),
    }
}

fn counted(source: &str, count: usize) -> String {
    format!("{source} ({count} certificate{})", if count == 1 { "" } else { "s" })
}

fn bad(property: &str, what: &str) -> Error {
    Error::new(Status::INVALID_PROPERTY, format!("property '{property}': {what}"))
}

impl Trust {
    fn location(&mut self, property: &str, location: &str, settings: &TlsSettings, files: &mut Files) -> Result<usize> {
        let path = Path::new(location);
        if path.is_dir() {
            return self.directory(property, location, files);
        }
        let content = files.read(property, location)?;
        let name = shown(path);
        let is_truststore = property == "ssl.truststore.location";
        match store::form(&content) {
            Form::Jks => Err(bad(property, &format!("{name} {}", store::CONVERT_JKS))),
            Form::Pkcs12 if is_truststore && settings.truststore_type == StoreType::Pem => {
                Err(bad(property, &format!("{name} is PKCS#12, but ssl.truststore.type is PEM: remove that")))
            }
            Form::Pem if is_truststore && settings.truststore_type == StoreType::Pkcs12 => {
                Err(bad(property, &format!("{name} is PEM, but ssl.truststore.type is PKCS12: remove that")))
            }
            Form::Pkcs12 => self.pkcs12(property, &name, &content, settings.truststore_password.reveal()),
            Form::Der if X509Certificate::from_der(&content).is_ok() => {
                self.add(CertificateDer::from(content)).map_err(|what| {
                    bad(property, &format!("{name} holds no certificate that can be trusted: {what}"))
                })?;
                Ok(1)
            }
            Form::Pem | Form::Der | Form::Unknown => self.pem(property, &name, &content),
        }
    }

    /// Every file that has certificates; the others (keys, revocation lists, readme files) are passed over.
    fn directory(&mut self, property: &str, location: &str, files: &mut Files) -> Result<usize> {
        let Directory { contents, unreadable } = files.read_directory(property, location)?;
        let before = self.certificates.len();
        for (path, content) in contents {
            let has_certificates = pem::is_pem(&content)
                && pem::sections(&content).map_or(true, |sections| sections.iter().any(Section::is_certificate));
            if has_certificates && let Err(error) = self.pem(property, &shown(&path), &content) {
                self.warnings.push(format!("{error}; the file is passed over"));
            }
        }
        let shown = shown(Path::new(location));
        if unreadable > 0 {
            self.warnings.push(format!("property '{property}': {unreadable} files of {shown} cannot be read"));
        }
        match self.certificates.len() - before {
            0 => Err(bad(property, &format!("there is no file with a PEM certificate in the directory {shown}"))),
            found => Ok(found),
        }
    }

    fn pem(&mut self, property: &str, name: &str, content: &[u8]) -> Result<usize> {
        let sections = pem::sections(content).map_err(|what| bad(property, &format!("{name}: {what}")))?;
        let certificates: Vec<_> = sections
            .into_iter()
            .filter(Section::is_certificate)
            .map(|section| CertificateDer::from(section.certificate_der()))
            .collect();
        if certificates.is_empty() {
            return Err(bad(property, &format!("{name} holds no PEM certificate (-----BEGIN CERTIFICATE-----)")));
        }
        self.add_all(property, name, certificates)
    }

    fn pkcs12(&mut self, property: &str, name: &str, content: &[u8], password: &str) -> Result<usize> {
        let opened = store::open(content, password).map_err(|why| match why {
            Unopened::WrongPassword if password.is_empty() => {
                bad(property, &format!("{name} has a password: set ssl.truststore.password to it"))
            }
            Unopened::WrongPassword => {
                bad(property, &format!("{name} does not open: the password in ssl.truststore.password is wrong"))
            }
            Unopened::Because(what) => bad(property, &format!("{name} cannot be read: {what}")),
        })?;
        // Java marks what is trusted; OpenSSL marks nothing, and then all of it is meant.
        let is_marked = opened.certificates.iter().any(|(_, trusted)| *trusted);
        let meant = opened.certificates.into_iter().filter(|(_, trusted)| *trusted || !is_marked);
        let certificates: Vec<_> = meant.map(|(certificate, _)| certificate).collect();
        if certificates.is_empty() {
            return Err(bad(property, &format!("{name} holds no certificate")));
        }
        self.add_all(property, name, certificates)
    }

    /// One odd certificate must not cost the others, nor a bundle of the system's with it.
    fn add_all(&mut self, property: &str, name: &str, certificates: Vec<CertificateDer<'static>>) -> Result<usize> {
        let (mut found, mut odd) = (0, Vec::new());
        for (at, certificate) in certificates.into_iter().enumerate() {
            match self.add(certificate) {
                Ok(()) => found += 1,
                Err(_) => odd.push(at + 1),
            }
        }
        let Some(first) = odd.first() else {
            return Ok(found);
        };
        let what = format!("{name}: certificate {first} is damaged");
        if found == 0 {
            return Err(bad(property, &what));
        }
        let others = match odd.len() - 1 {
            0 => String::new(),
            others => format!(", and {others} more"),
        };
        self.warnings.push(format!("property '{property}': {what}{others}; left out"));
        Ok(found)
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> std::result::Result<(), rustls::Error> {
        if !self.certificates.contains(&certificate) {
            if purpose::may_issue(&certificate) {
                self.roots.add(certificate.clone())?;
            }
            self.certificates.push(certificate);
        }
        Ok(())
    }

    fn system(&mut self, system: &SystemStore, files: &mut Files) -> Result<()> {
        let loaded = system.load();
        for certificate in loaded.certs {
            files.note("the operating system's store", &certificate);
            // Old roots with odd encodings are in every system's store; the others do.
            let _odd = self.add(certificate);
        }
        if self.certificates.is_empty() {
            let tried = loaded.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
            let text = format!(
                "the operating system has no store of trusted certificates{tried}: install its package \
                 (ca-certificates), or name a file or directory in ssl.ca.location"
            );
            return Err(Error::new(Status::NOT_FOUND, text));
        }
        Ok(())
    }

    fn revocation_lists(&mut self, property: &str, location: &str, files: &mut Files) -> Result<()> {
        let path = Path::new(location);
        let contents = if path.is_dir() {
            files.read_directory(property, location)?.contents
        } else {
            vec![(path.to_owned(), files.read(property, location)?)]
        };
        for (path, content) in contents {
            let name = shown(&path);
            let sections = pem::sections(&content).map_err(|what| bad(property, &format!("{name}: {what}")))?;
            for section in sections.into_iter().filter(Section::is_crl) {
                let is_list = webpki::BorrowedCertRevocationList::from_der(section.der.reveal());
                if let Err(what) = is_list {
                    return Err(bad(property, &format!("{name} holds a revocation list that cannot be used: {what}")));
                }
                self.crls.push(CertificateRevocationListDer::from(section.der.reveal().to_vec()));
            }
        }
        if self.crls.is_empty() {
            let text = format!("{} holds no PEM revocation list (-----BEGIN X509 CRL-----)", shown(path));
            return Err(bad(property, &text));
        }
        Ok(())
    }
}
