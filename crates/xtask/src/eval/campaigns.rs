//! `cargo xtask eval --campaigns [DIR…]`: whether the images of one actor, and nothing else, come out as
//! one campaign. The lab's actors are mixed into the rest of the lab and into the images below DIR; the
//! built program hunts them as its users do, and what it remembers is tied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use lazaret_hunt::campaign::{Known, Memory};
use lazaret_lab::{Set, cases};
use lazaret_model::{Indicator, IndicatorKind};
use lazaret_store::Store;

use super::program;

/// How often half of the wallets are left out, each time others.
const DRAWS: u64 = 10;
/// What must be reached: precision and recall over pairs, with everything and with half of the wallets.
const WHOLE: f64 = 1.0;
const HALF: f64 = 0.95;

/// Measures, prints, and fails where what must be reached is not.
pub(super) fn run(folders: &[PathBuf]) -> Result<()> {
    let place = tempfile::Builder::new().prefix("lazaret-campaigns-").tempdir()?;
    let lab = place.path().join("lab");
    lazaret_lab::build(&lab)?;
    let truth = Truth::of_lab()?;
    let with_accounts = place.path().join("accounts.sqlite");
    hunt(&lab, Some(&lab.join("hub.json")), folders, &with_accounts)?;
    let without = place.path().join("plain.sqlite");
    hunt(&lab, None, folders, &without)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let missed = runtime.block_on(async {
        let mut missed = Vec::new();
        for (what, path, must) in
            [("accounts known", &with_accounts, true), ("accounts unknown", &without, false)]
        {
            let store = Store::open(&path.display().to_string()).await?;
            let below = measure(&truth, &store, what).await?;
            // Without accounts every image on disk is its own publisher: that is shown, and not a goal.
            missed.extend(below.into_iter().filter(|_| must));
            store.close().await?;
        }
        anyhow::Ok(missed)
    })?;
    match missed.is_empty() {
        true => Ok(()),
        false => bail!("missed: {}", missed.join("; ")),
    }
}

/// Lets the built program hunt the lab and the folders.
fn hunt(lab: &Path, metadata: Option<&Path>, folders: &[PathBuf], store: &Path) -> Result<()> {
    let mut command = Command::new(program()?);
    command.arg("hunt").arg(lab).args(folders).arg("--store").arg(store);
    if let Some(metadata) = metadata {
        command.arg("--metadata").arg(metadata);
    }
    let status = command.args(["--quiet", "--no-progress"]).stdout(Stdio::null()).status()?;
    // Something malicious was found, which is what the lab is for.
    match status.code() {
        Some(0 | 1 | 3) => Ok(()),
        code => bail!("the hunt failed with {code:?}"),
    }
}

/// Who made what.
struct Truth {
    /// By the folder of the case, `set/name`.
    actors: BTreeMap<String, String>,
    /// The four whose campaigns must come out.
    wanted: BTreeSet<String>,
}

impl Truth {
    fn of_lab() -> Result<Self> {
        let mut truth = Self { actors: BTreeMap::new(), wanted: BTreeSet::new() };
        for case in cases()? {
            if matches!(case.set, Set::Lineup | Set::Actors) {
                truth.wanted.insert(case.actor().to_owned());
            }
            if !case.images.is_empty() {
                truth.actors.insert(case.path(), case.actor().to_owned());
            }
        }
        Ok(truth)
    }

    /// Who made an image; what is not of the lab was made by somebody of its own.
    fn actor<'a>(&'a self, image: &'a Known) -> &'a str {
        let parts: Vec<&str> = image.repository.rsplit(['/', ':']).take(2).collect();
        let path = parts.iter().rev().copied().collect::<Vec<_>>().join("/");
        self.actors.get(&path).map_or(&image.repository, String::as_str)
    }
}

/// Pairs that are rightly and wrongly in one campaign, and pairs that should be.
#[derive(Debug, Default, Clone, Copy)]
struct Pairs {
    right: u64,
    wrong: u64,
    wanted: u64,
}

impl Pairs {
    fn precision(self) -> f64 {
        if self.right + self.wrong == 0 { 1.0 } else { self.right as f64 / (self.right + self.wrong) as f64 }
    }

    fn recall(self) -> f64 {
        if self.wanted == 0 { 1.0 } else { self.right as f64 / self.wanted as f64 }
    }

    /// The lower of both.
    fn least(self) -> f64 {
        self.precision().min(self.recall())
    }
}

fn together(count: usize) -> u64 {
    let count = count as u64;
    count * count.saturating_sub(1) / 2
}

/// Precision is over all campaigns that came out; recall over the images of the four actors.
fn pairs(truth: &Truth, memory: &Memory) -> Pairs {
    let mut found = Pairs::default();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for image in memory.images() {
        *sizes.entry(truth.actor(image)).or_default() += 1;
    }
    found.wanted =
        truth.wanted.iter().map(|actor| together(sizes.get(actor.as_str()).copied().unwrap_or(0))).sum();
    for cluster in memory.graph.clusters() {
        let mut actors: BTreeMap<&str, usize> = BTreeMap::new();
        for &image in &cluster {
            *actors.entry(truth.actor(memory.image(image))).or_default() += 1;
        }
        let of_one: u64 = actors.values().map(|&count| together(count)).sum();
        found.wrong += together(cluster.len()) - of_one;
        found.right += actors
            .iter()
            .filter(|(actor, _)| truth.wanted.contains(**actor))
            .map(|(_, &count)| together(count))
            .sum::<u64>();
    }
    found
}

async fn measure(truth: &Truth, store: &Store, what: &str) -> Result<Vec<String>> {
    let mut missed = Vec::new();
    let holders: Mutex<BTreeSet<String>> = Mutex::default();
    let note = |image: &Known, indicator: &Indicator| {
        if indicator.kind == IndicatorKind::Wallet && image.is_convicted() {
            holders.lock().expect("nobody panics with it").insert(image.name());
        }
        true
    };
    let memory = Memory::read_with(store, Some(&note)).await?;
    let holders: Vec<String> = holders.into_inner().expect("nobody panics with it").into_iter().collect();
    let convicted = memory.images().iter().filter(|image| image.is_convicted()).count();
    println!(
        "{what}: {} images, {convicted} convicted, {} hold a wallet, {} campaigns",
        memory.images().len(),
        holders.len(),
        memory.graph.clusters().len()
    );
    let whole = pairs(truth, &memory);
    row("everything", whole);
    clusters(truth, &memory);
    if whole.least() < WHOLE {
        missed.push(format!("{what}, everything: {:.3}", whole.least()));
    }
    let mut worst: Option<Pairs> = None;
    for draw in 0..DRAWS {
        let mut drawn = holders.clone();
        drawn.sort_by_key(|name| blake3::hash(format!("{draw} {name}").as_bytes()).as_bytes().to_owned());
        let without: BTreeSet<&String> = drawn.iter().take(holders.len().div_ceil(2)).collect();
        let keep = |image: &Known, indicator: &Indicator| {
            indicator.kind != IndicatorKind::Wallet || !without.contains(&image.name())
        };
        let pairs = pairs(truth, &Memory::read_with(store, Some(&keep)).await?);
        if worst.is_none_or(|worst| pairs.least() < worst.least()) {
            worst = Some(pairs);
        }
    }
    let worst = worst.context("no draw")?;
    row(&format!("half of the wallets, worst of {DRAWS}"), worst);
    if worst.least() < HALF {
        missed.push(format!("{what}, half of the wallets: {:.3}", worst.least()));
    }
    let none = |_: &Known, indicator: &Indicator| indicator.kind != IndicatorKind::Wallet;
    row("no wallet", pairs(truth, &Memory::read_with(store, Some(&none)).await?));
    Ok(missed)
}

fn row(what: &str, pairs: Pairs) {
    println!(
        "  {what:<34} precision {:.3}  recall {:.3}  ({} of {} pairs, {} wrong)",
        pairs.precision(),
        pairs.recall(),
        pairs.right,
        pairs.wanted,
        pairs.wrong
    );
}

/// What came out, one line for each campaign.
fn clusters(truth: &Truth, memory: &Memory) {
    for cluster in memory.graph.clusters() {
        let mut actors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for &image in &cluster {
            let image = memory.image(image);
            let name = image.repository.rsplit('/').next().unwrap_or_default();
            actors.entry(truth.actor(image)).or_default().push(name);
        }
        let told: Vec<String> = actors
            .iter()
            .map(|(actor, names)| match truth.wanted.contains(*actor) {
                true => format!("{actor} ({})", names.len()),
                false => format!("{actor} ({})", names.join(", ")),
            })
            .collect();
        println!("    {}", told.join(" + "));
    }
}
