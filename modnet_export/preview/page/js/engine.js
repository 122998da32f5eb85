/** The page's side of the worker: calls that are answered by promises. */
export class Engine {
  #worker = new Worker(new URL("./worker.js", import.meta.url));
  #waiting = new Map();
  #next = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { id, value, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    };
    this.#worker.onerror = ({ message }) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(message ?? "the worker could not be started"));
      this.#waiting.clear();
    };
  }

  call(name, given = [], transfer = []) {
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call: name, arguments: given }, transfer);
    });
  }
}
