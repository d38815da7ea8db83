//! Programs that run their arguments.

use std::rc::Rc;

use crate::shell::{Know, Value};

/// What a wrapper runs.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub argv: Vec<Value>,
    /// Whether it may also not run it.
    pub may: bool,
    pub user: Option<String>,
    pub cwd: Option<String>,
    /// The directory that becomes the root.
    pub root: Option<String>,
    pub env: Vec<(String, Value)>,
    /// `xargs`: words of the input are further arguments.
    pub append_stdin: bool,
    /// `xargs` and `parallel`: how words of the input, or of the arguments, are given to it.
    pub spread: Option<Spread>,
    /// What feeds the inner program (`nc -e sh`).
    pub fed_by: Option<String>,
}

/// How words become arguments.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    /// What stands for the word (`-I {}`); behind the command where nothing does.
    pub place: Option<String>,
    /// Words for each start.
    pub count: Option<usize>,
    /// What parts the words, where it is not blanks.
    pub delimiter: Option<char>,
    /// The words, where they are arguments (`parallel … ::: a b`).
    pub words: Option<Vec<Value>>,
    /// Whether a shell reads the command.
    pub by_shell: bool,
}

/// A wrapper by its options.
struct Shape {
    /// Options that take the next word.
    with_value: &'static [&'static str],
    /// Operands in front of the command.
    operands: usize,
}

fn shape(name: &str) -> Option<Shape> {
    let (with_value, operands): (&'static [&'static str], usize) = match name {
        "tini" | "tini-static" | "docker-init" | "catatonit" | "krallin" => (&["-p", "-e"], 0),
        "dumb-init" => (&["-r", "--rewrite"], 0),
        "nohup" | "setsid" | "time" | "fakeroot" | "linux32" | "linux64" | "proxychains" | "proxychains4"
        | "torsocks" | "torify" | "catchsegv" | "exec" | "eatmydata" | "with-contenv" | "unbuffer"
        | "faketime" => (&["-f", "-o"], 0),
        "nice" => (&["-n", "--adjustment"], 0),
        "ionice" => (&["-c", "-n", "-p", "--class", "--classdata"], 0),
        "stdbuf" => (&["-i", "-o", "-e"], 0),
        "timeout" => (&["-s", "-k", "--signal", "--kill-after"], 1),
        "taskset" | "chrt" => (&["-c"], 1),
        "cpulimit" => (&["-l", "-p", "-e", "--limit"], 0),
        "setpriv" => (
            &[
                "--reuid",
                "--regid",
                "--groups",
                "--inh-caps",
                "--bounding-set",
                "--ambient-caps",
                "--pdeathsig",
                "--securebits",
            ],
            0,
        ),
        "strace" | "ltrace" | "valgrind" => (&["-e", "-o", "-s", "-p"], 0),
        "unshare" | "firejail" => (&["--map-user", "-S", "-G", "-R", "-w"], 0),
        "nsenter" => (&["-t", "--target", "-S", "-G"], 0),
        "softlimit" | "s6-softlimit" => (&["-a", "-c", "-d", "-f", "-m", "-o", "-p", "-r", "-s", "-t"], 0),
        "daemonize" => (&["-c", "-e", "-o", "-p", "-l", "-u", "-E"], 0),
        "flock" => (&["-w", "-E", "--timeout"], 1),
        "script" | "watch" => return None,
        "chpst" => (
            &["-u", "-U", "-b", "-e", "-/", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-r", "-t"],
            0,
        ),
        "doas" => (&["-u", "-C"], 0),
        "busybox" | "toybox" => (&[], 0),
        _ => return None,
    };
    Some(Shape { with_value, operands })
}

/// Whether a name is that of a wrapper.
pub(crate) fn is_wrapper(name: &str) -> bool {
    shape(name).is_some()
        || matches!(
            name,
            "env"
                | "gosu"
                | "su-exec"
                | "chroot"
                | "sudo"
                | "su"
                | "runuser"
                | "xargs"
                | "s6-setuidgid"
                | "setuidgid"
                | "start-stop-daemon"
                | "watch"
                | "script"
                | "parallel"
                | "screen"
                | "tmux"
        )
}

/// What `name args…` runs, where it runs something.
pub(crate) fn inner(name: &str, args: &[Value]) -> Option<Inner> {
    let known = |v: &Value| v.known().unwrap_or_default().to_owned();
    let argv = |from: usize| args.get(from..).unwrap_or_default().to_vec();
    let plain = |from: usize| (from < args.len()).then(|| Inner { argv: argv(from), ..Inner::default() });
    match name {
        "env" => env(args),
        "gosu" | "su-exec" | "s6-setuidgid" | "setuidgid" => {
            (args.len() > 1).then(|| Inner { argv: argv(1), user: Some(known(&args[0])), ..Inner::default() })
        }
        "chroot" => {
            let at = skip(args, &["--userspec", "--groups"]);
            let mut inner = plain(at + 1)?;
            // What it runs is in another tree: a mount, most often.
            inner.cwd = Some("/".to_owned());
            inner.root = args.get(at).and_then(Value::known).map(str::to_owned);
            Some(inner)
        }
        "sudo" => {
            let at = skip(args, &["-u", "-g", "-h", "-p", "-C", "-U", "-r", "-t", "--user", "--group"]);
            let assigns = args[at.min(args.len())..].iter().take_while(|v| v.text.contains('=')).count();
            let mut inner = plain(at + assigns)?;
            inner.user = value_of(args, &["-u", "--user"]).or(Some("root".to_owned()));
            Some(inner)
        }
        "su" | "runuser" => {
            let text = args.iter().position(|v| matches!(v.text.as_str(), "-c" | "--command"));
            let user = args
                .iter()
                .enumerate()
                .find(|(n, v)| !v.text.starts_with('-') && Some(*n) != text.map(|t| t + 1))
                .map(|(_, v)| known(v));
            match text.and_then(|at| args.get(at + 1)) {
                Some(text) => {
                    let argv = vec![Value::sure("sh"), Value::sure("-c"), text.clone()];
                    Some(Inner { argv, user, ..Inner::default() })
                }
                None => {
                    let at = args.iter().position(|v| v.text == "--")?;
                    let user = value_of(args, &["-u"]).or(user);
                    Some(Inner { user, ..plain(at + 1)? })
                }
            }
        }
        "script" | "watch" | "screen" | "tmux" => in_terminal(name, args),
        "xargs" => {
            let with_value = [
                "-n",
                "-I",
                "-P",
                "-L",
                "-s",
                "-d",
                "-a",
                "-E",
                "--max-args",
                "--max-procs",
                "--replace",
                "--delimiter",
            ];
            let at = skip(args, &with_value);
            let options = &args[..at.min(args.len())];
            let command = if at < args.len() { argv(at) } else { vec![Value::sure("echo")] };
            let value = |short: &str, long: &str| {
                let own = options.iter().find_map(|v| v.text.strip_prefix(short));
                match own {
                    Some("") | None => value_of(options, &[short, long]),
                    Some(own) => Some(own.to_owned()),
                }
            };
            let delimiter =
                value("-d", "--delimiter").map(|d| crate::shell::ansi(&d).chars().next().unwrap_or('\0'));
            let nul = options
                .iter()
                .any(|v| matches!(v.text.as_str(), "-0" | "--null") || v.text.starts_with("-0"));
            let bare = options.iter().any(|v| v.text == "-i").then(|| "{}".to_owned());
            let spread = Spread {
                place: value("-I", "--replace").or(bare),
                count: value("-n", "--max-args")
                    .or_else(|| value("-L", "--max-lines"))
                    .and_then(|n| n.parse().ok()),
                delimiter: delimiter.or(nul.then_some('\0')),
                ..Spread::default()
            };
            Some(Inner { argv: command, spread: Some(spread), append_stdin: true, ..Inner::default() })
        }
        "parallel" => {
            let at = skip(args, &["-j", "-n", "-N", "--jobs", "--max-args", "--delay", "--timeout"]);
            let rest = args.get(at..).unwrap_or_default();
            let own = rest.iter().position(|v| v.text == ":::");
            let command = rest[..own.unwrap_or(rest.len())].to_vec();
            let words = own.map(|at| rest[at + 1..].to_vec());
            let place = command.iter().any(|v| v.text.contains("{}")).then(|| "{}".to_owned());
            let spread = Spread { place, words, by_shell: true, count: Some(1), ..Spread::default() };
            Some(Inner { argv: command, spread: Some(spread), append_stdin: true, ..Inner::default() })
        }
        "start-stop-daemon" => {
            if !args.iter().any(|v| matches!(v.text.as_str(), "--start" | "-S")) {
                return None;
            }
            let program = value_of(args, &["--exec", "-x", "--startas", "-a"])?;
            let rest = args.iter().position(|v| v.text == "--").map_or(args.len(), |n| n + 1);
            let argv = [Value::sure(program)].into_iter().chain(argv(rest)).collect();
            let user = value_of(args, &["--chuid", "-c", "--user", "-u"]);
            Some(Inner { argv, user, ..Inner::default() })
        }
        "find" => {
            let at = args.iter().position(|v| matches!(v.text.as_str(), "-exec" | "-execdir" | "-ok"))?;
            let argv: Vec<Value> = args[at + 1..]
                .iter()
                .take_while(|v| !matches!(v.text.as_str(), ";" | "+"))
                .cloned()
                .collect();
            (!argv.is_empty()).then(|| Inner { argv, may: true, ..Inner::default() })
        }
        "nc" | "ncat" | "netcat" | "nc.traditional" | "nc.openbsd" => {
            let text = args.iter().position(|v| matches!(v.text.as_str(), "-c" | "--sh-exec"));
            if let Some(text) = text.and_then(|at| args.get(at + 1)) {
                let argv = vec![Value::sure("sh"), Value::sure("-c"), text.clone()];
                return Some(Inner { argv, fed_by: Some(name.to_owned()), ..Inner::default() });
            }
            let program = value_of(args, &["-e", "--exec"]).or_else(|| {
                // `-lvpe PROGRAM`
                let at = args.iter().position(|v| v.text.starts_with('-') && v.text.ends_with('e'))?;
                args.get(at + 1).map(known)
            })?;
            let argv = program.split_whitespace().map(Value::sure).collect();
            Some(Inner { argv, fed_by: Some(name.to_owned()), ..Inner::default() })
        }
        "socat" => {
            let program = args.iter().find_map(|v| {
                let text = v.known()?;
                let (kind, rest) = text.split_once(':')?;
                let kind = kind.to_ascii_lowercase();
                matches!(kind.as_str(), "exec" | "system" | "shell")
                    .then(|| rest.split(',').next().unwrap_or(rest).trim_matches(['\'', '"']).to_owned())
            })?;
            let argv = program.split_whitespace().map(Value::sure).collect();
            Some(Inner { argv, fed_by: Some(name.to_owned()), ..Inner::default() })
        }
        "busybox" | "toybox" if args.first().is_some_and(|v| v.text.starts_with('-')) => None,
        _ => {
            let shape = shape(name)?;
            let mut at = skip(args, shape.with_value);
            if name == "nice" && args.get(at).is_some_and(|v| is_number(&v.text)) {
                at += 1;
            }
            let mut inner = plain(at + shape.operands)?;
            if name == "flock" && inner.argv.first().is_some_and(|v| v.text == "-c") {
                inner.argv = vec![Value::sure("sh"), Value::sure("-c"), inner.argv.get(1)?.clone()];
            }
            // Into the name spaces of the first process: its files are the host's.
            let first = value_of(args, &["-t", "--target"])
                .or_else(|| args.iter().find_map(|v| v.text.strip_prefix("-t").map(str::to_owned)));
            let files = args.iter().take(at).any(|v| {
                matches!(v.text.as_str(), "--mount" | "--all")
                    || (v.text.starts_with('-') && !v.text.starts_with("--") && v.text.contains(['m', 'a']))
            });
            if name == "nsenter" && first.as_deref() == Some("1") && files {
                inner.root = Some("/proc/1/root".to_owned());
            }
            inner.user = match name {
                "chpst" | "doas" => value_of(args, &["-u", "-U"]),
                "setpriv" => args.iter().find_map(|v| v.text.strip_prefix("--reuid=").map(str::to_owned)),
                _ => None,
            };
            Some(inner)
        }
    }
}

fn is_number(text: &str) -> bool {
    text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) && text.len() > 1
}

/// The position of the first operand.
fn skip(args: &[Value], with_value: &[&str]) -> usize {
    let mut at = 0;
    while let Some(text) = args.get(at).map(|v| v.text.as_str()) {
        if text == "--" {
            return at + 1;
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        at += if with_value.contains(&text) { 2 } else { 1 };
    }
    at
}

fn value_of(args: &[Value], names: &[&str]) -> Option<String> {
    let at = args.iter().position(|v| names.contains(&v.text.as_str()));
    if let Some(value) = at.and_then(|at| args.get(at + 1)) {
        return Some(value.text.clone());
    }
    args.iter().find_map(|v| {
        let (name, value) = v.text.split_once('=')?;
        (name.starts_with("--") && names.contains(&name)).then(|| value.to_owned())
    })
}

fn env(args: &[Value]) -> Option<Inner> {
    let mut at = 0;
    let mut set = Vec::new();
    let mut argv: Vec<Value> = Vec::new();
    let mut cwd = None;
    while let Some(value) = args.get(at) {
        let text = value.text.as_str();
        if matches!(text, "-u" | "--unset") {
            at += 2;
        } else if matches!(text, "-C" | "--chdir") {
            cwd = args.get(at + 1).map(|v| v.text.clone());
            at += 2;
        } else if let Some(rest) = text.strip_prefix("-S").or_else(|| text.strip_prefix("--split-string=")) {
            let rest = if rest.is_empty() { args.get(at + 1).map_or("", |v| v.text.as_str()) } else { rest };
            at += if text == "-S" { 2 } else { 1 };
            argv.extend(rest.split_whitespace().map(|w| Value { text: w.to_owned(), ..value.clone() }));
            break;
        } else if text.starts_with('-') {
            at += 1;
        } else if let Some((name, inner)) = text.split_once('=') {
            let know = value.know.max(Know::Guess);
            set.push((name.to_owned(), Value { text: inner.to_owned(), know, fetched: None }));
            at += 1;
        } else {
            break;
        }
    }
    argv.extend(args.get(at..).unwrap_or_default().iter().cloned());
    // After `-S` variables may stand in front of the command.
    while let Some((name, value)) = argv.first().and_then(|v| v.text.split_once('=')) {
        set.push((name.to_owned(), Value::sure(value)));
        argv.remove(0);
    }
    (!argv.is_empty()).then(|| Inner { argv, env: set, cwd, ..Inner::default() })
}

/// `watch TEXT`, `script -c TEXT`, `screen -dmS name COMMAND`, `tmux new-session -d TEXT`.
fn in_terminal(name: &str, args: &[Value]) -> Option<Inner> {
    let shell = |text: String, like: &Value| {
        let text = Value { text, ..like.clone() };
        Inner { argv: vec![Value::sure("sh"), Value::sure("-c"), text], ..Inner::default() }
    };
    match name {
        "script" => {
            let at = args.iter().position(|v| v.text.starts_with('-') && v.text.ends_with('c'))?;
            args.get(at + 1).map(|v| shell(v.text.clone(), v))
        }
        "tmux" => {
            if !args.first()?.text.starts_with("new") {
                return None;
            }
            let at = 1 + skip(&args[1..], &["-s", "-n", "-c", "-x", "-y", "-t", "-F", "-e"]);
            args.get(at).map(|v| shell(v.text.clone(), v))
        }
        _ => {
            let at = skip(args, &["-S", "-dmS", "-n", "-d", "--interval", "-c", "-h", "-s"]);
            let rest = args.get(at..).filter(|r| !r.is_empty())?;
            if name == "watch" {
                let text = rest.iter().map(|v| v.text.as_str()).collect::<Vec<_>>().join(" ");
                return Some(shell(text, &rest[0]));
            }
            Some(Inner { argv: rest.to_vec(), ..Inner::default() })
        }
    }
}

/// A command line as words, for files that hold them without a shell.
pub(crate) fn words(text: &str) -> Rc<Vec<Value>> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut open = false;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                open = true;
            }
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() || open {
                    out.push(Value::plain(std::mem::take(&mut word)));
                    open = false;
                }
            }
            (None, c) => word.push(c),
        }
    }
    if !word.is_empty() || open {
        out.push(Value::plain(word));
    }
    Rc::new(out)
}
