//! Builtins that are told like programs. They start nothing, and still say what somebody is up
//! to: a history that is switched off, a command that waits in a trap, a program under a name
//! that is not its own.

use lazaret_model::BehaviourKind;

use super::state::Shell;
use super::value::Value;

impl Shell<'_> {
    /// States a builtin as a command where rules have something to say of it.
    pub(super) fn tell_builtin(&mut self, name: &str, argv: &[Value], line: u32) {
        let args = argv.get(1..).unwrap_or_default();
        let has = |word: &str| args.iter().any(|arg| arg.text == word);
        let telling = match name {
            "trap" => args.len() > 1 && !matches!(args[0].text.as_str(), "-" | "" | "-l" | "-p"),
            "set" => has("+o") && has("history"),
            "unset" => args.iter().any(|arg| is_about_history(&arg.text)),
            "exec" => has("-a"),
            _ => false,
        };
        if telling {
            self.tell(argv.iter().map(|value| value.text.clone()).collect(), line);
        }
    }

    /// States that a variable is set which says whether a shell keeps a history, or by which other
    /// programs load code, take a proxy or start a helper.
    pub(super) fn tell_setting(&mut self, name: &str, value: &str, line: u32) {
        if is_about_history(name) || steers(name) || (name == "PATH" && leads_astray(value)) {
            self.tell(vec!["export".to_owned(), format!("{name}={value}")], line);
        }
    }

    /// States that the shell itself reads a file that holds secrets (`$(<file)`, `read <file`,
    /// `mapfile <file`): no program is started that would say so.
    pub(super) fn tell_reading(&mut self, path: &str, line: u32) {
        if holds_secrets(path) {
            self.tell(vec!["read".to_owned(), "<".to_owned(), path.to_owned()], line);
        }
    }

    fn tell(&mut self, argv: Vec<String>, line: u32) {
        let kind = BehaviourKind::Process {
            argv,
            image: None,
            parent: Some(self.name.clone()),
            fed_by: Vec::new(),
            stdin: None,
            downloaded: None,
        };
        let because = self.because(line);
        self.world.state(kind, self.certainty, because);
    }
}

/// `HISTFILE`, `HISTSIZE`, `HISTFILESIZE`, `HISTCONTROL`, `HISTIGNORE` (bash(1), HISTORY).
fn is_about_history(name: &str) -> bool {
    name.strip_prefix("HIST")
        .is_some_and(|rest| matches!(rest, "FILE" | "SIZE" | "FILESIZE" | "CONTROL" | "IGNORE"))
}

/// Whether a file is one that holds keys, passwords, or what another process was given.
fn holds_secrets(path: &str) -> bool {
    const FILES: [&str; 14] = [
        "/etc/shadow",
        "/etc/shadow-",
        "/etc/gshadow",
        "/etc/gshadow-",
        "/etc/sudoers",
        "/etc/krb5.keytab",
        "/.aws/credentials",
        "/.docker/config.json",
        "/.kube/config",
        "/.git-credentials",
        "/.netrc",
        "/.pgpass",
        "/.bash_history",
        "/serviceaccount/token",
    ];
    let process = path.strip_prefix("/proc/").and_then(|rest| rest.split_once('/'));
    FILES.iter().any(|file| path.ends_with(file))
        || path.contains("/.ssh/") && !path.ends_with(".pub") && !path.ends_with("known_hosts")
        || path.contains("/etc/ssh/ssh_host_") && path.ends_with("_key")
        || process.is_some_and(|(pid, file)| pid != "self" && matches!(file, "environ" | "mem" | "maps"))
}

/// Whether other programs take code, a proxy or a program to run from a variable.
fn steers(name: &str) -> bool {
    matches!(
        name,
        "LD_PRELOAD"
            | "LD_AUDIT"
            | "DYLD_INSERT_LIBRARIES"
            | "BASH_ENV"
            | "PROMPT_COMMAND"
            | "PYTHONSTARTUP"
            | "PYTHONINSPECT"
            | "PERL5OPT"
            | "PERL5DB"
            | "RUBYOPT"
            | "GCONV_PATH"
            | "VISUAL"
            | "KRB5CCNAME"
            | "SSH_AUTH_SOCK"
            | "AWS_SESSION_TOKEN"
            | "LESSOPEN"
            | "LESSCLOSE"
            | "GIT_SSH"
            | "GIT_SSH_COMMAND"
            | "RSYNC_RSH"
            | "GROFF_BIN_PATH"
            | "http_proxy"
            | "https_proxy"
            | "all_proxy"
            | "HTTP_PROXY"
            | "HTTPS_PROXY"
            | "ALL_PROXY"
    ) || name.ends_with("PAGER")
        || name.ends_with("EDITOR")
        || name.ends_with("_ASKPASS")
        || name.ends_with("PASSWORD_COMMAND")
}

/// Whether a search for programs begins where files are passed about, where one stands, or in a
/// hidden folder at the root.
fn leads_astray(path: &str) -> bool {
    let first = path.split(':').next().unwrap_or_default();
    path.contains(':')
        && (matches!(first, "" | ".")
            || ["/tmp", "/var/tmp", "/dev/shm", "/."].iter().any(|place| first.starts_with(place)))
}
