// What the demo uses of androidx.activity 1.13.0, to compile against where it is not to be had: signatures alone, as
// activity/activity/api/1.13.0-rc01.txt of androidx/androidx has them at commit ad855b051be709274a9baf86da4ccff0daa4fec0.
@file:Suppress("UNUSED_PARAMETER")

package androidx.activity

import android.app.Activity
import androidx.activity.result.ActivityResultCallback
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContract
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ViewModelStore
import androidx.lifecycle.ViewModelStoreOwner

open class ComponentActivity :
    Activity(),
    LifecycleOwner,
    ViewModelStoreOwner {
    override val lifecycle: Lifecycle get() = throw NotImplementedError()
    override val viewModelStore: ViewModelStore get() = throw NotImplementedError()

    fun <I, O> registerForActivityResult(
        contract: ActivityResultContract<I, O>,
        callback: ActivityResultCallback<O>,
    ): ActivityResultLauncher<I> = throw NotImplementedError()
}
