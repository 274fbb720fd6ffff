//! Where the operating system has its trusted certificates.

use std::env;
use std::path::PathBuf;

use rustls_native_certs::CertificateResult;

/// The places as they were when the producer was made: other threads may change the environment while it is read, so
/// that only the thread that makes the producer looks at it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SystemStore {
    file: Option<PathBuf>,
    directories: Vec<PathBuf>,
}

impl SystemStore {
    /// What SSL_CERT_FILE and SSL_CERT_DIR name; without both, where systems have it.
    pub fn of_process() -> SystemStore {
        let file = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let directories: Vec<_> =
            env::var_os("SSL_CERT_DIR").map(|list| env::split_paths(&list).collect()).unwrap_or_default();
        if file.is_some() || !directories.is_empty() {
            return SystemStore { file, directories };
        }
        let found = openssl_probe::probe();
        SystemStore { file: found.cert_file, directories: found.cert_dir }
    }

    /// Reads what is there now.
    pub(super) fn load(&self) -> CertificateResult {
        let mut all = CertificateResult::default();
        let places = self.file.iter().map(|file| (Some(file), None));
        for (file, directory) in places.chain(self.directories.iter().map(|directory| (None, Some(directory)))) {
            let found =
                rustls_native_certs::load_certs_from_paths(file.map(PathBuf::as_path), directory.map(PathBuf::as_path));
            all.certs.extend(found.certs);
            all.errors.extend(found.errors);
        }
        all.certs.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        all.certs.dedup();
        all
    }
}
