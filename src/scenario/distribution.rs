//! Distributions: from the file's parameters to those that are sampled.

use std::collections::BTreeMap;

use super::spec::{DistributionSpec, Duration};
use crate::model::Dist;

/// Whether every span of the distribution is none.
pub(super) fn takes_no_time(spec: &DistributionSpec) -> bool {
    let is_none = |span: &Duration| span.0.0 == 0;
    match spec {
        DistributionSpec::Constant(span) | DistributionSpec::Uniform { max: span, .. } => is_none(span),
        DistributionSpec::Normal { mean, sd } => is_none(mean) && is_none(sd),
        DistributionSpec::Empirical(spans) => spans.iter().all(is_none),
        DistributionSpec::Percentiles(points) => points.values().all(is_none),
        // The others have a positive mean, scale or minimum.
        _ => false,
    }
}

/// The distribution that a file describes.
///
/// # Errors
/// In words, when the parameters contradict each other.
pub(super) fn distribution(spec: &DistributionSpec) -> Result<Dist, String> {
    match spec {
        DistributionSpec::Constant(span) => Ok(Dist::Constant(span.0)),
        DistributionSpec::Exponential { mean } => Ok(Dist::Exponential { mean: positive("mean", mean)? }),
        DistributionSpec::Uniform { min, max } if min > max => Err(format!("`min` is {min}, more than `max`, {max}")),
        DistributionSpec::Uniform { min, max } => Ok(Dist::Uniform { min: seconds(min), max: seconds(max) }),
        DistributionSpec::Normal { mean, sd } => Ok(Dist::Normal { mean: seconds(mean), sd: seconds(sd) }),
        DistributionSpec::Lognormal { mean, sd, p99 } => {
            let mean = positive("mean", mean)?;
            match (sd, p99) {
                (Some(sd), None) => Ok(Dist::lognormal_from_mean_sd(mean, positive("sd", sd)?)),
                (None, Some(p99)) => Dist::lognormal_from_mean_p99(mean, positive("p99", p99)?)
                    .ok_or_else(|| "`p99` must be between the mean and 14.97 times the mean".to_owned()),
                _ => Err("a lognormal needs `mean` and either `sd` or `p99`".to_owned()),
            }
        }
        DistributionSpec::Weibull { scale, shape } => {
            Ok(Dist::Weibull { scale: positive("scale", scale)?, shape: *shape })
        }
        DistributionSpec::Pareto { min, shape, max } => {
            let min_seconds = positive("min", min)?;
            match max {
                Some(max) if max < min => Err(format!("`min` is {min}, more than `max`, {max}")),
                _ => Ok(Dist::Pareto {
                    min: min_seconds,
                    shape: *shape,
                    max: max.map_or(f64::INFINITY, |max| seconds(&max)),
                }),
            }
        }
        DistributionSpec::Gamma { mean, shape } => Ok(Dist::Gamma { mean: positive("mean", mean)?, shape: *shape }),
        DistributionSpec::Percentiles(points) => percentiles(points),
        DistributionSpec::Hyperexponential(branches) => {
            let total: f64 = branches.iter().map(|branch| branch.weight).sum();
            if branches.is_empty() || !total.is_finite() {
                return Err("a hyperexponential needs branches with weights that can be summed".to_owned());
            }
            let branches = branches.iter().map(|branch| Ok((branch.weight / total, positive("mean", &branch.mean)?)));
            Ok(Dist::Hyperexponential { branches: branches.collect::<Result<_, String>>()? })
        }
        DistributionSpec::Empirical(spans) if spans.is_empty() => Err("`empirical` lists no spans".to_owned()),
        DistributionSpec::Empirical(spans) => Ok(Dist::Empirical(spans.iter().map(|span| span.0).collect())),
    }
}

/// The lines between percentiles that are called `p50`, `p99.9` and so on.
fn percentiles(points: &BTreeMap<String, Duration>) -> Result<Dist, String> {
    let mut list = Vec::with_capacity(points.len());
    for (name, span) in points {
        let percent = name.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
        match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
            Some(percent) => list.push((percent / 100.0, seconds(span))),
            None => {
                return Err(format!("`{name}` is no percentile: they are called p0, p50, p99.9 and so on up to p100"));
            }
        }
    }
    list.sort_by(|a, b| a.0.total_cmp(&b.0));
    if list.len() < 2 {
        return Err("`percentiles` needs at least two of them".to_owned());
    }
    match list.windows(2).find(|pair| pair[0].0 == pair[1].0 || pair[0].1 > pair[1].1) {
        Some(pair) => Err(format!("the percentile {} is not above that of {}", pair[1].0 * 100.0, pair[0].0 * 100.0)),
        None => Ok(Dist::Percentiles(list)),
    }
}

fn seconds(span: &Duration) -> f64 {
    span.0.as_seconds()
}

fn positive(name: &str, span: &Duration) -> Result<f64, String> {
    if span.0.0 == 0 { Err(format!("`{name}` must be more than 0")) } else { Ok(seconds(span)) }
}

/// The mean gap in seconds, for estimates of how much arrives. A Pareto without bound may have no mean; its shortest gap
/// bounds the number of arrivals from above.
pub(super) fn gap_seconds(dist: &Dist) -> f64 {
    match dist {
        Dist::Pareto { min, .. } if dist.mean_seconds().is_infinite() => *min,
        _ => dist.mean_seconds(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_value;

    fn read(text: &str) -> Result<Dist, String> {
        let node = parse_value(text, &"f".into()).unwrap();
        distribution(&serde_json::from_value(node.to_json()).unwrap())
    }

    #[test]
    fn distributions_are_read_with_their_means() {
        for (text, mean) in [
            ("5s", 5.0),
            ("0", 0.0),
            ("{exponential: {mean: 2m}}", 120.0),
            ("{uniform: {min: 1s, max: 3s}}", 2.0),
            // Zero is ten deviations away, so the cut there moves nothing.
            ("{normal: {mean: 5s, sd: 500ms}}", 5.0),
            ("{lognormal: {mean: 4s, sd: 2s}}", 4.0),
            ("{lognormal: {mean: 4s, p99: 20s}}", 4.0),
            // scale * Gamma(1 + 1/1)
            ("{weibull: {scale: 2s, shape: 1}}", 2.0),
            // 3 * 1 / 2
            ("{pareto: {min: 1s, shape: 3}}", 1.5),
            // (3 * 1 + 1 * 5) / 4
            ("{hyperexponential: [{weight: 3, mean: 1s}, {weight: 1, mean: 5s}]}", 2.0),
            ("{empirical: [1s, 2s]}", 1.5),
            ("{gamma: {mean: 3s, shape: 2}}", 3.0),
            // 0.1 * 1 + 0.8 * (1 + 3) / 2 + 0.1 * 3
            ("{percentiles: {p90: 3s, p10: 1s}}", 2.0),
        ] {
            let measured = read(text).unwrap().mean_seconds();
            assert!((measured - mean).abs() < 1e-9, "{text}: {measured}");
        }
    }

    #[test]
    fn a_gap_without_mean_counts_as_the_shortest() {
        for (text, gap) in [("{pareto: {min: 2s, shape: 1}}", 2.0), ("{pareto: {min: 2s, shape: 2}}", 4.0)] {
            assert_eq!(gap_seconds(&read(text).unwrap()), gap, "{text}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "{exponential: {mean: 0s}}",
            "{uniform: {min: 3s, max: 1s}}",
            "{lognormal: {mean: 4s}}",
            "{lognormal: {mean: 4s, sd: 1s, p99: 9s}}",
            "{lognormal: {mean: 4s, p99: 400s}}",
            "{pareto: {min: 0s, shape: 3}}",
            "{pareto: {min: 2s, shape: 3, max: 1s}}",
            "{hyperexponential: []}",
            "{empirical: []}",
            "{gamma: {mean: 0, shape: 2}}",
            "{percentiles: {p50: 1s}}",
            "{percentiles: {p50: 2s, p99: 1s}}",
            "{percentiles: {p50: 1s, p50.0: 1s}}",
            "{percentiles: {p50: 1s, p101: 2s}}",
            "{percentiles: {p50: 1s, median: 2s}}",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
