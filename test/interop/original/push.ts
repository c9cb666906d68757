import type * as shapes from "./shapes.js"
import { Refused, type Store } from "./Store.js"
import * as validate from "./validate.js"

const LISTS = [
  "memories",
  "deletions",
  "archives",
  "restores",
  "pendings",
  "pending_decisions",
  "namespace_meta",
  "namespace_meta_clears",
  "embeddings"
] as const

/** The list that is over its cap; `links` has none. */
export const overCap = (body: shapes.PushRequest): string | undefined => LISTS.find((name) => body[name].length > 1000)

type Counter = keyof ReturnType<typeof zero>
const zero = () => ({
  applied: 0,
  deleted: 0,
  archived: 0,
  restored: 0,
  links_applied: 0,
  pendings_applied: 0,
  pending_decisions_applied: 0,
  namespace_meta_applied: 0,
  namespace_meta_cleared: 0,
  noop: 0,
  skipped: 0
})

/** Applies a push list by list, item by item, in no transaction; answers the reply's body. */
export const receive = (store: Store, body: shapes.PushRequest, receiver: string) => {
  const counters = zero()
  /** `apply` answers whether there was anything to do; without an answer there was. */
  const each = <A>(
    items: ReadonlyArray<A>,
    counter: Counter,
    rule: (item: A) => validate.Problem,
    apply: (item: A) => unknown
  ) => {
    for (const item of items) {
      if (rule(item) !== null) counters.skipped++
      else if (body.dry_run) counters.noop++
      else counters[outcome(counter, () => apply(item))]++
    }
  }

  const shipped = new Map(body.embeddings.map((item) => [item.memory_id, item]))
  each(body.memories, "applied", validate.memory, (row) => {
    const id = store.insertIfNewer(row)
    const item = shipped.get(row.id)
    if (item !== undefined) store.keepVector(id, item)
    return id
  })
  each(body.deletions, "deleted", validate.id, store.remove)
  each(body.archives, "archived", validate.id, (id) => store.archive(id, "sync_push"))
  each(body.restores, "restored", validate.id, store.restore)
  // No key is enrolled here, so a signature is not looked at and the link counts as unsigned.
  each(body.links, "links_applied", validate.link, (link) => store.link({ ...link, attest_level: "unsigned" }))
  each(body.pendings, "pendings_applied", ({ id }) => validate.id(id), store.putPending)
  each(
    body.pending_decisions,
    "pending_decisions_applied",
    ({ id }) => validate.id(id),
    (decision) => {
      const decided = store.decide(decision)
      if (decided !== undefined && decision.approved) outcome("applied", () => store.execute(decided))
      return decided !== undefined
    }
  )
  each(
    body.namespace_meta,
    "namespace_meta_applied",
    ({ namespace, standard_id }) => validate.first(validate.namespace(namespace), validate.id(standard_id)),
    ({ namespace, parent_namespace, standard_id }) => store.setStandard(namespace, standard_id, parent_namespace)
  )
  each(body.namespace_meta_clears, "namespace_meta_cleared", validate.namespace, store.clearStandard)

  const stamps = body.memories.filter((row) => validate.memory(row) === null).map((row) => row.updated_at)
  const newest = stamps.sort().at(-1)
  if (newest !== undefined && !body.dry_run) store.saw(receiver, body.sender_agent_id, newest)
  return {
    ...counters,
    dry_run: body.dry_run,
    receiver_agent_id: receiver,
    receiver_clock: { entries: store.clockOf(receiver) }
  }
}

export const outcome = (counter: Counter, apply: () => unknown): Counter => {
  try {
    return apply() === false ? "noop" : counter
  } catch (error) {
    if (error instanceof Refused) return "skipped"
    throw error
  }
}
