package io.modnet.matting

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.math.abs

/** What modnet_export/images makes of small frames and mattes, the app's code makes too. */
class VectorsTest {
    @Test
    fun `an image lies in the model's input where Python puts it`() {
        for (case in cases("letterbox")) {
            val (height, width) = case.ints("image")
            val (modelHeight, modelWidth) = case.ints("model")
            assertPlaced(case, Letterbox(height, width, modelHeight, modelWidth))
        }
    }

    @Test
    fun `frames stand upright`() {
        for (case in cases("frames")) {
            val frame = case.frame()
            assertEquals(case.int("upright_height"), frame.height)
            assertEquals(case.int("upright_width"), frame.width)
            assertEquals(case.ints("upright"), frame.pixels.flatMap { parts(it) })
        }
    }

    @Test
    fun `frames are packed as Python packs them`() {
        for (case in cases("packing")) {
            val (height, width) = case.ints("model")
            val packer = FramePacker(height, width)
            if (case.text("dtype") == "uint8") {
                val image = ByteArray(3 * height * width)
                packer.pack(case.frame(), image)
                assertBytes(case, "packed", image.map { it.toInt() and 0xFF })
            } else {
                val image = FloatArray(3 * height * width)
                packer.pack(case.frame(), image)
                assertClose(case, case.floats("packed"), image)
            }
            assertPlaced(case, packer.letterbox)
        }
    }

    @Test
    fun `mattes are mapped back onto the image`() {
        for (case in cases("restoring")) {
            val (modelHeight, modelWidth) = case.ints("model")
            val box = Letterbox(case.int("height"), case.int("width"), modelHeight, modelWidth)
            val reader = MatteReader(modelHeight, modelWidth)
            val matte = FloatArray(box.height * box.width)
            if (case.text("dtype") == "uint8") {
                reader.read(case.bytes("matte"), box, matte)
            } else {
                reader.read(case.floats("matte"), box, matte)
            }
            assertClose(case, case.floats("restored"), matte)
        }
    }

    @Test
    fun `the foreground's colours are estimated`() {
        for (case in cases("foreground")) {
            val height = case.int("height")
            val width = case.int("width")
            val (coarseHeight, coarseWidth) = case.ints("coarse")
            val matte = case.floats("matte")
            val colours = ForegroundColours(height, width, coarseHeight, coarseWidth)
            val frame = case.frame("image", height, width)
            colours.estimate(frame, matte)
            val found = FloatArray(3 * height * width)
            for (i in found.indices) {
                val pixel = i / 3
                colours.enter(pixel / width)
                found[i] = colours.colour(pixel % width, i % 3, frame.pixels[pixel], matte[pixel])
            }
            assertClose(case, case.floats("foreground"), found)
        }
    }

    @Test
    fun `frames are composited`() {
        for (case in cases("compositing")) {
            val height = case.int("height")
            val width = case.int("width")
            val background = when (case.text("background")) {
                "transparent" -> Background.Transparent

                "blur" -> Background.Blur(case.float("sigma"))

                "image" -> Background.Picture(
                    case.frame("picture", case.int("picture_height"), case.int("picture_width")),
                )

                else -> case.ints("colour").let { (red, green, blue) -> Background.Colour(red, green, blue) }
            }
            val pixels = IntArray(height * width)
            Compositor(case.ints("coarse").max())
                .composite(case.frame("image", height, width), case.floats("matte"), background, pixels)
            val channels = if (background === Background.Transparent) 4 else 3
            assertBytes(case, "composite", pixels.flatMap { parts(it).take(channels) })
        }
    }

    @Test
    fun `lone outliers are mended one frame later`() {
        for (case in cases("delay")) {
            val delay = OneFrameDelay(case.float("threshold"))
            val mattes = case.arrays("mattes").map { checkNotNull(it) }
            val expected = case.arrays("shown")
            var before = 0
            for ((matte, shown) in mattes.zip(expected)) {
                val found = FloatArray(before)
                if (delay.push(matte, found)) assertClose(case, checkNotNull(shown), found) else assertNull(shown)
                before = matte.size
            }
            val last = FloatArray(before)
            assertTrue(delay.finish(last))
            assertClose(case, checkNotNull(expected.last()), last)
        }
    }

    @Test
    fun `mattes are steadied along the motion`() {
        for (case in cases("steadying")) {
            val height = case.int("height")
            val width = case.int("width")
            val steadier = MotionSteadier(case.float("weight"), case.float("followed"))
            val shown = FloatArray(height * width)
            steadier.steady(case.floats("before"), case.bytes("grey_before"), null, height, width, shown)
            assertClose(case, case.floats("before"), shown)
            steadier.steady(case.floats("matte"), case.bytes("grey"), case.floats("motion"), height, width, shown)
            assertClose(case, case.floats("steadied"), shown)
        }
    }

    private fun assertPlaced(case: Case, box: Letterbox) {
        val names = listOf("top", "left", "inner_height", "inner_width")
        assertEquals(names.map { case.int(it) }, listOf(box.top, box.left, box.innerHeight, box.innerWidth))
    }

    private fun assertClose(case: Case, expected: FloatArray, found: FloatArray) {
        assertEquals(expected.size, found.size)
        // Expected values are written with seven decimals.
        for (i in expected.indices) assertEquals("value $i", expected[i], found[i], case.tolerance + 1e-7f)
    }

    private fun assertBytes(case: Case, field: String, found: List<Int>) {
        val expected = case.ints(field)
        val ties = case.ints("ties").toSet()
        assertEquals(expected.size, found.size)
        for (i in expected.indices) {
            val allowed = maxOf(case.tolerance.toInt(), if (i in ties) 1 else 0)
            assertTrue("byte $i is ${found[i]}, not ${expected[i]}", abs(found[i] - expected[i]) <= allowed)
        }
    }
}

/** Red, green, blue and alpha. */
fun parts(pixel: Int) = listOf(pixel and 0xFF, pixel shr 8 and 0xFF, pixel shr 16 and 0xFF, pixel ushr 24)
