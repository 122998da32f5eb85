/** What the worker holds: LiteRT.js, the loaded models, and what a frame goes through. */

import { Blur, Colour, Compositor, Picture, grey } from "./composite.js";
import { OneFrameDelay } from "./delay.js";
import { differences } from "./parity.js";
import { pixelsOf } from "./pixels.js";
import { Fitting, decoded, encoded, letterbox } from "./resize.js";
import { expandedWeights } from "./weights.js";

const AMPLIFIED = 4; // by which a difference is shown
/** A matte of WebGPU that is off by more than this anywhere is not the same matte. */
const SAME = 1e-3;

export class Session {
  #models = new Map();
  #fitting = new Fitting();
  #compositor = new Compositor();
  #delays = new Map();
  #background = null;
  #earlier = null; // the frame that the delay holds back
  #seen = null; // the last frame, as `lastFrame` shows it

  constructor(folder) {
    this.folder = folder;
  }

  /** Loads LiteRT.js: how many threads it may use, and why no more. */
  async start(wanted) {
    self.Module = {
      locateFile: (file) => `${this.folder}wasm/${file}`,
      mainScriptUrlOrBlob: `${this.folder}wasm/litert_wasm_threaded_internal.js`,
    };
    this.litert = await import(`${this.folder}core.js`);
    let why = "";
    this.threads = 1;
    if (!self.crossOriginIsolated) why = "this page is not cross-origin isolated";
    else if (wanted > 1) {
      try {
        await this.litert.loadLiteRt(`${this.folder}wasm/`, { threads: true });
        return { threads: (this.threads = wanted), why };
      } catch (error) {
        why = error.message;
      }
    }
    await this.litert.loadLiteRt(`${this.folder}wasm/`);
    return { threads: 1, why };
  }

  /**
   * Compiles a model from its file's bytes. `spec`: {file, image_dtype, matte_dtype, height, width}; `backend`: "wasm" or
   * "webgpu"; `probe`: a frame that WebGPU's matte is compared with wasm's on. Returns what runs it.
   */
  async load(spec, bytes, { backend, threads, probe }) {
    this.release(spec.file);
    const { bytes: file, expanded } = expandedWeights(bytes);
    const notes = expanded ? [`${expanded} float16 constants expanded to float32: no longer the shipped file`] : [];
    const cpuOptions = { numThreads: Math.min(threads, this.threads) };
    let model = await this.#compiled(file, { accelerator: "wasm", cpuOptions });
    let runs = `wasm (XNNPACK), ${cpuOptions.numThreads} thread${cpuOptions.numThreads > 1 ? "s" : ""}`;
    if (backend === "webgpu") {
      const { other, why } = await this.#onGpu(spec, file, model, probe);
      if (other) {
        model.delete();
        [model, runs] = [other, "WebGPU, float32"];
      }
      notes.push(why);
    }
    this.#models.set(spec.file, { spec, model, ran: false });
    return { runs, notes, expanded };
  }

  async #compiled(file, options) {
    try {
      return await this.litert.loadAndCompile(file, options);
    } catch (error) {
      throw new Error(`LiteRT.js cannot load this model: ${error.message}`);
    }
  }

  async #onGpu(spec, file, model, probe) {
    let other;
    try {
      if (!self.navigator.gpu || !(await self.navigator.gpu.requestAdapter())) return { why: "this browser has no WebGPU" };
      // Without shader-f16, half precision is silently wrong: single precision is asked for.
      other = await this.litert.loadAndCompile(file, { accelerator: "webgpu", gpuOptions: { precision: "fp32" } });
      if (!other.isFullyAccelerated) throw new Error("it does not run the whole model");
      const image = this.#fitting.pack(probe.rgba, letterbox(probe.height, probe.width, spec.height, spec.width));
      const [found, expected] = [await this.#run({ spec, model: other }, image), await this.#run({ spec, model }, image)];
      const { largest } = differences(found, expected);
      if (!(largest <= SAME)) throw new Error(`its matte is off by ${largest.toFixed(4)}`);
      return { other, why: `WebGPU's matte was compared with wasm's: off by ${largest.toExponential(1)} at most` };
    } catch (error) {
      other?.delete();
      return { why: `WebGPU is not used: ${error.message}` };
    }
  }

  release(file) {
    this.#models.get(file)?.model.delete();
    this.#models.delete(file);
  }

  /** {kind: "matte" | "transparent" | "colour" | "blur" | "image", colour, picture}. */
  setBackground({ kind, colour, picture }) {
    this.matteOnly = kind === "matte";
    this.#background =
      kind === "colour" ? new Colour(...colour) : kind === "blur" ? new Blur() : kind === "image" ? new Picture(picture) : null;
  }

  /** The reference's matte of the built-in photo, a grey bitmap of the models' size. */
  setGolden(bitmap) {
    const { rgba } = pixelsOf(bitmap);
    this.golden = Float32Array.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i] / 255);
  }

  /** Forgets the frames before: another source begins. */
  begin() {
    this.#delays.clear();
    this.#earlier = null;
  }

  /**
   * Runs the models named on a frame, which is closed. `view`: "single", "side" or "difference"; `against`: the model that
   * the first one is compared with, "golden" on the built-in photo, or none. Returns the picture, null where the delay has none yet,
   * and the times, null on a model's first run, which takes longer.
   */
  async process(bitmap, { files, view, delayed, against }) {
    const begun = performance.now();
    const frame = pixelsOf(bitmap);
    const models = files.map((file) => this.#models.get(file));
    const { height, width } = models[0].spec;
    const box = letterbox(frame.height, frame.width, height, width);
    const image = this.#fitting.pack(frame.rgba, box);
    const packed = performance.now();
    const outputs = [await this.#run(models[0], image)];
    const ran = performance.now();
    const first = !models[0].ran;
    models[0].ran = true;
    if (models[1]) outputs.push(await this.#run(models[1], image));
    const parity =
      against &&
      differences(outputs[0], against === "golden" ? this.golden : await this.#run(this.#models.get(against), image));
    const resumed = performance.now();
    this.#seen = { ...frame, image, outputs };
    const mattes = outputs.map((output) => this.#fitting.restore(output, box));
    const shown = this.#shown(frame, mattes, delayed);
    const picture = shown && this.#picture(shown.frame, shown.mattes, view);
    return {
      picture,
      times: first ? null : { before: packed - begun, network: ran - packed, after: performance.now() - resumed },
      parity,
      between: outputs[1] && differences(outputs[0], outputs[1]),
      transfer: picture && [picture.rgba.buffer],
    };
  }

  /** The frame that the delay still holds, when a source has ended. */
  finish(view) {
    const frame = this.#earlier;
    const mattes = [...this.#delays.values()].map((delay) => delay.finish());
    this.begin();
    const picture = frame && mattes[0] ? this.#picture(frame, mattes, view) : null;
    return { picture, transfer: picture && [picture.rgba.buffer] };
  }

  /** The last frame's pixels, the model's input and its outputs as they were: for tests, and for whoever doubts a number. */
  lastFrame() {
    return this.#seen;
  }

  /** Bytes of wasm's memory. */
  memory() {
    return this.litert.getGlobalLiteRt().liteRtWasm.HEAPU8.buffer.byteLength;
  }

  async #run({ spec, model }, image) {
    const input = new this.litert.Tensor(encoded(image, spec.image_dtype), [1, spec.height, spec.width, 3]);
    let outputs = [];
    try {
      outputs = await model.run(input);
      const output = await outputs[0].moveTo("wasm");
      outputs = [output];
      return decoded(output.toTypedArray());
    } finally {
      input.delete();
      for (const output of outputs) if (!output.deleted) output.delete();
    }
  }

  #shown(frame, mattes, delayed) {
    if (!delayed) {
      this.begin();
      return { frame, mattes };
    }
    const before = this.#earlier;
    this.#earlier = frame;
    const found = mattes.map((matte, i) => {
      if (!this.#delays.has(i)) this.#delays.set(i, new OneFrameDelay());
      return this.#delays.get(i).push(matte);
    });
    return before && found.every(Boolean) ? { frame: before, mattes: found } : null;
  }

  #picture(frame, mattes, view) {
    const { height, width } = frame;
    const count = view === "side" ? mattes.length : 1;
    const rgba = new Uint8Array(4 * height * width * count);
    const stride = 4 * width * count;
    if (view === "difference" && mattes[1]) {
      grey(mattes[0].map((value, i) => Math.min(AMPLIFIED * Math.abs(value - mattes[1][i]), 1)), width, rgba);
    } else {
      for (let i = 0; i < count; i++) {
        if (this.matteOnly) grey(mattes[i], width, rgba, 4 * width * i, stride);
        else this.#compositor.composite(frame, mattes[i], this.#background, rgba, 4 * width * i, stride);
      }
    }
    return { height, width: width * count, rgba };
  }
}
