//! What a run costs by the rules of a provider, and for whom: the run's steps written into a [`Ledger`].
//!
//! Pods pay for what they request while they hold a node. Machines that can be bought are billed from their launch to their
//! end, other nodes while they are up. Work is lost when a pod that would have ended is evicted: what it had done is done again.
//!
//! Cost: O(1) an event; see [`Ledger`] for the end.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Bill, EndReason, For, Ledger, Owner, Rules};
use crate::ids::{MachineId, NodeId, PodId};
use crate::model::billing::{Amounts, Purchase, Tariff, Terms};
use crate::model::catalogue::Provider;
use crate::model::money::Money;
use crate::model::provisioning::Market;
use crate::model::{Model, ShapeId};
use crate::results::{Column, Table, TextColumn};
use crate::units::SimTime;
use crate::world::{Machine, View};

/// Nodes that nobody bought are numbered from here on in the ledger, machines before.
const FIRST_NODE: u32 = 1 << 31;
/// Stands for the pool of nodes that belong to none.
const NO_POOL: u32 = u32::MAX;

/// Writes the ledger of a run.
#[derive(Clone, Debug)]
pub struct BillLog {
    ledger: Ledger,
    /// Since when pods have held what they hold, and on which instance.
    held: BTreeMap<PodId, (u32, SimTime)>,
    /// The instances that have begun, and not ended.
    running: BTreeSet<u32>,
    owners: BTreeMap<(String, String), Owner>,
    /// Names of namespaces and workloads, by the numbers in [`Owner`].
    names: Vec<String>,
    bill: Option<Bill>,
}

impl BillLog {
    /// The ledger of a run; none where the model has no tariff.
    pub fn new(model: &Model) -> Option<BillLog> {
        let tariff = model.provisioning.tariff.as_ref()?;
        let rules = Rules {
            control_plane_per_hour: tariff.control_plane_per_hour,
            commitments: tariff.commitments.clone(),
            // Requests have no sizes, so no bytes are fed.
            ..Rules::default()
        };
        Some(BillLog {
            ledger: Ledger::new(rules),
            held: BTreeMap::new(),
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
        self.ledger.begin(instance, terms, at);
        self.running.insert(instance);
    }

    /// A pod has got a node.
    pub fn pod_placed(&mut self, view: &View<'_>, pod: PodId) {
        let Some(node) = view.world.pods.node(pod) else { return };
        let instance = view.world.fleet.of_node(node).map_or(FIRST_NODE | node.0, |machine| machine.0);
        self.held.insert(pod, (instance, view.world.time));
    }

    /// A pod gives back what it holds.
    pub fn pod_leaves(&mut self, view: &View<'_>, pod: PodId) {
        let Some((instance, from)) = self.held.remove(&pod) else { return };
        let class = view.class_of(pod);
        let had = Amounts {
            cpu: class.requests.cpu,
            memory: class.requests.memory,
            gpu_milli: class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli()),
        };
        let owner = self.owner(view, pod);
        // A pod whose node is lost is given up later than its machine ends.
        let machine = (instance < FIRST_NODE).then(|| view.world.fleet.get(MachineId(instance)));
        let to = machine.map_or(view.world.time, |machine| machine.ended.min(view.world.time));
        self.ledger.allocate(instance, owner, had, from.min(to), to);
    }

    fn owner(&mut self, view: &View<'_>, pod: PodId) -> Owner {
        let class = view.class_of(pod);
        let controller = view.world.controller_of(pod).map(|id| &view.model.controllers.list[id.index()]);
        let workload = controller.map_or(&class.template, |one| &one.name);
        let key = (class.spec.namespace.clone(), workload.clone());
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

    /// The run is over: what is held and runs is paid for up to now.
    pub fn end(&mut self, view: &View<'_>) {
        let pods: Vec<PodId> = self.held.keys().copied().collect();
        pods.into_iter().for_each(|pod| self.pod_leaves(view, pod));
        for node in (0..view.world.nodes.len()).map(NodeId::from_index) {
            let removed = view.world.nodes.removed[node.index()];
            if removed != SimTime::NEVER && self.running.remove(&(FIRST_NODE | node.0)) {
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
        let pool = |number: u32| model.cluster.pools.get(number as usize).map_or("", |pool| pool.name.as_str());
        let mut columns: [TextColumn; 6] = Default::default();
        let mut amounts = Vec::new();
        for (line, amount) in bill.lines() {
            let (pool, kind) = line.place.map_or(("", ""), |(number, kind)| (pool(number), name(tariff, kind)));
            let (namespace, workload) = match line.owner {
                For::Owner(owner) => {
                    (self.names[owner.namespace as usize].as_str(), &*self.names[owner.workload as usize])
                }
                For::Nobody => ("", "(idle)"),
                For::All => ("", "(shared)"),
            };
            let region = line.region.map_or("", |region| name(tariff, region));
            for (column, text) in columns.iter_mut().zip([line.kind.name(), pool, kind, region, namespace, workload]) {
                column.push(text);
            }
            amounts.push(amount.as_dollars());
        }
        let names = ["kind", "pool", "instance_type", "region", "namespace", "workload"];
        let texts = names.into_iter().zip(columns);
        let table = texts.fold(Table::new(), |table, (name, column)| table.with(name, Column::Text(column)));
        table.with("usd", Column::Fixed(9, amounts))
    }
}

fn name(tariff: &Tariff, number: u32) -> &str {
    tariff.names.get(number as usize).map_or("", String::as_str)
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
