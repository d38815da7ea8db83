//! Services that are built first: their Dockerfiles, where they stand beside the text.

use crate::{
    Beside, BuildArguments, LaunchError, NamedImage, Note, Plan, PlannedContainer, PlannedImage, TextKind,
    dockerfile, read,
};

/// Reads a text of any kind, and the Dockerfiles beside it from which its containers are built:
/// such a container is then judged over what its Dockerfile makes.
///
/// # Errors
/// As [`read`].
pub fn read_with_builds(
    name: &str,
    text: &str,
    kind: Option<TextKind>,
    beside: &dyn Beside,
) -> Result<Plan, LaunchError> {
    let mut plan = read(name, text, kind, beside)?;
    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    for at in 0..plan.containers.len() {
        build(&mut plan, at, parent, beside);
    }
    Ok(plan)
}

/// Reads the Dockerfile of one container. `parent` is the folder of the text, as it is shown.
fn build(plan: &mut Plan, at: usize, parent: &str, beside: &dyn Beside) {
    let PlannedImage::Build { context, dockerfile: file, inline, target, args, .. } =
        plan.containers[at].image.clone()
    else {
        return;
    };
    let context = context.trim_start_matches("./").trim_end_matches('/');
    let context = if context == "." { "" } else { context };
    let inside = Inside { beside, folder: context };
    let file = file.unwrap_or_else(|| "Dockerfile".to_owned());
    let text = match inline {
        Some(text) => Some(text),
        None => inside.read(&file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    };
    let shown = joined(parent, &joined(context, &file));
    let Some(text) = text else {
        let place = plan.containers[at].place.clone();
        let what = format!("{shown}, from which it is built, cannot be read");
        plan.notes.push(Note { place, what, matters: false });
        return;
    };
    let made = dockerfile(&text, &shown, &BuildArguments { target, args }, &inside);
    for reference in made.references {
        plan.references.push(NamedImage { container: None, ..reference });
    }
    plan.notes.extend(made.notes);
    if let Some(stage) = made.containers.into_iter().next() {
        plan.containers[at].image = stage.image.clone();
        let name = format!("{} (build)", plan.containers[at].name);
        plan.containers.push(PlannedContainer { name, ..stage });
    }
}

/// A folder of what stands beside a text.
struct Inside<'a> {
    beside: &'a dyn Beside,
    /// Relative; empty for the whole.
    folder: &'a str,
}

impl Beside for Inside<'_> {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.beside.read(&joined(self.folder, name))
    }

    fn below(&self, folder: &str) -> Vec<(String, u32)> {
        self.beside.below(&joined(self.folder, folder))
    }
}

fn joined(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", name) => name.to_owned(),
        (folder, "") => folder.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Files by their names.
    struct Files(&'static [(&'static str, &'static str)]);

    impl Beside for Files {
        fn read(&self, name: &str) -> Option<Vec<u8>> {
            self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_bytes().to_vec())
        }

        fn below(&self, folder: &str) -> Vec<(String, u32)> {
            let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let names = self.0.iter().filter_map(|(name, _)| name.strip_prefix(&prefix));
            names.map(|name| (name.to_owned(), 0o755)).collect()
        }
    }

    #[test]
    fn a_service_that_is_built_is_what_its_dockerfile_makes_of_its_own_folder() {
        let files = Files(&[
            ("web/Dockerfile", "FROM debian:13\nCOPY start.sh /start.sh\nCMD [\"/start.sh\"]\n"),
            ("web/start.sh", "#!/bin/sh\nexec httpd\n"),
            ("start.sh", "#!/bin/sh\nanother\n"),
        ]);
        let text = "services:\n  web:\n    build: ./web\n  api:\n    build: ./api\n";
        let plan = read_with_builds("project/compose.yml", text, None, &files).unwrap();
        let web = plan.containers.iter().find(|one| one.name.contains("web")).unwrap();
        let PlannedImage::Made(made) = &web.image else { panic!("{:?}", web.image) };
        assert_eq!(made.files[0].content, b"#!/bin/sh\nexec httpd\n");
        assert!(plan.containers.iter().any(|one| one.name.ends_with("web (build)")));
        let note = plan.notes.iter().find(|note| note.what.contains("project/api/Dockerfile")).unwrap();
        assert!(!note.matters);
        assert!(plan.references.iter().any(|named| named.name == "debian:13"));
    }
}
