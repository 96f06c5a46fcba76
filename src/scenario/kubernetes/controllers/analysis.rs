//! `AnalysisTemplate` and `ClusterAnalysisTemplate` objects, and what the scenario says that their metrics measure.

use std::sync::Arc;

use super::super::files::Object;
use super::super::objects::header;
use super::super::read::Notes;
use super::super::{Findings, edit};
use super::rollout::Reader;
use super::{Maker, PodMakers, Template};
use crate::document::{Code, Issue, Node as Tree, Span};
use crate::model::conditions::{Condition, Conditions};
use crate::model::controllers::ControllerKind;
use crate::model::rollouts::{Analysis, CanaryStep, Measured, Metric, Outcome, RolloutStrategy};
use crate::scenario::schema::suggestion;

/// What a scenario says of measurements. Where it names nothing, it means all; of several that mean a metric the last
/// holds.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Name of the template.
    pub template: String,
    /// Name of the metric.
    pub metric: Option<String>,
    /// Namespace of the Rollout.
    pub namespace: Option<String>,
    /// Name of the Rollout.
    pub rollout: Option<String>,
    /// An image of the template that is released.
    pub image: Option<String>,
    /// What is measured.
    pub measured: Measured,
}

/// The templates that have been read.
#[derive(Debug, Default)]
pub(super) struct AnalysisTemplates {
    list: Vec<AnalysisTemplate>,
}

#[derive(Debug)]
struct AnalysisTemplate {
    /// None: of the whole cluster.
    namespace: Option<String>,
    name: String,
    metrics: Vec<Metric>,
    /// Metrics with conditions that cannot be read, by name, and why.
    unreadable: Vec<(String, Span, String)>,
    /// Names of metrics that have no say, as they are written.
    dry_run: Vec<String>,
    file: Arc<str>,
    span: Span,
}

impl AnalysisTemplates {
    /// Reads a template.
    pub(super) fn add(&mut self, object: &Object<'_>, findings: &mut Findings) {
        let mut notes = Notes::new(object.file);
        let is_cluster_wide = object.kind == "ClusterAnalysisTemplate";
        let kind = if is_cluster_wide { "ClusterAnalysisTemplate" } else { "AnalysisTemplate" };
        if let Some(header) = header(object, kind, !is_cluster_wide, &mut notes) {
            let empty = edit::mapping(object.tree.span, []);
            let spec = notes.mapping(object.tree.get("spec"), "spec").unwrap_or(&empty);
            super::kinds::note_unused(spec, &["metrics", "args", "dryRun", "measurementRetention"], &mut notes);
            let name = header.name();
            let metrics = notes.list(spec.get("metrics"), "spec.metrics");
            let mut unreadable = Vec::new();
            let metrics = metrics.iter().map(|tree| metric(tree, &name, &mut unreadable, &mut notes)).collect();
            self.list.push(AnalysisTemplate {
                namespace: (!is_cluster_wide).then(|| header.namespace()),
                name,
                metrics,
                unreadable,
                dry_run: dry_run(spec, &mut notes),
                file: object.file.clone(),
                span: object.tree.span,
            });
        }
        findings.add(kind, object.file, notes);
    }

    /// The metrics of an analysis: those of the templates that it names.
    pub(super) fn metrics(&self, namespace: &str, tree: &Tree, field: &str, notes: &mut Notes) -> Vec<Metric> {
        let of = format!("{field}.templates");
        let references = notes.list(tree.get("templates"), &of);
        if references.is_empty() {
            let message = format!("`{field}` names no template");
            let hint = "write `templates: [{templateName: NAME}]`";
            notes.refuse_with_hint(Code::MissingKey, tree.span, message, hint);
        }
        let without_say = dry_run(tree, notes);
        let mut metrics = Vec::new();
        for reference in references {
            let name = notes.text(reference.get("templateName"), &format!("{of}[].templateName")).unwrap_or_default();
            let is_cluster_wide = notes.truth(reference.get("clusterScope"), &format!("{of}[].clusterScope"));
            let is_reachable = |other: &&AnalysisTemplate| match &other.namespace {
                Some(other) => !is_cluster_wide && other == namespace,
                None => is_cluster_wide,
            };
            let Some(found) = self.list.iter().filter(is_reachable).find(|other| other.name == name) else {
                let known: Vec<&str> = self.list.iter().filter(is_reachable).map(|other| &*other.name).collect();
                let hint = match known.is_empty() {
                    true => "there is none; list its manifest as well".to_owned(),
                    false => suggestion(name, &known, "those that it can use are"),
                };
                let kind = if is_cluster_wide { "ClusterAnalysisTemplate" } else { "AnalysisTemplate" };
                let message = format!("there is no {kind} `{name}`");
                notes.refuse_with_hint(Code::UnknownReference, reference.span, message, &hint);
                continue;
            };
            let has_no_say = |metric: &Metric| {
                found.dry_run.iter().chain(&without_say).any(|name| name == "*" || name == ".*" || *name == metric.name)
            };
            let of_template = found.metrics.iter().cloned();
            metrics.extend(of_template.map(|metric| Metric { is_dry_run: has_no_say(&metric), ..metric }));
        }
        metrics
    }
}

impl AnalysisTemplates {
    /// Reports conditions that cannot be read and have to judge numbers.
    fn check_judged(&self, metric: &Metric, findings: &mut Findings) {
        let is_judged = |measured: &Measured| matches!(measured, Measured::Values(_) | Measured::TrafficValue(_));
        if !metric.measured.iter().any(is_judged) {
            return;
        }
        for template in self.list.iter().filter(|template| template.name == metric.template) {
            for (_, span, why) in template.unreadable.iter().filter(|(name, ..)| *name == metric.name) {
                let issue = Issue::new(Code::Manifest, &template.file, *span, why.clone());
                let hint = "numbers are judged by it; say in `workload.analyses` how measurements end: `success`, `results` or \
                            `traffic: {maxFailureRatio: ...}`";
                findings.issues.push(issue.with_hint(hint));
            }
        }
    }
}

fn dry_run(tree: &Tree, notes: &mut Notes) -> Vec<String> {
    let list = notes.list(tree.get("dryRun"), "dryRun");
    list.iter().filter_map(|entry| entry.get("metricName")?.as_text().map(str::to_owned)).collect()
}

/// `successCondition` and `failureCondition`. What cannot be read is an issue only where something is judged by it.
fn conditions(
    tree: &Tree,
    metric: &str,
    unreadable: &mut Vec<(String, Span, String)>,
    notes: &mut Notes,
) -> Conditions {
    let mut read = |key: &str| {
        let given = tree.get(key)?;
        let text = notes.text(Some(given), &format!("spec.metrics[].{key}")).filter(|text| !text.trim().is_empty())?;
        let said = |why: String| unreadable.push((metric.to_owned(), given.span, format!("`{key}`: {why}")));
        Condition::parse(text).map_err(said).ok()
    };
    Conditions { success: read("successCondition"), failure: read("failureCondition") }
}

fn metric(tree: &Tree, template: &str, unreadable: &mut Vec<(String, Span, String)>, notes: &mut Notes) -> Metric {
    const KNOWN: &[&str] = &[
        "name",
        "interval",
        "initialDelay",
        "count",
        "failureLimit",
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "consecutiveSuccessLimit",
        // What they ask for comes from the scenario.
        "provider",
        "successCondition",
        "failureCondition",
    ];
    let field = "spec.metrics[]";
    for entry in tree.entries().iter().filter(|entry| !KNOWN.contains(&&*entry.key)) {
        notes.unused(format!("{field}.{}", entry.key), &entry.value);
    }
    let name = notes.required_text(tree, "name", &format!("{field}.name")).to_owned();
    let mut span = |key: &str| {
        let given = tree.get(key).filter(|tree| !tree.is_null() && tree.as_text() != Some(""))?;
        let mut reader = Reader { namespace: "", templates: &AnalysisTemplates::default(), notes };
        reader.duration(given, &format!("{field}.{key}"))
    };
    let (interval, initial_delay) = (span("interval"), span("initialDelay").unwrap_or_default());
    let conditions = conditions(tree, &name, unreadable, notes);
    let mut number = |key: &str, least: i64| whole(tree.get(key), &format!("{field}.{key}"), least, notes);
    let count = number("count", 0).and_then(|count| u32::try_from(count).ok());
    let failure_limit = number("failureLimit", -1).unwrap_or(0);
    let mut limit =
        |key: &str, default: u32| number(key, 0).map_or(default, |limit| u32::try_from(limit).unwrap_or(u32::MAX));
    let metric = Metric {
        template: template.to_owned(),
        name,
        interval,
        initial_delay,
        count,
        failure_limit: u32::try_from(failure_limit).ok(),
        inconclusive_limit: limit("inconclusiveLimit", 0),
        consecutive_error_limit: limit("consecutiveErrorLimit", 4),
        consecutive_success_limit: limit("consecutiveSuccessLimit", 0),
        is_dry_run: false,
        conditions,
        measured: Vec::new(),
    };
    if count.is_some_and(|count| count > 1) && interval.is_none() {
        let message = format!("the metric `{}` is measured more than once and has no `interval`", metric.name);
        notes.refuse(Code::MissingKey, tree.span, message);
    }
    metric
}

/// A whole number, also in quotes.
fn whole(tree: Option<&Tree>, field: &str, least: i64, notes: &mut Notes) -> Option<i64> {
    let tree = tree.filter(|tree| !tree.is_null())?;
    let number = tree.scalar_text().and_then(|text| text.parse::<i64>().ok());
    let number = number.filter(|number| *number >= least && *number <= i64::from(i32::MAX));
    if number.is_none() {
        let message = format!("`{field}` must be a whole number, at least {least}");
        notes.refuse_with_hint(Code::BadQuantity, tree.span, message, "arguments of templates are not put in");
    }
    number
}

fn analysis_of_step(step: &mut CanaryStep) -> Option<&mut Analysis> {
    if let CanaryStep::Analysis(analysis) = step { Some(analysis) } else { None }
}

/// All analyses of a strategy.
fn analyses_of(strategy: &mut RolloutStrategy) -> Vec<&mut Analysis> {
    match strategy {
        RolloutStrategy::Canary(canary) => {
            let background = canary.background.as_mut().map(|background| &mut background.analysis);
            canary.steps.iter_mut().filter_map(analysis_of_step).chain(background).collect()
        }
        RolloutStrategy::BlueGreen(blue_green) => {
            blue_green.before_promotion.iter_mut().chain(&mut blue_green.after_promotion).collect()
        }
    }
}

fn has_image(template: &Template, image: &str) -> bool {
    let spec = template.tree.get("spec");
    ["containers", "initContainers"].iter().any(|list| {
        let containers = spec.and_then(|spec| spec.get(list)).map_or(&[][..], Tree::items);
        containers.iter().any(|container| container.get("image").and_then(Tree::as_text) == Some(image))
    })
}

impl PodMakers {
    /// The names of the templates of analyses, for hints.
    pub(in crate::scenario) fn analysis_templates(&self) -> Vec<String> {
        self.analyses.list.iter().map(|template| template.name.clone()).collect()
    }

    /// Puts into all analyses what they measure. Gives the positions of measurements that are about no metric.
    pub(in crate::scenario) fn measure(&mut self, measurements: &[Measurement], findings: &mut Findings) -> Vec<usize> {
        let mut is_used = vec![false; measurements.len()];
        for maker in &mut self.list {
            let Maker { kind, templates, namespace, name, .. } = maker;
            let ControllerKind::Rollout(spec) = kind else { continue };
            let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
            for metric in analyses_of(&mut spec.strategy).into_iter().flat_map(|analysis| &mut analysis.metrics) {
                let mut is_known = false;
                let mut measured = |template: &Template| {
                    let is_about = |wanted: &Measurement| {
                        wanted.template == metric.template
                            && fits(&wanted.metric, &metric.name)
                            && fits(&wanted.namespace, namespace)
                            && fits(&wanted.rollout, name)
                            && wanted.image.as_ref().is_none_or(|image| has_image(template, image))
                    };
                    let about: Vec<usize> = (0..measurements.len()).filter(|&at| is_about(&measurements[at])).collect();
                    about.iter().for_each(|&at| is_used[at] = true);
                    is_known |= !about.is_empty();
                    let last = about.last().map(|&at| measurements[at].measured.clone());
                    last.unwrap_or(Measured::Series(vec![Outcome::Successful]))
                };
                let all = templates.iter().map(&mut measured).collect();
                metric.measured = all;
                self.analyses.check_judged(metric, findings);
                if !is_known && let Some(found) = self.analyses.list.iter().find(|one| one.name == metric.template) {
                    let message = || {
                        let (template, metric) = (&metric.template, &metric.name);
                        format!(
                            "what the metric `{metric}` of `{template}` measures is not known offline and not in \
                             `workload.analyses`: it counts as successful"
                        )
                    };
                    let subject = format!("{}/{}", metric.template, metric.name);
                    findings.warn("AnalysisTemplate", &subject, &found.file, found.span, message);
                }
            }
        }
        (0..is_used.len()).filter(|&at| !is_used[at]).collect()
    }
}
