import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as files from "../../src/cli/checks/files.js"
import { examine } from "../../src/cli/checks/settings.js"
import { defaults, type Settings } from "../../src/config/NodeConfig.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"

/* What keeps a node from starting, as the doctor says it: it must be what a start says. */

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "quorate-checks-"))),
  (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
)

const said = (given: Partial<Settings>) =>
  Effect.map(
    examine({ settings: { ...defaults, ...given }, warnings: [], sourceOf: () => "default" }),
    ({ detail, status }) => `${status}: ${detail}`
  )

const no = "fault: no node starts with them: "

describe("settings that no node starts with", () => {
  it.scopedLive("are a fault, in the words of the start", () =>
    Effect.gen(function*() {
      const pem = path.join(yield* folder, "garbage.pem")
      fs.writeFileSync(pem, "no certificate")
      assert.strictEqual(yield* said({}), "ok: they can be used")
      assert.strictEqual(
        yield* said({ quorumPeers: ["http://b:1"], quorumWrites: Option.some(9) }),
        "warning: --quorum-writes 9 is out of 1..2: using W=2"
      )
      assert.strictEqual(
        yield* said({ quorumPeers: ["http://127.0.0.1:9077"] }),
        `${no}--quorum-peers: http://127.0.0.1:9077 is this node's own address; list the other nodes only`
      )
      assert.include(yield* said({ quorumWrites: Option.some(2) }), `${no}--quorum-writes: 2 nodes are to hold a write`)
      assert.strictEqual(
        yield* said({ quorumCaCert: Option.some(pem) }),
        `${no}--quorum-ca-cert: ${pem} cannot be used (it holds no certificate in PEM)`
      )
      const tls = yield* said({ tlsCert: Option.some(pem), tlsKey: Option.some(pem) })
      assert.include(tls, `${no}--tls-cert: ${pem}: no certificate in PEM: `)
      assert.match(yield* said({ tlsCert: Option.some(`${pem}.absent`), tlsKey: Option.some(pem) }), /ENOENT/)
    }))
})

describe("a file that no node opens", () => {
  const refused = (file: string) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(Sqlite.layerWriter({ file })))), ({ message }) => message)

  it.scopedLive("is a fault, in the words of the start", () =>
    Effect.gen(function*() {
      const place = yield* folder
      const words = /it is a folder; give a file with --db/
      assert.match(files.readable(place).detail, words)
      assert.match(yield* refused(place), words)
      const file = path.join(place, "node.db")
      assert.deepStrictEqual(files.lock(file), [])
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Layer.build(Sqlite.layerWriter({ file }))
        assert.deepStrictEqual(files.lock(file), [], "one that is held is as it must be")
      }))
      assert.deepStrictEqual(files.lock(file), [])
      fs.writeFileSync(`${file}-lock`, "garbage ".repeat(600))
      const [check] = files.lock(file)
      assert.isDefined(check)
      assert.strictEqual(check.status, "fault")
      assert.strictEqual(`database ${check.detail}`, yield* refused(file))
    }))
})
