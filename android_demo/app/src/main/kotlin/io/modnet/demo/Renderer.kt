package io.modnet.demo

import io.modnet.matting.Background
import io.modnet.matting.Compositor
import io.modnet.matting.Matting
import io.modnet.matting.RgbaFrame
import java.nio.ByteBuffer

/**
 * The frame that is on the screen: taken, given a matte, composited. Confined to one thread. Allocates when a frame has
 * another size, and nothing for each frame.
 */
class Renderer {
    private val frame = RgbaFrame()
    private val compositor = Compositor()
    private var matte = FloatArray(0)
    private var mirrored = false

    /** What [show] and [cutOut] write: red in the lowest byte, alpha in the highest. */
    var pixels = IntArray(0)
        private set
    val height get() = frame.height
    val width get() = frame.width

    /** Whether there is a frame with its matte. */
    var ready = false
        private set

    /** Copies a frame, as [RgbaFrame.set] has it; [buffer] may then be closed. */
    fun take(buffer: ByteBuffer, rows: Int, columns: Int, rowStride: Int, rotation: Int, mirrored: Boolean) {
        ready = false
        frame.set(buffer, rows, columns, rowStride, rotation, mirrored)
        this.mirrored = mirrored
        val size = frame.height * frame.width
        if (pixels.size != size) {
            pixels = IntArray(size)
            matte = FloatArray(size)
        }
    }

    /** Computes the matte of the frame that was taken. */
    fun infer(matting: Matting, arrivedNs: Long) {
        matting.matte(frame, matte, arrivedNs)
        ready = true
    }

    /** Composites the frame on a [background], for the screen: colours are multiplied by alpha. */
    fun show(background: Background) = compositor.composite(frame, matte, background, pixels, premultiplied = true)

    /** The same for a file: colours are not multiplied, and what was mirrored for the eye is turned back. */
    fun keep(background: Background) {
        compositor.composite(frame, matte, background, pixels, premultiplied = false)
        if (mirrored) for (y in 0 until height) pixels.reverse(y * width, (y + 1) * width)
    }

    /** The frame's own pixels, for the [Background.Picture] of a photo that was taken here. */
    val taken get() = frame
}
