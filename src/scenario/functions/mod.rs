//! Function platforms: from the file to the model.
//!
//! As with traffic, one [`Builder`] makes every part and reports what is wrong with it, once to check and once to build, when
//! files of data are read.

mod spec;

use super::context::Context;
use super::distribution::distribution;
use super::import;
use super::spec::{DistributionSpec, Duration, Quantity, ScenarioSpec};
use super::traffic::{self, Stage};
use super::validate::unique;
use crate::document::Code;
use crate::importers::functions::FunctionOptions;
use crate::importers::functions::population::{PopulationOptions, population};
use crate::model::Dist;
use crate::model::functions::{
    CalledFunction, Calls, ColdCall, FargatePrices, Function, Functions, HybridSettings, KeepAlive, LambdaLimits,
    LambdaPrices, PlatformSettings, Routing, Task,
};
use crate::policy::autoscaler::functions::fargate::{task_size, task_sizes};
use crate::policy::autoscaler::functions::lambda::LimitError;
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};
pub(super) use spec::FunctionsSpec;
use spec::{
    ArchitectureSpec, Azure2019Spec, Azure2021Spec, FunctionSpec, HybridHistogramSpec, KeepAliveSpec, LambdaLimitsSpec,
    LimitsSpec, PlatformSpec, PopulationSpec, PricesSpec, RoutingSpec, TaskSpec,
};

/// Most functions in a run.
const FUNCTIONS_MAX: usize = 1_000_000;
/// Most bins of the histogram of a function.
const BINS_MAX: u64 = 100_000;
const TASK_STORAGE: Bytes = Bytes(20 << 30);

/// Checks what can be checked without files of data.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    make(scenario, 0, Stage::Check, context);
}

/// Builds what has been checked; none where a scenario has no functions.
pub(super) fn build(scenario: &ScenarioSpec, replication: u32, context: &mut Context<'_>) -> Option<Box<Functions>> {
    make(scenario, replication, Stage::Build, context).map(Box::new)
}

fn make(scenario: &ScenarioSpec, replication: u32, stage: Stage, context: &mut Context<'_>) -> Option<Functions> {
    let spec = scenario.functions.as_ref()?;
    let horizon = scenario.horizon.map(|horizon| SimTime::ZERO.after(horizon.0));
    let seed = Seed { base: scenario.seed, replication };
    Some(Builder { spec, horizon, seed, stage, context }.functions())
}

/// Makes the parts of the model, and reports what is wrong with them; what is returned then stands in.
struct Builder<'s, 'c, 'x> {
    spec: &'s FunctionsSpec,
    horizon: Option<SimTime>,
    seed: Seed,
    stage: Stage,
    context: &'c mut Context<'x>,
}

impl Builder<'_, '_, '_> {
    fn functions(&mut self) -> Functions {
        let spec = self.spec;
        let names = spec.list.iter().map(|function| function.name.as_str());
        unique(names, "functions", |index| format!("functions.list[{index}].name"), self.context);
        let names = spec.tasks.iter().map(|task| task.name.as_str());
        unique(names, "tasks", |index| format!("functions.tasks[{index}].name"), self.context);
        let has_files = spec.azure2019.is_some() || spec.azure2021.is_some();
        if spec.list.is_empty() && spec.population.is_none() && spec.tasks.is_empty() && !has_files {
            let hint = "give `list`, `population`, `azure2019`, `azure2021` or `tasks`";
            let message = "`functions` has neither functions nor tasks";
            self.context.report_with_hint("functions", Code::MissingKey, message, hint);
        }
        let settings = self.settings(&spec.platform);
        let functions = self.all(spec);
        if let Some(limits) = &settings.limits {
            self.fit(&functions, limits);
        }
        let (prices, architecture) = (&spec.platform.prices, spec.platform.architecture);
        let tasks = spec.tasks.iter().enumerate();
        let tasks = tasks.map(|(index, task)| self.task(task, &format!("functions.tasks[{index}]"))).collect();
        Functions { settings, functions, task_prices: task_prices(prices, architecture), tasks }
    }

    /// The functions from everywhere.
    fn all(&mut self, spec: &FunctionsSpec) -> Vec<CalledFunction> {
        let mut functions = Vec::new();
        for (index, one) in spec.list.iter().enumerate() {
            let called = self.function(one, &format!("functions.list[{index}]"));
            let copies = (0..one.count).map(|number| {
                let mut copy = called.clone();
                if one.count > 1 {
                    copy.function.name = format!("{}-{number}", one.name);
                }
                copy
            });
            functions.extend(copies.take(FUNCTIONS_MAX + 1));
        }
        let provisioned = spec.platform.provisioned_concurrency;
        let mut others = Vec::new();
        others.extend(spec.population.iter().flat_map(|one| self.population(one)));
        others.extend(spec.azure2019.iter().flat_map(|one| self.azure2019(one)));
        others.extend(spec.azure2021.iter().flat_map(|one| self.azure2021(one)));
        others.iter_mut().for_each(|called| called.function.provisioned_concurrency = provisioned);
        functions.append(&mut others);
        if functions.len() > FUNCTIONS_MAX {
            let message = format!("`functions` has more than {FUNCTIONS_MAX} functions");
            self.context.report("functions", Code::AbsurdSize, message);
            functions.truncate(FUNCTIONS_MAX);
        }
        functions
    }

    fn function(&mut self, spec: &FunctionSpec, at: &str) -> CalledFunction {
        let provisioned = spec.provisioned_concurrency.unwrap_or(self.spec.platform.provisioned_concurrency);
        let mut function = Function::new(&spec.name, self.memory(&spec.memory, &format!("{at}.memory")));
        function.reserved_concurrency = spec.reserved_concurrency;
        function.provisioned_concurrency = provisioned;
        let cold = match (&spec.cold_start, &spec.cold_duration) {
            (start, None) => ColdCall::Start(self.dist(start.as_ref(), Dist::ZERO, &format!("{at}.coldStart"))),
            (None, Some(whole)) => ColdCall::Whole(self.dist(Some(whole), Dist::ZERO, &format!("{at}.coldDuration"))),
            (Some(_), Some(_)) => {
                let message = format!("`{at}` says in two ways how long a call takes that starts an instance");
                let at = format!("{at}.coldDuration");
                let hint = "give one of `coldStart` and `coldDuration`";
                self.context.report_with_hint(&at, Code::Contradiction, message, hint);
                ColdCall::Start(Dist::ZERO)
            }
        };
        CalledFunction {
            function,
            calls: Calls::Rule(self.arrivals(spec.rate.as_ref(), &spec.arrivals, at)),
            duration: self.dist(Some(&spec.duration), Dist::ZERO, &format!("{at}.duration")),
            cold,
        }
    }

    fn population(&mut self, spec: &PopulationSpec) -> Vec<CalledFunction> {
        let at = "functions.population";
        let usual = PopulationOptions::default();
        if self.horizon.is_none() {
            traffic::needs_horizon(at, "functions are called again and again", self.context);
        }
        let options = PopulationOptions {
            name: spec.name.clone().unwrap_or(usual.name),
            count: spec.count,
            median_calls_per_day: spec.median_calls_per_day.unwrap_or(usual.median_calls_per_day),
            spread: spec.spread.unwrap_or(usual.spread),
            timers: spec.timers.unwrap_or(usual.timers),
            burstiness: spec.burstiness.unwrap_or(usual.burstiness),
            cold_start: self.dist(spec.cold_start.as_ref(), usual.cold_start, &format!("{at}.coldStart")),
        };
        population(&options, self.seed)
    }

    fn azure2019(&mut self, spec: &Azure2019Spec) -> Vec<CalledFunction> {
        let at = "functions.azure2019";
        let options = self.options(spec.memory.as_ref(), spec.cold_start.as_ref(), at);
        let mut path = |key: &str, text: &String| self.context.existing_path(&format!("{at}.{key}"), text);
        let invocations = path("invocations", &spec.invocations);
        let durations = spec.durations.as_ref().and_then(|text| path("durations", text));
        let memory = spec.memory_table.as_ref().and_then(|text| path("memoryTable", text));
        if self.stage == Stage::Check {
            return Vec::new();
        }
        let paths = [invocations.as_deref(), durations.as_deref(), memory.as_deref()];
        import::azure_2019(paths, &options, self.context)
    }

    fn azure2021(&mut self, spec: &Azure2021Spec) -> Vec<CalledFunction> {
        let at = "functions.azure2021";
        let options = self.options(spec.memory.as_ref(), spec.cold_start.as_ref(), at);
        let path = self.context.existing_path(&format!("{at}.file"), &spec.file);
        let path = path.filter(|_| self.stage == Stage::Build);
        path.map_or_else(Vec::new, |path| import::azure_2021(&path, &options, self.context))
    }

    /// What files do not tell.
    fn options(
        &mut self,
        memory: Option<&Quantity>,
        cold_start: Option<&DistributionSpec>,
        at: &str,
    ) -> FunctionOptions {
        let usual = FunctionOptions::default();
        FunctionOptions {
            memory: memory.map_or(usual.memory, |memory| self.memory(memory, &format!("{at}.memory"))),
            cold_start: self.dist(cold_start, usual.cold_start, &format!("{at}.coldStart")),
        }
    }

    fn task(&mut self, spec: &TaskSpec, at: &str) -> Task {
        let cpu = match MilliCpu::parse(&spec.cpu.0) {
            Ok(cpu) => cpu,
            Err(why) => {
                self.context.report(&format!("{at}.cpu"), Code::BadQuantity, format!("`{at}.cpu`: {why}"));
                MilliCpu(0)
            }
        };
        let memory = self.memory(&spec.memory, &format!("{at}.memory"));
        if task_size(cpu, memory).is_none() {
            let largest = task_sizes().map(|size| (size.cpu.0 / 1000, size.memory.0 >> 30)).max().unwrap_or_default();
            let message = format!("`{at}` asks for more than any task has");
            let hint = format!("the largest has {} CPUs and {} GiB of memory", largest.0, largest.1);
            self.context.report_with_hint(at, Code::OutOfRange, message, hint);
        }
        let storage = spec.storage.as_ref();
        Task {
            name: spec.name.clone(),
            cpu,
            memory,
            storage: storage.map_or(TASK_STORAGE, |storage| self.memory(storage, &format!("{at}.storage"))),
            starts: self.arrivals(spec.rate.as_ref(), &spec.arrivals, at),
            start_up: self.dist(spec.start_up.as_ref(), Dist::ZERO, &format!("{at}.startUp")),
            duration: self.dist(Some(&spec.duration), Dist::ZERO, &format!("{at}.duration")),
        }
    }

    fn arrivals(
        &mut self,
        rate: Option<&traffic::RateSpec>,
        arrivals: &traffic::RequestArrivalsSpec,
        at: &str,
    ) -> crate::model::traffic::Arrivals {
        traffic::calls(rate, arrivals, at, self.horizon, self.stage, self.context)
    }

    /// Reports functions that reserve or provision more than there is.
    fn fit(&mut self, functions: &[CalledFunction], limits: &LambdaLimits) {
        let plain: Vec<Function> = functions.iter().map(|called| called.function.clone()).collect();
        for problem in limits.shared_concurrency(&plain).err().into_iter().flatten() {
            let (message, hint) = match problem {
                LimitError::Provisioned { function, provisioned, reserved } => {
                    let name = &plain[function].name;
                    let message =
                        format!("the function `{name}` provisions {provisioned} instances, and reserves {reserved}");
                    (message, "reserve at least as many as are provisioned")
                }
                LimitError::Account { .. } => {
                    (problem.to_string(), "raise `platform.limits.accountConcurrency`, or reserve and provision less")
                }
            };
            self.context.report_with_hint("functions", Code::Contradiction, message, hint);
        }
    }

    /// A distribution; where there is none, the usual one.
    fn dist(&mut self, spec: Option<&DistributionSpec>, usual: Dist, at: &str) -> Dist {
        match spec.map(distribution) {
            None => usual,
            Some(Ok(dist)) => dist,
            Some(Err(why)) => {
                self.context.report(at, Code::BadDistribution, format!("`{at}`: {why}"));
                usual
            }
        }
    }

    /// Memory, more than 0.
    fn memory(&mut self, Quantity(text): &Quantity, at: &str) -> Bytes {
        match Bytes::parse(text) {
            Ok(Bytes(0)) => self.context.report(at, Code::OutOfRange, format!("`{at}` must be more than 0")),
            Ok(bytes) => return bytes,
            Err(why) => self.context.report(at, Code::BadQuantity, format!("`{at}`: {why}")),
        }
        Bytes(1)
    }
}

/// The platform itself.
impl Builder<'_, '_, '_> {
    fn settings(&mut self, spec: &PlatformSpec) -> PlatformSettings {
        let at = "functions.platform";
        PlatformSettings {
            keep_alive: match &spec.keep_alive {
                KeepAliveSpec::None => KeepAlive::None,
                KeepAliveSpec::Fixed(span) => KeepAlive::Fixed(span.0),
                KeepAliveSpec::HybridHistogram(hybrid) => {
                    KeepAlive::Hybrid(self.hybrid(hybrid, &format!("{at}.keepAlive.hybridHistogram")))
                }
            },
            routing: match spec.routing {
                RoutingSpec::MostRecentlyUsed => Routing::MostRecentlyUsed,
                RoutingSpec::LeastRecentlyUsed => Routing::LeastRecentlyUsed,
                RoutingSpec::NewestFirst => Routing::NewestFirst,
            },
            limits: match &spec.limits {
                LimitsSpec::None => None,
                LimitsSpec::Some(limits) => Some(self.limits(limits, &format!("{at}.limits"))),
            },
            prices: prices(&spec.prices, spec.architecture),
            horizon: self.horizon,
        }
    }

    fn hybrid(&mut self, spec: &HybridHistogramSpec, at: &str) -> HybridSettings {
        let usual = HybridSettings::default();
        let bin = self.positive(spec.bin, usual.bin, &format!("{at}.bin"));
        let mut range = spec.range.map_or(usual.range, |range| range.0);
        if range < bin || range.0 / bin.0 > BINS_MAX {
            let message = format!("`{at}.range` must be 1 to {BINS_MAX} times `bin`, {bin} s");
            self.context.report(&format!("{at}.range"), Code::OutOfRange, message);
            range = bin;
        }
        let (head, tail) = (spec.head.unwrap_or(usual.head), spec.tail.unwrap_or(usual.tail));
        if head > tail {
            let message = format!("`{at}.head` is {head}, above `tail`, {tail}");
            self.context.report(&format!("{at}.head"), Code::Contradiction, message);
        }
        HybridSettings {
            range,
            bin,
            head,
            tail,
            margin: spec.margin.unwrap_or(usual.margin),
            variation_min: spec.variation_min.unwrap_or(usual.variation_min),
            beyond_min: spec.beyond_min.unwrap_or(usual.beyond_min),
            forecast_margin: spec.forecast_margin.unwrap_or(usual.forecast_margin),
        }
    }

    fn limits(&mut self, spec: &LambdaLimitsSpec, at: &str) -> LambdaLimits {
        let usual = LambdaLimits::default();
        LambdaLimits {
            account_concurrency: spec.account_concurrency.unwrap_or(usual.account_concurrency),
            scaling_instances: spec.scaling_instances.unwrap_or(usual.scaling_instances),
            scaling_period: self.positive(spec.scaling_period, usual.scaling_period, &format!("{at}.scalingPeriod")),
            requests_per_concurrency: spec.requests_per_concurrency.unwrap_or(usual.requests_per_concurrency),
        }
    }

    fn positive(&mut self, span: Option<Duration>, usual: SimDuration, at: &str) -> SimDuration {
        match span {
            Some(Duration(SimDuration::ZERO)) => {
                self.context.report(at, Code::OutOfRange, format!("`{at}` must be more than 0"));
                usual
            }
            other => other.map_or(usual, |span| span.0),
        }
    }
}

fn prices(spec: &PricesSpec, architecture: ArchitectureSpec) -> LambdaPrices {
    let usual = match architecture {
        ArchitectureSpec::X86 => LambdaPrices::X86,
        ArchitectureSpec::Arm => LambdaPrices::ARM,
    };
    LambdaPrices {
        request: spec.request.unwrap_or(usual.request),
        gb_second: spec.gb_second.map_or(usual.gb_second, |price| [(f64::INFINITY, price); 3]),
        provisioned_execution_gb_second: spec
            .provisioned_execution_gb_second
            .unwrap_or(usual.provisioned_execution_gb_second),
        provisioned_gb_second: spec.provisioned_gb_second.unwrap_or(usual.provisioned_gb_second),
        bills_initialisation: spec.bills_initialisation.unwrap_or(usual.bills_initialisation),
    }
}

fn task_prices(spec: &PricesSpec, architecture: ArchitectureSpec) -> FargatePrices {
    let usual = match architecture {
        ArchitectureSpec::X86 => FargatePrices::X86,
        ArchitectureSpec::Arm => FargatePrices::ARM,
    };
    FargatePrices {
        vcpu_hour: spec.vcpu_hour.unwrap_or(usual.vcpu_hour),
        gb_hour: spec.gb_hour.unwrap_or(usual.gb_hour),
        storage_gb_hour: spec.storage_gb_hour.unwrap_or(usual.storage_gb_hour),
        ..usual
    }
}

#[cfg(test)]
mod tests;
