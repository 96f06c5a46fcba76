//! Sources of requests.

use super::super::import;
use super::spec::{
    ModulatedStateSpec, RateSpec, ReplaySpec, RequestArrivalsSpec, SessionSpec, SourceSpec, TargetsSpec,
};
use super::{Builder, Stage, needs_horizon};
use crate::document::Code;
use crate::importers::requests::{self, ReplayOptions};
use crate::model::traffic::{Arrivals, Gap, Keys, ModulatedState, OperationRef, Profile, Session, Source};
use crate::units::{SimDuration, SimTime};

/// What is written of when requests come.
#[derive(Clone, Copy, Debug)]
struct ArrivalKeys<'s> {
    rate: Option<&'s RateSpec>,
    arrivals: &'s RequestArrivalsSpec,
    sessions: Option<&'s SessionSpec>,
    may_be_closed: bool,
}

impl<'s> From<&'s SourceSpec> for ArrivalKeys<'s> {
    fn from(spec: &'s SourceSpec) -> ArrivalKeys<'s> {
        let (rate, sessions) = (spec.rate.as_ref(), spec.sessions.as_ref());
        ArrivalKeys { rate, arrivals: &spec.arrivals, sessions, may_be_closed: true }
    }
}

impl Builder<'_, '_, '_> {
    pub(super) fn sources(&mut self) -> Vec<Source> {
        let specs = &self.spec.sources;
        specs.iter().enumerate().map(|(index, spec)| self.source(spec, &format!("traffic.sources[{index}]"))).collect()
    }

    fn source(&mut self, spec: &SourceSpec, at: &str) -> Source {
        let mix = self.mix(spec, &format!("{at}.to"));
        Source {
            name: spec.name.clone(),
            arrivals: self.arrivals(spec.into(), &mix, at),
            mix,
            headers: spec.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            zone: spec.zone.as_ref().and_then(|zone| self.zone(zone, &format!("{at}.zone"))),
            policy: self.policy(spec.into(), at),
            keys: spec.keys.map_or(Keys::default(), |keys| Keys { count: keys.count, exponent: keys.exponent }),
            clients: spec.clients,
        }
    }

    fn mix(&mut self, spec: &SourceSpec, at: &str) -> Vec<(OperationRef, f64)> {
        let list = match &spec.to {
            TargetsSpec::Service(name) => {
                let target = self.names.operation(name, None, at, self.context);
                return target.map(|target| (target, 1.0)).into_iter().collect();
            }
            TargetsSpec::Operations(list) => list,
        };
        if list.is_empty() {
            self.context.report(at, Code::MissingKey, format!("`{at}` lists no operations"));
        }
        let total: f64 = list.iter().map(|target| target.weight).sum();
        let mut mix: Vec<(OperationRef, f64)> = Vec::new();
        for (index, target) in list.iter().enumerate() {
            let at = format!("{at}[{index}]");
            let operation = target.operation.as_deref();
            let Some(found) = self.names.operation(&target.service, operation, &at, self.context) else { continue };
            if mix.iter().any(|(other, _)| *other == found) {
                let message = format!("`{at}` asks for what another entry asks for already");
                self.context.report(&at, Code::DuplicateName, message);
            }
            mix.push((found, target.weight / total));
        }
        mix
    }

    /// When something outside of traffic is called: nobody waits for the answer.
    pub(super) fn calls(&mut self, rate: Option<&RateSpec>, arrivals: &RequestArrivalsSpec, at: &str) -> Arrivals {
        if let RequestArrivalsSpec::Closed { .. } = arrivals {
            let message =
                format!("`{at}.arrivals` cannot be `closed` here: whoever calls does not wait for the answer");
            self.context.report(&format!("{at}.arrivals"), Code::NotAllowed, message);
            return Arrivals::Replay([].into());
        }
        self.arrivals(ArrivalKeys { rate, arrivals, sessions: None, may_be_closed: false }, &[], at)
    }

    fn arrivals(&mut self, spec: ArrivalKeys<'_>, mix: &[(OperationRef, f64)], at: &str) -> Arrivals {
        self.keys_fit(spec, at);
        match spec.arrivals {
            RequestArrivalsSpec::Closed { users, think } => {
                if self.horizon.is_none() {
                    self.needs_horizon(&format!("{at}.arrivals"), "users ask again and again");
                }
                let think = self.dist(think.as_ref(), &format!("{at}.arrivals.closed.think"));
                Arrivals::Closed { users: *users, think }
            }
            RequestArrivalsSpec::Replay(replay) => self.replay(replay, mix, &format!("{at}.arrivals.replay")),
            RequestArrivalsSpec::Modulated(states) => Arrivals::Modulated {
                states: self.states(states, &format!("{at}.arrivals.modulated")),
                rate: self.rate(spec, at),
            },
            open => Arrivals::Open { gap: gap(open), rate: self.rate(spec, at), session: self.session(spec, at) },
        }
    }

    /// Reports keys that this kind of arrivals does not have, and a rate that is missing.
    fn keys_fit(&mut self, spec: ArrivalKeys<'_>, at: &str) {
        let (kind, has_rate, has_sessions) = match spec.arrivals {
            RequestArrivalsSpec::Closed { .. } => ("closed", false, false),
            RequestArrivalsSpec::Replay(_) => ("replay", false, false),
            RequestArrivalsSpec::Modulated(_) => ("modulated", true, false),
            _ => ("", true, true),
        };
        for (key, is_given, is_known) in
            [("rate", spec.rate.is_some(), has_rate), ("sessions", spec.sessions.is_some(), has_sessions)]
        {
            if is_given && !is_known {
                let message = format!("`{at}.{key}` has no meaning with arrivals that are `{kind}`");
                self.context.report(&format!("{at}.{key}"), Code::Contradiction, message);
            }
        }
        if has_rate && spec.rate.is_none() {
            let message = format!("the key `rate` is missing in `{at}`");
            let hint = match spec.may_be_closed {
                true => "give a `rate` such as 100/s, or `arrivals` that are `closed` or `replay`",
                false => "give a `rate` such as 100/s, or `arrivals` that are `replay`",
            };
            self.context.report_with_hint(at, Code::MissingKey, message, hint);
        }
    }

    /// Reports that something goes on for ever.
    pub(super) fn needs_horizon(&mut self, at: &str, why: &str) {
        needs_horizon(at, why, self.context);
    }

    fn rate(&mut self, spec: ArrivalKeys<'_>, at: &str) -> Profile {
        match spec.rate {
            None => Profile::constant(0.0),
            Some(rate) => self.profile(rate, &format!("{at}.rate")),
        }
    }

    fn replay(&mut self, spec: &ReplaySpec, mix: &[(OperationRef, f64)], at: &str) -> Arrivals {
        const NOTHING: [(SimTime, Option<u32>); 0] = [];
        let path = self.context.existing_path(&format!("{at}.file"), &spec.file);
        // Only what is built is read.
        let Some(path) = path.filter(|_| self.stage == Stage::Build) else { return Arrivals::Replay(NOTHING.into()) };
        let usual = if mix.len() > 1 { requests::operation_column(&path) } else { None };
        let options = ReplayOptions {
            time: spec.time.as_deref(),
            operation: spec.operation.as_deref().or(usual),
            from: spec.from.as_deref(),
            until: self.horizon,
        };
        let names: Vec<[String; 2]> = mix.iter().map(|(target, _)| self.names_of(*target)).collect();
        let find = |name: &str| {
            let mut found = names.iter().enumerate().filter(|(_, names)| names.iter().any(|one| one == name));
            // A name that two services have means neither.
            match (found.next(), found.next()) {
                (Some((position, _)), None) => Some(position as u32),
                _ => None,
            }
        };
        let read = import::replay(&path, &options, find, self.context);
        Arrivals::Replay(read.unwrap_or_default().into())
    }

    /// An operation as a trace may call it: by its name, or with its service before that.
    fn names_of(&self, target: OperationRef) -> [String; 2] {
        let operation = self.names.operations(target.service)[target.operation as usize];
        [operation.to_owned(), format!("{}/{operation}", self.spec.services[target.service.index()].name)]
    }

    fn states(&mut self, specs: &[ModulatedStateSpec], at: &str) -> Vec<ModulatedState> {
        if specs.len() < 2 {
            self.context.report(at, Code::MissingKey, format!("`{at}` needs at least two states"));
        } else if specs.iter().all(|state| state.factor <= 0.0) {
            self.context.report(at, Code::OutOfRange, format!("`{at}` has no state with a factor above 0"));
        }
        let state = |(index, state): (usize, &ModulatedStateSpec)| ModulatedState {
            factor: state.factor,
            mean_stay: self.positive(Some(state.stay), SimDuration::ZERO, &format!("{at}[{index}].stay")),
        };
        specs.iter().enumerate().map(state).collect()
    }

    fn session(&mut self, spec: ArrivalKeys<'_>, at: &str) -> Option<Session> {
        let session = spec.sessions?;
        let think = self.dist(session.think.as_ref(), &format!("{at}.sessions.think"));
        Some(Session { mean_requests: session.mean_requests, think })
    }
}

fn gap(spec: &RequestArrivalsSpec) -> Gap {
    match spec {
        RequestArrivalsSpec::Deterministic => Gap::Deterministic,
        RequestArrivalsSpec::Gamma { shape } => Gap::Gamma(*shape),
        RequestArrivalsSpec::Weibull { shape } => Gap::Weibull(*shape),
        // The variance of the logarithm is ln(1 + cv^2).
        RequestArrivalsSpec::Lognormal { cv } => Gap::Lognormal(libm::sqrt(libm::log1p(cv * cv))),
        _ => Gap::Exponential,
    }
}
