//! What programs put out whose output depends on nothing but text: computed for real, so that a
//! payload hidden under several stages is read as what it is.

mod code;
mod count;
mod crypt;
pub(crate) mod format;
mod lines;
mod print;
mod search;
mod translate;

use crate::launch::process::absolute;
use crate::shell::{Know, Value, program_name};
use count::{expr, seq};
pub(crate) use print::number as number_of;
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

/// Steps that a program costs beyond its text.
pub(crate) fn cost(name: &str, args: &[Value]) -> u64 {
    match name {
        "openssl" => {}
        // A regular expression is built.
        "sed" | "grep" | "egrep" | "awk" | "gawk" | "mawk" => return 32,
        _ => return 0,
    }
    crypt::cost(&args.iter().map(|v| v.text.as_str()).collect::<Vec<_>>())
}

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
        "seq" => text(seq(&args)?),
        "expr" => text(expr(&args)?),
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
        let letter =
            |c: char| args.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains(c));
        let operands: Vec<&'s str> =
            args.iter().copied().filter(|a| !a.starts_with('-') || *a == "-").collect();
        match name {
            "cat" | "tac" | "rev" | "sort" | "uniq" | "fold" | "nl" | "wc" | "paste" | "strings" => {
                Self::lines(name, args)
            }
            "dd" => Self::dd(args),
            "bc" => Some(Self::bc(operands)),
            "openssl" => Self::openssl(args),
            "tr" => {
                let change = translate(&operands, letter('d'), letter('c'), letter('s'))?;
                Some(Self { files: Vec::new(), change: whole(move |t| Some(change(t))) })
            }
            "head" | "tail" => Self::ends(name, args),
            "cut" => Self::cut(args),
            "sed" => Self::sed(args),
            "grep" | "egrep" | "fgrep" => Self::grep(name, args),
            "awk" | "gawk" | "mawk" => Self::awk(args),
            _ => Self::code(name, args),
        }
    }
}
