//! Whole rollouts: what is written is carried out, ReplicaSets make and delete their pods, pods become ready.

use proptest::prelude::*;

use super::*;
use crate::ids::{NodeId, PodId};
use crate::model::controllers::ReplicaSetSpec;
use crate::policy::controllers::replica_set::{manage_replicas, status};
use crate::policy::controllers::{ObservedPod, PodPhase};

/// A Deployment, its ReplicaSets and their pods, without scheduler or nodes.
struct Cluster {
    spec: DeploymentSpec,
    template: RevisionId,
    generation: u64,
    status: DeploymentStatus,
    sets: Vec<ObservedReplicaSet>,
    pods: Vec<Vec<ObservedPod>>,
    pods_made: u32,
    now: SimTime,
    wake: Option<SimTime>,
    log: Vec<String>,
}

impl Cluster {
    fn new(spec: DeploymentSpec) -> Cluster {
        Cluster {
            spec,
            template: RevisionId(0),
            generation: 1,
            status: DeploymentStatus::default(),
            sets: Vec::new(),
            pods: Vec::new(),
            pods_made: 0,
            now: at(1),
            wake: None,
            log: Vec::new(),
        }
    }

    fn set_template(&mut self, template: u32) {
        self.template = RevisionId(template);
        self.generation += 1;
    }

    fn available(&self) -> usize {
        self.pods.iter().flatten().filter(|pod| pod.is_active() && pod.is_ready()).count()
    }

    fn active(&self) -> usize {
        self.pods.iter().flatten().filter(|pod| pod.is_active()).count()
    }

    fn carry_out(&mut self, write: Write) {
        match write {
            Write::CreateReplicaSet { template, replicas, min_ready, revision, desired_replicas, max_replicas } => {
                self.log.push(format!("+{}={replicas}", template.0));
                self.pods.push(Vec::new());
                self.sets.push(ObservedReplicaSet {
                    template,
                    replicas,
                    min_ready,
                    revision,
                    desired_replicas: Some(desired_replicas),
                    max_replicas: Some(max_replicas),
                    created: self.now,
                    status: ReplicaSetStatus::default(),
                    is_observed: false,
                    unfinished_pods: 0,
                    ..set(self.sets.len() as u32, 0)
                });
            }
            Write::AdoptReplicaSet { id, min_ready, revision } => {
                let set = &mut self.sets[id.index()];
                (set.min_ready, set.revision) = (min_ready, revision);
            }
            Write::ScaleReplicaSet { id, replicas, desired_replicas, max_replicas } => {
                let set = &mut self.sets[id.index()];
                self.log.push(format!("{}={replicas}", set.template.0));
                set.replicas = replicas;
                (set.desired_replicas, set.max_replicas) = (Some(desired_replicas), Some(max_replicas));
                set.is_observed = false;
            }
            Write::DeleteReplicaSet(id) => {
                self.log.push(format!("-{}", self.sets[id.index()].template.0));
                self.sets[id.index()].is_terminating = true;
                assert!(self.pods[id.index()].is_empty(), "a ReplicaSet with pods was deleted");
            }
        }
    }

    /// One sync of the Deployment. Returns how much it wrote.
    fn sync(&mut self) -> usize {
        let there: Vec<ObservedReplicaSet> = self.sets.iter().copied().filter(|set| !set.is_terminating).collect();
        let object = ObservedDeployment {
            spec: &self.spec,
            template: self.template,
            generation: self.generation,
            status: &self.status,
            replica_sets: &there,
        };
        let done = sync(&object, self.now);
        (self.status, self.wake) = (done.status, done.wake);
        let count = done.writes.len();
        done.writes.into_iter().for_each(|write| self.carry_out(write));
        count
    }

    /// One sync of a ReplicaSet; pods that are told to end are gone at once.
    fn sync_set(&mut self, index: usize) {
        let set = self.sets[index];
        let spec = ReplicaSetSpec { replicas: set.replicas, min_ready: set.min_ready };
        let related: Vec<ObservedPod> = self.pods.iter().flatten().copied().collect();
        let plan = manage_replicas(&spec, &self.pods[index], &related, self.now);
        self.pods[index].retain(|pod| !plan.delete.contains(&pod.id));
        for _ in 0..plan.create {
            self.pods[index].push(ObservedPod {
                id: PodId(self.pods_made),
                created: self.now,
                phase: PodPhase::Running,
                node: Some(NodeId(self.pods_made % 3)),
                ready_since: None,
                is_terminating: false,
                revision: set.template,
                ordinal: 0,
                restarts: 0,
                sidecar_restarts: 0,
                deletion_cost: 0,
            });
            self.pods_made += 1;
        }
        self.observe(index);
    }

    /// The ReplicaSet's status follows its pods.
    fn observe(&mut self, index: usize) {
        self.sets[index].status = status(self.sets[index].min_ready, &self.pods[index], self.now);
        self.sets[index].is_observed = true;
        self.sets[index].unfinished_pods = self.pods[index].len() as u32;
    }

    fn observe_all(&mut self) {
        (0..self.sets.len()).for_each(|index| self.observe(index));
    }

    /// Everything that the controllers want at this instant.
    fn settle(&mut self) {
        for _ in 0..200 {
            let status = self.status;
            let wrote = self.sync();
            let is_quiet = wrote == 0 && status == self.status;
            assert!(is_quiet || self.wake == Some(self.now), "what changed anything looks again");
            let before = (self.active(), self.sets.clone());
            (0..self.sets.len()).for_each(|index| self.sync_set(index));
            if is_quiet && before == (self.active(), self.sets.clone()) {
                return;
            }
        }
        panic!("no end of writing: {:?}", self.log);
    }

    /// The oldest pod that is not ready becomes ready.
    fn one_becomes_ready(&mut self) -> bool {
        let now = self.now;
        let waiting = self.pods.iter_mut().flatten().filter(|pod| !pod.is_ready());
        let first = waiting.min_by_key(|pod| pod.id);
        let found = first.map(|pod| pod.ready_since = Some(now)).is_some();
        self.observe_all();
        found
    }

    /// Lets all pods become ready, one a second, and the controllers do what they want in between.
    fn finish(&mut self) {
        self.settle();
        while self.one_becomes_ready() {
            self.now = self.now.after(SimDuration(SECOND));
            self.settle();
        }
    }

    fn take_log(&mut self) -> String {
        std::mem::take(&mut self.log).join(" ")
    }
}

#[test]
fn a_rolling_update_takes_the_expected_steps() {
    // (replicas, surge, unavailable) and the steps: `+1=2` makes a ReplicaSet of template 1 with 2 pods, `0=3` leaves 3
    // pods to template 0.
    let rows = [
        // One new pod comes, and an old one goes when it is ready.
        ((3, Count(1), Count(0)), "+1=1 0=2 1=2 0=1 1=3 0=0"),
        // One old pod goes before a new one comes.
        ((3, Count(0), Count(1)), "+1=0 0=2 1=1 0=1 1=2 0=0 1=3"),
        // 25% of 4: one more and one less. 4 + 1 - 3 old - 1 new = 1 more; each one that is ready lets one old one go.
        ((4, Percent(25), Percent(25)), "+1=1 0=3 1=2 0=2 1=3 0=1 1=4 0=0"),
        // Both round to 0: one may be missing.
        ((2, Percent(0), Percent(1)), "+1=0 0=1 1=1 0=0 1=2"),
        ((1, Percent(1), Percent(25)), "+1=1 0=0"),
    ];
    for ((replicas, surge, unavailable), expected) in rows {
        let mut cluster = Cluster::new(rolling(replicas, surge, unavailable));
        cluster.finish();
        assert_eq!(cluster.take_log(), format!("+0={replicas}"));
        cluster.set_template(1);
        cluster.finish();
        assert_eq!(cluster.take_log(), expected, "{replicas} {surge:?} {unavailable:?}");
        assert_eq!((cluster.status.updated, cluster.status.revision), (replicas, 2));
    }
}

#[test]
fn a_roll_back_uses_the_old_replica_set_again() {
    let mut cluster = Cluster::new(rolling(2, Count(1), Count(0)));
    cluster.finish();
    cluster.set_template(1);
    cluster.finish();
    let before = template_before(&cluster.sets).expect("two revisions");
    cluster.take_log();
    cluster.set_template(before.0);
    cluster.finish();
    assert_eq!(cluster.take_log(), "0=1 1=1 0=2 1=0");
    // Revisions 1 and 2 are used up: the first ReplicaSet is the third revision.
    assert_eq!(cluster.sets.iter().map(|set| set.revision).collect::<Vec<_>>(), vec![3, 2]);
    assert_eq!(cluster.status.revision, 3);
}

#[test]
fn recreate_makes_new_pods_when_the_old_ones_are_gone() {
    let spec = DeploymentSpec { strategy: DeploymentStrategy::Recreate, ..rolling(2, Count(0), Count(0)) };
    let mut cluster = Cluster::new(spec);
    cluster.finish();
    cluster.take_log();
    cluster.set_template(1);
    cluster.sync();
    assert_eq!(cluster.take_log(), "0=0");
    // The ReplicaSet tells its pods to end, which takes a while: nothing happens until they are gone.
    cluster.pods[0].iter_mut().for_each(|pod| pod.is_terminating = true);
    cluster.observe(0);
    assert_eq!(cluster.sets[0].status.terminating, 2);
    cluster.settle();
    assert_eq!(cluster.take_log(), "");
    cluster.pods[0].clear();
    cluster.observe(0);
    cluster.settle();
    assert_eq!(cluster.take_log(), "+1=2");
}

#[test]
fn a_pause_holds_a_rollout_but_not_scaling() {
    let deadline = Some(SimDuration(60 * SECOND));
    let spec = DeploymentSpec { progress_deadline: deadline, ..rolling(4, Count(0), Count(2)) };
    let mut cluster = Cluster::new(spec);
    cluster.finish();
    cluster.set_template(1);
    cluster.settle();
    // 2 may be missing: 2 of 4 are replaced, then it waits for them.
    assert_eq!(cluster.take_log(), "+0=4 +1=0 0=2 1=2");
    cluster.spec.is_paused = true;
    cluster.generation += 1;
    cluster.finish();
    assert_eq!(cluster.take_log(), "");
    assert_eq!(cluster.status.progressing.map(|now| now.reason), Some(ProgressReason::DeploymentPaused));
    assert_eq!(cluster.wake, None);
    // From 4 to 8: 2 * 8/4 - 2 = 2 for each, the newer one first.
    cluster.spec.replicas = 8;
    cluster.finish();
    assert_eq!(cluster.take_log(), "1=4 0=4");
    cluster.spec.is_paused = false;
    cluster.generation += 1;
    cluster.finish();
    assert_eq!(cluster.sets.iter().map(|set| set.replicas).collect::<Vec<_>>(), vec![0, 8]);
    assert_eq!(cluster.status.progressing.map(|now| now.reason), Some(ProgressReason::NewReplicaSetAvailable));
}

#[test]
fn the_end_of_a_pause_starts_the_deadline_anew() {
    let deadline = Some(SimDuration(60 * SECOND));
    let mut cluster = Cluster::new(DeploymentSpec { progress_deadline: deadline, ..rolling(2, Count(1), Count(0)) });
    cluster.finish();
    cluster.set_template(1);
    cluster.settle();
    cluster.spec.is_paused = true;
    cluster.settle();
    cluster.spec.is_paused = false;
    cluster.now = at(500);
    cluster.settle();
    let progressing = cluster.status.progressing.expect("a deadline");
    assert_eq!((progressing.reason, progressing.updated), (ProgressReason::DeploymentResumed, at(500)));
    assert_eq!(cluster.wake, Some(at(561)));
}

#[test]
fn a_rollout_without_progress_exceeds_its_deadline() {
    let deadline = Some(SimDuration(60 * SECOND));
    let mut cluster = Cluster::new(DeploymentSpec { progress_deadline: deadline, ..rolling(2, Count(1), Count(0)) });
    cluster.finish();
    cluster.set_template(1);
    cluster.now = at(1000);
    cluster.settle();
    // The last progress is the new pod, at 1000 s.
    assert_eq!(cluster.wake, Some(at(1061)));
    cluster.now = at(1061);
    cluster.settle();
    let reason = |cluster: &Cluster| cluster.status.progressing.map(|now| now.reason);
    assert_eq!(reason(&cluster), Some(ProgressReason::ProgressDeadlineExceeded));
    assert_eq!(cluster.wake, None);
    // It goes on when the pod becomes ready after all.
    cluster.finish();
    assert_eq!(reason(&cluster), Some(ProgressReason::NewReplicaSetAvailable));
}

#[test]
fn history_beyond_the_limit_goes_when_the_rollout_is_complete() {
    let mut cluster = Cluster::new(DeploymentSpec { revision_history_limit: 1, ..rolling(1, Count(1), Count(0)) });
    for template in 0..3 {
        cluster.set_template(template);
        cluster.finish();
    }
    assert_eq!(cluster.take_log(), "+0=1 +1=1 0=0 +2=1 1=0 -0");
}

fn count_or_percent() -> impl Strategy<Value = CountOrPercent> {
    prop_oneof![(0..5).prop_map(Count), (0..=100).prop_map(Percent)]
}

proptest! {
    /// Whatever the strategy, and in whatever order pods become ready, fail and templates change: a sync leaves the
    /// pods within the surge, and takes no available pod beyond what may be unavailable.
    #[test]
    fn no_rollout_leaves_its_bounds(
        (replicas, surge, unavailable) in (0..12, count_or_percent(), count_or_percent()),
        steps in proptest::collection::vec((0..6u8, any::<prop::sample::Index>()), 1..60),
    ) {
        let mut cluster = Cluster::new(rolling(replicas, surge, unavailable));
        let most = (replicas + max_surge(&cluster.spec)) as usize;
        let least = (replicas - max_unavailable(&cluster.spec)) as usize;
        for (step, which) in steps {
            cluster.now = cluster.now.after(SimDuration(SECOND));
            let pods: Vec<(usize, usize)> = (0..cluster.pods.len())
                .flat_map(|set| (0..cluster.pods[set].len()).map(move |pod| (set, pod)))
                .collect();
            match step {
                0 => cluster.set_template(which.index(4) as u32),
                1 if !pods.is_empty() => {
                    let (set, pod) = pods[which.index(pods.len())];
                    cluster.pods[set][pod].ready_since = None;
                }
                2 | 3 if !pods.is_empty() => {
                    let (set, pod) = pods[which.index(pods.len())];
                    let now = cluster.now;
                    cluster.pods[set][pod].ready_since.get_or_insert(now);
                }
                _ => {
                    let available = cluster.available();
                    cluster.sync();
                    (0..cluster.sets.len()).for_each(|index| cluster.sync_set(index));
                    prop_assert!(cluster.active() <= most, "{} of {most}: {:?}", cluster.active(), cluster.log);
                    prop_assert!(cluster.available() >= available.min(least), "{:?}", cluster.log);
                }
            }
            cluster.observe_all();
        }
        cluster.finish();
        prop_assert_eq!((cluster.active(), cluster.available()), (replicas as usize, replicas as usize));
        prop_assert_eq!(cluster.status.updated, replicas);
        prop_assert_eq!((cluster.sync(), cluster.wake), (0, None), "a finished rollout writes nothing");
    }

    /// The same when ReplicaSets follow late, so that counts are of another time.
    #[test]
    fn late_replica_sets_do_not_lead_astray(
        (replicas, surge, unavailable) in (0..12, count_or_percent(), count_or_percent()),
        steps in proptest::collection::vec((0..5u8, any::<prop::sample::Index>()), 1..60),
    ) {
        let mut cluster = Cluster::new(rolling(replicas, surge, unavailable));
        let most = replicas + max_surge(&cluster.spec);
        for (step, which) in steps {
            match step {
                0 => cluster.set_template(which.index(4) as u32),
                1 if !cluster.sets.is_empty() => cluster.sync_set(which.index(cluster.sets.len())),
                2 => {
                    let now = cluster.now;
                    cluster.pods.iter_mut().flatten().for_each(|pod| pod.ready_since = Some(now));
                }
                _ => {
                    cluster.sync();
                    let wanted: i32 = cluster.sets.iter().map(|set| set.replicas).sum();
                    prop_assert!(wanted <= most, "{wanted} of {most}: {:?}", cluster.log);
                }
            }
        }
        cluster.finish();
        prop_assert_eq!(cluster.available(), replicas as usize);
    }
}
