//! Placeholder until the arrivals branch lands.
use crate::model::traffic::Arrivals;
use crate::rng::Stream;
use crate::units::{SimDuration, SimTime};
#[derive(Clone, Debug)]
pub(crate) struct ArrivalTimes<'m> {
    arrivals: &'m Arrivals,
    stream: Stream,
    now: SimTime,
}
impl<'m> ArrivalTimes<'m> {
    pub(crate) fn new(arrivals: &'m Arrivals, stream: Stream) -> Self {
        ArrivalTimes { arrivals, stream, now: SimTime::ZERO }
    }
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(SimTime, Option<u32>)> {
        match self.arrivals {
            Arrivals::Open { rate, .. } => {
                self.now = self.now.after(SimDuration((self.stream.exponential() * 1e9 / rate.points[0].1) as u64));
                Some((self.now, None))
            }
            _ => None,
        }
    }
}
