//! Upstream's cases: `simulator/drain_test.go` and those of the rules.

use super::*;

const NOW: SimTime = SimTime(100_000_000_000_000);

fn ago(seconds: u64) -> Option<SimTime> {
    Some(SimTime(NOW.0 - seconds * 1_000_000_000))
}

fn of(kind: ControllerKind) -> DrainPod<'static> {
    let controller = Controller { kind, is_of_apps: true, exists: Some(true), replicas: Some(5) };
    DrainPod { controller: Some(controller), namespace: "default", ..DrainPod::default() }
}

fn asked(pod: &DrainPod<'_>, options: &DrainOptions, allowed: &[i64]) -> Drainability {
    drainability(pod, options, &RemainingBudgets { allowed: allowed.to_vec() }, NOW)
}

#[test]
fn the_rules_table() {
    use Blocking::*;
    use Drainability::*;
    let replicated = of(ControllerKind::ReplicaSet);
    let bare = DrainPod { namespace: "default", ..DrainPod::default() };
    let system = DrainPod { namespace: "kube-system", ..replicated };
    let volumes = [Volume { name: "scratch".to_owned(), is_local: true }];
    let (safe, unsafe_name) = (["scratch".to_owned()], ["other".to_owned()]);
    let stored = DrainPod { volumes: &volumes, ..replicated };
    let gone =
        |kind| DrainPod { controller: of(kind).controller.map(|it| Controller { exists: Some(false), ..it }), ..bare };
    let yes = SafeToEvict::Yes;
    let no_grace = Some(SimDuration::ZERO);
    let table = [
        ("bare", bare, Blocked(NotReplicated)),
        ("replicated", replicated, Undefined),
        ("mirror of the system", DrainPod { is_mirror: true, namespace: "kube-system", ..bare }, Skip),
        ("of a DaemonSet", of(ControllerKind::DaemonSet), Ok),
        ("passes for one", DrainPod { is_daemon_by_annotation: true, ..of(ControllerKind::Other) }, Ok),
        ("of the system", system, Blocked(UnmovableKubeSystemPod)),
        ("for 59 minutes", DrainPod { created: ago(3540), ..system }, Blocked(UnmovableKubeSystemPod)),
        ("for an hour", DrainPod { created: ago(3600), ..system }, Blocked(UnmovableKubeSystemPod)),
        ("for 61 minutes", DrainPod { created: ago(3660), ..system }, Ok),
        ("of the system with a budget", DrainPod { budgets: &[1], ..system }, Undefined),
        ("with storage", stored, Blocked(LocalStorageRequested)),
        ("with storage that may go", DrainPod { safe_volumes: &safe, ..stored }, Undefined),
        (
            "with other storage that may go",
            DrainPod { safe_volumes: &unsafe_name, ..stored },
            Blocked(LocalStorageRequested),
        ),
        ("a tight budget", DrainPod { budgets: &[1, 0], ..replicated }, Blocked(NotEnoughPdb)),
        ("a loose budget", DrainPod { budgets: &[1], ..replicated }, Undefined),
        // Grace of 30 s and 30 s more.
        ("terminating for 90 s", DrainPod { deletion: ago(90), ..replicated }, Skip),
        ("terminating for 60 s", DrainPod { deletion: ago(60), ..replicated }, Undefined),
        ("without grace for 31 s", DrainPod { deletion: ago(31), grace: no_grace, ..replicated }, Skip),
        ("without a controller", gone(ControllerKind::ReplicaSet), Blocked(ControllerNotFound)),
        ("without a Job", gone(ControllerKind::Job), Blocked(ControllerNotFound)),
        ("without a DaemonSet", gone(ControllerKind::DaemonSet), Blocked(ControllerNotFound)),
        ("without another controller", gone(ControllerKind::Other), Blocked(NotReplicated)),
        ("failed", DrainPod { end: End::Failed, ..bare }, Ok),
        ("ended well, never again", DrainPod { end: End::Succeeded, restart_policy: RestartPolicy::Never, ..bare }, Ok),
        ("ended well, for now", DrainPod { end: End::Succeeded, ..bare }, Blocked(NotReplicated)),
        ("said to be safe", DrainPod { safe_to_evict: yes, ..bare }, Ok),
        ("of the system, said to be safe", DrainPod { safe_to_evict: yes, ..system }, Ok),
        ("with storage, said to be safe", DrainPod { safe_to_evict: yes, ..stored }, Ok),
        ("safe, but under a tight budget", DrainPod { safe_to_evict: yes, budgets: &[0], ..replicated }, Ok),
        (
            "said not to be",
            DrainPod { safe_to_evict: SafeToEvict::No, ..replicated },
            Blocked(NotSafeToEvictAnnotation),
        ),
        ("waited for", DrainPod { safe_to_evict: SafeToEvict::OnCompletion, ..bare }, WaitForCompletion),
    ];
    for (name, pod, expected) in table {
        assert_eq!(asked(&pod, &DrainOptions::default(), &[0, 1]), expected, "{name}");
    }
}

#[test]
fn rules_that_are_switched_off() {
    let volumes = [Volume { name: "scratch".to_owned(), is_local: true }];
    let all_off = DrainOptions {
        skip_nodes_with_system_pods: false,
        skip_nodes_with_local_storage: false,
        skip_nodes_with_custom_controller_pods: false,
        ..DrainOptions::default()
    };
    let system = DrainPod { namespace: "kube-system", volumes: &volumes, ..of(ControllerKind::Other) };
    assert_eq!(asked(&system, &all_off, &[]), Drainability::Undefined);
    let few = DrainOptions { min_replica_count: 6, ..DrainOptions::default() };
    let too_few = Drainability::Blocked(Blocking::MinReplicasReached);
    // Only these two kinds are asked how many replicas they want.
    for kind in [ControllerKind::ReplicaSet, ControllerKind::ReplicationController] {
        assert_eq!(asked(&of(kind), &few, &[]), too_few);
    }
    assert_eq!(asked(&of(ControllerKind::StatefulSet), &few, &[]), Drainability::Undefined);
}

#[test]
fn pods_are_parted_until_one_blocks() {
    let options = DrainOptions::default();
    let budgets = RemainingBudgets::default();
    let waiting = DrainPod { safe_to_evict: SafeToEvict::OnCompletion, ..of(ControllerKind::Job) };
    let pods = [of(ControllerKind::ReplicaSet), of(ControllerKind::DaemonSet), waiting];
    let numbered = |pods: &[DrainPod<'static>]| -> Vec<_> {
        pods.iter().enumerate().map(|(index, pod)| (PodId::from_index(index), *pod)).collect()
    };
    let expected = PodsToMove { pods: vec![PodId(0)], daemons: vec![PodId(1)], on_completion: vec![PodId(2)] };
    assert_eq!(pods_to_move(numbered(&pods), &options, &budgets, NOW), Ok(expected));
    let blocked = [pods[0], DrainPod::default(), pods[1]];
    assert_eq!(pods_to_move(numbered(&blocked), &options, &budgets, NOW), Err((PodId(1), Blocking::NotReplicated)));
}

#[test]
fn budgets_are_charged() {
    let mut budgets = RemainingBudgets { allowed: vec![2, 1] };
    let (both, first): (&[usize], &[usize]) = (&[0, 1], &[0]);
    assert_eq!(budgets.can_remove(&[both, first]), (true, true));
    assert_eq!(budgets.can_remove(&[both, both]), (true, false));
    budgets.remove(&[both, first]);
    assert_eq!(budgets.allowed, [0, 0]);
    assert_eq!(budgets.can_remove(&[first]), (false, false));
    assert_eq!(budgets.can_remove(&[&[]]), (true, true));
}
