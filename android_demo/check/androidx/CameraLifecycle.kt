// See Camera.kt; here camera/camera-lifecycle/api/1.7.0-rc01.txt (commit c1a5d115194986fd15364f51f8ee8261cfbeb20e).
@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.lifecycle

import android.content.Context
import androidx.camera.core.Camera
import androidx.camera.core.CameraSelector
import androidx.camera.core.UseCase
import androidx.lifecycle.LifecycleOwner
import com.google.common.util.concurrent.ListenableFuture

class ProcessCameraProvider private constructor() {
    fun hasCamera(cameraSelector: CameraSelector): Boolean = throw NotImplementedError()

    fun unbindAll(): Unit = throw NotImplementedError()

    fun bindToLifecycle(
        lifecycleOwner: LifecycleOwner,
        cameraSelector: CameraSelector,
        vararg useCases: UseCase?,
    ): Camera = throw NotImplementedError()

    companion object {
        @JvmStatic
        fun getInstance(context: Context): ListenableFuture<ProcessCameraProvider> = throw NotImplementedError()
    }
}
