//! What is known of programs beyond the one event that is judged.

use std::collections::HashMap;

use lazaret_model::{Behaviour, BehaviourKind};

use super::event::{program, rooted};

/// The programs that started before an event, by the name they are called by.
pub(super) struct Scene<'a> {
    interpreter: &'a dyn Fn(&str) -> Option<String>,
    started: HashMap<&'a str, Started>,
}

struct Started {
    image: Option<String>,
    line: String,
}

impl<'a> Scene<'a> {
    /// A scene in which nothing has started. `interpreter` gives the program that the kernel
    /// runs for a script, by the script's path.
    pub(super) fn new(interpreter: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { interpreter, started: HashMap::new() }
    }

    /// Takes note of a process.
    pub(super) fn note(&mut self, behaviour: &'a Behaviour) {
        if let BehaviourKind::Process { argv, image, .. } = &behaviour.kind
            && let Some(called) = argv.first()
        {
            let image = program(image.as_deref(), argv);
            self.started.insert(crate::case::base_name(called), Started { image, line: argv.join(" ") });
        }
    }

    /// The command line of the parent that is described as `parent`, as far as it is known.
    pub(super) fn parent_line<'s>(&'s self, parent: &'s str) -> &'s str {
        // One word is a name; more are the command line itself.
        if parent.contains(' ') { parent } else { self.of(parent).map_or(parent, |known| &known.line) }
    }

    /// The images of the parent: the file, and what runs it where it is a script. Rules ask for
    /// the one or for the other.
    pub(super) fn parent_images(&self, parent: &str) -> Vec<String> {
        let Some(first) = parent.split_whitespace().next() else { return Vec::new() };
        let image = self.image(first);
        let interpreter = (self.interpreter)(&image).filter(|interpreter| *interpreter != image);
        std::iter::once(image).chain(interpreter).collect()
    }

    /// The path of the program that is called `name`.
    pub(super) fn image(&self, name: &str) -> String {
        if name.contains('/') {
            return name.to_owned();
        }
        self.of(name).and_then(|known| known.image.clone()).unwrap_or_else(|| rooted(name))
    }

    fn of(&self, name: &str) -> Option<&Started> {
        self.started.get(crate::case::base_name(name))
    }
}
