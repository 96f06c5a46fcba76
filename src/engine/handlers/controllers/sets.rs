//! StatefulSets and DaemonSets act through pods, one for each ordinal and one for each node.

use crate::engine::handlers::writes::Write;
use crate::engine::run::Simulation;
use crate::ids::{ClassId, ControllerId, NodeId, OwnerId, RevisionId};
use crate::model::cluster::TaintEffect;
use crate::model::controllers::{ControllerKind, StatefulSetSpec};
use crate::observe::Observer;
use crate::policy::controllers::daemon_set::{self, DaemonNode, ObservedDaemonSet};
use crate::policy::controllers::stateful_set;
use crate::policy::scheduler::kube;
use crate::units::SimTime;
use crate::world::View;
use crate::world::constraints::{Verdict, tolerates};

impl<O: Observer> Simulation<'_, O> {
    /// Syncs a StatefulSet.
    pub(super) fn sync_stateful_set(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::StatefulSet(spec) = &self.controller(controller).kind else {
            unreachable!("asked for StatefulSets only")
        };
        let state = &self.world.owners.controllers[controller.index()];
        let (spec, template) = (StatefulSetSpec { replicas: state.replicas, ..spec.clone() }, state.template);
        let owner = self.own_owner_of(controller);
        let pods = self.observe_pods(owner);
        let before = self.controller_loops.stateful_sets.entry(controller).or_default();
        let plan = stateful_set::sync(&spec, template, before, &pods, self.world.time);
        *before = plan.status;
        for pod in plan.create {
            let (template, ordinal) = (pod.revision, pod.ordinal);
            self.write(controller, Write::Make { owner, template, ordinal, index_failures: (0, 0) });
        }
        for pod in plan.delete {
            self.write(controller, Write::Delete { pod });
        }
        plan.wake
    }

    /// Syncs a DaemonSet.
    pub(super) fn sync_daemon_set(&mut self, controller: ControllerId) -> Option<SimTime> {
        let ControllerKind::DaemonSet(spec) = &self.controller(controller).kind else {
            unreachable!("asked for DaemonSets only")
        };
        let owner = self.own_owner_of(controller);
        let state = &self.world.owners.controllers[controller.index()];
        let (template, generation) = (state.template, state.generation);
        let nodes = self.daemon_nodes(controller);
        let observed = self.observe_pods(owner).into_iter();
        let pods: Vec<_> = observed.map(|pod| (NodeId(pod.ordinal), pod)).collect();
        let object = ObservedDaemonSet { spec, template, generation, nodes: &nodes, pods: &pods };
        let backoffs = self.controller_loops.daemon_backoffs.entry(controller).or_default();
        let plan = daemon_set::sync(&object, backoffs, self.world.time);
        for node in plan.create {
            self.write(controller, Write::Make { owner, template, ordinal: node.0, index_failures: (0, 0) });
        }
        for pod in plan.delete {
            self.write(controller, Write::Delete { pod });
        }
        plan.wake
    }

    /// The nodes that are there, and which of them are to have a pod.
    fn daemon_nodes(&self, controller: ControllerId) -> Vec<DaemonNode> {
        let view = View { model: self.model, world: &self.world };
        let nodes = &self.world.nodes;
        let revision = self.world.owners.controllers[controller.index()].template;
        let known = (0..nodes.len()).map(NodeId::from_index);
        known
            .filter(|node| nodes.state[node.index()].is_up())
            .filter_map(|id| Some((id, self.daemon_class(controller, revision, id)?)))
            .map(|(id, class)| {
                let fits =
                    kube::labels::meets_required_node_affinity(view.class(class), &kube::NodeInfo::new(view, id));
                let allowed = self.world.constraints.verdict_on_node(class, nodes, id);
                let taints = &self.model.cluster.shape(nodes.shape[id.index()]).taints;
                let tolerations = &view.class(class).tolerations;
                let stays = taints
                    .iter()
                    .filter(|taint| taint.effect == TaintEffect::NoExecute)
                    .all(|taint| tolerations.iter().any(|toleration| tolerates(toleration, taint)));
                DaemonNode {
                    id,
                    should_run: fits && allowed == Verdict::Allowed,
                    should_continue: fits && stays && allowed != Verdict::SelectorMismatch,
                }
            })
            .collect()
    }

    /// The class of the pod that a DaemonSet has on a node: a template has one for each node that the model knows of, and others
    /// get one when they join.
    pub(in crate::engine) fn daemon_class(
        &self,
        controller: ControllerId,
        revision: RevisionId,
        node: NodeId,
    ) -> Option<ClassId> {
        let template = &self.controller(controller).templates[revision.index()];
        if node.index() < self.nodes_known(template.classes.len()) {
            return Some(template.class(node.0));
        }
        self.world.owners.daemon_classes.get(&(controller, revision, node)).copied()
    }

    /// Of how many nodes the model knows what DaemonSets have there.
    fn nodes_known(&self, classes: usize) -> usize {
        if self.provisioning.is_some() { self.model.cluster.nodes.len() } else { classes }
    }

    /// A node has joined of which the model did not know: DaemonSets get a class for it.
    pub(in crate::engine) fn learn_daemon_classes(&mut self, node: NodeId) {
        if self.provisioning.is_none() {
            return;
        }
        let name = self.world.nodes.name(node).to_owned();
        for (index, one) in self.model.controllers.list.iter().enumerate() {
            if !matches!(one.kind, ControllerKind::DaemonSet(_)) {
                continue;
            }
            for (revision, template) in one.templates.iter().enumerate() {
                let class = self.model.workload.add_on_node(template.class(0), &name);
                self.world.constraints.learn(&self.model.workload, class);
                let key = (ControllerId::from_index(index), RevisionId::from_index(revision), node);
                self.world.owners.daemon_classes.insert(key, class);
            }
        }
    }

    /// Nodes have come, gone or changed: DaemonSets look at them.
    pub(in crate::engine) fn tell_daemon_sets(&mut self) {
        for index in 0..self.model.controllers.list.len() {
            if matches!(self.model.controllers.list[index].kind, ControllerKind::DaemonSet(_)) {
                self.request_sync(ControllerId::from_index(index), self.world.time);
            }
        }
    }

    fn own_owner_of(&mut self, controller: ControllerId) -> OwnerId {
        let template = self.world.owners.controllers[controller.index()].template;
        let owner = self.own_owner(controller);
        self.world.owners.list[owner.index()].template = template;
        owner
    }
}
