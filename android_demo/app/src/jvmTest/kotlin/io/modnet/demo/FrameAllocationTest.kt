package io.modnet.demo

import com.sun.management.ThreadMXBean
import io.modnet.matting.Background
import io.modnet.matting.Matting
import io.modnet.matting.Processor
import org.junit.Assert.assertTrue
import org.junit.Test
import java.lang.management.ManagementFactory
import java.nio.ByteBuffer

class FrameAllocationTest {
    private val height = 48
    private val width = 64
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(4 * height * width)
    private val renderer = Renderer()
    private val matting = Matting(Red(FP16))

    @Test
    fun `a frame allocates nothing`() {
        val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean
        val thread = Thread.currentThread().id
        val gate = FrameGate()
        val latest = Latest(renderer, renderer, renderer)
        val bytes = Matting(Red(INT8, Processor.CPU))
        val picture = Renderer().also { it.take(buffer, height, width, 4 * width, 0, false) }.taken
        val colour = Background.Colour(1, 2, 3)
        val backdrops = listOf(Background.Transparent, colour, Background.Blur(), Background.Picture(picture))

        fun frames(count: Int): Long {
            val before = threads.getThreadAllocatedBytes(thread)
            repeat(count) {
                gate.admits(System.nanoTime())
                latest.target.take(buffer, height, width, 4 * width, 90, true)
                renderer.infer(if (it % 2 == 0) bytes else matting, System.nanoTime())
                renderer.show(backdrops[it / 2 % backdrops.size])
                latest.publish()
                latest.take()
            }
            return threads.getThreadAllocatedBytes(thread) - before
        }
        frames(200)
        // Counting takes some bytes itself, whatever is counted.
        assertTrue((1..5).minOf { frames(200) } < 200)
    }
}
