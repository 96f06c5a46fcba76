//! Tables of `utils/replicaset/canary_test.go` of v1.9.1.

use super::canary::{BasicCanary, Scale, approximate, meets_threshold, routed_counts, step_below};
use super::*;
use crate::model::objects::CountOrPercent::{self, Count, Percent};
use crate::model::rollouts::{AbortScaleDown, TrafficRouting};
use crate::policy::controllers::deployment::resolve_fenceposts;

fn routing(scales_stable: bool, min_pods: Option<i32>) -> TrafficRouting {
    TrafficRouting {
        max_weight: 100,
        scales_stable,
        min_pods,
        scale_down_delay: SCALE_DOWN_DELAY,
        scale_down_revision_limit: None,
        abort_scale_down: AbortScaleDown::Default,
    }
}

fn canary(weights: &[i32], routing: Option<TrafficRouting>) -> CanaryStrategy {
    CanaryStrategy {
        steps: weights.iter().map(|weight| CanaryStep::SetWeight(*weight)).collect(),
        max_surge: Percent(25),
        max_unavailable: Percent(25),
        progress_threshold: None,
        routing,
        background: None,
    }
}

/// `TestCalculateReplicaCountsForCanary` without routers.
#[test]
fn sizes_without_a_router_are_upstreams() {
    type Row = (i32, i32, CountOrPercent, CountOrPercent, (i32, i32), (i32, i32), i32, (i32, i32));
    // Replicas, weight, surge, unavailable; size and available pods of stable and canary, size of others; stable, canary.
    #[rustfmt::skip]
    let rows: &[Row] = &[
        (10, 100, Count(3), Count(0), (7, 8), (6, 3), 0, (7, 6)),
        (10, 20, Count(2), Count(0), (10, 10), (0, 0), 0, (10, 2)),
        (10, 20, Percent(20), Count(0), (10, 10), (0, 0), 0, (10, 2)),
        (10, 20, Percent(20), Count(0), (10, 10), (2, 2), 0, (8, 2)),
        (10, 30, Count(2), Count(0), (10, 10), (0, 0), 0, (10, 2)),
        (10, 20, Count(0), Count(2), (10, 10), (0, 0), 0, (8, 0)),
        (10, 20, Count(0), Percent(20), (10, 10), (0, 0), 0, (8, 0)),
        (10, 30, Count(0), Count(2), (10, 10), (0, 0), 0, (8, 0)),
        (10, 50, Count(2), Count(1), (10, 10), (0, 0), 0, (9, 2)),
        (10, 0, Count(1), Count(1), (10, 10), (1, 1), 0, (10, 0)),
        (10, 100, Count(1), Count(1), (1, 1), (10, 10), 0, (0, 10)),
        (1, 20, Count(1), Count(0), (1, 1), (0, 0), 0, (1, 1)),
        (1, 90, Count(1), Count(0), (1, 1), (0, 0), 0, (1, 1)),
        (1, 49, Count(0), Count(1), (1, 1), (0, 0), 0, (1, 0)),
        (1, 51, Count(0), Count(1), (1, 1), (0, 0), 0, (0, 0)),
        (1, 51, Count(0), Count(1), (0, 0), (0, 0), 0, (0, 1)),
        (10, 30, Count(1), Count(0), (1, 1), (0, 0), 3, (7, 1)),
        (10, 30, Count(0), Count(3), (8, 5), (4, 4), 0, (7, 3)),
        (10, 100, Count(1), Count(0), (10, 2), (10, 8), 0, (2, 9)),
        (10, 30, Count(0), Count(1), (8, 6), (4, 2), 3, (8, 4)),
        (10, 5, Count(0), Count(1), (10, 10), (0, 0), 0, (9, 0)),
        (10, 5, Count(0), Count(1), (9, 9), (0, 0), 0, (9, 1)),
        (10, 10, Percent(0), Percent(0), (10, 10), (0, 0), 0, (9, 0)),
        (10, 20, Percent(20), Count(0), (10, 10), (0, 0), 0, (10, 2)),
        (4, 100, Count(1), Count(0), (4, 1), (0, 0), 0, (4, 1)),
        (3, 99, Count(0), Count(2), (3, 3), (0, 0), 0, (1, 0)),
        (3, 99, Count(0), Count(2), (1, 1), (0, 0), 0, (1, 2)),
        (4, 100, Count(1), Count(0), (4, 1), (1, 1), 0, (3, 1)),
        (4, 0, Count(1), Count(0), (0, 0), (4, 4), 0, (1, 4)),
        (4, 0, Count(1), Count(0), (1, 0), (4, 4), 0, (1, 4)),
        (4, 0, Count(1), Count(0), (1, 1), (4, 4), 0, (1, 3)),
        (4, 100, Count(4), Count(4), (4, 4), (0, 0), 0, (0, 4)),
        (4, 100, Count(3), Count(0), (4, 4), (0, 0), 0, (4, 3)),
    ];
    for row in rows {
        let &(replicas, weight, surge, unavailable, stable, new, others, expected) = row;
        let (max_surge, max_unavailable) = resolve_fenceposts(surge, unavailable, replicas);
        let scale = |(replicas, available)| Scale { replicas, available };
        let basic = BasicCanary {
            replicas,
            weight,
            max_surge,
            max_unavailable,
            canary: scale(new),
            stable: Some(scale(stable)),
            is_same: false,
            others,
        };
        let (canary, stable) = basic.counts();
        assert_eq!((stable, canary), expected, "{row:?}");
    }
}

/// `TestCalculateReplicaCountsForNewDeployment` and `TestCalculateReplicaCountsForCanaryStableRSdEdgeCases`: without a stable
/// ReplicaSet of its own there are no steps.
#[test]
fn the_first_release_has_no_steps() {
    for (new, stable, is_same) in [
        (Scale { replicas: 10, available: 0 }, Some(Scale { replicas: 10, available: 0 }), true),
        (Scale { replicas: 9, available: 9 }, None, false),
        (Scale { replicas: 9, available: 9 }, Some(Scale { replicas: 9, available: 9 }), true),
    ] {
        let basic = BasicCanary {
            replicas: 10,
            weight: 10,
            max_surge: 0,
            max_unavailable: 1,
            canary: new,
            stable,
            is_same,
            others: 0,
        };
        assert_eq!(basic.counts().0, 10, "{new:?} {stable:?}");
    }
}

/// `TestApproximateWeightedNewStableReplicaCounts`.
#[test]
fn weights_are_approximated_as_upstream() {
    // Replicas, weight, surge; canary and stable.
    #[rustfmt::skip]
    let rows: &[(i32, i32, i32, (i32, i32))] = &[
        (0, 0, 0, (0, 0)),
        (0, 50, 0, (0, 0)),
        (0, 100, 0, (0, 0)),
        (0, 0, 1, (0, 0)),
        (0, 50, 1, (0, 0)),
        (0, 100, 1, (0, 0)),
        (1, 0, 0, (0, 1)),
        (1, 1, 0, (0, 1)),
        (1, 49, 0, (0, 1)),
        (1, 50, 0, (1, 0)),
        (1, 99, 0, (1, 0)),
        (1, 100, 0, (1, 0)),
        (1, 0, 1, (0, 1)),
        (1, 1, 1, (1, 1)),
        (1, 49, 1, (1, 1)),
        (1, 50, 1, (1, 1)),
        (1, 99, 1, (1, 1)),
        (1, 100, 1, (1, 0)),
        (2, 0, 0, (0, 2)),
        (2, 1, 0, (1, 1)),
        (2, 50, 0, (1, 1)),
        (2, 99, 0, (1, 1)),
        (2, 100, 0, (2, 0)),
        (2, 0, 1, (0, 2)),
        (2, 1, 1, (1, 2)),
        (2, 50, 1, (1, 1)),
        (2, 99, 1, (2, 1)),
        (2, 100, 1, (2, 0)),
        (3, 10, 0, (1, 2)),
        (3, 25, 0, (1, 2)),
        (3, 33, 0, (1, 2)),
        (3, 34, 0, (1, 2)),
        (3, 49, 0, (1, 2)),
        (3, 50, 0, (2, 1)),
        (3, 10, 1, (1, 3)),
        (3, 25, 1, (1, 3)),
        (3, 33, 1, (1, 2)),
        (3, 34, 1, (1, 2)),
        (3, 49, 1, (2, 2)),
        (3, 50, 1, (2, 2)),
        (10, 0, 1, (0, 10)),
        (10, 1, 0, (1, 9)),
        (10, 14, 0, (1, 9)),
        (10, 15, 0, (2, 8)),
        (10, 16, 0, (2, 8)),
        (10, 99, 0, (9, 1)),
        (10, 100, 1, (10, 0)),
        (10, 0, 1, (0, 10)),
        (10, 1, 1, (1, 10)),
        (10, 18, 1, (2, 9)),
        (10, 19, 1, (2, 9)),
        (10, 20, 1, (2, 8)),
        (10, 23, 1, (2, 8)),
        (10, 24, 1, (3, 8)),
        (10, 25, 1, (3, 8)),
        (10, 99, 1, (10, 1)),
        (10, 100, 1, (10, 0)),
    ];
    for &(replicas, weight, surge, expected) in rows {
        assert_eq!(approximate(replicas, weight, 100, surge), expected, "{weight}% of {replicas} with {surge}");
    }
}

/// The rows of `TestCalculateReplicaCountsForCanary` with routers.
#[test]
fn sizes_with_a_router_follow_the_weight_or_the_step() {
    for (replicas, wanted, min_pods, expected) in [
        (10, Err(10), None, (1, 10)),
        (1, Ok(9), None, (9, 1)),
        (4, Err(200), None, (8, 4)),
        (10, Err(20), None, (2, 10)),
        // 5% of 10 are one pod, rounded up; there must be 2.
        (10, Err(5), Some(2), (2, 10)),
        (10, Err(0), Some(2), (0, 10)),
    ] {
        assert_eq!(routed_counts(&routing(false, min_pods), replicas, wanted, None, false), expected);
    }
}

/// `TestCalculateReplicaCountsForCanaryTrafficRoutingDynamicScale`: 10 replicas.
#[test]
fn the_stable_one_shrinks_and_grows_with_its_traffic() {
    let weights = |canary| Weights {
        canary,
        canary_template: RevisionId(1),
        stable: 100 - canary,
        stable_template: Some(RevisionId(0)),
    };
    // Weight that is wanted, weight that the router has, aborted; canary and stable.
    for (wanted, present, is_aborted, expected) in [
        (10, 10, false, (1, 9)),
        // More traffic is to come, and has not come yet.
        (20, 10, false, (2, 9)),
        (0, 20, true, (2, 10)),
        (0, 10, true, (1, 10)),
        // Back from 60% by a step of 20%.
        (20, 60, true, (6, 8)),
        (0, 60, true, (6, 10)),
    ] {
        let counts = routed_counts(&routing(true, None), 10, Err(wanted), Some(weights(present)), is_aborted);
        assert_eq!(counts, expected, "{wanted} {present} {is_aborted}");
    }
}

/// With steps of 20% and 60% of 10: 2 and 6 pods.
#[test]
fn an_abort_goes_back_step_by_step() {
    for (present, expected) in [(10, 60), (7, 60), (6, 20), (3, 20), (2, 0), (0, 0)] {
        assert_eq!(step_below(&canary(&[20, 60], Some(routing(true, None))), 10, present), expected, "{present}");
    }
}

#[test]
fn thresholds_are_met_as_upstream() {
    // Size, available, wanted: without a threshold all of them must be there, and no more.
    for (threshold, replicas, available, wanted, expected) in [
        (None, 4, 4, 4, true),
        (None, 5, 4, 4, false),
        (None, 4, 3, 4, false),
        // 7 of 10 are 70%.
        (Some(Percent(70)), 10, 7, 10, true),
        (Some(Percent(71)), 10, 7, 10, false),
        (Some(Percent(90)), 0, 0, 0, true),
        (Some(Count(3)), 10, 3, 10, true),
        (Some(Count(4)), 10, 3, 10, false),
    ] {
        let scale = Scale { replicas, available };
        assert_eq!(meets_threshold(threshold, scale, wanted), expected, "{threshold:?} {scale:?} {wanted}");
    }
}

/// What `kubectl argo rollouts promote` changes.
#[test]
fn a_promotion_ends_a_pause_or_a_step() {
    let spec = RolloutSpec {
        replicas: 1,
        min_ready: SimDuration::ZERO,
        progress_deadline: SimDuration(600_000_000_000),
        aborts_at_deadline: false,
        revision_history_limit: 10,
        rollback_window: None,
        is_paused: false,
        strategy: RolloutStrategy::Canary(canary(&[20, 60], None)),
    };
    let paused = |reason| RolloutStatus {
        pauses: vec![Pause { reason, started: SimTime::ZERO }],
        is_paused_by_controller: true,
        step: Some(1),
        current: Some(RevisionId(1)),
        stable: Some(RevisionId(0)),
        ..RolloutStatus::default()
    };
    let promoted = |mut status: RolloutStatus, fully| {
        status.promote(&spec, fully);
        (status.pauses.len(), status.is_paused_by_controller, status.step, status.promotes_fully)
    };
    // The controller sees that its pause is gone, and takes the step itself.
    assert_eq!(promoted(paused(PauseReason::CanaryPauseStep), false), (0, true, Some(1), false));
    // An inconclusive analysis is left behind with its step.
    assert_eq!(promoted(paused(PauseReason::InconclusiveAnalysisRun), false), (0, false, Some(2), false));
    let running = RolloutStatus { step: Some(0), ..RolloutStatus::default() };
    assert_eq!(promoted(running.clone(), false), (0, false, Some(1), false));
    // Nothing is released.
    assert_eq!(promoted(running, true), (0, false, Some(0), false));
    assert_eq!(promoted(paused(PauseReason::CanaryPauseStep), true), (1, true, Some(1), true));
}
