//! What there is: models, samplers, and the lists that are empty here but asked for.

use std::path::PathBuf;
use std::sync::Arc;

use aquatint_diffusion::{SAMPLERS, SPACINGS};
use aquatint_pipeline::HiresUpscaler;
use serde_json::{Map, Value, json};

use super::{Handler, bare, extras, get};
use crate::clock;
use crate::engine::Engine;
use crate::http::{App, Route, blocking, json as in_json};

pub(super) fn routes() -> Vec<Route> {
    let list = |path, summary, handle: Handler| get(path, summary, handle);
    let mut routes = vec![
        list("/sdapi/v1/sd-models", "Models (web UI)", |app, _| told(&app, models)),
        list("/sdapi/v1/samplers", "Samplers (web UI)", |app, _| told(&app, |_| samplers())),
        list("/sdapi/v1/schedulers", "Schedules (web UI)", |app, _| told(&app, |_| schedulers())),
        list("/sdapi/v1/upscalers", "Upscalers (web UI)", |app, _| told(&app, extras::list)),
        list("/sdapi/v1/latent-upscale-modes", "Upscalers of latents (web UI)", |app, _| {
            told(&app, |_| latent_modes())
        }),
        list("/sdapi/v1/loras", "LoRAs (web UI)", |app, _| told(&app, loras)),
        list("/sdapi/v1/embeddings", "Embeddings (web UI)", |app, _| {
            told(&app, |_| json!({"loaded": {}, "skipped": {}}))
        }),
        list("/sdapi/v1/scripts", "Scripts (web UI)", |app, _| {
            told(&app, |_| json!({"txt2img": [], "img2img": []}))
        }),
        // An allow-list: what a server was started with is nobody's business.
        list("/sdapi/v1/cmd-flags", "Flags (web UI)", |app, _| {
            told(&app, |_| json!({"api": true, "nowebui": true, "api_server_stop": false}))
        }),
        list("/sdapi/v1/memory", "Memory (web UI)", |app, _| told(&app, memory)),
    ];
    let empty: [(&'static str, &'static str); 7] = [
        ("/sdapi/v1/sd-vae", "Autoencoders to choose from: none (web UI)"),
        ("/sdapi/v1/hypernetworks", "Hypernetworks: none (web UI)"),
        ("/sdapi/v1/prompt-styles", "Styles: none (web UI)"),
        ("/sdapi/v1/face-restorers", "Networks for faces: none (web UI)"),
        ("/sdapi/v1/realesrgan-models", "Real-ESRGAN's models: see upscalers (web UI)"),
        ("/sdapi/v1/script-info", "Scripts: none (web UI)"),
        ("/sdapi/v1/extensions", "Extensions: none (web UI)"),
    ];
    routes.extend(
        empty.map(|(path, summary)| get(path, summary, |app, _| told(&app, |_| json!([])))),
    );
    let nothing_to_do: [(&'static str, &'static str); 6] = [
        ("/sdapi/v1/refresh-checkpoints", "Does nothing: models are known from the start (web UI)"),
        ("/sdapi/v1/refresh-vae", "Does nothing (web UI)"),
        ("/sdapi/v1/refresh-loras", "Does nothing: folders are read when asked for (web UI)"),
        ("/sdapi/v1/refresh-embeddings", "Does nothing (web UI)"),
        ("/sdapi/v1/unload-checkpoint", "Does nothing: models make room for others (web UI)"),
        ("/sdapi/v1/reload-checkpoint", "Does nothing: models are loaded when needed (web UI)"),
    ];
    routes.extend(
        nothing_to_do
            .map(|(path, summary)| bare(path, summary, |app, _| told(&app, |_| json!({})))),
    );
    routes
}

fn told(app: &Arc<App>, what: fn(&Engine) -> Value) -> crate::http::Answering {
    let app = app.clone();
    blocking(move || Ok(in_json(&what(&app.engine))))
}

fn models(engine: &Engine) -> Value {
    let all = engine.catalogue().all().iter().filter(|known| known.kind() != "upscale");
    let one = |name: &str| {
        json!({
            "title": name,
            "model_name": name,
            "hash": null,
            "sha256": null,
            // Where it is on the server is nobody's business.
            "filename": name,
            "config": null,
        })
    };
    all.map(|known| one(&known.entry.name)).collect()
}

fn samplers() -> Value {
    let one = |sampler: &aquatint_diffusion::SamplerInfo| {
        let mut options = Map::new();
        if sampler.stochastic {
            options.insert("uses_ensd".into(), "true".into());
        }
        if sampler.calls > 1 {
            options.insert("second_order".into(), "true".into());
        }
        let name = sampler.web_ui.unwrap_or(sampler.name);
        let aliases = sampler.names().filter(|own| *own != name);
        json!({"name": name, "aliases": aliases.collect::<Vec<_>>(), "options": options})
    };
    SAMPLERS.iter().map(one).collect()
}

fn schedulers() -> Value {
    let one = |name: &str, label: &str, aliases: &[&str]| {
        json!({
            "name": name,
            "label": label,
            "aliases": aliases,
            "default_rho": -1.0,
            "need_inner_model": false,
        })
    };
    let own = SPACINGS
        .iter()
        .map(|spacing| one(spacing.name, spacing.web_ui.unwrap_or(spacing.name), spacing.aliases));
    [one("automatic", "Automatic", &[])].into_iter().chain(own).collect()
}

fn latent_modes() -> Value {
    let modes = [HiresUpscaler::Latent, HiresUpscaler::LatentNearest];
    modes.iter().map(|mode| json!({"name": mode.web_ui()})).collect()
}

fn loras(engine: &Engine) -> Value {
    const ENDINGS: [&str; 5] = ["safetensors", "gguf", "pt", "ckpt", "bin"];
    let folders = &engine.shared.settings.lora_folders;
    let files = folders.iter().flat_map(|folder| folder.read_dir().into_iter().flatten().flatten());
    let name = |path: PathBuf| {
        let ending = path.extension()?.to_str()?;
        let name = path.file_stem()?.to_str()?.to_owned();
        (ENDINGS.contains(&ending) && path.is_file()).then_some(name)
    };
    let mut names: Vec<String> = files.filter_map(|file| name(file.path())).collect();
    names.sort();
    names.dedup();
    let one = |name: &String| json!({"name": name, "alias": name, "path": name, "metadata": {}});
    names.iter().map(one).collect()
}

fn memory(engine: &Engine) -> Value {
    let used = clock::resident_memory();
    let total = engine.shared.settings.memory;
    let free = used.map(|used| total.saturating_sub(used));
    json!({
        // What models may take, and what this process has.
        "ram": {"free": free, "used": used, "total": total},
        "cuda": {"error": "unavailable"},
    })
}
