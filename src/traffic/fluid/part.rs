//! Services that hang together: by calls, by backends, or because one source asks them.
//!
//! What happens to one part is nothing to the others, but where they share nodes. So each part has steps of its own: pods of
//! one service that come and go cost nothing where other services are looked at, however many there are.

use super::graph::{Graph, Origin};
use super::measure::Cursor;
use crate::units::{SimDuration, SimTime};

/// Services that hang together, their sources, and the step that they are in.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// By number, in order of it.
    pub sources: Vec<usize>,
    pub services: Vec<usize>,
    pub stations: Vec<usize>,
    pub links: Vec<usize>,
    /// Links of sources, and those of copies.
    pub source_links: Vec<usize>,
    pub mirror_links: Vec<usize>,
    /// Nodes and stations that requests reach, callers before those that they call, but for loops.
    pub order: Vec<usize>,
    pub station_order: Vec<usize>,
    /// When the step began, how long it was meant to be, and how long its solution holds.
    pub began: SimTime,
    pub span: SimDuration,
    pub holds_until: SimTime,
    /// Up to when statistics are.
    pub poured: SimTime,
    /// Something has changed, so that the step ends now.
    pub is_stale: bool,
    /// Whether anything goes on after the step though nothing comes from outside.
    pub is_moving: bool,
    /// Groups are to be made anew when the step ends.
    pub has_news_of_groups: bool,
    /// Backends are elsewhere than before.
    pub has_moved: bool,
    /// Whether the warm-up is over.
    pub is_warm: bool,
    /// When clients of a station learn of its backends, when backends of a station will listen, and when servers that end will
    /// have answered.
    pub news: Vec<(SimTime, usize)>,
    pub openings: Vec<(SimTime, usize)>,
    pub draining: Vec<(SimTime, u32)>,
    /// Servers that are gone and known still.
    pub gone: Vec<u32>,
    /// The round of latencies that is being measured, and the points whose turn it is.
    pub cursor: Cursor,
    pub steps: u64,
}

impl Part {
    fn new(is_warm: bool) -> Part {
        Part {
            sources: Vec::new(),
            services: Vec::new(),
            stations: Vec::new(),
            links: Vec::new(),
            source_links: Vec::new(),
            mirror_links: Vec::new(),
            order: Vec::new(),
            station_order: Vec::new(),
            began: SimTime::ZERO,
            span: SimDuration::ZERO,
            holds_until: SimTime::ZERO,
            poured: SimTime::ZERO,
            is_stale: true,
            is_moving: true,
            has_news_of_groups: false,
            has_moved: true,
            is_warm,
            news: Vec::new(),
            openings: Vec::new(),
            draining: Vec::new(),
            gone: Vec::new(),
            cursor: Cursor::default(),
            steps: 0,
        }
    }

    /// When its step is over, if nothing else happens.
    pub(super) fn due(&self) -> SimTime {
        if self.is_stale { SimTime::ZERO } else { self.holds_until }
    }

    /// The least instant at which news or notices come by themselves.
    pub(super) fn next_news(&self) -> SimTime {
        let news = self.news.iter().chain(&self.openings).map(|(at, _)| *at);
        let news = news.chain(self.draining.iter().map(|(at, _)| *at));
        news.min().unwrap_or(SimTime::NEVER)
    }

    /// Takes what is due out of a list, in its order.
    pub(super) fn take_due<T: Copy>(list: &mut Vec<(SimTime, T)>, now: SimTime) -> Vec<T> {
        if list.iter().all(|(at, _)| *at > now) {
            return Vec::new();
        }
        let due = list.iter().filter(|(at, _)| *at <= now).map(|(_, one)| *one).collect();
        list.retain(|(at, _)| *at > now);
        due
    }
}

/// The parts of a graph, in order of their first stations; and the part of each station.
pub(super) fn parts(graph: &Graph<'_>, sources: usize, is_warm: bool) -> (Vec<Part>, Vec<usize>) {
    let station_of_node = |node: usize| graph.station_of[graph.nodes[node].target.service.index()];
    let origin_of = |link: usize| match graph.links[link].origin {
        Origin::Source(source, _) => graph.stations + source,
        Origin::Node(node) => station_of_node(node),
    };
    // Stations come first, sources after them.
    let mut roots: Vec<usize> = (0..graph.stations + sources).collect();
    for (number, link) in graph.links.iter().enumerate() {
        for target in &link.targets {
            let (one, other) = (root(&mut roots, origin_of(number)), root(&mut roots, station_of_node(target.node)));
            roots[one.max(other)] = one.min(other);
        }
    }
    let firsts: Vec<usize> = (0..roots.len()).map(|place| root(&mut roots, place)).collect();
    let mut numbers = firsts.clone();
    numbers.sort_unstable();
    numbers.dedup();
    let part_of = |place: usize| numbers.binary_search(&firsts[place]).expect("each root is a part's");
    let mut parts = vec![Part::new(is_warm); numbers.len()];
    (0..sources).for_each(|source| parts[part_of(graph.stations + source)].sources.push(source));
    (0..graph.stations).for_each(|station| parts[part_of(station)].stations.push(station));
    for (service, station) in graph.station_of.iter().enumerate() {
        parts[part_of(*station)].services.push(service);
    }
    for (number, link) in graph.links.iter().enumerate() {
        let part = &mut parts[part_of(origin_of(number))];
        part.links.push(number);
        if matches!(link.origin, Origin::Source(..)) {
            part.source_links.push(number);
        }
    }
    for (number, node) in graph.nodes.iter().enumerate() {
        parts[part_of(station_of_node(number))].mirror_links.extend(node.mirror.map(|(link, _)| link));
    }
    graph.order.iter().for_each(|node| parts[part_of(station_of_node(*node))].order.push(*node));
    graph.station_order.iter().for_each(|station| parts[part_of(*station)].station_order.push(*station));
    (parts, (0..graph.stations).map(part_of).collect())
}

/// The least place that hangs together with this one.
fn root(roots: &mut [usize], mut place: usize) -> usize {
    while roots[place] != place {
        roots[place] = roots[roots[place]];
        place = roots[place];
    }
    place
}
