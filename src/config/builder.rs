//! What a `producer_config_t` holds: settings as they were made, each checked at once, and the look at all of them
//! together that makes a `Config`.

use crate::config::table::{Convert, Property, State, Value, lookup, properties, shown};
use crate::config::{Config, Partitioner, file, sasl, value};
use crate::error::{Error, Result, Status};
use crate::secret::Secret;
use std::path::Path;

/// Settings made so far. A name set again replaces its earlier value.
#[derive(Clone, Default)]
pub struct ConfigBuilder {
    /// In the order they were made, at most one per name.
    pub(super) settings: Vec<Setting>,
}

#[derive(Clone)]
pub(super) struct Setting {
    /// The name it was made under: the property's own or an alias.
    spelled: &'static str,
    convert: &'static Convert,
    pub(super) property: &'static Property,
    /// The value in the property's own form and unit. It is a secret where the property is one; others lose nothing.
    canonical: Secret,
    pub(super) value: Value,
}

impl ConfigBuilder {
    /// No settings: everything has its default.
    pub fn new() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// Checks and makes one setting. On an error nothing changes.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let found = lookup(name.trim())?;
        let (canonical, value) = value::check(&found, text)?;
        self.settings.retain(|setting| setting.spelled != found.spelled);
        let (spelled, convert, property) = (found.spelled, found.convert, found.property);
        self.settings.push(Setting { spelled, convert, property, canonical, value });
        Ok(())
    }

    /// The value a property has now, set or default, in the unit of the name asked for; `[hidden]` for a secret that is
    /// set. `None` when there is no property of this name.
    pub fn get(&self, name: &str) -> Option<String> {
        let found = lookup(name.trim()).ok()?;
        let canonical = self.effective(found.property.name).map(|setting| setting.canonical.reveal());
        match canonical {
            Some(text) if found.property.is_secret() && !text.is_empty() => Some("[hidden]".to_string()),
            text => Some(value::spelled_as(found.convert, text.unwrap_or(found.property.default))),
        }
    }

    /// Makes every setting of a Java `.properties` file, or none of them on an error, which names the line.
    pub fn load(&mut self, path: &Path) -> Result<()> {
        self.merge(ConfigBuilder::read(path)?);
        Ok(())
    }

    /// The settings of a Java `.properties` file alone.
    pub fn read(path: &Path) -> Result<ConfigBuilder> {
        let text = file::read(path)?;
        let mut read = ConfigBuilder::new();
        let at = |line: usize, error: Error| {
            Error::new(error.status, format!("{}:{line}: {}", shown(&path.to_string_lossy()), error.message))
        };
        for entry in file::entries(text.reveal()) {
            let entry = entry.map_err(|bad| at(bad.line, Error::new(Status::INVALID_PROPERTY, bad.why)))?;
            read.set(&entry.name, entry.value.reveal()).map_err(|error| at(entry.line, error))?;
        }
        Ok(read)
    }

    /// Makes the settings of another builder as if they were set now.
    pub fn merge(&mut self, later: ConfigBuilder) {
        self.settings.retain(|old| later.settings.iter().all(|new| new.spelled != old.spelled));
        self.settings.extend(later.settings);
    }

    /// The parsed configuration, or all contradictions in one message.
    pub fn build(&self) -> Result<Config> {
        let mut config = Config::default();
        for setting in &self.settings {
            if let State::Built(apply) | State::Partly(_, apply) = setting.property.state {
                apply(&mut config, &setting.value);
            }
        }
        config.explicit = properties().map(|row| row.name).filter(|name| self.effective(name).is_some()).collect();
        config.explicit.sort_unstable();

        let mut conflicts = self.double_settings();
        self.settle(&mut config);
        config.settle_compression(|name| self.effective(name).is_some());
        sasl::settle(self, &mut config, &mut conflicts);
        protocol_contradictions(self, &mut conflicts);
        contradictions(&config, &mut conflicts);
        match conflicts.as_slice() {
            [] => Ok(config),
            [only] => Err(Error::new(Status::CONFIG_CONFLICT, only.clone())),
            all => {
                let listed: Vec<_> = all.iter().enumerate().map(|(i, text)| format!("({}) {text}", i + 1)).collect();
                let message = format!("{} contradictions: {}", all.len(), listed.join("; "));
                Err(Error::new(Status::CONFIG_CONFLICT, message))
            }
        }
    }

    /// Whether the property was set, under any of its names.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.effective(name).is_some()
    }

    /// The value that was set, in the property's own form.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.effective(name).map(|setting| setting.canonical.reveal())
    }

    /// The setting in force for a property: the last made under any of its names.
    fn effective(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.property.name == name)
    }

    /// Properties set to different values under different names.
    fn double_settings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, first) in self.settings.iter().enumerate() {
            let later = &self.settings[index + 1..];
            for second in later.iter().filter(|other| other.property.name == first.property.name) {
                if second.canonical == first.canonical {
                    continue;
                }
                let shown = |setting: &Setting| match setting.property.is_secret() {
                    true => setting.spelled.to_string(),
                    false => {
                        format!(
                            "{}={}",
                            setting.spelled,
                            value::spelled_as(setting.convert, setting.canonical.reveal())
                        )
                    }
                };
                let (one, other) = (shown(first), shown(second));
                found.push(format!("{one} and {other} are two names of one property with different values; set one"));
            }
        }
        found
    }

    /// Lets defaults give way to what was set.
    fn settle(&self, config: &mut Config) {
        let is_set = |name: &str| self.effective(name).is_some();
        if !is_set("retry.backoff.max.ms") {
            config.retry_backoff_max_ms = config.retry_backoff_max_ms.max(config.retry_backoff_ms);
        } else if !is_set("retry.backoff.ms") {
            config.retry_backoff_ms = config.retry_backoff_ms.min(config.retry_backoff_max_ms);
        }
        if !is_set("reconnect.backoff.max.ms") {
            config.reconnect_backoff_max_ms = config.reconnect_backoff_max_ms.max(config.reconnect_backoff_ms);
        } else if !is_set("reconnect.backoff.ms") {
            config.reconnect_backoff_ms = config.reconnect_backoff_ms.min(config.reconnect_backoff_max_ms);
        }
        if !is_set("max.request.size") {
            config.max_request_size = config.max_request_size.min(config.buffer_memory);
        }
        if !is_set("batch.size") {
            // A full batch has room in a request beside the request's own bytes.
            let room = config.max_request_size - config.max_request_size / 32;
            config.batch_size = config.batch_size.min(config.buffer_memory).min(room);
        }
        if config.two_phase_commit && !is_set("transaction.timeout.ms") {
            // What coordinators take for no limit.
            config.transaction_timeout_ms = i32::MAX as u64;
        }
        if config.transactional_id.is_some() && !is_set("request.timeout.ms") {
            // Half, as the defaults are to each other: a request that gets lost can be sent again before the broker
            // aborts.
            let half_ms = config.transaction_timeout_ms / 2;
            let beside_linger_ms = config.transaction_timeout_ms.saturating_sub(linger_ms(config)).max(1);
            config.request_timeout_ms = config.request_timeout_ms.min(half_ms).min(beside_linger_ms);
        }
        if !is_set("delivery.timeout.ms") {
            if config.transactional_id.is_some() {
                config.delivery_timeout_ms = config.delivery_timeout_ms.min(config.transaction_timeout_ms);
            }
            config.delivery_timeout_ms = config.delivery_timeout_ms.max(delivery_timeout_least_ms(config));
        }
        if self.effective("tcp.user.timeout.ms").is_none_or(|setting| setting.value.int() < 0) {
            config.tcp_user_timeout_ms = Some(config.request_timeout_ms);
        }
    }
}

fn linger_ms(config: &Config) -> u64 {
    config.linger_us.div_ceil(1000)
}

pub(super) fn delivery_timeout_least_ms(config: &Config) -> u64 {
    linger_ms(config).saturating_add(config.request_timeout_ms)
}

/// Every pair of values that cannot both hold, as a sentence with the remedy.
fn contradictions(config: &Config, found: &mut Vec<String>) {
    let mocked = config.test_mock_num_brokers > 0;
    if config.bootstrap_servers.is_empty() && !mocked {
        found.push("bootstrap.servers is required: set it to host:port of a broker".to_string());
    }
    if !config.bootstrap_servers.is_empty() && mocked {
        found.push("bootstrap.servers and test.mock.num.brokers exclude each other: remove one".to_string());
    }
    if config.test_mock_broker_rtt_ms > 0 && !mocked {
        found.push("test.mock.broker.rtt.ms has a meaning only with test.mock.num.brokers: set that too".to_string());
    }
    if mocked && config.security_protocol.uses_tls() {
        let text = "the brokers of test.mock.num.brokers speak no TLS: for brokers that do, use producer_mock_cluster_new and \
                    producer_mock_cluster_set_tls, or set security.protocol=PLAINTEXT";
        found.push(text.to_string());
    }
    delivery_contradictions(config, found);
    let mut ordered = |low: &str, low_value: u64, high: &str, high_value: u64| {
        ordered_contradiction(low, low_value, high, high_value, found);
    };
    ordered("retry.backoff.ms", config.retry_backoff_ms, "retry.backoff.max.ms", config.retry_backoff_max_ms);
    ordered(
        "reconnect.backoff.ms",
        config.reconnect_backoff_ms,
        "reconnect.backoff.max.ms",
        config.reconnect_backoff_max_ms,
    );
    ordered("batch.size", config.batch_size as u64, "buffer.memory", config.buffer_memory as u64);
    ordered("max.request.size", config.max_request_size as u64, "buffer.memory", config.buffer_memory as u64);
    partitioner_contradictions(config, found);
    idempotence_contradictions(config, found);
    transaction_contradictions(config, found);
}

/// What an entry of the server list says of the connections' protection has to be what is done.
fn protocol_contradictions(builder: &ConfigBuilder, found: &mut Vec<String>) {
    let Some(servers) = builder.value("bootstrap.servers") else { return };
    let (protocol, by_default) = match builder.value("security.protocol") {
        Some(protocol) => (protocol, ""),
        None => ("PLAINTEXT", ", the default"),
    };
    let other = value::protocols_named(servers).find(|(_, named)| !named.eq_ignore_ascii_case(protocol));
    if let Some((entry, named)) = other {
        found.push(format!(
            "entry '{}' of bootstrap.servers names another protocol than security.protocol={protocol}{by_default}: set \
             security.protocol={named}, or write the entry without {named}://",
            shown(entry)
        ));
    }
}

/// Settings that would do nothing: who makes them believes that they do.
fn partitioner_contradictions(config: &Config, found: &mut Vec<String>) {
    if config.partitioner_rack_aware && config.client_rack.is_empty() {
        let text = "partitioner.rack.aware=true needs client.rack: set it to the rack that this client is in";
        found.push(text.to_string());
    }
    if config.is_explicit("partitioner.broker.rotation.ms") && config.partitioner != Partitioner::SingleBroker {
        let text =
            "partitioner.broker.rotation.ms has a meaning only with partitioner=single_broker: set that, or remove it";
        found.push(text.to_string());
    }
}

pub(super) fn delivery_contradictions(config: &Config, found: &mut Vec<String>) {
    let least_ms = delivery_timeout_least_ms(config);
    if config.delivery_timeout_ms < least_ms {
        found.push(format!(
            "delivery.timeout.ms={} is less than linger.ms + request.timeout.ms = {least_ms}: raise it or lower those",
            config.delivery_timeout_ms
        ));
    }
}

pub(super) fn ordered_contradiction(low: &str, low_value: u64, high: &str, high_value: u64, found: &mut Vec<String>) {
    if low_value > high_value {
        found.push(format!("{low}={low_value} is more than {high}={high_value}: lower the first or raise the second"));
    }
}

/// The most unanswered requests for which brokers remember enough batches of a producer id to recognise a repetition.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// What contradicts `enable.idempotence`, and what has no meaning without it. That it is the default is no reason to
/// drop it in silence: who loses it is to know.
pub(super) fn idempotence_contradictions(config: &Config, found: &mut Vec<String>) {
    if !config.enable_idempotence {
        for name in ["on.sequence.gap", "on.in.doubt.timeout", "test.first.sequence"] {
            if config.is_explicit(name) {
                found.push(format!(
                    "{name} has a meaning only with enable.idempotence=true: set that, or remove {name}"
                ));
            }
        }
        return;
    }
    let idempotence = match config.is_explicit("enable.idempotence") {
        true => "enable.idempotence=true",
        false => "enable.idempotence=true, which is the default,",
    };
    let otherwise = match config.transactional_id {
        Some(_) => "or remove transactional.id and set enable.idempotence=false",
        None => "or set enable.idempotence=false",
    };
    if config.acks != -1 {
        found.push(format!("{idempotence} needs acks=all, but acks={}: set acks=all, {otherwise}", config.acks));
    }
    if config.retries == 0 {
        found.push(format!("{idempotence} needs retries above 0, but retries=0: remove retries, {otherwise}"));
    }
    let in_flight = config.max_in_flight_requests_per_connection;
    if in_flight > IDEMPOTENT_IN_FLIGHT_MAX {
        let name = "max.in.flight.requests.per.connection";
        found.push(format!(
            "{idempotence} needs {name} of at most {IDEMPOTENT_IN_FLIGHT_MAX}, but {name}={in_flight}: lower it, {otherwise}"
        ));
    }
}

pub(super) fn transaction_contradictions(config: &Config, found: &mut Vec<String>) {
    if config.two_phase_commit && config.is_explicit("transaction.timeout.ms") {
        let text = "transaction.timeout.ms and transaction.two.phase.commit.enable=true exclude each other, for then \
                    transactions never expire: remove one";
        found.push(text.to_string());
    }
    if config.transactional_id.is_none() {
        if config.two_phase_commit {
            let text = "transaction.two.phase.commit.enable has a meaning only with transactional.id: set that too";
            found.push(text.to_string());
        }
        return;
    }
    if !config.enable_idempotence {
        let text =
            "transactional.id needs enable.idempotence=true, but that is set to false: remove one of the two settings";
        found.push(text.to_string());
    }
    let transaction = format!("transaction.timeout.ms={}", config.transaction_timeout_ms);
    let remedy = "lower the first or raise the second";
    if config.request_timeout_ms >= config.transaction_timeout_ms {
        let request_ms = config.request_timeout_ms;
        found.push(format!("request.timeout.ms={request_ms} is not less than {transaction}: {remedy}"));
    } else if config.delivery_timeout_ms > config.transaction_timeout_ms {
        // A delivery time that was not set is more only when its least is.
        let what = match config.is_explicit("delivery.timeout.ms") {
            true => "delivery.timeout.ms",
            false => "linger.ms + request.timeout.ms",
        };
        found.push(format!("{what}={} is more than {transaction}: {remedy}", config.delivery_timeout_ms));
    }
}
