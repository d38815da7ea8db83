//! Programs that are no shells and start one all the same: by an option, a setting or a language
//! of their own. What they start is what GTFOBins lists for them.

use super::wrap::Inner;
use crate::shell::Value;

/// Programs that run the rest of their words, and how many operands stand before.
const RUNNERS: &[(&str, &[&str], usize)] = &[
    ("choom", &["-n", "-p"], 0),
    ("dbus-run-session", &["--config-file"], 0),
    ("distcc", &[], 0),
    ("aa-exec", &["-p", "--profile"], 0),
    ("logsave", &[], 1),
    ("multitime", &["-n", "-I", "-o"], 0),
    ("rlwrap", &["-f", "-H", "-b"], 0),
    ("setarch", &[], 1),
    ("sshpass", &["-p", "-f", "-d", "-P"], 0),
    ("ssh-agent", &["-a", "-t"], 0),
    ("systemd-run", &["-p", "--unit", "-u", "--slice"], 0),
    ("xvfb-run", &["-n", "-e", "-s"], 0),
    ("pexec", &["-n"], 0),
    ("entr", &["-s"], 0),
    ("posix", &[], 0),
    ("run0", &["-u"], 0),
    ("pkexec", &["--user"], 0),
    ("gtester", &["-o", "-k"], 0),
    ("elvish", &[], 0),
    ("cgexec", &["-g"], 0),
    ("proot", &["-r", "-b", "-w"], 0),
    ("bwrap", &["--bind", "--ro-bind", "--dev", "--proc", "--tmpfs", "--chdir", "--setenv"], 0),
];

/// Options whose value is a command for a shell: the program, and the option as it begins.
const COMMAND_OPTIONS: &[(&str, &[&str])] = &[
    ("tar", &["--to-command", "--rsh-command", "--info-script", "--new-volume-script", "-F"]),
    ("rsync", &["-e", "--rsh"]),
    ("scp", &["-S"]),
    ("sftp", &["-S"]),
    ("man", &["-P", "--pager", "-H"]),
    ("split", &["--filter"]),
    ("sort", &["--compress-program"]),
    ("tcpdump", &["-z"]),
    ("zip", &["-TT", "--unzip-command"]),
    ("wget", &["--use-askpass"]),
    ("gem", &["-e"]),
    ("socat", &[]),
    ("restic", &["--password-command"]),
    ("borg", &["--rsh"]),
    ("tcpreplay", &["--postcmd"]),
    ("lftp", &[]),
    ("pg_dump", &[]),
    ("hping3", &[]),
];

/// Compressors and remote shells that such options name in everyday use.
const EVERYDAY: &[&str] = &[
    "gzip", "pigz", "bzip2", "pbzip2", "lbzip2", "xz", "pixz", "zstd", "zstdmt", "lz4", "lzop", "lzma",
    "brotli", "ssh", "rsh", "less", "more", "cat", "unzip",
];

/// What `name args…` starts, where it is a program that is known to start others.
pub(crate) fn inner(name: &str, args: &[Value], input: Option<&Value>) -> Option<Inner> {
    if let Some((_, with_value, operands)) = RUNNERS.iter().find(|(n, _, _)| *n == name) {
        let mut at = 0;
        while let Some(text) = args.get(at).map(|v| v.text.as_str()).filter(|t| t.starts_with('-')) {
            at += if with_value.contains(&text) { 2 } else { 1 };
            if text == "--" {
                break;
            }
        }
        let argv = args.get(at + operands..).filter(|rest| !rest.is_empty())?.to_vec();
        return Some(Inner { argv, ..Inner::default() });
    }
    if let Some(found) = option_value(name, args) {
        return everyday(&found).then(|| shell(&found));
    }
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match base {
        "tar" | "bsdtar" => {
            let action = args.iter().enumerate().find_map(|(n, v)| {
                let value = v.text.strip_prefix("--checkpoint-action")?;
                let value = value.strip_prefix('=').or_else(|| args.get(n + 1).map(|v| v.text.as_str()))?;
                value.strip_prefix("exec=").map(|text| like(v, text))
            });
            let filter = args.iter().enumerate().find_map(|(n, v)| match v.text.as_str() {
                "-I" | "--use-compress-program" => args.get(n + 1).cloned(),
                text => text.strip_prefix("--use-compress-program=").map(|t| like(v, t)),
            });
            action.or(filter.filter(everyday)).map(|text| shell(&text))
        }
        "vi" | "vim" | "view" | "ex" | "rvim" | "rview" | "nvim" | "vimdiff" | "ed" | "less" | "more"
        | "man" | "nano" | "pico" | "mail" | "ftp" | "telnet" | "bc" => editor(args).or_else(|| typed(input)),
        "git" => git(args),
        "ssh" | "slogin" => ssh(args),
        "awk" | "gawk" | "mawk" | "nawk" | "original-awk" => awk(args),
        "gdb" | "lldb" => debugger(args),
        "nmap" => {
            let script = args.iter().enumerate().find_map(|(n, v)| match v.text.as_str() {
                "--script" => args.get(n + 1).cloned(),
                text => text.strip_prefix("--script=").map(|t| like(v, t)),
            })?;
            script
                .text
                .contains('/')
                .then(|| Inner { argv: vec![Value::sure("lua"), script], ..Inner::default() })
        }
        "expect" | "tclsh" | "wish" => {
            let text = after(args, &["-c"]).or_else(|| input.cloned())?;
            let at =
                text.text.find("spawn ").map(|n| n + 6).or_else(|| text.text.find("exec ").map(|n| n + 5))?;
            let rest = text.text[at..].split(['\n', ';', ']', '}']).next().unwrap_or_default().to_owned();
            let argv = rest
                .split_whitespace()
                .filter(|w| *w != "-noecho")
                .map(|w| like(&text, w))
                .collect::<Vec<_>>();
            (!argv.is_empty()).then(|| Inner { argv, ..Inner::default() })
        }
        "sed" | "gsed" => sed(args),
        "sqlite" | "mysql" | "mariadb" | "psql" => args.iter().chain(input).find_map(|v| {
            let text = v.text.trim_start();
            let command = text
                .strip_prefix(".shell ")
                .or_else(|| text.strip_prefix(".system "))
                .or_else(|| text.strip_prefix("\\! "))
                .or_else(|| text.strip_prefix("system "))
                .or_else(|| text.strip_prefix("\\!"))?;
            Some(shell(&like(v, command)))
        }),
        "make" | "gmake" => {
            let text = args.iter().find_map(|v| v.text.strip_prefix("--eval=").map(|t| like(v, t)))?;
            let recipe =
                text.text.split_once('\t').map(|(_, recipe)| recipe.trim_start_matches(['-', '@']))?;
            Some(shell(&like(&text, recipe)))
        }
        "apt" | "apt-get" | "dpkg" => args.iter().find_map(|v| {
            let (key, command) = v.text.split_once('=')?;
            let invoke = key.contains("-Invoke") || key.contains("::Pager") || key.ends_with("Pager");
            invoke.then(|| shell(&like(v, command)))
        }),
        "capsh" => {
            let at = args.iter().position(|v| v.text == "--")?;
            let mut argv = vec![Value::sure("/bin/bash")];
            argv.extend(args[at + 1..].iter().cloned());
            Some(Inner { argv, ..Inner::default() })
        }
        "at" | "batch" => input.filter(|v| v.is_known()).map(shell),
        "emacs" | "emacs-nox" => args.iter().find_map(|v| {
            let at = ["(shell-command \"", "(term \"", "(call-process \""]
                .iter()
                .find_map(|p| v.text.find(p).map(|n| n + p.len()))?;
            let command = v.text[at..].split('"').next()?;
            Some(shell(&like(v, command)))
        }),
        "R" | "Rscript" | "julia" | "octave" | "gimp" | "scala" | "jjs" | "jrunscript" => {
            let text = after(args, &["-e", "--eval", "-b", "--batch"])?;
            called(&text, &["system(", "system2(", "exec(", "run(`", "os.system("])
        }
        "ld-linux-x86-64.so"
        | "ld-musl-x86_64.so"
        | "ld-linux-aarch64.so"
        | "ld-musl-aarch64.so"
        | "ld.so" => {
            let argv: Vec<Value> = args.iter().skip_while(|v| v.text.starts_with('-')).cloned().collect();
            (!argv.is_empty()).then(|| Inner { argv, ..Inner::default() })
        }
        _ => None,
    }
}

fn like(value: &Value, text: &str) -> Value {
    Value { text: text.to_owned(), ..value.clone() }
}

fn shell(text: &Value) -> Inner {
    Inner { argv: vec![Value::sure("sh"), Value::sure("-c"), text.clone()], ..Inner::default() }
}

fn after(args: &[Value], options: &[&str]) -> Option<Value> {
    let at = args.iter().position(|v| options.contains(&v.text.as_str()))?;
    args.get(at + 1).cloned()
}

/// Whether a command is other than what such an option names in everyday use.
fn everyday(text: &Value) -> bool {
    let first = text.text.split_whitespace().next().unwrap_or_default();
    let first = first.rsplit('/').next().unwrap_or(first);
    !first.is_empty() && !EVERYDAY.contains(&first) && !first.starts_with('$')
}

fn option_value(name: &str, args: &[Value]) -> Option<Value> {
    let (_, options) = COMMAND_OPTIONS.iter().find(|(n, _)| *n == name)?;
    args.iter().enumerate().find_map(|(n, v)| {
        if options.contains(&v.text.as_str()) {
            return args.get(n + 1).cloned();
        }
        let (option, value) = v.text.split_once('=')?;
        options.contains(&option).then(|| like(v, value))
    })
}

/// `-c ':!id'`, `+!id`, `-c ':py3 CODE'`.
fn editor(args: &[Value]) -> Option<Inner> {
    args.iter().enumerate().find_map(|(n, v)| {
        let command = match v.text.as_str() {
            "-c" | "--cmd" | "-e" => args.get(n + 1)?.text.as_str(),
            text => text.strip_prefix('+').or_else(|| text.strip_prefix("-c"))?,
        };
        let command = command.trim_start_matches([':', ' ']);
        if let Some(text) = command.strip_prefix('!') {
            return Some(shell(&like(v, text)));
        }
        for (prefix, program, flag) in [
            ("py3 ", "python3", "-c"),
            ("python3 ", "python3", "-c"),
            ("py ", "python3", "-c"),
            ("python ", "python3", "-c"),
            ("lua ", "lua", "-e"),
            ("perl ", "perl", "-e"),
            ("ruby ", "ruby", "-e"),
        ] {
            if let Some(code) = command.strip_prefix(prefix) {
                let argv = vec![Value::sure(program), Value::sure(flag), like(v, code)];
                return Some(Inner { argv, ..Inner::default() });
            }
        }
        if command.contains("term") || command.starts_with("shell") || command.contains("set shell=") {
            return Some(Inner { argv: vec![Value::sure("/bin/sh")], ..Inner::default() });
        }
        None
    })
}

/// `!id` typed into a pager or an editor.
fn typed(input: Option<&Value>) -> Option<Inner> {
    let input = input.filter(|v| v.is_known())?;
    let command = input.text.lines().find_map(|l| l.trim_start().strip_prefix('!'))?;
    Some(shell(&like(input, command)))
}

fn git(args: &[Value]) -> Option<Inner> {
    args.iter().enumerate().find_map(|(n, v)| {
        let setting = match v.text.as_str() {
            "-c" => args.get(n + 1)?.text.as_str(),
            text => text.strip_prefix("-c").filter(|t| t.contains('='))?,
        };
        let (key, command) = setting.split_once('=')?;
        let runs = matches!(
            key.to_ascii_lowercase().as_str(),
            "core.pager"
                | "core.sshcommand"
                | "core.editor"
                | "core.fsmonitor"
                | "sequence.editor"
                | "credential.helper"
        ) || key.starts_with("alias.") && command.starts_with('!');
        let command = like(v, command.trim_start_matches('!'));
        (runs && everyday(&command)).then(|| shell(&command))
    })
}

/// `-o ProxyCommand=…`; where it is `none` or asks for a tunnel with `%h` it is everyday.
fn ssh(args: &[Value]) -> Option<Inner> {
    args.iter().enumerate().find_map(|(n, v)| {
        let setting = match v.text.as_str() {
            "-o" => args.get(n + 1)?.text.as_str(),
            text => text.strip_prefix("-o")?,
        };
        let (key, command) = setting.split_once(['=', ' '])?;
        let runs =
            ["ProxyCommand", "LocalCommand", "KnownHostsCommand"].iter().any(|k| key.eq_ignore_ascii_case(k));
        // `;sh 0<&2 1>&2`
        let command = like(v, command.trim_start_matches([';', ' ']));
        (runs && command.text != "none" && !command.text.contains("%h") && everyday(&command))
            .then(|| shell(&command))
    })
}

/// Calls of `system`, and pipes to and from commands, in a program of awk.
fn awk(args: &[Value]) -> Option<Inner> {
    let program = args.iter().filter(|v| !v.text.starts_with('-')).find(|v| v.text.contains(['{', '"']))?;
    if let Some(found) = called(program, &["system("]) {
        return Some(found);
    }
    let text = program.text.as_str();
    // `"cmd" | getline` and `print … | "cmd"`.
    if let Some(at) = text.find("| getline").or_else(|| text.find("|getline")) {
        let before = text[..at].trim_end();
        let command = before.strip_suffix('"').and_then(|b| b.rsplit_once('"')).map(|(_, c)| c)?;
        return Some(shell(&like(program, &unquoted(command))));
    }
    let at = text.find("| \"").map(|n| n + 3).or_else(|| text.find("|\"").map(|n| n + 2))?;
    let command = text[at..].split('"').next()?;
    // Sorting its own output is what awk programs do.
    let command = like(program, &unquoted(command));
    let first = command.text.split_whitespace().next().unwrap_or_default();
    (!matches!(first, "sort" | "cat" | "column" | "head" | "tail" | "uniq" | "tee")).then(|| shell(&command))
}

fn debugger(args: &[Value]) -> Option<Inner> {
    args.iter().enumerate().find_map(|(n, v)| {
        if !matches!(v.text.as_str(), "-ex" | "--ex" | "-iex" | "-o") {
            return None;
        }
        let next = args.get(n + 1)?;
        let text = next.text.trim_start();
        if let Some(command) = text.strip_prefix('!').or_else(|| text.strip_prefix("shell ")) {
            return Some(shell(&like(next, command)));
        }
        let code = text.strip_prefix("python ").or_else(|| text.strip_prefix("py "))?;
        Some(Inner {
            argv: vec![Value::sure("python3"), Value::sure("-c"), like(next, code)],
            ..Inner::default()
        })
    })
}

/// `sed '1e id'`.
fn sed(args: &[Value]) -> Option<Inner> {
    let script = args.iter().find(|v| !v.text.starts_with('-'))?;
    let rest = script.text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '$' | ' ' | ','));
    let command = rest.strip_prefix("e ").filter(|c| !c.trim().is_empty())?;
    Some(shell(&like(script, command)))
}

/// The text in the call of one of these functions.
fn called(text: &Value, functions: &[&str]) -> Option<Inner> {
    functions.iter().find_map(|function| {
        let at = text.text.find(function)? + function.len();
        let rest = text.text[at..].trim_start();
        let quote = rest.chars().next()?;
        let command = if matches!(quote, '"' | '\'' | '`') {
            let mut end = None;
            let mut escaped = false;
            for (n, c) in rest.char_indices().skip(1) {
                if escaped {
                    escaped = false;
                } else if c == '\\' {
                    escaped = true;
                } else if c == quote {
                    end = Some(n);
                    break;
                }
            }
            unquoted(rest.get(1..end?)?)
        } else if function.ends_with('`') {
            rest.split('`').next()?.to_owned()
        } else {
            return None;
        };
        Some(shell(&like(text, &command)))
    })
}

fn unquoted(text: &str) -> String {
    text.replace("\\\"", "\"").replace("\\\\", "\\")
}
