package io.modnet.matting

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import java.io.IOException

/**
 * A model in LiteRT. Every call of [run] copies the image in and the matte out; LiteRT allocates the latter.
 *
 * The types of its ports are the [spec]'s: LiteRT's Kotlin interface has none for unsigned bytes, which go in and out as
 * they are through its int8 calls.
 */
class LiteRtModel private constructor(
    override val spec: ModelSpec,
    override val processor: Processor,
    private val model: CompiledModel,
    private val inputs: List<TensorBuffer>,
    private val outputs: List<TensorBuffer>,
) : MatteModel {
    override fun run(image: FloatArray): FloatArray {
        inputs[0].writeFloat(image)
        model.run(inputs, outputs)
        // A GPU may still be busy here: reading waits for it.
        return outputs[0].readFloat()
    }

    override fun run(image: ByteArray): ByteArray {
        inputs[0].writeInt8(image)
        model.run(inputs, outputs)
        return outputs[0].readInt8()
    }

    override fun close() {
        inputs.forEach { it.close() }
        outputs.forEach { it.close() }
        model.close()
    }

    companion object {
        /** Throws [ModelException] unless the app's assets hold the very file that was exported. */
        fun check(assets: AssetManager, spec: ModelSpec) {
            try {
                assets.open(spec.file).use { spec.check(it) }
            } catch (error: IOException) {
                throw ModelException(ModelException.Problem.MISSING, "there is no asset ${spec.file}", error)
            }
        }

        /**
         * Compiles a model for a processor, which takes seconds on a GPU: not on the main thread. Throws [ModelException]
         * where it does not run there; LiteRT is never let choose another processor silently. [threads] are the CPU's;
         * null: LiteRT's own choice.
         */
        fun open(assets: AssetManager, spec: ModelSpec, processor: Processor, threads: Int? = null): LiteRtModel =
            open(spec, processor, threads) { CompiledModel.create(assets, spec.file, it) }

        /** The same for a model that is no asset, but the file [path]. */
        fun open(path: String, spec: ModelSpec, processor: Processor, threads: Int? = null): LiteRtModel =
            open(spec, processor, threads) { CompiledModel.create(path, it) }

        private fun open(
            spec: ModelSpec,
            processor: Processor,
            threads: Int?,
            create: (CompiledModel.Options) -> CompiledModel,
        ): LiteRtModel {
            val accelerator = if (processor == Processor.GPU) Accelerator.GPU else Accelerator.CPU
            val options = CompiledModel.Options(accelerator)
            if (processor == Processor.CPU) options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
            var model: CompiledModel? = null
            try {
                model = create(options)
                return LiteRtModel(spec, processor, model, model.createInputBuffers(), model.createOutputBuffers())
            } catch (error: LiteRtException) {
                model?.close()
                throw ModelException(
                    ModelException.Problem.NOT_ACCELERATED,
                    "${spec.file} does not run on the $processor: ${error.message}",
                    error,
                )
            }
        }

        /** The first of [attempts] that runs, and what kept those before it from running. */
        fun openFirst(assets: AssetManager, attempts: List<Attempt>): Pair<LiteRtModel, List<ModelException>> =
            openFirst(attempts) { open(assets, it.spec, it.processor) }
    }
}
