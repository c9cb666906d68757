/*
 * How a vector is kept. Of each only the direction counts, so it is brought to length 1 first.
 *
 * `Kept` is what the file has: its scale as a little-endian 32-bit float, and a signed byte for each number; times the scale
 * that is the vector. Of a text that has none it is empty. `Signs` is a bit for each number, 1 where it is positive: what memory has, to look at all of them.
 */
export type Kept = Uint8Array
export type Signs = Uint8Array

const SCALE_BYTES = 4
const MOST = 127

export const keptOf = (vector: Float32Array | null): Kept => {
  if (vector === null) return new Uint8Array(0)
  let squares = 0
  let greatest = 0
  for (const value of vector) {
    squares += value * value
    if (value > greatest) greatest = value
    else if (-value > greatest) greatest = -value
  }
  const kept = new Uint8Array(SCALE_BYTES + vector.length)
  new DataView(kept.buffer).setFloat32(0, greatest / Math.sqrt(squares) / MOST, true)
  const factor = MOST / greatest
  for (let at = 0; at < vector.length; at += 1) kept[SCALE_BYTES + at] = Math.round((vector[at] ?? 0) * factor)
  return kept
}

/** The numbers that it stands for: of length 1, about. */
export const vectorOf = (kept: Kept): Float32Array => {
  const { scale, values } = partsOf(kept)
  return Float32Array.from(values, (value) => value * scale)
}

/**
 * Whether bytes from elsewhere are a kept vector of so many numbers, or none: of length 1, about. A number that was rounded is off by
 * half of its last place, so of very many the length is not exact.
 */
export const isKept = (bytes: Kept, dimensions: number): boolean => {
  if (bytes.length === 0) return true
  if (bytes.length !== SCALE_BYTES + dimensions) return false
  const { scale, values } = partsOf(bytes)
  let squares = 0
  for (const value of values) squares += value * value
  const length = scale * Math.sqrt(squares)
  return scale > 0 && length > 1 - LENGTH_TOLERANCE && length < 1 + LENGTH_TOLERANCE
}

const LENGTH_TOLERANCE = 0.25

export const signsOf = (kept: Kept): Signs => {
  const numbers = kept.length - SCALE_BYTES
  const signs = new Uint8Array(Math.ceil(numbers / 8))
  for (let byte = 0; byte < signs.length; byte += 1) {
    let bits = 0
    const from = SCALE_BYTES + byte * 8
    const end = Math.min(8, numbers - byte * 8)
    for (let bit = 0; bit < end; bit += 1) {
      const value = kept[from + bit] ?? 0
      // A byte above that stands for a negative number.
      if (value > 0 && value <= MOST) bits |= 1 << bit
    }
    signs[byte] = bits
  }
  return signs
}

/** The cosines of the angles between a question, of length 1, and kept vectors of as many numbers that stand side by side. */
export const cosinesOf = (question: Float32Array, kept: Kept): Float64Array => {
  const size = SCALE_BYTES + question.length
  const { buffer, byteOffset } = kept
  const scales = new DataView(buffer, byteOffset, kept.length)
  const values = new Int8Array(buffer, byteOffset, kept.length)
  return Float64Array.from({ length: Math.floor(kept.length / size) }, (_, place) => {
    const from = place * size + SCALE_BYTES
    let sum = 0
    for (let at = 0; at < question.length; at += 1) sum += (values[from + at] ?? 0) * (question[at] ?? 0)
    return sum * scales.getFloat32(place * size, true)
  })
}

const partsOf = (kept: Kept) => ({
  scale: new DataView(kept.buffer, kept.byteOffset).getFloat32(0, true),
  values: new Int8Array(kept.buffer, kept.byteOffset + SCALE_BYTES, kept.length - SCALE_BYTES)
})

/**
 * What each value of a byte of signs adds for this question: its number where the bit is set, the same less where it is not. The
 * sum over the bytes of a vector orders vectors nearly as their cosines do, at a lookup for eight numbers (the asymmetric
 * distance of Gordo, Perronnin et al. 2014). There are four such bytes for each 32 numbers, begun ones as well.
 */
export const tablesOf = (question: Float32Array): Float32Array => {
  const bytes = Math.ceil(question.length / 32) * 4
  const tables = new Float32Array(bytes * 256)
  const sums = new Float64Array(256)
  for (let byte = 0; byte < bytes; byte += 1) {
    sums[0] = 0
    for (let bit = 0; bit < 8; bit += 1) sums[0] -= question[byte * 8 + bit] ?? 0
    // Each value is another one that was there before, and its greatest bit.
    for (let bit = 0; bit < 8; bit += 1) {
      const twice = 2 * (question[byte * 8 + bit] ?? 0)
      const from = 1 << bit
      for (let value = 0; value < from; value += 1) sums[from + value] = (sums[value] ?? 0) + twice
    }
    tables.set(sums, byte * 256)
  }
  return tables
}
