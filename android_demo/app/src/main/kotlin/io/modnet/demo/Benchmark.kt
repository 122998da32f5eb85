package io.modnet.demo

import io.modnet.matting.Background
import io.modnet.matting.MatteModel
import io.modnet.matting.Matting
import io.modnet.matting.PortType
import io.modnet.matting.Processor
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.concurrent.timer

/** What of a device only Android can tell. */
interface Device {
    /** Milliseconds since this process was started; null: unknown. */
    fun sinceStartMs(): Double?

    /** The process's proportional set size; null: unknown. */
    fun pssBytes(): Long?

    /** Thermal status and clocks, by the names of docs/benchmarks.md: numbers and text. */
    fun state(): Map<String, Any>
}

/** Measures a model in this process, and writes what docs/benchmarks.md says. */
class Benchmark(
    private val device: Device,
    private val folder: File,
    private val open: (BenchmarkRequest) -> MatteModel,
) {
    /** Measures what the extras ask for and writes it to the file that they name, or what kept it from being measured. */
    fun run(string: (String) -> String?, number: (String) -> Int) {
        val output = BenchmarkRequest.output(string)
        val written = try {
            measure(BenchmarkRequest.from(string, number))
        } catch (error: Exception) {
            mapOf("error" to (error.message ?: error.toString()))
        } catch (error: LinkageError) {
            mapOf("error" to error.toString())
        } catch (error: OutOfMemoryError) {
            mapOf("error" to error.toString())
        }
        write(output, json(written).toByteArray())
    }

    private fun measure(request: BenchmarkRequest): Map<String, Any?> {
        val ports = request.spec.image
        val image = image(request)
        val before = device.state()
        val start = System.nanoTime()
        open(request).use { model ->
            val initMs = since(start)
            val network = Network(model, image)
            val first = network.timedMs()
            val sinceStartMs = device.sinceStartMs()
            val matteFile = request.output.removeSuffix(".json") + ".matte"
            write(matteFile, network.matte)
            val warmup = arrayListOf(first)
            val warm = System.nanoTime()
            val warmMs = if (request.processor == Processor.GPU) WARM_GPU_MS else WARM_MS
            while (warmup.size < WARM_RUNS || since(warm) < warmMs) {
                warmup += network.timedMs()
            }
            val samples = ArrayList<Double>()
            val startsS = ArrayList<Double>()
            val trace = Trace(device).use { trace ->
                while (samples.size < request.runs || trace.seconds() < request.seconds) {
                    startsS += trace.seconds()
                    samples += network.timedMs()
                }
                trace.end()
            }
            return mapOf(
                "samples_ms" to samples,
                "at_s" to startsS,
                "trace" to trace,
                "warmup_ms" to warmup,
                "init_ms" to initMs,
                "first_ms" to first,
                "end_to_end_ms" to endToEndMs(model, image, ports.height, ports.width, minOf(request.runs, FRAMES)),
                "cold_start_ms" to sinceStartMs,
                "pss_bytes" to device.pssBytes(),
                "before" to before,
                "after" to device.state(),
                "matte" to matteFile,
            )
        }
    }

    /** The model's input as raw values. */
    private fun image(request: BenchmarkRequest): ByteBuffer {
        val port = request.spec.image
        val values = port.height * port.width * port.channels
        val buffer = if (request.image == null) {
            grey(values, port.type)
        } else {
            ByteBuffer.wrap(File(request.image).readBytes())
        }
        val expected = if (port.type == PortType.FLOAT32) 4 * values else values
        require(buffer.limit() == expected) { "the image has $expected bytes, not ${buffer.limit()}" }
        return buffer.order(ByteOrder.LITTLE_ENDIAN)
    }

    private fun grey(values: Int, type: PortType): ByteBuffer {
        if (type == PortType.UINT8) return ByteBuffer.wrap(ByteArray(values) { 128.toByte() })
        val buffer = ByteBuffer.allocate(4 * values).order(ByteOrder.LITTLE_ENDIAN)
        repeat(values) { buffer.putFloat(4 * it, 0.5f) }
        return buffer
    }

    /** From a camera's frame to pixels on a colour; the frame shows the image, scaled by its nearest pixels. */
    private fun endToEndMs(model: MatteModel, image: ByteBuffer, height: Int, width: Int, count: Int): List<Double> {
        val rgba = ByteBuffer.allocateDirect(4 * FRAME_HEIGHT * FRAME_WIDTH)
        for (y in 0 until FRAME_HEIGHT) {
            for (x in 0 until FRAME_WIDTH) {
                val pixel = y * height / FRAME_HEIGHT * width + x * width / FRAME_WIDTH
                repeat(3) { rgba.put(level(image, 3 * pixel + it, model.spec.image.type)) }
                rgba.put(-1)
            }
        }
        // Whoever opened the model closes it.
        val matting = Matting(model)
        val renderer = Renderer()
        val colour = Background.Colour(0, 128, 64)

        fun frame(): Double {
            val start = System.nanoTime()
            renderer.take(rgba, FRAME_HEIGHT, FRAME_WIDTH, 4 * FRAME_WIDTH, 0, false)
            renderer.infer(matting, start)
            renderer.show(colour)
            return since(start)
        }
        repeat(WARM_RUNS) { frame() }
        return List(count) { frame() }
    }

    private fun level(image: ByteBuffer, at: Int, type: PortType): Byte {
        if (type == PortType.UINT8) return image.get(at)
        return (image.getFloat(4 * at) * 255 + 0.5f).toInt().coerceIn(0, 255).toByte()
    }

    /** Under another name first, so that whoever waits for the file finds all of it. */
    private fun write(name: String, data: ByteArray) {
        val part = File(folder, "$name.part")
        part.writeBytes(data)
        check(part.renameTo(File(folder, name))) { "cannot write $name" }
    }

    /** The network alone, on one image: copied in, run, its output read. */
    private class Network(private val model: MatteModel, image: ByteBuffer) {
        private val floats = if (model.spec.image.type == PortType.FLOAT32) {
            FloatArray(image.limit() / 4) { image.getFloat(4 * it) }
        } else {
            null
        }
        private val bytes = image.array()

        /** The last output, as raw values. */
        var matte = ByteArray(0)
            private set

        fun timedMs(): Double {
            val start = System.nanoTime()
            if (floats == null) {
                val output = model.run(bytes)
                return since(start).also { matte = output }
            }
            val output = model.run(floats)
            return since(start).also { matte = raw(output) }
        }

        private fun raw(values: FloatArray): ByteArray {
            val buffer = ByteBuffer.allocate(4 * values.size).order(ByteOrder.LITTLE_ENDIAN)
            buffer.asFloatBuffer().put(values)
            return buffer.array()
        }
    }

    /** What the device says of itself every second, from another thread: what it read at [seconds] since it began. */
    private class Trace(private val device: Device) : AutoCloseable {
        private val start = System.nanoTime()
        private val states = ArrayList<Map<String, Any>>()
        private val timer = timer("trace", daemon = true, period = TRACE_MS) { add() }

        fun seconds() = since(start) / 1e3

        /** Everything that was read, once more at the end. */
        fun end(): List<Map<String, Any>> {
            timer.cancel()
            add()
            return synchronized(states) { states.toList() }
        }

        override fun close() = timer.cancel()

        private fun add() = synchronized(states) { states += mapOf("at_s" to seconds()) + device.state() }
    }

    companion object {
        private const val TRACE_MS = 1000L
        const val FRAME_HEIGHT = 720
        const val FRAME_WIDTH = 1280
        private const val FRAMES = 20
        private const val WARM_RUNS = 2
        private const val WARM_MS = 1000
        private const val WARM_GPU_MS = 2000

        private fun since(startNs: Long) = (System.nanoTime() - startNs) / 1e6
    }
}

/** JSON of numbers, text, lists and maps; what is null is left out of a map. */
internal fun json(value: Any?): String =
    when (value) {
        is Map<*, *> -> value.filter { it.value != null }.map { pair(it) }.joinToString(", ", "{", "}")
        is Iterable<*> -> value.joinToString(", ", "[", "]") { json(it) }
        is Number -> value.toString().also { require(value.toDouble().isFinite()) { "JSON has no $it" } }
        else -> quoted(value.toString())
    }

private fun pair(entry: Map.Entry<*, *>) = "${quoted(entry.key.toString())}: ${json(entry.value)}"

private fun quoted(text: String): String {
    val escaped = text.map { if (it == '"' || it == '\\' || it < ' ') "\\u%04x".format(it.code) else it.toString() }
    return escaped.joinToString("", "\"", "\"")
}
