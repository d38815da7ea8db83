//! From a lab recipe to plain ones: includes, placeholders and packages.

use include_dir::{Dir, include_dir};

use crate::packages::{Installed, Manager};
use crate::placeholders;

/// Every recipe, as it lies in the source tree.
pub(crate) static RECIPES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/recipes");

/// How deep a base may include another.
const DEEPEST: usize = 8;

/// The plain recipe that a text stands for.
pub(crate) fn expand(text: &str) -> Result<String, String> {
    let included = include(text, 0)?;
    let filled = placeholders::fill(&included)?;
    install(&filled)
}

fn include(text: &str, depth: usize) -> Result<String, String> {
    if depth > DEEPEST {
        return Err("bases include each other without end".to_owned());
    }
    let mut out = String::new();
    for line in text.lines() {
        let inner = line.trim_start_matches(' ');
        match inner.strip_prefix("INCLUDE ") {
            None => {
                out.push_str(line);
                out.push('\n');
            }
            Some(name) => {
                let indent = &line[..line.len() - inner.len()];
                let path = format!("base/{}.recipe", name.trim());
                let file = RECIPES.get_file(&path).ok_or_else(|| format!("there is no recipes/{path}"))?;
                let base = file.contents_utf8().ok_or_else(|| format!("recipes/{path} is not UTF-8"))?;
                for line in include(base, depth + 1)?.lines().filter(|l| !l.starts_with("#")) {
                    if !line.is_empty() {
                        out.push_str(indent);
                    }
                    out.push_str(line);
                    out.push('\n');
                }
            }
        }
    }
    Ok(out)
}

/// Replaces each `PACKAGES` block by the files that installing them makes.
fn install(text: &str) -> Result<String, String> {
    let mut installed = Installed::default();
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("PACKAGES ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let manager =
            Manager::parse(name.trim()).ok_or_else(|| format!("`{line}`: the managers are deb and apk"))?;
        let mut block = Vec::new();
        while let Some(inner) = lines.peek().and_then(|l| l.strip_prefix("    ")) {
            block.push(inner);
            lines.next();
        }
        out.push_str(&installed.install(manager, &block)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_later_package_keeps_the_earlier_ones_in_the_database() {
        let text = "PACKAGES deb\n    a 1 /usr/bin/a\nLAYER x\nPACKAGES deb\n    b 2 /etc/b=\n";
        let recipe = lazaret_recipe::Recipe::parse(&expand(text).unwrap()).unwrap();
        let last = recipe.layers[1].files.last().unwrap();
        assert_eq!(last.entry.path, "var/lib/dpkg/status".into());
        let status = String::from_utf8(last.bytes.clone()).unwrap();
        assert!(status.contains("Package: a\n") && status.contains("Package: b\n"));
        assert!(recipe.layers[0].files[0].bytes.starts_with(b"\x7fELF"));
        assert!(!recipe.layers[1].files.iter().any(|f| f.entry.path == "etc/b".into()));
    }

    #[test]
    fn what_cannot_be_expanded_is_named() {
        assert!(expand("INCLUDE no-such-base\n").unwrap_err().contains("no-such-base"));
        assert!(expand("PACKAGES rpm\n    a 1\n").unwrap_err().contains("rpm"));
    }
}
