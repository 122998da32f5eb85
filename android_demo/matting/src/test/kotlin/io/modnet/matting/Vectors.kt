package io.modnet.matting

import java.io.File
import java.nio.ByteBuffer

/** The shared vectors of tests/vectors, whose folder the system property `modnet.vectors` names. */
class Case(private val fields: Map<String, Any?>, private val fileTolerance: Float) {
    val tolerance: Float get() = (fields["tolerance"] as? Double)?.toFloat() ?: fileTolerance

    operator fun contains(name: String) = name in fields

    fun int(name: String) = (fields.getValue(name) as Double).toInt()

    fun float(name: String) = (fields.getValue(name) as Double).toFloat()

    fun text(name: String) = fields.getValue(name) as String

    fun flag(name: String) = fields.getValue(name) as Boolean

    fun ints(name: String) = (fields.getValue(name) as List<*>).map { (it as Double).toInt() }

    fun floats(name: String) = floats(fields.getValue(name))

    fun bytes(name: String) = ints(name).map { it.toByte() }.toByteArray()

    fun arrays(name: String) = (fields.getValue(name) as List<*>).map { if (it == null) null else floats(it) }

    private fun floats(values: Any?) = (values as List<*>).map { (it as Double).toFloat() }.toFloatArray()

    /** The frame that `rows` are. */
    fun frame() = RgbaFrame().apply {
        set(
            ByteBuffer.wrap(bytes("rows")),
            int("height"),
            int("width"),
            int("row_stride"),
            int("rotation"),
            flag("mirrored"),
        )
    }

    /** The frame that an RGB image is. */
    fun frame(name: String, height: Int, width: Int): RgbaFrame {
        val rgb = bytes(name)
        val buffer = ByteBuffer.allocateDirect(4 * height * width)
        for (i in 0 until height * width) buffer.put(rgb, 3 * i, 3).put(-1)
        return RgbaFrame().apply { set(buffer, height, width) }
    }
}

fun cases(name: String): List<Case> {
    val folder = checkNotNull(System.getProperty("modnet.vectors")) { "the property modnet.vectors names no folder" }
    val file = Json(File(folder, "$name.json").readText()).value() as Map<*, *>
    val tolerance = (file["tolerance"] as Double).toFloat()
    @Suppress("UNCHECKED_CAST")
    return (file["cases"] as List<Map<String, Any?>>).map { Case(it, tolerance) }
}

/** Reads the JSON that Python's json writes; the JVM has no reader of its own. */
private class Json(private val text: String) {
    private var at = 0

    fun value(): Any? {
        skipSpace()
        return when (text[at]) {
            '{' -> members()
            '[' -> elements()
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun members(): Map<String, Any?> {
        val found = LinkedHashMap<String, Any?>()
        at++
        while (!ended('}')) {
            skipSpace()
            val name = string()
            skipSpace()
            check(text[at++] == ':')
            found[name] = value()
        }
        return found
    }

    private fun elements(): List<Any?> {
        val found = ArrayList<Any?>()
        at++
        while (!ended(']')) found += value()
        return found
    }

    private fun ended(close: Char): Boolean {
        skipSpace()
        if (text[at] == ',') {
            at++
            return false
        }
        if (text[at] == close) at++ else return false
        return true
    }

    private fun string(): String {
        val end = text.indexOf('"', at + 1)
        return text.substring(at + 1, end).also { at = end + 1 }
    }

    private fun number(): Double {
        val from = at
        while (text[at] in "+-.eE0123456789") at++
        return text.substring(from, at).toDouble()
    }

    private fun word(word: String, value: Any?): Any? {
        check(text.startsWith(word, at))
        at += word.length
        return value
    }

    private fun skipSpace() {
        while (text[at].isWhitespace()) at++
    }
}
