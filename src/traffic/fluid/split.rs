//! A service divides its requests among groups of its backends, such as the stable release and the canary.

use super::FluidPlane;
use super::measure::{each, take_whole};
use super::shape::Points;
use crate::ids::ServiceId;
use crate::traffic::attempt::Outcome;
use crate::traffic::statistics::Window;

/// How requests that a release answered have fared, and what is left of counts.
#[derive(Clone, Debug)]
pub(super) struct ReleaseWindow {
    release: u32,
    window: Window,
    left: [f64; Outcome::COUNT],
}

impl FluidPlane<'_> {
    /// From now on the requests of a service are divided among groups of its backends by weight; without groups they are not.
    pub fn set_split(&mut self, service: ServiceId, split: &[(u32, f64)]) {
        let station = self.graph.station_of[service.index()];
        self.stations[station].split = split.iter().copied().filter(|(_, weight)| *weight > 0.0).collect();
        self.change(station);
        self.releases[service.index()].retain(|known| split.iter().any(|(one, _)| *one == known.release));
    }

    /// How requests that a group of a service answered have fared while they were divided, as of the last time that it was
    /// [settled](FluidPlane::settle); none: there were none.
    pub fn group(&self, service: ServiceId, group: u32) -> Option<&Window> {
        self.releases[service.index()].iter().find(|known| known.release == group).map(|known| &known.window)
    }

    /// That begins anew.
    pub fn begin_groups(&mut self, service: ServiceId) {
        self.pour(self.part_of[self.graph.station_of[service.index()]]);
        self.releases[service.index()].clear();
    }

    /// Counts attempts by the releases that answered them: those of a slow release take longer by as much as it is slower.
    pub(super) fn pour_releases(
        &mut self,
        service: ServiceId,
        node: usize,
        made: f64,
        outcomes: &[f64; Outcome::COUNT],
        points: &Points,
    ) {
        let station = self.graph.station_of[service.index()];
        let (station, number) = (&self.stations[station], self.part_of[station]);
        let answered = outcomes[Outcome::Well as usize] + outcomes[Outcome::Error as usize];
        // Of the answers of all releases as many are errors as there are without it, and its own.
        let errors = outcomes[Outcome::Error as usize] / answered.max(1e-300) - station.flow.failure;
        let stay_s = self.flows[node].stay.mean;
        for group in &station.groups {
            let own = (errors + group.failure).clamp(0.0, 1.0);
            let known = &mut self.releases[service.index()];
            let at = known.iter().position(|known| known.release == group.release).unwrap_or_else(|| {
                let left = [0.0; Outcome::COUNT];
                known.push(ReleaseWindow { release: group.release, window: Window::default(), left });
                known.len() - 1
            });
            let known = &mut known[at];
            let ratio = if stay_s > 0.0 { self.flows[node].stay_at(group) / stay_s } else { 1.0 };
            let points = points.map(|point| point * ratio);
            for outcome in Outcome::ALL {
                let part = match outcome {
                    Outcome::Well => answered * (1.0 - own),
                    Outcome::Error => answered * own,
                    Outcome::Unavailable => 0.0,
                    _ => outcomes[outcome as usize],
                };
                let count = take_whole(&mut known.left[outcome as usize], made * group.share * part);
                let window = &mut known.window;
                let cursor = &mut self.parts[number].cursor;
                each(count, &points, 1, cursor, |latency, count| window.note_many(outcome, latency, count));
            }
        }
    }
}
