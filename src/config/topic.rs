//! Properties that can be set for one topic alone, and what a topic's settings come to together with the producer's.

use crate::config::builder::{
    ConfigBuilder, delivery_contradictions, delivery_timeout_least_ms, idempotence_contradictions,
    ordered_contradiction, transaction_contradictions,
};
use crate::config::table::{State, lookup};
use crate::config::{Config, value};
use crate::error::{Error, Result, Status};

/// What a topic may have of its own, in the order in which it is told.
pub const TOPIC_PROPERTIES: &[&str] = &[
    "acks",
    "linger.ms",
    "batch.size",
    "batch.num.messages",
    "delivery.timeout.ms",
    "request.timeout.ms",
    "compression.type",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
    "compression.level",
];

impl ConfigBuilder {
    /// Makes one setting of a topic; a setting of the same property under any name gives way.
    pub fn set_for_topic(&mut self, name: &str, text: &str) -> Result<()> {
        let found = lookup(name.trim())?;
        let property = found.property;
        if !TOPIC_PROPERTIES.contains(&property.name) {
            let text = format!(
                "property '{}' holds for the whole producer; for one topic there are {}",
                found.spelled,
                TOPIC_PROPERTIES.join(", ")
            );
            return Err(Error::new(Status::PROPERTY_NOT_SUPPORTED, text));
        }
        // librdkafka's word for what the producer has.
        if property.name == "compression.type" && text.trim().eq_ignore_ascii_case("inherit") {
            self.settings.retain(|setting| setting.property.name != property.name);
            return Ok(());
        }
        value::check(&found, text)?;
        self.settings.retain(|setting| setting.property.name != property.name);
        self.set(name, text)
    }

    /// The producer's configuration as it holds for a topic with these settings, or what contradicts it.
    pub fn for_topic(&self, producer: &Config, topic: &str) -> Result<Config> {
        let mut config = producer.clone();
        for setting in &self.settings {
            if let State::Built(apply) | State::Partly(_, apply) = setting.property.state {
                apply(&mut config, &setting.value);
            }
        }
        let has_own = |name: &str| self.settings.iter().any(|setting| setting.property.name == name);
        // The topic's level for every codec stands before the producer's of one.
        let any_level = has_own("compression.level");
        config.settle_compression(|name| has_own(name) || !any_level && producer.is_explicit(name));
        config.explicit.extend(self.settings.iter().map(|setting| setting.property.name));
        config.explicit.sort_unstable();
        config.explicit.dedup();
        if !config.is_explicit("delivery.timeout.ms") {
            config.delivery_timeout_ms = config.delivery_timeout_ms.max(delivery_timeout_least_ms(&config));
        }
        let mut found = Vec::new();
        delivery_contradictions(&config, &mut found);
        let sizes = (config.batch_size as u64, config.buffer_memory as u64);
        ordered_contradiction("batch.size", sizes.0, "buffer.memory", sizes.1, &mut found);
        idempotence_contradictions(&config, &mut found);
        transaction_contradictions(&config, &mut found);
        match found.first() {
            None => Ok(config),
            Some(_) => Err(Error::new(Status::CONFIG_CONFLICT, format!("topic '{topic}': {}", found.join("; ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    fn producer(settings: &[(&str, &str)]) -> Config {
        let mut builder = ConfigBuilder::new();
        builder.set("bootstrap.servers", "h:1").expect("legal");
        for (name, value) in settings {
            builder.set(name, value).expect("legal");
        }
        builder.build().expect("no contradiction")
    }

    fn topic(base: &Config, settings: &[(&str, &str)]) -> Result<Config> {
        let mut own = ConfigBuilder::new();
        for (name, value) in settings {
            own.set_for_topic(name, value)?;
        }
        own.for_topic(base, "t")
    }

    #[test]
    fn a_topics_settings_stand_before_the_producers_and_the_rest_stays() {
        let base = producer(&[("enable.idempotence", "false"), ("linger.ms", "7")]);
        let own = topic(&base, &[("acks", "1"), ("batch.size", "100"), ("request.timeout.ms", "500")]).expect("legal");
        assert_eq!((own.acks, own.batch_size, own.request_timeout_ms, own.linger_us), (1, 100, 500, 7_000));
        assert_eq!(topic(&base, &[]).expect("legal"), base);
    }

    #[test]
    fn a_topics_compression_stands_before_the_producers() {
        let level = |base: &[(&str, &str)], own: &[(&str, &str)]| {
            let compression = topic(&producer(base), own).expect("legal").compression;
            (compression.codec, compression.level)
        };
        let zstd = [("compression.type", "zstd"), ("compression.zstd.level", "9")];
        assert_eq!(level(&zstd, &[("compression.type", "none")]), (Codec::None, 0));
        assert_eq!(level(&zstd, &[("compression.type", "lz4")]), (Codec::Lz4, 9));
        assert_eq!(level(&zstd, &[("compression.level", "5")]), (Codec::Zstd, 5));
        let inherits = [("compression.type", "lz4"), ("compression.codec", "inherit")];
        assert_eq!(level(&zstd, &inherits), (Codec::Zstd, 9));
        assert_eq!(level(&zstd, &[("compression.zstd.level", "-3")]), (Codec::Zstd, -3));
        let both = [("compression.zstd.level", "2"), ("compression.level", "5")];
        assert_eq!(level(&zstd, &both), (Codec::Zstd, 2));
        assert_eq!(level(&[], &[("compression.type", "zstd")]), (Codec::Zstd, 3));
    }

    #[test]
    fn the_last_of_two_names_of_one_property_wins() {
        let base = producer(&[]);
        let own = topic(&base, &[("linger.ms", "1"), ("queue.buffering.max.ms", "2")]).expect("legal");
        assert_eq!(own.linger_us, 2_000);
        let own = topic(&base, &[("queue.buffering.max.ms", "2"), ("linger.ms", "3")]).expect("legal");
        assert_eq!(own.linger_us, 3_000);
    }

    #[test]
    fn a_delivery_time_that_was_not_set_is_raised_and_one_that_was_is_a_contradiction() {
        let own = topic(&producer(&[]), &[("request.timeout.ms", "500000")]).expect("legal");
        assert_eq!(own.delivery_timeout_ms, 500_005);
        let base = producer(&[("delivery.timeout.ms", "40000")]);
        let error = topic(&base, &[("linger.ms", "20000")]).expect_err("too long together");
        assert_eq!(error.status, Status::CONFIG_CONFLICT);
        assert!(error.message.contains("topic 't'") && error.message.contains("50000"), "{}", error.message);
    }

    #[test]
    fn what_contradicts_the_producer_is_refused_and_names_it() {
        let says = |base: &[(&str, &str)], own: &[(&str, &str)], words: &str| {
            let error = topic(&producer(base), own).expect_err(words);
            assert!(error.message.contains(words), "{}", error.message);
        };
        says(&[], &[("acks", "1")], "enable.idempotence");
        says(&[("buffer.memory", "65536")], &[("batch.size", "65537")], "buffer.memory=65536");
        says(&[("transactional.id", "x")], &[("request.timeout.ms", "60000")], "transaction.timeout.ms");
        says(&[], &[("retries", "3")], "acks, linger.ms, batch.size");
        says(&[], &[("acks", "2")], "all");
        says(&[], &[("compression.type", "lz")], "lz4");
        says(&[], &[("compression.gzip.level", "0")], "1 to 9");
        says(&[], &[("compression.threads", "2")], "whole producer");
        says(&[], &[("linger.m", "3")], "linger.ms");
    }
}
