package io.modnet.demo

import android.Manifest
import android.content.ActivityNotFoundException
import android.content.ComponentCallbacks2
import android.content.Intent
import android.content.pm.PackageManager
import android.hardware.display.DisplayManager
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.provider.Settings
import android.widget.Toast
import androidx.activity.ComponentActivity
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.CreateDocument
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission
import androidx.core.view.ViewCompat
import androidx.core.view.WindowInsetsCompat
import androidx.lifecycle.ViewModelProvider
import io.modnet.matting.Processor

/** The one screen: the picture, what the model does and how long it takes, and what the user can choose. */
class MainActivity : ComponentActivity(), Engine.Listener, DisplayManager.DisplayListener {
    private lateinit var views: Views
    private lateinit var engine: Engine
    private lateinit var camera: LiveCamera
    private var choices = Choices()
    private var situation = Situation()
    private var thermal: AutoCloseable? = null

    private val askForCamera = registerForActivityResult(RequestPermission()) { granted ->
        // Where Android does not ask any more, only its settings help.
        val refused = !granted && !shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)
        if (refused) show(situation.copy(permission = Permission.REFUSED))
        startCamera()
    }
    private val pickPhoto = registerForActivityResult(PickVisualMedia()) { uri ->
        if (uri != null) choose(choices.copy(photo = kept(uri)))
    }
    private val pickPicture = registerForActivityResult(PickVisualMedia()) { uri ->
        if (uri != null) choose(choices.copy(backdrop = Backdrop.PICTURE, picture = kept(uri)))
        markBackdrop()
    }
    private val createFile = registerForActivityResult(CreateDocument(Photos.TYPE)) { uri ->
        if (uri != null) engine.save(uri)
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        enableEdgeToEdge()
        super.onCreate(savedInstanceState)
        setContentView(R.layout.activity_main)
        views = Views(this)
        ViewCompat.setOnApplyWindowInsetsListener(views.root) { view, insets ->
            val types = WindowInsetsCompat.Type.systemBars() or WindowInsetsCompat.Type.displayCutout()
            val bars = insets.getInsets(types)
            view.setPadding(bars.left, bars.top, bars.right, bars.bottom)
            WindowInsetsCompat.CONSUMED
        }
        engine = ViewModelProvider(this)[Engine::class.java]
        camera = LiveCamera(this, this, engine) { show(situation.copy(camera = it)) }
        if (!packageManager.hasSystemFeature(PackageManager.FEATURE_CAMERA_ANY)) {
            situation = situation.copy(camera = CameraStatus.ABSENT)
        }
        val saved = Choices.NAMES.mapNotNull { name -> savedInstanceState?.getString(name)?.let { name to it } }
        choices = Choices.restored(saved.toMap())
        views.picture.picture = engine::picture
        listen()
    }

    override fun onStart() {
        super.onStart()
        engine.listener = this
        getSystemService(DisplayManager::class.java).registerDisplayListener(this, null)
        if (Build.VERSION.SDK_INT >= 29) thermal = ThermalWatch(this) { heated(it) }
        situation = situation.copy(model = engine.model, showsPhoto = choices.photo != null)
        engine.put(choices.backdrop, getColor(R.color.backdrop), choices.picture)
        engine.showPhoto(choices.photo)
        engine.want(choices.processor)
        startCamera()
    }

    override fun onStop() {
        thermal?.close()
        getSystemService(DisplayManager::class.java).unregisterDisplayListener(this)
        engine.listener = null
        super.onStop()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        for ((name, value) in choices.saved()) outState.putString(name, value)
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        // In the background: `onStart` opens the model again.
        if (level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND) engine.release()
    }

    override fun modelChanged(state: ModelState) = show(situation.copy(model = state))

    override fun pictureChanged() = views.picture.invalidate()

    override fun timesChanged(beforeMs: Float, networkMs: Float, afterMs: Float, framesPerSecond: Float) {
        val split = getString(R.string.times, beforeMs, networkMs, afterMs)
        val rate = if (situation.showsPhoto) "" else getString(R.string.rate, framesPerSecond)
        views.times.text = getString(R.string.times_and_rate, split, rate).trim()
    }

    override fun unreadable(uri: String) {
        tell(R.string.photo_unreadable)
        choose(choices.without(uri))
        markBackdrop()
    }

    override fun saved(where: Uri?) = tell(if (where == null) R.string.not_saved else R.string.saved)

    override fun onDisplayAdded(displayId: Int) = Unit

    override fun onDisplayRemoved(displayId: Int) = Unit

    /** A turn by half does not make a new activity. */
    override fun onDisplayChanged(displayId: Int) {
        camera.rotation = views.root.display?.rotation
    }

    private fun listen() {
        markBackdrop()
        views.backdrops.setOnCheckedChangeListener { _, id -> backdropChecked(id) }
        // Tapped again, it picks another picture.
        views.backdropOf.getValue(Backdrop.PICTURE).setOnClickListener { pick(pickPicture) }
        views.gpu.isChecked = choices.processor == Processor.GPU
        views.gpu.setOnCheckedChangeListener { _, on ->
            choose(choices.copy(processor = if (on) Processor.GPU else Processor.CPU))
        }
        views.photo.setOnClickListener {
            if (choices.photo == null) pick(pickPhoto) else choose(choices.copy(photo = null))
        }
        views.lens.setOnClickListener {
            choose(choices.copy(lens = if (choices.lens == Lens.FRONT) Lens.BACK else Lens.FRONT))
        }
        views.save.setOnClickListener {
            if (Build.VERSION.SDK_INT >= 29) engine.save(null) else open(createFile, getString(R.string.file_name))
        }
        views.remedy.setOnClickListener { remedy() }
    }

    private fun backdropChecked(id: Int) {
        val backdrop = views.backdropOf.entries
            .find { it.value.id == id }
            ?.key
        if (backdrop != null && backdrop != Backdrop.PICTURE) choose(choices.copy(backdrop = backdrop))
    }

    private fun markBackdrop() {
        views.backdropOf.getValue(choices.backdrop).isChecked = true
    }

    private fun choose(next: Choices) {
        val before = choices
        choices = next
        if (next.backdrop != before.backdrop || next.picture != before.picture) {
            engine.put(next.backdrop, getColor(R.color.backdrop), next.picture)
        }
        if (next.processor != before.processor) engine.want(next.processor)
        if (next.photo != before.photo) engine.showPhoto(next.photo)
        show(situation.copy(showsPhoto = next.photo != null))
        if (next.lens != before.lens || next.photo != before.photo) startCamera()
    }

    private fun startCamera() {
        if (choices.photo != null) {
            camera.stop()
        } else if (situation.camera == CameraStatus.ABSENT) {
            show(situation)
        } else if (checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED) {
            show(situation.copy(permission = Permission.GRANTED))
            camera.start(choices.lens)
        } else {
            // It may have been taken back in the settings.
            val taken = situation.permission == Permission.GRANTED
            show(if (taken) situation.copy(permission = Permission.NOT_ASKED) else situation)
        }
    }

    private fun heated(status: Int) {
        engine.gate.thermal = status
        show(situation.copy(thermal = status))
    }

    private fun remedy() =
        when (message(situation)?.remedy) {
            Remedy.ALLOW -> {
                askForCamera.launch(Manifest.permission.CAMERA)
            }

            Remedy.SETTINGS -> {
                val details = Uri.fromParts("package", packageName, null)
                startActivity(Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, details))
            }

            Remedy.RETRY -> {
                engine.want(choices.processor)
                startCamera()
            }

            else -> {
                Unit
            }
        }

    private fun pick(launcher: ActivityResultLauncher<PickVisualMediaRequest>) =
        open(launcher, PickVisualMediaRequest.Builder().setMediaType(PickVisualMedia.ImageOnly).build())

    private fun <I> open(launcher: ActivityResultLauncher<I>, input: I) =
        try {
            launcher.launch(input)
        } catch (error: ActivityNotFoundException) {
            tell(R.string.no_app_for_that)
        }

    /** The photo as text. It may be read after the end of this process too, where its app allows that. */
    private fun kept(uri: Uri): String {
        try {
            contentResolver.takePersistableUriPermission(uri, Intent.FLAG_GRANT_READ_URI_PERMISSION)
        } catch (error: SecurityException) {
            // Then it is picked again.
        }
        return uri.toString()
    }

    private fun tell(text: Int) = Toast.makeText(this, text, Toast.LENGTH_LONG).show()

    private fun show(next: Situation) {
        situation = next
        views.show(next)
    }
}
