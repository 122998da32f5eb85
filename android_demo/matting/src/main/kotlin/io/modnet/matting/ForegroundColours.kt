package io.modnet.matting

/**
 * The foreground's own colours where a matte is soft and the image mixes them with the background's.
 *
 * Blur fusion, twice (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): means of the image over a box,
 * weighted by the matte and by what it leaves, taken at [coarseHeight] x [coarseWidth] over boxes of a third and then a
 * fortieth of its longer side; then what they leave unexplained is given to the foreground. `fused_colours` of
 * modnet_export/images/compositing.py is the same in Python, and says why weights have the 8th and the 4th power.
 */
internal class ForegroundColours(
    val height: Int,
    val width: Int,
    private val coarseHeight: Int,
    private val coarseWidth: Int,
) {
    private val size = coarseHeight * coarseWidth
    private val image = FloatArray(3 * size)
    private val alpha = FloatArray(size)
    private val foreground = FloatArray(3 * size)
    private val background = FloatArray(3 * size)
    private val longer = maxOf(coarseHeight, coarseWidth)
    private val wide = BoxMeans(coarseHeight, coarseWidth, longer / 6)
    private val narrow = BoxMeans(coarseHeight, coarseWidth, maxOf(longer / 80, 1))
    private val frames = FrameResampling(height, width, coarseHeight, coarseWidth)
    private val mattes = ValuesResampling(height, width, coarseHeight, coarseWidth)

    /** Foreground and background, side by side: red, green, blue, red, green, blue in [0, 1] for each coarse pixel. */
    private val both = FloatArray(6 * size)
    private val rows = Axis(coarseHeight, height)
    private val columns = Axis(coarseWidth, width)
    private val row = FloatArray(6 * coarseWidth)
    private var rowIsOf = -1

    fun estimate(frame: RgbaFrame, matte: FloatArray) {
        mattes.begin(matte)
        for (y in 0 until coarseHeight) {
            frames.resizeRow(frame, y)
            for (i in frames.row.indices) image[3 * y * coarseWidth + i] = frames.row[i] * LEVEL
            mattes.resizeRow(y)
            mattes.row.copyInto(alpha, y * coarseWidth)
        }
        wide.weighted(image, alpha, EIGHTH, false, foreground)
        wide.weighted(image, alpha, EIGHTH, true, background)
        for (i in 0 until size) {
            for (c in 3 * i..3 * i + 2) foreground[c] = fused(image[c], alpha[i], foreground[c], background[c])
        }
        narrow.weighted(foreground, alpha, FOURTH, false, foreground)
        narrow.weighted(background, alpha, FOURTH, true, background)
        for (i in 0 until size) {
            for (c in 0..2) {
                both[6 * i + c] = foreground[3 * i + c]
                both[6 * i + 3 + c] = background[3 * i + c]
            }
        }
        rowIsOf = -1
    }

    /** Enters row [y] of the image. */
    fun enter(y: Int) {
        if (rowIsOf == y) return
        rowIsOf = y
        val upper = rows.head[y] * 6 * coarseWidth
        val lower = rows.tail[y] * 6 * coarseWidth
        val upperWeight = rows.headWeight[y]
        val lowerWeight = rows.tailWeight[y]
        for (i in row.indices) row[i] = both[upper + i] * upperWeight + both[lower + i] * lowerWeight
    }

    /**
     * The composite at column [x] of the row entered, where the image has [pixel] (red in the lowest byte) and the matte
     * [alpha], on a background of [levels]: red, green and blue from index [behind] on. Its alpha is 0.
     */
    fun composite(x: Int, pixel: Int, alpha: Float, levels: FloatArray, behind: Int): Int {
        val left = 6 * columns.head[x]
        val right = 6 * columns.tail[x]
        val part = columns.tailWeight[x]
        val seen = 255 * alpha
        val rest = 1 - alpha
        return packed(
            seen * colour(left, right, part, pixel and 0xFF, alpha) + rest * levels[behind],
            seen * colour(left + 1, right + 1, part, pixel shr 8 and 0xFF, alpha) + rest * levels[behind + 1],
            seen * colour(left + 2, right + 2, part, pixel shr 16 and 0xFF, alpha) + rest * levels[behind + 2],
        )
    }

    /** The foreground's colour at column [x] of the row entered, times [scale]: see [composite]. */
    fun alone(x: Int, pixel: Int, alpha: Float, scale: Float): Int {
        val left = 6 * columns.head[x]
        val right = 6 * columns.tail[x]
        val part = columns.tailWeight[x]
        return packed(
            scale * colour(left, right, part, pixel and 0xFF, alpha),
            scale * colour(left + 1, right + 1, part, pixel shr 8 and 0xFF, alpha),
            scale * colour(left + 2, right + 2, part, pixel shr 16 and 0xFF, alpha),
        )
    }

    /** The foreground's [channel] at column [x] of the row entered, in [0, 1]: see [composite]. */
    fun colour(x: Int, channel: Int, pixel: Int, alpha: Float): Float {
        val level = pixel shr 8 * channel and 0xFF
        if (alpha >= 1) return level * LEVEL
        return colour(6 * columns.head[x] + channel, 6 * columns.tail[x] + channel, columns.tailWeight[x], level, alpha)
    }

    private fun colour(left: Int, right: Int, part: Float, level: Int, alpha: Float): Float {
        val row = row
        val foreground = row[left] + (row[right] - row[left]) * part
        val background = row[left + 3] + (row[right + 3] - row[left + 3]) * part
        return fused(level * LEVEL, alpha, foreground, background)
    }

    private fun fused(image: Float, alpha: Float, foreground: Float, background: Float): Float {
        val found = (1 - alpha * alpha) * foreground + alpha * image - alpha * (1 - alpha) * background
        if (found < 0f) return 0f
        return if (found > 1f) 1f else found
    }

    private companion object {
        const val LEVEL = 1 / 255f
        const val EIGHTH = 3
        const val FOURTH = 2
    }
}

/** Means of colours over boxes of 2 [radius] + 1, cut off at the borders, towards 0 where almost nothing has a weight. */
private class BoxMeans(private val height: Int, private val width: Int, private val radius: Int) {
    private val weighted = FloatArray(4 * height * width)

    // In double precision: a running sum must come back to 0.
    private val columns = DoubleArray(4 * width)

    /** Weights are the alpha, or one less it if [inverted], squared [squarings] times. [into] may be [colours]. */
    fun weighted(colours: FloatArray, alpha: FloatArray, squarings: Int, inverted: Boolean, into: FloatArray) {
        val weighted = weighted
        for (i in alpha.indices) {
            var weight = if (inverted) 1 - alpha[i] else alpha[i]
            for (time in 0 until squarings) weight *= weight
            weighted[4 * i] = colours[3 * i] * weight
            weighted[4 * i + 1] = colours[3 * i + 1] * weight
            weighted[4 * i + 2] = colours[3 * i + 2] * weight
            weighted[4 * i + 3] = weight
        }
        columns.fill(0.0)
        for (y in 0 until minOf(radius, height)) enter(y)
        for (y in 0 until height) {
            if (y + radius < height) enter(y + radius)
            if (y - radius > 0) leave(y - radius - 1)
            sumAlong(3 * y * width, into)
        }
    }

    private fun enter(y: Int) {
        val columns = columns
        val start = 4 * y * width
        for (i in columns.indices) columns[i] += weighted[start + i].toDouble()
    }

    private fun leave(y: Int) {
        val columns = columns
        val start = 4 * y * width
        for (i in columns.indices) columns[i] -= weighted[start + i].toDouble()
    }

    private fun sumAlong(start: Int, into: FloatArray) {
        val columns = columns
        var red = 0.0
        var green = 0.0
        var blue = 0.0
        var weight = 0.0
        for (x in -radius until width) {
            val entering = 4 * (x + radius)
            if (entering < columns.size) {
                red += columns[entering]
                green += columns[entering + 1]
                blue += columns[entering + 2]
                weight += columns[entering + 3]
            }
            val leaving = 4 * (x - radius - 1)
            if (leaving >= 0) {
                red -= columns[leaving]
                green -= columns[leaving + 1]
                blue -= columns[leaving + 2]
                weight -= columns[leaving + 3]
            }
            if (x >= 0) {
                val scale = 1 / maxOf(weight, LEAST)
                into[start + 3 * x] = (red * scale).toFloat()
                into[start + 3 * x + 1] = (green * scale).toFloat()
                into[start + 3 * x + 2] = (blue * scale).toFloat()
            }
        }
    }

    private companion object {
        const val LEAST = 1e-3
    }
}
