//! Formulas against figures that were worked out by hand or stand in the providers' documents.

use super::*;

const MIB: u64 = 1 << 20;

fn kind(provider: Provider, name: &str, cores: u64, memory_mib: u64, pods_max: u32) -> InstanceType {
    InstanceType {
        provider,
        name: name.to_owned(),
        family: String::new(),
        quota: String::new(),
        architecture: Architecture::Amd64,
        cpu: MilliCpu(cores * 1000),
        memory: Bytes(memory_mib * MIB),
        gpu: None,
        network_mbps: None,
        pods_max,
        reserved: None,
        spot_basis: None,
        offers: Vec::new(),
    }
}

#[test]
fn pods_are_limited_by_addresses() {
    // The table of amazon-eks-ami `eni-max-pods.txt`: m5.large 29, m5.xlarge 58, c5.4xlarge 234, t3.medium 17.
    for (interfaces, addresses, pods) in [(3, 10, 29), (4, 15, 58), (8, 30, 234), (3, 6, 17)] {
        assert_eq!(eni_pods(interfaces, addresses), pods);
    }
}

#[test]
fn pods_get_what_the_provider_leaves_them() {
    for (provider, name, cores, mib, pods, cpu, seen, memory) in [
        // CPU 2000 - 60 - 10; memory 8192 - ceil(614.4) = 7577; 255 + 11 * 29 + 100 = 674
        (Provider::Aws, "m5.large", 2, 8192, 29, 1930, 7577, 6903),
        // 8000 - 60 - 10 - 10 - 10; 32768 - ceil(2457.6) = 30310; 255 + 11 * 58 + 100 = 993
        (Provider::Aws, "m5.2xlarge", 8, 32_768, 58, 7910, 30_310, 29_317),
        // 8000 - 60 - 40 - 40 - 40; 1024 + 819 (819.2) + 819 (819.2) + 983 (983.04) = 3645, and 750
        (Provider::Azure, "D8s_v5", 8, 32_768, 110, 7820, 32_768, 28_373),
        // 4000 - 60 - 40 - 40; 1024 + 819 + 819 = 2662, and 750
        (Provider::Azure, "D4s_v5", 4, 16_384, 110, 3860, 16_384, 12_972),
        // 1024 + 819.2 + 819.2 + 6881.28 + 2621.44 = 12165.12, and 750; 32000 - 60 - 40 - 40 - 280
        (Provider::Azure, "E32s_v5", 32, 262_144, 110, 31_580, 262_144, 249_229),
        (Provider::Private, "rack", 64, 262_144, 110, 64_000, 262_144, 262_044),
    ] {
        let found = kind(provider, name, cores, mib, pods).allocatable();
        let shown = (found.cpu.0, found.capacity_memory.0 / MIB, found.memory.0 / MIB, found.pods);
        assert_eq!(shown, (cpu, seen, memory, pods), "{name}");
    }
}

#[test]
fn google_kernel_and_kubelet_keep_their_share() {
    // 16384 MiB: 1/64 is 256, 16, 64 above 3 GiB, nothing above 8 GiB, 0.175 % is 28.672: 364.672 MiB.
    // Kept: 1024 + 819 + 819 = 2662 and 100. CPU 4000 - 60 - 10 - 10.
    let found = kind(Provider::Gcp, "n2-standard-4", 4, 16_384, 110).allocatable();
    let seen = 16_384 * MIB - (336 * MIB + 16_384 * MIB * 175 / 100_000);
    assert_eq!((found.cpu.0, found.capacity_memory.0, found.memory.0), (3920, seen, seen - 2762 * MIB));
    // 2048 MiB: no 64 below 3 GiB, but 8: 32 + 16 + 8 + 3.584; a quarter of 2048 and 100; 1060 m of a shared core.
    let found = kind(Provider::Gcp, "e2-small", 2, 2048, 110).allocatable();
    let seen = 2048 * MIB - (56 * MIB + 2048 * MIB * 175 / 100_000);
    assert_eq!((found.cpu.0, found.capacity_memory.0, found.memory.0), (940, seen, seen - 612 * MIB));
    // Up to 1 GiB 255 MiB are kept.
    let found = kind(Provider::Gcp, "e2-micro", 2, 1024, 110).allocatable();
    assert_eq!(found.capacity_memory.0 - found.memory.0, 355 * MIB);
}

#[test]
fn what_a_file_says_comes_before_the_formula() {
    let mut own = kind(Provider::Aws, "m5.large", 2, 8192, 29);
    own.reserved = Some((MilliCpu(100), Bytes(577 * MIB)));
    assert_eq!((own.allocatable().cpu.0, own.allocatable().memory.0), (1900, 7000 * MIB));
    own.reserved = Some((MilliCpu(9000), Bytes(u64::MAX)));
    assert_eq!((own.allocatable().cpu.0, own.allocatable().memory.0), (0, 0));
}

#[test]
fn arm_machines_keep_64_mib_more() {
    let mut arm = kind(Provider::Aws, "m6g.large", 2, 8192, 29);
    arm.architecture = Architecture::Arm64;
    // 8128 - ceil(609.6)
    assert_eq!(arm.allocatable().capacity_memory.0, 7518 * MIB);
}

#[test]
fn later_rows_replace_earlier_ones() {
    let mut catalogue = Catalogue::default();
    for (name, pods) in [("b", 1), ("a", 2), ("b", 3)] {
        catalogue.add(kind(Provider::Private, name, 1, 1024, pods));
    }
    let found: Vec<(&str, u32)> = catalogue.types().iter().map(|kind| (kind.name.as_str(), kind.pods_max)).collect();
    assert_eq!(found, [("a", 2), ("b", 3)]);
    assert_eq!(catalogue.find("b").map(|kind| kind.pods_max), Some(3));
    assert!(catalogue.find("c").is_none());
}

#[test]
fn launches_take_about_as_long_as_they_were_measured() {
    // Percentiles of 18, 35, 60 and 100 s: 0.5 * 26.5 + 0.4 * 47.5 + 0.1 * 80 = 40.25.
    let delays = Provider::Aws.launch_delays();
    assert!((delays.boot.mean_seconds() - 40.25).abs() < 1e-9);
    assert_eq!(delays.basis, Basis::Measured);
    for provider in Provider::ALL {
        assert_eq!(Provider::find(provider.name()), Some(provider));
        assert!(provider.launch_delays().boot.mean_seconds() > provider.launch_delays().ready.mean_seconds());
    }
}
