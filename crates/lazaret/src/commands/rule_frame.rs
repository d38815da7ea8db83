//! The frame of a new detection.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const YARA: &str = r#"rule RULE_NAME
{
    meta:
        title = "do what it does (completes: this image may …)"
        explanation = "What it is, why it is bad, what to do."
        class = "malware"
        severity = "high"
        confidence = "low"
        attack = "T1496.001"
        reference = "https://attack.mitre.org/techniques/T1496/001/"

    strings:
        $a = "the text that gives it away"

    condition:
        uint32(0) == 0x464c457f and $a
}

/* example: fires on a program that holds it
    ELF /usr/bin/app 0755
        the text that gives it away
    ENTRYPOINT ["/usr/bin/app"]
*/
/* example: quiet on a manual that mentions it
    FILE /usr/share/doc/app/README 0644
        a manual that mentions the text that gives it away
*/
"#;

const SIGMA: &str = r#"title: do what it does (completes "this image may …")
id: 00000000-0000-4000-8000-000000000000
status: experimental
description: What it is, why it is bad, what to do.
references:
    - https://attack.mitre.org/techniques/T1059/004/
tags:
    - attack.t1059.004
logsource:
    category: process_creation
    product: linux
detection:
    selection:
        CommandLine|contains: what gives it away
    condition: selection
level: high
lazaret:
    class: malware
    confidence: low
    examples:
        fires:
            - |
                ENTRYPOINT ["/bin/sh", "-c", "what gives it away"]
        quiet:
            - |
                ENTRYPOINT ["/bin/sh", "-c", "something honest"]
"#;

/// Writes the frame of rule `id` below `folder`, and refuses to overwrite a rule.
pub fn write(id: &str, sigma: bool, folder: &Path) -> Result<PathBuf> {
    let word = |w: &str| {
        !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let Some((tactic, name)) = id.split_once('/').filter(|(t, n)| word(t) && word(n)) else {
        bail!("`{id}` is no rule id: write tactic/what-is-seen in lower case, as impact/miner-binary");
    };
    let (text, ending) = match sigma {
        false => (YARA.replace("RULE_NAME", &name.replace('-', "_")), "yar"),
        true => (SIGMA.to_owned(), "yml"),
    };
    let folder = folder.join(tactic);
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let path = folder.join(format!("{name}.{ending}"));
    if path.exists() {
        bail!("{} is there already", path.display());
    }
    fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    Ok(path)
}
