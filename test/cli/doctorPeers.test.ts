import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as http from "node:http"
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

  it.each(
    [
      ["whose API key is another", () => [401, { error: "missing or invalid API key" }], {
        push: /its keys there/,
        pull: /its keys there/
      }],
      ["that has not enrolled it", () => [401, { error: "peer_not_enrolled" }], {
        push: /enrol that there \(identity import\)/,
        pull: /enrol that there \(identity import\)/
      }],
      ["whose list lacks it", () => [401, { error: "x_peer_id_not_in_allowlist" }], {
        push: /this node is not on it: AI_MEMORY_FED_PEER_ATTESTATION there/,
        pull: /this node is not on it: AI_MEMORY_FED_PEER_ATTESTATION there/
      }],
      [
        "as it comes, that has enrolled it",
        (method) =>
          method === "GET"
            ? [200, { count: 0, memories: [], scope_status: "no_allowlist_default_deny" }]
            : [200, { applied: 0, deleted: 0, noop: 1, skipped: 0, dry_run: true }],
        {
          push: /^ok .*it takes what this node pushes/,
          delete: /^warning .*it skips deletions.*AI_MEMORY_FED_SYNC_TRUST_PEER is not 1 there/,
          pull: /^warning .*empty page.*AI_MEMORY_FED_SYNC_TRUST_PEER is not 1 there/
        }
      ],
      [
        "whose list has it",
        (method) =>
          method === "GET"
            ? [200, { count: 0, memories: [], excluded_for_scope: 0, excluded_for_scope_private: 3 }]
            : [200, { applied: 0, deleted: 0, noop: 1, skipped: 0, dry_run: true }],
        {
          push: /^ok /,
          delete: /^ok /,
          pull: /^warning .*keeps back what is private to its author/
        }
      ]
    ] satisfies ReadonlyArray<readonly [string, (method: string) => readonly [number, object], Record<string, RegExp>]>
  )("names the setting of a node of ai-memory %s", async (_, answer, expected) => {
    const server = http.createServer((request, response) => {
      const [status, body] = request.url?.includes("/sync/hello") === true ? [404, {}] : answer(request.method ?? "")
      request.resume()
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      const address = server.address()
      assert(address !== null && typeof address === "object")
      const { stdout } = await ask(`http://127.0.0.1:${address.port}`)
      for (const [thing, pattern] of Object.entries<RegExp>(expected)) {
        const line = stdout.split("\n").find((each) => each.includes(`: ${thing} `)) ?? stdout
        assert.match(line, pattern)
      }
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })
})
