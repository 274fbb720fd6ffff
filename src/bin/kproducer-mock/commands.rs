//! What changes a running cluster: an option, or a line of standard input.

use std::str::FromStr;

use kproducer::error::{Error, Status};
use kproducer::mock::{MockCluster, api_key};

/// Names of APIs; Kafka's numbers are taken as well.
const APIS: [(&str, i16); 17] = [
    ("produce", api_key::PRODUCE),
    ("fetch", api_key::FETCH),
    ("list-offsets", api_key::LIST_OFFSETS),
    ("metadata", api_key::METADATA),
    ("offset-commit", api_key::OFFSET_COMMIT),
    ("offset-fetch", api_key::OFFSET_FETCH),
    ("find-coordinator", api_key::FIND_COORDINATOR),
    ("sasl-handshake", api_key::SASL_HANDSHAKE),
    ("api-versions", api_key::API_VERSIONS),
    ("init-producer-id", api_key::INIT_PRODUCER_ID),
    ("add-partitions-to-txn", api_key::ADD_PARTITIONS_TO_TXN),
    ("add-offsets-to-txn", api_key::ADD_OFFSETS_TO_TXN),
    ("end-txn", api_key::END_TXN),
    ("txn-offset-commit", api_key::TXN_OFFSET_COMMIT),
    ("sasl-authenticate", api_key::SASL_AUTHENTICATE),
    ("get-telemetry-subscriptions", api_key::GET_TELEMETRY_SUBSCRIPTIONS),
    ("push-telemetry", api_key::PUSH_TELEMETRY),
];

const REPLICAS_DEFAULT: i32 = 3;
const A_DAY_MS: i64 = 86_400_000;

pub enum Command {
    Topic { name: String, partitions: i32, replicas: Option<i16> },
    Fault { api: i16, kind: FaultKind, count: u32 },
    Throttle { broker: i32, ms: i32 },
    Latency { broker: i32, ms: u32 },
    Down(i32),
    Up(i32),
    Freeze(i32),
    Thaw(i32),
    Leader { topic: String, partition: i32, broker: Option<i32> },
    Address { broker: i32, address: Option<(String, u16)> },
    Rack { broker: i32, rack: String },
    MaxVersion { api: i16, version: i16 },
    Sasl { mechanism: String, user: String, password: String },
    Kafka2_1,
    KafkaOfToday,
}

/// How a request fails.
pub enum FaultKind {
    Error(i16),
    Disconnect { after: bool },
}

/// A number within its range.
pub fn number<T: TryFrom<i64>>(name: &str, text: &str, min: i64, max: i64) -> Result<T, String> {
    let wanted = || format!("{name}: '{text}' is no number from {min} to {max}");
    let value = i64::from_str(text.trim()).ok().filter(|value| (min..=max).contains(value)).ok_or_else(wanted)?;
    T::try_from(value).map_err(|_| wanted())
}

/// The parts of a value between colons, as many as there may be; those that may be missing are empty.
fn parts<'a, const N: usize>(name: &str, value: &'a str, needed: usize, form: &str) -> Result<[&'a str; N], String> {
    let mut found = [""; N];
    let mut count = 0;
    for part in value.splitn(N, ':') {
        found[count] = part;
        count += 1;
    }
    match count >= needed && found[..needed].iter().all(|part| !part.is_empty()) {
        true => Ok(found),
        false => Err(format!("{name}: '{value}' is not {form}")),
    }
}

fn broker(name: &str, text: &str) -> Result<i32, String> {
    number(name, text, 1, 1000)
}

fn api(name: &str, text: &str) -> Result<i16, String> {
    let known = APIS.iter().find(|(known, _)| known.eq_ignore_ascii_case(text)).map(|(_, key)| *key);
    let by_number = || text.parse().ok().filter(|number| APIS.iter().any(|(_, key)| key == number));
    known.or_else(by_number).ok_or_else(|| {
        let all = APIS.map(|(known, _)| known).join(", ");
        format!("{name}: there is no API '{text}'; there are {all}, and their numbers")
    })
}

fn fault_kind(text: &str) -> Result<FaultKind, String> {
    match text.to_ascii_lowercase().as_str() {
        "disconnect" => return Ok(FaultKind::Disconnect { after: false }),
        "disconnect-after" => return Ok(FaultKind::Disconnect { after: true }),
        "none" => return Ok(FaultKind::Error(0)),
        _ => {}
    }
    let by_name = Status::of_name(&text.to_ascii_uppercase()).map(Status::code);
    let code = by_name.or_else(|| text.parse().ok()).and_then(|code| i16::try_from(code).ok());
    // Below are the library's own statuses, which no broker knows.
    let code = code.filter(|code| *code >= -1);
    code.map(FaultKind::Error).ok_or_else(|| {
        format!("fault: '{text}' is no Kafka error (NOT_LEADER_OR_FOLLOWER, 6, …), 'disconnect', 'disconnect-after' or 'none'")
    })
}

pub fn read(name: &str, value: &str) -> Result<Command, String> {
    match name {
        "topic" => {
            let [topic, partitions, replicas] = parts(name, value, 1, "NAME[:PARTITIONS[:REPLICAS]]")?;
            Ok(Command::Topic {
                name: topic.to_owned(),
                partitions: if partitions.is_empty() { 1 } else { number(name, partitions, 1, 100_000)? },
                replicas: if replicas.is_empty() { None } else { Some(number(name, replicas, 1, 1000)?) },
            })
        }
        "fault" => {
            let [of, how, count] = parts(name, value, 2, "API:KIND[:COUNT]")?;
            let count = if count.is_empty() { 1 } else { number(name, count, 1, u32::MAX.into())? };
            Ok(Command::Fault { api: api(name, of)?, kind: fault_kind(how)?, count })
        }
        "throttle" => {
            let [id, ms] = parts(name, value, 2, "BROKER:MS")?;
            Ok(Command::Throttle { broker: broker(name, id)?, ms: number(name, ms, 0, A_DAY_MS)? })
        }
        "latency" => {
            let [id, ms] = parts(name, value, 2, "BROKER:MS")?;
            Ok(Command::Latency { broker: broker(name, id)?, ms: number(name, ms, 0, A_DAY_MS)? })
        }
        "down" => broker(name, value).map(Command::Down),
        "up" => broker(name, value).map(Command::Up),
        "freeze" => broker(name, value).map(Command::Freeze),
        "thaw" => broker(name, value).map(Command::Thaw),
        "leader" => {
            let [topic, partition, id] = parts(name, value, 3, "TOPIC:PARTITION:BROKER")?;
            let id = if id == "-1" { None } else { Some(broker(name, id)?) };
            Ok(Command::Leader { topic: topic.to_owned(), partition: number(name, partition, 0, 99_999)?, broker: id })
        }
        "address" => {
            let (id, address) = value.split_once(':').unwrap_or((value, ""));
            let address = match address.rsplit_once(':') {
                None if address.is_empty() => None,
                Some((host, port)) if !host.is_empty() => Some((host.to_owned(), number(name, port, 1, 65_535)?)),
                _ => return Err(format!("address: '{value}' is not BROKER[:HOST:PORT]")),
            };
            Ok(Command::Address { broker: broker(name, id)?, address })
        }
        "rack" => {
            let [id, rack] = parts(name, value, 2, "BROKER:RACK")?;
            Ok(Command::Rack { broker: broker(name, id)?, rack: rack.to_owned() })
        }
        "max-version" => {
            let [of, version] = parts(name, value, 2, "API:VERSION")?;
            Ok(Command::MaxVersion { api: api(name, of)?, version: number(name, version, -1, 99)? })
        }
        "sasl" => {
            let [mechanism, user, password] = parts(name, value, 1, "MECHANISM:USER:PASSWORD")?;
            let needs_user = mechanism != "OAUTHBEARER";
            if password.is_empty() || user.is_empty() == needs_user {
                return Err(format!("sasl: '{mechanism}' wants MECHANISM:USER:PASSWORD, or OAUTHBEARER::TOKEN"));
            }
            let [mechanism, user, password] = [mechanism, user, password].map(str::to_owned);
            Ok(Command::Sasl { mechanism, user, password })
        }
        "kafka" => match value {
            "2.1" => Ok(Command::Kafka2_1),
            "4" => Ok(Command::KafkaOfToday),
            _ => Err(format!("kafka: '{value}' is neither 2.1 nor 4")),
        },
        _ => Err(format!("there is no option or command '{name}'")),
    }
}

impl Command {
    pub fn run(&self, mock: &MockCluster) -> Result<(), String> {
        let known = |id: &i32| match mock.with(|cluster| cluster.has_broker(*id)) {
            true => Ok(*id),
            false => Err(format!("there is no broker {id}")),
        };
        match self {
            Command::Topic { name, partitions, replicas } => {
                let brokers = mock.with(|cluster| cluster.broker_ids().count());
                let usual = REPLICAS_DEFAULT.min(i32::try_from(brokers).unwrap_or(REPLICAS_DEFAULT)) as i16;
                mock.topic_create(name, *partitions, replicas.unwrap_or(usual)).map_err(words)
            }
            Command::Fault { api, kind: FaultKind::Error(code), count } => {
                mock.push_error(*api, *code, *count);
                Ok(())
            }
            Command::Fault { api, kind: FaultKind::Disconnect { after }, count } => {
                mock.push_disconnect(*api, *after, *count);
                Ok(())
            }
            Command::Throttle { broker, ms } => known(broker).map(|id| mock.set_throttle_ms(id, *ms)),
            Command::Latency { broker, ms } => known(broker).map(|id| mock.broker_set_latency(id, *ms)),
            Command::Down(broker) => known(broker).map(|id| mock.broker_down(id)),
            Command::Up(broker) => mock.broker_up(known(broker)?).map_err(words),
            Command::Freeze(broker) => known(broker).map(|id| mock.broker_freeze(id)),
            Command::Thaw(broker) => known(broker).map(|id| mock.broker_thaw(id)),
            Command::Leader { topic, partition, broker } => {
                mock.partition_set_leader(topic, *partition, *broker).map_err(words)
            }
            Command::Address { broker, address } => {
                let address = address.as_ref().map(|(host, port)| (host.as_str(), *port));
                known(broker).map(|id| mock.broker_set_address(id, address))
            }
            Command::Rack { broker, rack } => known(broker).map(|id| mock.broker_set_rack(id, Some(rack))),
            Command::MaxVersion { api, version } => {
                mock.with(|cluster| cluster.set_max_version(*api, *version));
                Ok(())
            }
            Command::Sasl { mechanism, user, password } => {
                mock.with(|cluster| cluster.set_sasl(Some(mechanism), user, password, 0)).map_err(words)
            }
            Command::Kafka2_1 => {
                mock.with(|cluster| cluster.pretend_kafka_2_1());
                Ok(())
            }
            Command::KafkaOfToday => Ok(()),
        }
    }
}

fn words(error: Error) -> String {
    error.message
}
