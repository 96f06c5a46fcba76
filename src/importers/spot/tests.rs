//! Small files, by tables.

use super::*;

const S: u64 = 1_000_000_000;

fn file(name: &str, text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

/// The changes of type `a` in zone `z`: seconds and billionths of a dollar.
fn changes(prices: &Prices) -> Vec<(u64, i128)> {
    let series = &prices[&("a".to_owned(), "z".to_owned())];
    series.changes().iter().map(|(at, price)| (at.0 / S, price.0)).collect()
}

const CSV: &str = "timestamp,instance_type,availability_zone,product,spot_price_usd_per_hour\n\
                   2016-02-25T00:01:00.000Z,a,z,Linux/UNIX,0.02\n\
                   2016-02-25T00:00:00.000Z,a,z,Linux/UNIX,0.01\n\
                   2016-02-25T00:02:00.000Z,a,z,Linux/UNIX,0.03\n\
                   2016-02-25T00:02:00.000Z,a,z,Linux/UNIX,0.04\n\
                   2016-02-25T00:03:00.000Z,b,z,Linux/UNIX,0.07\n";

#[test]
fn prices_are_read_from_tables() {
    let (_directory, path) = file("prices.csv", CSV);
    let cent = 10_000_000;
    for (begin, expected) in [
        (None, vec![(0, cent), (60, 2 * cent), (120, 4 * cent)]),
        (Some("2016-02-25T00:01:30Z"), vec![(0, 2 * cent), (30, 4 * cent)]),
        (Some("2016-02-24T23:59:00Z"), vec![(0, cent), (120, 2 * cent), (180, 4 * cent)]),
        (Some("2017-01-01T00:00:00Z"), vec![(0, 4 * cent)]),
    ] {
        let prices = read_prices(&path, begin).unwrap();
        assert_eq!(changes(&prices), expected, "{begin:?}");
        assert_eq!(prices.len(), 2);
    }
}

#[test]
fn prices_are_read_from_what_aws_writes() {
    let entry = |time: &str, price: &str| {
        format!(
            r#"{{"Timestamp": "2016-04-25T11:{time}.000Z", "ProductDescription": "Linux/UNIX", "InstanceType": "a",
                "SpotPrice": "{price}", "AvailabilityZone": "z"}}"#
        )
    };
    let text = format!(
        r#"{{"SpotPriceHistory": [{}, {}, {}]}}"#,
        entry("02:00", "0.003200"),
        entry("01:00", "0.004000"),
        entry("01:00", "0.003300")
    );
    let (_directory, path) = file("history.json", &text);
    assert_eq!(changes(&read_prices(&path, None).unwrap()), [(0, 4_000_000), (60, 3_200_000)]);
}

#[test]
fn what_is_no_price_list_is_refused_with_every_problem() {
    let table = "timestamp,instance_type,availability_zone,spot_price_usd_per_hour\nnoon,a,z,0.1\n2016-02-25T00:00:00Z,a,z,free\n";
    let entry = r#"{"SpotPriceHistory": [{"Timestamp": "x"}]}"#;
    for (name, text, begin, said) in [
        (
            "a.csv",
            table,
            Some("today"),
            vec![
                "`today` is no beginning; write one such as 2016-03-01T00:00:00Z",
                "column `timestamp`: `noon` is no date with a time; write one such as 2016-03-01T12:00:00Z",
                "column `spot_price_usd_per_hour`: `free` is no price; write US dollars by the hour, such as 0.096",
            ],
        ),
        ("a.csv", "timestamp,instance_type,availability_zone,spot_price_usd_per_hour\n", None, vec!["has no prices"]),
        (
            "a.json",
            "{}",
            None,
            vec!["has no list `SpotPriceHistory`: it is what `aws ec2 describe-spot-price-history` writes"],
        ),
        (
            "a.json",
            entry,
            None,
            vec![
                "entry 1 of `SpotPriceHistory` needs `Timestamp`, `InstanceType`, `AvailabilityZone` and `SpotPrice`, as \
                 texts",
            ],
        ),
    ] {
        let (_directory, path) = file(name, text);
        let problems = read_prices(&path, begin).unwrap_err();
        let found: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(found, said);
    }
}

#[test]
fn capacity_is_read_from_traces() {
    let (_directory, path) =
        file("trace.json", r#"{"metadata": {"gap_seconds": 300}, "data": [0, 0, 5, 16, 16, 8.0]}"#);
    let capacity = read_capacity(&path).unwrap();
    for (at_s, count, next) in
        [(0, 0, Some((600, 5))), (899, 5, Some((900, 16))), (900, 16, Some((1500, 8))), (9000, 8, None)]
    {
        let at = SimTime(at_s * S);
        assert_eq!(capacity.at(at), count, "{at_s}");
        assert_eq!(capacity.next_change(at), next.map(|(at_s, count)| (SimTime(at_s * S), count)), "{at_s}");
    }
    for (text, said) in [
        ("{}", "has no `metadata.gap_seconds` above 0"),
        (r#"{"metadata": {"gap_seconds": 300}, "data": []}"#, "has an empty list `data`"),
    ] {
        let (_directory, path) = file("trace.json", text);
        assert_eq!(read_capacity(&path).unwrap_err()[0].message, said);
    }
}
