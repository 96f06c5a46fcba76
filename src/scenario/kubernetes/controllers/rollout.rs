//! The parts of the `spec` of a Rollout beside the pod template, completed and checked as Argo Rollouts v1.9.1 does
//! (`utils/defaults`, `pkg/apis/rollouts/validation`).

use super::super::read::Notes;
use super::analysis::AnalysisTemplates;
use super::kinds::{
    PROGRESS_DEADLINE_SECONDS, REPLICAS_MAX, check_deadline, count, min_ready, note_unused, note_unused_of, replicas,
    surge_and_unavailable,
};
use super::life::seconds;
use crate::document::{Code, Node as Tree};
use crate::model::objects::CountOrPercent;
use crate::model::rollouts::{
    AbortScaleDown, Analysis, BackgroundAnalysis, BlueGreenStrategy, CanaryScale, CanaryStep, CanaryStrategy,
    RolloutSpec, RolloutStrategy, TrafficRouting,
};
use crate::units::SimDuration;

/// The weight of all traffic where nothing is said.
const FULL_WEIGHT: i32 = 100;
/// How long old ReplicaSets stay where nothing is said.
const SCALE_DOWN_DELAY_SECONDS: i32 = 30;
/// Steps that change neither pods nor weights here.
const OTHER_STEPS: [&str; 4] = ["setHeaderRoute", "setMirrorRoute", "experiment", "plugin"];

/// What a Rollout is read with.
pub(super) struct Reader<'r> {
    pub(super) namespace: &'r str,
    pub(super) templates: &'r AnalysisTemplates,
    pub(super) notes: &'r mut Notes,
}

/// A value that is there.
fn given<'t>(tree: &'t Tree, key: &str) -> Option<&'t Tree> {
    tree.get(key).filter(|tree| !tree.is_null())
}

impl Reader<'_> {
    pub(super) fn rollout(&mut self, spec: &Tree) -> RolloutSpec {
        const KNOWN: &[&str] = &[
            "replicas",
            "selector",
            "template",
            "strategy",
            "minReadySeconds",
            "revisionHistoryLimit",
            "paused",
            "progressDeadlineSeconds",
            "progressDeadlineAbort",
            "rollbackWindow",
        ];
        note_unused(spec, KNOWN, self.notes);
        let min_ready = min_ready(spec, self.notes);
        let deadline = count(spec, "progressDeadlineSeconds", i32::MAX, self.notes);
        let progress_deadline = seconds(deadline.unwrap_or(PROGRESS_DEADLINE_SECONDS));
        check_deadline(spec, progress_deadline, min_ready, self.notes);
        let window = self.notes.mapping(spec.get("rollbackWindow"), "spec.rollbackWindow");
        let revisions = window.and_then(|window| window.get("revisions"));
        RolloutSpec {
            replicas: replicas(spec, self.notes),
            min_ready,
            progress_deadline,
            aborts_at_deadline: self.notes.truth(spec.get("progressDeadlineAbort"), "spec.progressDeadlineAbort"),
            revision_history_limit: count(spec, "revisionHistoryLimit", i32::MAX, self.notes).unwrap_or(10),
            rollback_window: self.notes.number_within(revisions, "spec.rollbackWindow.revisions", 0..=i32::MAX),
            is_paused: self.notes.truth(spec.get("paused"), "spec.paused"),
            strategy: self.strategy(spec),
        }
    }

    fn strategy(&mut self, spec: &Tree) -> RolloutStrategy {
        let strategy = self.notes.mapping(spec.get("strategy"), "spec.strategy");
        let of = |key| strategy.and_then(|strategy| given(strategy, key));
        let empty = super::super::edit::mapping(spec.span, []);
        match (of("canary"), of("blueGreen")) {
            (Some(canary), None) => RolloutStrategy::Canary(self.canary(canary)),
            (None, Some(blue_green)) => RolloutStrategy::BlueGreen(self.blue_green(blue_green)),
            (canary, _) => {
                let place = strategy.unwrap_or(spec).span;
                let (code, message) = match canary {
                    Some(_) => (Code::Contradiction, "a Rollout has either `canary` or `blueGreen`, not both"),
                    None => {
                        (Code::MissingKey, "this Rollout has no `spec.strategy.canary` or `spec.strategy.blueGreen`")
                    }
                };
                self.notes.refuse_with_hint(code, place, message, "write `canary: {}` for a release without steps");
                RolloutStrategy::Canary(self.canary(&empty))
            }
        }
    }

    fn canary(&mut self, canary: &Tree) -> CanaryStrategy {
        const KNOWN: &[&str] = &[
            "steps",
            "maxSurge",
            "maxUnavailable",
            "replicaProgressThreshold",
            "trafficRouting",
            "analysis",
            "dynamicStableScale",
            "minPodsPerReplicaSet",
            "scaleDownDelaySeconds",
            "scaleDownDelayRevisionLimit",
            "abortScaleDownDelaySeconds",
            "canaryService",
            "stableService",
        ];
        let field = "spec.strategy.canary";
        note_unused_of(canary, KNOWN, field, self.notes);
        let default = CountOrPercent::Percent(25);
        let (max_surge, max_unavailable) = surge_and_unavailable(Some(canary), field, canary, default, self.notes);
        let routing = self.routing(canary);
        let max_weight = routing.map_or(FULL_WEIGHT, |routing| routing.max_weight);
        let steps = self.notes.list(canary.get("steps"), &format!("{field}.steps"));
        let steps = steps.iter().map(|step| self.step(step, routing.is_some(), max_weight)).collect();
        let background = given(canary, "analysis").and_then(|tree| {
            let analysis = self.analysis(tree, &format!("{field}.analysis"))?;
            let of = format!("{field}.analysis.startingStep");
            let starting_step = self.notes.number_within(tree.get("startingStep"), &of, 0..=i32::MAX).unwrap_or(0);
            Some(BackgroundAnalysis { analysis, starting_step: starting_step.unsigned_abs() as usize })
        });
        let progress_threshold = self.threshold(canary);
        CanaryStrategy { steps, max_surge, max_unavailable, progress_threshold, routing, background }
    }

    fn threshold(&mut self, canary: &Tree) -> Option<CountOrPercent> {
        let field = "spec.strategy.canary.replicaProgressThreshold";
        let tree = self.notes.mapping(canary.get("replicaProgressThreshold"), field)?;
        let types = [("Percentage", true), ("Pods", false)];
        let is_share = self.notes.choice(tree.get("type"), &format!("{field}.type"), &types)?;
        let value = self.notes.number_within(tree.get("value"), &format!("{field}.value"), 0..=REPLICAS_MAX)?;
        Some(if is_share { CountOrPercent::Percent(value) } else { CountOrPercent::Count(value) })
    }

    fn number(&mut self, tree: &Tree, key: &str, field: &str) -> Option<i32> {
        self.notes.number_within(tree.get(key), &format!("{field}.{key}"), 0..=i32::MAX)
    }

    /// What there is with a router, and must not be without.
    fn routing(&mut self, canary: &Tree) -> Option<TrafficRouting> {
        let field = "spec.strategy.canary";
        let routing = self.notes.mapping(canary.get("trafficRouting"), &format!("{field}.trafficRouting"));
        let delay = self.number(canary, "scaleDownDelaySeconds", field);
        let scales_stable = self.notes.truth(canary.get("dynamicStableScale"), &format!("{field}.dynamicStableScale"));
        let place = |key: &str| canary.get(key).unwrap_or(canary).span;
        if routing.is_none() && (delay.is_some() || scales_stable) {
            let key = if scales_stable { "dynamicStableScale" } else { "scaleDownDelaySeconds" };
            let message = format!("`{field}.{key}` needs a `trafficRouting`");
            self.notes.refuse(Code::Contradiction, place(key), message);
        } else if delay.is_some() && scales_stable {
            let message = "`dynamicStableScale` and `scaleDownDelaySeconds` cannot both be given";
            self.notes.refuse(Code::Contradiction, place("dynamicStableScale"), message);
        }
        let abort_scale_down = self.abort_scale_down(canary, field);
        let of = format!("{field}.trafficRouting.maxTrafficWeight");
        let max_weight = self.notes.number_within(routing?.get("maxTrafficWeight"), &of, 1..=REPLICAS_MAX);
        Some(TrafficRouting {
            max_weight: max_weight.unwrap_or(FULL_WEIGHT),
            scales_stable,
            min_pods: self.number(canary, "minPodsPerReplicaSet", field),
            scale_down_delay: seconds(delay.unwrap_or(SCALE_DOWN_DELAY_SECONDS)),
            scale_down_revision_limit: self.number(canary, "scaleDownDelayRevisionLimit", field),
            abort_scale_down,
        })
    }

    fn abort_scale_down(&mut self, strategy: &Tree, field: &str) -> AbortScaleDown {
        match self.number(strategy, "abortScaleDownDelaySeconds", field) {
            None => AbortScaleDown::Default,
            Some(0) => AbortScaleDown::Never,
            Some(delay) => AbortScaleDown::After(seconds(delay)),
        }
    }

    fn step(&mut self, step: &Tree, has_routing: bool, max_weight: i32) -> CanaryStep {
        let field = "spec.strategy.canary.steps[]";
        let entries: Vec<&str> = step.entries().iter().map(|entry| &*entry.key).collect();
        let [key] = entries[..] else {
            let message = format!("`{field}` must say one thing, such as `setWeight: 20` or `pause: {{duration: 5m}}`");
            self.notes.refuse(Code::Contradiction, step.span, message);
            return CanaryStep::Nothing;
        };
        let value = step.get(key).unwrap_or(step);
        let field = format!("{field}.{key}");
        match key {
            "setWeight" => {
                let weight = self.notes.number_within(Some(value), &field, 0..=max_weight);
                CanaryStep::SetWeight(weight.unwrap_or(0))
            }
            "pause" => {
                let pause = if value.is_null() { None } else { self.notes.mapping(Some(value), &field) };
                let duration = pause.and_then(|pause| given(pause, "duration"));
                CanaryStep::Pause(duration.and_then(|duration| self.duration(duration, &format!("{field}.duration"))))
            }
            "setCanaryScale" => {
                if !has_routing {
                    let message = "`setCanaryScale` needs a `trafficRouting`";
                    let hint = "without one the numbers of pods are the weights: use `setWeight`";
                    self.notes.refuse_with_hint(Code::Contradiction, step.span, message, hint);
                }
                CanaryStep::SetCanaryScale(self.canary_scale(value, &field))
            }
            "analysis" => self.analysis(value, &field).map_or(CanaryStep::Nothing, CanaryStep::Analysis),
            _ if OTHER_STEPS.contains(&key) => {
                self.notes.unused(field, value);
                CanaryStep::Nothing
            }
            _ => {
                let known = ["setWeight", "pause", "setCanaryScale", "analysis"];
                let hint = crate::scenario::schema::suggestion(key, &known, "steps are");
                let message = format!("`{key}` is no step of a canary");
                self.notes.refuse_with_hint(Code::NotAllowed, step.span, message, &hint);
                CanaryStep::Nothing
            }
        }
    }

    fn canary_scale(&mut self, tree: &Tree, field: &str) -> CanaryScale {
        let matches = self.notes.truth(tree.get("matchTrafficWeight"), &format!("{field}.matchTrafficWeight"));
        let of = |key: &str| (tree.get(key), format!("{field}.{key}"));
        let (replicas, name) = of("replicas");
        let replicas = self.notes.number_within(replicas, &name, 0..=REPLICAS_MAX);
        let (weight, name) = of("weight");
        let weight = self.notes.number_within(weight, &name, 0..=REPLICAS_MAX);
        match (matches, replicas, weight) {
            (false, Some(replicas), _) => CanaryScale::Replicas(replicas),
            (false, None, Some(weight)) => CanaryScale::Weight(weight),
            _ => CanaryScale::TrafficWeight,
        }
    }

    /// A span: seconds as a number or in quotes, or with units.
    pub(super) fn duration(&mut self, tree: &Tree, field: &str) -> Option<SimDuration> {
        let text = tree.scalar_text().unwrap_or_default();
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = if is_plain { SimDuration::parse(&format!("{text}s")) } else { SimDuration::parse(&text) };
        if parsed.is_err() {
            let message = format!("`{field}` must be a span such as 30s or 5m, or a number of seconds");
            self.notes.refuse(Code::BadQuantity, tree.span, message);
        }
        parsed.ok()
    }

    fn analysis(&mut self, tree: &Tree, field: &str) -> Option<Analysis> {
        let metrics = self.templates.metrics(self.namespace, tree, field, self.notes);
        if metrics.is_empty() {
            return None;
        }
        Some(Analysis { metrics })
    }

    fn blue_green(&mut self, blue_green: &Tree) -> BlueGreenStrategy {
        const KNOWN: &[&str] = &[
            "activeService",
            "previewService",
            "autoPromotionEnabled",
            "autoPromotionSeconds",
            "scaleDownDelaySeconds",
            "scaleDownDelayRevisionLimit",
            "previewReplicaCount",
            "abortScaleDownDelaySeconds",
            "prePromotionAnalysis",
            "postPromotionAnalysis",
        ];
        let field = "spec.strategy.blueGreen";
        note_unused_of(blue_green, KNOWN, field, self.notes);
        let mut name = |key: &str| self.notes.text(blue_green.get(key), &format!("{field}.{key}")).unwrap_or_default();
        let (active, preview) = (name("activeService"), name("previewService"));
        if active == preview {
            let message = match active {
                "" => format!("`{field}` has no `activeService`"),
                _ => format!("`activeService` and `previewService` of `{field}` are both `{active}`"),
            };
            self.notes.refuse(Code::Contradiction, blue_green.span, message);
        }
        let promotes = given(blue_green, "autoPromotionEnabled");
        let promotes = promotes.is_none() || self.notes.truth(promotes, &format!("{field}.autoPromotionEnabled"));
        let mut analysis =
            |key: &str| given(blue_green, key).and_then(|analysis| self.analysis(analysis, &format!("{field}.{key}")));
        BlueGreenStrategy {
            has_preview: !preview.is_empty(),
            promotes,
            before_promotion: analysis("prePromotionAnalysis"),
            after_promotion: analysis("postPromotionAnalysis"),
            promotes_after: seconds(self.number(blue_green, "autoPromotionSeconds", field).unwrap_or(0)),
            scale_down_delay: self.number(blue_green, "scaleDownDelaySeconds", field).map(seconds),
            scale_down_revision_limit: self.number(blue_green, "scaleDownDelayRevisionLimit", field),
            preview_replicas: self.number(blue_green, "previewReplicaCount", field),
            abort_scale_down: self.abort_scale_down(blue_green, field),
        }
    }
}
