// What the demo uses of androidx.annotation, which comes with androidx.core.
package androidx.annotation

@Retention(AnnotationRetention.BINARY)
annotation class RequiresApi(val value: Int)
