//! A hub of one repository and the store that its large files lie in: two servers on two ports,
//! of nothing but sockets, that fail as they are told.
#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sha2::Digest;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What is answered.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection is closed after so many bytes of the body.
    pub cut: usize,
    /// So long a pause after each 1000 bytes of the body.
    pub pause: Duration,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, cut, pause) = (Vec::new(), usize::MAX, Duration::ZERO);
        Self { status, headers, body: body.into(), cut, pause }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn send(self, head: bool, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut text = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", self.status);
        text += &format!("Content-Length: {}\r\n", self.body.len());
        self.headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        stream.write_all(format!("{text}\r\n").as_bytes())?;
        if head {
            return Ok(());
        }
        let body = &self.body[..self.cut.min(self.body.len())];
        for piece in body.chunks(1000) {
            stream.write_all(piece)?;
            stream.flush()?;
            thread::sleep(self.pause);
        }
        Ok(())
    }
}

/// A server on a port of its own, until the test ends.
#[derive(Clone)]
pub struct Server {
    pub address: String,
    log: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let server = Self { address, log: log.clone() };
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (log.clone(), answer.clone());
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        server
    }

    /// The requests so far, whose path contains this.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|seen| seen.path.contains(path)).cloned().collect()
    }
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> Reply,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let seen = Seen { method, path, headers };
    log.lock().unwrap().push(seen.clone());
    answer(&seen).send(seen.method == "HEAD", &mut stream).ok()
}

/// A repository: what is small is sent by the hub, the rest by the store.
#[derive(Clone, Default)]
pub struct Repo {
    files: BTreeMap<&'static str, Vec<u8>>,
}

/// Whatever should go otherwise: asked first, for each request.
pub type Whim = Box<dyn Fn(&Seen) -> Option<Reply> + Send + Sync>;

impl Repo {
    /// A model in diffusers' layout, as small as it can be, with what nobody needs.
    pub fn model() -> Self {
        let index =
            r#"{"_class_name": "X", "unet": ["diffusers", "U"], "vae": ["diffusers", "A"]}"#;
        Self::default()
            .with("README.md", "read me")
            .with("all in one.ckpt", weights(3))
            .with("model_index.json", index)
            .with("unet/config.json", r#"{"in_channels": 4}"#)
            .with("unet/diffusion_pytorch_model.bin", weights(4))
            .with("unet/diffusion_pytorch_model.safetensors", weights(1))
            .with("vae/config.json", "{}")
            .with("vae/diffusion_pytorch_model.safetensors", weights(2))
    }

    pub fn with(mut self, path: &'static str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path, content.into());
        self
    }

    pub fn content(&self, path: &str) -> &[u8] {
        &self.files[path]
    }

    /// Starts both servers: the hub of `owner/name` and its store.
    pub fn serve(self, hub_whim: Whim, store_whim: Whim) -> (Server, Server) {
        let files = self.clone();
        let store =
            Server::start(move |seen| store_whim(seen).unwrap_or_else(|| files.store(seen)));
        let address = store.address.clone();
        let hub = move |seen: &Seen| hub_whim(seen).unwrap_or_else(|| self.hub(seen, &address));
        (Server::start(hub), store)
    }

    fn hub(&self, seen: &Seen, store: &str) -> Reply {
        if seen.path == "/api/models/owner/name/revision/main?blobs=true" {
            let list = self.files.iter().map(
                |(path, content)| serde_json::json!({"rfilename": path, "size": content.len()}),
            );
            let list: Vec<_> = list.collect();
            let answer = serde_json::json!({"sha": COMMIT, "siblings": list});
            return Reply::new(200, answer.to_string());
        }
        let prefix = format!("/owner/name/resolve/{COMMIT}/");
        let path = seen.path.strip_prefix(&prefix).unwrap_or_default();
        let path = path.trim_end_matches("?new").replace("%20", " ");
        let Some(content) = self.files.get(&*path) else {
            return Reply::new(404, "no").with("X-Error-Code", "EntryNotFound");
        };
        let is_large = content.len() > 1000;
        let reply = match is_large {
            true => Reply::new(302, "elsewhere")
                .with("Location", format!("{store}/signed/{}?key=secret", path.replace(' ', "%20")))
                .with("X-Linked-Size", content.len().to_string())
                .with("X-Linked-Etag", format!("\"{}\"", sha256(content))),
            false => Reply::new(200, content.clone()).with("ETag", format!("\"{}\"", git(content))),
        };
        reply.with("X-Repo-Commit", COMMIT)
    }

    /// The store's answer, the whole or the range that was asked for.
    pub fn store(&self, seen: &Seen) -> Reply {
        let path = seen.path.trim_start_matches("/signed/").split('?').next().unwrap();
        let content = &self.files[&*path.replace("%20", " ")];
        let range = seen.headers.get("range").map(|range| {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap()
        });
        let total = content.len();
        match range {
            None => Reply::new(200, content.clone()),
            Some(start) if start >= total => Reply::new(416, ""),
            Some(start) => Reply::new(206, &content[start..])
                .with("Content-Range", format!("bytes {start}-{}/{total}", total - 1)),
        }
    }
}

/// 20,000 bytes without a pattern that a shift would leave alike.
pub fn weights(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..20_000).map(next).collect()
}

pub fn sha256(content: &[u8]) -> String {
    hex(&sha2::Sha256::digest(content))
}

/// What `git hash-object` says.
pub fn git(content: &[u8]) -> String {
    let mut sum = sha1::Sha1::new_with_prefix(format!("blob {}\0", content.len()));
    sum.update(content);
    hex(&sum.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nothing goes otherwise.
pub fn well() -> Whim {
    Box::new(|_| None)
}
