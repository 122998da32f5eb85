package org.example.minimal

import android.app.Activity
import android.graphics.Bitmap
import android.os.Build
import android.os.Bundle
import android.os.PowerManager
import android.widget.ImageView
import io.modnet.matting.Background
import io.modnet.matting.Compositor
import io.modnet.matting.LiteRtModel
import io.modnet.matting.Matting
import io.modnet.matting.ModelPort
import io.modnet.matting.ModelSpec
import io.modnet.matting.PortType
import io.modnet.matting.RgbaFrame
import io.modnet.matting.attempts
import java.nio.ByteBuffer
import java.nio.IntBuffer

/** The least that uses all of `matting`: an app to try the packaging tools on. */
class MainActivity : Activity() {
    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        val port = ModelPort("image", PortType.FLOAT32, "NHWC", 64, 64, 3, -1f, 1f)
        val spec = ModelSpec("modnet_fp16.tflite", "", 0, "fp16", "gpu", port, port.copy(name = "matte", channels = 1))
        LiteRtModel.check(assets, spec)
        val (model, _) = LiteRtModel.openFirst(assets, attempts(listOf(spec)))
        val pixels = IntArray(64 * 64)
        Matting(model).use { matting ->
            val frame = RgbaFrame()
            frame.set(ByteBuffer.allocateDirect(64 * 64 * 4), 64, 64, 64 * 4, 0, false)
            val matte = FloatArray(64 * 64)
            matting.matte(frame, matte)
            Compositor().composite(frame, matte, Background.Blur(), pixels)
        }
        val shown = Bitmap.createBitmap(64, 64, Bitmap.Config.ARGB_8888)
        shown.copyPixelsFromBuffer(IntBuffer.wrap(pixels))
        findViewById<ImageView>(R.id.matte).setImageBitmap(shown)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            title = getSystemService(PowerManager::class.java).currentThermalStatus.toString()
        }
    }
}
