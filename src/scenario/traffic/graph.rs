//! Whether calls come to an end.
//!
//! Operations that call each other multiply requests: each makes so many others on average. Where those multiply again by
//! at least as many as there were, one request becomes endlessly many.

use super::super::context::Context;
use crate::document::Code;
use crate::model::Traffic;
use crate::model::traffic::{Operation, OperationRef, Service, Step};

/// Rounds of calls that are followed; growth shows much sooner.
const ROUNDS: usize = 1000;

/// What an operation leads to: the number of another, and how many requests for it on average.
type Edge = (usize, f64);

/// Reports calls, and requests that are passed on, that never come to an end.
pub(super) fn check(traffic: &Traffic, context: &mut Context<'_>) {
    let passed_on: Vec<Vec<Edge>> = (0..traffic.services.len()).map(|service| passed_on(traffic, service)).collect();
    if let Some(cycle) = cycle(&passed_on, |_| true) {
        let names: Vec<&str> = cycle.iter().map(|&service| traffic.services[service].name.as_str()).collect();
        let message = format!("requests are passed on in a circle: {}", around(&names));
        let hint = "`routes`, `overflow` and `mirror` lead on, never back";
        context.report_with_hint(&place(cycle[0]), Code::CyclicReference, message, hint);
        return;
    }
    let calls = Calls::new(traffic);
    if let Some(cycle) = calls.endless_cycle() {
        let names: Vec<String> = cycle.iter().map(|&operation| calls.name(traffic, operation)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let message = format!("calls never come to an end: {}", around(&names));
        let hint =
            "give one of these calls a `probability` so small that a request leads to less than one other of its kind";
        let at = place(calls.operations[cycle[0]].0);
        context.report_with_hint(&at, Code::CyclicReference, message, hint);
    }
}

fn place(service: usize) -> String {
    format!("traffic.services[{service}]")
}

fn around(names: &[&str]) -> String {
    format!("{} -> {}", names.join(" -> "), names[0])
}

/// The other services that requests of a service can go to, and which part of them does.
fn passed_on(traffic: &Traffic, service: usize) -> Vec<Edge> {
    let Service { routes, overflow, mirror, .. } = &traffic.services[service];
    let routed = routes.iter().flat_map(|route| &route.targets).copied();
    let all = routed.chain(overflow.map(|target| (target, 1.0))).chain(*mirror);
    // A service among its own targets stands for its own backends.
    all.map(|(target, share)| (target.index(), share)).filter(|(target, _)| *target != service).collect()
}

/// Calls between operations of all services.
struct Calls {
    /// Service and position of each operation.
    operations: Vec<(usize, usize)>,
    edges: Vec<Vec<Edge>>,
}

impl Calls {
    fn new(traffic: &Traffic) -> Calls {
        let first: Vec<usize> = traffic
            .services
            .iter()
            .scan(0, |next, service| {
                let first = *next;
                *next += service.operations.len();
                Some(first)
            })
            .collect();
        let mut calls = Calls { operations: Vec::new(), edges: Vec::new() };
        for (number, service) in traffic.services.iter().enumerate() {
            for (position, operation) in service.operations.iter().enumerate() {
                calls.operations.push((number, position));
                let called = called(operation)
                    .map(|(target, requests)| (first[target.service.index()] + target.operation as usize, requests));
                // The operation of the same name answers requests that are passed on.
                let passed_on = passed_on(traffic, number).into_iter().filter_map(|(to, share)| {
                    let others = &traffic.services[to].operations;
                    Some((first[to] + others.iter().position(|one| one.name == operation.name)?, share))
                });
                calls.edges.push(called.chain(passed_on).collect());
            }
        }
        calls
    }

    fn name(&self, traffic: &Traffic, operation: usize) -> String {
        let (service, position) = self.operations[operation];
        let service = &traffic.services[service];
        match &service.operations[..] {
            [_] => service.name.clone(),
            operations => format!("{} ({})", service.name, operations[position].name),
        }
    }

    /// Operations that call each other in turn; none where calls come to an end.
    fn endless_cycle(&self) -> Option<Vec<usize>> {
        let certain = cycle(&self.edges, |requests| requests >= 1.0);
        certain.or_else(|| {
            let any = cycle(&self.edges, |requests| requests > 0.0)?;
            self.grows().then_some(any)
        })
    }

    /// Whether requests make, from round to round of calls, at least as many as there were: whether the greatest eigenvalue
    /// of the matrix of calls is 1 or more. Of what there was a half stays, so that circles of even length do not go up and
    /// down for ever.
    fn grows(&self) -> bool {
        let mut requests = vec![1.0; self.edges.len()];
        let mut factor = 0.0;
        for _ in 0..ROUNDS {
            let mut next: Vec<f64> = requests.iter().map(|count| count / 2.0).collect();
            for (from, edges) in self.edges.iter().enumerate() {
                for &(to, each) in edges {
                    next[to] += requests[from] * each / 2.0;
                }
            }
            let after: f64 = next.iter().sum();
            factor = after / requests.iter().sum::<f64>();
            requests = next.into_iter().map(|count| count / after).collect();
        }
        factor >= 1.0 - 1e-9
    }
}

/// What the calls of an operation ask for, and how often on average.
fn called(operation: &Operation) -> impl Iterator<Item = (OperationRef, f64)> {
    let calls = operation.steps.iter().flat_map(|step| match step {
        Step::Call(calls) => &calls[..],
        Step::Compute(_) | Step::Wait(_) => &[],
    });
    calls.map(|call| (call.target, call.probability * (1.0 - call.cache_hit) * f64::from(call.count)))
}

/// Places that follow each other in a circle, by edges that `counts`; none where there is no such circle.
fn cycle(edges: &[Vec<Edge>], counts: impl Fn(f64) -> bool) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        No,
        OnTheWay,
        Done,
    }
    let mut seen = vec![Seen::No; edges.len()];
    for start in 0..edges.len() {
        // The way from the start, with the next edge to take at each place.
        let mut way: Vec<(usize, usize)> = if seen[start] == Seen::No { vec![(start, 0)] } else { Vec::new() };
        while let Some((here, next)) = way.last_mut() {
            seen[*here] = Seen::OnTheWay;
            let Some(&(to, requests)) = edges[*here].get(*next) else {
                seen[*here] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match seen[to] {
                _ if !counts(requests) => {}
                Seen::No => way.push((to, 0)),
                Seen::OnTheWay => {
                    let first = way.iter().position(|(place, _)| *place == to)?;
                    return Some(way[first..].iter().map(|(place, _)| *place).collect());
                }
                Seen::Done => {}
            }
        }
    }
    None
}
