//! `cargo xtask bench campaigns [IMAGES…]`: how long it takes to tie made-up images to campaigns, how
//! much memory, and how long one more image takes; and whether exactly the planted campaigns come out.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lazaret_hunt::graph::{Graph, ImageInput, Judged, LinkInput};
use lazaret_model::{IndicatorKind, Role};

/// Images of each run where none are named.
const SIZES: [usize; 3] = [25_000, 50_000, 100_000];
/// What an image holds.
const LINKS: usize = 50;
/// Images that are added afterwards.
const ADDED: usize = 200;

/// Runs each size in a process of its own, so that memory is that of one run.
pub fn run(arguments: &[String]) -> Result<()> {
    if let [flag, size] = arguments
        && flag == "--one"
    {
        return one(size.parse()?);
    }
    let sizes = arguments.iter().map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    println!(
        "{:>8} {:>10} {:>10} {:>9} {:>9} {:>8} {:>9} {:>9} {:>9}",
        "images", "links", "campaigns", "reading s", "cluster s", "RSS MB", "added ms", "p99 ms", "max ms"
    );
    for size in sizes {
        let output = Command::new(std::env::current_exe()?)
            .args(["bench", "campaigns", "--one", &size.to_string()])
            .output()
            .context("this program again")?;
        if !output.status.success() {
            bail!("{size} images: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    println!("\nwall time; memory of the whole process; added: median, 99th of a hundred, worst of {ADDED}");
    Ok(())
}

fn one(size: usize) -> Result<()> {
    let begun = Instant::now();
    let mut world = World::new(size);
    let mut links = 0;
    for at in 0..size {
        let input = world.image(at);
        links += input.links.len();
        world.graph.insert(&input);
    }
    let reading = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    world.graph.cluster();
    let clustering = begun.elapsed().as_secs_f64();
    let found: BTreeSet<Vec<u32>> = world.graph.clusters().into_iter().collect();
    let planted = world.planted();
    if found != planted {
        let (missed, made) = (planted.difference(&found).count(), found.difference(&planted).count());
        let first =
            found.difference(&planted).next().map(|cluster| cluster.iter().take(8).collect::<Vec<_>>());
        bail!("{missed} planted campaigns were not found as they are, {made} others were, first {first:?}");
    }
    let mut times = Vec::new();
    for at in size..size + ADDED {
        let input = world.image(at);
        let begun = Instant::now();
        world.graph.add(&input);
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let found: BTreeSet<Vec<u32>> = world.graph.clusters().into_iter().collect();
    if found != world.planted() {
        bail!("after {ADDED} more images the campaigns are not those that were planted");
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{size:>8} {links:>10} {:>10} {reading:>9.2} {clustering:>9.2} {:>8} {:>9.2} {:>9.2} {:>9.2}",
        planted.len(),
        peak()?,
        times[ADDED / 2],
        times[ADDED * 99 / 100],
        times[ADDED - 1],
    );
    Ok(())
}

/// The most memory that this process had, in megabytes (proc_pid_status(5)).
fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    let kilobytes: u64 = line.split_whitespace().next().context("VmHWM")?.parse()?;
    Ok(kilobytes / 1024)
}

/// Made-up images: one in five is of a campaign, which has one to five accounts, a wallet that seven of
/// ten of its images hold, a host and a builder of its own, and a kit that other campaigns use too. The
/// rest, and what all have in common, follow the usual law: few things are everywhere, most are rare.
struct World {
    graph: Graph,
    dice: Dice,
    /// Indicators by kind and number, as the graph numbered them.
    numbers: std::collections::HashMap<(IndicatorKind, u64), u32>,
    /// Members of each planted campaign.
    campaigns: Vec<Vec<u32>>,
    images: u64,
}

impl World {
    fn new(size: usize) -> Self {
        Self {
            graph: Graph::new(),
            dice: Dice(0x9e37_79b9_7f4a_7c15),
            numbers: std::collections::HashMap::new(),
            campaigns: vec![Vec::new(); (size / 100).max(2)],
            images: size as u64,
        }
    }

    fn planted(&self) -> BTreeSet<Vec<u32>> {
        self.campaigns.iter().filter(|members| members.len() > 1).cloned().collect()
    }

    fn indicator(&mut self, kind: IndicatorKind, number: u64) -> u32 {
        if let Some(known) = self.numbers.get(&(kind, number)) {
            return *known;
        }
        let value = match kind {
            IndicatorKind::FuzzyHash => {
                let mut dice = Dice(number.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
                let body: String = (0..35).map(|_| format!("{:02X}", dice.below(256))).collect();
                format!("script T1{body}")
            }
            IndicatorKind::Url => format!("http://h{number}.invalid/x"),
            _ => format!("h{number}.invalid"),
        };
        let known = self.graph.indicator(kind, &value);
        self.numbers.insert((kind, number), known);
        known
    }

    fn image(&mut self, at: usize) -> ImageInput {
        let convicted = self.dice.below(5) == 0;
        let judged = if convicted { Judged::Convicted } else { Judged::Clean };
        let mut input = ImageInput { name: "latest".to_owned(), judged, ..ImageInput::default() };
        // Bases are few, and what lies on them is many.
        let base = self.dice.skewed(self.images / 50 + 1);
        let own = 1_000_000_000 + at as u64 * 10;
        input.stacks = vec![vec![base, base + 500_000_000, own, own + 1]];
        if convicted {
            self.of_campaign(at, &mut input);
        } else {
            let account = self.dice.below(self.images / 5 + 1);
            input.publisher = format!("hub/u{account}");
            self.link(&mut input, IndicatorKind::Host, 0, None, 0);
        }
        input.repository = format!("{}/r{at}", input.publisher);
        use IndicatorKind::{
            BuilderTrace, ElfHash, Environment, FuzzyHash, Host, Label, Layer, ScriptHash, Url,
        };
        for (kind, times) in [
            (Layer, 4),
            (ScriptHash, 12),
            (ElfHash, 10),
            (FuzzyHash, 4),
            (Environment, 5),
            (Label, 3),
            (BuilderTrace, 2),
            (Host, 3),
            (Url, 2),
        ] {
            for _ in 0..times {
                if input.links.len() >= LINKS {
                    break;
                }
                // A third is rare or its own, two thirds are what came with the base.
                let rare = kind == Url || self.dice.below(3) == 0;
                let (layer, number) = match rare {
                    true => (2, own + self.dice.below(10) + 2_000_000_000),
                    false => (0, base * 64 + self.dice.below(24)),
                };
                let place = self.dice.below(1 << 40) + 1;
                self.link(&mut input, kind, number, Some(layer), place);
            }
        }
        while input.links.len() < LINKS {
            let number = own + self.dice.below(1 << 20) + 4_000_000_000;
            self.link(&mut input, ScriptHash, number, Some(3), number);
        }
        input
    }

    /// An image of a campaign, which is noted as its member.
    fn of_campaign(&mut self, at: usize, input: &mut ImageInput) {
        use IndicatorKind::{BuilderTrace, ElfHash, Host, Layer, ScriptHash, SshKey, Wallet};
        let campaign = self.dice.skewed(self.campaigns.len() as u64);
        self.campaigns[campaign as usize].push(at as u32);
        let account = self.dice.below(campaign % 5 + 1);
        input.publisher = format!("hub/c{campaign}-{account}");
        let mark = 9_000_000_000 + campaign;
        if self.dice.below(10) < 7 {
            self.link(input, Wallet, mark, None, 0);
        }
        if self.dice.below(10) < 3 {
            self.link(input, SshKey, mark, None, 0);
        }
        self.link(input, Host, mark, None, 0);
        // Where its images report to, which is what they are accused of.
        if let Some(host) = input.links.last_mut() {
            host.role = Role::Harms;
        }
        self.link(input, BuilderTrace, mark, None, 0);
        // Fifty kits that everybody uses.
        let kit = 8_000_000_000 + campaign % 50;
        let place = kit + 1;
        self.link(input, Layer, kit, Some(3), 0);
        self.link(input, ScriptHash, kit, Some(3), place);
        self.link(input, ElfHash, kit, Some(3), place + 1);
    }

    fn link(
        &mut self,
        input: &mut ImageInput,
        kind: IndicatorKind,
        number: u64,
        layer: Option<u32>,
        place: u64,
    ) {
        let indicator = self.indicator(kind, number);
        input.links.push(LinkInput { indicator, layer, place, role: Role::Lies, accused: None });
    }
}

/// Numbers by chance, the same in each run (Marsaglia 2003, xorshift64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end.max(1)
    }

    /// Small ones far more often than large ones.
    fn skewed(&mut self, end: u64) -> u64 {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((end.max(1) as f64).powf(share) as u64 - 1).min(end.saturating_sub(1))
    }
}
