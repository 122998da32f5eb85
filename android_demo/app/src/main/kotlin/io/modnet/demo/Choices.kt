package io.modnet.demo

import io.modnet.matting.Processor

enum class Lens { FRONT, BACK }

/** What is put behind the person. */
enum class Backdrop { TRANSPARENT, COLOUR, BLUR, PICTURE }

/**
 * What the user chose; outlives the process as text. [photo] is shown in place of the camera where there is one, and
 * [picture] is the backdrop of that name; both are URIs.
 */
data class Choices(
    val lens: Lens = Lens.FRONT,
    val processor: Processor = Processor.GPU,
    val backdrop: Backdrop = Backdrop.BLUR,
    val photo: String? = null,
    val picture: String? = null,
) {
    fun saved(): Map<String, String> =
        listOfNotNull(
            "lens" to lens.name,
            "processor" to processor.name,
            "backdrop" to backdrop.name,
            photo?.let { "photo" to it },
            picture?.let { "picture" to it },
        ).toMap()

    /** The same where the photo or picture [uri] cannot be read. */
    fun without(uri: String) =
        copy(
            photo = photo.takeIf { it != uri },
            picture = picture.takeIf { it != uri },
            backdrop = if (backdrop == Backdrop.PICTURE && picture == uri) Backdrop.TRANSPARENT else backdrop,
        )

    companion object {
        val NAMES = listOf("lens", "processor", "backdrop", "photo", "picture")

        /** From what was [saved], by any version of the app: what is not known here is chosen anew. */
        fun restored(saved: Map<String, String>): Choices {
            val new = Choices()
            return Choices(
                Lens.entries.find { it.name == saved["lens"] } ?: new.lens,
                Processor.entries.find { it.name == saved["processor"] } ?: new.processor,
                Backdrop.entries.find { it.name == saved["backdrop"] } ?: new.backdrop,
                saved["photo"],
                saved["picture"],
            )
        }
    }
}
