//! Commands as a person reads them.

use super::COMMAND;
use crate::story::roles::base;

pub fn verb(name: &str) -> &'static str {
    match name {
        "mkdir" => "makes the folder",
        "chown" | "chgrp" => "changes the owner of",
        "chmod" => "changes the rights of",
        "ln" => "links",
        _ => "prepares",
    }
}

pub fn unpacks(name: &str, args: &[String]) -> bool {
    name == "unzip"
        || args.iter().any(|arg| {
            arg == "--extract"
                || (arg.starts_with('-') && !arg.starts_with("--") || args.first() == Some(arg))
                    && arg.contains('x')
        })
}

pub fn wait(args: &[String]) -> String {
    match args.first().map(String::as_str) {
        Some("infinity" | "inf") => "for ever, so that the container stays up".to_owned(),
        Some(time) => match time.parse::<f64>() {
            Ok(86_400.0) => "a day, so that the container stays up".to_owned(),
            Ok(seconds) if seconds >= 86_400.0 => {
                format!("{:.0} days, so that the container stays up", seconds / 86_400.0)
            }
            Ok(seconds) if seconds >= 3_600.0 => {
                format!("{:.0} hours", seconds / 3_600.0).replace("1 hours", "an hour")
            }
            Ok(1.0) => "a second".to_owned(),
            Ok(seconds) => format!("{seconds} seconds"),
            Err(_) => time.to_owned(),
        },
        None => "a while".to_owned(),
    }
}

pub fn is_java(argv: &[String]) -> bool {
    argv.first().is_some_and(|first| base(first) == "java")
        || argv.first().is_some_and(|first| first.starts_with('$'))
            && argv.iter().any(|arg| arg == "-classpath" || arg == "-cp" || arg.starts_with("-Djava."))
}

/// The main class or the archive, and what it is told.
pub fn java(argv: &[String]) -> String {
    let mut args = argv.iter().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-jar" | "-m" | "--module" => return cut(&args.cloned().collect::<Vec<_>>().join(" "), COMMAND),
            "-classpath" | "-cp" | "--class-path" | "-p" | "--module-path" => {
                args.next();
            }
            _ if arg.starts_with(['-', '$', '@']) => {}
            _ => {
                let rest: Vec<&str> = std::iter::once(arg).chain(args).map(String::as_str).collect();
                return cut(&rest.join(" "), COMMAND);
            }
        }
    }
    command(argv)
}

/// A command as a person would type it, cut where it is long.
pub fn command(argv: &[String]) -> String {
    let quoted = |arg: &String| {
        let plain =
            !arg.is_empty() && !arg.contains(|c: char| c.is_whitespace() || "'\"|&;<>()*?".contains(c));
        if plain || arg.starts_with('$') { arg.clone() } else { format!("'{}'", arg.replace('\n', " ")) }
    };
    cut(&argv.iter().map(quoted).collect::<Vec<_>>().join(" "), COMMAND)
}

pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most - 1).collect();
    out.push('…');
    out
}
