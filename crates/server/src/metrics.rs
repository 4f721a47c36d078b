//! What is counted, and how it is told: the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use crate::engine::{State, lock};

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

#[derive(Default)]
struct Counts {
    /// Jobs that ended, by state.
    jobs: BTreeMap<&'static str, u64>,
    /// Jobs whose seconds are at most the bucket's.
    buckets: [u64; BUCKETS.len()],
    generated: u64,
    seconds: f64,
    /// Seconds for a unit of cost, of late.
    speed: Option<f64>,
    /// Answers by route, method and status.
    requests: BTreeMap<(&'static str, String, u16), u64>,
}

/// What is counted.
#[derive(Default)]
pub struct Metrics(Mutex<Counts>);

/// What is not counted but looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that are worked at.
    pub running: usize,
    /// Models in memory.
    pub models: usize,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Connections.
    pub connections: usize,
}

impl Metrics {
    /// A job has ended.
    pub(crate) fn ended(&self, state: State) {
        *lock(&self.0).jobs.entry(state.name()).or_default() += 1;
    }

    /// A job of this cost took so long.
    pub(crate) fn generated(&self, seconds: f64, cost: u64) {
        let mut counts = lock(&self.0);
        counts.generated += 1;
        counts.seconds += seconds;
        for (bucket, end) in counts.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= end);
        }
        let speed = seconds / cost.max(1) as f64;
        let before = counts.speed.unwrap_or(speed);
        counts.speed = Some(0.7 * before + 0.3 * speed);
    }

    /// How long a job of this cost will take, as far as can be known.
    pub(crate) fn seconds_for(&self, cost: u64) -> f64 {
        lock(&self.0).speed.map_or(5.0, |speed| speed * cost as f64)
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &'static str, method: &str, status: u16) {
        // Names of methods that nobody knows are not kept.
        let known = ["GET", "HEAD", "POST", "DELETE", "PUT", "OPTIONS", "PATCH"];
        let method = if known.contains(&method) { method } else { "other" };
        let key = (route, method.to_owned(), status);
        *lock(&self.0).requests.entry(key).or_default() += 1;
    }

    /// All of it as text.
    pub fn text(&self, gauges: Gauges) -> String {
        let counts = lock(&self.0);
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let one = |value: String| [(String::new(), value)];
        let states = State::ALL.iter().filter(|state| state.ended()).map(|state| {
            let count = counts.jobs.get(state.name()).copied().unwrap_or(0);
            (format!("{{state=\"{}\"}}", state.name()), count.to_string())
        });
        family("aquatint_jobs_total", "counter", "Jobs that ended.", &states.collect::<Vec<_>>());
        let Gauges { waiting, running, models, memory, connections } = gauges;
        for (name, help, value) in [
            ("aquatint_queue_length", "Jobs that wait.", waiting as u64),
            ("aquatint_jobs_running", "Jobs that are worked at.", running as u64),
            ("aquatint_models_loaded", "Models in memory.", models as u64),
            ("aquatint_connections", "Open connections.", connections as u64),
        ] {
            family(name, "gauge", help, &one(value.to_string()));
        }
        if let Some(memory) = memory {
            let name = "process_resident_memory_bytes";
            family(name, "gauge", "Memory of the process.", &one(memory.to_string()));
        }
        let requests = counts.requests.iter().map(|((route, method, status), count)| {
            let labels = format!("{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}");
            (labels, count.to_string())
        });
        let requests: Vec<_> = requests.collect();
        family(
            "aquatint_http_requests_total",
            "counter",
            "Requests that were answered.",
            &requests,
        );
        let name = "aquatint_generation_seconds";
        let _ = writeln!(out, "# HELP {name} How long a job took.\n# TYPE {name} histogram");
        for (bucket, end) in counts.buckets.iter().zip(BUCKETS) {
            let _ = writeln!(out, "{name}_bucket{{le=\"{end}\"}} {bucket}");
        }
        let (count, sum) = (counts.generated, counts.seconds);
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_and_told() {
        let metrics = Metrics::default();
        metrics.ended(State::Done);
        metrics.generated(0.7, 7);
        metrics.generated(30.0, 300);
        metrics.answered("/health", "GET", 200);
        metrics.answered("/health", "BREW", 405);
        let text = metrics.text(Gauges { waiting: 3, ..Default::default() });
        for line in [
            "aquatint_jobs_total{state=\"done\"} 1",
            "aquatint_jobs_total{state=\"failed\"} 0",
            "aquatint_queue_length 3",
            "aquatint_http_requests_total{route=\"/health\",method=\"GET\",status=\"200\"} 1",
            "aquatint_http_requests_total{route=\"/health\",method=\"other\",status=\"405\"} 1",
            "aquatint_generation_seconds_bucket{le=\"0.5\"} 0",
            "aquatint_generation_seconds_bucket{le=\"1\"} 1",
            "aquatint_generation_seconds_bucket{le=\"50\"} 2",
            "aquatint_generation_seconds_sum 30.7",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} is not in\n{text}");
        }
        assert!((metrics.seconds_for(10) - 1.0).abs() < 1e-9);
    }
}
