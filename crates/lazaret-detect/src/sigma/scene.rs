//! What is known of programs beyond the one event that is judged.

use std::cell::RefCell;

use lazaret_model::{Behaviour, BehaviourKind, Certainty, ImageConfig, Phase};
use serde::Serialize;

use super::event::{program, rooted};
use crate::hash::{Map, Set};

/// The programs that started before an event, by the name they are called by.
pub(super) struct Scene<'a> {
    interpreter: &'a dyn Fn(&str) -> Option<String>,
    /// What it said.
    interpreters: RefCell<Map<String, Option<String>>>,
    started: Map<&'a str, Started>,
    /// The services that are started anywhere on the same path, in their shortest form.
    services: Set<&'a str>,
}

struct Started {
    image: Option<String>,
    line: String,
}

impl<'a> Scene<'a> {
    /// A scene in which nothing has started. `interpreter` gives the program that the kernel
    /// runs for a script, by the script's path.
    pub(super) fn new(interpreter: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            interpreter,
            interpreters: RefCell::default(),
            started: Map::default(),
            services: Set::default(),
        }
    }

    /// The same scene, with the services that `behaviours` start. A handler for a signal stands
    /// before what it will end, so that order says nothing.
    pub(super) fn with_services(mut self, behaviours: &'a [Behaviour]) -> Self {
        for behaviour in behaviours {
            let BehaviourKind::Process { argv, .. } = &behaviour.kind else { continue };
            let Some(program) = argv.first() else { continue };
            let starts = argv[1..].iter().any(|word| matches!(word.as_str(), "start" | "restart"));
            if !manages_services(program) {
                self.services.insert(service_name(program));
            } else if starts {
                self.services
                    .extend(argv.iter().filter(|word| !is_verb(word)).map(|word| service_name(word)));
            }
        }
        self
    }

    /// Whether a command speaks of a service that the same path starts: what it ends is its own.
    fn speaks_of_own_service(&self, argv: &[String]) -> bool {
        let Some((program, words)) = argv.split_first() else { return false };
        let own = |word: &String| !is_verb(word) && self.services.contains(service_name(word));
        words.iter().any(own) || (manages_services(program) && own(program))
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
    fn parent_line<'s>(&'s self, parent: &'s str) -> &'s str {
        // One word is a name; more are the command line itself.
        if parent.contains(' ') { parent } else { self.of(parent).map_or(parent, |known| &known.line) }
    }

    /// The images of the parent: the file, and what runs it where it is a script. Rules ask for
    /// the one or for the other.
    fn parent_images(&self, parent: &str) -> Vec<String> {
        let Some(first) = parent.split_whitespace().next() else { return Vec::new() };
        let image = self.image(first);
        let known = self.interpreters.borrow().get(&image).cloned();
        let interpreter = known.unwrap_or_else(|| {
            let interpreter = (self.interpreter)(&image).filter(|interpreter| *interpreter != image);
            self.interpreters.borrow_mut().insert(image.clone(), interpreter.clone());
            interpreter
        });
        std::iter::once(image).chain(interpreter).collect()
    }

    /// The path of the program that is called `name`.
    fn image(&self, name: &str) -> String {
        if name.contains('/') {
            return name.to_owned();
        }
        self.of(name).and_then(|known| known.image.clone()).unwrap_or_else(|| rooted(name))
    }

    fn of(&self, name: &str) -> Option<&Started> {
        self.started.get(crate::case::base_name(name))
    }
}

/// All that the events of one behaviour are made of, so that what is told alike is judged alike. It is told in
/// postcard, which names no fields: none of them may be left out where it is empty.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    pub phase: Phase,
    pub certainty: Certainty,
    pub kind: &'a BehaviourKind,
    pub platform: &'a str,
    pub user: &'a str,
    pub working_dir: &'a str,
    /// The command line of the process that starts this one.
    pub parent_line: Option<&'a str>,
    /// The image of the process that does it; of a process, those of the one that starts it.
    pub by: Vec<String>,
    /// Whether a command speaks of a service that the same path starts.
    pub own_service: bool,
}

impl<'a> Told<'a> {
    pub(super) fn new(
        behaviour: &'a Behaviour,
        config: &'a ImageConfig,
        platform: &'a str,
        scene: &'a Scene<'_>,
    ) -> Self {
        let (parent_line, by, own_service) = match &behaviour.kind {
            BehaviourKind::Process { argv, parent, .. } => {
                let parent = parent.as_deref();
                let by = parent.map_or_else(Vec::new, |parent| scene.parent_images(parent));
                (parent.map(|parent| scene.parent_line(parent)), by, scene.speaks_of_own_service(argv))
            }
            BehaviourKind::File { by, .. } | BehaviourKind::Network { by, .. } => {
                (None, vec![scene.image(by)], false)
            }
        };
        Self {
            phase: behaviour.phase,
            certainty: behaviour.certainty,
            kind: &behaviour.kind,
            platform,
            user: &config.user,
            working_dir: &config.working_dir,
            parent_line,
            by,
            own_service,
        }
    }
}

/// Whether a program starts and stops services: a manager of all, or the script of one.
fn manages_services(program: &str) -> bool {
    let name = crate::case::base_name(program);
    matches!(
        name,
        "service" | "systemctl" | "rc-service" | "invoke-rc.d" | "initctl" | "sv" | "supervisorctl"
    ) || name.ends_with("-control")
        || program.contains("/init.d/")
}

/// Whether a word is what to do, and not with which service.
fn is_verb(word: &str) -> bool {
    word.starts_with('-')
        || matches!(
            crate::case::base_name(word),
            "start" | "stop" | "restart" | "reload" | "service" | "systemctl"
        )
}

/// A service's name without what its unit, its daemon or its script adds.
fn service_name(word: &str) -> &str {
    let name = crate::case::base_name(word);
    let name = name.strip_suffix(".service").or_else(|| name.strip_suffix("-control")).unwrap_or(name);
    name.strip_suffix('d').filter(|rest| rest.len() > 2).unwrap_or(name)
}
