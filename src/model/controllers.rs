//! Objects that make pods: ReplicaSets, Deployments, StatefulSets, DaemonSets, Jobs, CronJobs and KEDA's ScaledJobs.
//!
//! They mirror `apps/v1` and `batch/v1` of v1.37.0, completed by the API server's defaults, with everything left out that
//! has no bearing on which pods there are. A script can change templates, and what it will ever change them to is known
//! beforehand: an object carries all its templates, and a revision is a position among them.

use super::Dist;
use super::Usage;
use super::made::Made;
use super::objects::CountOrPercent;
use super::rollouts::RolloutSpec;
use crate::ids::{ClassId, ControllerId, LifeId, RevisionId};
use crate::units::SimDuration;

/// An object that makes pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Controller {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// What it is, and the parts of its `spec` beside the pod template.
    pub kind: ControllerKind,
    /// Templates by [`RevisionId`]: the one it begins with, then those that the script changes it to.
    pub templates: Vec<PodTemplate>,
    /// Whether it is there when the run begins; if not, the script applies it.
    pub is_there_at_start: bool,
}

/// A pod template, as one revision of its object.
#[derive(Clone, Debug, PartialEq)]
pub struct PodTemplate {
    /// `pod-template-hash` or `controller-revision-hash`: part of the names of ReplicaSets and pods.
    pub hash: String,
    /// What the scheduler sees of its pods, by replica: one class for all, or one for each ordinal where pods of a
    /// StatefulSet have claims of their own.
    pub classes: Vec<ClassId>,
    /// What its pods do.
    pub life: LifeId,
}

impl PodTemplate {
    /// The class of the pod with that ordinal.
    pub fn class(&self, ordinal: u32) -> ClassId {
        self.classes[(ordinal as usize).min(self.classes.len() - 1)]
    }
}

/// A kind of object that makes pods, and its own part of the `spec`.
#[derive(Clone, Debug, PartialEq)]
pub enum ControllerKind {
    /// `apps/v1.ReplicaSet`, and `v1.ReplicationController`, which does the same.
    ReplicaSet(ReplicaSetSpec),
    /// `apps/v1.Deployment`.
    Deployment(DeploymentSpec),
    /// `argoproj.io/v1alpha1.Rollout`.
    Rollout(RolloutSpec),
    /// `apps/v1.StatefulSet`.
    StatefulSet(StatefulSetSpec),
    /// `apps/v1.DaemonSet`.
    DaemonSet(DaemonSetSpec),
    /// `batch/v1.Job`.
    Job(JobSpec),
    /// `batch/v1.CronJob`.
    CronJob(CronJobSpec),
    /// `keda.sh/v1alpha1.ScaledJob`.
    ScaledJob(ScaledJobSpec),
}

impl ControllerKind {
    /// Its name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            ControllerKind::ReplicaSet(_) => "ReplicaSet",
            ControllerKind::Deployment(_) => "Deployment",
            ControllerKind::Rollout(_) => "Rollout",
            ControllerKind::StatefulSet(_) => "StatefulSet",
            ControllerKind::DaemonSet(_) => "DaemonSet",
            ControllerKind::Job(_) => "Job",
            ControllerKind::CronJob(_) => "CronJob",
            ControllerKind::ScaledJob(_) => "ScaledJob",
        }
    }
}

impl ControllerKind {
    /// `spec.replicas` as it is written; of kinds without replicas 0.
    pub fn replicas(&self) -> i32 {
        match self {
            ControllerKind::ReplicaSet(spec) => spec.replicas,
            ControllerKind::Deployment(spec) => spec.replicas,
            ControllerKind::Rollout(spec) => spec.replicas,
            ControllerKind::StatefulSet(spec) => spec.replicas,
            ControllerKind::DaemonSet(_)
            | ControllerKind::Job(_)
            | ControllerKind::CronJob(_)
            | ControllerKind::ScaledJob(_) => 0,
        }
    }

    /// What its Jobs are, if its pods are made by Jobs.
    pub fn job(&self) -> Option<&JobSpec> {
        match self {
            ControllerKind::Job(spec) => Some(spec),
            ControllerKind::CronJob(spec) => Some(&spec.job),
            ControllerKind::ScaledJob(spec) => Some(&spec.job),
            _ => None,
        }
    }

    /// Whether `spec.replicas` says how many pods there should be.
    pub fn has_replicas(&self) -> bool {
        use ControllerKind::{Deployment, ReplicaSet, Rollout, StatefulSet};
        matches!(self, ReplicaSet(_) | Deployment(_) | Rollout(_) | StatefulSet(_))
    }

    /// `spec.paused` or `spec.suspend` as it is written.
    pub fn is_paused(&self) -> bool {
        match self {
            ControllerKind::Deployment(spec) => spec.is_paused,
            ControllerKind::Rollout(spec) => spec.is_paused,
            ControllerKind::Job(spec) => spec.is_suspended,
            ControllerKind::CronJob(spec) => spec.is_suspended,
            _ => false,
        }
    }
}

/// `apps/v1.ReplicaSetSpec`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicaSetSpec {
    /// `replicas`, not negative. Upstream's default: 1.
    pub replicas: i32,
    /// `minReadySeconds`.
    pub min_ready: SimDuration,
}

/// `apps/v1.DeploymentSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentSpec {
    /// `replicas`, not negative. Upstream's default: 1.
    pub replicas: i32,
    /// `strategy`.
    pub strategy: DeploymentStrategy,
    /// `minReadySeconds`. Upstream's default: 0.
    pub min_ready: SimDuration,
    /// `progressDeadlineSeconds`; none: never. Upstream's default: 600 s.
    pub progress_deadline: Option<SimDuration>,
    /// `revisionHistoryLimit`: old ReplicaSets that are kept. Upstream's default: 10.
    pub revision_history_limit: i32,
    /// `paused`.
    pub is_paused: bool,
}

/// `apps/v1.DeploymentStrategy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeploymentStrategy {
    /// All old pods end before the first new one is made.
    Recreate,
    /// Old ones go as new ones come.
    RollingUpdate {
        /// `maxSurge`; percentages are rounded up. Upstream's default: 25%.
        max_surge: CountOrPercent,
        /// `maxUnavailable`; percentages are rounded down. Upstream's default: 25%.
        max_unavailable: CountOrPercent,
    },
}

/// `apps/v1.StatefulSetSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct StatefulSetSpec {
    /// `replicas`, not negative. Upstream's default: 1.
    pub replicas: i32,
    /// `ordinals.start`. Upstream's default: 0.
    pub first_ordinal: u32,
    /// `minReadySeconds`. Upstream's default: 0.
    pub min_ready: SimDuration,
    /// Whether `podManagementPolicy` is `Parallel`. Upstream's default: `OrderedReady`.
    pub is_parallel: bool,
    /// `updateStrategy`.
    pub update: StatefulSetUpdate,
}

/// `apps/v1.StatefulSetUpdateStrategy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StatefulSetUpdate {
    /// Pods get the new template when they are made again for another reason.
    OnDelete,
    /// Pods are made again from the highest ordinal down.
    RollingUpdate {
        /// `partition`: lower ordinals keep the old template. Upstream's default: 0.
        partition: u32,
        /// `maxUnavailable`. Upstream's default: 1.
        max_unavailable: CountOrPercent,
    },
}

/// `apps/v1.DaemonSetSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct DaemonSetSpec {
    /// `minReadySeconds`. Upstream's default: 0.
    pub min_ready: SimDuration,
    /// `updateStrategy`.
    pub update: DaemonSetUpdate,
}

/// `apps/v1.DaemonSetUpdateStrategy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DaemonSetUpdate {
    /// Pods get the new template when they are made again for another reason.
    OnDelete,
    /// Pods are replaced node by node.
    RollingUpdate {
        /// `maxSurge`. Upstream's default: 0.
        max_surge: CountOrPercent,
        /// `maxUnavailable`. Upstream's default: 1.
        max_unavailable: CountOrPercent,
    },
}

/// `batch/v1.JobSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// `parallelism`, not negative. Upstream's default: 1.
    pub parallelism: i32,
    /// `completions`; none: one pod that succeeds is enough, and the others are let end. Upstream's default: 1 where
    /// `parallelism` is not given either, else none.
    pub completions: Option<i32>,
    /// Whether `completionMode` is `Indexed`: `completions` is given then.
    pub is_indexed: bool,
    /// `backoffLimit`. Upstream's default: 6, or without limit where `backoffLimitPerIndex` is given.
    pub backoff_limit: i32,
    /// `backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i32>,
    /// `maxFailedIndexes`.
    pub max_failed_indexes: Option<i32>,
    /// `activeDeadlineSeconds`; none: never.
    pub active_deadline: Option<SimDuration>,
    /// `ttlSecondsAfterFinished`; none: it stays.
    pub ttl_after_finished: Option<SimDuration>,
    /// `podFailurePolicy.rules`, in order.
    pub failure_rules: Vec<PodFailureRule>,
    /// Whether a pod that is being deleted is replaced only when it has ended (`podReplacementPolicy: Failed`).
    pub replaces_only_failed: bool,
    /// `suspend`.
    pub is_suspended: bool,
}

/// `batch/v1.PodFailurePolicyRule`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFailureRule {
    /// What happens to the job.
    pub action: PodFailureAction,
    /// Which failures it is about.
    pub requirement: PodFailureRequirement,
}

/// `batch/v1.PodFailurePolicyAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodFailureAction {
    /// The job fails.
    FailJob,
    /// The index fails.
    FailIndex,
    /// The failure does not count towards the back-off limit.
    Ignore,
    /// The failure counts as it would without a rule.
    Count,
}

/// Which failures of pods a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodFailureRequirement {
    /// A container ended with one of these codes, or with none of them and not 0.
    ExitCodes {
        /// `containerName`, as a position among the containers and then the init containers; none: any.
        container: Option<u32>,
        /// Whether the code is one of those listed (`In`), or none of them (`NotIn`).
        is_in: bool,
        /// The codes, sorted.
        codes: Vec<i32>,
    },
    /// The pod ended by disruption: it has the condition `DisruptionTarget` (preempted, evicted, its node gone).
    DisruptionTarget,
}

/// `batch/v1.CronJobSpec`.
#[derive(Clone, Debug, PartialEq)]
pub struct CronJobSpec {
    /// `schedule`, checked, as it is written.
    pub schedule: String,
    /// `startingDeadlineSeconds`; none: however late.
    pub starting_deadline: Option<SimDuration>,
    /// `concurrencyPolicy`.
    pub concurrency: Concurrency,
    /// `suspend`.
    pub is_suspended: bool,
    /// `successfulJobsHistoryLimit`. Upstream's default: 3.
    pub successful_history_limit: i32,
    /// `failedJobsHistoryLimit`. Upstream's default: 1.
    pub failed_history_limit: i32,
    /// `jobTemplate.spec`.
    pub job: JobSpec,
}

/// `keda.sh/v1alpha1.ScaledJobSpec`, without what decides how many Jobs are made.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledJobSpec {
    /// `successfulJobsHistoryLimit`. Upstream's default: 100.
    pub successful_history_limit: i32,
    /// `failedJobsHistoryLimit`. Upstream's default: 100.
    pub failed_history_limit: i32,
    /// `jobTargetRef`.
    pub job: JobSpec,
}

/// `batch/v1.ConcurrencyPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// Jobs may run beside each other.
    Allow,
    /// A job is left out while the one before runs.
    Forbid,
    /// The one before ends for it.
    Replace,
}

/// What the pods of a template do, as far as it does not depend on where they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodLife {
    /// Init containers that end before the next begins, and sidecars (`restartPolicy: Always`), in order.
    pub init_containers: Vec<Container>,
    /// Containers.
    pub containers: Vec<Container>,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// `terminationGracePeriodSeconds`. Upstream's default: 30 s.
    pub grace_period: SimDuration,
    /// How long the pod's sandbox takes to start, beside its images: by its runtime.
    pub sandbox_start: Dist,
}

/// `v1.RestartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Containers that end are started again.
    #[default]
    Always,
    /// Containers that fail are started again.
    OnFailure,
    /// No container is started again.
    Never,
}

/// `v1.Container`, and what the scenario says of how it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, as a position among [`Controllers::images`]; none: it has none that would have to be pulled.
    pub image: Option<u32>,
    /// `imagePullPolicy`.
    pub pull_policy: PullPolicy,
    /// Whether it is an init container with `restartPolicy: Always`.
    pub is_sidecar: bool,
    /// How long it works until it ends by itself; none: it serves until it is stopped.
    pub run_time: Option<Dist>,
    /// How it ends when it ends by itself: exit codes and their weights, which are positive; empty: 0.
    pub exit_codes: Vec<(i32, f64)>,
    /// How long it takes from its start until it works, which its probes see.
    pub start_up: Dist,
    /// How long its hook `preStop` takes, which comes before it is told to end; at most the grace period.
    pub pre_stop: Dist,
    /// How long it takes to end once it is told to (`SIGTERM`); longer than what is left of the grace period: it is killed
    /// then.
    pub shut_down: Dist,
    /// Work between two checkpoints; none: a container that is started again begins anew.
    pub checkpoint_every: Option<SimDuration>,
    /// Its probes.
    pub probes: Probes,
    /// `resizePolicy`: whether it is started again when its CPU, or its memory, is resized where it runs.
    pub restarts_on_resize: [bool; 2],
    /// What it uses on its node, if that is known; none costs nothing.
    pub usage: Option<Box<Usage>>,
}

/// `v1.PullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Asked for at every start; layers that are there are not transferred again.
    Always,
    /// Pulled where it is missing.
    #[default]
    IfNotPresent,
    /// Never pulled: where it is missing the container does not start.
    Never,
}

/// The probes of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probes {
    /// `startupProbe`.
    pub startup: Option<Probe>,
    /// `readinessProbe`.
    pub readiness: Option<Probe>,
    /// `livenessProbe`.
    pub liveness: Option<Probe>,
}

/// `v1.Probe`, without what it asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probe {
    /// `initialDelaySeconds`. Upstream's default: 0.
    pub initial_delay: SimDuration,
    /// `periodSeconds`. Upstream's default: 10 s.
    pub period: SimDuration,
    /// `successThreshold`. Upstream's default: 1.
    pub success_threshold: u32,
    /// `failureThreshold`. Upstream's default: 3.
    pub failure_threshold: u32,
    /// `timeoutSeconds`. Upstream's default: 1 s. Probes answer at once, so that nothing comes of it.
    pub timeout: SimDuration,
    /// `terminationGracePeriodSeconds`: how long the container has when it fails this probe; none: as long as the pod has.
    pub grace_period: Option<SimDuration>,
}

/// What the script does to an object that makes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The object.
    pub controller: ControllerId,
    /// What happens.
    pub verb: Verb,
}

/// What can be done to an object that makes pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It comes into being (`kubectl apply`).
    Create,
    /// It goes, and its pods with it (`kubectl delete`).
    Delete,
    /// `kubectl scale --replicas`.
    Scale(i32),
    /// That many more Jobs are to be made, by a ScaledJob.
    MakeJobs(u32),
    /// Its template becomes that revision (`kubectl set image`, `kubectl apply`).
    SetTemplate(RevisionId),
    /// `kubectl rollout pause`; of a CronJob or Job `suspend: true`.
    Pause,
    /// `kubectl rollout resume`; of a CronJob or Job `suspend: false`.
    Resume,
    /// `kubectl rollout undo`: the template before the present one.
    RollBack,
    /// `kubectl argo rollouts promote`: the pause of a Rollout ends, or its step.
    Promote,
    /// `kubectl argo rollouts promote --full`: the rest of its steps, pauses and analyses is left out.
    PromoteFully,
    /// `kubectl argo rollouts abort`: a Rollout goes back to its stable template.
    Abort,
    /// `kubectl argo rollouts retry rollout`: an aborted release begins again.
    Retry,
}

/// All objects that make pods, and what their pods do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controllers {
    /// Objects by [`ControllerId`], in order of namespace, kind and name.
    pub list: Vec<Controller>,
    /// Lives by [`LifeId`].
    pub lives: Vec<PodLife>,
    /// Lives of pods that were resized in the run, whose ids follow.
    pub made_lives: Made<PodLife>,
    /// Images by the position that [`Container::image`] gives, as they are written.
    pub images: Vec<String>,
    /// Quotas of namespaces, in order of namespace and name.
    pub quotas: Vec<Quota>,
}

impl Controllers {
    /// The life with that id.
    #[inline]
    pub fn life(&self, id: LifeId) -> &PodLife {
        match self.lives.get(id.index()) {
            Some(life) => life,
            None => self.made_lives.get(id.index() - self.lives.len()).expect("there is a life of every id"),
        }
    }

    /// The id of a life of resized pods, which is added if it is new.
    pub fn intern_resized(&self, life: PodLife) -> LifeId {
        let position = self.made_lives.intern(|known| *known == life, || life.clone());
        LifeId::from_index(self.lives.len() + position)
    }

    /// Whether it is known of any container what it uses.
    pub fn tracks_usage(&self) -> bool {
        let containers = self.lives.iter().flat_map(|life| life.init_containers.iter().chain(&life.containers));
        containers.into_iter().any(|container| container.usage.as_ref().is_some_and(|usage| usage.is_known()))
    }
}

/// A listed pod's place under the object that made it (`metadata.ownerReferences` of a dump).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The object: of pods of a Deployment's ReplicaSet the Deployment, of pods of a CronJob's Job the CronJob.
    pub controller: ControllerId,
    /// The template that it was made from.
    pub template: RevisionId,
    /// Ordinal in a StatefulSet, completion index in an indexed Job; else 0.
    pub ordinal: u32,
}

/// `v1.ResourceQuota` without scopes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.hard`: the most that there may be, in order of resource. CPU is in milli-cores, memory and storage in bytes,
    /// everything else is a count.
    pub hard: Vec<(QuotaResource, u64)>,
}

/// What a quota limits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaResource {
    /// `pods`, or `count/pods`: pods that have not ended.
    Pods,
    /// `requests.cpu`, or `cpu`.
    RequestsCpu,
    /// `requests.memory`, or `memory`.
    RequestsMemory,
    /// `requests.ephemeral-storage`, or `ephemeral-storage`.
    RequestsEphemeralStorage,
    /// `requests.<resource>`: an extended resource, as a position among those of the cluster.
    RequestsExtended(usize),
    /// `limits.cpu`.
    LimitsCpu,
    /// `limits.memory`.
    LimitsMemory,
    /// `limits.ephemeral-storage`.
    LimitsEphemeralStorage,
    /// `count/<plural>.<group>`: objects, such as `deployments.apps`.
    Count(String),
}
