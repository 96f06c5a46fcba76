//! Vertical autoscalers act: they learn from what metrics-server measured and from containers killed for memory, evict or
//! resize pods whose requests are off, and size those that are made.
//!
//! Every minute the recommender looks and after it the updater, as the loops of the Vertical Pod Autoscaler 1.8.1 do with
//! their flags as they come; the admission asks for the recommendations at once. They begin a minute after the run did.
//!
//! Cost: nothing where there are none; else every minute O(containers of their targets), and for each container name one pass
//! over the buckets of its histograms.

mod feed;
mod resize;
mod sizes;
mod update;

use std::collections::BTreeMap;

use super::AutoscalingState;
use crate::engine::Event;
use crate::engine::run::{RunError, Simulation};
use crate::ids::{ControllerId, PodId, VerticalId};
use crate::model::Model;
use crate::model::autoscaling::VerticalAutoscaler;
use crate::model::controllers::PodLife;
use crate::model::vertical_pod_autoscaler::{ContainerRecommendation, ContainerResources};
use crate::observe::{ContainerSeen, Observer};
use crate::policy::autoscaler::vertical::cluster::LabelSet;
use crate::policy::autoscaler::vertical::table::{self, SizingRow};
use crate::policy::autoscaler::vertical::updater::{Updater, UpdaterConfig};
use crate::policy::autoscaler::vertical::workload::WorkloadSizing;
use crate::units::{SimDuration, SimTime};
use resize::Pending;

/// How often recommender and updater look (`recommender-interval`, `updater-interval`).
const INTERVAL: SimDuration = SimDuration(60_000_000_000);
/// Stands for no autoscaler in [`VerticalState::loop_of`].
const NO_LOOP: u32 = u32::MAX;

/// Vertical autoscalers and what they know.
#[derive(Debug)]
pub(in crate::engine) struct VerticalState<'m> {
    loops: Vec<VerticalLoop<'m>>,
    /// Positions of autoscalers by controller.
    loop_of: Vec<u32>,
    updater: Updater,
    /// Resizes that the kubelet has put off or refused.
    pending: BTreeMap<PodId, Pending>,
    /// Containers that were killed for memory since the recommender last looked.
    oom_kills: Vec<OomKill>,
}

/// One autoscaler.
#[derive(Debug)]
struct VerticalLoop<'m> {
    model: &'m VerticalAutoscaler,
    sizing: WorkloadSizing,
    /// Numbers of sets of labels: by template, and by what else tells pods of the kind apart.
    labels: BTreeMap<(u32, u32), LabelSet>,
    /// Pods that the rule knows, and their labels.
    known: BTreeMap<PodId, LabelSet>,
    /// What its containers had and used when it last looked.
    seen: Vec<ContainerSeen>,
    /// `status.recommendation`.
    recommendations: Vec<ContainerRecommendation>,
}

/// A container that was killed for memory.
#[derive(Debug)]
struct OomKill {
    pod: PodId,
    at: SimTime,
    /// What it had.
    container: ContainerResources,
}

impl<'m> VerticalState<'m> {
    /// The vertical autoscalers of a model; none: there are none.
    ///
    /// # Errors
    /// When there is no rule of a name, or a rule refuses its parameters.
    pub(in crate::engine) fn new(model: &'m Model) -> Result<Option<VerticalState<'m>>, RunError> {
        if model.autoscaling.vertical.is_empty() {
            return Ok(None);
        }
        let mut loop_of = vec![NO_LOOP; model.controllers.list.len()];
        let mut loops = Vec::new();
        for one in &model.autoscaling.vertical {
            loop_of[one.target.index()] = loops.len() as u32;
            loops.push(VerticalLoop {
                model: one,
                sizing: build(model, one)?,
                labels: BTreeMap::new(),
                known: BTreeMap::new(),
                seen: Vec::new(),
                recommendations: Vec::new(),
            });
        }
        let updater = Updater::new(UpdaterConfig::default());
        Ok(Some(VerticalState { loops, loop_of, updater, pending: BTreeMap::new(), oom_kills: Vec::new() }))
    }

    fn loop_of(&self, controller: ControllerId) -> Option<VerticalId> {
        let position = self.loop_of[controller.index()];
        (position != NO_LOOP).then_some(VerticalId(position))
    }
}

/// The rule of an autoscaler.
fn build(model: &Model, one: &VerticalAutoscaler) -> Result<WorkloadSizing, RunError> {
    let name = &one.policy.name;
    let row: &SizingRow =
        table::find(name).ok_or_else(|| RunError::UnknownPolicy { kind: "sizing", name: name.clone() })?;
    let template = &model.controllers.list[one.target.index()].templates[0];
    let horizon = model.horizon.filter(|_| row.is_clairvoyant);
    let containers = feed::containers(model.controllers.life(template.life), horizon);
    WorkloadSizing::new(row, &one.policy.parameters, &one.resource_policy, &containers)
        .map_err(|error| RunError::Parameter { name: name.clone(), error })
}

impl<'m, O: Observer> Simulation<'m, O> {
    /// Recommender and updater are to look for the first time.
    pub(super) fn begin_vertical(&mut self) {
        if self.vertical.is_some() {
            self.schedule(SimTime::ZERO.after(INTERVAL), Event::SizePods);
        }
    }

    /// The recommender looks, and after it the updater.
    pub(in crate::engine) fn on_size_pods(&mut self) {
        self.schedule(self.world.time.after(INTERVAL), Event::SizePods);
        // Without the API server nobody gets to see anything.
        if !self.world.health.services.api_server_is_up {
            return;
        }
        let (Some(mut state), Some(mut seen)) = (self.vertical.take(), self.autoscaling.take()) else { return };
        self.recommend(&mut state, &mut seen);
        let observed = self.observe_for_updates(&state, &mut seen);
        self.autoscaling = Some(seen);
        self.update_pods(&mut state, &observed);
        self.retry_resizes_of(&mut state, None);
        self.vertical = Some(state);
    }

    /// What the containers of a pod are now.
    fn life_now(&self, pod: PodId) -> Option<&'m PodLife> {
        self.life_rules(pod).map(|rules| rules.template)
    }
}

impl<'m> AutoscalingState<'m> {
    /// Sees to it that what the pods of vertical autoscalers use is measured.
    pub(super) fn measure_vertical(&mut self, model: &Model) {
        for one in &model.autoscaling.vertical {
            let target = self.target(one.target);
            self.targets[target].is_read = true;
        }
    }
}
