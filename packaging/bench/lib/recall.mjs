// What a recall costs on one node with many memories, by words alone and by meaning as well, beside bare FTS5 that is asked
// for the same words: question by question in turn, so that a drift of the machine meets all of them alike.
import Database from "better-sqlite3"
import fs from "node:fs"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as Connection from "./connection.mjs"
import { fill, untilEmbedded } from "./filling.mjs"
import { isReady } from "./http.mjs"
import { poll } from "./poll.mjs"
import * as Processes from "./processes.mjs"
import { makeMemories, makeQuestions } from "./prose.mjs"
import { postOf } from "./reads.mjs"
import { quantile } from "./statistics.mjs"

/** Questions of one repetition; each is another one. */
export const QUESTIONS = 200
export const BARE = "bare FTS5"
const RESULTS = 10
const START_WITHIN_MS = 20_000
/** A node that nobody asks gives memory back within half a minute. */
const QUIET_MS = 45_000

const start = async (shape, folder, file, embedder) => {
  const [port] = await Processes.freePorts(1)
  const node = path.basename(file, ".db")
  const log = path.join(folder, `${node}.log`)
  const env = { ...Processes.cleanEnvironment(folder), QUORATE_EMBEDDER: embedder }
  const child = Processes.startNode(shape.alone({ port, file }), { cwd: folder, env, log })
  const member = { node, port, log, child }
  await poll(`${node} not ready`, START_WITHIN_MS, async () => {
    Processes.checkAlive(member)
    return (await isReady({ isTls: false }, port)) ? true : undefined
  })
  return member
}

const bytesOf = (database, condition, ...params) =>
  database.prepare(`SELECT sum(pgsize) AS bytes FROM dbstat WHERE ${condition}`).get(...params).bytes

/** Bytes on disk of what a recall reads beside the memories; null for what a build does not have. */
const sizesOf = (file) => {
  const database = new Database(file, { readonly: true })
  try {
    const has = (table) => database.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?").get(table) !== undefined
    const count = (table) => database.prepare(`SELECT count(*) AS rows FROM ${table}`).get().rows
    return {
      wordBytes: has("memory_words") ? bytesOf(database, "name GLOB 'memory_words*'") / count("memories") : null,
      vectorBytes: has("vectors") && count("vectors") > 0
        ? bytesOf(database, "name = 'vectors'") / count("vectors")
        : null
    }
  } finally {
    database.close()
  }
}

/** A node with all memories, embedded; then one by words alone beside it, with a copy of its file. */
const startBoth = async (shape, folder, memories, progress) => {
  const file = path.join(folder, `${shape.name}-meaning.db`)
  const copy = path.join(folder, `${shape.name}-words.db`)
  const first = await start(shape, folder, file, "static")
  progress(`${shape.name} is left alone for ${QUIET_MS / 1000} s`)
  await sleep(QUIET_MS)
  const unused = Processes.residentBytes(first.child.pid)
  await fill(first.port, memories.map((memory) => JSON.stringify(memory)))
  await untilEmbedded(first.port, memories.length)
  await Processes.stop(first.child)
  const sizes = sizesOf(file)
  fs.copyFileSync(file, copy, fs.constants.COPYFILE_FICLONE)
  progress(`${shape.name} holds ${memories.length} memories`)
  const meaning = await start(shape, folder, file, "static")
  return { sizes, unused, meaning, words: await start(shape, folder, copy, "none") }
}

/** Asks the node for whole answers, one after the other, on one connection. */
const asker = async ({ port }) => {
  let settle
  const onAnswer = (status, bytes) =>
    status === 200 ? settle.resolve() : settle.reject(new Error(`status ${status}: ${Connection.bodyOf(bytes)}`))
  const connection = await Connection.open(
    { isTls: false, port },
    onAnswer,
    (reason) => settle?.reject(new Error(reason))
  )
  const request = postOf(port, "/api/v1/recall")
  return {
    ask: (body) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject }
        connection.send(Buffer.from(request(JSON.stringify(body))))
      }),
    close: connection.close
  }
}

/** Full-text search as SQLite has it, with Porter's stemmer, in this process: any of the words, the best rows. */
const makeBare = (folder, memories) => {
  const database = new Database(path.join(folder, "bare.db"))
  database.exec("CREATE VIRTUAL TABLE bare USING fts5 (title, content, tags, tokenize = 'porter unicode61')")
  const insert = database.prepare("INSERT INTO bare VALUES (?, ?, ?)")
  database.transaction(() => {
    for (const { content, tags, title } of memories) insert.run(title, content, tags.join(" "))
  })()
  const select = database.prepare(
    `SELECT rowid, title, content, tags FROM bare WHERE bare MATCH ? ORDER BY rank LIMIT ${RESULTS}`
  )
  return {
    ask: ({ words }) => select.all(words.map((word) => `"${word}"`).join(" OR ")),
    wordBytes: bytesOf(database, "name GLOB 'bare_*' AND name <> 'bare_content'") / memories.length,
    close: () => database.close()
  }
}

const context = ({ words }) => ({ context: words.join(" "), limit: RESULTS })

/** Whoever is asked, by shape and kind of question: `{ shape, recall, ask(question), close() }`. */
const askersOf = async (shape, { meaning, words }) => {
  const [near, exact] = [await asker(meaning), await asker(words)]
  const close = () => {}
  return [
    { shape: shape.name, recall: "words", ask: (question) => exact.ask(context(question)), close: exact.close },
    { shape: shape.name, recall: "meaning", ask: (question) => near.ask(context(question)), close: near.close },
    {
      shape: shape.name,
      recall: "meaning, one namespace",
      ask: (question) => near.ask({ ...context(question), namespace: question.namespace }),
      close
    }
  ]
}

/** All questions to all of them; with every question another one is first. */
const askAll = async (askers, questions) => {
  const millis = askers.map(() => [])
  for (const [at, question] of questions.entries()) {
    for (let turn = 0; turn < askers.length; turn++) {
      const who = (at + turn) % askers.length
      const before = performance.now()
      await askers[who].ask(question)
      millis[who].push(performance.now() - before)
    }
  }
  return askers.map(({ recall, shape }, who) => {
    const sorted = Float64Array.from(millis[who]).sort()
    return { shape, recall, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
  })
}

/**
 * `recalled`: `{ rep, shape, recall, p50, p99 }` in ms; `sizes`: `{ shape, wordBytes, vectorBytes }` a memory and a part, and
 * the resident bytes of a quiet node `{ unused, words, meaning }` before it was used, and after all questions.
 */
export const measure = async ({ dir, memories: count, reps, shapes }, progress) => {
  const folder = Processes.makeFolder(dir)
  const started = []
  const askers = []
  try {
    const memories = makeMemories(count)
    const bare = makeBare(folder, memories)
    askers.push({ shape: BARE, recall: "words", ask: bare.ask, close: bare.close })
    for (const shape of shapes) {
      const both = await startBoth(shape, folder, memories, progress)
      started.push({ shape, ...both })
      askers.push(...(await askersOf(shape, both)))
    }
    const questions = makeQuestions(memories, (reps + 1) * QUESTIONS)
    await askAll(askers, questions.slice(reps * QUESTIONS))
    const recalled = []
    for (let rep = 1; rep <= reps; rep++) {
      const cells = await askAll(askers, questions.slice((rep - 1) * QUESTIONS, rep * QUESTIONS))
      for (const cell of cells) {
        progress(`${rep}/${reps} ${cell.shape} recall, ${cell.recall}: p50 ${cell.p50.toFixed(1)} ms`)
        recalled.push({ rep, memories: count, ...cell })
      }
    }
    await sleep(QUIET_MS)
    const sizes = started.map(({ meaning, shape, sizes, unused, words }) => ({
      shape: shape.name,
      ...sizes,
      unused,
      words: Processes.residentBytes(words.child.pid),
      meaning: Processes.residentBytes(meaning.child.pid)
    }))
    return { recalled, sizes: [{ shape: BARE, wordBytes: bare.wordBytes }, ...sizes] }
  } finally {
    for (const { close } of askers) close()
    await Promise.all(started.flatMap(({ meaning, words }) => [meaning.child, words.child]).map(Processes.kill))
    Processes.removeFolder(folder)
  }
}
