/** The exported files: fetched, and used only where they are the ones that the manifest names. */

/** What was exported: `preview.json`, which the toolkit wrote from the manifest. */
export async function told() {
  return (await fetched("preview.json")).json();
}

/** A file of the folder as bytes; throws where its SHA-256 is another than `sha256`. */
export async function checked({ file, sha256 }) {
  const bytes = await (await fetched(`models/${encodeURIComponent(file)}`)).arrayBuffer();
  if (!globalThis.crypto?.subtle) {
    throw new Error(`${file} cannot be checked: this address is neither HTTPS nor this machine's own, so the browser has no hashes`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== sha256) {
    throw new Error(`${file} is not the file that was exported: its SHA-256 is ${found.slice(0, 12)}…, the manifest says ${sha256.slice(0, 12)}…. Export again.`);
  }
  return new Uint8Array(bytes);
}

/** A checked picture of the folder as a bitmap, its levels as they stand in the file. */
export async function checkedPicture(file) {
  const blob = new Blob([await checked(file)], { type: "image/png" });
  return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

async function fetched(path) {
  const answer = await fetch(new URL(`../${path}`, import.meta.url)).catch(() => null);
  if (!answer?.ok) throw new Error(`${path} cannot be fetched: has the preview in the terminal ended?`);
  return answer;
}
