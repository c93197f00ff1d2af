/** Runs networks with LiteRT.js in a worker. */

import {
  getWebGpuDevice,
  loadAndCompile,
  loadLiteRt,
  supportsFeature,
  Tensor,
  type CompiledModel,
} from "@litertjs/core";

export type Accelerator = "webgpu" | "wasm";

/** Loads the runtime for this browser from a folder. */
export async function load(assets: string, threads: number): Promise<void> {
  const simd = await supportsFeature("relaxedSimd");
  const name = !simd
    ? "litert_wasm_compat_internal"
    : threads > 1
      ? "litert_wasm_threaded_internal"
      : "litert_wasm_internal";
  const script = `${assets}${name}.js`;
  // In a worker, the runtime would otherwise search for its files next to the
  // worker's script, and start its threads with that script.
  (self as unknown as { Module: object }).Module = {
    locateFile: (file: string) => assets + file,
    mainScriptUrlOrBlob: script,
    print: () => undefined,
    printErr: (line: string) => {
      if (/^(ERROR|FATAL)/.test(line)) console.error(line);
    },
  };
  await loadLiteRt(script);
}

/** Whether LiteRT found a GPU. */
export function hasGpu(): boolean {
  return Boolean(getWebGpuDevice());
}

/** A network with float32 inputs and outputs. */
export class Network {
  private constructor(
    private readonly model: CompiledModel,
    private readonly accelerator: Accelerator,
  ) {}

  /** @throws If the accelerator cannot run the whole network. */
  static async load(
    content: Uint8Array,
    accelerator: Accelerator,
    threads: number,
  ): Promise<Network> {
    const model = await loadAndCompile(content, {
      accelerator,
      cpuOptions: { numThreads: threads },
      gpuOptions: { precision: "fp32" },
    });
    if (accelerator === "webgpu" && !model.isFullyAccelerated) {
      model.delete();
      throw new Error("not all of the network runs on the GPU");
    }
    return new Network(model, accelerator);
  }

  /**
   * Runs the network.
   *
   * @param inputs Values and shape by name, or under "*" for the only input.
   * @param wanted Indices of the outputs to return.
   */
  async run(
    inputs: Record<string, [Float32Array, number[]]>,
    wanted: number[],
  ): Promise<Float32Array[]> {
    const given: Record<string, Tensor> = {};
    const made: Tensor[] = [];
    try {
      for (const { name } of this.model.getInputDetails()) {
        const [values, shape] = inputs[name] ?? inputs["*"]!;
        const tensor = new Tensor(values, shape);
        made.push(tensor); // Deleting a moved tensor has no effect.
        given[name] = this.accelerator === "webgpu" ? await tensor.moveTo("webgpu") : tensor;
        made.push(given[name]);
      }
      const outputs = await this.model.run(given);
      const tensors = this.model.getOutputDetails().map(({ name }) => outputs[name]!);
      made.push(...tensors);
      const read: Float32Array[] = [];
      for (const index of wanted) read.push((await tensors[index]!.data()) as Float32Array);
      return read;
    } finally {
      for (const tensor of made) tensor.delete();
    }
  }

  delete(): void {
    this.model.delete();
  }
}
