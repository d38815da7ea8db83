//! Small pieces of text that several formats share.

use lazaret_model::{
    BehaviourKind, Certainty, Class, Coverage, FileOp, ImageReport, Location, Reach, Report, Rule, Severity,
    one_line, visible,
};

/// What the image is called: repository and tag, or repository and digest where no tag was named.
/// Neutralised, because it may come from a file name.
pub fn name(report: &Report) -> String {
    match &report.pinned.tag {
        Some(tag) => visible(&format!("{}:{tag}", report.pinned.repository)).into_owned(),
        None => visible(&report.pinned.to_string()).into_owned(),
    }
}

/// The platform in words, `unknown platform` where nothing names one.
pub fn platform(image: &ImageReport) -> String {
    match &image.image.platform {
        Some(platform) => visible(&platform.to_string()).into_owned(),
        None => "unknown platform".to_owned(),
    }
}

/// Bytes with three significant digits in powers of 1000, as registries count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A number with its noun, which takes an `s` unless there is exactly one.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How much was looked at, on one line.
pub fn coverage(coverage: &Coverage) -> String {
    let mut out = format!("{} of {} read", grouped(coverage.layers_read), count(coverage.layers, "layer"));
    if coverage.layers_remembered > 0 {
        out.push_str(&format!(" ({} remembered)", grouped(coverage.layers_remembered)));
    }
    out.push_str(&format!(", {}, {}", count(coverage.files, "file"), bytes(coverage.bytes)));
    if coverage.gaps > 0 {
        out.push_str(&format!(", {} that could matter", count(coverage.gaps, "gap")));
    }
    out
}

/// Findings of an image that are more than informational.
pub fn telling(image: &ImageReport) -> u64 {
    image.findings.iter().filter(|finding| finding.severity > Severity::Info).count() as u64
}

/// Milliseconds as people say them.
pub fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// What a rule is about, as a sentence without its full stop: its title completes it.
pub fn title(rule: &Rule) -> String {
    match rule.title.trim() {
        "" => visible(&rule.id).into_owned(),
        title => format!("This image may {}", visible(title)),
    }
}

/// A class in words for a sentence.
pub fn class_word(class: Class) -> &'static str {
    match class {
        Class::DualUse => "dual use",
        other => other.word(),
    }
}

/// Whether it can act, in words.
pub fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Starts => "starts with the container",
        Reach::Reachable => "something in the image can start it",
        Reach::Dormant => "nothing that was followed starts it",
        Reach::Removed => "removed by a later layer",
    }
}

/// A place inside the image, one line, with the layer where there is one.
pub fn place(location: &Location) -> String {
    match location {
        Location::File { layer, .. } => format!("{location} in layer {layer}"),
        other => other.to_string(),
    }
}

/// What a behaviour does, one neutral line of at most `most` characters.
pub fn behaviour(kind: &BehaviourKind, most: usize) -> String {
    let text = match kind {
        BehaviourKind::Process { argv, fed_by, downloaded, .. } => {
            let fed: String = fed_by.iter().rev().map(|by| format!("{by} | ")).collect();
            let from = downloaded.as_ref().map(|url| format!(" (fetched from {url})")).unwrap_or_default();
            format!("{fed}{}{from}", argv.join(" "))
        }
        BehaviourKind::File { op, path, by, .. } => {
            let verb = match op {
                FileOp::Write => "writes",
                FileOp::Append => "appends to",
                FileOp::Delete => "deletes",
                FileOp::Chmod => "changes permissions of",
            };
            format!("{by} {verb} {path}")
        }
        BehaviourKind::Network { host, port, url, by } => match (url, port) {
            (Some(url), _) => format!("{by} connects to {url}"),
            (None, Some(port)) => format!("{by} connects to {host}:{port}"),
            (None, None) => format!("{by} connects to {host}"),
        },
    };
    one_line(&text, most)
}

/// The kind of a behaviour.
pub fn behaviour_kind(kind: &BehaviourKind) -> &'static str {
    match kind {
        BehaviourKind::Process { .. } => "process",
        BehaviourKind::File { .. } => "file",
        BehaviourKind::Network { .. } => "network",
    }
}

/// `will` or `may`.
pub fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::May => "may",
        Certainty::Will => "will",
    }
}

/// The page of an ATT&CK technique. None unless `id` has the form of one, so that nothing else
/// can become part of an address.
pub fn attack_url(id: &str) -> Option<String> {
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let rest = id.strip_prefix('T')?;
    match rest.split_once('.') {
        None if digits(rest, 4) => Some(format!("https://attack.mitre.org/techniques/{id}/")),
        Some((main, sub)) if digits(main, 4) && digits(sub, 3) => {
            Some(format!("https://attack.mitre.org/techniques/T{main}/{sub}/"))
        }
        _ => None,
    }
}

/// The images of a report, worst first, otherwise in the order of the index.
pub fn worst_first(report: &Report) -> Vec<&ImageReport> {
    let mut images: Vec<&ImageReport> = report.images.iter().collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.verdict.outcome.rank()));
    images
}

/// The recorded base that an image is built on.
pub fn built_on(image: &ImageReport) -> Option<String> {
    let base = image.base.as_ref()?;
    let layers = count(base.layers as u64, "layer");
    Some(format!("{} (as recorded on {}; {layers})", visible(&base.name), visible(&base.recorded)))
}

/// A feed that judged, or why it did not.
pub fn feed(feed: &lazaret_model::FeedUse) -> String {
    let mut text = visible(&feed.name).into_owned();
    if feed.version > 0 {
        text.push_str(&format!(" version {}", feed.version));
    }
    if !feed.issuer.is_empty() {
        text.push_str(&format!(" of {}", lazaret_model::one_line(&feed.issuer, 100)));
    }
    if !feed.signer.is_empty() {
        let plural = if feed.entries == 1 { "entry" } else { "entries" };
        text.push_str(&format!(": {} {plural}", grouped(feed.entries)));
    }
    if let Some(why) = &feed.not_used {
        text.push_str(&format!("; not used: {}", lazaret_model::one_line(why, 300)));
    }
    text
}

/// A campaign that leads to the image, and that this accuses nobody.
pub fn campaign(link: &lazaret_model::CampaignLink) -> String {
    let name = lazaret_model::one_line(&link.campaign, 40);
    let reason = lazaret_model::one_line(&link.reason, 300);
    match link.is_member {
        true => format!("{name}: {reason}"),
        false => format!("{name}: {reason} (a lead, which changes no verdict)"),
    }
}

/// How many rules of a user's pack judged, and where the others are named.
pub fn rule_pack(pack: &lazaret_model::RulePack) -> String {
    let name = visible(&pack.name);
    let mut text = format!("{name}: {} of {} rules applied", grouped(pack.applied), grouped(pack.rules()));
    let broken = pack.left_out.iter().filter(|rule| rule.broken).count() as u64;
    let absent = pack.left_out.len() as u64 - broken;
    let mut why = Vec::new();
    if absent > 0 {
        let verb = if absent == 1 { "needs" } else { "need" };
        why.push(format!("{} {verb} what only a running system has", grouped(absent)));
    }
    if broken > 0 {
        let verb = if broken == 1 { "does" } else { "do" };
        why.push(format!("{} {verb} not compile", grouped(broken)));
    }
    if !why.is_empty() {
        text.push_str(&format!("; {}: `lazaret rules list --rules {name}` names them", why.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_round_up_into_the_next_unit() {
        for (count, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_999, "1.00 MB"),
            (142_300_000, "142 MB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "gap"), "1 gap");
    }

    #[test]
    fn only_a_technique_id_becomes_an_address() {
        assert_eq!(
            attack_url("T1496.001").as_deref(),
            Some("https://attack.mitre.org/techniques/T1496/001/")
        );
        assert_eq!(attack_url("T1090").as_deref(), Some("https://attack.mitre.org/techniques/T1090/"));
        for bad in ["T1496.1", "T1496/../x", "javascript:1", "", "T12345"] {
            assert_eq!(attack_url(bad), None, "{bad}");
        }
    }
}
