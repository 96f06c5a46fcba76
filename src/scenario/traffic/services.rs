//! Services and their operations.

use super::super::schema::{join, suggestion};
use super::super::validate::unique;
use super::Builder;
use super::spec::{
    AdaptiveConcurrencySpec, BalancerSpec, BalancingSpec, CallSpec, EndingSpec, ExternalSpec, QueueSpec, ReleaseSpec,
    RequestOrderSpec, RouteSpec, ServiceSpec, StepSpec,
};
use crate::document::Code;
use crate::ids::ServiceId;
use crate::model::PolicyChoice;
use crate::model::traffic::{
    AdaptiveConcurrency, Backends, Balancing, Call, MessageSizes, Objective, Operation, Order, Release, Route, Server,
    Service, Step, WarmUp,
};
use crate::policy::balancer::{self, BALANCERS, BalancerRow};
use crate::scenario::spec::Quantity;
use crate::units::SimDuration;

/// kube-proxy with iptables.
const BALANCER: &str = "random";
/// Envoy v1.35: the defaults of the gradient controller; the intervals, which have none, as in the example of its docs.
const ADAPTIVE: AdaptiveConcurrency = AdaptiveConcurrency {
    interval: SimDuration(100_000_000),
    measure_every: SimDuration(60_000_000_000),
    measure_requests: 50,
    jitter: 0.15,
    percentile: 0.5,
    buffer: 0.25,
    min: 3,
    max: 1000,
};

impl<'s> Builder<'s, '_, '_> {
    pub(super) fn services(&mut self) -> Vec<Service> {
        let specs = &self.spec.services;
        specs.iter().enumerate().map(|(index, spec)| self.service(spec, ServiceId::from_index(index))).collect()
    }

    fn service(&mut self, spec: &'s ServiceSpec, id: ServiceId) -> Service {
        let at = format!("traffic.services[{}]", id.0);
        let overflow = spec.overflow.as_ref();
        let mirror = spec.mirror.as_ref();
        let (balancer, balancing) = self.balancer(spec, &at);
        Service {
            name: spec.name.clone(),
            backends: self.backends(spec, &at),
            server: self.server(spec, &at),
            has_shared_queue: spec.queue == QueueSpec::Shared,
            operations: self.operations(spec, id, &at),
            balancer,
            balancing,
            guard: self.guard(spec, &at),
            objective: self.objective(spec, &at),
            routes: self.routes(&spec.routes, id, &at),
            overflow: overflow.and_then(|name| self.passes_on(name, id, &format!("{at}.overflow"))),
            mirror: mirror
                .and_then(|mirror| Some((self.passes_on(&mirror.to, id, &format!("{at}.mirror.to"))?, mirror.share))),
            releases: spec.releases.iter().map(release).collect(),
        }
    }

    fn backends(&mut self, spec: &ServiceSpec, at: &str) -> Backends {
        match (&spec.pods, &spec.external) {
            (Some(_), Some(_)) => {
                let message = format!("`{at}` has both `pods` and `external`");
                let hint =
                    "keep one of the two; the other can be a service of its own, to which `routes` or `overflow` lead";
                self.context.report_with_hint(&format!("{at}.external"), Code::Contradiction, message, hint);
                Backends::None
            }
            (None, Some(external)) => self.external(external, &format!("{at}.external")),
            (pods, None) => self.pods(spec, pods.as_ref(), at),
        }
    }

    fn external(&mut self, spec: &ExternalSpec, at: &str) -> Backends {
        for (index, _) in spec.weights.iter().enumerate().filter(|(_, weight)| **weight == 0) {
            let at = format!("{at}.weights[{index}]");
            self.context.report(&at, Code::OutOfRange, format!("`{at}` must be at least 1"));
        }
        for (index, _) in spec.speeds.iter().enumerate().filter(|(_, speed)| **speed <= 0.0) {
            let at = format!("{at}.speeds[{index}]");
            self.context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
        }
        let zones = spec.zones.iter().enumerate();
        let zones = zones.filter_map(|(index, zone)| self.zone(zone, &format!("{at}.zones[{index}]"))).collect();
        Backends::Fixed { count: spec.count, zones, weights: spec.weights.clone(), speeds: spec.speeds.clone() }
    }

    fn server(&mut self, service: &ServiceSpec, at: &str) -> Server {
        let proxy = service.sidecar.as_ref().and_then(|sidecar| sidecar.memory.as_ref());
        let proxy_bytes = self.bytes(proxy, &format!("{at}.sidecar.memory"));
        let (spec, at) = (&service.server, &format!("{at}.server"));
        let warm_up = spec.warm_up.as_ref().map(|warm_up| WarmUp {
            slowdown: warm_up.slowdown,
            span: self.positive(Some(warm_up.span), SimDuration::ZERO, &format!("{at}.warmUp.span")),
        });
        // Beyond an adaptive limit requests are refused, except in a shared queue, where they wait until it lets them in.
        let waits = spec.workers.is_some() || spec.adaptive_concurrency.is_some() && service.queue == QueueSpec::Shared;
        if spec.queue_limit.is_some() && !waits {
            let message = format!("`{at}.queueLimit` needs `workers`: without a limit no request ever waits");
            self.context.report(&format!("{at}.queueLimit"), Code::Contradiction, message);
        }
        let has_containers = service.pods.as_ref().is_some_and(|pods| pods.template.is_none());
        if spec.requests_per_pod.is_some() && (service.queue != QueueSpec::Shared || !has_containers) {
            let message = format!(
                "`{at}.requestsPerPod` needs pods of an object and `queue: shared`: it counts what they take from there"
            );
            self.context.report(&format!("{at}.requestsPerPod"), Code::Contradiction, message);
        }
        let own_bytes = self.bytes(spec.memory.base.as_ref(), &format!("{at}.memory.base"));
        Server {
            workers: spec.workers,
            order: match spec.order {
                RequestOrderSpec::Fifo => Order::Fifo,
                RequestOrderSpec::Lifo => Order::Lifo,
            },
            queue_limit: spec.queue_limit,
            cpu_milli: self.cpu_milli(spec.cpu.as_ref(), &format!("{at}.cpu")),
            quota_period: spec.quota_period.map_or(Server::default().quota_period, |period| period.0),
            warm_up,
            memory_base: own_bytes.saturating_add(proxy_bytes),
            memory_per_request: self.bytes(spec.memory.per_request.as_ref(), &format!("{at}.memory.perRequest")),
            adaptive: spec
                .adaptive_concurrency
                .as_ref()
                .map(|spec| self.adaptive(spec, &format!("{at}.adaptiveConcurrency"))),
            refuses_when_ending: spec.while_ending == EndingSpec::Refuse,
            requests_per_pod: spec.requests_per_pod,
        }
    }

    fn adaptive(&mut self, spec: &AdaptiveConcurrencySpec, at: &str) -> AdaptiveConcurrency {
        let (min, max) = (spec.min.unwrap_or(ADAPTIVE.min), spec.max.unwrap_or(ADAPTIVE.max));
        if min > max {
            self.context.report(at, Code::Contradiction, format!("`{at}`: `min` is {min}, more than `max`, {max}"));
        }
        AdaptiveConcurrency {
            interval: self.positive(spec.interval, ADAPTIVE.interval, &format!("{at}.interval")),
            measure_every: self.positive(spec.measure_every, ADAPTIVE.measure_every, &format!("{at}.measureEvery")),
            measure_requests: spec.measure_requests.unwrap_or(ADAPTIVE.measure_requests),
            jitter: spec.jitter.unwrap_or(ADAPTIVE.jitter),
            percentile: spec.percentile.unwrap_or(ADAPTIVE.percentile),
            buffer: spec.buffer.unwrap_or(ADAPTIVE.buffer),
            min,
            max,
        }
    }

    fn balancer(&mut self, spec: &ServiceSpec, at: &str) -> (PolicyChoice, Balancing) {
        let default = PolicyChoice::named(BALANCER);
        let at = format!("{at}.balancer");
        if spec.balancer.is_some() && spec.queue == QueueSpec::Shared {
            let message =
                format!("`{at}`: from a shared queue backends take requests themselves, no balancer is asked");
            self.context.report_with_hint(&at, Code::Contradiction, message, "remove it, or `queue: shared`");
        }
        match &spec.balancer {
            None => (default, Balancing::Central),
            Some(BalancerSpec::Named(name)) => {
                (self.balancer_named(name, &at, serde_json::Map::new(), &at).unwrap_or(default), Balancing::Central)
            }
            Some(BalancerSpec::With(with)) => {
                let at_name = format!("{at}.name");
                let at_parameters = format!("{at}.parameters");
                let choice = self.balancer_named(&with.name, &at_name, with.parameters.clone(), &at_parameters);
                let balancing = match with.place {
                    BalancingSpec::OnePlace => Balancing::Central,
                    BalancingSpec::Clients => Balancing::Clients,
                };
                (choice.unwrap_or(default), balancing)
            }
        }
    }

    /// A balancer by name or alias, whose own type reads the parameters.
    fn balancer_named(
        &mut self,
        name: &str,
        at: &str,
        parameters: serde_json::Map<String, serde_json::Value>,
        at_parameters: &str,
    ) -> Option<PolicyChoice> {
        let Some(row) = balancer::find(name) else {
            let known: Vec<&str> =
                BALANCERS.iter().flat_map(|row| std::iter::once(&row.name).chain(row.aliases)).copied().collect();
            let rows: Vec<&str> = BALANCERS.iter().map(|row| row.name).collect();
            let near = suggestion(name, &known, "");
            let hint = if near.starts_with("did") { near } else { suggestion("", &rows, "those known are") };
            let message = format!("`{at}`: there is no balancer `{name}`");
            self.context.report_with_hint(at, Code::UnknownPolicy, message, hint);
            return None;
        };
        if !self.parameters_are_known(row, &parameters, at_parameters) {
            return None;
        }
        let parameters = serde_json::Value::Object(parameters);
        if let Err(error) = row.build(&parameters) {
            let message = format!("the balancer `{}`: {error}", row.name);
            self.context.report(at_parameters, Code::OutOfRange, message);
            return None;
        }
        Some(PolicyChoice { name: row.name.to_owned(), parameters })
    }

    fn parameters_are_known(
        &mut self,
        row: &BalancerRow,
        parameters: &serde_json::Map<String, serde_json::Value>,
        at: &str,
    ) -> bool {
        let names: Vec<&str> = row.parameters.iter().map(|parameter| parameter.name).collect();
        let before = self.context.issues.len();
        for name in parameters.keys().filter(|name| !names.contains(&name.as_str())) {
            let message = format!("the balancer `{}` has no parameter `{name}`", row.name);
            let hint = if names.is_empty() {
                "it has none".to_owned()
            } else {
                suggestion(name, &names, "its parameters are")
            };
            self.context.report_with_hint(&join(at, name), Code::UnknownKey, message, hint);
        }
        self.context.issues.len() == before
    }

    fn operations(&mut self, spec: &'s ServiceSpec, id: ServiceId, at: &str) -> Vec<Operation> {
        if !spec.steps.is_empty() && !spec.operations.is_empty() {
            let message = format!("`{at}` has both `steps` and `operations`");
            let hint = "each of `operations` has `steps` of its own";
            self.context.report_with_hint(&format!("{at}.steps"), Code::Contradiction, message, hint);
        }
        let names = spec.operations.iter().map(|operation| operation.name.as_str());
        unique(names, "operations", |index| format!("{at}.operations[{index}].name"), self.context);
        let shared = self.sizes([spec.request_size.as_ref(), spec.response_size.as_ref()], MessageSizes::default(), at);
        if !spec.operations.is_empty() {
            let operation = |(index, operation): (usize, &'s super::spec::OperationSpec)| Operation {
                name: operation.name.clone(),
                steps: self.steps(&operation.steps, &format!("{at}.operations[{index}].steps")),
                failure: operation.failure.unwrap_or(0.0),
                sizes: self.sizes(
                    [operation.request_size.as_ref(), operation.response_size.as_ref()],
                    shared,
                    &format!("{at}.operations[{index}]"),
                ),
            };
            return spec.operations.iter().enumerate().map(operation).collect();
        }
        let steps = self.steps(&spec.steps, &format!("{at}.steps"));
        let named =
            |name: &&str| Operation { name: (*name).to_owned(), steps: steps.clone(), failure: 0.0, sizes: shared };
        self.names.operations(id).iter().map(named).collect()
    }

    /// How large messages are, by what is written, and else as those of the service.
    fn sizes(&mut self, [request, response]: [Option<&Quantity>; 2], shared: MessageSizes, at: &str) -> MessageSizes {
        let mut size = |own: Option<&Quantity>, key: &str, shared: u64| match own {
            Some(_) => self.bytes(own, &format!("{at}.{key}")),
            None => shared,
        };
        MessageSizes {
            request: size(request, "requestSize", shared.request),
            response: size(response, "responseSize", shared.response),
        }
    }

    fn steps(&mut self, specs: &[StepSpec], at: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let at = format!("{at}[{index}]");
            steps.push(match spec {
                StepSpec::Compute(time) => Step::Compute(self.dist(Some(time), &format!("{at}.compute"))),
                StepSpec::Wait(time) => Step::Wait(self.dist(Some(time), &format!("{at}.wait"))),
                StepSpec::Call(call) => Step::Call(self.call(call, false, &format!("{at}.call")).into_iter().collect()),
                StepSpec::Send(call) => Step::Call(self.call(call, true, &format!("{at}.send")).into_iter().collect()),
                StepSpec::Parallel(calls) => {
                    let at = format!("{at}.parallel");
                    if calls.is_empty() {
                        self.context.report(&at, Code::MissingKey, format!("`{at}` lists no calls"));
                    }
                    let calls = calls.iter().enumerate();
                    Step::Call(
                        calls.filter_map(|(index, call)| self.call(call, false, &format!("{at}[{index}]"))).collect(),
                    )
                }
            });
        }
        steps
    }

    fn call(&mut self, spec: &CallSpec, is_detached: bool, at: &str) -> Option<Call> {
        let policy = self.policy(spec.into(), at);
        let target = self.names.operation(&spec.service, spec.operation.as_deref(), at, self.context);
        if is_detached && spec.optional {
            let at = format!("{at}.optional");
            let message = format!("`{at}`: nobody waits for the answer, so that nothing hangs on it");
            self.context.report(&at, Code::Contradiction, message);
        }
        Some(Call {
            target: target?,
            probability: spec.probability,
            cache_hit: spec.cache_hit,
            count: spec.count,
            is_detached,
            is_optional: spec.optional,
            policy,
        })
    }

    fn objective(&mut self, spec: &ServiceSpec, at: &str) -> Option<Objective> {
        let objective = spec.objective.as_ref()?;
        if objective.ratio >= 1.0 {
            let at = format!("{at}.objective.ratio");
            let message = format!("`{at}` must be below 1, not {}", objective.ratio);
            let hint = "write 0.999 for 99.9 %; an objective of 1 leaves no budget for errors";
            self.context.report_with_hint(&at, Code::OutOfRange, message, hint);
        }
        let latency = self.positive(Some(objective.latency), SimDuration::ZERO, &format!("{at}.objective.latency"));
        Some(Objective { latency, ratio: objective.ratio })
    }

    fn routes(&mut self, specs: &[RouteSpec], id: ServiceId, at: &str) -> Vec<Route> {
        let mut routes = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let at = format!("{at}.routes[{index}]");
            let total: f64 = spec.to.iter().map(|target| target.weight).sum();
            if total <= 0.0 || !total.is_finite() {
                let message = format!("`{at}.to` has no service with a weight above 0");
                self.context.report(&format!("{at}.to"), Code::OutOfRange, message);
            }
            let mut targets = Vec::new();
            for (index, target) in spec.to.iter().enumerate() {
                let at = format!("{at}.to[{index}].service");
                let found = match target.service == self.spec.services[id.index()].name {
                    true => Some(id),
                    false => self.passes_on(&target.service, id, &at),
                };
                targets.extend(found.map(|service| (service, target.weight / total)));
            }
            let header = spec.header.as_ref().map(|header| (header.name.clone(), header.value.clone()));
            routes.push(Route { header, targets });
        }
        routes
    }

    /// The service at `at`, to which another passes requests on: it must have all its operations.
    fn passes_on(&mut self, name: &str, from: ServiceId, at: &str) -> Option<ServiceId> {
        let to = self.names.service(name, at, self.context)?;
        let from_name = &self.spec.services[from.index()].name;
        if to == from {
            let message = format!("`{at}`: the service `{name}` passes requests on to itself");
            self.context.report(at, Code::CyclicReference, message);
            return None;
        }
        let missing = self.names.operations(from).iter().find(|name| !self.names.operations(to).contains(name));
        if let Some(missing) = missing {
            let message = format!(
                "`{at}`: `{from_name}` has an operation `{missing}`, and `{name}`, to which it passes requests on, has none"
            );
            let hint = suggestion(missing, self.names.operations(to), "its operations are");
            self.context.report_with_hint(at, Code::UnknownReference, message, hint);
        }
        Some(to)
    }
}

fn release(spec: &ReleaseSpec) -> Release {
    Release { image: spec.image.clone(), speed: spec.speed.unwrap_or(1.0), failure: spec.failure.unwrap_or(0.0) }
}
