//! Whom brokers' certificates are checked against.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::config::TlsSettings;
use crate::error::{Error, Result, Status};
use crate::security::tls::files::{Files, shown};
use crate::security::tls::pem;

/// Certificates that are trusted, and where they are from.
pub(super) struct Trust {
    pub roots: RootCertStore,
    /// The trusted certificates themselves: a broker may show one of them.
    pub certificates: Vec<CertificateDer<'static>>,
    pub crls: Vec<CertificateRevocationListDer<'static>>,
    /// For messages: the stores by their properties, with the number of certificates in each.
    pub source: String,
    pub warnings: Vec<String>,
}

/// librdkafka's word for: look where the operating system has them.
const PROBE: &str = "probe";

pub(super) fn load(settings: &TlsSettings, files: &mut Files) -> Result<Trust> {
    let mut collected = Collected {
        roots: RootCertStore::empty(),
        certificates: Vec::new(),
        sources: Vec::new(),
        warnings: Vec::new(),
    };
    let ca_location = match settings.ca_location.as_str() {
        PROBE => "",
        location => location,
    };
    if !ca_location.is_empty() {
        collected.location("ssl.ca.location", ca_location, files)?;
    }
    if !settings.truststore_location.is_empty() {
        collected.location("ssl.truststore.location", &settings.truststore_location, files)?;
    }
    if !settings.truststore_certificates.is_empty() {
        let property = "ssl.truststore.certificates";
        let found = collected.content(property, "the text", settings.truststore_certificates.as_bytes())?;
        collected.sources.push(counted(property, found));
    }
    if collected.sources.is_empty() {
        collected.system(files)?;
    }
    Ok(Trust {
        roots: collected.roots,
        certificates: collected.certificates,
        crls: Vec::new(),
        source: collected.sources.join(" and "),
        warnings: collected.warnings,
    })
}

struct Collected {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
    sources: Vec<String>,
    warnings: Vec<String>,
}

fn counted(source: &str, count: usize) -> String {
    format!("{source} ({count} certificate{})", if count == 1 { "" } else { "s" })
}

fn bad(property: &str, what: &str) -> Error {
    Error::new(Status::INVALID_PROPERTY, format!("property '{property}': {what}"))
}

impl Collected {
    fn location(&mut self, property: &str, location: &str, files: &mut Files) -> Result<()> {
        let path = Path::new(location);
        let found = if path.is_dir() {
            self.directory(property, location, files)?
        } else {
            let content = files.read(property, location)?;
            self.content(property, &shown(path), &content)?
        };
        self.sources.push(counted(&format!("{property} {}", shown(path)), found));
        Ok(())
    }

    /// Every file that has certificates; the others (keys, revocation lists, readme files) are passed over.
    fn directory(&mut self, property: &str, location: &str, files: &mut Files) -> Result<usize> {
        let (contents, unreadable) = files.read_directory(property, location)?;
        let mut found = 0;
        for (path, content) in contents {
            match pem::is_pem(&content).then(|| self.content(property, &shown(&path), &content)) {
                Some(Ok(count)) => found += count,
                Some(Err(error)) => self.warnings.push(format!("{error}; the file is passed over")),
                None => {}
            }
        }
        let shown = shown(Path::new(location));
        if unreadable > 0 {
            self.warnings.push(format!("property '{property}': {unreadable} files of {shown} cannot be read"));
        }
        match found {
            0 => Err(bad(property, &format!("there is no file with a PEM certificate in the directory {shown}"))),
            _ => Ok(found),
        }
    }

    fn content(&mut self, property: &str, name: &str, content: &[u8]) -> Result<usize> {
        let sections = pem::sections(content).map_err(|what| bad(property, &format!("{name}: {what}")))?;
        let mut found = 0;
        for section in sections.into_iter().filter(pem::Section::is_certificate) {
            found += 1;
            self.add(CertificateDer::from(section.der))
                .map_err(|what| bad(property, &format!("{name}: certificate {found} cannot be read: {what}")))?;
        }
        match found {
            0 => Err(bad(property, &format!("{name} holds no PEM certificate (-----BEGIN CERTIFICATE-----)"))),
            _ => Ok(found),
        }
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> std::result::Result<(), rustls::Error> {
        if !self.certificates.contains(&certificate) {
            self.roots.add(certificate.clone())?;
            self.certificates.push(certificate);
        }
        Ok(())
    }

    fn system(&mut self, files: &mut Files) -> Result<()> {
        let loaded = rustls_native_certs::load_native_certs();
        for certificate in loaded.certs {
            files.note("the operating system's store", &certificate);
            // Old roots with odd encodings are in every system's store; the others do.
            let _odd = self.add(certificate);
        }
        if self.certificates.is_empty() {
            let tried = match loaded.errors.first() {
                Some(error) => format!(" ({error})"),
                None => String::new(),
            };
            let text = format!(
                "the operating system has no store of trusted certificates{tried}: install its package \
                 (ca-certificates), or name a file or directory in ssl.ca.location"
            );
            return Err(Error::new(Status::NOT_FOUND, text));
        }
        self.sources.push(counted("the operating system's store", self.certificates.len()));
        Ok(())
    }
}
