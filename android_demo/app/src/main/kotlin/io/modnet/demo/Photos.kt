package io.modnet.demo

import android.content.ContentResolver
import android.content.ContentValues
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.ImageDecoder
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import android.os.Build
import android.os.Environment
import android.provider.MediaStore
import androidx.annotation.RequiresApi
import java.io.FileNotFoundException
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer

/** Photos in and pictures out. All of it is slow, and throws [IOException] where a file cannot be read or written. */
class Photos(private val resolver: ContentResolver) {
    /** A photo as it stands upright, at most [LONGEST] pixels long, in sRGB. */
    fun read(uri: Uri): Bitmap =
        try {
            if (Build.VERSION.SDK_INT >= 28) decoded(uri) else decodedBefore28(uri)
        } catch (error: SecurityException) {
            // The picker's permission ended with the process.
            throw IOException(error)
        }

    /** The bitmap's pixels as RGBA_8888. */
    fun pixels(bitmap: Bitmap): ByteBuffer =
        ByteBuffer.allocateDirect(4 * bitmap.width * bitmap.height).also { bitmap.copyPixelsToBuffer(it) }

    /** Writes a PNG to [where], which the user has chosen; null: to the gallery, from Android 10 on. */
    fun write(bitmap: Bitmap, where: Uri?): Uri {
        if (where != null) return where.also { encode(bitmap, it) }
        if (Build.VERSION.SDK_INT <
            29
        ) {
            throw IOException("the gallery of this Android needs a file that the user chose")
        }
        val values = ContentValues()
        values.put(MediaStore.MediaColumns.DISPLAY_NAME, NAME.format(System.currentTimeMillis()))
        values.put(MediaStore.MediaColumns.MIME_TYPE, TYPE)
        values.put(MediaStore.MediaColumns.RELATIVE_PATH, Environment.DIRECTORY_PICTURES + "/MODNet")
        values.put(MediaStore.MediaColumns.IS_PENDING, 1)
        val gallery = MediaStore.Images.Media.getContentUri(MediaStore.VOLUME_EXTERNAL_PRIMARY)
        val uri = resolver.insert(gallery, values) ?: throw IOException("the gallery takes no picture")
        try {
            encode(bitmap, uri)
        } catch (error: IOException) {
            resolver.delete(uri, null, null)
            throw error
        }
        values.clear()
        values.put(MediaStore.MediaColumns.IS_PENDING, 0)
        resolver.update(uri, values, null, null)
        return uri
    }

    private fun encode(bitmap: Bitmap, uri: Uri) {
        val stream = resolver.openOutputStream(uri, "wt") ?: throw IOException("$uri cannot be written")
        stream.use { if (!bitmap.compress(Bitmap.CompressFormat.PNG, 100, it)) throw IOException("no PNG was written") }
    }

    @RequiresApi(28)
    private fun decoded(uri: Uri): Bitmap =
        ImageDecoder.decodeBitmap(ImageDecoder.createSource(resolver, uri)) { decoder, info, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            decoder.setTargetSampleSize(sampling(info.size.width, info.size.height))
            decoder.setTargetColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
        }

    private fun decodedBefore28(uri: Uri): Bitmap {
        val options = BitmapFactory.Options()
        options.inJustDecodeBounds = true
        opened(uri).use { BitmapFactory.decodeStream(it, null, options) }
        options.inSampleSize = sampling(options.outWidth, options.outHeight)
        options.inJustDecodeBounds = false
        val bitmap = opened(uri).use { BitmapFactory.decodeStream(it, null, options) } ?: throw IOException("no image")
        val degrees = opened(uri).use { degrees(it) }
        if (degrees == 0) return bitmap
        val turn = Matrix().apply { setRotate(degrees.toFloat()) }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, turn, true)
    }

    private fun degrees(photo: InputStream): Int =
        when (ExifInterface(photo).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)) {
            ExifInterface.ORIENTATION_ROTATE_90 -> 90
            ExifInterface.ORIENTATION_ROTATE_180 -> 180
            ExifInterface.ORIENTATION_ROTATE_270 -> 270
            else -> 0
        }

    private fun opened(uri: Uri): InputStream = resolver.openInputStream(uri) ?: throw FileNotFoundException("$uri")

    /** The power of two by which a photo is made smaller when it is read. */
    private fun sampling(width: Int, height: Int): Int {
        var factor = 1
        while (maxOf(width, height) / factor > LONGEST) factor *= 2
        return factor
    }

    companion object {
        const val TYPE = "image/png"
        const val NAME = "modnet-%d.png"
        private const val LONGEST = 2048
    }
}
