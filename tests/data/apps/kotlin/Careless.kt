// Each line is warned of by what API 36 knows and API 23 does not: deprecated since 30, may be null, may be null.
package probe

import android.app.Activity
import android.os.PowerManager

class Careless : Activity() {
    fun visibility(): Int = window.decorView.systemUiVisibility

    fun behaviour(): Int = window.insetsController.systemBarsBehavior

    fun left(power: PowerManager): Int = power.batteryDischargePrediction.nano
}
