//! `ports` and `expose` to ports of containers and a Service.

use super::super::edit;
use super::super::read::Notes;
use super::{Service, list, number};
use crate::document::{Code, Node as Tree, Span, Value};

/// Most ports of the services of a file, ranges counted port by port.
pub(super) const PORTS_MAX: usize = 100_000;

const NUMBERS: std::ops::RangeInclusive<i64> = 1..=65535;

/// A port of a service.
pub(super) struct Port {
    span: Span,
    target: i64,
    /// The port outside, if it is given.
    published: Option<i64>,
    /// As Kubernetes writes it.
    protocol: &'static str,
    /// Whether it is a port of the node itself.
    is_of_node: bool,
    address: Option<String>,
}

/// The ports of a service, each once, as far as there are some left.
pub(super) fn ports(service: &Service, left: &mut usize, notes: &mut Notes) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    let listed = notes.list(service.at(&["ports"]), "ports").iter().map(|item| (item, "ports[]"));
    let exposed = notes.list(service.at(&["expose"]), "expose").iter().map(|item| (item, "expose[]"));
    for (item, field) in listed.chain(exposed).collect::<Vec<_>>() {
        let new = match &item.value {
            Value::Map(_) if field == "ports[]" => long(item, notes).into_iter().collect(),
            _ => short(item, field, notes),
        };
        if new.len() > *left {
            let message = format!("the services up to here have more than {PORTS_MAX} ports");
            notes.refuse(Code::AbsurdSize, item.span, message);
            return ports;
        }
        *left -= new.len();
        ports.extend(new);
    }
    // What is exposed is often published too.
    let mut seen = std::collections::BTreeSet::new();
    ports.retain(|port| seen.insert((port.target, port.protocol, port.published, port.is_of_node)));
    ports
}

fn protocol(text: &str) -> Option<&'static str> {
    ["TCP", "UDP", "SCTP"].into_iter().find(|protocol| protocol.eq_ignore_ascii_case(text))
}

/// `[[address:]published:]target[/protocol]`, where numbers may be ranges.
fn short(item: &Tree, field: &str, notes: &mut Notes) -> Vec<Port> {
    let read = item.scalar_text().and_then(|text| parse_short(&text, item.span));
    read.unwrap_or_else(|| {
        let message = format!("`{field}` must be such as 80, \"8080:80\" or \"127.0.0.1:53:53/udp\"");
        notes.refuse_with_hint(Code::NotAllowed, item.span, message, "ports are from 1 to 65535");
        Vec::new()
    })
}

fn parse_short(text: &str, span: Span) -> Option<Vec<Port>> {
    let (numbers, protocol_text) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol(protocol_text)?;
    let (outside, target) = numbers.rsplit_once(':').map_or((None, numbers), |(left, right)| (Some(left), right));
    let (from, to) = range(target)?;
    // An address of version 6 has colons itself, and stands in brackets.
    let published = outside.map(|outside| outside.rsplit_once(':').map_or(outside, |(_, published)| published));
    let published = match published.filter(|published| !published.is_empty()) {
        Some(published) => Some(range(published)?),
        None => None,
    };
    let port = |target: i64| Port {
        span,
        target,
        // A longer range outside than inside leaves the choice to the machine.
        published: published.filter(|(first, last)| last - first == to - from).map(|(first, _)| first + target - from),
        protocol,
        is_of_node: false,
        address: None,
    };
    Some((from..=to).map(port).collect())
}

/// The first and last of `80` or `80-90`.
fn range(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<i64>().ok().filter(|number| NUMBERS.contains(number));
    let (from, to) = (number(from)?, number(to)?);
    (from <= to).then_some((from, to))
}

/// A port as a mapping.
fn long(item: &Tree, notes: &mut Notes) -> Option<Port> {
    if item.get("target").is_none_or(Tree::is_null) {
        notes.refuse(Code::MissingKey, item.span, "`ports[]` has no `target`");
    }
    let target = notes.whole(item.get("target"), "ports[].target", NUMBERS);
    let modes = [("host", true), ("ingress", false)];
    let is_of_node = notes.choice(item.get("mode"), "ports[].mode", &modes).unwrap_or(false);
    let text = notes.text(item.get("protocol"), "ports[].protocol").unwrap_or("tcp");
    let protocol = protocol(text);
    if protocol.is_none() {
        let message = format!("`ports[].protocol`: `{text}` is not allowed");
        notes.refuse_with_hint(Code::NotAllowed, item.span, message, "allowed are tcp, udp, sctp");
    }
    let address = notes.text(item.get("host_ip"), "ports[].host_ip").filter(|address| !address.is_empty());
    let published =
        item.get("published").filter(|published| published.scalar_text().is_none_or(|text| !text.is_empty()));
    let published = match published {
        // The machine chooses from a range.
        Some(tree) if tree.as_text().is_some_and(|text| text.contains('-')) => None,
        published => notes.whole(published, "ports[].published", 0..=*NUMBERS.end()).filter(|number| *number > 0),
    };
    let address = address.map(str::to_owned);
    Some(Port { span: item.span, target: target?, published, protocol: protocol?, is_of_node, address })
}

/// Puts ports into a container.
pub(super) fn add(ports: &[Port], container: &mut Tree) {
    for port in ports {
        let entries =
            [("containerPort", number(port.span, port.target)), ("protocol", edit::text(port.span, port.protocol))];
        let mut tree = edit::mapping(port.span, entries);
        if let (true, Some(published)) = (port.is_of_node, port.published) {
            edit::set(&mut tree, &["hostPort"], number(port.span, published));
            if let Some(address) = &port.address {
                edit::set(&mut tree, &["hostIP"], edit::text(port.span, address.as_str()));
            }
        }
        edit::push(container, &["ports"], tree);
    }
}

/// The Service of a service that has ports.
pub(super) fn service_object(service: &Service, ports: &[Port]) -> Option<Tree> {
    if ports.is_empty() {
        return None;
    }
    let items = ports.iter().map(|port| {
        let entries = [
            ("port", number(port.span, port.published.unwrap_or(port.target))),
            ("targetPort", number(port.span, port.target)),
            ("protocol", edit::text(port.span, port.protocol)),
        ];
        edit::mapping(port.span, entries)
    });
    let mut object = service.object("v1", "Service");
    edit::set(&mut object, &["spec", "selector"], service.labels());
    edit::set(&mut object, &["spec", "ports"], list(service.span, items.collect()));
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_apart() {
        for (text, expected) in [
            ("80", Some(vec![(80, None)])),
            ("8080:80/udp", Some(vec![(80, Some(8080))])),
            ("127.0.0.1::80", Some(vec![(80, None)])),
            ("3000-3002:80-82", Some(vec![(80, Some(3000)), (81, Some(3001)), (82, Some(3002))])),
            ("3000-3002:80", Some(vec![(80, None)])),
            ("0", None),
            ("65536", None),
            ("82-80", None),
            ("80/icmp", None),
            ("http", None),
        ] {
            let found = parse_short(text, Span::default());
            let found = found.map(|ports| ports.iter().map(|port| (port.target, port.published)).collect::<Vec<_>>());
            assert_eq!(found, expected, "{text}");
        }
    }
}
