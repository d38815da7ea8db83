use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::{Context, Result, bail};
use lazaret_hunt::campaign::{self, revenue};
use lazaret_model::{Campaign, one_line};
use lazaret_report::{CampaignFormat, Options, PackFile, campaign_pack, render_campaign};
use lazaret_store::Store;

use super::scan;
use crate::args::CampaignArgs;
use crate::exit::Exit;

/// Largest file of wallet totals.
const LARGEST_WALLETS: u64 = 16 << 20;

/// `lazaret campaign ID`: the story of one campaign.
pub fn run(args: &CampaignArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    let format = args.format.parse::<CampaignFormat>()?;
    let known = args.wallets.as_deref().map(wallets).transpose()?;
    let url = scan::store(args.store.as_deref(), false)?;
    let mut told = super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let told = told(&store, &args.id).await?;
        store.close().await?;
        anyhow::Ok(told)
    })?;
    if let Some(known) = known {
        revenue::add(&mut told, &known);
        if told.revenue.is_empty() {
            eprintln!("lazaret: no finding names any of these wallets in an image of the campaign");
        }
    }
    if let Some(files) = campaign_pack(&told, format) {
        if files.is_empty() {
            bail!(
                "no rule can be made of {}: nothing that its images share is its actor's alone",
                one_line(&told.id, 60)
            );
        }
        if let Some(folder) = args.output.as_deref().filter(|path| !is_rule_file(path)) {
            pack(folder, &files)?;
            return Ok(Exit::Allowed);
        }
    }
    let terminal = args.output.is_none() && io::stdout().is_terminal();
    let options = Options {
        color: scan::color(args.color, args.no_color, terminal),
        width: scan::width(terminal),
        verbose: args.verbose,
        ..Options::default()
    };
    scan::put(args.output.as_deref(), |out| render_campaign(&told, format, &options, out))?;
    Ok(Exit::Allowed)
}

/// The campaign that a person means: by its whole name or by as much of it as no other shares.
pub(super) async fn told(store: &Store, id: &str) -> Result<Campaign> {
    let wanted = plain(id);
    let mut like: Vec<String> =
        campaign::list(store).await?.into_iter().map(|campaign| campaign.id).collect();
    like.retain(|known| !id.trim().is_empty() && plain(known).starts_with(&wanted));
    if let Some(whole) = like.iter().find(|known| plain(known) == wanted) {
        like = vec![whole.clone()];
    }
    let shown = one_line(id, 60);
    match like.as_slice() {
        [one] => match campaign::load(store, one).await? {
            Some(told) => Ok(told),
            None => bail!("{} is gone: `lazaret campaigns` lists them anew", one_line(one, 60)),
        },
        [] => bail!("no campaign is called `{shown}`: `lazaret campaigns` lists them"),
        many => {
            let names: Vec<String> = many.iter().take(5).map(|name| one_line(name, 60)).collect();
            let more = if many.len() > names.len() { " …" } else { "" };
            bail!("`{shown}` may be {}{more}: write more of it", names.join(" or "))
        }
    }
}

/// A name without the letters that all begin with, in small letters.
fn plain(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    id.strip_prefix("lz").map_or(id.as_str(), |rest| rest.trim_start_matches('-')).to_owned()
}

fn wallets(path: &Path) -> Result<Vec<lazaret_model::Revenue>> {
    let place = || path.display().to_string();
    let size = fs::metadata(path).with_context(place)?.len();
    if size > LARGEST_WALLETS {
        bail!("{}: the file is larger than 16 MiB: give the wallets of this campaign", place());
    }
    let text = fs::read_to_string(path).with_context(place)?;
    let name = path.file_name().map_or_else(place, |name| name.to_string_lossy().into_owned());
    revenue::wallets(&text, &format!("the file {name}")).with_context(place)
}

/// Whether a path names one file of rules and not a folder for them.
fn is_rule_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    !path.is_dir() && ["yml", "yaml", "yar", "yara"].contains(&ending)
}

fn pack(folder: &Path, files: &[PackFile]) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        bail!(
            "{} is a file, and not overwritten: name a folder, which gets a file for each rule, or a file that \
             ends in .yml or .yar for all of them",
            one_line(&folder.display().to_string(), 300)
        );
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for file in files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let shown = one_line(&folder.display().to_string(), 300);
    eprintln!("lazaret: {} rules written; `lazaret rules check {shown}` proves them", files.len());
    Ok(())
}
