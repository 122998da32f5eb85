/** Frames on a background, as modnet_export/images/compositing.py makes them for phones. */

import { ForegroundColours } from "./colours.js";
import { Resizer, roundEven } from "./resize.js";

const COARSE_SIDE = 128; // at which colours are estimated, as in the apps
// Nearer to 0 or 1 than this, a matte changes no byte by more than one.
const CLEAR = 0.5 / 255;
const OPAQUE = 1 - 0.25 / 255;
const DEFAULT_SIGMA = 0.02; // of the longer side
const WIDEST_SIGMA = 4; // pixels: a wider blur is computed on a smaller picture, and looks the same

/** What goes behind: `begin` once for each frame, then `row` for each of its rows, as RGB levels from 0 to 255. */
export class Colour {
  constructor(red, green, blue) {
    this.levels = [red, green, blue];
  }

  begin({ width }) {
    if (this.line?.length !== 3 * width) this.line = Float32Array.from({ length: 3 * width }, (_, i) => this.levels[i % 3]);
  }

  row() {
    return this.line;
  }
}

/** The middle of a picture, scaled to cover the frame. */
export class Picture {
  constructor({ height, width, rgba }) {
    Object.assign(this, { height, width, rgba });
  }

  begin({ height, width }) {
    if (this.rows?.length === height && this.rows[0].length === 3 * width) return;
    const scale = Math.max(height / this.height, width / this.width);
    const rows = Math.max(roundEven(this.height * scale), height);
    const columns = Math.max(roundEven(this.width * scale), width);
    const resizer = new Resizer(this.height, this.width, rows, columns, 3, 4);
    const top = Math.floor((rows - height) / 2);
    const left = Math.floor((columns - width) / 2);
    const line = new Float32Array(3 * columns);
    this.rows = Array.from({ length: height }, (_, y) => {
      resizer.row(this.rgba, top + y, line);
      return line.slice(3 * left, 3 * (left + width));
    });
  }

  row(y) {
    return this.rows[y];
  }
}

/** The frame's own background, blurred; a pixel counts by how much of it was seen, so that the person does not glow through. */
export class Blur {
  constructor(sigma = 0) {
    this.sigma = sigma;
  }

  begin({ height, width, rgba }, matte) {
    // Mirrored at its borders, a picture is its mean at twice its longer side: a wider blur changes nothing.
    const longer = Math.max(height, width);
    const sigma = Math.min(this.sigma || DEFAULT_SIGMA * longer, 2 * longer);
    const scale = Math.min(1, WIDEST_SIGMA / sigma);
    const rows = Math.max(Math.round(height * scale), 1);
    const columns = Math.max(Math.round(width * scale), 1);
    if (!this.shrinking?.fits(height, width, rows, columns)) {
      this.shrinking = new Resizer(height, width, rows, columns, 4);
      this.enlarging = new Resizer(rows, columns, height, width, 3);
      this.seen = new Float32Array(4 * height * width);
      this.line = new Float32Array(3 * width);
    }
    for (let i = 0; i < matte.length; i++) {
      const weight = Math.max(1 - matte[i], 1e-4);
      for (let c = 0; c < 3; c++) this.seen[4 * i + c] = rgba[4 * i + c] * weight;
      this.seen[4 * i + 3] = weight;
    }
    const small = this.shrinking.all(this.seen);
    const kernel = gaussian(sigma * scale);
    for (let y = 0; y < rows; y++) blurAlong(small, 4 * y * columns, 4, columns, kernel);
    for (let x = 0; x < columns; x++) blurAlong(small, 4 * x, 4 * columns, rows, kernel);
    this.blurred = new Float32Array(3 * rows * columns);
    for (let i = 0; i < rows * columns; i++) {
      for (let c = 0; c < 3; c++) this.blurred[3 * i + c] = Math.min(small[4 * i + c] / small[4 * i + 3], 255);
    }
  }

  row(y) {
    this.enlarging.row(this.blurred, y, this.line);
    return this.line;
  }
}

/** The middle and one side of a Gaussian, cut off at four sigmas. */
function gaussian(sigma) {
  const values = Float64Array.from({ length: Math.max(Math.round(4 * sigma), 1) + 1 }, (_, i) =>
    Math.exp(-0.5 * (i / sigma) ** 2),
  );
  const total = 2 * values.reduce((sum, value) => sum + value) - values[0];
  return values.map((value) => value / total);
}

function mirrored(index, count) {
  if (count === 1) return 0;
  const period = 2 * (count - 1);
  const folded = ((index % period) + period) % period;
  return folded < count ? folded : period - folded;
}

/** Blurs `count` pixels of four values, `step` values apart, mirrored at the borders without repeating them. */
function blurAlong(values, start, step, count, kernel) {
  const line = new Float64Array(4 * count);
  for (let i = 0; i < count; i++) for (let c = 0; c < 4; c++) line[4 * i + c] = values[start + i * step + c];
  for (let i = 0; i < count; i++) {
    let red = line[4 * i] * kernel[0];
    let green = line[4 * i + 1] * kernel[0];
    let blue = line[4 * i + 2] * kernel[0];
    let weight = line[4 * i + 3] * kernel[0];
    for (let distance = 1; distance < kernel.length; distance++) {
      const before = 4 * (i >= distance ? i - distance : mirrored(i - distance, count));
      const after = 4 * (i + distance < count ? i + distance : mirrored(i + distance, count));
      const part = kernel[distance];
      red += (line[before] + line[after]) * part;
      green += (line[before + 1] + line[after + 1]) * part;
      blue += (line[before + 2] + line[after + 2]) * part;
      weight += (line[before + 3] + line[after + 3]) * part;
    }
    const at = start + i * step;
    values[at] = red;
    values[at + 1] = green;
    values[at + 2] = blue;
    values[at + 3] = weight;
  }
}

/** Composites frames; makes room anew when they have another size. */
export class Compositor {
  #colours = null;

  constructor(coarse = null) {
    this.coarse = coarse;
  }

  /**
   * `frame` ({height, width, rgba}) and its matte on `background`, into `into`, a frame's pixels of `stride` bytes a row from
   * byte `offset` on. Without a background, the matte is the alpha, and colours are not multiplied by it.
   */
  composite(frame, matte, background, into, offset = 0, stride = 4 * frame.width) {
    const { height, width, rgba } = frame;
    const colours = this.#sized(height, width);
    colours.estimate(rgba, matte);
    background?.begin(frame, matte);
    for (let y = 0; y < height; y++) {
      const behind = background?.row(y);
      let entered = false;
      for (let x = 0, i = y * width, at = offset + y * stride; x < width; x++, i++, at += 4) {
        const alpha = matte[i];
        into[at + 3] = behind ? 255 : alpha * 255 + 0.5;
        if (alpha >= OPAQUE) {
          into[at] = rgba[4 * i];
          into[at + 1] = rgba[4 * i + 1];
          into[at + 2] = rgba[4 * i + 2];
          continue;
        }
        if (behind && alpha <= CLEAR) {
          into[at] = behind[3 * x] + 0.5;
          into[at + 1] = behind[3 * x + 1] + 0.5;
          into[at + 2] = behind[3 * x + 2] + 0.5;
          continue;
        }
        if (!entered) colours.enter(y);
        entered = true;
        for (let c = 0; c < 3; c++) {
          const colour = 255 * colours.at(x, c, rgba[4 * i + c], alpha);
          into[at + c] = (behind ? alpha * colour + (1 - alpha) * behind[3 * x + c] : colour) + 0.5;
        }
      }
    }
  }

  #sized(height, width) {
    if (this.#colours?.height !== height || this.#colours.width !== width) {
      const scale = Math.min(1, COARSE_SIDE / Math.max(height, width));
      const side = (length) => Math.max(roundEven(length * scale), 1);
      this.#colours = new ForegroundColours(height, width, ...(this.coarse ?? [side(height), side(width)]));
    }
    return this.#colours;
  }
}

/** A matte, or any values in [0, 1], as grey. */
export function grey(values, width, into, offset = 0, stride = 4 * width) {
  for (let i = 0, x = 0, at = offset; i < values.length; i++, at += 4) {
    into[at] = into[at + 1] = into[at + 2] = values[i] * 255 + 0.5;
    into[at + 3] = 255;
    if (++x === width) {
      x = 0;
      at += stride - 4 * width;
    }
  }
}
