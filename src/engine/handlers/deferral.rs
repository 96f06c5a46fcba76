//! Pods that can wait are held until their hour has come, as by a scheduling gate.

use crate::engine::Step;
use crate::engine::run::Simulation;
use crate::ids::{ClassId, PodId};
use crate::model::{Intensity, Model};
use crate::observe::Observer;
use crate::policy::ParameterError;
use crate::policy::deferral::{self, Ask, Deferral};
use crate::units::SimDuration;
use crate::world::pods::Reason;

/// The name of a policy that is unknown, or with what is wrong with its parameters.
type Refused = (String, Option<ParameterError>);

/// The policies of the pods that can wait, in the model's order; else the first name that is unknown or has a parameter that is
/// wrong.
pub(in crate::engine) fn policies(model: &Model) -> Result<Vec<Box<dyn Deferral>>, Refused> {
    let deferrable = model.carbon.iter().flat_map(|carbon| &carbon.deferrable);
    let policies = deferrable.map(|pods| {
        let row = deferral::find(&pods.policy).ok_or_else(|| (pods.policy.clone(), None))?;
        row.build(&pods.parameters).map_err(|error| (pods.policy.clone(), Some(error)))
    });
    policies.collect()
}

impl<O: Observer> Simulation<'_, O> {
    /// The class with which a pod of that class and length arrives now, and how long it is held.
    pub(in crate::engine) fn defer(&self, class: ClassId, length: Option<SimDuration>) -> (ClassId, SimDuration) {
        let Some(carbon) = &self.model.carbon else { return (class, SimDuration::ZERO) };
        let Some(index) = carbon.deferrable.iter().position(|pods| pods.class == class) else {
            return (class, SimDuration::ZERO);
        };
        let (pods, now) = (&carbon.deferrable[index], self.world.time);
        let places: Vec<&Intensity> = match &pods.zones[..] {
            [] => vec![&carbon.elsewhere],
            zones => zones.iter().map(|(zone, _)| carbon.of(Some(*zone))).collect(),
        };
        let length = pods.length.or(length).unwrap_or(SimDuration::ZERO);
        let ask = Ask { now, deadline: now.after(pods.deadline), length, places: &places };
        let choice = self.deferrals[index].decide(&ask);
        let class = pods.zones.get(choice.place).map_or(class, |(_, class)| *class);
        (class, choice.start.since(now))
    }

    /// Puts a pod that has arrived into the queue, after it was held that long.
    pub(in crate::engine) fn hold(&mut self, pod: PodId, span: SimDuration) {
        if span == SimDuration::ZERO {
            return self.enqueue(pod);
        }
        self.world.pods.reason[pod.index()] = Reason::Deferred;
        self.schedule_step(pod, span, Step::Release);
    }

    pub(in crate::engine) fn on_release(&mut self, pod: PodId) {
        self.world.pods.reason[pod.index()] = Reason::None;
        self.enqueue(pod);
    }
}
