//! What a run cost, for whom, and which promises it broke: `bill.csv`, `costs.csv`, `losses.csv` and `promises.csv` into a chart and
//! a section.

use std::collections::BTreeMap;
use std::path::Path;

use super::chart::lines::{Axis, Curve, LineChart, Stroke};
use super::chart::scale::{Spread, short_number};
use super::chart::{Chart, SERIES as COLORS};
use super::files::Rows;
use super::html::{Cell, readable, table};
use super::run_charts::time_axis;
use super::{NamedChart, ReportError};

/// No more payers get areas of their own; the others are one.
const SHOWN_MAX: usize = 6;
/// Position of grey among the colours.
const GREY: usize = 7;
const IDLE: &str = "(idle)";

/// Figures of `losses.csv`: column, heading and unit.
const LOSSES: [(&str, &str, &str); 7] = [
    ("evictions", "Evictions", "count"),
    ("evictions_beyond_budget", "Beyond budgets", "count"),
    ("memory_kills", "Killed for memory", "count"),
    ("lost_work_core_h", "Core-hours lost", "core h"),
    ("lost_work_usd", "Worth", "USD"),
    ("cold_starts", "Cold starts", "count"),
    ("image_pull_bytes", "Images pulled", "bytes"),
];

/// What the report shows of costs.
#[derive(Debug, Default)]
pub(super) struct Costs {
    /// US dollars and losses by who pays.
    payers: BTreeMap<String, ([f64; LOSSES.len()], f64)>,
    /// Promise, subject, broken, of how many, what these are, and percent.
    promises: Vec<Vec<Cell>>,
    /// US dollars by who pays, in each of equal spans.
    series: Series,
}

/// Costs over time.
#[derive(Debug, Default)]
struct Series {
    starts_s: Vec<f64>,
    payers: BTreeMap<String, Vec<f64>>,
}

/// Reads the tables; nothing without them.
///
/// # Errors
/// When a table is broken.
pub(super) fn read(directory: &Path) -> Result<Costs, ReportError> {
    let mut found = Costs::default();
    if let Some(mut rows) = Rows::open(directory, "bill.csv", &["for", "namespace", "workload", "usd"])? {
        while rows.advance()? {
            let payer = payer(&rows.text(0), &rows.text(1), &rows.text(2));
            found.payers.entry(payer).or_default().1 += rows.number(3)?;
        }
    }
    let mut picks = vec!["namespace", "workload"];
    picks.extend(LOSSES.map(|(column, _, _)| column));
    if let Some(mut rows) = Rows::open(directory, "losses.csv", &picks)? {
        while rows.advance()? {
            let payer = payer("workload", &rows.text(0), &rows.text(1));
            let (losses, _) = found.payers.entry(payer).or_default();
            for (position, loss) in losses.iter_mut().enumerate() {
                *loss += rows.number(position + 2)?;
            }
        }
    }
    found.read_promises(directory)?;
    found.series.read(directory)?;
    Ok(found)
}

/// How somebody who pays is called.
fn payer(kind: &str, namespace: &str, workload: &str) -> String {
    match kind {
        "idle" => IDLE.to_owned(),
        "all" => "(shared)".to_owned(),
        _ => format!("{namespace}/{workload}"),
    }
}

impl Costs {
    fn read_promises(&mut self, directory: &Path) -> Result<(), ReportError> {
        let picks = ["promise", "subject", "broken", "of", "unit", "broken_pct"];
        let Some(mut rows) = Rows::open(directory, "promises.csv", &picks)? else { return Ok(()) };
        while rows.advance()? {
            let (broken, of, percent) = (rows.number(2)?, rows.number(3)?, rows.number(5)?);
            let amount = |value: f64| Cell::number(short_number(value), value);
            self.promises.push(vec![
                Cell::text(&rows.text(0)),
                Cell::text(&rows.text(1)),
                amount(broken),
                amount(of),
                Cell::text(&rows.text(4)),
                Cell::number(readable("broken_pct", "%", &percent.to_string()), percent),
            ]);
        }
        Ok(())
    }

    /// Tables of what everybody paid and lost, and of promises; nothing without them.
    /// `summary` is metric, unit and value by row.
    pub(super) fn section(&self, summary: &[[String; 3]]) -> String {
        if self.payers.is_empty() && self.promises.is_empty() {
            return String::new();
        }
        let total: f64 = self.payers.values().map(|(_, usd)| usd).sum();
        let mut columns = vec!["Who".to_owned(), "Paid".to_owned(), "Part".to_owned()];
        columns.extend(LOSSES.map(|(_, heading, _)| heading.to_owned()));
        let rows = self.payers.iter().map(|(payer, (losses, usd))| {
            let part = if total > 0.0 { 100.0 * usd / total } else { f64::NAN };
            let mut cells = vec![
                Cell::text(payer),
                Cell::number(readable("usd", "USD", &usd.to_string()), *usd),
                Cell::number(readable("part", "%", &part.to_string()), part),
            ];
            let loss = |((column, _, unit), value): (&(&str, &str, &str), &f64)| {
                Cell::number(readable(column, unit, &value.to_string()), *value)
            };
            cells.extend(LOSSES.iter().zip(losses).map(loss));
            cells
        });
        let rows: Vec<Vec<Cell>> = rows.collect();
        let mut out = "<section id=\"costs\">\n<h2>What it cost</h2>\n<p class=\"note\">By workload, with what was idle and \
                       what all share; bill.csv has it by pool and instance type. Work is lost when a pod is evicted and \
                       begins anew.</p>\n"
            .to_owned();
        out.push_str(&table(&columns, &rows, "bill.csv and losses.csv"));
        out.push_str(&bound_note(summary));
        if !self.promises.is_empty() {
            let columns = ["Promise", "Whose", "Broken", "In all", "Unit", "Part"].map(str::to_owned);
            out.push_str(
                "<h3>Promises</h3>\n<p class=\"note\">What was promised, and how much of it was broken.</p>\n",
            );
            out.push_str(&table(&columns, &self.promises, "promises.csv"));
        }
        out + "</section>\n"
    }

    /// What everybody paid over time, one above the other; none without the table.
    pub(super) fn charts(&self, end_s: f64) -> Vec<NamedChart> {
        let Series { starts_s, payers } = &self.series;
        if starts_s.is_empty() {
            return Vec::new();
        }
        let (x, length_s) = time_axis(end_s);
        let span_h = end_s / starts_s.len() as f64 / 3600.0;
        let layers = layers(payers);
        let mut curves = Vec::new();
        let mut highest: f64 = 0.0;
        let sums = |upto: usize, bin: usize| layers[..=upto].iter().map(|(_, usd)| usd[bin]).sum::<f64>() / span_h;
        for (position, (name, _)) in layers.iter().enumerate() {
            let below = |bin: usize| if position == 0 { 0.0 } else { sums(position - 1, bin) };
            let band = starts_s.iter().enumerate().flat_map(|(bin, start)| {
                let (from, to) = (start / length_s, (start + span_h * 3600.0) / length_s);
                [from, to].map(|at| (at, below(bin), sums(position, bin)))
            });
            let band: Vec<(f64, f64, f64)> = band.collect();
            highest = band.iter().map(|point| point.2).fold(highest, f64::max);
            let color = COLORS[if name == IDLE { GREY } else { position % GREY }];
            curves.push(Curve { name: name.clone(), color, points: Vec::new(), band, stroke: Stroke::Steps });
        }
        let range = Some((0.0, if highest > 0.0 { highest } else { 1.0 }));
        let chart = LineChart {
            title: "Who paid for the machines".to_owned(),
            remark: "One above the other; what nobody asked for is grey. Prices of machines alone.".to_owned(),
            x,
            y: Axis { label: "US dollars an hour".to_owned(), spread: Spread::Linear, range, format: short_number },
            curves,
        };
        vec![NamedChart::new("costs", Chart::Lines(chart))]
    }
}

/// What machines could have cost at least, where the run says so.
fn bound_note(summary: &[[String; 3]]) -> String {
    let figure = |name: &str| summary.iter().find(|row| row[0] == name).map(|[name, unit, value]| (name, unit, value));
    let (Some((name, unit, bound)), Some((_, _, over))) = (figure("cost_bound_usd"), figure("cost_over_bound_ratio"))
    else {
        return String::new();
    };
    let over = over.parse::<f64>().map_or_else(|_| String::new(), short_number);
    format!(
        "<p class=\"note\">For the same pods at the same time no machines cost less than {}, with knowledge of the future; it \
         cost {over} times that.</p>\n",
        readable(name, unit, bound)
    )
}

/// The payers from the largest down, the smallest together, and what was idle at the end.
fn layers(payers: &BTreeMap<String, Vec<f64>>) -> Vec<(String, Vec<f64>)> {
    let mut list: Vec<(&String, &Vec<f64>)> = payers.iter().filter(|(name, _)| *name != IDLE).collect();
    let total = |usd: &[f64]| usd.iter().sum::<f64>();
    list.sort_by(|one, other| total(other.1).total_cmp(&total(one.1)).then(one.0.cmp(other.0)));
    let mut layers: Vec<(String, Vec<f64>)> = Vec::new();
    for (position, (name, usd)) in list.into_iter().enumerate() {
        match layers.get_mut(SHOWN_MAX - 1) {
            Some((others, sums)) if position >= SHOWN_MAX => {
                "Others".clone_into(others);
                sums.iter_mut().zip(usd).for_each(|(sum, usd)| *sum += usd);
            }
            _ => layers.push((name.clone(), usd.clone())),
        }
    }
    layers.extend(payers.get(IDLE).map(|usd| (IDLE.to_owned(), usd.clone())));
    layers
}

impl Series {
    fn read(&mut self, directory: &Path) -> Result<(), ReportError> {
        let picks = ["time_s", "for", "namespace", "workload", "usd"];
        let Some(mut rows) = Rows::open(directory, "costs.csv", &picks)? else { return Ok(()) };
        while rows.advance()? {
            let time_s = rows.number(0)?;
            if self.starts_s.last() != Some(&time_s) {
                self.starts_s.push(time_s);
            }
            let payer = payer(&rows.text(1), &rows.text(2), &rows.text(3));
            let course = self.payers.entry(payer).or_default();
            course.resize(self.starts_s.len(), 0.0);
            *course.last_mut().expect("it has been made longer") += rows.number(4)?;
        }
        self.payers.values_mut().for_each(|course| course.resize(self.starts_s.len(), 0.0));
        Ok(())
    }
}
