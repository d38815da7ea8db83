//! What a shell holds while it runs.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use lazaret_model::{Certainty, Location};

use super::syntax::Node;
use super::value::{Know, Value};
use super::world::{Input, Site, World};

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// One value, or the elements of an array.
    pub values: Vec<Value>,
    pub array: bool,
    pub exported: bool,
}

/// A name that a function made its own, and what it was before.
pub(super) type Local = (Rc<str>, Option<Rc<Variable>>);

pub(super) type Variables = HashMap<Rc<str>, Rc<Variable>>;

/// What a branch may change and another branch must not see.
#[derive(Clone)]
pub(super) struct Snapshot {
    pub vars: Rc<Variables>,
    args: Vec<Value>,
    cwd: String,
}

/// A shell about to run one script.
pub(crate) struct Shell<'w> {
    pub(super) world: &'w mut dyn World,
    pub(super) vars: Rc<Variables>,
    pub(super) functions: HashMap<String, Rc<Node>>,
    pub(super) called: HashSet<String>,
    /// `$1` and on.
    pub(super) args: Vec<Value>,
    /// Whether the number of arguments is known: not in a function that nothing calls.
    pub(super) args_known: bool,
    /// `$0`.
    pub(super) zero: String,
    pub(super) cwd: String,
    pub(super) user: String,
    pub(super) site: Site,
    pub(super) certainty: Certainty,
    /// How programs see the one that starts them.
    pub(super) name: String,
    /// Saved values of `local` variables, innermost function last.
    pub(super) locals: Vec<Vec<Local>>,
    /// What descriptors opened by `exec` lead to.
    pub(super) descriptors: HashMap<u32, Input>,
    /// Descriptors above 2 that lead to the network.
    pub(super) sockets: HashMap<u32, String>,
    pub(super) substitutions: u32,
}

/// How a shell is started.
pub(crate) struct Setup {
    pub zero: String,
    pub args: Vec<Value>,
    pub env: Rc<Vec<(String, Value)>>,
    pub cwd: String,
    pub user: String,
    pub site: Site,
    pub certainty: Certainty,
    pub name: String,
}

impl<'w> Shell<'w> {
    /// A shell with its environment and arguments.
    pub fn new(world: &'w mut dyn World, setup: Setup) -> Self {
        let vars = setup
            .env
            .iter()
            .map(|(name, value)| {
                let variable = Variable { values: vec![value.clone()], array: false, exported: true };
                (Rc::from(name.as_str()), Rc::new(variable))
            })
            .collect();
        Self {
            world,
            vars: Rc::new(vars),
            functions: HashMap::new(),
            called: HashSet::new(),
            args: setup.args,
            args_known: true,
            zero: setup.zero,
            cwd: setup.cwd,
            user: setup.user,
            site: setup.site,
            certainty: setup.certainty,
            name: setup.name,
            locals: Vec::new(),
            descriptors: HashMap::new(),
            sockets: HashMap::new(),
            substitutions: 0,
        }
    }

    pub(super) fn because(&self, line: u32) -> Vec<Location> {
        self.site.at(line)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Rc<Variable>> {
        self.vars.get(name)
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        let exported = self.get(name).is_some_and(|v| v.exported);
        self.put(name, Variable { values: vec![value], array: false, exported });
    }

    pub(super) fn put(&mut self, name: &str, variable: Variable) {
        Rc::make_mut(&mut self.vars).insert(Rc::from(name), Rc::new(variable));
    }

    pub(super) fn unset(&mut self, name: &str) {
        // Set to nothing by the script itself: no launch can say otherwise.
        self.put(name, Variable { values: vec![Value::empty()], array: false, exported: false });
    }

    pub(super) fn export(&mut self, name: &str) {
        if let Some(variable) = self.get(name) {
            let variable = Variable { exported: true, ..(**variable).clone() };
            self.put(name, variable);
        }
    }

    /// The environment of programs, sorted by name so that the same script reads the same.
    pub(super) fn environment(&self) -> Rc<Vec<(String, Value)>> {
        let mut env: Vec<_> = self
            .vars
            .iter()
            .filter(|(_, v)| v.exported && !v.array)
            .filter_map(|(name, v)| v.values.first().map(|value| (name.to_string(), value.clone())))
            .collect();
        env.sort_by(|a, b| a.0.cmp(&b.0));
        Rc::new(env)
    }

    /// `PATH` as text.
    pub(super) fn search(&self) -> String {
        self.get("PATH")
            .and_then(|v| v.values.first())
            .and_then(Value::known)
            .unwrap_or(crate::launch::DEFAULT_PATH)
            .to_owned()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { vars: self.vars.clone(), args: self.args.clone(), cwd: self.cwd.clone() }
    }

    pub(super) fn restore(&mut self, to: Snapshot) {
        self.vars = to.vars;
        self.args = to.args;
        self.cwd = to.cwd;
    }

    /// What is so after arms that may each have run. Where `every` way leads through one of them,
    /// the last one's arguments and directory stay; otherwise those from before.
    pub(super) fn join_arms(&mut self, before: Snapshot, arms: Vec<Snapshot>, every: bool) {
        if let Some(last) = arms.last().filter(|_| every).cloned() {
            self.args = last.args;
            self.cwd = last.cwd;
        } else {
            self.args = before.args;
            self.cwd = before.cwd;
        }
        // Two arms are compared name by name; with names without end that would be quadratic.
        let names = self.vars.len() as u64 >> 4;
        let site = self.site.clone();
        self.world.spend(names, &|| site.at(1));
        self.merge(before.vars, arms.into_iter().map(|arm| arm.vars).collect());
    }

    /// What variables are after arms that may each have run: what differs from before is one of
    /// several possible values.
    fn merge(&mut self, before: Rc<Variables>, arms: Vec<Rc<Variables>>) {
        let mut merged = before;
        let base = merged.clone();
        for arm in arms {
            if Rc::ptr_eq(&arm, &base) {
                continue;
            }
            for (name, variable) in arm.iter() {
                let old = base.get(name);
                if old == Some(variable) {
                    continue;
                }
                let current = merged.get(name);
                if current != old {
                    // An earlier arm set it: its value stands for all.
                    continue;
                }
                let mut guess = (**variable).clone();
                for value in &mut guess.values {
                    *value = value.clone().at_most(Know::Guess);
                }
                Rc::make_mut(&mut merged).insert(name.clone(), Rc::new(guess));
            }
        }
        self.vars = merged;
    }
}
