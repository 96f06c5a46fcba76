//! From spans to requests: both ends of a call are one, and so is a span that only wraps another of its name.

use std::collections::BTreeMap;

use super::spans::{Side, Span, Spans, children};

/// A request that a service served for another, or for a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) operation: u32,
    /// Position of the request that made it; none: a client did, or nobody knows.
    pub(super) parent: Option<u32>,
    pub(super) is_entry: bool,
    /// From when to when it took its caller, ns.
    pub(super) call: (u64, u64),
    /// From when to when it took its server; none: that was not recorded.
    pub(super) served: Option<(u64, u64)>,
    /// How long a message took, one way, where both ends were recorded.
    pub(super) network_ns: Option<u64>,
    /// Whether the caller is known not to wait.
    pub(super) is_detached: bool,
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A request as its server saw it.
    Request,
    /// The same request as the span below it, seen by the caller.
    Caller,
    /// Part of the span above it.
    Part,
    /// A request as its caller saw it, for this operation, of which the server recorded nothing.
    Unserved(u32),
}

/// The requests, in the order of the spans that stand for them.
pub(super) fn requests(spans: &Spans) -> Vec<Request> {
    let roles = roles(spans);
    let mut numbers = Vec::with_capacity(roles.len());
    let mut count = 0;
    for role in &roles {
        numbers.push(count);
        count += u32::from(matches!(role, Role::Request | Role::Unserved(_)));
    }
    let of_spans = spans.list.iter().zip(&roles);
    let of_spans = of_spans.filter(|(_, role)| matches!(role, Role::Request | Role::Unserved(_)));
    of_spans.map(|(span, role)| request(spans, &roles, &numbers, span, *role)).collect()
}

fn request(spans: &Spans, roles: &[Role], numbers: &[u32], span: &Span, role: Role) -> Request {
    let own = (span.start_ns, span.end_ns);
    let mut request = Request {
        operation: span.operation,
        parent: None,
        is_entry: false,
        call: own,
        served: Some(own),
        network_ns: None,
        is_detached: span.side == Side::Consumer,
    };
    if let Role::Unserved(operation) = role {
        (request.operation, request.served) = (operation, None);
    }
    let (mut at, mut parent) = (span, span.parent);
    if let Some(caller) = parent.filter(|&parent| roles[parent as usize] == Role::Caller) {
        at = &spans.list[caller as usize];
        request.call = (at.start_ns, at.end_ns);
        // Half of what the caller waits longer, rather than each way by itself: clocks of two machines differ.
        request.network_ns = Some((at.end_ns - at.start_ns).saturating_sub(own.1 - own.0) / 2);
        parent = at.parent;
    }
    while let Some(above) = parent.filter(|&parent| roles[parent as usize] != Role::Request) {
        at = &spans.list[above as usize];
        parent = at.parent;
    }
    request.parent = parent.map(|parent| numbers[parent as usize]);
    request.is_entry = parent.is_none() && at.is_root;
    request
}

fn roles(spans: &Spans) -> Vec<Role> {
    let children = children(&spans.list);
    let mut roles = vec![Role::Request; spans.list.len()];
    // By operation of a caller: what it calls, and how often.
    let mut targets: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
    for (position, span) in spans.list.iter().enumerate() {
        if let [child] = children[position][..]
            && is_caller(spans, span, &spans.list[child as usize])
        {
            roles[position] = Role::Caller;
            *targets.entry(span.operation).or_default().entry(spans.list[child as usize].operation).or_default() += 1;
        } else if is_part(spans, span) {
            roles[position] = Role::Part;
        }
    }
    for (position, span) in spans.list.iter().enumerate() {
        let is_leaf = roles[position] == Role::Request && children[position].is_empty();
        let is_unanswered = is_leaf && matches!(span.side, Side::Client | Side::Unknown);
        let known = targets.get(&span.operation).filter(|_| is_unanswered);
        // The most frequent, of several the first.
        let known = known.and_then(|known| known.iter().rev().max_by_key(|(_, count)| **count));
        if let Some((&target, _)) = known {
            roles[position] = Role::Unserved(target);
        }
    }
    roles
}

/// Whether a span and the only one below it are the two ends of a call. Where the format does not say, they are if the upper
/// one was recorded by the service that does the work above it, the lower one by another, and the names agree.
fn is_caller(spans: &Spans, span: &Span, child: &Span) -> bool {
    let is_callee =
        matches!(child.side, Side::Server | Side::Consumer | Side::Unknown) && child.operation != span.operation;
    match span.side {
        Side::Client => is_callee,
        Side::Unknown => {
            let names = |span: &Span| &spans.operations[span.operation as usize];
            let ((service, operation), (service_below, operation_below)) = (names(span), names(child));
            let is_within = span.parent.is_some_and(|parent| names(&spans.list[parent as usize]).0 == *service);
            let agree = operation.ends_with(operation_below.as_str()) || operation_below.ends_with(operation.as_str());
            is_callee && is_within && service != service_below && agree
        }
        Side::Server | Side::Consumer | Side::Internal => false,
    }
}

/// Whether a span has the service and the operation of the one above it.
fn is_part(spans: &Spans, span: &Span) -> bool {
    let above = span.parent.map(|parent| &spans.list[parent as usize]);
    spans.has_names
        && matches!(span.side, Side::Unknown | Side::Internal)
        && above.is_some_and(|above| above.operation == span.operation)
}
