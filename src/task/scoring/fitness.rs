//! The number that the search maximises, as an expression over means. The expression's text and a candidate's [`Means`]
//! come in, a number goes out. A session parses its `fitness` once and evaluates it for every candidate.

use super::{Means, Metric};
use crate::task::TaskError;
use crate::task::error::nearest;

/// A parsed fitness expression such as `both + 0.05 * correct + 0.02 * in_language`: numbers, the
/// names of [`Means`] (also `acc` for `correct`, `acc_in_language` or `acc_ja` for `both`, `japanese` for
/// `in_language`) and of the task's metrics (`f1`, `rouge2`), `+ - * /`, brackets, `min(a, b)` and `max(a, b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitness {
    source: String,
    root: Node,
}

const NAMES: [&str; 10] =
    ["both", "correct", "in_language", "japanese", "score", "acc", "acc_in_language", "acc_ja", "min", "max"];

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Number(f64),
    Both,
    Correct,
    InLanguage,
    Score,
    Metric(Metric),
    Negative(Box<Node>),
    Pair(Op, Box<(Node, Node)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Min,
    Max,
}

impl Fitness {
    /// Parses an expression.
    ///
    /// # Errors
    /// A mistake in the expression, with its column, or an unknown name.
    pub fn parse(source: &str) -> Result<Self, TaskError> {
        let mut parser = Parser { source, rest: source, depth: 0 };
        let root = parser.sum()?;
        if parser.peek().is_some() {
            return parser.fail("expected an operator here, or the end");
        }
        Ok(Self { source: source.to_owned(), root })
    }

    /// The expression's text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The expression's value. Division by zero follows IEEE 754; NaN ranks last.
    #[must_use]
    pub fn eval(&self, means: &Means) -> f64 {
        eval(&self.root, means)
    }
}

impl Fitness {
    /// Whether the expression is a weighted sum of shares and a constant. Then its mean over questions equals its value
    /// at the means of the shares.
    #[must_use]
    pub fn is_weighted_sum(&self) -> bool {
        affine(&self.root).is_some()
    }

    /// The least and the greatest value of the expression for shares in [0, 1].
    #[must_use]
    pub fn bounds(&self) -> (f64, f64) {
        bounds(&self.root)
    }
}

/// `Some` for a weighted sum; the flag tells whether it is a constant, without any share. `None` for any other
/// expression.
fn affine(node: &Node) -> Option<bool> {
    match node {
        Node::Number(_) => Some(true),
        Node::Both | Node::Correct | Node::InLanguage | Node::Score | Node::Metric(_) => Some(false),
        Node::Negative(inner) => affine(inner),
        Node::Pair(op, pair) => {
            let (a, b) = (affine(&pair.0)?, affine(&pair.1)?);
            match op {
                Op::Add | Op::Subtract => Some(a && b),
                Op::Multiply => (a || b).then_some(a && b),
                Op::Divide => b.then_some(a),
                Op::Min | Op::Max => (a && b).then_some(true),
            }
        }
    }
}

/// Interval arithmetic over shares in [0, 1].
fn bounds(node: &Node) -> (f64, f64) {
    match node {
        Node::Number(v) => (*v, *v),
        Node::Both | Node::Correct | Node::InLanguage | Node::Score | Node::Metric(_) => (0.0, 1.0),
        Node::Negative(inner) => {
            let (low, high) = bounds(inner);
            (-high, -low)
        }
        Node::Pair(op, pair) => {
            let ((a, b), (c, d)) = (bounds(&pair.0), bounds(&pair.1));
            let of = |corners: [f64; 4]| {
                let low = corners.iter().copied().fold(f64::INFINITY, f64::min);
                (low, corners.iter().copied().fold(f64::NEG_INFINITY, f64::max))
            };
            match op {
                Op::Add => (a + c, b + d),
                Op::Subtract => (a - d, b - c),
                Op::Multiply => of([a * c, a * d, b * c, b * d]),
                Op::Divide if c > 0.0 || d < 0.0 => of([a / c, a / d, b / c, b / d]),
                Op::Divide => (f64::NEG_INFINITY, f64::INFINITY),
                Op::Min => (a.min(c), b.min(d)),
                Op::Max => (a.max(c), b.max(d)),
            }
        }
    }
}

fn eval(node: &Node, means: &Means) -> f64 {
    match node {
        Node::Number(v) => *v,
        Node::Both => means.both,
        Node::Correct => means.correct,
        Node::InLanguage => means.in_language,
        Node::Score => means.score,
        // A metric that the task does not report has the value 0.
        Node::Metric(metric) => means.metrics.get(metric.name()).copied().unwrap_or(0.0),
        Node::Negative(inner) => -eval(inner, means),
        Node::Pair(op, pair) => {
            let (a, b) = (eval(&pair.0, means), eval(&pair.1, means));
            match op {
                Op::Add => a + b,
                Op::Subtract => a - b,
                Op::Multiply => a * b,
                Op::Divide => a / b,
                Op::Min => a.min(b),
                Op::Max => a.max(b),
            }
        }
    }
}

/// A recursive descent parser: sum → product → factor.
struct Parser<'a> {
    source: &'a str,
    rest: &'a str,
    depth: u32,
}

impl Parser<'_> {
    /// Maximum nesting. Deeper nesting is a mistake and could exhaust the stack.
    const DEPTH: u32 = 64;

    fn sum(&mut self) -> Result<Node, TaskError> {
        let mut left = self.product()?;
        loop {
            let op = match self.peek() {
                Some('+') => Op::Add,
                Some('-') => Op::Subtract,
                _ => return Ok(left),
            };
            self.skip();
            left = Node::Pair(op, Box::new((left, self.product()?)));
        }
    }

    fn product(&mut self) -> Result<Node, TaskError> {
        let mut left = self.factor()?;
        loop {
            let op = match self.peek() {
                Some('*') => Op::Multiply,
                Some('/') => Op::Divide,
                _ => return Ok(left),
            };
            self.skip();
            left = Node::Pair(op, Box::new((left, self.factor()?)));
        }
    }

    fn factor(&mut self) -> Result<Node, TaskError> {
        self.depth += 1;
        if self.depth > Self::DEPTH {
            return self.fail("this is nested too deeply");
        }
        let node = match self.peek() {
            Some('-') => {
                self.skip();
                Node::Negative(Box::new(self.factor()?))
            }
            Some('(') => {
                self.skip();
                let inner = self.sum()?;
                self.expect(')')?;
                inner
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number()?,
            Some(c) if c.is_alphabetic() || c == '_' => self.name()?,
            _ => return self.fail("expected a number, a name or a bracket here"),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn number(&mut self) -> Result<Node, TaskError> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let Ok(value) = self.rest[..end].parse() else { return self.fail("this is not a number") };
        self.rest = &self.rest[end..];
        Ok(Node::Number(value))
    }

    fn name(&mut self) -> Result<Node, TaskError> {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let name = &self.rest[..end];
        let node = match name {
            "both" | "acc_in_language" | "acc_ja" => Node::Both,
            "correct" | "acc" => Node::Correct,
            "in_language" | "japanese" => Node::InLanguage,
            "score" => Node::Score,
            "min" | "max" => {
                let op = if name == "min" { Op::Min } else { Op::Max };
                self.rest = &self.rest[end..];
                self.expect('(')?;
                let first = self.sum()?;
                self.expect(',')?;
                let second = self.sum()?;
                self.expect(')')?;
                return Ok(Node::Pair(op, Box::new((first, second))));
            }
            _ => {
                let Some(metric) = Metric::ALL.into_iter().find(|m| m.name() == name) else {
                    let (expression, name) = (self.source.to_owned(), name.to_owned());
                    let known: Vec<&str> =
                        NAMES.into_iter().chain(Metric::ALL.into_iter().map(Metric::name)).collect();
                    let nearest = nearest(&name, &known);
                    return Err(TaskError::FitnessName { expression, name, nearest });
                };
                Node::Metric(metric)
            }
        };
        self.rest = &self.rest[end..];
        Ok(node)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn expect(&mut self, wanted: char) -> Result<(), TaskError> {
        if self.peek() == Some(wanted) {
            self.skip();
            return Ok(());
        }
        self.fail(&format!("expected {wanted:?} here"))
    }

    fn fail<T>(&self, what: &str) -> Result<T, TaskError> {
        let column = self.source[..self.source.len() - self.rest.len()].chars().count() + 1;
        Err(TaskError::FitnessSyntax { expression: self.source.to_owned(), column, what: what.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_told_from_the_rest_and_bounded() {
        for (text, sum, bounds) in [
            ("both + 0.05 * correct + 0.02 * in_language", true, (0.0, 1.07)),
            ("(acc - 2 * japanese) / 2 + 1", true, (0.0, 1.5)),
            ("-acc", true, (-1.0, 0.0)),
            ("acc * japanese", false, (0.0, 1.0)),
            ("min(acc_in_language, japanese) + 1", false, (1.0, 2.0)),
            ("1 / acc", false, (f64::NEG_INFINITY, f64::INFINITY)),
            ("max(1, 2) * acc", true, (0.0, 2.0)),
        ] {
            let fitness = Fitness::parse(text).unwrap();
            assert_eq!(fitness.is_weighted_sum(), sum, "{text}");
            let close = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a - b).abs() < 1e-12;
            let (low, high) = fitness.bounds();
            assert!(close(low, bounds.0) && close(high, bounds.1), "{text}: {low} to {high}");
        }
    }
}
