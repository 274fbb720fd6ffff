//! What the tests of tokens and credentials share: a small HTTP server, files that go away, tokens nobody signed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A JWT that is not signed, with this payload.
pub fn unsigned(payload: &str) -> String {
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(payload))
}

/// A file of this test alone.
pub struct TempFile(PathBuf);

impl TempFile {
    pub fn new(name: &str, content: &str) -> TempFile {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("kproducer-{}-{number}-{name}", std::process::id()));
        fs::write(&path, content).expect("a file in the temporary directory");
        TempFile(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }

    pub fn write(&self, content: &str) {
        fs::write(&self.0, content).expect("the file is writable");
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Left behind it does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

/// What somebody asked of the server.
#[derive(Clone, Default, Debug)]
pub struct Asked {
    /// `GET /path?query`.
    pub line: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

type Answering = dyn Fn(&Asked) -> String + Send + Sync;

/// Answers on 127.0.0.1 until it is dropped. Answers are raw: `status(200, "…")` makes one.
pub struct HttpServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    thread: Option<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

/// A whole answer.
pub fn status(code: u16, body: &str) -> String {
    format!("HTTP/1.1 {code} Because\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

impl HttpServer {
    pub fn new(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> HttpServer {
        HttpServer::start(None, 0, Box::new(answer))
    }

    /// The same inside TLS.
    pub fn with_tls(
        config: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Asked) -> String + Send + Sync + 'static,
    ) -> HttpServer {
        HttpServer::start(Some(config), 0, Box::new(answer))
    }

    /// Leaves the first so many connections open and says nothing to them.
    pub fn silent_at_first(silent: usize, answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> HttpServer {
        HttpServer::start(None, silent, Box::new(answer))
    }

    fn start(tls: Option<Arc<rustls::ServerConfig>>, silent: usize, answer: Box<Answering>) -> HttpServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (seen, over) = (Arc::clone(&asked), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let mut ignored = Vec::new();
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if ignored.len() < silent {
                    ignored.push(stream);
                    continue;
                }
                match &tls {
                    None => serve(stream, &seen, &*answer),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(Arc::clone(config)).expect("a configuration");
                        serve(rustls::StreamOwned::new(connection, stream), &seen, &*answer);
                    }
                }
            }
        });
        HttpServer { address, asked, thread: Some(thread), is_over }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes it up; if nobody listens any more that is fine as well.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

fn serve(stream: impl Read + Write, seen: &Mutex<Vec<Asked>>, answer: &Answering) {
    let mut reader = BufReader::new(stream);
    let mut asked = Asked::default();
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    asked.line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim_end().is_empty() {
            break;
        }
        let (name, value) = line.trim_end().split_once(':').expect("a header");
        asked.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = asked.headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    asked.body = String::from_utf8(body).expect("text");
    seen.lock().expect("nobody panics with it").push(asked.clone());
    // A client that has gone away is what some tests want.
    let _ = reader.get_mut().write_all(answer(&asked).as_bytes());
}
