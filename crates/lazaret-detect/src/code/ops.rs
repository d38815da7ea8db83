//! Operators.

use super::Language;
use super::interp::Interp;
use super::tree::Op;
use super::value::{Text, Val};

impl Interp<'_> {
    /// `left op right`, the left side given away so that adding to it does not copy it.
    pub fn add_to(&mut self, op: Op, left: Val, right: Val) -> Val {
        match op {
            Op::Concat => self.concat(left, &right),
            Op::Add => self.add(left, right),
            Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge => self.compare(op, &left, &right),
            Op::In | Op::NotIn => {
                let found = self.contains(&right, &left);
                match found {
                    Some(found) => Val::Bool(found == (op == Op::In)),
                    None => Val::unknown("$(…)"),
                }
            }
            Op::Mul => self.multiply(left, right),
            Op::Rem if matches!(left, Val::Text(_)) && self.language != Language::JavaScript => {
                self.format(&left, &right)
            }
            Op::BitXor if left.as_text().is_some() && right.as_text().is_some() => {
                self.xor_texts(&left, &right)
            }
            Op::Shl if matches!(left, Val::List(_)) || matches!(left, Val::Text(_)) => {
                // Ruby's `<<`.
                if let Val::List(list) = &left {
                    if let Ok(mut list) = list.try_borrow_mut() {
                        list.push(right);
                    }
                    return left;
                }
                self.concat(left, &right)
            }
            // pathlib: `Path("/a") / "b"`.
            Op::Div if matches!(left, Val::Text(_)) && self.language == Language::Python => {
                let slashed = self.concat(left, &Val::text("/"));
                self.concat(slashed, &right)
            }
            op => self.arithmetic(op, &left, &right),
        }
    }

    fn add(&mut self, left: Val, right: Val) -> Val {
        let textual = matches!((&left, &right), (Val::Text(_), _) | (_, Val::Text(_)));
        let adds_numbers = matches!(self.language, Language::Php | Language::Perl | Language::Lua);
        if textual && !adds_numbers {
            return self.concat(left, &right);
        }
        match (&left, &right) {
            (Val::List(a), Val::List(b)) => {
                let (Ok(a), Ok(b)) = (a.try_borrow(), b.try_borrow()) else { return Val::None };
                if !self.spend((a.len() + b.len()) as u64 >> 2) {
                    return Val::unknown("$(…)");
                }
                Val::list(a.iter().chain(b.iter()).cloned().collect())
            }
            (Val::Unknown(_), _) | (_, Val::Unknown(_)) if !adds_numbers && textual => {
                self.concat(left, &right)
            }
            _ => self.arithmetic(Op::Add, &left, &right),
        }
    }

    fn arithmetic(&mut self, op: Op, left: &Val, right: &Val) -> Val {
        let unknown = || Val::hidden("$(…)", left.origin().join(&right.origin()));
        if let (Some(a), Some(b)) = (left.int(), right.int())
            && !matches!((left, right), (Val::Float(_), _) | (_, Val::Float(_)))
        {
            let whole = match op {
                Op::Add => a.checked_add(b),
                Op::Sub => a.checked_sub(b),
                Op::Mul => a.checked_mul(b),
                Op::FloorDiv => a.checked_div_euclid(b),
                Op::Div if b != 0 && a % b == 0 => a.checked_div(b),
                Op::Rem if self.language == Language::Python || self.language == Language::Ruby => {
                    a.checked_rem_euclid(b).map(|r| if b < 0 && r != 0 { r + b } else { r })
                }
                Op::Rem => a.checked_rem(b),
                Op::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
                Op::BitAnd => Some(a & b),
                Op::BitOr => Some(a | b),
                Op::BitXor => Some(a ^ b),
                Op::Shl => u32::try_from(b).ok().and_then(|b| a.checked_shl(b)),
                Op::Shr => u32::try_from(b).ok().and_then(|b| a.checked_shr(b)),
                _ => None,
            };
            if let Some(whole) = whole {
                // JavaScript's operators on bits give 32 of them.
                let bits = matches!(op, Op::BitAnd | Op::BitOr | Op::BitXor | Op::Shl);
                let narrow = bits && self.language == Language::JavaScript;
                return Val::Int(if narrow { i64::from(whole as i32) } else { whole });
            }
        }
        let (Some(a), Some(b)) = (left.number(), right.number()) else { return unknown() };
        match op {
            Op::Add => Val::Float(a + b),
            Op::Sub => Val::Float(a - b),
            Op::Mul => Val::Float(a * b),
            Op::Div if b != 0.0 => Val::Float(a / b),
            Op::Rem if b != 0.0 => Val::Float(a % b),
            Op::FloorDiv if b != 0.0 => Val::Float((a / b).floor()),
            _ => unknown(),
        }
    }

    fn multiply(&mut self, left: Val, right: Val) -> Val {
        let (times, what) = match (&left, &right) {
            (Val::Text(_) | Val::List(_), Val::Int(n)) => (*n, left.clone()),
            (Val::Int(n), Val::Text(_) | Val::List(_)) if self.language == Language::Python => {
                (*n, right.clone())
            }
            _ => return self.arithmetic(Op::Mul, &left, &right),
        };
        let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
        match what {
            Val::Text(text) => {
                let length = text.data.len().saturating_mul(times);
                if !self.affords(length) {
                    return Val::hidden("$(…)", text.origin);
                }
                Val::Text(text.with(text.data.repeat(times)))
            }
            Val::List(list) => {
                let Ok(list) = list.try_borrow() else { return Val::None };
                let length = list.len().saturating_mul(times);
                if length > 1 << 18 || !self.spend(length as u64) {
                    return Val::unknown("$(…)");
                }
                Val::list((0..times).flat_map(|_| list.iter().cloned()).collect())
            }
            _ => Val::None,
        }
    }

    fn xor_texts(&mut self, left: &Val, right: &Val) -> Val {
        let (Some(a), Some(b)) = (left.as_text(), right.as_text()) else { return Val::None };
        if !a.is_known() || !b.is_known() || !self.affords(a.data.len()) {
            return Val::hidden("$(…)", left.origin().join(&right.origin()));
        }
        let data: Vec<u8> = a.data.iter().zip(b.data.iter()).map(|(x, y)| x ^ y).collect();
        Val::Text(Text { origin: a.origin.join(&b.origin).staged("xor"), ..Text::bytes(data) })
    }

    fn compare(&mut self, op: Op, left: &Val, right: &Val) -> Val {
        let order = match (left, right) {
            (Val::Text(a), Val::Text(b)) if a.is_known() && b.is_known() => Some(a.data.cmp(&b.data)),
            (Val::None, Val::None) => Some(std::cmp::Ordering::Equal),
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Val::Library(a), Val::Library(b)) => Some(a.cmp(b)),
            (Val::Int(_) | Val::Float(_) | Val::Bool(_), Val::Int(_) | Val::Float(_) | Val::Bool(_)) => {
                left.number().zip(right.number()).and_then(|(a, b)| a.partial_cmp(&b))
            }
            (Val::Unknown(_), _) | (_, Val::Unknown(_)) | (Val::Method(_), _) | (_, Val::Method(_)) => None,
            (Val::Text(t), Val::Int(_)) | (Val::Int(_), Val::Text(t))
                if t.is_known() && self.language != Language::Python =>
            {
                left.number().zip(right.number()).and_then(|(a, b)| a.partial_cmp(&b))
            }
            (Val::Text(t), _) | (_, Val::Text(t)) if !t.is_known() => None,
            (Val::None, _) | (_, Val::None) => {
                return match op {
                    Op::Eq => Val::Bool(false),
                    Op::Ne => Val::Bool(true),
                    _ => Val::unknown("$(…)"),
                };
            }
            _ => None,
        };
        let Some(order) = order else { return Val::unknown("$(…)") };
        let guess = |v: &Val| v.as_text().is_some_and(|t| t.know < crate::shell::Know::Sure);
        let answer = match op {
            Op::Eq => order.is_eq(),
            Op::Ne => order.is_ne(),
            Op::Lt => order.is_lt(),
            Op::Le => order.is_le(),
            Op::Gt => order.is_gt(),
            _ => order.is_ge(),
        };
        if guess(left) || guess(right) {
            return Val::unknown("$(…)");
        }
        Val::Bool(answer)
    }

    /// Whether a value is among others; None where that is not known.
    pub fn contains(&mut self, holder: &Val, item: &Val) -> Option<bool> {
        match holder {
            Val::Text(text) => {
                let part = item.as_text()?;
                if !text.is_known() || !part.is_known() || !self.spend(text.data.len() as u64 >> 6) {
                    return None;
                }
                Some(memchr::memmem::find(&text.data, &part.data).is_some())
            }
            Val::List(list) => {
                let key = item.key()?;
                let list = list.try_borrow().ok()?;
                if !self.spend(list.len() as u64 >> 2) {
                    return None;
                }
                let mut all = true;
                for value in list.iter() {
                    match value.key() {
                        Some(other) if other == key => return Some(true),
                        Some(_) => {}
                        None => all = false,
                    }
                }
                all.then_some(false)
            }
            Val::Dict(dict) => {
                item.key()?;
                Some(dict.try_borrow().ok()?.get(item).is_some())
            }
            Val::Library(path) if path.ends_with("environ") || path.ends_with("env") => {
                let name = item.known()?;
                self.start.env.iter().any(|(n, _)| *n == *name).then_some(true)
            }
            _ => None,
        }
    }

    /// `"…%s…" % value`, and `sprintf` of every language.
    pub fn format(&mut self, template: &Val, values: &Val) -> Val {
        let Some(text) = template.as_text().filter(|t| t.is_known()) else {
            return Val::hidden("$(…)", template.origin());
        };
        let list = match values {
            Val::List(list) => list.try_borrow().map(|l| l.clone()).unwrap_or_default(),
            other => vec![other.clone()],
        };
        let text = text.clone();
        let shown = text.show().into_owned();
        let mut whole = Val::Text(text.with(Vec::new()));
        let mut values_left = list.into_iter();
        let mut rest = shown.as_str();
        while let Some(at) = rest.find('%') {
            whole = self.concat(whole, &Val::text(&rest[..at]));
            rest = &rest[at + 1..];
            let mut name = None;
            if let Some(inner) = rest.strip_prefix('(')
                && let Some((key, tail)) = inner.split_once(')')
            {
                name = Some(key.to_owned());
                rest = tail;
            }
            let width =
                rest.find(|c: char| !(c.is_ascii_digit() || "-+ #.*$'l".contains(c))).unwrap_or(rest.len());
            let flags = &rest[..width];
            let Some(kind) = rest[width..].chars().next() else { break };
            rest = &rest[width + kind.len_utf8()..];
            if kind == '%' {
                whole = self.concat(whole, &Val::text("%"));
                continue;
            }
            let value = match name {
                Some(name) => self.member(values, &Val::text(&name)),
                None => values_left.next().unwrap_or_else(|| Val::unknown("$(…)")),
            };
            let part = match (kind, value.int()) {
                ('c', Some(n)) => Val::text(&char::from_u32(n as u32).map(String::from).unwrap_or_default()),
                ('x', Some(n)) if flags.starts_with('0') => {
                    let wide: usize = flags.parse().unwrap_or(0);
                    Val::text(&format!("{n:0wide$x}", wide = wide.min(64)))
                }
                ('x', Some(n)) => Val::text(&format!("{n:x}")),
                ('d' | 'i' | 'u', Some(n)) => Val::Int(n),
                _ => value,
            };
            whole = self.concat(whole, &part);
        }
        self.concat(whole, &Val::text(rest))
    }

    /// `"…{}…{name}".format(…)`.
    pub fn format_braces(&mut self, template: &Text, args: &super::eval::Args) -> Val {
        let shown = template.show().into_owned();
        let mut whole = Val::Text(template.with(Vec::new()));
        let mut rest = shown.as_str();
        let mut next = 0;
        while let Some(at) = rest.find(['{', '}']) {
            whole = self.concat(whole, &Val::text(&rest[..at]));
            let sign = &rest[at..at + 1];
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix(sign) {
                whole = self.concat(whole, &Val::text(sign));
                rest = tail;
                continue;
            }
            let Some((inner, tail)) = rest.split_once('}').filter(|_| sign == "{") else { continue };
            rest = tail;
            let name = inner.split([':', '!']).next().unwrap_or_default();
            let value = if name.is_empty() {
                next += 1;
                args.at(next - 1)
            } else if let Ok(n) = name.parse::<usize>() {
                args.at(n)
            } else {
                let (base, index) = match name.split_once('[') {
                    Some((base, index)) => (base, Some(index.trim_end_matches(']'))),
                    None => (name, None),
                };
                let value = match base.parse::<usize>() {
                    Ok(n) => args.at(n),
                    Err(_) => args.named(base).unwrap_or_else(|| Val::unknown("$(…)")),
                };
                match index {
                    Some(index) => {
                        let key = index.parse().map_or_else(|_| Val::text(index), Val::Int);
                        self.member(&value, &key)
                    }
                    None => value,
                }
            };
            whole = self.concat(whole, &value);
        }
        self.concat(whole, &Val::text(rest))
    }
}
