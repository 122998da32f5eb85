package io.modnet.matting

/**
 * Where an upright image of [height] x [width] pixels lies in the model's input: the whole of it, at its aspect ratio,
 * in the middle, [innerHeight] x [innerWidth] from row [top] and column [left] on. The rest is mid-grey.
 */
class Letterbox(val height: Int, val width: Int, modelHeight: Int, modelWidth: Int) {
    val innerHeight: Int
    val innerWidth: Int
    val top: Int
    val left: Int

    init {
        require(height > 0 && width > 0) { "an image of $height x $width has no pixels" }
        val scale = minOf(modelHeight.toDouble() / height, modelWidth.toDouble() / width)
        // Half a pixel goes to the even number.
        innerHeight = Math.rint(height * scale).toInt().coerceIn(1, modelHeight)
        innerWidth = Math.rint(width * scale).toInt().coerceIn(1, modelWidth)
        top = (modelHeight - innerHeight) / 2
        left = (modelWidth - innerWidth) / 2
    }
}
