//! The search for devices on one node (`structured/internal/incubating/allocator_incubating.go`).
//!
//! Claim by claim, request by request, device by device, the first device that will do is taken; where the rest then finds
//! no solution it is put back and the next one tried. The first full solution is the result.
//!
//! Cost: exponential at worst; one step a device in the common case. After [`STEPS_MAX`] steps it gives up, where
//! upstream does after a time.

use std::collections::{BTreeMap, BTreeSet};

use super::capacity;
use super::constraints::Constraint;
use super::pools::{Pool, gather};
use super::requests::{Request, request};
use crate::model::devices::{
    AllocatedDevice, Allocation, CLAIM_DEVICES_MAX, ClaimSpec, Counters, Device, DeviceId, Devices, Reach,
    ResourceSlice,
};
use crate::model::pod_spec::{LabelRequirement, NodeSelectorTerm, SelectorOperator};
use crate::policy::scheduler::kube::NodeInfo;
use crate::world::Claims;

/// Most steps of one search.
const STEPS_MAX: u64 = 1_000_000;

/// A claim to be allocated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Namespace and name, for messages.
    pub(super) name: &'a str,
    /// What is claimed.
    pub(super) spec: &'a ClaimSpec,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The node cannot be used.
    OnNode(String),
    /// A claim or class is wrong: the attempt is over.
    Error(String),
}

/// Why the search goes back.
#[derive(Debug)]
enum Stop {
    /// The claim would have more devices than a claim can have.
    TooMany,
    Error(String),
}

/// The devices for claims on a node, in order of the claims; none where they cannot be had together.
///
/// # Errors
/// Why there is no answer.
pub(super) fn allocate<'a>(node: &NodeInfo<'a>, claims: &[Wanted<'a>]) -> Result<Option<Vec<Allocation>>, Failure> {
    let devices = &node.view.model.objects.devices;
    let pools = gather(devices, node);
    let mut requests = Vec::with_capacity(claims.len());
    for claim in claims {
        let of_claim: Result<Vec<Vec<Request<'a>>>, String> = claim
            .spec
            .requests
            .iter()
            .map(|wanted| {
                wanted.alternatives.iter().map(|query| request(devices, node, &pools, claim, wanted, query)).collect()
            })
            .collect();
        let of_claim = of_claim.map_err(Failure::Error)?;
        let least: usize = of_claim.iter().filter_map(|request| request.iter().map(|it| it.count).min()).sum();
        if least > CLAIM_DEVICES_MAX {
            let claim = claim.name;
            return Err(Failure::Error(format!(
                "claim {claim}: number of requested devices {least} exceeds the claim limit of {CLAIM_DEVICES_MAX}"
            )));
        }
        requests.push(of_claim);
    }
    let constraint = |claim: &Wanted<'a>| claim.spec.constraints.iter().map(Constraint::new).collect();
    let mut search = Search {
        devices,
        node,
        taken: &node.view.world.claims,
        claims,
        requests: &requests,
        constraints: claims.iter().map(constraint).collect(),
        available: pools.iter().map(|_| None).collect(),
        consumed: vec![BTreeMap::new(); pools.len()],
        pools: &pools,
        allocating: BTreeMap::new(),
        allocating_capacity: BTreeMap::new(),
        results: claims.iter().map(|_| Vec::new()).collect(),
        steps: 0,
    };
    match search.allocate(Place::default(), false, Location::default()) {
        Ok(true) => Ok(Some(search.results())),
        Ok(false) if pools.iter().any(|pool| pool.is_invalid) => {
            Err(Failure::OnNode("invalid resource pools were encountered".to_owned()))
        }
        Ok(false) => Ok(None),
        Err(Stop::TooMany) => Err(Failure::Error("allocation max size exceeded".to_owned())),
        Err(Stop::Error(message)) => Err(Failure::Error(message)),
    }
}

/// A device that is needed.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    claim: usize,
    request: usize,
    alternative: usize,
    device: usize,
}

/// A device that is there.
#[derive(Clone, Copy, Debug, Default)]
struct Location {
    pool: usize,
    slice: usize,
    device: usize,
}

/// A device that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) id: DeviceId,
    pub(super) pool: usize,
    pub(super) slice: &'a ResourceSlice,
    pub(super) device: &'a Device,
}

/// What taking a device has changed.
#[derive(Debug, Default)]
struct Undo {
    constraints: usize,
    counters: bool,
    marked: bool,
    capacity: Option<Counters>,
    result: bool,
}

/// A device in the result.
#[derive(Debug)]
struct Taken<'a> {
    candidate: Candidate<'a>,
    request: String,
    has_admin_access: bool,
    consumed: Option<Counters>,
}

type CountersBySet<'a> = BTreeMap<&'a str, BTreeMap<&'a str, i128>>;

#[derive(Debug)]
struct Search<'a, 's> {
    devices: &'a Devices,
    node: &'s NodeInfo<'a>,
    /// What is taken already.
    taken: &'a Claims,
    claims: &'s [Wanted<'a>],
    pools: &'s [Pool<'a>],
    /// By claim, request and alternative.
    requests: &'s [Vec<Vec<Request<'a>>>],
    constraints: Vec<Vec<Constraint<'a>>>,
    /// Counters left by what is allocated already, by pool; none: not counted yet.
    available: Vec<Option<CountersBySet<'a>>>,
    /// Counters taken by this search, by pool.
    consumed: Vec<CountersBySet<'a>>,
    /// Devices taken by this search, and for which claims.
    allocating: BTreeMap<DeviceId, BTreeSet<usize>>,
    /// Shares taken by this search.
    allocating_capacity: BTreeMap<DeviceId, (u32, Counters)>,
    results: Vec<Vec<Taken<'a>>>,
    steps: u64,
}

impl<'a> Search<'a, '_> {
    /// Finds a device for a place and all places after it (`allocateOne`).
    fn allocate(&mut self, place: Place, in_alternative: bool, start: Location) -> Result<bool, Stop> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(Stop::Error(format!("node {}: timed out trying to allocate devices", self.node.name())));
        }
        let Some(of_claim) = self.requests.get(place.claim) else { return Ok(true) };
        let Some(alternatives) = of_claim.get(place.request) else {
            let next = Place { claim: place.claim + 1, ..Place::default() };
            return match self.allocate(next, false, Location::default()) {
                // Another choice in an earlier claim may leave room for one that needs fewer here.
                Err(Stop::TooMany) => Ok(false),
                outcome => outcome,
            };
        };
        if !in_alternative && self.claims[place.claim].spec.requests[place.request].is_prioritised {
            return self.allocate_first_available(place, alternatives.len());
        }
        let request = &alternatives[place.alternative];
        if request.is_all() && request.all.is_empty() {
            return Ok(false);
        }
        if place.device >= request.count {
            let next = Place { claim: place.claim, request: place.request + 1, ..Place::default() };
            return self.allocate(next, false, Location::default());
        }
        if self.results[place.claim].len() + request.count - place.device > CLAIM_DEVICES_MAX {
            return Err(Stop::TooMany);
        }
        if request.is_all() {
            let candidate = request.all[place.device];
            let Some(undo) = self.take(place, candidate, true)? else { return Ok(false) };
            return self.go_on(place, in_alternative, Location::default(), candidate, undo);
        }
        self.try_devices(place, request, in_alternative, start)
    }

    /// The first alternative with which everything after it works out.
    fn allocate_first_available(&mut self, place: Place, alternatives: usize) -> Result<bool, Stop> {
        let mut all_are_too_many = true;
        for alternative in 0..alternatives {
            match self.allocate(Place { alternative, ..place }, true, Location::default()) {
                Err(Stop::TooMany) => {}
                Err(error) => return Err(error),
                Ok(true) => return Ok(true),
                Ok(false) => all_are_too_many = false,
            }
        }
        if all_are_too_many { Err(Stop::TooMany) } else { Ok(false) }
    }

    /// Tries one device after the other, from a location on.
    fn try_devices(
        &mut self,
        place: Place,
        request: &Request<'a>,
        in_alternative: bool,
        start: Location,
    ) -> Result<bool, Stop> {
        let pools = self.pools;
        let usable = |(_, pool): &(usize, &Pool<'a>)| !pool.is_incomplete && !pool.is_invalid;
        for (at_pool, pool) in pools.iter().enumerate().skip(start.pool).filter(usable) {
            let first_slice = if at_pool == start.pool { start.slice } else { 0 };
            for (at_slice, &slice) in pool.slices.iter().enumerate().skip(first_slice) {
                let is_start = at_pool == start.pool && at_slice == start.slice;
                for at in if is_start { start.device } else { 0 }..slice.devices.len() {
                    let device = &slice.devices[at];
                    let candidate = Candidate { id: slice.id(at), pool: at_pool, slice, device };
                    if !self.is_eligible(place, request, candidate, at)? {
                        continue;
                    }
                    let Some(undo) = self.take(place, candidate, false)? else { continue };
                    let next = Location { pool: at_pool, slice: at_slice, device: at + 1 };
                    if self.go_on(place, in_alternative, next, candidate, undo)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Goes on after a device was taken, and puts it back where that leads nowhere.
    fn go_on(
        &mut self,
        place: Place,
        in_alternative: bool,
        from: Location,
        candidate: Candidate<'a>,
        undo: Undo,
    ) -> Result<bool, Stop> {
        let done = self.allocate(Place { device: place.device + 1, ..place }, in_alternative, from);
        if !matches!(done, Ok(true)) {
            self.put_back(place, candidate, undo);
        }
        done
    }

    /// Whether a device is free, selected, and large enough.
    fn is_eligible(
        &self,
        place: Place,
        request: &Request<'a>,
        candidate: Candidate<'a>,
        at: usize,
    ) -> Result<bool, Stop> {
        let is_used = if request.query.has_admin_access {
            self.is_allocating_for(candidate.id, place.claim)
        } else {
            self.is_in_use(candidate.id)
        };
        if is_used || !request.selects(self.devices, self.node, candidate.slice, at).map_err(Stop::Error)? {
            return Ok(false);
        }
        Ok(self.has_capacity(request, candidate))
    }

    fn is_in_use(&self, device: DeviceId) -> bool {
        self.taken.is_taken(device) || self.allocating.get(&device).is_some_and(|claims| !claims.is_empty())
    }

    fn is_allocating_for(&self, device: DeviceId, claim: usize) -> bool {
        self.allocating.get(&device).is_some_and(|claims| claims.contains(&claim))
    }

    fn has_capacity(&self, request: &Request<'a>, candidate: Candidate<'a>) -> bool {
        let before = self.taken.shares(candidate.id).map(|shares| &shares.consumed);
        let now = self.allocating_capacity.get(&candidate.id).map(|(_, consumed)| consumed);
        let taken: Vec<&Counters> = before.into_iter().chain(now).collect();
        capacity::fits(candidate.device, &request.query.capacity, &taken)
    }

    /// Takes a device if nothing speaks against it (`allocateDevice`).
    fn take(&mut self, place: Place, candidate: Candidate<'a>, must: bool) -> Result<Option<Undo>, Stop> {
        let requests = self.requests;
        let request = &requests[place.claim][place.request][place.alternative];
        let device = candidate.device;
        let is_shared = device.allows_multiple_allocations;
        let has_admin_access = request.query.has_admin_access;
        if (!is_shared && has_admin_access && self.is_allocating_for(candidate.id, place.claim))
            || (!has_admin_access && self.is_in_use(candidate.id))
        {
            return Ok(None);
        }
        let mut undo = Undo::default();
        let is_counted = is_shared
            && (self.taken.shares(candidate.id).is_some() || self.allocating_capacity.contains_key(&candidate.id));
        if !is_counted && !device.consumes.is_empty() {
            if !self.take_counters(candidate) {
                return Ok(None);
            }
            undo.counters = true;
        }
        if !request.tolerates(device) {
            self.put_back(place, candidate, undo);
            return Ok(None);
        }
        for constraint in &mut self.constraints[place.claim] {
            if !constraint.add(request.name, request.alternative(), &candidate.slice.driver, device) {
                self.put_back(place, candidate, undo);
                return if must { Err(Stop::Error(self.constraint_error(place, candidate))) } else { Ok(None) };
            }
            undo.constraints += 1;
        }
        if !is_shared {
            self.allocating.entry(candidate.id).or_default().insert(place.claim);
            undo.marked = true;
        }
        if !self.has_capacity(request, candidate) {
            self.put_back(place, candidate, undo);
            return Ok(None);
        }
        let consumed = is_shared.then(|| capacity::of_request(device, &request.query.capacity));
        if let Some(consumed) = &consumed {
            let (shares, sum) = self.allocating_capacity.entry(candidate.id).or_default();
            *shares += 1;
            consumed.iter().for_each(|(name, milli)| *sum.entry(name.clone()).or_default() += milli);
            undo.capacity = Some(consumed.clone());
        }
        let request = request.full_name();
        self.results[place.claim].push(Taken { candidate, request, has_admin_access, consumed });
        undo.result = true;
        Ok(Some(undo))
    }

    fn constraint_error(&self, place: Place, candidate: Candidate<'a>) -> String {
        let request = &self.requests[place.claim][place.request][place.alternative];
        let (claim, slice) = (self.claims[place.claim].name, candidate.slice);
        format!(
            "claim {claim}, request {}: cannot add device {}/{}/{} because a claim constraint would not be satisfied",
            request.own_name(),
            slice.driver,
            slice.pool,
            candidate.device.name
        )
    }

    /// Undoes what taking a device has changed.
    fn put_back(&mut self, place: Place, candidate: Candidate<'a>, undo: Undo) {
        let requests = self.requests;
        let request = &requests[place.claim][place.request][place.alternative];
        if undo.result {
            self.results[place.claim].pop();
        }
        if let Some(consumed) = undo.capacity
            && let Some((shares, sum)) = self.allocating_capacity.get_mut(&candidate.id)
        {
            *shares -= 1;
            consumed.iter().for_each(|(name, milli)| *sum.entry(name.clone()).or_default() -= milli);
            if *shares == 0 {
                self.allocating_capacity.remove(&candidate.id);
            }
        }
        if undo.marked
            && let Some(claims) = self.allocating.get_mut(&candidate.id)
        {
            claims.remove(&place.claim);
        }
        for constraint in &mut self.constraints[place.claim][..undo.constraints] {
            constraint.remove(request.name, request.alternative());
        }
        if undo.counters {
            self.count(candidate, -1);
        }
    }

    /// Takes what a device consumes of shared counters, if there is enough (`checkAvailableCounters`).
    fn take_counters(&mut self, candidate: Candidate<'a>) -> bool {
        self.count(candidate, 1);
        let available = match self.available[candidate.pool].take() {
            Some(available) => available,
            None => self.available_counters(candidate.pool),
        };
        let consumed = &self.consumed[candidate.pool];
        let used = |set: &str, counter: &str| consumed.get(set).and_then(|set| set.get(counter)).copied().unwrap_or(0);
        let is_enough = available
            .iter()
            .all(|(set, counters)| counters.iter().all(|(counter, &milli)| milli >= used(set, counter)));
        self.available[candidate.pool] = Some(available);
        if !is_enough {
            self.count(candidate, -1);
        }
        is_enough
    }

    fn count(&mut self, candidate: Candidate<'a>, sign: i128) {
        for set in &candidate.device.consumes {
            let counters = self.consumed[candidate.pool].entry(&set.name).or_default();
            for (counter, milli) in &set.counters {
                *counters.entry(counter).or_default() += sign * milli;
            }
        }
    }

    /// The counters of a pool less what allocated devices take; that may be less than nothing.
    fn available_counters(&self, pool: usize) -> CountersBySet<'a> {
        let pool = &self.pools[pool];
        let values = |counters: &'a Counters| counters.iter().map(|(name, &milli)| (name.as_str(), milli)).collect();
        let mut left: CountersBySet<'a> =
            pool.counters.iter().map(|(&set, &counters)| (set, values(counters))).collect();
        for slice in pool.slices.iter().chain(&pool.elsewhere) {
            for (at, device) in slice.devices.iter().enumerate() {
                let id = slice.id(at);
                if !self.taken.is_taken(id) && self.taken.shares(id).is_none() {
                    continue;
                }
                for set in &device.consumes {
                    for (counter, milli) in &set.counters {
                        let counters = left.get_mut(set.name.as_str());
                        if let Some(value) = counters.and_then(|counters| counters.get_mut(counter.as_str())) {
                            *value -= milli;
                        }
                    }
                }
            }
        }
        left
    }

    /// What was found.
    fn results(self) -> Vec<Allocation> {
        let allocation = |taken: &Vec<Taken<'a>>| Allocation {
            devices: taken.iter().map(allocated).collect(),
            node_selector: node_selector(taken, self.node),
        };
        self.results.iter().map(allocation).collect()
    }
}

fn allocated(taken: &Taken<'_>) -> AllocatedDevice {
    let Taken { candidate, request, has_admin_access, consumed } = taken;
    AllocatedDevice {
        request: request.clone(),
        driver: candidate.slice.driver.clone(),
        pool: candidate.slice.pool.clone(),
        device: candidate.device.name.clone(),
        id: Some(candidate.id),
        has_admin_access: *has_admin_access,
        is_share: consumed.is_some(),
        consumed: consumed.clone().unwrap_or_default(),
    }
}

/// The nodes that reach all the devices (`createNodeSelector`).
fn node_selector(taken: &[Taken<'_>], node: &NodeInfo<'_>) -> Option<Vec<NodeSelectorTerm>> {
    let mut term = NodeSelectorTerm::default();
    for Taken { candidate, .. } in taken {
        let reach = match &candidate.slice.reach {
            Reach::PerDevice => &candidate.device.reach,
            reach => reach,
        };
        if matches!(reach, Reach::Node(_)) || candidate.device.binds_to_node {
            let key = "metadata.name".to_owned();
            let values = vec![node.name().to_owned()];
            let fields = vec![LabelRequirement { key, operator: SelectorOperator::In, values }];
            return Some(vec![NodeSelectorTerm { expressions: Vec::new(), fields }]);
        }
        if let Reach::Selected(terms) = reach
            && let Some(first) = terms.first()
        {
            add_new(&mut term.fields, &first.fields);
            add_new(&mut term.expressions, &first.expressions);
        }
    }
    let is_everywhere = term.fields.is_empty() && term.expressions.is_empty();
    (!is_everywhere).then(|| vec![term])
}

fn add_new(to: &mut Vec<LabelRequirement>, from: &[LabelRequirement]) {
    for requirement in from {
        let values = |it: &LabelRequirement| it.values.iter().cloned().collect::<BTreeSet<String>>();
        let is_same = |other: &LabelRequirement| {
            other.key == requirement.key
                && other.operator == requirement.operator
                && values(other) == values(requirement)
        };
        if !to.iter().any(is_same) {
            to.push(requirement.clone());
        }
    }
}
