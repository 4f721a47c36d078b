"""webuiapi, a client of Stable Diffusion web UI: everything that it does without extensions."""

import threading
import time

import webuiapi
from PIL import Image, ImageChops, ImageDraw

from server import ROOT, check, done, serving

TOKEN = "a-token-of-the-script"

with serving("--token", TOKEN) as address:
    host, port = address.split(":")
    # The web UI's programs send a user's name and a password; the password is the token.
    api = webuiapi.WebUIApi(host=host, port=port, steps=8, sampler="Euler a", username="me", password=TOKEN)
    stranger = webuiapi.WebUIApi(host=host, port=port, username="me", password="somebody-elses")
    check("a wrong password is refused", "detail" in stranger.get_options(), stranger.get_options())

    models = api.util_get_model_names()
    check("sd-models", "seven-styles" in models, models)
    check("samplers", {"Euler a", "DPM++ 2M", "DDIM"} <= set(api.util_get_sampler_names()))
    check("schedulers", "karras" in api.util_get_scheduler_names(), api.util_get_scheduler_names())
    check("upscalers", any(upscaler["scale"] == 4 for upscaler in api.get_upscalers()), api.get_upscalers())
    check("latent-upscale-modes", {"name": "Latent"} in api.get_latent_upscale_modes())
    lists = [api.get_loras, api.get_hypernetworks, api.get_face_restorers, api.get_realesrgan_models,
             api.get_prompt_styles, api.get_sd_vae]
    check("lists of what there is none of", all(a_list() == [] for a_list in lists))
    check("embeddings", api.get_embeddings() == {"loaded": {}, "skipped": {}})
    check("scripts", api.get_scripts() == {"txt2img": [], "img2img": []})
    check("memory", api.get_memory()["ram"]["used"] > 0)
    check("cmd-flags without secrets", TOKEN not in str(api.get_cmd_flags()), api.get_cmd_flags())
    check("refresh-checkpoints", api.refresh_checkpoints() == {})
    api.util_wait_for_ready(0.1)

    size = {"width": 128, "height": 128}
    made = api.txt2img(prompt="noto emoji of a cat", negative_prompt="dog", seed=7, **size)
    check("txt2img", made.image.size == (128, 128) and made.info["seed"] == 7, made.info)
    check("parameters are told again", made.parameters["prompt"] == "noto emoji of a cat", made.parameters)
    check("infotexts", made.info["infotexts"][0] == made.image.info["parameters"], made.info["infotexts"])
    again = api.txt2img(prompt="noto emoji of a cat", negative_prompt="dog", seed=7, **size)
    check("the same seed, the same picture", again.json["images"] == made.json["images"])
    several = api.txt2img(prompt="noto emoji of a cat", seed=7, batch_size=2, n_iter=2, **size)
    check("batch_size times n_iter", len(several.images) == 4 and several.info["all_seeds"] == [7, 8, 9, 10])
    chance = [api.txt2img(prompt="a cat", **size).info["seed"] for _ in range(2)]
    check("a seed of -1 is another each time", chance[0] != chance[1], chance)
    large = api.txt2img(prompt="noto emoji of a cat", seed=7, enable_hr=True, hr_scale=1.5,
                        hr_upscaler=webuiapi.HiResUpscaler.Latent, denoising_strength=0.7, **size)
    check("hires fix", large.image.size == (192, 192), large.image.size)
    other = api.txt2img(prompt="noto emoji of a cat", seed=7, subseed=3, subseed_strength=0.3,
                        sampler_name="DPM++ 2M", scheduler="Karras", **size)
    check("subseed, sampler and scheduler", other.info["sampler_name"] == "DPM++ 2M"
          and "Schedule type: Karras" in other.info["infotexts"][0], other.info)

    changed = api.img2img(images=[made.image], prompt="noto emoji of a dog", seed=7, denoising_strength=0.6, **size)
    check("img2img", changed.image.size == (128, 128) and changed.info["denoising_strength"] == 0.6, changed.info)
    mask = Image.new("RGB", (128, 128))
    ImageDraw.Draw(mask).rectangle((40, 40, 88, 88), fill="white")
    for full in [True, False]:
        painted = api.img2img(images=[made.image], mask_image=mask, prompt="noto emoji of a dog", seed=7,
                              inpaint_full_res=full, inpaint_full_res_padding=8, **size)
        changes = ImageChops.difference(painted.image.convert("RGB"), made.image.convert("RGB")).getbbox()
        inside = changes and changes[0] >= 20 and changes[1] >= 20 and changes[2] <= 108 and changes[3] <= 108
        check(f"in-painting, only masked: {full}", bool(inside), changes)

    upscaler = next(u["name"] for u in api.get_upscalers() if u["model_name"])
    enlarged = api.extra_single_image(made.image, upscaler_1=upscaler, upscaling_resize=4)
    check("extra-single-image", enlarged.image.size == (512, 512), enlarged.image.size)
    both = api.extra_batch_images([made.image, changed.image], upscaler_1=upscaler, upscaling_resize=2)
    check("extra-batch-images", [image.size for image in both.images] == [(256, 256)] * 2)
    check("png-info", api.png_info(made.image).info == made.image.info["parameters"])

    before = api.util_get_current_model()
    api.set_options({"samples_format": "jpg"})
    check("options: samples_format", api.txt2img(prompt="a cat", **size).image.format == "JPEG")
    api.set_options({"samples_format": "png"})
    api.util_set_model("seven-style")
    check("options: the model", api.util_get_current_model() == before == "seven-styles", before)
    try:
        api.txt2img(prompt="a", override_settings={"sd_model_checkpoint": "nobody's"}, **size)
        check("override_settings: an unknown model", False)
    except RuntimeError as error:
        check("override_settings: an unknown model", error.args[0] == 422 and "detail" in error.args[1], error)

    def in_background(**more):
        answers = []
        work = threading.Thread(target=lambda: answers.append(
            api.txt2img(prompt="noto emoji of a cat", steps=100, width=256, height=256, **more)))
        work.start()
        for _ in range(1000):
            progress = api.get_progress()
            if progress["current_image"]:
                return work, answers, progress
            time.sleep(0.02)
        return work, answers, progress

    work, answers, progress = in_background()
    check("progress", 0 < progress["progress"] < 1 and progress["eta_relative"] > 0, progress["progress"])
    check("state", progress["state"]["job_count"] == 1 and progress["state"]["sampling_steps"] == 100, progress["state"])
    check("a live preview", webuiapi.webuiapi.Image.open(webuiapi.webuiapi.io.BytesIO(
        webuiapi.webuiapi.base64.b64decode(progress["current_image"]))).size == (32, 32))
    began = time.time()
    api.interrupt()
    work.join()
    check("interrupt", time.time() - began < 2 and answers[0].images == [], answers)
    work, answers, _ = in_background(n_iter=2)
    api.skip()
    began = time.time()
    while api.get_progress()["state"]["job_no"] != 1 and time.time() - began < 5:
        time.sleep(0.02)
    check("skip goes on with the next", api.get_progress()["state"]["job_no"] == 1)
    api.interrupt()
    work.join()
    check("idle again", api.get_progress()["state"]["job_count"] == 0)

# Another model beside the built-in one, which draws classes by name or number.
with serving("-m", str(ROOT / "models/seven-styles-class")) as address:
    host, port = address.split(":")
    api = webuiapi.WebUIApi(host=host, port=port, steps=4, sampler="DDIM")
    check("the model that is given is the default", api.util_get_current_model() == "seven-styles-class")
    size = {"width": 128, "height": 128}
    by_class = api.txt2img(prompt="3", seed=7, **size)
    check("a picture of a class", by_class.info["sd_model_name"] == "seven-styles-class", by_class.info)
    override = {"sd_model_checkpoint": "seven-styles"}
    once = api.txt2img(prompt="noto emoji of a cat", seed=7, override_settings=override, **size)
    check("override_settings: another model", once.info["sd_model_name"] == "seven-styles", once.info)
    check("only for that request", api.util_get_current_model() == "seven-styles-class")
    api.util_set_model("seven-styles")
    switched = api.txt2img(prompt="noto emoji of a cat", seed=7, **size)
    check("options: another model", switched.json["images"] == once.json["images"])

done()
