//! Servers that answer as scripted, and a proxy that opens tunnels to them.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What came in: for each request the number of its connection, and its head.
pub type Requests = Arc<Mutex<Vec<(usize, String)>>>;

/// What a server sends for a request.
#[derive(Clone)]
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, and then the end of the connection.
    Last(Vec<u8>),
}

/// An answer with this head and body.
pub fn answer(head: &str, body: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {head}\r\n\r\n{body}").into())
}

/// A CA, and a server configuration with a certificate of it for 127.0.0.1.
pub fn tls(version: &'static SupportedProtocolVersion) -> (Vec<u8>, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
    let chain = vec![params.signed_by(&key, &issuer).unwrap().der().clone()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (ca.into(), Arc::new(config))
}

/// Accepts connections and serves each on a thread. Returns the address.
fn listen(serve: impl Fn(usize, TcpStream) -> io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let serve = serve.clone();
            // An error here means that the client closed the connection.
            thread::spawn(move || stream.and_then(|stream| serve(number, stream)).ok());
        }
    });
    address
}

/// Starts a server that sends the answers in turn, and the last one again and again. Returns its
/// address and what it receives.
pub fn server(config: Option<Arc<ServerConfig>>, answers: Vec<Answer>) -> (String, Requests) {
    let requests = Requests::default();
    let received = requests.clone();
    let address = listen(move |number, stream| match &config {
        None => converse(number, stream, &answers, &received),
        Some(config) => {
            let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            converse(
                number,
                StreamOwned::new(session, stream),
                &answers,
                &received,
            )
        }
    });
    (address, requests)
}

fn converse(
    number: usize,
    mut stream: impl Read + Write,
    answers: &[Answer],
    requests: &Requests,
) -> io::Result<()> {
    while let Some(head) = read_head(&mut stream)? {
        let mut requests = requests.lock().unwrap();
        let answer = &answers[requests.len().min(answers.len() - 1)];
        requests.push((number, head));
        drop(requests);
        match answer {
            Answer::Bytes(bytes) => stream.write_all(bytes)?,
            Answer::Last(bytes) => return stream.write_all(bytes).and_then(|()| stream.flush()),
        }
        stream.flush()?;
    }
    Ok(())
}

/// Reads up to an empty line; `None` at the end.
fn read_head(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

/// Starts a proxy. It gives this answer to `CONNECT`, and then passes all bytes on. After `fast`
/// bytes from the server it passes one byte each 20 ms. Returns its address and what it receives.
pub fn proxy(status: &'static str, fast: usize) -> (String, Requests) {
    let requests = Requests::default();
    let received = requests.clone();
    let address = listen(move |number, mut client| {
        let mut server = open_tunnel(&mut client, number, status, &received)?;
        let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        io::copy(&mut (&mut server).take(fast as u64), &mut client)?;
        let mut byte = [0];
        while server.read(&mut byte)? > 0 {
            client.write_all(&byte)?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    (address, requests)
}

/// Starts a proxy that speaks TLS itself. Returns its address and what it receives.
pub fn tls_proxy(config: Arc<ServerConfig>) -> (String, Requests) {
    let requests = Requests::default();
    let received = requests.clone();
    let address = listen(move |number, client| {
        let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let mut client = StreamOwned::new(session, client);
        let mut server = open_tunnel(&mut client, number, "200 OK", &received)?;
        // One thread passes both directions on, so it waits for neither.
        let shortly = Some(Duration::from_millis(5));
        client.sock.set_read_timeout(shortly)?;
        server.set_read_timeout(shortly)?;
        while pass(&mut client, &mut server)? && pass(&mut server, &mut client)? {}
        Ok(())
    });
    (address, requests)
}

/// Passes on what came, if anything did. Returns whether the connection is open.
fn pass(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    match from.read(&mut buffer) {
        Ok(n) => to.write_all(&buffer[..n]).map(|()| n > 0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// Answers a `CONNECT` and opens the connection that it asks for.
fn open_tunnel(
    client: &mut (impl Read + Write),
    number: usize,
    status: &str,
    received: &Requests,
) -> io::Result<TcpStream> {
    let head = read_head(client)?.unwrap_or_default();
    let target = head.split(' ').nth(1).unwrap_or_default().to_string();
    received.lock().unwrap().push((number, head));
    client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())?;
    client.flush()?;
    TcpStream::connect(target)
}
