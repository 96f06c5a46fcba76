//! The contract, held against every row of the tables of schedulers and queue orders.
//!
//! A scheduler is driven through random placements, releases, additions, cordons and removals, and each decision is
//! judged by an oracle that knows nothing of indexes: it recomputes from the pods on each node what is left there. A
//! policy without memory must also agree with a fresh copy of itself, and its choice must win a duel against each
//! other node that fits; a scored policy must decide as a scan of all nodes would. Broken policies, the canaries, show
//! that the judge sees what it should.

use std::collections::BTreeSet;

use crate::ids::{ClassId, NodeId, PodId};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::{GpuRequest, Model, ShapeId, TaintEffect};
use crate::policy::queue::QUEUE_ORDERS;
use crate::policy::scheduler::oracle::oracle;
use crate::policy::scheduler::{Decision, Placement, SCHEDULERS, Scheduler, SchedulerRow, filter, gpus};
use crate::rng::Stream;
use crate::testkit::{Fixture, SEED, cluster, nodes_chosen, policy, step, world_with};
use crate::world::nodes::mask_devices;
use crate::world::{GpuMask, NodeState, Phase, View, World};

/// Policies whose answer depends on their earlier ones. All others must give the answer that a fresh copy gives.
const WITH_MEMORY: [&str; 4] = ["kube-scheduler", "next-fit", "round-robin", "random"];

/// A pod that is there already: class, node, devices.
type Placed = (u32, u32, GpuMask);

/// Makes a scheduler for a model.
type Make<'a> = dyn Fn(&Model) -> Box<dyn Scheduler> + 'a;

fn make(row: &SchedulerRow) -> impl Fn(&Model) -> Box<dyn Scheduler> {
    let row = *row;
    move |model| row.build(&serde_json::json!({}), model, SEED).expect("the defaults are valid")
}

/// Milli-GPU left on each device, from the pods alone.
fn naive_gpu_left(model: &Model, world: &World, node: NodeId) -> Vec<u16> {
    let shape = model.cluster.shape(world.nodes.shape[node.index()]);
    let mut left = vec![1000; shape.gpu.map_or(0, |gpu| gpu.count as usize)];
    for pod in (0..world.pods.len()).map(PodId::from_index).filter(|&pod| world.pods.node(pod) == Some(node)) {
        if let Some(request) = &model.workload.class(world.pods.class[pod.index()]).gpu {
            mask_devices(world.pods.gpus(pod)).for_each(|device| left[device] -= request.milli);
        }
    }
    left
}

/// Whether a pod of `class` fits on `node`, from the pods alone.
fn naive_fits(model: &Model, world: &World, class: ClassId, node: NodeId) -> bool {
    let (shape, class) = (model.cluster.shape(world.nodes.shape[node.index()]), model.workload.class(class));
    let on_node = (0..world.pods.len()).map(PodId::from_index).filter(|&pod| world.pods.node(pod) == Some(node));
    let mut taken = vec![class.requests.clone()];
    taken.extend(on_node.map(|pod| model.workload.class(world.pods.class[pod.index()]).requests.clone()));
    let (offered, sum) =
        (&shape.allocatable, |of: &dyn Fn(&crate::model::Resources) -> u64| -> u64 { taken.iter().map(of).sum() });
    let resources = sum(&|r| r.cpu.0) <= offered.cpu.0
        && sum(&|r| r.memory.0) <= offered.memory.0
        && sum(&|r| r.ephemeral_storage.0) <= offered.ephemeral_storage.0
        && sum(&|r| r.pods) <= offered.pods
        && sum(&|r| r.extended(0)) <= offered.extended(0);
    let selected = class.node_selector.iter().all(|label| match label.key.as_str() {
        HOSTNAME_LABEL => world.nodes.name(node) == label.value,
        _ => shape.labels.contains(label),
    });
    // Every toleration of these tests is by key, with operator `Exists`.
    let tolerated = shape.taints.iter().all(|taint| {
        taint.effect == TaintEffect::PreferNoSchedule || class.tolerations.iter().any(|t| t.key == taint.key)
    });
    let gpus = class.gpu.as_ref().is_none_or(|request| {
        let left = naive_gpu_left(model, world, node);
        let model_fits = shape.gpu.is_some_and(|gpu| request.models.is_empty() || request.models.contains(&gpu.model));
        model_fits && left.iter().filter(|&&left| left >= request.milli).count() >= request.count as usize
    });
    world.nodes.state[node.index()] == NodeState::Ready && resources && selected && tolerated && gpus
}

fn naive_feasible(model: &Model, world: &World, class: ClassId) -> Vec<NodeId> {
    let nodes = (0..world.nodes.len()).map(NodeId::from_index);
    nodes.filter(|&node| naive_fits(model, world, class, node)).collect()
}

/// What every scheduler promises about one decision.
fn judge(model: &Model, world: &World, class: ClassId, decision: Decision) -> Result<(), String> {
    let feasible = naive_feasible(model, world, class);
    let placement = match decision {
        Decision::Place(placement) => placement,
        Decision::Unschedulable if feasible.is_empty() => return Ok(()),
        Decision::Unschedulable => return Err(format!("refused, but {feasible:?} fit")),
    };
    if !feasible.contains(&placement.node) {
        return Err(format!("infeasible: {:?} instead of one of {feasible:?}", placement.node));
    }
    if placement.feasible as usize != feasible.len() {
        return Err(format!("counts {} nodes that fit instead of {}", placement.feasible, feasible.len()));
    }
    if placement.ties == 0 || placement.ties > placement.feasible {
        return Err(format!("{} of {} nodes are tied", placement.ties, placement.feasible));
    }
    let left = naive_gpu_left(model, world, placement.node);
    let devices: Vec<usize> = mask_devices(placement.gpus).collect();
    let request = model.workload.class(class).gpu.clone().unwrap_or(GpuRequest { count: 0, milli: 0, models: vec![] });
    if devices.len() != request.count as usize {
        return Err(format!("takes {} GPUs instead of {}", devices.len(), request.count));
    }
    match devices.iter().find(|&&device| left.get(device).is_none_or(|&left| left < request.milli)) {
        Some(device) => Err(format!("GPU {device} has too little left of {left:?}")),
        None => Ok(()),
    }
}

/// What a policy without memory promises beside: a fresh copy agrees, and the choice beats each other node that fits
/// when the two are alone, of equals the lower id.
fn duel(make: &Make<'_>, model: &Model, world: &World, class: ClassId, decision: Decision) -> Result<(), String> {
    let fresh = make(model).decide(&View { model, world }, class);
    if fresh != decision {
        return Err(format!("stale: {decision:?} where a fresh copy says {fresh:?}"));
    }
    let Decision::Place(placement) = decision else { return Ok(()) };
    let feasible = naive_feasible(model, world, class);
    let mut ties = 1;
    for &other in feasible.iter().filter(|&&node| node != placement.node) {
        let mut alone = world.clone();
        for &node in feasible.iter().filter(|&&node| node != placement.node && node != other) {
            alone.set_node_state(node, NodeState::Cordoned);
        }
        let Decision::Place(winner) = make(model).decide(&View { model, world: &alone }, class) else {
            return Err("refused in a duel".to_owned());
        };
        if winner.node != placement.node {
            return Err(format!("{:?} loses against {other:?} alone", placement.node));
        }
        if winner.ties == 2 && other < placement.node {
            return Err(format!("of equals {:?} is not the lowest: {other:?} is", placement.node));
        }
        ties += winner.ties - 1;
    }
    if ties != placement.ties {
        return Err(format!("{} nodes are said to be tied, but {ties} are", placement.ties));
    }
    Ok(())
}

/// A cluster with a bit of everything, and with a node so large that scores of the FGD study fall below 0 there.
fn zoo() -> Fixture {
    with_pods(zoo_nodes(cluster()))
}

/// Nodes with a bit of everything.
fn zoo_nodes(before: Fixture) -> Fixture {
    before
        .node("plain")
        .cpu(8000)
        .memory_mib(8192)
        .times(2)
        .node("gpu")
        .cpu(16_000)
        .memory_mib(16_384)
        .gpus("T4", 2)
        .label("disk", "ssd")
        .times(2)
        .node("big")
        .cpu(64_000)
        .memory_mib(65_536)
        .gpus("A100", 8)
        .fpga(2)
        .taint("dedicated")
        .node("huge")
        .cpu(256_000)
        .memory_mib(65_536)
        .gpus("A100", 16)
        .taint("dedicated")
        .node("thin")
        .cpu(4000)
        .memory_mib(0)
        .slots(3)
        .storage_mib(10)
        .node("cordoned")
        .cordoned()
}

/// Pods with a bit of everything.
fn with_pods(nodes: Fixture) -> Fixture {
    nodes
        .pod("bare")
        .pod("cpu")
        .cpu(1500)
        .pod("balanced")
        .cpu(1000)
        .memory_mib(1024)
        .priority(7)
        .pod("memory")
        .memory_mib(5000)
        .storage_mib(20)
        .pod("large")
        .cpu(7000)
        .memory_mib(7000)
        .pod("share")
        .cpu(500)
        .gpu(1, 300)
        .pod("half")
        .cpu(500)
        .memory_mib(100)
        .gpu(1, 500)
        .gpu_spec("T4")
        .gpu_spec("A100")
        .tolerates("dedicated")
        .pod("whole")
        .cpu(2000)
        .gpu(1, 1000)
        .pod("eight")
        .cpu(2000)
        .gpu(8, 1000)
        .tolerates("dedicated")
        .pod("two")
        .cpu(2000)
        .gpu(2, 1000)
        .gpu_spec("A100")
        .tolerates("dedicated")
        .pod("shares")
        .cpu(100)
        .gpu(2, 400)
        .pod("ssd")
        .cpu(1000)
        .selects("disk", "ssd")
        .pod("fpga")
        .cpu(1000)
        .fpga(1)
        .tolerates("dedicated")
        .pod("named")
        .selects(HOSTNAME_LABEL, "plain-1")
        .pod("impossible")
        .cpu(1_000_000)
}

/// One step of a storm other than a decision.
fn disturb(stream: &mut Stream, model: &Model, world: &mut World) {
    let node = NodeId::from_index(stream.below(world.nodes.len() as u64) as usize);
    let state = world.nodes.state[node.index()];
    match stream.below(10) {
        0 if !(12..1000).contains(&world.nodes.len()) => {
            let shape = ShapeId(stream.below(model.cluster.shapes.len() as u64) as u32);
            let name = format!("added-{}", world.nodes.len());
            world.add_node(model, &name, shape);
        }
        1 if state == NodeState::Ready => world.set_node_state(node, NodeState::Cordoned),
        1 | 2 if state == NodeState::Cordoned => world.set_node_state(node, NodeState::Ready),
        3 if state.is_up() && world.nodes.pod_count[node.index()] == 0 && world.nodes.len() > 8 => {
            world.set_node_state(node, NodeState::Removed);
        }
        _ => {
            let pods = (0..world.pods.len()).map(PodId::from_index);
            let placed: Vec<PodId> = pods.filter(|&pod| world.pods.node(pod).is_some()).collect();
            if !placed.is_empty() {
                let pod = placed[stream.below(placed.len() as u64) as usize];
                world.set_phase(pod, Phase::Succeeded);
                world.release(model.workload.class(world.pods.class[pod.index()]), pod);
            }
        }
    }
}

/// Drives a scheduler through `steps` random steps and judges every decision; the decisions in order.
fn storm(make: &Make<'_>, memory: bool, model: &Model, entity: u64, steps: u32) -> Result<Vec<Decision>, String> {
    let (mut stream, mut world) = (SEED.stream("test/storm", entity), World::new(model));
    let mut scheduler = make(model);
    let mut decisions = Vec::new();
    for at in 0..steps {
        if stream.below(3) == 0 {
            disturb(&mut stream, model, &mut world);
        } else {
            let class = ClassId(stream.below(model.workload.classes.len() as u64) as u32);
            let decision = scheduler.decide(&View { model, world: &world }, class);
            let fail = |why| format!("storm {entity}, step {at}, class {}: {why}", class.0);
            judge(model, &world, class, decision).map_err(fail)?;
            if !memory && stream.below(4) == 0 {
                duel(make, model, &world, class, decision).map_err(fail)?;
            }
            if let Decision::Place(placement) = decision {
                let pod = world.arrive((0, 0), class, u64::MAX);
                world.place(model.workload.class(class), pod, placement.node, placement.gpus);
                world.set_phase(pod, Phase::Running);
            }
            decisions.push(decision);
        }
        world.check(model).map_err(|why| format!("storm {entity}, step {at}: {why}"))?;
    }
    Ok(decisions)
}

#[test]
fn every_scheduler_keeps_the_contract_in_storms() {
    let model = zoo().model();
    for row in SCHEDULERS {
        for entity in 0..40 {
            let memory = WITH_MEMORY.contains(&row.name);
            let decisions = storm(&make(row), memory, &model, entity, 200);
            let decisions = decisions.unwrap_or_else(|why| panic!("{}: {why}", row.name));
            let placed = decisions.iter().filter(|decision| matches!(decision, Decision::Place(_))).count();
            assert!(placed > 20 && placed < decisions.len(), "{}: the storm tests both outcomes", row.name);
        }
    }
}

/// Drives a scheduler through random steps and compares each decision with the oracle's. Most decisions of a stretch
/// are about one class, so that caches settle on it.
fn compare_with_oracle(row: &SchedulerRow, model: &Model, entity: u64, steps: u64) {
    let (mut stream, mut world) = (SEED.stream("test/oracle", entity), World::new(model));
    let (mut fast, mut slow) = (make(row)(model), oracle(row.name, model).expect("it has an oracle"));
    let any_class = |stream: &mut Stream| ClassId(stream.below(model.workload.classes.len() as u64) as u32);
    let mut favourite = ClassId(0);
    for at in 0..steps {
        if at % 60 == 0 {
            favourite = any_class(&mut stream);
        }
        if stream.below(4) == 0 {
            disturb(&mut stream, model, &mut world);
        }
        let class = if stream.below(8) == 0 { any_class(&mut stream) } else { favourite };
        let expected = slow.decide(&View { model, world: &world }, class);
        let decision = step(&mut *fast, model, &mut world, class);
        assert_eq!(decision, expected, "{}, storm {entity}, step {at}, class {}", row.name, class.0);
        if matches!(decision, Decision::Place(_)) {
            world.set_phase(PodId::from_index(world.pods.len() - 1), Phase::Running);
        }
    }
}

#[test]
fn every_scored_policy_decides_as_a_plain_scan_would() {
    let small = zoo().model();
    // More nodes than one block of any dense pass, and enough for every kind of index to pay.
    let large = with_pods((0..260).fold(cluster(), |nodes, _| zoo_nodes(nodes))).model();
    for row in SCHEDULERS {
        if oracle(row.name, &small).is_none() {
            assert!(row.name == "first-fit" || WITH_MEMORY.contains(&row.name), "{} has no oracle", row.name);
            continue;
        }
        for entity in 0..20 {
            compare_with_oracle(row, &small, entity, 300);
        }
        compare_with_oracle(row, &large, 100, 400);
    }
}

#[test]
fn a_class_that_was_away_for_long_finds_its_way() {
    let model = zoo().model();
    for row in SCHEDULERS.iter().filter(|row| !WITH_MEMORY.contains(&row.name)) {
        let (mut stream, mut world) = (SEED.stream("test/away", 0), World::new(&model));
        let mut scheduler = make(row)(&model);
        for round in 0..3 {
            for class in 0..model.workload.classes.len() as u32 {
                let decision = scheduler.decide(&View { model: &model, world: &world }, ClassId(class));
                let judged = judge(&model, &world, ClassId(class), decision)
                    .and_then(|()| duel(&make(row), &model, &world, ClassId(class), decision));
                judged.unwrap_or_else(|why| panic!("{}, round {round}, class {class}: {why}", row.name));
            }
            // More changes than the log of changes remembers, and then a few.
            for _ in 0..[2000, 3, 0][round] {
                disturb(&mut stream, &model, &mut world);
                step(&mut *policy("first-fit", &model), &model, &mut world, ClassId(stream.below(15) as u32));
                world.set_phase(PodId::from_index(world.pods.len() - 1), Phase::Running);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_decisions_and_template_names_do_not_matter() {
    let model = zoo().model();
    let mut renamed = model.clone();
    for (i, class) in renamed.workload.classes.iter_mut().enumerate() {
        class.template = format!("template-{}", 99 - i);
    }
    for row in SCHEDULERS {
        let decisions = |model| storm(&make(row), true, model, 99, 300).expect("the contract holds");
        let first = decisions(&model);
        assert_eq!(first, decisions(&model), "{}", row.name);
        assert_eq!(first, decisions(&renamed), "{}", row.name);
    }
}

#[test]
fn every_scheduler_finds_the_only_node_that_fits() {
    let two = || cluster().node("a").cpu(4000).gpus("T4", 2).node("b").cpu(4000).gpus("A100", 2);
    // A fixture, pods placed before (class, node, devices), and where a pod of class 0 must go.
    let cases: Vec<(&str, Fixture, &[Placed], Option<u32>)> = vec![
        ("no nodes", cluster().pod("p").cpu(1000), &[], None),
        ("one node", cluster().node("a").pod("p").cpu(1000), &[], Some(0)),
        ("no requests", cluster().node("a").cpu(0).memory_mib(0).storage_mib(0).pod("p"), &[], Some(0)),
        ("no pod slots", cluster().node("a").slots(0).pod("p"), &[], None),
        ("cpu to the last", cluster().node("a").cpu(4000).pod("p").cpu(4000), &[], Some(0)),
        ("cpu by one too much", cluster().node("a").cpu(4000).pod("p").cpu(4001), &[], None),
        ("a full node", two().pod("p").cpu(3000), &[(0, 0, 0)], Some(1)),
        ("a full cluster", two().pod("p").cpu(3000), &[(0, 0, 0), (0, 1, 0)], None),
        ("memory", two().node("c").memory_mib(99_000).pod("p").memory_mib(20_000), &[], Some(2)),
        ("storage", two().node("c").storage_mib(200_000).pod("p").storage_mib(150_000), &[], Some(2)),
        ("extended resource", two().node("c").fpga(1).pod("p").fpga(1), &[], Some(2)),
        ("pod slots taken", cluster().node("a").slots(1).node("b").pod("p"), &[(0, 0, 0)], Some(1)),
        ("a cordoned node", cluster().node("a").cordoned().node("b").pod("p"), &[], Some(1)),
        ("a selector", two().node("c").label("disk", "ssd").pod("p").selects("disk", "ssd"), &[], Some(2)),
        ("a node's name", two().pod("p").selects(HOSTNAME_LABEL, "b"), &[], Some(1)),
        ("a taint", cluster().node("a").taint("t").node("b").pod("p"), &[], Some(1)),
        ("a tolerated taint", cluster().node("a").taint("t").pod("p").tolerates("t"), &[], Some(0)),
        ("GPUs at all", cluster().node("a").node("b").gpus("T4", 1).pod("p").gpu(1, 1), &[], Some(1)),
        ("a GPU model", two().pod("p").gpu(1, 500).gpu_spec("A100"), &[], Some(1)),
        // Each device of node a has 400 left, half a device is wanted.
        ("GPU shares", two().pod("p").gpu(1, 500).pod("q").gpu(2, 600), &[(1, 0, 0b11)], Some(1)),
        // 500 + 1000 left in all on node a, but only one whole device.
        ("whole GPUs", two().pod("p").gpu(2, 1000).pod("q").gpu(1, 500), &[(1, 0, 0b10)], Some(1)),
        ("more GPUs than any node", two().pod("p").gpu(3, 1000), &[], None),
    ];
    for (what, fixture, placed, expected) in cases {
        let model = fixture.model();
        for row in SCHEDULERS {
            let mut world = world_with(&model, placed);
            let decision = step(&mut *make(row)(&model), &model, &mut world, ClassId(0));
            let node = match decision {
                Decision::Place(placement) => Some(placement.node.0),
                Decision::Unschedulable => None,
            };
            assert_eq!(node, expected, "{what}: {}", row.name);
        }
    }
}

#[test]
fn of_equals_the_lowest_id_wins() {
    let fixture = cluster().node("n").gpus("T4", 4).times(5).pod("p").cpu(1000).memory_mib(1000).gpu(1, 500);
    let model = fixture.model();
    for row in SCHEDULERS.iter().filter(|row| !["random", "kube-scheduler"].contains(&row.name)) {
        assert_eq!(nodes_chosen(&fixture, row.name, &[0]), [Some(0)], "{}", row.name);
        let mut world = World::new(&model);
        let decision = step(&mut *make(row)(&model), &model, &mut world, ClassId(0));
        let Decision::Place(Placement { best, ties, .. }) = decision else { panic!("{}: there is room", row.name) };
        // A policy that scores says how many were equal; one that does not says so.
        assert!(ties == 5 && best >= 0 || ties == 1 && best == -1, "{}: {ties} ties at {best}", row.name);
    }
}

#[test]
fn next_fit_and_round_robin_walk_as_a_plain_scan_would() {
    let model = zoo().model();
    for (name, step_after) in [("next-fit", 0), ("round-robin", 1)] {
        let (mut stream, mut world) = (SEED.stream("test/walk", 0), World::new(&model));
        let (mut scheduler, mut from) = (policy(name, &model), 0);
        for at in 0..2000 {
            disturb(&mut stream, &model, &mut world);
            let class = ClassId(stream.below(model.workload.classes.len() as u64) as u32);
            let feasible = naive_feasible(&model, &world, class);
            let expected = feasible.iter().find(|node| node.index() >= from).or(feasible.first());
            let chosen = match step(&mut *scheduler, &model, &mut world, class) {
                Decision::Place(placement) => Some(placement.node),
                Decision::Unschedulable => None,
            };
            assert_eq!(chosen.as_ref(), expected, "{name}, step {at}");
            if let Some(node) = chosen {
                from = (node.index() + step_after) % world.nodes.len();
                world.set_phase(PodId::from_index(world.pods.len() - 1), Phase::Running);
            }
        }
    }
}

/// A policy with a fault.
struct Canary {
    fault: Fault,
    decisions: u32,
    first: Vec<Option<Decision>>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Does not look at the filters.
    Infeasible,
    /// Gives up now and then.
    Refuses,
    /// Takes the first devices, free or not.
    TakenGpus,
    /// Takes one device too few.
    FewGpus,
    /// Of equals takes the highest id.
    HighestOfEquals,
    /// Says again what it said before while that fits.
    Stale,
    /// Miscounts the nodes that fit.
    Miscounts,
}

impl Scheduler for Canary {
    fn decide(&mut self, view: &View<'_>, class: ClassId) -> Decision {
        self.decisions += 1;
        let nodes = (0..view.world.nodes.len()).map(NodeId::from_index);
        let fitting: Vec<NodeId> = nodes.filter(|&node| filter::fits(view, class, node)).collect();
        let Some(&lowest) = fitting.first() else { return Decision::Unschedulable };
        let (node, ties) = match self.fault {
            Fault::Infeasible => (NodeId(0), 1),
            Fault::HighestOfEquals => (fitting[fitting.len() - 1], fitting.len() as u32),
            _ => (lowest, 1),
        };
        let count = view.class(class).gpu.as_ref().map_or(0, |gpu| gpu.count);
        let gpus: GpuMask = match self.fault {
            Fault::TakenGpus => ((1u64 << count) - 1) as GpuMask,
            Fault::FewGpus if count > 1 => 1,
            Fault::Infeasible => 0,
            _ => gpus::best_fit_on(view, class, node),
        };
        let feasible = fitting.len() as u32 + u32::from(matches!(self.fault, Fault::Miscounts));
        let decision = Decision::Place(Placement { node, gpus, feasible, best: -1, ties });
        match self.fault {
            Fault::Refuses if self.decisions.is_multiple_of(5) => Decision::Unschedulable,
            Fault::Stale => {
                self.first.resize(view.model.workload.classes.len(), None);
                let first = self.first[class.index()].get_or_insert(decision);
                match first {
                    Decision::Place(old) if fitting.contains(&old.node) => {
                        let gpus = gpus::best_fit_on(view, class, old.node);
                        Decision::Place(Placement { gpus, feasible, ..*old })
                    }
                    _ => decision,
                }
            }
            _ => decision,
        }
    }
}

#[test]
fn canaries_are_caught() {
    let model = zoo().model();
    for (fault, complaint) in [
        (Fault::Infeasible, "infeasible"),
        (Fault::Refuses, "refused, but"),
        (Fault::TakenGpus, "has too little left"),
        (Fault::FewGpus, "GPUs instead of"),
        (Fault::HighestOfEquals, "is not the lowest"),
        (Fault::Stale, "stale"),
        (Fault::Miscounts, "nodes that fit instead of"),
    ] {
        let make = |_: &Model| Box::new(Canary { fault, decisions: 0, first: vec![] }) as Box<dyn Scheduler>;
        let caught: Vec<String> = (0..12).filter_map(|entity| storm(&make, false, &model, entity, 200).err()).collect();
        assert!(caught.iter().any(|why| why.contains(complaint)), "{fault:?} was not caught: {caught:?}");
    }
}

#[test]
fn rows_are_complete_and_parameters_are_checked() {
    let model = zoo().model();
    let mut names = BTreeSet::new();
    let schedulers = SCHEDULERS.iter().map(|row| (row.name, row.summary, row.source, row.parameters));
    let orders = QUEUE_ORDERS.iter().map(|row| (row.name, row.summary, row.source, row.parameters));
    for (name, summary, source, parameters) in schedulers.chain(orders) {
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert!(!summary.is_empty() && !source.is_empty(), "{name} says nothing about itself");
        assert!(parameters.iter().all(|p| !p.default.is_empty() && !p.meaning.is_empty()), "{name}");
        let refused = |parameters: serde_json::Value| match crate::policy::scheduler::find(name) {
            Some(row) => row.build(&parameters, &model, SEED).err(),
            None => crate::policy::queue::find(name).and_then(|row| row.build(&parameters).err()),
        };
        let why = refused(serde_json::json!({"no-such-thing": 1})).unwrap_or_else(|| panic!("{name} takes anything"));
        assert!(why.to_string().contains("no-such-thing"), "{name}: {why}");
        for parameter in parameters {
            let given = |value: serde_json::Value| serde_json::json!({ (parameter.name): value });
            let default = serde_json::from_str(parameter.default).unwrap_or_else(|_| parameter.default.into());
            assert_eq!(refused(given(default)), None, "{name}: the default of {} is refused", parameter.name);
            assert!(refused(given(serde_json::json!([]))).is_some(), "{name}: {} is not checked", parameter.name);
        }
    }
}

#[test]
fn queue_ranks_depend_on_the_pod_alone() {
    let model = zoo().model();
    let mut renamed = model.clone();
    renamed.workload.classes.iter_mut().for_each(|class| class.template.insert_str(0, "other-"));
    for row in QUEUE_ORDERS {
        let build = || row.build(&serde_json::json!({})).expect("the defaults are valid");
        let (order, mut world) = (build(), World::new(&model));
        for class in (0..model.workload.classes.len()).map(ClassId::from_index) {
            for duration_ns in [1, 1_000_000_000, u64::MAX] {
                let (pod, twin) = (world.arrive((0, 0), class, duration_ns), world.arrive((0, 1), class, duration_ns));
                let rank = order.rank(&View { model: &model, world: &world }, pod);
                let other = world.arrive((0, 2), ClassId(1), 5);
                world.place(model.workload.class(ClassId(1)), other, NodeId(0), 0);
                let busy = View { model: &model, world: &world };
                assert_eq!(order.rank(&busy, pod), rank, "{}: a placement changes a rank", row.name);
                assert_eq!(order.rank(&busy, twin), rank, "{}: like pods rank differently", row.name);
                assert_eq!(build().rank(&busy, pod), rank, "{}: a fresh copy disagrees", row.name);
                let renamed = View { model: &renamed, world: &world };
                assert_eq!(order.rank(&renamed, pod), rank, "{}: a name changes a rank", row.name);
                world.release(model.workload.class(ClassId(1)), other);
            }
        }
    }
}
