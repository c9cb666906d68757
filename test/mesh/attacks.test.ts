import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import { OpId, Origin } from "../../src/domain/ids.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { hashed, type Operation } from "../../src/replication/Operation.js"
import { memory } from "../store/memories.js"
import * as api from "./api.js"
import * as Attacked from "./attacked.js"
import { until } from "./Cluster.js"

/*
 * A member whose key is known to all sends what is not its own: none of it changes anything on any node, and each attempt is
 * counted and written down.
 */

const { NAMES } = Attacked
const MEMBER = "mallory"

describe("a member that lies", () => {
  let mesh: Attacked.Attacked
  let victim = ""
  beforeAll(async () => {
    mesh = await Attacked.make([MEMBER])
    victim = await api.create(mesh.urlAt(1), { title: "victim", content: "to be deleted" })
    for (let count = 0; count < 5; count++) await api.create(mesh.urlAt(0), { title: `of one ${count}` })
    await mesh.settled()
  }, 60_000)
  afterAll(() => mesh.close())

  const states = () => mesh.everywhere(mesh.state)
  const refusedAt = (at: number) => mesh.metric(at, "replication_unauthored_total{")
  const rowsAt = (at: number) => mesh.rowsOf(at, "federation.operation_refused")
  /** What a node says of operations that a member sends, or one that nobody knows. */
  const push = async (at: number, operations: ReadonlyArray<Operation>, as: string = MEMBER) => {
    const answered = await mesh.send(at, mesh.message(as, mesh.carrier(operations)))
    assert.strictEqual(answered.status, 200)
    return Attacked.resultsOf(answered)
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
    const given = (await mesh.logOf(0, "two")).find(({ entity }) => entity === victim)
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
  const nameOf = async (of: string) => {
    const own = await mesh.logOf(0, of)
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
        return [mesh.sealedBy(MEMBER, await deleting(origin, next))]
      }
    },
    {
      what: "an operation of another node to an honest one, to be relayed by it",
      to: 2,
      word: "forged",
      make: async () => {
        const { next, origin } = await nameOf("one")
        return [mesh.sealedBy(MEMBER, storing(origin, next))]
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
      make: async () => [mesh.sealedBy(MEMBER, storing(`two/${(await nameOf("two")).incarnation + 1}`, 1))]
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
    const before = await states()
    const [refused, rows] = [await refusedAt(to), (await rowsAt(to)).length]
    const operations = await make()
    assert.deepStrictEqual(await push(to, operations, as), operations.map(() => `rejected ${word}`))
    // Time for a relay, and for a round of catch-up.
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.deepStrictEqual(await states(), before)
    for (const [at] of NAMES.entries()) assert.isDefined(await api.memory(mesh.urlAt(at), victim))
    assert.strictEqual(await refusedAt(to), refused + operations.length)
    const fresh = (await rowsAt(to)).slice(rows)
    assert.isNotEmpty(fresh)
    for (const row of fresh) assert.include(row, `"reason":"${word}"`)
  }, 30_000)

  it("sends once more what others wrote, and nothing comes of it", async () => {
    const before = await states()
    for (const name of ["one", "two"]) {
      const operations = await mesh.logOf(0, name)
      assert.isNotEmpty(operations)
      const answers = await push(2, operations)
      assert.deepStrictEqual(answers, operations.map(() => "duplicate"))
    }
    assert.deepStrictEqual(await states(), before)
  })

  it("keeps no name from its owner: all nodes go on writing", async () => {
    for (const [at] of NAMES.entries()) {
      const id = await api.create(mesh.urlAt(at), { title: `afterwards ${at}` })
      for (const [other] of NAMES.entries()) {
        await until("it is there", async () => (await api.memory(mesh.urlAt(other), id)) !== undefined)
      }
    }
  }, 30_000)

  it("may write in its own name", async () => {
    assert.deepStrictEqual(await push(0, [mesh.sealedBy(MEMBER, storing(`${MEMBER}/1`, 1))]), ["applied"])
  })
})
