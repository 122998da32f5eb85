// What the demo uses of CameraX 1.6.1: signatures alone, as camera/camera-core/api/1.5.0-beta01.txt (commit
// a9b06aaf32dbcf83aa12e3f8185a109d14fbe8e9) and 1.7.0-rc01.txt (commit d443a782c57ebd2d5dbb7bf5cb4501a91ba28eee) of
// androidx/androidx both have them; 1.6's file was not to be had.
@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.core

import androidx.camera.core.resolutionselector.ResolutionSelector
import androidx.lifecycle.LiveData
import java.nio.ByteBuffer
import java.util.concurrent.Executor

interface Camera {
    val cameraInfo: CameraInfo
}

interface CameraInfo {
    val cameraState: LiveData<CameraState>
}

abstract class CameraState {
    abstract val error: StateError?

    abstract class StateError
}

class CameraInfoUnavailableException internal constructor() : Exception()

class CameraSelector private constructor() {
    companion object {
        @JvmField
        val DEFAULT_FRONT_CAMERA: CameraSelector = throw NotImplementedError()

        @JvmField
        val DEFAULT_BACK_CAMERA: CameraSelector = throw NotImplementedError()
    }
}

interface ImageInfo {
    val rotationDegrees: Int
}

interface ImageProxy : AutoCloseable {
    val height: Int
    val width: Int
    val imageInfo: ImageInfo
    val planes: Array<PlaneProxy>

    interface PlaneProxy {
        val buffer: ByteBuffer
        val rowStride: Int
    }
}

abstract class UseCase

class ImageAnalysis private constructor() : UseCase() {
    fun setAnalyzer(executor: Executor, analyzer: Analyzer): Unit = throw NotImplementedError()

    fun clearAnalyzer(): Unit = throw NotImplementedError()

    var targetRotation: Int = 0

    fun interface Analyzer {
        fun analyze(image: ImageProxy)
    }

    class Builder {
        fun setOutputImageFormat(outputImageFormat: Int): Builder = throw NotImplementedError()

        fun setBackpressureStrategy(strategy: Int): Builder = throw NotImplementedError()

        fun setResolutionSelector(resolutionSelector: ResolutionSelector): Builder = throw NotImplementedError()

        fun setTargetRotation(rotation: Int): Builder = throw NotImplementedError()

        fun build(): ImageAnalysis = throw NotImplementedError()
    }

    companion object {
        const val STRATEGY_KEEP_ONLY_LATEST = 0
        const val OUTPUT_IMAGE_FORMAT_RGBA_8888 = 2
    }
}
