// See Activity.kt.
@file:JvmName("EdgeToEdge")
@file:Suppress("UNUSED_PARAMETER", "UnusedReceiverParameter")

package androidx.activity

class SystemBarStyle private constructor()

@JvmName("enable")
@JvmOverloads
fun ComponentActivity.enableEdgeToEdge(
    statusBarStyle: SystemBarStyle = throw NotImplementedError(),
    navigationBarStyle: SystemBarStyle = throw NotImplementedError(),
): Unit = throw NotImplementedError()
