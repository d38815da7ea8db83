//! Integer arithmetic, as in `$((…))`.

/// The value of an expression; `look` gives the values of names. None where it is not known or
/// not understood.
pub(super) fn evaluate(text: &str, look: &mut dyn FnMut(&str) -> Option<i64>) -> Option<i64> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, depth: 0, look };
    let value = reader.binary(0)?;
    reader.blanks();
    (reader.at == reader.bytes.len()).then_some(value)
}

struct Reader<'t, 'l> {
    bytes: &'t [u8],
    at: usize,
    depth: u32,
    look: &'l mut dyn FnMut(&str) -> Option<i64>,
}

const OPERATORS: &[(&str, u8)] = &[
    ("||", 1),
    ("&&", 2),
    ("|", 3),
    ("^", 4),
    ("==", 6),
    ("!=", 6),
    ("<<", 8),
    (">>", 8),
    ("<=", 7),
    (">=", 7),
    ("<", 7),
    (">", 7),
    ("&", 5),
    ("+", 9),
    ("-", 9),
    ("**", 11),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

impl Reader<'_, '_> {
    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn binary(&mut self, least: u8) -> Option<i64> {
        self.depth += 1;
        if self.depth > 32 {
            return None;
        }
        let mut left = self.unary()?;
        loop {
            self.blanks();
            let rest = &self.bytes[self.at..];
            let found = OPERATORS.iter().find(|(op, _)| rest.starts_with(op.as_bytes()));
            let Some(&(op, strength)) = found.filter(|(_, s)| *s > least) else { break };
            // An assignment is no value.
            if rest.get(op.len()) == Some(&b'=') && !matches!(op, "==" | "!=" | "<=" | ">=") {
                return None;
            }
            self.at += op.len();
            let right = self.binary(strength)?;
            left = match op {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "|" => left | right,
                "^" => left ^ right,
                "&" => left & right,
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<<" => left.checked_shl(right.try_into().ok()?)?,
                ">>" => left.checked_shr(right.try_into().ok()?)?,
                "+" => left.wrapping_add(right),
                "-" => left.wrapping_sub(right),
                "*" => left.wrapping_mul(right),
                "/" => left.checked_div(right)?,
                "%" => left.checked_rem(right)?,
                _ => left.checked_pow(right.try_into().ok()?)?,
            };
        }
        self.depth -= 1;
        Some(left)
    }

    fn unary(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > 32 {
            return None;
        }
        self.blanks();
        let value = match *self.bytes.get(self.at)? {
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
                let value = self.binary(0)?;
                self.blanks();
                if self.bytes.get(self.at) != Some(&b')') {
                    return None;
                }
                self.at += 1;
                value
            }
            b'0'..=b'9' => self.number()?,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let start = self.at;
                while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    self.at += 1;
                }
                let name = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
                (self.look)(name)?
            }
            _ => return None,
        };
        self.depth -= 1;
        Some(value)
    }

    fn number(&mut self) -> Option<i64> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'#') {
            self.at += 1;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            return i64::from_str_radix(hex, 16).ok();
        }
        if let Some((base, digits)) = text.split_once('#') {
            let base = base.parse().ok().filter(|b| (2..=36).contains(b))?;
            return i64::from_str_radix(digits, base).ok();
        }
        if text.len() > 1 && text.starts_with('0') {
            return i64::from_str_radix(text, 8).ok();
        }
        text.parse().ok()
    }
}
