package android.app

import android.content.Context
import android.content.res.AssetManager
import java.io.File

/** `modnet.app` and `modnet.test` are the folders of the app's assets and of its test's. */
class Instrumentation {
    val targetContext = Context(AssetManager(File(System.getProperty("modnet.app"))))
    val context = Context(AssetManager(File(System.getProperty("modnet.test"))))
}
