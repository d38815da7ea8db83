//! Expressions.

use std::rc::Rc;

use super::Language;
use super::interp::Interp;
use super::tree::{Clause, Comprehension, Each, Expr, Name, Op, Unary};
use super::value::{Dict, Object, Origin, Text, Val};
use crate::shell::{Know, Trouble};

/// What a call is given.
#[derive(Debug, Default, Clone)]
pub(super) struct Args {
    pub list: Vec<Val>,
    pub named: Vec<(Name, Val)>,
}

impl Args {
    pub fn of(list: Vec<Val>) -> Self {
        Self { list, named: Vec::new() }
    }

    /// An argument by its place.
    pub fn at(&self, n: usize) -> Val {
        self.list.get(n).cloned().unwrap_or(Val::None)
    }

    /// An argument by its place or its name.
    pub fn get(&self, n: usize, name: &str) -> Option<Val> {
        self.list.get(n).cloned().or_else(|| self.named(name))
    }

    pub fn named(&self, name: &str) -> Option<Val> {
        self.named.iter().find(|(n, _)| &**n == name).map(|(_, v)| v.clone())
    }

    /// The functions among them.
    pub fn callbacks(&self) -> Vec<Val> {
        let named = self.named.iter().map(|(_, v)| v);
        self.list.iter().chain(named).filter(|v| matches!(v, Val::Function(_))).cloned().collect()
    }

    /// What the first of them that has one comes from.
    pub fn origin(&self) -> Origin {
        let mut all = Origin::default();
        for value in &self.list {
            all = all.join(&value.origin());
        }
        all
    }
}

/// Bytes of a name in a library, its modules and types before it.
const LONGEST_PATH: usize = 256;

impl Interp<'_> {
    pub fn eval(&mut self, expr: &Expr) -> Val {
        // Leaves cost no depth.
        match expr {
            Expr::None => return Val::None,
            Expr::Bool(b) => return Val::Bool(*b),
            Expr::Int(n) => return Val::Int(*n),
            Expr::Float(f) => return Val::Float(*f),
            Expr::Text(text) => {
                return if self.affords(text.len()) { Val::text(text) } else { Val::unknown("$(…)") };
            }
            Expr::Bytes(bytes) => {
                return if self.affords(bytes.len()) {
                    Val::bytes(bytes.to_vec())
                } else {
                    Val::unknown("$(…)")
                };
            }
            Expr::Name(name) => {
                self.spend(1);
                return self.lookup(name);
            }
            Expr::Opaque(shown) => return Val::unknown(&format!("$({shown})")),
            _ => {}
        }
        if self.halt || !self.spend(1) || !self.enter() {
            return Val::unknown("$(…)");
        }
        let value = self.eval_inner(expr);
        self.leave();
        value
    }

    /// The value of a name: a variable, or something of the language.
    pub fn lookup(&mut self, name: &str) -> Val {
        if let Some(value) = self.get(name) {
            return value;
        }
        self.language_name(name)
    }

    fn eval_inner(&mut self, expr: &Expr) -> Val {
        match expr {
            Expr::Attr(object, name) => {
                let object = self.eval(object);
                self.attr(&object, name)
            }
            Expr::Index(object, index) => {
                let object = self.eval(object);
                let index = self.eval(index);
                self.member(&object, &index)
            }
            Expr::Slice(object, parts) => {
                let object = self.eval(object);
                let mut bounds = [None, None, None];
                for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                    if let Some(part) = part {
                        match self.eval(part) {
                            Val::None => {}
                            value => match value.int() {
                                Some(n) => *bound = Some(n),
                                None => return Val::hidden("$(…)", object.origin()),
                            },
                        }
                    }
                }
                self.slice(&object, bounds)
            }
            Expr::Call(call) => {
                let mut args = Args::default();
                let callee = self.callee(&call.callee);
                for arg in &call.args {
                    match (&arg.name, &arg.value) {
                        (Some(name), value) => {
                            let value = self.eval(value);
                            args.named.push((name.clone(), value));
                        }
                        (None, Expr::Spread(inner)) => {
                            let value = self.eval(inner);
                            match value.items() {
                                Some(items) if self.spend(items.len() as u64) => args.list.extend(items),
                                _ => args.list.push(Val::unknown("$(…)")),
                            }
                        }
                        (None, Expr::SpreadNamed(inner)) => {
                            if let Val::Dict(dict) = self.eval(inner)
                                && let Ok(dict) = dict.try_borrow()
                            {
                                let named = dict
                                    .entries
                                    .iter()
                                    .filter_map(|(k, v)| Some((Rc::from(&*k.known()?), v.clone())));
                                args.named.extend(named);
                            }
                        }
                        (None, value) => {
                            let value = self.eval(value);
                            args.list.push(value);
                        }
                    }
                }
                if self.halt {
                    return Val::unknown("$(…)");
                }
                self.line = call.line;
                self.call(&callee, args)
            }
            Expr::Binary(op, left, right) => self.eval_binary(*op, left, right),
            Expr::Unary(op, inner) => {
                let value = self.eval(inner);
                match (op, &value) {
                    (Unary::Not, value) => match self.truth(value) {
                        Some((truth, true)) => Val::Bool(!truth),
                        Some((false, false)) => Val::unset("(…)"),
                        _ => Val::unknown("$(…)"),
                    },
                    (Unary::Neg, Val::Float(f)) => Val::Float(-f),
                    (Unary::Neg, value) => {
                        value.int().and_then(i64::checked_neg).map_or_else(|| Val::unknown("$(…)"), Val::Int)
                    }
                    (Unary::Invert, value) => {
                        value.int().map_or_else(|| Val::unknown("$(…)"), |n| Val::Int(!n))
                    }
                }
            }
            Expr::Cond(parts) => {
                let [test, yes, no] = &**parts;
                let value = self.eval(test);
                match self.truth(&value) {
                    Some((true, true)) => self.eval(yes),
                    Some((false, true)) => self.eval(no),
                    Some((answer, false)) => {
                        let (taken, other) = if answer { (yes, no) } else { (no, yes) };
                        self.may(|it| it.eval(other));
                        self.eval(taken)
                    }
                    None => {
                        let first = self.may(|it| it.eval(yes));
                        let second = self.may(|it| it.eval(no));
                        either(first, second)
                    }
                }
            }
            Expr::List(items) => {
                let mut list = Vec::with_capacity(items.len().min(1 << 16));
                for item in items {
                    if let Expr::Spread(inner) = item {
                        match self.eval(inner).items() {
                            Some(more) if self.spend(more.len() as u64) => list.extend(more),
                            _ => list.push(Val::unknown("$(…)")),
                        }
                    } else {
                        list.push(self.eval(item));
                    }
                }
                Val::list(list)
            }
            Expr::Dict(entries) => {
                let mut dict = Dict::default();
                for (key, value) in entries {
                    if let Expr::SpreadNamed(inner) = key {
                        if let Val::Dict(other) = self.eval(inner)
                            && let Ok(other) = other.try_borrow()
                        {
                            for (key, value) in &other.entries {
                                dict.set(key.clone(), value.clone());
                            }
                        }
                        continue;
                    }
                    let key = self.eval(key);
                    let value = self.eval(value);
                    dict.set(key, value);
                }
                Val::dict(dict)
            }
            Expr::Join(parts) => {
                let mut whole = Text::new("");
                for part in parts {
                    let value = self.eval(part);
                    let Val::Text(joined) = self.concat(Val::Text(whole), &value) else {
                        return Val::unknown("$(…)");
                    };
                    whole = joined;
                }
                Val::Text(whole)
            }
            Expr::Function(function) => self.closure(function),
            Expr::Comprehension(comprehension) => self.comprehend(comprehension),
            Expr::Assign(target, None, value) => {
                let value = self.eval(value);
                self.assign(target, value.clone());
                value
            }
            Expr::Assign(target, Some(op), value) => {
                let right = self.eval(value);
                let left = match self.take_own(target) {
                    Some(value) => value,
                    None => self.eval(target),
                };
                let value = match op {
                    Op::Else if !matches!(left, Val::None) => left,
                    Op::Else => right,
                    Op::And | Op::Or => self.logic(*op, left, |_| right),
                    op => self.add_to(*op, left, right),
                };
                self.assign(target, value.clone());
                value
            }
            Expr::Declare(target) => {
                self.assign(expr, Val::None);
                let _ = target;
                Val::None
            }
            Expr::Command(text, line) => {
                let text = self.eval(text);
                self.line = *line;
                self.run_command_text(text)
            }
            Expr::Seq(parts) => {
                let mut last = Val::None;
                for part in parts {
                    last = self.eval(part);
                }
                last
            }
            Expr::Import(name, line) => {
                self.line = *line;
                self.import(name)
            }
            Expr::Spread(inner) | Expr::SpreadNamed(inner) => self.eval(inner),
            _ => Val::None,
        }
    }

    /// What a call calls; a method keeps its object.
    fn callee(&mut self, expr: &Expr) -> Val {
        if let Expr::Attr(object, name) = expr {
            let object = self.eval(object);
            return self.method(&object, name);
        }
        if let Expr::Index(object, index) = expr {
            let object = self.eval(object);
            let index = self.eval(index);
            if let Some(name) = index.known()
                && !matches!(object, Val::List(_))
            {
                return self.method(&object, &Rc::from(&*name));
            }
            return self.member(&object, &index);
        }
        self.eval(expr)
    }

    fn method(&mut self, object: &Val, name: &Name) -> Val {
        match object {
            Val::Object(_) | Val::Class(_) | Val::Library(_) => self.attr(object, name),
            Val::Dict(dict) => {
                let own = dict.try_borrow().ok().and_then(|d| d.named(name).cloned());
                own.unwrap_or_else(|| Val::Method(Rc::new((object.clone(), name.clone()))))
            }
            _ => Val::Method(Rc::new((object.clone(), name.clone()))),
        }
    }

    /// An attribute.
    pub fn attr(&mut self, object: &Val, name: &Name) -> Val {
        match object {
            Val::Library(path) => {
                // A loop that goes from one to the next (`node = node.next`) would make a path without end.
                if path.len() > LONGEST_PATH {
                    return Val::unknown("$(…)");
                }
                let full = format!("{path}.{name}");
                if let Some(value) = self.root.get(&full) {
                    return value;
                }
                self.library_value(&full).unwrap_or_else(|| Val::Library(Rc::from(full)))
            }
            Val::Object(this) => {
                if let Some(value) = this.fields.borrow().get(name) {
                    return value.clone();
                }
                match self.of_class(&this.class, name, 0) {
                    Some(Val::Function(f)) => Val::Function(Rc::new(super::value::Closure {
                        function: f.function.clone(),
                        scope: f.scope.clone(),
                        this: Some(object.clone()),
                    })),
                    Some(value) => value,
                    None => match self.library_base(&this.class, 0) {
                        Some(base) => Val::Method(Rc::new((Val::Library(base), name.clone()))),
                        None => Val::unknown(&format!("$({name})")),
                    },
                }
            }
            Val::Class(class) => {
                if let Some(own) = self.of_class(object, name, 0) {
                    return own;
                }
                if let Some(module) = class.class.name.strip_prefix("module:") {
                    let dot = if module.ends_with('.') { "" } else { "." };
                    return self.import(&format!("{module}{dot}{name}"));
                }
                Val::Method(Rc::new((object.clone(), name.clone())))
            }
            Val::Dict(dict) => {
                let own = dict.try_borrow().ok().and_then(|d| d.named(name).cloned());
                own.unwrap_or_else(|| self.value_attr(object, name))
            }
            other => self.value_attr(other, name),
        }
    }

    /// What a class or one it comes from has under a name.
    pub fn of_class(&self, class: &Val, name: &str, depth: u32) -> Option<Val> {
        let Val::Class(class) = class else { return None };
        if depth > 8 {
            return None;
        }
        if let Some(value) = class.members.vars.borrow().get(name) {
            return Some(value.clone());
        }
        class.bases.iter().find_map(|base| self.of_class(base, name, depth + 1))
    }

    fn library_base(&self, class: &Val, depth: u32) -> Option<Name> {
        let Val::Class(class) = class else { return None };
        if depth > 8 {
            return None;
        }
        class.bases.iter().find_map(|base| match base {
            Val::Library(name) => Some(name.clone()),
            other => self.library_base(other, depth + 1),
        })
    }

    /// An object of a class of the program.
    pub fn instantiate(&mut self, class: &Val, args: Args) -> Val {
        let object = Val::Object(Rc::new(Object { class: class.clone(), fields: Default::default() }));
        let names = ["__init__", "constructor", "initialize", "__construct", "new"];
        let made = names.iter().find_map(|name| self.of_class(class, name, 0));
        if let Some(Val::Function(function)) = made {
            let bound = Rc::new(super::value::Closure {
                function: function.function.clone(),
                scope: function.scope.clone(),
                this: Some(object.clone()),
            });
            self.call_closure(&bound, args.list, args.named, true);
        }
        object
    }

    /// An element by its number or its name.
    pub fn member(&mut self, object: &Val, index: &Val) -> Val {
        let first = self.first_index();
        match object {
            Val::List(list) => {
                let Ok(list) = list.try_borrow() else { return Val::None };
                match (index, index.int()) {
                    (Val::Text(name), None) => {
                        let name: Name = Rc::from(&*name.show());
                        drop(list);
                        self.attr(object, &name)
                    }
                    (_, Some(n)) => {
                        let at = if n < 0 { n + list.len() as i64 } else { n - first };
                        usize::try_from(at).ok().and_then(|at| list.get(at).cloned()).unwrap_or(Val::None)
                    }
                    _ => {
                        let some = list.first().map(Val::origin).unwrap_or_default();
                        Val::hidden("$(…)", some)
                    }
                }
            }
            Val::Dict(dict) => {
                let found = dict.try_borrow().ok().and_then(|d| d.get(index).cloned());
                match found {
                    Some(value) => value,
                    None if index.key().is_some() => match index.known() {
                        Some(name) if self.language == Language::JavaScript => {
                            self.value_attr(object, &Rc::from(&*name))
                        }
                        _ => Val::None,
                    },
                    None => Val::unknown("$(…)"),
                }
            }
            Val::Text(text) => match index.int() {
                Some(n) if text.is_known() => {
                    let length = text.len() as i64;
                    let at = if n < 0 { n + length } else { n };
                    match usize::try_from(at).ok().filter(|at| (*at as i64) < length) {
                        Some(at) if text.binary && self.language.numbers_bytes() => {
                            Val::Int(i64::from(text.data[at]))
                        }
                        Some(at) => Val::Text(text.pick(std::iter::once(at))),
                        None => Val::None,
                    }
                }
                _ => match index.known() {
                    Some(name) => self.attr(object, &Rc::from(&*name)),
                    None => Val::hidden("$(…)", object.origin()),
                },
            },
            Val::Library(path) => {
                let path = path.clone();
                self.library_item(&path, index)
            }
            Val::Object(_) | Val::Class(_) => match index.known() {
                Some(name) => self.attr(object, &Rc::from(&*name)),
                None => Val::unknown("$(…)"),
            },
            Val::None => Val::None,
            other => Val::hidden(&other.word().text, other.origin()),
        }
    }

    pub fn slice(&mut self, object: &Val, bounds: [Option<i64>; 3]) -> Val {
        let length = match object {
            Val::Text(text) if text.is_known() => text.len(),
            Val::List(list) => match list.try_borrow() {
                Ok(list) => list.len(),
                Err(_) => return Val::None,
            },
            other => return Val::hidden(&other.word().text, other.origin()),
        };
        if !self.affords(length) {
            return Val::unknown("$(…)");
        }
        let length = length as i64;
        let step = bounds[2].unwrap_or(1);
        if step == 0 {
            return Val::None;
        }
        let clamp =
            |n: i64, low: i64, high: i64| (if n < 0 { n.saturating_add(length) } else { n }).clamp(low, high);
        let (from, to) = if step > 0 {
            (clamp(bounds[0].unwrap_or(0), 0, length), clamp(bounds[1].unwrap_or(length), 0, length))
        } else {
            let from = bounds[0].map_or(length - 1, |n| clamp(n, -1, length - 1));
            (from, bounds[1].map_or(-1, |n| clamp(n, -1, length - 1)))
        };
        let mut places = Vec::new();
        let mut at = from;
        while if step > 0 { at < to } else { at > to } {
            places.push(at as usize);
            at = at.saturating_add(step);
        }
        match object {
            Val::Text(text) => {
                let mut picked = text.pick(places.into_iter());
                if step == -1 {
                    picked.origin =
                        if text.data.len() > 8 { picked.origin.staged("rev") } else { picked.origin };
                }
                Val::Text(picked)
            }
            Val::List(list) => {
                let Ok(list) = list.try_borrow() else { return Val::None };
                Val::list(places.into_iter().filter_map(|n| list.get(n).cloned()).collect())
            }
            _ => Val::None,
        }
    }

    fn logic(&mut self, op: Op, left: Val, right: impl FnOnce(&mut Self) -> Val) -> Val {
        match (op, self.truth(&left)) {
            (Op::And, Some((false, true))) | (Op::Or, Some((true, _))) => left,
            (Op::And, Some((true, _))) | (Op::Or, Some((false, true))) => right(self),
            (Op::Or, Some((false, false))) => {
                // So in a plain launch; another one may set it.
                let value = right(self);
                match value {
                    Val::Text(mut text) => {
                        text.know = text.know.min(Know::Plain);
                        Val::Text(text)
                    }
                    other => other,
                }
            }
            (Op::And, Some((false, false))) => {
                self.may(right);
                left
            }
            _ => {
                let other = self.may(right);
                self.halt = false;
                either(left, other)
            }
        }
    }

    fn eval_binary(&mut self, op: Op, left: &Expr, right: &Expr) -> Val {
        match op {
            Op::And | Op::Or => {
                let left = self.eval(left);
                if self.halt {
                    return left;
                }
                self.logic(op, left, |it| it.eval(right))
            }
            Op::Else => {
                let left = self.eval(left);
                match left {
                    Val::None => self.eval(right),
                    Val::Unknown(ref hidden) if hidden.unset => self.eval(right),
                    other => other,
                }
            }
            _ => {
                // A long chain of `a + b + c …` leans to the left: no depth for each of them.
                let mut chain = vec![right];
                let mut first = left;
                while let Expr::Binary(inner, l, r) = first
                    && *inner == op
                    && matches!(op, Op::Add | Op::Concat)
                {
                    chain.push(r);
                    first = l;
                }
                let mut value = self.eval(first);
                while let Some(next) = chain.pop() {
                    let right = self.eval(next);
                    value = self.add_to(op, value, right);
                }
                value
            }
        }
    }

    fn comprehend(&mut self, what: &Comprehension) -> Val {
        let scope = self.new_scope(Some(self.scope.clone()));
        let outer = std::mem::replace(&mut self.scope, scope);
        let mut out = Vec::new();
        let known = self.clause(what, 0, &mut out);
        self.scope = outer;
        if !known {
            let origin = out.first().map(|(_, v)| v.origin()).unwrap_or_default();
            return Val::hidden("$(…)", origin);
        }
        if what.key.is_some() {
            let mut dict = Dict::default();
            for (key, value) in out {
                dict.set(key, value);
            }
            return Val::dict(dict);
        }
        Val::list(out.into_iter().map(|(_, v)| v).collect())
    }

    /// Goes through one clause; false where a list is not known.
    fn clause(&mut self, what: &Comprehension, n: usize, out: &mut Vec<(Val, Val)>) -> bool {
        if !self.spend(1) || out.len() > 1 << 20 {
            return false;
        }
        match what.clauses.get(n) {
            None => {
                let key = what.key.as_ref().map_or(Val::None, |k| self.eval(k));
                let value = self.eval(&what.value);
                out.push((key, value));
                true
            }
            Some(Clause::If(test)) => match self.eval(test).truth() {
                Some((true, _)) => self.clause(what, n + 1, out),
                Some((false, _)) => true,
                None => {
                    self.may(|it| it.clause(what, n + 1, out));
                    false
                }
            },
            Some(Clause::For(target, over)) => {
                let value = self.eval(over);
                match self.each(&value, Each::Values) {
                    Some(items) => {
                        for item in items {
                            self.declare_in_scope(target, item);
                            if self.halt || !self.clause(what, n + 1, out) {
                                return false;
                            }
                        }
                        true
                    }
                    None => {
                        self.declare_in_scope(target, Val::hidden(&value.word().text, value.origin()));
                        self.may(|it| it.clause(what, n + 1, out));
                        false
                    }
                }
            }
        }
    }

    fn declare_in_scope(&mut self, target: &Expr, value: Val) {
        if let Expr::Name(name) = target {
            self.scope.vars.borrow_mut().insert(name.clone(), value);
        } else {
            self.assign(target, value);
        }
    }

    /// Joins two values as texts.
    pub fn concat(&mut self, left: Val, right: &Val) -> Val {
        let mut whole = match left {
            Val::Text(text) => text,
            other => other.as_string(),
        };
        let added = right.as_string();
        if !self.affords(added.data.len()) || whole.data.len() + added.data.len() > self.world.longest() {
            self.complain(Trouble::Long);
            return Val::hidden("$(…)", whole.origin);
        }
        if !added.data.is_empty() {
            Rc::make_mut(&mut whole.data).extend_from_slice(&added.data);
        }
        whole.binary |= added.binary;
        whole.know = match whole.know.min(added.know) {
            Know::Unset => Know::Unknown,
            know => know,
        };
        whole.origin = whole.origin.join(&added.origin);
        Val::Text(whole)
    }
}

/// One of two values.
fn either(first: Val, second: Val) -> Val {
    match (first, second) {
        (Val::Text(mut text), _) | (_, Val::Text(mut text)) => {
            text.know = text.know.min(Know::Guess);
            Val::Text(text)
        }
        (Val::None | Val::Unknown(_), other) | (other, _) => other,
    }
}
