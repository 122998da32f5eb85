package io.modnet.demo

import io.modnet.matting.Attempt
import io.modnet.matting.MatteModel
import io.modnet.matting.Matting
import io.modnet.matting.ModelException
import io.modnet.matting.ModelSpec
import io.modnet.matting.Processor
import io.modnet.matting.attempts
import io.modnet.matting.openFirst

/** Where the model is on its way. */
sealed class ModelState {
    /** It is not in memory. */
    object Closed : ModelState()

    /** Its file is compared with the one that was exported. */
    object Checking : ModelState()

    data class Compiling(val processor: Processor) : ModelState()

    /** It runs, on [processor]; [refused] says what was tried before that and why it does not run. */
    data class Ready(val spec: ModelSpec, val processor: Processor, val refused: List<String>) : ModelState()

    /** It cannot be used: [problem], or it failed on a frame where that is null. */
    data class Failed(val problem: ModelException.Problem?, val reason: String) : ModelState()
}

/**
 * The one model in memory. Confined to one thread, which [check] and [open] keep busy for seconds; [changed] is told
 * of every step there.
 */
class ModelSession(
    private val models: List<ModelSpec>,
    private val check: (ModelSpec) -> Unit,
    private val open: (Attempt) -> MatteModel,
    private val changed: (ModelState) -> Unit,
) {
    private val checked = HashSet<ModelSpec>()
    private var wanted: Processor? = null

    /** What gives mattes; null: there is no model in memory. */
    var matting: Matting? = null
        private set

    var state: ModelState = ModelState.Closed
        private set(value) {
            field = value
            changed(value)
        }

    /**
     * Opens the best model for a [processor], unless that was done. Where the GPU does not take it, the CPU does, and
     * the state says why; a CPU that was asked for is not replaced.
     */
    fun want(processor: Processor) {
        if (wanted == processor && matting != null) return
        close()
        wanted = processor
        try {
            val attempts = attempts(models, if (processor == Processor.CPU) processor else null)
            val (model, refused) = openFirst(attempts) { attempt ->
                checkOnce(attempt.spec)
                state = ModelState.Compiling(attempt.processor)
                open(attempt)
            }
            matting = Matting(model)
            state = ModelState.Ready(model.spec, model.processor, refused.map { it.message.orEmpty() })
        } catch (error: ModelException) {
            state = ModelState.Failed(error.problem, error.message.orEmpty())
        } catch (error: LinkageError) {
            // LiteRT's library is not built for this device's kind of processor.
            state = ModelState.Failed(ModelException.Problem.NOT_ACCELERATED, error.message ?: error.toString())
        }
    }

    /** The model failed on a frame; it is closed. */
    fun failed(error: Exception) {
        close()
        state = ModelState.Failed(null, error.message ?: error.toString())
    }

    /** Gives its memory back; [want] opens it again. */
    fun release() {
        if (matting == null) return
        close()
        state = ModelState.Closed
    }

    private fun checkOnce(spec: ModelSpec) {
        if (spec in checked) return
        state = ModelState.Checking
        check(spec)
        checked += spec
    }

    private fun close() {
        matting?.close()
        matting = null
    }
}
