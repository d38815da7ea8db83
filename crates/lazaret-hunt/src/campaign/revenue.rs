//! What wallets are said to have earned, from a file that somebody gives. Lazaret asks no pool.

use std::collections::BTreeSet;

use lazaret_model::{Campaign, IndicatorKind, Revenue, one_line};
use serde::Deserialize;

/// Entries that are read at the most.
const ENTRIES: usize = 100_000;

/// Why a file of wallets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WalletsError {
    /// It is neither of the two forms.
    #[error("the wallets cannot be read: {0}; expected JSON, or CSV with a first line that names columns")]
    Form(String),
    /// A column that is needed is not there.
    #[error(
        "the wallets have no column `{0}`: name wallet and amount, and currency, usd, as_of and source if known"
    )]
    Column(&'static str),
    /// An amount is none.
    #[error("wallet {wallet}: the {column} `{text}` is no amount: write 544.74 or 90,000")]
    Amount {
        /// Which wallet.
        wallet: String,
        /// Which column.
        column: &'static str,
        /// What stands there.
        text: String,
    },
    /// There are too many.
    #[error("the wallets are more than {ENTRIES}: give those of this campaign")]
    Many,
}

/// An entry as JSON has it; amounts may be numbers or texts.
#[derive(Debug, Deserialize)]
struct Entry {
    wallet: String,
    amount: Amount,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    usd: Option<Amount>,
    #[serde(default, alias = "asOf")]
    as_of: Option<String>,
    #[serde(default)]
    source: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Text(String),
    Number(serde_json::Number),
}

impl Amount {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Reads a file of wallets: a JSON list of objects, or CSV with a header, with `wallet`, `amount`,
/// `currency`, `usd`, `as_of` and `source`. `name` stands for the source where none is named.
///
/// # Errors
///
/// If it has neither form, or no wallet or amount.
pub fn wallets(text: &str, name: &str) -> Result<Vec<Revenue>, WalletsError> {
    // Spreadsheets write a mark of byte order before the first column.
    let text = text.trim_start_matches('\u{feff}');
    let entries = if text.trim_start().starts_with(['[', '{']) { json(text)? } else { csv(text)? };
    if entries.len() > ENTRIES {
        return Err(WalletsError::Many);
    }
    let revenue = |entry: Entry| {
        let usd = entry.usd.map(Amount::text).filter(|usd| !usd.trim().is_empty());
        Ok(Revenue {
            amount: amount(&entry.wallet, "amount", &entry.amount.text())?,
            usd: usd.map(|usd| amount(&entry.wallet, "usd", &usd)).transpose()?,
            wallet: entry.wallet,
            currency: entry.currency,
            as_of: entry.as_of.filter(|time| !time.is_empty()),
            source: if entry.source.is_empty() { name.to_owned() } else { entry.source },
        })
    };
    entries.into_iter().map(revenue).collect()
}

/// An amount as it was given, where it is one: digits, in groups of three or not, with decimals or not.
fn amount(wallet: &str, column: &'static str, text: &str) -> Result<String, WalletsError> {
    let text = text.trim();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let formed = digits(first)
        && (first.len() <= 3 || !whole.contains(','))
        && groups.all(|group| group.len() == 3 && digits(group))
        && decimals.is_none_or(digits);
    if !formed {
        let (wallet, text) = (one_line(wallet, 120), one_line(text, 60));
        return Err(WalletsError::Amount { wallet, column, text });
    }
    Ok(text.to_owned())
}

/// Puts into a campaign what is known of its own wallets, in the order of what they are shared with.
pub fn add(campaign: &mut Campaign, known: &[Revenue]) {
    let own: BTreeSet<&str> = campaign
        .shared
        .iter()
        .chain(&campaign.lone)
        .filter(|shared| shared.indicator.kind == IndicatorKind::Wallet)
        .map(|shared| shared.indicator.value.as_str())
        .collect();
    let same = |wallet: &str, value: &str| {
        value == wallet || value.split_once(':').is_some_and(|(_, a)| a == wallet)
    };
    for value in own {
        for revenue in known.iter().filter(|revenue| same(revenue.wallet.trim(), value)) {
            let mut revenue = revenue.clone();
            revenue.wallet = value.to_owned();
            if revenue.currency.is_empty() {
                revenue.currency = value.split_once(':').map_or("", |(coin, _)| coin).to_uppercase();
            }
            campaign.revenue.push(revenue);
        }
    }
}

fn json(text: &str) -> Result<Vec<Entry>, WalletsError> {
    let form = |error: serde_json::Error| WalletsError::Form(error.to_string());
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(form);
    }
    #[derive(Deserialize)]
    struct Named {
        wallets: Vec<Entry>,
    }
    serde_json::from_str::<Named>(text).map(|named| named.wallets).map_err(form)
}

fn csv(text: &str) -> Result<Vec<Entry>, WalletsError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = fields(lines.next().unwrap_or_default());
    let column = |name: &str| header.iter().position(|field| field.trim().eq_ignore_ascii_case(name));
    let wallet = column("wallet").ok_or(WalletsError::Column("wallet"))?;
    let amount = column("amount").ok_or(WalletsError::Column("amount"))?;
    let (currency, usd, as_of, source) =
        (column("currency"), column("usd"), column("as_of"), column("source"));
    let mut all = Vec::new();
    for line in lines.take(ENTRIES + 1) {
        let row = fields(line);
        let get = |at: Option<usize>| at.and_then(|at| row.get(at)).map(|field| field.trim().to_owned());
        let Some(wallet) = get(Some(wallet)).filter(|wallet| !wallet.is_empty()) else { continue };
        all.push(Entry {
            wallet,
            amount: Amount::Text(get(Some(amount)).unwrap_or_default()),
            currency: get(currency).unwrap_or_default(),
            usd: get(usd).map(Amount::Text),
            as_of: get(as_of),
            source: get(source).unwrap_or_default(),
        });
    }
    Ok(all)
}

/// Fields of a line (RFC 4180); one that holds a line break is not among what a wallet needs.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => all.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    all.push(field);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_model::{Indicator, Shared};

    #[test]
    fn wallets_are_read_as_csv_and_as_json_and_only_those_of_the_campaign_are_told() {
        let csv = "wallet,amount,usd,source\n4abc,544.74,\"90,000\",a report\nother,1,2,x\n";
        let json = r#"[{"wallet": "xmr:4abc", "amount": 544.74, "currency": "XMR", "asOf": "2018-05"}]"#;
        let mut known = wallets(csv, "f.csv").expect("CSV");
        known.extend(wallets(json, "f.json").expect("JSON"));
        let shared = Shared {
            indicator: Indicator::new(IndicatorKind::Wallet, "xmr:4abc"),
            bits: 24.0,
            why: String::new(),
            members: vec![0, 1],
            elsewhere: 0,
            place: String::new(),
        };
        let mut campaign = Campaign { shared: vec![shared], ..Campaign::default() };
        add(&mut campaign, &known);
        let told: Vec<_> = campaign
            .revenue
            .iter()
            .map(|r| {
                (
                    r.wallet.as_str(),
                    r.amount.as_str(),
                    r.currency.as_str(),
                    r.usd.as_deref(),
                    r.source.as_str(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("xmr:4abc", "544.74", "XMR", Some("90,000"), "a report"),
                ("xmr:4abc", "544.74", "XMR", None, "f.json"),
            ]
        );
    }

    #[test]
    fn an_amount_is_a_number_and_a_file_of_a_spreadsheet_is_read() {
        let read = |amount: &str| wallets(&format!("\u{feff}wallet,amount\n4abc,{amount}\n"), "f");
        for right in ["544.74", "0", "\"90,000\"", "\"1,234,567.5\"", " 12 "] {
            assert!(read(right).is_ok(), "{right}");
        }
        for wrong in ["lots", "NaN", "-5", "", "inf", "1e9", "\"1,23\"", "\"1234,567\"", ".5", "5."] {
            let error = read(wrong).expect_err(wrong);
            assert!(error.to_string().starts_with("wallet 4abc: the amount `"), "{error}");
        }
        let usd = wallets("[{\"wallet\": \"4abc\", \"amount\": 1, \"usd\": \"many\"}]", "f");
        assert!(matches!(usd, Err(WalletsError::Amount { column: "usd", .. })));
        assert!(wallets("\u{feff}[{\"wallet\": \"4abc\", \"amount\": 1.5}]", "f").is_ok());
    }

    #[test]
    fn a_file_that_is_neither_form_is_refused_with_what_is_missing() {
        assert!(matches!(wallets("a,b\n1,2\n", "f"), Err(WalletsError::Column("wallet"))));
        assert!(matches!(wallets("[{\"x\": 1}]", "f"), Err(WalletsError::Form(_))));
    }
}
