//! The page: one HTML file with its style, scripts, charts and data inside.
//!
//! Every text that comes from the user passes [`escaped`] or [`embedded`] on its way in.

use std::collections::BTreeMap;

use plotters::style::RGBColor;
use serde_json::Value;

use super::DrawnChart;
use super::bench::{Bench, FIGURES};
use super::chart::dots::Estimate;
use super::chart::heat::dark_shades;
use super::chart::scale::{short_duration, short_number};
use super::packing::Packing;
use super::run::Run;
use super::sweep::{Comparison, Sweep};
use super::traffic::{FIGURES as SERVICE_FIGURES, Traffic};

const STYLE: &str = include_str!("page/report.css");
const TABLES_SCRIPT: &str = include_str!("page/tables.js");
const PACKING_SCRIPT: &str = include_str!("page/packing.js");

/// Rows that a table of the page shows at most; the CSV file has them all.
const TABLE_ROWS_MAX: usize = 2000;
/// Characters of the scenario that the page shows at most.
const SCENARIO_CHARACTERS_MAX: usize = 100_000;
const CARDS_MAX: usize = 8;

/// Figures that a reader wants first, with their titles; those after the eighth stand in for missing ones.
const CARDS: [(&str, &str); 32] = [
    ("requests_total", "Requests"),
    ("request_latency_ms_p50", "Half took at most"),
    ("request_latency_ms_p99", "99 % took at most"),
    ("requests_failed_ratio", "Requests failed"),
    ("requests_in_objective_ratio", "Met the objective"),
    ("function_calls_total", "Calls of functions"),
    ("function_cold_start_pct", "Met a cold start"),
    ("function_throttled_pct", "Were throttled"),
    ("function_latency_ms_p99", "99 % of calls took at most"),
    ("function_cost_usd_total", "Cost of functions"),
    ("sizing_cpu_slack_core_h_total", "Core-hours of slack"),
    ("sizing_memory_slack_gib_h_total", "GiB-hours of slack"),
    ("sizing_cpu_throttled_s_total", "Throttled for"),
    ("sizing_ooms_total", "Kills for memory"),
    ("pods_arrived", "Pods arrived"),
    ("pods_unplaced", "Pods never placed"),
    ("cpu_allocated_mean_pct", "CPU allocated, mean"),
    ("gpu_allocated_mean_pct", "GPU allocated, mean"),
    ("gpu_allocated_pct", "GPU allocated at the end"),
    ("gpu_fragmented_pct", "GPU fragmented at the end"),
    ("wait_ms_p99", "99 % waited at most"),
    ("cost_usd_total", "Cost"),
    ("cpu_allocated_pct", "CPU allocated at the end"),
    ("memory_allocated_mean_pct", "Memory allocated, mean"),
    ("pods_placed", "Pods placed"),
    ("wait_ms_p50", "Half waited at most"),
    ("wait_ms_mean", "Mean wait"),
    ("nodes_used", "Nodes used"),
    ("pods_succeeded", "Pods succeeded"),
    ("pods_running", "Pods running at the end"),
    ("pods_failed", "Pods failed"),
    ("events_total", "Events"),
];

/// A text made safe for HTML, between tags or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// JSON made safe inside a script element: no text in it can close the element.
pub(super) fn embedded(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// A metric's value as a person reads it.
pub(super) fn readable(metric: &str, unit: &str, value: &str) -> String {
    let Ok(number) = value.parse::<f64>() else {
        return value.to_owned();
    };
    if !number.is_finite() {
        return "–".to_owned();
    }
    match unit {
        "%" | "pct" | "percent" => format!("{number:.1} %"),
        _ if metric.ends_with("_pct") => format!("{number:.1} %"),
        "ratio" => share(number),
        "ms" => short_duration(number),
        "s" => short_duration(number * 1000.0),
        "usd" | "USD" | "dollars" => match number.abs() {
            size if size < 1e3 => format!("${number:.2}"),
            size if size < 1e6 => format!("${}", grouped(&format!("{number:.0}"))),
            _ => format!("${}", short_number(number)),
        },
        "bytes" | "B" => format!("{} GiB", short_number(number / (1024.0 * 1024.0 * 1024.0))),
        _ if number.fract() == 0.0 && number.abs() < 1e15 => grouped(&format!("{number:.0}")),
        _ => short_number(number),
    }
}

/// A part of a whole in percent, with more digits where it is close to none or all.
fn share(part: f64) -> String {
    let distance = part.abs().min((1.0 - part).abs());
    match distance {
        0.0 => format!("{:.0} %", 100.0 * part),
        distance if distance >= 0.01 => format!("{:.1} %", 100.0 * part),
        distance if distance >= 1e-4 => format!("{:.3} %", 100.0 * part),
        _ => format!("{:.5} %", 100.0 * part),
    }
}

/// Digits before the point in groups of three.
fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// A manifest's entry as text; empty when it is missing.
fn entry(manifest: &Value, key: &str) -> String {
    match &manifest[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            map.get("name").and_then(Value::as_str).map_or_else(|| manifest[key].to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

/// Style rules that turn the heat map's shades round in dark mode.
fn dark_heat_style() -> String {
    let hex = |color: RGBColor| format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
    let rules = dark_shades()
        .map(|(shade, dark)| format!("  figure svg rect[fill=\"{}\"] {{ fill: {}; }}\n", hex(shade), hex(dark)));
    format!("@media screen and (prefers-color-scheme: dark) {{\n{}}}\n", rules.collect::<String>())
}

/// The run's name, policy and so on: the manifest's own entry, else the scenario's.
fn entry_or(manifest: &Value, key: &str, in_scenario: &str) -> String {
    let own = entry(manifest, key);
    if !own.is_empty() {
        return own;
    }
    let inside = ["scenario", "experiment"].iter().find_map(|kind| manifest[*kind].pointer(in_scenario));
    match inside {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn page(title: &str, body: &str, scripts: &[&str]) -> String {
    let scripts: String = scripts.iter().map(|script| format!("<script>\n{script}</script>\n")).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}{heat_style}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n{scripts}</body>\n</html>\n",
        title = escaped(title),
        heat_style = dark_heat_style(),
    )
}

fn header(kind: &str, manifest: &Value, facts: &[(&str, String)]) -> (String, String) {
    let name = entry_or(manifest, "name", "/metadata/name");
    let name = if name.is_empty() { kind.to_owned() } else { name };
    let mut out =
        format!("<header>\n<p class=\"kind\">wavetank · {}</p>\n<h1>{}</h1>\n", escaped(kind), escaped(&name));
    let description = entry_or(manifest, "description", "/metadata/description");
    if !description.is_empty() {
        out.push_str(&format!("<p class=\"description\">{}</p>\n", escaped(&description)));
    }
    out.push_str("<dl class=\"facts\">\n");
    for (label, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        out.push_str(&format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(label), escaped(value)));
    }
    out.push_str("</dl>\n</header>\n");
    (name, out)
}

fn cards(cards: &[(String, String)]) -> String {
    if cards.is_empty() {
        return String::new();
    }
    let mut out = "<section class=\"cards\" aria-label=\"Key figures\">\n".to_owned();
    for (title, value) in cards {
        out.push_str(&format!(
            "<div class=\"card\"><span class=\"value\">{}</span><span class=\"title\">{}</span></div>\n",
            escaped(value),
            escaped(title)
        ));
    }
    out + "</section>\n"
}

fn chart_section(charts: &[DrawnChart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let mut out = "<section id=\"charts\">\n<h2>Charts</h2>\n<div class=\"charts\">\n".to_owned();
    for chart in charts {
        out.push_str(&format!("<figure id=\"chart-{}\">{}</figure>\n", escaped(&chart.name), chart.svg.trim()));
    }
    out + "</div>\n</section>\n"
}

/// A cell of a table: what it shows, and for numbers the value by which the column sorts.
#[derive(Debug)]
pub(super) struct Cell {
    text: String,
    sort: Option<f64>,
    class: &'static str,
}

impl Cell {
    pub(super) fn text(text: &str) -> Cell {
        Cell { text: text.to_owned(), sort: None, class: "" }
    }

    pub(super) fn number(text: String, value: f64) -> Cell {
        Cell { text, sort: value.is_finite().then_some(value), class: "number" }
    }
}

/// A table whose columns sort at a click. Rows past [`TABLE_ROWS_MAX`] are left to the CSV file.
pub(super) fn table(columns: &[String], rows: &[Vec<Cell>], file: &str) -> String {
    let mut out = "<div class=\"scroll\"><table class=\"sortable\">\n<thead><tr>".to_owned();
    for (index, column) in columns.iter().enumerate() {
        let class = rows.first().and_then(|row| row.get(index)).map_or("", |cell| cell.class);
        out.push_str(&format!("<th scope=\"col\" class=\"{class}\"><button>{}</button></th>", escaped(column)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows.iter().take(TABLE_ROWS_MAX) {
        out.push_str("<tr>");
        for cell in row {
            let sort = cell.sort.map_or_else(String::new, |value| format!(" data-sort=\"{value}\""));
            out.push_str(&format!("<td class=\"{}\"{sort}>{}</td>", cell.class, escaped(&cell.text)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    if rows.is_empty() {
        out.push_str("<p class=\"note\">No rows.</p>\n");
    } else if rows.len() > TABLE_ROWS_MAX {
        out.push_str(&format!(
            "<p class=\"note\">The first {TABLE_ROWS_MAX} of {} rows; {file} has all.</p>\n",
            rows.len()
        ));
    }
    out
}

fn scenario_section(manifest: &Value, key: &str) -> String {
    if manifest[key].is_null() {
        return String::new();
    }
    let text = serde_json::to_string_pretty(&manifest[key]).unwrap_or_default();
    let kept: String = text.chars().take(SCENARIO_CHARACTERS_MAX).collect();
    let cut = if kept.len() < text.len() { "\n… (manifest.json has the rest)" } else { "" };
    format!(
        "<section id=\"scenario\">\n<details>\n<summary>The {key} as it was resolved</summary>\n<pre>{}{cut}</pre>\n\
         </details>\n</section>\n",
        escaped(&kept)
    )
}

fn footer(note: &str) -> String {
    format!(
        "<footer>{} This page needs no network. Wall time, memory and host of the run stand in manifest.json; every \
         figure here stands in the CSV files beside it.</footer>\n",
        escaped(note)
    )
}

fn packing_section(packing: &Packing) -> String {
    let note = match packing.sampling_note.as_str() {
        "" => "Every node and every pod that got one is here.".to_owned(),
        note => escaped(note),
    };
    format!(
        "<section id=\"packing\">\n<h2>Packing</h2>\n<p class=\"note\">Each box is a node: bars for CPU and memory, one \
         cell a GPU, filled by pods in the colour of their template. {note}</p>\n\
         <div class=\"controls\">\n<button id=\"packing-play\" type=\"button\">Play</button>\n\
         <input id=\"packing-time\" type=\"range\" min=\"0\" max=\"1000\" value=\"1000\" aria-label=\"Time\">\n\
         <output id=\"packing-clock\"></output>\n\
         <label>Nodes <input id=\"packing-filter\" type=\"search\" placeholder=\"name, pool, zone or GPU\"></label>\n\
         <label>Show <select id=\"packing-limit\"><option>24</option><option selected>60</option>\
         <option>150</option><option value=\"1000000\">all</option></select></label>\n</div>\n\
         <div id=\"packing-legend\" class=\"legend\"></div>\n<p id=\"packing-state\" class=\"state\"></p>\n\
         <canvas id=\"packing-picture\" role=\"img\" aria-label=\"Pods on nodes at the chosen time\"></canvas>\n\
         <div id=\"packing-tip\" class=\"tip\" hidden></div>\n\
         <script type=\"application/json\" id=\"packing-data\">{}</script>\n</section>\n",
        embedded(&packing.data)
    )
}

fn run_cards(run: &Run) -> Vec<(String, String)> {
    let mut chosen: Vec<(String, String)> = Vec::new();
    let known =
        CARDS.iter().filter(|card| run.gpu_cluster || !card.0.starts_with("gpu_")).filter_map(|(metric, title)| {
            let row = run.summary.iter().find(|row| row[0] == *metric)?;
            Some(((*title).to_owned(), readable(&row[0], &row[1], &row[2])))
        });
    for card in known.filter(|card| !card.1.is_empty()) {
        if chosen.len() < CARDS_MAX && !chosen.iter().any(|other| other.0 == card.0) {
            chosen.push(card);
        }
    }
    chosen
}

/// The figures of the services in a table.
fn services_section(traffic: &Traffic) -> String {
    let mut columns = vec!["Service".to_owned()];
    columns.extend(SERVICE_FIGURES.map(|(_, heading, _)| heading.to_owned()));
    let rows = traffic.rows.iter().map(|row| {
        let mut cells = vec![Cell::text(&row.name)];
        cells.extend(SERVICE_FIGURES.map(|(column, _, unit)| {
            let value = row.figures[column];
            Cell::number(readable(column, unit, &value.to_string()), value)
        }));
        cells
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    let note = "Attempts at each service as its callers see them, since the warm-up; services.csv has them by operation, \
                zone and outcome, with intervals.";
    format!(
        "<section id=\"services\">\n<h2>Services</h2>\n<p class=\"note\">{note}</p>\n{}</section>\n",
        table(&columns, &rows, "services.csv")
    )
}

/// The page of a single run.
pub(super) fn run_page(run: &Run, charts: &[DrawnChart]) -> String {
    let manifest = &run.manifest;
    let facts = [
        ("Policy", entry_or(manifest, "policy", "/scheduler/policy")),
        ("Queue", entry_or(manifest, "queue", "/scheduler/queue")),
        ("Seed", entry(manifest, "seed")),
        ("Replication", entry(manifest, "replication")),
        ("Events", readable("events", "count", &entry(manifest, "events"))),
        ("Version", entry(manifest, "version")),
    ];
    let (name, mut body) = header("Run", manifest, &facts);
    body.push_str(&cards(&run_cards(run)));
    body.push_str(&chart_section(charts));
    if let Some(traffic) = &run.traffic {
        body.push_str(&services_section(traffic));
    }
    body.push_str(&run.costs.section(&run.summary));
    if let Some(packing) = &run.placements {
        body.push_str(&packing_section(packing));
    }
    let rows: Vec<Vec<Cell>> = run
        .summary
        .iter()
        .map(|[metric, unit, value]| {
            let number = value.parse().unwrap_or(f64::NAN);
            let shown = Cell::number(readable(metric, unit, value), number);
            vec![Cell::text(metric), shown, Cell::number(value.clone(), number), Cell::text(unit)]
        })
        .collect();
    let columns = ["Metric", "Reads as", "Value", "Unit"].map(str::to_owned);
    body.push_str("<section id=\"summary\">\n<h2>Summary</h2>\n");
    body.push_str(&table(&columns, &rows, "summary.csv"));
    body.push_str("</section>\n");
    body.push_str(&scenario_section(manifest, "scenario"));
    body.push_str(&footer(""));
    page(&format!("{name} · wavetank"), &body, &[TABLES_SCRIPT, PACKING_SCRIPT])
}

/// What a comparison says, in plain words. The cells are given by the names that charts use.
fn verdict(comparison: &Comparison, cell: &str, baseline: &str, unit: &str) -> String {
    let Comparison { metric, n, difference, verdict, .. } = comparison;
    let percent = metric.ends_with("_pct") || matches!(unit, "%" | "pct" | "percent");
    let amount = |value: f64| match unit {
        _ if !value.is_finite() => "unknown".to_owned(),
        "ms" => short_duration(value),
        _ if percent || unit == "count" => short_number(value),
        _ => format!("{} {unit}", short_number(value)).trim_end().to_owned(),
    };
    let pairs = if n.is_finite() { format!(", {} paired runs", short_number(*n)) } else { String::new() };
    let reason = format!("(95 % interval {} to {}{pairs})", amount(difference.low), amount(difference.high));
    let points = if percent { " percentage points" } else { "" };
    let direction = if difference.mean >= 0.0 { "higher" } else { "lower" };
    let by = format!("{metric} is {direction} by {}{points} {reason}.", amount(difference.mean.abs()));
    match verdict.as_str() {
        "better" => format!("{cell} is better than {baseline}: {by}"),
        "worse" => format!("{cell} is worse than {baseline}: {by}"),
        "different" => format!("{cell} differs from {baseline}: {by}"),
        _ => format!("No difference between {cell} and {baseline} is shown for {metric} {reason}."),
    }
}

/// A mean and half of its interval, with two digits of the half that count.
fn with_half(mean: f64, half: f64) -> String {
    if !half.is_finite() || half <= 0.0 {
        return short_number(mean);
    }
    let decimals = (1.0 - half.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{} ± {}", grouped(&format!("{mean:.decimals$}")), grouped(&format!("{half:.decimals$}")))
}

fn cells_table(sweep: &Sweep) -> String {
    let metrics = sweep.charted_metrics();
    let mut columns = vec!["Cell".to_owned()];
    columns.extend(sweep.factors.iter().cloned());
    columns.extend(metrics.iter().cloned());
    let rows: Vec<Vec<Cell>> = sweep
        .cells
        .iter()
        .take(TABLE_ROWS_MAX + 1)
        .enumerate()
        .map(|(index, (name, values))| {
            let mut row = vec![Cell::text(name)];
            row.extend(values.iter().map(|value| Cell::text(value)));
            row.extend(metrics.iter().map(|metric| match sweep.row(index, metric) {
                Some(cell) if cell.estimate.mean.is_finite() => {
                    let half = (cell.estimate.high - cell.estimate.low) / 2.0;
                    Cell::number(with_half(cell.estimate.mean, half), cell.estimate.mean)
                }
                _ => Cell::number("–".to_owned(), f64::NAN),
            }));
            row
        })
        .collect();
    table(&columns, &rows, "cells.csv")
}

fn metrics_table(sweep: &Sweep) -> String {
    let columns = ["Cell", "Metric", "Unit", "Runs", "Mean", "95 % from", "95 % to", "Lowest", "Highest"];
    let rows: Vec<Vec<Cell>> = sweep
        .rows
        .iter()
        .map(|row| {
            let numbers = [row.n, row.estimate.mean, row.estimate.low, row.estimate.high, row.low, row.high];
            let mut cells = vec![Cell::text(&sweep.cells[row.cell].0), Cell::text(&row.metric), Cell::text(&row.unit)];
            cells.extend(numbers.map(|value| Cell::number(shown(value), value)));
            cells
        })
        .collect();
    let table = table(&columns.map(str::to_owned), &rows, "cells.csv");
    format!("<details>\n<summary>Every metric of every cell</summary>\n{table}</details>\n")
}

fn shown(value: f64) -> String {
    if value.is_finite() { short_number(value) } else { "–".to_owned() }
}

fn comparisons_table(sweep: &Sweep) -> String {
    let columns = ["Verdict", "In words", "Metric", "Cell", "Baseline", "Pairs", "Difference", "95 % from", "95 % to"];
    let units: BTreeMap<&str, &str> = sweep.rows.iter().map(|row| (row.metric.as_str(), row.unit.as_str())).collect();
    let labels: BTreeMap<&str, String> =
        sweep.cells.iter().enumerate().map(|(index, cell)| (cell.0.as_str(), sweep.label(index))).collect();
    let rows: Vec<Vec<Cell>> = sweep
        .comparisons
        .iter()
        .map(|comparison| {
            let unit = units.get(comparison.metric.as_str()).copied().unwrap_or_default();
            let [cell, baseline] = [&comparison.cell, &comparison.baseline]
                .map(|name| labels.get(name.as_str()).cloned().unwrap_or_else(|| name.clone()));
            let (word, class) = match comparison.verdict.as_str() {
                "better" => ("better", "better"),
                "worse" => ("worse", "worse"),
                "different" => ("different", "undecided"),
                _ => ("undecided", "undecided"),
            };
            let difference = comparison.difference;
            let numbers = [comparison.n, difference.mean, difference.low, difference.high];
            let words = verdict(comparison, &cell, &baseline, unit);
            let mut cells = vec![
                Cell { text: word.to_owned(), sort: None, class },
                Cell { text: words, sort: None, class: "words" },
            ];
            cells.extend([&comparison.metric, &cell, &baseline].map(|text| Cell::text(text)));
            cells.extend(numbers.map(|value| Cell::number(shown(value), value)));
            cells
        })
        .collect();
    table(&columns.map(str::to_owned), &rows, "comparisons.csv")
}

/// The page of a sweep.
pub(super) fn sweep_page(sweep: &Sweep, charts: &[DrawnChart]) -> String {
    let manifest = &sweep.manifest;
    let facts = [
        ("Factors", sweep.factors.join(", ")),
        ("Seed", entry(manifest, "seed")),
        ("Version", entry(manifest, "version")),
    ];
    let (name, mut body) = header("Sweep", manifest, &facts);
    let count =
        |word: &str| sweep.comparisons.iter().filter(|comparison| comparison.verdict == word).count().to_string();
    let mut figures = vec![
        ("Cells".to_owned(), grouped(&sweep.cells.len().to_string())),
        ("Runs".to_owned(), grouped(&sweep.runs.to_string())),
    ];
    if !sweep.comparisons.is_empty() {
        figures.push(("Better than the baseline".to_owned(), count("better")));
        figures.push(("Worse than the baseline".to_owned(), count("worse")));
        figures.push(("Undecided".to_owned(), count("undecided")));
    }
    body.push_str(&cards(&figures));
    body.push_str(&chart_section(charts));
    if !sweep.comparisons.is_empty() {
        body.push_str("<section id=\"comparisons\">\n<h2>Compared with the baseline</h2>\n");
        body.push_str(
            "<p class=\"note\">Runs with the same replication met the same workload, so they are compared pair by pair. \
             A verdict is given when the 95 % interval of the mean difference leaves zero out.</p>\n",
        );
        body.push_str(&comparisons_table(sweep));
        body.push_str("</section>\n");
    }
    body.push_str("<section id=\"cells\">\n<h2>Cells</h2>\n<p class=\"note\">Mean over replications ± half of the 95 % interval.</p>\n");
    body.push_str(&cells_table(sweep));
    body.push_str(&metrics_table(sweep));
    body.push_str("</section>\n");
    body.push_str(&scenario_section(manifest, "experiment"));
    body.push_str(&footer(""));
    page(&format!("{name} · wavetank"), &body, &[TABLES_SCRIPT])
}

fn ratios_table(bench: &Bench) -> String {
    let columns = ["workload", "policy", "ratio", "95 % interval", "verdict", "placements"].map(str::to_owned);
    let rows: Vec<Vec<Cell>> = bench
        .ratios
        .iter()
        .map(|row| {
            let Estimate { mean, low, high } = row.ratio;
            vec![
                Cell::text(&row.workload),
                Cell::text(&row.policy),
                Cell::number(format!("{mean:.3}"), mean),
                Cell::number(format!("{low:.3} to {high:.3}"), low),
                Cell::text(&row.verdict),
                Cell::text(&row.placements),
            ]
        })
        .collect();
    table(&columns, &rows, "bench_comparisons.csv")
}

/// The page of a bench.
pub(super) fn bench_page(bench: &Bench, charts: &[DrawnChart]) -> String {
    let manifest = &bench.manifest;
    let host = &manifest["host"];
    let machine = ["os", "arch"].map(|key| entry(host, key)).join(" ");
    let facts = [
        ("Machine", machine.trim().to_owned()),
        ("Processors", entry(host, "cpus")),
        ("Version", entry(manifest, "version")),
        ("Commit", entry(manifest, "commit")),
    ];
    let (name, mut body) = header("Bench", manifest, &facts);
    body.push_str(&chart_section(charts));
    if !bench.ratios.is_empty() {
        body.push_str("<section id=\"ratios\">\n<h2>Compared with the other program</h2>\n");
        body.push_str(&ratios_table(bench));
        body.push_str("</section>\n");
    }
    body.push_str("<section id=\"cases\">\n<h2>Cases</h2>\n<p class=\"note\">Medians over runs.</p>\n");
    let columns: Vec<String> = ["workload", "policy"].iter().chain(&FIGURES).map(|&name| name.to_owned()).collect();
    let rows: Vec<Vec<Cell>> = bench
        .cases
        .iter()
        .map(|row| {
            let mut cells = vec![Cell::text(&row.workload), Cell::text(&row.policy)];
            cells.extend(row.figures.iter().map(|&value| Cell::number(readable("", "", &value.to_string()), value)));
            cells
        })
        .collect();
    body.push_str(&table(&columns, &rows, "bench.csv"));
    body.push_str("</section>\n");
    body.push_str("<footer>This page needs no network. bench.json has every run.</footer>\n");
    page(&format!("{name} · wavetank"), &body, &[TABLES_SCRIPT])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_text_cannot_leave_its_place() {
        assert_eq!(escaped("<b a='1'>\"&"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;");
        let data = serde_json::json!({"name": "</script><!--\u{2028}"});
        let text = embedded(&data);
        assert!(!text.contains('<') && !text.contains('\u{2028}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("still JSON"), data);
    }

    #[test]
    fn intervals_keep_two_digits_that_count() {
        let rows = [
            (86.5312, 0.6391, "86.53 ± 0.64"),
            (40_112.4, 208.0, "40,112 ± 208"),
            (5.0, 0.0, "5"),
            (5.0, f64::NAN, "5"),
            (0.5, 0.000_21, "0.50000 ± 0.00021"),
        ];
        for (mean, half, text) in rows {
            assert_eq!(with_half(mean, half), text);
        }
    }

    #[test]
    fn values_read_as_a_person_would_write_them() {
        let rows = [
            ("gpu_allocated_pct", "percent", "92.137", "92.1 %"),
            ("wait_ms_p99", "ms", "90000", "90 s"),
            ("cost_usd_total", "usd", "1234567.891", "$1.23M"),
            ("cost_usd_total", "USD", "1272.96", "$1,273"),
            ("cost_usd_total", "USD", "12.5", "$12.50"),
            ("pods_arrived", "count", "1000000", "1,000,000"),
            ("loss", "count", "-1234", "-1,234"),
            ("memory_peak", "bytes", "1073741824", "1 GiB"),
            ("wait_ms_p99", "ms", "", ""),
            ("wait_ms_p99", "ms", "NaN", "–"),
            ("policy", "name", "fgd", "fgd"),
        ];
        for (metric, unit, value, text) in rows {
            assert_eq!(readable(metric, unit, value), text, "{metric} {value}");
        }
    }
}
