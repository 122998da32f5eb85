// What the demo uses of androidx.core 1.19.0: signatures alone, as core/core/api/1.19.0-rc01.txt of androidx/androidx has them at
// commit 581914baf8da762f37985af55608090a40187a08.
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
