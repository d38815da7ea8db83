//! `cargo xtask rule TACTIC/NAME [yara|sigma]`: the frame of a new detection.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

const YARA: &str = r#"/* example: fires
ELF /usr/bin/app 0755
    the text that gives it away
ENTRYPOINT ["/usr/bin/app"]
*/
/* example: quiet
FILE /usr/share/doc/app/README 0644
    a manual that mentions the text that gives it away
*/
rule RULE_NAME
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

/// Writes the frame, and refuses to overwrite a rule.
pub fn run(arguments: &[String]) -> Result<()> {
    let (id, kind) = match arguments {
        [id] => (id, "yara"),
        [id, kind] => (id, kind.as_str()),
        _ => bail!("write: cargo xtask rule TACTIC/NAME [yara|sigma]"),
    };
    let word = |w: &str| {
        !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let Some((tactic, name)) = id.split_once('/').filter(|(t, n)| word(t) && word(n)) else {
        bail!("`{id}` is no rule id: write tactic/what-is-seen in lower case, as impact/miner-binary");
    };
    let (text, ending) = match kind {
        "yara" => (YARA.replace("RULE_NAME", &name.replace('-', "_")), "yar"),
        "sigma" => (SIGMA.to_owned(), "yml"),
        other => bail!("`{other}` is no rule language: yara or sigma"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lazaret-detect/rules").join(tactic);
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let path = folder.join(format!("{name}.{ending}"));
    if path.exists() {
        bail!("{} is there already", path.display());
    }
    fs::write(&path, text).with_context(|| format!("{}", path.display()))?;
    eprintln!(
        "wrote rules/{tactic}/{name}.{ending}; next: cargo run --release -- rules check crates/lazaret-detect/rules/{tactic}"
    );
    Ok(())
}
