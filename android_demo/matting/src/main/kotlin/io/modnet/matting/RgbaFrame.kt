package io.modnet.matting

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * A camera's frame, upright. One object serves all frames: [set] copies the next one in, whose buffer may then be closed.
 *
 * Allocates when a frame has another size, and nothing for each frame.
 */
class RgbaFrame {
    /** [height] x [width] pixels, row by row, as a bitmap's `copyPixelsFromBuffer` takes them: red in the lowest byte. */
    var pixels = IntArray(0)
        private set
    var height = 0
        private set
    var width = 0
        private set

    /**
     * [buffer] holds [rows] rows of [columns] pixels of RGBA_8888 from its index 0 on, each [rowStride] bytes after the
     * one before; the last may end without its padding. Its byte order is set to little-endian. [rotation] is in degrees
     * clockwise to stand upright, as CameraX's `rotationDegrees`; then the frame is mirrored left to right if [mirrored],
     * as front cameras are for the eye, and files are not.
     */
    fun set(
        buffer: ByteBuffer,
        rows: Int,
        columns: Int,
        rowStride: Int = 4 * columns,
        rotation: Int = 0,
        mirrored: Boolean = false,
    ) {
        require(rows > 0 && columns > 0 && rowStride >= 4 * columns) {
            "rows of $rowStride bytes hold no $columns pixels of RGBA, of which there must be some"
        }
        val needed = rowStride.toLong() * (rows - 1) + 4L * columns
        require(buffer.limit() >= needed) { "$rows x $columns pixels need $needed bytes, not ${buffer.limit()}" }
        require(rotation in 0..270 && rotation % 90 == 0) {
            "a frame is turned by 0, 90, 180 or 270 degrees, not by $rotation"
        }
        height = if (rotation % 180 == 0) rows else columns
        width = if (rotation % 180 == 0) columns else rows
        if (pixels.size != height * width) pixels = IntArray(height * width)
        buffer.order(ByteOrder.LITTLE_ENDIAN)
        // Bytes from the first upright pixel to the one right of it and to the one below it.
        val right = turned(rotation, 4, -rowStride, -4, rowStride)
        val down = turned(rotation, rowStride, 4, -rowStride, -4)
        val lastRow = (rows - 1) * rowStride
        val lastColumn = 4 * (columns - 1)
        val first = turned(rotation, 0, lastRow, lastRow + lastColumn, lastColumn)
        if (mirrored) {
            copy(buffer, first + (width - 1) * right, -right, down)
        } else {
            copy(buffer, first, right, down)
        }
    }

    private fun turned(rotation: Int, at0: Int, at90: Int, at180: Int, at270: Int): Int =
        when (rotation) {
            0 -> at0
            90 -> at90
            180 -> at180
            else -> at270
        }

    private fun copy(buffer: ByteBuffer, first: Int, right: Int, down: Int) {
        val pixels = pixels
        for (y in 0 until height) {
            val start = y * width
            val row = first + y * down
            for (x in 0 until width) pixels[start + x] = buffer.getInt(row + x * right)
        }
    }
}
