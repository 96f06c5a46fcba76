//! wavetank's event queue beside the engines of simcore and NeXosim: the hold model in one run, as one table.
//!
//! Every engine keeps the same number of events pending, draws the same delays and has a handler that does nothing but
//! schedule the next event. The engines take turns, and the median of the turns counts.
#![allow(clippy::disallowed_methods)]

#[allow(dead_code)]
#[path = "../../limits/mod.rs"]
mod limits;

use limits::{Delays, Payload, fill, hold};
use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit, Simulation as NexosimSimulation};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use wavetank::event_queue::EventQueue;

const TURNS: usize = 5;

/// A filled engine that can be asked to pass a number of events.
trait Engine {
    fn pass(&mut self, events: usize);
}

struct Wavetank {
    queue: EventQueue<Payload>,
    delays: Delays,
}

impl Wavetank {
    fn new(pending: usize) -> Self {
        let mut wavetank = Wavetank { queue: EventQueue::new(), delays: Delays::exponential() };
        fill(&mut wavetank.queue, &mut wavetank.delays, pending);
        wavetank
    }
}

impl Engine for Wavetank {
    fn pass(&mut self, events: usize) {
        std::hint::black_box(hold(&mut self.queue, &mut self.delays, events));
    }
}

#[derive(Clone, Serialize)]
struct Tick {
    id: u32,
}

struct Component {
    context: simcore::SimulationContext,
    delays: Delays,
}

impl Component {
    fn schedule(&mut self, id: u32) {
        let delay_s = self.delays.draw() as f64 * 1e-9;
        self.context.emit_self(Tick { id }, delay_s);
    }
}

impl simcore::EventHandler for Component {
    fn on(&mut self, event: simcore::Event) {
        simcore::cast!(match event.data {
            Tick { id } => {
                self.schedule(id)
            }
        })
    }
}

struct Simcore(simcore::Simulation);

impl Simcore {
    fn new(pending: usize) -> Self {
        let mut simulation = simcore::Simulation::new(1);
        let context = simulation.create_context("source");
        let component = Rc::new(RefCell::new(Component { context, delays: Delays::exponential() }));
        simulation.add_handler("source", component.clone());
        (0..pending).for_each(|id| component.borrow_mut().schedule(id as u32));
        Simcore(simulation)
    }
}

impl Engine for Simcore {
    fn pass(&mut self, events: usize) {
        assert!(self.0.steps(events as u64), "simcore ran out of events");
    }
}

#[derive(Serialize, Deserialize)]
struct Source {
    pending: usize,
    #[serde(skip, default = "Delays::exponential")]
    delays: Delays,
}

#[Model]
impl Source {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        for id in 0..self.pending {
            self.tick(id as u32, context);
        }
    }

    #[nexosim(schedulable)]
    fn tick(&mut self, id: u32, context: &Context<Self>) {
        let delay = Duration::from_nanos(self.delays.draw());
        context.schedule_event(delay, schedulable!(Self::tick), id).expect("a positive delay");
    }
}

struct Nexosim(NexosimSimulation);

impl Nexosim {
    fn new(pending: usize) -> Self {
        let source = Source { pending, delays: Delays::exponential() };
        let simulation = SimInit::with_num_threads(1)
            .add_model(source, Mailbox::new(), "source")
            .init(MonotonicTime::EPOCH)
            .expect("a bench of one model");
        Nexosim(simulation)
    }
}

impl Engine for Nexosim {
    fn pass(&mut self, events: usize) {
        for _ in 0..events {
            self.0.step().expect("a step");
        }
    }
}

/// Median million events a second of each engine, after a warm-up.
fn measure(engines: &mut [Box<dyn Engine>]) -> Vec<f64> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); engines.len()];
    let events = 300_000;
    engines.iter_mut().for_each(|engine| engine.pass(events));
    for _ in 0..TURNS {
        for (engine, times) in engines.iter_mut().zip(&mut times) {
            let start = Instant::now();
            engine.pass(events);
            times.push(start.elapsed());
        }
    }
    times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            events as f64 / times[TURNS / 2].as_secs_f64() / 1e6
        })
        .collect()
}

fn main() {
    println!("| pending | wavetank | simcore | NeXosim | ratio to simcore | ratio to NeXosim |");
    println!("|---|---|---|---|---|---|");
    for pending in [1_000, 100_000, 1_000_000] {
        let mut engines: [Box<dyn Engine>; 3] =
            [Box::new(Wavetank::new(pending)), Box::new(Simcore::new(pending)), Box::new(Nexosim::new(pending))];
        let rates = measure(&mut engines);
        let (wavetank, simcore, nexosim) = (rates[0], rates[1], rates[2]);
        let (to_simcore, to_nexosim) = (wavetank / simcore, wavetank / nexosim);
        println!("| {pending} | {wavetank:.1} | {simcore:.2} | {nexosim:.2} | {to_simcore:.1} | {to_nexosim:.1} |");
    }
}
