package io.modnet.matting

import java.lang.management.ManagementFactory

/**
 * Milliseconds of one thread's processor time for a frame of 1280 x 720 and a model of 512 x 512: the least and the
 * median of 60.
 */
fun main() {
    val threads = ManagementFactory.getThreadMXBean()
    val scene = Scene()
    println("soft pixels: ${Math.round(100 * scene.softPart)} %")
    val colour = Background.Colour(0, 200, 80)
    val blur = Background.Blur()
    val picture = scene.picture()
    val steps = listOf(
        "pack to floats" to { scene.pack() },
        "matte back, on a colour" to {
            scene.restore()
            scene.composite(colour)
        },
        "matte back, blurred" to {
            scene.restore()
            scene.composite(blur)
        },
        "matte back, on a picture" to {
            scene.restore()
            scene.composite(picture)
        },
        "matte back, transparent" to {
            scene.restore()
            scene.composite(Background.Transparent)
        },
        "matte back alone" to { scene.restore() },
    )
    for ((name, step) in steps) {
        repeat(60) { step() }
        val times = List(60) {
            val start = threads.currentThreadCpuTime
            step()
            (threads.currentThreadCpuTime - start) / 1e6
        }.sorted()
        println("%-26s %5.2f ms, median %5.2f".format(name, times.first(), times[times.size / 2]))
    }
}
