package io.modnet.matting

/**
 * Packs frames into the input of a model of [height] x [width]: RGB, NHWC, letterboxed.
 *
 * The arrays that it fills are its caller's, one for all frames: it allocates when a frame has another size, and nothing
 * for each frame. Not for several threads at once.
 */
class FramePacker(val height: Int, val width: Int) {
    private var resampling: FrameResampling? = null

    /** Where the last frame lies in the input. */
    var letterbox = Letterbox(height, width, height, width)
        private set

    /** As a port of float32 takes it, in [0, 1]: [image] has [height] x [width] x 3 values. */
    fun pack(frame: RgbaFrame, image: FloatArray) {
        require(image.size == 3 * height * width) { "the input has ${3 * height * width} values, not ${image.size}" }
        val resampling = begin(frame)
        val box = letterbox
        if (box.innerHeight < height || box.innerWidth < width) image.fill(0.5f)
        for (y in 0 until box.innerHeight) {
            resampling.resizeRow(frame, y)
            val row = resampling.row
            val start = 3 * ((box.top + y) * width + box.left)
            for (i in row.indices) image[start + i] = row[i] * LEVEL
        }
    }

    /** As a port of bytes takes it, from 0 to 255: [image] has [height] x [width] x 3 of them. */
    fun pack(frame: RgbaFrame, image: ByteArray) {
        require(image.size == 3 * height * width) { "the input has ${3 * height * width} bytes, not ${image.size}" }
        val resampling = begin(frame)
        val box = letterbox
        if (box.innerHeight < height || box.innerWidth < width) image.fill(GREY)
        for (y in 0 until box.innerHeight) {
            resampling.resizeRow(frame, y)
            val row = resampling.row
            val start = 3 * ((box.top + y) * width + box.left)
            for (i in row.indices) image[start + i] = (row[i] + 0.5f).toInt().toByte()
        }
    }

    private fun begin(frame: RgbaFrame): FrameResampling {
        if (letterbox.height != frame.height || letterbox.width != frame.width) {
            letterbox = Letterbox(frame.height, frame.width, height, width)
        }
        var found = resampling
        if (found == null || !found.fits(frame, letterbox.innerHeight, letterbox.innerWidth)) {
            found = FrameResampling(frame.height, frame.width, letterbox.innerHeight, letterbox.innerWidth)
            resampling = found
        }
        return found
    }

    private companion object {
        const val LEVEL = 1 / 255f
        const val GREY = 128.toByte()
    }
}
