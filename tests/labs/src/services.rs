//! The site's services, each of which can be stopped and started while boards are on.

use crate::tools::{host_program, run, text, wait_for};
use crate::{Options, Output, PATIENCE, Site, tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

/// A program that serves the boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// dnsmasq: DHCP, TFTP and DNS.
    Dhcp,
    /// nginx with plain HTTP: overlay, modloop, Alpine's packages.
    Web,
    /// nginx with TLS: the release mirror.
    Mirror,
    /// chronyd.
    Time,
    /// The k3s server.
    Server,
    /// rsyslogd, the log server. Only a test that needs it starts it.
    Log,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Dhcp => "dnsmasq",
            Service::Web => "web",
            Service::Mirror => "mirror",
            Service::Time => "chronyd",
            Service::Server => "k3s",
            Service::Log => "rsyslogd",
        }
    }
}

impl Site {
    /// Starts a service and waits until it serves.
    pub fn start(&self, service: Service) {
        self.start_as(service, &self.options);
    }

    /// The same, with these options in place of the site's.
    pub fn start_as(&self, service: Service, options: &Options) {
        match service {
            Service::Dhcp => self.start_dnsmasq(options),
            Service::Web => self.start_nginx(service, 80, &self.path("tree/http"), ""),
            Service::Mirror => {
                let folder = self.path("");
                let tls = format!(
                    "ssl_certificate {0}mirror.pem;\nssl_certificate_key {0}mirror.key;\n{1}",
                    text(&folder),
                    options.nginx
                );
                self.start_nginx(service, 8443, &self.path("mirror"), &tls);
            }
            Service::Time => self.start_chronyd(),
            Service::Server => self.start_server(&options.server),
            Service::Log => self.start_rsyslogd(),
        }
    }

    /// Stops a service: from now on its port answers nobody.
    pub fn stop(&self, service: Service) {
        if service == Service::Server {
            *self.heartbeats.lock().unwrap() = None;
        }
        let stopped = self.services.lock().unwrap().remove(&service);
        assert!(stopped.is_some(), "{service:?} does not run");
    }

    /// Whether a service was started and not stopped since.
    pub fn is_running(&self, service: Service) -> bool {
        self.services.lock().unwrap().contains_key(&service)
    }

    /// What a running service printed since its start.
    pub fn service_log(&self, service: Service) -> String {
        let services = self.services.lock().unwrap();
        services.get(&service).map(Output::text).unwrap_or_default()
    }

    pub(crate) fn run_service(&self, service: Service, command: &mut Command) {
        let (name, mut starts) = (service.name(), 1);
        while self.log_path(&format!("{name}-{starts}.log")).exists() {
            starts += 1;
        }
        let log = self.log_path(&format!("{name}-{starts}.log"));
        let mut services = self.services.lock().unwrap();
        let earlier = services.insert(service, Output::record(command, log));
        assert!(earlier.is_none(), "{service:?} runs already");
    }

    /// Starts dnsmasq again, so that it answers each request for a lease that it has offered with a
    /// NAK, or no longer does.
    pub fn refuse_leases(&self, refused: bool) {
        self.refuses_leases.store(refused, Ordering::Relaxed);
        self.stop(Service::Dhcp);
        self.start(Service::Dhcp);
    }

    fn start_dnsmasq(&self, options: &Options) {
        let file = self.path("dnsmasq.conf");
        fs::write(&file, tree::dnsmasq_conf(self, options)).expect("dnsmasq's configuration");
        let mut command = self.command("dnsmasq");
        command
            .args(["--keep-in-foreground", "--log-facility=-"])
            .arg(format!("--conf-file={}", file.display()));
        self.run_service(Service::Dhcp, &mut command);
        // It listens nowhere at all when the options turn off DNS and DHCP.
        wait_for("dnsmasq serves", PATIENCE, || {
            self.assert_runs(Service::Dhcp);
            let log = self.service_log(Service::Dhcp);
            log.contains("started, version").then_some(())
        });
    }

    /// Makes the mirror's CA and certificate.
    pub(crate) fn make_certificates(&self) {
        let script = r#"set -e
            cd "$0"
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=lab mirror CA" -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=mirror.lan" -keyout mirror.key -out mirror.csr
            printf 'subjectAltName=DNS:mirror.lan,IP:%s\nbasicConstraints=CA:FALSE\n' "$1" > mirror.ext
            openssl x509 -req -in mirror.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile mirror.ext -out mirror.pem"#;
        let (folder, address) = (self.path(""), self.address());
        run(&["sh", "-c", script, text(&folder), address]);
    }

    /// The CA of the mirror, in PEM.
    pub fn mirror_ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    fn start_nginx(&self, service: Service, port: u16, root: &Path, more: &str) {
        let (folder, name) = (self.path(service.name()), service.name());
        fs::create_dir_all(&folder).expect("nginx's folder");
        let tls = if more.is_empty() { "" } else { " ssl" };
        // One process: the workers of a master that was killed would live on.
        let mut text = format!(
            "daemon off;\nmaster_process off;\nuser root;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\n\
             access_log {0}/access.log;\n",
            folder.display()
        );
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            text += &format!("{kind}_temp_path {}/{kind};\n", folder.display());
        }
        text += &format!(
            "server {{\nlisten {}:{port}{tls};\nroot {};\n{more}\n}}\n}}\n",
            self.url_address(),
            root.display()
        );
        let file = self.path(&format!("{name}.conf"));
        fs::write(&file, text).expect("nginx's configuration");
        let mut command = self.command("nginx");
        command.arg("-e").arg(folder.join("error.log"));
        command.arg("-c").arg(file);
        self.run_service(service, &mut command);
        self.wait_for_port(service, port);
    }

    fn start_chronyd(&self) {
        let text = format!(
            "local stratum 5\nallow\nbindaddress {}\ncmdport 0\nbindcmdaddress /\npidfile {}\n",
            self.address(),
            self.path("chronyd.pid").display()
        );
        let file = self.path("chrony.conf");
        fs::write(&file, text).expect("chrony's configuration");
        let program = host_program("chronyd");
        let mut command = self.command(&program[0]);
        // -x: it never touches this machine's clock.
        command.args(&program[1..]).args(["-x", "-d", "-u", "root"]);
        command.arg("-f").arg(file);
        self.run_service(Service::Time, &mut command);
        self.wait_for_port(Service::Time, 123);
    }

    fn start_rsyslogd(&self) {
        // Each line is what rsyslogd has understood of a message.
        let text = format!(
            "module(load=\"imudp\")\n\
             input(type=\"imudp\" address=\"{}\" port=\"514\")\n\
             template(name=\"line\" type=\"string\" string=\"%syslogseverity% %timestamp:::date-rfc3339% \
             %hostname% %app-name% %procid% %msgid% %structured-data% %msg%\\n\")\n\
             action(type=\"omfile\" file=\"{}\" template=\"line\")\n",
            self.address(),
            self.path("syslog").display()
        );
        let file = self.path("rsyslog.conf");
        fs::write(&file, text).expect("rsyslogd's configuration");
        let mut command = self.command("rsyslogd");
        command.args(["-n", "-iNONE", "-f"]).arg(file);
        self.run_service(Service::Log, &mut command);
        self.wait_for_port(Service::Log, 514);
    }

    /// The lines that the log server has received: severity, time, hostname, APP-NAME, PROCID, MSGID,
    /// structured data, text.
    pub fn syslog(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("syslog")).unwrap_or_default();
        // The last line may not be whole yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(String::from).collect()
    }

    /// Panics, with all its output, when a service has ended by itself.
    pub(crate) fn assert_runs(&self, service: Service) {
        let services = self.services.lock().unwrap();
        let output = &services[&service];
        assert!(!output.has_ended(), "{service:?} ended: {}", output.text());
    }

    /// Waits until the service listens, by TCP or UDP, at the site's address.
    pub(crate) fn wait_for_port(&self, service: Service, port: u16) {
        let (what, port) = (format!("{service:?} listens"), format!("sport = :{port}"));
        let argv = [
            "ip",
            "netns",
            "exec",
            &self.namespace,
            "ss",
            "-Hlntu",
            &port,
        ];
        wait_for(&what, PATIENCE, || {
            self.assert_runs(service);
            run(&argv).contains(self.address()).then_some(())
        });
    }
}
