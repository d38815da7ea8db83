//! The coordinates of a Java archive.

use lazaret_model::{Fact, FactKind};

use crate::{Analyzer, Subject};

/// Reads `META-INF/maven/GROUP/ARTIFACT/pom.properties`, which Maven puts into what it builds.
pub(crate) struct Maven;

/// They have three lines.
const LARGEST: usize = 4096;

impl Analyzer for Maven {
    fn name(&self) -> &'static str {
        "maven"
    }

    fn version(&self) -> u32 {
        1
    }

    fn wants(&self, subject: &Subject<'_>) -> bool {
        let named = |name: &String| name.starts_with("META-INF/maven/") && name.ends_with("/pom.properties");
        subject.inside.last().is_some_and(named) && subject.is_whole() && subject.bytes.len() <= LARGEST
    }

    fn analyze(&self, subject: &Subject<'_>, facts: &mut Vec<Fact>) -> Result<(), String> {
        let text = String::from_utf8_lossy(subject.bytes);
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().to_owned()).unwrap_or_default()
        };
        let (group, artifact, version) = (value("groupId"), value("artifactId"), value("version"));
        if !artifact.is_empty() {
            // It is a fact about the archive that holds it.
            let inside = subject.inside.to_vec();
            let kind = FactKind::JavaArtifact { group, artifact, version };
            facts.push(Fact { inside, ..subject.fact(kind) });
        }
        Ok(())
    }
}
