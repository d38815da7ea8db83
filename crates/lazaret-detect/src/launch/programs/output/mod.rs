//! What programs put out whose output depends on nothing but text: computed for real, so that a
//! payload hidden under several stages is read as what it is.

mod code;
mod lines;
mod print;
mod search;
mod translate;

use crate::launch::process::absolute;
use crate::shell::{Know, Value, program_name};
use code::{decode_base, decode_hex, gunzip};
use print::{dirname, echo, printf};
use translate::translate;

/// What a program finds.
pub(crate) struct Context<'s> {
    pub args: &'s [Value],
    pub stdin: Option<&'s Value>,
    pub cwd: &'s str,
    pub root: bool,
    /// The longest output in bytes.
    pub most: usize,
}

type Reader<'r> = &'r mut dyn FnMut(&str) -> Option<Value>;

/// The output of `name`; None where it is not known on paper.
pub(crate) fn of(name: &str, context: &Context<'_>, read: Reader<'_>) -> Option<Value> {
    let args: Vec<&str> = context.args.iter().map(|v| v.text.as_str()).collect();
    let know = context.args.iter().map(|v| v.know).min().unwrap_or(Know::Sure);
    // Names of options and files must be known; words that are only handed on need not.
    let text = |text: String| Some(Value { text, know, fetched: None });
    match name {
        "echo" => {
            let fetched = context.args.iter().find_map(|v| v.fetched.clone());
            Some(Value { text: echo(&args), know: shown(know), fetched })
        }
        "printf" => {
            let fetched = context.args.iter().find_map(|v| v.fetched.clone());
            Some(Value { text: printf(&args, context.most)?, know: shown(know), fetched })
        }
        "dirname" => text(format!("{}\n", dirname(args.last()?))),
        "basename" => {
            let operands: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
            let base = program_name(operands.first()?.trim_end_matches('/'));
            let cut = operands.get(1).and_then(|s| base.strip_suffix(s)).filter(|b| !b.is_empty());
            text(format!("{}\n", cut.unwrap_or(base)))
        }
        "readlink" | "realpath" => {
            let path = args.iter().rev().find(|a| !a.starts_with('-'))?;
            text(format!("{}\n", absolute(context.cwd, path)))
        }
        "pwd" => text(format!("{}\n", context.cwd)),
        "id" if args.contains(&"-u") && context.root => Some(Value::plain("0\n")),
        "id" if args.contains(&"-u") => Some(Value::plain("1000\n")),
        "whoami" if context.root => Some(Value::plain("root\n")),
        "uname" if args.is_empty() || args == ["-s"] => Some(Value::plain("Linux\n")),
        // A fresh container has no table.
        "crontab" if args.contains(&"-l") => Some(Value::plain("")),
        "mktemp" => Some(Value::plain("/tmp/tmp.XXXXXXXXXX\n")),
        "seq" => {
            let numbers: Vec<i64> = args.iter().filter_map(|a| a.parse().ok()).collect();
            let (from, to) = match numbers[..] {
                [to] => (1, to),
                [from, to] => (from, to),
                _ => return None,
            };
            (to.saturating_sub(from) < 1000)
                .then(|| Value::sure((from..=to).map(|n| format!("{n}\n")).collect::<String>()))
        }
        "true" | "false" | ":" => Some(Value::empty()),
        _ => filter(name, &args, context, read),
    }
}

/// Text with unknown words in it is not known, but is still text that can be shown.
fn shown(know: Know) -> Know {
    if know == Know::Unset { Know::Unknown } else { know }
}

/// Programs that make text of their input, or of files that they name.
fn filter(name: &str, args: &[&str], context: &Context<'_>, read: Reader<'_>) -> Option<Value> {
    let plan = Plan::of(name, args)?;
    let mut input = Value::empty();
    if plan.files.is_empty() {
        input = context.stdin?.clone();
    }
    for file in plan.files {
        let part = if matches!(file, "-" | "/dev/stdin") { context.stdin?.clone() } else { read(file)? };
        if !input.push(&part, context.most) {
            return None;
        }
    }
    let keep = input.fetched.clone();
    if !input.is_known() {
        return Some(Value { fetched: keep, ..Value::unknown(input.text) });
    }
    let know = input.know.min(context.args.iter().map(|v| v.know).min().unwrap_or(Know::Sure));
    if know < Know::Guess {
        return None;
    }
    let mut out = (plan.change)(&input, know, context.most)?;
    out.fetched = keep;
    (out.text.len() <= context.most).then_some(out)
}

type Change<'s> = Box<dyn Fn(&Value, Know, usize) -> Option<Value> + 's>;

struct Plan<'s> {
    files: Vec<&'s str>,
    change: Change<'s>,
}

fn each_line<'s>(change: impl Fn(&str) -> String + 's) -> Change<'s> {
    Box::new(move |input, know, _| {
        let text = input.text.lines().map(|l| change(l) + "\n").collect();
        Some(Value { text, know, fetched: None })
    })
}

fn whole<'s>(change: impl Fn(&str) -> Option<String> + 's) -> Change<'s> {
    Box::new(move |input, know, _| Some(Value { text: change(&input.text)?, know, fetched: None }))
}

fn bytes<'s>(change: impl Fn(&[u8], usize) -> Option<Vec<u8>> + 's) -> Change<'s> {
    Box::new(move |input, know, most| Some(Value::from_bytes(&change(&input.bytes(), most)?, know)))
}

impl<'s> Plan<'s> {
    fn of(name: &str, args: &[&'s str]) -> Option<Self> {
        let has = |flags: &[&str]| args.iter().any(|a| flags.contains(a));
        let letter =
            |c: char| args.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(c));
        let operands: Vec<&'s str> =
            args.iter().copied().filter(|a| !a.starts_with('-') || *a == "-").collect();
        let all = |change: Change<'s>| Some(Self { files: operands.clone(), change });
        match name {
            "cat" | "tac" | "sort" | "uniq" | "fold" | "nl" if name == "cat" => {
                all(whole(|t| Some(t.to_owned())))
            }
            "tac" => all(whole(|t| Some(t.lines().rev().map(|l| format!("{l}\n")).collect()))),
            "sort" => all(whole(move |t| {
                let mut all: Vec<&str> = t.lines().collect();
                all.sort_unstable();
                Some(all.iter().map(|l| format!("{l}\n")).collect())
            })),
            "rev" => all(each_line(|l| l.chars().rev().collect())),
            "base64" | "base32" => {
                let decode = letter('d') || letter('D') || has(&["--decode"]);
                let wide = name == "base64";
                let files = operands.iter().copied().filter(|o| o.parse::<u32>().is_err()).collect();
                let change = if decode {
                    bytes(move |input, _| decode_base(input, wide))
                } else {
                    bytes(move |input, _| {
                        let encoded = if wide {
                            data_encoding::BASE64.encode(input)
                        } else {
                            data_encoding::BASE32.encode(input)
                        };
                        Some((encoded + "\n").into_bytes())
                    })
                };
                Some(Self { files, change })
            }
            "openssl"
                if matches!(args.first(), Some(&"base64")) || has(&["-base64", "-a"]) && has(&["enc"]) =>
            {
                let plain = !args
                    .iter()
                    .any(|a| a.starts_with("-aes") || a.starts_with("-des") || *a == "-k" || *a == "-pass");
                let at = args.iter().position(|a| *a == "-in").and_then(|at| args.get(at + 1));
                (plain && letter('d')).then(|| Self {
                    files: at.into_iter().copied().collect(),
                    change: bytes(|input, _| decode_base(input, true)),
                })
            }
            "xxd" if letter('r') => {
                let files = operands.iter().copied().filter(|o| o.parse::<u32>().is_err()).collect();
                Some(Self { files, change: bytes(|input, _| decode_hex(input)) })
            }
            "gunzip" | "zcat" => all(bytes(gunzip)),
            "gzip" if letter('d') || has(&["--decompress"]) => all(bytes(gunzip)),
            "tr" => {
                let change = translate(&operands, letter('d'), letter('c'), letter('s'))?;
                Some(Self { files: Vec::new(), change: whole(move |t| Some(change(t))) })
            }
            "head" | "tail" => Self::ends(name, args),
            "cut" => Self::cut(args),
            "sed" => Self::sed(args),
            "grep" | "egrep" | "fgrep" => Self::grep(name, args),
            "awk" | "gawk" | "mawk" => Self::awk(args),
            _ => None,
        }
    }
}
