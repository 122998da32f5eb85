package io.modnet.matting

import io.modnet.matting.ModelException.Problem
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** What an app does around a network, with a network that says what it was given. */
class ModelTest {
    private val fp16 = spec("fp16", "gpu", PortType.FLOAT32)
    private val fp32 = spec("fp32", "cpu", PortType.FLOAT32)
    private val int8 = spec("int8", "cpu", PortType.UINT8)

    @Test
    fun `a model for the GPU is tried there first, and one of bytes on the CPU`() {
        val onGpu = Attempt(fp16, Processor.GPU)
        val onCpu = Attempt(int8, Processor.CPU)
        for (models in listOf(listOf(fp16, int8), listOf(int8, fp32, fp16))) {
            assertEquals(listOf(onGpu, onCpu), attempts(models))
            assertEquals(listOf(onGpu), attempts(models, Processor.GPU))
            assertEquals(listOf(onCpu), attempts(models, Processor.CPU))
        }
        assertEquals(listOf(Attempt(fp16, Processor.GPU), Attempt(fp16, Processor.CPU)), attempts(listOf(fp16)))
        assertEquals(Attempt(fp32, Processor.CPU), attempts(listOf(fp16, fp32)).last())
        assertEquals(listOf(onCpu), attempts(listOf(int8)))
        assertThrows(IllegalArgumentException::class.java) { attempts(emptyList()) }
    }

    @Test
    fun `a file is the one that was exported, or refused`() {
        val text = "abc".toByteArray()
        // FIPS 180-2's example.
        val digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        fp16.copy(sha256 = digest).check(text.inputStream())
        val error = assertThrows(ModelException::class.java) { fp16.check(text.inputStream()) }
        assertEquals(Problem.DAMAGED, error.problem)
        assertTrue(digest in error.message.orEmpty())
    }

    @Test
    fun `frames go through the network, whichever ports it has`() {
        for (spec in listOf(fp32, int8)) {
            val scene = Scene(20, 30, 32)
            val matte = FloatArray(20 * 30)
            val matting = Matting(Red(spec))
            matting.matte(scene.frame, matte)
            // The network's matte is the image's red, so what comes back is the frame's, once smaller and once larger.
            val expected = FloatArray(matte.size)
            val red = FloatArray(scene.output.size) { scene.image[3 * it] }
            scene.reader.read(red, scene.packer.letterbox, expected)
            for (i in matte.indices) assertEquals(expected[i], matte[i], 0.51f / 255)
            matting.times.finished(System.nanoTime())
            assertTrue(matting.times.beforeMs > 0 && matting.times.networkMs > 0 && matting.times.afterMs > 0)
        }
    }

    private fun spec(precision: String, tuning: String, type: PortType): ModelSpec {
        val maximum = if (type == PortType.UINT8) 255f else 1f
        val image = ModelPort("image", type, "NHWC", 32, 32, 3, 0f, maximum)
        val matte = ModelPort("matte", type, "NHWC", 32, 32, 1, 0f, maximum)
        return ModelSpec("modnet_$precision.tflite", "0", 1, precision, tuning, image, matte)
    }

    private class Red(override val spec: ModelSpec) : MatteModel {
        override val processor = Processor.CPU

        override fun run(image: FloatArray) = FloatArray(image.size / 3) { image[3 * it] }

        override fun run(image: ByteArray) = ByteArray(image.size / 3) { image[3 * it] }

        override fun close() = Unit
    }
}
