package io.modnet.demo

import io.modnet.matting.Background
import io.modnet.matting.Matting
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer
import java.util.Random

class RendererTest {
    private val height = 48
    private val width = 64
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(4 * height * width)
    private val renderer = Renderer()
    private val matting = Matting(Red(FP16))

    private fun frame(seed: Long) {
        val bytes = ByteArray(buffer.capacity()).also { Random(seed).nextBytes(it) }
        buffer.clear()
        buffer.put(bytes)
        renderer.take(buffer, height, width, 4 * width, 0, false)
        renderer.infer(matting, System.nanoTime())
    }

    @Test
    fun `a frame is ready once it has its matte`() {
        assertFalse(renderer.ready)
        frame(0)
        assertTrue(renderer.ready)
        assertEquals(height * width, renderer.pixels.size)
        renderer.take(buffer, height, width, 4 * width, 0, false)
        assertFalse(renderer.ready)
    }

    @Test
    fun `a file is not mirrored and its colours are not multiplied by alpha`() {
        frame(1)
        renderer.keep(Background.Transparent)
        val kept = renderer.pixels.copyOf()
        renderer.show(Background.Transparent)
        for (i in kept.indices) {
            val alpha = kept[i] ushr 24
            assertTrue(Math.abs((renderer.pixels[i] ushr 24) - alpha) <= 1)
            val red = (kept[i] and 0xFF) * alpha / 255f
            assertEquals(red, (renderer.pixels[i] and 0xFF).toFloat(), 2f)
        }
        // The same frame from a front camera: mirrored on the screen, and in the file as the other camera has it.
        val other = Renderer()
        val turned = ByteBuffer.allocateDirect(buffer.capacity())
        for (i in 0 until height * width) {
            val from = i / width * width + width - 1 - i % width
            for (part in 0..3) turned.put(4 * i + part, buffer.get(4 * from + part))
        }
        other.take(turned, height, width, 4 * width, 0, true)
        other.infer(matting, System.nanoTime())
        other.show(Background.Transparent)
        assertArrayEquals(renderer.pixels, other.pixels)
        other.keep(Background.Transparent)
        for (i in kept.indices) assertEquals(kept[i / width * width + width - 1 - i % width], other.pixels[i])
    }
}
