//! Which step of the history set a key of the configuration: the layer that the step comes with
//! (`Image::layer_of`) tells whether it is the image's own or came with its base.

use lazaret_model::{Image, Location};

/// Where a variable was set last.
pub(super) fn of_variable(image: &Image, at: usize, name: &str) -> Location {
    last(image, &["ENV"], |rest| sets(rest, name)).unwrap_or_else(|| Location::Config(format!("Env[{at}]")))
}

/// Where a label was set last.
pub(super) fn of_label(image: &Image, name: &str) -> Location {
    last(image, &["LABEL"], |rest| sets(rest, name))
        .unwrap_or_else(|| Location::Config(format!("Labels.{name}")))
}

/// Where the author was set.
pub(super) fn of_author(image: &Image) -> Location {
    last(image, &["MAINTAINER"], |_| true).unwrap_or_else(|| Location::Config("Author".to_owned()))
}

/// Where `Entrypoint`, `Cmd`, `Healthcheck` or `OnBuild` was set last.
pub(super) fn of_key(image: &Image, key: &str) -> Location {
    last(image, &[&key.to_ascii_uppercase()], |_| true).unwrap_or_else(|| Location::Config(key.to_owned()))
}

fn last(image: &Image, names: &[&str], fits: impl Fn(&str) -> bool) -> Option<Location> {
    let found = image.config.history.iter().rposition(|step| {
        let text = instruction(&step.created_by);
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        names.contains(&name) && fits(rest)
    });
    found.map(Location::History)
}

/// A step without what the classic builder writes before it.
fn instruction(text: &str) -> &str {
    let text = text.strip_prefix("/bin/sh -c #(nop)").unwrap_or(text);
    text.trim_start()
}

/// Whether `NAME=value …` or `NAME value` sets `name`.
fn sets(rest: &str, name: &str) -> bool {
    rest.match_indices(name).any(|(at, _)| {
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start_matches(['"', '\'']).chars().next();
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\''))
            && after.is_some_and(|c| c == '=' || c.is_whitespace() && at == 0)
    })
}
