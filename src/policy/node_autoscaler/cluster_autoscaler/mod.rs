//! cluster-autoscaler: node groups that grow for pods that found no place, and nodes that are returned when little used.
//!
//! After `sigs.k8s.io/cluster-autoscaler`, where the core of `k8s.io/autoscaler/cluster-autoscaler` moved in July 2026, at
//! commit `33c3f97bf274` of 2026-08-21, which builds against Kubernetes 1.37. Its rules are not the scheduler's: it asks
//! filters whether a pod fits and never scores, it thinks in template nodes, and it empties a node by where its pods
//! *could* go, which need not be where the scheduler will put them.
//!
//! | module | upstream | what |
//! |---|---|---|
//! | [`options`] | `config` | the flags with their defaults |
//! | [`snapshot`] | `simulator/clustersnapshot` | what is asked of the simulated cluster; the rotation of first fit |
//! | [`simple`] | | such a cluster with resources, selectors, taints, host ports and simple spreading |
//! | [`equivalence`] | `core/scaleup/equivalence` | pods that are tried as one |
//! | [`estimator`], [`limiter`] | `estimator` | how many nodes of a template the pods need |
//! | [`expander`] | `expander` | which of the options is taken |
//! | [`similar`] | `processors/nodegroupset` | which groups are alike, and how nodes are spread over them |
//! | [`quota`] | `resourcequotas` | limits on cores, memory and other resources of all nodes |
//! | [`backoff`], [`cluster_state`] | `utils/backoff`, `clusterstate` | which groups are healthy, what is on its way |
//! | [`scale_up`] | `core/scaleup/orchestrator` | the whole of a scale-up |
//! | [`drain`] | `simulator/drainability`, `core/scaledown/pdb` | which pods keep a node |
//! | [`utilization`], [`eligibility`] | the same names | which nodes are looked at |
//! | [`removal`] | `simulator`, `simulator/scheduling` | whether the pods of a node find other places |
//! | [`planner`] | `core/scaledown/planner` | which nodes are not needed, since when, and which may go now |
//! | [`actuation`] | `core/scaledown/actuation`, `budgets` | how many go at once, and how a node is drained |
//! | [`cadence`] | `core/static_autoscaler` | when a turn of the loop may scale up or down |
//! | `run` | `core/static_autoscaler` | the loop itself, over a run's world |
//!
//! Cost: an estimate asks the snapshot about each pod once or twice and about each new node once a group, so 20 000 equal
//! pods on 4 000 nodes are 24 000 questions; a removal asks about every other node for each of the node's pods that fits
//! nowhere near. Every module says what its calls cost.
//!
//! What was compared with the real code, decision by decision, stands in
//! `docs/node-autoscaler-conformance/cluster-autoscaler.md`. Deviations:
//!
//! - Upstream walks Go maps in several places, in an order that differs from run to run; here each is walked in the order
//!   in which its entries came, one of the orders upstream could have taken: groups of equivalent pods, nodes in a snapshot,
//!   unneeded nodes. Sorts are stable, where upstream's keep the order of equals only up to twelve.
//! - The clock stands still within a decision, so that limits on time bind only if the caller charges time; the limit on the
//!   simulation of scale-down and that on marking nodes are left out.
//! - `random`, and ties at the end of a chain, draw from the caller's stream. Patterns of `priority` have the syntax of the
//!   crate `regex`. The hyperbolic tangent of `price` may differ from Go's in the last bit.
//! - Pods of DaemonSets on a node that goes are evicted by best effort upstream; here they end with the node.
//! - Not modelled: dynamic resource allocation, CSI limits, provisioning requests and all-or-nothing scale-ups, capacity
//!   buffers, node groups made on demand, the expander over gRPC, several scale-ups a turn, graceful degradation.

pub mod actuation;
pub mod backoff;
pub mod cadence;
pub mod cluster_state;
pub mod drain;
pub mod eligibility;
pub mod equivalence;
pub mod estimator;
pub mod expander;
pub mod limiter;
pub mod options;
pub mod planner;
pub mod quota;
pub mod removal;
pub(super) mod run;
pub mod scale_up;
pub mod similar;
pub mod simple;
pub mod snapshot;
pub mod utilization;

#[cfg(test)]
mod tests;
