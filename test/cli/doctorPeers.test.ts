import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import { NodeId } from "../../src/domain/ids.js"
import * as Sqlite from "../../src/store/log/Sqlite.js"
import { start } from "../http/node.js"
import { quorate } from "./program.js"

describe("quorate doctor peers", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-doctor-peers-"))
  const db = path.join(folder, "memory.db")
  const [own, theirs] = [path.join(folder, "own"), path.join(folder, "theirs")]
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  const ask = (url: string, ...more: ReadonlyArray<string>) =>
    quorate(["doctor", "peers", "--db", db, "--node-id", "one", "--quorum-peers", url, "--key-dir", own, ...more])

  it("asks each peer what it takes, and names the setting that stands in the way", async () => {
    await Effect.runPromise(Effect.void.pipe(Effect.provide(Sqlite.layerWriter({ file: db }))))
    assert.isTrue(Either.isRight(keyDirectory.generate(own, "one", { replace: false })))
    fs.mkdirSync(theirs, { mode: 0o700 })
    const node = await start({
      nodeId: Option.some(NodeId.make("two")),
      keyDir: Option.some(theirs),
      requireSignatures: "all"
    })
    try {
      const unknown = await ask(node.url)
      assert.strictEqual(unknown.code, 2, unknown.stderr)
      assert.match(
        unknown.stdout,
        /fault {4}127\.0\.0\.1:\d+: push {2}it does not have the key of this node: enrol that there/
      )

      fs.copyFileSync(path.join(own, "one.pub"), path.join(theirs, "one.pub"))
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      const enrolled = await ask(node.url, "--json")
      assert.strictEqual(enrolled.code, 0, enrolled.stdout + enrolled.stderr)
      const { checks }: { readonly checks: ReadonlyArray<{ readonly name: string; readonly status: string }> } = JSON
        .parse(
          enrolled.stdout
        )
      assert.deepStrictEqual(
        checks.map(({ name, status }) => `${name.replace(/^.*: /, "")} ${status}`),
        ["reach ok", "push ok", "delete ok", "pull ok"]
      )

      const matcher = ["--matcher", "{\"host\":\"127.0.0.1\"}", "--reason", "gone"]
      await quorate(["rules", "add", "--db", db, "--id", "R1", "--kind", "network_request", ...matcher])
      const forbidden = await ask(node.url)
      assert.match(forbidden.stdout, /rule R1 of this node forbids requests to it: gone/)
      await quorate(["rules", "remove", "--db", db, "--id", "R1"])
    } finally {
      await node.stop()
    }
    const gone = await ask(node.url)
    assert.strictEqual(gone.code, 2)
    assert.match(gone.stdout, /reach {2}network: .*ECONNREFUSED/)
  }, 60_000)
})
