//! Kinds of pod as they are tried: with all preferences, then with one after the other given up.

use std::collections::BTreeMap;

use super::super::requirement::Requirement;
use super::super::requirements::Requirements;
use super::super::resources::{ResourceKind, ResourceList};
use super::amounts::{Kinds, Row};
use super::bound::{Counted, Slots};
use super::existing::Move;
use super::memo::{Ask, Memo, TolerationSet};
use super::preferences::relax;
use super::{Environment, NodePool, PreferencePolicy, bits};
use crate::model::pod_spec::PodAffinity;
use crate::model::{PodClass, TaintEffect};

/// A kind of pod with some of its preferences.
#[derive(Debug)]
pub(super) struct Variant {
    /// The class it comes from; labels and namespace are those of the class.
    pub(super) class: usize,
    pub(super) pod: PodClass,
    /// What it needs of a node whatever its rules are, by number.
    pub(super) needs: usize,
    /// With the preferred node affinity, unless preferences are ignored.
    pub(super) ask: Ask,
    pub(super) hostname: Option<Requirement>,
    /// Without it: what the domains of a topology depend on.
    pub(super) strict: Requirements,
    next: Option<Option<usize>>,
}

/// What kinds of pod that differ in their rules only have in common: they are too large for the same nodes.
#[derive(Debug)]
pub(super) struct Needs {
    pub(super) requests: Row,
    pub(super) tolerations: TolerationSet,
    /// Nodes, by place in their order, that were too small or too tainted before any pod of a batch was placed.
    pub(super) unfit: Vec<u64>,
    /// How many pods with such needs there is room for, as far as that was counted.
    pub(super) counted: Counted,
}

/// All kinds of pod that were tried so far.
#[derive(Debug)]
pub(super) struct Variants {
    list: Vec<Variant>,
    of_class: Vec<Option<usize>>,
    needs: Vec<Needs>,
    needs_by_kind: BTreeMap<(Row, TolerationSet), usize>,
    /// By two needs: how many times the one is the other; below 0: that was not asked yet.
    times: Vec<Vec<i64>>,
    kinds: Kinds,
    policy: PreferencePolicy,
    tolerates_preferred: bool,
    have_rules: bool,
}

impl Variants {
    pub(super) fn new(environment: &Environment, policy: PreferencePolicy) -> Variants {
        let requests: Vec<ResourceList> = environment.classes.iter().map(requests_of).collect();
        Variants {
            list: Vec::new(),
            of_class: vec![None; environment.classes.len()],
            needs: Vec::new(),
            needs_by_kind: BTreeMap::new(),
            times: Vec::new(),
            kinds: Kinds::of(&requests),
            policy,
            tolerates_preferred: environment.pools.iter().any(|(pool, _)| has_preferred_taints(pool)),
            have_rules: environment.classes.iter().any(has_rules),
        }
    }

    /// Takes in classes that were added. Returns whether that could be done: none requests what no other did.
    pub(super) fn catch_up(&mut self, environment: &Environment) -> bool {
        let added = &environment.classes[self.of_class.len()..];
        self.of_class.resize(environment.classes.len(), None);
        self.have_rules |= added.iter().any(has_rules);
        let is_known = |pod: &PodClass| requests_of(pod).iter().all(|(kind, _)| self.kinds.column(kind).is_some());
        added.iter().all(is_known)
    }

    /// Follows nodes that were unfit to their places, and forgets which of those at some places now were; without moves, of all.
    pub(super) fn forget_unfit(&mut self, moves: Option<&[Move]>, places: &[usize]) {
        for needs in &mut self.needs {
            needs.counted = Counted::default();
            let Some(moves) = moves else {
                needs.unfit.clear();
                continue;
            };
            for one in moves {
                match one {
                    Move::Out(place) => bits::remove(&mut needs.unfit, *place),
                    Move::In(place) => bits::insert(&mut needs.unfit, *place),
                }
            }
            places.iter().for_each(|place| bits::clear(&mut needs.unfit, *place));
        }
    }

    /// Whether some pod has a rule about where others are.
    pub(super) fn have_rules(&self) -> bool {
        self.have_rules
    }

    /// Whether pods may come to tolerate taints that are preferences.
    pub(super) fn tolerates_preferred(&self) -> bool {
        self.tolerates_preferred
    }

    /// The kinds of resources that pods request.
    pub(super) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    pub(super) fn needs(&self, variant: usize) -> &Needs {
        &self.needs[self.list[variant].needs]
    }

    pub(super) fn needs_at(&self, needs: usize) -> &Needs {
        &self.needs[needs]
    }

    pub(super) fn needs_at_mut(&mut self, needs: usize) -> &mut Needs {
        &mut self.needs[needs]
    }

    /// How many of others some needs are at least, but for the number of pods: where a pod with these finds room, so many
    /// with the others would have. 0: it may find room where the others do not.
    pub(super) fn times(&mut self, one: usize, other: usize) -> i64 {
        let known = &mut self.times[one];
        if known.len() <= other {
            known.resize(self.needs.len(), -1);
        }
        if known[other] < 0 {
            let (one_needs, other_needs) = (&self.needs[one], &self.needs[other]);
            known[other] = match one_needs.tolerations == other_needs.tolerations {
                true => Slots::within(&one_needs.requests, &other_needs.requests, &self.kinds).units,
                false => 0,
            };
        }
        known[other]
    }

    pub(super) fn needs_mut(&mut self, variant: usize) -> &mut Needs {
        &mut self.needs[self.list[variant].needs]
    }

    pub(super) fn get(&self, variant: usize) -> &Variant {
        &self.list[variant]
    }

    pub(super) fn policy(&self) -> PreferencePolicy {
        self.policy
    }

    /// The pods of a class as they are.
    pub(super) fn of_class(&mut self, environment: &Environment, class: usize, memo: &mut Memo) -> usize {
        if let Some(variant) = self.of_class[class] {
            return variant;
        }
        let variant = self.add(class, environment.classes[class].clone(), memo);
        self.of_class[class] = Some(variant);
        variant
    }

    /// The same with one preference less, if there is one left.
    pub(super) fn relaxed(&mut self, variant: usize, memo: &mut Memo) -> Option<usize> {
        if let Some(next) = self.list[variant].next {
            return next;
        }
        let mut pod = self.list[variant].pod.clone();
        let is_relaxed = relax(&mut pod, self.tolerates_preferred);
        let next = is_relaxed.then(|| self.add(self.list[variant].class, pod, memo));
        self.list[variant].next = Some(next);
        next
    }

    fn add(&mut self, class: usize, pod: PodClass, memo: &mut Memo) -> usize {
        let requests = requests_of(&pod);
        let strict = Requirements::of_pod(&pod);
        let wanted = match self.policy {
            PreferencePolicy::Respect => Requirements::of_pod_with_preference(&pod),
            PreferencePolicy::Ignore => strict.clone(),
        };
        let (ask, hostname) = memo.ask(wanted);
        let tolerations = memo.toleration_set(&pod.tolerations);
        let needs = self.number_of(self.kinds.row(&requests), tolerations);
        self.list.push(Variant { class, pod, needs, ask, hostname, strict, next: None });
        self.list.len() - 1
    }

    fn number_of(&mut self, requests: Row, tolerations: TolerationSet) -> usize {
        let next = self.needs.len();
        let number = *self.needs_by_kind.entry((requests.clone(), tolerations)).or_insert(next);
        if number == next {
            self.times.push(Vec::new());
            self.needs.push(Needs { requests, tolerations, unfit: Vec::new(), counted: Counted::default() });
        }
        number
    }
}

fn has_preferred_taints(pool: &NodePool) -> bool {
    pool.template.taints.iter().any(|taint| taint.effect == TaintEffect::PreferNoSchedule)
}

/// Whether pods of a class have rules about where others are.
pub(super) fn has_rules(pod: &PodClass) -> bool {
    let has_terms = |affinity: &PodAffinity| !affinity.required.is_empty() || !affinity.preferred.is_empty();
    let spec = &pod.spec;
    !spec.topology_spread.is_empty() || has_terms(&spec.pod_affinity) || has_terms(&spec.pod_anti_affinity)
}

/// What a pod requests, itself among it.
fn requests_of(pod: &PodClass) -> ResourceList {
    let mut requests = ResourceList::from(&pod.requests);
    requests.set(ResourceKind::Pods, 1);
    requests
}
