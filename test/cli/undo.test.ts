import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { mint, type Scope } from "../../src/access/ApiKey.js"
import { type Node, start } from "../http/node.js"
import * as api from "../mesh/api.js"
import { quorate } from "./program.js"

const made = (name: string, scopes: ReadonlyArray<Scope>) => {
  const { key, secret } = Effect.runSync(
    mint({ name, scopes: new Set(scopes), agentId: Option.none(), namespaces: Option.none(), expiresAt: Option.none() })
  )
  return { key, secret: Redacted.value(secret) }
}

describe("the commands that take back what somebody wrote", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-undo-cli-"))
  const keyFile = path.join(folder, "admin.key")
  const [admin, writer] = [made("root", ["admin", "read"]), made("writer", ["write"])]
  let node: Node
  beforeAll(async () => {
    fs.writeFileSync(keyFile, admin.secret)
    node = await start({ apiKeys: Option.some([admin.key, writer.key]) })
  })
  afterAll(async () => {
    await node.stop()
    fs.rmSync(folder, { recursive: true })
  })
  const run = (...args: ReadonlyArray<string>) => quorate([...args, "--url", node.url, "--api-key-file", keyFile])
  const shown = async (id: string) => {
    const answer = await fetch(`${node.url}/api/v1/memories/${id}`, { headers: { "x-api-key": admin.secret } })
    await answer.text()
    return answer.status === 200
  }

  it("list, hide, show again and take back, by the key of a file or of a variable", async () => {
    const bad = await api.create(node.url, { namespace: "n", title: "bad \"title\"" }, {
      agent: "poisoned",
      headers: { "x-api-key": writer.secret }
    })
    const listed = await run("provenance", "--agent", "poisoned")
    assert.strictEqual(listed.code, 0, listed.stderr)
    assert.match(
      listed.stdout,
      /^\S+ {2}\S+\/\d+ {2}store {2}\S+ {2}in n {2}"bad \\"title\\"" {2}visible\n1 operation\(s\)\n$/
    )

    const tried = await run("quarantine", "--agent", "poisoned", "--since", "2026-01-01T00:00:00Z", "--dry-run")
    assert.strictEqual(tried.code, 0, tried.stderr)
    assert.match(tried.stdout, /\n1 operation\(s\) would be set aside; nothing was\n$/)
    assert.isTrue(await shown(bad))

    const set = await run("quarantine", "--agent", "poisoned", "--reason", "stolen key", "--agent-id", "root", "--json")
    assert.strictEqual(set.code, 0, set.stderr)
    const { by, id } = api.record(JSON.parse(set.stdout))
    assert.strictEqual(by, "root")
    assert.isFalse(await shown(bad))
    const all = await run("quarantine", "list")
    assert.include(all.stdout, `${String(id)}  agent poisoned  1 operation(s)  by root at `)
    assert.deepStrictEqual(
      (await run("provenance", "--agent", "poisoned", "--json")).stdout.trim().split("\n").map((line) =>
        api.record(JSON.parse(line))["quarantined_by"]
      ),
      [[id]]
    )

    const released = await run("release", String(id))
    assert.strictEqual(released.code, 0, released.stderr)
    assert.isTrue(await shown(bad))
    const again = await run("quarantine", "--agent", "poisoned", "--reason", "once more", "--json")
    const reverted = await quorate(["revert", String(api.record(JSON.parse(again.stdout))["id"]), "--url", node.url], {
      environment: { QUORATE_API_KEY: admin.secret }
    })
    assert.strictEqual(reverted.code, 0, reverted.stderr)
    assert.match(reverted.stdout, /^0 memories are as they were, 1 deleted, 0 archived\n/)
    assert.isFalse(await shown(bad))
  })

  it("say what is wrong, and show no key", async () => {
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
      [["provenance"], 2, /give --agent, --peer or --origin/],
      [["quarantine", "--agent", "a"], 2, /give --reason/],
      [["quarantine", "--agent", "a", "--reason", "r", "--since", "yesterday"], 2, /--since: expected a time/],
      [["provenance", "--agent", "a b"], 1, /agent/],
      [["release", "none"], 1, /not found/],
      [["revert", "none"], 1, /not found/]
    ]
    for (const [args, code, said] of cases) {
      const ended = await run(...args)
      assert.strictEqual(ended.code, code, ended.stderr)
      assert.match(ended.stderr, said)
    }
    const poor = await quorate(["quarantine", "list", "--url", node.url], {
      environment: { QUORATE_API_KEY: writer.secret }
    })
    assert.strictEqual(poor.code, 1)
    assert.match(poor.stderr, /admin/)
    assert.notInclude(poor.stderr, writer.secret)
    const away = await quorate(["quarantine", "list", "--url", "http://127.0.0.1:1"])
    assert.strictEqual(away.code, 1)
    assert.isNotEmpty(away.stderr)
  })
})
