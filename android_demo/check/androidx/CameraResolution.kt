// See Camera.kt.
@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.core.resolutionselector

import android.util.Size

class ResolutionStrategy(boundSize: Size, fallbackRule: Int) {
    companion object {
        const val FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER = 1
    }
}

class ResolutionSelector private constructor() {
    class Builder {
        fun setResolutionStrategy(resolutionStrategy: ResolutionStrategy): Builder = throw NotImplementedError()

        fun build(): ResolutionSelector = throw NotImplementedError()
    }
}
