import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Federation } from "../../src/federation/Federation.js"
import * as Watchdog from "../../src/federation/link/Watchdog.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { Metrics } from "../../src/telemetry/Metrics.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, startNodes } from "./inProcess.js"

describe("the watch over the lanes of a link", () => {
  const LIMIT = Duration.seconds(10)

  /** Two lanes that do what they are told; how often each began, and what was found stuck. */
  const watched = (lane: (turn: number, within: Parameters<Watchdog.Lane>[0]) => Effect.Effect<void>) =>
    Effect.gen(function*() {
      const begun = { one: 0, other: 0 }
      const stuck: Array<Watchdog.Stuck> = []
      const stopped: Array<string> = []
      yield* Watchdog.run({
        lanes: {
          one: (within) => Effect.suspend(() => lane(begun.one++, within)),
          other: () =>
            Effect.suspend(() => {
              begun.other++
              return Effect.never
            })
        },
        onStuck: (found) => Effect.sync(() => stuck.push(found)),
        onStopped: (name) => Effect.sync(() => stopped.push(name))
      })
      return { begun, stuck, stopped }
    })

  it.scoped("leaves alone what waits for work, and what ends within its limit", () =>
    Effect.gen(function*() {
      const { begun, stuck } = yield* watched((turn, within) =>
        turn < 10 ? within(LIMIT)(Effect.sleep("9 seconds")) : Effect.never
      )
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(stuck, [])
      assert.deepStrictEqual(begun, { one: 11, other: 1 })
    }))

  it.scoped("begins all lanes anew when one hangs, even in a request that can not be interrupted", () =>
    Effect.gen(function*() {
      const { begun, stuck } = yield* watched((turn, within) =>
        turn === 0 ? within(LIMIT)(Effect.uninterruptible(Effect.never)) : Effect.never
      )
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(stuck, [], "a machine that slept is late with everything: it is looked at twice")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(stuck, [{ lane: "one", seconds: 12 }])
      assert.deepStrictEqual(begun, { one: 2, other: 2 })
      yield* TestClock.adjust("3 minutes")
      assert.lengthOf(stuck, 1)
    }))

  it.scoped("begins all lanes anew when one of several requests hangs, whatever becomes of the others", () =>
    Effect.gen(function*() {
      const { stuck } = yield* watched((turn, within) =>
        turn > 0 ? Effect.never : Effect.all([
          within(LIMIT)(Effect.never),
          Effect.delay(within(LIMIT)(Effect.sleep("3 seconds")), "1 second")
        ], { concurrency: 2, discard: true })
      )
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(stuck, [{ lane: "one", seconds: 12 }])
    }))

  it.scoped("begins all lanes anew when one has stopped", () =>
    Effect.gen(function*() {
      const { begun, stopped, stuck } = yield* watched((turn) => turn === 0 ? Effect.dieMessage("bug") : Effect.never)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(stopped, ["one"])
      assert.deepStrictEqual(stuck, [{ lane: "one", seconds: null }])
      assert.deepStrictEqual(begun, { one: 2, other: 2 })
    }))

  it.effect("ends with its scope, whatever hangs", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Scope.extend(
        watched((_, within) => within(LIMIT)(Effect.uninterruptible(Effect.never))),
        scope
      )
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      assert.isNotNull(closing.unsafePoll())
      yield* Fiber.join(closing)
    }))
})

describe("a link whose transport keeps no timeout and can not be interrupted", () => {
  const [A, B, C] = ["http://a", "http://b", "http://c"] as const
  const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
  let nodes: ReadonlyArray<Node> = []
  const logged: Array<string> = []
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
    logged.length = 0
  })
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    logged.push(`${logLevel.label} ${String(message)}`)
  })
  const at = (index: number) => {
    const node = nodes[index]
    assert.isDefined(node)
    return node
  }
  const write = (title: string) => at(0).runPromise(remember({ title, content: "c" }, nobody).pipe(Effect.either))
  const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))
  const holdsAll = async (node: Node) => VersionVector.dominates(await vectorOf(node), await vectorOf(at(0)))
  const phases = () => at(0).runPromise(Effect.map(Federation, ({ links }) => links.map((link) => link.status().phase)))

  it("comes back by itself, answers whoever waited, and sends what was missed", async () => {
    const network = new Network()
    nodes = startNodes(network, [A, B, C], { w: 2, ackTimeout: "600 millis", logger })
    await write("before")
    await until("all in touch", async () => (await phases()).every((phase) => phase === "connected"))
    network.hangs = ({ path, to }) => to === B && path === "/api/v1/sync/push"
    const begin = performance.now()
    assert.strictEqual((await write("while it hangs"))._tag, "Right", "the other peer makes the quorum")
    assert.isBelow(performance.now() - begin, 700)
    await until("the lane is given up", async () => logged.some((line) => line.includes("hangs")), 15_000)
    const [line] = logged.filter((one) => one.includes("hangs"))
    assert.match(line ?? "", /^ERROR federation: the live lane to peer b \(connected\) hangs, \d+ s in one request/)
    network.hangs = () => false
    await until("it is back", async () => (await phases()).every((phase) => phase === "connected"), 15_000)
    await until("it has what it missed", () => holdsAll(at(1)), 15_000)
    assert.strictEqual((await write("after"))._tag, "Right")
    await until("it has that, too", () => holdsAll(at(1)), 15_000)
    const text = await at(0).runPromise(Effect.flatMap(Metrics, ({ render }) => render))
    assert.match(text, /federation_link_restarts_total\{peer="b"\} 1\n/)
  }, 60_000)
})
