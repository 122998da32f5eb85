package io.modnet.demo

import android.app.Application
import android.graphics.Bitmap
import android.net.Uri
import android.os.Handler
import android.os.Looper
import androidx.camera.core.ImageProxy
import androidx.lifecycle.AndroidViewModel
import io.modnet.matting.Background
import io.modnet.matting.LiteRtModel
import io.modnet.matting.Matting
import io.modnet.matting.ModnetModel
import io.modnet.matting.Processor
import java.io.IOException
import java.nio.IntBuffer
import java.util.concurrent.Executor
import java.util.concurrent.Executors

/**
 * What outlives a rotation: the model, the frame on the screen, and the one thread that both are confined to. All its
 * functions are for the main thread but [analyze]; what is private and has no word of its own is the worker's.
 */
class Engine(application: Application) : AndroidViewModel(application) {
    /** Told of news, on the main thread. */
    interface Listener {
        fun modelChanged(state: ModelState)

        fun pictureChanged()

        fun timesChanged(beforeMs: Float, networkMs: Float, afterMs: Float, framesPerSecond: Float)

        fun unreadable(uri: String)

        fun saved(where: Uri?)
    }

    private class Slot {
        var bitmap: Bitmap? = null
    }

    private val files = Photos(application.contentResolver)
    private val main = Handler(Looper.getMainLooper())
    private val workers = Executors.newSingleThreadExecutor { Thread(it, "matting") }
    private val renderer = Renderer()
    private val pictures = Latest(Slot(), Slot(), Slot())
    private val announce = Runnable { listener?.pictureChanged() }
    private var buffer = IntBuffer.wrap(renderer.pixels)
    private var background: Background = Background.Transparent
    private var chosen: Pair<Backdrop, String?> = Backdrop.TRANSPARENT to null
    private var photo: String? = null
    private var timesToldNs = 0L
    private val session = ModelSession(
        ModnetModel.ALL,
        { LiteRtModel.check(application.assets, it) },
        { LiteRtModel.open(application.assets, it.spec, it.processor) },
        { state ->
            main.post {
                model = state
                listener?.modelChanged(state)
            }
        },
    )

    /** Where frames are analysed. */
    val worker: Executor get() = workers
    val gate = FrameGate()

    /** For the main thread. */
    var listener: Listener? = null

    /** For the main thread. */
    var model: ModelState = ModelState.Closed
        private set

    /** The latest picture; for the main thread. */
    fun picture(): Bitmap? = pictures.take()?.bitmap

    /** Opens a model for the processor, where that was not done, and shows the photo anew. */
    fun want(processor: Processor) =
        onWorker {
            session.want(processor)
            drawPhoto()
        }

    /** Gives the model's memory back; [want] opens it again. */
    fun release() = onWorker { session.release() }

    /** Shows a photo in place of the camera; null: the camera again. */
    fun showPhoto(uri: String?) =
        onWorker {
            if (uri != photo) {
                photo = uri.takeIf { uri == null || read(uri, renderer) }
                drawPhoto()
            }
        }

    /** Composites on a [backdrop] from now on; [colour] as Android writes colours, [picture] a URI. */
    fun put(backdrop: Backdrop, colour: Int, picture: String?) =
        onWorker {
            if (chosen == backdrop to picture) return@onWorker
            chosen = backdrop to picture
            background = when (backdrop) {
                Backdrop.TRANSPARENT -> Background.Transparent
                Backdrop.COLOUR -> Background.Colour(colour shr 16 and 0xFF, colour shr 8 and 0xFF, colour and 0xFF)
                Backdrop.BLUR -> Background.Blur()
                Backdrop.PICTURE -> picture?.let { pictureFrom(it) } ?: Background.Transparent
            }
            if (photo != null && renderer.ready) publish()
        }

    /** Writes the picture as a PNG to [where]; null: to the gallery. */
    fun save(where: Uri?) =
        onWorker {
            val saved = try {
                if (renderer.ready) files.write(kept(), where) else null
            } catch (error: IOException) {
                null
            }
            main.post { listener?.saved(saved) }
        }

    /** One of the camera's frames; closes it. For the worker. */
    fun analyze(image: ImageProxy, mirrored: Boolean) {
        val arrivedNs = System.nanoTime()
        val matting = session.matting
        if (matting == null || photo != null || !gate.admits(arrivedNs)) {
            image.close()
            return
        }
        image.use {
            val plane = image.planes[0]
            val rotation = image.imageInfo.rotationDegrees
            renderer.take(plane.buffer, image.height, image.width, plane.rowStride, rotation, mirrored)
        }
        draw(matting, arrivedNs)
    }

    override fun onCleared() {
        listener = null
        workers.execute { session.release() }
        workers.shutdown()
    }

    private fun onWorker(work: () -> Unit) = workers.execute(work)

    /** Takes a photo in place of a frame; false: it cannot be read, and that was said. */
    private fun read(uri: String, into: Renderer): Boolean =
        try {
            val bitmap = files.read(Uri.parse(uri))
            into.take(files.pixels(bitmap), bitmap.height, bitmap.width, 4 * bitmap.width, 0, false)
            true
        } catch (error: IOException) {
            main.post { listener?.unreadable(uri) }
            false
        }

    private fun pictureFrom(uri: String): Background? {
        val taken = Renderer()
        return if (read(uri, taken)) Background.Picture(taken.taken) else null
    }

    private fun drawPhoto() {
        val matting = session.matting
        if (photo != null && matting != null) draw(matting, System.nanoTime())
    }

    private fun draw(matting: Matting, arrivedNs: Long) {
        try {
            renderer.infer(matting, arrivedNs)
        } catch (error: Exception) {
            session.failed(error)
            return
        }
        publish()
        val now = System.nanoTime()
        val times = matting.times
        times.finished(now)
        if (photo != null || now - timesToldNs > TELL_NS) {
            timesToldNs = now
            val before = times.beforeMs
            val network = times.networkMs
            val after = times.afterMs
            val rate = times.framesPerSecond
            main.post { listener?.timesChanged(before, network, after, rate) }
        }
    }

    private fun publish() {
        renderer.show(background)
        val slot = pictures.target
        var bitmap = slot.bitmap
        if (bitmap == null || bitmap.width != renderer.width || bitmap.height != renderer.height) {
            bitmap = Bitmap.createBitmap(renderer.width, renderer.height, Bitmap.Config.ARGB_8888)
            slot.bitmap = bitmap
        }
        copyTo(bitmap)
        pictures.publish()
        main.post(announce)
    }

    private fun kept(): Bitmap {
        renderer.keep(background)
        val bitmap = Bitmap.createBitmap(renderer.width, renderer.height, Bitmap.Config.ARGB_8888)
        bitmap.isPremultiplied = false
        return bitmap.also { copyTo(it) }
    }

    private fun copyTo(bitmap: Bitmap) {
        if (buffer.array() !== renderer.pixels) buffer = IntBuffer.wrap(renderer.pixels)
        buffer.rewind()
        bitmap.copyPixelsFromBuffer(buffer)
    }

    private companion object {
        const val TELL_NS = 500_000_000L
    }
}
