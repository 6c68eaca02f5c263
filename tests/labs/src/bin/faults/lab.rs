//! A site with one board, and the faults that both have.

use crate::plan::{Fault, Part};
use muster_labs::{ADDRESS, Board, NamespaceBoard, Options, Output, Service, Site, run};
use std::fs;

/// A site with one board.
pub struct Lab<'a> {
    pub site: &'a Site,
    pub board: NamespaceBoard<'a>,
    /// The site's options while it has no fault.
    pub(crate) options: Options,
    /// The right k3s.
    pub k3s: Vec<u8>,
    /// The faults that there are now.
    faults: Vec<Fault>,
    /// What the supervisors showed that ended with the board's power.
    earlier: String,
    supervisor: Option<Output>,
}

impl<'a> Lab<'a> {
    /// The board is off.
    pub fn new(site: &'a Site, options: Options) -> Lab<'a> {
        let mut board = NamespaceBoard::new(site, &Site::mac(1));
        board.size = "100m".into();
        board.overlay.set("MUSTER_NTP", ADDRESS);
        Lab {
            site,
            board,
            options,
            k3s: fs::read(site.release(false).join(site.assets().0)).expect("k3s"),
            faults: Vec::new(),
            earlier: String::new(),
            supervisor: None,
        }
    }

    /// Powers the board on, and before that off where it is on.
    pub fn power_on(&mut self) {
        self.earlier = self.log() + "--- power on\n";
        self.board.power_on_without_muster();
        self.supervisor = Some(self.board.supervise());
    }

    /// What all supervisors of the board showed.
    pub fn log(&self) -> String {
        let now = self.supervisor.as_ref().map(Output::text);
        self.earlier.clone() + &now.unwrap_or_default()
    }

    /// Begins a fault.
    pub fn begin(&mut self, fault: Fault) {
        let Some(part) = fault.part() else {
            self.happen(fault);
            return;
        };
        let before = self.fault_of(part);
        self.faults.push(fault);
        self.apply(part, before);
    }

    /// Ends a fault, unless a power cycle ended it.
    pub fn end(&mut self, fault: Fault) {
        let place = self.faults.iter().position(|other| *other == fault);
        if let (Some(place), Some(part)) = (place, fault.part()) {
            let before = self.fault_of(part);
            self.faults.remove(place);
            self.apply(part, before);
        }
    }

    /// Cuts the connections of a mirror that has this fault.
    pub fn cut(&self) {
        if self.fault_of(Part::Mirror) == Some(Fault::MirrorCut) {
            self.change_mirror();
        }
    }

    /// The fault of a part that began last.
    pub(crate) fn fault_of(&self, part: Part) -> Option<Fault> {
        let mut newest_first = self.faults.iter().rev().copied();
        newest_first.find(|fault| fault.part() == Some(part))
    }

    /// A fault that is over at once.
    fn happen(&mut self, fault: Fault) {
        match fault {
            Fault::PowerCycle => {
                let on_board = |fault: &Fault| fault.part().is_some_and(Part::is_on_board);
                self.faults.retain(|fault| !on_board(fault));
                self.power_on();
            }
            Fault::DhcpClientKilled => self.signal_dhcp_client("-KILL"),
            // It may be dead already, for the pause of the supervisor.
            Fault::Killed => signal("-KILL", self.board.host_muster_pid()),
            _ => unreachable!("{fault:?} lasts"),
        }
    }

    /// Gives a part the fault that it has now, unless that is the one from before.
    fn apply(&self, part: Part, before: Option<Fault>) {
        if self.fault_of(part) == before {
            return;
        }
        match part {
            Part::Server => self.change_server(),
            Part::Mirror => self.change_mirror(),
            Part::Dns | Part::Dhcp => self.change_dnsmasq(),
            Part::Time => match self.fault_of(part) {
                Some(_) => self.site.stop(Service::Time),
                None => self.site.start(Service::Time),
            },
            Part::Cable => {
                let state = self.fault_of(part).map_or("up", |_| "down");
                let (namespace, port) = (&self.site.namespace, &self.board.port);
                run(&["ip", "-n", namespace, "link", "set", port, state]);
            }
            Part::Disk => self.change_disk(),
            Part::Settings => self.change_settings(),
            Part::Token => self.change_token(),
        }
    }

    /// Sends a signal to the board's DHCP client.
    pub(crate) fn signal_dhcp_client(&self, name: &str) {
        let clients = self.board.processes("udhcpc");
        signal(name, clients.into_iter().map(|(pid, _)| pid));
    }

    /// What a person needs who looks for the reason of a failure.
    pub fn report(&self) -> String {
        let (_, board) = self
            .board
            .try_shell("muster status; ps; ip addr; df /; ls -l /etc/conf.d /etc/muster");
        let requests = self.site.server_requests();
        let last = &requests[requests.len().saturating_sub(20)..];
        let last: String = last
            .iter()
            .map(|request| format!("{request:?}\n"))
            .collect();
        let dnsmasq = self.site.service_log(Service::Dhcp);
        format!(
            "{}--- on the board\n{board}--- the server's last requests\n{last}--- dnsmasq\n{dnsmasq}",
            self.log()
        )
    }
}

/// Sends a signal to processes that may have ended.
fn signal(name: &str, pids: impl IntoIterator<Item = u32>) {
    for pid in pids {
        let pid = pid.to_string();
        let kill = std::process::Command::new("kill")
            .args([name, &pid])
            .output();
        kill.expect("kill is installed");
    }
}
