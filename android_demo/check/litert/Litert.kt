// What the demo uses of LiteRT 2.3.0, to compile against where its Android library is not to be had: signatures alone, as
// litert/kotlin/src/main/kotlin/com/google/ai/edge/litert/{Common,LiteRtException,Model,TensorBuffer}.kt of
// google-ai-edge/LiteRT have them at commit f67457790c9c2ab67347d6fe53270e8d3df20868 (21 August 2026).
package com.google.ai.edge.litert

import android.content.res.AssetManager

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException internal constructor(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close(): Unit = throw NotImplementedError()
}

class Environment private constructor() : JniHandle()

class TensorBuffer internal constructor() : JniHandle() {
    fun writeFloat(data: FloatArray): Unit = throw NotImplementedError("$data")

    fun writeInt8(data: ByteArray): Unit = throw NotImplementedError("$data")

    fun readFloat(): FloatArray = throw NotImplementedError()

    fun readInt8(): ByteArray = throw NotImplementedError()
}

class CompiledModel private constructor() : JniHandle() {
    data class CpuOptions constructor(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options constructor(internal val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null

        companion object {
            @JvmStatic
            val CPU = Options(Accelerator.CPU)
        }
    }

    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = throw NotImplementedError("$signatureIndex")

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = throw NotImplementedError("$signatureIndex")

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0): Unit =
        throw NotImplementedError("$inputs $outputs $signatureIndex")

    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel = throw NotImplementedError("$assetManager $assetName $options $optionalEnv")

        @JvmOverloads
        @JvmStatic
        fun create(
            filePath: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel = throw NotImplementedError("$filePath $options $optionalEnv")
    }
}
