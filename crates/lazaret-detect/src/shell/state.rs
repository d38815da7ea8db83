//! What a shell holds while it runs.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use lazaret_model::{Certainty, Location};

use super::run::Flow;
use super::syntax::Node;
use super::value::Value;
use super::variables::{Changes, Mark, Turn, Variable, Variables};
use super::world::{Input, Site, World};

/// A name that a function made its own, and what it was before.
pub(super) type Local = (Rc<str>, Option<Rc<Variable>>);

/// A place that one can go back to.
#[must_use = "a place that is not gone back to keeps the history growing"]
pub(super) struct Before {
    mark: Mark,
    args: Vec<Value>,
    cwd: String,
}

/// Something that an arm can leave before its end: a loop by `break`, a function by `return`.
pub(super) struct Frame {
    function: bool,
    /// What the arms that left it had changed.
    left: Vec<Changes>,
}

/// All that decides what a loop's next round does.
pub(super) struct Stand {
    mark: Mark,
    args: Vec<Value>,
    cwd: String,
    rest: [usize; 7],
}

/// What a branch left that was taken back.
pub(super) struct After {
    changes: Changes,
    args: Vec<Value>,
    cwd: String,
}

/// A shell about to run one script.
pub(crate) struct Shell<'w> {
    pub(super) world: &'w mut dyn World,
    pub(super) vars: Variables,
    pub(super) functions: HashMap<String, Rc<Node>>,
    /// What `alias` made of names.
    pub(super) aliases: HashMap<String, String>,
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
    /// Loops and functions that are being run, innermost last.
    pub(super) frames: Vec<Frame>,
    /// Functions that are being called; with how all stood where it was by themselves.
    pub(super) active: Vec<(Rc<Node>, Option<Stand>)>,
    /// How often a function was defined as something that it was not before.
    pub(super) defined: usize,
    /// Saved values of `local` variables, innermost function last.
    pub(super) locals: Vec<Vec<Local>>,
    /// What descriptors opened by `exec` lead to.
    pub(super) descriptors: HashMap<u32, Input>,
    /// Descriptors above 2 that lead to the network.
    pub(super) sockets: HashMap<u32, String>,
    pub(super) substitutions: u32,
    /// Whether the word that is expanded names a command.
    pub(super) names_command: bool,
    /// Where the shell's own output goes after `exec >file`.
    pub(super) output: Vec<(Value, bool)>,
    /// Where `getopts` stands inside a word of options.
    pub(super) option_at: usize,
    /// What files descriptors opened by `exec` write to.
    pub(super) files: HashMap<u32, Value>,
    /// Where the shell's own input comes from after `exec <file`.
    pub(super) stdin: Option<Input>,
    /// Directories that `pushd` left.
    pub(super) directories: Vec<String>,
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
        let mut vars = Variables::default();
        for (name, value) in setup.env.iter() {
            vars.put(name, Variable { exported: true, ..Variable::one(value.clone()) });
        }
        Self {
            world,
            vars,
            functions: HashMap::new(),
            aliases: HashMap::new(),
            called: HashSet::new(),
            args: setup.args,
            args_known: true,
            zero: setup.zero,
            cwd: setup.cwd,
            user: setup.user,
            site: setup.site,
            certainty: setup.certainty,
            name: setup.name,
            frames: Vec::new(),
            active: Vec::new(),
            defined: 0,
            locals: Vec::new(),
            descriptors: HashMap::new(),
            sockets: HashMap::new(),
            substitutions: 0,
            names_command: false,
            output: Vec::new(),
            option_at: 0,
            files: HashMap::new(),
            stdin: None,
            directories: Vec::new(),
        }
    }

    pub(super) fn because(&self, line: u32) -> Vec<Location> {
        self.site.at(line)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Rc<Variable>> {
        self.vars.get(name)
    }

    /// The name that a reference (`declare -n`) stands for.
    pub(super) fn meant<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..8 {
            match self.vars.get(name) {
                Some(v) if v.turn == Turn::Reference => match v.values.first().and_then(Value::known) {
                    Some(next) if !next.is_empty() => name = next,
                    _ => break,
                },
                _ => break,
            }
        }
        name
    }

    pub(super) fn set(&mut self, name: &str, value: Value) {
        let name = self.meant(name).to_owned();
        let (exported, turn) = self.get(&name).map_or((false, Turn::None), |v| (v.exported, v.turn));
        let value = match turn {
            Turn::Upper => Value { text: value.text.to_uppercase(), ..value },
            Turn::Lower => Value { text: value.text.to_lowercase(), ..value },
            Turn::Integer => {
                let text = value.text.clone();
                self.arithmetic(&text, 1)
            }
            Turn::None | Turn::Reference => value,
        };
        self.put(&name, Variable { exported, turn, ..Variable::one(value) });
    }

    pub(super) fn put(&mut self, name: &str, variable: Variable) {
        self.vars.put(name, variable);
    }

    pub(super) fn unset(&mut self, name: &str) {
        // Set to nothing by the script itself: no launch can say otherwise.
        self.put(name, Variable::one(Value::empty()));
    }

    pub(super) fn export(&mut self, name: &str) {
        if let Some(variable) = self.get(name) {
            let variable = Variable { exported: true, ..(**variable).clone() };
            self.put(name, variable);
        }
    }

    /// The environment of programs.
    pub(super) fn environment(&mut self) -> Rc<Vec<(String, Value)>> {
        self.vars.environment()
    }

    /// `PATH` as text.
    pub(super) fn search(&self) -> String {
        self.get("PATH")
            .and_then(|v| v.values.first())
            .and_then(Value::known)
            .unwrap_or(crate::launch::DEFAULT_PATH)
            .to_owned()
    }

    pub(super) fn before(&mut self) -> Before {
        Before { mark: self.vars.mark(), args: self.args.clone(), cwd: self.cwd.clone() }
    }

    /// Takes back what was changed since.
    pub(super) fn back(&mut self, to: Before) {
        self.vars.back(to.mark);
        self.args = to.args;
        self.cwd = to.cwd;
    }

    /// Takes back what was changed since, and says what it was.
    pub(super) fn take_back(&mut self, to: Before) -> After {
        let changes = self.vars.take_back(to.mark);
        let args = std::mem::replace(&mut self.args, to.args);
        let cwd = std::mem::replace(&mut self.cwd, to.cwd);
        After { changes, args, cwd }
    }

    /// How all stands now. Give it back to [`Shell::stood_still`].
    pub(super) fn stand(&mut self) -> Stand {
        Stand { mark: self.vars.mark(), args: self.args.clone(), cwd: self.cwd.clone(), rest: self.rest() }
    }

    fn rest(&self) -> [usize; 7] {
        [
            self.world.stated(),
            self.world.changes(),
            self.defined,
            self.option_at,
            self.directories.len(),
            self.output.len(),
            self.files.len() + self.sockets.len(),
        ]
    }

    /// Whether all is as it was: what came since would come again in the same way.
    pub(super) fn is_as(&self, stand: &Stand) -> bool {
        // What is read from a descriptor moves on, and an alias is any text.
        let simple = self.descriptors.is_empty() && self.stdin.is_none() && self.aliases.is_empty();
        simple
            && self.rest() == stand.rest
            && self.args == stand.args
            && self.cwd == stand.cwd
            && self.vars.unchanged_since(&stand.mark)
    }

    pub(super) fn stood_still(&mut self, stand: Stand) -> bool {
        let still = self.is_as(&stand);
        self.vars.keep(stand.mark);
        still
    }

    pub(super) fn open_frame(&mut self, function: bool) {
        self.frames.push(Frame { function, left: Vec::new() });
    }

    pub(super) fn close_frame(&mut self) {
        self.join_left();
        self.frames.pop();
    }

    /// Notes what an arm had changed that may have left a loop or a function.
    pub(super) fn leave(&mut self, flow: Flow, after: After) {
        let frame = match flow {
            Flow::Break | Flow::Continue => self.frames.last_mut().filter(|frame| !frame.function),
            Flow::Return => self.frames.iter_mut().rev().find(|frame| frame.function),
            Flow::Next | Flow::Exit => None,
        };
        if let Some(frame) = frame
            && frame.left.len() < 256
        {
            frame.left.push(after.changes);
        }
    }

    /// Makes possible what arms had changed that may have left the innermost loop or function.
    pub(super) fn join_left(&mut self) {
        if self.frames.last().is_none_or(|frame| frame.left.is_empty()) {
            return;
        }
        let left = self.frames.last_mut().map(|frame| std::mem::take(&mut frame.left)).unwrap_or_default();
        for changes in left {
            self.vars.add_possible(changes);
        }
    }

    /// Makes it so again.
    pub(super) fn apply(&mut self, after: After) {
        self.vars.apply(after.changes);
        self.args = after.args;
        self.cwd = after.cwd;
    }

    /// What is so after arms that may each have run. Where `every` way leads through one of them,
    /// the last one's arguments and directory stay; otherwise those from before.
    pub(super) fn join_arms(&mut self, mut arms: Vec<After>, every: bool) {
        if let Some(last) = arms.last_mut().filter(|_| every) {
            self.args = std::mem::take(&mut last.args);
            self.cwd = std::mem::take(&mut last.cwd);
        }
        self.vars.apply_as_possible(arms.into_iter().map(|arm| arm.changes).collect(), every);
    }
}
