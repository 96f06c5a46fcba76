//! What instance types cost on nodes with some requirements, worked out once for nodes that are alike.

use std::collections::BTreeMap;

use super::super::go_sort::sort_as_go;
use super::super::instance_type::InstanceType;
use super::super::requirements::Requirements;
use super::{Environment, NewNode};

/// Prices by pool and requirements.
#[derive(Debug, Default)]
pub(super) struct Prices(Vec<BTreeMap<Requirements, OfTypes>>);

/// Prices of the types of a pool, by position, each worked out when it is first asked for.
#[derive(Debug)]
struct OfTypes {
    cheapest: Vec<Option<f64>>,
    worst_launch: Vec<Option<f64>>,
}

impl Prices {
    fn of(&mut self, node: &NewNode, types: &[InstanceType]) -> &mut OfTypes {
        if self.0.len() <= node.pool {
            self.0.resize_with(node.pool + 1, BTreeMap::new);
        }
        let of_pool = &mut self.0[node.pool];
        if !of_pool.contains_key(&node.requirements) {
            let unknown = OfTypes { cheapest: vec![None; types.len()], worst_launch: vec![None; types.len()] };
            of_pool.insert(node.requirements.clone(), unknown);
        }
        of_pool.get_mut(&node.requirements).expect("it is there by now")
    }

    /// Sorts the types of a node as [`order_by_price`](super::super::instance_type::order_by_price) does.
    pub(super) fn order(&mut self, node: &mut NewNode, environment: &Environment) {
        let types = &environment.pools[node.pool].1;
        let known = &mut self.of(node, types).cheapest;
        let price = |at: usize| types[at].cheapest_price(&node.requirements, &environment.well_known);
        let priced = node.types.iter().map(|at| (*known[*at].get_or_insert_with(|| price(*at)), *at));
        let mut priced: Vec<(f64, usize)> = priced.collect();
        sort_as_go(&mut priced, |one, other| one.0 < other.0);
        for (place, (_, at)) in node.types.iter_mut().zip(priced) {
            *place = at;
        }
    }

    /// Keeps the types of a node that cost less at worst.
    pub(super) fn keep_cheaper(&mut self, node: &mut NewNode, usd_per_hour: f64, environment: &Environment) {
        let types = &environment.pools[node.pool].1;
        let known = &mut self.of(node, types).worst_launch;
        let price = |at: usize| types[at].worst_launch_price(&node.requirements, &environment.well_known);
        node.types.retain(|at| *known[*at].get_or_insert_with(|| price(*at)) < usd_per_hour);
    }
}
