package io.modnet.matting

/**
 * Blurs a frame's background. A pixel counts by how much of it was seen, so that the person does not glow through.
 *
 * A wide blur is computed on a smaller picture, which looks the same and takes no longer than a narrow one.
 */
internal class Blurring(frame: RgbaFrame, sigma: Float) {
    val height = frame.height
    val width = frame.width

    // Mirrored at its borders, a picture is its mean at twice its longer side: a wider blur changes nothing.
    private val bounded = minOf(sigma, 2f * maxOf(height, width))
    private val scale = minOf(1f, WIDEST_SIGMA / bounded)
    private val rows = maxOf(Math.round(height * scale), 1)
    private val columns = maxOf(Math.round(width * scale), 1)
    private val kernel = kernel(bounded * scale)
    private val seen = SeenResampling(height, width, rows, columns)
    private val small = FloatArray(4 * rows * columns)
    private val scratch = FloatArray(4 * maxOf(rows, columns))
    private val blurred = FloatArray(3 * rows * columns)
    private val enlarging = ValuesResampling(rows, columns, height, width, 3)

    /** The row entered, in levels from 0 to 255. */
    val row: FloatArray get() = enlarging.row

    fun blur(frame: RgbaFrame, matte: FloatArray) {
        seen.begin(frame, matte)
        for (y in 0 until rows) {
            seen.resizeRow(y)
            seen.row.copyInto(small, 4 * y * columns)
        }
        for (y in 0 until rows) along(4 * y * columns, 4, columns)
        for (x in 0 until columns) along(4 * x, 4 * columns, rows)
        for (i in 0 until rows * columns) {
            val weight = 1 / small[4 * i + 3]
            for (c in 0..2) blurred[3 * i + c] = minOf(small[4 * i + c] * weight, 255f)
        }
        enlarging.begin(blurred)
    }

    /** Rows are entered from the top. */
    fun enter(y: Int) = enlarging.resizeRow(y)

    /** Blurs [count] pixels of four values, [step] values apart, mirrored at the borders without repeating them. */
    private fun along(start: Int, step: Int, count: Int) {
        val radius = kernel.size - 1
        for (i in 0 until count) System.arraycopy(small, start + i * step, scratch, 4 * i, 4)
        for (i in 0 until count) {
            var red = scratch[4 * i] * kernel[0]
            var green = scratch[4 * i + 1] * kernel[0]
            var blue = scratch[4 * i + 2] * kernel[0]
            var weight = scratch[4 * i + 3] * kernel[0]
            for (distance in 1..radius) {
                val before = 4 * mirrored(i - distance, count)
                val after = 4 * mirrored(i + distance, count)
                val part = kernel[distance]
                red += (scratch[before] + scratch[after]) * part
                green += (scratch[before + 1] + scratch[after + 1]) * part
                blue += (scratch[before + 2] + scratch[after + 2]) * part
                weight += (scratch[before + 3] + scratch[after + 3]) * part
            }
            val at = start + i * step
            small[at] = red
            small[at + 1] = green
            small[at + 2] = blue
            small[at + 3] = weight
        }
    }

    private companion object {
        const val WIDEST_SIGMA = 4f

        /** The middle and one side of a Gaussian, cut off at four sigmas. */
        fun kernel(sigma: Float): FloatArray {
            val radius = maxOf(Math.round(4 * sigma), 1)
            val values = DoubleArray(radius + 1) { Math.exp(-0.5 * (it / sigma.toDouble()) * (it / sigma.toDouble())) }
            val total = 2 * values.sum() - values[0]
            return FloatArray(radius + 1) { (values[it] / total).toFloat() }
        }
    }
}

/** Resizes a frame weighted by what its matte leaves, and these weights: red, green, blue in levels, and weight. */
private class SeenResampling(height: Int, width: Int, resizedHeight: Int, resizedWidth: Int) :
    Resampling(height, width, resizedHeight, resizedWidth, 4) {
    private var frame = RgbaFrame()
    private var matte = FloatArray(0)
    private val weights = FloatArray(width)
    private val weighted = FloatArray(4 * width)

    fun begin(frame: RgbaFrame, matte: FloatArray) {
        this.frame = frame
        this.matte = matte
        begin()
    }

    override fun readRow(y: Int, into: FloatArray) {
        val axis = columns
        val pixels = frame.pixels
        for (x in 0 until width) {
            val weight = maxOf(1 - matte[y * width + x], LEAST)
            val pixel = pixels[y * width + x]
            weighted[4 * x] = (pixel and 0xFF) * weight
            weighted[4 * x + 1] = (pixel shr 8 and 0xFF) * weight
            weighted[4 * x + 2] = (pixel shr 16 and 0xFF) * weight
            weighted[4 * x + 3] = weight
        }
        for (x in 0 until resizedWidth) {
            for (c in 0..3) {
                var sum = 0f
                for (whole in axis.from[x] until axis.until[x]) sum += weighted[4 * whole + c]
                into[4 * x + c] = weighted[4 * axis.head[x] + c] * axis.headWeight[x] + sum * axis.wholeWeight +
                    weighted[4 * axis.tail[x] + c] * axis.tailWeight[x]
            }
        }
    }

    private companion object {
        const val LEAST = 1e-4f
    }
}

/** Where an [index] beyond the ends of [count] values leads, mirrored without repeating the ends. */
internal fun mirrored(index: Int, count: Int): Int {
    if (index in 0 until count) return index
    if (count == 1) return 0
    val period = 2 * (count - 1)
    val folded = index.mod(period)
    return if (folded < count) folded else period - folded
}
