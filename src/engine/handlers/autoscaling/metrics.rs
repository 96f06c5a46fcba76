//! Metrics that are neither CPU nor memory: of pods, of objects, and from outside.

use crate::model::autoscaling::{CustomMetric, MetricValues, TrafficFigure};
use crate::policy::autoscaler::{MetricSource, NamedMetric, ObservedPod, PodMetric, Sample, TrafficSample};
use crate::units::{SimDuration, SimTime};

/// Thousandths of the value of a metric now; none: it is not known.
pub(super) fn value_milli(metric: &CustomMetric, traffic: Option<&TrafficSample>, now: SimTime) -> Option<i64> {
    match &metric.source {
        MetricValues::Series(points) => {
            let next = points.partition_point(|(at, _)| *at <= now);
            next.checked_sub(1).map(|last| points[last].1)
        }
        MetricValues::Traffic(_, figure) => {
            let sample = traffic?;
            let value = match figure {
                TrafficFigure::ArrivalRate => sample.arrival_rate_per_s(),
                TrafficFigure::Concurrency => sample.concurrency,
                TrafficFigure::QueueLength => sample.queued,
                TrafficFigure::InFlight => sample.in_flight,
                TrafficFigure::LatencyP95 => sample.latency_p95_s?,
                TrafficFigure::LatencyP99 => sample.latency_p99_s?,
            };
            Some((value * 1000.0).round() as i64)
        }
    }
}

/// Whether a metric is the one that a manifest asks for.
pub(super) fn is_meant(metric: &CustomMetric, source: &MetricSource) -> bool {
    let names = |one: &Option<String>| one.as_ref().map(|name| name.to_lowercase());
    metric.name == source.name && names(&metric.object) == names(&source.object)
}

/// A metric of an object or from outside, with its value in thousandths.
#[derive(Debug)]
pub(super) struct Named<'r> {
    pub(super) source: &'r MetricSource,
    pub(super) value_milli: i64,
    pub(super) at: SimTime,
}

impl Named<'_> {
    pub(super) fn metric(&self) -> NamedMetric<'_> {
        NamedMetric { source: self.source, at: self.at, values_milli: std::slice::from_ref(&self.value_milli) }
    }
}

/// A metric of pods, by position of the pod.
#[derive(Debug)]
pub(super) struct OfPods<'r> {
    name: &'r str,
    sample: Sample,
    values: Vec<Option<i64>>,
}

impl<'r> OfPods<'r> {
    /// What a service does is divided evenly among the pods that are ready; a series is that of every pod.
    pub(super) fn new(
        name: &'r str,
        metric: &CustomMetric,
        pods: &[ObservedPod],
        traffic: Option<&TrafficSample>,
        now: SimTime,
    ) -> Option<OfPods<'r>> {
        let value = value_milli(metric, traffic, now)?;
        let ready = pods.iter().filter(|pod| pod.is_ready()).count().max(1) as i64;
        let is_divided = matches!(
            metric.source,
            MetricValues::Traffic(
                _,
                TrafficFigure::ArrivalRate
                    | TrafficFigure::Concurrency
                    | TrafficFigure::QueueLength
                    | TrafficFigure::InFlight
            )
        );
        let each = if is_divided { value / ready } else { value };
        let values = pods.iter().map(|pod| pod.is_ready().then_some(each)).collect();
        let window = traffic.map_or(SimDuration::ZERO, |traffic| traffic.window);
        Some(OfPods { name, sample: Sample { at: now, window }, values })
    }

    pub(super) fn metric(&self) -> PodMetric<'_> {
        PodMetric { name: self.name, sample: self.sample, values_milli: &self.values }
    }
}
