package io.modnet.demo

import android.app.Activity
import android.os.Build
import android.os.Bundle
import android.os.Debug
import android.os.PowerManager
import android.os.Process
import android.os.SystemClock
import android.view.WindowManager
import io.modnet.matting.LiteRtModel
import java.io.File
import java.io.IOException
import kotlin.concurrent.thread

/** Measures what its extras ask for, for `modnet-export bench --app`: docs/benchmarks.md has them. Only adb starts it. */
class BenchmarkActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        // Where there is one, this is the activity anew after a turn, and it is being measured already.
        if (savedInstanceState != null) return
        val folder = checkNotNull(getExternalFilesDir(null)) { "the device's storage is not there" }
        val benchmark = Benchmark(Phone(getSystemService(PowerManager::class.java)), folder) {
            LiteRtModel.open(it.model, it.spec, it.processor, it.threads)
        }
        thread(name = "benchmark") {
            benchmark.run(intent::getStringExtra) { intent.getIntExtra(it, 0) }
            runOnUiThread { finish() }
        }
    }
}

private class Phone(private val power: PowerManager) : Device {
    override fun sinceStartMs() = (SystemClock.elapsedRealtime() - Process.getStartElapsedRealtime()).toDouble()

    override fun pssBytes() = Debug.getPss() * 1024

    override fun state(): Map<String, Any> {
        val found = HashMap<String, Any>()
        if (Build.VERSION.SDK_INT >= 29) found["thermal_status"] = power.currentThermalStatus
        val clocks = clocks()
        if (clocks.isNotEmpty()) found["scaling_cur_freq"] = clocks.joinToString()
        return found
    }

    /** In kHz, of the cores whose clock an app may read. */
    private fun clocks(): List<String> =
        List(Runtime.getRuntime().availableProcessors()) { "/sys/devices/system/cpu/cpu$it/cpufreq/scaling_cur_freq" }
            .mapNotNull { path ->
                try {
                    File(path).readText().trim()
                } catch (error: IOException) {
                    null
                }
            }
}
