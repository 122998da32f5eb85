/**
 * The foreground's own colours where a matte is soft and the image mixes them with the background's: blur fusion, twice
 * (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021), as `fused_colours` of
 * modnet_export/images/compositing.py, which says why weights have the 8th and the 4th power.
 */

import { Resizer } from "./resize.js";

export class ForegroundColours {
  constructor(height, width, coarseHeight, coarseWidth) {
    Object.assign(this, { height, width, coarseHeight, coarseWidth });
    this.frames = new Resizer(height, width, coarseHeight, coarseWidth, 3, 4);
    this.mattes = new Resizer(height, width, coarseHeight, coarseWidth, 1);
    this.enlarging = new Resizer(coarseHeight, coarseWidth, height, width, 6);
    this.line = new Float32Array(6 * width);
  }

  /** From a frame (RGBA bytes) and its matte, before its rows are entered. */
  estimate(rgba, matte) {
    const { coarseHeight: height, coarseWidth: width } = this;
    const longer = Math.max(height, width);
    const wide = Math.floor(longer / 6);
    const narrow = Math.max(Math.floor(longer / 80), 1);
    const image = this.frames.all(rgba, { scale: 1 / 255 });
    const alpha = this.mattes.all(matte);
    const rest = alpha.map((value) => 1 - value);
    const foreground = means(image, alpha, 3, wide, height, width);
    const background = means(image, rest, 3, wide, height, width);
    for (let i = 0; i < foreground.length; i++) {
      foreground[i] = fused(image[i], alpha[(i / 3) | 0], foreground[i], background[i]);
    }
    const narrowForeground = means(foreground, alpha, 2, narrow, height, width);
    const narrowBackground = means(background, rest, 2, narrow, height, width);
    this.both = new Float32Array(2 * image.length);
    for (let i = 0, at = 0; i < alpha.length; i++) {
      for (let c = 0; c < 3; c++) this.both[at++] = narrowForeground[3 * i + c];
      for (let c = 0; c < 3; c++) this.both[at++] = narrowBackground[3 * i + c];
    }
  }

  enter(y) {
    this.enlarging.row(this.both, y, this.line);
  }

  /** In [0, 1], at column `x` of the row entered, where the image has `level` (0 to 255) and the matte `alpha`. */
  at(x, channel, level, alpha) {
    const i = 6 * x + channel;
    return alpha >= 1 ? level / 255 : fused(level / 255, alpha, this.line[i], this.line[i + 3]);
  }
}

function fused(image, alpha, foreground, background) {
  const found = foreground + alpha * (image - alpha * foreground - (1 - alpha) * background);
  return found > 0 ? Math.min(found, 1) : 0;
}

/**
 * Means of RGB over boxes of 2 `radius` + 1, cut off at the borders, weighted by `weight` squared `squarings` times;
 * towards 0 where almost nothing has a weight.
 */
function means(colours, weight, squarings, radius, height, width) {
  const weighted = new Float64Array(4 * weight.length);
  for (let i = 0; i < weight.length; i++) {
    let value = weight[i];
    for (let time = 0; time < squarings; time++) value *= value;
    for (let c = 0; c < 3; c++) weighted[4 * i + c] = colours[3 * i + c] * value;
    weighted[4 * i + 3] = value;
  }
  const found = new Float32Array(colours.length);
  const columns = new Float64Array(4 * width);
  const sums = new Float64Array(4);
  const add = (y, sign) => {
    for (let i = 0, at = 4 * width * y; i < columns.length; i++) columns[i] += sign * weighted[at + i];
  };
  for (let y = 0; y < Math.min(radius, height); y++) add(y, 1);
  for (let y = 0; y < height; y++) {
    if (y + radius < height) add(y + radius, 1);
    if (y > radius) add(y - radius - 1, -1);
    sums.fill(0);
    for (let x = -radius; x < width; x++) {
      if (x + radius < width) for (let c = 0; c < 4; c++) sums[c] += columns[4 * (x + radius) + c];
      if (x > radius) for (let c = 0; c < 4; c++) sums[c] -= columns[4 * (x - radius - 1) + c];
      if (x < 0) continue;
      const scale = 1 / Math.max(sums[3], 1e-3);
      for (let c = 0; c < 3; c++) found[3 * (y * width + x) + c] = sums[c] * scale;
    }
  }
  return found;
}
