//! Requests under wavetank beside simcore, SimPy and Ciw, as one table: M/M/10 and M/M/1000 at a load of 0.8.
//!
//! SimPy and Ciw run in an environment of their own beside this file (`.venv`, with the versions of `requirements.txt`), which
//! is made on first use; where there is no Python they are skipped. All rates are those of processor time.
#![allow(clippy::disallowed_methods)]

#[allow(dead_code)]
#[path = "../../../cells/traffic.rs"]
mod cells;
#[allow(dead_code)]
#[path = "../../../limits/traffic.rs"]
mod limits;

use cells::{Cell, Wavetank};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

const TURNS: usize = 5;
/// Requests of a turn of SimPy or Ciw.
const PYTHON_REQUESTS: u64 = 40_000;
const LOAD: f64 = cells::LOAD;

#[derive(Clone, Serialize)]
struct Tick {}

#[derive(Clone, Serialize)]
struct Request {
    came: f64,
}

#[derive(Clone, Serialize)]
struct Done {}

/// Sends requests to a station.
struct Source {
    context: simcore::SimulationContext,
    station: simcore::Id,
    rate: f64,
}

impl simcore::EventHandler for Source {
    fn on(&mut self, event: simcore::Event) {
        simcore::cast!(match event.data {
            Tick {} => {
                let came = self.context.time();
                self.context.emit(Request { came }, self.station, 0.0);
                let gap = -(1.0 - self.context.rand()).ln() / self.rate;
                self.context.emit_self(Tick {}, gap);
            }
        })
    }
}

/// Serves them first come, first served.
struct Station {
    context: simcore::SimulationContext,
    idle: usize,
    queue: VecDeque<f64>,
    requests: u64,
    wait: f64,
}

impl Station {
    fn start(&mut self, came: f64) {
        self.requests += 1;
        self.wait += self.context.time() - came;
        let span = -(1.0 - self.context.rand()).ln();
        self.context.emit_self(Done {}, span);
    }
}

impl simcore::EventHandler for Station {
    fn on(&mut self, event: simcore::Event) {
        simcore::cast!(match event.data {
            Request { came } => {
                if self.idle > 0 {
                    self.idle -= 1;
                    self.start(came);
                } else {
                    self.queue.push_back(came);
                }
            }
            Done {} => {
                match self.queue.pop_front() {
                    Some(came) => self.start(came),
                    None => self.idle += 1,
                }
            }
        })
    }
}

struct Simcore {
    simulation: simcore::Simulation,
    station: Rc<RefCell<Station>>,
}

impl Simcore {
    fn new(workers: usize) -> Self {
        let mut simulation = simcore::Simulation::new(1);
        let context = simulation.create_context("station");
        let station = Station { context, idle: workers, queue: VecDeque::new(), requests: 0, wait: 0.0 };
        let station = Rc::new(RefCell::new(station));
        let id = simulation.add_handler("station", station.clone());
        let context = simulation.create_context("source");
        context.emit_self(Tick {}, 0.0);
        let source = Source { context, station: id, rate: LOAD * workers as f64 };
        simulation.add_handler("source", Rc::new(RefCell::new(source)));
        Simcore { simulation, station }
    }

    fn run(&mut self, requests: u64) {
        // Three events a request: it is sent, it comes, it is done.
        assert!(self.simulation.steps(3 * requests), "simcore ran out of events");
    }
}

/// The Python of an environment with the peers; none: there is no Python, or no way to get them.
fn python() -> Option<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (environment, python) = (home.join(".venv"), home.join(".venv/bin/python"));
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !python.exists() && !runs(Command::new("python3").arg("-m").arg("venv").arg(&environment)) {
        return None;
    }
    let requirements = home.join("requirements.txt");
    let install = ["-m", "pip", "install", "--quiet", "--requirement"];
    runs(Command::new(&python).args(install).arg(requirements)).then_some(python)
}

/// Requests a second under a Python library, and their mean wait.
fn python_rate(python: &Path, library: &str, workers: usize) -> Option<(f64, f64)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stations.py");
    let arguments = [library.to_owned(), workers.to_string(), PYTHON_REQUESTS.to_string()];
    let output = Command::new(python).arg(script).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [served, seconds, wait] = numbers.as_slice() else { return None };
    Some((served / seconds, *wait))
}

/// Time that this thread had a processor, in s.
fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn row(name: &str, workers: usize, wait_s: f64, python: Option<&Path>) {
    let cell = Cell::all().into_iter().find(|cell| cell.name == name).expect("a model");
    let traffic = cell.traffic();
    let (mut events, mut own) = (Wavetank::new(&cell, &traffic, true), Wavetank::new(&cell, &traffic, false));
    let mut simcore = Simcore::new(workers);
    let mut ways: [(&mut dyn FnMut(u64), u64); 3] = [
        (&mut |requests| drop(own.run(requests)), 100_000),
        (&mut |requests| drop(events.run(requests)), 100_000),
        (&mut |requests| simcore.run(requests), 50_000),
    ];
    ways.iter_mut().for_each(|(way, _)| way(500_000));
    let mut rates = vec![Vec::new(); 5];
    for _ in 0..TURNS {
        for ((way, requests), rates) in ways.iter_mut().zip(&mut rates) {
            let start = cpu_s();
            way(*requests);
            rates.push(*requests as f64 / (cpu_s() - start));
        }
        for (library, rates) in ["simpy", "ciw"].into_iter().zip(&mut rates[3..]) {
            let measured = python.and_then(|python| python_rate(python, library, workers));
            if let Some((rate, wait)) = measured {
                assert!((wait - wait_s).abs() < 0.1, "{library}: a mean wait of {wait} s instead of {wait_s}");
                rates.push(rate);
            }
        }
    }
    let rates: Vec<Option<f64>> = rates.into_iter().map(|all| (!all.is_empty()).then(|| median(all))).collect();
    let own = rates[0].expect("wavetank runs");
    let cells: Vec<String> = rates.iter().map(|rate| rate.map_or("skipped".to_owned(), millions)).collect();
    let ratios: Vec<String> =
        rates[2..].iter().map(|rate| rate.map_or(String::new(), |rate| format!("{:.1}", own / rate))).collect();
    println!("| {name} | {} | {} |", cells.join(" | "), ratios.join(" | "));
}

fn millions(rate: f64) -> String {
    format!("{:.3}", rate / 1e6)
}

fn main() {
    let python = python();
    println!("| model | wavetank | with events | simcore | SimPy | Ciw | ratio to simcore | to SimPy | to Ciw |");
    println!("|{}", " --- |".repeat(9));
    // Mean waits by Erlang's formula.
    row("M/M/10", 10, 0.2046, python.as_deref());
    row("M/M/1000", 1000, 0.0, python.as_deref());
    println!("\nmillion requests a second; medians of {TURNS} turns");
}
