import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Governance from "../../domain/Governance.js"
import type { MemoryId } from "../../domain/ids.js"
import { MAX_TITLE_CHARS } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import type { Stamp } from "../../domain/Stamp.js"
import { Uuid } from "../../domain/Uuid.js"
import * as validate from "../../domain/validate.js"
import { liveId } from "../../store/deciding/liveId.js"
import * as standards from "../../store/deciding/standards.js"
import type { Held } from "../../store/deciding/Transaction.js"
import type { Batch, Entry, Transaction } from "../../store/MemoryStore.js"
import { StandardReader, TAG } from "../../store/read/StandardReader.js"
import { NotFound, type ReadFailed } from "../errors.js"
import { Permissions } from "../writing/Permissions.js"
import * as Write from "../writing/Write.js"

/** What is asked of a namespace from now on. */
export interface SetStandard {
  readonly namespace: string
  /** The memory that describes it; otherwise the one that was made for it, or a new one. */
  readonly id?: string | undefined
  /** The namespace whose standards apply before this one. What is absent stays, or is guessed by the name. */
  readonly parent?: string | undefined
  /** The policy that is written into the metadata of that memory; absent leaves it as it is. */
  readonly governance?: Governance.Given | undefined
}

export interface StandardSet extends Write.Acknowledged {
  readonly namespace: string
  readonly standardId: string
  readonly parent: string | null
  /** The policy that was given, with its defaults. */
  readonly governance: Governance.Policy | null
}

export interface StandardCleared extends Write.Acknowledged {
  readonly namespace: string
  /** Whether there was one. */
  readonly cleared: boolean
}

/** Gives a namespace a standard: the memory and the entry that points at it, in one transaction. */
export const setStandard = (
  request: SetStandard,
  caller = Write.anonymous
): Write.Verb<StandardSet, validate.Invalid | NotFound | ReadFailed, StandardReader> =>
  Write.together({
    name: "setStandard",
    counts: "updated",
    caller,
    request: [request],
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const { make } = yield* Uuid
        const wanted = yield* check(request)
        const reader = yield* StandardReader
        const tagged = request.id === undefined ? yield* reader.tagged(wanted.namespace) : Option.none()
        const { mode } = yield* Permissions
        return { wanted, tagged: Option.getOrNull(tagged), mint: make, binds: mode === "enforce" }
      }),
    decide: (batch, { wanted, ...options }) => decide(batch, wanted, options),
    settle: ({ answer, written }, { wanted: { governance } }) =>
      Effect.map(Write.acknowledge(written), (acknowledged) => {
        const { namespace, parent_namespace, standard_id } = Option.getOrElse(answer, () => metaOf(written))
        return { ...acknowledged, namespace, standardId: standard_id, parent: parent_namespace, governance }
      })
  })

/** A repeated key brings what was written the first time. */
const metaOf = (written: ReadonlyArray<Entry>): NamespaceMeta.NamespaceMeta => {
  const [meta] = written.flatMap(({ payload }) => payload.kind === "namespace_meta" ? [payload.meta] : [])
  if (meta === undefined) throw new Error("a standard was set without an entry")
  return meta
}

/** Takes the standard of a namespace away; the memory that was it stays. */
export const clearStandard = (
  namespace: string,
  caller = Write.anonymous
): Write.Verb<StandardCleared, validate.Invalid> =>
  Write.together({
    name: "clearStandard",
    counts: "updated",
    caller,
    request: [namespace],
    governed: "ungoverned",
    prepare: () => Effect.suspend(() => NamespaceMeta.namespace(namespace)),
    decide: (batch, entity) => {
      const covers = standards.versions(batch.now(), entity)
      if (covers.length > 0) {
        batch.write({ payload: { kind: "namespace_meta_clear", entity }, baseHlc: null, covers })
      }
      return Either.void
    },
    settle: ({ written }) =>
      Effect.map(Write.acknowledge(written), (acknowledged) => ({
        ...acknowledged,
        namespace,
        cleared: written.length > 0
      }))
  })

interface Wanted {
  readonly namespace: string
  readonly id: string | null
  readonly parent: string | null
  readonly governance: Governance.Policy | null
}

const check = (request: SetStandard): Either.Either<Wanted, validate.Invalid> =>
  Either.gen(function*() {
    const { governance, id, namespace, parent } = request
    yield* NamespaceMeta.namespace(namespace)
    if (id !== undefined) yield* validate.memoryId(id)
    if (parent !== undefined) yield* validate.named("parent", NamespaceMeta.namespace(parent))
    if (parent === namespace) {
      yield* Either.left(
        new validate.Invalid({ field: "parent", message: "parent must not be the namespace itself" })
      )
    }
    const policy = governance === undefined
      ? null
      : yield* Either.mapLeft(Governance.validate(governance), ({ field, message }) =>
        new validate.Invalid({ field: `governance.${field}`, message: `governance.${message}` }))
    return { namespace, id: id ?? null, parent: parent ?? null, governance: policy }
  })

const decide = (
  batch: Batch,
  wanted: Wanted,
  options: { readonly tagged: string | null; readonly mint: () => string; readonly binds: boolean }
): Either.Either<NamespaceMeta.NamespaceMeta, NotFound | validate.Invalid> =>
  Either.gen(function*() {
    const { governance, namespace } = wanted
    const now = batch.now()
    const found = find(now, wanted, options.tagged)
    if (found === null && wanted.id !== null) return yield* Either.left(new NotFound())
    const base = found?.memory ?? made(namespace, Write.commonId(now, `standard ${namespace}`, options.mint), now.stamp)
    const metadata = governance === null ? base.metadata : { ...base.metadata, governance }
    yield* validate.metadata(metadata)
    // Unless it is somebody's own memory that only becomes the standard, it is written with it, so that both are there
    // wherever the answer says.
    if (found === null || governance !== null || wanted.id === null) writeMemory(batch, { ...base, metadata }, found)
    const parent = wanted.parent ?? standards.find(now, namespace)?.parent_namespace ??
      standards.guessParent(now, namespace)
    return writeEntry(batch, { namespace, standardId: base.id, parent, binds: options.binds })
  })

/** The memory to be the standard, if there is one: as given, or the newest made for it, or what has the title of one. */
const find = (now: Transaction, { id, namespace }: Wanted, tagged: string | null): Held | null => {
  if (id !== null) return liveId(now, id)
  return (tagged === null ? null : now.byId(tagged)) ?? now.holder(namespace, titleOf(namespace))
}

const writeMemory = (batch: Batch, memory: Memory, found: Held | null): void => {
  const now = batch.now()
  batch.write({
    payload: { kind: "store", memory: { ...memory, updated_at: now.stamp } },
    baseHlc: found?.version.hlc ?? null,
    covers: found === null ? [] : [found.version]
  })
}

const writeEntry = (
  batch: Batch,
  { binds, namespace, parent, standardId }: {
    readonly binds: boolean
    readonly namespace: string
    readonly standardId: string
    readonly parent: string | null
  }
): NamespaceMeta.NamespaceMeta => {
  const now = batch.now()
  const meta: NamespaceMeta.NamespaceMeta = {
    namespace,
    standard_id: standardId,
    parent_namespace: parent,
    updated_at: now.stamp,
    ...binds ? {} : { advisory: true }
  }
  const covers = standards.versions(now, namespace)
  batch.write({ payload: { kind: "namespace_meta", meta }, baseHlc: null, covers })
  return meta
}

/** Cut to the bound of a title; within its namespace it stands for nothing else. */
const titleOf = (namespace: string): string => Array.from(`_standard:${namespace}`).slice(0, MAX_TITLE_CHARS).join("")

const made = (namespace: string, id: MemoryId, stamp: Stamp): Memory => ({
  id,
  tier: "long",
  namespace,
  title: titleOf(namespace),
  content: `Standard of namespace ${namespace}`,
  tags: [TAG],
  priority: 5,
  confidence: 1,
  source: "api",
  access_count: 0,
  created_at: stamp,
  updated_at: stamp,
  metadata: { agent_id: "system" }
})
