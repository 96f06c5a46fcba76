//! Curves over one axis: allocation, utilisation, queue length, distribution functions.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use super::scale::{Scale, Spread};
use super::{GRID, Hold, INK, MUTED, PAPER, Painted, Painter, Picture, remark_extra_height, shortened, text_width};

/// Two of these stand side by side in the report.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 440.0;
const LABEL_SIZE: f64 = 13.0;
const LEGEND_ROW_HEIGHT: f64 = 22.0;
const LEGEND_LIMIT: f64 = 360.0;
/// How much of the paper a band around a curve hides, and one that stands alone.
const BAND_OPACITY: f64 = 0.16;
const SHADE_OPACITY: f64 = 0.45;

/// One axis of a chart.
pub(in crate::report) struct Axis {
    /// What the axis shows, with its unit.
    pub(in crate::report) label: String,
    /// How values spread.
    pub(in crate::report) spread: Spread,
    /// Lowest and highest value; `None` takes them from the curves.
    pub(in crate::report) range: Option<(f64, f64)>,
    /// How a tick's value reads.
    pub(in crate::report) format: fn(f64) -> String,
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) enum Stroke {
    /// Straight from point to point.
    Straight,
    /// The value holds until the next point.
    Steps,
    /// As steps, with the area below filled.
    Area,
}

/// One curve.
pub(in crate::report) struct Curve {
    /// Name in the legend; an empty one has no entry there.
    pub(in crate::report) name: String,
    pub(in crate::report) color: RGBColor,
    /// Places and values, in order of place; all finite. Without any the curve is its band alone.
    pub(in crate::report) points: Vec<(f64, f64)>,
    /// Place, lowest and highest value of the band around the curve; may be empty.
    pub(in crate::report) band: Vec<(f64, f64, f64)>,
    pub(in crate::report) stroke: Stroke,
}

impl Curve {
    /// Whether it is a band without a curve.
    fn is_shade(&self) -> bool {
        self.points.is_empty() && !self.band.is_empty()
    }
}

/// A chart of curves.
pub(in crate::report) struct LineChart {
    pub(in crate::report) title: String,
    /// One line below the title: what the curves tell, in numbers.
    pub(in crate::report) remark: String,
    pub(in crate::report) x: Axis,
    pub(in crate::report) y: Axis,
    pub(in crate::report) curves: Vec<Curve>,
}

/// The corners of the part of the page where curves are drawn.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl LineChart {
    fn range_of(&self, axis: &Axis, values: impl Iterator<Item = f64>) -> (f64, f64) {
        if let Some(range) = axis.range {
            return range;
        }
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high { (f64::NAN, f64::NAN) } else { (low, high) }
    }

    /// Legend entries in rows that fit the page.
    fn legend_rows(&self) -> Vec<Vec<(String, &Curve, f64)>> {
        let mut rows: Vec<Vec<(String, &Curve, f64)>> = Vec::new();
        let mut used = f64::INFINITY;
        for curve in self.curves.iter().filter(|curve| !curve.name.is_empty()) {
            let name = shortened(&curve.name, LABEL_SIZE, false, LEGEND_LIMIT);
            let width = 30.0 + text_width(&name, LABEL_SIZE, false) + 22.0;
            if used + width > WIDTH - 48.0 {
                rows.push(Vec::new());
                used = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((name, curve, width));
            }
            used += width;
        }
        rows
    }

    fn paint_legend<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>, top: f64) -> Result<f64, String> {
        let rows = self.legend_rows();
        for (index, row) in rows.iter().enumerate() {
            let middle = top + LEGEND_ROW_HEIGHT * (index as f64 + 0.5);
            let mut left = 24.0;
            for (name, curve, width) in row {
                if curve.is_shade() {
                    let (right, top, bottom) = (left + 22.0, middle - 6.0, middle + 6.0);
                    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
                    painter.polygon(&corners, curve.color, SHADE_OPACITY)?;
                } else {
                    painter.line(&[(left, middle), (left + 22.0, middle)], curve.color, 3.0)?;
                }
                painter.text(name, (left + 30.0, middle), Hold::Left, LABEL_SIZE, false, INK)?;
                left += width;
            }
        }
        Ok(top + LEGEND_ROW_HEIGHT * rows.len() as f64)
    }

    fn paint_axes<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>, plot: &Plot, x: &Scale, y: &Scale) -> Painted {
        painter.text(&self.y.label, (24.0, plot.top - 20.0), Hold::Left, LABEL_SIZE, false, MUTED)?;
        for tick in y.ticks(5) {
            let height = y.place(tick);
            painter.line(&[(plot.left, height), (plot.right, height)], GRID, 1.0)?;
            painter.text(&(self.y.format)(tick), (plot.left - 10.0, height), Hold::Right, LABEL_SIZE, false, MUTED)?;
        }
        let mut taken_to = 0.0;
        for tick in x.ticks(7) {
            let (place, text) = (x.place(tick), (self.x.format)(tick));
            painter.line(&[(place, plot.bottom), (place, plot.bottom + 5.0)], MUTED, 1.0)?;
            let half = text_width(&text, LABEL_SIZE, false) / 2.0;
            if place - half > taken_to && place + half < WIDTH - 2.0 {
                painter.text(&text, (place, plot.bottom + 18.0), Hold::Middle, LABEL_SIZE, false, MUTED)?;
                taken_to = place + half + 10.0;
            }
        }
        painter.line(&[(plot.left, plot.bottom), (plot.right, plot.bottom)], MUTED, 1.25)?;
        let middle = (plot.left + plot.right) / 2.0;
        painter.text(&self.x.label, (middle, plot.bottom + 42.0), Hold::Middle, LABEL_SIZE, false, MUTED)
    }

    fn paint_curve<DB: DrawingBackend>(
        painter: &Painter<'_, DB>,
        curve: &Curve,
        plot: &Plot,
        x: &Scale,
        y: &Scale,
    ) -> Painted {
        let upper = curve.band.iter().map(|&(at, _, high)| (x.place(at), y.place(high)));
        let lower = curve.band.iter().rev().map(|&(at, low, _)| (x.place(at), y.place(low)));
        let opacity = if curve.is_shade() { SHADE_OPACITY } else { BAND_OPACITY };
        painter.polygon(&upper.chain(lower).collect::<Vec<_>>(), curve.color, opacity)?;
        let mut path: Vec<(f64, f64)> = Vec::with_capacity(2 * curve.points.len());
        for &(at, value) in &curve.points {
            let next = (x.place(at), y.place(value));
            if let Some(&(_, height)) = path.last().filter(|_| curve.stroke != Stroke::Straight)
                && height != next.1
            {
                path.push((next.0, height));
            }
            path.push(next);
        }
        if let (Stroke::Area, Some(first), Some(last)) = (curve.stroke, path.first(), path.last()) {
            let mut area = path.clone();
            area.extend([(last.0, plot.bottom), (first.0, plot.bottom)]);
            painter.polygon(&area, curve.color, BAND_OPACITY)?;
        }
        painter.line(&path, curve.color, 2.25)?;
        match path[..] {
            [point] => painter.dot(point, 4.0, curve.color),
            _ => Ok(()),
        }
    }
}

impl Picture for LineChart {
    fn width(&self) -> f64 {
        WIDTH
    }

    fn height(&self) -> f64 {
        let legend = LEGEND_ROW_HEIGHT * self.legend_rows().len().saturating_sub(1) as f64;
        HEIGHT + legend + remark_extra_height(&self.remark, WIDTH)
    }

    fn paint<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>) -> Painted {
        let below_heading = painter.heading(&self.title, &self.remark)?;
        let below_legend = self.paint_legend(painter, below_heading)?;
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let bands = || self.curves.iter().flat_map(|curve| &curve.band);
        let x_range = self.range_of(&self.x, points().map(|point| point.0));
        let y_values = points().map(|point| point.1).chain(bands().flat_map(|&(_, low, high)| [low, high]));
        let y_range = self.range_of(&self.y, y_values);
        let (top, bottom) = (below_legend + 40.0, self.height() - 62.0);
        let y = Scale::new(self.y.spread, y_range, (bottom, top));
        let label_widths = y.ticks(5).into_iter().map(|tick| text_width(&(self.y.format)(tick), LABEL_SIZE, false));
        let left = label_widths.fold(24.0, f64::max) + 34.0;
        let plot = Plot { left, right: WIDTH - 32.0, top, bottom };
        let x = Scale::new(self.x.spread, x_range, (plot.left, plot.right));
        self.paint_axes(painter, &plot, &x, &y)?;
        for curve in &self.curves {
            LineChart::paint_curve(painter, curve, &plot, &x, &y)?;
        }
        if points().next().is_none() && bands().next().is_none() {
            let middle = ((plot.left + plot.right) / 2.0, (plot.top + plot.bottom) / 2.0);
            painter.block((middle.0 - 110.0, middle.1 - 16.0), (middle.0 + 110.0, middle.1 + 16.0), PAPER)?;
            painter.text("This run has no data here.", middle, Hold::Middle, 15.0, false, MUTED)?;
        }
        Ok(())
    }
}
