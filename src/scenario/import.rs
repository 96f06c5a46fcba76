//! Where scenarios name data in other formats: hands it to the importers.

use super::context::Context;
use super::spec::{OpenbNodesSpec, OpenbPodsSpec, SyntheticNodesSpec, SyntheticPodsSpec};
use crate::model::{Arrivals, Cluster, Dist, Workload};
use crate::rng::Seed;

pub(super) fn node_manifests(_: &[String], _: &mut Cluster, _: &mut Context<'_>) {}
pub(super) fn pod_manifests(_: &[String], _: &mut Cluster, _: &mut Workload, _: &mut Context<'_>) {}
pub(super) fn openb_nodes(_: &OpenbNodesSpec, _: Seed, _: &mut Cluster, _: &mut Context<'_>) {}
pub(super) fn synthetic_nodes(_: &SyntheticNodesSpec, _: Seed, _: &mut Cluster) {}
pub(super) fn openb_pods(_: &OpenbPodsSpec, _: Seed, _: &mut Cluster, _: &mut Workload, _: &mut Context<'_>) {}
pub(super) fn synthetic_pods(
    _: &SyntheticPodsSpec,
    _: Seed,
    _: Arrivals,
    _: Option<Dist>,
    _: &mut Cluster,
    _: &mut Workload,
) {
}
