//! New nodes: what they can still be, and what a pod makes of them.
//!
//! Source: `nodeclaim.go` and `nodeclaimtemplate.go`. Left out: volumes and devices.

use std::collections::BTreeSet;

use super::super::instance_type::{InstanceType, satisfies_min_values};
use super::super::requirement::Requirement;
use super::super::requirements::{CAPACITY_TYPE_LABEL, RESERVED};
use super::super::resources::ResourceList;
use super::daemons::{DaemonGroup, groups};
use super::existing::ports_conflict;
use super::memo::{Memo, Shape, TaintSet};
use super::variants::Variant;
use super::{Environment, MinValuesPolicy, NewNode, Options};
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
    /// By type: its daemon group, and what daemons leave of it for pods; none: nothing fits.
    group_of: Vec<usize>,
    room: Vec<Option<ResourceList>>,
    /// By shape: the types that can be of that shape and are offered so.
    offered: Vec<Option<Vec<bool>>>,
}

/// A template for every pool that some type meets (`NewScheduler`).
pub(super) fn templates(
    environment: &Environment,
    options: Options,
    daemons: &mut [PodClass],
    memo: &mut Memo,
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
        let shape = memo.shape(requirements);
        templates.push(Template::new(at, shape, memo.taint_set(taints), types, groups));
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
    fn new(pool: usize, shape: Shape, taints: TaintSet, all: &[InstanceType], groups: Vec<DaemonGroup>) -> Template {
        let mut group_of = vec![0; all.len()];
        let mut room = vec![None; all.len()];
        for (number, group) in groups.iter().enumerate() {
            for at in &group.types {
                group_of[*at] = number;
                room[*at] = room_for_pods(&all[*at].allocatable(), &group.overhead);
            }
        }
        let types = groups.iter().flat_map(|group| group.types.iter().copied()).collect();
        Template { pool, shape, taints, types, groups, group_of, room, offered: Vec::new() }
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
    fn fitting(
        &self,
        from: &[usize],
        shape: Shape,
        requests: &ResourceList,
        closed: &[bool],
    ) -> (Vec<usize>, ResourceList) {
        let offered = self.offered[shape.0 as usize].as_ref().expect("a shape that was learnt");
        let mut reach = ResourceList::default();
        let fits = |at: &usize| {
            offered[*at]
                && !closed.get(self.group_of[*at]).is_some_and(|is_closed| *is_closed)
                && self.room[*at].as_ref().is_some_and(|room| requests.fits(room))
        };
        let types: Vec<usize> = from.iter().copied().filter(fits).collect();
        for room in types.iter().filter_map(|at| self.room[*at].as_ref()) {
            reach.raise_to(room);
        }
        (types, reach)
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
    requests: ResourceList,
    /// The most of each kind that any of its types has for pods.
    reach: ResourceList,
    ports: Vec<HostPort>,
}

/// What adding a pod would make of a new node.
#[derive(Debug)]
pub(super) struct Addition {
    shape: Shape,
    types: Vec<usize>,
    reach: ResourceList,
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
    pub(super) fn new(template: usize, of: &Template, types: Vec<usize>, host: usize, hostname: String) -> Claim {
        let mut reach = ResourceList::default();
        for room in types.iter().filter_map(|at| of.room[*at].as_ref()) {
            reach.raise_to(room);
        }
        Claim {
            template,
            host,
            hostname,
            shape: of.shape,
            types,
            pods: Vec::new(),
            min_values_relaxed: false,
            requests: ResourceList::default(),
            reach,
            ports: Vec::new(),
        }
    }

    /// Whether a pod is too large for all types, now and for ever.
    pub(super) fn is_too_small(&self, requests: &ResourceList) -> bool {
        requests.iter().any(|(kind, amount)| amount + self.requests.amount(kind) > self.reach.amount(kind))
    }

    /// What the node becomes with the pod and the shape that requirements and topologies make of it, if some type remains.
    pub(super) fn with(
        &self,
        variant: &Variant,
        shape: Shape,
        relaxes: bool,
        template: &mut Template,
        (environment, memo): (&Environment, &mut Memo),
    ) -> Option<Addition> {
        template.learn(shape, environment, memo);
        let requests = self.requests.plus(&variant.requests);
        let closed = self.closed_groups(variant, template);
        let (types, reach) = template.fitting(&self.types, shape, &requests, &closed);
        if types.is_empty() {
            return None;
        }
        let wanted = memo.requirements(shape);
        if !wanted.has_min_values() {
            return Some(Addition { shape, types, reach, relaxed: false });
        }
        let all = &environment.pools[template.pool].1;
        let missing = satisfies_min_values(types.iter().map(|at| &all[*at]), wanted).unsatisfied;
        if missing.is_empty() {
            return Some(Addition { shape, types, reach, relaxed: false });
        }
        if !relaxes {
            return None;
        }
        let mut requirements = wanted.clone();
        for (key, have) in missing {
            requirements.set(&key, wanted.get_or_any(&key).with_min_values(Some(have)));
        }
        let shape = memo.shape(requirements);
        Some(Addition { shape, types, reach, relaxed: true })
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
        self.requests.add(&variant.requests);
        self.ports.extend(variant.pod.spec.host_ports.iter().cloned());
        self.min_values_relaxed |= addition.relaxed;
        self.shape = addition.shape;
        self.types = addition.types;
        self.reach = addition.reach;
    }

    /// The node to buy: with what daemons request at least, and on the reservations that it holds (`FinalizeScheduling`).
    pub(super) fn finish(self, template: &Template, memo: &Memo, label: &str, held: BTreeSet<String>) -> NewNode {
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
            requests: self.requests.plus(&least),
            min_values_relaxed: self.min_values_relaxed,
        }
    }
}
