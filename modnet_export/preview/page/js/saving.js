/** What is shown, as files. */

const TYPES = ["video/webm;codecs=vp9", "video/webm", "video/mp4"];

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Records a canvas until it is stopped, then saves the clip. */
export class Recorder {
  #recorder = null;

  constructor(canvas) {
    this.canvas = canvas;
    this.type = globalThis.MediaRecorder && TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  }

  get possible() {
    return Boolean(this.type);
  }

  /** Begins or ends; whether it records now. */
  toggle() {
    if (this.#recorder) {
      this.#recorder.stop();
      this.#recorder = null;
      return false;
    }
    const chunks = [];
    const recorder = new MediaRecorder(this.canvas.captureStream(), { mimeType: this.type });
    recorder.ondataavailable = ({ data }) => chunks.push(data);
    recorder.onstop = () => {
      for (const track of recorder.stream.getTracks()) track.stop();
      download(new Blob(chunks, { type: this.type }), `clip.${this.type.includes("mp4") ? "mp4" : "webm"}`);
    };
    recorder.start();
    this.#recorder = recorder;
    return true;
  }
}
