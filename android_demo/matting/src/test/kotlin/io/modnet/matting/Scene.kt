package io.modnet.matting

import java.nio.ByteBuffer
import java.util.Random
import kotlin.math.exp
import kotlin.math.hypot

/** A camera's frame and a matte as the network gives them: a person's outline, soft along it, never exactly 0 or 1. */
class Scene(val height: Int = 720, val width: Int = 1280, modelSide: Int = 512) {
    private val buffer: ByteBuffer = ByteBuffer.allocateDirect(4 * height * width)
    val frame = RgbaFrame()
    val packer = FramePacker(modelSide, modelSide)
    val reader = MatteReader(modelSide, modelSide)
    val image = FloatArray(3 * modelSide * modelSide)
    val output = FloatArray(modelSide * modelSide)
    val matte = FloatArray(height * width)
    val pixels = IntArray(height * width)
    val compositor = Compositor()

    init {
        val noise = ByteArray(buffer.capacity()).also { Random(0).nextBytes(it) }
        buffer.put(noise)
        for (y in 0 until modelSide) {
            for (x in 0 until modelSide) {
                val distance = hypot(x / (modelSide - 1.0) - 0.5, y / (modelSide - 1.0) - 0.5)
                output[y * modelSide + x] = (1 / (1 + exp((distance - 0.3) * 160).coerceIn(3e-4, 3e3))).toFloat()
            }
        }
        pack()
        restore()
    }

    fun pack() {
        frame.set(buffer, height, width)
        packer.pack(frame, image)
    }

    fun restore() = reader.read(output, packer.letterbox, matte)

    fun composite(background: Background) = compositor.composite(frame, matte, background, pixels)

    fun picture() = Background.Picture(frame)

    val softPart get() = matte.count { it > 0.5f / 255 && it < 1 - 0.25f / 255 }.toFloat() / matte.size
}
