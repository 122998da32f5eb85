package io.modnet.demo

import io.modnet.matting.MatteModel
import io.modnet.matting.ModelPort
import io.modnet.matting.ModelSpec
import io.modnet.matting.PortType
import io.modnet.matting.Processor

fun spec(precision: String, tuning: String, type: PortType, side: Int = 32): ModelSpec {
    val maximum = if (type == PortType.UINT8) 255f else 1f
    val image = ModelPort("image", type, "NHWC", side, side, 3, 0f, maximum)
    val matte = ModelPort("matte", type, "NHWC", side, side, 1, 0f, maximum)
    return ModelSpec("modnet_$precision.tflite", "0", 1, precision, tuning, image, matte)
}

val FP16 = spec("fp16", "gpu", PortType.FLOAT32)
val INT8 = spec("int8", "cpu", PortType.UINT8)

/** A network whose matte is the image's red; its outputs are the same arrays at every run, which takes so long at least. */
class Red(
    override val spec: ModelSpec,
    override val processor: Processor = Processor.CPU,
    private val takesMs: Long = 0,
) : MatteModel {
    private val floats = FloatArray(spec.matte.height * spec.matte.width)
    private val bytes = ByteArray(floats.size)
    var closed = false
        private set

    override fun run(image: FloatArray): FloatArray {
        check(!closed)
        Thread.sleep(takesMs)
        for (i in floats.indices) floats[i] = image[3 * i]
        return floats
    }

    override fun run(image: ByteArray): ByteArray {
        check(!closed)
        Thread.sleep(takesMs)
        for (i in bytes.indices) bytes[i] = image[3 * i]
        return bytes
    }

    override fun close() {
        closed = true
    }
}
