package io.modnet.demo

/** Which of the camera's frames are computed: the hotter the device, the fewer. */
class FrameGate {
    /** `PowerManager`'s thermal status: 0 is none, 1 light, 2 moderate, 3 severe, from 4 on critical and worse. */
    @Volatile
    var thermal = 0

    private var last = Long.MIN_VALUE

    /** Whether the frame at [nanoTime] is computed. */
    fun admits(nanoTime: Long): Boolean {
        val status = thermal
        if (stops(status)) return false
        if (last != Long.MIN_VALUE && nanoTime - last < pauseNs(status)) return false
        last = nanoTime
        return true
    }

    companion object {
        private const val SECOND_NS = 1_000_000_000L
        private const val CRITICAL = 4

        /** Whether no frame is computed at all. */
        fun stops(thermal: Int) = thermal >= CRITICAL

        /** The least time between two frames: 15 frames a second when the device is warm, 5 when it is hot. */
        private fun pauseNs(thermal: Int) =
            when (thermal) {
                0, 1 -> 0L
                2 -> SECOND_NS / 15
                else -> SECOND_NS / 5
            }
    }
}
