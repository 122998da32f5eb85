package io.modnet.demo

import android.content.Context
import android.util.Size
import androidx.camera.core.CameraInfoUnavailableException
import androidx.camera.core.CameraSelector
import androidx.camera.core.CameraState
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.resolutionselector.ResolutionSelector
import androidx.camera.core.resolutionselector.ResolutionStrategy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.LiveData
import java.util.concurrent.ExecutionException

/** The camera's frames, while [owner] is started. Everything here is for the main thread; [told] hears how it goes. */
class LiveCamera(
    private val context: Context,
    private val owner: LifecycleOwner,
    private val engine: Engine,
    private val told: (CameraStatus) -> Unit,
) {
    private var analysis: ImageAnalysis? = null
    private var provider: ProcessCameraProvider? = null
    private var wanted: Lens? = null
    private var state: LiveData<CameraState>? = null

    /** How the display is turned, one of `Surface.ROTATION_0` and so on; null: as the camera finds it. */
    var rotation: Int? = null
        set(value) {
            field = value
            if (value != null) analysis?.targetRotation = value
        }

    /** Begins with a [lens], or with the other one where the device does not have it. */
    fun start(lens: Lens) {
        wanted = lens
        val future = ProcessCameraProvider.getInstance(context)
        future.addListener(
            {
                try {
                    if (wanted == lens) bind(future.get(), lens)
                } catch (error: ExecutionException) {
                    told(CameraStatus.FAILED)
                } catch (error: CameraInfoUnavailableException) {
                    told(CameraStatus.FAILED)
                } catch (error: IllegalArgumentException) {
                    // The camera has no size that can be analysed.
                    told(CameraStatus.FAILED)
                } catch (error: IllegalStateException) {
                    // The activity has ended.
                    told(CameraStatus.FAILED)
                }
            },
            ContextCompat.getMainExecutor(context),
        )
    }

    /** Ends; [start] begins anew. */
    fun stop() {
        wanted = null
        analysis?.clearAnalyzer()
        analysis = null
        provider?.unbindAll()
    }

    private fun bind(provider: ProcessCameraProvider, lens: Lens) {
        val other = if (lens == Lens.FRONT) Lens.BACK else Lens.FRONT
        val chosen = listOf(lens, other).find { provider.hasCamera(selector(it)) }
        if (chosen == null) {
            told(CameraStatus.ABSENT)
            return
        }
        val size = ResolutionStrategy(SIZE, ResolutionStrategy.FALLBACK_RULE_CLOSEST_HIGHER_THEN_LOWER)
        val builder = ImageAnalysis
            .Builder()
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setResolutionSelector(ResolutionSelector.Builder().setResolutionStrategy(size).build())
        rotation?.let { builder.setTargetRotation(it) }
        val analysis = builder.build()
        // Front cameras are mirrored for the eye.
        val mirrored = chosen == Lens.FRONT
        analysis.setAnalyzer(engine.worker) { engine.analyze(it, mirrored) }
        this.analysis?.clearAnalyzer()
        state?.removeObservers(owner)
        provider.unbindAll()
        this.analysis = analysis
        this.provider = provider
        val camera = provider.bindToLifecycle(owner, selector(chosen), analysis)
        state = camera.cameraInfo.cameraState.also { found ->
            found.observe(owner) { told(if (it.error == null) CameraStatus.WORKS else CameraStatus.FAILED) }
        }
    }

    private fun selector(lens: Lens): CameraSelector =
        if (lens == Lens.FRONT) CameraSelector.DEFAULT_FRONT_CAMERA else CameraSelector.DEFAULT_BACK_CAMERA

    private companion object {
        val SIZE = Size(1280, 720)
    }
}
