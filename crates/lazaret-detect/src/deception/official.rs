use std::sync::LazyLock;

use lazaret_model::{FactKind, FileKind};

use crate::Case;

/// The list, with its date in its first line.
const LIST: &str = include_str!("../../data/official-images.tsv");

/// An official image of Docker Hub.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Official {
    /// Its name, without `library/`.
    pub(crate) name: &'static str,
    marks: Vec<Mark>,
}

/// What the path of a file is compared with.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    word: &'static str,
    /// The whole file name, instead of a part of the path.
    whole: bool,
    /// Any file counts, not only what is no text.
    text: bool,
}

static OFFICIAL: LazyLock<Vec<Official>> = LazyLock::new(|| {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).map(|(name, marks)| Official::read(name, marks)).collect()
});

impl Official {
    /// All of them, sorted by name.
    pub(crate) fn all() -> &'static [Self] {
        &OFFICIAL
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|official| official.name == name)
    }

    fn read(name: &'static str, marks: &'static str) -> Self {
        let marks = marks.split(',').map(str::trim).filter(|mark| !matches!(*mark, "" | "-"));
        let marks = marks.map(|mark| {
            let (text, mark) = mark.strip_prefix("any:").map_or((false, mark), |rest| (true, rest));
            let (whole, word) = mark.strip_prefix('=').map_or((false, mark), |rest| (true, rest));
            Mark { word, whole, text }
        });
        Self { name, marks: marks.collect() }
    }

    /// Whether files can tell that an image holds it: those of a distribution's root do not.
    pub(crate) fn can_be_told(&self) -> bool {
        !self.marks.is_empty()
    }

    /// Whether the image holds what this name stands for.
    pub(crate) fn is_held(&self, case: &Case<'_>) -> bool {
        case.view.files().any(|found| {
            let path = found.entry.path.to_string().to_ascii_lowercase();
            let name = path.rsplit('/').next().unwrap_or_default();
            let meets = |mark: &&Mark| if mark.whole { name == mark.word } else { path.contains(mark.word) };
            self.marks.iter().filter(meets).any(|mark| {
                if mark.text || found.data.kind != FileKind::File {
                    // A link is not the thing, unless it leads to it.
                    return mark.text || found.data.kind == FileKind::Directory && !mark.whole;
                }
                let facts = case.facts_of(found.data_layer, &found.data.path);
                !facts.iter().any(|f| f.inside.is_empty() && matches!(f.kind, FactKind::Text { .. }))
            })
        }) || self.is_linked(case)
    }

    /// Whether a link by one of the names leads to a program of another name (`java` to an
    /// alternative, `sh` to a box of tools).
    fn is_linked(&self, case: &Case<'_>) -> bool {
        let links = case.view.files().filter(|found| matches!(found.entry.kind, FileKind::Symlink(_)));
        links
            .filter(|found| {
                let name = String::from_utf8_lossy(found.entry.path.file_name()).to_ascii_lowercase();
                self.marks.iter().any(|mark| mark.whole && name == mark.word)
            })
            .any(|found| {
                let end =
                    case.view.resolve(found.entry.path.as_bytes(), &lazaret_model::EntryPath::default());
                end.is_some_and(|end| {
                    let facts = case.facts_of(end.data_layer, &end.data.path);
                    facts.iter().any(|f| f.inside.is_empty() && matches!(f.kind, FactKind::Elf { .. }))
                })
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_list_says_its_date_and_holds_each_name_once() {
        assert!(LIST.lines().next().unwrap().contains("as of 20"));
        let names: Vec<&str> = Official::all().iter().map(|official| official.name).collect();
        assert!(names.len() > 100 && names.is_sorted(), "{names:?}");
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(Official::named("nginx").unwrap().can_be_told());
        assert!(!Official::named("debian").unwrap().can_be_told());
    }
}
