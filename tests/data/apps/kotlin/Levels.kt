// Functions whose names begin with `wrong` call what the oldest Android of an app, API 24, does not have.
package probe

import android.app.Activity
import android.graphics.BlendMode
import android.os.Build
import android.os.PowerManager
import android.os.VibrationEffect
import android.window.OnBackInvokedCallback
import androidx.annotation.RequiresApi
import java.io.IOException

@RequiresApi(29)
class Newer29(private val power: PowerManager) {
    fun status(): Int = power.currentThermalStatus
}

class Back : OnBackInvokedCallback {
    override fun onBackInvoked() = Unit
}

class Levels(private val power: PowerManager) : Activity() {
    private val modern = Build.VERSION.SDK_INT >= 29

    fun rightBehindIf(): Int = if (Build.VERSION.SDK_INT >= 29) power.currentThermalStatus else 0

    fun rightAfterReturn(): Int {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return 0
        return power.currentThermalStatus
    }

    fun rightWithAnd(wanted: Boolean): Boolean = wanted && Build.VERSION.SDK_INT > 28 && power.currentThermalStatus > 1

    fun rightWithNumberFirst(): Int = if (29 <= Build.VERSION.SDK_INT) power.currentThermalStatus else 0

    fun rightInWhen(): Int = when {
        Build.VERSION.SDK_INT >= 30 -> power.currentThermalStatus
        Build.VERSION.SDK_INT == 29 -> power.currentThermalStatus
        else -> 0
    }

    fun rightInLambda(): () -> Int = if (Build.VERSION.SDK_INT >= 29) ({ power.currentThermalStatus }) else ({ 0 })

    fun rightInInnerLambda(): () -> () -> Int =
        if (Build.VERSION.SDK_INT >= 29) ({ { power.currentThermalStatus } }) else ({ { 0 } })

    fun rightInObject(): Runnable? {
        if (Build.VERSION.SDK_INT < 29) return null
        return object : Runnable {
            override fun run() = check(power.currentThermalStatus > 0)
        }
    }

    fun rightInTry(): Int = try {
        if (Build.VERSION.SDK_INT >= 29) power.currentThermalStatus else 0
    } catch (error: IOException) {
        0
    }

    fun rightWithWhenOverEnum(mode: BlendMode): Int {
        if (Build.VERSION.SDK_INT < 29) return 0
        return when (mode) {
            BlendMode.CLEAR -> 1
            else -> 2
        }
    }

    @RequiresApi(Build.VERSION_CODES.Q)
    fun rightAnnotated(): Int = power.currentThermalStatus

    fun rightCallsAnnotated(): Int = if (Build.VERSION.SDK_INT >= 33) rightAnnotated() + Newer29(power).status() else 0

    fun rightCallsOldest(): Boolean = power.isSustainedPerformanceModeSupported

    fun rightOfJava(): Int = Math.floorMod(3, 2) + emptyMap<Int, Int>().getOrDefault(1, 2)

    fun rightBack(): Back? = if (Build.VERSION.SDK_INT >= 33) Back() else null

    override fun onTopResumedActivityChanged(first: Boolean) = super.onTopResumedActivityChanged(first)

    fun wrongWithout(): Int = power.currentThermalStatus

    fun wrongLevel(): Int = if (Build.VERSION.SDK_INT >= 28) power.currentThermalStatus else 0

    fun wrongBranch(): Int = if (Build.VERSION.SDK_INT >= 29) 0 else power.currentThermalStatus

    fun wrongAfterwards(): Int {
        if (Build.VERSION.SDK_INT >= 29) println()
        return power.currentThermalStatus
    }

    fun wrongWithOr(wanted: Boolean): Boolean = (wanted || Build.VERSION.SDK_INT >= 29) && power.currentThermalStatus > 1

    fun wrongInLambda(): () -> Int = { power.currentThermalStatus }

    fun wrongInInnerLambda(): () -> () -> Int = { { power.currentThermalStatus } }

    fun wrongInObject(): Runnable = object : Runnable {
        override fun run() = check(power.currentThermalStatus > 0)
    }

    fun wrongInCatch(): Int = try {
        if (Build.VERSION.SDK_INT >= 29) rightBehindIf() else throw IOException()
    } catch (error: IOException) {
        power.currentThermalStatus
    }

    fun wrongCallsAnnotated(): Int = rightAnnotated()

    fun wrongClassAnnotated(): Any = Newer29(power)

    fun wrongInterface(): Any = Back()

    fun wrongInherited() = onBackInvokedDispatcher

    fun wrongClass(): Any = VibrationEffect::class.java

    fun wrongCast(given: Any) = (given as VibrationEffect).describeContents()

    fun wrongOfJava(): List<Int> = java.util.List.of(1)

    // Not followed, and so not believed.
    fun wrongByVariable(): Int = if (modern) power.currentThermalStatus else 0
}
