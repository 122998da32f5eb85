package io.modnet.demo

import io.modnet.matting.ModelException.Problem
import io.modnet.matting.Processor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class ScreenTest {
    private val ready = ModelState.Ready(FP16, Processor.GPU, emptyList())
    private val live = Situation(Permission.GRANTED, CameraStatus.WORKS, ready)

    @Test
    fun `a picture is shown where all is well`() {
        assertNull(message(live))
        assertNull(message(live.copy(thermal = 3)))
    }

    @Test
    fun `each thing that can be wrong has a message of its own`() {
        val wrong = mapOf(
            live.copy(model = ModelState.Closed) to Message.CHECKING_MODEL,
            live.copy(model = ModelState.Checking) to Message.CHECKING_MODEL,
            live.copy(model = ModelState.Compiling(Processor.CPU)) to Message.COMPILING_FOR_CPU,
            live.copy(model = ModelState.Compiling(Processor.GPU)) to Message.COMPILING_FOR_GPU,
            live.copy(model = ModelState.Failed(Problem.MISSING, "")) to Message.MODEL_MISSING,
            live.copy(model = ModelState.Failed(Problem.DAMAGED, "")) to Message.MODEL_DAMAGED,
            live.copy(model = ModelState.Failed(Problem.NOT_ACCELERATED, "")) to Message.MODEL_REFUSED,
            live.copy(model = ModelState.Failed(null, "")) to Message.MODEL_FAILED,
            live.copy(permission = Permission.NOT_ASKED) to Message.CAMERA_NOT_ALLOWED,
            live.copy(permission = Permission.REFUSED) to Message.CAMERA_REFUSED,
            live.copy(camera = CameraStatus.ABSENT) to Message.CAMERA_ABSENT,
            live.copy(camera = CameraStatus.FAILED) to Message.CAMERA_FAILED,
            live.copy(thermal = 4) to Message.TOO_HOT,
        )
        for ((situation, expected) in wrong) assertEquals(expected, message(situation))
        assertEquals(Message.entries.toSet(), wrong.values.toSet())
    }

    @Test
    fun `a photo needs neither camera nor a cool device`() {
        val photo = Situation(Permission.REFUSED, CameraStatus.ABSENT, ready, showsPhoto = true, thermal = 5)
        assertNull(message(photo))
        assertEquals(Message.MODEL_MISSING, message(photo.copy(model = ModelState.Failed(Problem.MISSING, ""))))
    }

    @Test
    fun `what the user is to do is said before what the app does`() {
        val compiling = live.copy(model = ModelState.Compiling(Processor.GPU), permission = Permission.NOT_ASKED)
        assertEquals(Message.CAMERA_NOT_ALLOWED, message(compiling))
        // There is nothing to allow.
        assertEquals(Message.CAMERA_ABSENT, message(compiling.copy(camera = CameraStatus.ABSENT)))
        assertEquals(Remedy.ALLOW, Message.CAMERA_NOT_ALLOWED.remedy)
        assertEquals(Remedy.SETTINGS, Message.CAMERA_REFUSED.remedy)
        assertTrue(Message.entries.none { it.busy && it.remedy != Remedy.NONE })
    }

    @Test
    fun `choices outlive the process`() {
        val all = Choices(Lens.BACK, Processor.CPU, Backdrop.PICTURE, "content://a", "content://b")
        for (choices in listOf(all, Choices())) assertEquals(choices, Choices.restored(choices.saved()))
        assertEquals(Choices.NAMES.toSet(), all.saved().keys)
        // Of a version that had others.
        assertEquals(Choices(), Choices.restored(mapOf("lens" to "SIDE", "processor" to "NPU", "backdrop" to "")))
    }

    @Test
    fun `what cannot be read any more is not chosen any more`() {
        val all = Choices(backdrop = Backdrop.PICTURE, photo = "content://a", picture = "content://b")
        assertEquals(all.copy(photo = null), all.without("content://a"))
        assertEquals(all.copy(backdrop = Backdrop.TRANSPARENT, picture = null), all.without("content://b"))
        assertEquals(all, all.without("content://c"))
    }

    @Test
    fun `a warm device computes fewer frames, a hot one none`() {
        val gate = FrameGate()

        fun admitted() = (0 until 60).count { gate.admits(SECOND * 10 * (gate.thermal + 1) + it * SECOND / 60) }
        val counts = (0..6).map {
            gate.thermal = it
            admitted()
        }
        assertEquals(listOf(60, 60, 15, 5, 0, 0, 0), counts)
    }

    @Test
    fun `the latest picture is shown, and not written to`() {
        val pictures = Latest(intArrayOf(0), intArrayOf(0), intArrayOf(0))
        assertNull(pictures.take())
        for (value in 1..3) {
            pictures.target[0] = value
            pictures.publish()
        }
        val shown = pictures.take()
        assertEquals(3, shown?.first())
        for (value in 4..9) {
            assertFalse(pictures.target === shown)
            pictures.target[0] = value
            pictures.publish()
        }
        assertEquals(3, shown?.first())
        assertEquals(9, pictures.take()?.first())
        assertEquals(9, pictures.take()?.first())
    }

    private companion object {
        const val SECOND = 1_000_000_000L
    }
}
