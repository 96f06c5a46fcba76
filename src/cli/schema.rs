//! `wavetank schema`.

use clap::{Args, ValueEnum};

use super::{Failure, print};
use crate::scenario::{experiment_schema, scenario_schema};

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Which kind of file
    #[arg(value_enum, default_value_t = Kind::Scenario)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Scenario,
    Experiment,
}

pub(super) fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let schema = match arguments.kind {
        Kind::Scenario => scenario_schema(),
        Kind::Experiment => experiment_schema(),
    };
    print(&format!("{schema:#}\n"))
}
