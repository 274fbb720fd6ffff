//! The states of a transactional producer and the one function that says which may follow which (transactions.md 5.1).

/// Where a transactional producer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No producer id: producer_init_transactions comes first.
    Uninitialized,
    /// A producer id, or a new epoch of it, is being asked for.
    Initializing,
    /// Between transactions.
    Ready,
    InTransaction,
    /// Records are being delivered; then nothing more happens until the application decides (KIP-939).
    Preparing,
    /// Everything is delivered, and only the end is missing, which this producer or another one asks for.
    Prepared,
    /// Records are being delivered, then the coordinator is asked to commit.
    Committing,
    /// What is in flight is being decided, then the coordinator is asked to abort.
    Aborting,
    /// The transaction can only be aborted.
    AbortableError,
    /// Nothing is left but to close.
    FatalError,
}

impl State {
    #[cfg(test)]
    pub const ALL: [State; 10] = [
        State::Uninitialized,
        State::Initializing,
        State::Ready,
        State::InTransaction,
        State::Preparing,
        State::Prepared,
        State::Committing,
        State::Aborting,
        State::AbortableError,
        State::FatalError,
    ];

    /// For sentences: "the producer is …".
    pub const fn words(self) -> &'static str {
        match self {
            State::Uninitialized => "not initialized",
            State::Initializing => "being initialized",
            State::Ready => "in no transaction",
            State::InTransaction => "in a transaction",
            State::Preparing => "preparing a transaction",
            State::Prepared => "in a prepared transaction",
            State::Committing => "committing a transaction",
            State::Aborting => "aborting a transaction",
            State::AbortableError => "in a transaction that can only be aborted",
            State::FatalError => "broken",
        }
    }
}

/// Whether the producer may go from one state to the other.
pub const fn may(from: State, to: State) -> bool {
    use State::*;
    match (from, to) {
        (_, FatalError) => true,
        // Committing: a transaction that another producer has prepared.
        (Uninitialized, Initializing | Committing) => true,
        // Refused for rights that can be granted, the first time or after that.
        // Prepared: it was kept open.
        (Initializing, Uninitialized | Ready | Prepared) => true,
        // Initializing: a new epoch is needed before the next transaction.
        (Ready, InTransaction | Initializing) => true,
        (InTransaction, Preparing | Committing | Aborting | AbortableError) => true,
        // Aborting: the producer is closed.
        (Preparing, Prepared | Aborting | AbortableError) => true,
        (Prepared, Committing | Aborting) => true,
        (Committing, Uninitialized | Ready | AbortableError) => true,
        (AbortableError, Aborting) => true,
        (Aborting, Ready) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::State::*;
    use super::*;

    #[test]
    fn only_these_states_follow_each_other() {
        let legal = [
            (Uninitialized, vec![Initializing, Committing]),
            (Initializing, vec![Uninitialized, Ready, Prepared]),
            (Ready, vec![Initializing, InTransaction]),
            (InTransaction, vec![Preparing, Committing, Aborting, AbortableError]),
            (Preparing, vec![Prepared, Aborting, AbortableError]),
            (Prepared, vec![Committing, Aborting]),
            (Committing, vec![Uninitialized, Ready, AbortableError]),
            (Aborting, vec![Ready]),
            (AbortableError, vec![Aborting]),
            (FatalError, vec![]),
        ];
        for (from, next) in legal {
            for to in State::ALL {
                assert_eq!(may(from, to), next.contains(&to) || to == FatalError, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn a_broken_producer_stays_so_and_every_other_state_has_a_way_out() {
        for from in State::ALL {
            let ways = State::ALL.into_iter().filter(|to| may(from, *to) && *to != FatalError && *to != from).count();
            assert_eq!(ways == 0, from == FatalError, "{from:?}");
        }
    }
}
