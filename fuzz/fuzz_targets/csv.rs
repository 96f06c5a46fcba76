//! No bytes make the openb readers panic: the first half of the input is the node list, the second the pod list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wavetank::importers::openb::{NodeOptions, PodOptions, Times, read_nodes, read_pods};
use wavetank::model::{Cluster, Workload};
use wavetank::rng::Seed;

fuzz_target!(|bytes: &[u8]| {
    let (nodes, pods) = bytes.split_at(bytes.len() / 2);
    let directory = tempfile::tempdir().expect("a directory for the input");
    let seed = Seed { base: 1, replication: 0 };
    let (mut cluster, mut workload) = (Cluster::default(), Workload::default());
    // Headings are given, or nearly every input would end at them.
    let path = directory.path().join("nodes.csv");
    std::fs::write(&path, [b"sn,cpu_milli,memory_mib,gpu,model\n", nodes].concat()).expect("room for the input");
    let _ = read_nodes(&path, &NodeOptions::default(), seed, &mut cluster);
    let path = directory.path().join("pods.csv");
    let heading = b"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,creation_time,deletion_time,scheduled_time\n";
    std::fs::write(&path, [&heading[..], pods].concat()).expect("room for the input");
    for (inflate_to, times) in [(Some(1.3), PodOptions::default().times), (None, Times::Trace)] {
        let options = PodOptions { inflate_to, times, ..PodOptions::default() };
        let _ = read_pods(&path, &options, seed, &mut cluster, &mut workload);
    }
});
