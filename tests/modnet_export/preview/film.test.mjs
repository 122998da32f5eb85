// The order and the number of frames that are run at a time.

import assert from "node:assert/strict";
import { test } from "node:test";

const { Film } = await import(`${process.env.PAGE}/film.js`);
const soon = () => new Promise((resolve) => setTimeout(resolve));

/** Runs that end when they are told to. */
function runs() {
  const begun = [];
  return { begun, run: (lane) => new Promise((resolve, reject) => begun.push({ lane, resolve, reject })) };
}

test("frames are shown in their order, whichever is done first", async () => {
  const { begun, run } = runs();
  const shown = [];
  const film = new Film(["a", "b"], assert.fail);
  await film.take(run, (found) => shown.push(found));
  await film.take(run, (found) => shown.push(found));
  begun[1].resolve(2);
  await soon();
  assert.deepEqual(shown, []);
  begun[0].resolve(1);
  await film.drained();
  assert.deepEqual(shown, [1, 2]);
});

test("a lane has one frame at a time, until it is shown", async () => {
  const { begun, run } = runs();
  let show = null;
  const film = new Film(["a", "b"], assert.fail);
  await film.take(run, () => new Promise((resolve) => (show = resolve)));
  await film.take(run, () => {});
  let third = false;
  const taken = film.take(run, () => {}).then(() => (third = true));
  begun[0].resolve();
  begun[1].resolve();
  await soon();
  assert.deepEqual([third, begun.map(({ lane }) => lane)], [false, ["a", "b"]]);
  show();
  await taken;
  assert.equal(begun.length, 3);
});

test("a frame that went wrong is told, and the next ones go on", async () => {
  const { begun, run } = runs();
  const [shown, told] = [[], []];
  const film = new Film(["a", "b"], ({ message }) => told.push(message));
  await film.take(run, (found) => shown.push(found));
  await film.take(run, (found) => shown.push(found));
  begun[0].reject(new Error("no memory"));
  begun[1].resolve(2);
  await film.drained();
  await film.take(run, (found) => shown.push(found));
  begun[2].resolve(3);
  await film.drained();
  assert.deepEqual([shown, told], [[2, 3], ["no memory"]]);
});
