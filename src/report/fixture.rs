//! A plausible result directory for tests, written from a small seeded generator.

use std::fmt::Write as _;
use std::path::Path;

/// What to make.
pub(super) struct Fixture {
    pub(super) nodes: usize,
    pub(super) pods: usize,
    /// Simulated seconds; zero puts everything at one instant.
    pub(super) end_s: f64,
    /// Put into every name, to see that it is escaped.
    pub(super) suffix: &'static str,
}

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() * end as f64) as usize
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).expect("the fixture can be written");
}

impl Fixture {
    /// Writes a single run: nodes of two pools, pods with departures, series and packing curve.
    pub(super) fn write_run(&self, directory: &Path) {
        let mut numbers = Numbers(7);
        let manifest = serde_json::json!({
            "name": format!("quickstart{}", self.suffix), "description": "Forty nodes, two pools, pods that come and go.",
            "policy": "fgd", "queue": "fifo", "seed": 42, "replication": 0, "version": "0.1.0", "events": 1234,
            "scenario": {"apiVersion": "wavetank.dev/v1", "kind": "Scenario", "note": self.suffix},
            "wall_seconds": 0.0123, "peak_memory_bytes": 1000, "host": {"os": "secret-host"},
        });
        write(directory, "manifest.json", &manifest.to_string());
        self.write_nodes(directory);
        let bound = self.write_pods(directory, &mut numbers);
        let summary = format!(
            "metric,unit,value\npods_arrived,count,{}\npods_bound,count,{bound}\ngpu_allocated_pct,percent,71.25\n\
             cpu_allocated_pct,percent,48.1\nwait_ms_p50,ms,120\nwait_ms_p99,ms,93000\ncost_usd_total,usd,1234.5\n",
            self.pods
        );
        write(directory, "summary.csv", &summary);
        self.write_series(directory, &mut numbers);
    }

    fn write_nodes(&self, directory: &Path) {
        let mut nodes = "node,pool,zone,gpu_model,gpu_count,cpu_milli,memory_bytes,pods,state,added_s,removed_s,\
                         cpu_used_mean_pct,memory_used_mean_pct,gpu_used_mean_pct,cpu_allocated_milli,\
                         memory_allocated_bytes,gpu_allocated_milli,pods_bound,cost_usd\n"
            .to_owned();
        for node in 0..self.nodes {
            let gpus = if node % 4 == 3 { 0 } else { 4 + 4 * (node % 2) };
            let (pool, model) = if gpus > 0 { ("gpu", "A100") } else { ("general", "") };
            let name = quoted(&format!("{pool}-{node:03}{}", self.suffix));
            let (added, removed) = match node {
                5 => (self.end_s * 0.3, String::new()),
                9 => (0.0, format!("{}", self.end_s * 0.7)),
                _ => (0.0, String::new()),
            };
            let pods_bound = self.pods / self.nodes.max(1);
            writeln!(
                nodes,
                "{name},{pool},zone-{},{model},{gpus},64000,274877906944,110,ready,{added},{removed},,,,0,0,0,{pods_bound},1.5",
                node % 3
            )
            .expect("memory");
        }
        write(directory, "nodes.csv", &nodes);
    }

    fn write_pods(&self, directory: &Path, numbers: &mut Numbers) -> usize {
        let mut pods =
            "pod,template,priority,cpu_milli,memory_bytes,gpu_count,gpu_milli,phase,node,gpus,arrival_s,bound_s,\
                        running_s,finished_s,wait_ms,attempts,reason\n"
                .to_owned();
        let mut bound_count = 0;
        for pod in 0..self.pods {
            let kinds = [("train", 8u64, 2, 1000), ("serve", 4, 1, 500), ("web", 2, 0, 0), ("batch", 16, 0, 0)];
            let (template, cores, gpus, gpu_milli) = kinds[numbers.below(4)];
            let arrival_s = self.end_s * 0.9 * pod as f64 / self.pods as f64;
            let node = numbers.below(self.nodes.max(1));
            let wait_s = if numbers.next() < 0.4 { 0.0 } else { self.end_s * 1e-4 * 10f64.powf(3.0 * numbers.next()) };
            let bound = self.nodes > 0 && pod % 23 != 5 && (gpus == 0 || node % 4 != 3);
            let pool = if node % 4 == 3 { "general" } else { "gpu" };
            let name = quoted(&format!("{template}-{pod}{}", self.suffix));
            let template = quoted(&format!("{template}{}", self.suffix));
            write!(pods, "{name},{template},0,{},{},{gpus},{gpu_milli},", cores * 1000, cores << 32).expect("memory");
            if bound {
                bound_count += 1;
                let bound_s = arrival_s + wait_s;
                let finished = bound_s + self.end_s * 0.2 * numbers.next();
                let finished = if finished < self.end_s { format!("{finished}") } else { String::new() };
                let first = numbers.below(3);
                let devices = match gpus {
                    0 => String::new(),
                    1 => format!("{first}"),
                    _ => format!("{first}-{}", first + 1),
                };
                let node = quoted(&format!("{pool}-{node:03}{}", self.suffix));
                let wait_ms = wait_s * 1000.0;
                writeln!(pods, "succeeded,{node},{devices},{arrival_s},{bound_s},{bound_s},{finished},{wait_ms},1,")
                    .expect("memory");
            } else {
                writeln!(pods, "pending,,,{arrival_s},,,,,4,no node has room").expect("memory");
            }
        }
        write(directory, "pods.csv", &pods);
        bound_count
    }

    fn write_series(&self, directory: &Path, numbers: &mut Numbers) {
        let mut series = "time_s,pods_pending,pods_starting,pods_running,pods_succeeded,pods_failed,pods_evicted,nodes_ready,\
                          cpu_allocated_pct,memory_allocated_pct,gpu_allocated_pct,cpu_allocatable_milli,gpu_fragmented_pct\n"
            .to_owned();
        let mut packing = "arrived_pct,allocated_pct,frag_ratio_pct,frag_amount_pct\n".to_owned();
        let samples = if self.nodes == 0 || self.end_s == 0.0 { 0 } else { 240 };
        let (mut cpu, mut gpu, mut pending) = (0.0f64, 0.0f64, 0.0f64);
        for sample in 0..=samples {
            let share = f64::from(sample) / f64::from(samples.max(1));
            cpu = (cpu + 6.0 * (numbers.next() - 0.5) + 0.12 * (50.0 - cpu)).clamp(0.0, 100.0);
            gpu = (gpu + 8.0 * (numbers.next() - 0.5) + 0.10 * (75.0 - gpu)).clamp(0.0, 100.0);
            pending = (pending + 5.0 * (numbers.next() - 0.48)).max(0.0).round();
            let time_s = share * self.end_s;
            let rest = format!("{pending},1,30,2,0,0,{},{cpu:.2},{:.2},{gpu:.2},100000", self.nodes, cpu * 0.8);
            writeln!(series, "{time_s},{rest},{}", if sample % 9 == 4 { "NaN" } else { "6.5" }).expect("memory");
            let arrived = 130.0 * share;
            let allocated = arrived.min(60.0 + 34.0 * (1.0 - (-(arrived - 60.0).max(0.0) / 30.0).exp()));
            let idle = 100.0 - allocated;
            let ratio = 15.0 + 70.0 * share * share;
            writeln!(packing, "{arrived:.3},{allocated:.3},{ratio:.3},{:.3}", idle * ratio / 100.0).expect("memory");
        }
        write(directory, "timeseries.csv", &series);
        write(directory, "packing.csv", &packing);
    }
}

/// Writes a sweep: a cell for each policy and load, three metrics, comparisons with the first policy, curves.
pub(super) fn write_sweep(directory: &Path, policies: &[&str], loads: &[&str]) {
    let mut numbers = Numbers(11);
    let mut runs = "cell,replication,policy,load,gpu_allocated_pct\n".to_owned();
    let mut cells = "cell,policy,load,metric,unit,n,mean,ci95_low,ci95_high,min,max,sd\n".to_owned();
    let mut comparisons = "metric,baseline,cell,n,mean_difference,ci95_low,ci95_high,verdict\n".to_owned();
    let mut curves = "cell,x,metric,mean,min,max\n".to_owned();
    for load in loads {
        for (rank, policy) in policies.iter().enumerate() {
            let (cell, baseline) =
                (format!("policy={policy},load={load}"), format!("policy={},load={load}", policies[0]));
            for replication in 0..10 {
                writeln!(runs, "\"{cell}\",{replication},{policy},{load},90").expect("memory");
            }
            let metrics =
                [("gpu_allocated_pct", "percent", 85.0), ("wait_ms_p99", "ms", 40_000.0), ("nodes", "count", 40.0)];
            for (metric, unit, base) in metrics {
                let scatter = if metric == "nodes" { 0.0 } else { 0.02 * base };
                let mean = base + scatter * (rank as f64 + numbers.next());
                let half = scatter * (0.2 + 0.3 * numbers.next());
                let (low, high) = (mean - half, mean + half);
                let place = format!("\"{cell}\",{policy},{load},{metric},{unit}");
                writeln!(cells, "{place},10,{mean},{low},{high},{},{},1.5", low - half, high + half).expect("memory");
                if rank > 0 && metric != "nodes" {
                    let difference = mean - base;
                    let better = if difference < half {
                        "undecided"
                    } else if metric == "wait_ms_p99" {
                        "worse"
                    } else {
                        "better"
                    };
                    let interval = format!("{difference},{},{}", difference - half, difference + half);
                    writeln!(comparisons, "{metric},\"{baseline}\",\"{cell}\",10,{interval},{better}").expect("memory");
                }
            }
            for step in 0..=65 {
                let arrived = 2.0 * f64::from(step);
                let knee = 70.0 + 3.0 * rank as f64;
                let mean = arrived.min(knee + (95.0 - knee) * (1.0 - (-(arrived - knee).max(0.0) / 20.0).exp()));
                let width = if arrived > knee { 1.5 } else { 0.0 };
                writeln!(curves, "\"{cell}\",{arrived},allocated_pct,{mean},{},{}", mean - width, mean + width)
                    .expect("memory");
                let fragments = 6.0 + 12.0 * (arrived / 130.0) * (1.0 - 0.1 * rank as f64);
                writeln!(
                    curves,
                    "\"{cell}\",{arrived},frag_amount_pct,{fragments},{},{}",
                    fragments - 1.0,
                    fragments + 1.0
                )
                .expect("memory");
            }
        }
    }
    write(directory, "runs.csv", &runs);
    write(directory, "cells.csv", &cells);
    write(directory, "comparisons.csv", &comparisons);
    write(directory, "curves.csv", &curves);
    write(
        directory,
        "manifest.json",
        "{\"name\": \"Six policies\", \"description\": \"Which policy packs best?\", \"seed\": 42}",
    );
}
