//! How long a machine takes from the order to work.

use super::Provider;
use crate::model::dist::Dist;

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Published measurements, named beside it.
    Measured,
    /// Nobody's measurement: a guess of the right size, to be replaced by one's own.
    Estimated,
}

/// How long a machine takes from the order until its node takes pods.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchDelays {
    /// From the order until the kubelet has registered the node.
    pub boot: Dist,
    /// From then until the node is ready.
    pub ready: Dist,
    /// What the numbers are.
    pub basis: Basis,
    /// Who measured what, and when.
    pub source: &'static str,
}

impl Provider {
    /// How long its machines take, for Linux on types without GPUs and disks of their own.
    ///
    /// Where machines were measured the middle is measured and the ends of the distribution span the single reports; there is
    /// no published distribution of Kubernetes nodes.
    pub fn launch_delays(self) -> LaunchDelays {
        let (boot, ready, basis, source) = match self {
            // Registered after 22, 39 and 40 s, ready 12 s later; ready in all after 30 to 40 s, 70 s, 100 s.
            Provider::Aws => (
                [(0.0, 18.0), (0.5, 35.0), (0.9, 60.0), (1.0, 100.0)],
                [(0.0, 3.0), (0.5, 12.0), (0.9, 30.0), (1.0, 45.0)],
                Basis::Measured,
                "EKS: Karpenter v1.14 docs, events of a NodeClaim; awslabs/amazon-eks-ami#1099 (2022-12, c5.xlarge, before \
                 its optimisations); aws/karpenter-provider-aws#3102 (2023-01) and #6165 (2024-05)",
            ),
            Provider::Gcp => (
                [(0.0, 25.0), (0.5, 45.0), (0.9, 75.0), (1.0, 120.0)],
                [(0.0, 5.0), (0.5, 15.0), (0.9, 30.0), (1.0, 60.0)],
                Basis::Estimated,
                "estimate: as EKS and some seconds more",
            ),
            Provider::Azure => (
                [(0.0, 50.0), (0.5, 90.0), (0.9, 160.0), (1.0, 300.0)],
                [(0.0, 5.0), (0.5, 20.0), (0.9, 40.0), (1.0, 90.0)],
                Basis::Estimated,
                "estimate; Azure/AKS#1898 (2020-10) reports 5 min for a further node of a pool, which is its upper end",
            ),
            Provider::Private => (
                [(0.0, 120.0), (0.5, 240.0), (0.9, 360.0), (1.0, 600.0)],
                [(0.0, 5.0), (0.5, 15.0), (0.9, 30.0), (1.0, 60.0)],
                Basis::Estimated,
                "estimate: a server that is switched on and goes through its firmware",
            ),
        };
        LaunchDelays { boot: Dist::Percentiles(boot.into()), ready: Dist::Percentiles(ready.into()), basis, source }
    }
}
