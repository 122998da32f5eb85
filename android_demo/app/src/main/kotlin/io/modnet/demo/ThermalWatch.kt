package io.modnet.demo

import android.content.Context
import android.os.PowerManager
import androidx.annotation.RequiresApi
import androidx.core.content.ContextCompat

/** Tells of the device's thermal status, on the main thread, from now until it is closed. */
@RequiresApi(29)
class ThermalWatch(context: Context, private val changed: (Int) -> Unit) :
    PowerManager.OnThermalStatusChangedListener,
    AutoCloseable {
    private val power = context.getSystemService(PowerManager::class.java)

    init {
        power.addThermalStatusListener(ContextCompat.getMainExecutor(context), this)
    }

    override fun onThermalStatusChanged(status: Int) = changed(status)

    override fun close() = power.removeThermalStatusListener(this)
}
