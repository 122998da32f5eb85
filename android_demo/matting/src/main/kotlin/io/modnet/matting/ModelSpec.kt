package io.modnet.matting

/** What the values of a port are: a runtime cannot tell (LiteRT's Kotlin interface has no type for bytes). */
enum class PortType { FLOAT32, UINT8 }

/**
 * An input or output of a model: [height] x [width] x [channels] values of one image, rows first, channels last.
 *
 * [layout] says the same as the manifest does (`NHWC`). Values lie from [minimum] to [maximum]: an image's are RGB,
 * black to white, a matte's background to foreground.
 */
data class ModelPort(
    val name: String,
    val type: PortType,
    val layout: String,
    val height: Int,
    val width: Int,
    val channels: Int,
    val minimum: Float,
    val maximum: Float,
)

/**
 * A model in the app's assets, as the manifest of its export has it.
 *
 * [tuning] is the processor that its graph was written for, `cpu` or `gpu`.
 */
data class ModelSpec(
    val file: String,
    val sha256: String,
    val bytes: Long,
    val precision: String,
    val tuning: String,
    val image: ModelPort,
    val matte: ModelPort,
)
