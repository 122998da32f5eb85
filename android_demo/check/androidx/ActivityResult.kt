// See Activity.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.activity.result

import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia.VisualMediaType

fun interface ActivityResultCallback<O> {
    fun onActivityResult(result: O)
}

abstract class ActivityResultLauncher<I> {
    fun launch(input: I): Unit = throw NotImplementedError()
}

class PickVisualMediaRequest internal constructor() {
    class Builder {
        fun setMediaType(mediaType: VisualMediaType): Builder = throw NotImplementedError()

        fun build(): PickVisualMediaRequest = throw NotImplementedError()
    }
}
