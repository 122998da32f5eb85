package io.modnet.demo

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapShader
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.Rect
import android.graphics.Shader
import android.util.AttributeSet
import android.view.View

/** The latest picture, whole and in the middle; where it is transparent, squares are seen through it. */
class MatteView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    /** Gives the picture to draw, which stays as it is until the next call. */
    var picture: () -> Bitmap? = { null }

    private val place = Rect()
    private val smooth = Paint(Paint.FILTER_BITMAP_FLAG)
    private val squares = Paint()

    init {
        val side = resources.getDimensionPixelSize(R.dimen.square)
        val light = context.getColor(R.color.square_light)
        val dark = context.getColor(R.color.square_dark)
        val tile = Bitmap.createBitmap(2 * side, 2 * side, Bitmap.Config.ARGB_8888)
        for (y in 0 until 2 * side) {
            for (x in 0 until 2 * side) tile.setPixel(x, y, if (x / side == y / side) light else dark)
        }
        squares.shader = BitmapShader(tile, Shader.TileMode.REPEAT, Shader.TileMode.REPEAT)
    }

    override fun onDraw(canvas: Canvas) {
        val bitmap = picture() ?: return
        val scale = minOf(width.toFloat() / bitmap.width, height.toFloat() / bitmap.height)
        val left = ((width - bitmap.width * scale) / 2).toInt()
        val top = ((height - bitmap.height * scale) / 2).toInt()
        place.set(left, top, width - left, height - top)
        if (bitmap.hasAlpha()) canvas.drawRect(place, squares)
        canvas.drawBitmap(bitmap, null, place, smooth)
    }
}
