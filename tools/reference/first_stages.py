"""Goldens of the training of first stages: ten steps of tiny autoencoders against a judge of patches,
with the losses of the latent-diffusion paper (arXiv:2112.10752, appendix G.1) written down in PyTorch.

diffusers has the autoencoders; the judge is pix2pix's (arXiv:1611.07004), the perceptual distance that
of LPIPS (arXiv:1801.03924) on a VGG16 of a sixteenth of the width.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, VQModel
from torch import nn
from torch.nn.functional import max_pool2d, relu

import hashed
from record import rounded, write

STEPS = 10
BATCH = 4
SIDE = 16
RATE = 2e-5
JUDGE_RATE = 4e-5
JUDGE_START = 3
BETAS = (0.5, 0.9)
WIDTH = 4

TINY = {
    "sample_size": SIDE,
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 3,
    "norm_num_groups": 4,
    "scaling_factor": 1.0,
}
KL = {"_class_name": "AutoencoderKL"} | TINY
VQ = {"_class_name": "VQModel", "num_vq_embeddings": 16, "vq_embed_dim": 3} | TINY


class Lpips(nn.Module):
    """VGG16's convolutions under torchvision's names, and a weight for each of their channels."""

    def __init__(self):
        super().__init__()
        self.features = nn.ModuleDict()
        number, inputs, self.stages = 0, 3, []
        for factors in ([1, 1], [2, 2], [4, 4, 4], [8, 8, 8], [8, 8, 8]):
            stage = []
            for factor in factors:
                self.features[str(number)] = nn.Conv2d(inputs, factor * WIDTH, 3, padding=1)
                stage.append(str(number))
                number, inputs = number + 2, factor * WIDTH
            number += 1
            self.stages.append(stage)
        hashed.fill(self)
        widths = [WIDTH * factor for factor in (1, 2, 4, 8, 8)]
        self.heads = [
            torch.from_numpy(abs(hashed.weight(f"lin{i}.model.1.weight", (1, c, 1, 1)))).double()
            for i, c in enumerate(widths)
        ]
        self.requires_grad_(False)

    def maps(self, x):
        shift = torch.tensor([-0.030, -0.088, -0.188], dtype=x.dtype).view(1, 3, 1, 1)
        scale = torch.tensor([0.458, 0.448, 0.450], dtype=x.dtype).view(1, 3, 1, 1)
        x = (x - shift) / scale
        for i, stage in enumerate(self.stages):
            x = x if i == 0 else max_pool2d(x, 2)
            for name in stage:
                x = relu(self.features[name](x))
            yield x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)

    def forward(self, a, b):
        """[N, 1, 1, 1]"""
        maps = zip(self.heads, self.maps(a), self.maps(b), strict=True)
        terms = [((a - b).square() * head).sum(1, keepdim=True) for head, a, b in maps]
        return sum(term.mean((2, 3), keepdim=True) for term in terms)


def judge() -> nn.Sequential:
    """pix2pix's discriminator of 4 channels and 2 layers, in training."""
    layers = [nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2)]
    layers += [nn.Conv2d(8, 16, 4, 1, 1, bias=False), nn.BatchNorm2d(16), nn.LeakyReLU(0.2)]
    model = nn.Module()
    model.main = nn.Sequential(*layers, nn.Conv2d(16, 1, 4, 1, 1))
    return hashed.fill(model).train()


def first_stage(path: Path, config: dict) -> None:
    is_kl = config["_class_name"] == "AutoencoderKL"
    model = hashed.fill((AutoencoderKL if is_kl else VQModel).from_config(config))
    lpips, critic = Lpips(), judge()
    adam = torch.optim.Adam(model.parameters(), lr=RATE, betas=BETAS)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=JUDGE_RATE, betas=BETAS)
    last = model.decoder.conv_out.weight
    golden = {"config": config}
    for step in range(STEPS):
        image = hashed.input_tensor(f"image:{step}", [BATCH, 3, SIDE, SIDE])
        values = {}
        if is_kl:
            posterior = model.encode(image).latent_dist
            noise = hashed.input_tensor(f"noise:{step}", list(posterior.mean.shape))
            again = model.decode(posterior.mean + posterior.std * noise).sample
            regularizer = values["kl"] = posterior.kl().mean()
        else:
            latents, regularizer, (_, _, indices) = model.quantize(model.encode(image).latents)
            again = model.decode(latents, force_not_quantize=True).sample
            values["codebook"] = regularizer
            values["codebook_used"] = len(indices.unique())
        # The distance of a picture counts at each of its numbers, and so does the variance, e⁰·².
        error = (image - again).abs()
        distance = lpips(image, again)
        values |= {"absolute": error.mean(), "lpips": distance.mean()}
        error = error + distance
        logvar = 0.2
        nll = (error / torch.tensor(logvar).double().exp() + logvar).sum() / BATCH if is_kl else error.mean()
        if is_kl:
            values["nll"] = nll
        loss = nll + (1e-3 if is_kl else 0.75) * regularizer
        of_judge = None
        if step >= JUDGE_START:
            generator = values["generator"] = -critic.main(again).mean()
            gradients = [torch.autograd.grad(x, last, retain_graph=True)[0] for x in (nll, generator)]
            weight = (gradients[0].norm() / (gradients[1].norm() + 1e-4)).clamp(0, 1e4)
            weight = values["adaptive_weight"] = 0.5 * weight.detach()
            loss = loss + weight * generator
            real, fake = critic.main(image), critic.main(again.detach())
            of_judge = values["discriminator"] = (relu(1 - real).mean() + relu(1 + fake).mean()) / 2
        norms = {}
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        for (name, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
            parameter.grad, norms[name] = gradient, gradient.norm()
        values |= {"loss": loss, "grad_norm": torch.stack(list(norms.values())).norm()}
        adam.step()
        if of_judge is not None:
            gradients = torch.autograd.grad(of_judge, list(critic.parameters()))
            of_critic = {}
            for (name, parameter), gradient in zip(critic.named_parameters(), gradients, strict=True):
                parameter.grad, of_critic[name] = gradient, gradient.norm()
            values["discriminator_grad_norm"] = torch.stack(list(of_critic.values())).norm()
            norms |= of_critic
            critic_adam.step()
        golden[f"step_{step}"] = {k: rounded(torch.as_tensor(v).item(), 7) for k, v in values.items()}
        if step in (JUDGE_START, STEPS - 1):
            golden[f"grads_{step}"] = {k: rounded(v.item(), 6) for k, v in norms.items()}
    write(path, golden)


def write_all(root: Path) -> None:
    first_stage(root / "first_stage_kl.json", KL)
    first_stage(root / "first_stage_vq.json", VQ)


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_all(Path(__file__).resolve().parents[2] / "testdata" / "golden")
