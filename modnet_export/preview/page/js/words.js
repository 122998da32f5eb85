/** Numbers as they are shown and spoken. */

const SHOWN_EVERY = 400; // milliseconds
const SPOKEN_EVERY = 15000;
const WEIGHT = 0.2; // of the newest frame in the means

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

export const difference = ({ largest, mean }) => `${small(largest)} at most, ${small(mean)} in the mean`;

function small(value) {
  return value >= 1e-4 || value === 0 ? String(Number(value.toFixed(4))) : value.toExponential(1);
}

const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Times and frames per second: means over the last frames, shown now and then, and spoken rarely. */
export class Numbers {
  #means = null;
  #last = 0;
  #shown = 0;
  #spoken = 0;

  constructor(part) {
    this.part = part;
  }

  forget() {
    this.#means = null;
    this.#last = this.#shown = this.#spoken = 0;
  }

  take(times, moving) {
    const now = performance.now();
    const found = { ...times, interval: moving && this.#last ? now - this.#last : 0 };
    this.#last = now;
    const means = (this.#means ??= found);
    for (const name of Object.keys(found)) {
      means[name] = moving && means[name] ? means[name] + WEIGHT * (found[name] - means[name]) : found[name];
    }
    if (moving && now - this.#shown < SHOWN_EVERY) return;
    this.#shown = now;
    for (const name of ["before", "network", "after"]) this.part(name).textContent = milliseconds(means[name]);
    const rate = means.interval ? (1000 / means.interval).toFixed(1) : "–";
    this.part("rate").textContent = rate;
    if (now - this.#spoken < SPOKEN_EVERY && this.#spoken) return;
    this.#spoken = now;
    const frames = means.interval ? `, ${rate} frames per second` : "";
    this.part("spoken").textContent = `The network takes ${milliseconds(means.network)} in this browser${frames}.`;
  }
}
