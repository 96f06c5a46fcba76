//! From a result directory to pictures: `charts/*.svg`, `charts/*.png` and one self-contained `report.html`.
//!
//! Works on the files alone, for single runs, sweeps and benches, so that a report can be made again at any time. Invariants:
//! the same tables give the same bytes; the report holds nothing of the machine (wall time and host stay in the
//! manifest, but for benches, which are about time); every file appears whole or not at all; the page makes no request to anywhere. Cost: about 0.1 s for a
//! small run, and bounded memory for a large one: tables are streamed, curves thinned, the packing picture sampled.

// Reading and writing files is this module's work; the ban on it holds in the deterministic core.
#![allow(clippy::disallowed_methods)]

mod autoscaling;
mod bench;
mod chart;
mod controllers;
mod costs;
mod elasticity;
mod energy;
mod files;
mod functions;
mod html;
mod machines;
mod occupancy;
mod packing;
mod run;
mod run_charts;
mod sizing;
mod spot_prices;
mod sweep;
mod traffic;
mod verticals;
mod waits;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use chart::{Chart, to_png, to_svg};

/// What to make, and how much of a large run the packing picture shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// Whether charts are written as PNG beside SVG.
    pub png: bool,
    /// How many nodes the packing picture shows at most.
    pub nodes_shown_max: usize,
    /// How many pods the packing picture shows at most.
    pub pods_shown_max: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions { png: true, nodes_shown_max: 150, pods_shown_max: 5000 }
    }
}

/// Why there is no report. Every one is fatal for the report and leaves the tables as they were.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The directory holds neither a run nor a sweep nor a bench.
    #[error("{path} is no result directory: it has neither summary.csv (a run) nor cells.csv (a sweep) nor bench.csv")]
    NotAResultDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A table is no well-formed CSV.
    #[error("cannot read the table {path}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: csv::Error,
    },
    /// A cell that should hold a number holds something else.
    #[error("{path}:{line}: column {column} should be a number, not {value:?}")]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// The manifest is no JSON.
    #[error("cannot read the manifest {path}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A chart could not be drawn.
    #[error("cannot draw the chart {name}: {message}")]
    Chart {
        /// The chart's file name without its ending.
        name: String,
        /// What the drawing surface said.
        message: String,
    },
    /// A file could not be written; what was written before it is whole.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A chart and the name of its files.
struct NamedChart {
    name: String,
    chart: Chart,
}

impl NamedChart {
    fn new(name: &str, chart: Chart) -> NamedChart {
        NamedChart { name: name.to_owned(), chart }
    }
}

/// A chart as it goes to files and page.
struct DrawnChart {
    name: String,
    svg: String,
    png: Option<Vec<u8>>,
}

fn draw(charts: &[NamedChart], options: &ReportOptions) -> Result<Vec<DrawnChart>, ReportError> {
    let drawn = charts.par_iter().map(|NamedChart { name, chart }| {
        let failed = |message| ReportError::Chart { name: name.clone(), message };
        let svg = to_svg(chart).map_err(failed)?;
        let png = options.png.then(|| to_png(chart)).transpose().map_err(failed)?;
        Ok(DrawnChart { name: name.clone(), svg, png })
    });
    drawn.collect()
}

/// Draws the charts of a result directory and writes its report.
///
/// `directory` holds a single run (`summary.csv` and its neighbours), a sweep (`cells.csv` and its neighbours) or a
/// bench (`bench.csv` and its neighbours); a table that is missing leaves its chart out. Gives the paths of the files written.
///
/// # Errors
/// When the directory is no result directory, a table cannot be read, or a file cannot be written. Nothing is written
/// before everything has been read and drawn.
pub fn render(directory: &Path, options: &ReportOptions) -> Result<Vec<PathBuf>, ReportError> {
    let has = |name: &str| directory.join(name).is_file();
    let (charts, page) = if has("cells.csv") || has("runs.csv") {
        let sweep = sweep::Sweep::read(directory)?;
        let charts = draw(&sweep.charts(), options)?;
        let page = html::sweep_page(&sweep, &charts);
        (charts, page)
    } else if has("bench.csv") {
        let bench = bench::Bench::read(directory)?;
        let charts = draw(&bench.charts(), options)?;
        let page = html::bench_page(&bench, &charts);
        (charts, page)
    } else if has("summary.csv") || has("manifest.json") {
        let run = run::Run::read(directory, options)?;
        let charts = draw(&run_charts::charts(&run), options)?;
        let page = html::run_page(&run, &charts);
        (charts, page)
    } else {
        return Err(ReportError::NotAResultDirectory { path: directory.to_owned() });
    };
    let folder = directory.join("charts");
    std::fs::create_dir_all(&folder).map_err(|source| ReportError::Write { path: folder.clone(), source })?;
    let mut written = Vec::new();
    for chart in &charts {
        let svg = folder.join(format!("{}.svg", chart.name));
        files::write_whole(&svg, chart.svg.as_bytes())?;
        written.push(svg);
        if let Some(image) = &chart.png {
            let png = folder.join(format!("{}.png", chart.name));
            files::write_whole(&png, image)?;
            written.push(png);
        }
    }
    let report = directory.join("report.html");
    files::write_whole(&report, page.as_bytes())?;
    written.push(report);
    Ok(written)
}
