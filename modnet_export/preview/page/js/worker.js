/**
 * The worker that runs the models. A classic one, for LiteRT.js' loader calls `importScripts`; all that it does stands in
 * modules. It answers messages {id, call, arguments} with {id, value} or {id, error}.
 */

const modules = import("./session.js").then(({ Session }) => new Session(new URL("../litert/", self.location.href).href));
// One after the other: a frame waits for a model that is being loaded.
let last = Promise.resolve();

self.onmessage = ({ data: { id, call, arguments: given } }) => {
  last = last.then(async () => {
    try {
      const session = await modules;
      const value = await session[call](...given);
      self.postMessage({ id, value }, value?.transfer ?? []);
    } catch (error) {
      self.postMessage({ id, error: String(error?.message ?? error) });
    }
  });
};
