//! A request to the Docker Engine, read as the daemon reads it: Go's `net/url`, gorilla's mux, the
//! handlers of the Engine API v1.24 and later. What could be read in another way is refused.

use lazaret_model::{Platform, RegistryRef};

use crate::Refusal;

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// To read, or something that brings no image in and starts none.
    Harmless,
    /// An image from a registry.
    Pull(RegistryRef, Option<Platform>),
    /// A new container.
    Create,
    /// The start of the container of this name or id.
    Start(String),
    /// A service of a swarm.
    Service,
    /// What the daemon fetches and runs by itself.
    Unseen(Unseen),
}

/// What the daemon fetches and runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// A build.
    Build,
    /// A plugin of the engine.
    Plugin,
    /// A swarm.
    Swarm,
}

/// Reads the first line of a request. `form` says whether its body is a form, which the daemon
/// takes for parameters.
pub(crate) fn wanted(method: &str, target: &str, form: bool) -> Result<Wanted, Refusal> {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE") {
        return Ok(Wanted::Harmless);
    }
    // A proxy is asked for a whole address, and a daemon understands that too.
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    };
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decoded(path, false).ok_or_else(|| unclear("its path is not encoded as URLs are"))?;
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let is_version = |part: &str| {
        part.strip_prefix('v').is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
    };
    if parts.first().is_some_and(|first| is_version(first)) {
        parts.remove(0);
    }
    match parts.as_slice() {
        ["images", "create"] if form => Err(unclear("its body is a form, which stands before the address")),
        ["images", "create"] => pull(query),
        // What is loaded, imported, committed or tagged is judged when something is made of it.
        ["images", "load" | "prune"] | ["images", _, .., "push" | "tag"] | ["commit"] => Ok(Wanted::Harmless),
        ["containers", "create"] => Ok(Wanted::Create),
        ["containers", name @ .., "start" | "restart"] if !name.is_empty() => {
            Ok(Wanted::Start(name.join("/")))
        }
        ["containers", "prune"] => Ok(Wanted::Harmless),
        [
            "containers",
            _,
            ..,
            "stop" | "kill" | "pause" | "unpause" | "wait" | "resize" | "attach" | "rename" | "update"
            | "exec" | "archive" | "copy" | "checkpoints",
        ] => Ok(Wanted::Harmless),
        ["build", "prune" | "cancel"] => Ok(Wanted::Harmless),
        ["build"] | ["session"] | ["grpc"] => Ok(Wanted::Unseen(Unseen::Build)),
        ["plugins", .., "disable" | "push" | "set"] => Ok(Wanted::Harmless),
        ["plugins", ..] => Ok(Wanted::Unseen(Unseen::Plugin)),
        ["services", "create"] | ["services", _, .., "update"] => Ok(Wanted::Service),
        ["swarm", "leave" | "update" | "unlock"] => Ok(Wanted::Harmless),
        ["swarm", ..] => Ok(Wanted::Unseen(Unseen::Swarm)),
        ["auth"] | ["exec" | "volumes" | "networks" | "secrets" | "configs" | "nodes", ..] => {
            Ok(Wanted::Harmless)
        }
        _ => {
            let said = lazaret_model::one_line(&format!("{method} {path}"), 120);
            Err(Refusal::denied(format!("lazaret does not know what `{said}` does, so it may not"), None))
        }
    }
}

/// `POST /images/create`: from a registry, or of a file.
fn pull(query: &str) -> Result<Wanted, Refusal> {
    // Old daemons part at a semicolon, new ones leave such a pair out.
    if query.contains(';') {
        return Err(unclear("a semicolon stands in its address"));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let read =
            |text| decoded(text, true).ok_or_else(|| unclear("its address is not encoded as URLs are"));
        let (name, value) = (read(name)?, read(value)?);
        if pairs.iter().any(|(other, _)| *other == name) {
            return Err(unclear("its address says one thing twice"));
        }
        pairs.push((name, value));
    }
    let get =
        |name: &str| pairs.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str());
    let (image, tag) = (get("fromImage"), get("tag"));
    if image.is_empty() {
        // An archive: nothing of it runs before a container is made of it.
        return Ok(Wanted::Harmless);
    }
    let mut reference: RegistryRef =
        image.trim_end_matches(':').parse().map_err(|error| unclear(&format!("{error}")))?;
    if !tag.is_empty() {
        let own = reference.tag.is_some() || reference.digest.is_some();
        match tag.parse() {
            _ if own => return Err(unclear("its address names a tag twice")),
            Ok(digest) => reference.digest = Some(digest),
            Err(_) => {
                let with = format!("{}/{}:{tag}", reference.registry, reference.repository);
                reference = with.parse().map_err(|error| unclear(&format!("{error}")))?;
            }
        }
    }
    if reference.tag.is_none() && reference.digest.is_none() {
        let said = "all tags of a repository cannot be judged at once: name the one that you want";
        return Err(Refusal::denied(said, None));
    }
    let platform = match get("platform") {
        "" => None,
        text => Some(text.to_ascii_lowercase().parse().map_err(|error| unclear(&format!("{error}")))?),
    };
    Ok(Wanted::Pull(reference, platform))
}

/// A request that could mean something else to the daemon.
pub(crate) fn unclear(why: &str) -> Refusal {
    let why = lazaret_model::one_line(why, 300);
    Refusal::denied(format!("lazaret refuses a request that may be read in two ways: {why}"), None)
}

/// Percent-encoding undone, once. None where it is none.
fn decoded(text: &str, plus: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let hex = |byte: u8| char::from(byte).to_digit(16);
                out.push(u8::try_from(hex(digits[0])? * 16 + hex(digits[1])?).ok()?);
                rest = after;
            }
            b'+' if plus => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn post(target: &str) -> Result<Wanted, Refusal> {
        wanted("POST", target, false)
    }

    #[test]
    fn every_spelling_of_an_address_is_the_address() {
        for target in [
            "/containers/create",
            "/v1.41/containers/create",
            "/v1.41/containers/create?name=x",
            "//containers///create",
            "/v1.41/containers/create/",
            "/v1.41/%63ontainers/cre%61te",
            "/v1.41/images/../containers/./create",
            "http://localhost/v1.41/containers/create",
            "/v1.41/containers%2fcreate",
        ] {
            assert_eq!(post(target), Ok(Wanted::Create), "{target}");
        }
        assert_eq!(post("/v1.41/containers/a%2Fb/start?x"), Ok(Wanted::Start("a/b".into())));
        assert_eq!(post("/containers/web/restart"), Ok(Wanted::Start("web".into())));
        for harmless in
            ["/containers/x/exec", "/exec/1/start", "/images/x/y/push?tag=1", "/volumes/create", "/auth"]
        {
            assert_eq!(post(harmless), Ok(Wanted::Harmless), "{harmless}");
        }
    }

    #[test]
    fn a_pull_names_one_image_or_is_refused() {
        let pulled = |query: &str| post(&format!("/v1.41/images/create?{query}"));
        let image = |text: &str| Ok(Wanted::Pull(text.parse().unwrap(), None));
        assert_eq!(pulled("fromImage=docker.io%2Flibrary%2Fevil&tag=1"), image("evil:1"));
        assert_eq!(pulled("tag=1&from%49mage=evil"), image("evil:1"));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(pulled(&format!("fromImage=evil&tag={digest}")), image(&format!("evil@{digest}")));
        assert_eq!(pulled("fromImage=evil:1"), image("evil:1"));
        assert_eq!(
            pulled("fromImage=evil:1&platform=linux%2Farm64"),
            Ok(Wanted::Pull("evil:1".parse().unwrap(), Some("linux/arm64".parse().unwrap())))
        );
        assert_eq!(pulled("fromSrc=-&repo=x"), Ok(Wanted::Harmless));
        for unclear in [
            "fromImage=good&fromImage=evil&tag=1",
            "fromImage=good&tag=1&tag=2",
            "fromImage=good:1&tag=2",
            "fromImage=good&tag=1;fromImage=evil",
            "fromImage=evil",
            "fromImage=EVIL&tag=1",
            "fromImage=evil%2&tag=1",
            "fromImage=good&tag=1&platform=a/b/c/d",
        ] {
            assert!(pulled(unclear).is_err(), "{unclear}");
        }
        assert!(wanted("POST", "/images/create?fromImage=good&tag=1", true).is_err(), "a form in the body");
    }

    #[test]
    fn what_nobody_knows_may_not_be_done() {
        for unknown in
            ["/v1.99/images/teleport", "/containers/x/launch", "/", "/images/create2", "/Containers/create"]
        {
            assert!(post(unknown).is_err(), "{unknown}");
        }
        assert!(wanted("PATCH", "/containers", false).is_err());
        assert_eq!(wanted("GET", "/anything", false), Ok(Wanted::Harmless));
        assert_eq!(post("/v1.41/build?t=x"), Ok(Wanted::Unseen(Unseen::Build)));
        assert_eq!(post("/session"), Ok(Wanted::Unseen(Unseen::Build)));
        assert_eq!(post("/plugins/pull?remote=x"), Ok(Wanted::Unseen(Unseen::Plugin)));
        assert_eq!(post("/plugins/x/upgrade"), Ok(Wanted::Unseen(Unseen::Plugin)));
        assert_eq!(post("/swarm/join"), Ok(Wanted::Unseen(Unseen::Swarm)));
    }
}
