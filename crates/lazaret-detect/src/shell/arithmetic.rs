//! Integer arithmetic, as in `$((…))`: POSIX and bash's operators, assignments included.

/// Variables as arithmetic sees them.
pub(super) trait Names {
    /// The text of a variable or of an element; None where it is not known.
    fn look(&mut self, name: &str, index: Option<&str>) -> Option<String>;
    /// Sets it.
    fn store(&mut self, name: &str, index: Option<&str>, value: i64);
}

/// Expressions inside expressions; each level is one call on the stack.
const MAX_DEPTH: u32 = 48;

/// The value of an expression. None where it is not known or not understood.
pub(super) fn evaluate(text: &str, names: &mut dyn Names) -> Option<i64> {
    nested(text, names, 0)
}

/// The value of an expression without variables.
pub(crate) fn calculate(text: &str) -> Option<i64> {
    struct Nothing;
    impl Names for Nothing {
        fn look(&mut self, _: &str, _: Option<&str>) -> Option<String> {
            None
        }
        fn store(&mut self, _: &str, _: Option<&str>, _: i64) {}
    }
    evaluate(text, &mut Nothing)
}

fn nested(text: &str, names: &mut dyn Names, depth: u32) -> Option<i64> {
    let mut reader = Reader { text, at: 0, depth, skip: 0, names };
    let value = reader.comma()?;
    reader.blanks();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'t, 'n> {
    text: &'t str,
    at: usize,
    depth: u32,
    /// Above 0 in what is read and not evaluated: the other arm of `?:`, the right side of `||`.
    skip: u32,
    names: &'n mut dyn Names,
}

/// A variable or an element.
struct Place<'t> {
    name: &'t str,
    index: Option<&'t str>,
}

/// Operators with two sides, longest first, and how strongly they bind.
const OPERATORS: &[(&str, u8)] = &[
    ("**", 11),
    ("||", 1),
    ("&&", 2),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("|", 3),
    ("^", 4),
    ("&", 5),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

const ASSIGNMENTS: &[&str] = &["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="];

fn apply(operator: &str, left: i64, right: i64) -> Option<i64> {
    Some(match operator {
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<<" => left.checked_shl(u32::try_from(right).ok()?)?,
        ">>" => left.checked_shr(u32::try_from(right).ok()?)?,
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right)?,
        "%" => left.checked_rem(right)?,
        "**" => left.wrapping_pow(u32::try_from(right).ok()?),
        _ => return None,
    })
}

impl<'t> Reader<'t, '_> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn comma(&mut self) -> Option<i64> {
        let mut value = self.assignment()?;
        loop {
            self.blanks();
            if !self.rest().starts_with(',') {
                return Some(value);
            }
            self.at += 1;
            value = self.assignment()?;
        }
    }

    fn assignment(&mut self) -> Option<i64> {
        self.deeper()?;
        let start = self.at;
        if let Some(place) = self.place() {
            self.blanks();
            let rest = self.rest();
            let operator = ASSIGNMENTS.iter().find(|op| rest.starts_with(**op) && !rest.starts_with("=="));
            if let Some(operator) = operator {
                self.at += operator.len();
                let right = self.assignment()?;
                let value = match operator.strip_suffix('=') {
                    Some("") | None => right,
                    Some(operator) => apply(operator, self.value(&place)?, right)?,
                };
                self.store(&place, value);
                self.depth -= 1;
                return Some(value);
            }
        }
        self.at = start;
        let value = self.choice();
        self.depth -= 1;
        value
    }

    /// `a ? b : c`.
    fn choice(&mut self) -> Option<i64> {
        let test = self.binary(0)?;
        self.blanks();
        if !self.rest().starts_with('?') {
            return Some(test);
        }
        self.at += 1;
        let first = self.unless(test == 0, Self::assignment)?;
        self.blanks();
        if !self.rest().starts_with(':') {
            return None;
        }
        self.at += 1;
        let second = self.unless(test != 0, Self::assignment)?;
        Some(if test != 0 { first } else { second })
    }

    /// Reads a part, without effects and values where `skipped`.
    fn unless(&mut self, skipped: bool, read: fn(&mut Self) -> Option<i64>) -> Option<i64> {
        self.skip += u32::from(skipped);
        let value = read(self);
        self.skip -= u32::from(skipped);
        value
    }

    fn binary(&mut self, least: u8) -> Option<i64> {
        self.deeper()?;
        let mut left = self.unary()?;
        loop {
            self.blanks();
            let rest = self.rest();
            let found = OPERATORS.iter().find(|(op, _)| rest.starts_with(*op));
            let Some(&(operator, strength)) = found.filter(|(_, s)| *s > least) else { break };
            // `a += b` is no `a + …`.
            let assigns = rest[operator.len()..].starts_with('=')
                && !matches!(operator, "==" | "!=" | "<=" | ">=" | "<" | ">");
            if assigns {
                break;
            }
            self.at += operator.len();
            // `**` joins to the right.
            let inner = if operator == "**" { strength - 1 } else { strength };
            let skipped = match operator {
                "||" => left != 0,
                "&&" => left == 0,
                _ => false,
            };
            self.skip += u32::from(skipped);
            let right = self.binary(inner);
            self.skip -= u32::from(skipped);
            let right = right?;
            left = match operator {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "/" | "%" if right == 0 && self.skip > 0 => 0,
                operator => apply(operator, left, right)?,
            };
        }
        self.depth -= 1;
        Some(left)
    }

    fn unary(&mut self) -> Option<i64> {
        self.deeper()?;
        self.blanks();
        let rest = self.rest();
        let value = if rest.starts_with("++") || rest.starts_with("--") {
            self.at += 2;
            self.blanks();
            match self.place() {
                Some(place) => self.step(&place, if rest.starts_with('+') { 1 } else { -1 })?,
                // `--5` is two signs.
                None => self.unary()?,
            }
        } else {
            match *rest.as_bytes().first()? {
                b'-' => {
                    self.at += 1;
                    self.unary()?.wrapping_neg()
                }
                b'+' => {
                    self.at += 1;
                    self.unary()?
                }
                b'!' => {
                    self.at += 1;
                    i64::from(self.unary()? == 0)
                }
                b'~' => {
                    self.at += 1;
                    !self.unary()?
                }
                b'(' => {
                    self.at += 1;
                    let value = self.comma()?;
                    self.blanks();
                    if !self.rest().starts_with(')') {
                        return None;
                    }
                    self.at += 1;
                    value
                }
                b'0'..=b'9' => self.number()?,
                _ => {
                    let place = self.place()?;
                    let rest = self.rest();
                    if rest.starts_with("++") || rest.starts_with("--") {
                        self.at += 2;
                        let by = if rest.starts_with('+') { 1 } else { -1 };
                        self.step(&place, by)?.wrapping_sub(by)
                    } else {
                        self.value(&place)?
                    }
                }
            }
        };
        self.depth -= 1;
        Some(value)
    }

    fn step(&mut self, place: &Place<'_>, by: i64) -> Option<i64> {
        let value = self.value(place)?.wrapping_add(by);
        self.store(place, value);
        Some(value)
    }

    fn store(&mut self, place: &Place<'_>, value: i64) {
        if self.skip == 0 {
            self.names.store(place.name, place.index, value);
        }
    }

    /// A name, with its index.
    fn place(&mut self) -> Option<Place<'t>> {
        self.blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        self.at += end;
        let mut index = None;
        if rest[end..].starts_with('[')
            && let Some(close) = rest[end..].find(']')
        {
            index = Some(&rest[end + 1..end + close]);
            self.at += close + 1;
        }
        Some(Place { name: &rest[..end], index })
    }

    fn value(&mut self, place: &Place<'_>) -> Option<i64> {
        if self.skip > 0 {
            return Some(0);
        }
        let text = self.names.look(place.name, place.index)?;
        let text = text.trim();
        if text.is_empty() {
            return Some(0);
        }
        match text.parse() {
            // A leading 0 is another base.
            Ok(number) if !text.starts_with('0') || text.len() == 1 => Some(number),
            // What a variable holds is an expression too.
            _ => {
                self.deeper()?;
                let value = nested(text, self.names, self.depth);
                self.depth -= 1;
                value
            }
        }
    }

    fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '_');
        let end = rest.find(|c: char| !word(c)).unwrap_or(rest.len());
        let text = &rest[..end];
        self.at += end;
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return i64::from_str_radix(hex, 16).ok();
        }
        if let Some((base, digits)) = text.split_once('#') {
            let base: i64 = base.parse().ok().filter(|b| (2..=64).contains(b))?;
            return digits.chars().try_fold(0i64, |all, c| {
                let digit = match c {
                    '0'..='9' => i64::from(u32::from(c) - u32::from('0')),
                    'a'..='z' => i64::from(u32::from(c) - u32::from('a')) + 10,
                    'A'..='Z' if base <= 36 => i64::from(u32::from(c) - u32::from('A')) + 10,
                    'A'..='Z' => i64::from(u32::from(c) - u32::from('A')) + 36,
                    '@' => 62,
                    '_' => 63,
                    _ => return None,
                };
                (digit < base).then(|| all.wrapping_mul(base).wrapping_add(digit))
            });
        }
        if text.len() > 1 && text.starts_with('0') {
            return i64::from_str_radix(text, 8).ok();
        }
        text.parse().ok()
    }
}
