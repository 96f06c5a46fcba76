//! What a fresh node of each group would be, and the pods that come with it (`processors/nodeinfosprovider`).
//!
//! A group's example is the first of its nodes that is ready for a minute and takes pods; a fresh node is like it, with its
//! pods of DaemonSets. A group without such a node keeps the last example, and one that never had any is known by what it
//! would buy first and the DaemonSets that would run there.
//!
//! Cost: a look at each node until every group has an example.

use std::collections::BTreeMap;

use super::picture::{Mould, Picture};
use super::seen::{self, Groups};
use crate::ids::{ClassId, ControllerId, GroupId, NodeId};
use crate::model::controllers::ControllerKind;
use crate::model::pod_spec::NodeSelectorTerm;
use crate::model::{NodeShape, Resources, ShapeId};
use crate::policy::node_autoscaler::cluster_autoscaler::estimator::{Amount, TemplateSize};
use crate::policy::node_autoscaler::cluster_autoscaler::scale_up::TemplateInfo;
use crate::policy::node_autoscaler::cluster_autoscaler::similar::{Quantities, Template};
use crate::policy::node_autoscaler::cluster_autoscaler::snapshot::NodeKey;
use crate::policy::scheduler::kube::labels;
use crate::units::SimDuration;
use crate::world::View;
use crate::world::constraints::Verdict;

/// How long a node must have been ready to be an example (`stabilizationDelay`).
const STABLE_AFTER: SimDuration = SimDuration(60_000_000_000);

/// The templates of the groups, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Templates {
    pub(super) moulds: Vec<Mould>,
    pub(super) infos: Vec<Option<TemplateInfo>>,
    pub(super) capacity: Vec<Option<Amount>>,
    has_example: Vec<bool>,
}

impl Templates {
    /// Looks for examples anew.
    pub(super) fn refresh(&mut self, picture: &Picture<'_>, groups: &Groups, counts_missing_daemons: bool) {
        let view = &picture.view;
        if self.moulds.is_empty() {
            self.moulds = groups.ids.iter().map(|group| from_offer(view, *group)).collect();
            self.infos = self.moulds.iter().map(|mould| Some(info(view, mould))).collect();
            self.capacity = self.moulds.iter().map(|mould| Some(capacity(view, mould))).collect();
            self.has_example = vec![false; groups.ids.len()];
        }
        let mut is_found = vec![false; groups.ids.len()];
        let mut missing = groups.ids.len();
        for key in picture.keys().iter().filter(|key| picture.is_real(**key)) {
            if missing == 0 {
                break;
            }
            let node = NodeId(key.0);
            let Some(group) = groups.of(view, node).filter(|group| !is_found[*group]) else { continue };
            if is_example(view, node) {
                self.learn(picture, group, node, counts_missing_daemons);
                is_found[group] = true;
                missing -= 1;
            }
        }
    }

    fn learn(&mut self, picture: &Picture<'_>, group: usize, node: NodeId, counts_missing_daemons: bool) {
        let view = &picture.view;
        let machine = view.world.fleet.of_node(node).expect("a node of a group has a machine");
        let shape = view.model.provisioning.offer(view.world.fleet.get(machine).offer).shape;
        let slot = picture.slot(NodeKey(node.0));
        let stays = slot.pods.iter().filter(|held| !held.is_terminating && seen::is_daemon(view, held.pod));
        let mut pods: Vec<ClassId> = stays.clone().map(|held| held.class).collect();
        if counts_missing_daemons {
            let running: Vec<_> = stays.filter_map(|held| view.world.controller_of(held.pod)).collect();
            let all = daemons(view, shape).into_iter();
            pods.extend(all.filter(|(set, _)| !running.contains(set)).map(|(_, class)| class));
        }
        let mould = Mould { shape, pods };
        if self.moulds[group] != mould || !self.has_example[group] {
            self.infos[group] = Some(info(view, &mould));
            self.capacity[group] = Some(capacity(view, &mould));
            self.moulds[group] = mould;
            self.has_example[group] = true;
        }
    }
}

/// Whether a node is a good example (`isNodeGoodTemplateCandidate`).
fn is_example(view: &View<'_>, node: NodeId) -> bool {
    let Some(machine) = view.world.fleet.of_node(node) else { return false };
    let is_stable = view.world.fleet.get(machine).ready.after(STABLE_AFTER) < view.world.time;
    is_stable && seen::takes_pods(view, node)
}

fn from_offer(view: &View<'_>, group: GroupId) -> Mould {
    let provisioning = &view.model.provisioning;
    let shape = provisioning.offer(provisioning.group(group).offers[0]).shape;
    Mould { shape, pods: daemons(view, shape).into_iter().map(|(_, class)| class).collect() }
}

/// The DaemonSets that would run on a fresh node of a shape, with the classes of their pods.
fn daemons(view: &View<'_>, shape: ShapeId) -> Vec<(ControllerId, ClassId)> {
    let mut found = Vec::new();
    for (position, controller) in view.model.controllers.list.iter().enumerate() {
        let state = &view.world.owners.controllers[position];
        if !matches!(controller.kind, ControllerKind::DaemonSet(_)) || !state.is_there {
            continue;
        }
        let class = controller.templates[state.template.index()].class(0);
        if would_run(view, class, shape) {
            found.push((ControllerId::from_index(position), class));
        }
    }
    found
}

/// Whether selector, taints and affinity, names left aside, let a pod of a DaemonSet on a node of a shape.
fn would_run(view: &View<'_>, class: ClassId, shape: ShapeId) -> bool {
    let kind = view.model.cluster.shape(shape);
    let meets = |term: &NodeSelectorTerm| {
        term.expressions.iter().all(|one| labels::meets(one, labels::value(&kind.labels, &one.key)))
    };
    let required = &view.class(class).spec.node_affinity.required;
    view.world.constraints.verdict(class, shape) == Verdict::Allowed
        && required.as_ref().is_none_or(|terms| terms.iter().any(meets))
}

fn capacity(view: &View<'_>, mould: &Mould) -> Amount {
    seen::capacity(view.model.cluster.shape(mould.shape))
}

fn info(view: &View<'_>, mould: &Mould) -> TemplateInfo {
    let shape = view.model.cluster.shape(mould.shape);
    let allocatable = Amount { cpu: shape.allocatable.cpu, memory: shape.allocatable.memory };
    TemplateInfo {
        size: TemplateSize { allocatable, capacity: seen::capacity(shape) },
        counted: seen::resources(shape),
        compared: compared(view, shape, mould),
    }
}

/// What tells groups apart.
fn compared(view: &View<'_>, shape: &NodeShape, mould: &Mould) -> Template {
    let mut requested = Quantities::new();
    for class in &mould.pods {
        let requests = &view.class(*class).requests;
        for (name, amount) in quantities(view, requests) {
            *requested.entry(name).or_insert(0) += amount;
        }
    }
    let mut capacity = quantities(view, &shape.allocatable);
    for (name, amount) in quantities(view, &shape.reserved) {
        *capacity.entry(name).or_insert(0) += amount;
    }
    Template {
        labels: shape.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect(),
        capacity,
        allocatable: quantities(view, &shape.allocatable),
        requested: requested.into_iter().filter(|(_, amount)| *amount > 0).collect(),
    }
}

/// Amounts in thousandths of their units, by name.
fn quantities(view: &View<'_>, resources: &Resources) -> BTreeMap<String, i64> {
    let whole = |units: u64| i64::try_from(units).unwrap_or(i64::MAX).saturating_mul(1000);
    let mut amounts = Quantities::from([
        ("cpu".to_owned(), resources.cpu.0 as i64),
        ("memory".to_owned(), whole(resources.memory.0)),
        ("ephemeral-storage".to_owned(), whole(resources.ephemeral_storage.0)),
        ("pods".to_owned(), whole(resources.pods)),
    ]);
    for (kind, name) in view.model.cluster.extended_resources.iter().enumerate() {
        if resources.extended(kind) > 0 {
            amounts.insert(name.clone(), whole(resources.extended(kind)));
        }
    }
    amounts
}
