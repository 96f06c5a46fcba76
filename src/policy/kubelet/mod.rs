//! What kubelet and kernel decide on a node where containers want more than there is: who gets how much CPU, who is killed
//! for memory, who is evicted.
//!
//! Pure functions, after kubelet v1.37.0 (`pkg/kubelet/cm`, `pkg/kubelet/qos`, `pkg/kubelet/eviction`) and the Linux kernel
//! (`mm/oom_kill.c`).

pub mod cpu;
pub mod eviction;
pub mod oom;
