//! HTTP extenders: programs beside the scheduler that filter, score, preempt and bind (`pkg/scheduler/extender.go`).
//!
//! They are called for real, so that an extender under development can be tried against a simulated cluster. A run with
//! an extender is as reproducible as the extender is. Its answers take no simulated time.
//!
//! Calls are `POST <urlPrefix>/<verb>` with the types of `k8s.io/kube-scheduler/extender/v1`; a failure is an error of
//! the attempt, or is passed over where the extender is `ignorable`. HTTPS is not spoken.
//!
//! Deviations: a pod is sent as one container with the requests of the whole pod; extenders that score are asked one
//! after another, where upstream asks them at once (scores are summed, so nothing else differs).

mod objects;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::preemption::Nomination;
use super::{Code, Cycle, MAX_NODE_SCORE, NodeInfo, Rejection};
use crate::ids::{NodeId, PodId};
use crate::model::PodClass;
use crate::model::kube_scheduler::Extender as Configuration;

/// The highest score of an extender.
const MAX_EXTENDER_SCORE: i64 = 10;
/// The name under which extenders stand among the plug-ins that rejected a pod.
pub const EXTENDER: &str = "Extender";
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtenderError {
    /// No answer, or none in time.
    #[error("cannot call the extender {url}: {cause}")]
    Call {
        /// The address called.
        url: String,
        /// What happened.
        cause: String,
    },
    /// An answer with another status than 200.
    #[error("failed {action} with extender at URL {url}, code {status}")]
    Status {
        /// The verb.
        action: String,
        /// The address called.
        url: String,
        /// The status.
        status: u16,
    },
    /// An answer that is not what was asked for.
    #[error("cannot read the answer of the extender {url}: {cause}")]
    Answer {
        /// The address called.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// The extender says that it failed.
    #[error("{0}")]
    Said(String),
    /// The extender names a node that it was not asked about.
    #[error("extender {extender:?} claims a filtered node {node:?} which is not found in the input node list")]
    UnknownNode {
        /// Its address.
        extender: String,
        /// The node.
        node: String,
    },
    /// The extender names a victim that is not on the node.
    #[error(
        "extender: {extender} claims to preempt pod (UID: {uid}) on node: {node}, but the pod is not found on that node"
    )]
    UnknownVictim {
        /// Its address.
        extender: String,
        /// The pod's UID.
        uid: String,
        /// The node.
        node: String,
    },
}

/// One extender.
#[derive(Debug)]
pub struct Extender {
    configuration: Configuration,
    agent: ureq::Agent,
}

/// What an extender leaves of the feasible nodes.
#[derive(Debug)]
pub struct Filtered<'a> {
    /// The nodes that pass.
    pub nodes: Vec<NodeInfo<'a>>,
    /// The others, as far as the extender gave reasons.
    pub rejections: BTreeMap<NodeId, Rejection>,
}

impl Extender {
    /// An extender; it is not called yet.
    pub fn new(configuration: &Configuration) -> Extender {
        let timeout = Some(Duration::from_millis(configuration.http_timeout_ms));
        let agent = ureq::Agent::config_builder().timeout_global(timeout).http_status_as_error(false).build().into();
        Extender { configuration: configuration.clone(), agent }
    }

    /// Where it is.
    pub fn name(&self) -> &str {
        &self.configuration.url_prefix
    }

    /// Whether a failed call is passed over.
    pub fn is_ignorable(&self) -> bool {
        self.configuration.is_ignorable
    }

    /// Whether it filters.
    pub fn filters(&self) -> bool {
        !self.configuration.filter_verb.is_empty()
    }

    /// Whether it scores.
    pub fn scores(&self) -> bool {
        !self.configuration.prioritize_verb.is_empty()
    }

    /// Whether it has a say in preemption.
    pub fn preempts(&self) -> bool {
        !self.configuration.preempt_verb.is_empty()
    }

    /// Whether it binds.
    pub fn binds(&self) -> bool {
        !self.configuration.bind_verb.is_empty()
    }

    /// Whether it is asked about pods of the class: it manages no resource in particular, or one that they request.
    pub fn is_interested(&self, cycle: &Cycle<'_>, class: &PodClass) -> bool {
        let managed = &self.configuration.managed_resources;
        let extended = &cycle.view.model.cluster.extended_resources;
        let requests = |name: &str| match name {
            "cpu" => class.requests.cpu.0 > 0,
            "memory" => class.requests.memory.0 > 0,
            "ephemeral-storage" => class.requests.ephemeral_storage.0 > 0,
            _ => extended.iter().position(|other| other == name).is_some_and(|at| class.requests.extended(at) > 0),
        };
        managed.is_empty() || managed.iter().any(|(name, _)| requests(name))
    }

    /// Which of the nodes pass.
    ///
    /// # Errors
    /// When the call fails, or the answer names other nodes.
    pub fn filter<'a>(&self, cycle: &Cycle<'a>, nodes: Vec<NodeInfo<'a>>) -> Result<Filtered<'a>, ExtenderError> {
        if !self.filters() {
            return Ok(Filtered { nodes, rejections: BTreeMap::new() });
        }
        let answer: wire::FilterResult = self.call(&self.configuration.filter_verb, &self.question(cycle, &nodes))?;
        if !answer.error.is_empty() {
            return Err(ExtenderError::Said(answer.error));
        }
        let by_name: BTreeMap<&str, &NodeInfo<'a>> = nodes.iter().map(|node| (node.name(), node)).collect();
        let listed = answer.nodes.map(wire::NodeList::names);
        let names = match answer.node_names.filter(|_| self.configuration.is_node_cache_capable) {
            Some(names) => names,
            None => listed.unwrap_or_default(),
        };
        let find = |name: &String| by_name.get(name.as_str()).map(|node| (*node).clone());
        let unknown = |name: &String| ExtenderError::UnknownNode { extender: self.name().into(), node: name.clone() };
        let passed = names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect::<Result<_, _>>()?;
        let mut rejections = BTreeMap::new();
        let failed = [
            (Code::Unschedulable, answer.failed_nodes),
            (Code::UnschedulableAndUnresolvable, answer.failed_and_unresolvable_nodes),
        ];
        for (code, failed) in failed {
            for (name, reason) in failed {
                if let Some(node) = by_name.get(name.as_str()) {
                    let rejection = Rejection { plugin: "".into(), code, reasons: vec![reason.into()] };
                    rejections.insert(node.node, rejection);
                }
            }
        }
        Ok(Filtered { nodes: passed, rejections })
    }

    /// What it adds to the totals of the nodes, in their order.
    ///
    /// # Errors
    /// When the call fails; upstream then goes on without its scores.
    pub fn score(&self, cycle: &Cycle<'_>, nodes: &[NodeInfo<'_>]) -> Result<Vec<i64>, ExtenderError> {
        if !self.scores() {
            return Ok(vec![0; nodes.len()]);
        }
        let verb = &self.configuration.prioritize_verb;
        let answer: Vec<wire::HostPriority> = self.call(verb, &self.question(cycle, nodes))?;
        let mut by_name: BTreeMap<&str, i64> = BTreeMap::new();
        for row in &answer {
            let score = row.score.saturating_mul(self.configuration.weight);
            let sum = by_name.entry(&row.host).or_insert(0);
            *sum = sum.saturating_add(score.saturating_mul(MAX_NODE_SCORE / MAX_EXTENDER_SCORE));
        }
        Ok(nodes.iter().map(|node| by_name.get(node.name()).copied().unwrap_or(0)).collect())
    }

    /// Which of the candidates remain, with which victims.
    ///
    /// # Errors
    /// When the call fails, or the answer names nodes or pods that are not there.
    pub fn preempt(&self, cycle: &Cycle<'_>, candidates: &[Nomination]) -> Result<Vec<Nomination>, ExtenderError> {
        let names_only = self.configuration.is_node_cache_capable;
        let question = wire::preemption_question(cycle, candidates, names_only);
        let answer: wire::PreemptionResult = self.call(&self.configuration.preempt_verb, &question)?;
        let mut left = Vec::new();
        for (name, victims) in answer.victims {
            let unknown = || ExtenderError::UnknownNode { extender: self.name().to_owned(), node: name.clone() };
            let node = cycle.nodes.iter().copied().find(|&node| cycle.view.world.nodes.name(node) == name);
            let node = node.ok_or_else(unknown)?;
            let here: BTreeSet<PodId> = NodeInfo::new(cycle.view, node).pods().collect();
            let find = |uid: &String| {
                let pod = objects::pod_of_uid(uid).filter(|pod| here.contains(pod));
                let (extender, node) = (self.name().to_owned(), name.clone());
                pod.ok_or_else(|| ExtenderError::UnknownVictim { extender, uid: uid.clone(), node })
            };
            let pods = victims.uids().iter().map(find).collect::<Result<_, _>>()?;
            let pdb_violations = usize::try_from(victims.budget_violations).unwrap_or(0);
            left.push(Nomination { node, victims: pods, pdb_violations });
        }
        Ok(left)
    }

    /// Binds a pod to a node.
    ///
    /// # Errors
    /// When the call fails, or the extender refuses.
    pub fn bind(&self, cycle: &Cycle<'_>, node: NodeId) -> Result<(), ExtenderError> {
        let question = wire::binding_question(cycle, node);
        let answer: wire::BindingResult = self.call(&self.configuration.bind_verb, &question)?;
        if answer.error.is_empty() { Ok(()) } else { Err(ExtenderError::Said(answer.error)) }
    }

    fn question(&self, cycle: &Cycle<'_>, nodes: &[NodeInfo<'_>]) -> serde_json::Value {
        let pod = objects::pod(cycle.view, cycle.pod, cycle.class);
        if self.configuration.is_node_cache_capable {
            let names: Vec<&str> = nodes.iter().map(|node| node.name()).collect();
            serde_json::json!({ "Pod": pod, "Nodes": null, "NodeNames": names })
        } else {
            let items: Vec<_> = nodes.iter().map(objects::node).collect();
            let list = serde_json::json!({ "apiVersion": "v1", "kind": "NodeList", "metadata": {}, "items": items });
            serde_json::json!({ "Pod": pod, "Nodes": list, "NodeNames": null })
        }
    }

    fn call<A: wire::Answer>(&self, verb: &str, question: &serde_json::Value) -> Result<A, ExtenderError> {
        let url = format!("{}/{verb}", self.configuration.url_prefix.trim_end_matches('/'));
        let request = self.agent.post(&url).header("Content-Type", "application/json");
        let failed = |error: ureq::Error| ExtenderError::Call { url: url.clone(), cause: error.to_string() };
        let mut response = request.send(question.to_string()).map_err(failed)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(ExtenderError::Status { action: verb.to_owned(), url, status });
        }
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().map_err(failed)?;
        A::read(&text).map_err(|cause| ExtenderError::Answer { url, cause })
    }
}

#[cfg(test)]
mod tests;
