import { assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memory } from "./memories.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-mark-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Runs a node on a file, and stops it again. */
const run = <A, E>(
  file: string,
  body: Effect.Effect<A, E, MemoryStore.MemoryStore>,
  lines: Array<string> = [],
  nodeId = "me"
) =>
  body.pipe(Effect.provide(
    MemoryStore.layer({ nodeId: Option.some(NodeId.make(nodeId)) }).pipe(
      Layer.provide(Sqlite.layer({ file })),
      Layer.provide([Layer.succeed(Uuid, { make: () => randomUUID() }), Metrics.layer]),
      Layer.provide(Logger.replace(Logger.defaultLogger, Logger.make(({ message }) => lines.push(String(message)))))
    )
  ))

const originOf = (file: string, lines: Array<string> = []) =>
  run(file, Effect.map(MemoryStore.MemoryStore, (store) => store.origin()), lines)

const write = Effect.flatMap(MemoryStore.MemoryStore, (store) =>
  store.commit((now) => {
    const id = randomUUID()
    return Either.right({ payload: { kind: "store", memory: memory(id, id, now.stamp) }, baseHlc: null, covers: [] })
  }, null))

/** Writes so many memories; answers the names that they got. */
const writing = (file: string, times: number, lines: Array<string> = []) =>
  run(
    file,
    Effect.map(
      Effect.replicateEffect(write, times),
      (written) => written.map(({ operation: { origin, oseq } }) => `${origin} ${oseq}`)
    ),
    lines
  )

/** What SQLite's own backup makes of a database, whether a node runs on it or not. */
const backUp = (file: string, to: string) =>
  Effect.promise(async () => {
    const db = new Database(file)
    await db.backup(to)
    db.close()
  })

/** Puts a database in the place of another, as `cat backup > db` does: the file stays the same one. */
const putInPlace = (from: string, file: string) => {
  for (const side of ["-wal", "-shm"]) rmSync(`${file}${side}`, { force: true })
  writeFileSync(file, readFileSync(from))
}

describe("a database that is started", () => {
  it.scoped("keeps its incarnation from start to start", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const first = yield* originOf(file)
      yield* writing(file, 3)
      assert.deepStrictEqual([yield* originOf(file), yield* originOf(file)], [first, first])
    }))

  it.scoped("begins, when it is new, at an incarnation that nobody can have used", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const files = Array.from({ length: 3 }, (_, index) => join(path, `${index}.db`))
      const incarnations = (yield* Effect.forEach(files, (file) => originOf(file))).map((origin) =>
        Number(origin.slice(3))
      )
      assert.strictEqual(new Set(incarnations).size, 3)
      for (const incarnation of incarnations) {
        assert.isTrue(Number.isSafeInteger(incarnation))
        assert.isBelow(Math.abs(incarnation / 2 ** 20 - Date.now() / 1000), 60)
      }
    }))

  it.scoped("takes a new one when it is an old backup, also that of the very first start", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "node.db")
      const first = yield* originOf(file)
      copyFileSync(file, join(path, "backup.db"))
      yield* originOf(file)
      copyFileSync(join(path, "backup.db"), file)
      const restored = yield* originOf(file)
      assert.notStrictEqual(restored, first)
      assert.strictEqual(yield* originOf(file), restored)

      copyFileSync(join(path, "backup.db"), file)
      const again = yield* originOf(file)
      assert.notInclude([first, restored], again, "the number must be fresh after a second restore, too")
    }))

  it.scoped("takes a new one when it is a copy in another place", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const first = yield* originOf(join(path, "node.db"))
      copyFileSync(join(path, "node.db"), join(path, "copy.db"))
      assert.notStrictEqual(yield* originOf(join(path, "copy.db")), first)
      assert.strictEqual(yield* originOf(join(path, "node.db")), first)
    }))

  it.scoped("takes a new one when it is an online backup of the same run, put back into the same file", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "node.db")
      const backup = join(path, "backup.db")
      const before = yield* writing(file, 1)
      const after = yield* run(
        file,
        Effect.gen(function*() {
          yield* write
          yield* backUp(file, backup)
          const { operation } = yield* write
          return `${operation.origin} ${operation.oseq}`
        })
      )
      putInPlace(backup, file)
      const lines: Array<string> = []
      const names = yield* writing(file, 2, lines)
      assert.notInclude(names, after)
      assert.notStrictEqual(names[0]?.split(" ")[0], before[0]?.split(" ")[0])
      assert.include(lines.join("\n"), "it ends at 2 of its own operations, and 3 were written")
    }))

  it.scoped("keeps it when an online backup has everything that was written", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "node.db")
      const backup = join(path, "backup.db")
      const first = yield* run(
        file,
        Effect.gen(function*() {
          yield* write
          yield* backUp(file, backup)
          return (yield* MemoryStore.MemoryStore).origin()
        })
      )
      putInPlace(backup, file)
      assert.strictEqual(yield* originOf(file), first)
    }))

  it.scoped("takes a new one when its folder was copied, whole and as it ran", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "one", "node.db")
      mkdirSync(join(path, "one"))
      yield* writing(file, 2)
      yield* run(
        file,
        Effect.gen(function*() {
          yield* write
          cpSync(join(path, "one"), join(path, "two"), { recursive: true })
        })
      )
      const lines: Array<string> = []
      const copied = yield* originOf(join(path, "two", "node.db"), lines)
      assert.notStrictEqual(copied, yield* originOf(file))
      assert.include(lines.join("\n"), "the mark beside it is that of another file")
      assert.strictEqual(yield* originOf(join(path, "two", "node.db")), copied)
    }))

  it.scoped("takes a new one with another node id, which somebody may have had at the same incarnation", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const first = yield* originOf(file)
      const origin = Effect.map(MemoryStore.MemoryStore, (store) => store.origin())
      const other = yield* run(file, origin, [], "other")
      assert.match(other, /^other\//)
      assert.notStrictEqual(other.slice(6), first.slice(3))
    }))

  it.scoped("takes a new one when the mark beside it is gone, or makes no sense", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      const first = yield* originOf(file)
      rmSync(`${file}-mark`)
      const second = yield* originOf(file)
      assert.notStrictEqual(second, first)
      writeFileSync(`${file}-mark`, "quorate tide 1 me too\n")
      const third = yield* originOf(file)
      assert.notInclude([first, second], third)
      assert.strictEqual(yield* originOf(file), third)
    }))

  it.scoped("works without a mark that can be written, and says so once", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      mkdirSync(`${file}-mark`)
      const lines: Array<string> = []
      const first = yield* writing(file, 2, lines)
      assert.strictEqual(lines.filter((line) => line.includes("can not be written")).length, 1)
      const [second] = yield* writing(file, 1)
      assert.notStrictEqual(second?.split(" ")[0], first[0]?.split(" ")[0])
    }))

  it.scoped("has a mark of one line, with its incarnation and its last own operation, as soon as that is committed", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      yield* run(
        file,
        Effect.gen(function*() {
          const store = yield* MemoryStore.MemoryStore
          const marked = () => readFileSync(`${file}-mark`, "utf8").trim().split(/ +/).slice(2, 5)
          assert.deepStrictEqual(marked(), ["1", store.origin().slice(3), "0"])
          yield* write
          yield* write
          assert.deepStrictEqual(marked(), ["1", store.origin().slice(3), "2"])
        })
      )
    }))
})
