//! How images are run and built, in the forms in which people write it: the words of
//! `docker run`, compose files, Kubernetes manifests, Dockerfiles.
//!
//! Each reader gives a [`Plan`]: the containers with their [`lazaret_model::Launch`], and every
//! image that is named. The texts are hostile: readers are bounded, go on behind what they do not
//! understand, and say so in [`Plan::notes`]. No file is opened here; what stands beside a text
//! (a build context, an `env_file`) comes through [`Beside`].

mod beside;
mod builds;
mod command;
mod compose;
mod dockerfile;
mod engine;
mod gojson;
mod kubernetes;
mod plan;
mod sniff;
mod value;
mod variables;
mod yaml;

pub use beside::{Beside, Nothing};
pub use builds::read_with_builds;
pub use command::{command, command_line};
pub use compose::compose;
pub use dockerfile::{BuildArguments, dockerfile};
pub use engine::{create_request, inspected_container, service_request};
pub use kubernetes::kubernetes;
pub use plan::{MadeFile, MadeImage, NamedImage, Note, Plan, PlannedContainer, PlannedImage, Statement};
pub use sniff::{TextKind, read, sniff};

/// Why a text is no plan at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The words start no container.
    #[error("`{0}` starts no container: write the words of `docker run OPTIONS IMAGE COMMAND`")]
    NoRun(String),
    /// No image stands among the words.
    #[error(
        "no image stands among the words of `{0}`: write the words of `docker run OPTIONS IMAGE COMMAND`"
    )]
    NoImage(String),
    /// A quote is never closed.
    #[error("a quote in `{0}` is never closed")]
    Quote(String),
    /// The text is larger than is read.
    #[error("{0} is larger than the 8 MiB that are read of one file")]
    Large(String),
    /// A request to an engine that is none, or that may be read in two ways.
    #[error("the request cannot be judged: {0}")]
    Request(String),
    /// The text is none of the kinds that are read.
    #[error("{0} is no Dockerfile, compose file or Kubernetes manifest")]
    Kind(String),
}

/// Bytes of one text.
pub(crate) const TEXT: usize = 8 << 20;
