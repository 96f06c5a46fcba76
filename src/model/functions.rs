//! Functions of a function platform, calls of them, and tasks.

mod platform;

use std::sync::Arc;

pub use platform::{FargatePrices, HybridSettings, KeepAlive, LambdaLimits, LambdaPrices, PlatformSettings, Routing};

use crate::model::Dist;
use crate::model::traffic::Arrivals;
use crate::units::{Bytes, MilliCpu, SimDuration, SimTime};

/// One call. A stream of them has ascending arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Which function: its position in the list of functions.
    pub function: u32,
    /// When it comes.
    pub arrival: SimTime,
    /// How long it takes on an instance that is warm.
    pub duration: SimDuration,
    /// How long it takes on an instance that starts for it, start and all. What it is longer than [`Self::duration`] counts as
    /// the initialisation.
    pub cold_duration: SimDuration,
}

/// A function as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, as results write it.
    pub name: String,
    /// Memory of an instance.
    pub memory: Bytes,
    /// Instances that only it may use, and more than which it may not; none: it shares what is left with the others.
    pub reserved_concurrency: Option<u32>,
    /// Instances that are always ready.
    pub provisioned_concurrency: u32,
}

impl Function {
    /// A function without reserved or provisioned instances.
    pub fn new(name: &str, memory: Bytes) -> Function {
        Function { name: name.to_owned(), memory, reserved_concurrency: None, provisioned_concurrency: 0 }
    }
}

/// A platform with its functions and tasks. It meets nothing of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Functions {
    /// How it is run.
    pub settings: PlatformSettings,
    /// Functions and who calls them.
    pub functions: Vec<CalledFunction>,
    /// What tasks cost.
    pub task_prices: FargatePrices,
    /// Tasks and who starts them.
    pub tasks: Vec<Task>,
}

/// A function, when it is called, and how long that takes.
#[derive(Clone, Debug, PartialEq)]
pub struct CalledFunction {
    /// As it is configured.
    pub function: Function,
    /// When it is called.
    pub calls: Calls,
    /// How long a call takes on an instance that is warm; calls that are recorded say so themselves.
    pub duration: Dist,
    /// How long it takes on an instance that starts for it.
    pub cold: ColdCall,
}

/// When a function is called.
#[derive(Clone, Debug, PartialEq)]
pub enum Calls {
    /// By a rule. None of these is closed: whoever calls does not wait for the answer.
    Rule(Arrivals),
    /// So often in these minutes of the run, which ascend: at instants drawn within each.
    Counted(Arc<[(u32, u32)]>),
    /// At these instants, which do not descend, each with the time that it takes.
    Recorded(Arc<[(SimTime, SimDuration)]>),
}

/// How long a call takes on an instance that starts for it.
#[derive(Clone, Debug, PartialEq)]
pub enum ColdCall {
    /// As long as on a warm one, and this before that.
    Start(Dist),
    /// So long, start and all.
    Whole(Dist),
}

/// A container without a machine of its own, billed by the size that it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name, as results write it.
    pub name: String,
    /// CPU that it asks for.
    pub cpu: MilliCpu,
    /// Memory that it asks for.
    pub memory: Bytes,
    /// Storage that it asks for.
    pub storage: Bytes,
    /// When one is started.
    pub starts: Arrivals,
    /// How long it takes until one runs: a place is found and the image pulled. Billed.
    pub start_up: Dist,
    /// How long one runs.
    pub duration: Dist,
}
