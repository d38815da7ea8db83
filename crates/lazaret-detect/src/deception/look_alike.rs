use super::Official;

/// How a name passes for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// It is the name.
    Same,
    /// Its characters look like those of the name.
    Confusable,
    /// One letter is added, left out, changed or swapped.
    Typo,
    /// A word is added that says nothing of the content.
    Added(String),
}

/// The official image for which `name` can be mistaken, and how.
pub(crate) fn look_alike(name: &str) -> Option<(&'static Official, How)> {
    let name = name.to_lowercase();
    if let Some(official) = Official::named(&name) {
        return Some((official, How::Same));
    }
    let seen = skeleton(&name);
    if let Some(official) = Official::all().iter().find(|o| skeleton(o.name) == seen) {
        return Some((official, How::Confusable));
    }
    with_added_word(&name).or_else(|| with_typo(&name))
}

/// Words that are added to a name and say nothing of what else is in the image. `exporter`,
/// `proxy`, `operator` and the like say something, and are not here.
const ADDED: &[&str] = &[
    "official", "original", "real", "genuine", "verified", "trusted", "docker", "image", "images", "latest",
    "stable", "server", "db", "pro", "plus", "free", "new", "lts", "lite", "mini", "fast", "secure",
    "library",
];

fn with_added_word(name: &str) -> Option<(&'static Official, How)> {
    let mut rest = name.to_owned();
    let mut added: Vec<String> = Vec::new();
    // Parts first (`mysql-server2`), then endings without a sign (`nginx2`).
    let parts: Vec<&str> = name.split(['-', '_', '.']).collect();
    if parts.len() > 1 {
        let is_added = |part: &str| {
            let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
            ADDED.contains(&word) || word.is_empty()
        };
        let (words, kept): (Vec<&str>, Vec<&str>) = parts.iter().partition(|part| is_added(part));
        if words.is_empty() || kept.is_empty() {
            return None;
        }
        added.extend(words.iter().map(|word| (*word).to_owned()));
        rest = kept.join("-");
    }
    let short = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if Official::named(&rest).is_none() && short.len() < rest.len() && !short.is_empty() {
        added.push(rest[short.len()..].to_owned());
        rest = short.to_owned();
    }
    let official = Official::named(&rest)?;
    (!added.is_empty()).then(|| (official, How::Added(added.join(" "))))
}

/// Names that are one letter away from an official one and stand for something else.
const WORDS: &[&str] = &[
    "mango", "bongo", "shift", "spark2", "sparks", "store", "stork", "stormy", "locker", "rocker", "dockers",
    "cradle", "create", "crates", "grate", "blink", "getty", "https", "haven", "raven", "daddy", "julie",
    "postgis", "ghosts", "compose", "monika", "goland", "caddie", "units", "plane", "phone", "redit",
    "hoping", "spired", "drupalx", "ubuntus",
];

fn with_typo(name: &str) -> Option<(&'static Official, How)> {
    // One letter of four is a quarter of the name: `host` is no `ghost`.
    if name.len() < 5 || WORDS.contains(&name) {
        return None;
    }
    let near = |o: &&Official| o.name.len() >= 5 && strsim::osa_distance(o.name, name) == 1;
    Official::all().iter().find(near).map(|official| (official, How::Typo))
}

/// Whether an account's name passes for the one that the official images have.
pub(crate) fn passes_for_library(account: &str) -> bool {
    let account = account.to_lowercase();
    let seen = skeleton(&account);
    let near =
        |own: &str| account != own && (skeleton(own) == seen || strsim::osa_distance(own, &account) == 1);
    let says = ["official-images", "officialimages", "docker-official", "dockerofficial", "official-docker"];
    near("library") || near("docker-library") || says.contains(&account.as_str())
}

/// Letters of other scripts that look like Latin ones (Unicode Technical Standard 39,
/// `confusables.txt`; the lower-case letters of Cyrillic, Greek, Armenian and the Latin extensions).
const LIKE: &[(char, &str)] = &[
    ('а', "a"),
    ('ɑ', "a"),
    ('α', "a"),
    ('ƅ', "b"),
    ('Ь', "b"),
    ('с', "c"),
    ('ϲ', "c"),
    ('ԁ', "d"),
    ('ɗ', "d"),
    ('е', "e"),
    ('ҽ', "e"),
    ('є', "e"),
    ('ɡ', "g"),
    ('ց', "g"),
    ('һ', "h"),
    ('հ', "h"),
    ('і', "i"),
    ('ı', "i"),
    ('ι', "i"),
    ('ɩ', "i"),
    ('ϳ', "j"),
    ('ј', "j"),
    ('κ', "k"),
    ('к', "k"),
    ('ӏ', "l"),
    ('ⅼ', "l"),
    ('ո', "n"),
    ('п', "n"),
    ('ռ', "n"),
    ('о', "o"),
    ('ο', "o"),
    ('օ', "o"),
    ('σ', "o"),
    ('р', "p"),
    ('ρ', "p"),
    ('ԛ', "q"),
    ('զ', "q"),
    ('г', "r"),
    ('ѕ', "s"),
    ('ꜱ', "s"),
    ('т', "t"),
    ('τ', "t"),
    ('υ', "u"),
    ('ս', "u"),
    ('ʋ', "u"),
    ('ν', "v"),
    ('ѵ', "v"),
    ('ԝ', "w"),
    ('ѡ', "w"),
    ('х', "x"),
    ('χ', "x"),
    ('у', "y"),
    ('γ', "y"),
    ('ү', "y"),
    ('ʐ', "z"),
    ('ᴢ', "z"),
    ('‐', "-"),
    ('‑', "-"),
    ('–', "-"),
    ('−', "-"),
];

/// What a name looks like: two names with one skeleton are taken for each other.
fn skeleton(name: &str) -> String {
    let mut seen = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        match LIKE.iter().find(|(like, _)| *like == c) {
            Some((_, latin)) => seen.push_str(latin),
            // Full-width forms stand in the order of ASCII.
            None => seen.push(match u32::from(c) {
                wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(c).to_ascii_lowercase(),
                _ => c,
            }),
        }
    }
    // `rn` passes for `m`, and figures for letters.
    let seen = seen.replace("rn", "m").replace("vv", "w");
    let one = |c: char| match c {
        '0' => 'o',
        '1' | 'i' | '|' | '!' => 'l',
        '5' => 's',
        '3' => 'e',
        '_' => '-',
        other => other,
    };
    seen.chars().filter(|c| !is_invisible(*c)).map(one).collect()
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_made_to_be_mistaken_are_told_with_how() {
        for (name, official, how) in [
            ("nginx", "nginx", How::Same),
            ("ngіnx", "nginx", How::Confusable),
            ("ng1nx", "nginx", How::Confusable),
            ("mysq1", "mysql", How::Confusable),
            ("ｒｅｄｉｓ", "redis", How::Confusable),
            ("ngnix", "nginx", How::Typo),
            ("tomcaat", "tomcat", How::Typo),
            ("postgre", "postgres", How::Typo),
            ("nginx-official", "nginx", How::Added("official".into())),
            ("mysql-server2", "mysql", How::Added("server2".into())),
            ("tomcat22", "tomcat", How::Added("22".into())),
            ("official_redis_image", "redis", How::Added("official image".into())),
        ] {
            let found = look_alike(name);
            assert_eq!(found.map(|(o, how)| (o.name, how)), Some((official, how)), "{name}");
        }
    }

    #[test]
    fn names_that_say_what_they_are_pass_for_nothing() {
        for name in [
            "nginx-exporter",
            "nginx-ingress",
            "redis-operator",
            "postgres-backup",
            "mysqld-exporter",
            "myapp",
            "mango",
            "rocker",
            "redis-commander",
            "tomcat-sample-app",
            "host",
            "nodejs-hello",
            "pgadmin4",
            "golangci-lint",
            "server",
            "docker-image",
        ] {
            let found = look_alike(name).map(|(o, how)| (o.name, how));
            assert!(
                matches!(found, None | Some((_, How::Same))) || name == "docker-image",
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn accounts_that_pass_for_the_official_one_are_told() {
        for account in ["1ibrary", "libary", "Iibrary", "docker-1ibrary", "official-images"] {
            assert!(passes_for_library(account), "{account}");
        }
        for account in ["library", "bitnami", "mylibrary2", "docker", "acme"] {
            assert!(!passes_for_library(account), "{account}");
        }
    }
}
