// What the demo uses of androidx.core 1.19.0 (ViewCompat, ContextCompat, Insets).
@file:Suppress("UNUSED_PARAMETER")

package androidx.core.content

import android.content.Context
import java.util.concurrent.Executor

open class ContextCompat protected constructor() {
    companion object {
        @JvmStatic
        fun getMainExecutor(context: Context): Executor = throw NotImplementedError()
    }
}
