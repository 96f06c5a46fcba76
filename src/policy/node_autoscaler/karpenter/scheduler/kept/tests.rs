//! A scheduler that goes on answers as a new one does, whatever has happened in between.

use super::super::super::resources::ResourceKind;
use super::super::super::testkit::{amounts, environment, label, machine, node, pod, selector};
use super::*;
use crate::model::cluster::{HOSTNAME_LABEL, ZONE_LABEL};
use crate::model::pod_spec::{PodAffinityTerm, TopologySpreadConstraint, WhenUnsatisfiable};
use crate::policy::node_autoscaler::karpenter::instance_type::order_by_price;
use crate::policy::node_autoscaler::karpenter::scheduler::{Batch, BatchPod, INSTANCE_TYPES_MAX};
use crate::rng::{Seed, Stream};

const ZONES: [&str; 3] = ["a", "b", "c"];

fn drawn<T: Copy>(stream: &mut Stream, from: &[T]) -> T {
    from[stream.below(from.len() as u64) as usize]
}

fn drawn_class(stream: &mut Stream, has_rules: bool) -> PodClass {
    let app = drawn(stream, &["web", "db"]);
    let mut class = pod(app, 100 * (1 + stream.below(20)));
    if stream.below(4) == 0 {
        class.node_selector = vec![label(ZONE_LABEL, drawn(stream, &ZONES))];
    }
    match stream.below(3) {
        0 if has_rules => class.spec.topology_spread.push(TopologySpreadConstraint {
            max_skew: 1,
            topology_key: ZONE_LABEL.to_owned(),
            when_unsatisfiable: WhenUnsatisfiable::DoNotSchedule,
            selector: selector(app),
            min_domains: None,
            honors_node_affinity: true,
            honors_node_taints: false,
            match_label_keys: Vec::new(),
        }),
        1 if has_rules => class.spec.pod_anti_affinity.required.push(PodAffinityTerm {
            selector: selector(app),
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: HOSTNAME_LABEL.to_owned(),
        }),
        _ => {}
    }
    class
}

fn drawn_node(stream: &mut Stream, number: usize, environment: &Environment) -> NodeState {
    let of_type = &environment.pools[0].1[stream.below(3) as usize];
    // Names come in no order, so that new nodes go in between.
    let name = format!("{}-{number}", drawn(stream, &["x", "y", "z"]));
    let left = stream.below(40) as i64 * 100;
    let mut state = node(&name, of_type, drawn(stream, &ZONES), "on-demand", left);
    state.is_initialized = stream.below(5) > 0;
    state.pods = (0..stream.below(3)).map(|_| (stream.below(environment.classes.len() as u64) as usize, 1)).collect();
    state.pods.dedup_by_key(|(class, _)| *class);
    state
}

/// Something happens to the nodes. Returns which have changed.
fn disturb(stream: &mut Stream, nodes: &mut Vec<NodeState>, environment: &Environment) -> Vec<usize> {
    let mut changed: Vec<usize> = Vec::new();
    for _ in 0..stream.below(4) {
        let at = stream.below(nodes.len() as u64) as usize;
        match stream.below(6) {
            0 => nodes[at].is_deleting ^= true,
            1 => nodes[at].is_initialized ^= true,
            2 => nodes[at] = drawn_node(stream, at, environment),
            _ => nodes[at].available = amounts(stream.below(40) as i64 * 100 - 100, 100),
        }
        changed.push(at);
    }
    if stream.below(3) == 0 {
        let number = nodes.len();
        nodes.push(drawn_node(stream, number, environment));
        changed.push(number);
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}

fn drawn_batch(stream: &mut Stream, nodes: &[NodeState], classes: usize) -> Batch {
    let pod = |uid: u64, stream: &mut Stream| BatchPod {
        class: stream.below(classes as u64) as usize,
        created_s: stream.below(3) as i64,
        uid,
        node: None,
    };
    let pods = (0..stream.below(12)).map(|uid| pod(uid, stream)).collect();
    let without = (0..stream.below(3)).map(|_| stream.below(nodes.len() as u64) as usize).collect();
    Batch { pods, without, ..Batch::default() }
}

fn walk(seed: u64, has_rules: bool) {
    let mut stream = Seed { base: seed, replication: 0 }.stream("test/kept", 0);
    let types = vec![
        machine("small", 1000, 0.1, &ZONES),
        machine("medium", 2000, 0.2, &ZONES),
        machine("large", 4000, 0.4, &ZONES),
    ];
    let classes = (0..6).map(|_| drawn_class(&mut stream, has_rules)).collect();
    let mut environment = environment(types, classes);
    if stream.below(2) == 0 {
        environment.pools[0].0.limits = [(ResourceKind::Cpu, 30_000)].into_iter().collect();
    }
    let mut nodes: Vec<NodeState> = (0..8).map(|number| drawn_node(&mut stream, number, &environment)).collect();
    let options = Options::default();
    let mut kept = Scheduler::new(&environment, &nodes, options).keep();
    for step in 0..12 {
        if stream.below(4) == 0 {
            environment.classes.push(drawn_class(&mut stream, has_rules));
        }
        let changed = disturb(&mut stream, &mut nodes, &environment);
        let mut resumed = Scheduler::resume(kept, &environment, &nodes, &changed, options);
        let mut fresh = Scheduler::new(&environment, &nodes, options);
        for _ in 0..3 {
            let batch = drawn_batch(&mut stream, &nodes, environment.classes.len());
            let classes: Vec<usize> = batch.pods.iter().map(|pod| pod.class).collect();
            let costs = |scheduler: &mut Scheduler<'_>| {
                scheduler.surely_costs(classes.iter().copied(), &batch.without, (0.3, false))
            };
            let place = format!("seed {seed}, step {step}, {batch:?}");
            for (node, state) in nodes.iter().enumerate() {
                let pods = || state.pods.iter().map(|(class, _)| *class);
                let costs = |scheduler: &mut Scheduler<'_>| scheduler.surely_costs_without(node, pods(), (0.3, false));
                assert_eq!(costs(&mut resumed), costs(&mut fresh), "bound without {node}, {place}");
            }
            assert_eq!(costs(&mut resumed), costs(&mut fresh), "bound, {place}");
            let (mut found, mut wanted) = (resumed.solve(&batch), fresh.solve(&batch));
            let mut plain = wanted.clone();
            for node in &mut plain.new_nodes {
                let types = &environment.pools[node.pool].1;
                order_by_price(&mut node.types, types, &node.requirements, &environment.well_known);
            }
            resumed.truncate(&mut found, INSTANCE_TYPES_MAX);
            fresh.truncate(&mut wanted, INSTANCE_TYPES_MAX);
            assert_eq!(found, wanted, "{place}");
            assert_eq!(found, plain, "by price, {place}");
        }
        kept = resumed.keep();
    }
}

#[test]
fn a_scheduler_that_goes_on_answers_as_a_new_one() {
    for seed in 0..60 {
        walk(seed, seed % 2 == 0);
    }
}
