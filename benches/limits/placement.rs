//! What the node index is measured against: hand-written loops for one policy that know all classes and node shapes
//! beforehand, look at cpu and memory alone, and say no more than the first of the best nodes.
//!
//! All give the same nodes: the least-allocated score, floor of the mean of two floored percentages, ties to the lowest
//! index.

/// Nodes and what is free on them, in columns.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub cpu: Vec<u64>,
    pub memory: Vec<u64>,
    pub free_cpu: Vec<u64>,
    pub free_memory: Vec<u64>,
    pub free_pods: Vec<u64>,
}

/// What a pod requests: milli-cores and bytes.
pub type Request = (u64, u64);

/// A way to find the best node.
pub trait Picker {
    /// A way for these classes.
    fn new(requests: Vec<Request>, fleet: &Fleet) -> Self;
    /// The best node for `class`, if any fits.
    fn pick(&mut self, fleet: &Fleet, class: usize) -> Option<usize>;
    /// Notes that what is free on a node has changed.
    fn changed(&mut self, fleet: &Fleet, node: usize);
}

/// Code of a node: score plus one, 0 when the request does not fit.
#[inline]
fn code(fleet: &Fleet, node: usize, (cpu, memory): Request) -> u8 {
    let (free_cpu, free_memory) = (fleet.free_cpu[node], fleet.free_memory[node]);
    if free_cpu < cpu || free_memory < memory {
        return 0;
    }
    let share = |free: u64, of: u64| 100 * free / of;
    let score = (share(free_cpu - cpu, fleet.cpu[node]) + share(free_memory - memory, fleet.memory[node])) / 2;
    score as u8 + 1
}

/// Finds nothing: what is left is the account that every limit keeps.
pub struct AccountOnly;

impl Picker for AccountOnly {
    fn new(_: Vec<Request>, _: &Fleet) -> AccountOnly {
        AccountOnly
    }

    fn pick(&mut self, _: &Fleet, _: usize) -> Option<usize> {
        None
    }

    fn changed(&mut self, _: &Fleet, _: usize) {}
}

/// Adding and taking away 1.5 x 2^52 rounds to the nearest whole number, in vectors of every processor.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// A little less than one half: subtracted before rounding it rounds down. Shares of amounts up to 2^42 are whole or at
/// least 2^-42 below the next whole number, and are computed with an error below 2^-44.
const NEARLY_HALF: f64 = 0.5 - 1.0 / (1u64 << 43) as f64;
/// Rows at a time: their scores stay in the first-level cache.
const BLOCK: usize = 512;

/// Scores every node anew, in `f64`, without keeping anything but what is free.
pub struct Recompute {
    requests: Vec<Request>,
    /// 100 / allocatable.
    cpu_percent: Vec<f64>,
    memory_percent: Vec<f64>,
    free_cpu: Vec<f64>,
    free_memory: Vec<f64>,
    scores: [f64; BLOCK],
}

impl Picker for Recompute {
    fn new(requests: Vec<Request>, fleet: &Fleet) -> Recompute {
        let floats = |column: &[u64]| column.iter().map(|&value| value as f64).collect();
        let percents = |column: &[u64]| column.iter().map(|&value| 100.0 / value as f64).collect();
        Recompute {
            requests,
            cpu_percent: percents(&fleet.cpu),
            memory_percent: percents(&fleet.memory),
            free_cpu: floats(&fleet.free_cpu),
            free_memory: floats(&fleet.free_memory),
            scores: [0.0; BLOCK],
        }
    }

    fn pick(&mut self, _: &Fleet, class: usize) -> Option<usize> {
        let (cpu, memory) = self.requests[class];
        let (cpu, memory) = (cpu as f64, memory as f64);
        let (mut best, mut best_node) = (-1.0, None);
        for start in (0..self.free_cpu.len()).step_by(BLOCK) {
            let block = start..self.free_cpu.len().min(start + BLOCK);
            let n = block.len();
            let scores = &mut self.scores[..n];
            let (cpu_percent, memory_percent) = (&self.cpu_percent[block.clone()], &self.memory_percent[block.clone()]);
            let (free_cpu, free_memory) = (&self.free_cpu[block.clone()], &self.free_memory[block]);
            for i in 0..n {
                let (left_cpu, left_memory) = (free_cpu[i] - cpu, free_memory[i] - memory);
                let a = (left_cpu * cpu_percent[i] - NEARLY_HALF + ROUNDER) - ROUNDER;
                let b = (left_memory * memory_percent[i] - NEARLY_HALF + ROUNDER) - ROUNDER;
                let mean = ((a + b) * 0.5 - 0.25 + ROUNDER) - ROUNDER;
                let least = if left_cpu < left_memory { left_cpu } else { left_memory };
                scores[i] = if least < 0.0 { -1.0 } else { mean };
            }
            // Four maxima at once, because the order of comparisons must not chain one to the next.
            let larger = |a: f64, b: f64| if b > a { b } else { a };
            let mut tops = [-1.0; 4];
            let (quads, rest) = scores.as_chunks::<4>();
            for quad in quads {
                for (top, &score) in tops.iter_mut().zip(quad) {
                    *top = larger(*top, score);
                }
            }
            let top = tops.iter().chain(rest).copied().fold(-1.0, larger);
            if top > best {
                best = top;
                best_node = scores.iter().position(|&score| score == top).map(|i| start + i);
            }
        }
        best_node
    }

    fn changed(&mut self, fleet: &Fleet, node: usize) {
        self.free_cpu[node] = fleet.free_cpu[node] as f64;
        self.free_memory[node] = fleet.free_memory[node] as f64;
    }
}

/// Keeps one byte for each class and node, and searches the bytes.
pub struct CachedScan {
    requests: Vec<Request>,
    codes: Vec<Vec<u8>>,
}

impl Picker for CachedScan {
    fn new(requests: Vec<Request>, fleet: &Fleet) -> CachedScan {
        let row = |&request: &Request| (0..fleet.cpu.len()).map(|node| code(fleet, node, request)).collect();
        CachedScan { codes: requests.iter().map(row).collect(), requests }
    }

    fn pick(&mut self, _: &Fleet, class: usize) -> Option<usize> {
        let codes = &self.codes[class];
        let best = codes.iter().copied().max().unwrap_or(0);
        if best == 0 { None } else { memchr::memchr(best, codes) }
    }

    fn changed(&mut self, fleet: &Fleet, node: usize) {
        for (codes, &request) in self.codes.iter_mut().zip(&self.requests) {
            codes[node] = code(fleet, node, request);
        }
    }
}

/// Keeps for each class a bit set of nodes for each score, with a summary, and a bit set of the scores in use.
pub struct BucketIndex {
    requests: Vec<Request>,
    classes: Vec<ClassBuckets>,
}

struct ClassBuckets {
    codes: Vec<u8>,
    used: u128,
    counts: [u32; 128],
    words: Vec<u64>,
    summaries: Vec<u64>,
    nodes: usize,
}

impl ClassBuckets {
    fn put(&mut self, node: usize, code: u8) {
        let old = std::mem::replace(&mut self.codes[node], code);
        if old == code {
            return;
        }
        let (width, groups) = (self.nodes.div_ceil(64), self.nodes.div_ceil(4096));
        if old > 0 {
            let c = usize::from(old);
            let word = &mut self.words[c * width + node / 64];
            *word &= !(1 << (node % 64));
            if *word == 0 {
                self.summaries[c * groups + node / 4096] &= !(1 << (node / 64 % 64));
            }
            self.counts[c] -= 1;
            if self.counts[c] == 0 {
                self.used &= !(1 << c);
            }
        }
        if code > 0 {
            let c = usize::from(code);
            self.words[c * width + node / 64] |= 1 << (node % 64);
            self.summaries[c * groups + node / 4096] |= 1 << (node / 64 % 64);
            self.counts[c] += 1;
            self.used |= 1 << c;
        }
    }
}

impl Picker for BucketIndex {
    fn new(requests: Vec<Request>, fleet: &Fleet) -> BucketIndex {
        let nodes = fleet.cpu.len();
        let class = |&request: &Request| {
            let mut class = ClassBuckets {
                codes: vec![0; nodes],
                used: 0,
                counts: [0; 128],
                words: vec![0; 102 * nodes.div_ceil(64)],
                summaries: vec![0; 102 * nodes.div_ceil(4096)],
                nodes,
            };
            (0..nodes).for_each(|node| class.put(node, code(fleet, node, request)));
            class
        };
        BucketIndex { classes: requests.iter().map(class).collect(), requests }
    }

    fn pick(&mut self, _: &Fleet, class: usize) -> Option<usize> {
        let class = &self.classes[class];
        if class.used == 0 {
            return None;
        }
        let best = 127 - class.used.leading_zeros() as usize;
        let (width, groups) = (class.nodes.div_ceil(64), class.nodes.div_ceil(4096));
        let summary = &class.summaries[best * groups..(best + 1) * groups];
        let group = summary.iter().position(|&bits| bits != 0)?;
        let word = group * 64 + summary[group].trailing_zeros() as usize;
        Some(word * 64 + class.words[best * width + word].trailing_zeros() as usize)
    }

    fn changed(&mut self, fleet: &Fleet, node: usize) {
        for (class, &request) in self.classes.iter_mut().zip(&self.requests) {
            class.put(node, code(fleet, node, request));
        }
    }
}
