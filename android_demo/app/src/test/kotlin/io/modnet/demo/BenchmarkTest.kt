package io.modnet.demo

import io.modnet.matting.ModelException
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File

/** A device that says what a test expects. */
object Bench : Device {
    override fun sinceStartMs() = 812.5

    override fun pssBytes() = 123_456_789L

    override fun state() = mapOf("thermal_status" to 1, "scaling_cur_freq" to "1800000, 2400000")

    fun slow(request: BenchmarkRequest) = Red(request.spec, request.processor, takesMs = 2)

    fun run(folder: File, extras: Map<String, Any>, open: (BenchmarkRequest) -> Red = ::slow) =
        Benchmark(this, folder, open).run({ extras[it] as? String }, { extras[it] as? Int ?: 0 })
}

/** The benchmark activity without Android, for the network [Red]: the folder of its files, and what `am` was given. */
fun main(arguments: Array<String>) {
    val extras = HashMap<String, Any>()
    for ((kind, name, value) in arguments.drop(1).windowed(3)) {
        if (kind == "--es") extras[name] = value
        if (kind == "--ei") extras[name] = value.toInt()
    }
    Bench.run(File(arguments[0]), extras)
}

class BenchmarkTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val extras = mapOf(
        "model" to "/data/local/tmp/m.tflite",
        "delegate" to "gpu",
        "output" to "bench-1.json",
        "ports" to "uint8",
        "threads" to 2,
        "runs" to 5,
        "height" to 8,
        "width" to 16,
    )

    private fun written(name: String = "bench-1.json") = File(folder.root, name).readText()

    @Test
    fun `everything is measured, and the matte kept`() {
        val image = ByteArray(8 * 16 * 3) { (it % 251).toByte() }
        val path = File(folder.root, "image").also { it.writeBytes(image) }.path
        var asked: BenchmarkRequest? = null
        Bench.run(folder.root, extras + ("image" to path)) { Bench.slow(it).also { _ -> asked = it } }
        assertEquals(listOf("GPU", "2", "m.tflite"), asked?.run { listOf("$processor", "$threads", spec.file) })
        val text = written()
        val names = "samples_ms at_s trace warmup_ms end_to_end_ms before after init_ms first_ms"
        for (name in names.split(" ")) {
            assertTrue(name, "\"$name\": " in text)
        }
        val warmup = text.substringAfter("\"warmup_ms\": [").substringBefore("]")
        val warmMs = warmup.split(", ").sumOf { it.toDouble() }
        assertTrue("$warmMs", warmMs > 1000) // on a GPU it is 2 s; the clock and the loop take a part
        val samples = text.substringAfter("\"samples_ms\": [").substringBefore("]")
        assertEquals(5, samples.split(", ").size)
        val trace = text.substringAfter("\"trace\": [").substringBefore("]")
        assertTrue(trace, Regex("\\{\"at_s\": [0-9.E-]+, \"thermal_status\": 1, ").containsMatchIn(trace))
        assertTrue("\"cold_start_ms\": 812.5, \"pss_bytes\": 123456789" in text)
        assertTrue("\"before\": {\"thermal_status\": 1, \"scaling_cur_freq\": \"1800000, 2400000\"}" in text)
        val matte = File(folder.root, "bench-1.matte").readBytes()
        assertArrayEquals(ByteArray(8 * 16) { image[3 * it] }, matte)
        assertEquals(setOf("image", "bench-1.json", "bench-1.matte"), folder.root.list()?.toSet())
    }

    @Test
    fun `it goes on for as many seconds as it is asked for, and reads the device meanwhile`() {
        Bench.run(folder.root, extras + ("runs" to 1) + ("seconds" to 2))
        val text = written()

        fun list(name: String) = text.substringAfter("\"$name\": [").substringBefore("]")
        val starts = list("at_s").split(", ").map { it.toDouble() }
        assertEquals(starts.sorted(), starts)
        assertTrue("${starts.last()}", starts.last() > 1.0)
        assertEquals(list("samples_ms").split(", ").size, starts.size)
        assertTrue(list("trace"), Regex("at_s").findAll(list("trace")).count() >= 3)
    }

    @Test
    fun `what is wrong is written too`() {
        val wrong = mapOf(
            "delegate" to "nnapi",
            "ports" to "int8",
            "threads" to 0,
            "runs" to -1,
            "seconds" to -1,
            "height" to 0,
            "image" to "/nowhere",
        )
        for ((name, value) in wrong) {
            Bench.run(folder.root, extras + (name to value))
            assertTrue(name, written().startsWith("{\"error\": "))
        }
        val short = File(folder.root, "short").also { it.writeBytes(ByteArray(3)) }
        Bench.run(folder.root, extras + ("image" to short.path))
        assertEquals("{\"error\": \"the image has 384 bytes, not 3\"}", written())
        Bench.run(folder.root, extras) { throw ModelException(ModelException.Problem.NOT_ACCELERATED, "no \"GPU\"") }
        assertEquals("{\"error\": \"no \\u0022GPU\\u0022\"}", written())
        Bench.run(folder.root, extras) { throw UnsatisfiedLinkError("litert_jni") }
        assertTrue("litert_jni" in written())
    }

    @Test
    fun `a file is written in the app's own folder alone`() {
        for (name in listOf("../x.json", "x", "", "a/b.json", ".json")) {
            val request = extras + ("output" to name)
            assertThrows(name, IllegalArgumentException::class.java) { Bench.run(folder.root, request) }
        }
        assertEquals(0, folder.root.list()?.size)
    }

    @Test
    fun `JSON has no numbers that are none`() {
        val value = mapOf("a" to listOf(1, 2.5, "\n"), "b" to emptyMap<String, Any>(), "c" to null)
        assertEquals("{\"a\": [1, 2.5, \"\\u000a\"], \"b\": {}}", json(value))
        assertThrows(IllegalArgumentException::class.java) { json(Double.NaN) }
    }
}
