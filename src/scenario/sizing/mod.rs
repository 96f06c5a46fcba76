//! Back-tests of sizes: from the file to the model.
//!
//! As with traffic, one [`Builder`] makes every part and reports what is wrong with it, once to check and once to build, when
//! files of data are read.

mod spec;

use std::collections::BTreeMap;

use super::context::Context;
use super::import;
use super::schema::{join, suggestion};
use super::spec::{Duration, Quantity, ScenarioSpec};
use super::traffic::{Stage, needs_horizon};
use super::usage::Used;
use super::validate::unique;
use crate::document::Code;
use crate::importers::usage::drawn::{Course, draw_usage};
use crate::importers::usage::recorded::UsageTable;
use crate::model::PolicyChoice;
use crate::model::sizing::{Size, SizedContainer, SizingApply, SizingStudy, UsageStep};
use crate::policy::autoscaler::vertical::study;
use crate::policy::autoscaler::vertical::table::{SIZINGS, find};
use crate::rng::Seed;
use crate::units::{Bytes, MilliCpu, SimDuration};
pub(super) use spec::SizingSpec;
use spec::{BitbrainsSpec, CourseSpec, DailyUsageSpec, SizeSpec, SizedContainerSpec, SizingApplySpec, UsageTableSpec};

/// How often the rule is asked where nothing is said.
const INTERVAL: SimDuration = SimDuration(60_000_000_000);
/// The rule that has an updater of its own.
const VPA: &str = "vpa";
/// When usage is highest where nothing is said.
const NOON: SimDuration = SimDuration(12 * 3_600_000_000_000);
/// Most steps of all containers together.
const STEPS_MAX: u64 = 100_000_000;
const MIB: u64 = 1 << 20;

/// Checks what can be checked without files of data.
pub(super) fn validate(scenario: &ScenarioSpec, context: &mut Context<'_>) {
    make(scenario, 0, Stage::Check, context);
}

/// Builds what has been checked; none where a scenario has no back-test.
pub(super) fn build(scenario: &ScenarioSpec, replication: u32, context: &mut Context<'_>) -> Option<Box<SizingStudy>> {
    make(scenario, replication, Stage::Build, context).map(Box::new)
}

fn make(scenario: &ScenarioSpec, replication: u32, stage: Stage, context: &mut Context<'_>) -> Option<SizingStudy> {
    let spec = scenario.sizing.as_ref()?;
    let horizon = scenario.horizon.map(|horizon| horizon.0);
    let seed = Seed { base: scenario.seed, replication };
    Some(Builder { spec, horizon, seed, stage, context }.study())
}

/// Makes the parts of the model, and reports what is wrong with them; what is returned then stands in.
struct Builder<'s, 'c, 'x> {
    spec: &'s SizingSpec,
    horizon: Option<SimDuration>,
    seed: Seed,
    stage: Stage,
    context: &'c mut Context<'x>,
}

impl Builder<'_, '_, '_> {
    fn study(&mut self) -> SizingStudy {
        let spec = self.spec;
        let names = spec.containers.iter().map(|container| container.name.as_str());
        unique(names, "containers", |index| format!("sizing.containers[{index}].name"), self.context);
        if spec.containers.is_empty() && spec.table.is_none() && spec.bitbrains.is_none() {
            let hint = "give `containers`, `table` or `bitbrains`";
            self.context.report_with_hint("sizing", Code::MissingKey, "`sizing` has no containers", hint);
        }
        let apply = match spec.apply {
            Some(SizingApplySpec::AtOnce) => SizingApply::AtOnce,
            Some(SizingApplySpec::Updater) => SizingApply::Updater,
            None if spec.policy == VPA => SizingApply::Updater,
            None => SizingApply::AtOnce,
        };
        let rule = PolicyChoice { name: spec.policy.clone(), parameters: spec.parameters.clone().into() };
        let interval = self.positive(spec.interval, INTERVAL, "sizing.interval");
        let mut study = SizingStudy { rule, interval, apply, containers: Vec::new() };
        self.policy_is_known(&study);
        self.steps_fit(interval);
        for (index, one) in spec.containers.iter().enumerate() {
            study.containers.extend(self.containers(one, &format!("sizing.containers[{index}]"), interval));
        }
        study.containers.extend(spec.table.iter().flat_map(|table| self.table(table)));
        study.containers.extend(spec.bitbrains.iter().flat_map(|one| self.bitbrains(one)));
        study.containers.iter_mut().for_each(|container| self.cut(container));
        study
    }

    /// Whether the rule and its parameters are right: it reads them itself.
    fn policy_is_known(&mut self, study: &SizingStudy) {
        let spec = self.spec;
        let Some(row) = find(&spec.policy) else {
            let names: Vec<&str> = SIZINGS.iter().map(|row| row.name).collect();
            let message = format!("`sizing.policy`: there is no sizing `{}`", spec.policy);
            let hint = suggestion(&spec.policy, &names, "those known are");
            return self.context.report_with_hint("sizing.policy", Code::UnknownPolicy, message, hint);
        };
        let names: Vec<&str> = row.parameters.iter().map(|parameter| parameter.name).collect();
        let unknown: Vec<&String> = spec.parameters.keys().filter(|name| !names.contains(&name.as_str())).collect();
        for name in &unknown {
            let message = format!("the sizing `{}` has no parameter `{name}`", row.name);
            let hint = match names.is_empty() {
                true => "it has none".to_owned(),
                false => suggestion(name, &names, "its parameters are"),
            };
            self.context.report_with_hint(&join("sizing.parameters", name), Code::UnknownKey, message, hint);
        }
        let some = SizedContainer {
            name: "some".to_owned(),
            requests: Size::default(),
            limits: Size::default(),
            series: [].into(),
        };
        if unknown.is_empty()
            && let Err(why) = study::rule(study, &some)
        {
            let message = format!("the sizing `{}`: {why}", row.name);
            self.context.report("sizing.parameters", Code::OutOfRange, message);
        }
    }

    /// Reports more steps than anybody means.
    fn steps_fit(&mut self, interval: SimDuration) {
        let Some(horizon) = self.horizon else { return };
        let steps = |one: &SizedContainerSpec| {
            let every = one.every.map_or(interval, |every| every.0).min(interval);
            u64::from(one.count).saturating_mul(horizon.0 / every.0.max(1))
        };
        let steps = self.spec.containers.iter().map(steps).fold(0u64, u64::saturating_add);
        if steps > STEPS_MAX {
            let message = format!("`sizing.containers` make more than {STEPS_MAX} steps until the horizon");
            self.context.report("sizing.containers", Code::AbsurdSize, message);
        }
    }

    /// The containers of one kind.
    fn containers(&mut self, spec: &SizedContainerSpec, at: &str, interval: SimDuration) -> Vec<SizedContainer> {
        let before = self.context.issues.len();
        let requests = self.size(&spec.requests, &format!("{at}.requests"));
        let limits = self.size(&spec.limits, &format!("{at}.limits"));
        self.limits_fit(requests, limits, at);
        let every = self.positive(spec.every, interval, &format!("{at}.every"));
        if self.horizon.is_none() {
            needs_horizon(at, "what is drawn never ends", self.context);
        }
        let courses = [(&spec.cpu, Used::Cpu, "cpu"), (&spec.memory, Used::Memory, "memory")];
        let courses = courses.map(|(course, used, key)| self.course(course.as_ref(), used, &format!("{at}.{key}")));
        if self.stage == Stage::Check || self.context.issues.len() > before {
            return Vec::new();
        }
        let container = |number| SizedContainer {
            name: if spec.count > 1 { format!("{}-{number}", spec.name) } else { spec.name.clone() },
            requests,
            limits,
            series: self.draw(spec, &courses, number, every).into(),
        };
        (0..spec.count).map(container).collect()
    }

    fn draw(
        &self,
        spec: &SizedContainerSpec,
        courses: &[Usages; 2],
        number: u32,
        every: SimDuration,
    ) -> Vec<UsageStep> {
        let stream = |what: &str| self.seed.stream(&format!("sizing/{what}/{}", spec.name), number.into());
        let factor = match spec.spread {
            0.0 => 1.0,
            spread => libm::exp(spread * stream("spread").normal() - spread * spread / 2.0),
        };
        let scaled = |usages: &Usages| match usages {
            Usages::Course(course) => Course { mean: course.mean * factor, ..*course },
            Usages::Series(_) => Course::constant(0.0),
        };
        let [cpu, memory] = [scaled(&courses[0]), scaled(&courses[1])];
        let span = self.horizon.unwrap_or_default();
        let mut steps = draw_usage([&cpu, &memory], every, span, [stream("cpu"), stream("memory")]);
        let mut now = SimDuration::ZERO;
        for step in &mut steps {
            if let Usages::Series(series) = &courses[0] {
                step.usage.cpu = MilliCpu(at(series, now));
            }
            if let Usages::Series(series) = &courses[1] {
                step.usage.memory = Bytes(at(series, now));
            }
            now += step.span;
        }
        steps
    }

    /// A series of a file is read when a model is built only.
    fn course(&mut self, spec: Option<&CourseSpec>, used: Used, at: &str) -> Usages {
        let constant = |amount: u64| Usages::Course(Course::constant(amount as f64));
        match spec {
            None => constant(0),
            Some(CourseSpec::Constant(quantity)) => constant(self.amount(quantity, used, at)),
            Some(CourseSpec::Daily(daily)) => self.daily(daily, used, &format!("{at}.daily")),
            Some(CourseSpec::Series(file)) => {
                let at = format!("{at}.series");
                let path = self.context.existing_path(&at, file).filter(|_| self.stage == Stage::Build);
                let read = path.and_then(|path| import::usage_series(&path, used, self.context));
                Usages::Series(read.unwrap_or_default())
            }
        }
    }

    fn daily(&mut self, spec: &DailyUsageSpec, used: Used, at: &str) -> Usages {
        let bursts = spec.bursts;
        let span = bursts.map(|bursts| self.positive(Some(bursts.span), NOON, &format!("{at}.bursts.for")));
        Usages::Course(Course {
            mean: self.amount(&spec.mean, used, &format!("{at}.mean")) as f64,
            swing: spec.swing,
            peak: spec.peak.map_or(NOON, |peak| peak.0),
            noise: spec.noise,
            growth: spec.growth_per_day,
            bursts_per_day: bursts.map_or(0.0, |bursts| bursts.per_day),
            burst_factor: bursts.map_or(1.0, |bursts| bursts.factor),
            burst_span: span.unwrap_or_default(),
        })
    }

    fn table(&mut self, spec: &UsageTableSpec) -> Vec<SizedContainer> {
        let at = "sizing.table";
        if spec.requests.is_some() && spec.peak_part.is_some() {
            let message = format!("`{at}` says requests in two ways");
            let hint = "give one of `requests` and `peakPart`";
            self.context.report_with_hint(&format!("{at}.peakPart"), Code::Contradiction, message, hint);
        }
        let requests = spec.requests.as_ref().map(|size| self.size(size, &format!("{at}.requests")));
        let every = self.positive(Some(spec.every), INTERVAL, &format!("{at}.every"));
        let path = self.context.existing_path(&format!("{at}.file"), &spec.file);
        let Some(path) = path.filter(|_| self.stage == Stage::Build) else { return Vec::new() };
        let options = UsageTable {
            container: &spec.container,
            time: &spec.time,
            cpu: spec.cpu_column.as_deref(),
            memory: spec.memory_column.as_deref(),
            every,
        };
        let read: BTreeMap<String, Vec<UsageStep>> = import::container_usage(&path, &options, self.context);
        let sized = read.into_iter().map(|(name, steps)| {
            let requests = requests.unwrap_or_else(|| part_of_peak(&steps, spec.peak_part.unwrap_or(1.0)));
            let limits = spec.limit_ratio.map_or(Size::default(), |ratio| Size {
                cpu: requests.cpu.map(|cpu| MilliCpu((cpu.0 as f64 * ratio) as u64)),
                memory: requests.memory.map(|memory| Bytes((memory.0 as f64 * ratio) as u64)),
            });
            SizedContainer { name, requests, limits, series: steps.into() }
        });
        sized.collect()
    }

    fn bitbrains(&mut self, spec: &BitbrainsSpec) -> Vec<SizedContainer> {
        let path = self.context.existing_path("sizing.bitbrains.path", &spec.path);
        let path = path.filter(|_| self.stage == Stage::Build);
        path.map_or_else(Vec::new, |path| import::bitbrains(&path, self.context))
    }

    /// Ends a series with the run.
    fn cut(&self, container: &mut SizedContainer) {
        let Some(horizon) = self.horizon else { return };
        let mut left = horizon.0;
        let mut kept = Vec::new();
        for step in container.series.iter() {
            if left == 0 {
                break;
            }
            let span = step.span.0.min(left);
            kept.push(UsageStep { span: SimDuration(span), ..*step });
            left -= span;
        }
        container.series = kept.into();
    }

    fn size(&mut self, spec: &SizeSpec, at: &str) -> Size {
        let mut amount = |quantity: &Option<Quantity>, used, key: &str| {
            let (at, before) = (format!("{at}.{key}"), self.context.issues.len());
            let found = quantity.as_ref().map(|quantity| self.amount(quantity, used, &at));
            if found == Some(0) && self.context.issues.len() == before {
                self.context.report(&at, Code::OutOfRange, format!("`{at}` must be more than 0"));
            }
            found
        };
        Size {
            cpu: amount(&spec.cpu, Used::Cpu, "cpu").map(MilliCpu),
            memory: amount(&spec.memory, Used::Memory, "memory").map(Bytes),
        }
    }

    /// Reports limits below requests.
    fn limits_fit(&mut self, requests: Size, limits: Size, at: &str) {
        let pairs = [
            ("cpu", requests.cpu.map(|cpu| cpu.0), limits.cpu.map(|cpu| cpu.0)),
            ("memory", requests.memory.map(|memory| memory.0), limits.memory.map(|memory| memory.0)),
        ];
        for (key, request, limit) in pairs {
            if request.zip(limit).is_some_and(|(request, limit)| limit < request) {
                let at = format!("{at}.limits.{key}");
                self.context.report(&at, Code::Contradiction, format!("`{at}` is below what is requested"));
            }
        }
    }

    fn amount(&mut self, Quantity(text): &Quantity, used: Used, at: &str) -> u64 {
        match used.parse(text) {
            Ok(amount) => amount,
            Err(why) => {
                self.context.report(at, Code::BadQuantity, format!("`{at}`: {why}"));
                0
            }
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

/// Usage of one resource, as far as it is known without the seed.
enum Usages {
    Course(Course),
    /// From each of these spans on, that much.
    Series(Vec<(SimDuration, u64)>),
}

/// The amount of a series at an instant.
fn at(series: &[(SimDuration, u64)], now: SimDuration) -> u64 {
    let next = series.partition_point(|(from, _)| *from <= now);
    next.checked_sub(1).map_or(0, |last| series[last].1)
}

/// A part of the most of a series, and not nothing.
fn part_of_peak(steps: &[UsageStep], part: f64) -> Size {
    let most = |of: fn(&UsageStep) -> u64| steps.iter().map(of).max().unwrap_or(0) as f64 * part;
    Size {
        cpu: Some(MilliCpu((most(|step| step.usage.cpu.0) as u64).max(1))),
        memory: Some(Bytes((most(|step| step.usage.memory.0) as u64).max(MIB))),
    }
}

#[cfg(test)]
mod tests;
