//! Best-node decisions against their limits, as one table: `cargo bench --bench placement_table`. Words such as `5000/10`
//! (nodes, classes) behind `--` pick rows.
//!
//! All ways must choose the same nodes; they take short turns within a row, so that a neighbour on the machine hurts all
//! of them alike.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations
)]

#[path = "cells/placement.rs"]
mod cells;
#[path = "limits/placement.rs"]
mod limits;

use std::time::Duration;

use cells::{Cell, Course, Limit, Run, Wavetank};
use limits::{AccountOnly, BucketIndex, CachedScan, Recompute};

/// Turns of each way; medians count.
const TURNS: usize = 61;
/// A turn is so many steps that it is about as long as a busy system lets a process run undisturbed. As many steps go
/// before it untimed, to bring back into the caches what the others have driven out.
const TURN: Duration = Duration::from_millis(2);
/// Steps before the first turn: the ways that learn from the pace of changes have done so.
const WARM_UP_STEPS: usize = 2000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!(
        "| nodes | classes | wavetank | sets by score | cached bytes | recompute | ratio to the best | world, ns | \
         limit's account, ns | ratio without these |"
    );
    println!("|{}", " --- |".repeat(10));
    for cell in Cell::all() {
        let name = format!("{}/{}", cell.nodes, cell.classes_name());
        if words.is_empty() || words.contains(&name) {
            row(cell);
        }
    }
    println!("\nmillion steps a second; medians of {TURNS} turns");
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Seconds a step, for each course and turn; they take turns one after another.
fn measure(courses: &mut [Box<dyn Run>], turn: impl Fn(&mut dyn Run, usize) -> Duration) -> Vec<Vec<f64>> {
    let steps: Vec<usize> = courses
        .iter_mut()
        .map(|course| {
            let probe = 20;
            let times = (0..9).map(|_| turn(course.as_mut(), probe).as_secs_f64()).collect();
            ((TURN.as_secs_f64() * probe as f64 / median(times)) as usize).clamp(4, 100_000)
        })
        .collect();
    let mut seconds = vec![Vec::new(); courses.len()];
    for _ in 0..TURNS {
        for ((course, &steps), seconds) in courses.iter_mut().zip(&steps).zip(&mut seconds) {
            turn(course.as_mut(), steps);
            seconds.push(turn(course.as_mut(), steps).as_secs_f64() / steps as f64);
        }
    }
    seconds
}

fn row(cell: Cell) {
    let filling = cell.filling();
    let mut courses: Vec<Box<dyn Run>> = vec![Box::new(Course::new(cell, Wavetank::new(cell), &filling))];
    if cell.classes.is_some() {
        courses.push(Box::new(Course::new(cell, Limit::<BucketIndex>::new(cell), &filling)));
        courses.push(Box::new(Course::new(cell, Limit::<CachedScan>::new(cell), &filling)));
    }
    courses.push(Box::new(Course::new(cell, Limit::<Recompute>::new(cell), &filling)));
    for course in &mut courses {
        course.run(WARM_UP_STEPS);
    }
    let hash = courses[0].hash();
    assert!(courses.iter().all(|course| course.hash() == hash), "the ways choose different nodes");
    let turns = measure(&mut courses, |course, steps| course.run(steps));
    let seconds: Vec<f64> = turns.iter().cloned().map(median).collect();
    courses.truncate(1);
    courses.push(Box::new(Course::new(cell, Limit::<AccountOnly>::new(cell), &filling)));
    let account = measure(&mut courses, |course, steps| course.run_bookkeeping(steps));
    let account: Vec<f64> = account.into_iter().map(median).collect();
    let best = (1..seconds.len()).min_by(|&a, &b| seconds[a].total_cmp(&seconds[b])).expect("there are limits");
    // Of ratios within a turn: a neighbour that comes for half of the turns must not decide between two medians.
    let ratio = median(turns[best].iter().zip(&turns[0]).map(|(limit, ours)| limit / ours).collect());
    let rates: Vec<String> = seconds.iter().map(|seconds| format!("{:.3}", 1e-6 / seconds)).collect();
    let rates = match rates.as_slice() {
        [ours, recompute] => format!("{ours} | | | {recompute}"),
        others => others.join(" | "),
    };
    println!(
        "| {} | {} | {rates} | {ratio:.2} | {:.0} | {:.0} | {:.2} |",
        cell.nodes,
        cell.classes_name(),
        account[0] * 1e9,
        account[1] * 1e9,
        (seconds[best] - account[1]) / (seconds[0] - account[0]),
    );
}
