//! The interpreter: statements, variables, control flow. It executes nothing; what a program
//! would ask of the system is told to the [`World`].

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};

use lazaret_model::{Certainty, Location};

use super::Language;
use super::tree::{Block, Each, Expr, Function, Name, Param, Rest, Stmt, StmtKind};
use super::value::{ClassVal, Closure, Scope, Text, Val};
use crate::shell::{Know, Site, Start, Trouble, World};

/// What all programs of one image may cost together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Expressions and statements, and sixteen bytes of text moved.
    pub(super) steps: Cell<u64>,
    /// Bytes of source parsed.
    pub(super) source: Cell<usize>,
    /// Files imported by others.
    pub(super) imports: Cell<u32>,
    /// How deep the walk is at this moment, programs started by programs included.
    pub(super) depth: Cell<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            steps: Cell::new(3_000_000),
            source: Cell::new(6 << 20),
            imports: Cell::new(48),
            depth: Cell::new(0),
        }
    }
}

/// Deepest walk, chosen so that the walk stays well within the stack that it has.
const MAX_DEPTH: u32 = 1600;
/// Calls of functions of the program inside one another.
const MAX_CALLS: u32 = 40;
/// Rounds of a loop that does nothing but compute.
const MAX_ROUNDS: u32 = 1 << 17;
/// Rounds of a loop that starts programs, writes files or connects.
const MAX_ACTIVE_ROUNDS: u32 = 24;
/// Regular expressions of one program that are built.
const MAX_PATTERNS: usize = 512;
/// Steps that building one costs.
const PATTERN_COST: u64 = 4_000;
/// Functions that nothing calls, which are followed as possible.
const MAX_IDLE: usize = 96;

/// Where the program goes on.
#[derive(Debug)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(Val),
    /// It ends, or something is thrown.
    Stop,
}

pub(super) struct Interp<'w> {
    pub world: &'w mut dyn World,
    pub budget: Rc<Budget>,
    pub language: Language,
    pub site: Site,
    /// The process that runs the program.
    pub start: Start,
    /// How programs that it starts see it.
    pub title: String,
    /// The interpreter, for code that is run as a text.
    pub interpreter: String,
    /// The program's file, where it has one.
    pub file: Option<String>,
    pub certainty: Certainty,
    pub line: u32,
    pub root: Rc<Scope>,
    pub scope: Rc<Scope>,
    pub scopes: Vec<Weak<Scope>>,
    pub modules: HashMap<String, Val>,
    /// Descriptors that lead to a connection.
    pub descriptors: HashMap<i64, Name>,
    /// How often the program did something outside of itself.
    pub effects: u64,
    /// The program ended.
    pub halt: bool,
    pub calls: u32,
    /// Texts run as code inside one another.
    pub rounds: u32,
    /// What the program put out.
    pub out: Text,
    idle: Vec<Rc<Closure>>,
    called: HashSet<*const Function>,
    /// Handlers that were noted.
    handlers: HashSet<*const Stmt>,
    complained: bool,
    /// Patterns that were built, by their text and whether case matters.
    patterns: HashMap<(String, bool), Option<regex::Regex>>,
}

impl<'w> Interp<'w> {
    pub fn new(world: &'w mut dyn World, language: Language, start: Start, site: Site) -> Self {
        let root = Rc::new(Scope::default());
        let title: Vec<&str> = start.argv.iter().take(4).map(|v| v.text.as_str()).collect();
        let title: String = title.join(" ").chars().take(200).collect();
        Self {
            budget: world.code_budget(),
            world,
            language,
            site,
            title,
            interpreter: String::new(),
            file: None,
            certainty: start.certainty,
            start,
            line: 1,
            scopes: vec![Rc::downgrade(&root)],
            scope: root.clone(),
            root,
            modules: HashMap::new(),
            descriptors: HashMap::new(),
            effects: 0,
            halt: false,
            calls: 0,
            rounds: 0,
            out: Text::new(""),
            idle: Vec::new(),
            called: HashSet::new(),
            handlers: HashSet::new(),
            complained: false,
            patterns: HashMap::new(),
        }
    }

    pub fn because(&self) -> Vec<Location> {
        self.site.at(self.line)
    }

    /// Takes steps from the budget; false when there are none left.
    pub fn spend(&mut self, steps: u64) -> bool {
        let left = self.budget.steps.get();
        if left < steps {
            self.budget.steps.set(0);
            self.complain(Trouble::Slow);
            return false;
        }
        self.budget.steps.set(left - steps);
        true
    }

    /// Takes what it costs to make a text, and says whether it may be made.
    pub fn affords(&mut self, bytes: usize) -> bool {
        if bytes > self.world.longest() {
            self.complain(Trouble::Long);
            return false;
        }
        self.spend(1 + (bytes as u64 >> 4))
    }

    pub fn complain(&mut self, what: Trouble) {
        if !std::mem::replace(&mut self.complained, true) {
            let because = self.because();
            self.world.trouble(because, what);
        }
    }

    pub fn enter(&mut self) -> bool {
        let depth = self.budget.depth.get();
        if depth >= MAX_DEPTH {
            self.complain(Trouble::Deep);
            return false;
        }
        self.budget.depth.set(depth + 1);
        true
    }

    pub fn leave(&mut self) {
        self.budget.depth.set(self.budget.depth.get().saturating_sub(1));
    }

    /// A regular expression that is safe to build; each one once, since building costs far more
    /// than most searches.
    pub fn regex(&mut self, pattern: &str, ignore_case: bool) -> Option<regex::Regex> {
        let key = (pattern.to_owned(), ignore_case);
        if let Some(built) = self.patterns.get(&key) {
            return built.clone();
        }
        if self.patterns.len() >= MAX_PATTERNS || !self.spend(PATTERN_COST) {
            return None;
        }
        let built =
            regex::RegexBuilder::new(pattern).case_insensitive(ignore_case).size_limit(1 << 18).build().ok();
        self.patterns.insert(key, built.clone());
        built
    }

    /// A scope for a function or a module.
    pub fn new_scope(&mut self, parent: Option<Rc<Scope>>) -> Rc<Scope> {
        let scope = Rc::new(Scope { parent, ..Scope::default() });
        self.scopes.push(Rc::downgrade(&scope));
        scope
    }

    /// Runs a whole program, and then, as possible, what it defines and never calls.
    pub fn run_program(&mut self, body: &Block) {
        self.run_block(body);
        self.run_idle();
    }

    pub fn run_idle(&mut self) {
        let mut followed = 0;
        while let Some(closure) = self.idle.pop() {
            if self.called.contains(&Rc::as_ptr(&closure.function)) || followed >= MAX_IDLE {
                continue;
            }
            followed += 1;
            self.halt = false;
            self.may(|it| it.call_closure(&closure, Vec::new(), Vec::new(), false));
        }
        self.halt = false;
    }

    /// Breaks the circles between functions and the scopes that hold them.
    pub fn finish(&mut self) {
        self.idle.clear();
        self.modules.clear();
        for scope in self.scopes.drain(..) {
            if let Some(scope) = scope.upgrade() {
                let vars = std::mem::take(&mut *scope.vars.borrow_mut());
                drop(vars);
            }
        }
    }

    /// Runs something that may not happen.
    pub fn may<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.certainty, Certainty::May);
        let answer = what(self);
        self.certainty = before;
        answer
    }

    pub fn run_block(&mut self, block: &Block) -> Flow {
        // Functions may be called in front of where they stand.
        for stmt in block.iter() {
            if let StmtKind::Function(name, function) = &stmt.kind {
                self.define(name, function);
            }
        }
        for stmt in block.iter() {
            if !self.spend(1) || !self.enter() {
                return Flow::Stop;
            }
            let flow = self.run_stmt(stmt);
            self.leave();
            if self.halt {
                return Flow::Stop;
            }
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    fn define(&mut self, name: &Name, function: &Rc<Function>) {
        let value = self.closure(function);
        self.scope.vars.borrow_mut().insert(name.clone(), value);
    }

    /// A function as a value, noted as one that nothing has called yet.
    pub fn closure(&mut self, function: &Rc<Function>) -> Val {
        let closure = Rc::new(Closure { function: function.clone(), scope: self.scope.clone(), this: None });
        if self.idle.len() < 4 * MAX_IDLE {
            self.idle.push(closure.clone());
        }
        Val::Function(closure)
    }

    fn run_stmt(&mut self, stmt: &Stmt) -> Flow {
        self.line = stmt.line;
        match &stmt.kind {
            StmtKind::Expr(expr) => {
                self.eval(expr);
                Flow::Next
            }
            StmtKind::If(test, yes, no) => self.run_if(test, yes, no),
            StmtKind::While { test, body, step, first } => self.run_while(test, body, step.as_ref(), *first),
            StmtKind::For { target, over, body, each } => self.run_for(target, over, body, *each),
            // Done before the block began; here again for one that a branch defines anew.
            StmtKind::Function(name, function) => {
                let there = matches!(self.scope.vars.borrow().get(name),
                    Some(Val::Function(c)) if Rc::ptr_eq(&c.function, function));
                if !there {
                    self.define(name, function);
                }
                Flow::Next
            }
            StmtKind::Class(name, class) => {
                let bases = class.bases.iter().map(|b| self.eval(b)).collect();
                let members = self.new_scope(Some(self.scope.clone()));
                let outer = std::mem::replace(&mut self.scope, members.clone());
                self.run_block(&class.body);
                self.scope = outer;
                let value = Val::Class(Rc::new(ClassVal { class: class.clone(), members, bases }));
                self.scope.vars.borrow_mut().insert(name.clone(), value);
                Flow::Next
            }
            StmtKind::Switch(value, cases) => self.run_switch(value, cases),
            StmtKind::Return(value) => {
                let value = value.as_ref().map_or(Val::None, |v| self.eval(v));
                Flow::Return(value)
            }
            StmtKind::Break => Flow::Break,
            StmtKind::Continue => Flow::Continue,
            StmtKind::Try { body, handlers, last } => self.run_try(body, handlers, last),
            StmtKind::Global(names) => {
                self.scope.globals.borrow_mut().extend(names.iter().cloned());
                Flow::Next
            }
            StmtKind::ImportAll(module) => {
                if let Val::Class(module) = self.eval(module) {
                    let vars: Vec<_> =
                        module.members.vars.borrow().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
                    self.scope.vars.borrow_mut().extend(vars);
                }
                Flow::Next
            }
            StmtKind::Group(body) => self.run_block(body),
        }
    }

    fn run_if(&mut self, test: &Expr, yes: &Block, no: &Block) -> Flow {
        let value = self.eval(test);
        if self.halt {
            return Flow::Stop;
        }
        match self.truth(&value) {
            Some((true, true)) => self.run_block(yes),
            Some((false, true)) => self.run_block(no),
            Some((answer, false)) => {
                // In a plain launch; the other arm belongs to another one.
                let (taken, other) = if answer { (yes, no) } else { (no, yes) };
                self.run_aside(other);
                self.run_block(taken)
            }
            None => {
                let first = self.run_aside(yes);
                let second = self.run_aside(no);
                // The program goes on where an arm does.
                match (first, second) {
                    (Flow::Next, _) | (_, Flow::Next) => Flow::Next,
                    (Flow::Return(value), _) | (_, Flow::Return(value)) => Flow::Return(value),
                    (first, _) => {
                        self.halt = matches!(first, Flow::Stop);
                        first
                    }
                }
            }
        }
    }

    /// Whether a value counts as true in this language (see [`Val::truth`]).
    pub fn truth(&self, value: &Val) -> Option<(bool, bool)> {
        let truth = value.truth()?;
        Some(match (self.language, value) {
            (Language::JavaScript, Val::List(_) | Val::Dict(_)) => (true, true),
            (Language::JavaScript, Val::Float(f)) if f.is_nan() => (false, true),
            (Language::Php | Language::Perl, Val::Text(text)) if text.data.as_slice() == b"0" => {
                (false, truth.1)
            }
            (
                Language::Ruby | Language::Lua,
                Val::Text(_) | Val::Int(_) | Val::Float(_) | Val::List(_) | Val::Dict(_),
            ) => (true, true),
            _ => truth,
        })
    }

    fn run_switch(&mut self, value: &Expr, cases: &[(Option<Expr>, Block)]) -> Flow {
        let value = self.eval(value);
        let mut from = None;
        for (n, (test, _)) in cases.iter().enumerate() {
            let Some(test) = test else { continue };
            let test = self.eval(test);
            match (value.key(), test.key()) {
                (Some(a), Some(b)) if a == b => {
                    from = Some(n);
                    break;
                }
                (Some(_), Some(_)) => {}
                _ => {
                    // Not decided: each of them may run.
                    for (_, body) in cases {
                        self.run_aside(body);
                    }
                    return Flow::Next;
                }
            }
        }
        let from = from.or_else(|| cases.iter().position(|(test, _)| test.is_none()));
        for (_, body) in cases.iter().skip(from.unwrap_or(cases.len())) {
            match self.run_block(body) {
                Flow::Next => {}
                Flow::Break => return Flow::Next,
                flow => return flow,
            }
        }
        Flow::Next
    }

    /// Runs an arm that may not be taken: its end is not the program's.
    fn run_aside(&mut self, block: &Block) -> Flow {
        let flow = self.may(|it| it.run_block(block));
        self.halt = false;
        flow
    }

    fn run_while(&mut self, test: &Expr, body: &Block, step: Option<&Expr>, first: bool) -> Flow {
        let before = self.effects;
        let mut rounds = 0;
        let mut active = 0;
        let mut skip_test = first;
        loop {
            let truth = if std::mem::take(&mut skip_test) {
                Some((true, true))
            } else {
                let value = self.eval(test);
                self.truth(&value)
            };
            if self.halt {
                return Flow::Stop;
            }
            let certain = match truth {
                Some((false, _)) => return Flow::Next,
                Some((true, _)) => true,
                None => false,
            };
            let flow = if certain { self.run_block(body) } else { self.run_aside(body) };
            match flow {
                Flow::Break => return Flow::Next,
                Flow::Return(value) if certain => return Flow::Return(value),
                Flow::Stop if certain => return Flow::Stop,
                _ => {}
            }
            // What is not decided once is not decided by going on.
            if !certain {
                return Flow::Next;
            }
            if let Some(step) = step {
                self.eval(step);
            }
            rounds += 1;
            active += u32::from(self.effects > before);
            let endless = matches!(test, Expr::Bool(true) | Expr::Int(1));
            let most = if endless && active > 0 { 3 } else { MAX_ACTIVE_ROUNDS };
            if active >= most || rounds >= MAX_ROUNDS || !self.spend(1) {
                return Flow::Next;
            }
        }
    }

    fn run_for(&mut self, target: &Expr, over: &Expr, body: &Block, each: Each) -> Flow {
        let value = self.eval(over);
        if self.halt {
            return Flow::Stop;
        }
        let Some(items) = self.each(&value, each) else {
            let item = Val::hidden(&value.word().text, value.origin());
            self.assign(target, item);
            self.run_aside(body);
            return Flow::Next;
        };
        let before = self.effects;
        let mut active = 0;
        for item in items {
            if !self.spend(1) {
                return Flow::Next;
            }
            self.assign(target, item);
            match self.run_block(body) {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Flow::Next,
                flow => return flow,
            }
            active += u32::from(self.effects > before);
            if active >= 4 * MAX_ACTIVE_ROUNDS {
                return Flow::Next;
            }
        }
        Flow::Next
    }

    /// What a loop over a value goes through; None where that is not known.
    pub fn each(&mut self, value: &Val, each: Each) -> Option<Vec<Val>> {
        let pairs: Vec<(Val, Val)> = match value {
            Val::Dict(dict) => dict.try_borrow().ok()?.entries.clone(),
            _ if each == Each::Values => {
                let items = value.items()?;
                return self.spend(items.len() as u64 >> 2).then_some(items);
            }
            _ => {
                let items = value.items()?;
                items
                    .into_iter()
                    .enumerate()
                    .map(|(n, v)| (Val::Int(n as i64 + self.first_index()), v))
                    .collect()
            }
        };
        if !self.spend(pairs.len() as u64 >> 2) {
            return None;
        }
        Some(match each {
            // A dictionary gives its names in Python, its values elsewhere.
            Each::Values if self.language == Language::Python => pairs.into_iter().map(|(k, _)| k).collect(),
            Each::Values => pairs.into_iter().map(|(_, v)| v).collect(),
            Each::Keys => pairs.into_iter().map(|(k, _)| k).collect(),
            Each::Pairs => pairs.into_iter().map(|(k, v)| Val::list(vec![k, v])).collect(),
        })
    }

    /// The number of the first element of a list.
    pub fn first_index(&self) -> i64 {
        i64::from(self.language == Language::Lua)
    }

    fn run_try(&mut self, body: &Block, handlers: &[(Option<Name>, Block)], last: &Block) -> Flow {
        let flow = self.run_block(body);
        let stopped = matches!(flow, Flow::Stop);
        let spent = self.budget.steps.get() == 0;
        if !spent {
            self.halt = false;
            for (name, handler) in handlers {
                if !stopped {
                    // Nothing is known to be thrown: what handles it is followed in the end, so
                    // that it changes nothing that the program goes on with.
                    self.later(name.as_ref(), handler);
                    continue;
                }
                if let Some(name) = name {
                    self.set(name, Val::unknown("$exception"));
                }
                self.run_aside(handler);
            }
        }
        let end = self.run_block(last);
        if !matches!(end, Flow::Next) {
            return end;
        }
        if stopped && handlers.is_empty() {
            self.halt = true;
        }
        match flow {
            Flow::Stop if !handlers.is_empty() => Flow::Next,
            flow => flow,
        }
    }

    /// Notes a block that may run, once.
    fn later(&mut self, name: Option<&Name>, body: &Block) {
        if body.is_empty()
            || self.idle.len() >= 4 * MAX_IDLE
            || !self.handlers.insert(Rc::as_ptr(body).cast())
        {
            return;
        }
        let params =
            name.map(|name| Param { target: Expr::Name(name.clone()), default: None, rest: Rest::One });
        let function =
            Function { name: Rc::from("handler"), params: params.into_iter().collect(), body: body.clone() };
        let closure = Closure { function: Rc::new(function), scope: self.scope.clone(), this: None };
        self.idle.push(Rc::new(closure));
    }

    /// Looks a variable up.
    pub fn get(&self, name: &str) -> Option<Val> {
        self.scope.get(name)
    }

    /// Sets a variable where the language keeps it.
    pub fn set(&mut self, name: &Name, value: Val) {
        let value = self.guessed(value);
        let scope = if self.scope.globals.borrow().contains(name) {
            self.root.clone()
        } else {
            match self.language {
                Language::Python | Language::Php => self.scope.clone(),
                other => {
                    let mut scope = Some(self.scope.clone());
                    while let Some(at) = &scope {
                        if at.vars.borrow().contains_key(name) {
                            break;
                        }
                        scope = at.parent.clone();
                    }
                    let nowhere = match other {
                        Language::Ruby => &self.scope,
                        _ => &self.root,
                    };
                    scope.unwrap_or_else(|| nowhere.clone())
                }
            }
        };
        scope.vars.borrow_mut().insert(name.clone(), value);
    }

    /// What is set where it is not sure that it is set is one of several possible values.
    fn guessed(&self, value: Val) -> Val {
        match value {
            Val::Text(mut text) if self.certainty < self.start.certainty => {
                text.know = text.know.min(Know::Guess);
                Val::Text(text)
            }
            other => other,
        }
    }

    /// Gives a value to a name, an attribute, an element or a pattern.
    pub fn assign(&mut self, target: &Expr, value: Val) {
        match target {
            Expr::Name(name) => self.set(name, value),
            Expr::Declare(inner) => self.declare(inner, value),
            Expr::Attr(object, name) => {
                let object = self.eval(object);
                self.set_attr(&object, name, value);
            }
            Expr::Index(object, index) => {
                let mut holder = self.eval(object);
                if matches!(holder, Val::None) || matches!(&holder, Val::Library(_)) {
                    holder = Val::dict(super::value::Dict::default());
                    self.assign(object, holder.clone());
                }
                let index = self.eval(index);
                self.set_index(&holder, index, value);
            }
            Expr::List(targets) => {
                let items = value.items();
                for (n, target) in targets.iter().enumerate() {
                    if let Expr::Spread(rest) = target {
                        let tail = items.as_ref().map(|i| i.get(n..).unwrap_or_default().to_vec());
                        let tail = tail.map_or_else(|| Val::unknown("$(…)"), Val::list);
                        self.assign(rest, tail);
                        break;
                    }
                    let item = match &items {
                        Some(items) => items.get(n).cloned().unwrap_or(Val::None),
                        None => Val::hidden(&value.word().text, value.origin()),
                    };
                    self.assign(target, item);
                }
            }
            Expr::Dict(entries) => {
                for (key, target) in entries {
                    let key = self.eval(key);
                    let item = self.member(&value, &key);
                    self.assign(target, item);
                }
            }
            // A pattern with a default.
            Expr::Assign(target, None, default) => {
                let value = if matches!(value, Val::None) { self.eval(default) } else { value };
                self.assign(target, value);
            }
            _ => {}
        }
    }

    fn declare(&mut self, target: &Expr, value: Val) {
        match target {
            Expr::Name(name) => {
                let value = self.guessed(value);
                self.scope.vars.borrow_mut().insert(name.clone(), value);
            }
            Expr::List(targets) => {
                let items = value.items();
                for (n, target) in targets.iter().enumerate() {
                    let item = match &items {
                        Some(items) => items.get(n).cloned().unwrap_or(Val::None),
                        None => Val::hidden(&value.word().text, value.origin()),
                    };
                    self.declare(target, item);
                }
            }
            Expr::Dict(entries) => {
                for (key, target) in entries {
                    let key = self.eval(key);
                    let item = self.member(&value, &key);
                    self.declare(target, item);
                }
            }
            other => self.assign(other, value),
        }
    }

    fn set_attr(&mut self, object: &Val, name: &Name, value: Val) {
        match object {
            Val::Object(object) => {
                object.fields.borrow_mut().insert(name.clone(), value);
            }
            Val::Class(class) => {
                class.members.vars.borrow_mut().insert(name.clone(), value);
            }
            Val::Dict(dict) => {
                if let Ok(mut dict) = dict.try_borrow_mut() {
                    dict.set(Val::text(name), value);
                }
            }
            // A program that gives a library's function another name to be found by.
            Val::Library(path) => {
                let full: Name = Rc::from(format!("{path}.{name}"));
                self.root.vars.borrow_mut().insert(full, value);
            }
            _ => {}
        }
    }

    fn set_index(&mut self, holder: &Val, index: Val, value: Val) {
        let first = self.first_index();
        match holder {
            Val::List(list) => {
                let Ok(mut list) = list.try_borrow_mut() else { return };
                let Some(at) = index.int() else { return };
                let at = if at < 0 { at + list.len() as i64 } else { at - first };
                match usize::try_from(at) {
                    Ok(at) if at < list.len() => list[at] = value,
                    Ok(at) if at == list.len() && at < 1 << 20 => list.push(value),
                    _ => {}
                }
            }
            Val::Dict(dict) => {
                if let Ok(mut dict) = dict.try_borrow_mut() {
                    if matches!(index, Val::None) {
                        let next = dict.entries.len() as i64;
                        dict.set(Val::Int(next), value);
                    } else {
                        dict.set(index, value);
                    }
                }
            }
            Val::Object(object) => {
                if let Some(name) = index.known() {
                    object.fields.borrow_mut().insert(Rc::from(&*name), value);
                }
            }
            Val::Library(path) => self.set_library_item(path, &index, &value),
            _ => {}
        }
    }

    /// Calls a function of the program. `sure` says whether the arguments are those of a call.
    pub fn call_closure(
        &mut self,
        closure: &Rc<Closure>,
        args: Vec<Val>,
        named: Vec<(Name, Val)>,
        sure: bool,
    ) -> Val {
        let function = closure.function.clone();
        self.called.insert(Rc::as_ptr(&function));
        if self.calls >= MAX_CALLS || !self.spend(2) || !self.enter() {
            return Val::unknown("$(…)");
        }
        self.calls += 1;
        let scope = self.new_scope(Some(closure.scope.clone()));
        let (outer, line) = (std::mem::replace(&mut self.scope, scope), self.line);
        self.bind(&function, args, named, closure.this.as_ref(), sure);
        let flow = self.run_block(&function.body);
        self.scope = outer;
        self.line = line;
        self.calls -= 1;
        self.leave();
        match flow {
            Flow::Return(value) => value,
            _ => Val::None,
        }
    }

    fn bind(
        &mut self,
        function: &Rc<Function>,
        mut args: Vec<Val>,
        mut named: Vec<(Name, Val)>,
        this: Option<&Val>,
        sure: bool,
    ) {
        if let Some(this) = this {
            if self.language == Language::Python {
                args.insert(0, this.clone());
            } else {
                self.scope.vars.borrow_mut().insert(Rc::from("this"), this.clone());
                self.scope.vars.borrow_mut().insert(Rc::from("self"), this.clone());
            }
        }
        if matches!(self.language, Language::JavaScript | Language::Perl) {
            let name = if self.language == Language::Perl { "@_" } else { "arguments" };
            let all = if sure { Val::list(args.clone()) } else { Val::unknown("$(arguments)") };
            self.scope.vars.borrow_mut().insert(Rc::from(name), all);
        }
        let mut args = args.into_iter();
        for param in &function.params {
            let value = match param.rest {
                Rest::List => {
                    let rest: Vec<Val> = args.by_ref().collect();
                    if sure { Val::list(rest) } else { Val::unknown("$(arguments)") }
                }
                Rest::Named => {
                    let mut dict = super::value::Dict::default();
                    for (name, value) in named.drain(..) {
                        dict.set(Val::text(&name), value);
                    }
                    Val::dict(dict)
                }
                Rest::One => {
                    let own = match &param.target {
                        Expr::Name(name) => named.iter().position(|(n, _)| n == name),
                        _ => None,
                    };
                    match own.map(|at| named.remove(at).1).or_else(|| args.next()) {
                        Some(value) => value,
                        None => match &param.default {
                            Some(default) => self.eval(default),
                            None => match &param.target {
                                Expr::Name(name) => Val::unknown(&format!("${name}")),
                                _ => Val::unknown("$(…)"),
                            },
                        },
                    }
                }
            };
            self.declare(&param.target, value);
        }
    }

    /// A variable's value taken out, so that adding to it does not copy it.
    pub fn take_own(&mut self, target: &Expr) -> Option<Val> {
        let Expr::Name(name) = target else { return None };
        self.scope.vars.borrow_mut().remove(name)
    }
}
