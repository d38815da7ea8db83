use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lazaret_hunt::campaign;
use lazaret_model::{Budget, ImageRef, Launch, RegistryRef, Report, visible};
use lazaret_report::{Format, Options};
use lazaret_scan::{
    ClientOptions, CredentialFiles, DEFAULT_IGNORE_FILE, Folder, IgnoreList, Login, Scanner, Settings,
    WorkerConfig,
};
use lazaret_store::{Store, StoreError};

use crate::args::{BudgetArgs, ColorWhen, JudgeArgs, OutputArgs, ScanArgs, SourceArgs};
use crate::exit::Exit;
use crate::paths;
use crate::progress::Bars;

/// `lazaret scan REF…`.
pub fn run(args: &ScanArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    let outputs = outputs(&args.output)?;
    let ignore = ignore_list(&args.judge, args.output.quiet)?;
    let launch = args.run_as.as_deref().map(launch).transpose()?;
    let references = meant(&args.references, launch.as_ref());
    let wanted = Wanted {
        references: &references,
        rules: &args.judge.rules,
        only_rules: args.judge.only_rules,
        source: &args.source,
        budget: &args.budget,
        quiet: args.output.quiet,
        no_progress: args.output.no_progress,
    };
    let (reports, failed) = read_as(&wanted, launch.as_ref())?;
    let reports: Vec<Report> = reports.into_iter().map(|report| ignored(report, &ignore)).collect();

    if !args.output.quiet {
        tell_broken_rules(&reports);
    }
    if !reports.is_empty() {
        for output in &outputs {
            write(output, &reports, &args.output)?;
        }
    }
    if failed {
        return Ok(Exit::Error);
    }
    Ok(Exit::of_reports(&reports, args.judge.fail_on, args.judge.exit_code))
}

/// How the words say that the image is run; what in them is not understood is told.
pub(super) fn launch(words: &str) -> Result<Launch> {
    let here = Folder::of(Path::new("."));
    let mut plan = lazaret_launch::command_line(words, &here)?;
    for note in &plan.notes {
        eprintln!("lazaret: --as: {}", visible(&note.what));
    }
    Ok(plan.containers.swap_remove(0).launch)
}

/// The images that are meant: those named, else the one among the words of the launch.
pub(super) fn meant(named: &[String], launch: Option<&Launch>) -> Vec<String> {
    match launch.and_then(|launch| launch.image.clone()) {
        Some(own) if named.is_empty() => vec![own],
        _ => named.to_vec(),
    }
}

/// What a command asks to be read and judged.
pub struct Wanted<'a> {
    /// As typed; `lab:…` names the inert images that the program brings along.
    pub references: &'a [String],
    /// Directories with rules of the user's.
    pub rules: &'a [PathBuf],
    /// Whether the built-in rules are left out.
    pub only_rules: bool,
    /// How images are reached.
    pub source: &'a SourceArgs,
    /// What reading may cost.
    pub budget: &'a BudgetArgs,
    /// Whether only errors are told on standard error.
    pub quiet: bool,
    /// Whether no progress is drawn.
    pub no_progress: bool,
}

/// Reads and judges everything that is wanted: the reports, and whether something failed, which
/// was then told on standard error.
pub fn read(wanted: &Wanted<'_>) -> Result<(Vec<Report>, bool)> {
    read_as(wanted, None)
}

/// The same for images that are run in a way that is known.
pub fn read_as(wanted: &Wanted<'_>, launch: Option<&Launch>) -> Result<(Vec<Report>, bool)> {
    let demonstration = Demonstration::default();
    let mut references = Vec::new();
    for typed in wanted.references {
        match typed.strip_prefix("lab:") {
            Some(set) => references.extend(demonstration.references(set)?),
            None => references.push(typed.parse::<ImageRef>()?),
        }
    }
    let mut settings = settings(wanted, &references)?;
    if wanted.references.iter().all(|typed| typed.starts_with("lab:")) && wanted.source.store.is_none() {
        // A demonstration is nothing to remember.
        settings.store = None;
    }
    if wanted.budget.unconfined && !wanted.quiet {
        eprintln!(
            "lazaret: --unconfined: what reads the images may do all that you may; scan only what you trust"
        );
    }

    let (reports, failed) = super::runtime()?.block_on(async {
        let bars = Bars::new(wanted.quiet || wanted.no_progress);
        let scanner = Scanner::new(settings, bars.listener()).await?;
        super::feed::tell_left_out(scanner.feeds(), true, |said| {
            if !wanted.quiet {
                eprintln!("lazaret: {}", visible(said));
            }
        })?;
        let mut reports = Vec::new();
        let mut failed = false;
        for reference in &references {
            bars.begin(reference);
            match scanner.scan_as(reference, launch).await {
                Ok(mut found) => {
                    for report in &mut found {
                        if let Err(error) = link(report, scanner.store()).await {
                            let said = format!("what campaigns know of it was not asked: {}", chain(&error));
                            bars.suspend(|| eprintln!("lazaret: {}", visible(&said)));
                        }
                    }
                    reports.extend(found);
                }
                Err(error) => {
                    failed = true;
                    bars.suspend(|| eprintln!("lazaret: {}", visible(&chain(&error))));
                }
            }
        }
        bars.finish();
        scanner.close().await?;
        anyhow::Ok((reports, failed))
    })?;
    Ok((reports.into_iter().map(|report| demonstration.named(report)).collect(), failed))
}

/// Notes which campaigns, as they were last computed, lead to an image. It is no part of the judgement.
async fn link(report: &mut Report, store: Option<&Store>) -> Result<(), StoreError> {
    if let Some(store) = store {
        report.campaigns = campaign::links_of(store, report).await?;
    }
    Ok(())
}

/// Says once which rules of the user's were left out because something is wrong with them.
fn tell_broken_rules(reports: &[Report]) {
    let broken: std::collections::BTreeSet<String> = reports
        .iter()
        .flat_map(|report| &report.rule_packs)
        .flat_map(|pack| &pack.left_out)
        .filter(|rule| rule.broken)
        .map(ToString::to_string)
        .collect();
    for rule in broken {
        eprintln!("lazaret: left out: {}", visible(&rule));
    }
}

/// An error and its causes in one line, without saying anything twice.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

pub(super) fn ignored(mut report: Report, ignore: &IgnoreList) -> Report {
    for image in &mut report.images {
        ignore.apply(image);
    }
    lazaret_scan::conclude(&mut report);
    report
}

/// One form and where it goes; None is standard output.
pub(super) struct Output {
    format: Format,
    file: Option<PathBuf>,
}

pub(super) fn outputs(args: &OutputArgs) -> Result<Vec<Output>> {
    let format = args.format.as_deref().map(str::parse::<Format>).transpose()?;
    let mut outputs = Vec::new();
    let mut plain = None;
    for text in &args.output {
        // `-o sarif` is how grype spells the form, `-o sarif=FILE` how it spells form and file.
        match text.split_once('=') {
            Some((word, file)) if word.parse::<Format>().is_ok() => {
                outputs.push(Output { format: word.parse()?, file: Some(file.into()) });
            }
            _ => match text.parse::<Format>() {
                Ok(word) if format.is_none() && !Path::new(text).exists() => {
                    outputs.push(Output { format: word, file: None });
                }
                _ if plain.is_some() => bail!("--output names two files without a form: write FORMAT=FILE"),
                _ => plain = Some(PathBuf::from(text)),
            },
        }
    }
    if plain.is_some() || format.is_some() || outputs.is_empty() {
        let guessed =
            plain.as_deref().and_then(Path::extension).and_then(|e| e.to_str()).and_then(|e| e.parse().ok());
        outputs.push(Output { format: format.or(guessed).unwrap_or(Format::Terminal), file: plain });
    }
    if outputs.iter().filter(|o| o.file.is_none()).count() > 1 {
        bail!("two forms cannot both go to standard output: write FORMAT=FILE for one of them");
    }
    Ok(outputs)
}

pub(super) fn write(output: &Output, reports: &[Report], args: &OutputArgs) -> Result<()> {
    let terminal = output.file.is_none() && io::stdout().is_terminal();
    let options = Options {
        color: color(args.color, args.no_color, terminal),
        width: width(terminal),
        show_ignored: args.show_ignored,
        verbose: args.verbose,
        ..Options::default()
    };
    put(output.file.as_deref(), |out| lazaret_report::render(output.format, reports, &options, out))
}

/// Whether colours are used.
pub fn color(when: ColorWhen, never: bool, terminal: bool) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    match when {
        _ if never => false,
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !no_color,
    }
}

/// Writes to a file, or to standard output, whose reader may go away.
pub fn put(file: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    match file {
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let written = write(&mut out).and_then(|()| out.flush());
            match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                other => other.context("standard output"),
            }
        }
        Some(path) => {
            let place = || format!("{} cannot be written", path.display());
            let mut out = BufWriter::new(File::create(path).with_context(place)?);
            write(&mut out).and_then(|()| out.flush()).with_context(place)
        }
    }
}

/// Columns of the terminal; 80 where there is none to ask.
pub fn width(terminal: bool) -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let asked = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        (size.ws_col > 0).then_some(usize::from(size.ws_col))
    };
    columns.or_else(|| terminal.then(asked).flatten()).unwrap_or(80).clamp(40, 160)
}

pub(super) fn ignore_list(args: &JudgeArgs, quiet: bool) -> Result<IgnoreList> {
    let default = Path::new(DEFAULT_IGNORE_FILE);
    let list = match &args.ignorefile {
        Some(path) => IgnoreList::read(path)?,
        None if default.exists() => IgnoreList::read(default)?,
        None => IgnoreList::default(),
    };
    if !quiet {
        for sentence in &list.expired {
            eprintln!("lazaret: {}", visible(sentence));
        }
    }
    Ok(list)
}

pub(super) fn settings(args: &Wanted<'_>, references: &[ImageRef]) -> Result<Settings> {
    let jobs = args.budget.jobs.unwrap_or_else(jobs).max(1);
    Ok(Settings {
        worker: WorkerConfig {
            rules: args.rules.to_vec(),
            only_user_rules: args.only_rules,
            cache: paths::made_cache(),
            jobs,
            confine: !args.budget.unconfined,
            memory: args.budget.max_memory.unwrap_or(2 << 30),
        },
        budget: budget(args.budget),
        platforms: args.source.platform.clone(),
        registry: registry(args.source, references)?,
        at_once: 1,
        feeds: super::feed::settings(&args.source.feeds),
        store: store(args.source.store.as_deref(), args.source.no_store)?,
        program: std::env::current_exe().context("the program's own file cannot be found")?,
    })
}

/// Threads by default: the cores that this process may use.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// The store's URL: the one given, the one in the user's cache directory, or none.
pub fn store(given: Option<&str>, none: bool) -> Result<Option<String>> {
    match (given, none) {
        (_, true) => Ok(None),
        (Some(url), _) => Ok(Some(url.to_owned())),
        (None, _) => match paths::cache() {
            Some(dir) => Ok(Some(format!("sqlite:{}", dir.join("store.sqlite").display()))),
            None => bail!("neither XDG_CACHE_HOME nor HOME is set: name a --store, or say --no-store"),
        },
    }
}

fn budget(args: &BudgetArgs) -> Budget {
    let default = Budget::default();
    Budget {
        layer_bytes: args.max_layer_bytes.unwrap_or(default.layer_bytes),
        entries: args.max_entries.unwrap_or(default.entries),
        ratio: args.max_ratio.unwrap_or(default.ratio),
        depth: args.max_depth.unwrap_or(default.depth),
        nested_bytes: args.max_nested_bytes.unwrap_or(default.nested_bytes),
        // Less than a megabyte would lose archives and scripts that have to be read whole.
        whole_file: args.max_whole_file.unwrap_or(default.whole_file).max(1 << 20),
        seconds: args.timeout,
        kept_bytes: args.max_kept_bytes.unwrap_or(default.kept_bytes),
        document_bytes: args.max_document_bytes.unwrap_or(default.document_bytes),
    }
}

/// How registries are reached.
pub(super) fn registry(args: &SourceArgs, references: &[ImageRef]) -> Result<ClientOptions> {
    let login = match &args.username {
        None => None,
        Some(username) => {
            let mut password = String::new();
            io::stdin().read_to_string(&mut password).context("the password on standard input")?;
            let registries: Vec<&RegistryRef> = references
                .iter()
                .filter_map(|r| match r {
                    ImageRef::Registry(registry) => Some(registry),
                    _ => None,
                })
                .collect();
            let Some(first) = registries.first() else {
                bail!("--username is for a registry, and none is named");
            };
            // A password is for one host; which one must not be guessed.
            if registries.iter().any(|r| r.registry != first.registry) {
                bail!("--username is for one registry, and several are named");
            }
            Some(Login {
                registry: first.registry.clone(),
                username: username.clone(),
                password: password.trim_end_matches(['\r', '\n']).to_owned(),
            })
        }
    };
    let mut options =
        ClientOptions { plain_http: args.plain_http.clone(), login, ..ClientOptions::default() };
    options.ca_file.clone_from(&args.ca_bundle);
    if args.no_credential_helpers {
        options.credential_files = CredentialFiles::Ignore;
    }
    Ok(options)
}

/// The inert images of the lab, written out for one run.
#[derive(Default)]
struct Demonstration {
    directory: std::cell::OnceCell<tempfile::TempDir>,
}

impl Demonstration {
    /// The report under the name that was typed, not that of the place for this run.
    fn named(&self, mut report: Report) -> Report {
        let Some(directory) = self.directory.get() else { return report };
        let place = format!("oci:{}/", directory.path().display());
        let lab = |text: &str| text.strip_prefix(&place).map(|rest| format!("lab:{rest}"));
        if let Some(name) = lab(&report.pinned.repository) {
            report.requested.clone_from(&name);
            report.source = "the lab: inert images that only look the part".to_owned();
            report.pinned.repository.clone_from(&name);
            for image in &mut report.images {
                image.image.pinned.repository.clone_from(&name);
            }
        }
        report
    }

    fn references(&self, set: &str) -> Result<Vec<ImageRef>> {
        if self.directory.get().is_none() {
            let made = tempfile::Builder::new().prefix("lazaret-lab-").tempdir()?;
            // Nobody else can have set it: this is the only place that does.
            let _ = self.directory.set(made);
        }
        let directory = self.directory.get().context("the directory for the lab's images")?;
        crate::commands::selftest::write_cases(set, directory.path())
    }
}
