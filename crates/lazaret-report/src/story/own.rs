//! What comes with a system and is told in one line.

use lazaret_model::{BehaviourKind, Class, ImageReport, Phase, Severity};

use super::folded::add;
use super::sentence::say;
use super::site::Sites;
use super::{Mark, Step};

/// Jobs that come with a system: its own scripts, and the lines that run its folders of scripts.
const SYSTEM_JOBS: &[&str] = &[
    "apt-compat",
    "aptitude",
    "bsdmainutils",
    "dpkg",
    "e2scrub_all",
    "exim4-base",
    "logrotate",
    "man-db",
    "passwd",
    "popularity-contest",
    "sysstat",
];

/// Files of the system named in one line.
const NAMED: usize = 4;

/// Whether a site is the system's own, with all that it leads to, and rules accuse it of nothing.
/// What a package brought is; of what lies in the folders of schedules, what systems put there.
pub fn is_own(image: &ImageReport, sites: &Sites<'_>, number: usize) -> bool {
    let site = &sites.all[number];
    let Some(path) = site.place().path() else { return false };
    let accused = image.findings.iter().any(|finding| {
        let matters = finding.severity > Severity::Low
            || finding.severity > Severity::Info && finding.class == Class::Malware;
        matters && finding.evidence().iter().any(|e| e.location.path() == Some(path))
    });
    let name = String::from_utf8_lossy(path.file_name()).into_owned();
    let of_folder = path.to_string().starts_with("/etc/cron.") && SYSTEM_JOBS.contains(&name.as_str());
    let runs_folder = !site.behaviours.is_empty()
        && site.behaviours.iter().all(|behaviour| match &behaviour.kind {
            BehaviourKind::Process { argv, .. } => {
                argv.iter().any(|arg| arg.contains("run-parts") || arg.contains("anacron"))
                    || argv.first().is_some_and(|first| {
                        first.starts_with("/etc/cron.") || first.starts_with("/etc/periodic/")
                    })
            }
            _ => false,
        });
    let brought = image.inventory.files.iter().any(|file| file.path == *path && file.package.is_some());
    !accused
        && (of_folder || brought || runs_folder)
        && site.below.iter().all(|below| is_own(image, sites, *below))
}

/// The system's own in one line.
pub fn one_line(phase: Phase, sites: &Sites<'_>, numbers: &[usize]) -> Option<Step> {
    let mut places: Vec<String> = Vec::new();
    for number in numbers {
        if let Some(path) = sites.all[*number].place().path() {
            add(&mut places, path.to_string());
        }
    }
    if places.is_empty() {
        return None;
    }
    let words = if phase == Phase::Login {
        "what the system's own packages brought: "
    } else {
        "the system's own housekeeping: "
    };
    let more = places.len().saturating_sub(NAMED);
    let mut sentence = say(words).list(places.into_iter().take(NAMED));
    if more > 0 {
        sentence = sentence.say(format!(" and {more} more"));
    }
    Some(Step::new(Mark::Aside, sentence))
}
