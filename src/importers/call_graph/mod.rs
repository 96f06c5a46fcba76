//! Call graphs with latencies from recorded spans, as scenario files whose services call each other alike.
//!
//! A scenario is what comes out, not a model: users are to read it, and to change it. Formats differ in how spans are
//! written ([`formats`]); from there all is the same:
//!
//! 1. A client span and the server span below it are one request, and what the first takes longer is the network
//!    ([`requests`]).
//! 2. Requests of one operation of one service are put together: the time that none of their calls covers, which calls they
//!    make, how likely, in which order and which of them at once ([`graph`]).
//! 3. Backends are sized, and the file is written ([`write`]).
//!
//! What is lost: calls and times are drawn independently of each other, so kinds of request that share an operation mix, and
//! latencies that rise together in the data do not. All spans are held in memory, about 150 bytes each.

mod formats;
mod graph;
mod requests;
mod spans;
#[cfg(test)]
mod tests;
mod write;

pub use formats::{read_alibaba, read_jaeger, read_nezha};
pub use spans::Spans;

/// Which part of their cores backends are to use at the rate of the scenario, at most.
pub const UTILISATION: f64 = 0.5;

/// Requests a second where the spans do not say.
pub const RATE_PER_SECOND: f64 = 100.0;

/// How every imported scenario begins.
pub const HEADING: &str = "# A call graph imported from ";

/// What the scenario is made for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Names of the files and the format, for the comment at the top; control characters become blanks.
    pub origin: String,
    /// Requests a second of the source, for which backends are sized. None: as many as there were traces a second, or
    /// [`RATE_PER_SECOND`] where the format has no clock.
    pub rate_per_second: Option<f64>,
}

/// The scenario file, as YAML. Equal spans give equal bytes.
pub fn scenario(spans: &Spans, options: &Options) -> String {
    let requests = requests::requests(spans);
    let graph = graph::CallGraph::new(spans, &requests);
    write::write(spans, &graph, options)
}
