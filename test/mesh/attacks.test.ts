import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Signer } from "../../src/access/ed25519.js"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as messages from "../../src/access/messages.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId, OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import * as seals from "../../src/replication/seals.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import { memory } from "../store/memories.js"
import * as api from "./api.js"
import { call, freePorts, until } from "./Cluster.js"

/*
 * A member whose key is known to all sends what is not its own: none of it changes anything on any node, and each attempt is
 * counted and written down.
 */

const NAMES = ["one", "two", "three"] as const
const MEMBER = "mallory"
const PUSH = "/api/v1/sync/push"

describe("a member that lies", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-attacks-"))
  const keyDir = path.join(folder, "keys")
  const signers = new Map<string, Signer>()
  let nodes: ReadonlyArray<ReturnType<typeof start>> = []
  let urls: ReadonlyArray<string> = []

  const start = (at: number, ports: ReadonlyArray<number>) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port: ports[at] ?? 0,
          db: path.join(folder, `${NAMES[at]}.db`),
          nodeId: Option.some(NodeId.make(NAMES[at] ?? "")),
          quorumPeers: ports.flatMap((port, other) => other === at ? [] : [`http://127.0.0.1:${port}`]),
          quorumWrites: Option.some(3),
          quorumTimeout: Duration.seconds(2),
          catchupInterval: Duration.seconds(1),
          shutdownGrace: Duration.seconds(1),
          keyDir: Option.some(keyDir)
        })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )

  const nodeAt = (at: number) => {
    const node = nodes[at]
    const url = urls[at]
    assert.isDefined(node)
    assert.isDefined(url)
    return { node, url }
  }
  const logOf = (at: number, of: string): Promise<ReadonlyArray<Operation>> =>
    nodeAt(at).node.runPromise(Effect.flatMap(MemoryStore, (store) => {
      const origin = [...store.vector().keys()].find((each) => each.startsWith(`${of}/`))
      return store.operations({ origin: origin ?? Origin.make(`${of}/1`), from: 1, to: 1_000 }, 1_000)
    }))

  let victim = ""
  beforeAll(async () => {
    for (const name of [...NAMES, MEMBER]) {
      const { signer } = Either.getOrThrow(keyDirectory.generate(keyDir, name, { replace: false }))
      signers.set(name, Option.getOrThrow(signer))
    }
    const ports = await freePorts(NAMES.length)
    urls = ports.map((port) => `http://127.0.0.1:${port}`)
    nodes = NAMES.map((_, at) => start(at, ports))
    await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
    const { url } = nodeAt(1)
    await until(
      "a write has its quorum",
      async () =>
        (await call(url, "POST", "/api/v1/memories", { body: { title: randomUUID(), content: "c" } })).status === 201
    )
    victim = await api.create(url, { title: "victim", content: "to be deleted" })
    for (let count = 0; count < 5; count++) await api.create(nodeAt(0).url, { title: `of one ${count}` })
    await until(
      "all nodes hold the same",
      async () => new Set(await Promise.all(NAMES.map((_, at) => state(at)))).size === 1
    )
  }, 60_000)
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    fs.rmSync(folder, { recursive: true })
  })

  /** Everything that replicates. */
  const state = (at: number): Promise<string> =>
    nodeAt(at).node.runPromise(
      Effect.map(MemoryStore, (store) => JSON.stringify([[...store.vector()].sort(), store.digest()]))
    )
  const refusedAt = async (at: number): Promise<number> => {
    const text = await (await fetch(`${nodeAt(at).url}/metrics`)).text()
    return [...text.matchAll(/^replication_unauthored_total\{[^}]*\} (\d+)$/gm)]
      .reduce((sum, [, count = "0"]) => sum + Number(count), 0)
  }
  const rowsAt = async (at: number): Promise<ReadonlyArray<string>> => {
    await nodeAt(at).node.runPromise(Effect.flatMap(AuditLog, ({ flush }) => flush))
    const file = new Database(path.join(folder, `${NAMES[at]}.db`), { readonly: true })
    try {
      return file.prepare<[], string>(
        `SELECT payload FROM signed_event_payloads JOIN signed_events USING (sequence)
         WHERE event_type = 'federation.operation_refused'`
      ).pluck().all()
    } finally {
      file.close()
    }
  }

  const nonce = () =>
    `${Date.now().toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-${randomUUID().slice(-12)}`
  /** What a node says of operations that a member sends, or one that nobody knows. */
  const push = async (at: number, operations: ReadonlyArray<Operation>, as: string = MEMBER) => {
    const carrier = PeerApi.encodeCarrier(operations.map(PeerApi.write))
    const body = `{"sender_agent_id":${JSON.stringify(as)},${carrier},"dry_run":false}`
    const signer = signers.get(as)
    const message = { method: "POST", path: PUSH, query: "", body: Buffer.from(body) }
    const response = await fetch(`${nodeAt(at).url}${PUSH}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-peer-id": as,
        ...(signer === undefined ? {} : messages.signed(message, signer, nonce()))
      },
      body
    })
    assert.strictEqual(response.status, 200)
    return api.rows(api.record(await response.json()), "results").map(({ result, why }) =>
      `${String(result)} ${String(why ?? "").split(":")[0]}`.trim()
    )
  }

  const now = () => Stamp.fromMillis(Date.now())
  const storing = (origin: string, oseq: number): Operation => {
    const stamp = now()
    return hashed({
      format: 2,
      opId: OpId.make(randomUUID()),
      origin: Origin.make(origin),
      oseq,
      hlc: stamp,
      kind: "store",
      entity: "forged",
      body: JSON.stringify(memory("forged", "forged", stamp)),
      baseHlc: null,
      covers: [],
      idempotency: null
    })
  }
  /** Deletes the victim, and ends what gave it. */
  const deleting = async (origin: string, oseq: number): Promise<Operation> => {
    const given = (await logOf(0, "two")).find(({ entity }) => entity === victim)
    assert.isDefined(given)
    return hashed({
      format: 2,
      opId: OpId.make(randomUUID()),
      origin: Origin.make(origin),
      oseq,
      hlc: now(),
      kind: "delete",
      entity: victim,
      body: null,
      baseHlc: given.hlc,
      covers: [{ id: victim, hlc: given.hlc, origin: given.origin }],
      idempotency: null
    })
  }
  const sealedBy = (key: string, operation: Operation): Operation => {
    const signer = signers.get(key)
    assert.isDefined(signer)
    const author = operation.origin.slice(0, operation.origin.lastIndexOf("/"))
    const [seal = ""] = seals.make([operation], author, signer)
    return { ...operation, seal }
  }
  const nameOf = async (of: string) => {
    const own = await logOf(0, of)
    const last = own.at(-1)
    assert.isDefined(last)
    return { origin: last.origin, next: last.oseq + 1, incarnation: Number(last.origin.slice(of.length + 1)), own }
  }

  interface Attack {
    readonly what: string
    /** To which node, by its place. */
    readonly to: number
    readonly word: "unsealed" | "forged"
    readonly make: () => Promise<ReadonlyArray<Operation>>
    readonly as?: string
  }
  /** Each of another name: the same again is the same row of the audit log, which counts it. */
  const attacks: ReadonlyArray<Attack> = [
    {
      what: "deletes in the name of their author, with covers",
      to: 0,
      word: "unsealed",
      make: async () => {
        const { next, origin } = await nameOf("two")
        return [await deleting(origin, next)]
      }
    },
    {
      what: "deletes in the name of a third node, sealed with the member's key",
      to: 0,
      word: "forged",
      make: async () => {
        const { next, origin } = await nameOf("two")
        return [sealedBy(MEMBER, await deleting(origin, next))]
      }
    },
    {
      what: "an operation of another node to an honest one, to be relayed by it",
      to: 2,
      word: "forged",
      make: async () => {
        const { next, origin } = await nameOf("one")
        return [sealedBy(MEMBER, storing(origin, next))]
      }
    },
    {
      what: "a future incarnation of another node",
      to: 0,
      word: "unsealed",
      make: async () => [storing(`two/${(await nameOf("two")).incarnation + 1}`, 1)]
    },
    {
      what: "a future incarnation of another node, sealed with the member's key",
      to: 0,
      word: "forged",
      make: async () => [sealedBy(MEMBER, storing(`two/${(await nameOf("two")).incarnation + 1}`, 1))]
    },
    {
      what: "names that another node has not used yet",
      to: 2,
      word: "unsealed",
      make: async () => {
        const { next, origin } = await nameOf("two")
        return [3, 2, 1, 0].map((more) => storing(origin, next + more))
      }
    },
    {
      what: "names of the very node that it is sent to",
      to: 0,
      word: "unsealed",
      make: async () => {
        const { incarnation, next, origin } = await nameOf("one")
        return [storing(origin, next), storing(`one/${incarnation - 1}`, 1), storing(`one/${incarnation + 1}`, 1)]
      }
    },
    {
      what: "what another node wrote, which ends more than it did",
      to: 0,
      word: "forged",
      make: async () => {
        const { next, origin, own } = await nameOf("two")
        const { hash: _, ...parts } = own[0] ?? assert.fail("nothing was written")
        const { covers, hlc } = await deleting(origin, next)
        return [hashed({ ...parts, covers, hlc, kind: "delete", entity: victim, body: null, oseq: next + 7 })]
      }
    },
    {
      what: "what another node wrote, under another name",
      to: 0,
      word: "forged",
      make: async () => {
        const { next, origin, own } = await nameOf("two")
        const { hash: _, seal } = own[0] ?? assert.fail("nothing was written")
        return [{ ...storing(origin, next + 8), ...(seal === undefined ? {} : { seal }) }]
      }
    },
    {
      what: "an operation of a member by somebody whom nobody knows",
      to: 0,
      word: "unsealed",
      as: "stranger",
      make: async () => {
        const { next, origin } = await nameOf("two")
        return [await deleting(origin, next + 9)]
      }
    }
  ]

  it.each(attacks)("sends $what, in vain", async ({ as, make, to, word }) => {
    const before = await Promise.all(NAMES.map((_, at) => state(at)))
    const [refused, rows] = [await refusedAt(to), (await rowsAt(to)).length]
    const operations = await make()
    assert.deepStrictEqual(await push(to, operations, as), operations.map(() => `rejected ${word}`))
    // Time for a relay, and for a round of catch-up.
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.deepStrictEqual(await Promise.all(NAMES.map((_, at) => state(at))), before)
    for (const [at] of NAMES.entries()) assert.isDefined(await api.memory(nodeAt(at).url, victim))
    assert.strictEqual(await refusedAt(to), refused + operations.length)
    const fresh = (await rowsAt(to)).slice(rows)
    assert.isNotEmpty(fresh)
    for (const row of fresh) assert.include(row, `"reason":"${word}"`)
  }, 30_000)

  it("sends once more what others wrote, and nothing comes of it", async () => {
    const before = await Promise.all(NAMES.map((_, at) => state(at)))
    for (const name of ["one", "two"]) {
      const operations = await logOf(0, name)
      assert.isNotEmpty(operations)
      const answers = await push(2, operations)
      assert.deepStrictEqual(answers, operations.map(() => "duplicate"))
    }
    assert.deepStrictEqual(await Promise.all(NAMES.map((_, at) => state(at))), before)
  })

  it("keeps no name from its owner: all nodes go on writing", async () => {
    for (const [at] of NAMES.entries()) {
      const id = await api.create(nodeAt(at).url, { title: `afterwards ${at}` })
      for (const [other] of NAMES.entries()) {
        await until("it is there", async () => (await api.memory(nodeAt(other).url, id)) !== undefined)
      }
    }
  }, 30_000)

  it("may write in its own name", async () => {
    assert.deepStrictEqual(await push(0, [sealedBy(MEMBER, storing(`${MEMBER}/1`, 1))]), ["applied"])
  })
})
