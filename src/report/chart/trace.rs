//! A curve of bounded size from a stream of any length.
//!
//! Neighbouring points are merged pairwise whenever the curve is full; a merged group keeps its lowest and highest
//! point in the order in which they came, so that no peak is lost. Cost: constant memory, amortised constant time.

/// How many groups a curve keeps at most: about one a point of the page's width.
const GROUPS: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Group {
    first: (f64, f64),
    second: (f64, f64),
}

impl Group {
    /// The extremes of two neighbours.
    fn merged(self, next: Group) -> Group {
        let points = [self.first, self.second, next.first, next.second];
        let mut lowest = 0;
        let mut highest = 0;
        for index in 1..points.len() {
            if points[index].1 < points[lowest].1 {
                lowest = index;
            }
            if points[index].1 >= points[highest].1 {
                highest = index;
            }
        }
        Group { first: points[lowest.min(highest)], second: points[lowest.max(highest)] }
    }
}

/// A curve that forgets detail, never peaks.
#[derive(Clone, Debug)]
pub(in crate::report) struct Trace {
    groups: Vec<Group>,
    points_per_group: u64,
    points_in_last: u64,
    points: u64,
    last: Option<(f64, f64)>,
}

impl Default for Trace {
    fn default() -> Self {
        Trace { groups: Vec::new(), points_per_group: 1, points_in_last: 0, points: 0, last: None }
    }
}

impl Trace {
    /// Adds a point; one with a coordinate that is no finite number is a missing value and is left out.
    pub(in crate::report) fn push(&mut self, x: f64, y: f64) {
        if !x.is_finite() || !y.is_finite() {
            return;
        }
        let point = Group { first: (x, y), second: (x, y) };
        self.points += 1;
        self.last = Some((x, y));
        if let Some(group) = self.groups.last_mut().filter(|_| self.points_in_last < self.points_per_group) {
            *group = group.merged(point);
            self.points_in_last += 1;
            return;
        }
        if self.groups.len() == GROUPS {
            self.groups = self.groups.chunks(2).map(|pair| pair[0].merged(pair[pair.len() - 1])).collect();
            self.points_per_group *= 2;
        }
        self.groups.push(point);
        self.points_in_last = 1;
    }

    /// How many points were added.
    pub(in crate::report) fn len(&self) -> u64 {
        self.points
    }

    /// The last point added.
    pub(in crate::report) fn last(&self) -> Option<(f64, f64)> {
        self.last
    }

    /// The point with the largest value; the first of equals.
    pub(in crate::report) fn peak(&self) -> Option<(f64, f64)> {
        self.points().into_iter().reduce(|best, point| if point.1 > best.1 { point } else { best })
    }

    /// What is left of the points, in order, ending with the last one added.
    pub(in crate::report) fn points(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::with_capacity(2 * self.groups.len() + 1);
        for group in &self.groups {
            points.push(group.first);
            if group.second != group.first {
                points.push(group.second);
            }
        }
        if let Some(last) = self.last.filter(|last| points.last() != Some(last)) {
            points.push(last);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_streams_stay_as_they_are() {
        let mut trace = Trace::default();
        for index in 0..GROUPS {
            trace.push(index as f64, (index % 7) as f64);
        }
        assert_eq!(trace.points().len(), GROUPS);
        assert_eq!(trace.points()[8], (8.0, 1.0));
    }

    #[test]
    fn long_streams_stay_bounded_and_keep_peaks_and_ends() {
        let mut trace = Trace::default();
        for index in 0..1_000_000u32 {
            let value = if index == 777_777 {
                50.0
            } else if index == 123_456 {
                -50.0
            } else {
                f64::from(index % 3)
            };
            trace.push(f64::from(index), value);
        }
        let points = trace.points();
        assert!(points.len() <= 2 * GROUPS + 1, "{} points", points.len());
        assert!(points.is_sorted_by(|left, right| left.0 <= right.0));
        assert_eq!(trace.peak(), Some((777_777.0, 50.0)));
        assert!(points.contains(&(123_456.0, -50.0)));
        assert_eq!(points.last(), Some(&(999_999.0, 0.0)));
        assert_eq!(trace.len(), 1_000_000);
    }

    #[test]
    fn missing_values_are_left_out() {
        let mut trace = Trace::default();
        for (x, y) in [(0.0, f64::NAN), (f64::INFINITY, 1.0), (2.0, 3.0)] {
            trace.push(x, y);
        }
        assert_eq!(trace.points(), [(2.0, 3.0)]);
    }
}
