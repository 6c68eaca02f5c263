//! Faults of the site's services.

use crate::lab::Lab;
use crate::plan::{Fault, Part};
use muster_labs::{ADDRESS, Service};
use std::fs;

/// What muster and k3s ask the server.
const ASKED: [&str; 5] = [
    "GET /cacerts",
    "GET /v1-k3s/client-kube-proxy.crt",
    "POST /v1-k3s/client-kube-proxy.crt",
    "POST /v1-k3s/client-kubelet.crt",
    "POST /v1-k3s/serving-kubelet.crt",
];

impl Lab<'_> {
    fn stop(&self, service: Service) {
        if self.site.is_running(service) {
            self.site.stop(service);
        }
    }

    /// Starts the k3s server anew, as its fault wants it.
    pub(crate) fn change_server(&self) {
        self.stop(Service::Server);
        let state = |name: &str| ("STANDIN_STATE".into(), name.into());
        let more = match self.fault_of(Part::Server) {
            Some(Fault::ServerStopped) => return,
            Some(Fault::ServerAnswers(401)) => Some(state("not-initialized")),
            Some(Fault::ServerAnswers(403)) => Some(state("locked")),
            Some(Fault::ServerAnswers(status)) => {
                let rules = ASKED.map(|asked| format!("{asked} {status}"));
                Some(("STANDIN_FRONT".into(), rules.join(";")))
            }
            _ => None,
        };
        let mut options = self.options.clone();
        options.server.extend(more);
        self.site.start_as(Service::Server, &options);
    }

    /// Starts the mirror anew, as its fault wants it.
    pub(crate) fn change_mirror(&self) {
        self.stop(Service::Mirror);
        let mut k3s = self.k3s.clone();
        let mut options = self.options.clone();
        match self.fault_of(Part::Mirror) {
            Some(Fault::MirrorStopped) => return,
            Some(Fault::MirrorSlow) => options.nginx += "limit_rate 2k;\n",
            Some(Fault::MirrorCut) => options.nginx += "limit_rate 300k;\n",
            Some(Fault::MirrorWrongBytes) => {
                let middle = k3s.len() / 2;
                k3s[middle] ^= 1;
            }
            _ => {}
        }
        let file = self.site.release(false).join(self.site.assets().0);
        fs::write(file, k3s).expect("the mirror's k3s");
        self.site.start_as(Service::Mirror, &options);
    }

    /// Starts dnsmasq anew, as its faults want it.
    pub(crate) fn change_dnsmasq(&self) {
        self.stop(Service::Dhcp);
        let mut options = self.options.clone();
        if self.fault_of(Part::Dns).is_some() {
            // Without DNS it would not send the address of its own.
            options.dnsmasq += &format!("port=0\ndhcp-option=option:dns-server,{ADDRESS}\n");
        }
        let dhcp = self.fault_of(Part::Dhcp);
        match dhcp {
            Some(Fault::NoDhcp) => options.dhcp = false,
            // It offers an address, and has no room for the lease when the client asks for it.
            Some(Fault::DhcpRefuses) => options.dnsmasq += "dhcp-authoritative\ndhcp-lease-max=0\n",
            Some(Fault::DhcpOtherRange) => {
                options.dhcp = false;
                options.dnsmasq += "dhcp-authoritative\ndhcp-range=10.11.0.10,10.11.0.40,12h\n";
            }
            _ => {}
        }
        if options.dnsmasq.contains("dhcp-authoritative") {
            // With this file it would know the lease that the client has.
            let _ = fs::remove_file(self.site.path("leases"));
        }
        self.site.start_as(Service::Dhcp, &options);
        if dhcp == Some(Fault::DhcpOtherRange) {
            // As if half of the lease's time was over: the client renews its lease.
            self.signal_dhcp_client("-USR1");
        }
    }
}
