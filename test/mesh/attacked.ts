import { assert } from "@effect/vitest"
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
import { NodeId, Origin } from "../../src/domain/ids.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import type { Operation } from "../../src/replication/Operation.js"
import * as seals from "../../src/replication/seals.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { AuditLog } from "../../src/telemetry/AuditLog.js"
import * as api from "./api.js"
import { call, freePorts, until } from "./Cluster.js"

/*
 * Three nodes that are attacked by members of their mesh: who has a key that all of them know, and speaks as it likes.
 */

export const NAMES = ["one", "two", "three"] as const
const PUSH = "/api/v1/sync/push"

/** One push as it goes over the line. */
export interface Sent {
  readonly method: "POST"
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const nonce = () =>
  `${Date.now().toString(16).padStart(12, "0").replace(/^(.{8})/, "$1-")}-7000-8000-${randomUUID().slice(-12)}`

export const make = async (members: ReadonlyArray<string>, settings: Partial<NodeConfig.Settings> = {}) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-attacks-"))
  const keyDir = path.join(folder, "keys")
  const signers = new Map<string, Signer>()
  for (const name of [...NAMES, ...members]) {
    const { signer } = Either.getOrThrow(keyDirectory.generate(keyDir, name, { replace: false }))
    signers.set(name, Option.getOrThrow(signer))
  }
  const ports = await freePorts(NAMES.length)
  const nodes = NAMES.map((name, at) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port: ports[at] ?? 0,
          db: path.join(folder, `${name}.db`),
          nodeId: Option.some(NodeId.make(name)),
          quorumPeers: ports.flatMap((port, other) => other === at ? [] : [`http://127.0.0.1:${port}`]),
          quorumWrites: Option.some(3),
          quorumTimeout: Duration.seconds(2),
          catchupInterval: Duration.seconds(1),
          shutdownGrace: Duration.seconds(1),
          keyDir: Option.some(keyDir),
          ...settings
        })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )
  )
  const nodeAt = (at: number) => nodes[at] ?? assert.fail(`no node ${at}`)
  const urlAt = (at: number) => `http://127.0.0.1:${ports[at]}`
  const everywhere = <A>(ask: (at: number) => Promise<A>) => Promise.all(NAMES.map((_, at) => ask(at)))

  /** Everything that replicates: what is held, and what comes of it. */
  const state = (at: number) =>
    nodeAt(at).runPromise(
      Effect.map(MemoryStore, (store) => ({
        held: JSON.stringify([...store.vector()].sort()),
        digest: JSON.stringify(store.digest())
      }))
    )
  const inDatabase = async <A>(at: number, read: (db: Database.Database) => A): Promise<A> => {
    await nodeAt(at).runPromise(Effect.flatMap(AuditLog, ({ flush }) => flush))
    const db = new Database(path.join(folder, `${NAMES[at]}.db`), { readonly: true })
    try {
      return read(db)
    } finally {
      db.close()
    }
  }

  await everywhere((at) => nodeAt(at).runPromise(Effect.void))
  await until(
    "a write has its quorum",
    async () =>
      (await call(urlAt(1), "POST", "/api/v1/memories", { body: { title: randomUUID(), content: "c" } })).status === 201
  )

  return {
    urlAt,
    everywhere,
    state: async (at: number) => JSON.stringify(await state(at)),
    digest: async (at: number) => (await state(at)).digest,
    settled: () =>
      until(
        "all hold the same",
        async () => new Set((await everywhere(state)).map((each) => JSON.stringify(each))).size === 1
      ),
    /** What a node has of the operations of another. */
    logOf: (at: number, of: string): Promise<ReadonlyArray<Operation>> =>
      nodeAt(at).runPromise(Effect.flatMap(MemoryStore, (store) => {
        const origin = [...store.vector().keys()].find((each) => each.startsWith(`${of}/`))
        return store.operations({ origin: origin ?? Origin.make(`${of}/1`), from: 1, to: 1_000 }, 1_000)
      })),
    /** The payloads of the rows of the audit log of a type. */
    rowsOf: (at: number, type: string): Promise<ReadonlyArray<string>> =>
      inDatabase(at, (db) =>
        db.prepare<[string], string>(
          `SELECT payload FROM signed_event_payloads JOIN signed_events USING (sequence)
           WHERE event_type = ? ORDER BY sequence`
        ).pluck().all(type)),
    /** The sum of the series of a metric whose line begins so. */
    metric: async (at: number, begin: string): Promise<number> => {
      const text = await (await fetch(`${urlAt(at)}/metrics`)).text()
      return text.split("\n").filter((line) => line.startsWith(begin)).reduce(
        (sum, line) => sum + Number(line.split(" ").at(-1)),
        0
      )
    },
    sealedBy: (key: string, operation: Operation): Operation => {
      const author = operation.origin.slice(0, operation.origin.lastIndexOf("/"))
      const [seal = ""] = seals.make([operation], author, signers.get(key) ?? assert.fail(`no key of ${key}`))
      return { ...operation, seal }
    },
    /** A push that is signed, where there is a key of who sends it. */
    message: (as: string, lists: string): Sent => {
      const body = `{"sender_agent_id":${JSON.stringify(as)},${lists},"dry_run":false}`
      const signer = signers.get(as)
      const message = { method: "POST", path: PUSH, query: "", body: Buffer.from(body) }
      return {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-peer-id": as,
          ...(signer === undefined ? {} : messages.signed(message, signer, nonce()))
        },
        body
      }
    },
    carrier: (operations: ReadonlyArray<Operation>) => PeerApi.encodeCarrier(operations.map(PeerApi.write)),
    send: async (at: number, sent: Sent) => {
      const response = await fetch(`${urlAt(at)}${PUSH}`, sent)
      return { status: response.status, body: api.record(await response.json()) }
    },
    close: async () => {
      await Promise.all(nodes.map((node) => node.dispose()))
      fs.rmSync(folder, { recursive: true })
    }
  }
}

export type Attacked = Awaited<ReturnType<typeof make>>

/** What became of each operation of a push, and the first word of why. */
export const resultsOf = ({ body }: { readonly body: api.Json }): ReadonlyArray<string> =>
  api.rows(body, "results").map(({ result, why }) => `${String(result)} ${String(why ?? "").split(":")[0]}`.trim())
