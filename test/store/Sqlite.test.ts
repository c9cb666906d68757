import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeId } from "../../src/domain/ids.js"
import { Uuid } from "../../src/domain/Uuid.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import * as MemoryStore from "../../src/store/MemoryStore.js"
import * as Metrics from "../../src/telemetry/Metrics.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "quorate-mark-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Starts a node on a file, asks for its origin, and stops it again. */
const originOf = (file: string) =>
  Effect.map(MemoryStore.MemoryStore, (store) => store.origin()).pipe(
    Effect.provide(
      MemoryStore.layer({ nodeId: Option.some(NodeId.make("me")) }).pipe(
        Layer.provide(Sqlite.layer({ file })),
        Layer.provide([Layer.succeed(Uuid, { make: () => randomUUID() }), Metrics.layer]),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )
  )

describe("a database that is started", () => {
  it.scoped("keeps its incarnation from start to start", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "node.db")
      assert.deepStrictEqual([yield* originOf(file), yield* originOf(file), yield* originOf(file)], [
        "me/1",
        "me/1",
        "me/1"
      ])
    }))

  it.scoped("takes a new one when it is an old backup, also that of the very first start", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const file = join(path, "node.db")
      yield* originOf(file)
      copyFileSync(file, join(path, "backup.db"))
      yield* originOf(file)
      copyFileSync(join(path, "backup.db"), file)
      const restored = yield* originOf(file)
      assert.notStrictEqual(restored, "me/1")
      assert.strictEqual(yield* originOf(file), restored)

      copyFileSync(join(path, "backup.db"), file)
      assert.notInclude(["me/1", "me/2"], yield* originOf(file), "the number must be fresh after a second restore, too")
    }))

  it.scoped("takes a new one when it is a copy in another place", () =>
    Effect.gen(function*() {
      const path = yield* folder
      yield* originOf(join(path, "node.db"))
      copyFileSync(join(path, "node.db"), join(path, "copy.db"))
      assert.notStrictEqual(yield* originOf(join(path, "copy.db")), "me/1")
      assert.strictEqual(yield* originOf(join(path, "node.db")), "me/1")
    }))
})
