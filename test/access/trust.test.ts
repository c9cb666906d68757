import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import { KeyUnusable } from "../../src/access/keyDirectory.js"
import { Trust } from "../../src/access/Trust.js"
import * as Trusting from "../../src/access/Trust.js"
import { until } from "../mesh/Cluster.js"

describe("whose word counts", () => {
  it.scopedLive("has what was said read again, all of it, when there is another issuer and when that is asked for", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "quorate-trust-"))),
        (made) => Effect.sync(() => fs.rmSync(made, { recursive: true }))
      )
      const built = yield* Layer.build(Trusting.layer({
        trustBundleDir: Option.some(folder),
        trustDomain: Option.none()
      }))
      const { alsoReload, bundle, reload } = Context.get(built, Trust)
      let reads = 0
      const unusable = new KeyUnusable({ path: "credential", problem: "it is none" })
      alsoReload(Effect.fail(unusable))
      alsoReload(Effect.sync(() => `read ${++reads}`))
      yield* keyDirectory.generate(folder, "root", { replace: false })
      yield* Effect.promise(() => until("the issuer is known", async () => bundle().anchors.has("root") && reads === 1))
      assert.strictEqual(yield* Effect.flip(reload), unusable)
      assert.strictEqual(reads, 2)
    }))
})
