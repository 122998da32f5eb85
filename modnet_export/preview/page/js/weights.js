/**
 * A .tflite file's float16 weights as float32: LiteRT in wasm does not delegate an op whose weights come through DEQUANTIZE
 * (LiteRT issue 9663), which makes a model four times slower. The numbers stay what they are; the file does not.
 *
 * The flatbuffer is edited in place (tensorflow/lite/schema/schema.fbs): constants get their float32 data behind the file's
 * end, whoever read a DEQUANTIZE reads the constant, and the DEQUANTIZE goes.
 */

const FLOAT32 = 0;
const FLOAT16 = 1;
const DEQUANTIZE = 6;
// The fields' places in their tables.
const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4 };
const SUBGRAPH = { tensors: 0, operators: 3 };
const TENSOR = { type: 1, buffer: 2 };
const OPERATOR = { code: 0, inputs: 1, outputs: 2 };
const OPERATOR_CODE = { deprecated: 0, builtin: 3 };
const BUFFER = { data: 0 };

/** The expanded file, and how many constants were expanded; the same bytes where there was none. */
export function expandedWeights(bytes) {
  const file = new Flatbuffer(bytes);
  const model = file.root();
  const codes = file.vector(model, MODEL.operatorCodes).map((code) => {
    const deprecated = file.field(code, OPERATOR_CODE.deprecated);
    const builtin = file.field(code, OPERATOR_CODE.builtin);
    return Math.max(deprecated ? file.view.getInt8(deprecated) : 0, builtin ? file.view.getInt32(builtin, true) : 0);
  });
  const buffers = file.vector(model, MODEL.buffers);
  const grown = new Map(); // a buffer may serve several tensors
  for (const subgraph of file.vector(model, MODEL.subgraphs)) {
    const tensors = file.vector(subgraph, SUBGRAPH.tensors);
    const constants = new Map(); // the output of a DEQUANTIZE to its constant
    const operators = file.vector(subgraph, SUBGRAPH.operators);
    const kept = operators.filter((operator) => {
      const code = file.field(operator, OPERATOR.code);
      if (codes[code ? file.view.getUint32(code, true) : 0] !== DEQUANTIZE) return true;
      const [input] = file.integers(operator, OPERATOR.inputs);
      const type = file.field(tensors[input], TENSOR.type);
      const buffer = file.field(tensors[input], TENSOR.buffer);
      const number = buffer ? file.view.getUint32(buffer, true) : 0;
      if (!type || file.view.getInt8(type) !== FLOAT16 || !file.field(buffers[number], BUFFER.data)) return true;
      grown.set(number, buffers[number]);
      constants.set(file.integers(operator, OPERATOR.outputs)[0], input);
      return false;
    });
    if (kept.length === operators.length) continue;
    for (const input of new Set(constants.values())) file.view.setInt8(file.field(tensors[input], TENSOR.type), FLOAT32);
    for (const operator of kept) {
      const inputs = file.integers(operator, OPERATOR.inputs);
      inputs.forEach((tensor, i) => {
        if (constants.has(tensor)) file.setInteger(operator, OPERATOR.inputs, i, constants.get(tensor));
      });
    }
    file.setVector(subgraph, SUBGRAPH.operators, kept);
  }
  return { bytes: grown.size ? file.withFloats([...grown.values()]) : bytes, expanded: grown.size };
}

/** As much of the format as is needed: tables and vectors by their positions, little-endian. */
class Flatbuffer {
  constructor(bytes) {
    this.bytes = bytes.slice();
    this.view = new DataView(this.bytes.buffer);
  }

  root() {
    return this.#follow(0);
  }

  #follow(position) {
    return position + this.view.getUint32(position, true);
  }

  /** Where a table's field lies; 0 where it has its default. */
  field(table, number) {
    const vtable = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * number;
    const offset = entry < this.view.getUint16(vtable, true) ? this.view.getUint16(vtable + entry, true) : 0;
    return offset && table + offset;
  }

  #elements(table, number) {
    const field = this.field(table, number);
    if (!field) return [0, 0];
    const vector = this.#follow(field);
    return [vector + 4, this.view.getUint32(vector, true)];
  }

  /** The tables of a vector. */
  vector(table, number) {
    const [start, length] = this.#elements(table, number);
    return Array.from({ length }, (_, i) => this.#follow(start + 4 * i));
  }

  integers(table, number) {
    const [start, length] = this.#elements(table, number);
    return Array.from({ length }, (_, i) => this.view.getInt32(start + 4 * i, true));
  }

  setInteger(table, number, index, value) {
    this.view.setInt32(this.#elements(table, number)[0] + 4 * index, value, true);
  }

  /** Fewer tables in a vector. */
  setVector(table, number, tables) {
    const [start] = this.#elements(table, number);
    this.view.setUint32(start - 4, tables.length, true);
    tables.forEach((position, i) => this.view.setUint32(start + 4 * i, position - (start + 4 * i), true));
  }

  /** The file with the float16 data of these buffers as float32 behind its end. */
  withFloats(buffers) {
    let end = this.bytes.length;
    const added = buffers.map((buffer) => {
      const [start, length] = this.#elements(buffer, BUFFER.data);
      const data = Math.ceil((end + 4) / 16) * 16; // as the format aligns it
      end = data + 2 * length;
      return { field: this.field(buffer, BUFFER.data), start, count: length / 2, data };
    });
    const grown = new Uint8Array(end);
    grown.set(this.bytes);
    const view = new DataView(grown.buffer);
    for (const { field, start, count, data } of added) {
      view.setUint32(field, data - 4 - field, true);
      view.setUint32(data - 4, 4 * count, true);
      const floats = new Float32Array(grown.buffer, data, count);
      for (let i = 0; i < count; i++) floats[i] = fromHalf(view.getUint16(start + 2 * i, true));
    }
    return grown;
  }
}

/** IEEE 754 binary16. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
