//! `npm start` and its relatives: the commands that a `package.json` names.

use super::super::paper::Paper;
use super::super::process::absolute;
use super::wrap::Inner;
use crate::shell::{Held, Start, Value, World};

/// The longest `package.json` that is read.
const LONGEST: usize = 256 << 10;

/// What `npm start`, `npm run NAME`, `yarn NAME`, `pnpm NAME` and `bun run NAME` run.
pub(crate) fn inner(paper: &mut Paper<'_>, start: &Start, name: &str) -> Option<Inner> {
    if !matches!(name, "npm" | "yarn" | "pnpm" | "bun") {
        return None;
    }
    let mut folder = start.cwd.clone();
    let mut words = Vec::new();
    let mut args = start.argv[1..].iter().filter_map(Value::known);
    while let Some(word) = args.next() {
        match word {
            "--prefix" | "-C" | "--cwd" | "--dir" => folder = absolute(&start.cwd, args.next()?),
            "--" => break,
            option if option.starts_with('-') => {}
            word => words.push(word),
        }
    }
    let script = match words.as_slice() {
        ["run" | "run-script", script, ..] => *script,
        [script @ ("start" | "test" | "stop" | "restart"), ..] => script,
        [script, ..] if matches!(name, "yarn" | "pnpm") => script,
        _ => return None,
    };
    let file = format!("{folder}/package.json");
    let Held::Text(text) = paper.read(&file, &start.because, start.certainty) else { return None };
    if text.text.len() > LONGEST {
        return None;
    }
    let package: serde_json::Value = serde_json::from_str(&text.text).ok()?;
    let command = |name: &str| package.get("scripts")?.get(name)?.as_str().map(str::to_owned);
    // Without a script of its own `npm start` runs this.
    let main = command(script).or_else(|| (script == "start").then(|| "node server.js".to_owned()))?;
    let parts = [command(&format!("pre{script}")), Some(main), command(&format!("post{script}"))];
    let whole: Vec<String> = parts.into_iter().flatten().collect();
    let argv = vec![Value::sure("sh"), Value::sure("-c"), Value { text: whole.join(" && "), ..text }];
    Some(Inner { argv, cwd: Some(folder), ..Inner::default() })
}
