//! Estimates with intervals: one panel a metric, one row a cell of the sweep, a dot and a whisker.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use super::scale::{Scale, Spread, short_number};
use super::{GRID, Hold, INK, MUTED, Painted, Painter, Picture, remark_extra_height, shortened, text_width};

const WIDTH: f64 = 960.0;
const LABEL_SIZE: f64 = 12.0;
const PANEL_HEADING_HEIGHT: f64 = 34.0;
const PANEL_FOOT_HEIGHT: f64 = 44.0;

/// An estimate and its interval; each may be NaN where there is none.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Estimate {
    pub(in crate::report) mean: f64,
    pub(in crate::report) low: f64,
    pub(in crate::report) high: f64,
}

/// One metric: an estimate for every row of the chart.
pub(in crate::report) struct Panel {
    /// Name of the metric.
    pub(in crate::report) title: String,
    /// Unit of the metric, written below its axis.
    pub(in crate::report) unit: String,
    pub(in crate::report) estimates: Vec<Estimate>,
}

/// A chart of panels that share their rows.
pub(in crate::report) struct DotChart {
    pub(in crate::report) title: String,
    pub(in crate::report) remark: String,
    /// Name and colour of each row.
    pub(in crate::report) rows: Vec<(String, RGBColor)>,
    pub(in crate::report) panels: Vec<Panel>,
}

impl DotChart {
    fn row_height(&self) -> f64 {
        if self.rows.len() > 16 { 18.0 } else { 24.0 }
    }

    fn panel_height(&self) -> f64 {
        PANEL_HEADING_HEIGHT + self.row_height() * self.rows.len().max(1) as f64 + PANEL_FOOT_HEIGHT + 14.0
    }

    /// Panels side by side: two, unless there is only one.
    fn columns(&self) -> usize {
        self.panels.len().clamp(1, 2)
    }

    fn label_limit(&self) -> f64 {
        if self.columns() == 2 { 170.0 } else { 300.0 }
    }

    fn paint_panel<DB: DrawingBackend>(
        &self,
        painter: &Painter<'_, DB>,
        panel: &Panel,
        (from, to): (f64, f64),
        top: f64,
    ) -> Painted {
        let title = shortened(&panel.title, 14.0, true, to - from);
        painter.text(&title, (from, top + 12.0), Hold::Left, 14.0, true, INK)?;
        let names: Vec<String> =
            self.rows.iter().map(|(name, _)| shortened(name, LABEL_SIZE, false, self.label_limit())).collect();
        let widest = names.iter().map(|name| text_width(name, LABEL_SIZE, false)).fold(0.0, f64::max);
        let (left, right) = (from + widest + 14.0, to - 18.0);
        let (rows_top, rows_bottom) =
            (top + PANEL_HEADING_HEIGHT, top + PANEL_HEADING_HEIGHT + self.row_height() * self.rows.len() as f64);
        let values = panel.estimates.iter().flat_map(|estimate| [estimate.mean, estimate.low, estimate.high]);
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let margin = if high > low { (high - low) * 0.06 } else { 0.0 };
        let scale = Scale::new(Spread::Linear, (low - margin, high + margin), (left, right));
        let mut taken_to = 0.0;
        for tick in scale.ticks(5) {
            let (place, text) = (scale.place(tick), short_number(tick));
            painter.line(&[(place, rows_top), (place, rows_bottom)], GRID, 1.0)?;
            let half = text_width(&text, LABEL_SIZE, false) / 2.0;
            if place - half > taken_to {
                painter.text(&text, (place, rows_bottom + 13.0), Hold::Middle, LABEL_SIZE, false, MUTED)?;
                taken_to = place + half + 8.0;
            }
        }
        painter.line(&[(left, rows_bottom), (right, rows_bottom)], MUTED, 1.0)?;
        let middle = ((left + right) / 2.0, rows_bottom + 32.0);
        painter.text(&panel.unit, middle, Hold::Middle, LABEL_SIZE, false, MUTED)?;
        for (index, ((_, color), name)) in self.rows.iter().zip(&names).enumerate() {
            let height = rows_top + self.row_height() * (index as f64 + 0.5);
            painter.text(name, (left - 10.0, height), Hold::Right, LABEL_SIZE, false, INK)?;
            if let Some(estimate) = panel.estimates.get(index) {
                paint_estimate(painter, estimate, &scale, height, *color)?;
            }
        }
        Ok(())
    }
}

fn paint_estimate<DB: DrawingBackend>(
    painter: &Painter<'_, DB>,
    estimate: &Estimate,
    scale: &Scale,
    height: f64,
    color: RGBColor,
) -> Painted {
    if estimate.low.is_finite() && estimate.high.is_finite() {
        let (low, high) = (scale.place(estimate.low), scale.place(estimate.high));
        painter.line(&[(low, height), (high, height)], color, 2.0)?;
        for end in [low, high] {
            painter.line(&[(end, height - 4.0), (end, height + 4.0)], color, 2.0)?;
        }
    }
    if estimate.mean.is_finite() {
        painter.dot((scale.place(estimate.mean), height), 4.5, color)?;
    }
    Ok(())
}

impl Picture for DotChart {
    fn width(&self) -> f64 {
        WIDTH
    }

    fn height(&self) -> f64 {
        88.0 + remark_extra_height(&self.remark, WIDTH)
            + self.panel_height() * self.panels.len().div_ceil(self.columns()).max(1) as f64
    }

    fn paint<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>) -> Painted {
        let top = painter.heading(&self.title, &self.remark)? + 12.0;
        if self.rows.is_empty() || self.panels.is_empty() {
            let middle = (WIDTH / 2.0, top + 40.0);
            return painter.text("This sweep has no data here.", middle, Hold::Middle, 15.0, false, MUTED);
        }
        let columns = self.columns();
        let width = (WIDTH - 48.0) / columns as f64;
        for (index, panel) in self.panels.iter().enumerate() {
            let from = 24.0 + width * (index % columns) as f64;
            let panel_top = top + self.panel_height() * (index / columns) as f64;
            self.paint_panel(painter, panel, (from, from + width - 12.0), panel_top)?;
        }
        Ok(())
    }
}
