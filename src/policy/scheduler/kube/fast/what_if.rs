//! PodTopologySpread and InterPodAffinity as filters for what-ifs, from the counts that are kept.
//!
//! The plain filters count all pods to begin with, and every copy copies the counts. These share the kept counts, change
//! them in place while pods are thought to be here or away, and take that back when they are dropped. Invariant: copies
//! are dropped before what they were copied from is changed again, as `filter_with_nominated_pods` and the dry run of
//! preemption do.

use std::cell::RefCell;
use std::rc::Rc;

use super::domains::Domains;
use super::order::Order;
use super::topology::{Surroundings, Topology};
use crate::ids::{ClassId, PodId};
use crate::policy::scheduler::kube::framework::{Filters, Framework, NodeFilter};
use crate::policy::scheduler::kube::plugins::{inter_pod_affinity, pod_topology_spread};
use crate::policy::scheduler::kube::{Cycle, NodeInfo, Rejection};

/// The counts, lent to the filters.
#[derive(Debug)]
struct Counts {
    topology: Topology,
    domains: Domains,
}

/// Which plug-in a filter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Spread,
    Affinity,
}

/// One of the two.
#[derive(Debug)]
struct TopologyFilter<'a> {
    cycle: Cycle<'a>,
    order: &'a Order,
    counts: Rc<RefCell<Counts>>,
    kind: Kind,
    /// Whether this is the one of the two that changes the counts.
    is_leading: bool,
    /// What it has changed: position, class, number of pods.
    thoughts: Vec<(usize, ClassId, i64)>,
}

impl TopologyFilter<'_> {
    fn change(&mut self, pod: PodId, node: &NodeInfo<'_>, number: i64) {
        if !self.is_leading {
            return;
        }
        let Some(position) = self.order.position(node.node) else { return };
        let class = self.cycle.view.world.pods.class[pod.index()];
        self.think(position, class, number);
        self.thoughts.push((position, class, number));
    }

    fn think(&self, position: usize, class: ClassId, number: i64) {
        let Counts { topology, domains } = &mut *self.counts.borrow_mut();
        topology.think(Surroundings { cycle: &self.cycle, order: self.order }, domains, position, class, number);
    }
}

impl Drop for TopologyFilter<'_> {
    fn drop(&mut self) {
        for (position, class, number) in std::mem::take(&mut self.thoughts) {
            self.think(position, class, -number);
        }
    }
}

impl<'a> NodeFilter<'a> for TopologyFilter<'a> {
    fn filter(&self, node: &NodeInfo<'a>) -> Result<(), Rejection> {
        let Some(position) = self.order.position(node.node) else { return Ok(()) };
        let Counts { topology, domains } = &*self.counts.borrow();
        let rejection = match self.kind {
            Kind::Spread => topology.spread_refusal(domains, position).map(|refusal| refusal.rejection()),
            Kind::Affinity => topology.affinity_refusal(domains, position).map(|refusal| refusal.rejection()),
        };
        rejection.map_or(Ok(()), Err)
    }

    fn add_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, 1);
    }

    fn remove_pod(&mut self, pod: PodId, node: &NodeInfo<'a>) {
        self.change(pod, node, -1);
    }

    fn fork(&self) -> Box<dyn NodeFilter<'a> + 'a> {
        Box::new(TopologyFilter { counts: Rc::clone(&self.counts), thoughts: Vec::new(), ..*self })
    }
}

/// Calls `look` with all filters of a profile: those given, which look at the node alone, and these.
pub(super) fn with_all_filters<'a, T>(
    framework: &Framework,
    around: Surroundings<'a, 'a>,
    (topology, domains): (&mut Topology, &mut Domains),
    mut filters: Filters<'a>,
    look: impl FnOnce(&Filters<'a>) -> T,
) -> T {
    let (has_spread, has_affinity) = (topology.has_hard_spread(), topology.has_affinity());
    if !has_spread && !has_affinity {
        return look(&filters);
    }
    let counts = Counts { topology: std::mem::take(topology), domains: std::mem::take(domains) };
    let counts = Rc::new(RefCell::new(counts));
    let filter = |kind, is_leading| TopologyFilter {
        cycle: *around.cycle,
        order: around.order,
        counts: Rc::clone(&counts),
        kind,
        is_leading,
        thoughts: Vec::new(),
    };
    if has_spread {
        filters.filters.push((pod_topology_spread::NAME.to_owned(), Box::new(filter(Kind::Spread, true))));
    }
    if has_affinity {
        let affinity = filter(Kind::Affinity, !has_spread);
        filters.filters.push((inter_pod_affinity::NAME.to_owned(), Box::new(affinity)));
    }
    let place = |name: &str| framework.filters().position(|(other, _)| other == name);
    filters.filters.sort_by_key(|(name, _)| place(name));
    let result = look(&filters);
    drop(filters);
    let counts = Rc::into_inner(counts).expect("the filters are gone").into_inner();
    (*topology, *domains) = (counts.topology, counts.domains);
    result
}
