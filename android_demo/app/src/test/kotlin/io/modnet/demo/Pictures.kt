package io.modnet.demo

import io.modnet.matting.Background
import io.modnet.matting.MatteModel
import io.modnet.matting.Matting
import io.modnet.matting.PortType
import io.modnet.matting.Processor
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A network that gives one matte, whatever it sees. */
private class Known(side: Int, private val matte: FloatArray) : MatteModel {
    override val spec = spec("known", "cpu", PortType.FLOAT32, side)
    override val processor = Processor.CPU

    override fun run(image: FloatArray) = matte

    override fun run(image: ByteArray) = throw UnsupportedOperationException()

    override fun close() = Unit
}

/**
 * A photo on the app's four backgrounds, as it keeps them. In a folder: `image` and `picture`, RGBA of side x side
 * pixels, and `matte`, float32; it writes one file of RGBA for each background.
 */
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val side = arguments[1].toInt()

    fun read(name: String) = ByteBuffer.wrap(File(folder, name).readBytes()).order(ByteOrder.LITTLE_ENDIAN)
    val matte = FloatArray(side * side).also { read("matte").asFloatBuffer().get(it) }
    val picture = Renderer().also { it.take(read("picture"), side, side, 4 * side, 0, false) }.taken
    val renderer = Renderer()
    renderer.take(read("image"), side, side, 4 * side, 0, false)
    renderer.infer(Matting(Known(side, matte)), System.nanoTime())
    val backgrounds = mapOf(
        Backdrop.TRANSPARENT to Background.Transparent,
        Backdrop.COLOUR to Background.Colour(0, 168, 107),
        Backdrop.BLUR to Background.Blur(),
        Backdrop.PICTURE to Background.Picture(picture),
    )
    for ((name, background) in backgrounds) {
        renderer.keep(background)
        val rgba = ByteBuffer.allocate(4 * side * side).order(ByteOrder.LITTLE_ENDIAN)
        rgba.asIntBuffer().put(renderer.pixels)
        File(folder, name.name.lowercase()).writeBytes(rgba.array())
    }
}
