// See Core.kt.
package androidx.core.graphics

class Insets private constructor() {
    @JvmField
    val left: Int = throw NotImplementedError()

    @JvmField
    val top: Int = throw NotImplementedError()

    @JvmField
    val right: Int = throw NotImplementedError()

    @JvmField
    val bottom: Int = throw NotImplementedError()
}
