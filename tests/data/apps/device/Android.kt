// What the shipped parity test uses of Android and androidx.test, made to work on a JVM: a folder in place of the assets,
// Java's own PNG reader. The mattes of models are files, too: see Litert.kt.
package android.graphics

import java.awt.image.BufferedImage
import java.io.InputStream
import java.nio.Buffer
import java.nio.ByteBuffer
import javax.imageio.ImageIO

class Rect

class Bitmap(private val image: BufferedImage) {
    enum class Config { ARGB_8888 }

    val width get() = image.width
    val height get() = image.height
    val rowBytes get() = 4 * width
    val byteCount get() = rowBytes * height

    fun getPixels(pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int) {
        image.getRGB(x, y, width, height, pixels, offset, stride)
    }

    /** Red first, as Android has it. */
    fun copyPixelsToBuffer(buffer: Buffer) {
        val pixels = image.getRGB(0, 0, width, height, null, 0, width)
        for (it in pixels) for (shift in intArrayOf(16, 8, 0, 24)) (buffer as ByteBuffer).put((it shr shift).toByte())
    }
}

object BitmapFactory {
    class Options {
        @JvmField var inScaled = true

        @JvmField var inPreferredConfig: Bitmap.Config? = null
    }

    @JvmStatic
    fun decodeStream(stream: InputStream, padding: Rect?, options: Options): Bitmap {
        check(padding == null && !options.inScaled && options.inPreferredConfig == Bitmap.Config.ARGB_8888)
        val read = ImageIO.read(stream)
        val image = BufferedImage(read.width, read.height, BufferedImage.TYPE_INT_ARGB)
        for (y in 0 until read.height) {
            for (x in 0 until read.width) {
                // Java takes grey for linear light; Android, as the file means it, for sRGB.
                val grey = read.raster.getSample(x, y, 0)
                val opaque = 0xFF shl 24
                image.setRGB(x, y, if (read.raster.numBands == 1) opaque or (0x010101 * grey) else read.getRGB(x, y))
            }
        }
        return Bitmap(image)
    }
}
