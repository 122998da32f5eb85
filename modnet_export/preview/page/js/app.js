/** The page: its controls, and the loop that leads frames through the worker. */

import { Engine } from "./engine.js";
import { checked, checkedPicture, told } from "./files.js";
import { pixelsOf } from "./pixels.js";
import { Recorder, download } from "./saving.js";
import { BuiltIn, Camera, Photo, ofFile } from "./sources.js";
import { Numbers, difference, megabytes } from "./words.js";

const MOST_THREADS = 4;
const part = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

export const engine = new Engine();
const canvas = part("canvas");
const numbers = new Numbers(part);
const recorder = new Recorder(canvas);
const loaded = new Map(); // what runs each file
const early = new Map(); // the bytes of the first model, which come while LiteRT.js is compiled
let preview = null;
let golden = null;
let source = null;
let picture = null; // a background image
let oneThread = []; // why there are no more
let queue = Promise.resolve();

/** One thing after the other; what goes wrong is shown. */
function doing(job) {
  queue = queue.then(job).catch((error) => {
    part("message").textContent = error.message;
  });
  return queue;
}

/** Settles when all that was begun by now is done. */
export const settled = () => queue;

let ran = 0;
/** Settles when so many more frames were run. */
export async function frames(count) {
  const until = ran + count;
  while (ran < until) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Something that the user asked for: what was wrong before is forgotten. */
function asked(job) {
  part("message").textContent = "";
  return doing(job);
}

const spec = (file) => ({
  ...preview.models.find((model) => model.file === file),
  height: preview.height,
  width: preview.width,
});
const reference = () => preview.models.find((model) => model.precision === "fp32")?.file;
const second = () => part("second").value;

/** Loads a model unless it is there. Only the first one runs on what was chosen: the others are what it is compared with. */
async function load(file, choice = part("backend").options[0].value) {
  if (loaded.get(file)?.choice === choice) return;
  const [backend, threads] = choice.split(":");
  const fetching = early.get(file) ?? checked(spec(file));
  early.delete(file); // the worker takes the bytes, and what failed is tried anew
  const bytes = await fetching;
  const probe = backend === "webgpu" ? await probeFrame() : null;
  loaded.delete(file);
  const found = await engine.call("load", [spec(file), bytes, { backend, threads: Number(threads), probe }], [bytes.buffer]);
  loaded.set(file, { choice, ...found });
}

async function probeFrame() {
  const shown = golden ? new BuiltIn(golden.bitmap) : source;
  if (!shown) throw new Error("WebGPU is checked on a picture: open one first.");
  return pixelsOf(await shown.frame());
}

async function loadChosen() {
  const file = part("model").value;
  const files = new Set([file, second()].filter(Boolean));
  for (const old of loaded.keys()) {
    if (files.has(old) || old === reference()) continue;
    loaded.delete(old);
    await engine.call("release", [old]);
  }
  part("runs").textContent = "Loading…";
  try {
    await load(file, part("backend").value);
    if (second() && second() !== file) await load(second());
  } catch (error) {
    part("runs").textContent = "Nothing runs.";
    throw error;
  }
  const { runs, notes } = loaded.get(file);
  part("runs").textContent = [`LiteRT.js ${preview.litertjs}: ${runs}`, ...notes, ...oneThread].join(". ") + ".";
  const caption = (name) => `${name}${loaded.get(name)?.expanded ? " (weights expanded)" : ""}`;
  part("caption-a").textContent = second() ? caption(file) : "";
  part("caption-b").textContent = second() && caption(second());
  await engine.call("begin");
  numbers.forget();
}

/** What the first model is compared with on the next frame. */
async function against() {
  const file = part("model").value;
  if (source.builtIn) return "golden";
  if (file === reference() || !reference() || (source.live && !source.paused && !part("live").checked)) return null;
  await load(reference());
  return reference();
}

async function step(bitmap) {
  const files = [...new Set([part("model").value, second()])].filter(Boolean);
  if (!files.every((file) => loaded.has(file))) {
    bitmap.close();
    return;
  }
  const moving = source.live && !source.paused;
  const compared = await against();
  const found = await engine.call(
    "process",
    [
      bitmap,
      { files, view: files[1] ? chosen("view") : "single", delayed: moving && part("delayed").checked, against: compared },
    ],
    [bitmap],
  );
  ran++;
  show(found.picture);
  if (found.times) numbers.take(found.times, moving);
  else if (!moving) refresh(); // it is shown without waiting for a run that can be timed
  const told = parityText(found.parity, compared, files[0]);
  if (told && (!moving || part("live").checked)) part("parity").textContent = told;
  part("between").textContent = found.between ? `The two mattes differ by ${difference(found.between)}.` : "";
}

function parityText(parity, compared, file) {
  if (compared === "golden") {
    return `Built-in photo, against the reference's matte in this folder (${preview.reference}; 8 bits, so up to 0.002 is its rounding): ${difference(parity)}.`;
  }
  if (compared) return `This frame, against the fp32 model in this page: ${difference(parity)}.`;
  if (!reference()) return "This folder has no fp32 TFLite model to compare with.";
  return file === reference() ? "This is the fp32 model itself. The built-in photo compares it with the reference." : "";
}

function show(found) {
  if (!found) return;
  if (canvas.width !== found.width || canvas.height !== found.height) {
    canvas.width = found.width;
    canvas.height = found.height;
  }
  const pixels = new Uint8ClampedArray(found.rgba.buffer);
  canvas.getContext("2d").putImageData(new ImageData(pixels, found.width, found.height), 0, 0);
  if (part("empty").hidden) return;
  part("empty").hidden = true;
  part("save").disabled = false;
  part("record").disabled = !recorder.possible;
}

/** The present picture anew, after a change; a source that moves shows it with its next frame. */
function refresh() {
  if (source && (!source.live || source.paused)) return doing(async () => step(await source.frame()));
  return queue;
}

async function open(next) {
  await next.start();
  source?.stop();
  source = next;
  await engine.call("begin");
  numbers.forget();
  part("playing").hidden = !next.live;
  part("mirror").parentElement.hidden = !next.camera;
  part("pause").textContent = "Pause";
  part("pause").setAttribute("aria-pressed", "false");
  part("parity").textContent = next.live ? "Frames are not compared: see below." : "";
  part("live-choice").hidden = !next.live || !reference();
  part("camera").setAttribute("aria-pressed", String(Boolean(next.camera)));
  part("built-in").setAttribute("aria-pressed", String(Boolean(next.builtIn)));
  mirror();
  canvas.setAttribute("aria-label", `${next.camera ? "The camera" : next.builtIn ? "The built-in photo" : "Your file"}, cut out by the model`);
  if (next.live) run(next);
  else await step(await next.frame());
}

async function run(mine) {
  try {
    for (let bitmap = await mine.next(); bitmap && source === mine; bitmap = await mine.next()) {
      if (mine.paused) bitmap.close();
      else await doing(() => (source === mine ? step(bitmap) : bitmap.close()));
    }
  } catch (error) {
    if (source === mine) part("message").textContent = error.message;
  }
}

function mirror() {
  canvas.classList.toggle("mirrored", Boolean(source?.camera) && part("mirror").checked && !second());
}

async function pause() {
  const paused = !source.paused;
  source.pause(paused);
  part("pause").textContent = paused ? "Go on" : "Pause";
  part("pause").setAttribute("aria-pressed", String(paused));
  if (paused) {
    show((await engine.call("finish", [second() ? chosen("view") : "single"])).picture);
    await step(await source.frame());
  }
}

async function background() {
  const kind = chosen("background");
  part("colour-choice").hidden = kind !== "colour";
  part("image-choice").hidden = kind !== "image";
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(part("colour").value.slice(at, at + 2), 16));
  if (kind === "image" && !picture) return; // as before, until there is one
  await engine.call("setBackground", [{ kind, colour: [red, green, blue], picture }]);
}

async function backgroundImage(file) {
  picture = pixelsOf(await new Photo(file).frame());
  await background();
}

function options(select, items) {
  select.replaceChildren(...items.map(([value, text]) => new Option(text, value)));
}

function changedModel() {
  const model = spec(part("model").value);
  part("model-note").textContent = `${preview.height} × ${preview.width}, ${megabytes(model.bytes)}, SHA-256 ${model.sha256.slice(0, 12)}…, checked here.${model.passed ? "" : " It missed its limits when it was exported."}`;
  part("views").hidden = !second();
  part("captions").hidden = !second();
  mirror();
  asked(loadChosen);
  return refresh();
}

function listen() {
  part("model").onchange = part("backend").onchange = part("second").onchange = changedModel;
  part("camera").onclick = () => asked(() => open(new Camera()));
  part("built-in").onclick = () => asked(() => open(new BuiltIn(golden.bitmap)));
  part("open").onclick = () => part("file").click();
  part("file").onchange = ({ target }) => {
    const [file] = target.files;
    if (file) asked(() => open(ofFile(file)));
    target.value = "";
  };
  part("pause").onclick = () => asked(pause);
  part("mirror").onchange = mirror;
  part("live").onchange = ({ target }) => {
    if (!target.checked) part("parity").textContent = "Frames are not compared: see below.";
  };
  for (const input of document.querySelectorAll('input[name="background"], #colour')) {
    input.oninput = () => {
      asked(background);
      refresh();
    };
  }
  part("choose-image").onclick = () => part("image").click();
  part("image").onchange = ({ target }) => {
    const [file] = target.files;
    if (file) asked(() => backgroundImage(file));
    target.value = "";
    refresh();
  };
  for (const input of document.querySelectorAll('input[name="view"]')) input.oninput = refresh;
  part("save").onclick = () => canvas.toBlob((blob) => download(blob, "matte.png"));
  part("record").onclick = () => {
    const recording = recorder.toggle();
    part("record").textContent = recording ? "Stop and save" : "Record a clip";
    part("record").setAttribute("aria-pressed", String(recording));
  };
  part("controls").onsubmit = (event) => event.preventDefault();
  window.ondragover = (event) => {
    event.preventDefault();
    part("picture").classList.add("dropping");
  };
  window.ondragleave = () => part("picture").classList.remove("dropping");
  window.ondrop = (event) => {
    event.preventDefault();
    part("picture").classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) asked(() => open(ofFile(file)));
  };
}

/** A promise that may fail before it is awaited: no error until then. */
function begun(promise) {
  promise.catch(() => {});
  return promise;
}

async function begin() {
  // Nothing waits for what it does not need: LiteRT.js is compiled while the first model and the photo are fetched and checked.
  const started = begun(engine.call("start", [Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS)]));
  preview = await told();
  const first = preview.models.find(({ precision }) => precision === "int8") ?? preview.models[0];
  early.set(first.file, begun(checked(first)));
  const { image, matte } = preview.golden ?? {};
  const pictures = preview.golden && begun(Promise.all([checkedPicture(image), checkedPicture(matte)]));
  part("source-name").textContent = preview.source;
  const names = preview.models.map(({ file, precision }) => [file, `${precision} – ${file}`]);
  options(part("model"), names);
  options(part("second"), [["", "nothing"], ...names]);
  part("model").value = first.file;
  part("built-in").hidden = !preview.golden;
  const { threads, why } = await started;
  const counts = threads > 1 ? [threads, 1] : [1];
  options(part("backend"), [
    ...counts.map((count) => [`wasm:${count}`, `wasm, ${count} thread${count > 1 ? "s" : ""}`]),
    ...(navigator.gpu ? [[`webgpu:${threads}`, "WebGPU, where its matte is the same"]] : []),
  ]);
  oneThread = why ? [`No more threads: ${why}`] : [];
  listen();
  await background();
  if (pictures) {
    const [bitmap, matteBitmap] = await pictures;
    golden = { bitmap };
    await engine.call("setGolden", [matteBitmap], [matteBitmap]);
  }
  changedModel();
  if (golden) asked(() => open(new BuiltIn(golden.bitmap)));
}

/** Settles when the page has shown its first picture, or said why there is none. */
export const ready = doing(begin).then(() => queue);
