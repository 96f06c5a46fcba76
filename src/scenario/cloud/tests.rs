//! What NodePools can buy.
#![allow(clippy::disallowed_methods, reason = "tests write the files that they read")]

use crate::model::Model;
use crate::model::provisioning::Market;
use crate::scenario::{Environment, load_scenario};

/// The model of a scenario with this manifest and two types in two zones, or what is said about it.
fn load(manifest: &str) -> Result<Model, String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("pool.yaml", manifest);
    write(
        "scenario.yaml",
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {name: s}\nhorizon: 1h\n\
         cluster: {manifests: [pool.yaml]}\n\
         cloud: {instanceTypes: [\
         {name: m5.large, zones: [a, b], capacity: {cpu: 2, memory: 8Gi}, usdPerHour: 0.1, spotUsdPerHour: 0.04}, \
         {name: c5.xlarge, zones: [a], allocatable: {cpu: 4, memory: 8Gi}, usdPerHour: 0.17}]}\n",
    );
    let path = directory.path().join("scenario.yaml");
    load_scenario(&path, &[], 0, &Environment::default()).map(|loaded| loaded.model).map_err(|error| error.to_string())
}

fn pool(requirements: &str) -> String {
    format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: p}}\nspec: {{template: {{metadata: {{labels: \
         {{team: x}}}}, spec: {{nodeClassRef: {{group: g, kind: EC2NodeClass, name: n}}, requirements: {requirements}}}}}}}\n"
    )
}

#[test]
fn every_type_zone_and_kind_of_capacity_that_is_allowed_is_offered() {
    let of = |kinds: &str| format!("{{key: karpenter.sh/capacity-type, operator: In, values: [{kinds}]}}");
    let cases = [
        // m5.large twice in both zones, c5.xlarge once in one
        ("[]".to_owned(), 5),
        (format!("[{}]", of("spot")), 2),
        (format!("[{}]", of("on-demand")), 3),
        ("[{key: karpenter.k8s.aws/instance-family, operator: In, values: [c5]}]".to_owned(), 1),
        ("[{key: karpenter.k8s.aws/instance-cpu, operator: Gt, values: [\"2\"]}]".to_owned(), 1),
        ("[{key: topology.kubernetes.io/zone, operator: NotIn, values: [a]}]".to_owned(), 2),
        // A label that no type has: a kind of node for each value.
        ("[{key: tier, operator: In, values: [one, two]}]".to_owned(), 10),
    ];
    for (requirements, wanted) in cases {
        let model = load(&pool(&requirements)).unwrap();
        let group = &model.provisioning.groups[0];
        assert_eq!((group.offers.len(), group.is_spread), (wanted, false), "{requirements}");
        assert_eq!(model.provisioning.autoscalers[0].policy.name, "karpenter");
    }
}

#[test]
fn nodes_have_the_labels_of_type_place_and_pool() {
    let model = load(&pool("[{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]")).unwrap();
    let offer = model.provisioning.offers[1];
    let shape = model.cluster.shape(offer.shape);
    assert_eq!((offer.market, shape.usd_per_hour), (Market::Spot, 0.04));
    let labels: Vec<String> = shape.labels.iter().map(|label| format!("{}={}", label.key, label.value)).collect();
    let wanted = [
        "g/ec2nodeclass=n",
        "karpenter.k8s.aws/instance-category=m",
        "karpenter.k8s.aws/instance-cpu=2",
        "karpenter.k8s.aws/instance-family=m5",
        "karpenter.k8s.aws/instance-generation=5",
        "karpenter.k8s.aws/instance-memory=8192",
        "karpenter.k8s.aws/instance-size=large",
        "karpenter.sh/capacity-type=spot",
        "karpenter.sh/nodepool=p",
        "kubernetes.io/arch=amd64",
        "kubernetes.io/os=linux",
        "node.kubernetes.io/instance-type=m5.large",
        "team=x",
        "topology.kubernetes.io/zone=b",
    ];
    assert_eq!(labels, wanted);
}

#[test]
fn what_cannot_be_bought_is_said() {
    let message = load(&pool("[{key: kubernetes.io/arch, operator: In, values: [arm64]}]")).unwrap_err();
    assert!(message.contains("no machine type meets the requirements of the NodePool `p`"), "{message}");
    let class = "---\n{apiVersion: karpenter.k8s.aws/v1, kind: EC2NodeClass, metadata: {name: n}, \
                 spec: {kubelet: {maxPods: 20}}, status: {subnets: [{id: s, zone: b}]}}\n";
    let model = load(&(pool("[]") + class)).unwrap();
    let shapes: Vec<u64> =
        model.provisioning.offers.iter().map(|offer| model.cluster.shape(offer.shape).allocatable.pods).collect();
    // Zone b alone, and c5.xlarge is not sold there.
    assert_eq!(shapes, [20, 20]);
}

/// A scenario whose NodePool buys out of the catalogue.
fn load_with(cloud: &str) -> Result<Model, String> {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("pool.yaml", &pool("[{key: karpenter.k8s.aws/instance-cpu, operator: Lt, values: [\"5\"]}]"));
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\nhorizon: 1h\n\
         cluster: {{manifests: [pool.yaml]}}\ncloud: {{{cloud}}}\n"
    );
    write("scenario.yaml", &text);
    let path = directory.path().join("scenario.yaml");
    load_scenario(&path, &[], 0, &Environment::default()).map(|loaded| loaded.model).map_err(|error| error.to_string())
}

#[test]
fn node_pools_buy_out_of_the_catalogue() {
    let filter = "provider: aws, families: [m5], zones: [us-east-1a, us-east-1b]";
    let model = load_with(&format!("region: us-east-1, ready: 5s, catalogue: {{{filter}}}")).unwrap();
    let provisioning = &model.provisioning;
    // m5.large and m5.xlarge have fewer than five vCPUs, in two zones, on demand and as spot.
    assert_eq!(provisioning.offers.len(), 8);
    let shape = model.cluster.shape(provisioning.offers[1].shape);
    let label = |key: &str| shape.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str());
    // What is sold, not what pods can request.
    assert_eq!(label("karpenter.k8s.aws/instance-cpu"), Some("2"));
    assert_eq!(label("karpenter.k8s.aws/instance-memory"), Some("8192"));
    assert_eq!(label("topology.kubernetes.io/region"), Some("us-east-1"));
    assert_eq!(
        (shape.allocatable.cpu.0, shape.usd_per_hour, provisioning.offers[1].market),
        (1930, 0.096, Market::OnDemand)
    );
    let delays = &provisioning.groups[0].delays;
    assert_eq!((delays.boot.is_zero(), delays.ready.mean_seconds()), (false, 5.0));
    let message = load_with("catalogue: {provider: aws}").unwrap_err();
    assert!(message.contains("`cloud.catalogue` has prices by region, and there is no `cloud.region`"), "{message}");
}

/// One market for whoever buys a type in a zone, drawn from the seed; rules are for what they are about.
#[test]
fn a_type_in_a_zone_has_one_market() {
    let market = "market: {spot: [{of: {instanceTypes: [m5.large]}, prices: {drawn: {deviation: 0.2, halfLife: 1h, atMost: 0.05}}, \
                  reclaim: interruptions}], stockOuts: [{of: {zones: [us-east-1b], market: on-demand}, at: 10m, for: 5m}]}";
    let filter = "catalogue: {families: [m5], zones: [us-east-1a, us-east-1b]}";
    let model = load_with(&format!("region: us-east-1, {filter}, {market}")).unwrap();
    let goods = model.provisioning.market.goods();
    let named: Vec<String> =
        goods.iter().map(|good| format!("{} {} {}", good.instance_type, good.zone, good.market.name())).collect();
    // Spot of m5.large in both zones; on demand in b, whatever the type.
    let wanted = [
        "m5.large us-east-1a spot",
        "m5.large us-east-1b on-demand",
        "m5.large us-east-1b spot",
        "m5.xlarge us-east-1b on-demand",
    ];
    assert_eq!(named, wanted);
    let prices = |at: usize| goods[at].terms.prices.as_ref().expect("prices");
    assert_ne!(prices(0), prices(2));
    assert!(prices(0).changes().len() > 2 && prices(0).changes().iter().all(|(_, price)| price.as_dollars() <= 0.05));
    let minutes = |minutes: u64| crate::units::SimTime(minutes * 60_000_000_000);
    assert_eq!([9, 10, 14, 15].map(|at| goods[1].outages.is_out(minutes(at))), [false, true, true, false]);
}
