//! How the cluster treats nodes that stop reporting: the node lifecycle of Kubernetes, by its parameters.
//!
//! Defaults and names are those of v1.37.0: `pkg/controller/nodelifecycle/config`, the options of
//! kube-controller-manager, the admission plug-in `DefaultTolerationSeconds`, and the kubelet's lease (40 s, renewed
//! every quarter of that).

use super::Dist;
use super::cluster::{Cluster, NodeShape, ShapeId, Taint, TaintEffect};
use super::workload::{PodClass, Toleration, TolerationOperator};
use crate::units::SimDuration;

/// The taint of nodes that report that they are not ready.
pub const NOT_READY_TAINT: &str = "node.kubernetes.io/not-ready";
/// The taint of nodes that do not report.
pub const UNREACHABLE_TAINT: &str = "node.kubernetes.io/unreachable";

/// The taint of nodes that are short of memory.
pub const MEMORY_PRESSURE_TAINT: &str = "node.kubernetes.io/memory-pressure";

/// What is wrong with a node, as its taints say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It reports that it is not ready: [`NOT_READY_TAINT`].
    NotReady,
    /// It does not report: [`UNREACHABLE_TAINT`].
    Unreachable,
}

impl Trouble {
    /// The key of its taint.
    pub fn taint_key(self) -> &'static str {
        match self {
            Trouble::NotReady => NOT_READY_TAINT,
            Trouble::Unreachable => UNREACHABLE_TAINT,
        }
    }
}

/// Parameters of the node lifecycle.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLifecycle {
    /// How often nodes are looked at (`--node-monitor-period`).
    pub monitor_period: SimDuration,
    /// How long a node may be silent before its condition `Ready` becomes `Unknown` (`--node-monitor-grace-period`).
    pub monitor_grace_period: SimDuration,
    /// How often a node reports (the renewal of its lease), counted from when it joined or was last seen again.
    pub heartbeat_period: SimDuration,
    /// Nodes a second and zone whose pods begin to be evicted, in a healthy zone (`--node-eviction-rate`).
    pub eviction_rate: f32,
    /// The same in a zone of which too many nodes are not ready (`--secondary-node-eviction-rate`).
    pub secondary_eviction_rate: f32,
    /// Share of a zone's nodes, and at least 3, that make it unhealthy when they are not ready
    /// (`--unhealthy-zone-threshold`).
    pub unhealthy_zone_threshold: f32,
    /// Unhealthy zones of so many nodes or fewer have no evictions at all (`--large-cluster-size-threshold`).
    pub large_cluster_size_threshold: u32,
    /// How long pods that say nothing stay on a node that is not ready (`--default-not-ready-toleration-seconds`).
    pub not_ready_toleration: SimDuration,
    /// How long they stay on one that does not report (`--default-unreachable-toleration-seconds`).
    pub unreachable_toleration: SimDuration,
    /// How long a node that has booted reports that it is not ready.
    pub boot_not_ready: Dist,
}

impl Default for NodeLifecycle {
    fn default() -> Self {
        let seconds = |count: u64| SimDuration(count * 1_000_000_000);
        NodeLifecycle {
            monitor_period: seconds(5),
            monitor_grace_period: seconds(50),
            heartbeat_period: seconds(10),
            eviction_rate: 0.1,
            secondary_eviction_rate: 0.01,
            unhealthy_zone_threshold: 0.55,
            large_cluster_size_threshold: 50,
            not_ready_toleration: seconds(300),
            unreachable_toleration: seconds(300),
            boot_not_ready: Dist::ZERO,
        }
    }
}

impl NodeLifecycle {
    /// Gives a class of pods the tolerations that the admission plug-in adds where a pod says nothing about a taint.
    pub fn add_default_tolerations(&self, class: &mut PodClass) {
        let defaults =
            [(Trouble::NotReady, self.not_ready_toleration), (Trouble::Unreachable, self.unreachable_toleration)];
        for (trouble, duration) in defaults {
            let key = trouble.taint_key();
            let says_something = class.tolerations.iter().any(|toleration| {
                (toleration.key.is_empty() || toleration.key == key)
                    && toleration.effect.is_none_or(|effect| effect == TaintEffect::NoExecute)
            });
            if !says_something {
                class.tolerations.push(Toleration {
                    key: key.to_owned(),
                    operator: TolerationOperator::Exists,
                    value: String::new(),
                    effect: Some(TaintEffect::NoExecute),
                    duration: Some(duration),
                });
            }
        }
    }
}

/// How many variants of a shape there are: no trouble, not ready or unreachable, for each of the two effects.
const VARIANTS: usize = 9;

impl Cluster {
    /// Adds the variants of all shapes that nodes in trouble take, so that taints can come and go while shapes stay as
    /// they are. To be called once, when all shapes are known.
    ///
    /// # Panics
    /// When the variants are there already.
    pub fn add_taint_variants(&mut self) {
        assert_eq!(self.plain_shapes, 0, "the variants of shapes are added once");
        self.plain_shapes = self.shapes.len() as u32;
        for variant in 1..VARIANTS {
            for plain in 0..self.plain_shapes as usize {
                let shape = with_taints(&self.shapes[plain], trouble(variant / 3), trouble(variant % 3));
                self.shapes.push(shape);
            }
        }
    }

    /// Adds the variants of all shapes that nodes take which are said to be out of service: each with one taint more. To be
    /// called once, after [`Cluster::add_taint_variants`] if that is called, and before [`Cluster::add_pressure_variants`].
    ///
    /// # Panics
    /// When the variants are there already, or those of memory pressure are.
    pub fn add_out_of_service_variants(&mut self) {
        assert_eq!((self.serving_shapes, self.calm_shapes), (0, 0), "the variants of shapes are added once, in order");
        self.serving_shapes = self.add_variants_with(&out_of_service_taint());
    }

    /// Adds the variants of all shapes that nodes short of memory take: each with one taint more. To be called once, when all
    /// shapes and other variants are there.
    ///
    /// # Panics
    /// When the variants are there already.
    pub fn add_pressure_variants(&mut self) {
        assert_eq!(self.calm_shapes, 0, "the variants of shapes are added once");
        let (key, value) = (MEMORY_PRESSURE_TAINT.to_owned(), String::new());
        self.calm_shapes = self.add_variants_with(&Taint { key, value, effect: TaintEffect::NoSchedule });
    }

    /// Adds to each shape that there is its variant with one taint more; how many there were.
    fn add_variants_with(&mut self, taint: &Taint) -> u32 {
        let count = self.shapes.len();
        for position in 0..count {
            let mut shape = self.shapes[position].clone();
            if !shape.taints.contains(taint) {
                shape.taints.push(taint.clone());
            }
            self.shapes.push(shape);
        }
        count as u32
    }

    /// The variant of `shape`, itself a variant or not, with the taint of nodes that are out of service or without it, and not
    /// under memory pressure. Where there are no variants it is `shape`.
    pub fn serving(&self, shape: ShapeId, is_out_of_service: bool) -> ShapeId {
        match self.serving_shapes {
            0 => shape,
            serving => ShapeId(shape.0 % serving + if is_out_of_service { serving } else { 0 }),
        }
    }

    /// The variant of `shape`, itself a variant or not, with the taint of memory pressure or without it. Where there are no
    /// variants it is `shape`.
    pub fn pressed(&self, shape: ShapeId, is_under_pressure: bool) -> ShapeId {
        match self.calm_shapes {
            0 => shape,
            calm => ShapeId(shape.0 % calm + if is_under_pressure { calm } else { 0 }),
        }
    }

    /// The variant of `shape`, itself a variant or not, with taints for these troubles and no others.
    ///
    /// # Panics
    /// When there are no variants.
    pub fn tainted(&self, shape: ShapeId, no_schedule: Option<Trouble>, no_execute: Option<Trouble>) -> ShapeId {
        assert!(self.plain_shapes > 0, "taints come and go only with a node lifecycle");
        let code = |trouble: Option<Trouble>| trouble.map_or(0, |trouble| trouble as u32 + 1);
        let variant = 3 * code(no_schedule) + code(no_execute);
        ShapeId(variant * self.plain_shapes + shape.0 % self.plain_shapes)
    }
}

/// The taint of a node that somebody says is out of service.
pub fn out_of_service_taint() -> Taint {
    Taint {
        key: "node.kubernetes.io/out-of-service".to_owned(),
        value: "nodeshutdown".to_owned(),
        effect: TaintEffect::NoExecute,
    }
}

fn trouble(code: usize) -> Option<Trouble> {
    [None, Some(Trouble::NotReady), Some(Trouble::Unreachable)][code]
}

fn with_taints(plain: &NodeShape, no_schedule: Option<Trouble>, no_execute: Option<Trouble>) -> NodeShape {
    let mut shape = plain.clone();
    for (trouble, effect) in [(no_schedule, TaintEffect::NoSchedule), (no_execute, TaintEffect::NoExecute)] {
        let taint = |key: &str| Taint { key: key.to_owned(), value: String::new(), effect };
        let wanted = trouble.map(|trouble| taint(trouble.taint_key()));
        shape.taints.extend(wanted.filter(|taint| !plain.taints.contains(taint)));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nine variants of two shapes: 18 shapes, of which each keeps what it is beside the taints.
    #[test]
    fn variants_differ_in_taints_only() {
        let mut cluster = Cluster::default();
        let plain = [1, 2].map(|cpu| {
            let mut shape = NodeShape::default();
            shape.allocatable.cpu = crate::units::MilliCpu(cpu);
            cluster.intern_shape(shape)
        });
        cluster.add_taint_variants();
        assert_eq!(cluster.shapes.len(), 18);
        for shape in plain {
            for no_schedule in [0, 1, 2].map(trouble) {
                for no_execute in [0, 1, 2].map(trouble) {
                    let id = cluster.tainted(shape, no_schedule, no_execute);
                    let found: Vec<(String, TaintEffect)> =
                        cluster.shape(id).taints.iter().map(|taint| (taint.key.clone(), taint.effect)).collect();
                    let wanted = [(no_schedule, TaintEffect::NoSchedule), (no_execute, TaintEffect::NoExecute)];
                    let wanted: Vec<(String, TaintEffect)> = wanted
                        .into_iter()
                        .filter_map(|(trouble, effect)| Some((trouble?.taint_key().to_owned(), effect)))
                        .collect();
                    assert_eq!(found, wanted);
                    assert_eq!(cluster.shape(id).allocatable, cluster.shape(shape).allocatable);
                    // From any variant the way leads back.
                    assert_eq!(cluster.tainted(id, None, None), shape);
                }
            }
        }
    }

    #[test]
    fn memory_pressure_is_one_taint_more() {
        for with_lifecycle in [false, true] {
            let mut cluster = Cluster::default();
            let plain = cluster.intern_shape(NodeShape::default());
            if with_lifecycle {
                cluster.add_taint_variants();
            }
            assert_eq!(cluster.pressed(plain, true), plain, "there are no variants yet");
            cluster.add_pressure_variants();
            let count = cluster.shapes.len() as u32;
            assert_eq!(count, if with_lifecycle { 18 } else { 2 });
            for calm in (0..count / 2).map(ShapeId) {
                let pressed = cluster.pressed(calm, true);
                let (before, after) = (&cluster.shape(calm).taints, &cluster.shape(pressed).taints);
                assert_eq!((after.len(), &after[..before.len()]), (before.len() + 1, &before[..]));
                assert_eq!(after[before.len()].key, MEMORY_PRESSURE_TAINT);
                assert_eq!(cluster.pressed(pressed, false), calm);
                assert_eq!(cluster.pressed(pressed, true), pressed);
            }
            if with_lifecycle {
                // Other taints come and go whether the node is under pressure or not.
                let troubled = cluster.tainted(cluster.pressed(plain, true), Some(Trouble::NotReady), None);
                assert_eq!(troubled, cluster.tainted(plain, Some(Trouble::NotReady), None));
            }
        }
    }

    /// Of 2 shapes there are 2 * 9 = 18 with taints of troubles, 36 with those out of service, 72 with those under pressure.
    #[test]
    fn taints_come_and_go_one_by_one() {
        let mut cluster = Cluster::default();
        for cpu in [1, 2] {
            let mut shape = NodeShape::default();
            shape.allocatable.cpu = crate::units::MilliCpu(cpu);
            cluster.intern_shape(shape);
        }
        assert_eq!(cluster.serving(ShapeId(1), true), ShapeId(1), "there are no variants yet");
        cluster.add_taint_variants();
        cluster.add_out_of_service_variants();
        cluster.add_pressure_variants();
        assert_eq!(cluster.shapes.len(), 72);
        let keys = |shape| cluster.shape(shape).taints.iter().map(|taint| taint.key.as_str()).collect::<Vec<_>>();
        for shape in (0..72).map(ShapeId) {
            let troubled = cluster.tainted(shape, None, Some(Trouble::NotReady));
            for is_out in [false, true] {
                for is_pressed in [false, true] {
                    let found = cluster.pressed(cluster.serving(troubled, is_out), is_pressed);
                    let wanted = [
                        (true, NOT_READY_TAINT),
                        (is_out, &out_of_service_taint().key),
                        (is_pressed, MEMORY_PRESSURE_TAINT),
                    ];
                    let wanted: Vec<&str> =
                        wanted.iter().filter(|(is_there, _)| *is_there).map(|(_, key)| *key).collect();
                    assert_eq!(keys(found), wanted);
                    assert_eq!(cluster.shape(found).allocatable, cluster.shape(shape).allocatable);
                }
            }
        }
    }

    /// `DefaultTolerationSeconds` adds to each of the two taints what is not there yet.
    #[test]
    fn default_tolerations_are_added_where_a_pod_says_nothing() {
        let exists = |key: &str, effect| Toleration {
            key: key.to_owned(),
            operator: TolerationOperator::Exists,
            value: String::new(),
            effect,
            duration: None,
        };
        for (given, added) in [
            (vec![], vec![NOT_READY_TAINT, UNREACHABLE_TAINT]),
            (vec![exists("", None)], vec![]),
            (vec![exists(NOT_READY_TAINT, Some(TaintEffect::NoExecute))], vec![UNREACHABLE_TAINT]),
            (vec![exists(UNREACHABLE_TAINT, None)], vec![NOT_READY_TAINT]),
            (vec![exists(UNREACHABLE_TAINT, Some(TaintEffect::NoSchedule))], vec![NOT_READY_TAINT, UNREACHABLE_TAINT]),
        ] {
            let mut class = PodClass { tolerations: given.clone(), ..PodClass::default() };
            NodeLifecycle::default().add_default_tolerations(&mut class);
            let found: Vec<(&str, Option<SimDuration>)> = class.tolerations[given.len()..]
                .iter()
                .map(|toleration| (toleration.key.as_str(), toleration.duration))
                .collect();
            let seconds = Some(SimDuration(300_000_000_000));
            assert_eq!(found, added.into_iter().map(|key| (key, seconds)).collect::<Vec<_>>());
        }
    }
}
