import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as credential from "../../src/access/credential.js"
import type { Signer } from "../../src/access/ed25519.js"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as revocation from "../../src/access/revocation.js"
import { Trust } from "../../src/access/Trust.js"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { listPage } from "../../src/operations/memories/listMemories.js"
import { remember } from "../../src/operations/memories/remember.js"
import { freePorts, until } from "./Cluster.js"

const NAMES = ["one", "two", "three"] as const
type Name = (typeof NAMES)[number]
const DOMAIN = "fleet.example"

describe("a mesh whose nodes are known by their credentials alone", () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-credentials-"))
  const place = (...parts: ReadonlyArray<string>) => path.join(folder, ...parts)
  let issuer: credential.Issuer
  beforeAll(() => {
    const { signer } = Either.getOrThrow(keyDirectory.generate(place("issuer"), "root", { replace: false }))
    issuer = { id: "root", signer: Option.getOrThrow(signer) }
    fs.mkdirSync(place("trust"), { mode: 0o700 })
    fs.copyFileSync(place("issuer", "root.pub"), place("trust", "root.pub"))
    for (const name of NAMES) issueTo(name)
  })
  afterAll(() => fs.rmSync(folder, { recursive: true }))

  /** A new key, and the word of the issuer for it. */
  const issueTo = (name: Name): Signer => {
    const { publicKey, signer } = Either.getOrThrow(
      keyDirectory.generate(place(name, "keys"), name, { replace: true })
    )
    const now = Math.floor(Date.now() / 1_000)
    fs.writeFileSync(
      place(name, "credential"),
      credential.issue(
        { subjectId: name, subjectKey: publicKey.raw, trustDomain: DOMAIN, notBefore: now - 30, notAfter: now + 600 },
        issuer
      )
    )
    return Option.getOrThrow(signer)
  }
  const keyOf = (name: Name) => fs.readFileSync(place(name, "keys", `${name}.pub`)).toString("hex")

  const start = (name: Name, ports: ReadonlyArray<number>) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port: ports[NAMES.indexOf(name)] ?? 0,
          db: place(name, "node.db"),
          nodeId: Option.some(NodeId.make(name)),
          quorumPeers: ports.flatMap((port, at) => NAMES[at] === name ? [] : [`http://127.0.0.1:${port}`]),
          quorumWrites: Option.some(2),
          quorumTimeout: Duration.seconds(2),
          catchupInterval: Duration.seconds(1),
          shutdownGrace: Duration.seconds(1),
          requireSignatures: "all",
          keyDir: Option.some(place(name, "keys")),
          credentialFile: Option.some(place(name, "credential")),
          trustBundleDir: Option.some(place("trust")),
          trustDomain: Option.some(DOMAIN),
          revocationsFile: Option.some(place(name, "revocations"))
        })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )
  type Node = ReturnType<typeof start>
  const write = (title: string) =>
    remember({ title, content: "c" }, { agentId: Option.none(), idempotencyKey: Option.none() }).pipe(Effect.either)
  const has = (node: Node, id: string) => node.runPromise(Effect.map(Effect.either(getMemory(id)), Either.isRight))
  const titles = (node: Node) =>
    node.runPromise(Effect.map(listPage({ limit: 200 }), ({ rows }) => rows.map(({ title }) => title)))
  const knows = (node: Node, key: string) =>
    node.runPromise(Effect.map(Trust, ({ revocations }) => revocations.isKey(Buffer.from(key, "hex"))))

  it(
    "refuses a node whose key is revoked, wherever that was said, tells it why, and takes it back with another key",
    async () => {
      const ports = await freePorts(3)
      for (const name of NAMES) fs.writeFileSync(place(name, "revocations"), "")
      let nodes = NAMES.map((name) => start(name, ports))
      const ids: Array<string> = []
      let count = 0
      const writes = async (node: Node, what: string) => {
        await until(what, async () => {
          const written = await node.runPromise(write(`${what} ${count++}`))
          if (Either.isRight(written)) ids.push(written.right.memory.id)
          return Either.isRight(written)
        })
      }
      try {
        await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
        for (const node of nodes) await writes(node, "each writes with a quorum")

        const key = keyOf("three")
        const text = revocation.issue({
          at: Math.floor(Date.now() / 1_000),
          certificates: [],
          key,
          lastValid: new Map(),
          nodeId: "three",
          trustDomain: DOMAIN
        }, issuer)
        const begin = Date.now()
        fs.writeFileSync(place("one", "revocations"), `# three\n${text}\n`)
        await until(
          "all know it",
          async () => (await Promise.all(nodes.map((node) => knows(node, key)))).every(Boolean)
        )
        assert.isBelow(Date.now() - begin, 5_000)

        const [one, two, three] = nodes
        assert.isDefined(one)
        assert.isDefined(two)
        assert.isDefined(three)
        const missed = await three.runPromise(write("not now"))
        assert.isTrue(Either.isLeft(missed) && missed.left._tag === "QuorumNotMet")
        assert.match(JSON.stringify(missed), /x_memory_sig_revoked_key/)
        assert.isTrue(Either.isLeft(missed) && missed.left._tag === "QuorumNotMet" && missed.left.reason === "refused")
        await writes(one, "the others go on")
        await writes(two, "the others go on")

        // What is revoked stays revoked.
        await Promise.all(nodes.map((node) => node.dispose()))
        fs.writeFileSync(place("one", "revocations"), "")
        nodes = NAMES.map((name) => start(name, ports))
        await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
        for (const node of nodes) assert.isTrue(await knows(node, key))
        const [again, , third] = nodes
        assert.isDefined(again)
        assert.isDefined(third)
        assert.isTrue(Either.isLeft(await third.runPromise(write("still not"))))

        issueTo("three")
        await writes(third, "it is back")
        await until("nothing is lost", async () => {
          const found = await Promise.all(nodes.map(titles))
          return found.every((titles) => titles.includes("not now") && titles.includes("still not"))
        })
        for (const node of nodes) for (const id of ids) assert.isTrue(await has(node, id))
      } finally {
        await Promise.all(nodes.map((node) => node.dispose()))
      }
    },
    90_000
  )
})
