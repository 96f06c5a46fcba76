//! The rules of the FGD study as plain loops, written from their definitions: the fragment of a node is summed anew for
//! every placement tried, in whole numbers. It shares no code with the simulator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A pod of the list.
#[derive(Clone)]
struct Pod {
    name: String,
    cpu: i64,
    memory: i64,
    count: usize,
    milli: i64,
    models: String,
}

struct Node {
    name: String,
    rank: u64,
    cpu: i64,
    memory: i64,
    left: Vec<i64>,
    model: String,
    kinds: BTreeSet<String>,
}

/// A class of the workload and how many pods are of it.
struct Typical {
    pods: i64,
    pod: Pod,
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).expect("a list");
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn number(cell: &str) -> i64 {
    cell.parse().expect("a number")
}

impl Pod {
    fn allows(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.split('|').any(|allowed| allowed == model)
    }

    fn total_milli(&self) -> i64 {
        self.count as i64 * self.milli
    }

    /// Shares are one kind; whole GPUs are a kind by their number.
    fn kind(&self) -> String {
        if self.milli < 1000 { "share".to_owned() } else { self.count.to_string() }
    }

    fn fits(&self, node: &Node) -> bool {
        let room = node.cpu >= self.cpu && node.memory >= self.memory;
        let devices = node.left.iter().filter(|&&left| left >= self.milli).count();
        room && (self.count == 0 || (self.allows(&node.model) && devices >= self.count))
    }
}

/// The most frequent classes, until they cover 95 % of the pods.
fn typical_pods(pods: &[Pod]) -> Vec<Typical> {
    let mut counts: BTreeMap<(i64, i64, usize, &str), i64> = BTreeMap::new();
    for pod in pods {
        *counts.entry((pod.cpu, pod.milli, pod.count, &pod.models)).or_default() += 1;
    }
    let mut classes: Vec<_> = counts.into_iter().map(|(class, pods)| (pods, class)).collect();
    classes.sort();
    let (mut typical, mut covered) = (Vec::new(), 0);
    while covered * 100 < pods.len() as i64 * 95 {
        let (pods, (cpu, milli, count, models)) = classes.pop().expect("all classes cover everything");
        covered += pods;
        let (name, models) = (String::new(), models.to_owned());
        typical.push(Typical { pods, pod: Pod { name, cpu, memory: 0, count, milli, models } });
    }
    typical
}

/// The fragment of a node in milli-GPU, times the number of pods that the typical ones cover.
fn fragment(typical: &[Typical], cpu: i64, left: &[i64], model: &str) -> i64 {
    let all: i64 = left.iter().sum();
    let of_class = |pod: &Pod| {
        let fitting = left.iter().filter(|&&left| left >= pod.milli).count();
        if pod.count == 0 || !pod.allows(model) || fitting < pod.count || cpu < pod.cpu {
            all
        } else {
            left.iter().filter(|&&left| left < pod.milli).sum()
        }
    };
    typical.iter().map(|typical| typical.pods * of_class(&typical.pod)).sum()
}

/// The fitting GPUs with least left, lowest first among equals.
fn best_fit(pod: &Pod, node: &Node) -> Vec<usize> {
    let mut fitting: Vec<usize> = (0..node.left.len()).filter(|&gpu| node.left[gpu] >= pod.milli).collect();
    fitting.sort_by_key(|&gpu| node.left[gpu]);
    fitting.truncate(pod.count);
    fitting.sort();
    fitting
}

fn fgd(typical: &[Typical], pod: &Pod, node: &Node) -> (i64, Vec<usize>) {
    let covered: i64 = typical.iter().map(|typical| typical.pods).sum();
    let before = fragment(typical, node.cpu, &node.left, &node.model);
    let shares = pod.count == 1 && pod.milli < 1000;
    let ways: Vec<Vec<usize>> = if shares {
        (0..node.left.len()).filter(|&gpu| node.left[gpu] >= pod.milli).map(|gpu| vec![gpu]).collect()
    } else {
        vec![best_fit(pod, node)]
    };
    let score = |way: &Vec<usize>| {
        let mut left = node.left.clone();
        way.iter().for_each(|&gpu| left[gpu] -= pod.milli);
        let fall = before - fragment(typical, node.cpu - pod.cpu, &left, &node.model);
        (100.0 / (1.0 + (-(fall as f64) / covered as f64 / 1000.0).exp())) as i64
    };
    let best = ways.iter().map(score).max().expect("a way to fit");
    let way = ways.into_iter().find(|way| score(way) == best).expect("the best way");
    (best, way)
}

/// Score before any stretching, and GPUs.
fn score(policy: &str, typical: &[Typical], pod: &Pod, node: &Node) -> (i64, Vec<usize>) {
    let (cpu, gpu) = (node.cpu, node.left.iter().sum::<i64>());
    let way = best_fit(pod, node);
    let score = match policy {
        "fgd" => return fgd(typical, pod, node),
        "fgd-best-fit" => {
            let left = (cpu - pod.cpu) as f64 / 128e3 + (gpu - pod.total_milli()) as f64 / 8e3;
            (100.0 * (1.0 - left / 2.0)) as i64
        }
        "fgd-dot-product" => {
            let product = (cpu * pod.cpu) as f64 / 128e3 / 128e3 + (gpu * pod.total_milli()) as f64 / 8e3 / 8e3;
            (100.0 * (1.0 - product / 2.0)) as i64
        }
        _ if pod.count == 0 => 0,
        "gpu-clustering" => {
            let bonus = match (node.kinds.contains(&pod.kind()), node.kinds.len()) {
                (true, 1) => 75,
                (true, _) => 50,
                (false, 0) => 25,
                (false, _) => 0,
            };
            25 * (8000 - gpu) / 8000 + bonus
        }
        "gpu-packing" => {
            let idle = node.left.iter().filter(|&&left| left == 1000).count();
            let opened = way.iter().filter(|&&gpu| node.left[gpu] == 1000).count();
            if idle == node.left.len() {
                i64::max(33 - idle as i64, idle as i64)
            } else if opened > 0 {
                i64::max(50 - opened as i64, 33)
            } else {
                i64::max(100 - way.iter().map(|&gpu| node.left[gpu] / 10).sum::<i64>() / 10, 50)
            }
        }
        other => panic!("{other} has no rule here"),
    };
    (score, way)
}

/// The row of `decisions.csv` for one pod; the pod is placed.
fn decide(policy: &str, typical: &[Typical], pod: &Pod, nodes: &mut [Node]) -> String {
    let feasible: Vec<usize> = (0..nodes.len()).filter(|&node| pod.fits(&nodes[node])).collect();
    if feasible.is_empty() {
        return format!("{},,,0,-1,0", pod.name);
    }
    let (mut scores, ways): (Vec<i64>, Vec<Vec<usize>>) =
        feasible.iter().map(|&node| score(policy, typical, pod, &nodes[node])).unzip();
    if policy == "fgd-best-fit" {
        let (low, high) = (scores.iter().min().copied().unwrap_or(0), scores.iter().max().copied().unwrap_or(0));
        scores.iter_mut().for_each(|score| *score = (*score - low) * 100 / i64::max(high - low, 1));
    }
    let best = scores.iter().max().copied().expect("a feasible node");
    let tied: Vec<usize> = (0..feasible.len()).filter(|&index| scores[index] == best).collect();
    let taken = tied.iter().copied().min_by_key(|&index| nodes[feasible[index]].rank).expect("a best node");
    let node = &mut nodes[feasible[taken]];
    node.cpu -= pod.cpu;
    node.memory -= pod.memory;
    ways[taken].iter().for_each(|&gpu| node.left[gpu] -= pod.milli);
    if pod.count > 0 {
        node.kinds.insert(pod.kind());
    }
    let gpus: Vec<String> = ways[taken].iter().map(usize::to_string).collect();
    let best = if feasible.len() == 1 { -1 } else { best };
    format!("{},{},{},{},{best},{}", pod.name, node.name, gpus.join("-"), feasible.len(), tied.len())
}

/// The rows of `decisions.csv` that a policy gives on the lists in `directory`, with the heading.
pub(crate) fn decisions(directory: &Path, policy: &str) -> Vec<String> {
    let ranks: BTreeMap<String, u64> = rows(&directory.join("node_rank.csv"))
        .into_iter()
        .map(|row| (row[0].clone(), number(&row[1]) as u64))
        .collect();
    let node = |row: &Vec<String>| Node {
        name: row[0].clone(),
        rank: ranks[&row[0]],
        cpu: number(&row[1]),
        memory: number(&row[2]),
        left: vec![1000; number(&row[3]) as usize],
        model: row[4].clone(),
        kinds: BTreeSet::new(),
    };
    let pod = |row: &Vec<String>| Pod {
        name: row[0].clone(),
        cpu: number(&row[1]),
        memory: number(&row[2]),
        count: number(&row[3]) as usize,
        milli: number(&row[4]),
        models: row[5].clone(),
    };
    let mut nodes: Vec<Node> = rows(&directory.join("nodes.csv")).iter().map(node).collect();
    let pods: Vec<Pod> = rows(&directory.join("pods.csv")).iter().map(pod).collect();
    let typical = typical_pods(&pods);
    let arrivals = rows(&directory.join("order.csv"));
    let decided = arrivals.iter().map(|row| decide(policy, &typical, &pods[number(&row[1]) as usize], &mut nodes));
    std::iter::once("pod,node,gpus,feasible,best,ties".to_owned()).chain(decided).collect()
}
