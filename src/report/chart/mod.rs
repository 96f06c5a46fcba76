//! Charts: what to draw (`lines`, `heat`, `dots`) and how (one painter over two surfaces, SVG and PNG).
//!
//! A chart lays itself out with its own measured text, so that labels never overlap, and draws through plotters on
//! either surface with the same code. Coordinates are in points; the surfaces work at [`UNITS_PER_POINT`] whole units a
//! point, so that curves are smooth. Invariant: whatever the data holds (no point,
//! one point, constants, NaN), a chart is drawn and no coordinate is NaN.

mod canvas;
pub(super) mod dots;
pub(super) mod heat;
pub(super) mod lines;
pub(super) mod scale;
pub(super) mod trace;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use tiny_skia::Pixmap;

use canvas::{Canvas, SIZE_PER_EM, width_in_ems};

const UNITS_PER_POINT: f64 = 4.0;
const PIXELS_PER_POINT: f64 = 2.0;
const REMARK_SIZE: f64 = 13.0;
const REMARK_LINE_HEIGHT: f64 = 19.0;
const FONT_FAMILY: &str = "Noto Sans, Segoe UI, Helvetica Neue, Arial, sans-serif";
/// A viewer of SVG may lack the font; common substitutes are up to this much wider.
const SUBSTITUTE_FONT_WIDTH: f64 = 1.12;

/// Colour of the paper. The report's style sheet knows these four by value and swaps them in dark mode.
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Colour of titles and values.
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Colour of axis labels and remarks.
pub(super) const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6E);
/// Colour of grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xE2, 0xE8);

/// Colours of series, distinct for the common kinds of colour blindness (after Okabe and Ito, without the yellow that
/// vanishes on white).
pub(super) const SERIES: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x7A, 0x52, 0xA8),
    RGBColor(0x8A, 0x8F, 0x98),
];

/// Colours for what comes after the seventh; less apart from each other and from those.
const SERIES_MORE: [RGBColor; 4] =
    [RGBColor(0xB8, 0xA1, 0x00), RGBColor(0xA0, 0x52, 0x2D), RGBColor(0x88, 0x22, 0x55), RGBColor(0x33, 0x22, 0x88)];

/// The colour of one of many things that need to be told apart: there are eleven, and grey for all the others.
pub(super) fn distinct_color(position: usize) -> RGBColor {
    let [colors @ .., grey] = &SERIES;
    colors.iter().chain(&SERIES_MORE).nth(position).copied().unwrap_or(*grey)
}

/// What a drawing step gives back: nothing, or what the surface refused.
pub(super) type Painted = Result<(), String>;

/// A chart that can be drawn on any surface.
pub(super) trait Picture {
    /// Width in points.
    fn width(&self) -> f64;

    /// Height in points.
    fn height(&self) -> f64;

    /// Draws the chart.
    fn paint<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>) -> Painted;
}

/// A closed set of pictures, so that charts of all kinds fit one list.
pub(super) enum Chart {
    /// Curves over one axis.
    Lines(lines::LineChart),
    /// Rows over time.
    Heat(heat::HeatChart),
    /// Estimates with intervals.
    Dots(dots::DotChart),
}

impl Picture for Chart {
    fn width(&self) -> f64 {
        match self {
            Chart::Lines(chart) => chart.width(),
            Chart::Heat(chart) => chart.width(),
            Chart::Dots(chart) => chart.width(),
        }
    }

    fn height(&self) -> f64 {
        match self {
            Chart::Lines(chart) => chart.height(),
            Chart::Heat(chart) => chart.height(),
            Chart::Dots(chart) => chart.height(),
        }
    }

    fn paint<DB: DrawingBackend>(&self, painter: &Painter<'_, DB>) -> Painted {
        match self {
            Chart::Lines(chart) => chart.paint(painter),
            Chart::Heat(chart) => chart.paint(painter),
            Chart::Dots(chart) => chart.paint(painter),
        }
    }
}

/// Where a text is held.
#[derive(Clone, Copy)]
pub(super) enum Hold {
    Left,
    Middle,
    Right,
}

/// A pen over one surface, in points.
pub(super) struct Painter<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    /// Width of the page in points.
    width: f64,
}

fn units(points: f64) -> i32 {
    (points * UNITS_PER_POINT).round() as i32
}

fn refused(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl<DB: DrawingBackend> Painter<'_, DB> {
    /// Draws a line through points. A single point gives nothing.
    pub(super) fn line(&self, points: &[(f64, f64)], color: RGBColor, width: f64) -> Painted {
        if points.len() < 2 {
            return Ok(());
        }
        let corners: Vec<_> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        let style = color.stroke_width(units(width) as u32);
        self.area.draw(&PathElement::new(corners, style)).map_err(refused)
    }

    /// Fills the area inside points.
    pub(super) fn polygon(&self, points: &[(f64, f64)], color: RGBColor, opacity: f64) -> Painted {
        if points.len() < 3 {
            return Ok(());
        }
        let corners: Vec<_> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        self.area.draw(&Polygon::new(corners, color.mix(opacity).filled())).map_err(refused)
    }

    /// Fills a rectangle given by two corners.
    pub(super) fn block(&self, from: (f64, f64), to: (f64, f64), color: RGBColor) -> Painted {
        let corners = [(units(from.0), units(from.1)), (units(to.0), units(to.1))];
        self.area.draw(&Rectangle::new(corners, color.filled())).map_err(refused)
    }

    /// Fills a circle.
    pub(super) fn dot(&self, center: (f64, f64), radius: f64, color: RGBColor) -> Painted {
        let circle = Circle::new((units(center.0), units(center.1)), units(radius), color.filled());
        self.area.draw(&circle).map_err(refused)
    }

    /// Writes a text whose middle lies at the height `at.1`. Control characters, which SVG forbids, are left out.
    pub(super) fn text(
        &self,
        text: &str,
        at: (f64, f64),
        hold: Hold,
        size: f64,
        bold: bool,
        color: RGBColor,
    ) -> Painted {
        let clean: String = text.chars().filter(|letter| !letter.is_control()).collect();
        if clean.is_empty() {
            return Ok(());
        }
        let weight = if bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FONT_FAMILY, size * UNITS_PER_POINT * SIZE_PER_EM).into_font().style(weight);
        let side = match hold {
            Hold::Left => HPos::Left,
            Hold::Middle => HPos::Center,
            Hold::Right => HPos::Right,
        };
        let style = TextStyle::from(font).color(&color).pos(Pos::new(side, VPos::Center));
        // Surfaces centre a text by its small letters; digits and capitals look centred a little lower.
        self.area.draw_text(&clean, &style, (units(at.0), units(at.1 + 0.08 * size))).map_err(refused)
    }

    /// Writes the title and the remark below it, on two lines if need be; gives the height where the rest may begin.
    pub(super) fn heading(&self, title: &str, remark: &str) -> Result<f64, String> {
        let limit = self.width - 48.0;
        self.text(&shortened(title, 18.0, true, limit), (24.0, 30.0), Hold::Left, 18.0, true, INK)?;
        let mut middle = 54.0;
        for line in remark_lines(remark, limit) {
            self.text(&line, (24.0, middle), Hold::Left, REMARK_SIZE, false, MUTED)?;
            middle += REMARK_LINE_HEIGHT;
        }
        Ok(middle - 1.0)
    }
}

/// How much higher a chart becomes by the lines of a remark after its first.
pub(super) fn remark_extra_height(remark: &str, width: f64) -> f64 {
    REMARK_LINE_HEIGHT * remark_lines(remark, width - 48.0).len().saturating_sub(1) as f64
}

/// The remark in at most two lines, broken between words; what is still too long is cut.
fn remark_lines(remark: &str, limit: f64) -> Vec<String> {
    if remark.is_empty() {
        return Vec::new();
    }
    let breaks = remark.match_indices(' ').map(|(at, _)| at).filter(|&at| at > 0);
    let fits = |text: &str| text_width(text, REMARK_SIZE, false) <= limit;
    match breaks.rev().find(|&at| fits(&remark[..at])) {
        Some(at) if !fits(remark) => {
            vec![remark[..at].to_owned(), shortened(&remark[at + 1..], REMARK_SIZE, false, limit)]
        }
        _ => vec![shortened(remark, REMARK_SIZE, false, limit)],
    }
}

/// How wide a text may become, in points.
pub(super) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    width_in_ems(text, bold) * size * SUBSTITUTE_FONT_WIDTH
}

/// The text, cut at the end and marked with an ellipsis when it is wider than `limit` points.
pub(super) fn shortened(text: &str, size: f64, bold: bool, limit: f64) -> String {
    if text_width(text, size, bold) <= limit {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut width = text_width("…", size, bold);
    for letter in text.chars() {
        width += text_width(letter.encode_utf8(&mut [0; 4]), size, bold);
        if width > limit {
            break;
        }
        kept.push(letter);
    }
    kept.truncate(kept.trim_end().len());
    kept.push('…');
    kept
}

/// Draws a chart as SVG text.
pub(super) fn to_svg(picture: &impl Picture) -> Result<String, String> {
    let size = (units(picture.width()) as u32, units(picture.height()) as u32);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&PAPER).map_err(refused)?;
        picture.paint(&Painter { area: &area, width: picture.width() })?;
        area.present().map_err(refused)?;
    }
    // The surface works in fine units; the picture shall open at its size in points.
    let fine = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    Ok(svg.replacen(&fine, &format!("width=\"{}\" height=\"{}\"", picture.width(), picture.height()), 1))
}

/// Draws a chart as a PNG image with [`PIXELS_PER_POINT`] pixels a point.
pub(super) fn to_png(picture: &impl Picture) -> Result<Vec<u8>, String> {
    let pixels = |points: f64| (points * PIXELS_PER_POINT).round() as u32;
    let (width, height) = (pixels(picture.width()), pixels(picture.height()));
    let mut pixmap = Pixmap::new(width, height).ok_or("the image is too large")?;
    {
        let size = (units(picture.width()) as u32, units(picture.height()) as u32);
        let pixels_per_unit = (PIXELS_PER_POINT / UNITS_PER_POINT) as f32;
        let area = Canvas { pixmap: &mut pixmap, size, pixels_per_unit }.into_drawing_area();
        area.fill(&PAPER).map_err(refused)?;
        picture.paint(&Painter { area: &area, width: picture.width() })?;
    }
    let colors: Vec<u8> = pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let mut image = Vec::new();
    let mut encoder = png::Encoder::new(&mut image, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(&colors).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(image)
}
