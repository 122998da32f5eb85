package io.modnet.demo

import io.modnet.matting.ModelPort
import io.modnet.matting.ModelSpec
import io.modnet.matting.PortType
import io.modnet.matting.Processor
import java.io.File

/**
 * What `modnet-export bench --app` asks of the benchmark activity, by the names that docs/benchmarks.md has. [output] is
 * the name of the file to write, [image] the path of the model's input as raw values; null: mid-grey. [runs] and [seconds]
 * say how often and how long it is timed at least.
 */
class BenchmarkRequest(
    val model: String,
    val spec: ModelSpec,
    val processor: Processor,
    val threads: Int,
    val runs: Int,
    val seconds: Int,
    val output: String,
    val image: String?,
) {
    companion object {
        /** From an intent's extras; throws [IllegalArgumentException] for those that say nothing or what cannot be. */
        fun from(string: (String) -> String?, number: (String) -> Int): BenchmarkRequest {
            val model = requireNotNull(string("model")) { "the extra model is missing" }
            val type = when (val ports = string("ports")) {
                "float32" -> PortType.FLOAT32
                "uint8" -> PortType.UINT8
                else -> throw IllegalArgumentException("the extra ports is float32 or uint8, not $ports")
            }
            val processor = when (val delegate = string("delegate")) {
                "cpu" -> Processor.CPU
                "gpu" -> Processor.GPU
                else -> throw IllegalArgumentException("an app runs models on cpu or gpu, not on $delegate")
            }
            val (height, width) = listOf("height", "width").map { positive(it, number) }
            val maximum = if (type == PortType.UINT8) 255f else 1f
            val image = ModelPort("image", type, "NHWC", height, width, 3, 0f, maximum)
            val matte = ModelPort("matte", type, "NHWC", height, width, 1, 0f, maximum)
            return BenchmarkRequest(
                model,
                ModelSpec(File(model).name, "", File(model).length(), "", "", image, matte),
                processor,
                positive("threads", number),
                positive("runs", number),
                number("seconds").also { require(it >= 0) { "the extra seconds is 0 or more, not $it" } },
                output(string),
                string("image"),
            )
        }

        /** The name of the file to write, also where the rest of a request is wrong: errors are written to it. */
        fun output(string: (String) -> String?): String {
            val name = string("output").orEmpty()
            require(Regex("[A-Za-z0-9_-]+\\.json").matches(name)) { "the extra output is no .json file's name: $name" }
            return name
        }

        private fun positive(name: String, number: (String) -> Int): Int =
            number(name).also { require(it > 0) { "the extra $name is 1 or more, not $it" } }
    }
}
