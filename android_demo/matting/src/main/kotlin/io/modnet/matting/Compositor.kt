package io.modnet.matting

/**
 * Composites frames on a background: alpha * foreground + (1 - alpha) * background, with the foreground's own colours
 * where the matte is soft.
 *
 * These are estimated at a fraction of the frame's size, [coarseSide] pixels along its longer side. Allocates when a
 * frame has another size, and nothing for each frame. Not for several threads at once.
 */
class Compositor(private val coarseSide: Int = 128) {
    private var colours: ForegroundColours? = null

    init {
        require(coarseSide > 0) { "a side has one pixel or more, not $coarseSide" }
    }

    /**
     * Writes the composite of a [frame] and its [matte] (height x width values in [0, 1]) to [pixels], row by row, red in
     * the lowest byte and alpha in the highest: what `Bitmap.copyPixelsFromBuffer` takes. Where the background is
     * transparent, colours are multiplied by alpha if [premultiplied], as bitmaps want them for the screen; files do not.
     */
    fun composite(
        frame: RgbaFrame,
        matte: FloatArray,
        background: Background,
        pixels: IntArray,
        premultiplied: Boolean = false,
    ) {
        val size = frame.height * frame.width
        require(matte.size == size && pixels.size == size) {
            "a frame of $size pixels has a matte of ${matte.size} values and room for ${pixels.size} pixels"
        }
        val colours = colours(frame)
        colours.estimate(frame, matte)
        background.begin(frame, matte)
        val transparent = background === Background.Transparent
        for (y in 0 until frame.height) {
            if (transparent) {
                cutOut(frame, y, matte, colours, pixels, premultiplied)
            } else {
                background.enter(y)
                blend(frame, y, matte, colours, background, pixels)
            }
        }
    }

    private fun colours(frame: RgbaFrame): ForegroundColours {
        colours?.let { if (it.height == frame.height && it.width == frame.width) return it }
        val scale = minOf(1.0, coarseSide.toDouble() / maxOf(frame.height, frame.width))
        val coarseHeight = maxOf(Math.rint(frame.height * scale).toInt(), 1)
        val coarseWidth = maxOf(Math.rint(frame.width * scale).toInt(), 1)
        return ForegroundColours(frame.height, frame.width, coarseHeight, coarseWidth).also { colours = it }
    }

    private fun blend(
        frame: RgbaFrame,
        y: Int,
        matte: FloatArray,
        colours: ForegroundColours,
        background: Background,
        pixels: IntArray,
    ) {
        val image = frame.pixels
        val start = y * frame.width
        val levels = background.levels
        val solid = background.solid
        var behind = background.offset
        var entered = false
        for (i in start until start + frame.width) {
            val alpha = matte[i]
            if (alpha >= OPAQUE) {
                pixels[i] = image[i] or FULL
            } else if (alpha > CLEAR) {
                if (!entered) colours.enter(y)
                entered = true
                pixels[i] = colours.composite(i - start, image[i], alpha, levels, behind) or FULL
            } else if (solid != 0) {
                pixels[i] = solid
            } else {
                pixels[i] = packed(levels[behind], levels[behind + 1], levels[behind + 2]) or FULL
            }
            behind += 3
        }
    }

    private fun cutOut(
        frame: RgbaFrame,
        y: Int,
        matte: FloatArray,
        colours: ForegroundColours,
        pixels: IntArray,
        premultiplied: Boolean,
    ) {
        val image = frame.pixels
        val start = y * frame.width
        colours.enter(y)
        for (i in start until start + frame.width) {
            val alpha = matte[i]
            if (alpha >= OPAQUE) {
                pixels[i] = image[i] or FULL
            } else if (premultiplied && alpha < CLEAR) {
                pixels[i] = 0
            } else {
                val scale = if (premultiplied) 255 * alpha else 255f
                pixels[i] = colours.alone(i - start, image[i], alpha, scale) or ((alpha * 255 + 0.5f).toInt() shl 24)
            }
        }
    }

    private companion object {
        const val FULL = 0xFF shl 24

        // Nearer to 0 or 1 than this, a matte changes no byte by more than one: most pixels of a network's matte are.
        const val CLEAR = 0.5f / 255
        const val OPAQUE = 1 - 0.25f / 255
    }
}

/** Three levels from 0 to 255, rounded: red in the lowest byte. */
internal fun packed(red: Float, green: Float, blue: Float): Int =
    (red + 0.5f).toInt() or ((green + 0.5f).toInt() shl 8) or ((blue + 0.5f).toInt() shl 16)
