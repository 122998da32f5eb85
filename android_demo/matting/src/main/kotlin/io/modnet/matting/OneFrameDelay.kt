package io.modnet.matting

/**
 * The mattes of a video, one frame later and without lone outliers.
 *
 * Where the mattes before and after a frame's agree and its own differs from both by more than [threshold], it is their
 * mean (Ke et al., "MODNet", arXiv 2011.11961, versions 1 and 2, "one-frame delay"). A matte of another size begins a new
 * video. Allocates for the first frame of a size, and nothing for each frame.
 */
class OneFrameDelay(private val threshold: Float = 0.1f) {
    private var previous = FloatArray(0)
    private var current = FloatArray(0)
    private var pushed = 0

    /** Takes the newest frame's [matte], and writes that of the frame before to [shown]; false: there was none. */
    fun push(matte: FloatArray, shown: FloatArray): Boolean {
        val any = pushed > 0
        if (current.size != matte.size) {
            if (any) current.copyInto(shown)
            previous = FloatArray(matte.size)
            current = matte.copyOf()
            pushed = 1
            return any
        }
        if (pushed == 1) current.copyInto(shown)
        if (pushed == 2) steady(matte, shown)
        val oldest = previous
        previous = current
        current = oldest
        matte.copyInto(current)
        pushed = minOf(pushed + 1, 2)
        return any
    }

    /** Writes the last frame's matte, which has none after it, to [shown]; false: there was no frame. */
    fun finish(shown: FloatArray): Boolean {
        val any = pushed > 0
        if (any) current.copyInto(shown)
        pushed = 0
        return any
    }

    private fun steady(following: FloatArray, shown: FloatArray) {
        val previous = previous
        val current = current
        for (i in following.indices) {
            val before = previous[i]
            val now = current[i]
            val after = following[i]
            val agree = Math.abs(before - after) <= threshold
            val alone = Math.abs(now - before) > threshold && Math.abs(now - after) > threshold
            shown[i] = if (agree && alone) (before + after) / 2 else now
        }
    }
}
