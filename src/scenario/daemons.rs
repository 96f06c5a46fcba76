//! Pods of DaemonSets: one class a node, which asks for that node.
//!
//! Upstream's controller writes the node's name into the affinity of each pod it makes. Here the class asks for the node's
//! label `kubernetes.io/hostname`, which every policy understands.
//!
//! Nodes whose number is not known beforehand, because node autoscalers buy them, get their classes when they join.
//!
//! Cost: a class for each node and template of a DaemonSet.

use crate::ids::{ClassId, NodeId};
use crate::model::controllers::ControllerKind;
use crate::model::{Action, Cluster, Controllers, ScriptedAction, Workload};

/// Gives the templates of all DaemonSets a class for each node that there is or that the script adds, in order of ids.
pub(super) fn give_classes(
    controllers: &mut Controllers,
    cluster: &Cluster,
    script: &[ScriptedAction],
    workload: &mut Workload,
) {
    let daemon_sets = controllers.list.iter_mut().filter(|one| matches!(one.kind, ControllerKind::DaemonSet(_)));
    let mut templates = daemon_sets.flat_map(|one| &mut one.templates).peekable();
    if templates.peek().is_none() {
        return;
    }
    let hostnames = hostnames(cluster, script);
    for template in templates {
        let class = workload.class(template.class(0)).clone();
        let first = workload.classes.len();
        workload.classes.extend(hostnames.iter().map(|hostname| class.on_node(hostname)));
        if hostnames.is_empty() {
            // Its pods get classes when nodes join.
            continue;
        }
        template.classes = (first..workload.classes.len()).map(ClassId::from_index).collect();
    }
}

/// What nodes are called by their label, where they have it; those that join later are called as the engine will call them.
fn hostnames(cluster: &Cluster, script: &[ScriptedAction]) -> Vec<String> {
    let hostname = |(index, node): (usize, &crate::model::Node)| {
        let written = cluster.hostnames.get(&NodeId::from_index(index)).and_then(Option::as_deref);
        written.unwrap_or(&node.name).to_owned()
    };
    let mut names: Vec<String> = cluster.nodes.iter().enumerate().map(hostname).collect();
    let mut sizes = vec![0; cluster.pools.len()];
    for node in &cluster.nodes {
        if let Some(pool) = cluster.shape(node.shape).pool {
            sizes[pool.index()] += 1;
        }
    }
    for scripted in script {
        if let Action::AddNodes { pool, count } = scripted.action {
            let (name, size) = (&cluster.pools[pool.index()].name, &mut sizes[pool.index()]);
            names.extend((*size..*size + count).map(|number| format!("{name}-{number}")));
            *size += count;
        }
    }
    names
}
