package io.modnet.matting

import java.io.InputStream
import java.security.MessageDigest

/** What a model can run on. */
enum class Processor { CPU, GPU }

/** A network that gives the matte of an image. Not for several threads at once. */
interface MatteModel : AutoCloseable {
    val spec: ModelSpec

    /** What it really runs on. */
    val processor: Processor

    /** The matte of an [image] as [FramePacker] packs it, for a model whose ports are of [PortType.FLOAT32]. */
    fun run(image: FloatArray): FloatArray

    /** The same for one whose ports are of [PortType.UINT8]. */
    fun run(image: ByteArray): ByteArray
}

/** A model that cannot be used, and why. */
class ModelException(val problem: Problem, message: String, cause: Throwable? = null) : Exception(message, cause) {
    enum class Problem {
        /** It is not in the app's assets. */
        MISSING,

        /** It is not the file that was exported. */
        DAMAGED,

        /** The processor that was asked for is not there, or does not take it. */
        NOT_ACCELERATED,
    }
}

/** A model, and what to try it on. */
data class Attempt(val spec: ModelSpec, val processor: Processor)

/**
 * What to try, in this order, until one runs: on the GPU a model that is tuned for it, on the CPU one of bytes, which is
 * fastest there, else one that is tuned for it; [only] leaves the other processor out. Models of bytes are for CPUs alone.
 */
fun attempts(models: List<ModelSpec>, only: Processor? = null): List<Attempt> {
    require(models.isNotEmpty()) { "there is no model to try" }
    val onGpu = models.filter { it.image.type == PortType.FLOAT32 }.sortedByDescending { it.tuning == "gpu" }.take(1)
    val onCpu = models
        .sortedWith(
            compareByDescending<ModelSpec> { it.image.type == PortType.UINT8 }.thenByDescending { it.tuning == "cpu" },
        ).take(1)
    val all = onGpu.map { Attempt(it, Processor.GPU) } + onCpu.map { Attempt(it, Processor.CPU) }
    return all.filter { only == null || it.processor == only }
}

/** The first of [attempts] that [open] opens, and what kept those before it from running; throws the last one's. */
fun <T : MatteModel> openFirst(attempts: List<Attempt>, open: (Attempt) -> T): Pair<T, List<ModelException>> {
    val refused = ArrayList<ModelException>()
    for (attempt in attempts) {
        try {
            return open(attempt) to refused
        } catch (error: ModelException) {
            refused += error
        }
    }
    throw refused.last()
}

/** Throws [ModelException] unless [file] is what was exported. Reads it whole: once for each start of an app will do. */
fun ModelSpec.check(file: InputStream) {
    val digest = MessageDigest.getInstance("SHA-256")
    val piece = ByteArray(1 shl 16)
    while (true) {
        val count = file.read(piece)
        if (count < 0) break
        digest.update(piece, 0, count)
    }
    val found = digest.digest().joinToString("") { "%02x".format(it) }
    if (found != sha256) {
        throw ModelException(ModelException.Problem.DAMAGED, "${this.file} has SHA-256 $found, exported was $sha256")
    }
}

/**
 * From frames to mattes: packs, runs the [model] and maps back. The buffers are reused, and [times] filled.
 *
 * Not for several threads at once. The network's own copies aside, a frame allocates nothing.
 */
class Matting(val model: MatteModel) : AutoCloseable by model {
    private val packer = FramePacker(model.spec.image.height, model.spec.image.width)
    private val reader = MatteReader(model.spec.matte.height, model.spec.matte.width)
    private val size = 3 * packer.height * packer.width
    private val floats = if (model.spec.image.type == PortType.FLOAT32) FloatArray(size) else FloatArray(0)
    private val bytes = if (model.spec.image.type == PortType.UINT8) ByteArray(size) else ByteArray(0)
    val times = FrameTimes()

    /**
     * Writes the matte of a [frame] that arrived at [arrivedNs] (of `System.nanoTime`) to [matte], height x width values.
     * Whoever shows it then calls [FrameTimes.finished].
     */
    fun matte(frame: RgbaFrame, matte: FloatArray, arrivedNs: Long = System.nanoTime()) {
        times.arrived(arrivedNs)
        if (model.spec.image.type == PortType.FLOAT32) {
            packer.pack(frame, floats)
            times.packed(System.nanoTime())
            val output = model.run(floats)
            times.inferred(System.nanoTime())
            reader.read(output, packer.letterbox, matte)
        } else {
            packer.pack(frame, bytes)
            times.packed(System.nanoTime())
            val output = model.run(bytes)
            times.inferred(System.nanoTime())
            reader.read(output, packer.letterbox, matte)
        }
    }
}
