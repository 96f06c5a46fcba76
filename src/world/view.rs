//! What policies and observers see: the model and the world, read only.

use super::{Deletion, World};
use crate::ids::{ClassId, OfferId, PodId};
use crate::model::{ArrivalSource, Model, PodClass};

/// A read-only look at the present instant. It shows neither future arrivals nor pending events (invariant I9).
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What the run is.
    pub model: &'a Model,
    /// What is true now.
    pub world: &'a World,
}

impl<'a> View<'a> {
    /// The class with that id.
    #[inline]
    pub fn class(&self, class: ClassId) -> &'a PodClass {
        self.model.workload.class(class)
    }

    /// The class of a pod.
    #[inline]
    pub fn class_of(&self, pod: PodId) -> &'a PodClass {
        self.class(self.world.pods.class[pod.index()])
    }

    /// The price by the hour of an offer now, in US dollars.
    pub fn usd_per_hour(&self, offer: OfferId) -> f64 {
        self.model.usd_per_hour(offer, self.world.time)
    }

    /// The name of a pod.
    pub fn pod_name(&self, pod: PodId) -> String {
        let (source, number) = self.world.pods.origin[pod.index()];
        if let Some(member) = self.world.member(pod) {
            return member.name.clone();
        }
        match &self.model.workload.sources[usize::from(source)] {
            ArrivalSource::Listed(listed) => listed.names.get(number as usize).to_owned(),
            ArrivalSource::Generated(pods) => format!("{}-{number}", pods.name),
        }
    }

    /// Whether a pod has been told to end.
    #[inline]
    pub fn is_terminating(&self, pod: PodId) -> bool {
        self.world.pods.deletion[pod.index()] != Deletion::None
    }
}
