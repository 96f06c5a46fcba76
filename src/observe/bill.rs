//! What a run costs by the rules of a provider, and for whom: the run's steps written into a [`Ledger`].
//!
//! Pods pay for what they hold of a node, or use of it, as [`Allocation`](crate::model::billing::Allocation) says. Machines that can
//! be bought are billed from their launch to their end, other nodes while they are up.
//!
//! Cost: O(1) an event, and O(containers) a look at what the containers of a node use; see [`Ledger`] for the end.

mod course;
mod egress;
mod measured;

use std::collections::{BTreeMap, BTreeSet};

use self::course::Course;
use self::egress::Billed;
use self::measured::Measured;
use super::ledger::{Bill, EndReason, For, Ledger, Names, Owner, Rules};
use crate::ids::{ClassId, MachineId, NodeId, PodId};
use crate::model::billing::{Amounts, Purchase, Terms};
use crate::model::catalogue::Provider;
use crate::model::money::Money;
use crate::model::provisioning::Market;
use crate::model::{Model, ShapeId};
use crate::results::Table;
use crate::traffic::Plane;
use crate::units::{Bytes, MilliCpu, SimTime};
use crate::world::{Machine, View};

/// Nodes that nobody bought are numbered from here on in the ledger, machines before.
const FIRST_NODE: u32 = 1 << 31;
/// Stands for the pool of nodes that belong to none.
const NO_POOL: u32 = u32::MAX;

/// Writes the ledger of a run.
#[derive(Clone, Debug)]
pub struct BillLog {
    ledger: Ledger,
    held: BTreeMap<PodId, Held>,
    /// What containers use, where that is paid for.
    measured: Option<Measured>,
    course: Course,
    /// The bytes that are in the ledger.
    billed: Billed,
    /// The instances that have begun, and not ended.
    running: BTreeSet<u32>,
    owners: BTreeMap<(String, String), Owner>,
    /// Names of namespaces and workloads, by the numbers in [`Owner`].
    names: Vec<String>,
    bill: Option<Bill>,
}

/// What a pod holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    instance: u32,
    node: NodeId,
    since: SimTime,
    /// What it requests: it may be resized while it holds its node.
    class: ClassId,
    /// Milli-cores and bytes of that which are not charged, because what is used is.
    waived: [u64; 2],
}

impl BillLog {
    /// The ledger of a run; none where the model has no tariff.
    pub fn new(model: &Model) -> Option<BillLog> {
        let tariff = model.provisioning.tariff.as_ref()?;
        let rules = Rules {
            control_plane_per_hour: tariff.control_plane_per_hour,
            commitments: tariff.commitments.clone(),
            egress: tariff.egress.clone(),
        };
        Some(BillLog {
            ledger: Ledger::new(rules),
            held: BTreeMap::new(),
            measured: Measured::new(tariff.allocation),
            course: Course::default(),
            billed: Billed::default(),
            running: BTreeSet::new(),
            owners: BTreeMap::new(),
            names: Vec::new(),
            bill: None,
        })
    }

    /// The nodes of the start are paid for.
    pub fn begin(&mut self, view: &View<'_>) {
        (0..view.world.nodes.len()).map(NodeId::from_index).for_each(|node| self.node_added(view, node));
    }

    /// A node has joined: one that nobody bought is paid for from now on.
    pub fn node_added(&mut self, view: &View<'_>, node: NodeId) {
        match view.world.fleet.of_node(node) {
            Some(machine) => self.machine_changed(view, machine),
            None => {
                let (shape, at) = (view.world.nodes.shape[node.index()], view.world.nodes.added[node.index()]);
                self.start(FIRST_NODE | node.0, terms(view.model, shape, Market::OnDemand), at);
            }
        }
    }

    /// A machine has taken a step: it is paid for from its launch to its end.
    pub fn machine_changed(&mut self, view: &View<'_>, machine: MachineId) {
        let one = view.world.fleet.get(machine);
        let is_running = self.running.contains(&machine.0);
        if !is_running && one.launched <= view.world.time && one.ended == SimTime::NEVER {
            let offer = view.model.provisioning.offer(one.offer);
            self.start(machine.0, terms(view.model, offer.shape, offer.market), one.launched);
        }
        if is_running && one.ended != SimTime::NEVER {
            self.running.remove(&machine.0);
            self.reprice(view.model, machine, one, one.ended);
            self.course.end(machine.0, one.ended);
            self.ledger.end(machine.0, one.ended, end_reason(one));
        }
    }

    /// Notes what the market did to the price of a machine up to an instant.
    fn reprice(&mut self, model: &Model, machine: MachineId, one: &Machine, until: SimTime) {
        let tariff = model.provisioning.tariff.as_ref().expect("a run with a bill has a tariff");
        let held = tariff.billing.spot_price_held;
        for (at, price) in model.provisioning.market.billed_prices(one.offer, (one.launched, until), held) {
            self.ledger.reprice(machine.0, price, at);
        }
    }

    fn start(&mut self, instance: u32, terms: Terms, at: SimTime) {
        self.course.begin(instance, &terms, at);
        self.ledger.begin(instance, terms, at);
        self.running.insert(instance);
    }

    /// A pod has got a node.
    pub fn pod_placed(&mut self, view: &View<'_>, pod: PodId) {
        let Some(node) = view.world.pods.node(pod) else { return };
        let class = view.world.pods.class[pod.index()];
        let waived = self.measured.as_ref().map_or([0; 2], |measured| measured.waived(view, pod));
        let (instance, since) = (instance_of(view, node), view.world.time);
        self.held.insert(pod, Held { instance, node, since, class, waived });
    }

    /// A pod that holds a node requests something else from now on.
    pub fn pod_resized(&mut self, view: &View<'_>, pod: PodId) {
        self.release(view, pod);
        self.pod_placed(view, pod);
    }

    /// What containers use on a node has changed.
    pub fn usage_changed(&mut self, view: &View<'_>, node: NodeId) {
        if let Some(measured) = &mut self.measured {
            measured.look(view, node, paid_until(view, instance_of(view, node)));
        }
    }

    /// Whether what pods use is something to the bill.
    pub fn measures(&self) -> bool {
        self.measured.is_some()
    }

    /// Requests use so many milli-cores and bytes of a run of a container.
    pub fn load_changed(&mut self, pod: PodId, run: (u32, u32), load: (u64, u64)) {
        if let Some(measured) = &mut self.measured {
            measured.load(pod, run, load);
        }
    }

    /// A pod gives back what it holds.
    pub fn pod_leaves(&mut self, view: &View<'_>, pod: PodId) {
        self.release(view, pod);
        if let Some(measured) = &mut self.measured {
            measured.forget(pod);
        }
    }

    fn release(&mut self, view: &View<'_>, pod: PodId) {
        let Some(Held { instance, node, since, class, waived }) = self.held.remove(&pod) else { return };
        // A pod whose node is lost is given up later than its machine ends.
        let to = paid_until(view, instance);
        let beyond = self.measured.as_mut().map_or([0; 2], |measured| measured.leave(pod, node, to));
        let class = view.class(class);
        let requests = Amounts {
            cpu: class.requests.cpu,
            memory: class.requests.memory,
            gpu_milli: class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()),
        };
        let had = Amounts {
            cpu: MilliCpu(requests.cpu.0.saturating_sub(waived[0])),
            memory: Bytes(requests.memory.0.saturating_sub(waived[1])),
            ..requests
        };
        let owner = self.owner(view, pod);
        self.course.hold(instance, owner, requests, since.min(to), to);
        self.ledger.allocate(instance, owner, had, since.min(to), to);
        self.ledger.allocate_beyond(instance, owner, [beyond[0], beyond[1], 0]);
    }

    fn owner(&mut self, view: &View<'_>, pod: PodId) -> Owner {
        let (namespace, workload) = workload_of(view, pod);
        let key = (namespace.to_owned(), workload.to_owned());
        if let Some(owner) = self.owners.get(&key) {
            return *owner;
        }
        let owner = Owner { namespace: self.number(&key.0), workload: self.number(&key.1) };
        self.owners.insert(key, owner);
        owner
    }

    fn number(&mut self, name: &str) -> u32 {
        let position = self.names.iter().position(|other| other == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        position as u32
    }

    /// A window of traffic is over.
    pub fn traffic_seen(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        if self.billed.is_due(view.world.time) {
            self.bill_bytes(view, plane);
        }
    }

    /// Bytes that have left a zone since the last time are to be paid for.
    pub fn bill_bytes(&mut self, view: &View<'_>, plane: &mut Plane<'_>) {
        plane.settle();
        let tariff = view.model.provisioning.tariff.as_ref().expect("a run with a bill has a tariff");
        let (at, leaving) = self.billed.look(plane.carried(), &tariff.places, view.world.time);
        for leaving in leaving {
            let sender = egress::answerer(view, leaving.service).map(|(namespace, workload)| Owner {
                namespace: self.number(namespace),
                workload: self.number(workload),
            });
            self.ledger.egress(leaving.region, sender, leaving.to, leaving.bytes, at);
        }
    }

    /// The run is over: what is held and runs is paid for up to now.
    pub fn end(&mut self, view: &View<'_>) {
        let pods: Vec<PodId> = self.held.keys().copied().collect();
        pods.into_iter().for_each(|pod| self.pod_leaves(view, pod));
        for node in (0..view.world.nodes.len()).map(NodeId::from_index) {
            let removed = view.world.nodes.removed[node.index()];
            if removed != SimTime::NEVER && self.running.remove(&(FIRST_NODE | node.0)) {
                self.course.end(FIRST_NODE | node.0, removed);
                self.ledger.end(FIRST_NODE | node.0, removed, EndReason::Returned);
            }
        }
        for machine in self.running.range(..FIRST_NODE).map(|instance| MachineId(*instance)).collect::<Vec<_>>() {
            self.reprice(view.model, machine, view.world.fleet.get(machine), view.world.time);
        }
        self.bill = Some(std::mem::take(&mut self.ledger).finish(view.world.time));
    }

    /// What is to be paid in all, and what of it for nobody, in US dollars.
    ///
    /// # Panics
    /// Before the end of the run.
    pub fn totals_usd(&self) -> [f64; 2] {
        let bill = self.bill.as_ref().expect("the run is over");
        let idle = bill.by(|line| line.owner).get(&For::Nobody).copied().unwrap_or(Money::ZERO);
        [bill.total().as_dollars(), idle.as_dollars()]
    }

    /// `bill.csv`: the lines, which sum to the total.
    ///
    /// # Panics
    /// Before the end of the run.
    pub fn table(&self, model: &Model) -> Table {
        let bill = self.bill.as_ref().expect("the run is over");
        let tariff = model.provisioning.tariff.as_ref().expect("a run with a bill has a tariff");
        let pools: Vec<String> = model.cluster.pools.iter().map(|pool| pool.name.clone()).collect();
        bill.table(&Names {
            pools: &pools,
            instance_types: &tariff.names,
            regions: &tariff.names,
            namespaces: &self.names,
            workloads: &self.names,
        })
    }

    /// `costs.csv`: what machines cost over time, and for whom, up to the end of the run.
    pub fn over_time(&self, end: SimTime) -> Table {
        self.course.table(end, &self.names)
    }
}

/// Who pays for a pod: its namespace, and the object that made it or its template.
pub(super) fn workload_of<'v>(view: &View<'v>, pod: PodId) -> (&'v str, &'v str) {
    let class = view.class_of(pod);
    let controller = view.world.controller_of(pod).map(|id| &view.model.controllers.list[id.index()]);
    (&class.spec.namespace, controller.map_or(&class.template, |one| &one.name))
}

/// The number of a node's instance in the ledger.
fn instance_of(view: &View<'_>, node: NodeId) -> u32 {
    view.world.fleet.of_node(node).map_or(FIRST_NODE | node.0, |machine| machine.0)
}

/// Up to when an instance is paid for, as far as is known now.
fn paid_until(view: &View<'_>, instance: u32) -> SimTime {
    let machine = (instance < FIRST_NODE).then(|| view.world.fleet.get(MachineId(instance)));
    machine.map_or(view.world.time, |machine| machine.ended.min(view.world.time))
}

fn end_reason(machine: &Machine) -> EndReason {
    if machine.reclaimed_at <= machine.ended { EndReason::Reclaimed } else { EndReason::Returned }
}

/// What a machine of a shape is paid by.
fn terms(model: &Model, shape: ShapeId, market: Market) -> Terms {
    let tariff = model.provisioning.tariff.as_ref().expect("a run with a bill has a tariff");
    let kind = model.cluster.shape(shape);
    let purchase = match (tariff.provider, market) {
        (Provider::Private, _) => Purchase::Owned,
        (_, Market::Spot) => Purchase::Spot,
        (_, Market::OnDemand) => Purchase::OnDemand,
    };
    let offered = &kind.allocatable;
    Terms {
        pool: kind.pool.map_or(NO_POOL, |pool| pool.0),
        instance_type: tariff.type_of_shape[shape.0 as usize],
        region: tariff.region_of_shape[shape.0 as usize],
        purchase,
        usd_per_hour: Money::from_dollars(kind.usd_per_hour),
        node_fee_per_hour: tariff.node_fee_per_hour,
        billing: tariff.billing,
        capacity: Amounts {
            cpu: offered.cpu,
            memory: offered.memory,
            gpu_milli: kind.gpu.map_or(0, |gpu| u64::from(gpu.count) * 1000),
        },
    }
}
