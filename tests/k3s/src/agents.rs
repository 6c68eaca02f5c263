//! `/v1-k3s/`: what agents ask for with a token or with their certificate.

use crate::handler::Handler;
use crate::http::{Request, Response};
use crate::kind::{Kind, State};
use crate::nodes::is_name;
use crate::pki::{Authority, Leaf, SigningRequest};
use crate::token::decode_basic;
use anyhow::Result;

/// What the authenticators make of a request's credentials.
#[derive(Debug, PartialEq)]
enum Verdict {
    Agent,
    /// No authenticator knows them, or their user is no agent.
    Unknown,
    Wrong,
}

impl Handler {
    pub fn for_agents(
        &self,
        name: &str,
        request: &Request,
        client: Option<&str>,
    ) -> Result<Response> {
        let state = self.states.now();
        // `doAuth` (pkg/server/auth/auth.go). 1.21 says nothing in the body.
        let refusal = |status, text| match self.kind {
            Kind::V1_21 => self.kind.refusal(status, ""),
            kind => kind.refusal(status, text),
        };
        if state == State::NotInitialized {
            return Ok(refusal(401, "not authorized"));
        }
        match self.authenticate(request, client, state)? {
            Verdict::Agent => {}
            Verdict::Unknown => return Ok(refusal(403, "forbidden")),
            Verdict::Wrong => return Ok(refusal(401, "not authorized")),
        }
        // `MaxInFlight` (same) comes after it, so that passwords are hashed without a limit.
        let Some(_place) = self.admission.enter(&request.method) else {
            let mut response = Response::text(429, "Too many requests, please try again later.\n");
            response.headers.push(("Retry-After", "1".into()));
            return Ok(response);
        };
        self.admission
            .record(&self.data_dir.join("most-admitted"))?;
        match name {
            "client-kube-proxy.crt" => {
                let leaf = Leaf::client("system:kube-proxy", "system:masters");
                self.certificate(&self.client_ca, leaf, request)
            }
            "client-kubelet.crt" | "serving-kubelet.crt" => {
                self.kubelet_certificate(name, request, state)
            }
            "client-ca.crt" => Ok(Response::text(200, self.client_ca.pem.clone())),
            "server-ca.crt" => Ok(Response::text(200, self.cacerts.clone())),
            // `APIServers` (pkg/server/handlers/handlers.go).
            "apiservers" if self.kind != Kind::V1_21 => {
                let list: Vec<String> = self.api_servers.iter().map(|a| format!("{a:?}")).collect();
                Ok(Response::text(200, format!("[{}]\n", list.join(","))))
            }
            _ => Ok(self.kind.refusal(404, "not found")),
        }
    }

    /// Basic authentication is by a file that is there from the start (pkg/authenticator), client
    /// certificates too; bootstrap tokens are known to the API server alone.
    fn authenticate(
        &self,
        request: &Request,
        client: Option<&str>,
        state: State,
    ) -> Result<Verdict> {
        let header = request.headers.get("Authorization").unwrap_or_default();
        let known = |known| {
            if known {
                Verdict::Agent
            } else {
                Verdict::Unknown
            }
        };
        if let Some(token) = header.strip_prefix("Bearer ") {
            let api_server = !matches!(state, State::Starting | State::EtcdOnly);
            return Ok(known(api_server && token == self.bootstrap));
        }
        let Some((user, password)) = decode_basic(header) else {
            return Ok(known(
                client.is_some_and(|name| name.starts_with("system:node:")),
            ));
        };
        let right = match user.as_str() {
            "node" => self.agent_password.is(&password)?,
            "server" => self.server_password.is(&password)?,
            _ => false,
        };
        // The server's own user has another role.
        Ok(match (right, user.as_str()) {
            (true, "node") => Verdict::Agent,
            (true, _) => Verdict::Unknown,
            (false, _) => Verdict::Wrong,
        })
    }

    /// A kubelet's certificate, for a node with the password that its name was first seen with
    /// (pkg/nodepassword/validate.go and nodepassword.go).
    fn kubelet_certificate(
        &self,
        which: &str,
        request: &Request,
        state: State,
    ) -> Result<Response> {
        let header = |name| request.headers.get(name).filter(|value| !value.is_empty());
        let Some(name) = header("k3s-Node-Name") else {
            return Ok(self.kind.refusal(400, "node name not set"));
        };
        let Some(password) = header("k3s-Node-Password") else {
            return Ok(self.kind.refusal(400, "node password not set"));
        };
        let name = name.to_lowercase();
        if !is_name(&name) {
            return Ok(self.kind.refusal(400, "node name is not a DNS subdomain"));
        }
        let why = match state {
            State::Starting => return Ok(self.kind.refusal(503, "runtime core not ready")),
            State::EtcdOnly => None,
            State::Locked => Some("database is locked"),
            State::NoHash => Some("password hash not found in node secret"),
            _ => match self.nodes.accepts(&name, password)? {
                true => None,
                false => Some("hash does not match"),
            },
        };
        if let Some(why) = why {
            let what = match self.kind {
                Kind::V1_21 => format!("unable to verify hash for node '{name}': {why}"),
                _ => format!("unable to verify password for node {name}: {why}"),
            };
            crate::log::error(&what);
            return Ok(self.kind.refusal(403, &what));
        }
        let mut names = vec![name.clone(), "localhost".into(), "127.0.0.1".into()];
        names.extend(
            header("k3s-Node-IP")
                .into_iter()
                .flat_map(|list| list.split(','))
                .map(String::from),
        );
        if which == "serving-kubelet.crt" {
            let leaf = Leaf::server(&name, "k3s", names);
            return self.certificate(&self.server_ca, leaf, request);
        }
        let common_name = format!("system:node:{name}");
        let leaf = Leaf::client(&common_name, "system:nodes");
        self.certificate(&self.client_ca, leaf, request)
    }

    /// A certificate and its authority; with them a key, unless the request was for a key of the
    /// agent's own (`signAndSend` and `getCSR` in pkg/server/handlers/handlers.go).
    fn certificate(
        &self,
        authority: &Authority,
        leaf: Leaf,
        request: &Request,
    ) -> Result<Response> {
        let own_key = match (self.kind, request.method.as_str()) {
            (Kind::V1_21, _) => None,
            (_, "POST") => SigningRequest::parse(&request.body),
            _ => None,
        };
        let text = match own_key {
            Some(key) => format!("{}{}", authority.sign(leaf, &key)?, authority.pem),
            None => {
                let issued = authority.issue(leaf)?;
                format!("{}{}{}", issued.pem, authority.pem, issued.key_pem()?)
            }
        };
        Ok(Response::text(200, text))
    }
}
