package io.modnet.matting

/**
 * How one axis is resized from [size] to [resized] pixels: by area averages if it shrinks, bilinearly if it grows
 * (OpenCV's INTER_AREA and INTER_LINEAR, pixel centres at halves).
 *
 * Pixel i is [headWeight]`[i]` of pixel [head]`[i]`, [wholeWeight] of each from [from]`[i]` to before [until]`[i]`, and
 * [tailWeight]`[i]` of pixel [tail]`[i]`.
 */
internal class Axis(val size: Int, val resized: Int) {
    val head = IntArray(resized)
    val from = IntArray(resized)
    val until = IntArray(resized)
    val tail = IntArray(resized)
    val headWeight = FloatArray(resized)
    val tailWeight = FloatArray(resized)
    val wholeWeight: Float

    init {
        val scale = size.toDouble() / resized
        wholeWeight = (1 / scale).toFloat()
        for (i in 0 until resized) {
            if (scale > 1) average(i, scale) else interpolate(i, scale)
            head[i] = maxOf(from[i] - 1, 0)
            tail[i] = minOf(until[i], size - 1)
        }
    }

    private fun average(i: Int, scale: Double) {
        val start = i * scale
        val end = minOf(start + scale, size.toDouble())
        // What rounding leaves of a pixel is none.
        from[i] = Math.ceil(start - NOTHING).toInt()
        until[i] = Math.floor(end + NOTHING).toInt()
        headWeight[i] = (maxOf(from[i] - start, 0.0) / scale).toFloat()
        tailWeight[i] = (maxOf(end - until[i], 0.0) / scale).toFloat()
    }

    private fun interpolate(i: Int, scale: Double) {
        val at = ((i + 0.5) * scale - 0.5).coerceIn(0.0, size - 1.0)
        from[i] = at.toInt() + 1
        until[i] = from[i]
        tailWeight[i] = (at - at.toInt()).toFloat()
        headWeight[i] = 1 - tailWeight[i]
    }

    private companion object {
        const val NOTHING = 1e-6
    }
}

/**
 * Resizes an image of [channels], row after row from the top. Each row that is read is resized in its width once; two of
 * them are kept, for the rows of the result that share them.
 */
internal abstract class Resampling(
    val height: Int,
    val width: Int,
    val resizedHeight: Int,
    val resizedWidth: Int,
    private val channels: Int,
) {
    private val rows = Axis(height, resizedHeight)
    protected val columns = Axis(width, resizedWidth)
    private val length = resizedWidth * channels
    private var older = FloatArray(length)
    private var newer = FloatArray(length)
    private var olderRow = -1
    private var newerRow = -1

    /** The row that [resizeRow] has made: [resizedWidth] x [channels]. */
    val row = FloatArray(length)

    /** Whether this resizes one size to another. */
    fun fits(height: Int, width: Int, resizedHeight: Int, resizedWidth: Int): Boolean =
        this.height == height && this.width == width &&
            this.resizedHeight == resizedHeight && this.resizedWidth == resizedWidth

    /** Row [y] of the image, resized in its width. */
    protected abstract fun readRow(y: Int, into: FloatArray)

    /** Forgets the image that was resized: its rows are other ones now. */
    fun begin() {
        olderRow = -1
        newerRow = -1
    }

    /** Writes row [y] of the result to [row]. */
    fun resizeRow(y: Int) {
        row.fill(0f)
        if (rows.headWeight[y] > 0) add(read(rows.head[y]), rows.headWeight[y])
        for (whole in rows.from[y] until rows.until[y]) add(read(whole), rows.wholeWeight)
        if (rows.tailWeight[y] > 0) add(read(rows.tail[y]), rows.tailWeight[y])
    }

    private fun read(y: Int): FloatArray {
        if (y == newerRow) return newer
        if (y == olderRow) return older
        val into = older
        older = newer
        olderRow = newerRow
        readRow(y, into)
        newer = into
        newerRow = y
        return into
    }

    private fun add(values: FloatArray, weight: Float) {
        val row = row
        for (i in row.indices) row[i] += values[i] * weight
    }
}

/**
 * Resizes a frame's red, green and blue, in levels from 0 to 255: the height first, so that most of its pixels are only
 * added up, side by side, in loops that a compiler makes vectors of.
 */
internal class FrameResampling(
    private val height: Int,
    private val width: Int,
    private val resizedHeight: Int,
    private val resizedWidth: Int,
) {
    private val rows = Axis(height, resizedHeight)
    private val columns = Axis(width, resizedWidth)
    private val redAndBlue = IntArray(width)
    private val green = IntArray(width)
    private val reds = FloatArray(width)
    private val greens = FloatArray(width)
    private val blues = FloatArray(width)

    /** The row that [resizeRow] has made: [resizedWidth] x 3. */
    val row = FloatArray(3 * resizedWidth)

    /** Whether this resizes one size to another. */
    fun fits(frame: RgbaFrame, resizedHeight: Int, resizedWidth: Int): Boolean =
        height == frame.height && width == frame.width &&
            this.resizedHeight == resizedHeight && this.resizedWidth == resizedWidth

    /** Writes row [y] of the resized [frame] to [row]. */
    fun resizeRow(frame: RgbaFrame, y: Int) {
        val pixels = frame.pixels
        reds.fill(0f)
        greens.fill(0f)
        blues.fill(0f)
        if (rows.headWeight[y] > 0) weigh(pixels, rows.head[y] * width, rows.headWeight[y])
        if (rows.tailWeight[y] > 0) weigh(pixels, rows.tail[y] * width, rows.tailWeight[y])
        var from = rows.from[y]
        while (from < rows.until[y]) {
            // Red and blue are added up in 16 bits each.
            val until = minOf(rows.until[y], from + MOST_IN_16_BITS)
            redAndBlue.fill(0)
            green.fill(0)
            for (whole in from until until) add(pixels, whole * width)
            addSums(rows.wholeWeight)
            from = until
        }
        readAlong()
    }

    private fun weigh(pixels: IntArray, start: Int, weight: Float) {
        for (x in reds.indices) reds[x] += (pixels[start + x] and 0xFF) * weight
        for (x in greens.indices) greens[x] += (pixels[start + x] shr 8 and 0xFF) * weight
        for (x in blues.indices) blues[x] += (pixels[start + x] shr 16 and 0xFF) * weight
    }

    private fun add(pixels: IntArray, start: Int) {
        for (x in redAndBlue.indices) redAndBlue[x] += pixels[start + x] and 0xFF00FF
        for (x in green.indices) green[x] += pixels[start + x] shr 8 and 0xFF
    }

    private fun addSums(weight: Float) {
        for (x in reds.indices) reds[x] += (redAndBlue[x] and 0xFFFF) * weight
        for (x in greens.indices) greens[x] += green[x] * weight
        for (x in blues.indices) blues[x] += (redAndBlue[x] ushr 16) * weight
    }

    private fun readAlong() {
        val row = row
        val axis = columns
        val wholeWeight = axis.wholeWeight
        for (x in 0 until resizedWidth) {
            var red = 0f
            var green = 0f
            var blue = 0f
            for (whole in axis.from[x] until axis.until[x]) {
                red += reds[whole]
                green += greens[whole]
                blue += blues[whole]
            }
            val head = axis.head[x]
            val tail = axis.tail[x]
            val headWeight = axis.headWeight[x]
            val tailWeight = axis.tailWeight[x]
            row[3 * x] = reds[head] * headWeight + red * wholeWeight + reds[tail] * tailWeight
            row[3 * x + 1] = greens[head] * headWeight + green * wholeWeight + greens[tail] * tailWeight
            row[3 * x + 2] = blues[head] * headWeight + blue * wholeWeight + blues[tail] * tailWeight
        }
    }

    private companion object {
        const val MOST_IN_16_BITS = 257
    }
}

/** Resizes values in memory: [channels] for each pixel, [stride] values from row to row. */
internal class ValuesResampling(
    height: Int,
    width: Int,
    resizedHeight: Int,
    resizedWidth: Int,
    private val channels: Int = 1,
) : Resampling(height, width, resizedHeight, resizedWidth, channels) {
    private var values = FloatArray(0)
    private var offset = 0
    private var stride = 0

    /** Begins with the next values, of the same size, from [offset] on. */
    fun begin(values: FloatArray, offset: Int = 0, stride: Int = width * channels) {
        this.values = values
        this.offset = offset
        this.stride = stride
        begin()
    }

    override fun readRow(y: Int, into: FloatArray) {
        val start = offset + y * stride
        if (resizedWidth == width) {
            System.arraycopy(values, start, into, 0, width * channels)
        } else if (channels == 1) {
            readValues(start, into)
        } else {
            for (channel in 0 until channels) readChannel(start + channel, channel, into)
        }
    }

    private fun readValues(start: Int, into: FloatArray) {
        val axis = columns
        val values = values
        for (x in 0 until resizedWidth) {
            var sum = 0f
            for (whole in axis.from[x] until axis.until[x]) sum += values[start + whole]
            into[x] = values[start + axis.head[x]] * axis.headWeight[x] + sum * axis.wholeWeight +
                values[start + axis.tail[x]] * axis.tailWeight[x]
        }
    }

    private fun readChannel(start: Int, channel: Int, into: FloatArray) {
        val axis = columns
        val values = values
        for (x in 0 until resizedWidth) {
            var sum = 0f
            for (whole in axis.from[x] until axis.until[x]) sum += values[start + whole * channels]
            into[x * channels + channel] = values[start + axis.head[x] * channels] * axis.headWeight[x] +
                sum * axis.wholeWeight + values[start + axis.tail[x] * channels] * axis.tailWeight[x]
        }
    }
}
