//! How an image is run, where that was given.

use lazaret_model::{Launch, MountKind};

use super::deed::command;
use super::sentence::{Sentence, say};
use super::{Chapter, Mark, Step};

/// Things of one kind that are named.
const NAMED: usize = 12;

/// The chapter: what the engine gives the container, what reaches the host first.
pub fn chapter(launch: &Launch) -> Chapter {
    let mut steps = Vec::new();
    let mut alarm = |sentence: Sentence| steps.push(Step::new(Mark::Alarm, sentence));
    if launch.privileged == Some(true) {
        alarm(say("Privileged: it has all rights of root on the host, and its devices"));
    }
    if !launch.host_namespaces.is_empty() {
        let names = launch.host_namespaces.iter().map(|namespace| namespace.name());
        alarm(say("It shares with the host its name spaces: ").list(names));
    }
    if !launch.cap_add.is_empty() {
        alarm(say("It has more capabilities than others: ").list(launch.cap_add.iter().take(NAMED).cloned()));
    }
    if !launch.devices.is_empty() {
        alarm(say("It has devices of the host: ").list(launch.devices.iter().take(NAMED).cloned()));
    }
    let open = [("seccomp", &launch.seccomp), ("AppArmor", &launch.apparmor)];
    for (what, profile) in open {
        if profile.as_deref() == Some("unconfined") {
            alarm(say(format!("Without the limits of {what}")));
        }
    }
    for mount in launch.mounts.iter().take(NAMED) {
        let rights = if mount.read_only { ", to read only" } else { "" };
        let target = mount.target.clone();
        steps.push(match mount.kind {
            MountKind::Bind => Step::new(
                Mark::Plain,
                say("The host's ").code(mount.source.clone()).say(" is mounted at ").code(target).say(rights),
            ),
            MountKind::Volume if mount.source.is_empty() => {
                Step::new(Mark::Plain, say("A new volume is mounted at ").code(target).say(rights))
            }
            MountKind::Volume => Step::new(
                Mark::Plain,
                say("The volume ").code(mount.source.clone()).say(" is mounted at ").code(target).say(rights),
            ),
            MountKind::Tmpfs => Step::new(Mark::Plain, say("Memory is mounted at ").code(target)),
            MountKind::Provided => {
                Step::new(Mark::Plain, say("A part of the cluster is mounted at ").code(target).say(rights))
            }
        });
    }
    let more = launch.mounts.len().saturating_sub(NAMED);
    if more > 0 {
        steps.push(Step::new(Mark::Aside, say(format!("and {more} more mounts"))));
    }
    let mut words = |label: &str, argv: &Option<Vec<String>>| match argv {
        Some(argv) if argv.is_empty() => {
            steps.push(Step::new(Mark::Plain, say(format!("{label} is cleared"))))
        }
        Some(argv) => {
            steps.push(Step::new(Mark::Plain, say(format!("{label}: ")).code(command(argv))));
        }
        None => {}
    };
    words("Its entry point", &launch.entrypoint);
    words("Its command", &launch.command);
    let set: Vec<String> = launch.env.iter().take(NAMED).map(|(name, _)| name.clone()).collect();
    if !set.is_empty() {
        steps.push(Step::new(Mark::Plain, say("Variables are set: ").list(set)));
    }
    if steps.is_empty() {
        steps.push(Step::new(Mark::Plain, say("Plainly: nothing is added to what the image says")));
    }
    Chapter { title: "How it is run", lead: None, steps }
}
