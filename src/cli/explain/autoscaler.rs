//! What an autoscaler saw and decided, as `kubectl describe` shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::watcher::Wanted;
use crate::cli::{Failure, print};
use crate::engine::watch;
use crate::ids::AutoscalerId;
use crate::model::Model;
use crate::model::autoscaling::HorizontalAutoscaler;
use crate::observe::{Autoscaled, Observer};
use crate::policy::autoscaler::{Decision, ReplicaCounts};
use crate::scenario::suggestion;
use crate::units::SimTime;
use crate::world::View;

/// The text shows so many events at most, the last.
const EVENTS_SHOWN: usize = 20;

/// Something that happened to it; events that are alike and follow each other are one.
#[derive(Debug)]
struct Event {
    first: SimTime,
    last: SimTime,
    count: u64,
    kind: &'static str,
    reason: String,
    message: String,
}

/// Watches one autoscaler up to an instant.
#[derive(Debug)]
struct Watcher {
    autoscaler: AutoscalerId,
    until: SimTime,
    syncs: u64,
    latest: Option<(SimTime, ReplicaCounts, Decision)>,
    /// Since when each condition has had its status, by kind.
    since: BTreeMap<&'static str, (bool, SimTime)>,
    events: Vec<Event>,
}

impl Watcher {
    fn add(&mut self, now: SimTime, kind: &'static str, reason: &str, message: String) {
        if let Some(event) = self.events.last_mut()
            && event.reason == reason
            && event.message == message
        {
            event.last = now;
            event.count += 1;
            return;
        }
        self.events.push(Event { first: now, last: now, count: 1, kind, reason: reason.to_owned(), message });
    }
}

impl Observer for Watcher {
    fn wants_autoscaler_text(&self, view: &View<'_>, autoscaler: AutoscalerId) -> bool {
        autoscaler == self.autoscaler && view.world.time <= self.until
    }

    fn autoscaled(&mut self, view: &View<'_>, sync: &Autoscaled<'_>) {
        let now = view.world.time;
        if sync.autoscaler != self.autoscaler || now > self.until {
            return;
        }
        let decision = sync.decision;
        self.syncs += 1;
        for condition in &decision.conditions {
            let entry = self.since.entry(condition.kind).or_insert((condition.is_true, now));
            if entry.0 != condition.is_true {
                *entry = (condition.is_true, now);
            }
        }
        for (reason, message) in &decision.warnings {
            self.add(now, "Warning", reason, message.clone());
        }
        if let Some(replicas) = decision.replicas.filter(|replicas| *replicas != sync.replicas.wanted) {
            self.add(now, "Normal", "SuccessfulRescale", format!("New size: {replicas}; reason: {}", decision.reason));
        }
        self.latest = Some((now, sync.replicas, decision.clone()));
    }
}

/// Runs the model, and says how the autoscaler stood.
pub(super) fn run(model: &Model, name: &str, wanted: &Wanted, as_json: bool) -> Result<(), Failure> {
    let autoscaler = find(model, name)?;
    let until = match wanted {
        Wanted::UpTo(time) => *time,
        Wanted::Last | Wanted::Attempt(_) => SimTime::NEVER,
    };
    let watcher = Watcher { autoscaler, until, syncs: 0, latest: None, since: BTreeMap::new(), events: Vec::new() };
    let finished = watch(model, watcher).map_err(|error| Failure::Input(format!("error: {error}")))?;
    let watcher = finished.observer;
    let own = &model.autoscaling.horizontal[autoscaler.index()];
    print(&if as_json { describe_json(model, own, &watcher) } else { describe(model, own, &watcher) })
}

fn find(model: &Model, name: &str) -> Result<AutoscalerId, Failure> {
    let list = &model.autoscaling.horizontal;
    let is_it = |one: &HorizontalAutoscaler| one.name == name || format!("{}/{}", one.namespace, one.name) == name;
    let mut found = list.iter().enumerate().filter(|(_, one)| is_it(one)).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Ok(AutoscalerId::from_index(at)),
        (Some(_), Some(_)) => Err(Failure::Input(format!(
            "error: several namespaces have an autoscaler `{name}`\nhint: write namespace/name"
        ))),
        (None, _) => {
            let names: Vec<&str> = list.iter().map(|one| one.name.as_str()).collect();
            let hint = match names.is_empty() {
                true => "the scenario has none: see `autoscaling.autoscalers`".to_owned(),
                false => suggestion(name, &names, "its autoscalers are"),
            };
            Err(Failure::Input(format!("error: the scenario has no autoscaler `{name}`\nhint: {hint}")))
        }
    }
}

fn target(model: &Model, own: &HorizontalAutoscaler) -> String {
    let target = &model.controllers.list[own.target.index()];
    format!("{}/{}", target.kind.name(), target.name)
}

fn describe(model: &Model, own: &HorizontalAutoscaler, watcher: &Watcher) -> String {
    let mut text = format!(
        "Name:          {}\nNamespace:     {}\nReference:     {}\nPolicy:        {}\nMin replicas:  {}\nMax replicas:  {}\n",
        own.name,
        own.namespace,
        target(model, own),
        own.policy.name,
        own.min_replicas,
        own.max_replicas
    );
    let Some((time, replicas, decision)) = &watcher.latest else {
        text.push_str("It has not looked at its target by then.\n");
        return text;
    };
    let desired = decision.replicas.unwrap_or(replicas.wanted);
    let _ = writeln!(text, "Looked at:     {time} s, for the {}. time", watcher.syncs);
    if let Some(metric) = &decision.metric {
        let _ = writeln!(text, "Metric:        {}: {:.1} / {:.1}", metric.name, metric.current, metric.target);
    }
    let _ = writeln!(
        text,
        "Replicas:      {} wanted, {} current, {} ready; {desired} desired",
        replicas.wanted, replicas.current, replicas.ready
    );
    if !decision.reason.is_empty() {
        let _ = writeln!(text, "Reason:        {}", decision.reason);
    }
    text.push_str(&conditions(watcher, decision));
    text.push_str(&events(watcher));
    text
}

fn conditions(watcher: &Watcher, decision: &Decision) -> String {
    if decision.conditions.is_empty() {
        return String::new();
    }
    let mut text = "Conditions:\n".to_owned();
    let width = |of: &dyn Fn(usize) -> usize| (0..decision.conditions.len()).map(of).max().unwrap_or(0);
    let kinds = width(&|at| decision.conditions[at].kind.len());
    let reasons = width(&|at| decision.conditions[at].reason.len());
    for condition in &decision.conditions {
        let status = if condition.is_true { "True" } else { "False" };
        let since = watcher.since.get(condition.kind).map_or(SimTime::ZERO, |(_, since)| *since);
        let _ = writeln!(
            text,
            "  {:kinds$}  {status:5}  since {since} s  {:reasons$}  {}",
            condition.kind, condition.reason, condition.message
        );
    }
    text
}

fn events(watcher: &Watcher) -> String {
    if watcher.events.is_empty() {
        return "Events:        none\n".to_owned();
    }
    let mut text = "Events:\n".to_owned();
    let left_out = watcher.events.len().saturating_sub(EVENTS_SHOWN);
    if left_out > 0 {
        let _ = writeln!(text, "  ... {left_out} before");
    }
    for event in &watcher.events[left_out..] {
        let times = match event.count {
            1 => format!("at {} s", event.first),
            count => format!("at {} s (x{count} from {} s)", event.last, event.first),
        };
        let _ = writeln!(text, "  {:7}  {}  {times}: {}", event.kind, event.reason, event.message);
    }
    text
}

fn describe_json(model: &Model, own: &HorizontalAutoscaler, watcher: &Watcher) -> String {
    let events = watcher.events.iter().map(|event| {
        json!({
            "type": event.kind,
            "reason": event.reason,
            "message": event.message,
            "count": event.count,
            "firstSeconds": event.first.as_seconds(),
            "lastSeconds": event.last.as_seconds(),
        })
    });
    let status = watcher.latest.as_ref().map_or(Value::Null, |(time, replicas, decision)| {
        let conditions = decision.conditions.iter().map(|condition| {
            json!({
                "type": condition.kind,
                "status": if condition.is_true { "True" } else { "False" },
                "reason": condition.reason,
                "message": condition.message,
            })
        });
        let metric = decision.metric.as_ref();
        json!({
            "timeSeconds": time.as_seconds(),
            "replicas": { "wanted": replicas.wanted, "current": replicas.current, "ready": replicas.ready },
            "desiredReplicas": decision.replicas,
            "reason": decision.reason,
            "metric": metric.map(|one| json!({ "name": one.name, "current": one.current, "target": one.target })),
            "conditions": conditions.collect::<Vec<_>>(),
        })
    });
    let value = json!({
        "autoscaler": own.name,
        "namespace": own.namespace,
        "target": target(model, own),
        "policy": own.policy.name,
        "minReplicas": own.min_replicas,
        "maxReplicas": own.max_replicas,
        "syncs": watcher.syncs,
        "status": status,
        "events": events.collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}
