//! The life of a node on Alpine: what comes late at power-on, and what fails after the join. Each board
//! recovers alone.

use muster_labs::{Board, Kind, MachineBoard, Options, Output, Service, Site, run};
use std::time::{Duration, Instant, SystemTime};

/// Waits until so much time has passed since power-on: this is how long something is missing.
fn sleep_until(powered_on: Instant, seconds: u64) {
    let until = powered_on + Duration::from_secs(seconds);
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
}

/// The driver of the NIC comes 30 s late, the time server 60 s, and the clock chip starts in 1970.
#[test]
fn a_nic_and_a_time_server_that_come_late_are_waited_for() {
    let site = Site::new(Options {
        without: vec![Service::Time],
        k3s_size: 0,
        ..Options::of(Kind::Machine)
    });
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    // The kernel refuses a time that is less than its own uptime, hence an hour.
    board.qemu = ["-rtc", "base=1970-01-01T01:00:00"]
        .map(String::from)
        .into();
    // The initramfs and the modloop have used the NIC when this service takes its driver away.
    let script = "#!/sbin/openrc-run\n\
                  depend() { after modloop; before muster; }\n\
                  start() {\n\
                  \tdevice=$(basename \"$(readlink -f /sys/class/net/eth0/device)\")\n\
                  \techo \"$device\" >/run/nic\n\
                  \techo \"$device\" >/sys/bus/virtio/drivers/virtio_net/unbind\n\
                  }\n";
    board.overlay.add("etc/init.d/late-nic", script, 0o755);
    board
        .overlay
        .add("etc/runlevels/boot/late-nic", script, 0o755);
    let powered_on = Instant::now();
    board.power_on();
    board.wait_for_warning("there is no interface eth0");
    sleep_until(powered_on, 30);
    assert!(!site.nodes().contains_key(&board.name()));
    board.shell("cat /run/nic >/sys/bus/virtio/drivers/virtio_net/bind");
    board.wait_for_warning("no network time");
    sleep_until(powered_on, 60);
    site.start(Service::Time);
    let took = board.joined();
    println!("joined {:.1} s after power-on", took.as_secs_f64());
    // The time daemon of the service muster-health sets it, if muster did not.
    board.shell_until("[ $(date +%Y) -ge 2026 ]");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.expect("a time after 1970").as_secs();
    board.shell_until(&format!("[ $(date +%s) -ge {now} ]"));
    assert_eq!(board.service_state("networking"), "started");
}

#[test]
fn what_fails_after_the_join_is_repaired_and_a_killed_k3s_asks_nobody() {
    let options = Options {
        k3s_size: 0,
        ..Options::of(Kind::Machine)
    };
    let site = Site::new(options.clone());
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.power_on();
    board.joined();
    let k3s = board.shell("pidof k3s");
    let address = "ip -4 -o addr show dev eth0 | awk '{print $4}'";
    let first = board.shell(address);

    // The DHCP client and the time daemon die.
    let ntpd = board.shell_until("ps -o user,args | grep '[n]tpd -N'");
    assert!(
        ntpd.contains("ntp ") && ntpd.contains("-p 10.11.0.1"),
        "{ntpd}"
    );
    let [client, daemon] = ["udhcpc.eth0", "ntpd"].map(|program| {
        let file = format!("/run/{program}.pid");
        let pid = board.shell(&format!("cat {file}")).trim().to_string();
        board.shell(&format!("kill -KILL {pid}"));
        format!("new=$(cat {file}) && [ \"$new\" != {pid} ] && [ -e /proc/$new ]")
    });
    board.shell_until(&format!("{client} && {daemon}"));
    board.shell_until("[ ! -e /run/muster/keep ]");
    assert_eq!(board.shell(address), first);
    assert_eq!(board.service_state("ntpd"), "started");
    // None of this has disturbed k3s.
    assert_eq!(board.shell("pidof k3s"), k3s);

    killed_ten_times_it_sends_nothing(&board);

    // The DHCP server refuses the address (NAK), and has another one for the board.
    let mac = board.mac();
    site.start_as(
        Service::Dhcp,
        &Options {
            dnsmasq: format!("dhcp-host={mac},10.11.0.77\n"),
            ..options
        },
    );
    for service in [Service::Mirror, Service::Time, Service::Server] {
        site.start(service);
    }
    board.shell("rm /run/standin-pause");
    let k3s = board.shell("pidof k3s");
    let since = SystemTime::now();
    board.shell("kill -USR1 $(pidof udhcpc)");
    board.wait_for_warning("eth0 has the address 10.11.0.77 in place of");
    board.shell_until(&format!(
        "new=$(pidof k3s) && [ \"$new\" != '{}' ]",
        k3s.trim()
    ));
    site.wait_joined(&board.name(), since, || None);
    let record = board.shell("grep address /run/muster/boot.json");
    assert!(record.contains("10.11.0.77"), "{record}");
    for service in ["muster", "muster-health"] {
        assert_eq!(board.service_state(service), "started", "{service}");
    }
}

/// Everything that muster could ask is down, and the settings file has a mistake. (k3s itself sends
/// nothing while the stand-in's file is there.)
fn killed_ten_times_it_sends_nothing(board: &MachineBoard) {
    let site = board.site();
    board.shell("touch /run/standin-pause; cp /etc/conf.d/muster /run/right");
    board.shell("echo 'MUSTER_DHCP=\"perhaps' >>/etc/conf.d/muster");
    board.shell("rc-service ntpd stop");
    for service in [
        Service::Server,
        Service::Mirror,
        Service::Dhcp,
        Service::Time,
    ] {
        site.stop(service);
    }
    let file = site.path("life.pcap");
    let mut command = site.command("tcpdump");
    command.args(["-Z", "root", "-i", "tap1", "-U", "--immediate-mode"]);
    command.args(["-Q", "in", "-w"]).arg(&file);
    let mut pid = board.shell("pidof k3s").trim().to_string();
    // The k3s that ran before the pause file was there goes on sending until it is killed.
    let mut capture = None;
    for kill in 0..=10 {
        board.shell(&format!("kill -KILL {pid}"));
        let new = board.shell_until(&format!(
            "new=$(pidof k3s) && [ \"$new\" != {pid} ] && echo \"$new\""
        ));
        println!("kill {kill}: {}", new.trim());
        pid = new.lines().last().unwrap_or_default().trim().to_string();
        if capture.is_none() {
            let tcpdump = Output::follow(&mut command);
            tcpdump.wait_for("listening on");
            capture = Some(tcpdump);
        }
    }
    let mut capture = capture.expect("a capture");
    run(&["kill", "-INT", &capture.pid().to_string()]);
    capture.end();
    let frames = run(&["tcpdump", "-r", file.to_str().expect("a path"), "-n"]);
    // The kernel asks whether its neighbours are still there.
    let sent: Vec<&str> = frames
        .lines()
        .filter(|line| !line.contains(" ARP, ") && !line.contains(" ICMP6, "))
        .collect();
    assert!(sent.is_empty(), "{sent:#?}");
    let log = board.log();
    let restarts = log.matches("muster restarts k3s with the settings that k3s had before");
    assert_eq!(restarts.count(), 11, "{log}");
    board.shell("cp /run/right /etc/conf.d/muster");
}
