//! When pods start that can wait, and where: carbon-aware shifting of load in time and place.
//!
//! A policy is asked once, when the pod arrives, and knows the carbon intensity to come: the forecast is perfect, as in the
//! studies that the policies come from, so savings are upper limits. Instants at which it may start a pod are those from now up to
//! the latest from which it ends before its deadline; where that has passed, now. Pods are not interrupted once they run.
//!
//! Cost: O(steps of intensity until the deadline x log of all steps), for each place.

mod at_once;
mod carbon_time;
mod lowest_region;
mod lowest_slot;
mod lowest_window;
mod percentile;
mod threshold;

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::parameters::{self, Parameter, ParameterError};
use crate::model::Intensity;
use crate::units::{SimDuration, SimTime};

/// A pod that can wait.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The present instant.
    pub now: SimTime,
    /// When it has to have ended.
    pub deadline: SimTime,
    /// How long it takes, as far as that is known.
    pub length: SimDuration,
    /// The carbon intensity of each place where it may run; at least one.
    pub places: &'a [&'a Intensity],
}

/// When and where a pod starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// When, not before now.
    pub start: SimTime,
    /// The position of the place.
    pub place: usize,
}

impl Ask<'_> {
    /// The latest start that meets the deadline; now, if there is none.
    pub fn latest(&self) -> SimTime {
        SimTime(self.deadline.0.saturating_sub(self.length.0)).max(self.now)
    }

    /// Starts among which the best is, for a rule that is linear between them: now, the latest, and every instant at which the
    /// intensity of a place changes at the beginning or the end of a run. In ascending order.
    fn starts(&self, place: usize) -> Vec<SimTime> {
        let latest = self.latest();
        let mut starts = vec![self.now, latest];
        for begin in [self.now, self.now.after(self.length)] {
            let back = begin.since(self.now);
            let mut instant = begin;
            while let Some(change) = self.places[place].next_change(instant) {
                let start = SimTime(change.0 - back.0);
                if start >= latest {
                    break;
                }
                starts.push(start);
                instant = change;
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// The mean intensity of a run that starts then, in g a kWh.
    fn mean(&self, place: usize, start: SimTime) -> f64 {
        self.places[place].mean(start, start.after(self.length))
    }

    /// Where and when a figure is least; of equals the earliest start, and of those the first place.
    fn least(&self, figure: impl Fn(usize, SimTime) -> f64) -> Choice {
        let mut best: Option<(f64, SimTime, usize)> = None;
        for place in 0..self.places.len() {
            for start in self.starts(place) {
                let value = figure(place, start);
                let is_better =
                    best.is_none_or(|(least, earliest, _)| value < least || value == least && start < earliest);
                if is_better {
                    best = Some((value, start, place));
                }
            }
        }
        best.map_or(Choice { start: self.now, place: 0 }, |(_, start, place)| Choice { start, place })
    }

    /// The first instant at which a place's intensity is no more than its limit; the latest start, where there is none. Of places
    /// with the same instant the one with the lower intensity then.
    fn first_below(&self, limit: impl Fn(usize) -> f64) -> Choice {
        let latest = self.latest();
        let first = |place: usize| {
            let limit = limit(place);
            let start = self.starts(place).into_iter().find(|&start| self.places[place].at(start) <= limit);
            Choice { start: start.unwrap_or(latest), place }
        };
        let then = |choice: &Choice| self.places[choice.place].at(choice.start);
        let choices = (0..self.places.len()).map(first);
        choices.min_by(|a, b| a.start.cmp(&b.start).then(then(a).total_cmp(&then(b)))).expect("there is a place")
    }
}

/// Decides when and where a pod starts.
pub trait Deferral: Send + std::fmt::Debug {
    /// What it decides.
    fn decide(&self, ask: &Ask<'_>) -> Choice;
}

/// One row of the table of deferrals.
#[derive(Clone, Copy, Debug)]
pub struct DeferralRow {
    /// Name as written in files.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    build: fn(&Value) -> Result<Box<dyn Deferral>, ParameterError>,
}

impl DeferralRow {
    /// The policy with these parameters.
    ///
    /// # Errors
    /// When a parameter is wrong.
    pub fn build(&self, parameters: &Value) -> Result<Box<dyn Deferral>, ParameterError> {
        (self.build)(parameters)
    }
}

/// Every deferral there is.
pub const DEFERRALS: &[DeferralRow] = &[
    at_once::ROW,
    threshold::ROW,
    percentile::ROW,
    lowest_slot::ROW,
    lowest_window::ROW,
    carbon_time::ROW,
    lowest_region::ROW,
];

/// The row with that name.
pub fn find(name: &str) -> Option<&'static DeferralRow> {
    DEFERRALS.iter().find(|row| row.name == name)
}

fn without_parameters<D: Deferral + Default + 'static>(
    parameters: &Value,
) -> Result<Box<dyn Deferral>, ParameterError> {
    parameters::none(parameters)?;
    Ok(Box::<D>::default())
}
