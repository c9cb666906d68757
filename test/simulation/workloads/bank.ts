import * as Effect from "effect/Effect"
import type { Memory } from "../../../src/domain/Memory.js"
import { consolidate } from "../../../src/operations/memories/consolidate.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

interface Account {
  readonly id: Memory["id"]
  readonly amount: number
}

/**
 * Accounts are opened, and two of them made into one: a consolidation moves their sum. Nobody ever sees an account together
 * with one that went into it, and at the end all of the money is there. (In between a node that lacks an earlier operation
 * may still show what that one ended.) Each write stays at one node: retried at another one it may become two versions, of
 * which the next write ends only the one it has seen.
 */
export const bank: Begin = (scene) => {
  const ledger: Ledger = { accounts: [], total: 0, sources: new Map(), surprises: [] }
  return {
    clients: [banking(scene, scene.client("bank"), ledger)],
    wrong: Effect.map(balances, (memories) => {
      const sum = sumOf(memories)
      return sum === ledger.total ? ledger.surprises : [`${sum} is there of ${ledger.total}`, ...ledger.surprises]
    })
  }
}

interface Ledger {
  accounts: ReadonlyArray<Account>
  total: number
  /** What went into each account. */
  readonly sources: Map<Memory["id"], ReadonlyArray<Memory["id"]>>
  readonly surprises: Array<string>
}

const balances = listMemories({ namespace: "bank", limit: 1000 })

const sumOf = (memories: ReadonlyArray<Memory>): number =>
  memories.reduce((sum, { content }) => sum + Number(content), 0)

const banking = (scene: Scene, client: Client, ledger: Ledger) =>
  Effect.gen(function*() {
    const { chance } = client
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const [first, second, ...others] = ledger.accounts
      const title = `account ${number}`
      const node = client.node()
      if (first === undefined || second === undefined || chance.chance(0.5)) {
        const amount = chance.int(1, 100)
        const answer = yield* client.insist({
          operation: "remember",
          effect: (caller) => remember({ title, content: String(amount), namespace: "bank" }, caller)
        }, () => node)
        if (answer.certainty !== "ok") ledger.surprises.push(`${title} could not be opened`)
        else {
          ledger.total += amount
          ledger.accounts = [...ledger.accounts, { id: answer.value.memory.id, amount }]
        }
      } else {
        scene.world.coverage.add("consolidations")
        const amount = first.amount + second.amount
        const ids = [first.id, second.id]
        const answer = yield* client.insist({
          operation: "consolidate",
          passing: ["SourceNotFound"],
          effect: (caller) => consolidate({ ids, title, summary: String(amount), namespace: "bank" }, caller)
        }, () => node)
        if (answer.certainty === "ok") {
          ledger.accounts = [...others, { id: answer.value.memory.id, amount }]
          ledger.sources.set(answer.value.memory.id, ids)
        } else ledger.surprises.push(`${title} could not take over ${ids.join()}`)
      }
      const seen = yield* client.once(client.node(), { operation: "listMemories", effect: () => balances })
      if (seen.certainty !== "ok") continue
      const visible = new Set(seen.value.map(({ id }) => id))
      for (const [id, sources] of ledger.sources) {
        const left = sources.filter((source) => visible.has(source))
        if (visible.has(id) && left.length > 0) ledger.surprises.push(`${id} was seen together with ${left.join()}`)
      }
    }
  })
