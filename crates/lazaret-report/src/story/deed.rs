//! What happens at one line, in plain words.

use lazaret_model::{BehaviourKind, FileOp, Finding, IndicatorKind, Location};

use super::roles::{self, base};
use super::sentence::{Sentence, say};
use super::site::Site;
use super::{Mark, Step, Teller, schedule};

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

    /// The finding that says that a process mines.
    fn mines(&self, process: &Process<'_>, connections: &[(String, bool)]) -> bool {
        connections.iter().any(|(_, mines)| *mines)
            || process.args().iter().any(|arg| arg.contains("stratum+") || arg.contains("stratum2+"))
            || self.mining(process).is_some()
    }

    fn mining(&self, process: &Process<'_>) -> Option<&Finding> {
        let name = process.name();
        let script = process.args().iter().find(|arg| arg.starts_with('/'));
        self.teller.image.findings.iter().find(|finding| {
            let about = finding.rule.attack.iter().any(|id| id.starts_with("T1496"))
                && finding.indicators.iter().any(|indicator| indicator.kind == IndicatorKind::Wallet);
            let here = |location: &Location| match location {
                Location::File { path, inside, line, .. } => {
                    let path = path.to_string();
                    let is = |wanted: Option<&str>| wanted == Some(path.as_str());
                    // A line is one of the script that starts it.
                    inside.is_empty() && line.is_none() && is(process.image)
                        || inside.last().is_some_and(|member| base(member) == name)
                        || // What a program of another language starts is told below it.
                        roles::language(name).is_some()
                            && self.site.below.is_empty()
                            && is(script.map(String::as_str))
                }
                _ => false,
            };
            about && finding.evidence().iter().any(|evidence| here(&evidence.location))
        })
    }

    fn miner(&mut self, process: &Process<'_>, connections: &[(String, bool)]) {
        let shown = process.argv.first().map_or("", String::as_str);
        let script = process.args().iter().find(|arg| arg.starts_with('/')).cloned();
        let named = match (roles::language(process.name()), &script) {
            (Some(language), Some(script)) => say(format!("the {language} program ")).code(script.clone()),
            _ => say("").code(process.image.unwrap_or(shown)),
        };
        let mut sentence = named.say(" mines cryptocurrency on this machine");
        let mut step = Step::new(Mark::Alarm, Sentence::default());
        let text = process.argv.join(" ");
        let finding = self.mining(process);
        let indicators =
            || finding.into_iter().chain(&self.teller.image.findings).flat_map(|f| &f.indicators);
        let mut pools: Vec<String> = connections.iter().map(|(target, _)| target.clone()).collect();
        let own_pool = indicators().find(|indicator| {
            indicator.kind == IndicatorKind::Pool && (finding.is_some() || text.contains(&indicator.value))
        });
        pools.extend(own_pool.filter(|_| connections.is_empty()).map(|pool| pool.value.clone()));
        let wallet = indicators().find(|indicator| {
            let tail = indicator.value.split_once(':').map_or(indicator.value.as_str(), |(_, tail)| tail);
            indicator.kind == IndicatorKind::Wallet && (finding.is_some() || text.contains(tail))
        });
        if let Some(pool) = pools.first() {
            sentence = sentence.say(", at the pool ").code(pool.clone());
        }
        if let Some(wallet) = wallet {
            step = step.detail(say("what it earns goes to the wallet ").code(wallet.value.clone()));
        }
        let quoted = command(process.argv);
        if quoted != shown {
            step = step.detail(say(STARTED).code(quoted));
        }
        let packed =
            finding.into_iter().flat_map(Finding::evidence).find_map(|evidence| match &evidence.location {
                Location::File { path, inside, .. }
                    if inside.last().is_some_and(|m| base(m) == process.name()) =>
                {
                    Some(path.to_string())
                }
                _ => None,
            });
        if let Some(packed) = packed {
            step = step.detail(say("it is unpacked from ").code(packed));
        }
        step.sentence = sentence;
        let file = script.filter(|_| roles::language(process.name()).is_some());
        if let Some(file) = file.or_else(|| process.image.map(str::to_owned)) {
            step.charges = self.teller.charges_in(&file);
        }
        self.step(step, Some(Topic::Mines));
    }

    fn change(&mut self, change: &Change<'_>) {
        let whole = change.path.to_owned();
        let host = self.teller.mounts.host(&whole);
        let named = self.teller.mounts.name(&whole);
        match change.op {
            FileOp::Chmod if host.is_none() && !gives_rights(change.content) => {
                self.out.push(Deed::Prepare(vec![whole]));
            }
            FileOp::Chmod => {
                let mode = change.content.unwrap_or_default();
                let alarm = gives_rights(change.content);
                let words =
                    if alarm { "lets whoever runs it have its owner's rights: " } else { "sets the rights " };
                let sentence = if alarm {
                    say(words).then(named)
                } else {
                    say(words).code(mode).say(" on ").then(named)
                };
                let mark = if alarm { Mark::Alarm } else { Mark::Aside };
                self.step(Step::new(mark, sentence), None);
            }
            FileOp::Delete if host.is_none() && is_passing(change.path) => {
                self.out.push(Deed::Prepare(vec![whole]));
            }
            FileOp::Delete => {
                let mark = if host.is_some() { Mark::Alarm } else { Mark::Plain };
                self.step(Step::new(mark, say("deletes ").then(named)), host.map(|_| Topic::Host));
            }
            FileOp::Write | FileOp::Append => self.write(change, &whole, host.is_some(), named),
        }
    }

    fn write(&mut self, change: &Change<'_>, whole: &str, host: bool, named: Sentence) {
        if change.content == Some("") && !host || whole.contains("/tmp.XXX") {
            self.out.push(Deed::Prepare(vec![whole.to_owned()]));
            return;
        }
        let verb = if change.op == FileOp::Append { "adds to " } else { "writes " };
        let mut step = Step::new(Mark::Plain, say(verb).then(named));
        let mut topic = None;
        if host {
            step.mark = Mark::Alarm;
            topic = Some(Topic::Host);
        }
        let content = change.content.unwrap_or_default();
        if schedule::is_crontab(whole) || schedule::is_crontab(&format!("/{whole}")) {
            let whose = if host { "the host" } else { "cron" };
            let with_user = schedule::names_user(whole);
            let jobs = match schedule::jobs(content, with_user) {
                jobs if jobs.is_empty() => schedule::jobs(content, false),
                jobs => jobs,
            };
            step.details.extend(jobs.iter().take(8).map(|job| schedule::words(job, whose)));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        } else if whole.contains("authorized_keys") {
            let keys = content.lines().filter_map(|line| line.split_whitespace().nth(2)).collect::<Vec<_>>();
            let mut sentence = say("whoever holds the key");
            if !keys.is_empty() {
                sentence = sentence.say(" of ").list(keys);
            }
            let where_ = if host { "the host" } else { "the container" };
            let user = owner_of(whole);
            step = step.detail(sentence.say(format!(" can from then on log in to {where_} as {user}")));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        } else if let Some(meaning) = meaning(whole) {
            step = step.detail(say(meaning));
            step.mark = Mark::Alarm;
            topic = topic.or(Some(Topic::Stays));
        }
        step.details.extend(shown(content));
        self.step(step, topic);
    }
}

/// Whose keys a file holds.
fn owner_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.iter().position(|part| *part == "home").and_then(|at| parts.get(at + 1)) {
        Some(user) => (*user).to_owned(),
        None if parts.contains(&"root") => "root".to_owned(),
        None => "its owner".to_owned(),
    }
}

/// Files with which something comes back by itself.
fn meaning(path: &str) -> Option<&'static str> {
    let ends = |tail: &str| path.ends_with(tail);
    Some(match () {
        () if ends("/etc/ld.so.preload") => "every program that starts from then on loads what it names",
        () if ends("/etc/passwd") || ends("/etc/shadow") => "it decides who can log in",
        () if path.contains("/etc/sudoers") => "it decides who can become root",
        () if path.contains("/etc/systemd/system/") || path.contains("/lib/systemd/system/") => {
            "a service that the system starts by itself"
        }
        () if path.contains("/etc/profile") || ends("/.bashrc") || ends("/.profile") => {
            "every shell that somebody opens from then on runs it"
        }
        () if path.contains("/sys/kernel/") && ends("core_pattern")
            || ends("/proc/sys/kernel/core_pattern") =>
        {
            "the kernel of the host runs what it names when a program crashes"
        }
        () => return None,
    })
}

/// The first lines of a text, each as a detail.
fn shown(text: &str) -> Vec<Sentence> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut out: Vec<Sentence> =
        lines.iter().take(SHOWN_LINES).map(|line| say(TEXT).code(cut(line.trim_end(), COMMAND))).collect();
    if lines.len() > SHOWN_LINES {
        out.push(say(format!("and {} more lines", lines.len() - SHOWN_LINES)));
    }
    out
}

/// Whether a mode lets others run a program with its owner's rights (setuid).
fn gives_rights(mode: Option<&str>) -> bool {
    let Some(mode) = mode else { return false };
    match u32::from_str_radix(mode, 8) {
        Ok(bits) => bits & 0o4000 != 0,
        Err(_) => mode
            .split(',')
            .any(|part| part.contains("+s") && !part.starts_with('g') && !part.starts_with('o')),
    }
}

/// Paths whose removal is housekeeping.
fn is_passing(path: &str) -> bool {
    ["/tmp", "/var/tmp", "/run", "/var/run", "/var/lock", "/var/cache", "/var/lib/apt", "/dev/shm"]
        .iter()
        .any(|dir| path.starts_with(dir))
        || path.ends_with(".pid")
        || path.ends_with(".lock")
        || path.starts_with('$')
}

fn verb(name: &str) -> &'static str {
    match name {
        "mkdir" => "makes the folder",
        "chown" | "chgrp" => "changes the owner of",
        "chmod" => "changes the rights of",
        "ln" => "links",
        _ => "prepares",
    }
}

fn unpacks(name: &str, args: &[String]) -> bool {
    name == "unzip"
        || args.iter().any(|arg| {
            arg == "--extract"
                || (arg.starts_with('-') && !arg.starts_with("--") || args.first() == Some(arg))
                    && arg.contains('x')
        })
}

fn wait(args: &[String]) -> String {
    match args.first().map(String::as_str) {
        Some("infinity" | "inf") => "for ever, so that the container stays up".to_owned(),
        Some(time) => match time.parse::<f64>() {
            Ok(86_400.0) => "a day, so that the container stays up".to_owned(),
            Ok(seconds) if seconds >= 86_400.0 => {
                format!("{:.0} days, so that the container stays up", seconds / 86_400.0)
            }
            Ok(seconds) if seconds >= 3_600.0 => {
                format!("{:.0} hours", seconds / 3_600.0).replace("1 hours", "an hour")
            }
            Ok(1.0) => "a second".to_owned(),
            Ok(seconds) => format!("{seconds} seconds"),
            Err(_) => time.to_owned(),
        },
        None => "a while".to_owned(),
    }
}

fn is_java(argv: &[String]) -> bool {
    argv.first().is_some_and(|first| base(first) == "java")
        || argv.first().is_some_and(|first| first.starts_with('$'))
            && argv.iter().any(|arg| arg == "-classpath" || arg == "-cp" || arg.starts_with("-Djava."))
}

/// The main class or the archive, and what it is told.
fn java(argv: &[String]) -> String {
    let mut args = argv.iter().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-jar" | "-m" | "--module" => return cut(&args.cloned().collect::<Vec<_>>().join(" "), COMMAND),
            "-classpath" | "-cp" | "--class-path" | "-p" | "--module-path" => {
                args.next();
            }
            _ if arg.starts_with(['-', '$', '@']) => {}
            _ => {
                let rest: Vec<&str> = std::iter::once(arg).chain(args).map(String::as_str).collect();
                return cut(&rest.join(" "), COMMAND);
            }
        }
    }
    command(argv)
}

/// A command as a person would type it, cut where it is long.
pub fn command(argv: &[String]) -> String {
    let quoted = |arg: &String| {
        let plain =
            !arg.is_empty() && !arg.contains(|c: char| c.is_whitespace() || "'\"|&;<>()*?".contains(c));
        if plain || arg.starts_with('$') { arg.clone() } else { format!("'{}'", arg.replace('\n', " ")) }
    };
    cut(&argv.iter().map(quoted).collect::<Vec<_>>().join(" "), COMMAND)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most - 1).collect();
    out.push('…');
    out
}
