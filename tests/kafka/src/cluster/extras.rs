//! What a cluster has beside what all have: settings, listeners, users.

/// The mechanisms under which each SCRAM user is known.
pub(super) const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// More than a broker needs.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Lines for every broker's properties.
    pub settings: Vec<String>,
    /// Listeners beside PLAINTEXT, which brokers and tools go on using among themselves.
    pub listeners: Vec<Listener>,
    /// Options of the brokers' virtual machine.
    pub java_options: Vec<String>,
    /// SCRAM's users and their passwords.
    pub scram_users: Vec<(String, String)>,
}

/// A listener on a port of its own, advertised as `localhost`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name: capital letters.
    pub name: &'static str,
    /// `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: &'static str,
    /// Lines for the broker's properties, without the prefix `listener.name.NAME.`
    pub settings: Vec<String>,
    /// The port that clients are told instead of its own: a [`Relay`](crate::security::Relay)'s. With one broker only.
    pub advertised_port: Option<u16>,
}

impl Listener {
    /// A listener that advertises the port it listens on.
    pub fn new(name: &'static str, protocol: &'static str, settings: Vec<String>) -> Self {
        Self { name, protocol, settings, advertised_port: None }
    }
}

impl Extras {
    /// Only more lines in the properties.
    pub fn settings(lines: &[&str]) -> Self {
        Self { settings: lines.iter().map(|&line| line.to_owned()).collect(), ..Self::default() }
    }

    /// The users as the storage tool wants them.
    pub(super) fn scram_credentials(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.scram_users.iter().flat_map(|(name, password)| {
            SCRAM.into_iter().map(move |mechanism| (mechanism, format!("[name={name},password={password}]")))
        })
    }
}
