/**
 * What moves, several frames at a time: each lane is a worker that runs the model on a frame of its own, which takes less of
 * the processor than all threads on one frame. Frames are shown in their order.
 */
export class Film {
  #idle;
  #shown = Promise.resolve();

  /** `lanes`: what `run` is called with; `failed` is told of each frame that went wrong. */
  constructor(lanes, failed) {
    this.#idle = lanes.map((lane, index) => Promise.resolve({ lane, index }));
    this.failed = failed;
  }

  /**
   * Gives a frame to the lane that is free first: `run` with that lane, then, after the frames before it, `show` with what it
   * gave. Settles when a lane has taken it. A lane is free once its frame is shown: no more frames wait than there are lanes.
   */
  async take(run, show) {
    const free = await Promise.race(this.#idle);
    const ran = run(free.lane);
    ran.catch(() => {}); // it is told in its turn
    this.#shown = this.#shown.then(() => ran).then(show).catch(this.failed);
    this.#idle[free.index] = this.#shown.then(() => free);
  }

  /** Settles when everything that was taken is shown. */
  drained() {
    return this.#shown;
  }
}
