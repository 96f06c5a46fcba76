//! One pass: the search for each pod's place.
//!
//! Source: `Solve`, `add` and `addTo...` of `scheduler.go`.

use std::collections::BTreeMap;

use super::super::go_sort::{INSERTION_MAX, NINTHER_MIN, sample_is_sorted, sort_as_go};
use super::amounts::Row;
use super::bits::{is_set, next_clear_of, set};
use super::claims::{Addition, Claim};
use super::existing::asked_shape;
use super::kept::Kept;
use super::limits::Limits;
use super::memo::{Shape, Undefined};
use super::queue::Queue;
use super::reservations::{Reservable, Reservations};
use super::topology::{HostRule, Place, Sources, Topology};
use super::{Batch, Failure, MinValuesPolicy, Results, Scheduler, is_of_pool};

/// One pass over a batch.
pub(super) struct Run<'s, 'e, 'b> {
    scheduler: &'s mut Scheduler<'e>,
    batch: &'b Batch,
    bar: Option<(f64, bool)>,
    topology: Topology,
    claims: Vec<Claim>,
    order: ClaimOrder,
    limits_left: Vec<Option<Row>>,
    reservations: Reservations,
    /// By needs: nodes, by place in their order, that are no longer fit since pods of this batch are there.
    filled: BTreeMap<usize, Vec<u64>>,
    /// By needs: new nodes that are too small or too tainted for ever.
    outgrown: BTreeMap<usize, Vec<u64>>,
    /// By variant: new nodes that its rules about host names close for ever.
    closed: BTreeMap<usize, Vec<u64>>,
    hidden: Vec<u64>,
    existing: BTreeMap<usize, Vec<usize>>,
    /// Whether a pod that moves was put on a node that is not initialised.
    is_unsure: bool,
}

/// What was found out while one pod is tried on new nodes.
#[derive(Debug)]
struct Trial {
    rules: Vec<HostRule>,
    /// What the pod makes of a shape, by number of the shape.
    shapes: Vec<Option<Option<Shape>>>,
}

impl Trial {
    fn known(&self, shape: Shape) -> Option<Option<Shape>> {
        self.shapes.get(shape.0 as usize).copied().flatten()
    }

    fn learn(&mut self, shape: Shape, becomes: Option<Shape>) {
        let at = shape.0 as usize;
        if self.shapes.len() <= at {
            self.shapes.resize(at + 1, None);
        }
        self.shapes[at] = Some(becomes);
    }
}

/// New nodes in the order in which they are tried: by number of pods, as Go's sort leaves them.
#[derive(Debug, Default)]
struct ClaimOrder {
    order: Vec<usize>,
    /// The place whose node got a pod since the last sort; the last place for a node that is new.
    changed: Option<usize>,
}

impl ClaimOrder {
    /// Sorts again. One change in a long list is mended as Go would mend it; anything else is sorted in full.
    fn sort(&mut self, claims: &[Claim]) {
        let Some(at) = self.changed.take() else { return };
        let pods = |claim: &usize| claims[*claim].pods.len();
        let is_less = |one: &usize, other: &usize| pods(one) < pods(other);
        let length = self.order.len();
        let mends = length <= INSERTION_MAX || (length >= NINTHER_MIN && sample_is_sorted(&mut self.order, is_less));
        if !mends {
            sort_as_go(&mut self.order, is_less);
            return;
        }
        let count = pods(&self.order[at]);
        let before = self.order[..at].partition_point(|claim| pods(claim) <= count);
        let after = at + 1 + self.order[at + 1..].partition_point(|claim| pods(claim) < count);
        if before < at {
            self.order[before..=at].rotate_right(1);
        } else {
            self.order[at..after].rotate_left(1);
        }
    }
}

/// The name that a new node has until it has one.
fn placeholder(number: usize) -> String {
    format!("hostname-placeholder-{number:04}")
}

impl<'s, 'e, 'b> Run<'s, 'e, 'b> {
    pub(super) fn new(scheduler: &'s mut Scheduler<'e>, batch: &'b Batch, bar: Option<(f64, bool)>) -> Run<'s, 'e, 'b> {
        let mut hidden = Vec::new();
        let mut limits_left: Vec<Option<Row>> =
            scheduler.known.limits.iter().map(|limits| limits.as_ref().map(Limits::left)).collect();
        for node in &batch.without {
            let Some(place) = scheduler.known.existing.place[*node] else { continue };
            set(&mut hidden, place);
            let state = &scheduler.nodes[*node];
            let pools = scheduler.environment.pools.iter().zip(&scheduler.known.limits);
            for (left, ((pool, _), limits)) in limits_left.iter_mut().zip(pools) {
                if let (Some(left), Some(limits)) = (left, limits)
                    && is_of_pool(state, pool)
                {
                    limits.give_back(left, state);
                }
            }
        }
        let reservations = scheduler.known.reservations.clone();
        let mut run = Run {
            scheduler,
            batch,
            bar,
            topology: Topology::default(),
            claims: Vec::new(),
            order: ClaimOrder::default(),
            limits_left,
            reservations,
            filled: BTreeMap::new(),
            outgrown: BTreeMap::new(),
            closed: BTreeMap::new(),
            hidden,
            existing: BTreeMap::new(),
            is_unsure: false,
        };
        run.start_topology();
        run
    }

    fn start_topology(&mut self) {
        if !self.scheduler.known.domains.has_rules() {
            return;
        }
        let classes: Vec<usize> = self.batch.pods.iter().map(|pod| pod.class).collect();
        let Scheduler { environment, known: Kept { variants, memo, .. }, .. } = &mut *self.scheduler;
        let firsts: Vec<usize> = classes.iter().map(|class| variants.of_class(environment, *class, memo)).collect();
        let mut topology = with_sources(self.scheduler, |sources| Topology::new(self.batch, sources));
        with_sources(self.scheduler, |sources| firsts.iter().for_each(|variant| topology.update(*variant, sources)));
        self.topology = topology;
    }

    /// Places all pods; none: there is a bar, and it became plain that what is to be bought is not below it, or that pods that
    /// move count on a node that is not initialised.
    pub(super) fn solve(mut self) -> Option<Results> {
        let environment = self.scheduler.environment;
        let mut queue = Queue::new(environment, self.batch, !self.scheduler.known.variants.have_rules());
        let mut failed: BTreeMap<usize, Failure> = BTreeMap::new();
        while let Some(pod) = queue.pop(environment, self.batch) {
            match self.try_pod(pod) {
                Ok(()) => {
                    failed.remove(&pod);
                    if self.bar.is_some() && (self.is_unsure || self.is_above_bar()) {
                        self.abandon();
                        return None;
                    }
                }
                Err(failure) => {
                    failed.insert(pod, failure);
                    queue.put_back(pod);
                }
            }
        }
        Some(self.finish(failed))
    }

    /// Whether there are several nodes to buy, or one of which no type is below the bar: pods that come make neither better.
    fn is_above_bar(&self) -> bool {
        let Some(bar) = self.bar else { return false };
        match &self.claims[..] {
            [] => false,
            [claim] => !self.scheduler.known.templates[claim.template].is_sold_below(&claim.types, bar),
            _ => true,
        }
    }

    /// Tries a pod, with one preference less each time.
    fn try_pod(&mut self, pod: usize) -> Result<(), Failure> {
        let Scheduler { environment, known: Kept { variants, memo, .. }, .. } = &mut *self.scheduler;
        let mut variant = variants.of_class(environment, self.batch.pods[pod].class, memo);
        loop {
            let failure = match self.add(pod, variant) {
                Ok(()) => return Ok(()),
                Err(Failure::Reserved) => return Err(Failure::Reserved),
                Err(failure) => failure,
            };
            let Scheduler { known: Kept { variants, memo, .. }, .. } = &mut *self.scheduler;
            let Some(relaxed) = variants.relaxed(variant, memo) else { return Err(failure) };
            if self.scheduler.known.domains.has_rules() {
                let topology = &mut self.topology;
                with_sources(self.scheduler, |sources| topology.update(relaxed, sources));
            }
            variant = relaxed;
        }
    }

    fn add(&mut self, pod: usize, variant: usize) -> Result<(), Failure> {
        if self.add_to_existing(pod, variant) {
            return Ok(());
        }
        self.order.sort(&self.claims);
        if self.add_to_claim(pod, variant) {
            return Ok(());
        }
        self.add_to_new(pod, variant)
    }

    /// The rules about host names that a pod has to meet.
    fn host_rules(&mut self, number: usize) -> Vec<HostRule> {
        let variant = self.scheduler.known.variants.get(number);
        self.topology.host_rules((number, variant), self.scheduler.environment)
    }

    fn add_to_existing(&mut self, pod: usize, variant: usize) -> bool {
        let rules = self.host_rules(variant);
        let needs = self.scheduler.known.variants.get(variant).needs;
        let stays_off = self.stays_off_recent_nodes(pod);
        let mut from = 0;
        while let Some(at) = self.next_open(from, needs, stays_off) {
            let node = self.scheduler.known.existing.order[at];
            if let Some(shape) = self.fits_node(at, node, variant, &rules) {
                self.put_on_node(pod, node, variant, shape);
                self.is_unsure |= stays_off && at >= self.scheduler.known.existing.initialized;
                return true;
            }
            from = at + 1;
        }
        false
    }

    /// The first place from one on whose node is there and not known to be unfit for such needs.
    fn next_open(&self, from: usize, needs: usize, stays_off_recent: bool) -> Option<usize> {
        let known = &self.scheduler.known;
        let unfit = &known.variants.needs_at(needs).unfit[..];
        let filled = self.filled.get(&needs).map_or(&[][..], Vec::as_slice);
        let recent = if stays_off_recent { &self.scheduler.recent[..] } else { &[] };
        next_clear_of(&[unfit, filled, recent, &self.hidden], from, known.existing.order.len())
    }

    /// Whether a pod must not go to nodes that just got or lost one: it moves, and not because its node goes.
    fn stays_off_recent_nodes(&self, pod: usize) -> bool {
        let node = self.batch.pods[pod].node;
        self.batch.enforces_consolidate_after && node.is_some_and(|node| !self.scheduler.nodes[node].is_deleting)
    }

    /// What a pod makes of a node, if it fits.
    fn fits_node(&mut self, at: usize, node: usize, number: usize, rules: &[HostRule]) -> Option<Shape> {
        let Scheduler { environment, nodes, known: Kept { memo, variants, existing, domains, .. }, .. } =
            &mut *self.scheduler;
        if existing.is_unfit(node, variants.needs(number), memo) {
            if existing.is_changed(node) {
                set(self.filled.entry(variants.get(number).needs).or_default(), at);
            } else {
                set(&mut variants.needs_mut(number).unfit, at);
            }
            return None;
        }
        let variant = variants.get(number);
        let hostname = nodes[node].hostname();
        let shape = existing.asked_shape((node, hostname), variant, memo)?;
        if self.topology.is_empty() {
            return memo.narrow(shape, Vec::new(), Undefined::Never);
        }
        let host = (domains.host_of(node), hostname);
        if !self.topology.allows_host(rules, variant, host, &names(domains.hosts())) {
            return None;
        }
        let additions = self.topology.additions((number, variant), shape, environment, memo)?;
        memo.narrow(shape, additions, Undefined::Never)
    }

    fn put_on_node(&mut self, pod: usize, node: usize, number: usize, shape: Shape) {
        let Scheduler { environment, nodes, known: Kept { memo, variants, existing, domains, .. }, .. } =
            &mut *self.scheduler;
        let variant = variants.get(number);
        existing.put(node, (variant, variants.needs(number)), shape);
        let hostname = nodes[node].hostname();
        let place = Place { shape, taints: existing.taints(node), host: domains.host_of(node), hostname };
        self.topology.record((number, variant), place, environment, memo);
        self.existing.entry(node).or_default().push(pod);
    }

    fn add_to_claim(&mut self, pod: usize, variant: usize) -> bool {
        let mut trial = Trial { rules: self.host_rules(variant), shapes: Vec::new() };
        let needs = self.scheduler.known.variants.get(variant).needs;
        // Out of their places while nodes are looked at.
        let order = std::mem::take(&mut self.order.order);
        let mut outgrown = self.outgrown.remove(&needs).unwrap_or_default();
        let mut closed = self.closed.remove(&variant).unwrap_or_default();
        let mut found = None;
        for (place, at) in order.iter().copied().enumerate() {
            if is_set(&outgrown, at) || is_set(&closed, at) {
                continue;
            }
            if self.is_outgrown(at, variant) {
                set(&mut outgrown, at);
                continue;
            }
            if self.topology.closes_host(&trial.rules, self.claims[at].host) {
                set(&mut closed, at);
                continue;
            }
            if let Ok(fit) = self.claim_with(at, variant, false, &mut trial) {
                found = Some((place, at, fit));
                break;
            }
        }
        self.order.order = order;
        self.outgrown.insert(needs, outgrown);
        self.closed.insert(variant, closed);
        let Some((place, at, (addition, places))) = found else { return false };
        self.put_on_claim(pod, at, variant, addition, places);
        self.order.changed = Some(place);
        true
    }

    /// Whether a new node is too small or too tainted for a pod, now and for ever.
    fn is_outgrown(&mut self, at: usize, number: usize) -> bool {
        let Scheduler { known: Kept { memo, variants, templates, .. }, .. } = &mut *self.scheduler;
        let (claim, needs) = (&self.claims[at], variants.needs(number));
        let taints = templates[claim.template].taints;
        claim.is_too_small(&needs.requests) || !memo.tolerates(taints, needs.tolerations)
    }

    /// What a pod makes of a new node, and of its reservations, if it fits.
    fn claim_with(
        &mut self,
        at: usize,
        number: usize,
        relaxes: bool,
        trial: &mut Trial,
    ) -> Result<(Addition, Reservable), Failure> {
        let no = Failure::NoCapacity;
        let Scheduler { environment, options, known: Kept { memo, variants, templates, domains, .. }, .. } =
            &mut *self.scheduler;
        let (claim, variant) = (&self.claims[at], variants.get(number));
        let template = &mut templates[claim.template];
        let names = names(domains.hosts());
        let host = (claim.host, claim.hostname.as_str());
        if !self.topology.allows_host(&trial.rules, variant, host, &names) {
            return Err(no);
        }
        let known = if variant.hostname.is_none() { trial.known(claim.shape) } else { None };
        let shape = match known {
            Some(shape) => shape,
            None => {
                let asked = asked_shape((claim.shape, &claim.hostname), variant, Undefined::WellKnown, memo);
                let topology = &mut self.topology;
                let shape = asked.and_then(|shape| {
                    let additions = topology.additions((number, variant), shape, environment, memo)?;
                    memo.narrow(shape, additions, Undefined::WellKnown)
                });
                trial.learn(claim.shape, shape);
                shape
            }
        };
        let shape = shape.ok_or(no)?;
        let addition = claim.with((variant, variants.needs(number)), shape, relaxes, template, (environment, memo));
        let addition = addition.ok_or(no)?;
        if self.reservations.is_empty() {
            return Ok((addition, Reservable::These(Default::default())));
        }
        let types = &environment.pools[template.pool].1;
        let of_claim = addition.types().iter().map(|at| &types[*at]);
        let label = (memo.well_known(), environment.reservation_label.as_str());
        let wanted = memo.requirements(addition.shape());
        match self.reservations.reservable(claim.host, of_claim, wanted, label, options.reserved) {
            Reservable::Wait => Err(Failure::Reserved),
            Reservable::Nothing => Err(no),
            places => Ok((addition, places)),
        }
    }

    fn put_on_claim(&mut self, pod: usize, at: usize, number: usize, addition: Addition, places: Reservable) {
        let Scheduler { environment, known: Kept { memo, variants, templates, .. }, .. } = &mut *self.scheduler;
        let (claim, variant) = (&mut self.claims[at], variants.get(number));
        claim.add(pod, variant, addition);
        let taints = templates[claim.template].taints;
        let place = Place { shape: claim.shape, taints, host: claim.host, hostname: &claim.hostname };
        self.topology.record((number, variant), place, environment, memo);
        if let Reservable::These(places) = places
            && !self.reservations.is_empty()
        {
            self.reservations.hold(claim.host, places);
        }
    }

    fn add_to_new(&mut self, pod: usize, variant: usize) -> Result<(), Failure> {
        for template in 0..self.scheduler.known.templates.len() {
            let Some(types) = self.types_within_limits(template) else { continue };
            let Scheduler { known: Kept { memo, variants, domains, templates, .. }, .. } = &mut *self.scheduler;
            let (of, needs) = (&templates[template], variants.needs(variant));
            if !memo.tolerates(of.taints, needs.tolerations) {
                continue;
            }
            let at = self.claims.len();
            let host = domains.hosts().len() + at;
            let claim = Claim::new(template, (of, variants.kinds()), types, host, placeholder(at + 1));
            if claim.is_too_small(&needs.requests) {
                continue;
            }
            self.claims.push(claim);
            let relaxes = self.scheduler.options.min_values == MinValuesPolicy::BestEffort;
            let mut trial = Trial { rules: self.host_rules(variant), shapes: Vec::new() };
            match self.claim_with(at, variant, relaxes, &mut trial) {
                Ok((addition, places)) => {
                    self.put_on_claim(pod, at, variant, addition, places);
                    self.order.order.push(at);
                    self.order.changed = Some(at);
                    self.charge(at);
                    return Ok(());
                }
                Err(failure) => {
                    self.claims.pop();
                    // A pool of less weight must not take a pod that waits for a reservation.
                    if failure == Failure::Reserved {
                        return Err(failure);
                    }
                }
            }
        }
        Err(Failure::NoCapacity)
    }

    /// The types of a template that its pool's limits allow; none: it has no room for another node.
    fn types_within_limits(&self, template: usize) -> Option<Vec<usize>> {
        let template = &self.scheduler.known.templates[template];
        match (&self.scheduler.known.limits[template.pool], &self.limits_left[template.pool]) {
            (Some(limits), Some(left)) => limits.within(left, &template.types),
            _ => Some(template.types.clone()),
        }
    }

    /// Takes the most that a new node can be from its pool's limits.
    fn charge(&mut self, at: usize) {
        let claim = &self.claims[at];
        let pool = self.scheduler.known.templates[claim.template].pool;
        if let (Some(limits), Some(left)) = (&self.scheduler.known.limits[pool], &mut self.limits_left[pool]) {
            limits.charge(left, &claim.types);
        }
    }

    /// Leaves the scheduler as if nobody had asked.
    fn abandon(self) {
        self.scheduler.known.existing.restore();
        self.scheduler.ties += self.topology.ties();
    }

    fn finish(self, failed: BTreeMap<usize, Failure>) -> Results {
        let Run { scheduler, claims, order, reservations, existing, topology, .. } = self;
        scheduler.known.existing.restore();
        scheduler.ties += topology.ties();
        let label = &scheduler.environment.reservation_label;
        let mut claims: Vec<Option<Claim>> = claims.into_iter().map(Some).collect();
        let in_order = order.order.iter().filter_map(|at| claims[*at].take());
        let new_nodes = in_order.map(|claim| {
            let held = reservations.held(claim.host).map(str::to_owned).collect();
            let template = &scheduler.known.templates[claim.template];
            claim.finish(template, (scheduler.known.variants.kinds(), &scheduler.known.memo), label, held)
        });
        Results { new_nodes: new_nodes.collect(), existing, failed }
    }
}

/// Host names by number: those of nodes that are there, then those of new nodes.
fn names(hosts: &[String]) -> impl Fn(usize) -> String {
    |host| hosts.get(host).cloned().unwrap_or_else(|| placeholder(host - hosts.len() + 1))
}

fn with_sources<T>(scheduler: &mut Scheduler<'_>, with: impl FnOnce(&mut Sources<'_, '_>) -> T) -> T {
    let Scheduler { environment, nodes, known: Kept { domains, memo, variants, .. }, .. } = scheduler;
    with(&mut Sources { environment, nodes, universe: domains, memo, variants })
}
