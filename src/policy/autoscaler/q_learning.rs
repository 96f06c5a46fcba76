//! `q-learning`: a table learned by trial and error: an example of what reinforcement learning does, and needs.
//!
//! The state is the load of a replica relative to what it serves well, in nine classes, by whether the rate falls, stays or
//! rises. The actions are a quarter less, one less, nothing, one more, a quarter more, a half more. After each sync the reward of
//! the last action is minus its cost: what there was too much relative to what was needed, `shortageCost` times what was missing,
//! and `changeCost` if there was a change. The table begins with what each action would cost at once, and learns by Q-learning
//! with rate `learningRate` and `discount`; a share `exploration` of the actions is drawn at random, which halves every
//! `explorationHalfLife` and ends when it is below a thousandth.
//!
//! Parameters: `requestsPerReplica`, `shortageCost`, `changeCost`, `learningRate`, `discount`, `exploration`,
//! `explorationHalfLife`, `seed`, `period`.
//!
//! Source: Watkins, Learning from Delayed Rewards (1989); Sutton and Barto, Reinforcement Learning (2nd edition), 6.5. The
//! table for autoscaling is in the manner of Dutreilh et al., "Using Reinforcement Learning for Autonomic Resource Allocation
//! in Clouds" (ICAS 2011); states, actions and costs are our own.
//! Cost: O(1).

use serde::Deserialize;

use super::wish::{REQUESTS_PER_REPLICA, bounds, decision, no_traffic, rate_reading, require_capacity};
use super::{AutoscalerRow, Decision, HorizontalAutoscaler, Observation, Reads, Setting};
use crate::policy::parameters::{self, Parameter, ParameterError};
use crate::rng::{Seed, Stream};
use crate::units::{SimDuration, SimTime};

pub(super) const ROW: AutoscalerRow = AutoscalerRow {
    name: "q-learning",
    aliases: &[],
    summary: "a table of states and actions, learned by trial and error: an example",
    source: "Watkins 1989; Dutreilh et al. 2011",
    parameters: PARAMETERS,
    is_clairvoyant: false,
    build: |parameters, setting| {
        let params: Params = parameters::read(parameters)?;
        params.check()?;
        let stream = Seed { base: params.seed, replication: 0 }.stream("autoscaler/q-learning", 0);
        let table = first_table(&params);
        Ok(Box::new(QLearning { params, bounds: bounds(setting), stream, table, last: None }))
    },
};

const PARAMETERS: &[Parameter] = &[
    REQUESTS_PER_REPLICA,
    Parameter {
        name: "shortageCost",
        unit: "",
        default: "5",
        meaning: "of a missing replica, where one too many is 1",
    },
    Parameter { name: "changeCost", unit: "", default: "0.02", meaning: "of a change, not negative" },
    Parameter { name: "learningRate", unit: "", default: "0.1", meaning: "weight of what is new, 0 to 1" },
    Parameter { name: "discount", unit: "", default: "0.5", meaning: "weight of what comes later, 0 to less than 1" },
    Parameter { name: "exploration", unit: "", default: "0.1", meaning: "share of random actions at first, 0 to 1" },
    Parameter { name: "explorationHalfLife", unit: "", default: "30m", meaning: "time in which it halves, above 0" },
    Parameter { name: "seed", unit: "", default: "1", meaning: "of the random actions, a whole number" },
    Parameter { name: "period", unit: "", default: "30s", meaning: "time between syncs, above 0" },
];

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Params {
    requests_per_replica: f64,
    shortage_cost: f64,
    change_cost: f64,
    learning_rate: f64,
    discount: f64,
    exploration: f64,
    #[serde(deserialize_with = "parameters::duration")]
    exploration_half_life: SimDuration,
    seed: u64,
    #[serde(deserialize_with = "parameters::duration")]
    period: SimDuration,
}

impl Default for Params {
    fn default() -> Params {
        Params {
            requests_per_replica: 10.0,
            shortage_cost: 5.0,
            change_cost: 0.02,
            learning_rate: 0.1,
            discount: 0.5,
            exploration: 0.1,
            exploration_half_life: SimDuration(1_800_000_000_000),
            seed: 1,
            period: SimDuration(30_000_000_000),
        }
    }
}

impl Params {
    fn check(&self) -> Result<(), ParameterError> {
        require_capacity(self.requests_per_replica)?;
        let are_costs = [self.shortage_cost, self.change_cost].iter().all(|cost| cost.is_finite() && *cost >= 0.0);
        parameters::require(are_costs, "`shortageCost` and `changeCost` must not be negative")?;
        let are_shares = [self.learning_rate, self.exploration].iter().all(|share| (0.0..=1.0).contains(share));
        parameters::require(are_shares, "`learningRate` and `exploration` must be from 0 to 1")?;
        parameters::require((0.0..1.0).contains(&self.discount), "`discount` must be from 0 to less than 1")?;
        parameters::require(self.exploration_half_life > SimDuration::ZERO, "`explorationHalfLife` must be above 0")?;
        parameters::require(self.period > SimDuration::ZERO, "`period` must be above 0")
    }

    /// The cost of a step at that load: needed over there, above 0 replicas.
    fn cost(&self, load: f64, has_changed: bool) -> f64 {
        // Too many of those that are needed, or missing of them.
        let spare = if load > 0.0 { (1.0 / load - 1.0).min(SPARE_MAX) } else { SPARE_MAX };
        let change = if has_changed { self.change_cost } else { 0.0 };
        change + if spare >= 0.0 { spare } else { -spare * self.shortage_cost }
    }
}

/// Nothing costs more than so many times too much.
const SPARE_MAX: f64 = 10.0;
/// Upper ends of the classes of load, but for the last.
const LOADS: [f64; 8] = [0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.3, 1.7];
/// A load of each class, to begin with.
const TYPICAL: [f64; 9] = [0.3, 0.5, 0.7, 0.85, 0.95, 1.05, 1.2, 1.5, 2.0];
/// The rate stays when it changes by less than this share.
const STEADY_SHARE: f64 = 0.05;
const TRENDS: usize = 3;
const STATES: usize = TYPICAL.len() * TRENDS;
const ACTIONS: [Action; 6] =
    [Action::Times(0.75), Action::Plus(-1), Action::Plus(0), Action::Plus(1), Action::Times(1.25), Action::Times(1.5)];
/// Below it there is no exploration.
const EXPLORATION_MIN: f64 = 0.001;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Plus(i32),
    /// Rounded away from the present number.
    Times(f64),
}

impl Action {
    fn of(self, replicas: i32) -> i32 {
        match self {
            Action::Plus(change) => replicas.saturating_add(change),
            Action::Times(factor) if factor < 1.0 => libm::floor(f64::from(replicas) * factor) as i32,
            // From none it takes one.
            Action::Times(factor) => libm::ceil(f64::from(replicas.max(1)) * factor) as i32,
        }
    }
}

type Table = [[f64; ACTIONS.len()]; STATES];

/// What each action costs at once, where ten replicas are there, for good.
fn first_table(params: &Params) -> Table {
    let value = |state: usize, action: Action| {
        let after = f64::from(action.of(10)) / 10.0;
        let cost = params.cost(TYPICAL[state / TRENDS] / after, action != Action::Plus(0));
        -cost / (1.0 - params.discount)
    };
    std::array::from_fn(|state| ACTIONS.map(|action| value(state, action)))
}

/// See the module.
#[derive(Clone, Debug)]
struct QLearning {
    params: Params,
    bounds: Setting<'static>,
    stream: Stream,
    table: Table,
    last: Option<Last>,
}

/// What was done at the last sync.
#[derive(Clone, Copy, Debug)]
struct Last {
    state: usize,
    action: usize,
    has_changed: bool,
    rate: f64,
}

impl QLearning {
    /// The class of load, by how the rate changed.
    fn state(&self, load: f64, rate: f64) -> usize {
        let class = LOADS.iter().filter(|&&upper| load > upper).count();
        let before = self.last.map_or(rate, |last| last.rate);
        let trend = if rate < before * (1.0 - STEADY_SHARE) {
            0
        } else if rate > before * (1.0 + STEADY_SHARE) {
            2
        } else {
            1
        };
        class * TRENDS + trend
    }

    /// The best action of a state; of equally good ones the first that changes least.
    fn best(&self, state: usize) -> usize {
        const CALM_FIRST: [usize; ACTIONS.len()] = [2, 1, 3, 0, 4, 5];
        let row = &self.table[state];
        CALM_FIRST.into_iter().reduce(|best, other| if row[other] > row[best] { other } else { best }).unwrap_or(2)
    }

    fn learn(&mut self, load: f64, state: usize) {
        let Some(last) = self.last else { return };
        let reward = -self.params.cost(load, last.has_changed);
        let later = self.table[state][self.best(state)];
        let value = &mut self.table[last.state][last.action];
        *value += self.params.learning_rate * (reward + self.params.discount * later - *value);
    }

    fn choose(&mut self, state: usize, now: SimTime) -> usize {
        let halvings = now.as_seconds() / self.params.exploration_half_life.as_seconds();
        let share = self.params.exploration * libm::exp2(-halvings);
        // Both numbers are drawn whatever they lead to, so that the stream does not hang on decisions.
        let (lot, action) = (self.stream.unit(), self.stream.below(ACTIONS.len() as u64) as usize);
        if share >= EXPLORATION_MIN && lot < share { action } else { self.best(state) }
    }
}

impl HorizontalAutoscaler for QLearning {
    fn sync(&mut self, seen: &Observation<'_>) -> Decision {
        let Some(traffic) = seen.traffic else { return no_traffic() };
        let rate = traffic.arrival_rate_per_s();
        let needed = rate / self.params.requests_per_replica;
        let wanted = self.bounds.clamp(seen.replicas.wanted);
        let load_of = |replicas: i32| needed / f64::from(replicas.max(1));
        let state = self.state(load_of(wanted), rate);
        // The reward is for those who served.
        self.learn(load_of(seen.replicas.ready), state);
        let action = self.choose(state, seen.now);
        let replicas = self.bounds.clamp(ACTIONS[action].of(wanted));
        self.last = Some(Last { state, action, has_changed: replicas != wanted, rate });
        let target = f64::from(wanted) * self.params.requests_per_replica;
        decision(seen, replicas, "the table says so", rate_reading(rate, target))
    }

    fn sync_period(&self) -> SimDuration {
        self.params.period
    }

    fn reads(&self) -> Reads {
        Reads { traffic: true, ..Reads::default() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{built, driven};
    use super::*;

    #[test]
    fn costs_by_hand() {
        let params = Params::default();
        // Needed 5 of 10: one too many for each; 15 of 10: a third is missing, at 5; exactly enough; nothing is needed.
        let costs = [0.5, 1.5, 1.0, 0.0].map(|load| params.cost(load, false));
        assert!((costs[1] - 5.0 / 3.0).abs() < 1e-12 && [costs[0], costs[2], costs[3]] == [1.0, 0.0, 10.0]);
        assert_eq!(params.cost(1.0, true), 0.02);
    }

    #[test]
    fn actions_by_hand() {
        assert_eq!(ACTIONS.map(|action| action.of(10)), [7, 9, 10, 11, 13, 15]);
        assert_eq!(ACTIONS.map(|action| action.of(1)), [0, 0, 1, 2, 2, 2]);
        assert_eq!(ACTIONS.map(|action| action.of(0)), [0, -1, 0, 1, 2, 2]);
    }

    #[test]
    fn a_value_is_learned() {
        // Load 2.0 of 2 replicas with no exploration; the best of that class is a half more: 3.
        let mut policy = QLearning {
            params: Params { exploration: 0.0, ..Params::default() },
            bounds: Setting { min_replicas: 1, max_replicas: 20, foresight: &[] },
            stream: Seed { base: 1, replication: 0 }.stream("test", 0),
            table: first_table(&Params::default()),
            last: None,
        };
        let high = 8 * TRENDS + 1;
        assert_eq!((policy.state(2.0, 40.0), ACTIONS[policy.best(high)]), (high, Action::Times(1.5)));
        let first = policy.table[high][5];
        // 2 / 1.5 needed over there: a quarter is missing, 1.25, and 0.02 for the change, over 1 - 0.5.
        assert!((first + 2.54).abs() < 1e-12);
        policy.last = Some(Last { state: high, action: 5, has_changed: true, rate: 40.0 });
        // Then exactly enough: reward -0.02, and the best of the class up to 1.0, to stay: 1 / 0.95 - 1 over 0.5.
        let later = -2.0 * (1.0 / 0.95 - 1.0);
        policy.learn(1.0, 4 * TRENDS + 1);
        let expected = first + 0.1 * (-0.02 + 0.5 * later - first);
        assert!((policy.table[high][5] - expected).abs() < 1e-12);
    }

    #[test]
    fn the_seed_decides_what_is_tried() {
        let rates: Vec<f64> = (0..200).map(|step| 60.0 + 40.0 * libm::sin(f64::from(step) / 20.0)).collect();
        let run = |seed: u64| driven(built("q-learning", json!({"seed": seed, "exploration": 0.5})).as_mut(), &rates);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
