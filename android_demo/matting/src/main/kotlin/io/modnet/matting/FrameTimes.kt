package io.modnet.matting

/**
 * Where the time of frames goes, in ms: before the network, in it (until its output was read: a GPU may still run when
 * `run` returns) and after it; and frames per second. Means over the last [count] frames.
 */
class FrameTimes(private val count: Int = 30) {
    private val marks = LongArray(4)
    private val splitNs = LongArray(3 * count)
    private val ends = LongArray(count)
    private var frames = 0

    /** A frame arrived, at [nanoTime]. */
    fun arrived(nanoTime: Long) {
        marks[0] = nanoTime
    }

    /** Its input was packed. */
    fun packed(nanoTime: Long) {
        marks[1] = nanoTime
    }

    /** The network's output was read. */
    fun inferred(nanoTime: Long) {
        marks[2] = nanoTime
    }

    /** The frame was composited. */
    fun finished(nanoTime: Long) {
        marks[3] = nanoTime
        val slot = frames % count
        for (part in 0..2) splitNs[3 * slot + part] = marks[part + 1] - marks[part]
        ends[slot] = nanoTime
        frames++
    }

    val beforeMs: Float get() = mean(0)
    val networkMs: Float get() = mean(1)
    val afterMs: Float get() = mean(2)

    /** 0 until there were two frames. */
    val framesPerSecond: Float
        get() {
            val known = minOf(frames, count)
            if (known < 2) return 0f
            val newest = ends[(frames - 1) % count]
            val oldest = ends[(frames - known) % count]
            return (known - 1) * 1e9f / maxOf(newest - oldest, 1)
        }

    private fun mean(part: Int): Float {
        val known = minOf(frames, count)
        if (known == 0) return 0f
        var sum = 0L
        for (slot in 0 until known) sum += splitNs[3 * slot + part]
        return sum / (1e6f * known)
    }
}
