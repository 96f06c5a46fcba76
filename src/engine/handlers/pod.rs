//! Pods get on.

use crate::engine::Step;
use crate::engine::run::Simulation;
use crate::ids::PodId;
use crate::observe::Observer;
use crate::world::Phase;
use crate::world::pods::Reason;

impl<O: Observer> Simulation<'_, O> {
    pub(in crate::engine) fn on_step(&mut self, pod: PodId, step: Step) {
        let phase = self.world.pods.phase[pod.index()];
        // A pod that was told to end may have ended before what was planned for it.
        if matches!(step, Step::Start | Step::Finish | Step::End)
            && (!phase.holds_node() || self.is_held_back(pod, step))
        {
            return;
        }
        match (step, phase) {
            (Step::Decide, _) => self.on_decide(pod),
            (Step::Release, Phase::Pending) => self.on_release(pod),
            (Step::Bind, Phase::Bound) => self.apply_binding(pod),
            (Step::Start, Phase::Starting) => self.apply_start(pod),
            (Step::Finish, Phase::Running) => self.apply_end(pod, Phase::Succeeded, Reason::None),
            (Step::Crash, phase) if phase.holds_node() => self.on_pod_crash(pod),
            (Step::Life, phase) if phase.holds_node() => self.on_life(pod),
            (Step::End, phase) if phase.holds_node() => self.on_end(pod),
            _ => {}
        }
    }
}
