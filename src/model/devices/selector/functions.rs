//! The functions that expressions can call.

use std::cmp::Ordering;

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue};
use cel::common::functions::Function;
use cel::common::types::{BOOL_TYPE, CelBool, CelDouble, CelInt, CelString, INT_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::parser::{Macro, MacroExprHelper, ParseError};
use cel::{Env, ExecutionError};

use super::values::{QUANTITY, Quantity, SEMVER, Version};

/// Names of functions and operators of the language, its extensions and this module; beside them those that begin with a
/// character of an operator.
const KNOWN: &[&str] = &[
    "add",
    "asApproximateFloat",
    "asInteger",
    "bool",
    "bytes",
    "ceil",
    "charAt",
    "compareTo",
    "contains",
    "distinct",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "first",
    "flatten",
    "floor",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "greatest",
    "indexOf",
    "int",
    "isFinite",
    "isGreaterThan",
    "isInf",
    "isInteger",
    "isLessThan",
    "isNaN",
    "isQuantity",
    "isSemver",
    "join",
    "last",
    "lastIndexOf",
    "least",
    "list",
    "lowerAscii",
    "major",
    "map",
    "matches",
    "minor",
    "patch",
    "quantity",
    "quote",
    "replace",
    "reverse",
    "round",
    "semver",
    "sign",
    "size",
    "slice",
    "sort",
    "sortBy",
    "split",
    "startsWith",
    "string",
    "sub",
    "substring",
    "timestamp",
    "trim",
    "trunc",
    "type",
    "uint",
    "upperAscii",
];

/// Whether there is a function of that name; a name after a dot counts by its last part.
pub(super) fn is_known(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    !name.starts_with(|c: char| c.is_ascii_alphabetic()) || KNOWN.contains(&last)
}

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The environment in which selectors are compiled and evaluated.
///
/// # Panics
/// When two functions are declared alike: a bug.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    let declared = "every function is declared once";
    for extension in [cel::extensions::strings, cel::extensions::lists, cel::extensions::math] {
        extension(&mut env).expect(declared);
    }
    env.add_macro(Macro::receiver("bind", 3, bind)).expect(declared);
    for r#type in [&QUANTITY, &SEMVER] {
        env.add_type(r#type.to_owned()).expect(declared);
    }
    let functions: [(&str, &str, Vec<Type>, Function); 6] = [
        ("quantity", "string_to_quantity", vec![STRING_TYPE], |args| new_quantity(&args)),
        ("isQuantity", "is_quantity_string", vec![STRING_TYPE], |args| Ok(truth(new_quantity(&args).is_ok()))),
        ("semver", "string_to_semver", vec![STRING_TYPE], |args| new_version(&args)),
        ("semver", "string_bool_to_semver", vec![STRING_TYPE, BOOL_TYPE], |args| new_version(&args)),
        ("isSemver", "is_semver_string", vec![STRING_TYPE], |args| Ok(truth(new_version(&args).is_ok()))),
        ("isSemver", "is_semver_string_bool", vec![STRING_TYPE, BOOL_TYPE], |args| {
            Ok(truth(new_version(&args).is_ok()))
        }),
    ];
    for (name, id, types, function) in functions {
        env.add_overload(name, id, types, function).expect(declared);
    }
    for (r#type, methods) in [(&QUANTITY, quantity_methods()), (&SEMVER, version_methods())] {
        for (name, id, other, function) in methods {
            let others = other.map(ToOwned::to_owned).into_iter().collect();
            env.add_member_overload(name, id, r#type.to_owned(), others, function).expect(declared);
        }
    }
    env
}

/// Name, unique name, type of the argument beside the receiver if there is one, what it does.
type Method = (&'static str, &'static str, Option<&'static Type>, Function);

fn quantity_methods() -> Vec<Method> {
    let (own, two, with_int) = (None, Some(&QUANTITY), Some(&INT_TYPE));
    vec![
        ("sign", "quantity_sign", own, |args| Ok(number(quantity(&args, 0)?.0.signum() as i64))),
        ("isInteger", "quantity_is_integer", own, |args| Ok(truth(quantity(&args, 0)?.as_integer().is_some()))),
        ("asInteger", "quantity_as_integer", own, |args| {
            let whole = quantity(&args, 0)?.as_integer();
            whole.map(number).ok_or_else(|| failed("asInteger", "cannot convert value to integer"))
        }),
        ("asApproximateFloat", "quantity_as_float", own, |args| {
            Ok(CowVal::owned(CelDouble::from(quantity(&args, 0)?.0 as f64 / 1000.0)))
        }),
        ("isGreaterThan", "quantity_is_greater_than", two, |args| Ok(truth(quantity(&args, 0)? > quantity(&args, 1)?))),
        ("isLessThan", "quantity_is_less_than", two, |args| Ok(truth(quantity(&args, 0)? < quantity(&args, 1)?))),
        ("compareTo", "quantity_compare_to", two, |args| Ok(order(quantity(&args, 0)?.cmp(&quantity(&args, 1)?)))),
        ("add", "quantity_add", two, |args| sum(&args, 1)),
        ("add", "quantity_add_int", with_int, |args| sum(&args, 1)),
        ("sub", "quantity_sub", two, |args| sum(&args, -1)),
        ("sub", "quantity_sub_int", with_int, |args| sum(&args, -1)),
    ]
}

fn version_methods() -> Vec<Method> {
    let (own, two) = (None, Some(&SEMVER));
    vec![
        ("major", "semver_major", own, |args| Ok(number(version(&args, 0)?.0.major as i64))),
        ("minor", "semver_minor", own, |args| Ok(number(version(&args, 0)?.0.minor as i64))),
        ("patch", "semver_patch", own, |args| Ok(number(version(&args, 0)?.0.patch as i64))),
        ("isGreaterThan", "semver_is_greater_than", two, |args| {
            Ok(truth(version(&args, 0)?.compare(version(&args, 1)?).is_gt()))
        }),
        ("isLessThan", "semver_is_less_than", two, |args| {
            Ok(truth(version(&args, 0)?.compare(version(&args, 1)?).is_lt()))
        }),
        ("compareTo", "semver_compare_to", two, |args| Ok(order(version(&args, 0)?.compare(version(&args, 1)?)))),
    ]
}

fn truth<'b, 'v>(value: bool) -> CowVal<'b, 'v> {
    CowVal::owned(CelBool::from(value))
}

fn number<'b, 'v>(value: i64) -> CowVal<'b, 'v> {
    CowVal::owned(CelInt::from(value))
}

fn order<'b, 'v>(ordering: Ordering) -> CowVal<'b, 'v> {
    number(ordering as i64)
}

fn failed(function: &str, why: &str) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

fn unexpected(value: &dyn Val, want: &str) -> ExecutionError {
    ExecutionError::UnexpectedType { got: value.get_type().name().to_owned(), want: want.to_owned() }
}

fn text<'a>(args: &'a Arguments<'_, '_>) -> Result<&'a str, ExecutionError> {
    let value = args[0].as_ref();
    value.downcast_ref::<CelString<'_>>().map(CelString::inner).ok_or_else(|| unexpected(value, "string"))
}

fn quantity(args: &Arguments<'_, '_>, at: usize) -> Result<Quantity, ExecutionError> {
    let value = args[at].as_ref();
    match value.downcast_ref::<CelInt>() {
        Some(whole) => Ok(Quantity(i128::from(*whole.inner()) * 1000)),
        None => value.downcast_ref::<Quantity>().copied().ok_or_else(|| unexpected(value, "kubernetes.Quantity")),
    }
}

fn version<'a>(args: &'a Arguments<'_, '_>, at: usize) -> Result<&'a Version, ExecutionError> {
    let value = args[at].as_ref();
    value.downcast_ref::<Version>().ok_or_else(|| unexpected(value, "kubernetes.Semver"))
}

fn new_quantity<'b, 'v>(args: &Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    Quantity::parse(text(args)?).map(CowVal::owned).map_err(|why| failed("quantity", &why))
}

fn new_version<'b, 'v>(args: &Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let is_normalised =
        args.get(1).and_then(|value| value.downcast_ref::<CelBool>()).is_some_and(|value| *value.inner());
    let parse = if is_normalised { Version::parse_normalised } else { Version::parse };
    parse(text(args)?).map(CowVal::owned).map_err(|why| failed("semver", &why))
}

fn sum<'b, 'v>(args: &Arguments<'b, 'v>, sign: i128) -> Outcome<'b, 'v> {
    let (left, right) = (quantity(args, 0)?, quantity(args, 1)?);
    Ok(CowVal::owned(Quantity(left.0.saturating_add(right.0.saturating_mul(sign)))))
}

/// `cel.bind(name, value, expression)`: the expression, in which the name stands for the value.
fn bind(
    helper: &mut MacroExprHelper<'_>,
    target: &mut Option<IdedExpr>,
    args: &mut Vec<IdedExpr>,
) -> Result<Option<IdedExpr>, ParseError> {
    let is_cel = target.as_ref().is_some_and(|target| matches!(&target.expr, Expr::Ident(name) if name == "cel"));
    let name = match args.first().map(|name| &name.expr) {
        Some(Expr::Ident(name)) if is_cel => name.clone(),
        _ => return Ok(None),
    };
    let (Some(result), Some(value)) = (args.pop(), args.pop()) else { return Ok(None) };
    let fold = ComprehensionExpr {
        iter_range: helper.next_expr(Expr::List(ListExpr::new(Vec::new()))),
        iter_var: "#unused".to_owned(),
        iter_var2: None,
        accu_var: name.clone(),
        accu_init: value,
        loop_cond: helper.next_expr(Expr::Literal(LiteralValue::Boolean(false.into()))),
        loop_step: helper.next_expr(Expr::Ident(name)),
        result,
    };
    Ok(Some(helper.next_expr(Expr::Comprehension(Box::new(fold)))))
}
