//! Axes: where a value lies on the page, where the ticks stand, and how numbers read.

/// How values spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) enum Spread {
    /// Equal steps of value.
    Linear,
    /// Equal factors of value, of milliseconds, with ticks at the steps of everyday time; zero lies at the low end.
    Durations,
}

/// Milliseconds at which an axis of durations has its ticks: from a nanosecond to a thousand years.
const DURATION_TICKS: [f64; 22] = [
    1e-6,
    1e-5,
    1e-4,
    1e-3,
    1e-2,
    0.1,
    1.0,
    10.0,
    100.0,
    1e3,
    10e3,
    60e3,
    600e3,
    3_600e3,
    36_000e3,
    86_400e3,
    864_000e3,
    8_640_000e3,
    86_400_000e3,
    864_000_000e3,
    8_640_000_000e3,
    31_536_000_000e3,
];

/// The narrowest span of duration ticks around values in milliseconds, at least three ticks long.
pub(in crate::report) fn duration_range(shortest: f64, longest: f64) -> (f64, f64) {
    let last = DURATION_TICKS.len() - 1;
    let from = DURATION_TICKS.iter().rposition(|&tick| tick <= shortest).unwrap_or(0).min(last - 2);
    let to = DURATION_TICKS.iter().position(|&tick| tick >= longest).unwrap_or(last).max(from + 2);
    (DURATION_TICKS[from], DURATION_TICKS[to])
}

/// A tick of an axis of durations, in its own unit.
pub(in crate::report) fn duration_tick(milliseconds: f64) -> String {
    let units = [(86_400e3, "d"), (3_600e3, "h"), (60e3, "min"), (1e3, "s"), (1.0, "ms"), (1e-3, "µs")];
    let (length, unit) = units.into_iter().find(|unit| unit.0 <= milliseconds * 1.001).unwrap_or((1e-6, "ns"));
    format!("{} {unit}", short_number(milliseconds / length))
}

/// A span of values laid over a span of the page.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Scale {
    spread: Spread,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Lays `low..=high` over `from..=to`. A span without width is widened, so that a constant gets a place.
    pub(in crate::report) fn new(spread: Spread, (low, high): (f64, f64), (from, to): (f64, f64)) -> Scale {
        let (mut low, mut high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
        if spread != Spread::Linear {
            low = low.max(f64::MIN_POSITIVE);
            high = high.max(low);
            if high / low < 1.0 + 1e-9 {
                (low, high) = (low / 2.0, high * 2.0);
            }
        } else if high - low <= 1e-9 * high.abs().max(low.abs()) || high <= low {
            let margin = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - margin, high + margin);
        }
        Scale { spread, low, high, from, to }
    }

    /// The place of a value on the page; values outside the span lie at its ends.
    pub(in crate::report) fn place(&self, value: f64) -> f64 {
        let share = match self.spread {
            Spread::Linear => (value - self.low) / (self.high - self.low),
            Spread::Durations => (value.max(self.low).ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values inside the span, about `wanted` of them, in rising order.
    pub(in crate::report) fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self.spread {
            Spread::Linear => linear_ticks(self.low, self.high, wanted),
            Spread::Durations => {
                DURATION_TICKS.into_iter().filter(|tick| (self.low..=self.high).contains(tick)).collect()
            }
        }
    }
}

/// A step of 1, 2 or 5 times a power of ten that cuts the span into about `wanted` parts.
pub(in crate::report) fn round_step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let factor = match rough / power {
        share if share < 1.5 => 1.0,
        share if share < 3.5 => 2.0,
        share if share < 7.5 => 5.0,
        _ => 10.0,
    };
    factor * power
}

fn linear_ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let step = round_step(high - low, wanted);
    let first = (low / step - 1e-6).ceil() as i64;
    let last = (high / step + 1e-6).floor() as i64;
    (first..=last).take(4 * wanted + 4).map(|index| index as f64 * step).collect()
}

/// A number for a tick or a label: short, with k, M, G for large ones, and no more decimals than needed.
pub(in crate::report) fn short_number(value: f64) -> String {
    let size = value.abs();
    let (scaled, suffix) = match size {
        size if size >= 1e15 => return format!("{value:.1e}"),
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let decimals = match scaled.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.001 => 4,
        _ => return format!("{value:.1e}"),
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{}{suffix}", if text == "-0" { "0" } else { text })
}

/// A span of time given in milliseconds, in the unit that a person would use.
pub(in crate::report) fn short_duration(milliseconds: f64) -> String {
    let (value, unit) = match milliseconds.abs() {
        size if size < 1_000.0 => (milliseconds, "ms"),
        size if size < 120_000.0 => (milliseconds / 1e3, "s"),
        size if size < 7_200_000.0 => (milliseconds / 60e3, "min"),
        size if size < 172_800_000.0 => (milliseconds / 3_600e3, "h"),
        _ => (milliseconds / 86_400e3, "d"),
    };
    format!("{} {unit}", short_number(value))
}

/// The unit in which to show times up to `seconds`: its name and its length in seconds.
pub(in crate::report) fn time_unit(seconds: f64) -> (&'static str, f64) {
    match seconds {
        seconds if seconds < 600.0 => ("seconds", 1.0),
        seconds if seconds < 4.0 * 3600.0 => ("minutes", 60.0),
        seconds if seconds < 4.0 * 86_400.0 => ("hours", 3600.0),
        _ => ("days", 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_short() {
        let rows = [
            (0.0, "0"),
            (-0.00, "0"),
            (0.25, "0.25"),
            (1.5, "1.5"),
            (99.96, "100"),
            (9_999.0, "9999"),
            (12_500.0, "12.5k"),
            (1_000_000.0, "1M"),
            (-2.5e9, "-2.5G"),
            (0.000_02, "2.0e-5"),
        ];
        for (value, text) in rows {
            assert_eq!(short_number(value), text, "{value}");
        }
    }

    #[test]
    fn durations_read_in_the_unit_a_person_would_use() {
        let rows =
            [(0.0, "0 ms"), (250.0, "250 ms"), (1_500.0, "1.5 s"), (600_000.0, "10 min"), (86_400e3 * 3.0, "3 d")];
        for (milliseconds, text) in rows {
            assert_eq!(short_duration(milliseconds), text);
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let linear = |low, high, wanted| Scale::new(Spread::Linear, (low, high), (0.0, 1.0)).ticks(wanted);
        assert_eq!(linear(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(linear(3.0, 7.5, 5), [3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn duration_axes_end_at_everyday_steps() {
        let rows = [
            ((120.0, 800.0), (100.0, 1e3 * 10.0)),
            ((700.0, 5e5), (100.0, 600e3)),
            ((0.0, 0.0), (1e-6, 1e-4)),
            ((1e20, 1e20), (864_000_000e3, 31_536_000_000e3)),
        ];
        for ((shortest, longest), range) in rows {
            assert_eq!(duration_range(shortest, longest), range, "{shortest} to {longest}");
        }
        for (milliseconds, text) in
            [(1e-3, "1 µs"), (100.0, "100 ms"), (60e3, "1 min"), (36_000e3, "10 h"), (864_000e3, "10 d")]
        {
            assert_eq!(duration_tick(milliseconds), text);
        }
    }

    #[test]
    fn every_span_places_values_on_the_page() {
        let spans = [(0.0, 0.0), (5.0, 5.0), (f64::NAN, 1.0), (3.0, -3.0), (-1e300, 1e300), (1e-300, 1e300)];
        for spread in [Spread::Linear, Spread::Durations] {
            for span in spans {
                let scale = Scale::new(spread, span, (10.0, 20.0));
                for value in [0.0, 5.0, -1e9, 1e9] {
                    let place = scale.place(value);
                    assert!((10.0..=20.0).contains(&place), "{spread:?} {span:?} {value} lies at {place}");
                }
                assert!(scale.ticks(6).len() < 40);
            }
        }
        let constant = Scale::new(Spread::Linear, (5.0, 5.0), (0.0, 10.0));
        assert!((constant.place(5.0) - 5.0).abs() < 1e-9, "a constant lies in the middle");
    }
}
