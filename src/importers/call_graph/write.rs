//! The scenario file: comments that say what was assumed, services with operations, one source.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::graph::{CallGraph, CallPlan, OperationPlan, Stage, groups_ns};
use super::spans::Spans;
use super::{HEADING, Options, RATE_PER_SECOND, UTILISATION};

/// Numbers of operations by service and name, which is the order of the file.
type Services<'s> = BTreeMap<&'s str, BTreeMap<&'s str, u32>>;

struct Writer<'s> {
    spans: &'s Spans,
    graph: &'s CallGraph,
    services: Services<'s>,
    rate_per_second: f64,
    text: String,
}

pub(super) fn write(spans: &Spans, graph: &CallGraph, options: &Options) -> String {
    let mut services = Services::new();
    for (number, (service, operation)) in spans.operations.iter().enumerate() {
        if graph.operations[number].requests > 0 {
            services.entry(service).or_default().insert(operation, number as u32);
        }
    }
    let observed = spans.rate_per_second();
    let rate_per_second = options.rate_per_second.or(observed).unwrap_or(RATE_PER_SECOND);
    let mut writer = Writer { spans, graph, services, rate_per_second, text: String::new() };
    writer.heading(options, observed);
    writer.network();
    writer.services();
    writer.sources();
    writer.text
}

impl Spans {
    /// How many traces began a second; none where there is no clock, or one trace only.
    fn rate_per_second(&self) -> Option<f64> {
        let starts = || self.list.iter().filter(|span| span.is_root).map(|span| span.start_ns);
        let (first, last) = (starts().min()?, starts().max()?);
        let gaps = starts().count() as u64 - 1;
        (self.has_clock && last > first && gaps > 0).then(|| gaps as f64 / ((last - first) as f64 / 1e9))
    }
}

impl Writer<'_> {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.text.write_fmt(text);
        self.text.push('\n');
    }

    fn heading(&mut self, options: &Options, observed: Option<f64>) {
        let Spans { traces, list, orphans, .. } = self.spans;
        let (traces, spans, orphans, rate) = (*traces, list.len(), *orphans, number(self.rate_per_second));
        let origin: String = options.origin.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.line(format_args!("{HEADING}{origin}: {traces} traces, {spans} spans."));
        if let Some(observed) = observed {
            self.line(format_args!("# In the traces {} requests a second enter.", number(observed)));
        }
        if orphans > 0 {
            self.line(format_args!(
                "# {orphans} spans have a parent that is not there; nothing in this file calls them."
            ));
        }
        if self.spans.repeated > 0 {
            let repeated = self.spans.repeated;
            self.line(format_args!("# {repeated} rows were left out that repeat others."));
        }
        self.text.push_str(ASSUMPTIONS);
        if !self.spans.has_clock {
            self.text.push_str(ASSUMPTIONS_WITHOUT_CLOCK);
        }
        self.text.push_str("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata:\n  name: call-graph\n");
        let description = quoted(&format!("services and latencies as in {origin}, at {rate} requests a second"));
        self.line(format_args!("  description: {description}\nhorizon: 10m\ntraffic:\n  warmUp: 30s"));
    }

    /// Every service is a place of its own, so that each pair of them can have its latency.
    fn network(&mut self) {
        let mut pairs: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
        for ((caller, callee), spans) in &self.graph.network_ns {
            let ends = [*caller, *callee].map(|operation| self.spans.operations[operation as usize].0.as_str());
            if ends[0] != ends[1] {
                pairs.entry((ends[0].min(ends[1]), ends[0].max(ends[1]))).or_default().extend(spans);
            }
        }
        if pairs.is_empty() {
            return;
        }
        let zones: Vec<String> = self.services.keys().map(|name| quoted(name)).collect();
        self.line(format_args!(
            "  network:\n    # Every service is a zone of its own, between which messages take their time."
        ));
        self.line(format_args!("    regions: {{imported: [{}]}}\n    pairs:", zones.join(", ")));
        for ((one, other), mut spans) in pairs {
            spans.sort_unstable();
            let latency = distribution(&spans);
            self.line(format_args!("      - {{zones: [{}, {}], latency: {latency}}}", quoted(one), quoted(other)));
        }
    }

    fn has_zones(&self) -> bool {
        self.graph.network_ns.keys().any(|(caller, callee)| {
            self.spans.operations[*caller as usize].0 != self.spans.operations[*callee as usize].0
        })
    }

    fn services(&mut self) {
        let services = std::mem::take(&mut self.services);
        let has_zones = self.has_zones();
        self.line(format_args!("  services:"));
        for (name, operations) in &services {
            let plans = || operations.values().map(|&number| &self.graph.operations[number as usize]);
            let roots = self.graph.operations.iter().map(|plan| plan.entries).sum::<u64>().max(1) as f64;
            let per_root = plans().map(|plan| plan.requests).sum::<u64>() as f64 / roots;
            // Cores that compute on average.
            let busy = plans().map(busy_ns).sum::<f64>() / 1e9 / roots * self.rate_per_second;
            let count = (busy / UTILISATION).ceil().clamp(1.0, 1e6);
            let (rate, utilisation) = (number(per_root * self.rate_per_second), number(busy / count));
            let zones = if has_zones { format!(", zones: [{}]", quoted(name)) } else { String::new() };
            self.line(format_args!(
                "    - name: {}  # {rate} requests a second, utilisation {utilisation}",
                quoted(name)
            ));
            self.line(format_args!(
                "      external: {{count: {count}{zones}}}\n      server: {{cpu: 1, quotaPeriod: 0}}"
            ));
            self.line(format_args!("      operations:"));
            for (name, number) in operations {
                self.operation(name, &self.graph.operations[*number as usize]);
            }
        }
        self.services = services;
    }

    fn operation(&mut self, name: &str, plan: &OperationPlan) {
        let (requests, entries) = (plan.requests, plan.entries);
        let from = if entries > 0 { format!(", from outside: {entries}") } else { String::new() };
        self.line(format_args!("        - name: {}  # requests in the traces: {requests}{from}", quoted(name)));
        if plan.self_ns.last().is_none_or(|&longest| longest == 0) && plan.stages.is_empty() {
            return;
        }
        self.line(format_args!("          steps:"));
        if plan.self_ns.last().is_some_and(|&longest| longest > 0) {
            self.line(format_args!("            - compute: {}", distribution(&plan.self_ns)));
        }
        for stage in &plan.stages {
            self.stage(stage);
        }
    }

    fn stage(&mut self, stage: &Stage) {
        match &stage.calls[..] {
            [call] if stage.is_detached => self.line(format_args!("            - send: {}", self.call(call))),
            [call] if call.count == 1 => self.line(format_args!("            - call: {}", self.call(call))),
            calls => {
                self.line(format_args!("            - parallel:"));
                for call in calls {
                    self.line(format_args!("                - {}", self.call(call)));
                }
            }
        }
    }

    fn call(&self, call: &CallPlan) -> String {
        let mut text = self.target(call.target);
        if call.made < call.of {
            let probability = number(call.made as f64 / call.of as f64);
            let _ = write!(text, ", probability: {probability}");
        }
        if call.count > 1 {
            let _ = write!(text, ", count: {}", call.count);
        }
        format!("{{{text}}}")
    }

    fn target(&self, operation: u32) -> String {
        let (service, operation) = &self.spans.operations[operation as usize];
        format!("service: {}, operation: {}", quoted(service), quoted(operation))
    }

    fn sources(&mut self) {
        self.line(format_args!(
            "  sources:\n    - name: users\n      rate: {}/s\n      to:",
            number(self.rate_per_second)
        ));
        let targets: BTreeSet<(&(String, String), u32)> = self.spans.operations.iter().zip(0..).collect();
        for (_, operation) in targets {
            let weight = self.graph.operations[operation as usize].entries;
            if weight > 0 {
                self.line(format_args!("        - {{{}, weight: {weight}}}", self.target(operation)));
            }
        }
    }
}

/// Time that all requests of an operation compute; those whose server was not recorded as long as others on average.
fn busy_ns(plan: &OperationPlan) -> f64 {
    let total = plan.self_ns.iter().map(|&span| u128::from(span)).sum::<u128>() as f64;
    if plan.self_ns.is_empty() { 0.0 } else { total / plan.self_ns.len() as f64 * plan.requests as f64 }
}

const ASSUMPTIONS: &str = "\
# What was assumed:
# - Time that no call covers is time of one core (`compute`), at the start of the operation. Spans do not say whether it was
#   spent waiting for something else, such as a disk, a lock or a free core: waits under the load of the recording are in it.
# - Calls are made in the order of the medians of their starts, at once where that comes nearer to the time that they took
#   than one after the other; independently of each other, as often as in the spans. Of repeated calls the n-th is a call of
#   its own.
# - Calls of which most lies after the end of their caller are messages for which nobody waits (`send`).
# - Distributions are the means of 100 groups of equal size, or all values where there are fewer.
# - Backends have one core, and are as many as keep it below half used at the rate of this file.
";

const ASSUMPTIONS_WITHOUT_CLOCK: &str = "\
# - The traces do not say when they began, nor how popular they are: the rate is made up, weights count traces.
# - Times are whole milliseconds. Those of 0 stay 0, so that sums along a path come out right on average.
";

/// A distribution of ascending spans, as flow YAML.
fn distribution(sorted_ns: &[u64]) -> String {
    let values = groups_ns(sorted_ns);
    match (values.first(), values.last()) {
        (Some(first), Some(last)) if first != last => {
            let spans: Vec<String> = values.iter().map(|&span| duration(span)).collect();
            format!("{{empirical: [{}]}}", spans.join(", "))
        }
        (first, _) => duration(first.copied().unwrap_or(0)),
    }
}

/// A span in milliseconds, to a tenth of a microsecond.
fn duration(span_ns: u64) -> String {
    let tenths = (span_ns + 50) / 100;
    let text = format!("{}.{:04}", tenths / 10_000, tenths % 10_000);
    format!("{}ms", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with six decimals at most, and not 0 unless it is.
fn number(value: f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{}", if value > 0.0 { rounded.max(1e-6) } else { rounded })
}

/// A text as a YAML scalar: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
