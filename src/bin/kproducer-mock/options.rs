//! The command line.

use std::net::{IpAddr, Ipv4Addr};

use kproducer::error::Status;
use kproducer::mock::{ClusterOptions, Listening, MockCluster};

use crate::commands::{self, Command, number};

const HELP: &str = "\
kproducer-mock: a mock Kafka cluster for the tests of any client. Its records are in memory, and gone when it ends.

usage: kproducer-mock [--OPTION VALUE | --OPTION=VALUE]...

  --brokers N                      brokers, 1 to 1000, with ids from 1 up (default 3)
  --port P                         the first broker's port, the others have those behind it; 0: free ones (default 9092)
  --listen ADDRESS                 where they listen (default 127.0.0.1)
  --advertise HOST                 the name by which clients find them (default: ADDRESS)
  --auto-create PARTITIONS         partitions of a topic that clients ask for; 0: unknown topics stay unknown (default 1)
  --message-max-bytes N            the greatest record batch that is accepted (default 1048588)
  --cluster-id TEXT                what metadata calls the cluster
  --tls-cert FILE --tls-key FILE   TLS with this certificate chain and key, PEM
  --tls-client-ca FILE             clients have to show a certificate that one of these has signed, PEM
  --sasl MECHANISM:USER:PASSWORD   clients have to authenticate: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512;
                                   OAUTHBEARER::TOKEN accepts this token
  --kafka 2.1                      speaks as a broker of that release does; 4: as today's (default)

What follows may be given more than once, and on standard input as well, without dashes (`down 2`, `fault produce:disconnect`): the
answer to each line is `ok` or `error: …`; `quit` ends the program.

  --topic NAME[:PARTITIONS[:REPLICAS]]     creates a topic (1 partition, as many replicas as brokers, 3 at most)
  --fault API:KIND[:COUNT]                 the next COUNT requests (1) of an API fail. KIND: a Kafka error's name or number;
                                           `disconnect`, or `disconnect-after` when the request has been carried out; `none` lets
                                           them pass. APIs: produce, metadata, fetch, init-producer-id, … or Kafka's numbers
  --throttle BROKER:MS                     each answer asks for a pause (a quota)
  --latency BROKER:MS                      each answer comes so much later
  --down BROKER, --up BROKER               refuses connections, its partitions get other leaders; is there again
  --freeze BROKER, --thaw BROKER           accepts connections and answers nothing; goes on
  --leader TOPIC:PARTITION:BROKER          moves a leader; -1: none
  --address BROKER:HOST:PORT               where metadata says that the broker is; BROKER alone: where it is
  --rack BROKER:RACK                       its rack
  --max-version API:VERSION                announces no higher version of the API; -1: not at all

When brokers listen, it prints `listening on HOST:PORT,…`: the list for bootstrap.servers.";

/// What the command line asks for.
pub enum Wanted {
    Run(Box<Options>),
    Print(String),
}

/// Why the cluster did not begin.
pub enum Begin {
    Misused(String),
    Failed(String),
}

pub struct Options {
    cluster: ClusterOptions,
    listening: Listening,
    tls: Tls,
    commands: Vec<Command>,
}

/// Names of files.
#[derive(Default)]
struct Tls {
    certificate: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
}

pub fn read(arguments: &[String]) -> Result<Wanted, String> {
    let listening = Listening { first_port: 9092, ..Listening::default() };
    let mut options =
        Options { cluster: ClusterOptions::default(), listening, tls: Tls::default(), commands: Vec::new() };
    let mut advertised = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => return Ok(Wanted::Print(HELP.to_owned())),
            "-V" | "--version" => return Ok(Wanted::Print(format!("kproducer-mock {}", env!("CARGO_PKG_VERSION")))),
            _ => {}
        }
        let name = word.strip_prefix("--").ok_or_else(|| format!("'{word}' is not an option"))?;
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, value),
            None => (name, words.next().ok_or_else(|| format!("--{name} wants a value"))?.as_str()),
        };
        match name {
            "brokers" => options.cluster.brokers = number(name, value, 1, 1000)?,
            "port" => options.listening.first_port = number(name, value, 0, 65_535)?,
            "listen" => {
                options.listening.address =
                    value.parse().map_err(|_| format!("--listen: '{value}' is no IP address"))?;
            }
            "advertise" => advertised = Some(value.to_owned()),
            "auto-create" => options.cluster.auto_create_partitions = number(name, value, 0, 100_000)?,
            "message-max-bytes" => options.cluster.message_max_bytes = number(name, value, 1, i32::MAX.into())?,
            "cluster-id" => options.cluster.cluster_id = value.to_owned(),
            "tls-cert" => options.tls.certificate = Some(value.to_owned()),
            "tls-key" => options.tls.key = Some(value.to_owned()),
            "tls-client-ca" => options.tls.client_ca = Some(value.to_owned()),
            _ => options.commands.push(commands::read(name, value)?),
        }
    }
    options.listening.host = advertised.unwrap_or_else(|| match options.listening.address {
        // Everywhere is nowhere to connect to.
        address if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => address.to_string(),
    });
    if options.tls.certificate.is_some() != options.tls.key.is_some() {
        return Err("--tls-cert and --tls-key belong together".to_owned());
    }
    if options.tls.client_ca.is_some() && options.tls.key.is_none() {
        return Err("--tls-client-ca wants --tls-cert and --tls-key: only TLS asks for certificates".to_owned());
    }
    Ok(Wanted::Run(Box::new(options)))
}

impl Options {
    /// The cluster as the command line wants it.
    pub fn start(&self) -> Result<MockCluster, Begin> {
        let mock =
            MockCluster::listening(self.cluster.clone(), &self.listening).map_err(|error| match error.status {
                Status::INVALID_ARGUMENT => Begin::Misused(error.message),
                _ => Begin::Failed(error.message),
            })?;
        if let (Some(certificate), Some(key)) = (&self.tls.certificate, &self.tls.key) {
            let client_ca = self.tls.client_ca.as_deref().map(file).transpose()?;
            let secured = mock.set_tls(&file(certificate)?, &file(key)?, client_ca.as_deref());
            secured.map_err(|error| Begin::Misused(error.message))?;
        }
        for command in &self.commands {
            command.run(&mock).map_err(Begin::Misused)?;
        }
        Ok(mock)
    }
}

fn file(name: &str) -> Result<String, Begin> {
    std::fs::read_to_string(name).map_err(|error| Begin::Failed(format!("{name} cannot be read: {error}")))
}
