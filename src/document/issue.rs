//! What is wrong with an input: one shape for all stages, so that a user gets one list.

use std::fmt;
use std::sync::Arc;

use super::{Span, limits};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $meaning:literal;)*) => {
        /// The kinds of issues. The code (`W0101`) is stable: scripts may rely on it; the wording of messages may
        /// change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The stable code.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// The meaning in one line.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    FileUnreadable = "W0001", "a file is missing or cannot be read";
    GzipDamaged = "W0002", "compressed data is truncated or damaged";
    NotText = "W0003", "a file is not UTF-8 text";
    TooLarge = "W0004", "a file is larger than can be meant";
    Syntax = "W0005", "the text is not YAML or JSON";
    DuplicateKey = "W0006", "a mapping has the same key twice";
    TooDeep = "W0007", "lists and mappings are nested too deeply";
    Alias = "W0008", "a YAML alias is unknown, cyclic or expands beyond the limit";
    UnsupportedYaml = "W0009", "a feature of YAML that has no meaning here";
    WrongKind = "W0010", "the file's apiVersion or kind is not the one expected";
    UnknownKey = "W0101", "a key that the format does not have";
    MissingKey = "W0102", "a key that the format requires is absent";
    WrongType = "W0103", "a value has the wrong type";
    OutOfRange = "W0104", "a number or quantity is outside its range";
    NotAllowed = "W0105", "a text is not one of those allowed";
    BadQuantity = "W0106", "a quantity or duration cannot be read";
    BadDistribution = "W0107", "the parameters of a distribution contradict each other";
    DuplicateName = "W0201", "two things have the same name";
    UnknownReference = "W0202", "a name refers to nothing";
    CyclicReference = "W0203", "a file refers to itself, directly or through others";
    AbsurdSize = "W0204", "more pods, nodes or runs than can be meant";
    Contradiction = "W0205", "keys that exclude or need each other";
    RequestAboveLimit = "W0206", "a request exceeds its limit";
    Variable = "W0207", "a variable of a path or of a Compose file is unknown";
    UnknownPolicy = "W0208", "there is no policy of that name";
    Override = "W0301", "an override cannot be applied";
    Manifest = "W0401", "a Kubernetes object cannot be used";
    Trace = "W0402", "a row of a trace cannot be used";
}

/// One thing that is wrong with an input, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    /// The file as the user named it, or the place of an override (`--set`).
    pub file: Arc<str>,
    /// Line and column; line 0 stands for the file as a whole.
    pub span: Span,
    /// What kind of issue.
    pub code: Code,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// How to put it right.
    pub hint: Option<String>,
    /// The line of the source, when it is known.
    pub source_line: Option<String>,
}

impl Issue {
    /// An issue at a place.
    pub fn new(code: Code, file: &Arc<str>, span: Span, message: impl Into<String>) -> Issue {
        Issue { file: file.clone(), span, code, message: message.into(), hint: None, source_line: None }
    }

    /// The same issue with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Issue {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Issue {
    /// `file:line:column: error[CODE]: message`, the source line with a caret under the place, and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.span.line > 0 {
            write!(f, "{}:{}:", self.span.line, self.span.column)?;
        }
        write!(f, " error[{}]: {}", self.code.id(), self.message)?;
        if let Some(line) = &self.source_line {
            let (shown, caret) = window(line, self.span.column.saturating_sub(1) as usize);
            let number = self.span.line.to_string();
            write!(f, "\n  {number} | {shown}\n  {0:1$} | {0:2$}^", "", number.len(), caret)?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// The part of a source line that is shown, and the caret's column in it: JSON on one line can be megabytes long.
fn window(line: &str, column: usize) -> (String, usize) {
    const BEFORE: usize = 60;
    const SHOWN: usize = 100;
    let start = column.saturating_sub(BEFORE);
    let mut shown = String::new();
    if start > 0 {
        shown.push_str("...");
    }
    let mut characters = line.chars().skip(start);
    // A tab or an odd control character would shift the caret.
    shown.extend(characters.by_ref().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }));
    if characters.next().is_some() {
        shown.push_str("...");
    }
    let caret = column - start + if start > 0 { 3 } else { 0 };
    (shown.trim_end().to_string(), caret)
}

/// Collects issues of one command over all its files.
#[derive(Clone, Debug, Default)]
pub struct Issues {
    list: Vec<Issue>,
    dropped: usize,
}

impl Issues {
    /// Adds one issue. Beyond [`limits::ISSUES`] they are only counted.
    pub fn push(&mut self, issue: Issue) {
        if self.list.len() < limits::ISSUES {
            self.list.push(issue);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds many issues.
    pub fn extend(&mut self, issues: impl IntoIterator<Item = Issue>) {
        issues.into_iter().for_each(|issue| self.push(issue));
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many issues there are, those beyond the limit included.
    pub fn len(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// The issues so far, in the order they were found.
    pub fn as_slice(&self) -> &[Issue] {
        &self.list
    }

    /// Gives the issues in `file` that have none yet their source line.
    pub fn attach_source(&mut self, file: &str, text: &str) {
        attach_source(&mut self.list, file, text);
    }

    /// The issues ordered by file, line and column; where some were only counted, the last says how many.
    pub fn into_sorted(mut self) -> Vec<Issue> {
        self.list.sort();
        self.list.dedup();
        if self.dropped > 0
            && let Some(last) = self.list.last()
        {
            let message = format!("{} more issues are not shown", self.dropped);
            let issue = Issue::new(last.code, &last.file, Span::default(), message);
            self.list.push(issue);
        }
        self.list
    }
}

/// See [`Issues::attach_source`]. One pass over the text, however many issues there are.
fn attach_source(issues: &mut [Issue], file: &str, text: &str) {
    let mut waiting: Vec<&mut Issue> = issues
        .iter_mut()
        .filter(|issue| issue.source_line.is_none() && issue.span.line > 0 && &*issue.file == file)
        .collect();
    waiting.sort_by_key(|issue| issue.span.line);
    let mut lines = super::parse::lines(text);
    let mut current = (0, "");
    for issue in waiting {
        while current.0 < issue.span.line {
            let Some(line) = lines.next() else { return };
            current = (current.0 + 1, line);
        }
        issue.source_line = Some(current.1.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].id() < pair[1].id()));
    }

    #[test]
    fn an_issue_points_at_its_place() {
        let file: Arc<str> = "a.yaml".into();
        let mut issues = Issues::default();
        issues.push(
            Issue::new(Code::UnknownKey, &file, Span::new(2, 3), "unknown key `seeed`")
                .with_hint("did you mean `seed`?"),
        );
        issues.push(Issue::new(Code::FileUnreadable, &file, Span::default(), "no such file"));
        issues.attach_source("a.yaml", "a: 1\n  seeed: 1\n");
        let shown: Vec<String> = issues.into_sorted().iter().map(Issue::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.yaml: error[W0001]: no such file",
                "a.yaml:2:3: error[W0101]: unknown key `seeed`\n  2 |   seeed: 1\n    |   ^\n  hint: did you mean \
                 `seed`?",
            ]
        );
    }

    #[test]
    fn long_lines_are_shown_around_the_place() {
        let line = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let (shown, caret) = window(&line, 1000);
        assert!(shown.len() <= 106, "{shown}");
        assert_eq!(shown.as_bytes()[caret], b'X');
    }

    #[test]
    fn issues_beyond_the_limit_are_counted() {
        let file: Arc<str> = "a.yaml".into();
        let mut issues = Issues::default();
        for line in 0..limits::ISSUES as u32 + 5 {
            issues.push(Issue::new(Code::UnknownKey, &file, Span::new(line + 1, 1), "x"));
        }
        assert_eq!(issues.len(), limits::ISSUES + 5);
        assert_eq!(issues.into_sorted().last().unwrap().message, "5 more issues are not shown");
    }
}
