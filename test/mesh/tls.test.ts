import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeConfig from "../../src/config/NodeConfig.js"
import { NodeId } from "../../src/domain/ids.js"
import * as MemoryNode from "../../src/MemoryNode.js"
import { getMemory } from "../../src/operations/memories/getMemory.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as Certificates from "../certificates.js"
import { freePorts, until } from "./Cluster.js"

type Name = "one" | "two" | "stranger"

describe("a mesh over mutual TLS and an API key", () => {
  let certificates: Awaited<ReturnType<typeof Certificates.make<Name>>>
  let authorities: string
  let allowlist: string
  beforeAll(async () => {
    certificates = await Certificates.make<Name>(["one", "two", "stranger"])
    const members = [certificates.of("one"), certificates.of("two")]
    authorities = join(certificates.folder, "authorities.pem")
    writeFileSync(authorities, members.map(({ cert }) => readFileSync(cert, "utf8")).join("\n"))
    allowlist = join(certificates.folder, "allowed")
    writeFileSync(allowlist, members.map(({ fingerprint }) => fingerprint).join("\n"))
  })
  afterAll(() => certificates.remove())

  const start = (name: "one" | "two", port: number, peer: number, outbound: Name) =>
    ManagedRuntime.make(
      MemoryNode.layerDaemon.pipe(
        Layer.provide(NodeConfig.layerWith({
          port,
          db: ":memory:",
          nodeId: Option.some(NodeId.make(name)),
          apiKey: Option.some(Redacted.make("the key")),
          quorumPeers: [`https://127.0.0.1:${peer}`],
          quorumWrites: Option.some(2),
          quorumTimeout: Duration.seconds(1),
          tlsCert: Option.some(certificates.of(name).cert),
          tlsKey: Option.some(certificates.of(name).key),
          mtlsAllowlist: Option.some(allowlist),
          quorumClientCert: Option.some(certificates.of(outbound).cert),
          quorumClientKey: Option.some(certificates.of(outbound).key),
          quorumCaCert: Option.some(authorities),
          shutdownGrace: Duration.seconds(1)
        })),
        Layer.provide(Logger.remove(Logger.defaultLogger))
      )
    )

  const write = remember({ title: "over TLS", content: "c", on_conflict: "merge" }, {
    agentId: Option.none(),
    idempotencyKey: Option.none()
  }).pipe(Effect.either)

  const withMesh = async (
    outbound: Name,
    body: (nodes: ReadonlyArray<ReturnType<typeof start>>) => Promise<void>
  ) => {
    const [one, two] = await freePorts(2)
    assert.isDefined(one)
    assert.isDefined(two)
    const nodes = [start("one", one, two, outbound), start("two", two, one, "two")]
    try {
      await Promise.all(nodes.map((node) => node.runPromise(Effect.void)))
      await body(nodes)
    } finally {
      await Promise.all(nodes.map((node) => node.dispose()))
    }
  }

  it("writes with a quorum, each node known by its certificate", () =>
    withMesh("one", async ([one, two]) => {
      assert.isDefined(one)
      assert.isDefined(two)
      await until("the quorum is met", async () => Either.isRight(await one.runPromise(write)))
      const written = Either.getOrThrow(await one.runPromise(write))
      assert.deepStrictEqual(written.ackedBy, [NodeId.make("one"), NodeId.make("two")])
      assert.strictEqual((await two.runPromise(getMemory(written.memory.id))).title, "over TLS")
    }), 30_000)

  it("counts no ack of a node that does not know the certificate", () =>
    withMesh("stranger", async ([one]) => {
      assert.isDefined(one)
      const missed = await one.runPromise(write)
      assert.isTrue(Either.isLeft(missed) && missed.left._tag === "QuorumNotMet" && missed.left.got === 1)
    }), 30_000)
})
