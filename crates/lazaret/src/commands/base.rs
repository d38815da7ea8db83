use anyhow::{Result, bail};
use lazaret_model::{Budget, ImageRef, TrustedBase, one_line, visible};
use lazaret_scan::{Scanner, Settings, WorkerConfig};
use lazaret_store::Store;

use crate::args::{BaseAddArgs, BaseCommand};
use crate::exit::Exit;

/// `lazaret base …`.
pub fn run(command: BaseCommand) -> Result<Exit> {
    match command {
        BaseCommand::Add(args) => add(&args),
        BaseCommand::List { store } => {
            let bases = with_store(store.as_deref(), async |store| Ok(store.bases().await?))?;
            super::print(&table(&bases))?;
            Ok(Exit::Allowed)
        }
        BaseCommand::Remove { name, store } => {
            let removed = with_store(store.as_deref(), async |store| Ok(store.remove_base(&name).await?))?;
            if removed == 0 {
                bail!("no base is recorded as `{name}`: `lazaret base list` shows all");
            }
            super::print(&format!("{} is no longer trusted as a base\n", visible(&name)))?;
            Ok(Exit::Allowed)
        }
    }
}

fn add(args: &BaseAddArgs) -> Result<Exit> {
    let reference: ImageRef = args.reference.parse()?;
    let settings = Settings {
        // Nothing is judged, so no worker starts.
        worker: WorkerConfig {
            rules: Vec::new(),
            only_user_rules: false,
            cache: None,
            jobs: 1,
            confine: true,
            memory: 2 << 30,
        },
        budget: Budget::default(),
        platforms: args.source.platform.clone(),
        registry: super::scan::registry(&args.source, std::slice::from_ref(&reference))?,
        at_once: 1,
        feeds: None,
        store: super::scan::store(args.source.store.as_deref(), args.source.no_store)?,
        program: std::env::current_exe()?,
    };
    let bases = super::runtime()?.block_on(async {
        let scanner = Scanner::new(settings, std::sync::Arc::new(|_| {})).await?;
        let bases = scanner.record_base(&reference, args.name.as_deref()).await?;
        scanner.close().await?;
        anyhow::Ok(bases)
    })?;
    super::print(&table(&bases))?;
    Ok(Exit::Allowed)
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

fn table(bases: &[TrustedBase]) -> String {
    if bases.is_empty() {
        return "no base is recorded: `lazaret base add REF` records one\n".to_owned();
    }
    let mut text = format!("{:<12} {:<16} {:<7} BASE\n", "RECORDED", "PLATFORM", "LAYERS");
    for base in bases {
        let platform = base.platform.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        text.push_str(&format!(
            "{:<12} {:<16} {:<7} {}@{}\n",
            base.recorded,
            one_line(&platform, 16),
            base.diff_ids.len(),
            one_line(&base.name, 120),
            base.root.short(),
        ));
    }
    text
}
