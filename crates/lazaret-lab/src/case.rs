//! Cases and where they come from.

use std::fmt;

use include_dir::File;
use lazaret_recipe::Recipe;
use sha2::{Digest, Sha256};

use crate::expand::{RECIPES, expand};
use crate::layout::Compression;

/// What is true of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Made to harm whoever runs it.
    Malicious,
    /// A tool that some want and others abuse, and that says what it is.
    DualUse,
    /// Harmless.
    Benign,
}

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// The images of one account, modelled on the case that started the project.
    Lineup,
    /// One case for each row of the technique catalogue.
    Catalogue,
    /// What could be mistaken for one of them.
    NearMiss,
    /// The images of three further actors, each with several accounts, who share some of their tools.
    Actors,
}

impl Label {
    /// The word in `manifest.tsv`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Malicious => "malicious",
            Self::DualUse => "dual-use",
            Self::Benign => "benign",
        }
    }
}

impl Set {
    /// The word in `manifest.tsv`, also the name of its folder.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lineup => "lineup",
            Self::Catalogue => "catalogue",
            Self::NearMiss => "near-miss",
            Self::Actors => "actors",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An image of the lab, with all that a registry's site would show of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of its recipe file, with the tag behind it where the file makes several cases.
    pub name: String,
    /// What it is for.
    pub set: Set,
    /// What is true of it.
    pub label: Label,
    /// Row of the technique catalogue; empty where none applies.
    pub technique: String,
    /// Why it is labelled so.
    pub note: String,
    /// Who made it, where that is another than its account; see [`Case::actor`].
    actor: String,
    /// Account on the registry.
    pub account: String,
    /// Repository below the account.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// What the registry's page says.
    pub description: String,
    /// When the repository was made, RFC 3339.
    pub created: String,
    /// When the tag was last pushed, RFC 3339.
    pub updated: String,
    /// How often it was pulled.
    pub pulls: u64,
    /// How its layers are compressed.
    pub compression: Compression,
    /// One for each platform; none for a repository that holds no image.
    pub images: Vec<Recipe>,
}

/// Why a recipe file makes no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recipes/{file}: {what}")]
pub struct CaseError {
    /// The file, below `recipes`.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

impl Case {
    /// Its layout's folder below the corpus, `set/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.set, self.name)
    }

    /// Who made it: one actor may have several accounts.
    pub fn actor(&self) -> &str {
        if self.actor.is_empty() { &self.account } else { &self.actor }
    }

    /// The platforms of its images, with commas between them.
    pub fn platform(&self) -> String {
        let names: Vec<String> = self.images.iter().map(|image| image.platform.to_string()).collect();
        names.join(",")
    }

    /// How somebody starts it, where the launch and not the image is guilty.
    pub fn run(&self) -> Option<&str> {
        self.images.iter().find_map(|image| image.run.as_deref())
    }

    /// The same where the launch is what the case is about. The others are what they are however
    /// they are started.
    pub fn guilty_run(&self) -> Option<&str> {
        self.run().filter(|_| self.technique == GUILTY_LAUNCH)
    }
}

/// Row of the technique catalogue of which the launch is guilty and not the image.
const GUILTY_LAUNCH: &str = "56";

/// Every case, ordered by set and name.
pub fn cases() -> Result<Vec<Case>, CaseError> {
    let mut all = Vec::new();
    for set in [Set::Lineup, Set::Catalogue, Set::NearMiss, Set::Actors] {
        let mut files: Vec<&File<'_>> =
            RECIPES.get_dir(set.word()).into_iter().flat_map(|d| d.files()).collect();
        files.sort_by_key(|file| file.path());
        for file in files {
            let name = file.path().file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let failed = |what: String| CaseError { file: file.path().display().to_string(), what };
            let text = file.contents_utf8().ok_or_else(|| failed("it is not UTF-8".to_owned()))?;
            all.extend(parse(set, name, text).map_err(failed)?);
        }
    }
    Ok(all)
}

/// One image or one tag of a file.
enum Part<'a> {
    Platform,
    Tag(&'a str),
}

fn parse(set: Set, name: &str, text: &str) -> Result<Vec<Case>, String> {
    let mut common = String::new();
    let mut parts: Vec<(Part<'_>, String)> = Vec::new();
    for line in text.lines() {
        let part = match line.strip_prefix("=== ").map(str::trim) {
            Some("platform") => Some(Part::Platform),
            Some(other) => Some(Part::Tag(
                other.strip_prefix("tag ").ok_or("after `===` stands `platform` or `tag NAME`")?,
            )),
            None => None,
        };
        match (part, parts.last_mut()) {
            (Some(part), _) => parts.push((part, String::new())),
            (None, Some((_, body))) => body.extend([line, "\n"]),
            (None, None) => common.extend([line, "\n"]),
        }
    }

    let mut base = Case::named(set, name);
    base.headers(&common)?;
    if parts.is_empty() {
        base.add(&common)?;
        return base.finish().map(|case| vec![case]);
    }
    let mut found = Vec::new();
    for (part, body) in parts {
        let whole = format!("{common}{body}");
        match part {
            Part::Platform => {
                // A platform is written before what is common, since programs take their machine from it.
                let (platform, rest): (Vec<&str>, Vec<&str>) =
                    whole.lines().partition(|line| line.starts_with("PLATFORM "));
                base.add(&[platform, rest].concat().join("\n"))?;
            }
            Part::Tag(tag) => {
                let mut case = Case { name: format!("{name}-{tag}"), tag: tag.to_owned(), ..base.clone() };
                case.headers(&body)?;
                case.add(&whole)?;
                found.push(case.finish()?);
            }
        }
    }
    if !base.images.is_empty() {
        found.push(base.finish()?);
    }
    Ok(found)
}

impl Case {
    fn named(set: Set, name: &str) -> Self {
        // Varied, but the same for the same name.
        let compression = match Sha256::digest(name.as_bytes())[0] % 5 {
            0 => Compression::Zstd,
            1 => Compression::None,
            _ => Compression::Gzip,
        };
        Self {
            name: name.to_owned(),
            set,
            label: Label::Malicious,
            technique: String::new(),
            note: String::new(),
            actor: String::new(),
            account: String::new(),
            repository: String::new(),
            tag: "latest".to_owned(),
            description: String::new(),
            created: "2024-06-10T09:12:44Z".to_owned(),
            updated: "2024-06-21T17:40:05Z".to_owned(),
            pulls: 0,
            compression,
            images: Vec::new(),
        }
    }

    fn headers(&mut self, text: &str) -> Result<(), String> {
        for line in text.lines().filter_map(|line| line.strip_prefix("#! ")) {
            let (key, value) =
                line.split_once(':').ok_or_else(|| format!("`#! {line}`: write key: value"))?;
            let value = value.trim();
            let text = match key {
                "label" => {
                    let known = [Label::Malicious, Label::DualUse, Label::Benign];
                    self.label = known
                        .into_iter()
                        .find(|label| label.word() == value)
                        .ok_or_else(|| format!("`{value}` is not malicious, dual-use or benign"))?;
                    continue;
                }
                "compression" => {
                    self.compression = Compression::parse(value)
                        .ok_or_else(|| format!("`{value}` is not gzip, zstd or none"))?;
                    continue;
                }
                "pulls" => {
                    self.pulls = value.parse().map_err(|_| format!("`{value}` is no number of pulls"))?;
                    continue;
                }
                "technique" => &mut self.technique,
                "note" => &mut self.note,
                "actor" => &mut self.actor,
                "account" => &mut self.account,
                "repository" => &mut self.repository,
                "tag" => &mut self.tag,
                "description" => &mut self.description,
                "created" => &mut self.created,
                "updated" => &mut self.updated,
                other => return Err(format!("`#! {other}:` is no header")),
            };
            value.clone_into(text);
        }
        Ok(())
    }

    /// Adds the image that `text` describes, if it describes one.
    fn add(&mut self, text: &str) -> Result<(), String> {
        if text.lines().all(|line| line.starts_with('#') || line.trim().is_empty()) {
            return Ok(());
        }
        // An image is as old as its tag, unless its recipe says otherwise.
        let dated = if text.lines().any(|line| line.starts_with("CREATED ")) {
            text.to_owned()
        } else {
            format!("CREATED {}\n{text}", self.updated)
        };
        let plain = expand(&dated)?;
        let recipe = Recipe::parse(&plain).map_err(|e| {
            let line = plain.lines().nth(e.line.saturating_sub(1)).unwrap_or_default();
            format!("{} in `{line}`", e.what)
        })?;
        self.images.push(recipe);
        Ok(())
    }

    fn finish(mut self) -> Result<Self, String> {
        for (key, value) in
            [("account", &self.account), ("note", &self.note), ("description", &self.description)]
        {
            if value.is_empty() {
                return Err(format!("the header `#! {key}:` is missing"));
            }
            if value.contains(['\t', '\n']) {
                return Err(format!("the header `#! {key}:` holds a tab"));
            }
        }
        if self.repository.is_empty() {
            self.repository.clone_from(&self.name);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEAD: &str = "#! account: a\n#! note: n\n#! description: d\n";

    #[test]
    fn tags_are_cases_and_platforms_are_images_of_one() {
        let text = format!("{HEAD}FILE a\n=== tag 1\n#! label: benign\nFILE b\n=== tag 2\nFILE c\n");
        let found = parse(Set::Catalogue, "x", &text).unwrap();
        let shown: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.label, c.images[0].layers[0].files.len())).collect();
        assert_eq!(shown, [("x-1", Label::Benign, 2), ("x-2", Label::Malicious, 2)]);

        let text = format!("{HEAD}ELF a\n=== platform\nFILE b\n=== platform\nPLATFORM linux/arm64\nFILE c\n");
        let found = parse(Set::Catalogue, "x", &text).unwrap();
        assert_eq!((found.len(), found[0].platform().as_str()), (1, "linux/amd64,linux/arm64"));
        assert_eq!(found[0].images[1].layers[0].files[0].bytes[18], 183);
    }

    #[test]
    fn headers_alone_are_a_repository_without_an_image() {
        let found = parse(Set::Catalogue, "x", HEAD).unwrap();
        assert!(found[0].images.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("FILE a\n".to_owned(), "account"),
            (format!("{HEAD}#! label: bad\n"), "bad"),
            (format!("{HEAD}NONSENSE\n"), "NONSENSE"),
            (format!("{HEAD}#! colour: red\n"), "colour"),
            (format!("{HEAD}=== image\n"), "==="),
        ] {
            let what = parse(Set::Lineup, "x", &text).unwrap_err();
            assert!(what.contains(part), "{what}");
        }
    }
}
