//! The table, as markdown.

use std::fmt;

use aquatint_tensor::watch::Work;

use super::notes::Notes;
use super::peaks::Peaks;
use super::stopwatch::Timings;

/// From this share of a pass on, a kernel below so much of the peak must be explained.
const LARGE_SHARE: f64 = 0.02;
const LOW: f64 = 0.6;

/// The kernels of a network, those first that take most of the time.
pub struct Table<'a> {
    rows: Vec<Row<'a>>,
    seconds: f64,
    between: f64,
    operations: u64,
}

struct Row<'a> {
    kernel: &'static str,
    sizes: String,
    calls: usize,
    seconds: f64,
    share: f64,
    /// A second, and whether it is bytes.
    rate: f64,
    bytes: bool,
    of_peak: f64,
    note: Option<&'a str>,
}

impl<'a> Table<'a> {
    /// What was measured of one network in one type.
    pub fn new(timings: &Timings, peaks: &Peaks, notes: &'a Notes, dtype: &str) -> Self {
        let row = |(call, timing): (&aquatint_tensor::watch::Call, &super::stopwatch::Timing)| {
            let [rate, peak] = peaks.rate(call.work, timing.calls, timing.seconds);
            Row {
                kernel: call.kernel,
                sizes: call.sizes.clone(),
                calls: timing.calls,
                seconds: timing.seconds,
                share: timing.seconds / timings.seconds,
                rate,
                bytes: matches!(call.work, Work::Bytes(_)),
                of_peak: rate / peak,
                note: notes.on(dtype, call.kernel, &call.sizes),
            }
        };
        let mut rows: Vec<Row<'_>> = timings.kernels.iter().map(row).collect();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let operations = timings.kernels.iter().map(|(call, timing)| match call.work {
            Work::Operations(_, operations) => operations * timing.calls as u64,
            Work::Bytes(_) => 0,
        });
        let operations = operations.sum();
        Self { rows, seconds: timings.seconds, between: timings.between(), operations }
    }

    /// The rows that nobody has said why of.
    pub fn unexplained(&self) -> impl Iterator<Item = String> {
        let silent = self.rows.iter().filter(|row| row.is_slow() && row.note.is_none());
        silent.map(|row| {
            let percent = row.of_peak * 100.0;
            format!("{} {} ({percent:.0} % of the peak)", row.kernel, row.sizes)
        })
    }
}

impl Row<'_> {
    fn is_slow(&self) -> bool {
        self.share > LARGE_SHARE && self.of_peak < LOW
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.operations as f64 / self.seconds / 1e9;
        let (total, ms) = (self.operations as f64 / 1e9, self.seconds * 1e3);
        writeln!(
            f,
            "{ms:.0} ms a pass, {total:.0} GFLOP of the direct algorithms: {rate:.0} GFLOP/s.\n"
        )?;
        writeln!(f, "| kernel | sizes | calls | ms | GFLOP/s | % of peak | % of the pass | |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        let mut sentences: Vec<&str> = Vec::new();
        for row in &self.rows {
            let (per_second, unit) = (row.rate / 1e9, if row.bytes { " GB/s" } else { "" });
            let mut why = String::new();
            if row.is_slow() {
                why = match row.note {
                    None => "**not explained**".into(),
                    Some(note) => {
                        let known = sentences.iter().position(|&sentence| sentence == note);
                        let place = known.unwrap_or(sentences.len());
                        if known.is_none() {
                            sentences.push(note);
                        }
                        format!("({})", place + 1)
                    }
                };
            }
            writeln!(
                f,
                "| {} | {} | {} | {:.2} | {per_second:.0}{unit} | {:.0} | {:.1} | {why} |",
                row.kernel,
                row.sizes,
                row.calls,
                row.seconds * 1e3,
                row.of_peak * 100.0,
                row.share * 100.0,
            )?;
        }
        let (ms, share) = (self.between * 1e3, self.between / self.seconds * 100.0);
        writeln!(f, "| between kernels | | | {ms:.2} | | | {share:.1} | |")?;
        for (i, sentence) in sentences.iter().enumerate() {
            writeln!(f, "\n({}) {sentence}", i + 1)?;
        }
        Ok(())
    }
}

/// What stands above the tables.
pub fn preamble(threads: usize, passes: usize, peaks: &Peaks) -> String {
    let Peaks { f32, bf16, int8, memory } = peaks;
    let [f32, bf16, int8, memory] = [f32, bf16, int8, memory].map(|peak| peak / 1e9);
    format!(
        "# Every layer of Stable Diffusion 1.5\n\n\
         Written by `cargo xtask kernels`: batch 1, 64×64 latents, {TOKENS} tokens, {threads} threads,\n\
         weights prepared as for drawing. Each kernel is timed where it runs, the best of {passes} passes.\n\n\
         Peaks in the same run, of products that never leave their registers: {f32:.0} GFLOP/s in f32,\n\
         {bf16:.0} in bf16, {int8:.0} in int8. Where there are no products, bytes read and written stand\n\
         against those of a copy in memory, {memory:.1} GB/s; what is in a cache goes faster. Operations\n\
         are those of the direct algorithm, so Winograd's convolutions, F(m×n), may exceed the peak.\n\
         A kernel with over {:.0} % of a pass and below {:.0} % of the peak has a sentence that says why.\n",
        LARGE_SHARE * 100.0,
        LOW * 100.0,
        TOKENS = super::TOKENS,
    )
}
