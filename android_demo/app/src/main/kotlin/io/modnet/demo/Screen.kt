package io.modnet.demo

import io.modnet.matting.ModelException.Problem
import io.modnet.matting.Processor

/** May the app use the camera? */
enum class Permission { GRANTED, NOT_ASKED, REFUSED }

enum class CameraStatus { WORKS, ABSENT, FAILED }

/** Everything that the screen depends on. [thermal] is `PowerManager`'s status; 0 where the device has none. */
data class Situation(
    val permission: Permission = Permission.NOT_ASKED,
    val camera: CameraStatus = CameraStatus.WORKS,
    val model: ModelState = ModelState.Closed,
    val showsPhoto: Boolean = false,
    val thermal: Int = 0,
)

/** What the user can do about a message. */
enum class Remedy { NONE, ALLOW, SETTINGS, RETRY }

/** What the screen says in place of the picture; [busy]: it goes away by itself. */
enum class Message(val remedy: Remedy = Remedy.NONE, val busy: Boolean = false) {
    CHECKING_MODEL(busy = true),
    COMPILING_FOR_CPU(busy = true),
    COMPILING_FOR_GPU(busy = true),
    MODEL_MISSING,
    MODEL_DAMAGED,
    MODEL_REFUSED(Remedy.RETRY),
    MODEL_FAILED(Remedy.RETRY),
    CAMERA_NOT_ALLOWED(Remedy.ALLOW),
    CAMERA_REFUSED(Remedy.SETTINGS),
    CAMERA_ABSENT,
    CAMERA_FAILED(Remedy.RETRY),
    TOO_HOT,
}

/** What the screen says of a situation; null: nothing, the picture is there. What the user is to do comes first. */
fun message(situation: Situation): Message? {
    val live = !situation.showsPhoto
    return failure(situation.model)
        ?: (if (live) camera(situation) else null)
        ?: progress(situation.model)
        ?: (if (live && FrameGate.stops(situation.thermal)) Message.TOO_HOT else null)
}

private fun failure(model: ModelState): Message? {
    if (model !is ModelState.Failed) return null
    return when (model.problem) {
        Problem.MISSING -> Message.MODEL_MISSING
        Problem.DAMAGED -> Message.MODEL_DAMAGED
        Problem.NOT_ACCELERATED -> Message.MODEL_REFUSED
        null -> Message.MODEL_FAILED
    }
}

private fun camera(situation: Situation): Message? =
    when {
        situation.camera == CameraStatus.ABSENT -> Message.CAMERA_ABSENT
        situation.permission == Permission.NOT_ASKED -> Message.CAMERA_NOT_ALLOWED
        situation.permission == Permission.REFUSED -> Message.CAMERA_REFUSED
        situation.camera == CameraStatus.FAILED -> Message.CAMERA_FAILED
        else -> null
    }

private fun progress(model: ModelState): Message? =
    when {
        model is ModelState.Ready -> null
        model !is ModelState.Compiling -> Message.CHECKING_MODEL
        model.processor == Processor.GPU -> Message.COMPILING_FOR_GPU
        else -> Message.COMPILING_FOR_CPU
    }
