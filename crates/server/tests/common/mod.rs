//! A server on a port of its own, and a client that speaks plain HTTP/1.1.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aquatint_checkpoint::Weights;
use aquatint_pipeline::ModelSource;
use aquatint_server::engine::{Engine, ModelEntry, ModelFiles, Settings};
use aquatint_server::{Access, Limits, Server, Store};
use serde_json::Value;

/// A folder of the repository.
pub fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The shipped models by which everything is tried.
pub fn models() -> Vec<ModelEntry> {
    let entry = |name: &str, files| ModelEntry {
        name: name.into(),
        title: name.into(),
        files,
        options: Default::default(),
    };
    let folder = |name: &str| {
        let source = ModelSource::folder(root("models").join(name)).expect("a shipped model");
        entry(name, ModelFiles::Diffusion(source))
    };
    let network = Weights::open(root("models/esrgan-slim/x4.safetensors")).expect("shipped");
    vec![
        folder("seven-styles"),
        entry("esrgan-slim-x4", ModelFiles::Network(Arc::new(network))),
        folder("seven-styles-class"),
        folder("seven-styles-unconditional"),
        folder("seven-styles-upscale"),
    ]
}

/// A server with a folder.
pub fn start(data: &Path, limits: Limits, token: Option<&str>) -> Server {
    let store = Store::open(data).expect("a folder");
    let settings = Settings { limits, ..Default::default() };
    let engine = Engine::start(settings, models(), store).expect("an engine");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let access = Access {
        listen,
        token: token.map(Into::into),
        insecure: false,
        allow_hosts: vec!["pictures.example".into()],
    };
    Server::start(engine, &access).expect("a port")
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// The sentence of a refusal with this status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let message = self.json()["error"]["message"].as_str().expect("a sentence").to_owned();
        assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        message
    }
}

/// Who asks.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub headers: Vec<(String, String)>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.into(), value.into()));
        client
    }

    /// Sends a request and leaves the answer unread.
    pub fn send(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("a server");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a stream");
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some((content_type, body)) = body {
            if !content_type.is_empty() {
                head += &format!("content-type: {content_type}\r\n");
            }
            head += &format!("content-length: {}\r\n", body.len());
        }
        head += "\r\n";
        stream.write_all(head.as_bytes()).expect("a server that listens");
        if let Some((_, body)) = body {
            // A server that has refused does not read on.
            let _ = stream.write_all(body);
        }
        stream
    }

    pub fn ask(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> Answer {
        read(self.send(method, path, body))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, json: &Value) -> Answer {
        self.ask("POST", path, Some(("application/json", json.to_string().as_bytes())))
    }

    /// The name of a job that is taken.
    #[track_caller]
    pub fn job(&self, json: &Value) -> String {
        let taken = self.post("/api/v1/jobs", json);
        assert_eq!(taken.status, 202, "{}", String::from_utf8_lossy(&taken.body));
        taken.json()["id"].as_str().expect("a name").to_owned()
    }

    pub fn state(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).json()
    }

    /// Waits until a job is in one of these states.
    #[track_caller]
    pub fn wait(&self, id: &str, states: &[&str]) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let job = self.state(id);
            if states.iter().any(|state| job["state"] == *state) {
                return job;
            }
            assert!(Instant::now() < until, "it is not {states:?}: {job}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// All events of a job after one, until the stream ends: number, name, data.
    pub fn events(&self, id: &str, last: u64) -> Vec<(u64, String, Value)> {
        let client = self.with("last-event-id", &last.to_string());
        let answer = client.get(&format!("/api/v1/jobs/{id}/events"));
        let text = String::from_utf8(answer.body).expect("UTF-8");
        let field = |block: &str, name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name));
            line.map(str::to_owned).unwrap_or_default()
        };
        let blocks = text.split("\n\n").filter(|block| block.starts_with("id: "));
        let event = |block: &str| {
            let data = serde_json::from_str(&field(block, "data: ")).expect("JSON");
            (field(block, "id: ").parse().expect("a number"), field(block, "event: "), data)
        };
        blocks.map(event).collect()
    }
}

/// The whole answer.
pub fn read(stream: TcpStream) -> Answer {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).expect("an answer");
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status in {line:?}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a header");
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.into(), value.into())),
            None => break,
        }
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).expect("a size");
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            if stream.read_exact(&mut chunk).is_err() || size == 0 {
                break;
            }
            answer.body.extend_from_slice(&chunk[..size]);
        }
    } else {
        stream.read_to_end(&mut answer.body).expect("a body");
    }
    answer
}

/// The memory that this process has now, in megabytes.
pub fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
