package io.modnet.demo

/**
 * Hands pictures from the thread that makes them to the one that shows them, the latest alone: neither waits, and a
 * picture that is shown is not written to. It takes three, which it lends in turn.
 */
class Latest<T : Any>(first: T, second: T, third: T) {
    private var writing = first
    private var waiting = second
    private var showing = third
    private var fresh = false
    private var taken = false

    /** The one to write the next picture to; for its maker alone. */
    val target: T get() = writing

    /** [target] is done: it is shown next, in place of one that was not shown yet. */
    @Synchronized
    fun publish() {
        val done = writing
        writing = waiting
        waiting = done
        fresh = true
    }

    /** The latest picture, which stays as it is until the next call; null: none was made yet. For its shower alone. */
    @Synchronized
    fun take(): T? {
        if (fresh) {
            val latest = waiting
            waiting = showing
            showing = latest
            fresh = false
            taken = true
        }
        return if (taken) showing else null
    }
}
