/**
 * The toolkit's resizing and letterbox (modnet_export/images/imaging.py): area averages along an axis that shrinks,
 * bilinear along one that grows, the height first. A canvas resizes otherwise, and that changes the matte by up to 0.7.
 */

const NOTHING = 1e-6; // what rounding leaves of a pixel is none

/** Half goes to the even number, as in Python. */
export function roundEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}

/**
 * One axis from `size` to `resized` pixels. Pixel i is headWeight[i] of pixel head[i], wholeWeight of each from from[i] to
 * before until[i], and tailWeight[i] of pixel tail[i].
 */
class Axis {
  constructor(size, resized) {
    this.head = new Int32Array(resized);
    this.from = new Int32Array(resized);
    this.until = new Int32Array(resized);
    this.tail = new Int32Array(resized);
    this.headWeight = new Float64Array(resized);
    this.tailWeight = new Float64Array(resized);
    const scale = size / resized;
    this.wholeWeight = 1 / scale;
    for (let i = 0; i < resized; i++) {
      if (scale > 1) {
        const start = i * scale;
        const end = Math.min(start + scale, size);
        this.from[i] = Math.ceil(start - NOTHING);
        this.until[i] = Math.floor(end + NOTHING);
        this.headWeight[i] = Math.max(this.from[i] - start, 0) / scale;
        this.tailWeight[i] = Math.max(end - this.until[i], 0) / scale;
      } else {
        const at = Math.min(Math.max((i + 0.5) * scale - 0.5, 0), size - 1);
        this.from[i] = this.until[i] = Math.floor(at) + 1;
        this.tailWeight[i] = at - Math.floor(at);
        this.headWeight[i] = 1 - this.tailWeight[i];
      }
      this.head[i] = Math.max(this.from[i] - 1, 0);
      this.tail[i] = Math.min(this.until[i], size - 1);
    }
  }
}

/**
 * Resizes height x width to rows x columns, row after row. Pixels have `channels` values of the `step` that lie from one
 * pixel to the next: 3 of 4 in RGBA.
 */
export class Resizer {
  constructor(height, width, rows, columns, channels, step = channels) {
    Object.assign(this, { height, width, rows, columns, channels, step });
    this.down = new Axis(height, rows);
    this.along = new Axis(width, columns);
    this.sums = new Float64Array(width * channels);
  }

  fits(height, width, rows, columns) {
    return this.height === height && this.width === width && this.rows === rows && this.columns === columns;
  }

  /** Writes row `y` of the result, times `scale`, into `into` from `at` on; `values` begin at `offset`. */
  row(values, y, into, at = 0, { scale = 1, offset = 0, stride = this.width * this.step } = {}) {
    const { down, along, channels, sums } = this;
    sums.fill(0);
    if (down.headWeight[y] > 0) this.#add(values, offset + down.head[y] * stride, down.headWeight[y]);
    for (let whole = down.from[y]; whole < down.until[y]; whole++) {
      this.#add(values, offset + whole * stride, down.wholeWeight);
    }
    if (down.tailWeight[y] > 0) this.#add(values, offset + down.tail[y] * stride, down.tailWeight[y]);
    for (let x = 0; x < this.columns; x++) {
      const head = along.head[x] * channels;
      const tail = along.tail[x] * channels;
      const until = along.until[x] * channels;
      for (let c = 0; c < channels; c++) {
        let whole = 0;
        for (let i = along.from[x] * channels + c; i < until; i += channels) whole += sums[i];
        into[at + x * channels + c] =
          scale *
          (sums[head + c] * along.headWeight[x] + whole * along.wholeWeight + sums[tail + c] * along.tailWeight[x]);
      }
    }
  }

  /** All rows, as floats. */
  all(values, options) {
    const length = this.columns * this.channels;
    const found = new Float32Array(this.rows * length);
    for (let y = 0; y < this.rows; y++) this.row(values, y, found, y * length, options);
    return found;
  }

  #add(values, start, weight) {
    const { sums, channels, step, width } = this;
    if (channels === step) {
      for (let i = 0; i < sums.length; i++) sums[i] += values[start + i] * weight;
      return;
    }
    // RGB of RGBA.
    for (let i = 0, j = start; i < 3 * width; i += 3, j += step) {
      sums[i] += values[j] * weight;
      sums[i + 1] += values[j + 1] * weight;
      sums[i + 2] += values[j + 2] * weight;
    }
  }
}

/** Where an image lies in the model's input: the whole of it, at its aspect ratio, in the middle. */
export function letterbox(height, width, modelHeight, modelWidth) {
  const scale = Math.min(modelHeight / height, modelWidth / width);
  const innerHeight = Math.min(Math.max(roundEven(height * scale), 1), modelHeight);
  const innerWidth = Math.min(Math.max(roundEven(width * scale), 1), modelWidth);
  const top = Math.floor((modelHeight - innerHeight) / 2);
  const left = Math.floor((modelWidth - innerWidth) / 2);
  return { height, width, modelHeight, modelWidth, innerHeight, innerWidth, top, left };
}

/** The resizers of one kind, made anew when a frame has another size. */
class Kept {
  get(height, width, rows, columns, channels, step) {
    if (!this.resizer?.fits(height, width, rows, columns)) {
      this.resizer = new Resizer(height, width, rows, columns, channels, step);
    }
    return this.resizer;
  }
}

/** Frames into models' inputs, and their outputs back onto frames. */
export class Fitting {
  #frames = new Kept();
  #mattes = new Kept();

  /** RGBA bytes into RGB floats in [0, 1], NHWC, letterboxed with mid-grey. */
  pack(rgba, box) {
    const image = new Float32Array(box.modelHeight * box.modelWidth * 3).fill(0.5);
    const resizer = this.#frames.get(box.height, box.width, box.innerHeight, box.innerWidth, 3, 4);
    for (let y = 0; y < box.innerHeight; y++) {
      resizer.row(rgba, y, image, ((box.top + y) * box.modelWidth + box.left) * 3, { scale: 1 / 255 });
    }
    return image;
  }

  /** The network's output, of the model's size, as the frame's matte in [0, 1]. */
  restore(output, box) {
    const resizer = this.#mattes.get(box.innerHeight, box.innerWidth, box.height, box.width, 1, 1);
    const offset = box.top * box.modelWidth + box.left;
    const matte = resizer.all(output, { offset, stride: box.modelWidth });
    for (let i = 0; i < matte.length; i++) matte[i] = matte[i] > 0 ? Math.min(matte[i], 1) : 0; // NaN too is 0
    return matte;
  }
}

/** Values in [0, 1] as a port of `dtype` takes them. */
export function encoded(values, dtype) {
  if (dtype !== "uint8") return values;
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = Math.min(Math.max(values[i], 0), 1) * 255 + 0.5;
  return bytes;
}

/** What a port gave, as values in [0, 1]. */
export function decoded(values) {
  return values instanceof Uint8Array ? Float32Array.from(values, (level) => level / 255) : new Float32Array(values);
}
