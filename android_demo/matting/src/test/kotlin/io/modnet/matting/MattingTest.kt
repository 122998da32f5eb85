package io.modnet.matting

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer
import kotlin.math.abs

/** What the shared vectors do not say. */
class MattingTest {
    @Test
    fun `frames that cannot be are refused`() {
        val frame = RgbaFrame()
        val buffer = ByteBuffer.allocate(4 * 6)
        frame.set(buffer, 2, 3)
        val wrong = listOf<() -> Unit>(
            { frame.set(buffer, 3, 3) },
            { frame.set(buffer, 2, 3, rowStride = 11) },
            { frame.set(buffer, 2, 3, rowStride = 13) },
            { frame.set(buffer, 0, 3) },
            { frame.set(buffer, 2, 3, rotation = 45) },
            { frame.set(buffer, 2, 3, rotation = -90) },
        )
        for (set in wrong) assertThrows(IllegalArgumentException::class.java) { set() }
    }

    @Test
    fun `arrays of another size are refused`() {
        val frame = RgbaFrame().apply { set(ByteBuffer.allocate(4 * 6), 2, 3) }
        val wrong = listOf<() -> Unit>(
            { FramePacker(4, 4).pack(frame, FloatArray(47)) },
            { FramePacker(4, 4).pack(frame, ByteArray(49)) },
            { MatteReader(4, 4).read(FloatArray(15), Letterbox(2, 3, 4, 4), FloatArray(6)) },
            { MatteReader(4, 4).read(FloatArray(16), Letterbox(2, 3, 4, 4), FloatArray(5)) },
            { Compositor().composite(frame, FloatArray(5), Background.Transparent, IntArray(6)) },
            { Compositor().composite(frame, FloatArray(6), Background.Transparent, IntArray(7)) },
        )
        for (call in wrong) assertThrows(IllegalArgumentException::class.java) { call() }
    }

    @Test
    fun `one object serves frames of changing size`() {
        val scenes = listOf(Scene(40, 60, 32), Scene(60, 40, 32), Scene(40, 60, 32))
        val first = scenes[0]
        val background = Background.Blur(2f)
        val packed = scenes.map { scene ->
            first.packer.pack(scene.frame, first.image)
            first.compositor.composite(scene.frame, scene.matte, background, scene.pixels)
            first.image.copyOf()
        }
        assertTrue(packed[0].contentEquals(packed[2]))
        assertTrue(first.pixels.contentEquals(scenes[2].pixels))
        assertTrue(packed[1].contentEquals(scenes[1].image))
    }

    @Test
    fun `what is not a number is background`() {
        val reader = MatteReader(4, 4)
        val matte = FloatArray(16)
        reader.read(FloatArray(16) { if (it % 2 == 0) Float.NaN else 2f }, Letterbox(4, 4, 4, 4), matte)
        assertEquals(List(16) { if (it % 2 == 0) 0f else 1f }, matte.toList())
    }

    @Test
    fun `pixels that are almost sure are off by one level at most`() {
        val scene = Scene(48, 48, 48)
        val levels = FloatArray(3 * 48) { 255f }
        val colours = ForegroundColours(48, 48, 48, 48)
        for (sure in listOf(0.4f / 255, 1 - 0.2f / 255)) {
            // Half of the matte is clear, so that both colours are known.
            for (i in scene.matte.indices) scene.matte[i] = if (i % 48 < 24) sure else 1 - sure
            scene.composite(Background.Colour(255, 255, 255))
            colours.estimate(scene.frame, scene.matte)
            for (i in scene.matte.indices) {
                colours.enter(i / 48)
                val exact = colours.composite(i % 48, scene.frame.pixels[i], scene.matte[i], levels, 0)
                val off = parts(exact).zip(parts(scene.pixels[i])).take(3).maxOf { (one, other) -> abs(one - other) }
                assertTrue("pixel $i is off by $off", off <= 1)
            }
        }
    }

    @Test
    fun `cut-outs for the screen are multiplied by alpha`() {
        val scene = Scene(40, 60, 32)
        scene.composite(Background.Transparent)
        val plain = scene.pixels.copyOf()
        scene.compositor.composite(scene.frame, scene.matte, Background.Transparent, scene.pixels, premultiplied = true)
        for (i in plain.indices) {
            val (red, green, blue, alpha) = parts(plain[i])
            val found = parts(scene.pixels[i])
            assertTrue(abs(found[3] - alpha) <= 1)
            for ((value, part) in listOf(red, green, blue).zip(found)) {
                assertTrue("pixel $i", abs(value * alpha / 255f - part) < 1.6f)
            }
        }
    }

    @Test
    fun `a wide blur is the same on a smaller picture`() {
        val scene = Scene(240, 320, 64)
        scene.matte.fill(0f)
        // A step, whose Gaussian blur is known: the normal distribution.
        val buffer = ByteBuffer.allocate(4 * 240 * 320)
        for (i in 0 until 240 * 320) buffer.putInt(if (i % 320 < 160) 0 else -1)
        scene.frame.set(buffer, 240, 320)
        scene.composite(Background.Blur(16f))
        for (column in 0 until 320) {
            val expected = 255 * normal((column - 159.5) / 16)
            val found = parts(scene.pixels[120 * 320 + column])[0]
            assertTrue("column $column is $found, not $expected", abs(expected - found) < 3)
        }
    }

    @Test
    fun `times are means of the last frames`() {
        val times = FrameTimes(2)
        assertEquals(0f, times.framesPerSecond, 0f)
        for (frame in 0L..2L) {
            val start = frame * 100_000_000
            times.arrived(start)
            times.packed(start + 1_000_000 * (frame + 1))
            times.inferred(start + 20_000_000)
            times.finished(start + 25_000_000)
        }
        assertEquals(2.5f, times.beforeMs, 1e-4f)
        assertEquals(17.5f, times.networkMs, 1e-4f)
        assertEquals(5f, times.afterMs, 1e-4f)
        assertEquals(10f, times.framesPerSecond, 1e-3f)
    }

    @Test
    fun `a delay that is finished begins anew`() {
        val delay = OneFrameDelay()
        val shown = FloatArray(2)
        assertFalse(delay.finish(shown))
        assertFalse(delay.push(floatArrayOf(0.1f, 0.2f), shown))
        assertTrue(delay.finish(shown))
        assertFalse(delay.push(floatArrayOf(0.3f, 0.4f), shown))
        assertTrue(delay.push(floatArrayOf(0.5f, 0.6f), shown))
        assertEquals(listOf(0.3f, 0.4f), shown.toList())
    }

    /** The standard normal distribution function, by Simpson's rule. */
    private fun normal(z: Double): Double {
        val steps = 200

        fun density(t: Double) = Math.exp(-t * t / 2) / Math.sqrt(2 * Math.PI)
        val width = z / steps
        val sum = (0 until steps).sumOf { i ->
            val t = i * width
            density(t) + 4 * density(t + width / 2) + density(t + width)
        }
        return 0.5 + sum * width / 6
    }
}
