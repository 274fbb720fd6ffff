//! What the cluster as a whole has agreed on: finalized features (KIP-584), which are not the same as the versions of
//! one broker's requests; and what one of them has shown that all do sooner or later.

const TRANSACTION_VERSION: &str = "transaction.version";

#[derive(Debug)]
pub struct Features {
    /// A broker has said that it checks whom a connection is meant for (KIP-1242).
    pub checks_destination: bool,
    /// Of the answer that was believed last; a lower one is older news. -1: none came yet.
    epoch: i64,
    transaction_version: i16,
}

impl Default for Features {
    fn default() -> Features {
        Features { checks_destination: false, epoch: -1, transaction_version: 0 }
    }
}

impl Features {
    /// One broker's view; older views than the one known are ignored.
    pub fn learn(&mut self, epoch: i64, features: &[(String, i16)]) {
        if epoch < self.epoch || epoch < 0 {
            return;
        }
        self.epoch = epoch;
        let found = features.iter().find(|(name, _)| name == TRANSACTION_VERSION);
        self.transaction_version = found.map_or(0, |(_, level)| *level);
    }

    /// The finalized level of `transaction.version`; 2 and more is KIP-890's second part.
    pub fn transaction_version(&self) -> i16 {
        self.transaction_version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_epoch_counts_and_older_news_does_not() {
        let level = |level| vec![(TRANSACTION_VERSION.to_owned(), level)];
        let mut features = Features::default();
        features.learn(-1, &level(2));
        assert_eq!(features.transaction_version(), 0, "without an epoch nothing is finalized");
        features.learn(7, &level(2));
        features.learn(6, &[]);
        assert_eq!(features.transaction_version(), 2);
        features.learn(8, &[]);
        assert_eq!(features.transaction_version(), 0, "taken back");
    }
}
