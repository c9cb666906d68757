import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Governance from "../../domain/Governance.js"
import type { Memory } from "../../domain/Memory.js"
import * as NamespaceMeta from "../../domain/NamespaceMeta.js"
import type { Invalid } from "../../domain/validate.js"
import { type Standard, StandardReader } from "../../store/read/StandardReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

/** What a namespace asks of its memories, in the words of its standard. */
export interface FoundStandard {
  readonly namespace: string
  readonly standardId: string
  readonly memory: Memory
  /** Its policy, as it stands in its metadata, or what holds without one. */
  readonly governance: Governance.Policy
}

/** A namespace without a standard. `missing` is the id of one that was set and is not there (any more). */
export interface NoStandard {
  readonly namespace: string
  readonly standardId: null
  readonly missing: string | null
}

/** The standards that apply to a namespace. */
export interface Chain {
  readonly namespace: string
  /** The farthest first, the namespace itself last; also those without a standard. */
  readonly chain: ReadonlyArray<string>
  readonly standards: ReadonlyArray<FoundStandard>
}

/** The standard of one namespace. */
export const standardOf = (
  namespace: string
): Effect.Effect<FoundStandard | NoStandard, Invalid | ReadFailed, StandardReader> =>
  Effect.gen(function*() {
    const reader = yield* StandardReader
    const standard = yield* reader.standard(yield* NamespaceMeta.namespace(namespace))
    return Option.match(standard, {
      onNone: () => ({ namespace, standardId: null, missing: null }),
      onSome: (set) => Option.getOrElse(found(set), () => ({ namespace, standardId: null, missing: set.standardId }))
    })
  }).pipe(hotSpan("standardOf"))

/** The standards that apply to a namespace: its own, those of the namespaces above it, and the one of all namespaces. */
export const standardsChain = (
  namespace: string
): Effect.Effect<Chain, Invalid | ReadFailed, StandardReader> =>
  Effect.gen(function*() {
    const reader = yield* StandardReader
    const chain = yield* reader.chain(yield* NamespaceMeta.namespace(namespace))
    const standards = yield* Effect.forEach(chain, reader.standard)
    return { namespace, chain, standards: standards.flatMap((each) => Option.toArray(Option.flatMap(each, found))) }
  }).pipe(hotSpan("standardsChain"))

/** Namespaces that a summary of the rules looks at. */
const MAX_SUMMARISED = 100

/** The policies that are set on this node, in words. */
export const policiesInWords: Effect.Effect<ReadonlyArray<string>, ReadFailed, StandardReader> = Effect.gen(
  function*() {
    const reader = yield* StandardReader
    const standards = yield* reader.all(MAX_SUMMARISED)
    return standards.flatMap(({ memory, namespace }) => {
      const policy = Option.getOrNull(Option.map(memory, ({ metadata }) => Governance.ofMetadata(metadata)))
      return policy === null ? [] : [`${namespace}: ${inWords(policy)}`]
    })
  }
)

const inWords = ({ approver, delete: remove, promote, write }: Governance.Policy): string => {
  const who = approver === "human"
    ? "anybody"
    : "agent" in approver
    ? `agent ${approver.agent}`
    : `${approver.consensus} registered agents`
  return `write ${write}, promote ${promote}, delete ${remove}; approved by ${who}`
}

const found = ({ memory, namespace }: Standard): Option.Option<FoundStandard> =>
  Option.map(memory, (found) => ({
    namespace,
    standardId: found.id,
    memory: found,
    governance: Governance.told(found.metadata)
  }))
