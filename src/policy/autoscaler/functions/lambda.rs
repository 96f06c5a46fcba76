//! Which calls are throttled, in the manner of AWS Lambda.
//!
//! Figures from the AWS Lambda developer guide ("Understanding Lambda function scaling", "Lambda scaling behavior", "Lambda
//! quotas"), as of 2025: an account may have 1 000 calls under way in a region; a function may start 1 000 instances
//! every 10 seconds, refilled continuously and never more than that at once; ten times as many requests a second as
//! concurrency are let in. Instances that a function reserves, and those that it has provisioned, are no longer there for
//! others.

use crate::model::functions::Function;
pub use crate::model::functions::LambdaLimits;
use crate::units::{SimDuration, SimTime};

/// Why limits and functions do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// More is reserved and provisioned than the account has.
    #[error("functions reserve and provision {wanted} instances, the account has {account}")]
    Account {
        /// Instances that functions reserve or provision.
        wanted: u64,
        /// Instances of the account.
        account: u32,
    },
    /// A function provisions more than it reserves.
    #[error("function {function} provisions {provisioned} instances and reserves {reserved}")]
    Provisioned {
        /// Position of the function.
        function: usize,
        /// Instances that it provisions.
        provisioned: u32,
        /// Instances that it reserves.
        reserved: u32,
    },
}

impl LambdaLimits {
    /// Calls that functions without reserved instances may have under way together, beyond provisioned instances.
    ///
    /// # Errors
    /// When functions want more than there is.
    pub fn shared_concurrency(&self, functions: &[Function]) -> Result<u32, Vec<LimitError>> {
        let mut problems = Vec::new();
        let mut wanted = 0u64;
        for (position, function) in functions.iter().enumerate() {
            let provisioned = function.provisioned_concurrency;
            wanted += u64::from(function.reserved_concurrency.unwrap_or(provisioned));
            if let Some(reserved) = function.reserved_concurrency.filter(|&reserved| reserved < provisioned) {
                problems.push(LimitError::Provisioned { function: position, provisioned, reserved });
            }
        }
        let account = self.account_concurrency;
        if wanted > u64::from(account) {
            problems.push(LimitError::Account { wanted, account });
        }
        if problems.is_empty() { Ok(account - wanted as u32) } else { Err(problems) }
    }
}

/// Why a call was throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// The function has all calls under way that it reserves.
    Reserved,
    /// The account has all calls under way that it may have.
    Account,
    /// The function may not start another instance so soon.
    ScalingRate,
    /// Too many requests in this second.
    RequestRate,
}

/// So many in a time, refilled continuously, never more than one time's worth at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Time that has been saved up.
    credit: SimDuration,
    most: SimDuration,
    /// Time that one takes.
    price: SimDuration,
    updated: SimTime,
}

impl RateLimit {
    /// `count` in `period`, which are there at the start.
    ///
    /// # Panics
    /// When the count is 0.
    pub fn new(count: u64, period: SimDuration) -> RateLimit {
        assert!(count > 0, "a rate of nothing lets nothing through");
        RateLimit { credit: period, most: period, price: SimDuration(period.0 / count), updated: SimTime::ZERO }
    }

    /// Whether one may pass now.
    #[inline]
    pub fn allows(&mut self, now: SimTime) -> bool {
        let credit = self.credit.0.saturating_add(now.since(self.updated).0);
        (self.credit, self.updated) = (SimDuration(credit.min(self.most.0)), now);
        self.credit >= self.price
    }

    /// One passes, which was allowed.
    #[inline]
    pub fn take(&mut self) {
        self.credit -= self.price;
    }
}
