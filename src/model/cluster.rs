//! The machines: nodes by shape, pools, zones, prices.
//!
//! Nodes that differ in nothing but their name share a [`NodeShape`], so that 50 000 nodes of one pool cost 50 000
//! names and one shape, and constraints are matched once per shape.

use std::collections::BTreeMap;

use super::{Eviction, NodeDisruption, NodeLifecycle, Resources};
use crate::ids::{GpuModelId, NodeId, PoolId, ZoneId};

/// The label that every node carries implicitly with its own name as value.
pub const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";
/// The label that names a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// The label that names a node's region.
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// The label that names a node's instance type.
pub const INSTANCE_TYPE_LABEL: &str = "node.kubernetes.io/instance-type";
/// The most GPUs a node can have: their states share one 32-bit mask.
pub const GPUS_PER_NODE_MAX: u32 = 32;
/// One whole GPU in milli-GPU.
pub const GPU_MILLI: u16 = 1000;

/// The machines of a run.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Names of the extended resources, such as `example.com/fpga`; their positions index [`Resources::extended`].
    pub extended_resources: Vec<String>,
    /// Names of GPU models by [`GpuModelId`].
    pub gpu_models: Vec<String>,
    /// Names of zones by [`ZoneId`].
    pub zones: Vec<String>,
    /// Pools by [`PoolId`].
    pub pools: Vec<Pool>,
    /// Distinct kinds of node by [`ShapeId`].
    pub shapes: Vec<NodeShape>,
    /// Nodes present at the start by [`NodeId`], in tie-break order: of two equally good nodes the earlier one wins.
    pub nodes: Vec<Node>,
    /// Values of the label [`HOSTNAME_LABEL`] of the nodes on which it is not their name; none: they lack the label.
    pub hostnames: BTreeMap<NodeId, Option<String>>,
    /// How nodes that stop reporting are treated; none: a node that fails is gone at once, its pods with it.
    pub lifecycle: Option<NodeLifecycle>,
    /// How many of the shapes are plain; the others are their variants with taints, which only a node lifecycle needs.
    /// 0: there are no variants.
    pub plain_shapes: u32,
    /// How many of the shapes are without the taint of nodes that are out of service; the others are their variants with it.
    /// 0: there are no such variants.
    pub serving_shapes: u32,
    /// How many of the shapes are without the taint of memory pressure; the others are their variants with it. 0: there
    /// are no such variants.
    pub calm_shapes: u32,
    /// When kubelets evict pods because memory is short.
    pub eviction: Eviction,
}

/// A kind of node, by position in [`Cluster::shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeId(pub u32);

/// A named group of like nodes, from which a script can add more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Name of the pool; its nodes are called `<name>-<number>`.
    pub name: String,
    /// Shapes that new nodes take in turn: one a zone.
    pub shapes: Vec<ShapeId>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// What it is.
    pub shape: ShapeId,
    /// Whether it starts cordoned (`spec.unschedulable`).
    pub unschedulable: bool,
}

/// An image that a node has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeImage {
    /// All its names, with tags and digests.
    pub names: Vec<String>,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// All that nodes of one kind have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeShape {
    /// The pool, if the nodes belong to one.
    pub pool: Option<PoolId>,
    /// The zone, if known.
    pub zone: Option<ZoneId>,
    /// Labels sorted by key, without the implicit hostname.
    pub labels: Vec<Label>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// What pods can request in all.
    pub allocatable: Resources,
    /// What is kept for the system and the kubelet (`systemReserved`, `kubeReserved`): pods may use its CPU while nobody
    /// else does.
    pub reserved: Resources,
    /// The GPUs, if there are any.
    pub gpu: Option<GpuDevices>,
    /// Price of one node in US dollars per hour.
    pub usd_per_hour: f64,
    /// `status.images`.
    pub images: Vec<NodeImage>,
    /// `status.declaredFeatures`, sorted.
    pub declared_features: Vec<String>,
    /// What the nodes say about being taken away, which only node autoscalers read.
    pub disruption: NodeDisruption,
}

/// A label: key and value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Key, such as `disktype`.
    pub key: String,
    /// Value, such as `ssd`.
    pub value: String,
}

/// Like GPUs of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuDevices {
    /// Their model.
    pub model: GpuModelId,
    /// How many, 1 to [`GPUS_PER_NODE_MAX`].
    pub count: u32,
}

/// A taint: pods that do not tolerate it are kept away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, often empty.
    pub value: String,
    /// What happens to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// Effect of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaintEffect {
    /// New pods are not placed.
    NoSchedule,
    /// New pods are placed if nothing better is there; the policies of this release do not score it.
    PreferNoSchedule,
    /// New pods are not placed, and running pods would be evicted.
    NoExecute,
}

impl Cluster {
    /// The shape of a node that is present at the start.
    pub fn shape_of(&self, node: NodeId) -> &NodeShape {
        self.shape(self.nodes[node.index()].shape)
    }

    /// The shape with that id.
    pub fn shape(&self, id: ShapeId) -> &NodeShape {
        &self.shapes[id.0 as usize]
    }

    /// The id of `shape`, which is added if it is new.
    pub fn intern_shape(&mut self, shape: NodeShape) -> ShapeId {
        let position = self.shapes.iter().position(|other| *other == shape).unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        ShapeId(position as u32)
    }

    /// The id of a GPU model, which is added if it is new.
    pub fn intern_gpu_model(&mut self, name: &str) -> GpuModelId {
        GpuModelId(intern(&mut self.gpu_models, name))
    }

    /// The id of a zone, which is added if it is new.
    pub fn intern_zone(&mut self, name: &str) -> ZoneId {
        ZoneId(intern(&mut self.zones, name))
    }

    /// The position of an extended resource, which is added if it is new.
    pub fn intern_extended_resource(&mut self, name: &str) -> usize {
        intern(&mut self.extended_resources, name) as usize
    }
}

fn intern(names: &mut Vec<String>, name: &str) -> u32 {
    let position = names.iter().position(|other| other == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    position as u32
}
