//! Selectors of devices: expressions of the Common Expression Language over one device.
//!
//! An expression sees the variable `device` with `driver`, `allowMultipleAllocations`, `attributes` and `capacity`; the last
//! two are maps of maps by domain and name, in which a domain that the device does not have is empty. Beside the standard
//! functions there are `quantity`, `semver` and their methods, `cel.bind`, and the extensions for strings, lists and
//! numbers.
//!
//! Source: `k8s.io/dynamic-resource-allocation/cel/compile.go` and `k8s.io/apiserver/pkg/cel/library`, v1.37.0.
//! Known deviations: an expression is checked for its grammar and for names that do not exist, not for types, so that a
//! wrong type is found only when a device is looked at; there is no limit on the cost of an expression; quantities are
//! counted in thousandths, rounded up.
//!
//! Cost: about 10 us an evaluation; [`super::Devices::matches`] keeps the verdicts.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};

use super::Device;

mod functions;
mod values;

/// What expressions can name.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(functions::environment()));

/// A compiled selector.
#[derive(Clone)]
pub struct DeviceSelector {
    expression: String,
    program: Arc<Program>,
    /// Its place among the distinct selectors of a run; given by [`super::Devices::new`].
    pub(super) number: u32,
}

impl DeviceSelector {
    /// Compiles an expression.
    ///
    /// # Errors
    /// When the expression is not of the language, or calls a function that there is not; in words for the user.
    pub fn new(expression: &str) -> Result<DeviceSelector, String> {
        let program = ENVIRONMENT.compile(expression).map_err(|errors| {
            let messages: Vec<String> = errors.errors.iter().map(|error| error.msg.clone()).collect();
            messages.join("; ")
        })?;
        let references = program.references();
        let mut unknown: Vec<&str> =
            references.functions().into_iter().filter(|name| !functions::is_known(name)).collect();
        unknown.sort_unstable();
        if let Some(name) = unknown.first() {
            return Err(format!("there is no function `{name}`"));
        }
        Ok(DeviceSelector { expression: expression.to_owned(), program: Arc::new(program), number: 0 })
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Whether a device of that driver is selected.
    ///
    /// # Errors
    /// What went wrong in the evaluation: an attribute that the device does not have, a comparison of unlike types.
    pub fn matches(&self, driver: &str, device: &Device) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_as_val("device", Box::new(values::device(driver, device)?));
        match self.program.execute(&context) {
            Ok(Value::Bool(verdict)) => Ok(verdict),
            Ok(other) => Err(format!("the result is of type {} and not bool", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl PartialEq for DeviceSelector {
    fn eq(&self, other: &DeviceSelector) -> bool {
        self.expression == other.expression
    }
}

impl std::fmt::Debug for DeviceSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceSelector").field(&self.expression).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::devices::{Attribute, DeviceCapacity};

    /// A device of the driver `gpu.example.com` with one attribute of each type, one of another domain, and 40 Gi.
    fn device() -> Device {
        let attributes = [
            ("model", Attribute::Text("a100".to_owned())),
            ("ecc", Attribute::Truth(true)),
            ("socket", Attribute::Number(1)),
            ("firmware", Attribute::Version("2.1.0".to_owned())),
            ("pci.example.org/root", Attribute::Text("0000:01".to_owned())),
        ];
        let capacity = DeviceCapacity { milli: (40 << 30) * 1000, policy: None };
        Device {
            name: "gpu0".to_owned(),
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            capacity: BTreeMap::from([("memory".to_owned(), capacity)]),
            ..Device::default()
        }
    }

    #[test]
    fn expressions_are_evaluated_on_a_device() {
        let attribute = |name: &str| format!("device.attributes['gpu.example.com'].{name}");
        let memory = "device.capacity['gpu.example.com'].memory";
        for (expression, verdict) in [
            ("device.driver == 'gpu.example.com'".to_owned(), true),
            ("device.driver == 'other'".to_owned(), false),
            ("device.allowMultipleAllocations".to_owned(), false),
            (format!("{} == 'a100'", attribute("model")), true),
            (format!("{} in ['h100', 'a100']", attribute("model")), true),
            (format!("{}.startsWith('h')", attribute("model")), false),
            (format!("{}.lowerAscii().matches('^a[0-9]+$')", attribute("model")), true),
            (attribute("ecc"), true),
            (format!("!{}", attribute("ecc")), false),
            (format!("{} < 2 && {} >= 1", attribute("socket"), attribute("socket")), true),
            (format!("{}.isGreaterThan(semver('1.5.0'))", attribute("firmware")), true),
            // 2.1.0 is below 2.10.0: versions are not text.
            (format!("{}.isLessThan(semver('2.10.0'))", attribute("firmware")), true),
            (format!("{}.compareTo(semver('v2.1', true)) == 0", attribute("firmware")), true),
            (format!("{}.major() == 2 && {} == semver('2.1.0')", attribute("firmware"), attribute("firmware")), true),
            ("isSemver('1.2') || !isSemver('1.2.3')".to_owned(), false),
            (format!("{memory}.compareTo(quantity('40Gi')) == 0"), true),
            (format!("{memory}.isGreaterThan(quantity('42G'))"), true),
            (format!("{memory}.isLessThan(quantity('42G'))"), false),
            // 40 Gi less 39 Gi is 1 Gi, 1 073 741 824.
            (format!("{memory}.sub(quantity('39Gi')).asInteger() == 1073741824"), true),
            (format!("{memory} == quantity('40960Mi')"), true),
            ("isQuantity('3Q')".to_owned(), false),
            ("quantity('1500m').isInteger()".to_owned(), false),
            ("quantity('1').add(1).sub(quantity('3')).sign() == -1".to_owned(), true),
            ("device.attributes['pci.example.org'].root == '0000:01'".to_owned(), true),
            // A domain that the device does not have is empty, and not in the map.
            ("has(device.attributes['nobody'].thing)".to_owned(), false),
            ("'thing' in device.attributes['nobody']".to_owned(), false),
            ("'nobody' in device.attributes".to_owned(), false),
            ("'gpu.example.com' in device.attributes".to_owned(), true),
            ("'model' in device.attributes['gpu.example.com']".to_owned(), true),
            ("cel.bind(dra, device.attributes['gpu.example.com'], dra.ecc && dra.socket == 1)".to_owned(), true),
            ("['a', 'b'].exists(x, x == device.driver)".to_owned(), false),
        ] {
            let selector = DeviceSelector::new(&expression).expect(&expression);
            assert_eq!(selector.matches("gpu.example.com", &device()), Ok(verdict), "{expression}");
        }
    }

    #[test]
    fn wrong_expressions_are_refused_and_wrong_types_are_errors() {
        for expression in ["device.driver ==", "device.driver == 'a", "frobnicate(device)", "device.driver.sparkle()"] {
            assert!(DeviceSelector::new(expression).is_err(), "{expression}");
        }
        for expression in [
            "device.attributes['gpu.example.com'].absent == 'a'",
            "device.attributes['nobody'].absent",
            "device.driver",
            "device.capacity['gpu.example.com'].memory.compareTo('40Gi') == 0",
            "quantity('three').isInteger()",
            "someone.driver == 'a'",
        ] {
            let selector = DeviceSelector::new(expression).expect(expression);
            assert!(selector.matches("gpu.example.com", &device()).is_err(), "{expression}");
        }
    }
}
