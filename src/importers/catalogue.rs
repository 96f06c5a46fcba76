//! Catalogues of instance types: the one that comes with the program, and users' own, in the same CSV format.
//!
//! One row a type, columns in any order. Required: `provider`, `instance_type`, `vcpu`, `memory_mib`, and at least one
//! `usd_per_hour:REGION`; a blank price says that the type is not to be had there. `catalogue/README.md` describes every
//! column. A type that is known already is replaced as a whole.

use std::path::Path;

use super::table::{ColumnName, CsvTable, optional, required};
use super::{ImportError, Problems};
use crate::model::catalogue::{Architecture, Catalogue, InstanceType, Offer, Provider, Region, SpotBasis, eni_pods};
use crate::model::money::Money;
use crate::units::{Bytes, MilliCpu};

/// The files that come with the program.
const SHIPPED: [(&str, &str); 3] = [
    ("catalogue/aws.csv", include_str!("../../catalogue/aws.csv")),
    ("catalogue/azure.csv", include_str!("../../catalogue/azure.csv")),
    ("catalogue/gcp.csv", include_str!("../../catalogue/gcp.csv")),
];
const SHIPPED_REGIONS: (&str, &str) = ("catalogue/regions.csv", include_str!("../../catalogue/regions.csv"));

const FIXED: &[ColumnName<'static>] = &[
    required("provider"),
    required("instance_type"),
    required("vcpu"),
    required("memory_mib"),
    optional("family"),
    optional("quota"),
    optional("architecture"),
    optional("gpu_model"),
    optional("gpu_count"),
    optional("network_mbps"),
    optional("network_interfaces"),
    optional("addresses_per_interface"),
    optional("pods_max"),
    optional("reserved_cpu_milli"),
    optional("reserved_memory_mib"),
    optional("spot_basis"),
];
const PROVIDER: usize = 0;
const NAME: usize = 1;
const VCPU: usize = 2;
const MEMORY: usize = 3;
const FAMILY: usize = 4;
const QUOTA: usize = 5;
const ARCHITECTURE: usize = 6;
const GPU_MODEL: usize = 7;
const GPU_COUNT: usize = 8;
const NETWORK: usize = 9;
const INTERFACES: usize = 10;
const ADDRESSES: usize = 11;
const PODS: usize = 12;
const RESERVED_CPU: usize = 13;
const RESERVED_MEMORY: usize = 14;
const SPOT_BASIS: usize = 15;

const ON_DEMAND: &str = "usd_per_hour:";
const SPOT: &str = "spot_usd_per_hour:";
const INTERRUPTIONS: &str = "interruptions_percent:";

/// Pods on a node where nothing else limits them: the kubelet's default.
const PODS_DEFAULT: u32 = 110;
/// More cores than any machine has.
const VCPU_MAX: u64 = 10_000_000;
/// A pebibyte: more memory than any machine has.
const MEMORY_MIB_MAX: u64 = 1 << 30;

/// The catalogue that comes with the program.
///
/// # Panics
/// When the program was built with damaged files.
pub fn shipped() -> Catalogue {
    let (mut catalogue, mut problems) = (Catalogue::default(), Problems::default());
    for (name, text) in SHIPPED {
        read_types(&Source::Text(name, text), &mut catalogue, &mut problems);
    }
    let (name, text) = SHIPPED_REGIONS;
    read_region_rows(&Source::Text(name, text), &mut catalogue, &mut problems);
    if let Err(problems) = problems.into_result(()) {
        panic!("the program's own catalogue is damaged: {}", problems[0]);
    }
    catalogue
}

/// Adds the types of a file to a catalogue. After an error the catalogue is of no use.
///
/// # Errors
/// When the file is no such table: every problem with its line, and how to put it right.
pub fn read(path: &Path, catalogue: &mut Catalogue) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    read_types(&Source::Path(path), catalogue, &mut problems);
    problems.into_result(())
}

/// Adds the regions of a file, with the columns `provider`, `region` and `zones` (names between blanks), to a catalogue.
///
/// # Errors
/// When the file is no such table.
pub fn read_regions(path: &Path, catalogue: &mut Catalogue) -> Result<(), Vec<ImportError>> {
    let mut problems = Problems::default();
    read_region_rows(&Source::Path(path), catalogue, &mut problems);
    problems.into_result(())
}

/// Where a table comes from.
enum Source<'s> {
    Path(&'s Path),
    /// Name and content.
    Text(&'s str, &'static str),
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Text(name, _) => (*name).to_owned(),
        }
    }

    fn heading(&self) -> Result<Vec<String>, String> {
        match self {
            Source::Path(path) => super::table::heading(path),
            Source::Text(_, text) => Ok(text.lines().next().unwrap_or("").split(',').map(str::to_owned).collect()),
        }
    }

    fn open(&self, columns: &[ColumnName<'_>], problems: &mut Problems) -> Option<CsvTable> {
        match self {
            Source::Path(path) => CsvTable::open(path, columns, problems),
            Source::Text(_, text) => CsvTable::of_bytes(self.name(), Box::new(text.as_bytes()), columns, problems),
        }
    }
}

/// The regions that a heading has prices of, and the positions of their columns.
struct Prices {
    region: String,
    on_demand: usize,
    spot: Option<usize>,
    interruptions: Option<usize>,
}

fn read_types(source: &Source<'_>, catalogue: &mut Catalogue, problems: &mut Problems) {
    let heading = match source.heading() {
        Ok(heading) => heading,
        Err(why) => return problems.push(&source.name(), 0, why),
    };
    let (columns, prices) = columns(&source.name(), &heading, problems);
    let Some(mut table) = source.open(&columns, problems) else { return };
    let mut names: Vec<(String, u64)> = Vec::new();
    while let Some(line) = table.next_row(problems) {
        let Some(kind) = row(&table, &prices, line, problems) else { continue };
        match names.binary_search_by(|(name, _)| name.cmp(&kind.name)) {
            Ok(at) => {
                let why = format!("is in line {} already", names[at].1);
                table.refuse(NAME, line, &why, "write every type once, with a column for each region", problems);
            }
            Err(at) => {
                names.insert(at, (kind.name.clone(), line));
                catalogue.add(kind);
            }
        }
    }
}

/// The columns to read, with those of prices after the fixed ones; headings that mean nothing are reported.
fn columns<'h>(file: &str, heading: &'h [String], problems: &mut Problems) -> (Vec<ColumnName<'h>>, Vec<Prices>) {
    let mut columns: Vec<ColumnName<'h>> = FIXED.to_vec();
    let mut prices: Vec<Prices> = Vec::new();
    for name in heading.iter().filter(|name| name.starts_with(ON_DEMAND)) {
        let region = &name[ON_DEMAND.len()..];
        let mut position = |prefix: &str| {
            let found = heading.iter().find(|other| other.strip_prefix(prefix) == Some(region))?;
            columns.push(optional(found));
            Some(columns.len() - 1)
        };
        let Some(on_demand) = position(ON_DEMAND) else { continue };
        let (spot, interruptions) = (position(SPOT), position(INTERRUPTIONS));
        prices.push(Prices { region: region.to_owned(), on_demand, spot, interruptions });
    }
    for name in heading.iter().filter(|name| columns.iter().all(|column| column.name != name.as_str())) {
        problems.push(file, 1, unknown_column(name));
    }
    if prices.is_empty() {
        let fix = "add a column such as `usd_per_hour:us-east-1` or, for machines of your own, `usd_per_hour:berlin`";
        problems.push(file, 1, format!("the heading has no price; {fix}"));
    }
    (columns, prices)
}

fn unknown_column(name: &str) -> String {
    if let Some(region) = name.strip_prefix(SPOT).or_else(|| name.strip_prefix(INTERRUPTIONS)) {
        return format!("the column `{name}` has no column `{ON_DEMAND}{region}` beside it: add that");
    }
    let known = FIXED.iter().map(|column| column.name).chain([ON_DEMAND, SPOT, INTERRUPTIONS]);
    let near = known.map(|known| (strsim::damerau_levenshtein(known, name.split(':').next().unwrap_or(name)), known));
    match near.min() {
        Some((distance, near)) if distance <= 3 => format!("the column `{name}` is unknown; did you mean `{near}`?"),
        _ => format!("the column `{name}` is unknown: remove it"),
    }
}

fn row(table: &CsvTable, prices: &[Prices], line: u64, problems: &mut Problems) -> Option<InstanceType> {
    let provider = named(table, PROVIDER, line, Provider::find, "aws, azure, gcp or private", problems);
    let name = table.text(NAME, line, problems).map(str::to_owned);
    if name.as_deref() == Some("") {
        table.refuse(NAME, line, "is empty", "write the type's name", problems);
    }
    let cpu = cores(table, line, problems);
    let memory = table.number(MEMORY, line, MEMORY_MIB_MAX, "memory in MiB, such as 16384", problems);
    let architecture = match table.cell(ARCHITECTURE) {
        b"" => Some(Architecture::Amd64),
        _ => named(table, ARCHITECTURE, line, Architecture::find, "amd64 or arm64", problems),
    };
    let spot_basis = match table.cell(SPOT_BASIS) {
        b"" => Some(None),
        _ => named(table, SPOT_BASIS, line, SpotBasis::find, "average, list or estimate", problems).map(Some),
    };
    let gpu = gpu(table, line, problems);
    let network = count(table, NETWORK, line, "megabits per second", problems);
    let pods = pods_max(table, line, problems);
    let reserved = reserved(table, line, problems);
    let offers: Vec<Option<Option<Offer>>> = prices.iter().map(|prices| offer(table, prices, line, problems)).collect();
    let offers: Option<Vec<Option<Offer>>> = offers.into_iter().collect();
    let family = table.text(FAMILY, line, problems)?.to_owned();
    let quota = table.text(QUOTA, line, problems)?.to_owned();
    Some(InstanceType {
        provider: provider?,
        name: name.filter(|name| !name.is_empty())?,
        family,
        quota,
        architecture: architecture?,
        cpu: cpu?,
        memory: Bytes(memory? << 20),
        gpu: gpu?,
        network_mbps: network?,
        pods_max: pods?,
        reserved: reserved?,
        spot_basis: spot_basis?,
        offers: offers?.into_iter().flatten().collect(),
    })
}

fn named<T>(
    table: &CsvTable,
    column: usize,
    line: u64,
    find: impl Fn(&str) -> Option<T>,
    choices: &str,
    problems: &mut Problems,
) -> Option<T> {
    let found = find(table.text(column, line, problems)?);
    if found.is_none() {
        table.refuse(column, line, "is not known", &format!("write {choices}"), problems);
    }
    found
}

fn cores(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<MilliCpu> {
    let cpu = MilliCpu::parse(table.text(VCPU, line, problems)?).ok();
    let cpu = cpu.filter(|cpu| (1..=VCPU_MAX).contains(&cpu.0));
    if cpu.is_none() {
        table.refuse(VCPU, line, "is no number of vCPUs", "write one such as 4 or 0.5", problems);
    }
    cpu
}

/// The whole number of an optional cell: none inside where it is blank, none outside where it is wrong.
fn count(table: &CsvTable, column: usize, line: u64, meaning: &str, problems: &mut Problems) -> Option<Option<u32>> {
    match table.cell(column) {
        b"" => Some(None),
        _ => table.number(column, line, u64::from(u32::MAX), meaning, problems).map(|number| Some(number as u32)),
    }
}

fn gpu(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<Option<(String, u32)>> {
    let number = count(table, GPU_COUNT, line, "how many GPUs it has", problems)?.unwrap_or(0);
    let model = table.text(GPU_MODEL, line, problems)?;
    if model.is_empty() != (number == 0) {
        let fix = "give both `gpu_model` and `gpu_count`, or neither";
        table.refuse(GPU_MODEL, line, "does not go with the number of GPUs", fix, problems);
        return None;
    }
    Some((number > 0).then(|| (model.to_owned(), number)))
}

/// What the file says, or what addresses allow, or the kubelet's default.
fn pods_max(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<u32> {
    let said = count(table, PODS, line, "how many pods a node takes", problems)?;
    let interfaces = count(table, INTERFACES, line, "how many network interfaces it has", problems)?;
    let addresses = count(table, ADDRESSES, line, "how many addresses an interface has", problems)?;
    Some(match (said, interfaces, addresses) {
        (Some(pods), ..) => pods,
        (None, Some(interfaces), Some(addresses)) => eni_pods(interfaces.min(1000), addresses.min(1000)),
        _ => PODS_DEFAULT,
    })
}

fn reserved(table: &CsvTable, line: u64, problems: &mut Problems) -> Option<Option<(MilliCpu, Bytes)>> {
    let cpu = count(table, RESERVED_CPU, line, "the thousandths of a core that are kept", problems)?;
    let memory = count(table, RESERVED_MEMORY, line, "the MiB that are kept", problems)?;
    if cpu.is_some() != memory.is_some() {
        let fix = "give both `reserved_cpu_milli` and `reserved_memory_mib`, or neither";
        table.refuse(RESERVED_CPU, line, "does not go with what is kept of memory", fix, problems);
        return None;
    }
    Some(cpu.zip(memory).map(|(cpu, memory)| (MilliCpu(u64::from(cpu)), Bytes(u64::from(memory) << 20))))
}

/// The offer in a region: none inside where there is none, none outside where it is wrong.
fn offer(table: &CsvTable, prices: &Prices, line: u64, problems: &mut Problems) -> Option<Option<Offer>> {
    let on_demand = price(table, prices.on_demand, line, problems)?;
    let spot = prices.spot.map_or(Some(None), |column| price(table, column, line, problems))?;
    let band = prices.interruptions.map_or(Some(None), |column| band(table, column, line, problems))?;
    let Some(on_demand) = on_demand else {
        if spot.is_some() || band.is_some() {
            let fix = "give the price on demand as well, or leave all of the region's cells blank";
            table.refuse(prices.on_demand, line, "is no price", fix, problems);
            return None;
        }
        return Some(None);
    };
    Some(Some(Offer { region: prices.region.clone(), on_demand, spot, interruptions_percent: band }))
}

fn price(table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<Option<Money>> {
    let text = table.text(column, line, problems)?;
    if text.is_empty() {
        return Some(None);
    }
    let price = Money::parse(text);
    if price.is_none() {
        table.refuse(column, line, "is no price", "write US dollars by the hour, such as 0.096, or nothing", problems);
    }
    price.map(Some)
}

fn band(table: &CsvTable, column: usize, line: u64, problems: &mut Problems) -> Option<Option<(u8, u8)>> {
    let text = table.text(column, line, problems)?;
    if text.is_empty() {
        return Some(None);
    }
    let percent = |text: &str| text.parse::<u8>().ok().filter(|percent| *percent <= 100);
    let band = text.split_once('-').and_then(|(from, to)| percent(from).zip(percent(to)));
    let band = band.filter(|(from, to)| from <= to);
    if band.is_none() {
        let fix = "write two percentages such as 5-10: of how many instances in a month";
        table.refuse(column, line, "is no range of percentages", fix, problems);
    }
    band.map(Some)
}

fn read_region_rows(source: &Source<'_>, catalogue: &mut Catalogue, problems: &mut Problems) {
    const COLUMNS: &[ColumnName<'_>] = &[required("provider"), required("region"), required("zones")];
    let Some(mut table) = source.open(COLUMNS, problems) else { return };
    while let Some(line) = table.next_row(problems) {
        let provider = named(&table, 0, line, Provider::find, "aws, azure, gcp or private", problems);
        let name = table.text(1, line, problems).map(str::to_owned);
        let zones = table.text(2, line, problems);
        let zones: Option<Vec<String>> = zones.map(|zones| zones.split_whitespace().map(str::to_owned).collect());
        let (Some(provider), Some(name), Some(zones)) = (provider, name, zones) else { continue };
        if zones.is_empty() {
            table.refuse(2, line, "names no zone", "write one or more, with blanks between them", problems);
            continue;
        }
        catalogue.add_region(Region { provider, name, zones });
    }
}

#[cfg(test)]
mod tests;
