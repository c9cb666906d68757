import type Database from "better-sqlite3"
import type * as Clock from "effect/Clock"
import type { Payload } from "../../replication/kinds.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import type { Name } from "../../replication/reissue.js"
import type { OpLog } from "../log/OpLog.js"
import type { Steps } from "../log/Steps.js"
import type { Outcome } from "../state/Slice.js"
import type { State } from "../state/State.js"
import * as Candidates from "./candidates.js"
import type { Change } from "./changes.js"
import * as Noting from "./noting.js"
import * as Rebuilding from "./rebuilding.js"
import * as Rights from "./rights.js"
import * as RuleBook from "./RuleBook.js"
import { type Thing, touchedBy } from "./touching.js"
import * as Voids from "./Voids.js"

/*
 * An operation has the effect that it has the right to, and that depends on what else is held and on nothing that is true of this
 * node alone: the rules stamped before it, who was registered, votes, what is in quarantine. One without the right is void: kept,
 * passed on, acknowledged as held, and without effect, on every node. When something comes that others are judged by, they are
 * judged anew, and what they had changed is made anew from the log.
 */

/** Applies operations as far as they have the right. In the transaction only. */
export interface Judge {
  readonly apply: (operation: Operation, payload: Payload) => Judged
  /** The same for an operation whose memory has an id that was minted for it: see `State`. */
  readonly applyNew: (operation: Operation, payload: Payload) => Judged
  /** An operation is in the log no longer. */
  readonly forget: (operation: Operation) => void
  /** Judges anew what has to be, after what was applied. Last in each job, when all that it wrote is in the log. */
  readonly settle: () => Steps<void>
  readonly isKept: Rights.Rights["isKept"]
  readonly mayDecide: Rights.Rights["mayDecide"]
}

interface Judged {
  readonly outcome: Outcome
  /** Why it has no effect, or not all of it; null where nothing speaks against it. */
  readonly why: string | null
}

interface Parts {
  readonly writer: Database.Database
  readonly log: OpLog
  readonly state: State
  readonly clock: Clock.Clock
}

export const make = (parts: Parts): Judge => {
  const { clock, log, state, writer } = parts
  const book = RuleBook.make(writer)
  const voids = Voids.make(writer, clock)
  const rights = Rights.make(writer, { book, load: state.load })
  const changes: Array<Change> = []
  const changed = (change: Change) => {
    changes.push(change)
  }
  const noting = Noting.make(parts, { book, voids, changed })
  let isAnew = false

  const judged = (operation: Operation, payload: Payload, isNewId: boolean): Judged => {
    const verdict = rights.of(operation, payload)
    const isOther = voids.note(operation, verdict)
    // What it changed beside the things that are made anew just now stands until those are as well.
    if (isAnew && isOther) {
      changes.push(...touchedBy(operation, payload).map((thing) => ({ _tag: "Late" as const, thing })))
    }
    // What it noted by another verdict may say too much.
    if (isOther) noting.remove(operation, payload)
    if (verdict.isVoid) {
      if (isOther) noting.late(operation, payload, true)
      return { outcome: "superseded", why: verdict.why }
    }
    const allowed = verdict.why === null ? operation : { ...operation, covers: verdict.covers }
    const outcome = isNewId ? state.applyNew(allowed, payload) : state.apply(allowed, payload)
    noting.note(allowed, payload, { outcome, isNews: !isAnew || isOther })
    return { outcome, why: verdict.why }
  }

  const rebuild = Rebuilding.make({ ...parts, apply: (operation, payload) => judged(operation, payload, false) })
  function* anew(things: ReadonlyArray<Thing>): Steps<void> {
    isAnew = true
    try {
      yield* rebuild(things)
    } finally {
      isAnew = false
    }
  }
  const candidates = Candidates.make(parts, voids)

  return {
    apply: (operation, payload) => judged(operation, payload, false),
    applyNew: (operation, payload) => judged(operation, payload, true),
    isKept: rights.isKept,
    mayDecide: rights.mayDecide,
    forget: (operation) => {
      voids.forget(operation)
      noting.remove(operation, ofLog(operation))
    },
    settle: () =>
      settling({
        changes,
        candidates,
        anew,
        isAsBefore: (name, operation, payload) => voids.isKnown(name, rights.of(operation, payload)),
        log
      })
  }
}

/** Takes what changed until nothing does, and makes anew what depends on it. */
function* settling({ anew, candidates, changes, isAsBefore, log }: {
  readonly changes: Array<Change>
  readonly candidates: ReturnType<typeof Candidates.make>
  readonly anew: (things: ReadonlyArray<Thing>) => Steps<void>
  readonly isAsBefore: (name: Name, operation: Operation, payload: Payload) => boolean
  readonly log: Pick<OpLog, "at" | "position">
}): Steps<void> {
  // What is judged depends on what is stamped before it: each round settles one more of the log at the least.
  for (let round = 0; changes.length > 0; round++) {
    if (round > log.position()) throw new Error("judging operations anew does not come to an end")
    const things: Array<Thing> = []
    for (const change of changes.splice(0)) {
      if (change._tag === "Late") {
        things.push(change.thing)
        continue
      }
      for (const name of yield* candidates(change)) {
        const operation = log.at(name)
        if (operation === null) continue
        const payload = ofLog(operation)
        if (!isAsBefore(name, operation, payload)) things.push(...touchedBy(operation, payload))
        yield operation.body?.length ?? 0
      }
    }
    if (things.length > 0) yield* anew(things)
  }
}
