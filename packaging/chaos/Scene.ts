import * as Effect from "effect/Effect"
import type { Verdict } from "../../test/simulation/history.js"
import type { Prng } from "../../test/simulation/prng.js"
import type { Chronicle } from "./Chronicle.js"
import type { Daemon } from "./Daemon.js"
import type { NoAnswer, Reply, Request } from "./Http.js"
import type { Mesh } from "./Mesh.js"

/** What came of the calls of all clients. */
export interface Tally {
  calls: number
  ok: number
  quorumNotMet: number
  /** Other answers that say that nothing was written and that it may be sent again. */
  refused: number
  /** Answers that say that nothing was written, for it can not be. */
  fail: number
  unknown: number
  retries: number
  /** A write that was sent again is answered as the write that it is. */
  sentAgain: number
}

/** A memory that one client alone writes to, always through one node: what it may be at the end. */
export interface Owned {
  readonly id: string
  readonly title: string
  readonly home: string
  /** Empty: it may be gone. */
  may: ReadonlyArray<Look>
}

export interface Look {
  readonly place: "visible" | "archived" | "gone"
  readonly content: string
}

/** One round while it runs. */
export interface Scene {
  readonly mesh: Mesh
  readonly chronicle: Chronicle
  readonly tally: Tally
  readonly owned: Array<Owned>
  /** What clients found wrong by themselves. */
  readonly wrong: Array<string>
  /** Nodes whose disk fails: they may say so, and end. */
  readonly excused: Set<string>
  /** Nodes to which something is being done. */
  readonly busy: Set<string>
  /** Nodes whose disk was lost. */
  readonly robbed: Set<string>
  /** A write may be sent again to another node. */
  readonly goesElsewhere: boolean
  isOn: boolean
}

export const make = (mesh: Mesh, chronicle: Chronicle, goesElsewhere: boolean): Scene => ({
  mesh,
  chronicle,
  tally: { calls: 0, ok: 0, quorumNotMet: 0, refused: 0, fail: 0, unknown: 0, retries: 0, sentAgain: 0 },
  owned: [],
  wrong: [],
  excused: new Set(),
  busy: new Set(),
  robbed: new Set(),
  goesElsewhere,
  isOn: true
})

export interface Call {
  readonly client: string
  readonly operation: string
  readonly request: Request
  readonly key: string | null
  /** Text that only this write has. */
  readonly token: string | null
}

export type Answer =
  | { readonly certainty: "ok"; readonly reply: Reply }
  | { readonly certainty: "fail"; readonly error: string; readonly isPassing: boolean }
  | { readonly certainty: "info" }

/** One attempt at one node; what came of it is written down, with the nodes that held it at that moment. */
export const once = (scene: Scene, node: Daemon, call: Call): Effect.Effect<Answer> =>
  Effect.suspend(() => {
    const { chronicle, mesh, tally } = scene
    const attempt = tally.calls++
    chronicle.note({
      type: "invoked",
      at: chronicle.now(),
      attempt,
      client: call.client,
      node: node.name,
      operation: call.operation,
      key: call.key,
      token: call.token,
      inTouch: []
    })
    const headers = { ...call.request.headers, ...(call.key === null ? {} : { "idempotency-key": call.key }) }
    return mesh.http.ask(node.url, { ...call.request, headers }).pipe(
      Effect.map((reply) => judge(scene, node, reply)),
      Effect.catchAll((error) => Effect.succeed(unanswered(scene, error))),
      Effect.map(({ answer, verdict }) => {
        chronicle.note({ type: answer.certainty, at: chronicle.now(), attempt, verdict })
        return answer
      })
    )
  })

interface Judged {
  readonly answer: Answer
  readonly verdict: Verdict | null
}

const unanswered = ({ tally }: Scene, { why }: NoAnswer): Judged => {
  if (why === "refused") {
    tally.refused++
    return { answer: { certainty: "fail", error: "no connection", isPassing: true }, verdict: null }
  }
  tally.unknown++
  return { answer: { certainty: "info" }, verdict: null }
}

const judge = (scene: Scene, node: Daemon, reply: Reply): Judged => {
  const { chronicle, tally } = scene
  const { body, opId, status } = reply
  const ackedBy = Array.isArray(body["acked_by"]) ? body["acked_by"].map(String) : []
  if (status < 300) {
    tally.ok++
    const answer = { certainty: "ok", reply } as const
    if (opId === null) return { answer, verdict: { tag: "Read" } }
    const holders = scene.mesh.disks.holders(opId)
    return { answer, verdict: { tag: "Acknowledged", opId, acks: Number(body["quorum_acks"]), ackedBy, holders } }
  }
  const error = String(body["error"])
  if (status === 503 && error === "quorum_not_met") {
    tally.quorumNotMet++
    const [got, needed, reason] = [Number(body["got"]), Number(body["needed"]), String(body["reason"])]
    const op = String(body["op_id"])
    const holders = scene.mesh.disks.holders(op)
    return {
      answer: { certainty: "info" },
      verdict: { tag: "QuorumNotMet", opId: op, ackedBy, got, needed, reason, holders }
    }
  }
  const verdict = { tag: "Refused", error: `${status}`, detail: error.slice(0, 200) } as const
  if (status >= 500 && status !== 503) {
    tally.unknown++
    if (!scene.excused.has(node.name)) {
      chronicle.note({ type: "broken", at: chronicle.now(), node: node.name, what: `answered ${status}: ${error}` })
    }
    return { answer: { certainty: "info" }, verdict }
  }
  if (status === 503) tally.refused++
  else tally.fail++
  // A disk that reported an error on a commit may have kept it all the same.
  const isDoubtful = JSON.stringify(body).includes("IOERR")
  return {
    answer: isDoubtful ? { certainty: "info" } : { certainty: "fail", error, isPassing: status === 503 },
    verdict
  }
}

const MAX_ATTEMPTS = 60
const PAUSE_MILLIS = 250

/** Sends one write under one key until it is certain; a later attempt may go to another node. */
export const insist = (
  scene: Scene,
  chance: Prng,
  at: (attempt: number) => Daemon,
  call: Call & { readonly key: string }
): Effect.Effect<Answer> => {
  const attempt = (number: number, isDoubtful: boolean): Effect.Effect<Answer> =>
    Effect.flatMap(once(scene, at(number), call), (answer) => {
      const goesOn = answer.certainty === "info" || (answer.certainty === "fail" && answer.isPassing)
      if (goesOn && number < MAX_ATTEMPTS) {
        scene.tally.retries++
        const pause = Effect.sleep(chance.exponential(PAUSE_MILLIS))
        return Effect.zipRight(pause, attempt(number + 1, isDoubtful || answer.certainty === "info"))
      }
      // An attempt of unknown outcome may have done what a later one was refused.
      const isOpen = answer.certainty === "fail" && isDoubtful
      return Effect.succeed<Answer>(isOpen ? { certainty: "info" } : answer)
    })
  return attempt(0, false)
}
