package io.modnet.matting

/** What goes behind the foreground. One object serves one compositor. */
sealed class Background {
    /** Called once for each frame, before its rows. */
    internal open fun begin(frame: RgbaFrame, matte: FloatArray) = Unit

    /** Row [y] of the frame's background: red, green and blue of each pixel, in levels from 0 to 255, from [offset] on. */
    internal open fun enter(y: Int) = Unit

    internal var levels = FloatArray(0)
    internal var offset = 0

    /** The pixel that it is everywhere, or 0. */
    internal open val solid get() = 0

    /** Nothing: the result has the matte as its alpha. */
    object Transparent : Background()

    /** One colour, each part from 0 to 255. */
    class Colour(red: Int, green: Int, blue: Int) : Background() {
        private val parts = floatArrayOf(red.toFloat(), green.toFloat(), blue.toFloat())
        override val solid = packed(parts[0], parts[1], parts[2]) or (0xFF shl 24)

        init {
            require(parts.all { it in 0f..255f }) { "a colour's parts are from 0 to 255, not $red, $green, $blue" }
        }

        override fun begin(frame: RgbaFrame, matte: FloatArray) {
            if (levels.size != 3 * frame.width) levels = FloatArray(3 * frame.width) { parts[it % 3] }
        }
    }

    /** The middle of a picture, scaled to cover the frame. */
    class Picture(private val picture: RgbaFrame) : Background() {
        private var height = 0
        private var width = 0

        override fun begin(frame: RgbaFrame, matte: FloatArray) {
            if (frame.height == height && frame.width == width) return
            height = frame.height
            width = frame.width
            val scale = maxOf(height.toDouble() / picture.height, width.toDouble() / picture.width)
            val rows = maxOf(Math.rint(picture.height * scale).toInt(), height)
            val columns = maxOf(Math.rint(picture.width * scale).toInt(), width)
            val resampling = FrameResampling(picture.height, picture.width, rows, columns)
            val top = (rows - height) / 2
            val left = (columns - width) / 2
            levels = FloatArray(3 * height * width)
            for (y in 0 until height) {
                resampling.resizeRow(picture, top + y)
                resampling.row.copyInto(levels, 3 * y * width, 3 * left, 3 * (left + width))
            }
        }

        override fun enter(y: Int) {
            offset = 3 * y * width
        }
    }

    /** The frame's own background, blurred by a Gaussian of [sigma] pixels; 0: a fiftieth of its longer side. */
    class Blur(private val sigma: Float = 0f) : Background() {
        private var blurring: Blurring? = null

        init {
            require(sigma >= 0) { "a blur has a sigma of 0 or more, not $sigma" }
        }

        override fun begin(frame: RgbaFrame, matte: FloatArray) {
            var found = blurring
            if (found == null || found.height != frame.height || found.width != frame.width) {
                found = Blurring(frame, if (sigma > 0) sigma else DEFAULT_SIGMA * maxOf(frame.height, frame.width))
                blurring = found
                levels = found.row
            }
            found.blur(frame, matte)
        }

        override fun enter(y: Int) {
            blurring?.enter(y)
        }

        private companion object {
            const val DEFAULT_SIGMA = 0.02f
        }
    }
}
