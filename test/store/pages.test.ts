import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { framesBetween, read } from "../../packaging/bench/lib/walIndex.mjs"
import { MemoryId, NodeId } from "../../src/domain/ids.js"
import * as Uuid from "../../src/domain/Uuid.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"
import { memory } from "./memories.js"

/** Pages that a write may put into the log of the database, a memory of some 500 bytes being new. */
const MOST_PAGES = 12

const WRITES = 80

const storeIn = (file: string) =>
  Layer.provideMerge(
    MemoryStore.layer({ nodeId: Option.some(NodeId.make("00000000-0000-4000-8000-000000000001")) }),
    Layer.mergeAll(Sqlite.layer({ file }), Uuid.layer(randomUUID), Metrics.layer)
  )

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-pages-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Words of one write: most are common, some are its own. */
const contentOf = (write: number): string =>
  Array.from({ length: 60 }, (_, at) => `w${(write * 7919 + at * at * 104729) % 5000}`).join(" ")

describe("pages", () => {
  it.scoped("a write alone puts few pages into the log of the database", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "memory.db")
      const pages = yield* Effect.gen(function*() {
        const store = yield* MemoryStore.MemoryStore
        const { make } = yield* Uuid.Uuid
        const write = (number: number) =>
          store.commit((now) =>
            Either.right<MemoryStore.Decision>({
              payload: {
                kind: "store",
                memory: {
                  ...memory(MemoryId.make(make()), `note ${number}`, now.stamp),
                  content: contentOf(number),
                  priority: 1 + number % 10
                }
              },
              isNewId: true,
              baseHlc: null,
              covers: []
            }), null)
        yield* Effect.forEach(Array.from({ length: WRITES }, (_, number) => number), write, { discard: true })
        const before = read(file)
        yield* Effect.forEach(Array.from({ length: WRITES }, (_, number) => WRITES + number), write, { discard: true })
        return framesBetween(before, read(file))
      }).pipe(Effect.provide(storeIn(file)))
      assert.isAtMost((pages ?? Number.POSITIVE_INFINITY) / WRITES, MOST_PAGES)
    }))
})
