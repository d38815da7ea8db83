//! The page that draws a campaign.
#![allow(clippy::unwrap_used)]

mod common;

use common::campaigns::{self, WALLET};
use lazaret_model::Campaign;
use lazaret_report::{CampaignFormat, Options, render_campaign};

fn page(campaign: &Campaign) -> String {
    let mut out = Vec::new();
    render_campaign(campaign, CampaignFormat::Html, &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_page_holds_no_element_attribute_or_link_of_the_actors() {
    for campaign in campaigns::all() {
        let text = page(&campaign);
        for bad in [
            "<script",
            "<img",
            "javascript:",
            "http-equiv=\"refresh",
            "<foreignObject",
            " style=\"",
            " onerror=alert(1)>\"",
        ] {
            assert!(!text.contains(bad), "{bad}");
        }
        for href in text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(
                href.starts_with('#') || href.starts_with("https://attack.mitre.org/techniques/T"),
                "{href}"
            );
        }
        assert_eq!(text.matches("<style").count(), 1);
        assert!(!text.contains(" src=\""));
    }
}

/// Every element is one that the page uses, and they close in order: the actor's text opened none.
#[test]
fn the_page_is_well_formed_whatever_the_actor_says() {
    let known = [
        "html", "head", "title", "style", "body", "main", "div", "span", "b", "h1", "h2", "p", "small",
        "svg", "path", "text", "rect", "circle", "line", "g", "table", "thead", "tbody", "tr", "th", "td",
        "a", "code", "details", "summary", "ul", "ol", "li", "dl", "dt", "dd", "pre",
    ];
    for campaign in campaigns::all() {
        let text = page(&campaign);
        let mut open: Vec<&str> = Vec::new();
        for part in text.split('<').skip(1) {
            let (tag, _) = part.split_once('>').expect("every tag ends");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if tag.starts_with('!') || name == "meta" || tag.ends_with('/') {
                continue;
            }
            assert!(known.contains(&name), "{tag}");
            match tag.starts_with('/') {
                true => assert_eq!(open.pop(), Some(name)),
                false => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(!text.contains("NaN") && !text.contains("inf "), "a coordinate that is no number");
    }
}

#[test]
fn the_policy_of_the_page_allows_its_own_style_and_nothing_else() {
    use sha2::{Digest as _, Sha256};
    let text = page(&campaigns::lineup());
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = data_encoding::BASE64.encode(&Sha256::digest(style.as_bytes()));
    let policy = format!(
        "content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\""
    );
    assert!(text.contains(&policy));
    assert!(!style.contains("url(") && !style.contains("@import"));
}

/// Where each label of a drawing stands, by the class of its text.
fn rows(text: &str, drawing: &str, class: &str) -> Vec<f64> {
    let drawing =
        text.split(&format!("<svg class=\"{drawing}")).nth(1).unwrap().split("</svg>").next().unwrap();
    let mut rows: Vec<f64> = drawing
        .split(&format!("<text class=\"{class}\""))
        .skip(1)
        .map(|rest| rest.split(" y=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
        .collect();
    rows.sort_by(f64::total_cmp);
    rows
}

#[test]
fn no_label_of_a_drawing_hides_another() {
    for campaign in [campaigns::lineup(), campaigns::large(60), campaigns::hostile(), campaigns::large(500)] {
        let text = page(&campaign);
        for (drawing, class, apart) in [
            ("graph", "name", 13.0),
            ("graph", "value", 27.0),
            ("graph", "kind", 27.0),
            ("lifelines", "name", 13.0),
        ] {
            let rows = rows(&text, drawing, class);
            assert!(!rows.is_empty(), "{drawing} {class}");
            assert!(rows.windows(2).all(|pair| pair[1] - pair[0] >= apart), "{drawing} {class} {rows:?}");
        }
        // No label is longer than its room.
        let drawing = text.split("<svg class=\"graph").nth(1).unwrap().split("</svg>").next().unwrap();
        for (class, most) in [("name", 27), ("value", 50), ("account", 22)] {
            for rest in drawing.split(&format!("<text class=\"{class}\"")).skip(1) {
                let label = rest.split('>').nth(1).unwrap().split('<').next().unwrap();
                let label = label
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&quot;", "\"")
                    .replace("&amp;", "&");
                assert!(unicode_width::UnicodeWidthStr::width(label.as_str()) <= most, "{class} {label}");
            }
        }
    }
}

#[test]
fn all_that_hangs_together_is_drawn_and_told() {
    let text = page(&campaigns::lineup());
    let drawing = text.split("<svg class=\"graph").nth(1).unwrap().split("</svg>").next().unwrap();
    let lines: usize = campaigns::lineup().shared.iter().map(|shared| shared.members.len()).sum();
    assert_eq!(drawing.matches("<path d=").count(), lines);
    assert_eq!(drawing.matches("<text class=\"name\"").count(), 17);
    assert!(text.contains(WALLET));
    assert_eq!(text.matches("<g class=\"life ").count(), 17);
    assert_eq!(text.matches("<details class=\"finding").count(), 17);
}

#[test]
fn a_list_that_is_cut_says_so_and_nothing_is_introduced_that_is_not_there() {
    let mut campaign = campaigns::lineup();
    let (lead, step) = (campaign.leads[0].clone(), campaign.cleanup[0].clone());
    campaign.leads = vec![lead; 1_501];
    campaign.cleanup = vec![step; 500];
    campaign.shared[0].place.clear();
    let text = page(&campaign);
    assert_eq!(text.matches("more; the JSON form has all").count(), 1);
    assert!(text.contains("and 1,001 more; the JSON form has all"));
    assert!(!text.contains(">at </div>"), "a place that nobody knows");
}
