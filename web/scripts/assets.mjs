// Copies files that the page loads to public/: LiteRT's wasm files and
// BlazePose's networks from npm packages, AMPose's from ampose_tf/weights. None
// of them is committed here.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const publicFolder = join(web, "public", "assets");
const litert = join(web, "node_modules", "@litertjs", "core", "wasm");
const mediapipe = join(web, "node_modules", "@mediapipe", "pose");
const weights = join(web, "..", "ampose_tf", "weights");

// Runtimes for browsers with threads, with relaxed SIMD only, and with neither.
const RUNTIMES = ["litert_wasm_threaded_internal", "litert_wasm_internal", "litert_wasm_compat_internal"];

// From @mediapipe/pose 0.5.1675469404, Apache License 2.0. Its packed assets
// consist of one file, the detector.
const BLAZEPOSE = [
  [
    "pose_solution_packed_assets.data",
    "pose_detection.tflite",
    "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
  ],
  [
    "pose_landmark_lite.tflite",
    "pose_landmark_lite.tflite",
    "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
  ],
  [
    "pose_landmark_full.tflite",
    "pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
  ],
];

async function checked(path, expected) {
  let content;
  try {
    content = await readFile(path);
  } catch {
    throw new Error(`${path} is missing; run npm ci in web/ first`);
  }
  const found = createHash("sha256").update(content).digest("hex");
  if (found !== expected) {
    throw new Error(`${path}: expected SHA-256 ${expected}, got ${found}; remove node_modules and run npm ci`);
  }
  return content;
}

await rm(publicFolder, { recursive: true, force: true });
await mkdir(publicFolder, { recursive: true });
for (const name of RUNTIMES) {
  for (const ending of [".js", ".wasm"]) {
    await copyFile(join(litert, name + ending), join(publicFolder, name + ending));
  }
}
for (const [packed, name, hash] of BLAZEPOSE) {
  await writeFile(join(publicFolder, name), await checked(join(mediapipe, packed), hash));
}
for (const name of ["ampose_s", "ampose_t"]) {
  await copyFile(join(weights, `${name}_float32.tflite`), join(publicFolder, `${name}.tflite`));
}

// Notices for third-party parts of the built page, required by their licences.
const read = (...parts) => readFile(join(web, ...parts), "utf8");
await writeFile(
  join(publicFolder, "licences.txt"),
  [
    "In addition to AMPose (Apache License 2.0, below), this page contains:",
    "LiteRT.js, https://github.com/google-ai-edge/LiteRT, Apache License 2.0;",
    "MediaPipe's BlazePose networks, https://github.com/google-ai-edge/mediapipe, Apache License 2.0;",
    "three.js, https://threejs.org, MIT License, below.\n",
    "The compiled WebAssembly of LiteRT.js contains other open-source libraries,",
    "among them Abseil, Eigen, FlatBuffers, XNNPACK, gemmlowp, ruy and the runtime",
    "of Emscripten. The npm package @litertjs/core does not list their notices;",
    "LiteRT's source code states the origin of each.\n",
    await read("node_modules", "three", "LICENSE"),
    await read("..", "LICENSE"),
  ].join("\n"),
);
