//! Small clusters, worked by hand.

use super::*;
use crate::model::devices::{
    Attribute, CounterSet, Counters, Device, DeviceCapacity, DeviceClass, DeviceConstraint, DeviceQuery, DeviceRequest,
    DeviceSelector, DeviceTaint, DeviceToleration, Devices, Reach, ResourceClaim, ResourceClaimTemplate, ResourceSlice,
};
use crate::model::pod_spec::{NodeSelectorTerm, PodResourceClaim};
use crate::policy::scheduler::kube::test_cluster::{Scene, TestCluster, node_term, pod_with};

const DRIVER: &str = "gpu.example.com";

/// A device from `name attribute=value ...`; a whole number is a number, all else text.
fn device(text: &str) -> Device {
    let mut words = text.split_whitespace();
    let name = words.next().expect("a name").to_owned();
    let attribute = |word: &str| {
        let (name, value) = word.split_once('=').expect("a value");
        let value = value.parse().map_or_else(|_| Attribute::Text(value.to_owned()), Attribute::Number);
        (name.to_owned(), value)
    };
    Device { name, attributes: words.map(attribute).collect(), ..Device::default() }
}

/// The devices of a node, in a pool of its own.
fn on(node: &str, devices: &[&str]) -> ResourceSlice {
    ResourceSlice {
        name: format!("slice-{node}"),
        driver: DRIVER.to_owned(),
        pool: node.to_owned(),
        generation: 1,
        slice_count: 1,
        reach: Reach::Node(node.to_owned()),
        devices: devices.iter().map(|text| device(text)).collect(),
        ..ResourceSlice::default()
    }
}

/// The slice, changed.
fn with(mut slice: ResourceSlice, change: impl FnOnce(&mut ResourceSlice)) -> ResourceSlice {
    change(&mut slice);
    slice
}

/// `count` devices of the class `gpu`; none: all.
fn query(count: Option<u64>) -> DeviceQuery {
    DeviceQuery { class: "gpu".to_owned(), count, ..DeviceQuery::default() }
}

/// A query with a selector.
fn selecting(count: u64, expression: &str) -> DeviceQuery {
    DeviceQuery { selectors: vec![DeviceSelector::new(expression).expect("an expression")], ..query(Some(count)) }
}

fn exactly(name: &str, query: DeviceQuery) -> DeviceRequest {
    DeviceRequest { name: name.to_owned(), alternatives: vec![query], is_prioritised: false }
}

fn first_of(name: &str, alternatives: &[(&str, DeviceQuery)]) -> DeviceRequest {
    let named = |(name, query): &(&str, DeviceQuery)| DeviceQuery { name: (*name).to_owned(), ..query.clone() };
    DeviceRequest {
        name: name.to_owned(),
        alternatives: alternatives.iter().map(named).collect(),
        is_prioritised: true,
    }
}

/// The claim `c`.
fn claim(requests: Vec<DeviceRequest>) -> ResourceClaim {
    let spec = ClaimSpec { requests, constraints: vec![] };
    ResourceClaim { namespace: "default".to_owned(), name: "c".to_owned(), spec, ..ResourceClaim::default() }
}

fn constrained(mut claim: ResourceClaim, attribute: &str, is_distinct: bool) -> ResourceClaim {
    let attribute = format!("{DRIVER}/{attribute}");
    claim.spec.constraints.push(DeviceConstraint { requests: vec![], attribute, is_distinct });
    claim
}

/// The claim, allocated before the run.
fn allocated(mut claim: ResourceClaim, device: (&str, &str), terms: Option<Vec<NodeSelectorTerm>>) -> ResourceClaim {
    let (pool, device) = (device.0.to_owned(), device.1.to_owned());
    let taken = crate::model::devices::AllocatedDevice {
        request: "r".to_owned(),
        driver: DRIVER.to_owned(),
        pool,
        device,
        ..Default::default()
    };
    claim.allocation = Some(Allocation { devices: vec![taken], node_selector: terms });
    claim
}

/// Nodes `a` in zone 1, `b` and `c` in zone 2, with these slices and claims, and a pod that uses the claims `names`.
fn scene(slices: Vec<ResourceSlice>, claims: Vec<ResourceClaim>, names: &[&str]) -> Scene {
    let mut cluster = TestCluster::new(&["a zone=1", "b zone=2", "c zone=2"]);
    let class = DeviceClass {
        name: "gpu".to_owned(),
        selectors: vec![DeviceSelector::new("device.driver == 'gpu.example.com'").expect("an expression")],
        extended_resource: None,
    };
    cluster.model.objects.devices = Devices::new(vec![class], slices, claims, vec![]);
    let claim =
        |name: &&str| PodResourceClaim { name: "x".to_owned(), claim: Some((*name).to_owned()), template: None };
    cluster.scene(&pod_with("", |class| class.spec.resource_claims = names.iter().map(claim).collect()))
}

/// What each node comes to: the devices as `request=pool/device`, or the reason.
fn outcomes(scene: &Scene) -> Vec<String> {
    let cycle = scene.cycle();
    let filter = match DynamicResources.pre_filter(&cycle) {
        PreFilter::Skip => return vec!["skip".to_owned()],
        PreFilter::Reject(rejection) => return vec![rejection.message()],
        PreFilter::Run { filter, .. } => filter,
    };
    let outcome = |&node: &NodeId| match filter.filter(&NodeInfo::new(cycle.view, node)) {
        Err(rejection) => rejection.message(),
        Ok(()) => {
            let found = allocate(cycle.view, scene.incoming(), node);
            let devices = found.iter().filter_map(|(_, allocation)| allocation.as_ref()).flat_map(|it| &it.devices);
            let words: Vec<String> = devices.map(|it| format!("{}={}/{}", it.request, it.pool, it.device)).collect();
            words.join(" ")
        }
    };
    scene.nodes.iter().map(outcome).collect()
}

const NO: &str = "cannot allocate all claims";

#[test]
fn the_first_devices_that_will_do_are_taken() {
    let slices = || {
        vec![
            on("a", &["g0 model=x socket=0", "g1 model=y socket=0", "g2 model=y socket=1", "g3 model=x socket=1"]),
            on("b", &["g0 model=y socket=0", "g1 model=y socket=1"]),
        ]
    };
    let y = "device.attributes['gpu.example.com'].model == 'y'";
    let x = "device.attributes['gpu.example.com'].model == 'x'";
    for (what, claim, expected) in [
        ("one", claim(vec![exactly("r", query(Some(1)))]), ["r=a/g0", "r=b/g0", NO]),
        ("three", claim(vec![exactly("r", query(Some(3)))]), ["r=a/g0 r=a/g1 r=a/g2", NO, NO]),
        ("selected", claim(vec![exactly("r", selecting(2, y))]), ["r=a/g1 r=a/g2", "r=b/g0 r=b/g1", NO]),
        (
            // The first request takes g0 and has to give it back, because the second one has only x to choose from on a,
            // of which it wants both.
            "backtracking",
            claim(vec![exactly("r", query(Some(1))), exactly("s", selecting(2, x))]),
            ["r=a/g1 s=a/g0 s=a/g3", NO, NO],
        ),
        ("all", claim(vec![exactly("r", query(None))]), ["r=a/g0 r=a/g1 r=a/g2 r=a/g3", "r=b/g0 r=b/g1", NO]),
        (
            // Two of one model: g0 with g3, since g1 and g2 differ from it.
            "equal models",
            constrained(claim(vec![exactly("r", query(Some(2)))]), "model", false),
            ["r=a/g0 r=a/g3", "r=b/g0 r=b/g1", NO],
        ),
        (
            "different sockets",
            constrained(claim(vec![exactly("r", query(Some(2)))]), "socket", true),
            ["r=a/g0 r=a/g2", "r=b/g0 r=b/g1", NO],
        ),
        (
            "an attribute that nobody has",
            constrained(claim(vec![exactly("r", query(Some(1)))]), "absent", false),
            [NO, NO, NO],
        ),
        (
            "the second choice",
            claim(vec![first_of("r", &[("three", query(Some(3))), ("two", selecting(2, y))])]),
            ["r/three=a/g0 r/three=a/g1 r/three=a/g2", "r/two=b/g0 r/two=b/g1", NO],
        ),
    ] {
        assert_eq!(outcomes(&scene(slices(), vec![claim], &["c"])), expected, "{what}");
    }
}

/// A slice whose devices have each a reach of its own.
fn each_reaches(pool: &str, devices: &[(&str, Reach)]) -> ResourceSlice {
    let names: Vec<&str> = devices.iter().map(|(name, _)| *name).collect();
    with(on(pool, &names), |slice| {
        slice.reach = Reach::PerDevice;
        for (device, (_, reach)) in slice.devices.iter_mut().zip(devices) {
            device.reach = reach.clone();
        }
    })
}

#[test]
fn pools_are_looked_at_as_wholes() {
    let one = || claim(vec![exactly("r", query(Some(1)))]);
    let all = || claim(vec![exactly("r", query(None))]);
    let zone_2 = || Reach::Selected(vec![node_term("zone=2")]);
    let shared = |reach: Reach| with(on("shared", &["n0"]), |slice| slice.reach = reach);
    let updated = |resource: &str| {
        format!("claim default/c, request r: asks for all devices, but resource pool {DRIVER}/{resource}")
    };
    let incomplete = || with(on("a", &["g0"]), |slice| slice.slice_count = 2);
    let second = |slice: ResourceSlice| with(slice, |slice| slice.name.push('2'));
    for (what, slices, claim, expected) in [
        ("everywhere", vec![shared(Reach::AllNodes)], one(), ["r=shared/n0"; 3].map(str::to_owned)),
        ("a zone", vec![shared(zone_2())], one(), [NO, "r=shared/n0", "r=shared/n0"].map(str::to_owned)),
        (
            // Of two slices that the pool should have, one is there.
            "incomplete",
            vec![incomplete()],
            one(),
            [NO; 3].map(str::to_owned),
        ),
        (
            "all of an incomplete pool",
            vec![incomplete()],
            all(),
            [format!("{} is currently being updated", updated("a")), NO.to_owned(), NO.to_owned()],
        ),
        (
            "the newer generation",
            vec![on("a", &["g0"]), second(with(on("a", &["g1"]), |slice| slice.generation = 2))],
            one(),
            ["r=a/g1", NO, NO].map(str::to_owned),
        ),
        (
            "two devices of one name",
            vec![with(on("a", &["g0", "g0"]), |_| {})],
            one(),
            ["invalid resource pools were encountered", NO, NO].map(str::to_owned),
        ),
        (
            // Pools in order of name, not of slices.
            "order of pools",
            vec![on("a", &["g0"]), with(shared(Reach::AllNodes), |slice| "0".clone_into(&mut slice.pool))],
            one(),
            ["r=0/n0"; 3].map(str::to_owned),
        ),
        (
            // Those that wait for conditions come last.
            "binding conditions",
            vec![
                on("a", &["g0"]),
                with(shared(Reach::AllNodes), |slice| {
                    "0".clone_into(&mut slice.pool);
                    slice.devices[0].has_binding_conditions = true;
                }),
            ],
            one(),
            ["r=a/g0", "r=0/n0", "r=0/n0"].map(str::to_owned),
        ),
        (
            "each device for itself",
            vec![each_reaches("a", &[("g0", Reach::Node("b".to_owned())), ("g1", zone_2())])],
            one(),
            [NO, "r=a/g0", "r=a/g1"].map(str::to_owned),
        ),
    ] {
        assert_eq!(outcomes(&scene(slices, vec![claim], &["c"])), expected, "{what}");
    }
}

#[test]
fn taints_keep_claims_away_that_do_not_tolerate_them() {
    let tainted = |effect: &str| {
        let taint = DeviceTaint { key: "sick".to_owned(), value: "yes".to_owned(), effect: effect.to_owned() };
        with(on("a", &["g0", "g1"]), |slice| slice.devices[0].taints = vec![taint])
    };
    let tolerating = |key: &str, value: Option<&str>, effect: &str| {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        vec![DeviceToleration { key, value, effect: effect.to_owned() }]
    };
    for (effect, tolerations, expected) in [
        ("NoSchedule", vec![], "r=a/g1"),
        ("NoExecute", vec![], "r=a/g1"),
        ("None", vec![], "r=a/g0"),
        ("NoSchedule", tolerating("", None, ""), "r=a/g0"),
        ("NoSchedule", tolerating("sick", Some("yes"), "NoSchedule"), "r=a/g0"),
        ("NoSchedule", tolerating("sick", Some("no"), ""), "r=a/g1"),
        ("NoSchedule", tolerating("sick", None, "NoExecute"), "r=a/g1"),
    ] {
        let query = DeviceQuery { tolerations: tolerations.clone(), ..query(Some(1)) };
        let scene = scene(vec![tainted(effect)], vec![claim(vec![exactly("r", query)])], &["c"]);
        assert_eq!(outcomes(&scene)[0], expected, "{effect} {tolerations:?}");
    }
}

#[test]
fn allocated_claims_hold_their_devices_and_their_nodes() {
    let slices = || vec![on("a", &["g0"]), on("b", &["g0"])];
    let other = |claim: ResourceClaim| ResourceClaim { name: "other".to_owned(), ..claim };
    let one = || claim(vec![exactly("r", query(Some(1)))]);
    let looking = || claim(vec![exactly("r", DeviceQuery { has_admin_access: true, ..query(Some(1)) })]);
    let taken = || other(allocated(one(), ("a", "g0"), None));
    let away = "resourceclaim not available on the node";
    for (what, claims, names, expected) in [
        ("taken by another", vec![one(), taken()], &["c"][..], vec![NO, "r=b/g0", NO]),
        ("only looked at", vec![looking(), taken()], &["c"], vec!["r=a/g0", "r=b/g0", NO]),
        ("two claims of one pod", vec![one(), other(one())], &["c", "other"], vec![NO; 3]),
        (
            "reached from zone 2",
            vec![allocated(one(), ("b", "g0"), Some(vec![node_term("zone=2")]))],
            &["c"],
            vec![away, "", ""],
        ),
        ("shared by pods", vec![allocated(one(), ("b", "g0"), None)], &["c"], vec!["", "", ""]),
        ("missing", vec![], &["c"], vec!["could not find ResourceClaim \"default/c\""]),
        (
            "deleted",
            vec![ResourceClaim { is_deleting: true, ..one() }],
            &["c"],
            vec!["resourceclaim \"c\" is being deleted"],
        ),
        (
            "no class",
            vec![claim(vec![exactly("r", DeviceQuery { class: "fpga".to_owned(), ..query(Some(1)) })])],
            &["c"],
            vec!["request r: device class fpga does not exist"],
        ),
        ("no claims", vec![], &[], vec!["skip"]),
    ] {
        assert_eq!(outcomes(&scene(slices(), claims, names)), expected, "{what}");
    }
}

#[test]
fn devices_share_counters_and_capacities() {
    let counters = |milli: i128| {
        vec![CounterSet { name: "die".to_owned(), counters: Counters::from([("slots".to_owned(), milli)]) }]
    };
    // Two thirds, one third and the whole of a die with 3 slots; the counters stand in a slice of their own.
    let partitioned = || {
        let die = with(on("a", &[]), |slice| {
            slice.name.push('0');
            slice.slice_count = 2;
            slice.shared_counters = counters(3000);
        });
        let parts = with(on("a", &["large", "small", "whole"]), |slice| {
            slice.slice_count = 2;
            for (device, slots) in slice.devices.iter_mut().zip([2000, 1000, 3000]) {
                device.consumes = counters(slots);
            }
        });
        vec![die, parts]
    };
    let other = |claim: ResourceClaim| ResourceClaim { name: "other".to_owned(), ..claim };
    let some = |count| claim(vec![exactly("r", query(Some(count)))]);
    for (what, claims, expected) in [
        ("two parts", vec![some(2)], "r=a/large r=a/small"),
        ("three parts", vec![some(3)], NO),
        // Of 3 slots 1 is taken: 2 are left for the large part, and none for the whole.
        ("beside another", vec![some(1), other(allocated(some(1), ("a", "small"), None))], "r=a/large"),
        ("after the whole", vec![some(1), other(allocated(some(1), ("a", "whole"), None))], NO),
    ] {
        assert_eq!(outcomes(&scene(partitioned(), claims, &["c"]))[0], expected, "{what}");
    }
    // 10 units that claims share: 4 and 6 fit, 4 and 7 do not.
    let shared = || {
        with(on("a", &["g0"]), |slice| {
            slice.devices[0].allows_multiple_allocations = true;
            slice.devices[0].capacity.insert("memory".to_owned(), DeviceCapacity { milli: 10_000, policy: None });
        })
    };
    let taking =
        |units: i128| DeviceQuery { capacity: Counters::from([("memory".to_owned(), units * 1000)]), ..query(Some(1)) };
    for (second, expected) in [(6, "r=a/g0 s=a/g0"), (7, NO)] {
        let claim = claim(vec![exactly("r", taking(4)), exactly("s", taking(second))]);
        assert_eq!(outcomes(&scene(vec![shared()], vec![claim], &["c"]))[0], expected, "{second} units");
    }
}

#[test]
fn the_score_prefers_first_choices() {
    let slices = vec![on("a", &["g0", "g1"]), on("b", &["g0"]), on("c", &["g0", "g1"])];
    let choice = first_of("r", &[("two", query(Some(2))), ("one", query(Some(1)))]);
    let scene = scene(slices, vec![claim(vec![choice])], &["c"]);
    // The first of a list is worth 8, the second 7; 100 x 7 / 8 = 87.5, rounded down.
    let scores = scene.scores(NAME, &[0, 1, 2]);
    assert_eq!(scores.raw, Some(vec![8, 7, 8]));
    assert_eq!(scores.normalised, vec![100, 87, 100]);
}

#[test]
fn claims_come_and_go_with_their_pods() {
    let mut cluster = TestCluster::new(&["a"]);
    let class = DeviceClass { name: "gpu".to_owned(), ..DeviceClass::default() };
    let spec = claim(vec![exactly("r", query(Some(1)))]).spec;
    let template = ResourceClaimTemplate { namespace: "default".to_owned(), name: "t".to_owned(), spec };
    let named = claim(vec![exactly("r", query(Some(1)))]);
    cluster.model.objects.devices =
        Devices::new(vec![class], vec![on("a", &["g0", "g1"])], vec![named], vec![template]);
    let wanted = |claim: Option<&str>, template: Option<&str>| PodResourceClaim {
        name: "x".to_owned(),
        claim: claim.map(str::to_owned),
        template: template.map(str::to_owned),
    };
    let pod = pod_with("", |class| class.spec.resource_claims = vec![wanted(Some("c"), None), wanted(None, Some("t"))]);
    let mut scene = cluster.place(&pod, &[0]).scene(&pod);
    let take = |scene: &mut Scene, pod: PodId| {
        let claims = allocate(View { model: &scene.model, world: &scene.world }, pod, NodeId(0));
        scene.world.claims.take(pod, claims);
        scene.world.claims.check()
    };
    let (first, second) = (PodId(0), scene.incoming());
    // The named claim has g0 and the pod's own g1: the second pod shares the first one and has none of its own.
    assert_eq!(take(&mut scene, first), Ok(()));
    assert_eq!(outcomes(&scene), [NO]);
    scene.world.claims.give_back(first);
    assert_eq!(scene.world.claims.check(), Ok(()));
    assert_eq!(outcomes(&scene), ["r=a/g0 r=a/g1"]);
    assert_eq!(take(&mut scene, second), Ok(()));
    assert_eq!(scene.world.claims.allocation(ClaimKey::OfPod(second, 1)).map(|it| it.devices.len()), Some(1));
}
