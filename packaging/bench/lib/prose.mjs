// Memories and questions of English words by Zipf's law, the same in every run: the words of the built-in model's vocabulary,
// which stand there by how often they are used.
import fs from "node:fs"
import { fileURLToPath } from "node:url"
import { seededRandom, wordSource } from "./bodies.mjs"

const SEED = 31_415
const MODEL = fileURLToPath(new URL("../../model/minilm-static.bin", import.meta.url))
const HEAD_BYTES = 16
const TITLE_WORDS = 5
const CONTENT_WORDS = 85
const NAMESPACES = 40
const SESSION = 20
const QUESTION_WORDS = 6

const vocabulary = () => {
  const bytes = fs.readFileSync(MODEL)
  const pieces = bytes.toString("utf8", HEAD_BYTES, HEAD_BYTES + bytes.readUInt32LE(12)).split("\n")
  return pieces.filter((piece) => /^[a-z]{2,}$/.test(piece))
}

const sentence = (next, words) => Array.from({ length: words }, next).join(" ")

/** `count` memories of some 560 bytes as they are stored: in 40 namespaces, 20 of a session side by side. */
export const makeMemories = (count) => {
  const next = wordSource(seededRandom(SEED), vocabulary())
  return Array.from({ length: count }, (_, index) => ({
    title: `${sentence(next, TITLE_WORDS)} ${index}`,
    content: `${sentence(next, CONTENT_WORDS)}.`,
    namespace: `bench/${Math.floor(index / SESSION) % NAMESPACES}`,
    tags: [`t${index % 7}`],
    metadata: { session: `s${Math.floor(index / SESSION)}` }
  }))
}

/** `count` questions: six words in a row of some memory, with its namespace. */
export const makeQuestions = (memories, count) => {
  const random = seededRandom(SEED + 1)
  return Array.from({ length: count }, () => {
    const { content, namespace } = memories[Math.floor(random() * memories.length)]
    const words = content.slice(0, -1).split(" ")
    const from = Math.floor(random() * (words.length - QUESTION_WORDS))
    return { words: words.slice(from, from + QUESTION_WORDS), namespace }
  })
}
