"""OpenAI's Python package: generate, stream, edit, vary, models, errors."""

import base64
import io
import json
import time
import urllib.request

import openai
from PIL import Image

from server import check, done, serving

TOKEN = "a-token-of-the-script"


def picture(image):
    return Image.open(io.BytesIO(base64.b64decode(image.b64_json)))


def file(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return ("picture.png", out.getvalue(), "image/png")


with serving("--token", TOKEN) as address:
    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key=TOKEN, max_retries=0)
    ours = {"seed": 7, "steps": 8}

    models = [model.id for model in client.models.list()]
    check("models.list", "seven-styles" in models, models)
    check("models.retrieve", client.models.retrieve("seven-styles").owned_by == "aquatint")

    prompt = "noto emoji of a cat"
    made = client.images.generate(model="gpt-image-1.5", prompt=prompt, size="128x128", extra_body=ours)
    first = picture(made.data[0])
    check("images.generate", first.size == (128, 128) and made.size == "128x128", made.size)
    check("the PNG says how", "Seed: 7" in first.info.get("parameters", ""), first.info)
    again = client.images.generate(prompt=prompt, size="128x128", extra_body=ours)
    check("the same seed, the same bytes", again.data[0].b64_json == made.data[0].b64_json)
    links = client.images.generate(prompt=prompt, n=2, response_format="url", extra_body=ours)
    check("links", len(links.data) == 2 and all("/api/v1/pictures/" in image.url for image in links.data))
    jpeg = client.images.generate(prompt=prompt, output_format="jpeg", output_compression=70, extra_body=ours)
    check("output_format", picture(jpeg.data[0]).format == "JPEG" and jpeg.output_format == "jpeg")

    events = list(client.images.generate(prompt=prompt, stream=True, partial_images=2, extra_body=ours))
    kinds = [(type(event).__name__, event.type) for event in events]
    partial = ("ImageGenPartialImageEvent", "image_generation.partial_image")
    check("stream", kinds == [partial, partial, ("ImageGenCompletedEvent", "image_generation.completed")], kinds)
    check("partial images", [event.partial_image_index for event in events[:2]] == [0, 1]
          and all(picture(event).size == (128, 128) for event in events))
    check("the last is the picture", events[-1].b64_json == made.data[0].b64_json and events[-1].usage.total_tokens == 0)

    mask = Image.new("RGBA", first.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (32, 32, 96, 96))
    edit = client.images.edit(image=file(first), mask=file(mask), prompt="noto emoji of a dog", extra_body=ours)
    edited = picture(edit.data[0])
    before, after = first.convert("RGB"), edited.convert("RGB")
    kept = all(before.getpixel(at) == after.getpixel(at) for at in [(0, 0), (10, 64), (127, 127), (64, 20)])
    check("images.edit keeps what is opaque", kept)
    check("images.edit makes the rest anew", before.crop((32, 32, 96, 96)).tobytes() != after.crop((32, 32, 96, 96)).tobytes())
    edits = list(client.images.edit(image=[file(first)], prompt="a dog", stream=True, partial_images=1, extra_body=ours))
    check("images.edit streams", [event.type for event in edits] == ["image_edit.partial_image", "image_edit.completed"], edits)

    varied = client.images.create_variation(image=file(first), n=2, response_format="b64_json", extra_body={"steps": 4})
    check("images.create_variation", [picture(image).size for image in varied.data] == [(128, 128)] * 2)

    def refused(kind, call):
        try:
            call()
        except openai.APIStatusError as error:
            check(f"{kind.__name__}: {error.body['message']}", isinstance(error, kind) and error.type is not None, error)
        else:
            check(kind.__name__, False, "it was answered")

    refused(openai.UnprocessableEntityError, lambda: client.images.generate(prompt="a", size="100x100"))
    refused(openai.UnprocessableEntityError, lambda: client.images.generate(prompt="a", extra_body={"promt": 1}))
    refused(openai.NotFoundError, lambda: client.images.generate(prompt="a", model="nobody's"))
    stranger = client.with_options(api_key="somebody-elses")
    refused(openai.AuthenticationError, lambda: stranger.models.list())

    with client.images.generate(prompt="a", size="256x256", stream=True, partial_images=1,
                                extra_body={"steps": 100}) as stream:
        next(iter(stream))
    jobs, began = [], time.time()
    while time.time() - began < 2:
        request = urllib.request.Request(f"http://{address}/api/v1/jobs", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request) as answer:
            jobs = json.load(answer)["jobs"]
        if jobs[0]["state"] != "running":
            break
        time.sleep(0.02)
    check("a stream that is closed ends its job", jobs[0]["state"] == "cancelled", jobs[0]["state"])
    quick = client.images.generate(prompt="a", size="64x64", extra_body={"steps": 1})
    check("and the next is answered", picture(quick.data[0]).size == (64, 64))

done()
