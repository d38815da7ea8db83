//! Repositories without an image whose page is the lure (row 57 of the catalogue of threats): millions
//! of them were filled with links to pirated books, cracked programs and cheats that lead elsewhere.
//!
//! An empty repository is nothing bad, and neither is a link in its description. What speaks is both
//! together with goods that no registry of images has to offer, or with a link that hides where it
//! leads.

use lazaret_model::{Listing, Outcome, one_line};

/// What is wrong with a repository whose page is a lure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LureVerdict {
    /// Malicious or suspicious.
    pub outcome: Outcome,
    /// Why, in one sentence.
    pub why: String,
}

/// Goods that lures promise and images are not. Each word or phrase stands for one kind of goods, so
/// that three ways to say one thing count once.
const GOODS: &[(&str, &[&str])] = &[
    ("a crack", &["crack", "cracked", "crackeado", "keygen", "nulled", "warez", "patched version"]),
    (
        "a licence key",
        &[
            "serial key",
            "serial number",
            "activation",
            "activator",
            "license key",
            "licence key",
            "product key",
            "registration code",
        ],
    ),
    (
        "a full version",
        &["full version", "full download", "version completa", "completo gratis", "vollversion"],
    ),
    (
        "pirated files",
        &["torrent", "magnet link", "repack", "iso download", "mod apk", "apk mod", "unlocked apk"],
    ),
    ("books", &["ebook", "e book", "epub", "mobi", "pdf", "audiobook", "read online", "livro", "libro"]),
    (
        "films",
        &[
            "watch online",
            "full movie",
            "movie download",
            "dvdrip",
            "bluray",
            "1080p",
            "720p",
            "hdrip",
            "streaming free",
        ],
    ),
    (
        "cheats",
        &[
            "cheat",
            "cheats",
            "aimbot",
            "wallhack",
            "hack tool",
            "free robux",
            "free gems",
            "v bucks",
            "unlimited coins",
            "generator no",
        ],
    ),
    (
        "gifts",
        &[
            "gift card",
            "free followers",
            "no survey",
            "no human verification",
            "giveaway",
            "casino",
            "betting",
        ],
    ),
];

/// Words that honest pages use as well; they count only beside others.
const WEAK: &[&str] = &[
    "download",
    "free",
    "click here",
    "baixar",
    "descargar",
    "telecharger",
    "gratis",
    "gratuit",
    "скачать",
    "бесплатно",
    "herunterladen",
    "kostenlos",
    "indir",
    "unduh",
];

/// Services whose links hide where they lead.
const SHORTENERS: &[&str] = &[
    "bit.ly",
    "tinyurl.com",
    "t.co",
    "goo.gl",
    "is.gd",
    "ow.ly",
    "cutt.ly",
    "rb.gy",
    "shorturl.at",
    "rebrand.ly",
    "adf.ly",
    "bc.vc",
    "t.ly",
    "v.gd",
    "tiny.cc",
    "buff.ly",
    "s.id",
    "urlz.fr",
    "shrtco.de",
    "ouo.io",
    "linktr.ee",
    "bitly.ws",
    "blltly.com",
    "urluss.com",
    "tlniurl.com",
    "cinurl.com",
    "fancli.com",
    "byltly.com",
    "jinyurl.com",
    "urlgoal.com",
    "geags.com",
    "tiurll.com",
    "imgfil.com",
    "urllie.com",
    "urlcod.com",
    "miimms.com",
];

/// How much of a description is looked at, in bytes.
const LOOKED_AT: usize = 64 << 10;

/// A link in a description.
struct Link<'a> {
    host: &'a str,
    path: &'a str,
}

impl Link<'_> {
    /// Whether it hides where it leads: a known service, or one token of random letters as its path.
    fn hides(&self) -> bool {
        let host = self.host.trim_start_matches("www.");
        if SHORTENERS.iter().any(|known| host == *known || host.ends_with(&format!(".{known}"))) {
            return true;
        }
        let token = self.path.trim_matches('/');
        let mixed = |of: fn(&char) -> bool| token.chars().any(|c| of(&c));
        (4..=10).contains(&token.len())
            && token.bytes().all(|b| b.is_ascii_alphanumeric())
            && mixed(char::is_ascii_digit)
            && mixed(char::is_ascii_uppercase)
            && mixed(char::is_ascii_lowercase)
    }
}

/// Judges a repository by its page: None where it holds an image, or its page is no lure.
pub fn lure(listing: &Listing) -> Option<LureVerdict> {
    if !listing.tags.is_empty() {
        return None;
    }
    let mut end = listing.description.len().min(LOOKED_AT);
    while !listing.description.is_char_boundary(end) {
        end -= 1;
    }
    let raw = plain(&listing.description[..end]);
    let links = links(&raw);
    let first = links.first()?;
    let (name, text) =
        (words(listing.repository.rsplit('/').next().unwrap_or_default()), words(&without_links(&raw)));
    let goods: Vec<&str> = GOODS
        .iter()
        .filter(|(_, phrases)| phrases.iter().any(|phrase| says(&text, phrase) || says(&name, phrase)))
        .map(|(goods, _)| *goods)
        .collect();
    let weak = WEAK.iter().filter(|word| says(&text, word) || says(&name, word)).count();
    let hidden = links.iter().find(|link| link.hides());
    let bare = text.split_whitespace().count() <= 3;

    let leads = |link: &Link<'_>| format!("its page leads to {}", one_line(link.host, 80));
    let empty = "The repository holds no image";
    let offers = || goods.join(", ");
    let (outcome, why) = match (goods.len(), hidden) {
        (2.., _) => {
            (Outcome::Malicious, format!("{empty}, and {} for {}.", leads(hidden.unwrap_or(first)), offers()))
        }
        (1, Some(link)) => (
            Outcome::Malicious,
            format!("{empty}, and {}, a link that hides where it goes, for {}.", leads(link), offers()),
        ),
        (1, None) if weak > 0 && !only_documents(&goods) => {
            (Outcome::Suspicious, format!("{empty}, and {} for {}.", leads(first), offers()))
        }
        (0, Some(link)) if weak > 0 || bare => {
            (Outcome::Suspicious, format!("{empty}, and {}, a link that hides where it goes.", leads(link)))
        }
        (0 | 1, _) => return None,
    };
    Some(LureVerdict { outcome, why })
}

/// Whether the goods are no more than documents: an honest page may well offer its manual as PDF.
fn only_documents(goods: &[&str]) -> bool {
    goods.iter().all(|goods| *goods == "books")
}

/// The text without what hides words from a reader of bytes: invisible characters, and letters of
/// full width.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'))
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// Lower case, every run of other characters than letters and digits one space, with one at each end.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase().map(|c| match c {
                'á' | 'à' | 'â' | 'ã' => 'a',
                'é' | 'è' | 'ê' => 'e',
                'ó' | 'õ' => 'o',
                other => other,
            }));
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

fn says(text: &str, phrase: &str) -> bool {
    text.contains(&format!(" {phrase} "))
}

/// Where each link begins and ends.
fn spans(text: &str) -> Vec<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for mark in ["https://", "http://", "hxxps://", "hxxp://", "www."] {
        for (at, _) in lower.match_indices(mark) {
            let end = text[at..]
                .find(|c: char| c.is_whitespace() || "<>\"'()[]{}|`".contains(c))
                .map_or(text.len(), |length| at + length);
            if !spans.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                spans.push((at, end));
            }
        }
    }
    // Links to services that are known need no scheme to work: people paste them.
    for service in SHORTENERS {
        for (at, _) in lower.match_indices(&format!("{service}/")) {
            let begins =
                !lower[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '-' || c == '/');
            if begins && !spans.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                let end = text[at..].find(char::is_whitespace).map_or(text.len(), |length| at + length);
                spans.push((at, end));
            }
        }
    }
    spans.sort_unstable();
    spans
}

fn links(text: &str) -> Vec<Link<'_>> {
    let link = |(from, to): (usize, usize)| {
        let whole = &text[from..to];
        let rest = whole.split_once("://").map_or(whole, |(_, rest)| rest);
        let rest = rest.trim_end_matches(['.', ',', ';', '!', '*']);
        let (host, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        (host.contains('.')).then_some(Link { host, path })
    };
    spans(text).into_iter().filter_map(link).collect()
}

fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut at = 0;
    for (from, to) in spans(text) {
        if from >= at {
            out.push_str(&text[at..from]);
            out.push(' ');
            at = to;
        }
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use lazaret_model::ListedTag;

    use super::*;

    fn page(name: &str, description: &str) -> Listing {
        Listing {
            repository: format!("docker.io/somebody/{name}"),
            description: description.to_owned(),
            ..Listing::default()
        }
    }

    fn outcome(name: &str, description: &str) -> Option<Outcome> {
        lure(&page(name, description)).map(|verdict| verdict.outcome)
    }

    #[test]
    fn a_page_that_offers_what_no_image_is_and_leads_elsewhere_is_a_lure() {
        for (name, description) in [
            (
                "download-full-version-crack",
                "DOWNLOAD FULL VERSION + SERIAL KEY >>> https://short.downlnow.invalid/2tkXq3 <<< Free eBook PDF crack keygen 2024 no survey",
            ),
            ("office-2024", "Office activation crack: http://files.example/office"),
            (
                "x",
                "\u{ff23}\u{ff32}\u{ff21}\u{ff23}\u{ff2b} and key\u{200b}gen, serial key: https://a.example/x",
            ),
            ("novel", "Read the novel as PDF: https://bit.ly/3xYzAbC"),
            ("robux", "Free robux, no survey! [click here](https://a.example/r)"),
            ("filme", "Filme completo gratis 1080p https://cine.example/f"),
        ] {
            assert_eq!(outcome(name, description), Some(Outcome::Malicious), "{name}: {description}");
        }
    }

    #[test]
    fn a_hidden_link_alone_and_one_kind_of_goods_are_suspicious() {
        for (name, description) in [
            ("x", "https://tinyurl.com/abc"),
            ("x", "free! cutt.ly/abc123"),
            ("tool-keygen", "free download at https://a.example/tool"),
        ] {
            assert_eq!(outcome(name, description), Some(Outcome::Suspicious), "{name}: {description}");
        }
    }

    #[test]
    fn an_honest_empty_repository_is_left_alone() {
        for (name, description) in [
            (
                "future-service",
                "Reserved for our next service. Sources: https://git.example.org/acme/future-service",
            ),
            ("x", ""),
            ("x", "https://git.example.org/acme"),
            ("charts", "Free and open source. Download the charts at https://charts.example.org"),
            ("docs", "The manual, free to download as PDF: https://docs.example.org/manual.pdf"),
            ("pdf-service", "Renders PDF. Sources at https://git.example.org/acme/pdf-service"),
            ("crackle", "Firecracker images soon. See https://example.org"),
            (
                "license-server",
                "A license server for our products, not pushed yet: https://example.org/license",
            ),
            ("torrent-crack-keygen", "no link at all, only words: crack, keygen, serial key"),
        ] {
            assert_eq!(lure(&page(name, description)), None, "{name}: {description}");
        }
    }

    #[test]
    fn a_repository_with_an_image_is_judged_by_its_image() {
        let mut listing = page("crack", "crack keygen serial key https://bit.ly/abc");
        assert!(lure(&listing).is_some());
        listing.tags.push(ListedTag { name: "latest".to_owned(), ..ListedTag::default() });
        assert_eq!(lure(&listing), None);
    }

    #[test]
    fn a_hostile_page_is_bounded_and_its_link_is_shown_neutralised() {
        let text = format!(
            "crack keygen ebook https://a\u{1b}[31m.example/x {}",
            "https://é.example/ ".repeat(20_000)
        );
        let verdict = lure(&page("x", &text));
        assert!(verdict.is_some_and(|verdict| !verdict.why.contains('\u{1b}') && verdict.why.len() < 400));
    }
}
