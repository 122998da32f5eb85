package io.modnet.demo

import io.modnet.matting.Attempt
import io.modnet.matting.MatteModel
import io.modnet.matting.ModelException
import io.modnet.matting.ModelException.Problem
import io.modnet.matting.ModelSpec
import io.modnet.matting.Processor
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class ModelSessionTest {
    private val states = ArrayList<ModelState>()
    private val checked = ArrayList<ModelSpec>()
    private val opened = ArrayList<Red>()

    private fun session(check: (ModelSpec) -> Unit = {}, refuse: (Attempt) -> Unit = {}): ModelSession {
        val open = { attempt: Attempt ->
            refuse(attempt)
            Red(attempt.spec, attempt.processor).also { opened += it } as MatteModel
        }
        val checking = { spec: ModelSpec ->
            checked += spec
            check(spec)
        }
        return ModelSession(listOf(FP16, INT8), checking, open) { states += it }
    }

    private fun noGpu(attempt: Attempt) {
        if (attempt.processor == Processor.GPU) throw ModelException(Problem.NOT_ACCELERATED, "no OpenCL")
    }

    @Test
    fun `the GPU runs the model that is tuned for it`() {
        val session = session()
        session.want(Processor.GPU)
        val ready = ModelState.Ready(FP16, Processor.GPU, emptyList())
        assertEquals(listOf(ModelState.Checking, ModelState.Compiling(Processor.GPU), ready), states)
        session.want(Processor.GPU)
        assertEquals(3, states.size)
        assertEquals(1, opened.size)
    }

    @Test
    fun `where there is no GPU the CPU runs, and it is said why`() {
        val session = session(refuse = ::noGpu)
        session.want(Processor.GPU)
        assertEquals(ModelState.Ready(INT8, Processor.CPU, listOf("no OpenCL")), session.state)
        assertEquals(Processor.CPU, session.matting?.model?.processor)
    }

    @Test
    fun `another processor closes the model before it opens one, and files are checked once`() {
        val session = session()
        session.want(Processor.GPU)
        session.want(Processor.CPU)
        session.want(Processor.GPU)
        assertEquals(listOf(true, true, false), opened.map { it.closed })
        assertEquals(listOf(FP16, INT8), checked)
        assertEquals(ModelState.Ready(FP16, Processor.GPU, emptyList()), states.last())
    }

    @Test
    fun `memory is given back, and the model opened again when it is wanted`() {
        val session = session()
        session.release()
        assertEquals(emptyList<ModelState>(), states)
        session.want(Processor.CPU)
        session.release()
        assertTrue(opened.single().closed)
        assertNull(session.matting)
        assertEquals(ModelState.Closed, session.state)
        session.want(Processor.CPU)
        assertNotNull(session.matting)
        assertEquals(listOf(INT8), checked)
    }

    @Test
    fun `a model that is missing or damaged says so`() {
        for (problem in listOf(Problem.MISSING, Problem.DAMAGED)) {
            val session = session(check = { throw ModelException(problem, "${it.file}: $problem") })
            session.want(Processor.GPU)
            assertEquals(ModelState.Failed(problem, "${INT8.file}: $problem"), session.state)
            assertNull(session.matting)
        }
        // One that is damaged does not keep the other from running, and is not hidden.
        val session = session(check = { if (it == FP16) throw ModelException(Problem.DAMAGED, "damaged") })
        session.want(Processor.GPU)
        assertEquals(ModelState.Ready(INT8, Processor.CPU, listOf("damaged")), session.state)
    }

    @Test
    fun `a library that is not there, and a frame that fails, are states too`() {
        val session = session(refuse = { throw UnsatisfiedLinkError("no litert_jni") })
        session.want(Processor.CPU)
        assertEquals(ModelState.Failed(Problem.NOT_ACCELERATED, "no litert_jni"), session.state)
        val other = session()
        other.want(Processor.CPU)
        other.failed(IllegalStateException("lost the device"))
        assertEquals(ModelState.Failed(null, "lost the device"), other.state)
        assertTrue(opened.last().closed)
        other.want(Processor.CPU)
        assertFalse(opened.last().closed)
    }
}
