"""Goldens of ten steps of training CLIP's two towers, a U-Net, a LoRA of that with PEFT, and a U-Net with its
text encoder, with PyTorch's AdamW and clipping of the gradient. `first_stages.py` has those of autoencoders."""

import math
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from peft import LoraConfig
from torch.nn.functional import cross_entropy, normalize
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

import hashed
from record import rounded, write

STEPS = 10
RATE = 2e-5
BATCH = 4
TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 8,
    "hidden_act": "quick_gelu",
    "bos_token_id": 38,
    "eos_token_id": 39,
    "pad_token_id": 39,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "projection_dim": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 12,
    "patch_size": 4,
    "hidden_act": "quick_gelu",
}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 8,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
    "attention_head_dim": 2,
}

LDM_BERT = {
    "model_type": "ldmbert",
    "vocab_size": 40,
    "max_position_embeddings": 5,
    "encoder_layers": 2,
    "encoder_ffn_dim": 24,
    "encoder_attention_heads": 2,
    "head_dim": 4,
    "d_model": 12,
    "dropout": 0.0,
    "pad_token_id": 0,
}


# Attention, and convolutions with a kernel.
LORA = {"rank": 3, "alpha": 0.6, "layers": ["to_q", "to_k", "to_v", "to_out.0", "conv1"]}


def train(golden: dict, parameters: dict[str, torch.nn.Parameter], loss_of) -> dict:
    """The losses of `loss_of(step)`, the gradients' length before it is cut to 1, and, at the
    last step, that of each parameter's gradient."""
    adamw = torch.optim.AdamW(parameters.values(), lr=RATE, weight_decay=0.01)
    for step in range(STEPS):
        adamw.zero_grad()
        loss = loss_of(step)
        loss.backward()
        norms = {name: p.grad.norm().item() for name, p in parameters.items() if p.grad is not None}
        all_of_them = torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        golden[f"step_{step}"] = {
            "loss": rounded(loss.item(), 7),
            "grad_norm": rounded(all_of_them.item(), 7),
        }
        if step == STEPS - 1:
            golden[f"grads_{step}"] = {name: rounded(norm, 6) for name, norm in norms.items()}
        adamw.step()
    return golden


def clip(path: Path) -> None:
    """The mean of both directions' cross entropies (arXiv:2103.00020, Figure 3)."""
    text = hashed.fill(CLIPTextModelWithProjection(CLIPTextConfig(**TEXT)))
    vision = hashed.fill(CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION)))
    scale = torch.nn.Parameter(torch.tensor(math.log(1 / 0.07), dtype=torch.float64))
    parameters = dict(text.named_parameters()) | dict(vision.named_parameters())

    def loss_of(step: int) -> torch.Tensor:
        words = hashed.input_ids(f"ids:{step}", BATCH * 6, 38)
        rows = [words[6 * i : 6 * i + 6] for i in range(BATCH)]
        ids = torch.tensor([[38, *row[: 3 + i], *[39] * (4 - i)] for i, row in enumerate(rows)])
        pixels = hashed.input_tensor(f"pixels:{step}", [BATCH, 3, 12, 12])
        texts = normalize(text(input_ids=ids).text_embeds, dim=-1)
        images = normalize(vision(pixel_values=pixels).image_embeds, dim=-1)
        logits = scale.exp() * images @ texts.T
        labels = torch.arange(BATCH)
        return (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2

    write(path, train({"text": TEXT, "vision": VISION}, parameters | {"logit_scale": scale}, loss_of))


def denoising(predict):
    """The squared error of v (arXiv:2202.00512, appendix D) on Stable Diffusion's schedule."""
    roots = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64)
    alphas = (1 - roots**2).cumprod(0)

    def loss_of(step: int) -> torch.Tensor:
        x0, noise = (hashed.input_tensor(f"{what}:{step}", [BATCH, 4, 8, 8]) for what in ("x0", "noise"))
        t = torch.tensor(hashed.input_ids(f"t:{step}", BATCH, 1000))
        signal, spread = (root.view(-1, 1, 1, 1) for root in (alphas[t].sqrt(), (1 - alphas[t]).sqrt()))
        predicted = predict(step, signal * x0 + spread * noise, t)
        return (predicted - (signal * noise - spread * x0)).square().mean()

    return loss_of


def unet(path: Path) -> None:
    model = hashed.fill(UNet2DConditionModel.from_config(UNET))

    def predict(step: int, xt: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return model(xt, t, hashed.input_tensor(f"context:{step}", [BATCH, 5, 12])).sample

    write(path, train({"config": UNET}, dict(model.named_parameters()), denoising(predict)))


def lora(path: Path) -> None:
    """The same U-Net frozen, with matrices of PEFT beside some layers; and what became of these."""
    model = hashed.fill(UNet2DConditionModel.from_config(UNET))
    config = LoraConfig(r=LORA["rank"], lora_alpha=LORA["alpha"], target_modules=LORA["layers"])
    model.add_adapter(config)
    model.double()
    parameters = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
            if "lora_" in name:
                name = "unet." + name.replace(".default", "")
                parameter.copy_(torch.from_numpy(hashed.weight(name, tuple(parameter.shape))))
                parameters[name] = parameter

    def predict(step: int, xt: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return model(xt, t, hashed.input_tensor(f"context:{step}", [BATCH, 5, 12])).sample

    golden = train({"config": UNET, "lora": LORA}, parameters, denoising(predict))
    last = {name: p.detach().flatten() for name, p in parameters.items()}
    golden["weights"] = {n: [rounded(x.item(), 7) for x in (p.norm(), p[0], p[-1])] for n, p in last.items()}
    write(path, golden)


def words(path: Path) -> None:
    """A U-Net and the text encoder that it listens to, by one optimizer."""
    both = torch.nn.ModuleDict(
        {
            "unet": UNet2DConditionModel.from_config(UNET),
            "text_encoder": LDMBertModel(LDMBertConfig(**LDM_BERT)),
        }
    )
    hashed.fill(both)

    def predict(step: int, xt: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        ids = torch.tensor(hashed.input_ids(f"ids:{step}", BATCH * 5, 40)).view(BATCH, 5)
        return both["unet"](xt, t, both["text_encoder"](ids, return_dict=True).last_hidden_state).sample

    parameters = dict(both.named_parameters())
    golden = train({"unet": UNET, "text_encoder": LDM_BERT}, parameters, denoising(predict))
    last = golden[f"grads_{STEPS - 1}"]
    # What the loss does not depend on, which PyTorch leaves out.
    last |= {name: 0.0 for name in parameters if name not in last}
    write(path, golden)


def write_all(root: Path) -> None:
    clip(root / "ten_steps_clip.json")
    unet(root / "ten_steps_unet.json")
    lora(root / "ten_steps_lora.json")
    words(root / "ten_steps_words.json")


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_all(Path(__file__).resolve().parents[2] / "testdata" / "golden")
