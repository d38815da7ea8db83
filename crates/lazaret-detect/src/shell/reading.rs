//! `read`, `mapfile` and `getopts`: what the shell takes from its input and its arguments.

use super::command::Plan;
use super::run::Done;
use super::state::Shell;
use super::syntax::{Assigned, Simple};
use super::value::{Know, Value};
use super::variables::Variable;
use super::world::{Input, Status};

/// What `read` is told.
#[derive(Default)]
struct Wanted {
    names: Vec<String>,
    array: bool,
    /// The end of what is read; a line's where there is none.
    delimiter: Option<String>,
    /// At most so many characters.
    count: Option<usize>,
    raw: bool,
    descriptor: Option<u32>,
}

impl Wanted {
    fn of(args: &[Value]) -> Self {
        let mut wanted = Self::default();
        let mut rest = args.iter();
        while let Some(value) = rest.next() {
            let text = value.text.as_str();
            let Some(flags) = text.strip_prefix('-').filter(|f| !f.is_empty()) else {
                wanted.names.push(text.to_owned());
                continue;
            };
            for (at, flag) in flags.char_indices() {
                let takes = matches!(flag, 'd' | 'n' | 'N' | 'p' | 't' | 'u' | 'i' | 'a');
                if !takes {
                    wanted.raw |= flag == 'r';
                    continue;
                }
                let own = &flags[at + 1..];
                let next =
                    if own.is_empty() { rest.next().map(|v| v.text.clone()) } else { Some(own.to_owned()) };
                let next = next.unwrap_or_default();
                match flag {
                    'd' => wanted.delimiter = Some(next),
                    'n' | 'N' => wanted.count = next.parse().ok(),
                    'u' => wanted.descriptor = next.parse().ok(),
                    'a' => {
                        wanted.array = true;
                        wanted.names.push(next);
                    }
                    _ => {}
                }
                break;
            }
        }
        wanted
    }
}

impl Shell<'_> {
    /// `read` as the condition of a loop: takes one line of the loop's input. None where the input
    /// is not known.
    pub(super) fn read_in_loop(&mut self, simple: &Simple, feed: &mut Input) -> Option<Status> {
        let args = self.fields_of(&simple.words[1..]);
        let mut separators = self.separators();
        for assign in &simple.assigns {
            if let (true, Assigned::Word(word)) = (assign.name == "IFS", &assign.value) {
                separators = self.text_of(&word.raw, word.line).text;
            }
        }
        let wanted = Wanted::of(&args);
        if simple.redirects.is_empty() && wanted.descriptor.is_none() {
            return self.read_into(&wanted, &separators, feed);
        }
        let mut plan = self.redirections(&simple.redirects, feed, simple.line);
        self.read_from(&wanted, &separators, &mut plan)
    }

    fn read_from(&mut self, wanted: &Wanted, separators: &str, plan: &mut Plan) -> Option<Status> {
        if let Some(feed) = wanted.descriptor.and_then(|n| self.descriptors.get(&n)) {
            plan.input = feed.clone();
            plan.descriptor = wanted.descriptor;
        }
        let status = self.read_into(wanted, separators, &mut plan.input);
        match plan.descriptor {
            Some(0) => self.stdin = Some(plan.input.clone()),
            Some(n) => {
                self.descriptors.insert(n, plan.input.clone());
            }
            None => {}
        }
        status
    }

    /// The `read` builtin.
    pub(super) fn read(&mut self, args: &[Value], plan: &Plan) -> Done {
        let wanted = Wanted::of(args);
        let separators = self.separators();
        let mut own = Plan { input: plan.input.clone(), descriptor: plan.descriptor, ..Plan::default() };
        if let Some(status) = self.read_from(&wanted, &separators, &mut own) {
            return Done::with(status);
        }
        let fetched = own.input.value.as_ref().and_then(|v| v.fetched.clone());
        let reply = ["REPLY".to_owned()];
        for name in if wanted.names.is_empty() { &reply[..] } else { &wanted.names[..] } {
            self.set(name, Value { fetched: fetched.clone(), ..Value::unknown(format!("${name}")) });
        }
        Done::with(Status::Unknown)
    }

    fn read_into(&mut self, wanted: &Wanted, separators: &str, feed: &mut Input) -> Option<Status> {
        let value = feed.value.as_ref()?;
        let text = value.known()?;
        let (know, fetched) = (value.know, value.fetched.clone());
        let answer = |yes: bool| if know == Know::Sure { Status::sure(yes) } else { Status::plain(yes) };
        if text.is_empty() {
            return Some(answer(false));
        }
        let (record, rest, ended) = match (&wanted.delimiter, wanted.count) {
            (_, Some(count)) => {
                let end = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
                (&text[..end], &text[end..], true)
            }
            (Some(end), _) => {
                // An empty delimiter is the NUL byte.
                let end = end.chars().next().unwrap_or('\0');
                text.split_once(end).map_or((text, "", false), |(a, b)| (a, b, true))
            }
            _ => text.split_once('\n').map_or((text, "", true), |(a, b)| (a, b, true)),
        };
        let (record, rest) = (record.to_owned(), rest.to_owned());
        feed.value = Some(Value { text: rest, know, fetched: fetched.clone() });
        let record = if wanted.raw { record } else { unescaped(&record) };
        let is_blank = |c: char| c.is_ascii_whitespace() && separators.contains(c);
        let value = |text: &str| Value { text: text.to_owned(), know, fetched: fetched.clone() };
        let mut left = record.trim_matches(is_blank);
        if wanted.array {
            let parts = left.split(|c| separators.contains(c)).filter(|p| !p.is_empty());
            let values = parts.map(value).collect();
            self.put(&wanted.names[0], Variable::list(values));
            return Some(answer(true));
        }
        if wanted.names.is_empty() {
            self.set("REPLY", value(&record));
            return Some(answer(ended));
        }
        let last = wanted.names.len() - 1;
        for (n, name) in wanted.names.iter().enumerate() {
            let cut = if n == last { None } else { left.find(|c| separators.contains(c)) };
            let head = cut.map_or(left, |at| &left[..at]);
            self.set(name, value(head));
            left = cut.map_or("", |at| {
                let width = left[at..].chars().next().map_or(0, char::len_utf8);
                left[at + width..].trim_start_matches(is_blank)
            });
        }
        Some(answer(ended))
    }

    /// `mapfile` and `readarray`.
    pub(super) fn map_file(&mut self, args: &[Value], plan: &Plan) -> Done {
        let mut name = "MAPFILE".to_owned();
        let mut trims = false;
        let mut delimiter = '\n';
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.text.as_str() {
                "-t" => trims = true,
                "-d" => delimiter = rest.next().and_then(|v| v.text.chars().next()).unwrap_or('\0'),
                "-n" | "-O" | "-s" | "-u" | "-C" | "-c" => {
                    rest.next();
                }
                text if text.starts_with('-') => trims |= text.contains('t'),
                text => text.clone_into(&mut name),
            }
        }
        let values = match plan.input.value.as_ref() {
            Some(value) if value.is_known() => value
                .text
                .split_inclusive(delimiter)
                .take(4096)
                .map(|l| {
                    let text = if trims { l.strip_suffix(delimiter).unwrap_or(l) } else { l };
                    Value { text: text.to_owned(), ..value.clone() }
                })
                .collect(),
            _ => vec![Value::unknown(format!("${{{name}[@]}}"))],
        };
        self.put(&name, Variable::list(values));
        Done::fine()
    }

    /// One step of `getopts`.
    pub(super) fn options(&mut self, args: &[Value]) -> Done {
        let [Some(wanted), Some(name)] = [0, 1].map(|n| args.get(n).and_then(Value::known)) else {
            return Done::with(Status::Unknown);
        };
        let (wanted, name) = (wanted.to_owned(), name.to_owned());
        let words = if args.len() > 2 { args[2..].to_vec() } else { self.args.clone() };
        let position = self.named("OPTIND").known().and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).max(1);
        let word = words.get(position - 1).filter(|v| v.is_known()).map(|v| v.text.clone());
        let Some(word) = word.filter(|w| w.len() > 1 && w.starts_with('-') && w != "--") else {
            let known = self.args_known || args.len() > 2;
            if position == 1 {
                // Another launch may give some.
                self.set(&name, Value::unknown(format!("${name}")));
            }
            return Done::with(if known { Status::PlainFalse } else { Status::Unknown });
        };
        self.option_at = self.option_at.max(1);
        let flag = word.chars().nth(self.option_at).unwrap_or('?');
        let at = wanted.chars().position(|c| c == flag && c != ':');
        let takes = at.is_some_and(|at| wanted.chars().nth(at + 1) == Some(':'));
        let after: String = word.chars().skip(self.option_at + 1).collect();
        let mut next = position;
        if takes {
            let value = if after.is_empty() {
                next += 1;
                words.get(position).cloned().unwrap_or_else(Value::empty)
            } else {
                Value::plain(after)
            };
            next += 1;
            self.option_at = 0;
            self.set("OPTARG", value);
        } else if after.is_empty() {
            next += 1;
            self.option_at = 0;
        } else {
            self.option_at += 1;
        }
        self.set("OPTIND", Value::plain(next.to_string()));
        let shown = if at.is_some() { flag } else { '?' };
        self.set(&name, Value::plain(shown.to_string()));
        Done::with(Status::PlainTrue)
    }
}

/// Backslashes away, as `read` without `-r` does.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}
