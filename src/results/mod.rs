//! What a run leaves behind: plain tables, and the manifest that says where they come from.

pub mod table;

pub use table::{Column, Table, TextColumn};
