//! Makes the certificates of the misbehaving mirrors: a new CA for each run, one valid certificate
//! and one for each kind of certificate error.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;

/// The certificate that a mirror shows on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cert {
    Valid,
    Expired,
    NotYetValid,
    WrongHost,
    UnknownCa,
}

/// All certificates of a run.
pub struct Pki {
    /// The trusted CA's certificate in PEM.
    pub ca: String,
    configs: Vec<(Cert, Arc<ServerConfig>)>,
}

impl Pki {
    /// Makes a new CA and all certificates.
    pub fn new() -> Pki {
        let (ca, issuer) = authority("muster's fault tables");
        let (_, unknown) = authority("an unknown CA");
        let names = ["127.0.0.1", "127.0.0.2", "localhost", "mirror.example"];
        let year = |from, to| (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let config = |kind, names: &[&str], (from, to), issuer: &Issuer<'_, KeyPair>| {
            let mut params = CertificateParams::new(
                names
                    .iter()
                    .map(|name| name.to_string())
                    .collect::<Vec<_>>(),
            )
            .unwrap();
            (params.not_before, params.not_after) = (from, to);
            let key = KeyPair::generate().unwrap();
            let chain = vec![params.signed_by(&key, issuer).unwrap().der().clone()];
            (kind, server_config(chain, &key))
        };
        let configs = vec![
            config(Cert::Valid, &names, year(2020, 2100), &issuer),
            config(Cert::Expired, &names, year(2020, 2021), &issuer),
            config(Cert::NotYetValid, &names, year(2099, 2100), &issuer),
            config(
                Cert::WrongHost,
                &["other.example"],
                year(2020, 2100),
                &issuer,
            ),
            config(Cert::UnknownCa, &names, year(2020, 2100), &unknown),
        ];
        Pki { ca, configs }
    }

    /// Returns the TLS configuration of a server with this certificate.
    pub fn config(&self, cert: Cert) -> Arc<ServerConfig> {
        self.configs
            .iter()
            .find(|(kind, _)| *kind == cert)
            .map(|(_, config)| config.clone())
            .unwrap()
    }
}

/// Makes a CA. Returns its certificate in PEM and the issuer that signs with its key.
fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

fn server_config(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    Arc::new(config.with_single_cert(chain, key).unwrap())
}
