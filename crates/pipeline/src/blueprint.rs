//! The tensors that a part's configuration asks for, without any of them.

use aquatint_models::{
    AutoencoderKL, AutoencoderKLConfig, BertConfig, BertModel, ClassEmbedder, ClassEmbedderConfig,
    ClipTextConfig, ClipTextModel, LDMBertConfig, LDMBertModel, UNet2DConditionConfig,
    UNet2DConditionModel, UNet2DConfig, UNet2DModel, VQModel, VQModelConfig,
};
use aquatint_nn::{Module, ModuleExt};
use serde_json::Value;

/// Names and shapes of the tensors of the model that `config` describes, in diffusers' naming.
///
/// # Errors
/// If it describes what we cannot build.
pub(crate) fn wanted(config: &Value) -> Result<Vec<(String, Vec<usize>)>, String> {
    let class = config["_class_name"].as_str().or(config["architectures"][0].as_str());
    macro_rules! build {
        ($config:ty, $model:expr) => {{
            let config: $config =
                serde_json::from_value(config.clone()).map_err(|error| error.to_string())?;
            config.validate()?;
            let build = $model;
            Ok(shapes(&build(&config)))
        }};
    }
    match class.unwrap_or_default() {
        "UNet2DConditionModel" => build!(UNet2DConditionConfig, UNet2DConditionModel::new),
        "UNet2DModel" => build!(UNet2DConfig, UNet2DModel::new),
        "AutoencoderKL" => build!(AutoencoderKLConfig, AutoencoderKL::new),
        "VQModel" => build!(VQModelConfig, VQModel::new),
        "LDMBertModel" => build!(LDMBertConfig, LDMBertModel::new),
        "BertModel" => build!(BertConfig, |config: &BertConfig| BertModel::new(config, true)),
        "ClassEmbedder" => build!(ClassEmbedderConfig, ClassEmbedder::new),
        "CLIPTextModelWithProjection" => build!(ClipTextConfig, ClipTextModel::with_projection),
        // Our own configurations, as old ones, do not name the class.
        "CLIPTextModel" | "" => build!(ClipTextConfig, ClipTextModel::new),
        other => Err(format!("it describes a `{other}`, which is not known")),
    }
}

fn shapes(module: &impl Module) -> Vec<(String, Vec<usize>)> {
    let named = module.named_parameters().into_iter();
    named.map(|(name, parameter)| (name, parameter.shape().to_vec())).collect()
}
