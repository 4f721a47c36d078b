//! The trained factors in tables, and the paper's claims about them.

use serde_json::Value;

use super::page::Part;
use super::plot::{Axis, Series, plot};
use super::report::{digits, numbered, row};

/// One trained factor.
pub struct Ldm<'a> {
    pub factor: f64,
    pub value: &'a Value,
    pub colour: &'static str,
}

impl Ldm<'_> {
    pub fn name(&self) -> String {
        format!("LDM-{}", self.factor)
    }

    /// Quality at the end, by DDIM steps.
    pub fn at_end(&self) -> Vec<(f64, &Value)> {
        numbered(&self.value["quality"]).pop().map_or(Vec::new(), |(_, at)| numbered(at))
    }

    /// Quality on the way, in `steps` of DDIM: seconds of training, step, numbers.
    pub fn on_the_way(&self, steps: f64) -> Vec<(f64, f64, &Value)> {
        let points = self.value["diffusion"]["points"].as_array().cloned().unwrap_or_default();
        let seconds = |step: f64| {
            let found = points.iter().find(|point| point["step"].as_f64() == Some(step));
            found.and_then(|point| point["seconds"].as_f64()).unwrap_or(f64::NAN)
        };
        numbered(&self.value["quality"])
            .into_iter()
            .filter_map(|(step, at)| Some((seconds(step), step, at.get(steps.to_string())?)))
            .collect()
    }

    pub fn series(&self, points: Vec<[f64; 2]>) -> Series {
        Series { name: self.name(), colour: self.colour, points }
    }
}

/// The number under a key, or none.
pub fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

/// What first stages keep.
pub fn first_stages(ldms: &[Ldm<'_>]) -> Part {
    let mut table = vec![row([
        "",
        "numbers of latents a pixel",
        "bits a pixel",
        "PSNR (dB)",
        "SSIM",
        "reconstruction distance",
        "seconds of training",
    ])];
    for ldm in ldms {
        let kept = &ldm.value["kept"];
        if kept.is_null() {
            let mut cells = row(["", "3", "24", "∞", "1", "0", "0"]);
            cells[0] = ldm.name();
            // Pixels need no first stage; others may not be measured yet.
            if ldm.factor == 1.0 {
                table.push(cells);
            }
            continue;
        }
        table.push(vec![
            ldm.name(),
            digits(&kept["latents_per_pixel"]),
            digits(&kept["bits_per_pixel"]),
            digits(&kept["psnr"]),
            digits(&kept["ssim"]),
            digits(distance(kept)),
            digits(&ldm.value["first_stage"]["seconds"]),
        ]);
    }
    Part::Table(table)
}

/// The Fréchet distance of reconstructions, whatever its network.
fn distance(kept: &Value) -> &Value {
    ["rfd_effnet", "rfid"].iter().find_map(|key| kept.get(key)).unwrap_or(&Value::Null)
}

/// What first stages lose, as a plot.
pub fn perceptual(ldms: &[Ldm<'_>]) -> String {
    let series = |ldm: &Ldm<'_>| {
        let kept = &ldm.value["kept"];
        let point =
            [number(kept, "latents_per_pixel"), distance(kept).as_f64().unwrap_or(f64::NAN)];
        ldm.series(vec![point])
    };
    plot(
        "What first stages lose",
        &Axis::logarithmic("numbers of the latents for each pixel"),
        &Axis::linear("Fréchet distance of reconstructions"),
        &ldms.iter().map(series).collect::<Vec<_>>(),
    )
}

/// Quality at each of the points on the way.
pub fn while_training(ldms: &[Ldm<'_>], ddim: f64, [fd, kd]: [&str; 2]) -> Part {
    let mut table = vec![row([
        "",
        "parameters",
        "training images/s",
        "step",
        "seconds",
        fd,
        kd,
        "precision",
        "recall",
        "density",
        "coverage",
    ])];
    for ldm in ldms {
        for (seconds, step, quality) in ldm.on_the_way(ddim) {
            let mut cells = vec![
                ldm.name(),
                digits(&ldm.value["diffusion"]["parameters"]),
                digits(&ldm.value["diffusion"]["images_per_second"]),
                format!("{step}"),
                format!("{seconds:.0}"),
            ];
            let keys = ["fd", "kd", "precision", "recall", "density", "coverage"];
            cells.extend(keys.iter().map(|key| digits(&quality[*key])));
            table.push(cells);
        }
    }
    Part::Table(table)
}

/// Quality and speed of each number of DDIM steps.
pub fn sampling(ldms: &[Ldm<'_>], [fd, kd]: [&str; 2]) -> Part {
    let mut table = vec![row(["", "DDIM steps", "images/s", fd, kd, "precision", "recall"])];
    for ldm in ldms {
        for (steps, quality) in ldm.at_end() {
            let mut cells = vec![ldm.name(), format!("{steps}")];
            let keys = ["images_per_second", "fd", "kd", "precision", "recall"];
            cells.extend(keys.iter().map(|key| digits(&quality[*key])));
            table.push(cells);
        }
    }
    Part::Table(table)
}

/// The paper's claims beside the numbers.
pub fn findings(ldms: &[Ldm<'_>], ddim: f64, fd: &str) -> Vec<String> {
    let mut last: Vec<(&Ldm<'_>, f64)> = ldms
        .iter()
        .filter_map(|ldm| Some((ldm, number(ldm.on_the_way(ddim).last()?.2, "fd"))))
        .collect();
    last.sort_by(|a, b| a.1.total_cmp(&b.1));
    let order: Vec<String> =
        last.iter().map(|(ldm, x)| format!("{} ({x:.1})", ldm.name())).collect();
    let of = |factor: f64| last.iter().find(|(ldm, _)| ldm.factor == factor).map(|(_, x)| *x);
    let best = |factors: &[f64]| factors.iter().filter_map(|f| of(*f)).min_by(f64::total_cmp);
    let mut said = vec![format!("{fd} at the end, best first: {}.", order.join(", "))];
    let mut claim = |paper: &str, better: Option<f64>, worse: Option<f64>| {
        if let (Some(better), Some(worse)) = (better, worse) {
            let holds = if better < worse { "so it is here" } else { "not so here" };
            said.push(format!("The paper: {paper}; {holds} ({better:.1} and {worse:.1})."));
        }
    };
    let middle = best(&[4.0, 8.0]);
    claim("LDM-4 and LDM-8 are ahead of pixels (LDM-1) after the same training", middle, of(1.0));
    claim("LDM-4 and LDM-8 are ahead of LDM-2", middle, of(2.0));
    claim("LDM-4 and LDM-8 are ahead of stronger compression", middle, best(&[16.0, 32.0]));
    said
}
