r"""Compares LiteRT.js on WebGPU with the model, for released files.

    npm install @litertjs/core@2.5.3
    python -m benchmarks.webgpu --config=configs/mocap_s.py \
        --config.data.root=DIR --name=ampose_s --modules=node_modules

Needs Playwright and Debian's chromium, whose SwiftShader emulates a GPU on the
processor: the results are those of a GPU, the speed is not. Prints, for each
file, the mean and largest distance in mm from the Keras model, and for how
many people without extent the pose is infinite or NaN.
"""

import functools
import pathlib

import numpy as np
from absl import flags

from ampose_tf import config

_FILES = (
    "float32",
    "float16",
    "dynamic_int8",
    "float32_lift_coco17",
    "float16_lift_coco17",
    "dynamic_int8_lift_coco17",
)
_POSES = 16
_SITE = "http://localhost/"  # WebGPU needs a secure page.
_ARGUMENTS = (
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan,WebGPU",
    "--use-webgpu-adapter=swiftshader",
    "--use-vulkan=swiftshader",
)
_PAGE = """<!doctype html>
<script type="importmap">{"imports": {
  "@litertjs/core": "/modules/@litertjs/core/dist/index.js",
  "@litertjs/wasm-utils": "/modules/@litertjs/wasm-utils/dist/index.js"}}
</script>
<script type="module">
import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';
await loadLiteRt('/modules/@litertjs/core/wasm/');
window.lift = async ([file, signature, poses, options]) => {
  const model = await loadAndCompile(file, options);
  const lifted = [];
  for (const arrays of poses) {
    const inputs = {};
    for (const [name, [values, shape]] of Object.entries(arrays)) {
      const tensor = new Tensor(new Float32Array(values), shape);
      inputs[name] = options.accelerator === 'webgpu' ?
          await tensor.moveTo('webgpu') : tensor;
    }
    const outputs = await model.run(signature, inputs);
    const made = await outputs['poses_3d'].moveTo('wasm');
    lifted.push(Array.from(made.toTypedArray()));
  }
  return lifted;
};
</script>"""
_TYPES = {".js": "text/javascript", ".wasm": "application/wasm"}


def define_flags(flag_values):
    config.define_flag(flag_values)
    for name, meaning in (
        ("name", "Name of the released model."),
        ("modules", "Folder node_modules with @litertjs/core."),
    ):
        flags.DEFINE_string(
            name, None, meaning, required=True, flag_values=flag_values
        )


def main(options):
    from playwright.sync_api import sync_playwright

    from ampose_tf import weights
    from ampose_tf.data import sources
    from ampose_tf.export import half, runtime, verify
    from ampose_tf.models import stored

    model = weights.RELEASED[options.name]
    poses = sources.load(options.config, "validation").spread(_POSES)
    cases = verify.cases(stored.load(model), poses, ("lift", "lift_coco17"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_ARGUMENTS
        )
        page = browser.new_page()
        page.route(
            f"{_SITE}**",
            functools.partial(
                _serve, model.parent, pathlib.Path(options.modules)
            ),
        )
        page.goto(_SITE)
        page.wait_for_function("() => Boolean(window.lift)")
        for format in _FILES:
            path = model.with_name(f"{model.stem}_{format}.tflite")
            (name,) = runtime.signature_shapes(path)

            def on_page(path=path, name=name, **given):
                return functools.partial(_lifted, page, path, name, given)

            ways = {
                "CPU": runtime.tflite(path, name),
                "wasm": on_page(accelerator="wasm"),
                "WebGPU": on_page(accelerator="webgpu"),
                "WebGPU, fp16": on_page(
                    accelerator="webgpu", gpuOptions={"precision": "fp16"}
                ),
            }
            if "int8" not in format:
                lift = half.run(runtime.tables(path), name)
                ways["predicted"] = lambda lift=lift, **a: lift(**a)[0]
            for way, lift in ways.items():
                print(
                    f"{path.name}, {way}: {_measured(lift, name, cases)}",
                    flush=True,
                )
        browser.close()


def _serve(weights, modules, route):
    asked = route.request.url.removeprefix(_SITE)
    if not asked:
        route.fulfill(body=_PAGE, content_type="text/html")
        return
    path = weights / asked
    if asked.startswith("modules/"):
        path = modules / asked.removeprefix("modules/")
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    route.fulfill(body=path.read_bytes(), content_type=kind)


def _lifted(page, path, name, given, **arrays):
    count = len(next(iter(arrays.values())))
    poses = [
        {
            n: [a[i].ravel().tolist(), [1, *a.shape[1:]]]
            for n, a in arrays.items()
        }
        for i in range(count)
    ]
    lifted = page.evaluate(
        "asked => window.lift(asked)", [path.name, name, poses, given]
    )
    # NaN is returned as None.
    return np.array(lifted, float).reshape(count, -1, 3)


def _measured(lift, name, cases):
    gone = asked = 0
    for case in cases:
        if case.signature != name:
            continue
        lifted = lift(**case.arrays)
        if case.kind:
            gone += int((~np.isfinite(lifted)).any(axis=(1, 2)).sum())
            asked += len(lifted)
        else:
            apart = 1000 * np.linalg.norm(lifted - case.expected, axis=-1)
    return (
        f"{apart.mean():.3f}, {apart.max():.2f} mm; not finite: {gone} of "
        f"{asked} that are unlike people"
    )


if __name__ == "__main__":
    config.run(main, define_flags)
