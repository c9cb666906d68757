import { afterEach, assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeId } from "../../src/domain/ids.js"
import * as operations from "../../src/operations/federation/deadLetters.js"
import { remember } from "../../src/operations/memories/remember.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { DeadLetters } from "../../src/store/DeadLetters.js"
import { MemoryStore } from "../../src/store/MemoryStore.js"
import { until } from "../mesh/Cluster.js"
import { Network, type Node, ROUND, startNode, startNodes } from "./inProcess.js"

const [A, B, C] = ["http://a", "http://b", "http://c"] as const
const nobody = { agentId: Option.none(), idempotencyKey: Option.none() }
const PUSH = "/api/v1/sync/push"

/** With time for what they bring. */
const TWO_ROUNDS_MILLIS = 3.5 * Duration.toMillis(ROUND)

const write = (node: Node, title: string) =>
  node.runPromise(remember({ title, content: `content of ${title}` }, nobody).pipe(Effect.either))

const letters = (node: Node) => node.runPromise(operations.listDeadLetters({}))
const depth = (node: Node) => node.runPromise(Effect.map(DeadLetters, (dead) => dead.depth()))
const retry = (node: Node, id: number) => node.runPromise(operations.retryDeadLetter(String(id)))
const vectorOf = (node: Node) => node.runPromise(Effect.map(MemoryStore, (store) => store.vector()))

const equalVectors = async (one: Node, other: Node) => VersionVector.equals(await vectorOf(one), await vectorOf(other))

/** How many operations of `one` the other lacks. */
const lacks = async (other: Node, one: Node) => {
  const missing = VersionVector.missing(await vectorOf(one), await vectorOf(other))
  return missing.reduce((sum, { from, to }) => sum + to - from + 1, 0)
}

const onlyLetter = async (node: Node) => {
  const found = await letters(node)
  assert.strictEqual(found.length, 1)
  const [letter] = found
  assert.isDefined(letter)
  return letter
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

describe("operations that a peer refuses", () => {
  let nodes: Array<Node> = []
  let folder: string | undefined
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.dispose()))
    nodes = []
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  const two = (network: Network, options: Partial<Parameters<typeof startNodes>[2]> = {}) => {
    const [one, other] = startNodes(network, [A, B], { w: 1, firstRoundAfter: ROUND, ...options })
    assert.isDefined(one)
    assert.isDefined(other)
    nodes = [one, other]
    return [one, other] as const
  }

  /** Writes twenty memories at once, one of which is the poison, and as many after it. */
  const writeAround = async (node: Node) => {
    const titles = Array.from({ length: 20 }, (_, index) => index === 7 ? "poison" : `good ${index}`)
    await Promise.all(titles.map((title) => write(node, title)))
    for (let index = 0; index < 20; index++) await write(node, `after ${index}`)
  }

  it("by its cap: set aside with the reason, the others flow on, and a retry empties it", async () => {
    const network = new Network()
    const [one, other] = two(network)
    await write(one, "before")
    await until("in touch", () => equalVectors(one, other))
    network.refuse = ({ body }) => body.includes("content of poison") ? 413 : undefined
    // Not by another way either.
    network.tamperAnswer = (answer) => answer.replaceAll("content of poison", "content of another")
    await writeAround(one)
    await until("all but one", async () => (await lacks(other, one)) === 1 && (await letters(one)).length === 1)
    const letter = await onlyLetter(one)
    assert.deepInclude(letter, { peerId: NodeId.make("b"), kind: "store", attempts: 1, discarded: false })
    assert.include(letter.reason, "http 413")
    assert.match(letter.origin, /^a\/[0-9]+$/)
    assert.isTrue(letter.nextAttemptAt > letter.failedAt)
    assert.strictEqual(await depth(one), 1)
    const whole = await one.runPromise(operations.getDeadLetter(String(letter.id)))
    assert.include(whole.operation.body, "content of poison")

    const pushes = () =>
      network.requests.filter(({ body, path }) => path === PUSH && body.includes("content of poison"))
    const sent = pushes().length
    await pause(TWO_ROUNDS_MILLIS)
    assert.strictEqual(pushes().length, sent, "no pass of the backfill sends it again")

    assert.strictEqual(await retry(one, letter.id), "refused")
    assert.deepInclude(await onlyLetter(one), { attempts: 2 })

    network.refuse = () => undefined
    assert.strictEqual(await retry(one, letter.id), "delivered")
    assert.deepStrictEqual(await letters(one), [])
    assert.strictEqual(await depth(one), 0)
    assert.isTrue(await equalVectors(one, other))
  }, 40_000)

  it("by its schema: a row that it can not read, and an operation that is not what its author sealed", async () => {
    const network = new Network()
    const [one, other] = two(network)
    await write(one, "before")
    await until("in touch", () => equalVectors(one, other))
    const changes: ReadonlyArray<readonly [change: (body: string) => string, reason: string]> = [
      [(body) => body.includes("poison") ? body.replaceAll(`"tier":"mid"`, `"tier":"eternal"`) : body, "http 422"],
      [(body) => body.replaceAll("content of poison", "content of another"), "malformed: the hash"]
    ]
    for (const [tamper, reason] of changes) {
      network.tamper = tamper
      network.tamperAnswer = tamper
      await write(one, `poison ${reason}`)
      await write(one, `good ${reason}`)
      await until("set aside", async () => (await letters(one)).length === 1)
      const letter = await onlyLetter(one)
      assert.include(letter.reason, reason)
      await until("nothing else is lacking", async () => (await lacks(other, one)) === 1)
      network.tamper = (body) => body
      network.tamperAnswer = (answer) => answer
      await retry(one, letter.id)
      await until("empty", async () => (await letters(one)).length === 0)
      assert.isTrue(await equalVectors(one, other))
    }
  }, 40_000)

  it("by its clock: kept until the clock has passed", async () => {
    const network = new Network()
    let behind = -120_000
    const [one, other] = two(network, { clockOffsetMillis: (url) => url === B ? behind : 0 })
    await write(one, "from the future")
    await until("set aside", async () => (await letters(one)).length === 1)
    const letter = await onlyLetter(one)
    assert.match(letter.reason, /^clock_future/)
    assert.strictEqual(await lacks(other, one), 1)
    assert.strictEqual(await retry(one, letter.id), "refused")
    behind = 0
    await retry(one, letter.id)
    await until("empty", async () => (await letters(one)).length === 0)
    assert.isTrue(await equalVectors(one, other))
  }, 20_000)

  it("wait over a restart, and go when the peer has them from somewhere else", async () => {
    folder = mkdtempSync(join(tmpdir(), "quorate-dead-"))
    const inFolder = folder
    const network = new Network()
    const file = (url: string) => join(inFolder, `${new URL(url).hostname}.db`)
    const [one, other] = two(network, { file })
    await write(one, "before")
    await until("in touch", () => equalVectors(one, other))
    network.refuse = ({ body }) => body.includes("content of poison") ? 400 : undefined
    network.tamperAnswer = (answer) => answer.replaceAll("content of poison", "content of another")
    await write(one, "poison")
    await until("set aside", async () => (await letters(one)).length === 1)
    const before = await onlyLetter(one)
    await one.dispose()
    const again = startNode(network, A, [B], { w: 1, file, firstRoundAfter: ROUND })
    nodes = [again, other]
    assert.deepStrictEqual(await onlyLetter(again), before)
    assert.strictEqual(await depth(again), 1)
    await write(again, "good")
    await until("the rest flows", async () => (await lacks(other, again)) === 1)
    assert.strictEqual((await onlyLetter(again)).attempts, 1)
    network.tamperAnswer = (answer) => answer
    await until("the peer asked for it itself", () => equalVectors(again, other), 15_000)
    await until("empty", async () => (await letters(again)).length === 0, 15_000)
    assert.strictEqual(await depth(again), 0)
  }, 60_000)

  it("are never sent again once they are discarded, unless somebody retries them", async () => {
    const network = new Network()
    const [one, other] = two(network)
    await write(one, "before")
    await until("in touch", () => equalVectors(one, other))
    network.refuse = ({ body }) => body.includes("content of poison") ? 422 : undefined
    network.tamperAnswer = (answer) => answer.replaceAll("content of poison", "content of another")
    await write(one, "poison")
    await until("set aside", async () => (await letters(one)).length === 1)
    const { id } = await onlyLetter(one)
    await one.runPromise(operations.discardDeadLetter(String(id)))
    assert.isTrue((await onlyLetter(one)).discarded)
    assert.strictEqual(await depth(one), 0)
    network.refuse = () => undefined
    await write(one, "good")
    await pause(TWO_ROUNDS_MILLIS)
    assert.strictEqual(await lacks(other, one), 1)
    assert.strictEqual(await retry(one, id), "delivered")
    assert.isTrue(await equalVectors(one, other))
    for (const unknown of ["0", "1x", "", "999999", "99999999999999999999", "-1"]) {
      const failures = await Promise.all([
        one.runPromise(Effect.flip(operations.getDeadLetter(unknown))),
        one.runPromise(Effect.flip(operations.retryDeadLetter(unknown))),
        one.runPromise(Effect.flip(operations.discardDeadLetter(unknown)))
      ])
      assert.deepStrictEqual(failures.map(({ _tag }) => _tag), ["NotFound", "NotFound", "NotFound"])
    }
  }, 40_000)

  it("are not those of a peer that is away, slow, or answers nonsense", async () => {
    const network = new Network()
    const [one, two_, three] = startNodes(network, [A, B, C], { w: 1, ackTimeout: "400 millis" })
    assert.isDefined(one)
    assert.isDefined(two_)
    assert.isDefined(three)
    nodes = [one, two_, three]
    await write(one, "before")
    await until("in touch", () => equalVectors(one, two_))
    network.cut.add(B)
    network.frozen.add(C)
    for (let index = 0; index < 5; index++) await write(one, `away ${index}`)
    await pause(1_500)
    network.cut.clear()
    network.frozen.clear()
    network.refuse = ({ path }) => path === PUSH ? 503 : undefined
    await write(one, "overloaded")
    await pause(1_500)
    network.refuse = () => undefined
    network.tamperAnswer = (answer, path) => path === PUSH ? "<html>" : answer
    await write(one, "nonsense")
    await pause(1_000)
    network.tamperAnswer = (answer) => answer
    await until("all hold it", async () => (await equalVectors(one, two_)) && (await equalVectors(one, three)), 20_000)
    for (const node of nodes) assert.deepStrictEqual(await letters(node), [])
  }, 60_000)
})
