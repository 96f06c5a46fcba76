//! What a run leaves behind: plain tables, and the manifest that says where they come from.

pub mod manifest;
pub mod metric;
mod parquet;
pub mod table;
pub mod write;

pub use manifest::{Host, Manifest};
pub use metric::Metric;
pub use table::{Column, Table, TextColumn};
pub use write::{ResultWriter, WriteError, write_atomically};
