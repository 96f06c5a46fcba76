//! What pods and nodes say about being taken away: annotations that node autoscalers heed, and what a pod would lose.
//!
//! Sources: `utils/drain` and `utils/pod` of cluster-autoscaler (commit 33c3f97bf274), `pkg/utils/pod` and
//! `pkg/utils/disruption` of Karpenter v1.15.0. A value that upstream cannot read says nothing, there as here.

use super::cluster::Label;
use crate::units::{SimDuration, SimTime};

/// Whether cluster-autoscaler may evict the pod: `true`, `false` or `on-completion`.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// Names of volumes, parted at commas, whose contents may be lost.
pub const SAFE_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// Whether cluster-autoscaler treats the pod as a DaemonSet's: `true`.
pub const DAEMON: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";
/// How old the pod must be before cluster-autoscaler buys for it: a duration.
pub const SCALE_UP_DELAY: &str = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay";
/// Whether cluster-autoscaler leaves the node: `true`.
pub const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// Whether Karpenter leaves the pod or the node: `true`; of a pod also for how long.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// What evicting the pod costs Karpenter: a whole number of 32 bits.
pub const DISRUPTION_COST: &str = "karpenter.sh/disruption-cost";
/// What Karpenter takes where that is not said.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// The mark of a pod that a kubelet made by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The annotations of pods that are heeded, but for those about volumes and mirrors, which only manifests have.
pub const POD_ANNOTATIONS: [&str; 6] =
    [SAFE_TO_EVICT, DAEMON, SCALE_UP_DELAY, DO_NOT_DISRUPT, DISRUPTION_COST, DELETION_COST];

/// The annotations of nodes that are heeded.
pub const NODE_ANNOTATIONS: [&str; 2] = [SCALE_DOWN_DISABLED, DO_NOT_DISRUPT];

/// What a pod's annotation `cluster-autoscaler.kubernetes.io/safe-to-evict` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SafeToEvict {
    /// Nothing, or something else.
    #[default]
    Unsaid,
    /// `true`.
    Yes,
    /// `false`.
    No,
    /// `on-completion`.
    OnCompletion,
}

/// What a pod's annotation `karpenter.sh/do-not-disrupt` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum DoNotDisrupt {
    /// Nothing, or something else.
    #[default]
    Unsaid,
    /// `true`.
    Always,
    /// So long after it was started.
    For(SimDuration),
}

impl DoNotDisrupt {
    /// Until when it protects a pod that was started then (`IsDoNotDisruptActive`); none: it does not.
    pub fn until(self, started: Option<SimTime>) -> Option<SimTime> {
        match (self, started) {
            (DoNotDisrupt::Unsaid, _) => None,
            (DoNotDisrupt::Always, _) | (DoNotDisrupt::For(_), None) => Some(SimTime::NEVER),
            (DoNotDisrupt::For(span), Some(started)) => Some(started.after(span)),
        }
    }
}

/// What pods of a class say about being moved. Only node autoscalers look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodDisruption {
    /// Whether cluster-autoscaler may evict it.
    pub safe_to_evict: SafeToEvict,
    /// Whether Karpenter may.
    pub do_not_disrupt: DoNotDisrupt,
    /// Whether it would lose what it keeps on the node: it has a path of the host, or an empty directory that is not in
    /// memory, and does not say that this may be lost.
    pub has_local_storage: bool,
    /// Whether it mirrors a pod that the kubelet made by itself.
    pub is_mirror: bool,
    /// Whether it is to be treated as of a DaemonSet.
    pub passes_for_daemon: bool,
    /// Whether it is known that nothing would make another in its place: a Pod as it is written, without a controller.
    pub has_no_controller: bool,
    /// What evicting it costs Karpenter, in units of which 2^27 are a pod.
    pub eviction_cost: i32,
    /// How old it must be before cluster-autoscaler buys for it.
    pub scale_up_delay: Option<SimDuration>,
}

/// A value that says nothing: the annotation, and what its values are.
pub type Ignored = (&'static str, &'static str);

impl PodDisruption {
    /// What annotations say, and which of them say nothing.
    pub fn of_annotations<'a>(get: impl Fn(&str) -> Option<&'a str>) -> (PodDisruption, Vec<Ignored>) {
        let mut said = Said { get: &get, ignored: Vec::new() };
        let of_cost = if get(DISRUPTION_COST).is_some() { DISRUPTION_COST } else { DELETION_COST };
        let read = PodDisruption {
            safe_to_evict: said.value(SAFE_TO_EVICT, safe_to_evict, SAFE_TO_EVICT_VALUES).unwrap_or_default(),
            do_not_disrupt: said.value(DO_NOT_DISRUPT, do_not_disrupt, DO_NOT_DISRUPT_VALUES).unwrap_or_default(),
            passes_for_daemon: said.value(DAEMON, truth, DAEMON_VALUES).unwrap_or(false),
            // A cost that cannot be read is none; it does not make room for the other annotation.
            eviction_cost: said.value(of_cost, |text| text.parse().ok(), COST_VALUES).unwrap_or(0),
            scale_up_delay: said.value(SCALE_UP_DELAY, go_duration, SCALE_UP_DELAY_VALUES),
            is_mirror: get(MIRROR).is_some(),
            ..PodDisruption::default()
        };
        (read, said.ignored)
    }
}

const SAFE_TO_EVICT_VALUES: &str = "`safe-to-evict` is \"true\", \"false\" or \"on-completion\"; all else says nothing";
const DO_NOT_DISRUPT_VALUES: &str = "`do-not-disrupt` is \"true\" or a duration such as 1h30m; all else says nothing";
const DAEMON_VALUES: &str = "`daemonset-pod` is \"true\"; all else says nothing";
const COST_VALUES: &str = "a cost is a whole number of 32 bits in quotes, such as \"-1000\"; all else says nothing";
const SCALE_UP_DELAY_VALUES: &str = "`pod-scale-up-delay` is a duration such as 5m; all else says nothing";

/// Annotations, and those that say nothing.
struct Said<'g, F> {
    get: &'g F,
    ignored: Vec<Ignored>,
}

impl<'a, F: Fn(&str) -> Option<&'a str>> Said<'_, F> {
    /// What an annotation says, if it is there; one that cannot be read is noted, with what its values are.
    fn value<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Option<T>, values: &'static str) -> Option<T> {
        let read = parse((self.get)(key)?);
        if read.is_none() {
            self.ignored.push((key, values));
        }
        read
    }
}

fn safe_to_evict(text: &str) -> Option<SafeToEvict> {
    match text {
        "true" => Some(SafeToEvict::Yes),
        "false" => Some(SafeToEvict::No),
        "on-completion" => Some(SafeToEvict::OnCompletion),
        _ => None,
    }
}

fn do_not_disrupt(text: &str) -> Option<DoNotDisrupt> {
    match text {
        "true" => Some(DoNotDisrupt::Always),
        "false" => Some(DoNotDisrupt::Unsaid),
        _ => go_duration(text).filter(|span| *span > SimDuration::ZERO).map(DoNotDisrupt::For),
    }
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A duration as Go reads it, which knows no days.
fn go_duration(text: &str) -> Option<SimDuration> {
    SimDuration::parse(text).ok().filter(|_| !text.contains('d'))
}

/// What nodes of a shape say about being taken away. Only node autoscalers look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeDisruption {
    /// Whether cluster-autoscaler leaves them.
    pub scale_down_disabled: bool,
    /// Whether Karpenter leaves them.
    pub do_not_disrupt: bool,
}

impl NodeDisruption {
    /// What annotations say.
    pub fn of_annotations<'a>(get: impl Fn(&str) -> Option<&'a str>) -> NodeDisruption {
        NodeDisruption {
            scale_down_disabled: get(SCALE_DOWN_DISABLED) == Some("true"),
            do_not_disrupt: get(DO_NOT_DISRUPT) == Some("true"),
        }
    }

    /// What annotations in a list say.
    pub fn of_list(annotations: &[Label]) -> NodeDisruption {
        let value = |key: &str| annotations.iter().find(|one| one.key == key).map(|one| one.value.as_str());
        NodeDisruption::of_annotations(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(annotations: &'a [(&'a str, &'a str)]) -> (PodDisruption, Vec<&'static str>) {
        let get = |key: &str| annotations.iter().find(|(other, _)| *other == key).map(|(_, value)| *value);
        let (read, ignored) = PodDisruption::of_annotations(get);
        (read, ignored.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn annotations_say_what_upstream_reads_in_them() {
        let nothing = PodDisruption::default();
        let minute = SimDuration::from_seconds(60.0);
        let safe = |safe_to_evict| PodDisruption { safe_to_evict, ..nothing };
        let kept = |do_not_disrupt| PodDisruption { do_not_disrupt, ..nothing };
        let costs = |eviction_cost| PodDisruption { eviction_cost, ..nothing };
        type Case<'a> = (&'a [(&'a str, &'a str)], PodDisruption, &'a [&'a str]);
        let cases: [Case<'_>; 21] = [
            (&[], nothing, &[]),
            (&[("example.com/owner", "me")], nothing, &[]),
            (&[(SAFE_TO_EVICT, "true")], safe(SafeToEvict::Yes), &[]),
            (&[(SAFE_TO_EVICT, "false")], safe(SafeToEvict::No), &[]),
            (&[(SAFE_TO_EVICT, "on-completion")], safe(SafeToEvict::OnCompletion), &[]),
            // Only these words count: `True` is another.
            (&[(SAFE_TO_EVICT, "True")], nothing, &[SAFE_TO_EVICT]),
            (&[(DO_NOT_DISRUPT, "true")], kept(DoNotDisrupt::Always), &[]),
            (&[(DO_NOT_DISRUPT, "1m")], kept(DoNotDisrupt::For(minute)), &[]),
            (&[(DO_NOT_DISRUPT, "false")], nothing, &[]),
            // Go's durations have no days, and the span must be positive.
            (&[(DO_NOT_DISRUPT, "1d")], nothing, &[DO_NOT_DISRUPT]),
            (&[(DO_NOT_DISRUPT, "0s")], nothing, &[DO_NOT_DISRUPT]),
            (&[(DAEMON, "true")], PodDisruption { passes_for_daemon: true, ..nothing }, &[]),
            (&[(DAEMON, "yes")], nothing, &[DAEMON]),
            (&[(SCALE_UP_DELAY, "60s")], PodDisruption { scale_up_delay: Some(minute), ..nothing }, &[]),
            (&[(SCALE_UP_DELAY, "soon")], nothing, &[SCALE_UP_DELAY]),
            (&[(DISRUPTION_COST, "-7")], costs(-7), &[]),
            (&[(DELETION_COST, "9")], costs(9), &[]),
            // The first hides the second, whether it can be read or not.
            (&[(DISRUPTION_COST, "5"), (DELETION_COST, "9")], costs(5), &[]),
            (&[(DISRUPTION_COST, "much"), (DELETION_COST, "9")], nothing, &[DISRUPTION_COST]),
            // 2^31 is one too many.
            (&[(DELETION_COST, "2147483648")], nothing, &[DELETION_COST]),
            (&[(MIRROR, "0123")], PodDisruption { is_mirror: true, ..nothing }, &[]),
        ];
        for (annotations, expected, ignored) in cases {
            assert_eq!(read(annotations), (expected, ignored.to_vec()), "{annotations:?}");
        }
    }

    #[test]
    fn protection_ends_so_long_after_the_start() {
        let (at, span) = (|seconds| SimTime::ZERO.after(SimDuration::from_seconds(seconds)), DoNotDisrupt::For);
        let hour = SimDuration::from_seconds(3600.0);
        for (said, started, until) in [
            (DoNotDisrupt::Unsaid, Some(at(5.0)), None),
            (DoNotDisrupt::Always, Some(at(5.0)), Some(SimTime::NEVER)),
            // 5 s and an hour.
            (span(hour), Some(at(5.0)), Some(at(3605.0))),
            // As long as it has not been started nobody knows when that will be.
            (span(hour), None, Some(SimTime::NEVER)),
        ] {
            assert_eq!(said.until(started), until, "{said:?} {started:?}");
        }
    }

    #[test]
    fn nodes_are_left_where_they_say_so() {
        let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
        for (key, value, expected) in [
            (SCALE_DOWN_DISABLED, "true", (true, false)),
            (DO_NOT_DISRUPT, "true", (false, true)),
            (SCALE_DOWN_DISABLED, "yes", (false, false)),
            // A node is kept for good or not at all: durations are for pods.
            (DO_NOT_DISRUPT, "1h", (false, false)),
            ("example.com/owner", "true", (false, false)),
        ] {
            let read = NodeDisruption::of_list(&[label(key, value)]);
            assert_eq!((read.scale_down_disabled, read.do_not_disrupt), expected, "{key}: {value}");
        }
    }
}
