//! New nodes: what they can still be, and what a pod makes of them.
//!
//! Source: `nodeclaim.go` and `nodeclaimtemplate.go`. Left out: volumes and devices.

use std::collections::BTreeSet;

use super::super::instance_type::{InstanceType, satisfies_min_values};
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, RESERVED};
use super::super::resources::ResourceList;
use super::amounts::{Kinds, Row};
use super::bound::Floor;
use super::daemons::{DaemonGroup, groups};
use super::existing::ports_conflict;
use super::memo::{Memo, Shape, TaintSet};
use super::variants::{Needs, Variant};
use super::{Environment, MinValuesPolicy, NewNode, Options, amounts};
use crate::model::PodClass;
use crate::model::pod_spec::HostPort;

/// What the new nodes of a pool are like.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) pool: usize,
    pub(super) shape: Shape,
    pub(super) taints: TaintSet,
    /// Types that meet the pool's requirements, daemon group by daemon group.
    pub(super) types: Vec<usize>,
    pub(super) groups: Vec<DaemonGroup>,
    /// By type: its daemon group, and what daemons leave of it for pods.
    group_of: Vec<usize>,
    room: Vec<Row>,
    /// By type: what a launch costs at least.
    floor: Vec<Floor>,
    /// By shape: the types that can be of that shape and are offered so.
    offered: Vec<Option<Vec<bool>>>,
}

/// A template for every pool that some type meets (`NewScheduler`).
pub(super) fn templates(
    environment: &Environment,
    options: Options,
    daemons: &mut [PodClass],
    (kinds, memo): (&Kinds, &mut Memo),
) -> Vec<Template> {
    let mut templates = Vec::new();
    for (at, (pool, types)) in environment.pools.iter().enumerate() {
        let requirements = pool.template_requirements();
        let meets = |it: &InstanceType| {
            it.requirements.intersects(&requirements)
                && ResourceList::default().fits(&it.allocatable())
                && is_offered(it, &requirements, memo.well_known())
        };
        let of_pool: Vec<usize> = (0..types.len()).filter(|of| meets(&types[*of])).collect();
        let missing = satisfies_min_values(of_pool.iter().map(|of| &types[*of]), &requirements).unsatisfied;
        if of_pool.is_empty() || (options.min_values == MinValuesPolicy::Strict && !missing.is_empty()) {
            continue;
        }
        let taints = &pool.template.taints;
        let groups = groups(daemons, taints, &requirements, (types, &of_pool), memo.well_known());
        let kinds_sold = requirements.get_or_any(CAPACITY_TYPE_LABEL);
        let shape = memo.shape(requirements);
        templates.push(Template::new(at, (shape, memo.taint_set(taints)), types, groups, (kinds, &kinds_sold)));
    }
    templates
}

fn is_offered(
    it: &InstanceType,
    requirements: &super::super::requirements::Requirements,
    well_known: &super::super::requirements::WellKnownLabels,
) -> bool {
    it.compatible(requirements, well_known).any(|offering| offering.is_available)
}

impl Template {
    fn new(
        pool: usize,
        (shape, taints): (Shape, TaintSet),
        all: &[InstanceType],
        groups: Vec<DaemonGroup>,
        (kinds, kinds_sold): (&Kinds, &Requirement),
    ) -> Template {
        let mut group_of = vec![0; all.len()];
        let mut room = vec![kinds.room(None); all.len()];
        for (number, group) in groups.iter().enumerate() {
            for at in &group.types {
                group_of[*at] = number;
                room[*at] = kinds.room(room_for_pods(&all[*at].allocatable(), &group.overhead).as_ref());
            }
        }
        let types = groups.iter().flat_map(|group| group.types.iter().copied()).collect();
        let floor = all.iter().map(|of_type| Floor::of(of_type, kinds_sold)).collect();
        Template { pool, shape, taints, types, groups, group_of, room, floor, offered: Vec::new() }
    }

    /// Whether some type holds the requests, and its lowest price will do.
    pub(super) fn holds(&self, requests: &[i64], will_do: impl Fn(&Floor) -> bool) -> bool {
        self.types.iter().any(|at| will_do(&self.floor[*at]) && amounts::fits(requests, &self.room[*at]))
    }

    /// What the types whose lowest price will do hold.
    pub(super) fn rooms(&self, will_do: impl Fn(&Floor) -> bool) -> impl Iterator<Item = &Row> {
        self.types.iter().filter(move |at| will_do(&self.floor[**at])).map(|at| &self.room[*at])
    }

    /// Whether a launch of some type may cost less than the bar.
    pub(super) fn is_sold_below(&self, types: &[usize], bar: (f64, bool)) -> bool {
        types.iter().any(|at| self.floor[*at].is_below(bar))
    }

    /// Works out which types can be of a shape.
    pub(super) fn learn(&mut self, shape: Shape, environment: &Environment, memo: &Memo) {
        let at = shape.0 as usize;
        if self.offered.get(at).is_some_and(Option::is_some) {
            return;
        }
        if self.offered.len() <= at {
            self.offered.resize(at + 1, None);
        }
        let (requirements, well_known) = (memo.requirements(shape), memo.well_known());
        let types = &environment.pools[self.pool].1;
        let can_be =
            |it: &InstanceType| it.requirements.intersects(requirements) && is_offered(it, requirements, well_known);
        self.offered[at] = Some(types.iter().map(can_be).collect());
    }

    /// The types among `from` that can be of a learnt shape and hold the requests, and the most that any has of each kind.
    fn fitting(&self, from: &[usize], shape: Shape, requests: &[i64], closed: &[bool]) -> (Vec<usize>, Row) {
        let offered = self.offered[shape.0 as usize].as_ref().expect("a shape that was learnt");
        let fits = |at: &usize| {
            offered[*at]
                && !closed.get(self.group_of[*at]).is_some_and(|is_closed| *is_closed)
                && amounts::fits(requests, &self.room[*at])
        };
        let types: Vec<usize> = from.iter().copied().filter(fits).collect();
        let reach = self.reach(&types, requests.len());
        (types, reach)
    }

    /// The most of each kind that any of some types has for pods.
    fn reach(&self, types: &[usize], kinds: usize) -> Row {
        let mut reach = vec![0; kinds];
        types.iter().for_each(|at| amounts::raise(&mut reach, &self.room[*at]));
        reach
    }
}

/// What daemons leave of a type; none where they do not fit themselves.
fn room_for_pods(allocatable: &ResourceList, overhead: &ResourceList) -> Option<ResourceList> {
    if !overhead.fits(allocatable) {
        return None;
    }
    let mut room = allocatable.clone();
    room.subtract(overhead);
    Some(room)
}

/// A node to buy, while pods are added.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) template: usize,
    /// Its number among host names.
    pub(super) host: usize,
    pub(super) hostname: String,
    pub(super) shape: Shape,
    pub(super) types: Vec<usize>,
    pub(super) pods: Vec<usize>,
    pub(super) min_values_relaxed: bool,
    requests: Row,
    /// The most of each kind that any of its types has left for pods.
    left: Row,
    ports: Vec<HostPort>,
}

/// What adding a pod would make of a new node.
#[derive(Debug)]
pub(super) struct Addition {
    shape: Shape,
    types: Vec<usize>,
    requests: Row,
    reach: Row,
    relaxed: bool,
}

impl Addition {
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn types(&self) -> &[usize] {
        &self.types
    }
}

impl Claim {
    /// A node of a template without pods, of these of its types.
    pub(super) fn new(
        template: usize,
        (of, kinds): (&Template, &Kinds),
        types: Vec<usize>,
        host: usize,
        hostname: String,
    ) -> Claim {
        let left = of.reach(&types, kinds.len());
        Claim {
            template,
            host,
            hostname,
            shape: of.shape,
            types,
            pods: Vec::new(),
            min_values_relaxed: false,
            requests: vec![0; kinds.len()],
            left,
            ports: Vec::new(),
        }
    }

    /// Whether a pod is too large for all types, now and for ever.
    pub(super) fn is_too_small(&self, requests: &[i64]) -> bool {
        !amounts::fits(requests, &self.left)
    }

    /// What the node becomes with the pod and the shape that requirements and topologies make of it, if some type remains.
    pub(super) fn with(
        &self,
        (variant, needs): (&Variant, &Needs),
        shape: Shape,
        relaxes: bool,
        template: &mut Template,
        (environment, memo): (&Environment, &mut Memo),
    ) -> Option<Addition> {
        template.learn(shape, environment, memo);
        let mut requests = self.requests.clone();
        amounts::add(&mut requests, &needs.requests);
        let closed = self.closed_groups(variant, template);
        let (types, reach) = template.fitting(&self.types, shape, &requests, &closed);
        if types.is_empty() {
            return None;
        }
        let wanted = memo.requirements(shape);
        if !wanted.has_min_values() {
            return Some(Addition { shape, types, requests, reach, relaxed: false });
        }
        let all = &environment.pools[template.pool].1;
        let missing = satisfies_min_values(types.iter().map(|at| &all[*at]), wanted).unsatisfied;
        if missing.is_empty() {
            return Some(Addition { shape, types, requests, reach, relaxed: false });
        }
        if !relaxes {
            return None;
        }
        let mut requirements = wanted.clone();
        for (key, have) in missing {
            requirements.set(&key, wanted.get_or_any(&key).with_min_values(Some(have)));
        }
        let shape = memo.shape(requirements);
        Some(Addition { shape, types, requests, reach, relaxed: true })
    }

    /// Daemon groups whose types have no free port for the pod.
    fn closed_groups(&self, variant: &Variant, template: &Template) -> Vec<bool> {
        let wanted = &variant.pod.spec.host_ports;
        if wanted.is_empty() {
            return Vec::new();
        }
        let taken = ports_conflict(wanted, &self.ports);
        template.groups.iter().map(|group| taken || ports_conflict(wanted, &group.ports)).collect()
    }

    pub(super) fn add(&mut self, pod: usize, variant: &Variant, addition: Addition) {
        self.pods.push(pod);
        self.ports.extend(variant.pod.spec.host_ports.iter().cloned());
        self.min_values_relaxed |= addition.relaxed;
        self.shape = addition.shape;
        self.types = addition.types;
        (self.left, self.requests) = (addition.reach, addition.requests);
        amounts::subtract(&mut self.left, &self.requests);
    }

    /// The node to buy: with what daemons request at least, and on the reservations that it holds (`FinalizeScheduling`).
    pub(super) fn finish(
        self,
        template: &Template,
        (kinds, memo): (&Kinds, &Memo),
        label: &str,
        held: BTreeSet<String>,
    ) -> NewNode {
        let mut requirements = memo.requirements(self.shape).clone();
        if !held.is_empty() {
            requirements.set(CAPACITY_TYPE_LABEL, Requirement::is(RESERVED));
            requirements.add(label, &Requirement::new(super::super::requirement::Operator::In, held));
        }
        let has_types = |group: &&DaemonGroup| group.types.iter().any(|at| self.types.contains(at));
        let mut least = ResourceList::default();
        for group in template.groups.iter().filter(has_types) {
            least = if least.is_empty() { group.overhead.clone() } else { least.lower_of(&group.overhead) };
        }
        NewNode {
            pool: template.pool,
            pods: self.pods,
            requirements,
            types: self.types,
            requests: kinds.list(&self.requests).plus(&least),
            min_values_relaxed: self.min_values_relaxed,
        }
    }
}
