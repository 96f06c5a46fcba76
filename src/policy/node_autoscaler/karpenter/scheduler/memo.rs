//! What follows from adding requirements to requirements, worked out once.
//!
//! Nodes that differ only in their host name share one *shape*: the host name is kept apart, as every node's is a single
//! value that no requirement can change, only meet or not.

use std::collections::BTreeMap;

use super::super::requirement::Requirement;
use super::super::requirements::{Requirements, WellKnownLabels};
use crate::model::cluster::HOSTNAME_LABEL;
use crate::model::{Taint, Toleration};
use crate::world::constraints::tolerates;

/// Requirements of a node without its host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape(pub(super) u32);

/// What a pod asks for, without the host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask(u32);

/// Taints of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaintSet(u32);

/// Tolerations of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TolerationSet(u32);

/// What a topology adds to a node's requirements.
pub(super) type Additions = Vec<(String, Requirement)>;

/// Things by number, each once.
#[derive(Debug)]
struct Interned<T> {
    items: Vec<T>,
    ids: BTreeMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Interned<T> {
        Interned { items: Vec::new(), ids: BTreeMap::new() }
    }
}

impl<T: Ord + Clone> Interned<T> {
    fn id(&mut self, item: T) -> u32 {
        if let Some(id) = self.ids.get(&item) {
            return *id;
        }
        let id = self.items.len() as u32;
        self.items.push(item.clone());
        self.ids.insert(item, id);
        id
    }
}

/// Answers by two numbers, as a table that grows.
#[derive(Debug)]
struct Table<T>(Vec<Vec<Option<T>>>);

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table(Vec::new())
    }
}

impl<T: Copy> Table<T> {
    fn get(&self, row: u32, column: u32) -> Option<T> {
        *self.0.get(row as usize)?.get(column as usize)?
    }

    fn put(&mut self, row: u32, column: u32, answer: T) -> T {
        let (row, column) = (row as usize, column as usize);
        if self.0.len() <= row {
            self.0.resize_with(row + 1, Vec::new);
        }
        let row = &mut self.0[row];
        if row.len() <= column {
            row.resize(column + 1, None);
        }
        row[column] = Some(answer);
        answer
    }
}

/// What was worked out so far.
#[derive(Debug, Default)]
pub(super) struct Memo {
    well_known: WellKnownLabels,
    nothing: NoLabels,
    shapes: Interned<Requirements>,
    asks: Interned<Requirements>,
    taints: Interned<Vec<Taint>>,
    tolerations: Interned<Vec<Toleration>>,
    strict: Table<bool>,
    loose: Table<bool>,
    sums: Table<Shape>,
    tolerated: Table<bool>,
    /// By strictness.
    settled: [Table<Shape>; 2],
    narrowed: BTreeMap<(bool, Shape, Additions), Option<Shape>>,
}

/// Whether labels that the node lacks may be asked for if they are well known: yes for nodes to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undefined {
    WellKnown,
    Never,
}

#[derive(Debug)]
struct NoLabels(WellKnownLabels);

impl Default for NoLabels {
    fn default() -> NoLabels {
        NoLabels(WellKnownLabels::none())
    }
}

impl Memo {
    pub(super) fn new(well_known: WellKnownLabels) -> Memo {
        Memo { well_known, ..Memo::default() }
    }

    /// How many kinds of requirements there were so far.
    pub(super) fn len(&self) -> usize {
        self.shapes.items.len() + self.asks.items.len() + self.narrowed.len()
    }

    pub(super) fn well_known(&self) -> &WellKnownLabels {
        &self.well_known
    }

    /// The shape of a node with these requirements; its host name is dropped.
    pub(super) fn shape(&mut self, mut requirements: Requirements) -> Shape {
        requirements.remove(HOSTNAME_LABEL);
        Shape(self.shapes.id(requirements))
    }

    pub(super) fn requirements(&self, shape: Shape) -> &Requirements {
        &self.shapes.items[shape.0 as usize]
    }

    /// What a pod asks for, and of the host name.
    pub(super) fn ask(&mut self, mut requirements: Requirements) -> (Ask, Option<Requirement>) {
        let hostname = requirements.remove(HOSTNAME_LABEL);
        (Ask(self.asks.id(requirements)), hostname)
    }

    pub(super) fn asked(&self, ask: Ask) -> &Requirements {
        &self.asks.items[ask.0 as usize]
    }

    pub(super) fn taint_set(&mut self, taints: &[Taint]) -> TaintSet {
        TaintSet(self.taints.id(taints.to_vec()))
    }

    pub(super) fn toleration_set(&mut self, tolerations: &[Toleration]) -> TolerationSet {
        TolerationSet(self.tolerations.id(tolerations.to_vec()))
    }

    /// Whether every taint is tolerated, preferences among them too.
    pub(super) fn tolerates(&mut self, taints: TaintSet, tolerations: TolerationSet) -> bool {
        if let Some(answer) = self.tolerated.get(taints.0, tolerations.0) {
            return answer;
        }
        let by = &self.tolerations.items[tolerations.0 as usize];
        let all = &self.taints.items[taints.0 as usize];
        let answer = all.iter().all(|taint| by.iter().any(|toleration| tolerates(toleration, taint)));
        self.tolerated.put(taints.0, tolerations.0, answer)
    }

    /// Whether a node can meet what is asked (`Compatible`).
    pub(super) fn is_compatible(&mut self, shape: Shape, ask: Ask, undefined: Undefined) -> bool {
        let (known, table) = match undefined {
            Undefined::WellKnown => (&self.well_known, &mut self.loose),
            Undefined::Never => (&self.nothing.0, &mut self.strict),
        };
        if let Some(answer) = table.get(shape.0, ask.0) {
            return answer;
        }
        let (have, wanted) = (&self.shapes.items[shape.0 as usize], &self.asks.items[ask.0 as usize]);
        table.put(shape.0, ask.0, have.is_compatible(wanted, known))
    }

    /// The node once it has to meet what is asked.
    pub(super) fn sum(&mut self, shape: Shape, ask: Ask) -> Shape {
        if let Some(sum) = self.sums.get(shape.0, ask.0) {
            return sum;
        }
        let mut requirements = self.requirements(shape).clone();
        requirements.add_all(self.asked(ask));
        let sum = self.shape(requirements);
        self.sums.put(shape.0, ask.0, sum)
    }

    /// The node once a topology has narrowed it, if it can be. Upstream intersects all requirements with themselves on the
    /// way, which drops excluded values that bounds exclude anyway.
    pub(super) fn narrow(&mut self, shape: Shape, additions: Additions, undefined: Undefined) -> Option<Shape> {
        let is_strict = undefined == Undefined::Never;
        if additions.is_empty() {
            if let Some(settled) = self.settled[usize::from(is_strict)].get(shape.0, 0) {
                return Some(settled);
            }
            let settled = self.narrowed_by(shape, &additions, undefined)?;
            return Some(self.settled[usize::from(is_strict)].put(shape.0, 0, settled));
        }
        let key = (is_strict, shape, additions);
        if let Some(narrowed) = self.narrowed.get(&key) {
            return *narrowed;
        }
        let narrowed = self.narrowed_by(shape, &key.2, undefined);
        self.narrowed.insert(key, narrowed);
        narrowed
    }

    fn narrowed_by(&mut self, shape: Shape, additions: &Additions, undefined: Undefined) -> Option<Shape> {
        let known = if undefined == Undefined::WellKnown { &self.well_known } else { &self.nothing.0 };
        let mut narrow = self.requirements(shape).clone();
        for (key, requirement) in additions {
            narrow.add(key, requirement);
        }
        let mut requirements = self.requirements(shape).clone();
        if !requirements.is_compatible(&narrow, known) {
            return None;
        }
        requirements.add_all(&narrow);
        Some(self.shape(requirements))
    }
}
