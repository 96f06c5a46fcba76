//! Devices, quantities and versions as values of the expression language.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Sizer};
use cel::common::types::{CelBool, CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use crate::model::devices::{Attribute, Device};

/// A map from names to values that expressions read.
#[derive(Debug, Default)]
pub(super) struct Fields {
    fields: BTreeMap<String, Box<dyn Val>>,
    /// Whether a name that is not there stands for an empty map.
    has_default: bool,
}

/// What stands for a domain that a device does not have.
static EMPTY: LazyLock<Fields> = LazyLock::new(Fields::default);

impl Fields {
    fn text(key: &dyn Val) -> Result<&str, ExecutionError> {
        let unexpected =
            || ExecutionError::UnexpectedType { got: key.get_type().name().to_owned(), want: "string".to_owned() };
        key.downcast_ref::<CelString<'_>>().map(CelString::inner).ok_or_else(unexpected)
    }

    fn insert(&mut self, name: &str, value: Box<dyn Val>) {
        self.fields.insert(name.to_owned(), value);
    }
}

impl Val for Fields {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), value.clone_as_boxed())).collect();
        Box::new(Fields { fields, has_default: self.has_default })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Fields {}

impl Container for Fields {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.fields.contains_key(Fields::text(key)?))
    }
}

impl Sizer for Fields {
    fn size(&self) -> CelInt {
        CelInt::from(self.fields.len() as i64)
    }
}

impl Indexer for Fields {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let key = Fields::text(key)?;
        match self.fields.get(key) {
            Some(value) => Ok(CowVal::Borrowed(value.as_ref())),
            None if self.has_default => Ok(CowVal::Borrowed(&*EMPTY)),
            None => Err(ExecutionError::no_such_key(key)),
        }
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

/// The value of the variable `device`.
///
/// # Errors
/// When an attribute is no version although it says so.
pub(super) fn device(driver: &str, device: &Device) -> Result<Fields, String> {
    let mut attributes: BTreeMap<String, Fields> = BTreeMap::new();
    for (name, attribute) in &device.attributes {
        let value: Box<dyn Val> = match attribute {
            Attribute::Number(number) => Box::new(CelInt::from(*number)),
            Attribute::Truth(truth) => Box::new(CelBool::from(*truth)),
            Attribute::Text(text) => Box::new(CelString::from(text.clone())),
            Attribute::Version(text) => {
                Box::new(Version::parse(text).map_err(|why| format!("attribute {name}: {why}"))?)
            }
        };
        insert_qualified(&mut attributes, name, driver, value);
    }
    let mut capacity: BTreeMap<String, Fields> = BTreeMap::new();
    for (name, amount) in &device.capacity {
        insert_qualified(&mut capacity, name, driver, Box::new(Quantity(amount.milli)));
    }
    let mut fields = Fields::default();
    fields.insert("driver", Box::new(CelString::from(driver.to_owned())));
    fields.insert("allowMultipleAllocations", Box::new(CelBool::from(device.allows_multiple_allocations)));
    fields.insert("attributes", Box::new(by_domain(attributes)));
    fields.insert("capacity", Box::new(by_domain(capacity)));
    Ok(fields)
}

/// Names without a domain are of the driver's.
fn insert_qualified(domains: &mut BTreeMap<String, Fields>, name: &str, driver: &str, value: Box<dyn Val>) {
    let (domain, name) = name.split_once('/').unwrap_or((driver, name));
    domains.entry(domain.to_owned()).or_default().insert(name, value);
}

fn by_domain(domains: BTreeMap<String, Fields>) -> Fields {
    let boxed = |fields: Fields| -> Box<dyn Val> { Box::new(fields) };
    let fields = domains.into_iter().map(|(domain, fields)| (domain, boxed(fields))).collect();
    Fields { fields, has_default: true }
}

/// The type of quantities.
pub(super) static QUANTITY: Type = Type::new_unspecified_type("kubernetes.Quantity");
/// The type of versions.
pub(super) static SEMVER: Type = Type::new_unspecified_type("kubernetes.Semver");

/// An amount in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(pub(super) i128);

impl Quantity {
    pub(super) fn parse(text: &str) -> Result<Quantity, String> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        if sign < 0 && digits.starts_with(['-', '+']) {
            return Err(format!("`{text}` is not a quantity"));
        }
        let milli = crate::units::parse_quantity_milli(digits).map_err(|error| error.to_string())?;
        Ok(Quantity(sign * i128::try_from(milli).unwrap_or(i128::MAX)))
    }

    /// As a whole number, where it is one of 64 bits.
    pub(super) fn as_integer(self) -> Option<i64> {
        if self.0 % 1000 == 0 { i64::try_from(self.0 / 1000).ok() } else { None }
    }
}

impl Val for Quantity {
    fn get_type(&self) -> &Type {
        &QUANTITY
    }

    fn cel_type() -> &'static Type {
        &QUANTITY
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Quantity>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Quantity {}

/// A semantic version; what was built how does not count in comparisons.
#[derive(Clone, Debug)]
pub(super) struct Version(pub(super) semver::Version);

impl Version {
    pub(super) fn parse(text: &str) -> Result<Version, String> {
        semver::Version::parse(text).map(Version).map_err(|error| format!("`{text}` is no semantic version: {error}"))
    }

    /// Parses after `v` and leading zeros have been taken away and missing parts put in.
    pub(super) fn parse_normalised(text: &str) -> Result<Version, String> {
        let parts: Vec<&str> = text.strip_prefix('v').unwrap_or(text).splitn(3, '.').collect();
        if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err(format!("`{text}` is a short version with a suffix"));
        }
        let trimmed = |part: &&str| {
            let left = part.trim_start_matches('0');
            let needs_zero = part.len() != left.len() && !left.starts_with(|c: char| c.is_ascii_digit());
            if needs_zero { format!("0{left}") } else { left.to_owned() }
        };
        let mut parts: Vec<String> = parts.iter().map(trimmed).collect();
        parts.resize(3, "0".to_owned());
        Version::parse(&parts.join("."))
    }

    pub(super) fn compare(&self, other: &Version) -> Ordering {
        self.0.cmp_precedence(&other.0)
    }
}

impl Val for Version {
    fn get_type(&self) -> &Type {
        &SEMVER
    }

    fn cel_type() -> &'static Type {
        &SEMVER
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Version>().is_some_and(|other| self.compare(other) == Ordering::Equal)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Version {}
