// Compiles without a warning against API 36, and calls nothing newer than API 24 unguarded.
package probe
import android.app.Activity
import android.content.ContentValues
import android.graphics.BlendMode
import android.graphics.ImageDecoder
import android.graphics.Paint
import android.os.Build
import android.os.Environment
import android.os.PowerManager
import android.provider.MediaStore
import android.view.WindowInsets
import android.view.WindowInsetsController
import android.window.OnBackInvokedDispatcher

annotation class Since(val api: Int)

@Since(Build.VERSION_CODES.Q)
class Newer : Activity() {
    fun thermal(power: PowerManager) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            val now: Int = power.currentThermalStatus
            power.addThermalStatusListener { status -> println(status + now) }
            power.addThermalStatusListener(mainExecutor) { status ->
                when (status) { PowerManager.THERMAL_STATUS_SEVERE -> println("hot") }
            }
        }
        if (Build.VERSION.SDK_INT >= 33) {
            onBackInvokedDispatcher.registerOnBackInvokedCallback(OnBackInvokedDispatcher.PRIORITY_DEFAULT) { finish() }
        }
        if (Build.VERSION.SDK_INT >= 30) {
            window.decorView.setOnApplyWindowInsetsListener { view, insets ->
                val bars = insets.getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout())
                view.setPadding(bars.left, bars.top, bars.right, bars.bottom)
                WindowInsets.CONSUMED
            }
            window.insetsController?.setSystemBarsAppearance(0, WindowInsetsController.APPEARANCE_LIGHT_STATUS_BARS)
        }
        if (Build.VERSION.SDK_INT >= 29) {
            Paint().blendMode = BlendMode.CLEAR
            val values = ContentValues()
            values.put(MediaStore.MediaColumns.RELATIVE_PATH, Environment.DIRECTORY_PICTURES + "/x")
            values.put(MediaStore.MediaColumns.IS_PENDING, 1)
            contentResolver.insert(MediaStore.Images.Media.getContentUri(MediaStore.VOLUME_EXTERNAL_PRIMARY), values)
            val name = when (BlendMode.DST) { BlendMode.CLEAR -> 1; else -> 2 }
            println(name)
        }
        if (Build.VERSION.SDK_INT >= 28) {
            val bitmap = ImageDecoder.decodeBitmap(ImageDecoder.createSource(contentResolver, intent.data!!)) { decoder, info, _ ->
                decoder.setTargetSize(info.size.width, info.size.height)
                decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            }
            println(bitmap.width)
        }
    }
}
