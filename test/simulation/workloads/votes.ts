import * as Effect from "effect/Effect"
import { registerAgent } from "../../../src/operations/agents/registerAgent.js"
import { approve } from "../../../src/operations/governance/decide.js"
import { setStandard } from "../../../src/operations/governance/setStandard.js"
import { listMemories } from "../../../src/operations/memories/listMemories.js"
import { remember } from "../../../src/operations/memories/remember.js"
import type { Client } from "../Client.js"
import type { Begin, Scene } from "./Workload.js"

const NAMESPACE = "governed"

/**
 * What is stored here takes two votes. They are cast at nodes that may not hear of each other for a while, so that none, one
 * or several of them decide; the action is done once all the same.
 */
export const votes: Begin = (scene) => {
  const voters = ["x", "y", "z"].map((name) => scene.client(`voter-${name}`))
  const approved = new Set<string>()
  return {
    clients: [governing(scene, scene.client("proposer"), voters, approved)],
    wrong: Effect.map(
      listMemories({ namespace: NAMESPACE, limit: 1000 }),
      (memories) =>
        Array.from(approved).flatMap((title) => {
          const found = memories.filter((memory) => memory.title === title).length
          return found === 1 ? [] : [`${title} has its votes and is there ${found} times`]
        })
    )
  }
}

const governing = (scene: Scene, client: Client, voters: ReadonlyArray<Client>, approved: Set<string>) =>
  Effect.gen(function*() {
    for (const voter of voters) {
      yield* voter.insist({
        operation: "registerAgent",
        effect: (caller) => registerAgent({ agent_id: voter.name, agent_type: "human" }, caller)
      })
    }
    // It writes two operations: repeated at a node that knows only one of them it would be answered by that one.
    const node = client.node()
    yield* client.insist({
      operation: "setStandard",
      effect: (caller) =>
        setStandard({ namespace: NAMESPACE, governance: { write: "approve", approver: { consensus: 2 } } }, caller)
    }, () => node)
    for (let number = 0; scene.isOn(); number++) {
      yield* client.pause(scene.world.options.thinkMillis)
      const title = `motion ${number}`
      const proposed = yield* client.insist({
        operation: "remember governed",
        effect: (caller) =>
          remember({ title, content: title, namespace: NAMESPACE }, caller).pipe(
            Effect.map((written) => ({ ...written, pendingId: null })),
            Effect.catchTag("AwaitingApproval", ({ ackedBy, acks, opId, pendingId }) =>
              Effect.succeed({ opId, acks, ackedBy, pendingId }))
          )
      })
      if (proposed.certainty !== "ok" || proposed.value.pendingId === null) continue
      const { pendingId } = proposed.value
      const answers = yield* Effect.forEach(voters, (voter) => {
        if (voter.chance.chance(0.2)) return Effect.succeed(null)
        scene.world.coverage.add("votes")
        return voter.insist(
          {
            operation: "approve",
            passing: ["NotFound", "Denied"],
            effect: (caller) => approve(pendingId, caller)
          },
          () => voter.node(),
          20
        )
      }, { concurrency: "unbounded" })
      if (answers.filter((answer) => answer?.certainty === "ok").length >= 2) approved.add(title)
    }
  })
