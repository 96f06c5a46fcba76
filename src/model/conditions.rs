//! `successCondition` and `failureCondition` of a metric: when a measured number speaks for a release, and when against it.
//!
//! Follows `utils/evaluate/evaluate.go` of Argo Rollouts v1.9.1, whose conditions are written in the language of
//! expr-lang/expr. Read are numbers, `true`, `false`, `nil`, `result` and its items (`result[0]`), comparisons, `&&`, `||`,
//! `!` (also `and`, `or`, `not`), `+ - * /`, brackets, and the functions `len`, `default`, `isNil`, `isNaN`, `isInf`,
//! `asFloat` and `asInt`.
//!
//! Known deviations:
//! - A measurement is one number, and `result` stands for it wherever a number does, also where upstream's provider would
//!   give a list; where there is nothing to measure it is an empty list, nil and not a number at once.
//! - Everything else of the language is not read, arguments of templates neither.
//!
//! Cost: O(length of the text), to read as well as to judge.

use super::rollouts::Outcome;

/// Deepest nesting of brackets and signs.
const DEPTH_MAX: u32 = 64;
/// Most words and signs of a condition.
const TOKENS_MAX: usize = 500;
/// What is said of conditions that cannot be read.
const READABLE: &str = "comparisons of `result` or `result[0]`, `&&`, `||`, `!`, arithmetic, and the functions len, default, isNil, \
                        isNaN, isInf, asFloat and asInt can be read";

/// The conditions of a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// `successCondition`; none: there is none.
    pub success: Option<Condition>,
    /// `failureCondition`; none: there is none.
    pub failure: Option<Condition>,
}

/// A condition that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Expression);

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    Truth(bool),
    Nil,
    Result,
    Item(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Minus(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Call(Function, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Plus,
    Minus,
    Times,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Len,
    Default,
    IsNil,
    IsNan,
    IsInf,
    AsFloat,
    AsInt,
}

#[derive(Clone, Copy, Debug)]
enum Value<'v> {
    Number(f64),
    Truth(bool),
    Nil,
    /// All that was measured.
    Result(&'v [f64]),
}

impl Conditions {
    /// What a measurement says (`EvaluateResult`); `result` is empty where there was nothing to measure.
    pub fn judge(&self, result: &[f64]) -> Outcome {
        let met =
            |condition: &Option<Condition>| condition.as_ref().map(|condition| condition.is_met(result)).transpose();
        let (Ok(success), Ok(failure)) = (met(&self.success), met(&self.failure)) else { return Outcome::Error };
        // Without one of the two conditions the other decides alone.
        match (success, failure) {
            (_, Some(true)) | (Some(false), None) => Outcome::Failed,
            (Some(false), Some(false)) => Outcome::Inconclusive,
            _ => Outcome::Successful,
        }
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What cannot be read, in one sentence.
    pub fn parse(text: &str) -> Result<Condition, String> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
        let expression = reader.binary(0)?;
        match reader.peek() {
            None => Ok(Condition(expression)),
            Some(token) => Err(unreadable(token)),
        }
    }

    /// Whether it is met; an error where it cannot be told.
    fn is_met(&self, result: &[f64]) -> Result<bool, Undecided> {
        self.0.value(result)?.truth()
    }
}

/// The condition means nothing for what was measured.
#[derive(Clone, Copy, Debug)]
struct Undecided;

impl<'v> Value<'v> {
    fn truth(self) -> Result<bool, Undecided> {
        if let Value::Truth(truth) = self { Ok(truth) } else { Err(Undecided) }
    }

    fn number(self) -> Result<f64, Undecided> {
        match self {
            Value::Number(number) => Ok(number),
            Value::Result(result) => result.first().copied().ok_or(Undecided),
            Value::Truth(_) | Value::Nil => Err(Undecided),
        }
    }

    fn is_nil(self) -> bool {
        matches!(self, Value::Nil | Value::Result([]))
    }
}

impl Expression {
    fn value<'v>(&self, result: &'v [f64]) -> Result<Value<'v>, Undecided> {
        Ok(match self {
            Expression::Number(number) => Value::Number(*number),
            Expression::Truth(truth) => Value::Truth(*truth),
            Expression::Nil => Value::Nil,
            Expression::Result => Value::Result(result),
            Expression::Item(of, index) => {
                let (Value::Result(list), index) = (of.value(result)?, index.value(result)?.number()?) else {
                    return Err(Undecided);
                };
                let item = (index >= 0.0 && index.fract() == 0.0).then(|| list.get(index as usize)).flatten();
                Value::Number(*item.ok_or(Undecided)?)
            }
            Expression::Not(inner) => Value::Truth(!inner.value(result)?.truth()?),
            Expression::Minus(inner) => Value::Number(-inner.value(result)?.number()?),
            Expression::Binary(operator, left, right) => operator.apply(left, right, result)?,
            Expression::Call(function, arguments) => function.apply(arguments, result)?,
        })
    }
}

impl Operator {
    fn apply<'v>(self, left: &Expression, right: &Expression, result: &'v [f64]) -> Result<Value<'v>, Undecided> {
        let left = left.value(result)?;
        // The right side is not looked at where the left decides.
        match self {
            Operator::Or => return Ok(Value::Truth(left.truth()? || right.value(result)?.truth()?)),
            Operator::And => return Ok(Value::Truth(left.truth()? && right.value(result)?.truth()?)),
            _ => {}
        }
        let right = right.value(result)?;
        if matches!(self, Operator::Equal | Operator::NotEqual) {
            let are_equal = match (left, right) {
                (Value::Truth(left), Value::Truth(right)) => left == right,
                (Value::Nil, other) | (other, Value::Nil) => other.is_nil(),
                _ => left.number()? == right.number()?,
            };
            return Ok(Value::Truth(are_equal == (self == Operator::Equal)));
        }
        let (left, right) = (left.number()?, right.number()?);
        Ok(match self {
            Operator::Less => Value::Truth(left < right),
            Operator::LessOrEqual => Value::Truth(left <= right),
            Operator::More => Value::Truth(left > right),
            Operator::MoreOrEqual => Value::Truth(left >= right),
            Operator::Plus => Value::Number(left + right),
            Operator::Minus => Value::Number(left - right),
            Operator::Times => Value::Number(left * right),
            Operator::Over => Value::Number(left / right),
            Operator::Or | Operator::And | Operator::Equal | Operator::NotEqual => unreachable!("done above"),
        })
    }
}

impl Function {
    fn named(name: &str) -> Option<Function> {
        Some(match name {
            "len" => Function::Len,
            "default" => Function::Default,
            "isNil" => Function::IsNil,
            "isNaN" => Function::IsNan,
            "isInf" => Function::IsInf,
            "asFloat" => Function::AsFloat,
            "asInt" => Function::AsInt,
            _ => return None,
        })
    }

    fn arguments(self) -> usize {
        if self == Function::Default { 2 } else { 1 }
    }

    fn apply<'v>(self, arguments: &[Expression], result: &'v [f64]) -> Result<Value<'v>, Undecided> {
        let first = arguments[0].value(result)?;
        Ok(match self {
            Function::Len => match first {
                Value::Result(list) => Value::Number(list.len() as f64),
                _ => return Err(Undecided),
            },
            Function::Default if first.is_nil() => arguments[1].value(result)?,
            Function::Default => first,
            Function::IsNil => Value::Truth(first.is_nil()),
            Function::IsNan => Value::Truth(first.is_nil() || first.number()?.is_nan()),
            Function::IsInf => Value::Truth(!first.is_nil() && first.number()?.is_infinite()),
            Function::AsFloat => Value::Number(first.number()?),
            Function::AsInt => Value::Number(first.number()?.trunc()),
        })
    }
}

fn unreadable(token: &str) -> String {
    format!("`{token}` cannot be read there: {READABLE}")
}

/// The words, numbers and signs of a text.
fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            '0'..='9' | '.' => number_length(rest),
            _ if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ if ["&&", "||", "==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) => 2,
            '<' | '>' | '!' | '+' | '-' | '*' | '/' | '(' | ')' | '[' | ']' | ',' => 1,
            _ => return Err(unreadable(&first.to_string())),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        if tokens.len() > TOKENS_MAX {
            return Err(format!("it has more than {TOKENS_MAX} words and signs"));
        }
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// How long the number is that a text begins with, its exponent included.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_part = |at: usize| {
        let after_exponent = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
        bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || after_exponent && matches!(bytes[at], b'+' | b'-')
    };
    (0..bytes.len()).find(|&at| !is_part(at)).unwrap_or(bytes.len())
}

/// A text on its way into an expression.
struct Reader<'t> {
    tokens: Vec<&'t str>,
    at: usize,
    depth: u32,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Result<&'t str, String> {
        let token = self.peek().ok_or_else(|| format!("it ends too early: {READABLE}"))?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let token = self.next()?;
        if token == wanted { Ok(()) } else { Err(unreadable(token)) }
    }

    /// Operators that bind at least as strongly as `least`; those of one strength from left to right.
    fn binary(&mut self, least: u8) -> Result<Expression, String> {
        let mut left = self.unary()?;
        while let Some((operator, strength)) = self.peek().and_then(operator).filter(|(_, found)| *found >= least) {
            self.at += 1;
            let right = self.binary(strength + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested more than {DEPTH_MAX} deep"));
        }
        let found = match self.next()? {
            "!" | "not" => Expression::Not(Box::new(self.unary()?)),
            "-" => Expression::Minus(Box::new(self.unary()?)),
            "+" => self.unary()?,
            token => self.primary(token)?,
        };
        self.depth -= 1;
        Ok(found)
    }

    fn primary(&mut self, token: &'t str) -> Result<Expression, String> {
        let mut found = match token {
            "(" => {
                let inner = self.binary(0)?;
                self.expect(")")?;
                inner
            }
            "true" => Expression::Truth(true),
            "false" => Expression::Truth(false),
            "nil" => Expression::Nil,
            "result" => Expression::Result,
            _ if token.starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
                let number = token.parse::<f64>().ok().filter(|number| number.is_finite());
                Expression::Number(number.ok_or_else(|| unreadable(token))?)
            }
            _ => self.call(Function::named(token).ok_or_else(|| unreadable(token))?)?,
        };
        while self.peek() == Some("[") {
            self.at += 1;
            let index = self.binary(0)?;
            self.expect("]")?;
            found = Expression::Item(Box::new(found), Box::new(index));
        }
        Ok(found)
    }

    fn call(&mut self, function: Function) -> Result<Expression, String> {
        self.expect("(")?;
        let mut arguments = vec![self.binary(0)?];
        while arguments.len() < function.arguments() {
            self.expect(",")?;
            arguments.push(self.binary(0)?);
        }
        self.expect(")")?;
        Ok(Expression::Call(function, arguments))
    }
}

/// An operator between two sides, and how strongly it binds.
fn operator(token: &str) -> Option<(Operator, u8)> {
    Some(match token {
        "||" | "or" => (Operator::Or, 1),
        "&&" | "and" => (Operator::And, 2),
        "==" => (Operator::Equal, 3),
        "!=" => (Operator::NotEqual, 3),
        "<" => (Operator::Less, 3),
        "<=" => (Operator::LessOrEqual, 3),
        ">" => (Operator::More, 3),
        ">=" => (Operator::MoreOrEqual, 3),
        "+" => (Operator::Plus, 4),
        "-" => (Operator::Minus, 4),
        "*" => (Operator::Times, 5),
        "/" => (Operator::Over, 5),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(text: &str, result: &[f64]) -> Option<bool> {
        let condition = Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        condition.is_met(result).ok()
    }

    #[test]
    fn conditions_are_met_or_not() {
        let (yes, no, unknown) = (Some(true), Some(false), None);
        // condition, what was measured, whether it is met
        let rows: &[(&str, &[f64], Option<bool>)] = &[
            ("result[0] >= 0.95", &[0.95], yes),
            ("result[0] >= 0.95", &[0.94], no),
            ("result < 0.1", &[0.05], yes),
            ("result[0] >= 0.95", &[], unknown),
            ("result[1] > 0", &[1.0], unknown),
            ("len(result) == 0 || result[0] >= 0.95", &[], yes),
            ("len(result) == 0 || result[0] >= 0.95", &[0.9], no),
            ("default(result, 0) < 0.05", &[], yes),
            ("default(result, 0) < 0.05", &[0.1], no),
            ("isNaN(result[0]) || result[0] <= 1", &[f64::NAN], yes),
            ("!isNaN(result) && !isInf(result)", &[2.0], yes),
            ("not isInf(result) and result > 1 or false", &[2.0], yes),
            ("isNil(result) || result == nil", &[], yes),
            ("result != nil", &[3.0], yes),
            // 1 + 2 * 3 - 8 / 4 = 5, and 10 - 3 - 2 = 5
            ("result == 1 + 2 * 3 - 8 / 4", &[5.0], yes),
            ("10 - 3 - 2 == result", &[5.0], yes),
            ("-result < -(4 + .5)", &[5.0], yes),
            // `&&` binds more strongly than `||`.
            ("true || false && false", &[], yes),
            ("(true || false) && false", &[], no),
            ("asInt(result) == 4", &[4.9], yes),
            ("asFloat(result) > 1e-3", &[2e-3], yes),
            // No truth, or a truth where a number is needed
            ("result + 1", &[1.0], unknown),
            ("true > 1", &[], unknown),
            ("len(5) == 1", &[], unknown),
        ];
        for (text, result, expected) in rows {
            assert_eq!(met(text, result), *expected, "{text} of {result:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, at) in [
            ("result[0] >= {{args.rate}}", "`{` cannot be read"),
            ("result.rate > 1", "`.rate` cannot be read"),
            ("all(result, # > 1)", "`#` cannot be read"),
            ("results > 1", "`results` cannot be read"),
            ("result >", "it ends too early"),
            ("", "it ends too early"),
            ("result > 1 1", "`1` cannot be read"),
            ("result > 1.2.3", "`1.2.3` cannot be read"),
            ("default(result)", "`)` cannot be read"),
            ("result in [1]", "`in` cannot be read"),
        ] {
            let error = Condition::parse(text).expect_err(text);
            assert!(error.starts_with(at), "{text}: {error}");
        }
        assert!(Condition::parse(&"(".repeat(400)).is_err());
        assert!(Condition::parse(&"1+".repeat(100_000)).is_err());
        assert!(Condition::parse(&format!("{}1{} == 1", "(".repeat(60), ")".repeat(60))).is_ok());
    }

    /// As `EvaluateResult`: a lone condition decides alone, and of two that are not met nothing follows.
    #[test]
    fn two_conditions_leave_room_between_them() {
        let read = |text: &str| (!text.is_empty()).then(|| Condition::parse(text).unwrap());
        let (good, bad) = ("result >= 0.95", "result < 0.9");
        for (success, failure, result, expected) in [
            ("", "", &[0.0][..], Outcome::Successful),
            (good, "", &[0.96], Outcome::Successful),
            (good, "", &[0.94], Outcome::Failed),
            ("", bad, &[0.94], Outcome::Successful),
            ("", bad, &[0.8], Outcome::Failed),
            (good, bad, &[0.96], Outcome::Successful),
            (good, bad, &[0.92], Outcome::Inconclusive),
            (good, bad, &[0.8], Outcome::Failed),
            (good, "result < 2", &[1.0], Outcome::Failed),
            (good, bad, &[], Outcome::Error),
        ] {
            let conditions = Conditions { success: read(success), failure: read(failure) };
            assert_eq!(conditions.judge(result), expected, "{success} / {failure} of {result:?}");
        }
    }
}
