//! What pods get when they are made, and the classes that come of it.

use super::VerticalState;
use crate::engine::run::Simulation;
use crate::ids::{ClassId, ControllerId, LifeId, NodeId, RevisionId};
use crate::model::controllers::{ControllerKind, PodLife};
use crate::model::vertical_pod_autoscaler::{ContainerResources, UpdateMode};
use crate::model::workload::ResizedClass;
use crate::observe::Observer;
use crate::policy::autoscaler::vertical::admission::{applied, resources_for_pod};
use crate::policy::autoscaler::vertical::resized::{resized_class, resized_life, resources_of};

impl<'m, O: Observer> Simulation<'m, O> {
    /// The class of a pod that is made from a template, and its life where it is not the template's: the admission asks what
    /// is recommended.
    pub(in crate::engine) fn size_new_pod(
        &mut self,
        controller: ControllerId,
        revision: RevisionId,
        ordinal: u32,
    ) -> (ClassId, Option<LifeId>) {
        let template = &self.controller(controller).templates[revision.index()];
        let on_node = match self.controller(controller).kind {
            ControllerKind::DaemonSet(_) => self.daemon_class(controller, revision, NodeId(ordinal)),
            _ => None,
        };
        let base = on_node.unwrap_or_else(|| template.class(ordinal));
        let life = self.model.controllers.life(template.life);
        let sized = self.vertical.as_ref().and_then(|state| recommended(state, controller, life));
        let Some(resources) = sized else { return (base, None) };
        let (class, life) = self.intern_size(base, life, &resources);
        self.world.constraints.learn(&self.model.workload, class);
        (class, Some(life))
    }

    /// The class and life of pods of a template whose containers have these resources.
    pub(super) fn intern_size(
        &self,
        base: ClassId,
        life: &PodLife,
        resources: &[ContainerResources],
    ) -> (ClassId, LifeId) {
        let resized = resized_life(life, resources);
        let class = resized_class(self.model.workload.class(base), life, &resized);
        let class = self.model.workload.intern_resized(ResizedClass { base, class });
        (class, self.model.controllers.intern_resized(resized))
    }
}

/// What the containers of a new pod get; none: what its template says.
fn recommended(state: &VerticalState<'_>, controller: ControllerId, life: &PodLife) -> Option<Vec<ContainerResources>> {
    let one = &state.loops[state.loop_of(controller)?.index()];
    if one.model.mode == UpdateMode::Off || one.recommendations.is_empty() {
        return None;
    }
    let before = resources_of(life);
    let after = with_recommendations(state, controller, &before)?;
    (after != before).then_some(after)
}

/// What containers get that have these resources now.
pub(super) fn with_recommendations(
    state: &VerticalState<'_>,
    controller: ControllerId,
    before: &[ContainerResources],
) -> Option<Vec<ContainerResources>> {
    let one = &state.loops[state.loop_of(controller)?.index()];
    let (policy, ranges) = (&one.model.resource_policy, &one.model.limit_ranges);
    let changes = resources_for_pod(&one.recommendations, before, one.model.mode, policy, ranges);
    Some(before.iter().zip(&changes).map(|(container, change)| applied(container, change)).collect())
}
