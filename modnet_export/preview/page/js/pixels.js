let canvas = null;

/**
 * A bitmap's pixels as {height, width, rgba}; the bitmap is closed. Where it is transparent, they are on white, as the toolkit
 * reads images.
 */
export function pixelsOf(bitmap) {
  const { height, width } = bitmap;
  if (canvas?.height !== height || canvas.width !== width) canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { height, width, rgba: context.getImageData(0, 0, width, height).data };
}
