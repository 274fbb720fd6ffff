//! Names of brokers: as they are configured, and as certificates hold them.

use rustls::pki_types::ServerName;

use crate::security::tls::TlsTrouble;

/// The name that is sent (SNI; addresses are not) and looked for in the broker's certificate. A trailing dot only says
/// that the name is complete, and an address's zone is of this machine alone.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, TlsTrouble> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        let shown: String = host.chars().take(255).flat_map(char::escape_debug).collect();
        TlsTrouble {
            text: format!("'{shown}' is neither a DNS name nor an address, so that no certificate can name it"),
            is_permanent: true,
        }
    })
}
