//! What wallets are said to have earned, from a file that somebody gives. Lazaret asks no pool.

use std::collections::BTreeSet;

use lazaret_model::{Campaign, IndicatorKind, Revenue};
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
    let entries = if text.trim_start().starts_with(['[', '{']) { json(text)? } else { csv(text)? };
    if entries.len() > ENTRIES {
        return Err(WalletsError::Many);
    }
    let revenue = |entry: Entry| Revenue {
        wallet: entry.wallet,
        amount: entry.amount.text(),
        currency: entry.currency,
        usd: entry.usd.map(Amount::text).filter(|usd| !usd.is_empty()),
        as_of: entry.as_of.filter(|time| !time.is_empty()),
        source: if entry.source.is_empty() { name.to_owned() } else { entry.source },
    };
    Ok(entries.into_iter().map(revenue).collect())
}

/// Puts into a campaign what is known of its own wallets, in the order of what they are shared with.
pub fn add(campaign: &mut Campaign, known: &[Revenue]) {
    let own: BTreeSet<&str> = campaign
        .shared
        .iter()
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
    fn a_file_that_is_neither_form_is_refused_with_what_is_missing() {
        assert!(matches!(wallets("a,b\n1,2\n", "f"), Err(WalletsError::Column("wallet"))));
        assert!(matches!(wallets("[{\"x\": 1}]", "f"), Err(WalletsError::Form(_))));
    }
}
