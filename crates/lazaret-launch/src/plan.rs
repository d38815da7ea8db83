use lazaret_model::{ImageConfig, Launch, LaunchForm, Location};
use serde::{Deserialize, Serialize};

/// What a text says is to be run: containers, the images that they name, and what was not
/// understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In which form it was written.
    pub form: LaunchForm,
    /// The containers, in the order of the text.
    pub containers: Vec<PlannedContainer>,
    /// Every image that is named, once each, in the order of the text.
    pub references: Vec<NamedImage>,
    /// Statements that no container carries: roles and bindings of a cluster, services.
    pub objects: Vec<Statement>,
    /// What was not understood.
    pub notes: Vec<Note>,
}

/// A container that is to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedContainer {
    /// Its name in the text: the service, `Deployment/web/app`, the stage.
    pub name: String,
    /// What image it runs.
    pub image: PlannedImage,
    /// How it is run.
    pub launch: Launch,
    /// Where it stands.
    pub place: Location,
}

/// The image of a planned container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlannedImage {
    /// A name, as written, variables resolved.
    Reference(String),
    /// It is built first.
    Build {
        /// The build context, as written.
        context: String,
        /// The Dockerfile below the context; None for the default name.
        dockerfile: Option<String>,
        /// Its text, where it stands in the file itself.
        inline: Option<String>,
        /// The stage; None for the last one.
        target: Option<String>,
        /// Build arguments.
        args: Vec<(String, String)>,
        /// The name that the result gets.
        name: Option<String>,
    },
    /// It is made by this Dockerfile.
    Made(Box<MadeImage>),
    /// None is named.
    #[default]
    Unknown,
}

/// What a Dockerfile makes on top of its base, as far as paper tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeImage {
    /// The image at the bottom; None for `scratch` and where a variable hides it.
    pub base: Option<String>,
    /// The configuration that the instructions make, without that of the base.
    pub config: ImageConfig,
    /// Files that instructions put there and whose content is known.
    pub files: Vec<MadeFile>,
    /// Paths that instructions put there and whose content is not known.
    pub unknown: Vec<String>,
    /// The instructions of the stages that it consists of.
    pub instructions: Vec<Statement>,
}

/// A file of a made image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it holds.
    pub content: Vec<u8>,
    /// The history step that makes it.
    pub step: usize,
}

/// One statement of a text with its parts, for rules: an instruction of a Dockerfile, an object
/// of a cluster that is no container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Its kind: `RUN`, `ClusterRoleBinding`.
    pub kind: String,
    /// Its parts, in the names of docs/LAUNCH.md; one name may stand several times.
    pub fields: Vec<(String, String)>,
    /// Where it stands.
    pub place: Option<Location>,
}

/// An image that a text names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedImage {
    /// The name, variables resolved.
    pub name: String,
    /// What for: `image`, `FROM`, `COPY --from`, `RUN --mount`, `# syntax=`, `volumes.image`.
    pub role: String,
    /// The container that is started from it, by its position; None where it is only built upon.
    pub container: Option<usize>,
    /// Where it stands.
    pub place: Location,
}

/// Something that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where.
    pub place: Location,
    /// One sentence.
    pub what: String,
    /// Whether something that decides may stand there.
    pub matters: bool,
}

impl Plan {
    pub(crate) fn new(form: LaunchForm) -> Self {
        Self { form, ..Self::default() }
    }

    /// Notes an image that is named. A name that a variable hides is a note instead.
    pub(crate) fn name_image(&mut self, name: &str, role: &str, container: Option<usize>, place: &Location) {
        let name = name.trim();
        if name.is_empty() || name == "scratch" {
            return;
        }
        if name.contains('$') || name.contains(char::is_whitespace) {
            let what = format!("the image `{name}` hangs on a variable that has no value here");
            self.notes.push(Note { place: place.clone(), what, matters: false });
            return;
        }
        match self.references.iter_mut().find(|other| other.name == name && other.container == container) {
            Some(_) => {}
            None => self.references.push(NamedImage {
                name: name.to_owned(),
                role: role.to_owned(),
                container,
                place: place.clone(),
            }),
        }
    }

    pub(crate) fn note(&mut self, place: Location, what: impl Into<String>, matters: bool) {
        // A text that is hostile throughout is told by its first lines.
        if self.notes.len() < 200 {
            self.notes.push(Note { place, what: what.into(), matters });
        }
    }
}

impl Statement {
    pub(crate) fn new(kind: &str, place: Location) -> Self {
        Self { kind: kind.to_owned(), fields: Vec::new(), place: Some(place) }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
