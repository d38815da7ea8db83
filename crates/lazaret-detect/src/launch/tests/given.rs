//! The start path of an image that is run in a way that is known.

use lazaret_model::{Hook, HookTime, Launch, LaunchFile, Mount, MountKind};

use super::*;
use crate::{Given, follow_given};

fn launched(fixture: &Fixture, launch: &Launch) -> StartPath {
    let view = View::new(&[&fixture.layer]);
    let given = Given { launch: Some(launch), unbuilt: false };
    follow_given(&fixture.image(), &view, &fixture.contents, &LaunchLimits::default(), given)
}

fn words(text: &str) -> Option<Vec<String>> {
    Some(text.split(' ').map(str::to_owned).collect())
}

#[test]
fn the_command_of_the_launch_is_what_starts() {
    let fixture = Fixture::new().start(&["redis-server"], &["--a"]);
    let launch = Launch { command: words("--b"), ..Launch::default() };
    assert_eq!(lines(&launched(&fixture, &launch)), ["run redis-server --b"]);
    let launch = Launch { entrypoint: words("miner -x"), ..Launch::default() };
    assert_eq!(lines(&launched(&fixture, &launch)), ["run miner -x"]);
}

#[test]
fn a_file_that_the_launch_mounts_is_followed_and_what_stands_below_a_mount_is_not() {
    let fixture =
        Fixture::new().file("app/run.sh", "#!/bin/sh\nminer image\n", 0o755).start(&["/app/run.sh"], &[]);
    let file = LaunchFile {
        target: "/app/run.sh".into(),
        content: "#!/bin/sh\nminer mounted\n".into(),
        mode: 0o755,
    };
    let launch = Launch { files: vec![file], ..Launch::default() };
    assert_eq!(lines(&launched(&fixture, &launch)).last().unwrap(), "run miner mounted");
    let mount = Mount {
        kind: MountKind::Bind,
        source: "/srv/app".into(),
        target: "/app".into(),
        read_only: false,
        propagation: None,
    };
    let launch = Launch { mounts: vec![mount], ..Launch::default() };
    let path = launched(&fixture, &launch);
    assert_eq!(lines(&path), ["run /app/run.sh"]);
    assert!(
        path.gaps.iter().any(|gap| gap.detail.contains("/srv/app/run.sh on the host")),
        "{:?}",
        path.gaps
    );
}

#[test]
fn hooks_run_beside_the_process_and_chroot_writes_below_its_root() {
    let hook = Hook { when: HookTime::PostStart, argv: vec!["sh".into(), "-c".into(), "miner hook".into()] };
    let launch = Launch {
        entrypoint: Some(vec![
            "chroot".into(),
            "/h".into(),
            "sh".into(),
            "-c".into(),
            "echo x > /etc/crontab".into(),
        ]),
        hooks: vec![hook],
        ..Launch::default()
    };
    let told = lines(&launched(&Fixture::new(), &launch));
    assert!(told.contains(&"write /h/etc/crontab = x".to_owned()), "{told:?}");
    assert!(told.contains(&"run miner hook".to_owned()), "{told:?}");
}

#[test]
fn what_an_unbuilt_image_writes_while_it_is_built_is_there_when_it_starts() {
    let mut fixture = Fixture::new().start(&["/run.sh"], &[]);
    let step = |text: &str| lazaret_model::HistoryStep { created_by: text.into(), ..Default::default() };
    fixture.config.history = vec![step(
        "RUN |1 WORD=two /bin/sh -c printf '#!/bin/sh\\nminer '$WORD'\\n' > /run.sh; chmod +x /run.sh # buildkit",
    )];
    let view = View::new(&[&fixture.layer]);
    let given = Given { launch: None, unbuilt: true };
    let path = follow_given(&fixture.image(), &view, &fixture.contents, &LaunchLimits::default(), given);
    assert_eq!(lines(&path).last().unwrap(), "run miner two", "{:?}", lines(&path));
}
