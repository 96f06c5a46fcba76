//! How long the control plane takes: writes to the API, what watchers learn and when, and limits of clients.
//!
//! By default it is ideal: everything written is seen at once by all. [`ControlPlane::realistic`] has the defaults of
//! Kubernetes v1.37.0 where it has such, and figures with a source elsewhere.

use super::Dist;
use crate::units::SimDuration;

/// Delays and limits of the control plane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlPlane {
    /// From sending a write to its answer.
    pub api_write: Dist,
    /// From a write to the moment a watcher has seen it.
    pub watch: Dist,
    /// How fast each controller may write (`kube-controller-manager --kube-api-qps`); none: without limit.
    pub controller_writes: Option<RateLimit>,
    /// How fast the scheduler may bind (`clientConnection` of its configuration); none: without limit.
    pub scheduler_writes: Option<RateLimit>,
    /// For how long the Job controller gathers what happens to the pods of a Job, and to its status, before it looks
    /// (`SyncJobBatchPeriod`).
    pub job_batch_period: SimDuration,
}

/// A token bucket (`client-go/util/flowcontrol`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Tokens a second, above 0.
    pub per_second: f64,
    /// Tokens that a full bucket holds, at least 1.
    pub burst: u32,
}

impl RateLimit {
    /// The time that one token takes.
    pub fn interval(self) -> SimDuration {
        SimDuration::from_seconds(1.0 / self.per_second)
    }
}

impl ControlPlane {
    /// Whether nothing takes time and nothing is limited.
    pub fn is_ideal(&self) -> bool {
        *self == ControlPlane::default()
    }

    /// A control plane as it is when nothing is tuned and nothing is wrong.
    ///
    /// Left out, because nothing comes of it here: informers hand all objects to their controllers again every 12 to 24 h
    /// (`--min-resync-period`, times 1 to 2, `cmd/kube-controller-manager/app/controllermanager.go`). That mends what a
    /// controller has missed, and here none misses anything.
    ///
    /// - Limits of clients: `pkg/controller/apis/config/v1alpha1/defaults.go` (20 a second, burst 30) and
    ///   `pkg/scheduler/apis/config/v1/defaults.go` (50 a second, burst 100) of v1.37.0.
    /// - Writes: a mean of 10 ms and 50 ms at the 99th percentile. etcd's guide to hardware asks that 99 % of log syncs take
    ///   less than 10 ms and of commits less than 25 ms; the service level objective of Kubernetes for one object is 1 s.
    /// - The Job controller: `pkg/controller/job/job_controller.go` of v1.37.0 (1 s).
    /// - Watchers: a mean of 10 ms and 50 ms at the 99th percentile, of the same order as the write itself, an assumption.
    pub fn realistic() -> ControlPlane {
        let span = Dist::lognormal_from_mean_p99(0.010, 0.050).expect("there is such a lognormal");
        ControlPlane {
            api_write: span.clone(),
            watch: span,
            controller_writes: Some(RateLimit { per_second: 20.0, burst: 30 }),
            scheduler_writes: Some(RateLimit { per_second: 50.0, burst: 100 }),
            job_batch_period: SimDuration(1_000_000_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seed;

    #[test]
    fn the_realistic_spans_have_their_mean_and_percentile() {
        let ControlPlane { api_write, .. } = ControlPlane::realistic();
        let mut stream = Seed { base: 1, replication: 0 }.stream("test/spans", 0);
        let mut seconds: Vec<f64> = (0..100_000).map(|_| api_write.sample(&mut stream).as_seconds()).collect();
        seconds.sort_by(f64::total_cmp);
        let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
        assert!((mean - 0.010).abs() < 0.0003, "{mean}");
        assert!((seconds[99_000] - 0.050).abs() < 0.003, "{}", seconds[99_000]);
    }
}
