// LiteRT as android_demo/check/litert declares it, on a machine without a GPU: a model's matte is the file MODEL.matte of
// the folder `modnet.mattes`, and what it is given is written to MODEL.image there, as raw floats.
package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException internal constructor(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close() = Unit
}

class Environment private constructor() : JniHandle()

class TensorBuffer internal constructor(private val file: File) : JniHandle() {
    fun writeFloat(data: FloatArray) {
        val bytes = ByteBuffer.allocate(4 * data.size).order(ByteOrder.LITTLE_ENDIAN)
        bytes.asFloatBuffer().put(data)
        file.writeBytes(bytes.array())
    }

    fun writeInt8(data: ByteArray) = file.writeBytes(data)

    fun readFloat(): FloatArray {
        val values = ByteBuffer.wrap(readInt8()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(values.remaining()).also { values.get(it) }
    }

    fun readInt8(): ByteArray = file.readBytes()
}

class CompiledModel private constructor(private val name: String) : JniHandle() {
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
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = buffers(signatureIndex, "image")

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = buffers(signatureIndex, "matte")

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0) =
        check(inputs.size == 1 && outputs.size == 1 && signatureIndex == 0)

    private fun buffers(signatureIndex: Int, suffix: String): List<TensorBuffer> {
        check(signatureIndex == 0)
        return listOf(TensorBuffer(File(System.getProperty("modnet.mattes"), "$name.$suffix")))
    }

    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options.CPU,
            optionalEnv: Environment? = null,
        ): CompiledModel {
            assetManager.open(assetName).close()
            check(optionalEnv == null)
            if (options.accelerators != setOf(Accelerator.CPU)) throw LiteRtException("there is no GPU")
            return CompiledModel(assetName)
        }
    }
}
