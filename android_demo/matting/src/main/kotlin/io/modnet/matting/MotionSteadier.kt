package io.modnet.matting

/**
 * The mattes of a video without flicker and without a delay: a running mean along the motion of the picture, which follows
 * it better than [OneFrameDelay], where an app knows that motion (OpenCV's DISOpticalFlow finds it).
 *
 * The matte before, moved to its place, counts up to [weight]; where the moved picture does not look like this one, less:
 * 1/e of that at a mean difference of [followed] over 7 x 7 pixels. Follows modnet_export/images/temporal.py. A matte of
 * another size begins a new video. Allocates for the first frame of a size, and nothing for each frame.
 */
class MotionSteadier(private val weight: Float = 0.75f, private val followed: Float = 0.05f) {
    private var height = 0
    private var width = 0
    private var before = FloatArray(0)
    private var greyBefore = ByteArray(0)
    private var moved = FloatArray(0)
    private var off = FloatArray(0)
    private var rows = FloatArray(0)

    /**
     * Writes the newest frame's steadied [matte] to [shown], which may be the same array; all are [height] x [width].
     *
     * [grey] is the frame, in bytes. [motion] has x and y for each pixel: what to add to its place to find it in the frame
     * before; null begins a new video.
     */
    fun steady(matte: FloatArray, grey: ByteArray, motion: FloatArray?, height: Int, width: Int, shown: FloatArray) {
        val size = height * width
        require(matte.size == size && grey.size == size) { "the matte and the frame are not $height x $width" }
        require(motion == null || motion.size == 2 * size) { "the motion has two values for each pixel" }
        val anew = motion == null || height != this.height || width != this.width
        if (before.size != size) begin(size)
        this.height = height
        this.width = width
        if (anew) {
            matte.copyInto(before)
        } else {
            mean(matte, grey, checkNotNull(motion))
        }
        grey.copyInto(greyBefore)
        before.copyInto(shown)
    }

    private fun begin(size: Int) {
        before = FloatArray(size)
        greyBefore = ByteArray(size)
        moved = FloatArray(size)
        off = FloatArray(size)
        rows = FloatArray(size)
    }

    private fun mean(matte: FloatArray, grey: ByteArray, motion: FloatArray) {
        for (i in matte.indices) {
            // From two pixels outside on, there is only the border.
            val x = (i % width + motion[2 * i]).coerceIn(-2f, width + 1f)
            val y = (i / width + motion[2 * i + 1]).coerceIn(-2f, height + 1f)
            val seenBefore = cubic(x, y) { (greyBefore[it].toInt() and 0xFF).toFloat() }
            moved[i] = cubic(x, y) { before[it] }
            off[i] = Math.abs((grey[i].toInt() and 0xFF) - seenBefore) / 255
        }
        window(off, rows, 1, width)
        window(rows, off, width, height)
        for (i in matte.indices) {
            val far = off[i] / followed
            val share = weight * Math.exp((-far * far).toDouble()).toFloat()
            before[i] = (share * moved[i] + (1 - share) * matte[i]).coerceIn(0f, 1f)
        }
    }

    /** Keys' bicubic interpolation with a = -0.75, the border repeated. */
    private inline fun cubic(x: Float, y: Float, value: (Int) -> Float): Float {
        val left = Math.floor(x.toDouble()).toInt()
        val top = Math.floor(y.toDouble()).toInt()
        var sum = 0f
        for (row in top - 1..top + 2) {
            var along = 0f
            for (column in left - 1..left + 2) {
                along += keys(x - column) * value(row.coerceIn(0, height - 1) * width + column.coerceIn(0, width - 1))
            }
            sum += keys(y - row) * along
        }
        return sum
    }

    private fun keys(distance: Float): Float {
        val d = Math.abs(distance)
        return if (d <= 1) ((SHARP + 2) * d - (SHARP + 3)) * d * d + 1 else SHARP * (((d - 5) * d + 8) * d - 4)
    }

    /** Means of [WINDOW] values in one direction, [step] apart, mirrored at the borders without repeating them. */
    private fun window(from: FloatArray, to: FloatArray, step: Int, count: Int) {
        for (i in to.indices) {
            val place = i / step % count
            var sum = 0f
            for (near in place - WINDOW / 2..place + WINDOW / 2) sum += from[i + (mirrored(near, count) - place) * step]
            to[i] = sum / WINDOW
        }
    }

    private companion object {
        const val SHARP = -0.75f
        const val WINDOW = 7
    }
}
