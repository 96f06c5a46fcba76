//! Pods get on.

use crate::engine::Step;
use crate::engine::run::Simulation;
use crate::ids::PodId;
use crate::observe::Observer;
use crate::world::Phase;
use crate::world::pods::Reason;

impl<O: Observer> Simulation<'_, O> {
    pub(in crate::engine) fn on_step(&mut self, pod: PodId, step: Step) {
        if matches!(step, Step::Start | Step::Finish) && self.is_held_back(pod, step) {
            return;
        }
        match step {
            Step::Decide => self.on_decide(pod),
            Step::Bind => self.apply_binding(pod),
            Step::Start => self.apply_start(pod),
            Step::Finish => self.apply_end(pod, Phase::Succeeded, Reason::None),
        }
    }
}
