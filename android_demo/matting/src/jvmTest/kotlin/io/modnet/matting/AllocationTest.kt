package io.modnet.matting

import com.sun.management.ThreadMXBean
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.lang.management.ManagementFactory

/** Once a size is known, a frame costs no memory. */
class AllocationTest {
    private val scene = Scene(96, 160, 64)
    private val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean

    @Test
    fun `the counter counts`() {
        // An object's header, and 1000 floats.
        assertTrue(allocated { sink = FloatArray(1000) } >= FRAMES * 4000L)
    }

    @Test
    fun `packing allocates nothing`() {
        val bytes = ByteArray(scene.image.size)
        assertEquals(0, allocated { scene.pack() })
        assertEquals(0, allocated { scene.packer.pack(scene.frame, bytes) })
    }

    @Test
    fun `mapping a matte back allocates nothing`() {
        val bytes = ByteArray(scene.output.size)
        assertEquals(0, allocated { scene.restore() })
        assertEquals(0, allocated { scene.reader.read(bytes, scene.packer.letterbox, scene.matte) })
    }

    @Test
    fun `compositing allocates nothing`() {
        val backgrounds =
            listOf(Background.Transparent, Background.Colour(0, 200, 80), Background.Blur(), scene.picture())
        for (background in backgrounds) assertEquals(0, allocated { scene.composite(background) })
    }

    @Test
    fun `the delay and the times allocate nothing`() {
        val delay = OneFrameDelay()
        val times = FrameTimes()
        val shown = FloatArray(scene.matte.size)
        assertEquals(0, allocated { delay.push(scene.matte, shown) })
        val allocated = allocated {
            times.arrived(1)
            times.packed(2)
            times.inferred(3)
            times.finished(4)
        }
        assertEquals(0, allocated)
    }

    @Test
    fun `steadying along the motion allocates nothing`() {
        val size = scene.matte.size
        val steadier = MotionSteadier()
        val motion = FloatArray(2 * size) { 0.3f }
        val grey = ByteArray(size)
        assertEquals(0, allocated { steadier.steady(scene.matte, grey, motion, 1, size, scene.matte) })
    }

    /** Bytes that this thread allocates for many frames: the least of several rounds, as the JVM itself may need some. */
    private inline fun allocated(frame: () -> Unit): Long {
        val thread = Thread.currentThread().id
        var least = Long.MAX_VALUE
        repeat(ROUNDS) {
            val before = threads.getThreadAllocatedBytes(thread)
            repeat(FRAMES) { frame() }
            least = minOf(least, threads.getThreadAllocatedBytes(thread) - before)
        }
        return least
    }

    private companion object {
        const val ROUNDS = 5
        const val FRAMES = 20

        @JvmStatic
        var sink: FloatArray? = null
    }
}
