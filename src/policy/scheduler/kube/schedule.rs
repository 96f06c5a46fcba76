//! One attempt in the plain form: `schedulePod` of `pkg/scheduler/schedule_one.go`, v1.37.0, with one worker.

use super::diagnosis::{Code, Diagnosis, Rejection};
use super::extender::{EXTENDER, Extender, ExtenderError};
use super::framework::{Filters, Framework, PluginScores, totals};
use super::{Cycle, NodeInfo, preemption};
use crate::ids::NodeId;

/// What an attempt came to.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The feasible nodes in the order in which they were found; as many as were enough.
    pub feasible: Vec<NodeInfo<'a>>,
    /// Scores by plug-in, where there were at least two feasible nodes.
    pub scores: Vec<PluginScores>,
    /// Weighted sums of the scores and what extenders added, one a feasible node.
    pub totals: Vec<i64>,
    /// Why the other nodes are not for the pod.
    pub diagnosis: Diagnosis,
    /// By how much the rotating start moves on; none: not at all.
    pub processed: Option<usize>,
    /// The prepared filters; empty where PreFilter rejected the pod for good.
    pub filters: Option<Filters<'a>>,
    /// Plug-ins that PreFilter did not come to, because an earlier one rejected the pod for good.
    pub unasked: Vec<String>,
}

/// How an attempt looks at nodes.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The position at which it begins.
    pub start: usize,
    /// How many of `n` nodes are enough.
    pub percentage: i32,
}

impl<'a> Attempt<'a> {
    /// Looks for nodes for the pod of the cycle, and scores them.
    ///
    /// # Errors
    /// When an extender fails that may not.
    pub fn make(
        framework: &Framework,
        extenders: &[Extender],
        cycle: &Cycle<'a>,
        search: Search,
    ) -> Result<Attempt<'a>, ExtenderError> {
        let filters = match framework.pre_filter(cycle) {
            Ok(filters) => filters,
            Err(rejected) => {
                let (filters, unasked) = (Some(rejected.filters), rejected.unasked);
                return Ok(Attempt { filters, unasked, ..Attempt::rejected(rejected.diagnosis) });
            }
        };
        let mut attempt = Attempt::rejected(Diagnosis::default());
        attempt.look_at_nominated(extenders, cycle, &filters);
        if attempt.feasible.is_empty() {
            attempt.find(framework, extenders, cycle, &filters, search);
            if attempt.ask(extenders, cycle)? {
                attempt.diagnosis.unschedulable_plugins.insert(EXTENDER.into());
            }
        }
        attempt.filters = Some(filters);
        if attempt.feasible.len() > 1 {
            attempt.score(framework, extenders, cycle);
        }
        Ok(attempt)
    }

    fn rejected(diagnosis: Diagnosis) -> Attempt<'a> {
        Attempt {
            feasible: Vec::new(),
            scores: Vec::new(),
            totals: Vec::new(),
            diagnosis,
            processed: None,
            filters: None,
            unasked: Vec::new(),
        }
    }

    /// The node that preemption made room on is tried first, and alone.
    fn look_at_nominated(&mut self, extenders: &[Extender], cycle: &Cycle<'a>, filters: &Filters<'a>) {
        let promised = cycle.pod.and_then(|pod| cycle.view.world.nominated.get(&pod));
        let Some(&node) = promised.filter(|node| cycle.nodes.contains(node)) else { return };
        let node = NodeInfo::new(cycle.view, node);
        match filters.filter_with_nominated_pods(cycle, &node) {
            Ok(()) => self.feasible.push(node),
            Err(rejection) => self.reject(node.node, rejection),
        }
        // Upstream logs an extender's failure here, and goes on to look at all nodes.
        if self.ask(extenders, cycle).is_err() {
            self.feasible.clear();
        }
    }

    /// Walks around the nodes until enough are feasible (`findNodesThatPassFilters`).
    fn find(
        &mut self,
        framework: &Framework,
        extenders: &[Extender],
        cycle: &Cycle<'a>,
        filters: &Filters<'a>,
        search: Search,
    ) {
        let named: Vec<NodeId>;
        let nodes = match &filters.nodes {
            None => cycle.nodes,
            Some((only, plugins)) => {
                named = only.iter().copied().filter(|node| cycle.nodes.contains(node)).collect();
                // Upstream names whoever has rejected something by now, also the nominated node.
                let culprits = &mut self.diagnosis.unschedulable_plugins;
                culprits.extend(plugins.iter().map(|name| name.clone().into()));
                let culprits: Vec<&str> = culprits.iter().map(AsRef::as_ref).collect();
                let reason = format!("node(s) didn't satisfy plugin(s) [{}]", culprits.join(" "));
                let code = Code::UnschedulableAndUnresolvable;
                self.diagnosis.absent_nodes = Some(Rejection { plugin: "".into(), code, reasons: vec![reason.into()] });
                &named
            }
        };
        let has_choice = framework.scorers().next().is_some()
            || extenders.iter().any(|extender| extender.filters() || extender.scores());
        let wanted = if has_choice { super::sampling::nodes_to_find(search.percentage, nodes.len()) } else { 1 };
        for offset in 0..nodes.len() {
            let node = NodeInfo::new(cycle.view, nodes[(search.start + offset) % nodes.len()]);
            match filters.filter_with_nominated_pods(cycle, &node) {
                Ok(()) if self.feasible.len() == wanted => break,
                Ok(()) => self.feasible.push(node),
                Err(rejection) => self.reject(node.node, rejection),
            }
        }
        self.processed = Some(self.feasible.len() + self.diagnosis.nodes.len());
    }

    fn reject(&mut self, node: NodeId, rejection: Rejection) {
        if !rejection.plugin.is_empty() {
            self.diagnosis.unschedulable_plugins.insert(rejection.plugin.clone());
        }
        self.diagnosis.nodes.insert(node, rejection);
    }

    /// Asks the extenders, one after another, which of the feasible nodes remain, and returns whether some do not
    /// (`findNodesThatPassExtenders`).
    fn ask(&mut self, extenders: &[Extender], cycle: &Cycle<'a>) -> Result<bool, ExtenderError> {
        let before = self.feasible.len();
        for extender in extenders.iter().filter(|extender| extender.is_interested(cycle, cycle.pod_class())) {
            if self.feasible.is_empty() {
                break;
            }
            match extender.filter(cycle, self.feasible.clone()) {
                Ok(filtered) => {
                    self.feasible = filtered.nodes;
                    self.diagnosis.nodes.extend(filtered.rejections);
                }
                Err(_) if extender.is_ignorable() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.feasible.len() != before)
    }

    /// Scores the feasible nodes (`prioritizeNodes`). Extenders that fail to score add nothing.
    fn score(&mut self, framework: &Framework, extenders: &[Extender], cycle: &Cycle<'a>) {
        self.scores = framework.score(cycle, &self.feasible);
        self.totals = totals(&self.scores, self.feasible.len());
        if extenders.is_empty() && framework.scorers().next().is_none() {
            self.totals.fill(1);
        }
        for extender in extenders.iter().filter(|extender| extender.is_interested(cycle, cycle.pod_class())) {
            if let Ok(scores) = extender.score(cycle, &self.feasible) {
                for (total, score) in self.totals.iter_mut().zip(scores) {
                    *total = total.saturating_add(score);
                }
            }
        }
    }

    /// Why nobody looks for pods that could make room: the PostFilter code of DynamicResources fails when its PreFilter code
    /// has not run, and ends the attempt before DefaultPreemption's turn.
    pub fn post_filter_error(&self, framework: &Framework) -> Option<&'static str> {
        const NAME: &str = "DynamicResources";
        let first = framework.post_filters().iter().find(|name| *name == NAME || *name == preemption::NAME)?;
        (first == NAME && self.unasked.contains(first)).then_some("not found")
    }

    /// The highest total, and the places of the nodes that have it; -1 where one node alone is feasible.
    pub fn best(&self) -> Option<(i64, Vec<usize>)> {
        match self.feasible.len() {
            0 => None,
            1 => Some((-1, vec![0])),
            _ => {
                let best = self.totals.iter().copied().max()?;
                Some((best, (0..self.totals.len()).filter(|&at| self.totals[at] == best).collect()))
            }
        }
    }
}
