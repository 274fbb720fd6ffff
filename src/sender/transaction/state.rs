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
    pub const ALL: [State; 8] = [
        State::Uninitialized,
        State::Initializing,
        State::Ready,
        State::InTransaction,
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
        (Uninitialized, Initializing) => true,
        // Refused for rights that can be granted, the first time or after that.
        (Initializing, Uninitialized | Ready) => true,
        // Initializing: a new epoch is needed before the next transaction.
        (Ready, InTransaction | Initializing) => true,
        (InTransaction, Committing | Aborting | AbortableError) => true,
        (Committing, Ready | AbortableError) => true,
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
            (Uninitialized, vec![Initializing]),
            (Initializing, vec![Uninitialized, Ready]),
            (Ready, vec![Initializing, InTransaction]),
            (InTransaction, vec![Committing, Aborting, AbortableError]),
            (Committing, vec![Ready, AbortableError]),
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
