//! The integration tests, in one binary: linking is what costs.

#![allow(clippy::print_stdout, reason = "tests say which seeds they run and what they skip")]

mod audit;
mod autoscaling;
mod bad_input;
mod bench;
mod call_graphs;
mod cli;
mod cloud;
mod cluster_autoscaler_vectors;
mod data_plane;
mod determinism;
mod devices;
mod dumps;
mod engine;
mod event_log;
mod explain;
mod extenders;
mod faults;
mod fgd;
mod fgd_rules;
mod fuzz;
mod golden;
mod hpa_vectors;
mod karpenter_vectors;
mod keda_vectors;
mod knative_vectors;
mod kube_vectors;
mod manifests;
mod own_policies;
mod program;
mod queueing;
mod random_model;
mod random_traffic;
mod random_workload;
mod recorded_rates;
mod swarm;
mod tidy;
mod traffic;
mod traffic_swarm;
mod volumes;
mod vpa_back_test;
mod vpa_vectors;
mod workload_audit;
mod workload_swarm;
mod workloads;
