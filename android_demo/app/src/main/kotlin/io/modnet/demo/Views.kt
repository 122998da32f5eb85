package io.modnet.demo

import android.app.Activity
import android.view.View
import android.widget.Button
import android.widget.ImageButton
import android.widget.RadioButton
import android.widget.RadioGroup
import android.widget.Switch
import android.widget.TextView
import io.modnet.matting.Processor

/** The screen's views, and how they show a situation. */
class Views(private val activity: Activity) {
    val root: View = view(R.id.root)
    val picture: MatteView = view(R.id.picture)
    val times: TextView = view(R.id.times)
    val backdrops: RadioGroup = view(R.id.backdrops)
    val backdropOf: Map<Backdrop, RadioButton> = mapOf(
        Backdrop.TRANSPARENT to view(R.id.backdrop_transparent),
        Backdrop.COLOUR to view(R.id.backdrop_colour),
        Backdrop.BLUR to view(R.id.backdrop_blur),
        Backdrop.PICTURE to view(R.id.backdrop_picture),
    )
    val gpu: Switch = view(R.id.gpu)
    val lens: ImageButton = view(R.id.lens)
    val photo: ImageButton = view(R.id.photo)
    val save: ImageButton = view(R.id.save)
    val remedy: Button = view(R.id.remedy)
    private val model: TextView = view(R.id.model)
    private val panel: View = view(R.id.panel)
    private val progress: View = view(R.id.progress)
    private val message: TextView = view(R.id.message)
    private val reason: TextView = view(R.id.reason)

    fun show(situation: Situation) {
        val said = message(situation)
        val state = situation.model
        picture.visibility = if (said == null) View.VISIBLE else View.INVISIBLE
        panel.visibility = visible(said != null)
        progress.visibility = visible(said?.busy == true)
        remedy.visibility = visible(said != null && said.remedy != Remedy.NONE)
        if (said != null) {
            // A text that is set again is read aloud again.
            val text = activity.getString(text(said))
            if (message.text.toString() != text) message.text = text
            label(said.remedy)?.let { remedy.setText(it) }
        }
        reason.text = if (state is ModelState.Failed) state.reason else ""
        model.text = if (state is ModelState.Ready) running(state) else ""
        save.isEnabled = said == null
        lens.isEnabled = !situation.showsPhoto
        val toCamera = situation.showsPhoto
        photo.contentDescription = activity.getString(if (toCamera) R.string.back_to_camera else R.string.pick_photo)
        photo.setImageResource(if (toCamera) R.drawable.ic_camera else R.drawable.ic_photo)
    }

    /** What runs, on what, and why not on what was asked for. */
    private fun running(model: ModelState.Ready): String {
        val processor = activity.getString(if (model.processor == Processor.GPU) R.string.gpu else R.string.cpu)
        val running = activity.getString(R.string.running, model.spec.precision, processor)
        if (model.refused.isEmpty()) return running
        return activity.getString(R.string.instead, running, model.refused.joinToString())
    }

    private inline fun <reified T : View> view(id: Int): T {
        val found: View = activity.findViewById(id)
        return found as T
    }

    private fun visible(there: Boolean) = if (there) View.VISIBLE else View.GONE

    private fun label(remedy: Remedy): Int? =
        when (remedy) {
            Remedy.ALLOW -> R.string.allow
            Remedy.SETTINGS -> R.string.settings
            Remedy.RETRY -> R.string.retry
            Remedy.NONE -> null
        }

    private fun text(message: Message): Int =
        when (message) {
            Message.CHECKING_MODEL -> R.string.checking_model
            Message.COMPILING_FOR_CPU -> R.string.compiling_for_cpu
            Message.COMPILING_FOR_GPU -> R.string.compiling_for_gpu
            Message.MODEL_MISSING -> R.string.model_missing
            Message.MODEL_DAMAGED -> R.string.model_damaged
            Message.MODEL_REFUSED -> R.string.model_refused
            Message.MODEL_FAILED -> R.string.model_failed
            Message.CAMERA_NOT_ALLOWED -> R.string.camera_not_allowed
            Message.CAMERA_REFUSED -> R.string.camera_refused
            Message.CAMERA_ABSENT -> R.string.camera_absent
            Message.CAMERA_FAILED -> R.string.camera_failed
            Message.TOO_HOT -> R.string.too_hot
        }
}
