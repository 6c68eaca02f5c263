//! What a log server gets to know about a boot. That needs root.

use muster_labs::{
    ADDRESS, Board, NamespaceBoard, Options, PATIENCE, Service, Site, restart, wait_for,
};

const MAC: &str = "52:54:00:12:34:56";

/// A site whose DHCP server names the log server.
fn site_with_log_server() -> Site {
    let site = Site::new(Options {
        dnsmasq: format!(
            "dhcp-option=option:log-server,{ADDRESS}\nhost-record=logs.lan,{ADDRESS}\n"
        ),
        ..Options::default()
    });
    site.start(Service::Log);
    site
}

/// The lines that the log server has after the first `count`, when the last one says that k3s starts.
fn story(site: &Site, count: usize) -> Vec<String> {
    wait_for("the end of the boot's log", PATIENCE, || {
        let lines = site.syslog().split_off(count);
        let last = lines.last()?;
        last.contains("state=\"joined\"").then_some(lines)
    })
}

#[test]
fn the_whole_story_of_a_boot_arrives_in_order_and_without_a_secret() {
    let site = site_with_log_server();
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let capture = board.capture();
    let boot = board.boot_to_joined();
    let lines = story(&site, 0);
    let pid = board.muster_pid().expect("k3s runs");
    let steps = [
        "identity", "network", "clock", "prepare", "register", "fetch", "join",
    ];
    let mut seen = Vec::new();
    let printed = boot.text();
    let mut rest = printed.as_str();
    for line in &lines {
        let fields: Vec<&str> = line.splitn(7, ' ').collect();
        let [severity, _, name, app, process, step, data] = fields[..] else {
            panic!("{line}");
        };
        assert_eq!((name, app), ("worker-64e59a", "muster"), "{line}");
        assert_eq!(process, pid.to_string(), "{line}");
        let mac = format!("[muster@32473 mac=\"{MAC}\" ip=\"10.11.0.");
        assert!(data.starts_with(&mac), "{line}");
        if seen.last() != Some(&step) {
            seen.push(step);
        }
        // Every other line was printed too, in the same order.
        if severity != "7" {
            let (_, text) = data.split_once("] ").expect("a text");
            let found = rest.find(&format!(": {text}\n"));
            rest = &rest[found.unwrap_or_else(|| panic!("{text:?} is not next: {rest}"))..];
        }
    }
    assert_eq!(seen, steps, "{lines:#?}");
    // The console has one line with the time for each step, and the summary is muster's last one.
    // The labs also ask for a line about each effect.
    let is_own = |l: &&str| l.starts_with("muster: ") && !l.starts_with("muster: effect: ");
    let own: Vec<&str> = printed.lines().filter(is_own).collect();
    for step in steps {
        let start = format!("muster: {step}: ");
        let ends = own.iter().filter(|line| {
            let time = line.strip_suffix(" s)").and_then(|l| l.rsplit_once('('));
            let seconds = time.and_then(|(_, time)| time.parse::<f64>().ok());
            line.starts_with(&start) && seconds.is_some()
        });
        assert_eq!(ends.count(), 1, "{step}: {printed}");
    }
    let last = own.last().expect("a line");
    let summary = "muster: join: worker-64e59a is ready ";
    assert!(last.starts_with(summary), "{printed}");
    // And nothing that was printed is missing.
    let told = lines.iter().filter(|line| !line.starts_with("7 "));
    assert_eq!(told.count(), own.len(), "{printed}\n{lines:#?}");
    for step in steps {
        let state = |state: &str| {
            let (step, state) = (format!(" {step} ["), format!("state=\"{state}\""));
            let mut found = lines.iter().filter(|line| line.contains(&step));
            found.any(|line| line.contains(&state))
        };
        assert!(state("running"), "{step}");
        assert!(state("done"), "{step}");
    }
    let last = lines.last().unwrap();
    let summary = format!(
        "attempt=\"1\" version=\"{}\"] worker-64e59a is ready",
        site.tag()
    );
    assert!(last.contains(&summary), "{last}");

    let token = site.token();
    let password = board.read("/etc/rancher/node/password").unwrap();
    let pcap = std::fs::read(capture.file()).unwrap();
    let pcap = String::from_utf8_lossy(&pcap).into_owned();
    assert!(pcap.contains("worker-64e59a is ready"));
    for secret in [token.rsplit(':').next().unwrap(), password.trim()] {
        assert!(!pcap.contains(secret));
    }
}

/// Neither a log server that does not exist nor a name that does not resolve holds up the boot, and
/// without a log server nobody is asked for one.
#[test]
fn nobody_waits_for_a_log_server() {
    let site = Site::new(Options::default());
    let mut boots = Vec::new();
    for server in ["no", "", "10.11.0.200", "nowhere.invalid"] {
        let mut board = NamespaceBoard::new(&site, MAC);
        board.overlay.set("MUSTER_SYSLOG", server);
        board.power_on_without_muster();
        let boot = board.boot_to_joined();
        let told = match server {
            "no" => "",
            "" => "send the log to the log server that the DHCP server names",
            server => &format!("effect: network: send the log to {server}:514"),
        };
        assert!(boot.text().contains(told), "{}", boot.text());
        if server.contains('.') {
            // It is named once: nothing is said again and again.
            let named = boot.text().matches(server).count();
            assert_eq!(named, 1, "{}", boot.text());
        }
        boots.push(seconds_of_steps(&board));
    }
    println!("the steps take {boots:?} s");
    // A wait for a resolver or a server takes 3 s at least, on a busy machine too.
    let fastest = boots[0];
    assert!(
        boots.iter().all(|took| *took < 2.0 * fastest + 2.0),
        "{boots:?}"
    );
}

/// How long the steps of a boot took together.
fn seconds_of_steps(board: &NamespaceBoard) -> f64 {
    let status = board.run(&["muster", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("a status");
    let steps = status["steps"].as_array().expect("the steps").iter();
    steps
        .map(|step| step["seconds"].as_f64().expect("a time"))
        .sum()
}

/// The log of a restart goes to the address that the boot has found: nobody is asked for it.
#[test]
fn a_restart_sends_its_log_and_asks_nobody() {
    let site = site_with_log_server();
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_SYSLOG", "logs.lan");
    board.power_on_without_muster();
    let boot = board.boot_to_joined();
    let before = story(&site, 0).len();
    board.signal_muster("KILL");
    drop(boot);
    for service in [Service::Server, Service::Mirror, Service::Dhcp] {
        site.stop(service);
    }
    let (network, log) = restart(&board, &site);
    assert!(log.contains("without a network request"), "{log}");
    let sent = network.lines().filter(|line| line.contains("sendto("));
    let sent: Vec<&str> = sent.collect();
    let to_log_server =
        |line: &&str| line.contains("sin_port=htons(514)") && line.contains(ADDRESS);
    assert!(
        !sent.is_empty() && sent.iter().all(to_log_server),
        "{network}"
    );
    assert!(
        !network.contains("connect(") && !network.contains("sendmmsg("),
        "{network}"
    );
    let told = story(&site, before);
    assert_eq!(told.len(), sent.len(), "{told:#?}");
    assert!(
        told[0].contains("restarting k3s without a network request"),
        "{told:#?}"
    );
}
