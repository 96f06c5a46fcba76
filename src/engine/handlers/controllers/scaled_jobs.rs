//! KEDA's ScaledJobs make Jobs, as many as their triggers ask for.
//!
//! What decides on the number is the autoscaler `keda-scaled-job`; here Jobs are made, worked off and forgotten. Follows
//! `pkg/scaling/executor/scale_jobs.go` of KEDA v2.21.0.
//!
//! Known deviation: old Jobs go when one more has ended, not at the next poll.
//!
//! Cost: O(Jobs that have not ended) for each sync, and O(j log j) for the `j` that are kept when one is over the limit.

use super::jobs::JobLoops;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId};
use crate::model::controllers::{ControllerKind, JobSpec, ScaledJobSpec};
use crate::observe::Observer;
use crate::policy::controllers::{PodPhase, earlier};
use crate::units::SimTime;

/// The Jobs of a ScaledJob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct JobCounts {
    /// Those that have not ended.
    pub(in crate::engine) running: i32,
    /// Of these, those of which no pod runs or has run to its end.
    pub(in crate::engine) pending: i32,
}

impl JobLoops {
    /// A ScaledJob is to make that many more Jobs.
    pub(super) fn ask_for(&mut self, controller: ControllerId, count: u32) {
        *self.asked_for.entry(controller).or_default() += count;
    }

    /// Whether nothing about a Job can change any more.
    fn is_settled(&self, owner: OwnerId, job: &JobSpec) -> bool {
        let is_over = self.jobs.get(&owner).is_some_and(|status| status.finished.is_some());
        is_over && job.ttl_after_finished.is_none()
    }
}

impl<O: Observer> Simulation<'_, O> {
    /// Syncs the Jobs of a ScaledJob, and makes those that were asked for.
    pub(super) fn sync_scaled_job(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::ScaledJob(spec) = &self.controller(controller).kind else {
            unreachable!("asked for ScaledJobs only")
        };
        for _ in 0..self.controller_loops.jobs.asked_for.remove(&controller).unwrap_or(0) {
            let template = self.world.owners.controllers[controller.index()].template;
            let suffix = self.generated_suffix("job/name", self.world.owners.list.len() as u64);
            let name = format!("{}-{suffix}", self.controller(controller).name);
            self.world.add_owner(controller, name, template);
        }
        let mut wake = None;
        for owner in self.world.owners.controllers[controller.index()].owners.clone() {
            if self.controller_loops.jobs.is_settled(owner, &spec.job) {
                continue;
            }
            let (again, is_expired) = self.sync_job_of(owner, &spec.job);
            wake = earlier(wake, again);
            if is_expired {
                self.delete_owner(owner);
            }
        }
        self.clean_up_jobs(controller, spec);
        wake
    }

    /// The Jobs of a ScaledJob as they are now.
    pub(in crate::engine) fn count_jobs(&self, controller: ControllerId) -> JobCounts {
        let mut counts = JobCounts::default();
        for owner in &self.world.owners.controllers[controller.index()].owners {
            let status = self.controller_loops.jobs.jobs.get(owner);
            if status.is_some_and(|status| status.finished.is_some()) {
                continue;
            }
            let has_begun = |phase| matches!(phase, PodPhase::Running | PodPhase::Succeeded);
            counts.running += 1;
            counts.pending += i32::from(!self.observe_pods(*owner).iter().any(|pod| has_begun(pod.phase)));
        }
        counts
    }

    /// The oldest of the Jobs that have ended go, where there are more than are to be kept (`cleanUp`).
    fn clean_up_jobs(&mut self, controller: ControllerId, spec: &ScaledJobSpec) {
        for (is_success, limit) in [(true, spec.successful_history_limit), (false, spec.failed_history_limit)] {
            let ended = |owner: &OwnerId| {
                let (end, at) = self.controller_loops.jobs.jobs.get(owner)?.finished?;
                (end.is_success() == is_success).then_some((at, *owner))
            };
            let owners = &self.world.owners.controllers[controller.index()].owners;
            let mut ended: Vec<(SimTime, OwnerId)> = owners.iter().filter_map(ended).collect();
            let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            ended.sort_unstable();
            for (_, owner) in ended.into_iter().take(surplus) {
                self.delete_owner(owner);
            }
        }
    }
}
