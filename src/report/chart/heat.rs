//! Rows over time, shaded by how full they are.

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use super::scale::{Scale, Spread, short_number};
use super::{GRID, Hold, MUTED, Painted, Painter, Picture, remark_extra_height, shortened, text_width};

const WIDTH: f64 = 960.0;
const LABEL_SIZE: f64 = 13.0;
const SMALL_SIZE: f64 = 11.0;
/// Shades between empty and full; fewer shades make longer runs of equal cells and smaller files.
const SHADES: usize = 20;
/// From empty to full: light yellow over green to dark blue; grows darker evenly, so it also reads in grey.
const ANCHORS: [(f64, f64, f64); 5] =
    [(250.0, 247.0, 222.0), (180.0, 222.0, 180.0), (80.0, 180.0, 192.0), (38.0, 110.0, 170.0), (12.0, 36.0, 98.0)];

/// A chart of rows over time.
pub(in crate::report) struct HeatChart {
    pub(in crate::report) title: String,
    pub(in crate::report) remark: String,
    /// What the horizontal axis shows, with its unit.
    pub(in crate::report) x_label: String,
    /// Value at the right end of the horizontal axis; the left end is zero.
    pub(in crate::report) x_end: f64,
    /// What the shade means, with its unit.
    pub(in crate::report) shade_label: String,
    /// Names of the rows from top to bottom.
    pub(in crate::report) rows: Vec<String>,
    /// Percent by row, then column; NaN where there is nothing to show.
    pub(in crate::report) cells: Vec<Vec<f64>>,
}

fn shade_color(level: usize) -> RGBColor {
    let place = level as f64 / (SHADES - 1) as f64 * (ANCHORS.len() - 1) as f64;
    let index = (place as usize).min(ANCHORS.len() - 2);
    let (from, to, share) = (ANCHORS[index], ANCHORS[index + 1], place - index as f64);
    let mix = |from: f64, to: f64| (from + (to - from) * share).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// For each shade the one to put in its place on dark paper, so that empty is near the paper there too.
pub(in crate::report) fn dark_shades() -> impl Iterator<Item = (RGBColor, RGBColor)> {
    (0..SHADES).map(|level| (shade_color(level), shade_color(SHADES - 1 - level)))
}

fn level_of(percent: f64) -> Option<usize> {
    percent.is_finite().then(|| ((percent / 100.0).clamp(0.0, 1.0) * (SHADES - 1) as f64).round() as usize)
}

impl HeatChart {
    fn row_height(&self) -> f64 {
        (420.0 / self.rows.len().max(1) as f64).clamp(7.0, 26.0)
    }

    fn rows_height(&self) -> f64 {
        self.row_height() * self.rows.len().max(4) as f64
    }

    fn paint_shades<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>, top: f64) -> Painted {
        let middle = top + 11.0;
        let mut left = 24.0;
        painter.text(&self.shade_label, (left, middle), Hold::Left, LABEL_SIZE, false, MUTED)?;
        left += text_width(&self.shade_label, LABEL_SIZE, false) + 16.0;
        painter.text("0 %", (left, middle), Hold::Left, LABEL_SIZE, false, MUTED)?;
        left += text_width("0 %", LABEL_SIZE, false) + 8.0;
        for level in 0..SHADES {
            painter.block((left, middle - 7.0), (left + 10.5, middle + 7.0), shade_color(level))?;
            left += 10.0;
        }
        painter.text("100 %", (left + 8.0, middle), Hold::Left, LABEL_SIZE, false, MUTED)
    }

    /// Draws one row, with neighbouring cells of one shade as one block.
    fn paint_row<DB: DrawingBackend>(
        painter: &Painter<'_, DB>,
        cells: &[f64],
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
    ) -> Painted {
        let edge = |column: usize| left + (right - left) * column as f64 / cells.len() as f64;
        let mut start = 0;
        while start < cells.len() {
            let level = level_of(cells[start]);
            let alike = cells[start..].iter().take_while(|&&cell| level_of(cell) == level).count();
            if let Some(level) = level {
                // The next block covers the overlap; without it viewers show a seam where smoothed edges meet.
                let followed = cells.get(start + alike).is_some_and(|cell| cell.is_finite());
                let overlap = if followed { 0.5 } else { 0.0 };
                painter.block((edge(start), top), (edge(start + alike) + overlap, bottom), shade_color(level))?;
            }
            start += alike;
        }
        Ok(())
    }

    fn paint_time<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>, left: f64, right: f64, bottom: f64) -> Painted {
        let scale = Scale::new(Spread::Linear, (0.0, self.x_end), (left, right));
        let mut taken_to = 0.0;
        for tick in scale.ticks(8) {
            let (place, text) = (scale.place(tick), short_number(tick));
            painter.line(&[(place, bottom + 2.0), (place, bottom + 7.0)], MUTED, 1.0)?;
            let half = text_width(&text, LABEL_SIZE, false) / 2.0;
            if place - half > taken_to {
                painter.text(&text, (place, bottom + 19.0), Hold::Middle, LABEL_SIZE, false, MUTED)?;
                taken_to = place + half + 10.0;
            }
        }
        let middle = (left + right) / 2.0;
        painter.text(&self.x_label, (middle, bottom + 43.0), Hold::Middle, LABEL_SIZE, false, MUTED)
    }
}

impl Picture for HeatChart {
    fn width(&self) -> f64 {
        WIDTH
    }

    fn height(&self) -> f64 {
        106.0 + remark_extra_height(&self.remark, WIDTH) + self.rows_height() + 62.0
    }

    fn paint<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>) -> Painted {
        let below_heading = painter.heading(&self.title, &self.remark)?;
        self.paint_shades(painter, below_heading)?;
        let names: Vec<String> = self.rows.iter().map(|name| shortened(name, SMALL_SIZE, false, 170.0)).collect();
        let widest = names.iter().map(|name| text_width(name, SMALL_SIZE, false)).fold(24.0, f64::max);
        let (left, right, top) = (24.0 + widest + 10.0, WIDTH - 32.0, below_heading + 34.0);
        let (height, bottom) = (self.row_height(), top + self.rows_height());
        // Rows lower than a line of text are named every few rows.
        let stride = (14.0 / height).ceil().max(1.0) as usize;
        let gap = if height > 9.0 { 1.0 } else { 0.0 };
        for (index, (name, cells)) in names.iter().zip(&self.cells).enumerate() {
            let row_top = top + height * index as f64;
            if index % stride == 0 {
                let middle = row_top + height / 2.0;
                painter.text(name, (left - 8.0, middle), Hold::Right, SMALL_SIZE, false, MUTED)?;
            }
            HeatChart::paint_row(painter, cells, (left, right), (row_top, row_top + height - gap))?;
        }
        if self.rows.is_empty() {
            let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
            painter.text("This run has no data here.", middle, Hold::Middle, 15.0, false, MUTED)?;
        }
        painter.line(&[(left, top - 1.0), (right, top - 1.0)], GRID, 1.0)?;
        painter.line(&[(left, bottom + 1.0), (right, bottom + 1.0)], MUTED, 1.25)?;
        self.paint_time(painter, left, right, bottom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_cover_the_scale_and_leave_gaps_out() {
        let rows =
            [(0.0, Some(0)), (100.0, Some(SHADES - 1)), (250.0, Some(SHADES - 1)), (-3.0, Some(0)), (f64::NAN, None)];
        for (percent, level) in rows {
            assert_eq!(level_of(percent), level, "{percent}");
        }
        assert_eq!(shade_color(0), RGBColor(250, 247, 222));
        assert_eq!(shade_color(SHADES - 1), RGBColor(12, 36, 98));
    }
}
