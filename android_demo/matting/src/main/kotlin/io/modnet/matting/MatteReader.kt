package io.modnet.matting

/**
 * Maps a model's matte of [height] x [width] back onto the image: the part inside the letterbox, resized, in [0, 1].
 *
 * Allocates when an image has another size, and nothing for each frame. Not for several threads at once.
 */
class MatteReader(val height: Int, val width: Int) {
    private var resampling: ValuesResampling? = null
    private val values = FloatArray(height * width)

    /** From a port of float32, whose values may leave [0, 1]; [matte] has the image's height x width values. */
    fun read(output: FloatArray, letterbox: Letterbox, matte: FloatArray) {
        require(output.size == height * width) { "the output has ${height * width} values, not ${output.size}" }
        require(matte.size == letterbox.height * letterbox.width) {
            "an image of ${letterbox.height} x ${letterbox.width} has no matte of ${matte.size} values"
        }
        var found = resampling
        val box = letterbox
        if (found == null || !found.fits(box.innerHeight, box.innerWidth, box.height, box.width)) {
            found = ValuesResampling(box.innerHeight, box.innerWidth, box.height, box.width)
            resampling = found
        }
        found.begin(output, letterbox.top * width + letterbox.left, width)
        val row = found.row
        for (y in 0 until letterbox.height) {
            found.resizeRow(y)
            val start = y * letterbox.width
            for (x in row.indices) {
                val alpha = row[x]
                // Written so that what is not a number is 0.
                matte[start + x] = if (alpha > 0f) minOf(alpha, 1f) else 0f
            }
        }
    }

    /** From a port of bytes. */
    fun read(output: ByteArray, letterbox: Letterbox, matte: FloatArray) {
        require(output.size == values.size) { "the output has ${values.size} bytes, not ${output.size}" }
        for (i in output.indices) values[i] = (output[i].toInt() and 0xFF) * LEVEL
        read(values, letterbox, matte)
    }

    private companion object {
        const val LEVEL = 1 / 255f
    }
}
