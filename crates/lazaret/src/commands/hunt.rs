use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lazaret_hunt::hunt::accounts::Sites;
use lazaret_hunt::hunt::{End, Fleet, HuntEvent, HuntSettings, Hunter, Row, Summary, Tally, Target};
use lazaret_model::{ImageRef, Outcome, one_line, visible};
use lazaret_registry::{Pace, RetryPolicy};
use lazaret_scan::Scanner;
use lazaret_store::ItemState;

use crate::args::{FailOn, HuntArgs};
use crate::commands::scan::{self, Wanted};
use crate::exit::Exit;

/// `lazaret hunt TARGET…`.
pub fn run(args: &HuntArgs) -> Result<Exit> {
    // What is wrong with the arguments is said before anything is read.
    if !["table", "json"].contains(&args.output.format.as_str()) {
        bail!("`{}` is not a form: table or json", args.output.format);
    }
    let targets = args.targets.iter().map(|text| Ok(text.parse::<Target>()?)).collect::<Result<Vec<_>>>()?;
    let board = Board::new(args.output.quiet, args.output.no_progress);
    let mut settings = scan::settings(
        &Wanted {
            references: &[],
            rules: &args.rules.rules,
            only_rules: args.rules.only_rules,
            source: &args.source,
            budget: &args.budget,
            quiet: args.output.quiet,
            no_progress: args.output.no_progress,
        },
        &login_for(&targets),
    )?;
    if settings.store.is_none() {
        bail!("a hunt remembers how far it came, and there is no store: leave out --no-store");
    }
    settings.at_once = usize::from(args.pace.at_once);
    let patience = Duration::from_secs(args.pace.patience);
    let waits = board.clone();
    settings.registry.pace = Some(Pace::new(args.pace.rate, move |host, wait| {
        waits.hear(HuntEvent::Waits {
            host: host.to_owned(),
            wait,
            why: "it asks to be left alone".to_owned(),
        });
    }));
    settings.registry.retry =
        RetryPolicy { longest_retry_after: patience, longest_in_all: patience, ..RetryPolicy::default() };
    // Who is silent for longer than that is not waited for with a single request either.
    let bounded = |time: Duration| time.min(patience.max(Duration::from_secs(1)));
    settings.registry.stall_timeout = bounded(settings.registry.stall_timeout);
    settings.registry.connect_timeout = bounded(settings.registry.connect_timeout);
    settings.registry.addresses = mirrors(&args.sites.mirrors)?;
    let mut hunt = HuntSettings {
        targets,
        metadata: args.metadata.clone(),
        tags: args.tags.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        page: args.pace.page,
        at_once: usize::from(args.pace.at_once),
        patience,
        fresh: args.fresh,
        sites: Sites {
            docker_hub: args.sites.hub_url.clone(),
            quay: args.sites.quay_url.clone(),
            github: args.sites.github_url.clone(),
            docker_hub_token: token("LAZARET_HUB_TOKEN"),
            quay_token: token("LAZARET_QUAY_TOKEN"),
            github_token: token("LAZARET_GITHUB_TOKEN"),
        },
        fleet: None,
    };
    let not_used = RefCell::new(Vec::new());
    let summary = super::runtime()?.block_on(async {
        let stop = super::gate::stopped()?;
        let scanner = Scanner::new(settings, board.layers()).await?;
        super::feed::tell_left_out(scanner.feeds(), true, |said| {
            board.say(said);
            not_used.borrow_mut().push(said.to_owned());
        })?;
        // Workers elsewhere that judge by the same have judged for this hunt.
        let judges = scanner.judges().to_owned();
        hunt.fleet = args.fleet.queue.then_some(Fleet { judges, wait: args.fleet.wait });
        let hears = board.clone();
        let hunter = Hunter::new(scanner, hunt, Arc::new(move |event| hears.hear(event)))?;
        let summary = hunter.hunt(stop).await;
        board.finish();
        let summary = summary?;
        hunter.close().await?;
        anyhow::Ok(summary)
    })?;
    let not_used = not_used.into_inner();
    let text = match args.output.format.as_str() {
        "json" => lazaret_report::json_document(&json(&summary, &not_used)),
        _ => table(&summary, &not_used),
    };
    scan::put(args.output.output.as_deref(), |out| out.write_all(text.as_bytes()))?;
    Ok(exit(&summary, args.fail_on, args.exit_code))
}

/// Exit codes, as docs/EXIT-CODES.md has them: what could not be judged stands over a refusal, as it does
/// where images are scanned, and a refusal over what was not read whole.
fn exit(summary: &Summary, fail_on: FailOn, refused: u8) -> Exit {
    let tally = &summary.tally;
    let over = match fail_on {
        FailOn::Never => 0,
        FailOn::Malicious => tally.malicious,
        FailOn::Suspicious => tally.malicious + tally.suspicious,
    };
    // Where nothing of what was named is an image, it is not what was meant.
    let image = tally.total == 0 || tally.no_image < tally.total;
    let whole = matches!(summary.end, End::Done | End::Queued) && summary.troubles.is_empty() && image;
    match () {
        () if !whole || tally.failed > 0 => Exit::Error,
        () if over > 0 => Exit::Refused(refused),
        () if tally.inconclusive > 0 => Exit::Inconclusive,
        () => Exit::Allowed,
    }
}

/// A password is for one registry: the one that all targets name.
fn login_for(targets: &[Target]) -> Vec<ImageRef> {
    targets
        .iter()
        .filter_map(|target| match target {
            Target::Registry(host) => format!("{host}/any").parse().ok(),
            Target::Repository { registry, .. } | Target::Account { registry, .. } => {
                format!("{registry}/any").parse().ok()
            }
            Target::Image(reference) => reference.parse().ok(),
            Target::Folder(_) | Target::List(_) => None,
        })
        .filter(|reference| matches!(reference, ImageRef::Registry(_)))
        .collect()
}

fn mirrors(given: &[String]) -> Result<BTreeMap<String, String>> {
    given
        .iter()
        .map(|text| match text.split_once('=') {
            Some((registry, address)) => Ok((registry.to_owned(), address.to_owned())),
            None => bail!("`{text}` is no mirror: write --mirror REGISTRY=https://HOST:PORT"),
        })
        .collect()
}

fn token(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|token| !token.is_empty())
}

/// What people see while it hunts.
#[derive(Clone)]
struct Board {
    bar: ProgressBar,
    begun: Instant,
    quiet: bool,
}

impl Board {
    fn new(quiet: bool, no_progress: bool) -> Self {
        let target = if quiet || no_progress || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, begun: Instant::now(), quiet }
    }

    /// Bytes are not what a hunt is measured in.
    fn layers(&self) -> Arc<dyn Fn(lazaret_scan::Progress) + Send + Sync> {
        Arc::new(|_| {})
    }

    fn hear(&self, event: HuntEvent) {
        match event {
            HuntEvent::Listed { repositories, images } => {
                self.bar.set_message(format!("listing: {repositories} repositories, {images} images"));
            }
            HuntEvent::Tally(tally) => self.bar.set_message(line(&tally, self.begun.elapsed())),
            HuntEvent::Found {
                reference,
                outcome: Some(outcome @ (Outcome::Malicious | Outcome::Suspicious)),
                why,
            } => {
                self.say(&format!(
                    "{}: {}: {}",
                    outcome.word(),
                    one_line(&reference, 200),
                    one_line(&why, 400)
                ));
            }
            HuntEvent::Found { .. } => {}
            HuntEvent::Waits { host, wait, why } => {
                let text = one_line(&why, 300);
                self.say(&format!("waits {} s for {}: {text}", wait.as_secs().max(1), one_line(&host, 200)));
            }
            HuntEvent::Trouble(text) => self.say(&text),
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("lazaret: {}", visible(text)));
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// How far it is, and how long it will still take.
fn line(tally: &Tally, since: Duration) -> String {
    let mut text = format!("{}/{}", tally.done(), tally.total);
    for (count, word) in [
        (tally.malicious, "malicious"),
        (tally.suspicious, "suspicious"),
        (tally.clean, "clean"),
        (tally.inconclusive, "inconclusive"),
        (tally.no_image, "no image"),
        (tally.failed, "failed"),
        (tally.queued, "with the fleet"),
    ] {
        if count > 0 {
            text.push_str(&format!(" · {count} {word}"));
        }
    }
    text.push_str(&format!(" · layers {} read, {} known", tally.layers_read, tally.layers_remembered));
    if tally.judged_now > 0 {
        let each = since.as_secs_f64() / tally.judged_now as f64;
        let left = tally.total.saturating_sub(tally.done()) as f64 * each;
        text.push_str(&format!(" · {:.0} a minute · {} left", 60.0 / each.max(1e-3), span(left)));
    }
    text
}

fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// In which order things are told: what is bad first.
fn rank(state: ItemState) -> u8 {
    match state {
        ItemState::Judged(Outcome::Malicious) => 0,
        ItemState::Judged(Outcome::Suspicious) => 1,
        ItemState::Judged(Outcome::Inconclusive) => 2,
        ItemState::Failed => 3,
        ItemState::Pending => 4,
        ItemState::Queued => 5,
        ItemState::Judged(Outcome::Clean) => 6,
        ItemState::NoImage => 7,
        ItemState::Gone => 8,
    }
}

/// The summary in 80 columns.
/// `not_used` says which feeds did not count, and why: what they denied before may be clean now.
fn table(summary: &Summary, not_used: &[String]) -> String {
    let tally = &summary.tally;
    let mut text = format!("HUNT  {}\n", one_line(&summary.target, 74));
    let mut rows: Vec<&Row> = summary.rows.iter().filter(|row| rank(row.state) < 4).collect();
    rows.sort_by_key(|row| (rank(row.state), row.reference.as_str()));
    for row in &rows {
        let what = if row.page { " (a page without an image)" } else { "" };
        text.push_str(&format!(
            "\n{:<13} {}{what}\n",
            row.state.word(),
            fitting(&row.reference, 66 - what.len())
        ));
        for part in wrapped(&visible(&row.why), 76) {
            text.push_str(&format!("    {part}\n"));
        }
    }
    text.push_str(&format!(
        "\n{} of {} judged: {} malicious, {} suspicious, {} clean, {} inconclusive\n",
        tally.done() - tally.failed - tally.no_image,
        tally.total - tally.no_image,
        tally.malicious,
        tally.suspicious,
        tally.clean,
        tally.inconclusive
    ));
    if tally.no_image > 0 {
        text.push_str(&format!(
            "{} are nothing that runs: signatures, other artifacts, other archives\n",
            tally.no_image
        ));
    }
    if tally.failed > 0 {
        text.push_str(&format!("{} could not be judged\n", tally.failed));
    }
    if tally.queued > 0 {
        text.push_str(&format!("{} are with the fleet: lazaret worker list\n", tally.queued));
    }
    let left = tally.total.saturating_sub(tally.done() + tally.queued);
    if left > 0 {
        text.push_str(&format!("{left} not looked at yet\n"));
    }
    text.push_str(&format!(
        "{} judged now, {} as before; layers: {} read, {} known\n",
        tally.judged_now,
        tally.done().saturating_sub(tally.judged_now + tally.no_image + tally.failed),
        tally.layers_read,
        tally.layers_remembered
    ));
    if summary.skipped > 0 {
        text.push_str(&format!(
            "{} names that are none of a repository or tag were left out\n",
            summary.skipped
        ));
    }
    for trouble in not_used.iter().chain(&summary.troubles) {
        for (at, part) in wrapped(&visible(trouble), 76).into_iter().enumerate() {
            text.push_str(&format!("{}{part}\n", if at == 0 { "  ! " } else { "    " }));
        }
    }
    match &summary.end {
        End::Done | End::Queued => {}
        End::Paused(why) => {
            for part in wrapped(
                &format!("The hunt pauses: {}. The same command again goes on from here.", visible(why)),
                79,
            ) {
                text.push_str(&format!("{part}\n"));
            }
        }
        End::Stopped => text.push_str("The hunt was stopped. The same command again goes on from here.\n"),
    }
    text
}

/// A name in so many columns, without its middle where it is longer: its end is what tells it apart.
pub(super) fn fitting(name: &str, most: usize) -> String {
    let shown: Vec<char> = visible(name).chars().collect();
    if shown.len() <= most {
        return shown.into_iter().collect();
    }
    let head = most / 3;
    let tail = most - head - 1;
    shown[..head].iter().chain(&['…']).chain(&shown[shown.len() - tail..]).collect()
}

/// Lines of at most so many characters, broken at spaces where there are any.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let room = most.saturating_sub(length + usize::from(length > 0));
            if word.len() <= room {
                if length > 0 {
                    line.push(' ');
                    length += 1;
                }
                length += word.len();
                line.extend(word.drain(..));
            } else if length > 0 {
                lines.push(std::mem::take(&mut line));
                length = 0;
            } else {
                lines.push(word.drain(..most).collect());
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn json(summary: &Summary, not_used: &[String]) -> serde_json::Value {
    let tally = &summary.tally;
    let (end, why) = match &summary.end {
        End::Done => ("done", None),
        End::Paused(why) => ("paused", Some(why)),
        End::Stopped => ("stopped", None),
        End::Queued => ("queued", None),
    };
    let items: Vec<_> = summary
        .rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "reference": row.reference,
                "digest": Some(&row.digest).filter(|digest| digest.starts_with("sha")),
                "state": row.state.word(),
                "why": row.why,
                "page": row.page,
            })
        })
        .collect();
    serde_json::json!({
        "target": summary.target,
        "end": end,
        "why": why,
        "total": tally.total,
        "malicious": tally.malicious,
        "suspicious": tally.suspicious,
        "clean": tally.clean,
        "inconclusive": tally.inconclusive,
        "noImage": tally.no_image,
        "failed": tally.failed,
        "queued": tally.queued,
        "notLookedAt": tally.total.saturating_sub(tally.done() + tally.queued),
        "judgedNow": tally.judged_now,
        "layersRead": tally.layers_read,
        "layersRemembered": tally.layers_remembered,
        "skippedNames": summary.skipped,
        "feedsNotUsed": not_used,
        "troubles": summary.troubles,
        "milliseconds": u64::try_from(summary.took.as_millis()).unwrap_or(u64::MAX),
        "items": items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let lines = wrapped("one two three 123456789012345 x", 10);
        assert_eq!(lines, ["one two", "three", "1234567890", "12345 x"]);
        assert_eq!(fitting("registry.example/somebody/mysql:5.7", 20), "regist…ody/mysql:5.7");
    }

    #[test]
    fn the_time_that_is_left_is_told_from_what_was_judged_now() {
        let tally = Tally { total: 100, clean: 40, judged_now: 30, ..Tally::default() };
        let told = line(&tally, Duration::from_secs(60));
        assert!(
            told.contains("40/100") && told.contains("30 a minute") && told.contains("2 min left"),
            "{told}"
        );
    }
}
