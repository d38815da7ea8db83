//! What members claim to be: the product that a name or a description promises.

use lazaret_model::{Campaign, Claim};

/// Products that many images hold, with other words for them. Whoever wants to be pulled takes one.
const PRODUCTS: [(&str, &[&str]); 72] = [
    ("airflow", &[]),
    ("alpine", &["alpineos"]),
    ("apache", &["httpd"]),
    ("busybox", &[]),
    ("caddy", &[]),
    ("cassandra", &[]),
    ("centos", &[]),
    ("consul", &[]),
    ("couchdb", &[]),
    ("cron", &["crond", "crontab"]),
    ("cuda", &["nvidia"]),
    ("dask", &[]),
    ("debian", &[]),
    ("django", &[]),
    ("docker", &["dockerd", "dind"]),
    ("drupal", &[]),
    ("elasticsearch", &["elastic"]),
    ("etcd", &[]),
    ("flask", &[]),
    ("ghost", &[]),
    ("gitlab", &[]),
    ("golang", &["go"]),
    ("grafana", &[]),
    ("haproxy", &[]),
    ("influxdb", &[]),
    ("java", &["openjdk", "jdk", "jre"]),
    ("jenkins", &[]),
    ("joomla", &[]),
    ("jupyter", &["notebook"]),
    ("kafka", &[]),
    ("kibana", &[]),
    ("kong", &[]),
    ("kubernetes", &["k8s", "kubectl", "pause"]),
    ("logstash", &[]),
    ("mariadb", &[]),
    ("memcached", &[]),
    ("minio", &[]),
    ("mlflow", &[]),
    ("mongodb", &["mongo"]),
    ("mysql", &[]),
    ("nextcloud", &[]),
    ("nginx", &[]),
    ("node", &["nodejs"]),
    ("odoo", &[]),
    ("perl", &[]),
    ("php", &[]),
    ("postgresql", &["postgres"]),
    ("prometheus", &[]),
    ("python", &["python3"]),
    ("pytorch", &["torch"]),
    ("rabbitmq", &["rabbit"]),
    ("ray", &[]),
    ("redis", &[]),
    ("redmine", &[]),
    ("registry", &[]),
    ("ruby", &["rails"]),
    ("rust", &[]),
    ("scipy", &["numpy"]),
    ("solr", &[]),
    ("sonarqube", &[]),
    ("spark", &[]),
    ("squid", &[]),
    ("swarm", &[]),
    ("tensorflow", &[]),
    ("tomcat", &[]),
    ("traefik", &[]),
    ("triton", &[]),
    ("ubuntu", &[]),
    ("vault", &[]),
    ("wordpress", &[]),
    ("zabbix", &[]),
    ("zookeeper", &[]),
];

/// What names say that promise no product.
const NOTHING: &str = "nothing known";

/// What the members claim to be, the product of most members first.
pub(super) fn claims(campaign: &Campaign) -> Vec<Claim> {
    let mut all: std::collections::BTreeMap<&str, Vec<usize>> = std::collections::BTreeMap::new();
    for (at, member) in campaign.members.iter().enumerate() {
        let name = member.repository.rsplit('/').next().unwrap_or_default();
        let product = product(name).or_else(|| described(&member.description)).unwrap_or(NOTHING);
        all.entry(product).or_default().push(at);
    }
    let mut claims: Vec<Claim> =
        all.into_iter().map(|(product, members)| Claim { product: product.to_owned(), members }).collect();
    claims.sort_by_key(|claim| {
        (claim.product == NOTHING, std::cmp::Reverse(claim.members.len()), claim.product.clone())
    });
    claims
}

/// The product that the name of a repository promises: one of its words, without what comes after the
/// product's name (`mysql5`, `tomcat-ng`, `cronm`).
fn product(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.iter().find_map(|word| of_word(word)).or_else(|| {
        // Longer names first, so that `postgres` is not taken for something shorter.
        let mut begins: Vec<(&str, &'static str)> = every()
            .filter(|(alias, _)| alias.len() > 3 && words.iter().any(|w| w.starts_with(alias)))
            .collect();
        begins.sort_by_key(|(alias, _)| std::cmp::Reverse(alias.len()));
        begins.first().map(|(_, product)| *product)
    })
}

/// The product that a description names first.
fn described(description: &str) -> Option<&'static str> {
    let text = description.to_ascii_lowercase();
    text.split(|c: char| !c.is_ascii_alphanumeric()).take(200).filter(|word| word.len() > 2).find_map(of_word)
}

fn of_word(word: &str) -> Option<&'static str> {
    let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
    every().find(|(alias, _)| *alias == word || *alias == plain).map(|(_, product)| product)
}

fn every() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRODUCTS.iter().flat_map(|(product, others)| {
        std::iter::once(product).chain(others.iter()).map(move |a| (*a, *product))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_promises_a_product_also_with_something_after_it() {
        for (name, promised) in [
            ("mysql", Some("mysql")),
            ("mysql5", Some("mysql")),
            ("tomcat22", Some("tomcat")),
            ("cronnn", Some("cron")),
            ("my-nginx", Some("nginx")),
            ("postgres", Some("postgresql")),
            ("openjdk", Some("java")),
            ("kk", None),
            ("data", None),
        ] {
            assert_eq!(product(name), promised, "{name}");
        }
        assert_eq!(described("A fast Redis cache"), Some("redis"));
    }
}
