import * as FastCheck from "effect/FastCheck"
import * as Hlc from "../../src/domain/Hlc.js"
import { MemoryId } from "../../src/domain/ids.js"
import { MAX_ACCESS_COUNT, MAX_APPROVALS } from "../../src/domain/limits.js"
import { type Link, RELATIONS } from "../../src/domain/Link.js"
import { type Memory, type Metadata, SOURCES } from "../../src/domain/Memory.js"
import type { NamespaceMeta } from "../../src/domain/NamespaceMeta.js"
import { ACTIONS, type Decision, type Valid, type Vote } from "../../src/domain/PendingAction.js"
import * as Stamp from "../../src/domain/Stamp.js"
import { codePoint } from "./codePoint.js"

/** A wall clock between 1970 and the last year that can be written. */
export const millis: FastCheck.Arbitrary<number> = FastCheck.integer({ min: 0, max: Stamp.MAX_MILLIS - 1000 })

export const hlc: FastCheck.Arbitrary<Hlc.Hlc> = FastCheck.record({
  millis,
  counter: FastCheck.oneof(
    FastCheck.integer({ min: 0, max: Hlc.MAX_COUNTER }),
    FastCheck.constantFrom(0, Hlc.MAX_COUNTER)
  )
})

/** Any memory that keeps every rule, with all of Unicode in its texts. */
export const memory: FastCheck.Arbitrary<Memory> = FastCheck.record(
  {
    id: FastCheck.oneof(FastCheck.uuid(), clean({ maxLength: 32 }).filter(isVisible)).map((text) =>
      MemoryId.make(text)
    ),
    tier: FastCheck.constantFrom<Memory["tier"]>("short", "mid", "long"),
    namespace: namespace(),
    title: clean({ maxLength: 512 }).filter(isVisible),
    content: clean({ maxLength: 2000 }).filter(isVisible),
    tags: FastCheck.array(clean({ maxLength: 32 }).filter((tag) => tag !== ""), { maxLength: 50 }),
    priority: FastCheck.integer({ min: 1, max: 10 }),
    confidence: FastCheck.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
    source: FastCheck.constantFrom(...SOURCES),
    access_count: FastCheck.integer({ min: 0, max: MAX_ACCESS_COUNT }),
    created_at: stamp(),
    updated_at: stamp(),
    last_accessed_at: stamp(),
    expires_at: stamp(),
    metadata: metadata()
  },
  {
    requiredKeys: [
      "id",
      "tier",
      "namespace",
      "title",
      "content",
      "tags",
      "priority",
      "confidence",
      "source",
      "access_count",
      "created_at",
      "updated_at",
      "metadata"
    ]
  }
)

/** Any object that JSON can hold and this process can pass on unchanged. */
function metadata(): FastCheck.Arbitrary<Metadata> {
  const { node } = FastCheck.letrec((tie) => ({
    node: FastCheck.oneof(
      { maxDepth: 4, depthSize: "small" },
      leaf(),
      FastCheck.array(tie("node"), { maxLength: 4 }),
      FastCheck.dictionary(text(12), tie("node"), { maxKeys: 4, noNullPrototype: true })
    )
  }))
  return FastCheck.dictionary(text(12), node, { maxKeys: 6, noNullPrototype: true })
}

function leaf() {
  return FastCheck.oneof(
    text(40),
    FastCheck.boolean(),
    FastCheck.constant(null),
    FastCheck.maxSafeInteger(),
    FastCheck.double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => Number.isSafeInteger(value) || !Number.isInteger(value))
      .map((value) => value + 0)
  )
}

function stamp() {
  return FastCheck.oneof(
    hlc.map(Hlc.toStamp),
    FastCheck.constantFrom(Stamp.MIN_MILLIS, Stamp.MAX_MILLIS).map((at) => Stamp.fromMillis(at))
  )
}

/** All code points, control characters too. */
function text(maxLength: number) {
  return FastCheck.string({ unit: codePoint, maxLength })
}

function clean(options: { readonly maxLength: number }) {
  return FastCheck.string({
    unit: FastCheck.oneof(
      { weight: 4, arbitrary: codePoint },
      { weight: 1, arbitrary: FastCheck.constantFrom("\n", "\t", " ", "é", "🦆", "\u2028", "\ufeff", "\"", "\\") }
    ).filter((char) => char === "\n" || char === "\t" || !/\p{Cc}/u.test(char)),
    maxLength: options.maxLength
  })
}

function namespace() {
  return FastCheck.array(level(), { minLength: 1, maxLength: 8 }).map((levels) => levels.join("/"))
}

function level() {
  return clean({ maxLength: 20 }).filter((text) =>
    text !== "" && text !== "." && text !== ".." && !/[\s\\/\p{White_Space}]/u.test(text)
  )
}

function isVisible(text: string) {
  return /\P{White_Space}/u.test(text)
}

export const agentId: FastCheck.Arbitrary<string> = FastCheck.stringMatching(/^[A-Za-z0-9_:@./-]{1,128}$/)

/** The id of a memory or a pending action. */
const id = FastCheck.oneof(FastCheck.uuid(), clean({ maxLength: 32 }).filter(isVisible))

/** Any link that keeps every rule. */
export const link: FastCheck.Arbitrary<Link> = FastCheck.record(
  {
    source_id: id,
    target_id: id,
    relation: FastCheck.constantFrom(...RELATIONS),
    created_at: stamp(),
    signature: FastCheck.array(FastCheck.integer({ min: 0, max: 255 }), { minLength: 64, maxLength: 64 }),
    observed_by: agentId,
    valid_from: stamp(),
    valid_until: stamp()
  },
  { requiredKeys: ["source_id", "target_id", "relation", "created_at"] }
).filter(({ source_id, target_id }) => source_id !== target_id)

/** Any action that keeps every rule, as it is before anything became of it. */
export const pendingAction: FastCheck.Arbitrary<Valid> = FastCheck.record(
  {
    id,
    action_type: FastCheck.constantFrom(...ACTIONS),
    memory_id: FastCheck.option(id, { nil: null }),
    namespace: namespace(),
    payload: FastCheck.oneof(metadata(), leaf(), memory),
    requested_by: agentId,
    requested_at: stamp(),
    status: FastCheck.constant("pending"),
    approvals: FastCheck.constant([]),
    approver: FastCheck.oneof(
      FastCheck.constant("human" as const),
      agentId.map((agent) => ({ agent })),
      FastCheck.integer({ min: 1, max: MAX_APPROVALS }).map((consensus) => ({ consensus }))
    )
  },
  {
    requiredKeys: [
      "id",
      "action_type",
      "memory_id",
      "namespace",
      "payload",
      "requested_by",
      "requested_at",
      "status",
      "approvals"
    ]
  }
)

export const vote: FastCheck.Arbitrary<Vote> = FastCheck.record({ id, agent_id: agentId, approved_at: stamp() })

/** Any decision that keeps every rule: only an approval brings a memory. */
export const decision: FastCheck.Arbitrary<Decision> = FastCheck.oneof(
  FastCheck.record({ id, approved: FastCheck.boolean(), decider: agentId, decided_at: stamp() }),
  FastCheck.record({ id, approved: FastCheck.constant(true), decider: agentId, decided_at: stamp(), memory })
)

/** Any standard that keeps every rule. */
export const namespaceMeta: FastCheck.Arbitrary<NamespaceMeta> = FastCheck.record({
  namespace: FastCheck.oneof(namespace(), FastCheck.constant("*")),
  standard_id: id,
  parent_namespace: FastCheck.option(FastCheck.oneof(namespace(), FastCheck.constant("*")), { nil: null }),
  updated_at: FastCheck.oneof(stamp(), FastCheck.constant(""))
})
