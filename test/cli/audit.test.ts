import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import { NodeId } from "../../src/domain/ids.js"
import { type Node, start } from "../http/node.js"
import { quorate } from "./program.js"

describe("quorate audit", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-audit-cli-"))
  const db = path.join(folder, "memory.db")
  const keyDir = path.join(folder, "keys")
  const audit = (...args: ReadonlyArray<string>) => quorate(["audit", ...args, "--db", db])
  let node: Node

  const push = (peer: string) =>
    fetch(`${node.url}/api/v1/sync/push`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-peer-id": peer },
      body: JSON.stringify({ sender_agent_id: peer, memories: [] })
    })
  beforeAll(async () => {
    assert.isTrue(Either.isRight(keyDirectory.generate(keyDir, "me", { replace: false })))
    node = await start({
      db,
      nodeId: Option.some(NodeId.make("me")),
      keyDir: Option.some(keyDir),
      requireSignatures: "all"
    })
    for (const peer of ["one", "two", "two", "three"]) assert.strictEqual((await push(peer)).status, 401)
    // They are written within a second.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
  }, 30_000)
  afterAll(async () => {
    await node.stop()
    fs.rmSync(folder, { recursive: true })
  })

  const Shown = Schema.parseJson(Schema.Struct({
    rows_checked: Schema.Int,
    chain_break: Schema.NullOr(Schema.Int),
    chain_holds: Schema.Boolean,
    signature_failures: Schema.Array(Schema.Int),
    head: Schema.Struct({ sequence: Schema.Int, sum: Schema.String, signed: Schema.Boolean })
  }))

  it("reads the database while the node runs, and says that the chain holds", async () => {
    const text = await audit("verify", "--key-dir", keyDir)
    assert.strictEqual(text.code, 0, text.stderr)
    assert.match(
      text.stdout,
      /^verify-signed-events-chain OK: 3 row\(s\) walked, chain holds\n {2}head 3:[0-9a-f]{64} \(signed\)\n$/
    )
    const json = await audit("verify", "--format", "json")
    const shown = Schema.decodeUnknownSync(Shown)(json.stdout)
    assert.deepInclude(shown, { rows_checked: 3, chain_break: null, chain_holds: true, signature_failures: [] })
    const { sequence, sum } = shown.head
    assert.strictEqual((await audit("verify", "--head", `${sequence}:${sum}`)).code, 0)
    const noted = await audit("verify", "--head", `${sequence}:${"0".repeat(64)}`)
    assert.strictEqual(noted.code, 1)
    assert.match(
      noted.stdout,
      /FAIL: chain break at sequence=3 .*\n {2}the rows up to here are not those that were noted/
    )
  })

  it("shows the latest rows, and prints all", async () => {
    const tail = await audit("tail", "--limit", "2")
    assert.strictEqual(tail.code, 0, tail.stderr)
    const lines = tail.stdout.trimEnd().split("\n")
    assert.lengthOf(lines, 2)
    assert.match(
      lines[1] ?? "",
      /^3 {2}\S+ {2}federation\.unknown_peer {2}three {2}\{"from":"127\.0\.0\.1","method":"POST","path":"\/api\/v1\/sync\/push","reason":"peer_not_enrolled"\}$/
    )
    assert.strictEqual((await audit("tail", "--type", "governance.refusal")).stdout, "")
    const exported = (await audit("export", "--since", "2")).stdout.trimEnd().split("\n")
    const Line = Schema.parseJson(Schema.Struct({
      sequence: Schema.Int,
      agent_id: Schema.String,
      attest_level: Schema.Literal("daemon_signed"),
      payload_hash: Schema.String,
      prev_hash: Schema.String
    }))
    const rows = exported.map((line) => Schema.decodeUnknownSync(Line)(line))
    assert.deepStrictEqual(rows.map(({ agent_id, sequence }) => [sequence, agent_id]), [[2, "two"], [3, "three"]])
  })

  it("says which row was changed, and what is wrong with how it was asked", async () => {
    const copy = path.join(folder, "copy.db")
    const source = new Database(db, { readonly: true })
    await source.backup(copy)
    source.close()
    const changed = new Database(copy)
    changed.exec("DROP TRIGGER signed_events_no_update; UPDATE signed_events SET agent_id = 'tw0' WHERE sequence = 2")
    changed.close()
    const found = await quorate(["audit", "verify", "--db", copy])
    assert.strictEqual(found.code, 1)
    assert.strictEqual(
      found.stdout,
      "verify-signed-events-chain FAIL: chain break at sequence=3 (3 row(s) walked)\n" +
        "  it does not follow from the row before it: one of the two was changed\n"
    )
    const wrong: ReadonlyArray<readonly [RegExp, ReadonlyArray<string>]> = [
      [/database .*none\.db: it can not be opened/, ["audit", "verify", "--db", path.join(folder, "none.db")]],
      [/--head: expected what verify printed/, ["audit", "verify", "--db", db, "--head", "3"]],
      [/--head needs all rows/, ["audit", "verify", "--db", db, "--since", "2", "--head", `1:${"0".repeat(64)}`]]
    ]
    for (const [problem, args] of wrong) {
      const { code, stderr } = await quorate(args)
      assert.notStrictEqual(code, 0)
      assert.match(stderr, problem)
    }
  })
})
