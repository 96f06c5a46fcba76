//! What autoscalers decide: how large pods are.

pub mod vertical;
