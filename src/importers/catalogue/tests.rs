//! The program's own catalogue against single facts, and what is said of files that are none.

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// What is said of a file, without its name.
fn refused(text: &str) -> Vec<String> {
    let file = file(text);
    let problems = read(file.path(), &mut Catalogue::default()).unwrap_err();
    problems.iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
}

#[test]
fn the_shipped_catalogue_has_what_providers_publish() {
    let catalogue = shipped();
    assert!(catalogue.types().len() > 350, "{}", catalogue.types().len());
    for (name, region, cpu_milli, gib, pods, on_demand) in [
        ("m5.large", "us-east-1", 2000, 8, 29, "0.096"),
        ("m5.large", "eu-west-1", 2000, 8, 29, "0.107"),
        ("m7g.xlarge", "us-east-1", 4000, 16, 58, "0.1632"),
        ("c5.4xlarge", "us-east-1", 16_000, 32, 234, "0.68"),
        ("e2-standard-4", "us-central1", 4000, 16, 110, "0.134023"),
        ("n1-highmem-2", "us-central1", 2000, 13, 110, "0.118303"),
        ("Standard_D4s_v5", "eastus", 4000, 16, 110, "0.192"),
    ] {
        let kind = catalogue.find(name).unwrap_or_else(|| panic!("{name} is there"));
        let offer = kind.offer(region).unwrap_or_else(|| panic!("{name} is to be had in {region}"));
        let shown = (kind.cpu.0, kind.memory.0 >> 30, kind.pods_max, offer.on_demand);
        assert_eq!(shown, (cpu_milli, gib, pods, Money::parse(on_demand).unwrap()), "{name}");
    }
    let g4dn = catalogue.find("g4dn.12xlarge").unwrap();
    assert_eq!((g4dn.gpu.clone(), g4dn.quota.as_str()), (Some(("T4".to_owned(), 4)), "G"));
    assert_eq!(catalogue.find("m6g.large").map(|kind| kind.architecture), Some(Architecture::Arm64));
    assert_eq!(catalogue.region("us-east-1").map(|region| region.zones.len()), Some(6));
}

#[test]
fn every_shipped_type_makes_sense() {
    let catalogue = shipped();
    for kind in catalogue.types() {
        let found = kind.allocatable();
        assert!(found.cpu.0 > 0 && found.memory.0 > 0 && found.pods > 0, "{kind:?}");
        assert!(found.cpu.0 < found.capacity_cpu.0 && found.memory.0 < found.capacity_memory.0, "{kind:?}");
        assert!(!kind.offers.is_empty() && !kind.quota.is_empty() && !kind.family.is_empty(), "{kind:?}");
        for offer in &kind.offers {
            assert!(offer.spot.is_none_or(|spot| Money::ZERO < spot && spot < offer.on_demand), "{kind:?}");
            let region = catalogue.region(&offer.region).expect("a region with zones");
            assert_eq!(region.provider, kind.provider, "{}", offer.region);
        }
    }
}

#[test]
fn own_types_join_the_catalogue() {
    let text = "instance_type,provider,vcpu,memory_mib,usd_per_hour:cellar,reserved_cpu_milli,reserved_memory_mib\n\
                rack,private,64,262144,0.85,500,4096\nm5.large,aws,2,8192,0.05,,\ncamera,private,0.5,512,,,\n";
    let mut catalogue = shipped();
    let before = catalogue.types().len();
    read(file(text).path(), &mut catalogue).unwrap();
    assert_eq!(catalogue.types().len(), before + 2);
    let rack = catalogue.find("rack").unwrap();
    assert_eq!(rack.offer("cellar").map(|offer| offer.on_demand), Money::parse("0.85"));
    assert_eq!(rack.allocatable().cpu, MilliCpu(63_500));
    // A type that is known is replaced as a whole.
    let m5 = catalogue.find("m5.large").unwrap();
    assert_eq!((m5.offers.len(), m5.pods_max), (1, 110));
    assert!(catalogue.find("camera").is_some_and(|camera| camera.offers.is_empty() && camera.cpu.0 == 500));
    let offered: Vec<&str> =
        catalogue.offered(Provider::Private, "cellar").map(|(kind, _)| kind.name.as_str()).collect();
    assert_eq!(offered, ["rack"]);
}

#[test]
fn every_problem_is_said_at_once() {
    let text = "provider,instance_type,vcpu,memory_mib,gpu_model,gpu_count,usd_per_hour:x,spot_usd_per_hour:x,interruptions_percent:x\n\
                amazon,a,0,1.5,T4,,1,,\nprivate,,2,1,,,free,,\nprivate,b,2,1,,,,0.1,\nprivate,c,2,1,,,1,,20\n\
                private,d,2,1,,,1,,\nprivate,d,2,1,,,1,,\n";
    assert_eq!(
        refused(text),
        [
            "2: column `provider`: `amazon` is not known; write aws, azure, gcp or private",
            "2: column `vcpu`: `0` is no number of vCPUs; write one such as 4 or 0.5",
            "2: column `memory_mib`: `1.5` is not a whole number; write memory in MiB, such as 16384",
            "2: column `gpu_model`: `T4` does not go with the number of GPUs; give both `gpu_model` and `gpu_count`, or \
             neither",
            "3: column `instance_type`: `` is empty; write the type's name",
            "3: column `usd_per_hour:x`: `free` is no price; write US dollars by the hour, such as 0.096, or nothing",
            "4: column `usd_per_hour:x`: `` is no price; give the price on demand as well, or leave all of the region's \
             cells blank",
            "5: column `interruptions_percent:x`: `20` is no range of percentages; write two percentages such as 5-10: of \
             how many instances in a month",
            "7: column `instance_type`: `d` is in line 6 already; write every type once, with a column for each region",
        ]
    );
}

#[test]
fn headings_are_checked() {
    assert_eq!(
        refused("provider,instance_type,vcpu,memory_mb,spot_usd_per_hour:x\n"),
        [
            "1: the column `memory_mb` is unknown; did you mean `memory_mib`?",
            "1: the column `spot_usd_per_hour:x` has no column `usd_per_hour:x` beside it: add that",
            "1: the heading has no price; add a column such as `usd_per_hour:us-east-1` or, for machines of your own, \
             `usd_per_hour:berlin`",
            "1: the column `memory_mib` is missing from the heading `provider,instance_type,vcpu,memory_mb,\
             spot_usd_per_hour:x`; it needs provider,instance_type,vcpu,memory_mib",
        ]
    );
}

#[test]
fn own_regions_have_zones() {
    let mut catalogue = shipped();
    let regions = file("provider,region,zones\nprivate,cellar,row-1 row-2\n");
    read_regions(regions.path(), &mut catalogue).unwrap();
    assert_eq!(catalogue.region("cellar").map(|region| region.zones.join("+")), Some("row-1+row-2".to_owned()));
    let problems = read_regions(file("provider,region,zones\nmoon,a,b\ngcp,a,\n").path(), &mut catalogue).unwrap_err();
    let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        said,
        [
            "column `provider`: `moon` is not known; write aws, azure, gcp or private",
            "column `zones`: `` names no zone; write one or more, with blanks between them",
        ]
    );
}
