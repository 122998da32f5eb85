// See Core.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.core.view

import android.view.View
import androidx.core.graphics.Insets

fun interface OnApplyWindowInsetsListener {
    fun onApplyWindowInsets(view: View, insets: WindowInsetsCompat): WindowInsetsCompat
}

class ViewCompat private constructor() {
    companion object {
        @JvmStatic
        fun setOnApplyWindowInsetsListener(view: View, listener: OnApplyWindowInsetsListener?): Unit =
            throw NotImplementedError()
    }
}

class WindowInsetsCompat private constructor() {
    fun getInsets(typeMask: Int): Insets = throw NotImplementedError()

    class Type private constructor() {
        companion object {
            @JvmStatic
            fun systemBars(): Int = throw NotImplementedError()

            @JvmStatic
            fun displayCutout(): Int = throw NotImplementedError()
        }
    }

    companion object {
        @JvmField
        val CONSUMED: WindowInsetsCompat = throw NotImplementedError()
    }
}
