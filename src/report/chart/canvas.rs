//! A drawing surface for plotters that makes PNG images.
//!
//! plotters' own bitmap surface draws edges without smoothing and letters at whole pixels; this one hands shapes and
//! glyph outlines to a software rasteriser with smooth edges, and brings its own font, so that an image needs nothing
//! from the machine. Cost: about 20 ms for an image of 1920 x 1080.

use std::convert::Infallible;
use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, OutlineCurve, Point};
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// plotters calls a font's size what SVG calls the size times this.
pub(super) const SIZE_PER_EM: f64 = 1.24;

/// How far the baseline lies below a text's middle, in ems: half the height of an x.
const BASELINE_BELOW_MIDDLE_EMS: f32 = 0.268;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// The bundled font, normal or bold.
pub(super) fn font(bold: bool) -> &'static FontRef<'static> {
    static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let fonts = FONTS.get_or_init(|| {
        [ttf_noto_sans::REGULAR, ttf_noto_sans::BOLD]
            .map(|bytes| FontRef::try_from_slice(bytes).expect("the bundled font is a font"))
    });
    &fonts[usize::from(bold)]
}

/// How wide a text is in ems, in the bundled font.
pub(super) fn width_in_ems(text: &str, bold: bool) -> f64 {
    let font = font(bold);
    let units: f32 = text.chars().map(|letter| font.h_advance_unscaled(font.glyph_id(letter))).sum();
    f64::from(units) / f64::from(font.units_per_em().unwrap_or(1000.0))
}

/// An image under construction. Coordinates are in the drawing's units; `pixels_per_unit` scales them to pixels.
pub(super) struct Canvas<'a> {
    pub(super) pixmap: &'a mut Pixmap,
    pub(super) size: (u32, u32),
    pub(super) pixels_per_unit: f32,
}

fn paint_of(color: BackendColor) -> Paint<'static> {
    let (red, green, blue) = color.rgb;
    let mut paint = Paint::default();
    paint.set_color(Color::from_rgba8(red, green, blue, (color.alpha * 255.0).round().clamp(0.0, 255.0) as u8));
    paint
}

impl Canvas<'_> {
    fn scaled(&self, (x, y): BackendCoord) -> (f32, f32) {
        (x as f32 * self.pixels_per_unit, y as f32 * self.pixels_per_unit)
    }

    fn path_through(&self, points: impl IntoIterator<Item = BackendCoord>, closed: bool) -> Option<Path> {
        let mut path = PathBuilder::new();
        for (index, point) in points.into_iter().enumerate() {
            let (x, y) = self.scaled(point);
            if index == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        if closed {
            path.close();
        }
        path.finish()
    }

    fn stroke(&mut self, path: &Path, style: &impl BackendStyle) {
        let stroke = Stroke {
            width: style.stroke_width() as f32 * self.pixels_per_unit,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixmap.stroke_path(path, &paint_of(style.color()), &stroke, Transform::identity(), None);
    }

    fn fill(&mut self, path: &Path, color: BackendColor) {
        self.pixmap.fill_path(path, &paint_of(color), FillRule::Winding, Transform::identity(), None);
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 1, point.1 + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn {
        if !fill {
            let outline = self.path_through([from, (to.0, from.1), to, (from.0, to.1)], true);
            if let Some(path) = outline {
                self.stroke(&path, style);
            }
            return Ok(());
        }
        // Whole pixels: neighbouring cells of a heat map would otherwise show a seam.
        let ((left, top), (right, bottom)) = (self.scaled(from), self.scaled(to));
        if let Some(rect) = Rect::from_ltrb(left.round(), top.round(), right.round(), bottom.round()) {
            let mut paint = paint_of(style.color());
            paint.anti_alias = false;
            self.pixmap.fill_rect(rect, &paint, Transform::identity(), None);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        if let Some(path) = self.path_through(points, false) {
            self.stroke(&path, style);
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let (x, y) = self.scaled(center);
        if let Some(path) = PathBuilder::from_circle(x, y, radius as f32 * self.pixels_per_unit) {
            if fill { self.fill(&path, style.color()) } else { self.stroke(&path, style) }
        }
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, corners: I, style: &S) -> Drawn {
        if let Some(path) = self.path_through(corners, true) {
            self.fill(&path, style.color());
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, position: BackendCoord) -> Drawn {
        let bold = matches!(style.style(), FontStyle::Bold);
        let font = font(bold);
        let em = (style.size() / SIZE_PER_EM) as f32 * self.pixels_per_unit;
        let pixels_per_font_unit = em / font.units_per_em().unwrap_or(1000.0);
        let width = width_in_ems(text, bold) as f32 * em;
        let (x, y) = self.scaled(position);
        let mut left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width / 2.0,
            HPos::Right => x - width,
        };
        let baseline = y + BASELINE_BELOW_MIDDLE_EMS * em;
        let mut path = PathBuilder::new();
        for letter in text.chars() {
            let glyph = font.glyph_id(letter);
            if let Some(outline) = font.outline(glyph) {
                let place =
                    |point: Point| (left + point.x * pixels_per_font_unit, baseline - point.y * pixels_per_font_unit);
                add_outline(&mut path, &outline.curves, place);
            }
            left += font.h_advance_unscaled(glyph) * pixels_per_font_unit;
        }
        if let Some(path) = path.finish() {
            self.fill(&path, style.color());
        }
        Ok(())
    }
}

/// Adds a glyph's curves to a path. The curves come contour by contour; a jump starts the next contour.
fn add_outline(path: &mut PathBuilder, curves: &[OutlineCurve], place: impl Fn(Point) -> (f32, f32)) {
    let mut last = None;
    for curve in curves {
        let (OutlineCurve::Line(start, end)
        | OutlineCurve::Quad(start, _, end)
        | OutlineCurve::Cubic(start, _, _, end)) = curve;
        if last != Some(*start) {
            let (x, y) = place(*start);
            path.move_to(x, y);
        }
        let (x, y) = place(*end);
        match curve {
            OutlineCurve::Line(..) => path.line_to(x, y),
            OutlineCurve::Quad(_, control, _) => {
                let (cx, cy) = place(*control);
                path.quad_to(cx, cy, x, y);
            }
            OutlineCurve::Cubic(_, first, second, _) => {
                let ((ax, ay), (bx, by)) = (place(*first), place(*second));
                path.cubic_to(ax, ay, bx, by, x, y);
            }
        }
        last = Some(*end);
    }
}
