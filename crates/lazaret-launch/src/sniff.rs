//! Which kind of text a file holds.

use crate::{Beside, BuildArguments, LaunchError, Plan, TEXT, command_line, compose, dockerfile, kubernetes};

/// A kind of text that says how images are run or built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A Dockerfile or Containerfile.
    Dockerfile,
    /// A compose file.
    Compose,
    /// A Kubernetes manifest.
    Kubernetes,
    /// The words of `docker run`.
    Command,
}

/// The kind of a text by what stands in it, and by the file's name where that does not tell.
pub fn sniff(name: &str, text: &str) -> Option<TextKind> {
    let base = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let lines = || {
        text.lines()
            .map(str::trim_end)
            .filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'))
            .take(20_000)
    };
    let is_dockerfile_name = base.contains("dockerfile") || base.contains("containerfile");
    let key = |line: &str, key: &str| {
        line.trim_start_matches(['-', ' ', '"', '{']).trim_end_matches('"').starts_with(key)
    };
    let has = |wanted: &str| lines().any(|l| key(l, wanted));
    let is_yaml_name = [".yml", ".yaml", ".json"].iter().any(|ending| base.ends_with(ending));
    if !is_dockerfile_name
        && (has("kind:") || has("kind\":"))
        && (has("apiVersion") || has("spec") || has("metadata"))
    {
        return Some(TextKind::Kubernetes);
    }
    if !is_dockerfile_name
        && lines().any(|l| {
            l.starts_with("services:")
                || l.starts_with("\"services\"")
                || l.trim_start().starts_with("\"services\":")
        })
    {
        return Some(TextKind::Compose);
    }
    let first = lines().next().unwrap_or_default().trim_start();
    let word = first.split_whitespace().next().unwrap_or_default();
    if matches!(word, "docker" | "podman" | "nerdctl")
        || (word == "sudo" && (first.contains("docker") || first.contains("podman")))
    {
        return Some(TextKind::Command);
    }
    let instruction = |line: &str| {
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        matches!(
            word.as_str(),
            "FROM"
                | "ARG"
                | "RUN"
                | "CMD"
                | "ENTRYPOINT"
                | "COPY"
                | "ADD"
                | "ENV"
                | "LABEL"
                | "MAINTAINER"
                | "USER"
                | "WORKDIR"
        )
    };
    if is_dockerfile_name
        || (!is_yaml_name
            && instruction(first)
            && lines().any(|l| l.trim_start().to_ascii_uppercase().starts_with("FROM ")))
    {
        return Some(TextKind::Dockerfile);
    }
    // The first form of compose files had the services at the top.
    if is_yaml_name && (base.contains("compose") || base.contains("stack") || has("image:") || has("build:"))
    {
        return Some(TextKind::Compose);
    }
    None
}

/// Reads a text of any kind.
///
/// # Errors
/// A text that is none of the kinds, or too large; words that start no container.
pub fn read(
    name: &str,
    text: &str,
    kind: Option<TextKind>,
    beside: &dyn Beside,
) -> Result<Plan, LaunchError> {
    if text.len() > TEXT {
        return Err(LaunchError::Large(name.to_owned()));
    }
    match kind.or_else(|| sniff(name, text)) {
        Some(TextKind::Dockerfile) => Ok(dockerfile(text, name, &BuildArguments::default(), beside)),
        Some(TextKind::Compose) => Ok(compose(text, name, beside)),
        Some(TextKind::Kubernetes) => Ok(kubernetes(text, name)),
        Some(TextKind::Command) => command_line(text, beside),
        None => Err(LaunchError::Kind(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_kind_before_the_name_does() {
        for (name, text, kind) in [
            ("x", "# c\nFROM alpine\nRUN id\n", Some(TextKind::Dockerfile)),
            ("app.Dockerfile", "ARG X\nFROM $X\n", Some(TextKind::Dockerfile)),
            ("x.txt", "version: '3'\nservices:\n  a:\n    image: x\n", Some(TextKind::Compose)),
            ("x.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", Some(TextKind::Kubernetes)),
            ("x.json", "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\"\n}", Some(TextKind::Kubernetes)),
            ("docker-compose.yml", "web:\n  image: nginx\n", Some(TextKind::Compose)),
            ("run.sh", "sudo docker run x", Some(TextKind::Command)),
            ("notes.txt", "hello\n", None),
        ] {
            assert_eq!(sniff(name, text), kind, "{name}");
        }
    }
}
