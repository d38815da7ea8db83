//! What happens at one line, in plain words.

mod change;
mod command;
mod mining;

use lazaret_model::{BehaviourKind, FileOp, Location};

use change::shown;
pub use command::command;
use command::{is_java, java, unpacks, verb, wait};

use super::roles::{self, base};
use super::sentence::{Sentence, say};
use super::site::Site;
use super::{Mark, Step, Teller};

/// Characters of a command that are shown.
const COMMAND: usize = 160;
/// Lines of a written text that are shown.
const SHOWN_LINES: usize = 3;
/// What a detail begins with that says how a program is called.
pub const STARTED: &str = "started as ";
/// What a detail begins with that quotes a text.
pub const TEXT: &str = "text: ";
/// Commands alike at one line that are told one by one.
const ALIKE: usize = 6;

/// What a deed is about, for the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Mines for somebody.
    Mines,
    /// Hands a shell to somebody outside.
    HandsShell,
    /// Leaves the container or writes to the host.
    Host,
    /// Runs what it fetches.
    RunsFetched,
    /// Lets somebody log in later, or comes back by itself.
    Stays,
    /// Changes the kernel or the machine.
    Machine,
    /// Fetches something.
    Fetches,
    /// Connects to something.
    Connects,
    /// Paper cannot tell what it is.
    Unknown,
}

/// A deed that the summary may name.
#[derive(Debug, Clone)]
pub struct Noted {
    /// What it is about.
    pub topic: Topic,
    /// The step, without those below it.
    pub step: Step,
    /// The condition under which it happens, where the script states one.
    pub condition: Option<Sentence>,
}

/// One deed: a step of its own, or something to fold into a line with others of its kind.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Told by itself.
    Step(Box<Step>, Option<Topic>),
    /// A helper that looks, by name.
    Look(String),
    /// Housekeeping on these paths.
    Prepare(Vec<String>),
    /// Starts itself again, as this user where one is named.
    Again(Option<String>),
}

/// A process as the behaviours have it.
struct Process<'a> {
    /// Position among the behaviours of the site.
    at: usize,
    argv: &'a [String],
    image: Option<&'a str>,
    parent: Option<&'a str>,
    fed_by: &'a [String],
    stdin: Option<&'a str>,
    downloaded: Option<&'a str>,
}

impl Process<'_> {
    fn name(&self) -> &str {
        base(self.argv.first().map_or("", String::as_str))
    }

    fn args(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }
}

struct Change<'a> {
    /// Position among the behaviours of the site.
    at: usize,
    op: FileOp,
    path: &'a str,
    content: Option<&'a str>,
    by: &'a str,
}

struct Connection<'a> {
    /// Position among the behaviours of the site.
    at: usize,
    host: &'a str,
    port: Option<u16>,
    url: Option<&'a str>,
    by: &'a str,
}

impl Connection<'_> {
    fn target(&self) -> String {
        match (self.url, self.port) {
            (Some(url), _) => url.to_owned(),
            (None, Some(port)) => format!("{}:{port}", self.host),
            (None, None) => self.host.to_owned(),
        }
    }

    fn mines(&self) -> bool {
        self.url.is_some_and(|url| url.starts_with("stratum"))
    }
}

/// Tells a site.
pub fn deeds(teller: &mut Teller<'_>, site: &Site<'_>) -> Vec<Deed> {
    let mut processes = Vec::new();
    let mut changes = Vec::new();
    let mut connections = Vec::new();
    for (at, behaviour) in site.behaviours.iter().enumerate() {
        match &behaviour.kind {
            BehaviourKind::Process { argv, image, parent, fed_by, stdin, downloaded } => {
                processes.push(Process {
                    at,
                    argv,
                    image: image.as_deref(),
                    parent: parent.as_deref(),
                    fed_by,
                    stdin: stdin.as_deref(),
                    downloaded: downloaded.as_deref(),
                })
            }
            BehaviourKind::File { op, path, content, by } => {
                changes.push(Change { at, op: *op, path, content: content.as_deref(), by });
            }
            BehaviourKind::Network { host, port, url, by } => {
                connections.push(Connection { at, host, port: *port, url: url.as_deref(), by });
            }
        }
    }
    let mut at = At { teller, site, processes, changes, connections, user: None, out: Vec::new() };
    at.tell();
    let may = site.may;
    let mut out = at.out;
    for deed in &mut out {
        if let Deed::Step(step, _) = deed {
            step.may = may;
        }
    }
    out
}

struct At<'t, 'a, 's> {
    teller: &'t mut Teller<'a>,
    site: &'s Site<'s>,
    processes: Vec<Process<'s>>,
    changes: Vec<Change<'s>>,
    connections: Vec<Connection<'s>>,
    user: Option<String>,
    out: Vec<Deed>,
}

impl At<'_, '_, '_> {
    fn tell(&mut self) {
        let processes = std::mem::take(&mut self.processes);
        let mut told: Vec<(String, usize)> = Vec::new();
        for (number, process) in processes.iter().enumerate() {
            let name = process.name();
            let own = process.fed_by.iter().find(|by| by.starts_with("/dev/")).cloned();
            self.connections.retain(|connection| own.is_none() || connection.url != own.as_deref());
            self.tell_rest(process.at);
            if self.is_told_with(&processes, number) {
                self.wrapper(process);
                continue;
            }
            let alike = match told.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => {
                    *count += 1;
                    *count
                }
                None => {
                    told.push((name.to_owned(), 1));
                    1
                }
            };
            let limit = self.most_alike(process);
            if alike > limit && !roles::looks(name, process.args()) && !roles::prepares(name) {
                if alike == limit + 1 {
                    let more = processes.iter().filter(|other| other.name() == name).count() - limit;
                    let sentence = say(format!("and {more} more like it with ")).code(name);
                    self.step(Step::new(Mark::Aside, sentence), None);
                }
                continue;
            }
            self.process(process, &processes);
        }
        self.tell_rest(usize::MAX);
    }

    /// Connections and changes before this position that no process was told with.
    fn tell_rest(&mut self, before: usize) {
        let (now, later) = std::mem::take(&mut self.connections).into_iter().partition(|c| c.at < before);
        self.connections = later;
        let now: Vec<Connection<'_>> = now;
        for connection in &now {
            let sentence = say("connects to ").code(connection.target()).say(", by ").code(connection.by);
            self.step(Step::new(Mark::Plain, sentence), Some(Topic::Connects));
        }
        let (now, later) = std::mem::take(&mut self.changes).into_iter().partition(|c| c.at < before);
        self.changes = later;
        let now: Vec<Change<'_>> = now;
        for change in &now {
            self.change(change);
        }
    }

    /// How many commands of one program at this line are told one by one. A line of a script is one
    /// command in several rounds or branches; the words of a configuration are a whole script, and
    /// of what fetches or runs something each is told.
    fn most_alike(&self, process: &Process<'_>) -> usize {
        let name = process.name();
        let in_file = matches!(self.site.place(), Location::File { line: Some(_), .. });
        let talks = self.connections.iter().any(|connection| base(connection.by) == name);
        let quiet =
            process.fed_by.is_empty() && process.downloaded.is_none() && !talks && !roles::fetches(name);
        if in_file && quiet { 1 } else { ALIKE }
    }

    fn step(&mut self, step: Step, topic: Option<Topic>) {
        self.out.push(Deed::Step(Box::new(step), topic));
    }

    /// Whether a process is told with one that it starts at the same line.
    fn is_told_with(&self, processes: &[Process<'_>], number: usize) -> bool {
        let process = &processes[number];
        let name = process.name();
        let script =
            base(process.argv.iter().skip(1).find(|arg| !arg.starts_with('-')).map_or("", String::as_str));
        roles::wraps(name)
            && process.fed_by.is_empty()
            && process.downloaded.is_none()
            && processes[number + 1..].iter().any(|other| {
                other
                    .parent
                    .is_some_and(|parent| parent == name || base(parent) == script && !script.is_empty())
            })
    }

    fn wrapper(&mut self, process: &Process<'_>) {
        match process.name() {
            "gosu" | "su-exec" | "setuidgid" => self.user = process.args().first().cloned(),
            "setpriv" => {
                let user = process.args().iter().find_map(|arg| arg.strip_prefix("--reuid="));
                self.user = user.map(str::to_owned);
            }
            "su" | "runuser" | "sudo" | "chpst" => {
                let mut args = process.args().iter();
                self.user = args.find(|arg| !arg.starts_with('-')).cloned();
            }
            "chroot" => {
                let Some(folder) = process.args().iter().find(|arg| !arg.starts_with('-')).cloned() else {
                    return;
                };
                let host = self.teller.mounts.host(&folder);
                let mark = if host.is_some() { Mark::Alarm } else { Mark::Plain };
                let mut sentence =
                    say("makes ").code(folder.clone()).say(" its root folder and works in there");
                if let Some(host) = &host {
                    sentence = sentence.say(". It is ").say(if host.known {
                        "the host's file system"
                    } else {
                        "the host's file system, if that is mounted there as this image expects"
                    });
                }
                let topic = host.is_some().then_some(Topic::Host);
                self.step(Step::new(mark, sentence), topic);
            }
            "nsenter" => {
                let sentence = say("leaves the container: ")
                    .code(command(process.argv))
                    .say(" works in the host's own namespaces");
                self.step(Step::new(Mark::Alarm, sentence), Some(Topic::Host));
            }
            _ => {}
        }
    }

    fn take_connections(&mut self, name: &str) -> Vec<(String, bool)> {
        let (own, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.connections)
            .into_iter()
            .partition(|connection| connection.by == name || base(connection.by) == name);
        self.connections = rest;
        own.iter().map(|connection| (connection.target(), connection.mines())).collect()
    }

    fn process(&mut self, process: &Process<'_>, all: &[Process<'_>]) {
        let name = process.name().to_owned();
        let first = process.argv.first().map_or("", String::as_str);
        if self.is_itself(process, first) {
            self.out.push(Deed::Again(self.user.take()));
            return;
        }
        let connections = self.take_connections(&name);
        if self.mines(process, &connections) {
            return self.miner(process, &connections);
        }
        if let Some(outside) =
            process.fed_by.iter().find(|by| by.starts_with("/dev/tcp/") || by.starts_with("/dev/udp/"))
        {
            let target =
                outside.trim_start_matches("/dev/tcp/").trim_start_matches("/dev/udp/").replace('/', ":");
            let sentence = say("hands a shell, ")
                .code(command(process.argv))
                .say(", to whoever answers at ")
                .code(target)
                .say(": they can do all that this container can");
            return self.step(Step::new(Mark::Alarm, sentence), Some(Topic::HandsShell));
        }
        if let Some(url) = process.downloaded {
            let with = if roles::interprets(&name) { name.clone() } else { command(process.argv) };
            let sentence = say("runs what comes from ")
                .code(url)
                .say(" with ")
                .code(with)
                .say(": it is not in the image, so nobody has seen it");
            return self.step(Step::new(Mark::Alarm, sentence), Some(Topic::RunsFetched));
        }
        if roles::fetches(&name) {
            // What is piped on into an interpreter is told there.
            if all
                .iter()
                .any(|other| other.downloaded.is_some() && other.fed_by.iter().any(|by| base(by) == name))
            {
                return;
            }
            return self.download(process, &name, connections);
        }
        if first.starts_with('$') && !is_java(process.argv) {
            let sentence =
                say("runs a program whose name only shows when it runs: ").code(command(process.argv));
            return self.step(Step::new(Mark::Unknown, sentence), Some(Topic::Unknown));
        }
        if name == "sleep" {
            let sentence = say(format!("waits {}", wait(process.args())));
            return self.step(Step::new(Mark::Plain, sentence), None);
        }
        let writes = self.changes.iter().any(|change| change.by == name && change.op != FileOp::Chmod);
        if roles::prepares(&name) && !self.touches_host(process) {
            self.changes.retain(|change| change.by != name);
            let paths = process.args().iter().filter(|arg| arg.contains('/') || arg.starts_with('$'));
            let of_find = all.iter().filter(|other| other.name() == "find" && process.parent == Some("find"));
            let of_find = of_find.flat_map(|find| find.args().first());
            self.out.push(Deed::Prepare(paths.chain(of_find).cloned().collect()));
            return;
        }
        if writes || roles::prepares(&name) {
            // The change itself says all.
            let only_that = matches!(
                name.as_str(),
                "cp" | "mv"
                    | "tee"
                    | "dd"
                    | "cat"
                    | "echo"
                    | "printf"
                    | "sed"
                    | "rm"
                    | "ln"
                    | "install"
                    | "chmod"
                    | "chown"
                    | "touch"
                    | "mkdir"
                    | "truncate"
                    | "crontab"
            );
            let told = self.changes.iter().any(|change| change.by == name);
            if only_that && told {
                return;
            }
            if roles::prepares(&name) {
                let paths =
                    process.args().iter().filter(|arg| arg.starts_with('/')).cloned().collect::<Vec<_>>();
                let mut sentence = say(format!("{} ", verb(&name)));
                for (at, path) in paths.iter().enumerate() {
                    sentence = if at > 0 { sentence.say(", ") } else { sentence };
                    sentence = sentence.then(self.teller.mounts.name(path));
                }
                return self.step(Step::new(Mark::Plain, sentence), None);
            }
        }
        if roles::looks(&name, process.args())
            || (name == "crontab" && process.args().iter().any(|arg| arg == "-l"))
        {
            self.out.push(Deed::Look(name));
            return;
        }
        if name == "rm" {
            self.changes.retain(|change| change.by != name);
            self.out.push(Deed::Prepare(
                process.args().iter().filter(|arg| !arg.starts_with('-')).cloned().collect(),
            ));
            return;
        }
        self.plain(process, &name, &connections);
    }

    fn is_itself(&self, process: &Process<'_>, first: &str) -> bool {
        let Location::File { path, line: Some(_), .. } = self.site.place() else { return false };
        let own = path.to_string();
        matches!(first, "$BASH_SOURCE" | "$0") || process.image == Some(own.as_str()) || first == own
    }

    fn touches_host(&self, process: &Process<'_>) -> bool {
        process.args().iter().any(|arg| self.teller.mounts.host(arg).is_some())
    }

    fn download(&mut self, process: &Process<'_>, name: &str, connections: Vec<(String, bool)>) {
        let targets: Vec<String> = connections.into_iter().map(|(target, _)| target).collect();
        let (to, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| change.by == name && change.op == FileOp::Write);
        self.changes = rest;
        let mut sentence = if targets.is_empty() {
            say("runs ").code(command(process.argv)).say(", which downloads")
        } else {
            say("downloads ").list(targets)
        };
        for (at, change) in to.iter().enumerate() {
            sentence =
                sentence.say(if at == 0 { " to " } else { ", " }).then(self.teller.mounts.name(change.path));
        }
        self.step(Step::new(Mark::Plain, sentence), Some(Topic::Fetches));
    }

    /// Anything that has no words of its own.
    fn plain(&mut self, process: &Process<'_>, name: &str, connections: &[(String, bool)]) {
        let args = process.args();
        let operands = || args.iter().filter(|arg| !arg.starts_with('-'));
        let mut mark = Mark::Plain;
        let mut topic = None;
        let script = roles::language(name)
            .and_then(|_| operands().find(|arg| arg.starts_with('/') || arg.contains('.')));
        let mut sentence = match name {
            "sysctl" => {
                mark = Mark::Alarm;
                topic = Some(Topic::Machine);
                say("changes a setting of the kernel, which the host shares: ")
                    .list(operands().cloned().collect::<Vec<_>>())
            }
            "modprobe" | "insmod" => {
                mark = Mark::Alarm;
                topic = Some(Topic::Machine);
                say("loads a module into the host's kernel: ").list(operands().cloned().collect::<Vec<_>>())
            }
            "mount" => {
                topic = Some(Topic::Machine);
                say("mounts ").list(operands().cloned().collect::<Vec<_>>())
            }
            "iptables" | "ip6tables" | "nft" | "ufw" => {
                say("changes the firewall: ").code(command(process.argv))
            }
            "kill" | "pkill" | "killall" => {
                say("sends a signal to other processes: ").code(command(process.argv))
            }
            "useradd" | "adduser" => say("adds a user account: ").code(command(process.argv)),
            "passwd" | "chpasswd" | "usermod" => say("changes a user account: ").code(command(process.argv)),
            "crontab" => {
                mark = Mark::Alarm;
                topic = Some(Topic::Stays);
                say("installs a schedule with ").code(command(process.argv))
            }
            "tar" | "unzip" | "bsdtar" if unpacks(name, args) => {
                say("unpacks an archive: ").code(command(process.argv))
            }
            "apt-get" | "apt" | "apk" | "yum" | "dnf" | "microdnf" | "pip" | "pip3" | "npm" | "yarn"
            | "gem" => say("manages packages: ").code(command(process.argv)),
            "docker" | "ctr" | "crictl" | "nerdctl" | "podman" | "kubectl" => {
                topic = Some(Topic::Machine);
                say("drives the container engine or the cluster: ").code(command(process.argv))
            }
            "tail" if args.iter().any(|arg| arg == "/dev/null") => {
                say("stays alive and does nothing: ").code(command(process.argv))
            }
            _ if is_java(process.argv) => say("runs the Java program ").code(java(process.argv)),
            _ => match (script, roles::language(name)) {
                (Some(script), Some(language)) => {
                    say(format!("runs the {language} program ")).code(script.clone())
                }
                _ => {
                    let mut sentence = say("runs ").code(command(process.argv));
                    if let Some(role) = roles::role(name) {
                        sentence = sentence.say(", ").say(role);
                    }
                    sentence
                }
            },
        };
        if let Some(user) = self.user.take() {
            sentence = sentence.say(" as the user ").code(user);
        }
        let mut step = Step::new(mark, sentence);
        if !process.fed_by.is_empty() && roles::interprets(name) {
            let from = process.fed_by.iter().rev().map(|by| base(by)).collect::<Vec<_>>().join(" | ");
            step = step.detail(say("its commands come from ").code(from));
        }
        if let Some(text) = process.stdin.filter(|_| roles::interprets(name)) {
            step.details.extend(shown(text));
        }
        for (target, _) in connections {
            step = step.detail(say("it connects to ").code(target.clone()));
            topic = topic.or(Some(Topic::Connects));
        }
        let own = self.site.place().path().map(ToString::to_string);
        let file = script.map(String::as_str).or(process.image).filter(|file| own.as_deref() != Some(file));
        if let Some(file) = file {
            step.charges = self.teller.charges_of(file, script.is_some());
            if step.charges.iter().any(|charge| charge.class == "malware") {
                step.mark = Mark::Alarm;
            }
        }
        self.step(step, topic);
    }
}
