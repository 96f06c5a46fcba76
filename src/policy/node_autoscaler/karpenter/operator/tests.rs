//! Small fleets: what is ordered, and when.

use serde_json::json;

use super::*;
use crate::ids::{ClassId, NodeId, OfferId};
use crate::model::cluster::ZONE_LABEL;
use crate::model::disruption::DoNotDisrupt;
use crate::model::provisioning::{MachineDelays, Market as Bought, NodeGroup, Offer};
use crate::model::{Cluster, Label, Model, NodeShape, PodClass, Pool, Resources, ShapeId, Workload};
use crate::policy::node_autoscaler::karpenter::requirements::INSTANCE_TYPE_LABEL;
use crate::testkit;
use crate::units::{Bytes, MilliCpu};
use crate::world::{View, World};

const SMALL: OfferId = OfferId(0);
const LARGE: OfferId = OfferId(1);
const GROUP: GroupId = GroupId(0);
/// How nodes are emptied whose pool says nothing of it.
const PATIENCE: Patience = Patience { give_up_after: None, force_after: None, spares_protected: true };

/// One pool with two types: 2 cores for 0.1 and 4 cores for 0.15 dollars an hour. Pods of class 0 request 1 core.
fn model() -> Model {
    let mut cluster = Cluster { zones: vec!["a".to_owned()], ..Cluster::default() };
    for (name, cpu, usd_per_hour) in [("small", 2000, 0.1), ("large", 4000, 0.15)] {
        let label = |key: &str, value: &str| Label { key: key.to_owned(), value: value.to_owned() };
        let allocatable = Resources { cpu: MilliCpu(cpu), memory: Bytes(1 << 34), pods: 110, ..Resources::default() };
        cluster.shapes.push(NodeShape {
            pool: Some(crate::ids::PoolId(0)),
            labels: vec![label(INSTANCE_TYPE_LABEL, name), label(ZONE_LABEL, "a")],
            allocatable,
            usd_per_hour,
            ..NodeShape::default()
        });
    }
    cluster.pools.push(Pool { name: "default".to_owned(), shapes: vec![ShapeId(0), ShapeId(1)] });
    let requests = Resources { cpu: MilliCpu(1000), pods: 1, ..Resources::default() };
    let classes = vec![PodClass { template: "web".to_owned(), requests, ..PodClass::default() }];
    let mut model = testkit::model(cluster, Workload { classes, ..Workload::default() });
    let offer = |shape| Offer { group: GROUP, shape: ShapeId(shape), market: Bought::OnDemand };
    model.provisioning.offers = vec![offer(0), offer(1)];
    model.provisioning.groups = vec![NodeGroup {
        pool: crate::ids::PoolId(0),
        min: 0,
        max: u32::MAX,
        offers: vec![SMALL, LARGE],
        is_spread: false,
        delays: MachineDelays::default(),
    }];
    model
}

fn karpenter(model: &Model, parameters: &Value) -> Box<dyn NodeAutoscaler> {
    let setting = Setting { model, groups: &[GROUP], position: 0 };
    ROW.build(parameters, &setting).expect("the parameters are right")
}

fn at(seconds: f64) -> SimTime {
    SimTime::ZERO.after(SimDuration::from_seconds(seconds))
}

/// A world and the pods in it that wait.
struct Scene<'m> {
    model: &'m Model,
    world: World,
    waiting: Vec<(PodId, SimTime)>,
}

impl<'m> Scene<'m> {
    fn new(model: &'m Model) -> Scene<'m> {
        Scene { model, world: World::new(model), waiting: Vec::new() }
    }

    /// A pod that fits nowhere.
    fn pod_waits(&mut self, karpenter: &mut dyn NodeAutoscaler) -> Option<SimTime> {
        let now = self.world.time;
        let pod = self.world.arrive((0, 0), ClassId(0), u64::MAX);
        self.waiting.push((pod, now));
        karpenter.pod_waits(pod, now)
    }

    fn turn(&mut self, karpenter: &mut dyn NodeAutoscaler, now: SimTime) -> Turn {
        self.world.time = now;
        let view = View { model: self.model, world: &self.world };
        karpenter.turn(&Seen { view, unschedulable: &self.waiting })
    }

    /// Turns until one has orders, or the time is over.
    fn until_orders(
        &mut self,
        karpenter: &mut dyn NodeAutoscaler,
        from: SimTime,
        until: SimTime,
    ) -> (SimTime, Vec<Order>) {
        let mut now = from;
        loop {
            let turn = self.turn(karpenter, now);
            if !turn.orders.is_empty() || turn.next > until {
                return (now, turn.orders);
            }
            now = turn.next;
        }
    }

    /// A machine that takes pods.
    fn ready(&mut self, offer: OfferId) -> (MachineId, NodeId) {
        let now = self.world.time;
        let machine = self.world.fleet.order(GROUP, offer, now);
        self.world.fleet.launch(machine, now);
        (machine, self.join(machine))
    }

    fn join(&mut self, machine: MachineId) -> NodeId {
        let (now, offer) = (self.world.time, self.world.fleet.get(machine).offer);
        let shape = self.model.provisioning.offer(offer).shape;
        let node = self.world.add_node(self.model, &format!("default-{}", machine.0), shape);
        self.world.fleet.join(machine, node, now);
        self.world.fleet.become_ready(machine, now);
        node
    }

    fn run_pod(&mut self, node: NodeId) {
        let pod = self.world.arrive((0, 0), ClassId(0), u64::MAX);
        self.world.place(self.model.workload.class(ClassId(0)), pod, node, 0);
        self.world.pods.bound[pod.index()] = self.world.time;
    }
}

fn offers_of(orders: &[Order]) -> Vec<Vec<OfferId>> {
    let of = |order: &Order| match &order.action {
        Action::Buy { offers, .. } => Some(offers.clone()),
        _ => None,
    };
    orders.iter().filter_map(of).collect()
}

#[test]
fn a_window_of_pods_gets_one_machine() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    for _ in 0..3 {
        assert_eq!(scene.pod_waits(&mut *karpenter), Some(at(1.0)));
    }
    // Two pods of a core would do with the small type, the third leaves the large one alone.
    let turn = scene.turn(&mut *karpenter, at(1.0));
    assert_eq!(offers_of(&turn.orders), [vec![LARGE]]);
    // The machine is on its way: nothing more is bought when the pods ask again after 10 s and the window of 1 s.
    let machine = scene.world.fleet.order(GROUP, LARGE, at(1.0));
    scene.world.fleet.launch(machine, at(2.0));
    assert_eq!(scene.until_orders(&mut *karpenter, at(2.0), at(60.0)).1, []);
}

#[test]
fn the_cheapest_type_that_fits_comes_first() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    scene.pod_waits(&mut *karpenter);
    assert_eq!(offers_of(&scene.turn(&mut *karpenter, at(1.0)).orders), [vec![SMALL, LARGE]]);
}

#[test]
fn what_was_refused_is_not_asked_for_again_for_three_minutes() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    scene.pod_waits(&mut *karpenter);
    scene.turn(&mut *karpenter, at(1.0));
    let machine = scene.world.fleet.order(GROUP, SMALL, at(1.0));
    scene.world.fleet.refuse(machine, Refusal::StockOut, at(1.0));
    // Both were asked for, and neither was there. The pod asks each 10 s and has its pass a second later; the first pass
    // after 1 + 180 s is that of 191 s.
    let (now, orders) = scene.until_orders(&mut *karpenter, at(2.0), at(400.0));
    assert_eq!((now, offers_of(&orders)), (at(191.0), vec![vec![SMALL, LARGE]]));
}

#[test]
fn machines_that_do_not_come_up_are_given_up() {
    let model = model();
    // (launched, after how long it is given up, why)
    for (launched, after, why) in [(false, 300.0, "was not launched"), (true, 900.0, "did not register")] {
        let mut karpenter = karpenter(&model, &json!({}));
        let mut scene = Scene::new(&model);
        let machine = scene.world.fleet.order(GROUP, SMALL, at(0.0));
        if launched {
            scene.world.fleet.launch(machine, at(0.0));
        }
        let (now, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(2000.0));
        assert_eq!((now, orders.len(), orders[0].reason), (at(after), 1, why));
    }
}

#[test]
fn empty_nodes_go_after_they_were_looked_at_twice() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    let (machine, _) = scene.ready(SMALL);
    // The first pass is at 0 s, and it is looked at again after 15 s.
    let (now, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(60.0));
    assert_eq!(now, at(15.0));
    let order = |action| Order { action, reason: "empty" };
    let gone = Action::Return { machine, patience: PATIENCE };
    assert_eq!(orders, [order(Action::Cordon(machine, true)), order(gone)]);
}

#[test]
fn a_node_is_replaced_by_a_cheaper_one_once_that_is_up() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    let (old, node) = scene.ready(LARGE);
    scene.run_pod(node);
    let (now, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(60.0));
    // 0.1 is less than 0.15.
    assert_eq!((now, offers_of(&orders)), (at(15.0), vec![vec![SMALL]]));
    assert_eq!(orders[0].action, Action::Cordon(old, true));
    let new = scene.world.fleet.order(GROUP, SMALL, now);
    scene.world.fleet.launch(new, now);
    let turn = scene.turn(&mut *karpenter, at(20.0));
    assert_eq!((turn.orders.len(), turn.next <= at(21.0)), (0, true));
    scene.world.time = at(75.0);
    scene.join(new);
    let turn = scene.turn(&mut *karpenter, at(75.5));
    let patience = PATIENCE;
    assert_eq!(turn.orders, [Order { action: Action::Return { machine: old, patience }, reason: "underutilized" }]);
}

#[test]
fn a_replacement_that_fails_gives_the_node_back() {
    let model = model();
    let mut karpenter = karpenter(&model, &json!({}));
    let mut scene = Scene::new(&model);
    let (old, node) = scene.ready(LARGE);
    scene.run_pod(node);
    let (now, _) = scene.until_orders(&mut *karpenter, at(0.0), at(60.0));
    let new = scene.world.fleet.order(GROUP, SMALL, now);
    scene.world.fleet.refuse(new, Refusal::StockOut, now);
    let turn = scene.turn(&mut *karpenter, at(16.0));
    assert_eq!(turn.orders, [Order { action: Action::Cordon(old, false), reason: "replacement failed" }]);
}

#[test]
fn budgets_and_consolidate_after_hold_nodes_back() {
    let model = model();
    let pool = |disruption: Value| {
        json!({"nodePools": [{"metadata": {"name": "default"}, "spec": {
            "template": {"spec": {"requirements": []}}, "disruption": disruption}}]})
    };
    let cases = [
        (json!({"budgets": [{"nodes": "0"}]}), None),
        (json!({"consolidateAfter": "Never"}), None),
        // Looked at every 10 s: the first pass at which 45 s are over is that of 50 s, and it holds for 15 s.
        (json!({"consolidateAfter": "45s"}), Some(65.0)),
        (json!({"budgets": [{"nodes": "1", "reasons": ["Empty"]}]}), Some(15.0)),
        (json!({"consolidationPolicy": "WhenEmpty"}), Some(15.0)),
    ];
    for (disruption, wanted) in cases {
        let mut karpenter = karpenter(&model, &pool(disruption.clone()));
        let mut scene = Scene::new(&model);
        scene.ready(SMALL);
        let (now, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(200.0));
        assert_eq!((!orders.is_empty()).then_some(now), wanted.map(at), "{disruption}");
    }
}

/// A node that a cheaper one could replace stays as long as something protects it.
#[test]
fn what_is_not_to_be_disrupted_stays() {
    let pool = |annotations: Value, of_drain: Value| {
        // Where spot is allowed, nodes are replaced by spot alone.
        let kinds = json!({"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]});
        let mut spec = json!({"requirements": [kinds]});
        if let (Value::Object(spec), Value::Object(of_drain)) = (&mut spec, of_drain) {
            spec.extend(of_drain);
        }
        json!({"nodePools": [{"metadata": {"name": "default"}, "spec": {"template": {
            "metadata": {"annotations": annotations}, "spec": spec}}}]})
    };
    let plain = || pool(json!({}), json!({}));
    let for_minute = DoNotDisrupt::For(SimDuration::from_seconds(60.0));
    // What the pod says, what the node's shape says, the pool, and when the node is to be replaced by the cheaper type.
    let cases = [
        (DoNotDisrupt::Unsaid, false, plain(), Some(15.0)),
        (DoNotDisrupt::Always, false, plain(), None),
        // Bound at 0 s it is protected until 60 s, when a pass finds the node, which must hold for 15 s.
        (for_minute, false, plain(), Some(75.0)),
        (DoNotDisrupt::Unsaid, true, plain(), None),
        (DoNotDisrupt::Unsaid, false, pool(json!({"karpenter.sh/do-not-disrupt": "true"}), json!({})), None),
        (DoNotDisrupt::Unsaid, false, pool(json!({"karpenter.sh/do-not-disrupt": "1h"}), json!({})), Some(15.0)),
        // Consolidation asks the pods, however long a drain may take.
        (DoNotDisrupt::Always, false, pool(json!({}), json!({"terminationGracePeriod": "5m"})), None),
    ];
    for (of_pod, of_node, parameters, wanted) in cases {
        let mut model = model();
        model.workload.classes[0].disruption.do_not_disrupt = of_pod;
        model.cluster.shapes[1].disruption.do_not_disrupt = of_node;
        let mut karpenter = karpenter(&model, &parameters);
        let mut scene = Scene::new(&model);
        let (_, node) = scene.ready(LARGE);
        scene.run_pod(node);
        let (now, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(200.0));
        assert_eq!((!orders.is_empty()).then_some(now), wanted.map(at), "{of_pod:?}, {of_node}, {parameters}");
    }
}

/// Two nodes of one pod each, which one of them could hold: the node goes whose pod costs less to move.
#[test]
fn what_a_pod_costs_decides_which_node_goes() {
    for (cost, gone) in [(0, 0), (1 << 26, 1), (-(1 << 26), 0)] {
        let mut model = model();
        let mut dear = model.workload.classes[0].clone();
        dear.disruption.eviction_cost = cost;
        model.workload.classes.push(dear);
        let parameters = json!({"nodePools": [{"metadata": {"name": "default"}, "spec": {
            "template": {"spec": {"requirements": []}}, "disruption": {"budgets": [{"nodes": "1"}]}}}]});
        let mut karpenter = karpenter(&model, &parameters);
        let mut scene = Scene::new(&model);
        for class in [1, 0] {
            let (_, node) = scene.ready(SMALL);
            let pod = scene.world.arrive((0, 0), ClassId(class), u64::MAX);
            scene.world.place(model.workload.class(ClassId(class)), pod, node, 0);
        }
        let (_, orders) = scene.until_orders(&mut *karpenter, at(0.0), at(60.0));
        assert_eq!(orders[0].action, Action::Cordon(MachineId(gone), true), "{cost}");
    }
}

#[test]
fn machines_that_are_old_or_reclaimed_go_at_once() {
    let model = model();
    let manifest = json!({"metadata": {"name": "default"}, "spec": {
        "disruption": {"consolidateAfter": "Never"},
        "template": {"spec": {"requirements": [], "expireAfter": "1h", "terminationGracePeriod": "5m"}}}});
    let parameters = json!({"nodePools": [manifest]});
    let force_after = Some(SimDuration::from_seconds(300.0));
    let patience = Patience { give_up_after: None, force_after, spares_protected: true };
    let mut scene = Scene::new(&model);
    let (machine, _) = scene.ready(SMALL);
    let mut first = karpenter(&model, &parameters);
    let (now, orders) = scene.until_orders(&mut *first, at(0.0), at(7200.0));
    let order = |reason| Order { action: Action::Return { machine, patience }, reason };
    assert_eq!((now, orders), (at(3600.0), vec![order("expired")]));
    let mut second = karpenter(&model, &parameters);
    scene.turn(&mut *second, at(0.0));
    assert_eq!(second.machine_reclaimed(machine, at(5.0)), Some(at(5.0)));
    assert_eq!(scene.turn(&mut *second, at(5.0)).orders, [order("interrupted")]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let model = model();
    let setting = Setting { model: &model, groups: &[GROUP], position: 0 };
    let cases = [
        (json!({"batchIdleDuration": "20s"}), "`batchIdleDuration` must not be above `batchMaxDuration`"),
        (json!({"disruptionPeriod": "0s"}), "`disruptionPeriod` must be above 0"),
        (
            json!({"nodePools": [{"metadata": {"name": "x"}, "spec": {"template": {"spec": {
            "requirements": [{"key": "a", "operator": "Is"}]}}}}]}),
            "the NodePool `x`: `Is` is no operator of a requirement",
        ),
    ];
    for (parameters, wanted) in cases {
        assert_eq!(ROW.build(&parameters, &setting).err().map(|error| error.0).as_deref(), Some(wanted));
    }
}
