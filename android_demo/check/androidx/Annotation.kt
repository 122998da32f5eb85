// What the demo uses of androidx.annotation, which comes with androidx.core: annotation/annotation/api/1.10.0-rc01.txt of
// androidx/androidx (commit ef8dd96c2e78530a833cd339eaa3ff20d710ab08).
package androidx.annotation

@Retention(AnnotationRetention.BINARY)
annotation class RequiresApi(val value: Int)
