//! What a Docker daemon sends, counted in a network of its own: to the gate, and to nobody else.
//!
//! The test enters a network of its own first, so that it can give the daemon another one that is joined
//! to it by a cable alone. Both are gone with the last process in them.

use std::path::Path;
use std::process::Command;

use crate::served::field::engines::{Engine, dockerd_after};
use crate::served::field::{Process, needed, run};
use crate::{Field, docker};

/// Set in the process that runs in a network of its own.
const INSIDE: &str = "LAZARET_TEST_NETWORK";
const GATE: &str = "192.0.2.1";
const DAEMON: &str = "192.0.2.2";
const PROXY: &str = "192.0.2.1:3128";

/// Counts what leaves the daemon's network. What stays in it is no way out. Questions for names are
/// counted by themselves: dockerd asks for the address of each registry to see whether it is one that it may
/// speak to without TLS (moby, `registry/config.go`), and does without an answer.
const COUNTERS: &str = "table inet watch {
  counter gate {}
  counter names {}
  counter elsewhere {}
  set places { type inet_proto . ipv4_addr . inet_service; flags dynamic; }
  chain out {
    type filter hook output priority 0; policy accept;
    oifname \"lo\" accept
    ip daddr 192.0.2.1 tcp dport 3128 counter name gate accept
    ip daddr 198.51.100.53 udp dport 53 counter name names accept
    counter name elsewhere
    add @places { meta l4proto . ip daddr . th dport }
  }
}
";

/// The network of the daemon.
struct Network {
    holder: Process,
}

impl Network {
    fn new(dir: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", "echo ready; exec sleep 600"]);
        let mut holder = Process::start(&mut command, &dir.join("holder.log"));
        holder.wait(|log| log.contains("ready").then_some(()));
        let network = Self { holder };
        let id = network.holder.id().to_string();
        run(Command::new("ip")
            .args(["link", "add", "toward", "type", "veth", "peer", "name", "cable", "netns", &id]));
        run(Command::new("ip").args(["address", "add", &format!("{GATE}/30"), "dev", "toward"]));
        run(Command::new("ip").args(["link", "set", "toward", "up"]));
        let rules = dir.join("counters.nft");
        std::fs::write(&rules, COUNTERS).unwrap();
        let nft = needed("nft", "nftables");
        network.inside(&[
            "sh",
            "-c",
            &format!(
                "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up \
                 && ip address add {DAEMON}/30 dev cable && ip link set cable up \
                 && ip route add default via {GATE} && {} -f {}",
                nft.display(),
                rules.display()
            ),
        ]);
        network
    }

    fn enter(&self) -> [String; 4] {
        ["nsenter", "-n", "-t", &self.holder.id().to_string()].map(str::to_owned)
    }

    fn inside(&self, command: &[&str]) -> String {
        let enter = self.enter();
        run(Command::new(&enter[0]).args(&enter[1..]).args(command))
    }

    /// Packets that were counted.
    fn packets(&self, counter: &str) -> u64 {
        let said = self.inside(&["nft", "list", "counter", "inet", "watch", counter]);
        let words: Vec<&str> = said.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "packets").unwrap_or_else(|| panic!("{said}"));
        words[at + 1].parse().unwrap()
    }

    /// Where else packets went.
    fn places(&self) -> String {
        self.inside(&["nft", "list", "set", "inet", "watch", "places"])
    }

    fn dockerd(&self, env: &[(&str, &str)]) -> Engine {
        let enter = self.enter();
        dockerd_after(&enter.each_ref().map(String::as_str), env)
    }
}

/// What the printed configuration sets in the daemon's environment.
fn environment(printed: &str, name: &str) -> String {
    let rest = printed.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {printed}")).1;
    rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap().to_owned()
}

#[test]
fn a_docker_daemon_behind_the_transparent_gate_sends_no_packet_to_anybody_else() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: a network of its own needs root");
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let name = "network::a_docker_daemon_behind_the_transparent_gate_sends_no_packet_to_anybody_else";
    let program = std::env::current_exe().unwrap();
    let said = run(Command::new("unshare")
        .args(["-n", "-m", "--propagation", "private"])
        .arg(program)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1"));
    assert!(said.contains("1 passed"), "{said}");
}

fn inside() {
    run(Command::new("ip").args(["link", "set", "lo", "up"]));
    let field = Field::start();
    // Names are asked for at an address that is reached by the cable, whatever this machine says.
    let names = field.place.path("resolv.conf");
    std::fs::write(&names, "nameserver 198.51.100.53\noptions timeout:1 attempts:1\n").unwrap();
    run(Command::new("mount").arg("--bind").arg(&names).arg("/etc/resolv.conf"));
    let network = Network::new(&field.place.path("."));

    let ca = field.place.path("ca");
    let printed =
        field.init("docker", &["--ca", ca.to_str().unwrap(), "--proxy", PROXY, "--upstream", "ghcr.io"]);
    assert_eq!(environment(&printed, "HTTPS_PROXY"), format!("http://{PROXY}"));
    let bundle = environment(&printed, "SSL_CERT_FILE");
    let mut trusted = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    trusted.extend(std::fs::read(ca.join("lazaret-gate-ca.crt")).unwrap());
    std::fs::write(&bundle, trusted).unwrap();
    let other = format!("ghcr.io=http://{}", field.registry.host);
    let gate = field.gate(&["--upstream", &other, "--transparent", PROXY, "--ca", ca.to_str().unwrap()]);
    crate::served::until("the proxy", || gate.log().contains("proxy for engines").then_some(()));

    let engine = network.dockerd(&[
        ("HTTPS_PROXY", &format!("http://{PROXY}")),
        ("NO_PROXY", ""),
        ("SSL_CERT_FILE", &bundle),
    ]);
    let (ok, said) = docker(&engine, &["pull", "-q", "team/good:1"]);
    assert!(ok, "{said} {}", gate.log());
    let (ok, said) = docker(&engine, &["pull", "-q", "team/bad:1"]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    let bad = format!("team/bad@{}", field.digest("bad"));
    let (ok, said) = docker(&engine, &["pull", "-q", &bad]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    assert_eq!(network.packets("elsewhere"), 0, "a way round: {}", network.places());
    // Under its own name another registry is the gate too, and one that is not listed is nobody.
    let (ok, said) = docker(&engine, &["pull", "-q", "ghcr.io/team/good:1"]);
    assert!(ok, "{said} {}", gate.log());
    let (ok, said) = docker(&engine, &["pull", "-q", "ghcr.io/team/bad:1"]);
    assert!(!ok && said.contains("lazaret refuses team/bad: malicious"), "{said}");
    for image in ["registry.example/team/good:1", "registry.example:5000/team/good:1", "quay.io/team/good:1"]
    {
        let (ok, said) = docker(&engine, &["pull", "-q", image]);
        assert!(!ok && said.contains("Forbidden"), "{image}: {said}");
    }
    assert!(network.packets("gate") > 50, "{}", network.packets("gate"));
    assert_eq!(network.packets("elsewhere"), 0, "a way round: {}", network.places());
    drop(engine);

    // The counter counts: the same daemon without its proxy does look elsewhere.
    let hosts = field.place.path("hosts");
    std::fs::write(&hosts, "198.51.100.7 registry-1.docker.io\n").unwrap();
    run(Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts"));
    let engine = network.dockerd(&[("HTTPS_PROXY", ""), ("NO_PROXY", "")]);
    let (ok, said) = docker(&engine, &["pull", "-q", "team/good:1"]);
    assert!(!ok, "{said}");
    assert!(network.packets("elsewhere") > 0, "{said}");
}
