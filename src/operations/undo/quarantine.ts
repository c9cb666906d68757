import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import * as Quarantine from "../../domain/Quarantine.js"
import * as validate from "../../domain/validate.js"
import type { Entry, Transaction } from "../../store/MemoryStore.js"
import { ProvenanceReader, type Standing } from "../../store/read/ProvenanceReader.js"
import { AuditLog } from "../../telemetry/AuditLog.js"
import { NotFound, NotReady, type ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"

export interface QuarantineRequest extends Quarantine.Selector {
  readonly reason: string
}

/** A quarantine that met its quorum. */
export interface Quarantined extends Write.Acknowledged {
  readonly quarantine: Quarantine.Quarantine
}

/** Sets aside what somebody wrote, on every node. Nothing is lost: it is kept and passed on, and has no effect. */
export const quarantine = (
  request: QuarantineRequest,
  caller = Write.anonymous
): Write.Verb<Quarantined, validate.Invalid, AuditLog> =>
  Write.togetherInSteps({
    name: "quarantine",
    counts: "created",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        const selected = yield* Quarantine.validateSelector(request)
        yield* Archive.reason(request.reason)
        const asking = yield* Write.askingOf(self, undefined)
        return { ...selected, id: asking.id, by: asking.agentId }
      }),
    *decide(batch, prepared) {
      const now = batch.now()
      const may = unlessOld(now)
      yield 0
      return Either.map(may, () => {
        const payload = { kind: "quarantine" as const, quarantine: { ...prepared, at: now.stamp } }
        batch.write({ payload, baseHlc: null, covers: [] })
      })
    },
    settle: ({ written }) =>
      Effect.gen(function*() {
        const set = quarantineOf(written)
        const { by, id, reason: _, at: __, ...selector } = set
        const { record } = yield* AuditLog
        yield* record({ type: "memory.quarantined", agentId: by, payload: { id, ...selector } })
        return { ...yield* Write.acknowledge(written), quarantine: set }
      })
  })

/** Ends a quarantine on every node: what it set aside has its effect again. */
export const release = (
  id: string,
  caller = Write.anonymous
): Write.Verb<Write.Removed, validate.Invalid | NotFound, AuditLog> =>
  Write.togetherInSteps({
    name: "release",
    counts: "deleted",
    caller,
    request: [id],
    governed: "ungoverned",
    prepare: (self) => Effect.zipRight(validate.memoryId(id), Write.askingOf(self, undefined)),
    *decide(batch) {
      const covers = batch.now().versions("quarantine", id).map(({ ref }) => ref)
      yield 0
      if (covers.length === 0) return Either.left(new NotFound())
      batch.write({ payload: { kind: "release", entity: id }, baseHlc: null, covers })
      return Either.void
    },
    settle: ({ written }, { agentId }) =>
      Effect.gen(function*() {
        const { record } = yield* AuditLog
        yield* record({ type: "memory.released", agentId, payload: { id } })
        return { ...yield* Write.acknowledge(written), id }
      })
  })

/** The quarantines that stand, the oldest first. */
export const standing: Effect.Effect<ReadonlyArray<Standing>, ReadFailed, ProvenanceReader> = Effect.flatMap(
  ProvenanceReader,
  ({ quarantines }) => quarantines
)

/** Operations of the first format have no word for it. */
const unlessOld = ({ format }: Transaction): Either.Either<void, NotReady> =>
  format === 1
    ? Either.left(
      new NotReady({
        detail:
          "a member of the mesh is of a version that knows no quarantines, or was not asked yet: nothing was set aside"
      })
    )
    : Either.void

const quarantineOf = (written: ReadonlyArray<Entry>): Quarantine.Quarantine => {
  const [set] = written.flatMap(({ payload }) => payload.kind === "quarantine" ? [payload.quarantine] : [])
  if (set === undefined) throw new Error("a quarantine wrote nothing")
  return set
}
