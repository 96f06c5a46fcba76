//! What schedulers have found out, which the next one goes on from.

use super::super::scheduler::{Environment, Kept, Options, Scheduler};
use super::sight::Sight;

/// What the last scheduler knew, and of when that is.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Option<Kept>,
    generation: u64,
    version: u64,
    market: u64,
}

impl Memory {
    /// A scheduler over what is seen now.
    pub(super) fn scheduler<'e>(
        &mut self,
        environment: &'e Environment,
        sight: &'e Sight,
        market: u64,
        options: Options,
    ) -> Scheduler<'e> {
        let is_alike = self.generation == sight.generation && self.market == market;
        let changed = sight.changed_since(self.version);
        (self.generation, self.version, self.market) = (sight.generation, sight.version, market);
        match self.kept.take().filter(|_| is_alike) {
            Some(kept) => Scheduler::resume(kept, environment, &sight.nodes, &changed, options),
            None => Scheduler::new(environment, &sight.nodes, options),
        }
    }

    /// Keeps what a scheduler has found out.
    pub(super) fn keep(&mut self, scheduler: Scheduler<'_>) {
        self.kept = Some(scheduler.keep());
    }
}
