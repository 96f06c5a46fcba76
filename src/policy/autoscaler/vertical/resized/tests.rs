use super::*;
use crate::model::{Resources, Usage};

const MIB: u64 = 1 << 20;

fn container(cpu: u64, memory_mib: u64, limits: Option<(u64, u64)>) -> Container {
    let usage = Usage {
        cpu_request: cpu,
        memory_request: memory_mib * MIB,
        cpu_limit: limits.map(|(cpu, _)| cpu),
        memory_limit: limits.map(|(_, memory)| memory * MIB),
        ..Usage::default()
    };
    Container { usage: Some(Box::new(usage)), ..crate::testkit::container("c") }
}

fn of(cpu: u64, memory_mib: u64) -> Amounts {
    Amounts::both(MilliCpu(cpu), Bytes(memory_mib * MIB))
}

fn life(inits: Vec<Container>, containers: Vec<Container>) -> PodLife {
    PodLife { init_containers: inits, containers, ..PodLife::default() }
}

fn class(cpu: u64, memory_mib: u64) -> PodClass {
    let requests = Resources { cpu: MilliCpu(cpu), memory: Bytes(memory_mib * MIB), pods: 1, ..Resources::default() };
    PodClass { requests, ..PodClass::default() }
}

#[test]
fn a_pod_requests_what_its_containers_do() {
    let sidecar = Container { is_sidecar: true, ..container(50, 64, None) };
    let init = container(600, 100, None);
    for (base, request, expected) in [
        // 100 m + 200 m of an overhead; the container gets 300 m more, 200 MiB more.
        ((life(vec![], vec![container(100, 100, None)]), class(300, 100)), of(400, 300), (600, 300)),
        // The init container's 600 m stand until the container needs more: max(600, 400), then max(600, 900).
        ((life(vec![init.clone()], vec![container(100, 100, None)]), class(600, 100)), of(400, 300), (600, 300)),
        ((life(vec![init.clone()], vec![container(100, 100, None)]), class(600, 100)), of(900, 50), (900, 100)),
        // A sidecar's 50 m and 64 MiB stay beside it, and beside the init container after it: max(650, 250).
        ((life(vec![sidecar, init], vec![container(100, 100, None)]), class(650, 164)), of(200, 200), (650, 264)),
    ] {
        let (base, class) = base;
        let own = ContainerResources { container: "c".to_owned(), requests: request, limits: Amounts::default() };
        let after = resized_life(&base, &[own]);
        let resized = resized_class(&class, &base, &after);
        assert_eq!((resized.requests.cpu.0, resized.requests.memory.0 / MIB), expected, "{request:?}");
        // Back again it is what it was, but for what scorers count, which is written down.
        let back = resized_class(&resized, &after, &base);
        assert_eq!(back.requests, class.requests);
        assert_eq!(scoring_request(&back), scoring_request(&class));
    }
}

#[test]
fn scorers_count_what_is_not_requested() {
    // 100 m and 200 MiB stand for the request of none; with a request of 30 m and 10 MiB these count.
    let base = life(vec![], vec![container(0, 0, None)]);
    let own = ContainerResources { container: "c".to_owned(), requests: of(30, 10), limits: Amounts::default() };
    let resized = resized_class(&class(0, 0), &base, &resized_life(&base, &[own]));
    assert_eq!(scoring_request(&class(0, 0)), (100, 200 * MIB));
    assert_eq!(scoring_request(&resized), (30, 10 * MIB));
}

#[test]
fn limits_and_quality_follow() {
    let base = life(vec![], vec![container(100, 100, Some((100, 100)))]);
    let mut limited = class(100, 100);
    limited.limits = Some(Resources { cpu: MilliCpu(100), memory: Bytes(100 * MIB), ..Resources::default() });
    for (limits, quality, cpu_limit) in
        [(of(300, 200), QualityOfService::Guaranteed, 300), (of(600, 200), QualityOfService::Burstable, 600)]
    {
        let own = ContainerResources { container: "c".to_owned(), requests: of(300, 200), limits };
        let after = resized_life(&base, std::slice::from_ref(&own));
        assert_eq!(after.containers[0].usage.as_ref().unwrap().quality, quality);
        assert_eq!(resources_of(&after), [own]);
        assert_eq!(resized_class(&limited, &base, &after).limits.unwrap().cpu.0, cpu_limit);
    }
}
