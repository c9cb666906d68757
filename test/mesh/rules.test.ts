import { afterAll, assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { publicKeyOfText } from "../../src/access/ed25519.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { remember } from "../../src/operations/memories/remember.js"
import { quorate } from "../cli/program.js"
import { freePorts, until } from "./Cluster.js"

describe("rules on where a node sends requests", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-rules-"))
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  const start = (name: string, ports: ReadonlyArray<number>, at: number, settings: Partial<NodeConfig.Settings>) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port: ports[at] ?? 0,
          db: path.join(folder, `${name}.db`),
          nodeId: Option.some(NodeId.make(name)),
          quorumPeers: ports.filter((_, other) => other !== at).map((port) => `http://127.0.0.1:${port}`),
          quorumWrites: Option.some(2),
          quorumTimeout: Duration.seconds(2),
          catchupInterval: Duration.seconds(1),
          shutdownGrace: Duration.seconds(1),
          ...settings
        })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )
  const anonymous = { agentId: Option.none(), idempotencyKey: Option.none() }
  let count = 0
  const write = () => Effect.either(remember({ title: `written ${count++}`, content: "c" }, anonymous))

  const withTwo = async (
    settings: Partial<NodeConfig.Settings>,
    name: string,
    body: (one: ReturnType<typeof start>, db: string) => Promise<void>
  ) => {
    const ports = await freePorts(2)
    const nodes = [`${name}-one`, `${name}-two`].map((each, at) => start(each, ports, at, settings))
    const [one] = nodes
    assert.isDefined(one)
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      await until("a write has its quorum", () => one.runPromise(Effect.map(write(), Either.isRight)))
      await body(one, path.join(folder, `${name}-one.db`))
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  }
  const rules = (db: string, ...args: ReadonlyArray<string>) => quorate(["rules", ...args, "--db", db])
  const onLoopback = ["--kind", "network_request", "--matcher", "{\"host\":\"127.0.0.1\"}", "--reason", "not there"]

  const Refused = Schema.Struct({
    event_type: Schema.String,
    agent_id: Schema.String,
    payload: Schema.parseJson(Schema.Struct({ decision: Schema.Struct({ rule_id: Schema.String }) }))
  })
  const refusals = (db: string) => {
    const reader = new Database(db, { readonly: true })
    const rows = reader.prepare(`SELECT event_type, agent_id, payload FROM signed_events
      JOIN signed_event_payloads USING (sequence) WHERE event_type = 'governance.refusal'`).all()
    reader.close()
    return Schema.decodeUnknownSync(Schema.Array(Refused))(rows)
  }

  it(
    "hold at once while nodes run, are a missed ack with the reason, and are lifted at once",
    () =>
      withTwo({}, "plain", async (one, db) => {
        const added = await rules(db, "add", "--id", "R1", ...onLoopback)
        assert.strictEqual(added.code, 0, added.stderr)
        const missed = await one.runPromise(write())
        assert.isTrue(Either.isLeft(missed))
        assert.include(JSON.stringify(missed), "governance refused outbound to 127.0.0.1: not there")
        await until("it is written down", () => Promise.resolve(refusals(db).length > 0))
        assert.deepInclude(refusals(db)[0], {
          agent_id: "daemon:wire_action",
          payload: { decision: { rule_id: "R1" } }
        })

        assert.strictEqual((await rules(db, "disable", "--id", "R1")).code, 0)
        await until("writes have their quorum again", () => one.runPromise(Effect.map(write(), Either.isRight)))
        assert.strictEqual((await rules(db, "enable", "--id", "R1")).code, 0)
        assert.isTrue(Either.isLeft(await one.runPromise(write())))
        assert.strictEqual((await rules(db, "remove", "--id", "R1")).code, 0)
        await until("and again", () => one.runPromise(Effect.map(write(), Either.isRight)))
        const audit = await quorate(["audit", "tail", "--type", "governance.rule_changed", "--db", db])
        assert.deepStrictEqual(
          audit.stdout.trimEnd().split("\n").map((line) => /"change":"(\w+)"/.exec(line)?.[1]),
          ["add", "disable", "enable", "remove"]
        )
        const verified = await quorate(["audit", "verify", "--db", db])
        assert.strictEqual(verified.code, 0, verified.stdout)
      }),
    60_000
  )

  it("count when the operator signed them, where there is his key", async () => {
    const key = path.join(folder, "operator.key")
    assert.strictEqual((await quorate(["rules", "keygen", "--out", key])).code, 0)
    const operatorKey = publicKeyOfText(fs.readFileSync(`${key}.pub`, "utf8"))
    assert.isTrue(Option.isSome(operatorKey))
    await withTwo({ operatorKey }, "signed", async (one, db) => {
      // By whoever can write the file of the database.
      assert.strictEqual((await rules(db, "add", "--id", "R1", ...onLoopback)).code, 0)
      assert.isTrue(Either.isRight(await one.runPromise(write())))
      const signed = await rules(db, "add", "--id", "R2", ...onLoopback, "--sign", "--operator-key-file", key)
      assert.strictEqual(signed.code, 0, signed.stderr)
      assert.include(JSON.stringify(await one.runPromise(write())), "governance refused outbound")
      const forged = new Database(db)
      forged.exec("UPDATE governance_rules SET matcher = '{\"host\":\"127.0.0.2\"}' WHERE id = 'R2'")
      forged.close()
      await until("a rule that was changed does not count", () => one.runPromise(Effect.map(write(), Either.isRight)))
    })
  }, 60_000)
})
