/**
 * MODNet's one-frame delay against flicker (modnet_export/images/temporal.py): where the mattes before and after a frame's
 * agree and its own differs from both by more than the threshold, it is their mean. A matte of another size begins a new
 * video.
 */
export class OneFrameDelay {
  #previous = null;
  #current = null;

  constructor(threshold = 0.1) {
    this.threshold = Math.fround(threshold);
  }

  /** Takes the newest frame's matte and gives the frame's before it; null for the first frame. */
  push(matte) {
    const previous = this.#previous;
    const current = this.#current;
    this.#previous = current;
    this.#current = matte;
    if (current === null) return null;
    if (current.length !== matte.length) {
      this.#previous = null;
      return current;
    }
    return previous === null ? current : this.#steadied(previous, current, matte);
  }

  /** The last frame's matte, which has none after it; null where there was no frame. */
  finish() {
    const last = this.#current;
    this.#previous = this.#current = null;
    return last;
  }

  #steadied(previous, current, following) {
    const shown = new Float32Array(current.length);
    const { threshold } = this;
    for (let i = 0; i < shown.length; i++) {
      const before = previous[i];
      const now = current[i];
      const after = following[i];
      const alone = apart(now, before, threshold) && apart(now, after, threshold);
      shown[i] = alone && !apart(before, after, threshold) ? (before + after) / 2 : now;
    }
    return shown;
  }
}

/** In float32, as everywhere: at the threshold itself, the last digit decides. */
function apart(one, other, threshold) {
  return Math.abs(Math.fround(one - other)) > threshold;
}
