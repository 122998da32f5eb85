/** Where frames come from: a camera, a video file, or one photo. Each gives bitmaps at its own size. */

const CAMERA_ERRORS = {
  NotAllowedError: "The camera was denied. Allow it beside the address, then try again.",
  NotReadableError: "The camera is busy: another program or page uses it. Close that, then try again.",
  AbortError: "The camera is busy: another program or page uses it. Close that, then try again.",
  NotFoundError: "There is no camera.",
};

export class Photo {
  live = false;

  constructor(blob) {
    this.blob = blob;
  }

  async start() {
    await this.frame().then((bitmap) => bitmap.close());
  }

  async frame() {
    try {
      return await createImageBitmap(this.blob, { imageOrientation: "from-image" });
    } catch {
      throw new Error(`${this.blob.name ?? "This file"} cannot be read: it is damaged, or no picture that this browser knows.`);
    }
  }

  stop() {}
}

/** A picture of the exported folder, as bitmaps that can be taken any number of times. */
export class BuiltIn {
  live = false;
  builtIn = true;

  constructor(bitmap) {
    this.bitmap = bitmap;
  }

  async start() {}

  frame() {
    return createImageBitmap(this.bitmap, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  }

  stop() {}
}

class Moving {
  live = true;
  paused = false;
  #video = document.createElement("video");
  #ended = false;
  #fresh = null; // the promise of a frame that was not given yet, and what keeps it
  #tell = null;

  async play(set) {
    const video = this.#video;
    Object.assign(video, { muted: true, playsInline: true, loop: true });
    set(video);
    await new Promise((resolve, reject) => {
      video.onloadeddata = resolve;
      video.onerror = () => reject(new Error("no picture"));
      video.play().catch(reject);
    });
    if (!video.videoWidth) throw new Error("no picture");
    video.onerror = () => this.#tell(); // its frame then fails, and says so
    this.#await();
  }

  #await() {
    this.#fresh = new Promise((resolve) => (this.#tell = resolve));
    if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(this.#tell);
    else requestAnimationFrame(this.#tell);
  }

  /** The newest frame, once there is one that was not given yet; null when the source has stopped. */
  async next() {
    await this.#fresh;
    if (this.#ended) return null;
    this.#await();
    return this.frame();
  }

  /** What is shown at this moment. */
  frame() {
    return createImageBitmap(this.#video);
  }

  pause(paused) {
    this.paused = paused;
    if (paused) this.#video.pause();
    else this.#video.play().catch(() => {}); // it was paused again meanwhile
  }

  stop() {
    this.#ended = true;
    this.#tell?.();
    this.#video.onerror = null;
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.srcObject = null;
  }
}

export class Camera extends Moving {
  camera = true;
  #stream = null;

  async start() {
    try {
      if (!navigator.mediaDevices) throw Object.assign(new Error("no camera"), { name: "Insecure" });
      this.#stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" },
      });
      await this.play((video) => (video.srcObject = this.#stream));
    } catch (error) {
      this.stop();
      if (error.name === "Insecure") throw new Error("A camera needs HTTPS, or this machine's own address.");
      throw new Error(CAMERA_ERRORS[error.name] ?? `The camera does not work: ${error.message}`);
    }
  }

  stop() {
    super.stop();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
  }
}

export class Video extends Moving {
  #address = null;

  constructor(blob) {
    super();
    this.blob = blob;
  }

  async start() {
    this.#address = URL.createObjectURL(this.blob);
    try {
      await this.play((video) => (video.src = this.#address));
    } catch {
      this.stop();
      throw new Error(`${this.blob.name ?? "This file"} cannot be played: it is damaged, or no video that this browser knows.`);
    }
  }

  stop() {
    super.stop();
    URL.revokeObjectURL(this.#address);
  }
}

/** A dropped or chosen file by what it says of itself. */
export function ofFile(file) {
  return file.type.startsWith("video/") || /\.(mp4|webm|mov|mkv|m4v)$/i.test(file.name) ? new Video(file) : new Photo(file);
}
