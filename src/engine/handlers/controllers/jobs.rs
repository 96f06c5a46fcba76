//! Jobs act through pods, CronJobs through Jobs. What makes Jobs by need is in `scaled_jobs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::handlers::writes::Write;
use crate::engine::run::Simulation;
use crate::ids::{ControllerId, OwnerId, PodId};
use crate::model::controllers::{ControllerKind, CronJobSpec, JobSpec, Operation, RestartPolicy, Verb};
use crate::observe::Observer;
use crate::policy::controllers::cron::{CronSchedule, WallClock};
use crate::policy::controllers::cron_job::{self, ObservedCronJob};
use crate::policy::controllers::earlier;
use crate::policy::controllers::job::{self, JobPod, JobStatus, ObservedJob, Plan};
use crate::units::SimTime;
use crate::world::Phase;

/// What the clock on the wall shows.
const CLOCK: WallClock = WallClock::RUN;

/// A Job whose status changes at every sync of one instant never settles. A million pods come 500 at a sync.
const SYNCS_MAX: usize = 10_000;

/// What the controllers of Jobs and CronJobs remember.
#[derive(Debug, Default)]
pub(in crate::engine) struct JobLoops {
    pub(super) jobs: BTreeMap<OwnerId, JobStatus>,
    cron_jobs: BTreeMap<ControllerId, CronMemory>,
    /// The time that a CronJob made a Job for.
    scheduled: BTreeMap<OwnerId, SimTime>,
    /// Pods that are in the status of their Job, and need not be looked at again.
    counted: BTreeSet<PodId>,
    /// Jobs that a ScaledJob has yet to make.
    pub(super) asked_for: BTreeMap<ControllerId, u32>,
    /// Failures before a pod of the same index, where limits are per index.
    index_failures: BTreeMap<PodId, (i32, i32)>,
}

impl JobLoops {
    /// Whether the pod is in the status of its Job.
    pub(in crate::engine) fn has_counted(&self, pod: PodId) -> bool {
        self.counted.contains(&pod)
    }

    /// Forgets what was kept of a CronJob or ScaledJob that is gone.
    pub(super) fn forget(&mut self, controller: ControllerId) {
        self.cron_jobs.remove(&controller);
        self.asked_for.remove(&controller);
    }

    /// Notes what the pod's index had gone through when it was made.
    pub(in crate::engine) fn note_made(&mut self, pod: PodId, index_failures: (i32, i32)) {
        if index_failures != (0, 0) {
            self.index_failures.insert(pod, index_failures);
        }
    }
}

#[derive(Debug)]
struct CronMemory {
    schedule: CronSchedule,
    last_schedule: Option<SimTime>,
}

impl<O: Observer> Simulation<'_, O> {
    /// Syncs a Job that stands alone.
    pub(super) fn sync_job(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::Job(spec) = &self.controller(controller).kind else { unreachable!("asked for Jobs only") };
        let is_suspended = self.world.owners.controllers[controller.index()].is_paused;
        let owner = self.own_owner(controller);
        let (wake, is_expired) = self.sync_job_of(owner, &JobSpec { is_suspended, ..spec.clone() });
        if is_expired {
            self.operate(Operation { controller, verb: Verb::Delete });
        }
        wake
    }

    /// Syncs a Job until its status stays; says when to look again, and whether its time to live is over.
    pub(super) fn sync_job_of(&mut self, owner: OwnerId, spec: &JobSpec) -> (Option<SimTime>, bool) {
        let controller = self.world.owners.list[owner.index()].controller;
        for _ in 0..SYNCS_MAX {
            let status = self.controller_loops.jobs.jobs.get(&owner).cloned().unwrap_or_default();
            let pods = self.observe_job_pods(owner);
            let restarts_on_failure = self.life_of(owner).restart_policy == RestartPolicy::OnFailure;
            let object = ObservedJob { spec, restarts_on_failure, status: &status, pods: &pods };
            let plan = job::sync(&object, self.world.time);
            let is_settled = plan.status == status && plan.create.is_empty() && plan.delete.is_empty();
            let (wake, is_expired, has_new_status) = (plan.wake, plan.deletes_job, plan.status != status);
            self.write_job(owner, plan);
            if is_settled || self.controller_loops.is_refused[controller.index()] {
                return (wake, is_expired);
            }
            if !self.model.control_plane.is_ideal() {
                // Pods that are made or told to end are seen when they are.
                if !has_new_status {
                    return (wake, is_expired);
                }
                return (earlier(wake, Some(self.own_write_seen_at(controller))), is_expired);
            }
        }
        panic!("the Job `{}` does not settle", self.world.owners.list[owner.index()].name);
    }

    fn write_job(&mut self, owner: OwnerId, plan: Plan) {
        let controller = self.world.owners.list[owner.index()].controller;
        self.controller_loops.jobs.jobs.insert(owner, plan.status);
        for pod in plan.counted {
            self.controller_loops.jobs.counted.insert(pod);
            // One that has not ended leaves when it does: that it is to be deleted may not have reached the API yet.
            let phase = self.world.pods.phase[pod.index()];
            if phase != Phase::Pending && !phase.holds_node() {
                self.world.leave(pod);
            }
        }
        for pod in plan.delete {
            self.write(controller, Write::Delete { pod });
        }
        let template = self.world.owners.list[owner.index()].template;
        for new in plan.create {
            let (ordinal, index_failures) = (new.index, new.index_failures);
            self.write(controller, Write::Make { owner, template, ordinal, index_failures });
        }
    }

    fn observe_job_pods(&self, owner: OwnerId) -> Vec<JobPod> {
        let pods = self.observe_pods(owner).into_iter();
        pods.map(|pod| {
            let member = self.world.member(pod.id).expect("owners list pods that have an owner");
            JobPod {
                pod,
                is_counted: self.controller_loops.jobs.has_counted(pod.id),
                finished: match self.world.pods.finished[pod.id.index()] {
                    SimTime::NEVER => pod.created,
                    finished => finished,
                },
                exit_codes: member.life.as_ref().map_or_else(Vec::new, |life| life.exit_codes()),
                is_disrupted: member.is_disrupted,
                restarts_total: member.life.as_ref().map_or(0, |life| life.restarts_total()),
                index_failures: self.controller_loops.jobs.index_failures.get(&pod.id).copied().unwrap_or_default(),
            }
        })
        .collect()
    }

    /// Syncs a CronJob and its Jobs.
    pub(super) fn sync_cron_job(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::CronJob(spec) = &self.controller(controller).kind else {
            unreachable!("asked for CronJobs only")
        };
        let is_suspended = self.world.owners.controllers[controller.index()].is_paused;
        let spec = CronJobSpec { is_suspended, ..spec.clone() };
        let mut wake = None;
        for owner in self.world.owners.controllers[controller.index()].owners.clone() {
            let (again, is_expired) = self.sync_job_of(owner, &spec.job);
            wake = earlier(wake, again);
            if is_expired {
                self.delete_owner(owner);
            }
        }
        let plan = self.plan_cron_job(controller, &spec);
        for owner in plan.delete {
            self.delete_owner(owner);
        }
        if let Some(scheduled) = plan.create {
            let template = self.world.owners.controllers[controller.index()].template;
            // Upstream names Jobs after the minute that they were due in.
            let minutes = CLOCK.unix_seconds(scheduled) / 60;
            let name = format!("{}-{minutes}", self.controller(controller).name);
            let owner = self.world.add_owner(controller, name, template);
            self.controller_loops.jobs.scheduled.insert(owner, scheduled);
            let (again, _) = self.sync_job_of(owner, &spec.job);
            wake = earlier(wake, again);
        }
        earlier(wake, plan.wake)
    }

    fn plan_cron_job(&mut self, controller: ControllerId, spec: &CronJobSpec) -> cron_job::Plan {
        let state = &self.world.owners.controllers[controller.index()];
        let loops = &mut self.controller_loops.jobs;
        let jobs: Vec<cron_job::ObservedJob> = state
            .owners
            .iter()
            .map(|id| {
                let status = &loops.jobs[id];
                cron_job::ObservedJob {
                    id: *id,
                    scheduled: loops.scheduled[id],
                    started: status.started,
                    is_success: status.finished.map(|(end, _)| end.is_success()),
                }
            })
            .collect();
        let memory = loops.cron_jobs.entry(controller).or_insert_with(|| CronMemory {
            schedule: CronSchedule::parse(&spec.schedule).expect("schedules are checked when they are read"),
            last_schedule: None,
        });
        let object = ObservedCronJob {
            spec,
            schedule: &memory.schedule,
            created: state.created,
            last_schedule: memory.last_schedule,
            jobs: &jobs,
        };
        let plan = cron_job::sync(&object, CLOCK, self.world.time);
        memory.last_schedule = plan.last_schedule;
        plan
    }
}
