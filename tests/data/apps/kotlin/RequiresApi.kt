// As annotation/annotation/src/jvmMain/java/androidx/annotation/RequiresApi.java of androidx/androidx has it.
package androidx.annotation

@Retention(AnnotationRetention.BINARY)
annotation class RequiresApi(val value: Int = 1, val api: Int = 1)
