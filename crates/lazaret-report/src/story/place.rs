//! Places for a story: short, and in the words of a Dockerfile where there are some.

use lazaret_model::Location;

/// A place as a reader looks it up.
pub fn words(location: &Location) -> String {
    match location {
        Location::Config(key) => match key.split(['[', '.']).next().unwrap_or_default() {
            "Entrypoint" => "ENTRYPOINT".to_owned(),
            "Cmd" => "CMD".to_owned(),
            "Env" => "ENV".to_owned(),
            "Healthcheck" => "HEALTHCHECK".to_owned(),
            "OnBuild" => "ONBUILD".to_owned(),
            "Labels" => "LABEL".to_owned(),
            "User" => "USER".to_owned(),
            "Volumes" => "VOLUME".to_owned(),
            "ExposedPorts" => "EXPOSE".to_owned(),
            _ => format!("configuration {key}"),
        },
        Location::History(step) => format!("step {step} of the history"),
        other => other.to_string(),
    }
}
