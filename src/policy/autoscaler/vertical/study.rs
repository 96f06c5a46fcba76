//! A back-test of one rule on many containers.

use super::back_test::{Apply, BackTest, PlayedSpan, Score};
use super::priority::UpdateThresholds;
use super::sizing::Sizing;
use super::spec::{Amounts, ContainerResources, ResourcePolicy};
use super::table::{SizingSetting, find};
use crate::model::sizing::{Size, SizedContainer, SizingApply, SizingStudy};
use crate::policy::ParameterError;
use crate::units::{SimDuration, SimTime};

/// So many windows make a readable curve.
const WINDOWS: u64 = 288;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StudyScores {
    /// The score of each container, in the order of the study.
    pub scores: Vec<Score>,
    /// How long a window is: a multiple of the interval.
    pub window: SimDuration,
    /// What all containers together had in each.
    pub windows: Vec<StudyWindow>,
}

/// What all containers had in a window of time; products of amounts and ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StudyWindow {
    /// Milli-cores requested.
    pub requested_cpu: u128,
    /// Milli-cores used.
    pub used_cpu: u128,
    /// Bytes requested.
    pub requested_memory: u128,
    /// Bytes used.
    pub used_memory: u128,
}

/// Plays the series of all containers.
///
/// # Errors
/// When there is no such rule, or it refuses its parameters.
///
/// # Panics
/// When the interval is 0.
pub fn run(study: &SizingStudy) -> Result<StudyScores, ParameterError> {
    let span = |one: &SizedContainer| one.series.iter().map(|step| step.span.0).sum::<u64>();
    let longest = study.containers.iter().map(span).max().unwrap_or(0);
    let intervals = longest.div_ceil(WINDOWS).div_ceil(study.interval.0).max(1);
    let window = SimDuration(study.interval.0 * intervals);
    let mut windows = vec![StudyWindow::default(); longest.div_ceil(window.0) as usize];
    let mut scores = Vec::with_capacity(study.containers.len());
    for container in &study.containers {
        let mut rule = rule(study, container)?;
        let mut note = |played: &PlayedSpan<'_>| windows[(played.from.0 / window.0) as usize].note(played);
        scores.push(back_test(study, container).run_watched(&container.series, &mut *rule, &mut note));
    }
    Ok(StudyScores { scores, window, windows })
}

/// The rule of a study for one of its containers.
///
/// # Errors
/// When there is no such rule, or it refuses its parameters.
pub fn rule(study: &SizingStudy, container: &SizedContainer) -> Result<Box<dyn Sizing>, ParameterError> {
    let name = &study.rule.name;
    let row = find(name).ok_or_else(|| ParameterError(format!("there is no sizing `{name}`")))?;
    let setting = SizingSetting {
        container: &container.name,
        policy: &ResourcePolicy::default(),
        foresight: if row.is_clairvoyant { &container.series } else { &[] },
        start: SimTime::ZERO,
    };
    row.build(&study.rule.parameters, &setting)
}

fn back_test(study: &SizingStudy, container: &SizedContainer) -> BackTest {
    let amounts = |size: Size| Amounts { cpu: size.cpu, memory: size.memory };
    let (requests, limits) = (amounts(container.requests), amounts(container.limits));
    BackTest {
        template: ContainerResources { container: container.name.clone(), requests, limits },
        start: SimTime::ZERO,
        interval: study.interval,
        apply: match study.apply {
            SizingApply::AtOnce => Apply::AtOnce,
            SizingApply::Updater => Apply::Updater(UpdateThresholds::default()),
        },
    }
}

impl StudyWindow {
    fn note(&mut self, played: &PlayedSpan<'_>) {
        let of = |amount: u64| u128::from(amount) * u128::from(played.span.0);
        let requests = &played.resources.requests;
        self.requested_cpu += of(requests.cpu.map_or(0, |cpu| cpu.0));
        self.requested_memory += of(requests.memory.map_or(0, |memory| memory.0));
        self.used_cpu += of(played.used.cpu.0);
        self.used_memory += of(played.used.memory.0);
    }
}
