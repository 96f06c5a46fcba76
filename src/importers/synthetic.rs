//! Clusters and workloads drawn from a seed that resemble the openb GPU trace, for scenarios that carry no data.
//!
//! The tables below are aggregate figures counted in the published node list (`openb_node_list_all_node.csv`, 1523
//! nodes) and pod list (`openb_pod_list_default.csv`, 8152 pods) of Alibaba's `cluster-trace-gpu-v2023` (Weng et al.,
//! "Beware of Fragmentation", USENIX ATC 2023): the most common kinds of node and of request, with their counts. Kinds of
//! request are scaled up so that each class of GPU demand has its published share; about a fifth of the pods are stood for
//! by more common ones. Correlations in time are not reproduced; the list has no model constraints to reproduce.
//!
//! Cost: about 50 ns a node or pod.

use super::openb::{PODS_PER_NODE, node_shape, pod_class};
use crate::ids::ClassId;
use crate::model::{
    ArrivalSource, Arrivals, Cluster, Dist, GeneratedPods, ListedPod, ListedPods, Node, ShapeId, Workload,
};
use crate::rng::{Seed, Stream};
use crate::units::SimTime;

/// A common kind of node.
struct NodeKind {
    model: &'static str,
    gpus: u32,
    cpu_milli: u64,
    memory_mib: u64,
    /// How many of them the trace has.
    nodes: u64,
}

const fn nodes(model: &'static str, gpus: u32, cpu_milli: u64, memory_mib: u64, nodes: u64) -> NodeKind {
    NodeKind { model, gpus, cpu_milli, memory_mib, nodes }
}

/// Nodes by model, GPUs, CPU and memory. Six kinds that are rare (12 nodes)
/// are counted with the nearest one.
const NODE_KINDS: &[NodeKind] = &[
    nodes("G2", 8, 96_000, 393_216, 549),
    nodes("T4", 2, 104_000, 524_288, 387),
    nodes("P100", 2, 16_000, 122_880, 109),
    nodes("P100", 2, 64_000, 262_144, 22),
    nodes("G3", 8, 128_000, 786_432, 39),
    nodes("V100M16", 4, 32_000, 131_072, 28),
    nodes("V100M32", 8, 96_000, 786_432, 21),
    nodes("V100M16", 1, 8_000, 32_768, 19),
    nodes("T4", 4, 96_000, 393_216, 17),
    nodes("V100M32", 4, 48_000, 376_832, 9),
    nodes("V100M16", 8, 64_000, 262_144, 8),
    nodes("P100", 1, 8_000, 61_440, 3),
    nodes("A10", 1, 128_000, 1_048_576, 2),
    nodes("", 0, 32_000, 262_144, 129),
    nodes("", 0, 96_000, 524_288, 60),
    nodes("", 0, 96_000, 393_216, 30),
    nodes("", 0, 32_000, 131_072, 23),
    nodes("", 0, 64_000, 524_288, 22),
    nodes("", 0, 104_000, 524_288, 24),
    nodes("", 0, 32_000, 65_536, 10),
    nodes("", 0, 64_000, 262_144, 12),
];

/// A class of GPU demand: its pods in the trace, and its most common requests as (CPU in milli-cores, memory in MiB,
/// milli-GPU of each GPU, pods).
struct PodKind {
    gpus: u32,
    pods: u64,
    requests: &'static [(u64, u64, u16, u64)],
}

const POD_KINDS: &[PodKind] = &[
    PodKind {
        gpus: 0,
        pods: 1088,
        requests: &[
            (12_500, 57_344, 0, 364),
            (32_000, 49_152, 0, 284),
            (8_000, 30_517, 0, 163),
            (15_400, 51_200, 0, 120),
            (16_500, 51_200, 0, 95),
        ],
    },
    PodKind {
        gpus: 1,
        pods: 3078,
        requests: &[
            (3_152, 5_600, 810, 1047),
            (11_908, 47_104, 470, 388),
            (8_000, 30_517, 470, 360),
            (11_908, 47_104, 650, 237),
            (4_000, 22_888, 320, 111),
            (4_000, 30_517, 230, 84),
            (4_000, 15_258, 320, 78),
            (3_152, 5_600, 590, 75),
            (8_000, 30_517, 320, 72),
        ],
    },
    PodKind {
        gpus: 1,
        pods: 3911,
        requests: &[
            (11_300, 49_152, 1000, 857),
            (11_400, 48_128, 1000, 534),
            (3_152, 5_600, 1000, 470),
            (18_708, 64_512, 1000, 255),
            (9_810, 41_560, 1000, 195),
            (12_000, 24_576, 1000, 158),
            (15_700, 58_368, 1000, 158),
            (11_908, 47_104, 1000, 153),
            (16_000, 32_768, 1000, 108),
            (8_000, 16_384, 1000, 104),
        ],
    },
    PodKind {
        gpus: 2,
        pods: 16,
        requests: &[(16_200, 66_560, 1000, 7), (6_000, 65_536, 1000, 3), (30_200, 160_768, 1000, 3)],
    },
    PodKind { gpus: 4, pods: 15, requests: &[(32_200, 132_096, 1000, 9), (60_200, 320_512, 1000, 3)] },
    PodKind { gpus: 8, pods: 44, requests: &[(88_000, 327_680, 1000, 18), (64_200, 263_168, 1000, 18)] },
];

/// Nodes to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntheticNodes {
    /// Nodes are called `<name>-<number>`, the numbers padded to four digits, so that order of name is order of rank.
    pub name: String,
    /// How many.
    pub count: u32,
    /// Whether nodes without GPU are left out, as in the experiments of the FGD paper.
    pub with_gpu_only: bool,
}

/// Pods to draw.
#[derive(Clone, Debug)]
pub struct SyntheticPods {
    /// Pods are called `<name>-<number>`, from 0.
    pub name: String,
    /// How many.
    pub count: u64,
    /// When the first can arrive.
    pub start: SimTime,
    /// How arrivals follow each other; see [`openb_arrivals`].
    pub arrivals: Arrivals,
    /// How long pods run; none: for ever. See [`openb_lifetimes`].
    pub duration: Option<Dist>,
}

/// Gaps between arrivals like those of the trace: Weibull with scale 270 s and shape 0.66 (maximum likelihood over the
/// 8124 gaps of its last 35 days, which hold 99.7 % of the pods; before, the trace is almost empty). Mean 363 s.
///
/// Quantiles 25, 50, 75, 90, 95 %: trace 44, 160, 430, 935, 1420 s; fit 41, 155, 443, 956, 1424 s.
pub fn openb_arrivals() -> Arrivals {
    Arrivals::Renewal(Dist::Weibull { scale: 270.0, shape: 0.66 })
}

/// Times on a node like those of the trace: lognormal with the mean and standard deviation of the logarithms of
/// `deletion_time` less `scheduled_time` (all 8152 pods, in seconds).
///
/// Quantiles 25, 50, 75, 90, 95, 99 %: trace 145, 485, 1922, 6518, 16 257, 95 767 s; fit 151, 561, 2079, 6764, 13 690,
/// 51 400 s. The mean is that of the fit, 3700 s; that of the trace, 25 800 s, comes from a few pods that stay for months.
pub fn openb_lifetimes() -> Dist {
    Dist::Lognormal { mu: 6.33, sigma: 1.942 }
}

/// Appends nodes to the cluster: each kind with its share of the count (largest remainders), in an order drawn from the
/// seed. So the mix does not vary with the seed, and rank does.
pub fn generate_nodes(options: &SyntheticNodes, seed: Seed, cluster: &mut Cluster) {
    let kinds: Vec<&NodeKind> = NODE_KINDS.iter().filter(|kind| kind.gpus > 0 || !options.with_gpu_only).collect();
    let weights: Vec<u64> = kinds.iter().map(|kind| kind.nodes).collect();
    let mut shapes: Vec<ShapeId> = Vec::with_capacity(options.count as usize);
    for (kind, count) in kinds.iter().zip(apportion(&weights, u64::from(options.count))) {
        if count > 0 {
            let shape = node_shape(kind.cpu_milli, kind.memory_mib, kind.gpus, kind.model, PODS_PER_NODE, cluster);
            let shape = cluster.intern_shape(shape);
            shapes.extend((0..count).map(|_| shape));
        }
    }
    seed.stream("synthetic nodes", 0).shuffle(&mut shapes);
    let name = &options.name;
    cluster.nodes.extend(shapes.into_iter().enumerate().map(|(number, shape)| Node {
        name: format!("{name}-{number:04}"),
        shape,
        unschedulable: false,
    }));
}

/// Divides `total` in proportion to `weights`; what rounding down leaves goes to the largest remainders, the earlier of
/// equals first.
fn apportion(weights: &[u64], total: u64) -> Vec<u64> {
    let sum: u64 = weights.iter().sum();
    let mut counts: Vec<u64> = weights.iter().map(|weight| weight * total / sum).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&index| std::cmp::Reverse(weights[index] * total % sum));
    let left = total - counts.iter().sum::<u64>();
    by_remainder.into_iter().take(left as usize).for_each(|index| counts[index] += 1);
    counts
}

/// Adds the pods as a source that draws them as they arrive. Popularity is what is to be expected.
pub fn generate_pods(options: &SyntheticPods, cluster: &mut Cluster, workload: &mut Workload) {
    let classes = classes(cluster, workload);
    let total: f64 = classes.iter().map(|(_, weight)| weight).sum();
    let expected = classes.iter().map(|&(class, weight)| (class, weight / total * options.count as f64));
    workload.popularity.extend(expected);
    workload.sources.push(ArrivalSource::Generated(GeneratedPods {
        name: options.name.clone(),
        classes,
        count: Some(options.count),
        start: options.start,
        arrivals: options.arrivals.clone(),
        duration: options.duration.clone(),
    }));
}

/// Adds the pods drawn already, as a list: for writing them to a file.
///
/// # Panics
/// When arrivals are listed instants and there are fewer of them than pods.
pub fn list_pods(options: &SyntheticPods, seed: Seed, cluster: &mut Cluster, workload: &mut Workload) {
    let classes = classes(cluster, workload);
    let (mut kind, mut gap, mut life) = (
        seed.stream("synthetic pod class", 0),
        seed.stream("synthetic pod gap", 0),
        seed.stream("synthetic pod duration", 0),
    );
    let mut counts = vec![0u64; classes.len()];
    let mut listed = ListedPods::default();
    let mut now = options.start;
    for number in 0..options.count {
        now = match &options.arrivals {
            Arrivals::At(instants) => options.start.after(instants[number as usize]),
            Arrivals::Gaps(_) if number == 0 => now,
            Arrivals::Gaps(dist) | Arrivals::Renewal(dist) => now.after(dist.sample(&mut gap)),
        };
        let drawn = draw(&classes, &mut kind);
        counts[drawn] += 1;
        let duration = options.duration.as_ref().map(|dist| dist.sample(&mut life));
        listed.pods.push(ListedPod { class: classes[drawn].0, arrival: now, duration, node: None });
        listed.names.push_fmt(format_args!("{}-{number}", options.name));
    }
    let present = classes.iter().zip(counts).filter(|(_, count)| *count > 0);
    workload.popularity.extend(present.map(|((class, _), count)| (*class, count as f64)));
    workload.sources.push(ArrivalSource::Listed(listed));
}

/// The classes of the table, appended to the workload, with their weights in pods of the trace.
fn classes(cluster: &mut Cluster, workload: &mut Workload) -> Vec<(ClassId, f64)> {
    let mut classes = Vec::new();
    for kind in POD_KINDS {
        let common: u64 = kind.requests.iter().map(|request| request.3).sum();
        for &(cpu_milli, memory_mib, gpu_milli, pods) in kind.requests {
            workload.classes.push(pod_class(cpu_milli, memory_mib, kind.gpus, gpu_milli, "", cluster));
            let class = ClassId::from_index(workload.classes.len() - 1);
            classes.push((class, kind.pods as f64 * pods as f64 / common as f64));
        }
    }
    classes
}

fn draw(classes: &[(ClassId, f64)], stream: &mut Stream) -> usize {
    let total: f64 = classes.iter().map(|(_, weight)| weight).sum();
    let mut left = stream.unit() * total;
    classes
        .iter()
        .position(|(_, weight)| {
            left -= weight;
            left < 0.0
        })
        .unwrap_or(classes.len() - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::super::openb::{NodeOptions, PodOptions, Times, read, read_nodes, read_pods, write_nodes, write_pods};
    use super::*;
    use crate::units::SimDuration;

    const SEED: Seed = Seed { base: 42, replication: 0 };

    fn some_nodes(count: u32, with_gpu_only: bool) -> Cluster {
        let mut cluster = Cluster::default();
        generate_nodes(&SyntheticNodes { name: "node".to_owned(), count, with_gpu_only }, SEED, &mut cluster);
        cluster
    }

    fn some_pods(count: u64) -> (Cluster, Workload) {
        let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
        let options = SyntheticPods {
            name: "pod".to_owned(),
            count,
            start: SimTime::ZERO,
            arrivals: openb_arrivals(),
            duration: Some(openb_lifetimes()),
        };
        list_pods(&options, SEED, &mut cluster, &mut workload);
        (cluster, workload)
    }

    fn listed(workload: &Workload) -> &ListedPods {
        match &workload.sources[0] {
            ArrivalSource::Listed(listed) => listed,
            ArrivalSource::Generated(_) => panic!("a list is expected"),
        }
    }

    /// Nodes by model and GPUs.
    fn node_mix(cluster: &Cluster) -> BTreeMap<(String, u32), f64> {
        let mut mix = BTreeMap::new();
        for node in &cluster.nodes {
            let key = cluster
                .shape(node.shape)
                .gpu
                .map_or((String::new(), 0), |gpu| (cluster.gpu_models[gpu.model.index()].clone(), gpu.count));
            *mix.entry(key).or_insert(0.0) += 1.0;
        }
        mix
    }

    /// Of each template: share of the pods, mean CPU in milli, mean memory in GiB, mean milli-GPU.
    fn pod_mix(workload: &Workload) -> BTreeMap<String, [f64; 4]> {
        let mut mix: BTreeMap<String, [f64; 4]> = BTreeMap::new();
        let pods = &listed(workload).pods;
        for pod in pods {
            let class = workload.class(pod.class);
            let sums = mix.entry(class.template.clone()).or_default();
            let gpu = class.gpu.as_ref().map_or(0, |gpu| gpu.total_milli());
            let memory_gib = class.requests.memory.0 as f64 / f64::from(1 << 30);
            for (sum, value) in sums.iter_mut().zip([1.0, class.requests.cpu.0 as f64, memory_gib, gpu as f64]) {
                *sum += value;
            }
        }
        for sums in mix.values_mut() {
            let count = sums[0];
            sums[1..].iter_mut().for_each(|sum| *sum /= count);
            sums[0] /= pods.len() as f64;
        }
        mix
    }

    fn quantiles_s(workload: &Workload, probabilities: &[f64]) -> Vec<f64> {
        let mut spans: Vec<f64> =
            listed(workload).pods.iter().filter_map(|pod| pod.duration).map(SimDuration::as_seconds).collect();
        spans.sort_by(f64::total_cmp);
        probabilities.iter().map(|p| spans[(p * spans.len() as f64) as usize]).collect()
    }

    #[test]
    fn shares_are_rounded_to_the_whole() {
        for (weights, total, expected) in [
            (vec![1, 1, 1], 3, vec![1, 1, 1]),
            // 10/3 each: the one left goes to the first.
            (vec![1, 1, 1], 10, vec![4, 3, 3]),
            // 2.5, 1.5, 1: the remainders of the first two are equal.
            (vec![5, 3, 2], 5, vec![3, 1, 1]),
            (vec![5, 3, 2], 0, vec![0, 0, 0]),
        ] {
            assert_eq!(apportion(&weights, total), expected, "{weights:?} {total}");
        }
    }

    /// As many nodes as the table has are exactly the table.
    #[test]
    fn the_node_mix_is_that_of_the_table() {
        let total: u64 = NODE_KINDS.iter().map(|kind| kind.nodes).sum();
        let cluster = some_nodes(total as u32, false);
        let mut expected = BTreeMap::new();
        for kind in NODE_KINDS {
            *expected.entry((kind.model.to_owned(), kind.gpus)).or_insert(0.0) += kind.nodes as f64;
        }
        assert_eq!(node_mix(&cluster), expected);
        assert_eq!(cluster.nodes[7].name, "node-0007");
        let few = some_nodes(1213, true);
        assert!(few.nodes.iter().all(|node| few.shape(node.shape).gpu.is_some()));
        // 1213 nodes with GPUs are in the table, with 6212 GPUs.
        let gpus: u32 = few.nodes.iter().map(|node| few.shape(node.shape).gpu.map_or(0, |gpu| gpu.count)).sum();
        assert_eq!((few.nodes.len(), gpus), (1213, 6212));
        assert_eq!(few.nodes, some_nodes(1213, true).nodes);
        let mut other = Cluster::default();
        let options = SyntheticNodes { name: "node".to_owned(), count: 1213, with_gpu_only: true };
        generate_nodes(&options, Seed { base: 43, replication: 0 }, &mut other);
        assert_ne!(few.nodes, other.nodes);
    }

    #[test]
    fn the_pod_mix_is_that_of_the_table() {
        let (_, workload) = some_pods(50_000);
        let mix = pod_mix(&workload);
        // Standard error of a share p: sqrt(p (1 - p) / 50 000), at most 0.0022; five of them.
        for (template, pods) in
            [("cpu-only", 1088), ("gpu-share", 3078), ("gpu-1", 3911), ("gpu-2", 16), ("gpu-4", 15), ("gpu-8", 44)]
        {
            let share = f64::from(pods) / 8152.0;
            let bound = 5.0 * (share * (1.0 - share) / 50_000.0).sqrt();
            assert!((mix[template][0] - share).abs() < bound, "{template}: {} instead of {share}", mix[template][0]);
        }
        assert_eq!(workload.popularity.iter().map(|(_, count)| count).sum::<f64>(), 50_000.0);
    }

    #[test]
    fn arrivals_and_lifetimes_are_those_of_the_fits() {
        let (_, workload) = some_pods(50_000);
        // exp(6.33 + z 1.942) for z = -0.6745, 0, 0.6745, 1.2816
        for (measured, expected) in
            quantiles_s(&workload, &[0.25, 0.5, 0.75, 0.9]).into_iter().zip([151.0, 561.0, 2079.0, 6764.0])
        {
            assert!((measured / expected - 1.0).abs() < 0.06, "{measured} instead of {expected}");
        }
        // 270 Gamma(1 + 1 / 0.66) = 363
        let last = listed(&workload).pods.last().map_or(0.0, |pod| pod.arrival.as_seconds());
        assert!((last / 50_000.0 / 363.0 - 1.0).abs() < 0.05, "{}", last / 50_000.0);
    }

    #[test]
    fn the_streamed_source_has_the_same_classes() {
        let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
        let options = SyntheticPods {
            name: "pod".to_owned(),
            count: 8152,
            start: SimTime::ZERO,
            arrivals: Arrivals::Gaps(Dist::ZERO),
            duration: None,
        };
        generate_pods(&options, &mut cluster, &mut workload);
        assert_eq!(workload.classes, some_pods(1).1.classes);
        let expected: f64 = workload.popularity.iter().map(|(_, count)| count).sum();
        assert!((expected - 8152.0).abs() < 1e-6);
        assert!(matches!(&workload.sources[..], [ArrivalSource::Generated(pods)] if pods.count == Some(8152)));
    }

    /// What is generated can be written and read again.
    #[test]
    fn generated_lists_survive_the_file_format() {
        let directory = tempfile::tempdir().unwrap();
        let (node_list, pod_list) = (directory.path().join("nodes.csv"), directory.path().join("pods.csv"));
        let cluster = some_nodes(300, false);
        let (pod_cluster, workload) = some_pods(500);
        std::fs::write(&node_list, write_nodes(&cluster)).unwrap();
        std::fs::write(&pod_list, write_pods(&pod_cluster, &workload)).unwrap();
        let (mut cluster_again, mut workload_again) = (Cluster::default(), Workload::default());
        read_nodes(&node_list, &NodeOptions::default(), SEED, &mut cluster_again).unwrap();
        let options = PodOptions { times: Times::Trace, ..PodOptions::default() };
        read_pods(&pod_list, &options, SEED, &mut cluster_again, &mut workload_again).unwrap();
        assert_eq!(node_mix(&cluster_again), node_mix(&cluster));
        assert_eq!(pod_mix(&workload_again), pod_mix(&workload));
        assert_eq!(listed(&workload_again).names, listed(&workload).names);
    }

    #[test]
    fn marginals_are_those_of_the_trace() {
        let Some(directory) = std::env::var_os("WAVETANK_DATA").map(|data| PathBuf::from(data).join("openb")) else {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"skipped: the comparison with the trace needs WAVETANK_DATA\n",
            );
            return;
        };
        let file = |name: &str| directory.join(name);
        let pod_list = file("openb_pod_list_default.csv");
        let files: [&Path; 2] = [&file("openb_node_list_all_node.csv"), &pod_list];
        let (trace_cluster, _) = read(&files, SEED).unwrap();
        let (expected, measured) = (node_mix(&trace_cluster), node_mix(&some_nodes(1523, false)));
        for (kind, count) in &expected {
            let found = measured.get(kind).copied().unwrap_or(0.0);
            assert!((found - count).abs() < 0.5, "{kind:?}: {found} instead of {count}");
        }
        let (mut cluster, mut trace) = (Cluster::default(), Workload::default());
        let options = PodOptions { times: Times::Trace, ..PodOptions::default() };
        read_pods(&pod_list, &options, SEED, &mut cluster, &mut trace).unwrap();
        let (_, synthetic) = some_pods(100_000);
        let (expected, measured) = (pod_mix(&trace), pod_mix(&synthetic));
        for (template, [share, means @ ..]) in &expected {
            let found = measured[template];
            // Five standard errors of the share, and the rare requests that the table leaves out: a few percent of the mean
            // in the three large classes, up to a quarter in the small ones.
            assert!((found[0] - share).abs() < 5.0 * (share / 100_000.0).sqrt(), "{template}");
            let tolerance = if *share > 0.1 { 0.10 } else { 0.25 };
            for (mean, found) in means.iter().zip(&found[1..]) {
                assert!((found - mean).abs() <= tolerance * mean, "{template}: {found} instead of {mean}");
            }
        }
        let probabilities = [0.25, 0.5, 0.75, 0.9, 0.95];
        let pairs = quantiles_s(&trace, &probabilities).into_iter().zip(quantiles_s(&synthetic, &probabilities));
        for (expected, found) in pairs {
            assert!((found / expected - 1.0).abs() < 0.20, "{found} instead of {expected}");
        }
    }
}
