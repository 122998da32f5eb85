// What the demo uses of androidx.lifecycle 2.11.0: signatures alone, as lifecycle/lifecycle-{viewmodel,livedata-core}/api/
// 2.11.0-beta01.txt of androidx/androidx have them at commit bf1d2b7ee194c75e916bf1103cd331c42dd469df, and Lifecycle itself as
// lifecycle/lifecycle-common/api/2.11.0-rc01.txt at commit 00444fd68e6c757a7d5c777ee58df69709354b56.
@file:Suppress("UNUSED_PARAMETER")

package androidx.lifecycle

import android.app.Application

abstract class Lifecycle

interface LifecycleOwner {
    val lifecycle: Lifecycle
}

class ViewModelStore

interface ViewModelStoreOwner {
    val viewModelStore: ViewModelStore
}

abstract class ViewModel {
    protected open fun onCleared() = Unit
}

open class AndroidViewModel(application: Application) : ViewModel()

open class ViewModelProvider(owner: ViewModelStoreOwner) {
    open operator fun <T : ViewModel> get(modelClass: Class<T>): T = throw NotImplementedError()
}

fun interface Observer<T> {
    fun onChanged(value: T)
}

abstract class LiveData<T> {
    open fun observe(owner: LifecycleOwner, observer: Observer<in T>): Unit = throw NotImplementedError()

    open fun removeObservers(owner: LifecycleOwner): Unit = throw NotImplementedError()
}
