//! Any text as each of the forms in which people say how images are run and built.
#![no_main]

use lazaret_launch::{BuildArguments, Nothing, command_line, compose, dockerfile, kubernetes, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let plan = match choice % 5 {
        0 => command_line(&text, &Nothing).ok(),
        1 => Some(compose(&text, "compose.yml", &Nothing)),
        2 => Some(kubernetes(&text, "pod.yaml")),
        3 => Some(dockerfile(&text, "Dockerfile", &BuildArguments::default(), &Nothing)),
        _ => {
            let _ = sniff("file", &text);
            None
        }
    };
    for container in plan.iter().flat_map(|plan| &plan.containers) {
        let _ = container.launch.host_path("/mnt/etc/crontab");
        let _ = container.launch.apply(&Default::default());
    }
});
