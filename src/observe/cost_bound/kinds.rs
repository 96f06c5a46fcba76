//! Which kinds of pods there were, and on which types of machine they could have been.

use std::collections::{BTreeMap, BTreeSet};

use super::Span;
use crate::ids::{ClassId, GroupId, NodeId, OfferId};
use crate::model::billing::Tariff;
use crate::model::money::Money;
use crate::model::provisioning::Market;
use crate::model::{Model, NodeShape, PodClass as Class, ShapeId};
use crate::stats::fleet_bound::{Machine, PodClass};
use crate::units::{SimDuration, SimTime};
use crate::world::View;
use crate::world::constraints::Verdict;

/// More kinds than this are taken together: those that held nodes for the shortest time.
const KINDS_MAX: usize = 32;

/// Pods and machines, each that is like another taken once.
#[derive(Clone, Debug)]
pub(super) struct Kinds {
    pub(super) pods: Vec<PodClass>,
    pub(super) machines: Vec<Machine>,
    pub(super) of_class: BTreeMap<ClassId, usize>,
}

/// A type of machine: one that can be bought, or nodes that are there anyway.
#[derive(Clone, Debug)]
struct Type {
    shape: ShapeId,
    usd_per_hour: f64,
    boot: SimDuration,
    minimum: SimDuration,
    limit: Option<u32>,
}

/// What is paid whatever fleet serves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fixed {
    pub(super) committed_usd: f64,
    pub(super) control_plane_usd: f64,
}

/// What a run pays up to its end beside machines.
pub(super) fn fixed_usd(model: &Model, end: SimTime) -> Fixed {
    let Some(tariff) = &model.provisioning.tariff else { return Fixed::default() };
    let hours = end.as_seconds() / 3600.0;
    let reserved = tariff.commitments.reservations.iter();
    let reserved: f64 = reserved.map(|one| f64::from(one.count) * one.usd_per_hour.as_dollars()).sum();
    let plans: f64 = tariff.commitments.plans.iter().map(|plan| plan.commitment_per_hour.as_dollars()).sum();
    // Each hour's amount is rounded to a billionth.
    let committed_usd = ((reserved + plans) * hours - 1e-9 * (hours + 1.0)).max(0.0);
    Fixed { committed_usd, control_plane_usd: tariff.control_plane_per_hour.as_dollars() * hours }
}

impl Kinds {
    /// The kinds of what held nodes.
    pub(super) fn new(view: &View<'_>, spans: &[Span]) -> Kinds {
        let types = types(view);
        let mut held_ns: BTreeMap<ClassId, u128> = BTreeMap::new();
        let mut was_on: BTreeSet<(ClassId, usize)> = BTreeSet::new();
        let type_of = types_of_nodes(view, &types);
        for span in spans {
            *held_ns.entry(span.class).or_default() += u128::from(span.to.since(span.from).0);
            was_on.insert((span.class, type_of[span.node.index()]));
        }
        // Those that pods were on are never left out: policies of one's own may know no constraints.
        let may = |class: ClassId, position: usize| {
            let verdict = view.world.constraints.verdict(class, types[position].shape);
            verdict == Verdict::Allowed || was_on.contains(&(class, position))
        };
        let mut kinds: Vec<(PodClass, u128)> = Vec::new();
        let mut of_class = BTreeMap::new();
        for (&class, &ns) in &held_ns {
            let machines = (0..types.len()).filter(|&position| may(class, position)).collect();
            let kind = PodClass { requests: requests(view.model, view.class(class)), machines };
            let at = kinds.iter().position(|(other, _)| *other == kind).unwrap_or_else(|| {
                kinds.push((kind, 0));
                kinds.len() - 1
            });
            kinds[at].1 += ns;
            of_class.insert(class, at);
        }
        let (pods, renumbered) = at_most(KINDS_MAX, kinds);
        of_class.values_mut().for_each(|at| *at = renumbered[*at]);
        let (machines, pods) = merged(view.model, &types, pods);
        Kinds { pods, machines, of_class }
    }

    /// The kind of a class that held a node.
    pub(super) fn of_class(&self, class: ClassId) -> usize {
        self.of_class[&class]
    }
}

/// Takes the kinds together that are too many: as pods that ask for the least of them, and may go wherever one of them may.
/// Gives the kinds, and the new number of each.
fn at_most(most: usize, kinds: Vec<(PodClass, u128)>) -> (Vec<PodClass>, Vec<usize>) {
    let mut order: Vec<usize> = (0..kinds.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(kinds[at].1), at));
    let mut numbers = vec![0; kinds.len()];
    let mut pods: Vec<PodClass> = Vec::new();
    for (position, at) in order.into_iter().enumerate() {
        let kind = &kinds[at].0;
        numbers[at] = position.min(most - 1);
        match pods.get_mut(most - 1) {
            None => pods.push(kind.clone()),
            Some(last) => {
                last.requests.iter_mut().zip(&kind.requests).for_each(|(least, &ask)| *least = ask.min(*least));
                last.machines.extend(&kind.machines);
                last.machines.sort_unstable();
                last.machines.dedup();
            }
        }
    }
    (pods, numbers)
}

/// Machines of which each that is like another stands there once, and pods that name these.
fn merged(model: &Model, types: &[Type], pods: Vec<PodClass>) -> (Vec<Machine>, Vec<PodClass>) {
    let mut machines: Vec<(Machine, Vec<usize>)> = Vec::new();
    for (position, kind) in types.iter().enumerate() {
        let who: Vec<usize> = (0..pods.len()).filter(|&pod| pods[pod].machines.contains(&position)).collect();
        if who.is_empty() {
            continue;
        }
        let machine = Machine {
            capacity: capacity(model, model.cluster.shape(kind.shape)),
            usd_per_hour: kind.usd_per_hour,
            limit: kind.limit,
            boot: kind.boot,
            minimum_billing: kind.minimum,
        };
        let like = |(other, others): &&mut (Machine, Vec<usize>)| {
            *others == who && Machine { limit: machine.limit, ..other.clone() } == machine
        };
        match machines.iter_mut().find(like) {
            Some((other, _)) => other.limit = other.limit.zip(machine.limit).map(|(one, more)| one + more),
            None => machines.push((machine, who)),
        }
    }
    let pod = |(index, pod): (usize, PodClass)| PodClass {
        machines: (0..machines.len()).filter(|&machine| machines[machine].1.contains(&index)).collect(),
        ..pod
    };
    let pods = pods.into_iter().enumerate().map(pod).collect();
    (machines.into_iter().map(|(machine, _)| machine).collect(), pods)
}

/// What pods can ask for of a node: CPU, memory, ephemeral storage, slots, GPUs in thousandths, and extended resources.
fn capacity(model: &Model, shape: &NodeShape) -> Vec<u64> {
    let offered = &shape.allocatable;
    let gpu_milli = shape.gpu.map_or(0, |gpu| u64::from(gpu.count) * 1000);
    let extended = (0..model.cluster.extended_resources.len()).map(|position| offered.extended(position));
    let plain = [offered.cpu.0, offered.memory.0, offered.ephemeral_storage.0, offered.pods, gpu_milli];
    plain.into_iter().chain(extended).collect()
}

/// What a pod asks for, in the same order.
fn requests(model: &Model, class: &Class) -> Vec<u64> {
    let asked = &class.requests;
    let gpu_milli = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
    let extended = (0..model.cluster.extended_resources.len()).map(|position| asked.extended(position));
    let plain = [asked.cpu.0, asked.memory.0, asked.ephemeral_storage.0, asked.pods, gpu_milli];
    plain.into_iter().chain(extended).collect()
}

/// The types of machine: the offers in their order, and then nodes that nobody bought, by shape.
fn types(view: &View<'_>) -> Vec<Type> {
    let (model, tariff) = (view.model, view.model.provisioning.tariff.as_deref());
    let minimum = match tariff {
        // A fee by the node counts from its beginning to its end, whatever is billed at least.
        Some(tariff) if tariff.node_fee_per_hour.as_dollars() == 0.0 => tariff.billing.minimum,
        _ => SimDuration::ZERO,
    };
    let bought = model.provisioning.offers.iter().map(|offer| Type {
        shape: offer.shape,
        usd_per_hour: least_usd_per_hour(model, tariff, offer.shape, offer.market),
        boot: shortest_boot(view, offer.group),
        minimum,
        limit: None,
    });
    let mut types: Vec<Type> = bought.collect();
    let mut there: BTreeMap<ShapeId, u32> = BTreeMap::new();
    for node in nodes(view).filter(|node| view.world.fleet.of_node(*node).is_none()) {
        *there.entry(view.world.nodes.shape[node.index()]).or_default() += 1;
    }
    types.extend(there.into_iter().map(|(shape, count)| Type {
        shape,
        usd_per_hour: least_usd_per_hour(model, tariff, shape, Market::OnDemand),
        boot: SimDuration::ZERO,
        minimum,
        limit: Some(count),
    }));
    types
}

fn nodes(view: &View<'_>) -> impl Iterator<Item = NodeId> {
    (0..view.world.nodes.len()).map(NodeId::from_index)
}

/// The type of each node, as a position.
fn types_of_nodes(view: &View<'_>, types: &[Type]) -> Vec<usize> {
    let bought = view.model.provisioning.offers.len();
    let of = |node: NodeId| match view.world.fleet.of_node(node) {
        Some(machine) => view.world.fleet.get(machine).offer.index(),
        None => {
            let shape = view.world.nodes.shape[node.index()];
            let found = types[bought..].iter().position(|kind| kind.shape == shape);
            bought + found.expect("all nodes have a type")
        }
    };
    nodes(view).map(of).collect()
}

/// The lowest price by the hour at which a machine can be had at any time of the run, fee included.
fn least_usd_per_hour(model: &Model, tariff: Option<&Tariff>, shape: ShapeId, market: Market) -> f64 {
    let of_shape = model.cluster.shape(shape).usd_per_hour;
    let offers = model.provisioning.offers.iter().enumerate();
    let offers = offers.filter(|(_, offer)| (offer.shape, offer.market) == (shape, market));
    let least = offers.filter_map(|(at, _)| model.provisioning.market.least_price(OfferId::from_index(at)));
    let list = least.map(Money::as_dollars).reduce(f64::min).unwrap_or(of_shape);
    let Some(tariff) = tariff else { return list };
    let place = (tariff.type_of_shape[shape.0 as usize], tariff.region_of_shape[shape.0 as usize]);
    let reserved = tariff.commitments.reservations.iter().map(|one| (one.instance_type, one.region, one.usd_per_hour));
    let rates = tariff.commitments.plans.iter().flat_map(|plan| &plan.rates);
    let rates = rates.map(|rate| (rate.instance_type, rate.region, rate.usd_per_hour));
    let covered = reserved.chain(rates).filter(|(kind, region, _)| (*kind, *region) == place && market != Market::Spot);
    let least = covered.map(|(_, _, price)| price.as_dollars()).fold(list, f64::min);
    least + tariff.node_fee_per_hour.as_dollars()
}

/// The shortest time from the launch of a machine of the group until it took pods; of all groups where it had none.
fn shortest_boot(view: &View<'_>, group: GroupId) -> SimDuration {
    let initial = view.model.cluster.nodes.len();
    let bought = view.world.fleet.machines.iter().filter(|one| one.node.is_some_and(|node| node.index() >= initial));
    let boots = bought.filter(|one| one.ready != SimTime::NEVER);
    let boots = boots.map(|one| (one.group, one.ready.since(one.launched)));
    let of = |only: Option<GroupId>| {
        let boots = boots.clone().filter(|(of, _)| only.is_none_or(|group| *of == group));
        boots.map(|(_, boot)| boot).min()
    };
    of(Some(group)).or_else(|| of(None)).unwrap_or(SimDuration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_too_many_are_taken_together() {
        let kind =
            |cpu, memory, machines: &[usize]| PodClass { requests: vec![cpu, memory], machines: machines.to_vec() };
        let kinds =
            vec![(kind(4, 1, &[2]), 5), (kind(2, 8, &[0]), 70), (kind(1, 9, &[1, 2]), 6), (kind(3, 3, &[3]), 1)];
        // The second held nodes longest, then the third; that, the first and the last are one: the least of each resource.
        let (pods, numbers) = at_most(2, kinds.clone());
        assert_eq!(pods, [kind(2, 8, &[0]), kind(1, 1, &[1, 2, 3])]);
        assert_eq!(numbers, [1, 0, 1, 1]);
        let (pods, numbers) = at_most(9, kinds);
        assert_eq!((pods.len(), numbers), (4, vec![2, 0, 1, 3]));
    }
}
