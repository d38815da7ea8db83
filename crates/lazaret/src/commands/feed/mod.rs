//! `lazaret feed`: signed packs of what is denied and allowed, made, taken and listed. A feed is a file;
//! nothing here asks a network.

mod campaign;
mod entries;
mod export;
mod list;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lazaret_model::{one_line, visible};
use lazaret_scan::{FeedSettings, feeds};
use lazaret_store::{FeedRow, Installed, Store};
use lazaret_trust::{FeedError, Others, Pack, Pin, Pins, PublicKey, Remembered, SigningKey, admit, open};
use time::OffsetDateTime;

use crate::args::{FeedArgs, FeedCommand, FeedPinArgs, FeedPlaceArgs};
use crate::exit::Exit;
use crate::paths;

/// `lazaret feed …`.
pub fn run(command: FeedCommand) -> Result<Exit> {
    match command {
        FeedCommand::Keygen { output } => keygen(&output),
        FeedCommand::Public { key, pem } => {
            let public = SigningKey::read(&key)?.public();
            super::print(&if pem { public.to_pem() } else { format!("{}\n", public.to_line()) })?;
            Ok(Exit::Allowed)
        }
        FeedCommand::Pin(args) => pin(&args),
        FeedCommand::Unpin { name, key, feed_keys } => unpin(&name, key.as_deref(), feed_keys.as_deref()),
        FeedCommand::Export(args) => export::run(&args),
        FeedCommand::Import { files, place } => take(&files, &place, true),
        FeedCommand::Check { files, place } => take(&files, &place, false),
        FeedCommand::List { json, place } => list::run(json, &place),
        FeedCommand::Show { name, json, place } => list::show(&name, json, &place),
        FeedCommand::Remove { name, forget, store } => remove(&name, forget, store.as_deref()),
    }
}

/// Which feeds judge, by the arguments.
pub(super) fn settings(args: &FeedArgs) -> Option<FeedSettings> {
    (!args.no_feeds).then(|| FeedSettings {
        keys: args.feed_keys.clone().or_else(default_keys),
        files: args.feeds.clone(),
    })
}

/// Says which packs judge nothing though they are there. Those that the user named on the command line
/// and that cannot be believed are an error instead.
///
/// # Errors
/// A named pack that cannot be used. With `expired_too`, also one whose time is over.
pub(super) fn tell_left_out(
    feeds: &lazaret_scan::Feeds,
    expired_too: bool,
    tell: impl Fn(&str),
) -> Result<()> {
    for left in feeds.left_out() {
        if left.file.is_some() && (expired_too || !left.expired) {
            bail!("the feed {} is refused: {}", one_line(&left.name, 200), left.reason);
        }
        tell(&left.to_string());
    }
    Ok(())
}

fn default_keys() -> Option<PathBuf> {
    Some(paths::config()?.join("feeds.toml"))
}

/// The file with the pinned keys.
fn keys(given: Option<&Path>) -> Result<PathBuf> {
    match given.map(Path::to_owned).or_else(default_keys) {
        Some(path) => Ok(path),
        None => bail!("neither XDG_CONFIG_HOME nor HOME is set: name the file with --feed-keys"),
    }
}

fn keygen(output: &Path) -> Result<Exit> {
    let key = SigningKey::generate()?;
    key.write(output)?;
    let public = key.public();
    super::print(&format!(
        "{}\n\nkey id {}\nThe private key is in {}: whoever has it speaks for you. Give the line above to those \
         who trust you, by a way that nobody can change; they run `lazaret feed pin NAME KEY`.\n",
        public.to_line(),
        public.id(),
        visible(&output.display().to_string()),
    ))?;
    Ok(Exit::Allowed)
}

fn pin(args: &FeedPinArgs) -> Result<Exit> {
    let path = keys(args.feed_keys.as_deref())?;
    let key = PublicKey::read(&args.key)?;
    let mut pins = Pins::read(&path)?;
    let others = match (args.replace, args.also) {
        (true, _) => Others::Replace,
        (_, true) => Others::Keep,
        _ => Others::Refuse,
    };
    let pin = Pin { feed: args.name.clone(), key: key.clone(), note: args.note.clone(), allow: args.allow };
    pins.pin(pin, others)?;
    pins.write(&path)?;
    let may = if args.allow { "deny and allow" } else { "deny" };
    super::print(&format!(
        "the key {} may {may} as {}: pinned in {}\n",
        key.id().short(),
        args.name,
        visible(&path.display().to_string())
    ))?;
    Ok(Exit::Allowed)
}

fn unpin(name: &str, key: Option<&str>, feed_keys: Option<&Path>) -> Result<Exit> {
    let path = keys(feed_keys)?;
    let key = key.map(PublicKey::read).transpose()?;
    let mut pins = Pins::read(&path)?;
    let gone = pins.unpin(name, key.as_ref());
    if gone == 0 {
        return Err(lazaret_trust::PinError::NotPinned(one_line(name, 80)).into());
    }
    pins.write(&path)?;
    super::print(&format!("{gone} no longer pinned for {}\n", one_line(name, 80)))?;
    Ok(Exit::Allowed)
}

fn remove(name: &str, forget: bool, store: Option<&str>) -> Result<Exit> {
    let gone = with_store(store, async |store| match forget {
        true => Ok(store.forget_feed(name).await?),
        false => Ok(store.remove_feed(name).await?),
    })?;
    let name = one_line(name, 80);
    if !gone {
        bail!("no feed `{name}` is in use: `lazaret feed list` shows all");
    }
    super::print(&match forget {
        true => format!("{name} is forgotten, its version too: any pack of it may follow\n"),
        false => format!("{name} is out of use; its version stays remembered\n"),
    })?;
    Ok(Exit::Allowed)
}

/// Imports packs, or says what importing them would do.
fn take(files: &[PathBuf], place: &FeedPlaceArgs, import: bool) -> Result<Exit> {
    let pins = Pins::read(&keys(place.feed_keys.as_deref())?)?;
    let now = OffsetDateTime::now_utc();
    let mut exit = Exit::Allowed;
    with_store(place.store.as_deref(), async |store| {
        for file in files {
            let name = one_line(&file.display().to_string(), 200);
            let bytes = match feeds::read(file) {
                Ok(bytes) => bytes,
                Err(reason) => bail!("{name}: {reason}"),
            };
            match one(store, &bytes, &pins, now, import).await? {
                // At once: what was taken stays taken, whatever becomes of those after it.
                Ok(said) => super::print(&format!("{name}: {said}\n"))?,
                Err(reason) => {
                    eprintln!("lazaret: {name} is refused: {}", visible(&reason.to_string()));
                    exit = Exit::Refused(1);
                }
            }
        }
        Ok(())
    })?;
    Ok(exit)
}

/// What becomes of one pack, in words.
async fn one(
    store: &Store,
    bytes: &[u8],
    pins: &Pins,
    now: OffsetDateTime,
    import: bool,
) -> Result<Result<String, FeedError>> {
    let pack = match open(bytes, pins).and_then(|pack| pack.check_time(now).map(|()| pack)) {
        Ok(pack) => pack,
        Err(refused) => return Ok(Err(refused)),
    };
    let known = store.feed(pack.feed.name()).await?;
    let remembered = |row: &FeedRow| Remembered { version: row.version, digest: row.digest.clone() };
    if let Err(refused) = admit(&pack, known.as_ref().map(remembered).as_ref()) {
        return Ok(Err(refused));
    }
    let what = told(&pack);
    if !import {
        return Ok(Ok(format!("{what}; it would be taken")));
    }
    match store.install_feed(&feeds::row(&pack), bytes).await? {
        Installed::New => Ok(Ok(format!("{what}; it is in use"))),
        Installed::Same => Ok(Ok(format!("{what}; it was in use already"))),
        // Somebody else was faster.
        Installed::Refused(row) => Ok(admit(&pack, Some(&remembered(&row))).map(|_| what)),
    }
}

/// A pack in a line.
fn told(pack: &Pack) -> String {
    let feed = &pack.feed;
    format!(
        "{} version {} of {}, {}, until {}, signed by {}",
        feed.name(),
        feed.version(),
        one_line(feed.issuer(), 100),
        count(feed.entries().len()),
        lazaret_trust::instant(feed.expires()),
        pack.signer.short()
    )
}

fn count(entries: usize) -> String {
    match entries {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

fn with_store<T>(url: Option<&str>, ask: impl AsyncFnOnce(&Store) -> Result<T>) -> Result<T> {
    let url = super::scan::store(url, false)?;
    super::runtime()?.block_on(async {
        let store = Store::open(url.as_deref().unwrap_or_default()).await?;
        let answer = ask(&store).await?;
        store.close().await?;
        Ok(answer)
    })
}
