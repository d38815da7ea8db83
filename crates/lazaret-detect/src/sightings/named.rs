//! Wallets, pools and logins there, SSH keys, hosts and addresses: what is named in files, in what
//! happens, in the configuration and in findings.

use std::collections::HashMap;

use lazaret_model::{
    BehaviourKind, Class, EntryPath, FactKind, Finding, Image, Indicator, IndicatorKind, Location, Phase,
    Reach, Role, TextKind,
};

use super::gathered::{Gathered, Weight};
use super::own::Own;
use super::{network, step, told};
use crate::analyzers::{ethereum_login, holds_wallet};
use crate::case::{Case, indicators_of, texts};

/// Where an indicator stands, which decides what of it counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In what acts: every host counts.
    Acting,
    /// In what everybody's image has alike (the steps of a build, labels): of hosts only those that
    /// say something by themselves.
    Common,
    /// In data: no host counts.
    Data,
}

fn note(gathered: &mut Gathered<'_>, indicator: &Indicator, at: Where, weight: Weight, location: &Location) {
    note_as(Role::Lies, gathered, indicator, at, weight, location);
}

fn note_as(
    role: Role,
    gathered: &mut Gathered<'_>,
    indicator: &Indicator,
    at: Where,
    weight: Weight,
    location: &Location,
) {
    let value = match indicator.kind {
        IndicatorKind::Host => {
            let host = network::normal_host(&indicator.value);
            if !counts(&host, at) || network::is_public_service(&host) {
                return;
            }
            host
        }
        IndicatorKind::Url => {
            let Some(url) = network::normal_url(&indicator.value) else { return };
            let host = network::host_of(&url);
            if !counts(host, at) || network::is_mirror(host) {
                return;
            }
            url
        }
        IndicatorKind::Pool => {
            let host = network::host_of(&indicator.value);
            if host.contains('.') && !network::is_somewhere(host) {
                return;
            }
            indicator.value.clone()
        }
        IndicatorKind::PoolLogin => account_of(&indicator.value).to_owned(),
        _ => indicator.value.clone(),
    };
    gathered.see_as(role, indicator.kind, &value, weight, location.clone());
}

fn counts(host: &str, at: Where) -> bool {
    network::is_somewhere(host)
        && match at {
            Where::Acting => true,
            Where::Common => network::is_telling(host),
            Where::Data => host.ends_with(".onion"),
        }
}

/// What the analyzers saw in files that no package vouches for, removed ones included.
pub(super) fn of_files(case: &Case<'_>, own: &Own<'_>, gathered: &mut Gathered<'_>) {
    let facts = own.files().flat_map(|(layer, _, facts)| facts.iter().map(move |fact| (layer, *fact)));
    for (layer, fact) in facts {
        let FactKind::Indicator(indicator) = &fact.kind else { continue };
        if !own.is_own(layer, &fact.path) {
            continue;
        }
        let weight = match case.reach(layer, &fact.path) {
            Reach::Starts => Weight::Acts,
            Reach::Reachable => Weight::May,
            Reach::Dormant if fact.inside.is_empty() => Weight::Lies,
            Reach::Dormant | Reach::Removed => Weight::Hidden,
        };
        let is_owners = matches!(indicator.kind, IndicatorKind::Wallet | IndicatorKind::SshKey);
        if indicator.kind == IndicatorKind::SshKey && told::keeps_host_keys(&fact.path) {
            continue;
        }
        let about = weight >= Weight::Lies && told::is_about_something_else(&fact.path);
        if about && !is_owners {
            continue;
        }
        // Whoever writes of a wallet or a key in a manual makes it known.
        let spoken = is_owners && (about || told::is_only_told(case, layer, fact, indicator));
        let role = if spoken { Role::Mentioned } else { Role::Lies };
        let is_network = matches!(indicator.kind, IndicatorKind::Host | IndicatorKind::Url);
        let at = if is_network && is_script(case, layer, fact) { Where::Acting } else { Where::Data };
        note_as(role, gathered, indicator, at, weight, &fact.location(layer));
    }
}

fn is_script(case: &Case<'_>, layer: usize, fact: &lazaret_model::Fact) -> bool {
    case.facts_of(layer, &fact.path).iter().filter(|other| other.inside == fact.inside).any(|other| {
        match &other.kind {
            FactKind::Text { kind, shebang } => {
                shebang.is_some() || !matches!(kind, TextKind::Plain | TextKind::Json | TextKind::Yaml)
            }
            FactKind::MinerConfig { .. } => true,
            _ => false,
        }
    })
}

/// What findings name.
pub(super) fn of_findings(findings: &[Finding], gathered: &mut Gathered<'_>) {
    for finding in findings {
        for indicator in &finding.indicators {
            let role = Role::of(finding);
            note_as(role, gathered, indicator, Where::Acting, Weight::Acts, finding.location());
        }
    }
}

/// What happens, unless a package's own script does it.
///
/// A finding that something is fetched and run, or that somebody is connected to, stands at the step that does it
/// and does not always name the address: then what happens at that step does.
pub(super) fn of_behaviours(
    case: &Case<'_>,
    own: &Own<'_>,
    findings: &[Finding],
    gathered: &mut Gathered<'_>,
) {
    let mut accused: HashMap<&Location, Role> = HashMap::new();
    for finding in findings.iter().filter(|finding| is_about_contact(finding)) {
        let role = accused.entry(finding.location()).or_default();
        *role = Role::of(finding).max(*role);
    }
    for behaviour in &case.start.behaviours {
        let location = behaviour.because.first().cloned().unwrap_or(Location::Image);
        if let Location::File { layer, path, .. } = &location
            && !own.is_own(*layer, path)
        {
            continue;
        }
        let at = if behaviour.phase == Phase::Build { Where::Common } else { Where::Acting };
        let weight = match Case::phase_reach(behaviour.phase) {
            Reach::Starts => Weight::Acts,
            Reach::Reachable => Weight::May,
            Reach::Dormant | Reach::Removed => Weight::Lies,
        };
        let host_keys = match &behaviour.kind {
            BehaviourKind::File { path, .. } => told::keeps_host_keys(&EntryPath::from(path.as_str())),
            _ => false,
        };
        for text in texts(behaviour) {
            for (_, indicator) in indicators_of(text).iter() {
                if host_keys && indicator.kind == IndicatorKind::SshKey {
                    continue;
                }
                let role = match indicator.kind {
                    IndicatorKind::Url | IndicatorKind::Host => accused.get(&location).copied(),
                    _ => None,
                };
                note_as(role.unwrap_or_default(), gathered, indicator, at, weight, &location);
            }
        }
        if let BehaviourKind::Process { argv, .. } = &behaviour.kind
            && let Some(login) = value_of(argv, &["-u", "--user", "-user", "-w", "--wallet", "-wal"])
        {
            if let Some(wallet) = ethereum_login(login) {
                gathered.see(IndicatorKind::Wallet, &wallet, weight, location.clone());
            } else if let Some(login) = pool_login(argv).filter(|login| is_login(login)) {
                gathered.see(IndicatorKind::PoolLogin, account_of(login), weight, location.clone());
            }
        }
        if let BehaviourKind::Network { host, .. } = &behaviour.kind {
            let indicator = Indicator::new(IndicatorKind::Host, host.as_str());
            let role = accused.get(&location).copied().unwrap_or_default();
            note_as(role, gathered, &indicator, at, weight, &location);
        }
    }
}

/// Whether a finding is about what an image fetches, runs from afar, connects to or sends away.
fn is_about_contact(finding: &Finding) -> bool {
    const RULES: [&str; 6] = [
        "execution/download",
        "execution/fetched",
        "command-and-control/",
        "exfiltration/",
        "persistence/fetching",
        "persistence/scheduled-download",
    ];
    finding.class == Class::Malware && RULES.iter().any(|start| finding.rule.id.starts_with(start))
}

/// The value of the first of these options that is given.
fn value_of<'a>(argv: &'a [String], names: &[&str]) -> Option<&'a str> {
    argv.iter().enumerate().skip(1).find_map(|(at, word)| {
        if names.contains(&word.as_str()) {
            return argv.get(at + 1).map(String::as_str);
        }
        names.iter().find_map(|name| word.strip_prefix(name)?.strip_prefix('='))
    })
}

/// What a miner is told to log in as: `-u NAME` beside `-o HOST:PORT`.
fn pool_login(argv: &[String]) -> Option<&str> {
    let pool = value_of(argv, &["-o", "--url", "-pool", "--pool"])?;
    let (scheme, rest) = pool.split_once("://").unwrap_or(("", pool));
    let port = rest.rsplit_once(':').map_or("", |(_, port)| port);
    let is_pool = (scheme.contains("stratum") || scheme.is_empty() && rest.contains('.'))
        && !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit());
    let login = value_of(argv, &["-u", "--user", "-user"])?;
    is_pool.then_some(login)
}

/// Whether a login is a name, and no wallet.
fn is_login(login: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
    (2..=128).contains(&login.len()) && login.chars().all(plain) && !holds_wallet(login)
}

/// The account of a login: what stands before the worker (`account.worker`). A mail address is all of it.
fn account_of(login: &str) -> &str {
    if login.contains('@') {
        return login;
    }
    let account = login.split(['.', '+']).next().unwrap_or_default();
    if account.is_empty() { login } else { account }
}

/// What the configuration and the history say.
pub(super) fn of_config(image: &Image, gathered: &mut Gathered<'_>) {
    let config = &image.config;
    let mut look = |text: &str, at: Where, location: &dyn Fn() -> Location| {
        for (_, indicator) in indicators_of(text).iter() {
            note(gathered, indicator, at, Weight::Acts, &location());
        }
    };
    for (key, words) in [("Entrypoint", &config.entrypoint), ("Cmd", &config.cmd)] {
        for text in words {
            look(text, Where::Acting, &|| step::of_key(image, key));
        }
    }
    if let Some(check) = &config.healthcheck {
        for text in &check.test {
            look(text, Where::Acting, &|| step::of_key(image, "Healthcheck"));
        }
    }
    for text in &config.on_build {
        look(text, Where::Acting, &|| step::of_key(image, "OnBuild"));
    }
    for (at, (name, value)) in config.env.iter().enumerate() {
        look(value, Where::Acting, &|| step::of_variable(image, at, name));
    }
    for (name, value) in &config.labels {
        look(value, Where::Common, &|| step::of_label(image, name));
    }
    for (number, made) in config.history.iter().enumerate() {
        look(&made.created_by, Where::Common, &|| Location::History(number));
        look(&made.comment, Where::Common, &|| Location::History(number));
    }
}
