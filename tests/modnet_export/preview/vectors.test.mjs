// The page's modules make of the shared vectors (tests/vectors/README.md) what our Python makes of them.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const { PAGE, VECTORS } = process.env;
const load = (name) => import(`${PAGE}/${name}.js`);
const { Fitting, encoded, decoded, letterbox } = await load("resize");
const { ForegroundColours } = await load("colours");
const { Blur, Colour, Compositor, Picture } = await load("composite");
const { OneFrameDelay } = await load("delay");

function vectors(name) {
  const { tolerance, cases } = JSON.parse(readFileSync(`${VECTORS}/${name}.json`));
  assert.ok(cases.length > 0);
  return cases.map((item) => ({ tolerance, ...item }));
}

function near(found, expected, tolerance, ties = []) {
  assert.equal(found.length, expected.length);
  const tied = new Set(ties);
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(found[i] - expected[i]);
    assert.ok(off <= (tied.has(i) ? 1 : tolerance), `${found[i]} at ${i} should be ${expected[i]}`);
  }
}

/** A camera's rows as an upright frame: what a browser does before the page sees it. */
function upright({ height, width, rows, row_stride, rotation, mirrored }) {
  let frame = Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => rows.slice(y * row_stride + 4 * x, y * row_stride + 4 * x + 4)),
  );
  for (let turn = 0; turn < rotation; turn += 90) {
    frame = frame[0].map((_, x) => frame.map((line) => line[x]).reverse());
  }
  if (mirrored) frame = frame.map((line) => line.reverse());
  return { height: frame.length, width: frame[0].length, rgba: Uint8ClampedArray.from(frame.flat(2)) };
}

const rgba = (rgb) => Uint8ClampedArray.from({ length: (rgb.length / 3) * 4 }, (_, i) => (i % 4 === 3 ? 255 : rgb[Math.floor(i / 4) * 3 + (i % 4)]));

const boxOf = ({ top, left, inner_height, inner_width }) => [top, left, inner_height, inner_width];

test("letterbox", () => {
  for (const item of vectors("letterbox")) {
    const { top, left, innerHeight, innerWidth } = letterbox(...item.image, ...item.model);
    assert.deepEqual([top, left, innerHeight, innerWidth], boxOf(item));
  }
});

test("packing", () => {
  const fitting = new Fitting(); // one for frames of several sizes
  for (const item of vectors("packing")) {
    const frame = upright(item);
    const box = letterbox(frame.height, frame.width, ...item.model);
    near(encoded(fitting.pack(frame.rgba, box), item.dtype), item.packed, item.dtype === "uint8" ? 0 : item.tolerance, item.ties);
  }
});

test("restoring", () => {
  const fitting = new Fitting();
  for (const item of vectors("restoring")) {
    const given = item.dtype === "uint8" ? Uint8Array.from(item.matte) : Float32Array.from(item.matte);
    const box = letterbox(item.height, item.width, ...item.model);
    near(fitting.restore(decoded(given), box), item.restored, item.tolerance);
  }
});

test("foreground colours", () => {
  for (const { height, width, coarse, image, matte, foreground, tolerance } of vectors("foreground")) {
    const colours = new ForegroundColours(height, width, ...coarse);
    colours.estimate(rgba(image), Float32Array.from(matte));
    const found = [];
    for (let y = 0; y < height; y++) {
      colours.enter(y);
      for (let x = 0; x < width; x++) {
        const i = y * width + x;
        for (let c = 0; c < 3; c++) found.push(colours.at(x, c, image[3 * i + c], matte[i]));
      }
    }
    near(found, foreground, tolerance);
  }
});

test("compositing", () => {
  for (const item of vectors("compositing")) {
    const { height, width, coarse } = item;
    const background = {
      transparent: () => null,
      colour: () => new Colour(...item.colour),
      blur: () => new Blur(item.sigma),
      image: () => new Picture({ height: item.picture_height, width: item.picture_width, rgba: rgba(item.picture) }),
    }[item.background]();
    const into = new Uint8Array(4 * height * width);
    const frame = { height, width, rgba: rgba(item.image) };
    new Compositor(coarse).composite(frame, Float32Array.from(item.matte), background, into);
    const found = background ? into.filter((_, i) => i % 4 !== 3) : into;
    near(found, item.composite, item.tolerance, item.ties);
  }
});

test("one-frame delay", () => {
  for (const { mattes, shown, threshold, tolerance } of vectors("delay")) {
    const delay = new OneFrameDelay(threshold);
    const found = [...mattes.map((matte) => delay.push(Float32Array.from(matte))), delay.finish()];
    found.forEach((matte, i) => (shown[i] === null ? assert.equal(matte, null) : near(matte, shown[i], tolerance)));
  }
});
