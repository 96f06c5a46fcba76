//! Recorded requests as traces, in OTLP/JSON.
//!
//! OTLP/JSON is the JSON encoding of OpenTelemetry's protocol (specification 1.9, "OTLP/HTTP: JSON Protobuf Encoding"): one
//! `ExportTraceServiceRequest`. It is chosen because it belongs to no viewer: Jaeger's page opens such a file (from 1.55 on),
//! and every OTLP receiver (the collector, Tempo, Jaeger) takes it as the body of `POST /v1/traces`.
//!
//! A trace has a span of its source over the whole request, and for each attempt a span of the caller (kind client, from
//! sending to answer or giving up) and, where a server took it, one of the server (kind server, from reaching it to its
//! answer, with an event when a worker began). So network, queue and work show, and work for callers that gave up. Services
//! are resources. Simulated time counts from 1970-01-01T00:00:00Z. What had not ended at the end of the run ends there, and
//! says so by the attribute `wavetank.unfinished`. Equal runs give equal bytes.

use serde::Serialize;

use crate::model::Model;
use crate::rng::split_mix;
use crate::traffic::{Outcome, Span};
use crate::units::SimTime;

/// `SpanKind` of OTLP.
const KIND_INTERNAL: u8 = 1;
const KIND_SERVER: u8 = 2;
const KIND_CLIENT: u8 = 3;
/// `StatusCode` of OTLP.
const STATUS_UNSET: u8 = 0;
const STATUS_ERROR: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportTraceServiceRequest<'m> {
    resource_spans: Vec<ResourceSpans<'m>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'m> {
    resource: Resource<'m>,
    scope_spans: [ScopeSpans<'m>; 1],
}

#[derive(Serialize)]
struct Resource<'m> {
    attributes: Vec<Attribute<'m>>,
}

#[derive(Serialize)]
struct ScopeSpans<'m> {
    scope: Scope,
    spans: Vec<OtlpSpan<'m>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OtlpSpan<'m> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent_span_id: String,
    name: &'m str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'m>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    time_unix_nano: String,
    name: &'static str,
}

#[derive(Serialize)]
struct Status {
    code: u8,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'static str,
}

#[derive(Serialize)]
struct Attribute<'m> {
    key: &'static str,
    value: Value<'m>,
}

/// `AnyValue`; 64-bit integers are texts in OTLP/JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value<'m> {
    #[serde(rename = "stringValue")]
    Text(&'m str),
    #[serde(rename = "intValue")]
    Int(String),
    #[serde(rename = "boolValue")]
    Bool(bool),
}

/// Which part of an attempt a span is; the low bits of its id, which is never 0.
#[derive(Clone, Copy)]
enum Side {
    Source = 1,
    Caller = 2,
    Server = 3,
}

/// The spans of a run that ended at `end`, as the text of a file; empty where none were to be recorded.
pub(super) fn to_json(model: &Model, spans: &[Span], end: SimTime) -> Vec<u8> {
    if model.traffic.sample_one_in == 0 {
        return Vec::new();
    }
    let writer =
        Writer { model, spans, end, seed: split_mix(model.seed.base ^ u64::from(model.seed.replication) << 32) };
    let mut text = serde_json::to_vec(&writer.request()).expect("spans are plain data");
    text.push(b'\n');
    text
}

struct Writer<'m> {
    model: &'m Model,
    spans: &'m [Span],
    end: SimTime,
    seed: u64,
}

impl<'m> Writer<'m> {
    /// All spans by whom they belong to: sources, then services, in the model's order.
    fn request(&self) -> ExportTraceServiceRequest<'m> {
        let traffic = &self.model.traffic;
        let sources = traffic.sources.len();
        let mut lists: Vec<Vec<OtlpSpan<'m>>> = Vec::new();
        lists.resize_with(sources + traffic.services.len(), Vec::new);
        for (position, whole) in self.sources() {
            lists[position].push(whole);
        }
        for span in self.spans {
            let caller = match self.parent(span) {
                Some(parent) => sources + parent.operation.service.index(),
                None => usize::from(span.source),
            };
            lists[caller].push(self.caller_span(span));
            if span.server != 0 {
                lists[sources + span.operation.service.index()].push(self.server_span(span));
            }
        }
        let names = traffic.sources.iter().map(|source| &source.name);
        let names = names.chain(traffic.services.iter().map(|service| &service.name));
        let with_spans = names.zip(lists).filter(|(_, spans)| !spans.is_empty());
        let scope = || Scope { name: "wavetank", version: env!("CARGO_PKG_VERSION") };
        let resources = with_spans.map(|(name, spans)| ResourceSpans {
            resource: Resource { attributes: vec![text("service.name", name)] },
            scope_spans: [ScopeSpans { scope: scope(), spans }],
        });
        ExportTraceServiceRequest { resource_spans: resources.collect() }
    }

    fn parent(&self, span: &Span) -> Option<&'m Span> {
        self.spans.get((span.parent as usize).wrapping_sub(1))
    }

    /// A span for each recorded request, from its first attempt to the end of its last, with the position of its source.
    fn sources(&self) -> Vec<(usize, OtlpSpan<'m>)> {
        let mut wholes: Vec<Whole<'m>> = Vec::new();
        for span in self.spans.iter().filter(|span| span.parent == 0) {
            // Traces are numbered from 1, in the order in which their first attempts were sent.
            let at = span.trace as usize - 1;
            if at == wholes.len() {
                wholes.push(Whole { first: span, answered: SimTime::ZERO, outcome: span.outcome, attempts: 0 });
            }
            let Some(whole) = wholes.get_mut(at) else { continue };
            whole.attempts += 1;
            if span.outcome != Outcome::Superseded && span.answered >= whole.answered {
                (whole.answered, whole.outcome) = (span.answered, span.outcome);
            }
        }
        wholes.into_iter().map(|whole| (usize::from(whole.first.source), self.source_span(&whole))).collect()
    }

    fn source_span(&self, whole: &Whole<'m>) -> OtlpSpan<'m> {
        let span = whole.first;
        let mut attributes = vec![number("wavetank.attempts", whole.attempts)];
        self.add_outcome(&mut attributes, whole.outcome, whole.answered);
        OtlpSpan {
            kind: KIND_INTERNAL,
            parent_span_id: String::new(),
            ..self.span(span, Side::Source, (span.sent, whole.answered), whole.outcome, attributes)
        }
    }

    fn caller_span(&self, span: &Span) -> OtlpSpan<'m> {
        let parent = match self.parent(span) {
            Some(parent) => span_id(parent.number, Side::Server),
            None => self.source_id(span.trace),
        };
        let service = &self.model.traffic.services[span.operation.service.index()];
        let mut attributes = vec![text("server.address", &service.name)];
        self.add_outcome(&mut attributes, span.outcome, span.answered);
        OtlpSpan {
            kind: KIND_CLIENT,
            parent_span_id: parent,
            ..self.span(span, Side::Caller, (span.sent, span.answered), span.outcome, attributes)
        }
    }

    fn server_span(&self, span: &Span) -> OtlpSpan<'m> {
        let mut attributes = vec![number("wavetank.server", span.server)];
        if span.finished == SimTime::NEVER {
            attributes.push(Attribute { key: "wavetank.unfinished", value: Value::Bool(true) });
        }
        OtlpSpan {
            kind: KIND_SERVER,
            parent_span_id: span_id(span.number, Side::Caller),
            events: vec![Event { time_unix_nano: span.began.0.to_string(), name: "worker took it" }],
            // Whether the caller liked the answer is the caller's.
            ..self.span(span, Side::Server, (span.reached, span.finished), Outcome::Well, attributes)
        }
    }

    /// What spans have in common; the kind and the parent are still to be said.
    fn span(
        &self,
        span: &Span,
        side: Side,
        (from, to): (SimTime, SimTime),
        outcome: Outcome,
        attributes: Vec<Attribute<'m>>,
    ) -> OtlpSpan<'m> {
        let operation = span.operation;
        let service = &self.model.traffic.services[operation.service.index()];
        let failed = !outcome.is_blameless() && to != SimTime::NEVER;
        let id = match side {
            Side::Source => self.source_id(span.trace),
            side => span_id(span.number, side),
        };
        OtlpSpan {
            // The number in the low half makes it unique, and not 0; viewers that shorten ids show the high half.
            trace_id: format!("{:016x}{:016x}", split_mix(self.seed ^ u64::from(span.trace)), span.trace),
            span_id: id,
            parent_span_id: String::new(),
            name: &service.operations[operation.operation as usize].name,
            kind: KIND_INTERNAL,
            start_time_unix_nano: from.0.to_string(),
            end_time_unix_nano: to.min(self.end).max(from).0.to_string(),
            attributes,
            events: Vec::new(),
            status: Status {
                code: if failed { STATUS_ERROR } else { STATUS_UNSET },
                message: if failed { outcome.as_str() } else { "" },
            },
        }
    }

    fn source_id(&self, trace: u32) -> String {
        span_id(trace, Side::Source)
    }

    fn add_outcome(&self, attributes: &mut Vec<Attribute<'m>>, outcome: Outcome, answered: SimTime) {
        attributes.push(match answered {
            SimTime::NEVER => Attribute { key: "wavetank.unfinished", value: Value::Bool(true) },
            _ => text("wavetank.outcome", outcome.as_str()),
        });
    }
}

/// A recorded request from end to end.
struct Whole<'m> {
    first: &'m Span,
    answered: SimTime,
    outcome: Outcome,
    attempts: u64,
}

fn span_id(number: u32, side: Side) -> String {
    format!("{:016x}", u64::from(number) << 2 | side as u64)
}

fn text<'m>(key: &'static str, text: &'m str) -> Attribute<'m> {
    Attribute { key, value: Value::Text(text) }
}

fn number(key: &'static str, number: u64) -> Attribute<'static> {
    Attribute { key, value: Value::Int(number.to_string()) }
}
