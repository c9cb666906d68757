import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { IN_DOUBT, LocalWriteFailed, type Overloaded } from "../errors.js"
import type * as Committer from "../log/Committer.js"
import type { OpLog } from "../log/OpLog.js"
import type { Places } from "./Places.js"
import type { SiteLog, SiteUnavailable } from "./SiteLog.js"

interface Parts {
  readonly log: OpLog
  readonly places: Places
  readonly site: SiteLog["Type"]
}

/** Brings into the log of the site what a transaction brought into this one, before it is committed; null where that is nothing. */
export const make = ({ log, places, site }: Parts) => (): Effect.Effect<void, LocalWriteFailed> | null => {
  const items = log.takeBrought()
  if (items.length === 0) return null
  const writer = log.origin()
  const after = places.state().get(writer) ?? 0
  places.reach({ writer, place: after + items.length })
  const isKnown: Parameters<SiteLog["Type"]["append"]>[0]["isKnown"] = (head) =>
    head.place <= (places.state().get(head.writer) ?? 0)
  return Effect.mapError(site.append({ writer, after, items, isKnown }), (error) =>
    error._tag === "SiteAhead"
      ? new LocalWriteFailed({ detail: "another daemon of the site was first", site: "ahead" })
      : failedBy(error, error.isInDoubt ? `${error.detail}: ${IN_DOUBT}` : `${error.detail}; nothing was written`))
}

/** What the store does not do, to those who write and read. */
export const failedBy = ({ standbys }: SiteUnavailable, detail: string): LocalWriteFailed =>
  new LocalWriteFailed({ detail, site: "unavailable", ...(standbys === undefined ? {} : { standbys }) })

type Submitting = Pick<
  Effect.Effect.Success<ReturnType<typeof Committer.make>>,
  "submit" | "submitEach" | "submitSteps"
>

/** How often a job is decided again that another daemon came before: each time it has heard of what that one brought. */
const MOST = 20

const isBehind = (error: unknown): boolean => error instanceof LocalWriteFailed && error.site === "ahead"

const wasBehind = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && exit.cause._tag === "Fail" && isBehind(exit.cause.error)

/** Jobs are decided again after another daemon was first. */
export const again = (
  { submit, submitEach, submitSteps }: Submitting,
  fresh: Effect.Effect<void, LocalWriteFailed | Overloaded>
): Submitting => {
  const retried = <A, E>(run: Effect.Effect<A, E | LocalWriteFailed | Overloaded>) =>
    Effect.retry(Effect.tapError(run, (error) => isBehind(error) ? fresh : Effect.void), {
      while: isBehind,
      times: MOST
    })
  return {
    submit: (job) => retried(submit(job)),
    submitSteps: (job) => retried(submitSteps(job)),
    submitEach: (jobs) =>
      Effect.flatMap(submitEach(jobs), (exits) =>
        exits.some(wasBehind)
          ? Effect.forEach(exits, (exit, index) => {
            const job = jobs[index]
            return job !== undefined && wasBehind(exit)
              ? Effect.exit(Effect.zipRight(fresh, retried(submit(job))))
              : Effect.succeed(exit)
          }, { concurrency: "unbounded" })
          : Effect.succeed(exits))
  }
}
