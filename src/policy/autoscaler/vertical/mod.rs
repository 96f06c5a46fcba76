//! How large pods are: what each container requests, and its limits.
//!
//! The Vertical Pod Autoscaler 1.8.1 in its parts, each of which decides and nothing else:
//!
//! ```text
//! usage -> aggregate -> cluster -> estimator -> recommender -> capping -> updater    -> who is evicted or resized
//!          histogram                                            proportion  priority
//!                                                                           restriction
//!                                                                        -> admission -> what pods get
//! ```
//!
//! Beside it other rules that size containers, behind the trait [`sizing::Sizing`]: [`autopilot`], the [`oracle`] that
//! knows the future, all of them rows of the [`table`], and [`back_test`], which scores them on recorded usage.

pub mod admission;
pub mod aggregate;
pub mod autopilot;
pub mod back_test;
pub mod capping;
pub mod cluster;
pub mod estimator;
pub mod histogram;
mod numeric;
pub mod oracle;
pub mod priority;
mod proportion;
pub mod recommender;
pub mod resized;
pub mod restriction;
pub mod sizing;
pub mod spec;
pub mod study;
pub mod table;
pub mod updater;
pub mod workload;
