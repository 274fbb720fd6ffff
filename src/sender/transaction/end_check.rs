//! What is known of how a transaction ended at its coordinator, beside what the application has asked for.
//!
//! A coordinator that gave a transaction up after transaction.timeout.ms has raised the producer's epoch, and refuses the
//! old one with the codes that it has for a producer whose place another has taken. Asking it to abort tells the two apart,
//! and harms neither: under version 2 it recognises the abort as a repetition of its own. Under version 1 it does not, but
//! accepts one under the next epoch, which it has given to no other producer: one that takes over while a transaction is
//! open raises the epoch once for the abort and once more for itself. The next epoch may therefore be used only when the
//! coordinator is known to have had the transaction open, and no end of it is in doubt.

use crate::sender::identity::Identity;

#[derive(Clone, Copy, Default, Debug)]
pub struct EndCheck {
    /// The coordinator may have committed: an answer was lost, or did not say.
    commit_in_doubt: bool,
    /// It may have carried out an end, commit or abort, under the transaction's own epoch.
    end_in_doubt: bool,
    /// A partition has refused the epoch as old: that is no coordinator which is still busy with the transaction before.
    is_epoch_old: bool,
    stage: CheckStage,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum CheckStage {
    #[default]
    None,
    /// The coordinator is to be asked to abort.
    Wanted,
    /// It has refused that under our epoch: it is asked under the next one.
    NextEpoch,
    /// It has aborted the transaction. With whom the producer is from now on, if that changes.
    Over(Option<Identity>),
}

impl EndCheck {
    /// An end that was asked for may have been carried out.
    pub fn note_doubt(&mut self, is_commit: bool) {
        self.commit_in_doubt |= is_commit;
        self.end_in_doubt |= self.stage != CheckStage::NextEpoch;
    }

    pub fn is_commit_in_doubt(&self) -> bool {
        self.commit_in_doubt
    }

    pub fn is_end_in_doubt(&self) -> bool {
        self.end_in_doubt
    }

    pub fn is_epoch_old(&self) -> bool {
        self.is_epoch_old
    }

    /// Our epoch, or our part in the transaction, was refused: find out why.
    pub fn want(&mut self, is_epoch_old: bool) {
        self.is_epoch_old |= is_epoch_old;
        if self.stage == CheckStage::None {
            self.stage = CheckStage::Wanted;
        }
    }

    /// Whether the answer is still to come.
    pub fn is_pending(&self) -> bool {
        matches!(self.stage, CheckStage::Wanted | CheckStage::NextEpoch)
    }

    /// The coordinator has refused an abort under our epoch.
    pub fn use_next_epoch(&mut self) {
        self.stage = CheckStage::NextEpoch;
    }

    pub fn uses_next_epoch(&self) -> bool {
        self.stage == CheckStage::NextEpoch
    }

    /// Who asks for the abort.
    pub fn asks_as(&self, identity: Identity) -> Identity {
        match self.stage {
            CheckStage::NextEpoch => Identity { epoch: identity.epoch.saturating_add(1), ..identity },
            _ => identity,
        }
    }

    /// The coordinator has aborted the transaction. `named`: the identity in its answer.
    pub fn aborted(&mut self, identity: Option<Identity>, named: Option<Identity>) {
        let next = match self.stage {
            CheckStage::NextEpoch => named.or(identity.map(|identity| self.asks_as(identity))),
            _ => named,
        };
        self.stage = CheckStage::Over(next);
    }

    /// Whether the coordinator has aborted the transaction, and who the producer is then if that changes.
    pub fn over(&self) -> Option<Option<Identity>> {
        match self.stage {
            CheckStage::Over(next) => Some(next),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Identity = Identity { id: 7, epoch: 3 };
    const NEXT: Identity = Identity { id: 7, epoch: 4 };

    #[test]
    fn an_abort_under_the_next_epoch_makes_that_epoch_ours() {
        let mut check = EndCheck::default();
        assert!(!check.is_pending() && check.over().is_none());
        check.want(false);
        assert_eq!((check.asks_as(OURS), check.is_pending()), (OURS, true));
        check.use_next_epoch();
        assert_eq!((check.asks_as(OURS), check.is_pending()), (NEXT, true));
        check.aborted(Some(OURS), None);
        assert_eq!((check.over(), check.is_pending()), (Some(Some(NEXT)), false));
        check.want(true);
        assert_eq!(check.over(), Some(Some(NEXT)), "it is over already");
    }

    #[test]
    fn the_identity_that_the_coordinator_names_counts_and_without_one_ours_stays() {
        let named = Identity { id: 9, epoch: 0 };
        for (answer, next) in [(Some(named), Some(named)), (None, None)] {
            let mut check = EndCheck::default();
            check.want(false);
            check.aborted(Some(OURS), answer);
            assert_eq!(check.over(), Some(next));
        }
    }

    #[test]
    fn only_an_end_under_our_own_epoch_leaves_a_doubt_about_whose_the_next_one_is() {
        let mut check = EndCheck::default();
        check.want(false);
        check.use_next_epoch();
        check.note_doubt(false);
        assert!(!check.is_end_in_doubt());
        for is_commit in [true, false] {
            let mut check = EndCheck::default();
            check.note_doubt(is_commit);
            assert_eq!((check.is_end_in_doubt(), check.is_commit_in_doubt()), (true, is_commit));
        }
    }
}
