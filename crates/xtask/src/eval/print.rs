//! The figures as text.

use std::collections::BTreeMap;
use std::time::Duration;

use super::manifest::Label;
use super::score::{Figures, Scored};

pub(super) fn all(scored: &[Scored], figures: &Figures, brief: bool) {
    println!("{} cases, {} judged", scored.len(), figures.judged);
    for (reason, count) in &figures.not_judged {
        println!("  {count:6} not judged: {reason}");
    }
    bad(figures, brief);
    good(figures);
    times(scored, figures);
    if !brief {
        wrong(scored);
    }
}

fn bad(figures: &Figures, brief: bool) {
    if figures.seen.of == 0 {
        return;
    }
    println!("\nwhat is bad                                        seen              accused");
    for ((set, label), (seen, accused)) in &figures.by_set {
        println!("  {set:28} {label:20} {seen}  {accused}");
    }
    println!("  {:49} {}", "all", figures.seen);
    println!("  {:49} {}", "techniques of the catalogue", figures.seen_in_catalogue);
    if !brief {
        println!("\nby technique                                       seen              accused");
        for (technique, (seen, accused)) in &figures.by_technique {
            println!("  {technique:49} {seen}  {accused}");
        }
    }
    if !figures.by_category.is_empty() {
        println!("\nmust be accused                                                      accused");
        for (category, share) in &figures.by_category {
            println!("  {category:65}  {share}");
        }
        println!("  {:65}  {}", "all", figures.accused_categories);
    }
}

fn good(figures: &Figures) {
    let cases = figures.good_total[0].of;
    if cases == 0 {
        return;
    }
    println!(
        "\nwhat is good                                       malicious         suspicious        inconclusive"
    );
    for ((set, label), [malicious, suspicious, inconclusive]) in &figures.good {
        println!("  {set:28} {label:20} {malicious}  {suspicious}  {inconclusive}");
    }
    let [malicious, suspicious, inconclusive] = figures.good_total;
    println!("  {:49} {malicious}  {suspicious}  {inconclusive}", "all");
    if let Some((measured, bound)) = figures.precision() {
        println!(
            "  precision, were one image in a thousand bad: {:.1} % (at least {:.1} %, by the number of cases)",
            measured * 100.0,
            bound * 100.0
        );
    }
    list("false positives by rule", &figures.false_positives);
    let total: usize = figures.informational.values().sum();
    println!(
        "\n{total} informational findings on {cases} good cases, {:.2} on each",
        total as f64 / cases as f64
    );
    list("informational findings by rule, the most frequent", &figures.informational);
}

fn list(title: &str, counts: &BTreeMap<String, usize>) {
    if counts.is_empty() {
        return;
    }
    println!("\n{title}");
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    for (rule, count) in sorted.into_iter().take(25) {
        println!("  {count:6} {rule}");
    }
}

fn times(scored: &[Scored], figures: &Figures) {
    let mut times: Vec<Duration> =
        scored.iter().filter(|one| one.outcome().is_some()).map(|one| one.took).collect();
    times.sort();
    let Some(middle) = times.get(times.len() / 2) else { return };
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    let late = &times[times.len() * 99 / 100];
    println!(
        "\ntime: {:.1} s in all, {:.1} ms in the middle, {:.1} ms for the slowest hundredth",
        figures.total_time.as_secs_f64(),
        ms(middle),
        ms(late)
    );
    if let Some((took, name)) = &figures.slowest {
        println!("  slowest: {:.1} ms {name}", ms(took));
    }
}

fn wrong(scored: &[Scored]) {
    let mut count = 0;
    println!("\njudged wrongly");
    for label in Label::ALL {
        for one in scored.iter().filter(|one| one.case.label == label) {
            let Some(why) = one.wrong() else { continue };
            count += 1;
            let mut rules: Vec<&str> = one
                .findings()
                .iter()
                .filter(|f| f.counts || label.is_bad())
                .map(|f| f.rule.as_str())
                .collect();
            rules.truncate(4);
            println!(
                "  {why:12} {:20} {:16} {} [{}]",
                label.word(),
                one.case.techniques.join(","),
                one.case.path,
                rules.join(", ")
            );
        }
    }
    println!("{count} of {} cases", scored.len());
}
