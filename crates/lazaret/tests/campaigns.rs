//! The line-up, scanned as anybody would, comes out as one campaign, and what each image does is told
//! as its recipe says.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;

use lazaret_hunt::campaign;
use lazaret_model::{Campaign, DeedKind, Listing};
use lazaret_store::Store;
use support::Place;

/// What the notes of the recipes say.
fn expected(name: &str) -> Vec<DeedKind> {
    use DeedKind::*;
    match name {
        "cron" | "mysql" => vec![HostCron],
        "cronm" => vec![HostCron, Cron],
        "mysql0" => vec![HostCron, Escape],
        "mysql6" => vec![HostCron, SshKey],
        "cronnn" => vec![SshKey],
        "t1" | "t2" => vec![ReverseShell],
        _ => vec![MinerInPlace],
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The store after a scan of the line-up.
fn lineup(place: &Place) -> String {
    let store = format!("sqlite:{}", place.path("store.sqlite").display());
    let said = place.run(&["scan", "-q", "--store", &store, "-f", "json", "-o", "report.json", "lab:lineup"]);
    assert_eq!(said.code, 1, "{said:?}");
    store
}

fn short(repository: &str) -> &str {
    repository.rsplit('/').next().unwrap()
}

#[test]
fn the_line_up_is_one_campaign_and_what_each_image_does_is_told_rightly() {
    let place = Place::new();
    let url = lineup(&place);
    let (told, again): (Campaign, Vec<Campaign>) = wait(async {
        let store = Store::open(&url).await.unwrap();
        // Metadata as a hunt would have noted it.
        let campaigns = campaign::refresh(&store, &[]).await.unwrap();
        assert_eq!(campaigns.len(), 1, "{campaigns:?}");
        for member in &campaigns[0].members {
            let listing = Listing {
                repository: member.repository.clone(),
                account: Some("docker.io/dockmaster117".to_owned()),
                description: format!("a fine {}", short(&member.repository)),
                created: Some("2024-07-20T04:00:00Z".to_owned()),
                updated: Some("2025-03-09T01:44:14Z".to_owned()),
                pulls: Some(10),
                ..Listing::default()
            };
            store.put_listing(&listing, None).await.unwrap();
        }
        let lure = Listing {
            repository: "docker.io/dockmaster117/free".to_owned(),
            account: Some("docker.io/dockmaster117".to_owned()),
            description: "get it at hxxp".to_owned(),
            ..Listing::default()
        };
        let why = (lazaret_model::Outcome::Malicious, "it leads elsewhere".to_owned());
        store.put_listing(&lure, Some(&why)).await.unwrap();
        let again = campaign::refresh(&store, &[]).await.unwrap();
        let told = campaign::load(&store, &campaigns[0].id).await.unwrap().unwrap();
        store.close().await.unwrap();
        (told, again)
    });
    // The same name although it was computed anew.
    assert_eq!(again.iter().map(|c| &c.id).collect::<Vec<_>>(), [&told.id]);
    assert_eq!(told.members.len(), 17);
    assert_eq!(told.accounts.len(), 1);
    assert_eq!((told.accounts[0].members, told.accounts[0].pulls), (17, Some(170)));
    assert_eq!(told.lures.len(), 1);

    let mut wrong = BTreeMap::new();
    for member in &told.members {
        let name = short(&member.repository);
        let main = [
            DeedKind::MinerInPlace,
            DeedKind::MinerFetched,
            DeedKind::HostCron,
            DeedKind::Cron,
            DeedKind::ReverseShell,
            DeedKind::SshKey,
            DeedKind::Escape,
        ];
        let deeds: Vec<DeedKind> =
            member.deeds.iter().map(|deed| deed.kind).filter(|kind| main.contains(kind)).collect();
        if deeds != expected(name) {
            wrong.insert(name, deeds);
        }
        assert!(member.deeds.iter().all(|deed| !deed.evidence.is_empty() && !deed.place.is_empty()));
        assert!(!member.why.is_empty() && !member.manifests.is_empty() && !member.rules.is_empty(), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");

    // What ties it, what it claims, how it goes on, and what is to be cleaned up.
    let wallet = told.shared.iter().find(|shared| shared.indicator.kind.name() == "wallet").unwrap();
    assert_eq!(wallet.members.len(), 9);
    assert!(wallet.bits > 16.0 && !wallet.place.is_empty() && wallet.elsewhere == 0);
    assert!(told.ties.len() >= 16 && told.ties.iter().all(|tie| tie.a < tie.b && tie.bits >= 16.0));
    let claim =
        |product: &str| told.claims.iter().find(|claim| claim.product == product).unwrap().members.len();
    assert_eq!((claim("mysql"), claim("tomcat"), claim("cron")), (7, 3, 3));
    assert!(told.techniques.iter().any(|technique| technique.id == "T1496.001"));
    assert!(
        told.conduct
            .iter()
            .any(|conduct| conduct.kind == DeedKind::HostCron && conduct.text.contains("crontab"))
    );
    let steps: Vec<&str> = told.cleanup.iter().map(|step| step.what.as_str()).collect();
    assert!(
        steps.iter().any(|step| step.contains("/etc/crontab on the host") && step.contains("logo3.jpg")),
        "{steps:?}"
    );
    assert!(steps.iter().any(|step| step.contains("/root/.ssh/authorized_keys on the host")), "{steps:?}");
    assert!(told.timeline.windows(2).all(|pair| pair[0].time <= pair[1].time) && !told.timeline.is_empty());
}

#[test]
fn two_images_of_the_line_up_are_asked_about_and_a_refuted_link_is_remembered() {
    let place = Place::new();
    let url = lineup(&place);
    let ask = |a: &str, b: &str| -> serde_json::Value {
        let said = place.run(&["campaigns", "why", "--store", &url, "--json", a, b]);
        serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    };
    let answer = ask("lineup/mysql2", "lineup/tomcat");
    assert_eq!(answer["together"], "tied", "{answer:#}");
    let reason = answer["links"][0]["reasons"][0]["what"].as_str().unwrap();
    let value = reason.strip_prefix("wallet ").unwrap().to_owned();

    let text = place.run(&["campaigns", "why", "--store", &url, "lineup/mysql2", "lineup/tomcat"]).out;
    assert!(text.contains("are tied") && text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let refuse =
        place.run(&["campaigns", "refute", "--store", &url, "wallet", "xmr:nobody", "--reason", "x"]);
    assert_eq!(refuse.code, 2, "{refuse:?}");
    let done = place.run(&[
        "campaigns",
        "refute",
        "--store",
        &url,
        "wallet",
        &value,
        "--reason",
        "a test \u{1b}[31m",
        "--author",
        "me",
    ]);
    assert_eq!(done.code, 0, "{done:?}");
    let held = ask("lineup/mysql2", "lineup/tomcat");
    let wallet = held["held"].as_array().unwrap().iter().find(|held| held["kind"] == "wallet").unwrap();
    assert_eq!(wallet["bits"], 0.0, "{held:#}");
    let listed = place.run(&["campaigns", "refuted", "--store", &url]).out;
    assert!(listed.contains("a test \\x1b[31m (me,"), "{listed}");

    let taken = place.run(&["campaigns", "refute", "--store", &url, "wallet", &value, "--take-back"]);
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(ask("lineup/mysql2", "lineup/tomcat")["together"], "tied");

    let list = place.run(&["campaigns", "--store", &url]);
    assert!(list.out.lines().all(|line| line.chars().count() <= 80) && list.out.contains("17"), "{list:?}");
    let unknown = place.run(&["campaigns", "why", "--store", &url, "lineup/mysql2", "nothing/here"]);
    assert!(unknown.code == 2 && unknown.err.contains("no image was judged"), "{unknown:?}");
}

#[test]
fn whoever_scans_what_leads_to_a_campaign_is_told_so_and_the_verdict_stays() {
    let place = Place::new();
    let url = lineup(&place);
    let wallet = wait(async {
        let store = Store::open(&url).await.unwrap();
        let told = campaign::refresh(&store, &[]).await.unwrap();
        store.close().await.unwrap();
        let held = told[0].shared.iter().find(|shared| shared.indicator.kind.name() == "wallet").unwrap();
        held.indicator.value.strip_prefix("xmr:").unwrap().to_owned()
    });
    let with = place.recipe("with", &format!("LAYER COPY notes\nFILE /srv/notes\n    {wallet}\n"));
    let plain = place.recipe("plain", "LAYER COPY notes\nFILE /srv/notes\n    nothing\n");
    let scan = |reference: &str, more: &[&str]| {
        place.json(&[&["scan", "-q", "--store", &url, reference], more].concat())
    };
    let (without, _) = place.json(&["scan", "-q", "--no-store", with.to_str().unwrap()]);
    // The first time its layers are read, the second time its verdict is remembered.
    for _ in 0..2 {
        let (said, report) = scan(with.to_str().unwrap(), &[]);
        assert_eq!(said.code, without.code, "{said:?}");
        let link = &report["reports"][0]["campaigns"][0];
        assert_eq!(link["relation"], "lead", "{report:#}");
        assert!(link["id"].as_str().unwrap().starts_with("LZ-"), "{link}");
        let reason = link["reason"].as_str().unwrap();
        assert!(reason.starts_with("holds the wallet of 9 members: xmr:"), "{reason}");
    }
    let text = place.run(&["scan", "-q", "--store", &url, with.to_str().unwrap()]).out;
    let line = text.lines().find(|line| line.starts_with("campaign ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("LZ-") && text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let (_, report) = scan(plain.to_str().unwrap(), &[]);
    assert_eq!(report["reports"][0]["campaigns"], serde_json::Value::Null, "{report:#}");
    let (_, report) = scan("lab:lineup/mysql2", &[]);
    assert_eq!(report["reports"][0]["campaigns"][0]["relation"], "member", "{report:#}");
}

#[test]
fn a_refutation_of_what_nobody_holds_is_refused_and_short_names_are_understood() {
    let place = Place::new();
    let url = lineup(&place);
    let refute = |what: &[&str]| {
        place.run(
            &[&["campaigns", "refute", "--store", &url, "--reason", "x", "--author", "me"], what].concat(),
        )
    };
    let typo = refute(&["pair", "lineup/mysql2", "lineup/tomcta"]);
    assert!(typo.code == 2 && typo.err.contains("lineup/tomcta"), "{typo:?}");
    let same = refute(&["pair", "lineup/mysql2", "lineup/mysql2"]);
    assert!(same.code == 2 && same.err.contains("one repository"), "{same:?}");
    let nobody = refute(&["account", "docker.io/nobody"]);
    assert!(nobody.code == 2 && nobody.err.contains("docker.io/nobody"), "{nobody:?}");
    let done = refute(&["pair", "lineup/mysql2", "lineup/tomcat"]);
    assert_eq!(done.code, 0, "{done:?}");
    let why = place.run(&["campaigns", "why", "--store", &url, "lineup/mysql2", "lineup/tomcat"]);
    assert!(why.out.contains("tied over others"), "{why:?}");
    let taken = place.run(&[
        "campaigns",
        "refute",
        "--store",
        &url,
        "--take-back",
        "pair",
        "lineup/tomcat",
        "lineup/mysql2",
    ]);
    assert_eq!(taken.code, 0, "{taken:?}");
    // What `lazaret campaigns` names as the account is taken.
    let listing = Listing {
        repository: "docker.io/mirror/x".to_owned(),
        account: Some("docker.io/mirror".to_owned()),
        ..Listing::default()
    };
    wait(async {
        let store = Store::open(&url).await.unwrap();
        store.put_listing(&listing, None).await.unwrap();
        store.close().await.unwrap();
    });
    assert_eq!(refute(&["account", "docker.io/mirror"]).code, 0);
    let listed = place.run(&["campaigns", "refuted", "--store", &url]).out;
    assert!(listed.contains("account docker.io/mirror"), "{listed}");
}
