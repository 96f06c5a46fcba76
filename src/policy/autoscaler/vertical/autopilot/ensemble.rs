//! The cheapest of several models, each of which takes the cheapest of all limits for what it remembers.
//!
//! A model remembers with its own decay what a limit would have cost: for samples above it, for what lay below it, and
//! for changing it (equations 5 to 7). Among the models the one is taken that has been cheapest of late (8 to 10).
//!
//! Samples in the bucket that ends at a limit are neither above nor below it. Ours: samples of a window are counted as
//! fractions of it, and a model's margin is a fraction of its limit.
//!
//! Cost: O(decays * limits + models) a window.

use super::super::histogram::Buckets;
use super::super::sizing::{Sizing, Usage};
use super::super::spec::{ContainerRecommendation, ContainerResources, Resource};
use super::{Window, WindowConfig, Windows, recommendation, value};
use crate::ids::PodId;
use crate::units::SimTime;

/// What things cost, for one resource.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// A window with all samples above the limit.
    pub overrun: f64,
    /// A window with all samples below the limit.
    pub underrun: f64,
    /// Changing the limit.
    pub limit_change: f64,
    /// Changing the model.
    pub model_change: f64,
}

impl Weights {
    fn of(&self, (over, under): (f64, f64)) -> f64 {
        self.overrun * over + self.underrun * under
    }
}

/// Parameters of [`Ensemble`].
#[derive(Clone, Debug, PartialEq)]
pub struct EnsembleConfig {
    /// How usage is cut.
    pub windows: WindowConfig,
    /// What things cost, of CPU.
    pub cpu: Weights,
    /// What things cost, of memory.
    pub memory: Weights,
    /// How much the latest window counts for the cost of a model, between 0 and 1.
    pub decay: f64,
    /// How much the latest window counts for the limit of a model; every one with every margin is a model.
    pub model_decays: Vec<f64>,
    /// What a model adds to its limit, as a fraction.
    pub model_margins: Vec<f64>,
}

impl Default for EnsembleConfig {
    fn default() -> EnsembleConfig {
        EnsembleConfig {
            windows: WindowConfig::default(),
            cpu: Weights { overrun: 20.0, underrun: 1.0, limit_change: 0.1, model_change: 0.05 },
            memory: Weights { overrun: 1000.0, underrun: 1.0, limit_change: 0.1, model_change: 0.05 },
            decay: 0.003,
            model_decays: vec![0.001, 0.004, 0.016, 0.064],
            model_margins: vec![0.05, 0.1, 0.2],
        }
    }
}

/// What each limit, the end of a bucket, would have cost, with one decay.
#[derive(Clone, Debug)]
struct Memory {
    decay: f64,
    overruns: Vec<f64>,
    underruns: Vec<f64>,
    /// The bucket whose end is the cheapest limit.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Model {
    memory: usize,
    margin: f64,
    limit: f64,
    cost: f64,
}

/// The ensemble of one resource.
#[derive(Clone, Debug)]
struct Models {
    memories: Vec<Memory>,
    models: Vec<Model>,
    weights: Weights,
    decay: f64,
    chosen: Option<(usize, f64)>,
}

/// Cost of something having changed; what was not there before has not.
fn change<T: PartialEq>(weight: f64, before: Option<T>, after: T) -> f64 {
    if before.is_some_and(|before| before != after) { weight } else { 0.0 }
}

/// The first of the cheapest.
fn cheapest(costs: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::INFINITY);
    for (index, cost) in costs.enumerate() {
        if cost < best.1 {
            best = (index, cost);
        }
    }
    best.0
}

impl EnsembleConfig {
    fn models(&self, buckets: &Buckets, weights: Weights) -> Models {
        let nothing = vec![0.0; buckets.count()];
        let memory =
            |&decay: &f64| Memory { decay, overruns: nothing.clone(), underruns: nothing.clone(), limit: None };
        let model = |memory: usize, margin: f64| Model { memory, margin, limit: 0.0, cost: 0.0 };
        let margins = &self.model_margins;
        Models {
            memories: self.model_decays.iter().map(memory).collect(),
            models: (0..self.model_decays.len())
                .flat_map(|memory| margins.iter().map(move |margin| model(memory, *margin)))
                .collect(),
            weights,
            decay: self.decay,
            chosen: None,
        }
    }
}

/// The fractions of a window above and below a limit.
fn beside(buckets: &Buckets, window: &Window, limit: f64) -> (f64, f64) {
    let (mut samples, mut over, mut under) = (0.0, 0.0, 0.0);
    for &(bucket, count) in window {
        let used = value(buckets, bucket);
        samples += count;
        over += if used > limit { count } else { 0.0 };
        under += if used < limit { count } else { 0.0 };
    }
    (over / samples, under / samples)
}

impl Models {
    fn add(&mut self, buckets: &Buckets, window: &Window) {
        let weights = self.weights;
        let costs: Vec<_> =
            (0..buckets.count()).map(|bucket| beside(buckets, window, value(buckets, bucket))).collect();
        let is_first = self.chosen.is_none();
        for memory in &mut self.memories {
            // What is remembered begins with the first window.
            let decay = if is_first { 1.0 } else { memory.decay };
            for (bucket, (over, under)) in costs.iter().enumerate() {
                memory.overruns[bucket] += decay * (over - memory.overruns[bucket]);
                memory.underruns[bucket] += decay * (under - memory.underruns[bucket]);
            }
            let cost = |bucket: usize| {
                let own = weights.of((memory.overruns[bucket], memory.underruns[bucket]));
                own + change(weights.limit_change, memory.limit, bucket)
            };
            memory.limit = Some(cheapest((0..buckets.count()).map(cost)));
        }
        for model in &mut self.models {
            let limit = value(buckets, self.memories[model.memory].limit.unwrap_or(0)) * (1.0 + model.margin);
            let changed = change(weights.limit_change, (!is_first).then_some(model.limit), limit);
            let latest = weights.of(beside(buckets, window, limit)) + changed;
            model.cost += self.decay * (latest - model.cost);
            model.limit = limit;
        }
        let chosen = self.chosen;
        let total = |(index, model): (usize, &Model)| {
            model.cost
                + change(weights.model_change, chosen.map(|(before, _)| before), index)
                + change(weights.limit_change, chosen.map(|(_, limit)| limit), model.limit)
        };
        let best = cheapest(self.models.iter().enumerate().map(total));
        self.chosen = self.models.get(best).map(|model| (best, model.limit));
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Ensemble {
    container: String,
    windows: Windows,
    models: [Models; 2],
}

impl Ensemble {
    /// For a container, before its first sample.
    pub fn new(container: &str, config: EnsembleConfig) -> Ensemble {
        let windows = Windows::new(config.windows);
        let models =
            [config.models(&windows.cpu_buckets, config.cpu), config.models(&windows.memory_buckets, config.memory)];
        Ensemble { container: container.to_owned(), windows, models }
    }
}

impl Sizing for Ensemble {
    fn observe(&mut self, pod: PodId, at: SimTime, usage: Usage) {
        let Some(ended) = self.windows.add(pod, at, usage) else { return };
        for resource in Resource::ALL {
            let buckets = *self.windows.buckets(resource);
            self.models[resource as usize].add(&buckets, &ended[resource as usize]);
        }
    }

    fn observe_oom(&mut self, pod: PodId, _at: SimTime, resources: &ContainerResources) {
        self.windows.add_oom(pod, resources.limits.or_zero(Resource::Memory));
    }

    // What the pod used in the window that has not ended yet still counts.
    fn forget(&mut self, _pod: PodId) {}

    fn recommend(&mut self, _now: SimTime) -> Option<ContainerRecommendation> {
        let limit = |resource: Resource| self.models[resource as usize].chosen.map(|(_, limit)| limit);
        Some(recommendation(&self.container, [limit(Resource::Cpu)?, limit(Resource::Memory)?]))
    }
}
