import * as Either from "effect/Either"
import * as Archive from "../../domain/Archive.js"
import type { Lifetimes as Times } from "../../domain/Lifetimes.js"
import { archivedId } from "../../store/deciding/liveId.js"
import { endedBy, slot } from "../../store/deciding/slot.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import type { Decision, Transaction } from "../../store/MemoryStore.js"
import { NotArchived, SlotTaken } from "../errors.js"
import * as Write from "../writing/Write.js"

/** Takes a memory back from the archive, by its whole id or one that it took over. */
export const restore = (
  id: string,
  caller = Write.anonymous
): Write.Verb<Write.Written, NotArchived | SlotTaken> =>
  Write.one({
    name: "restore",
    counts: "updated",
    caller,
    request: [id],
    governed: "ungoverned",
    prepare: () => Lifetimes,
    decide: (now, lifetimes) => decide(now, id, lifetimes),
    answer: Write.withMemory
  })

/** What has expired in its slot makes room, as it does for a new memory. */
const decide = (
  now: Transaction,
  id: string,
  lifetimes: Times
): Either.Either<Decision, NotArchived | SlotTaken> => {
  const held = archivedId(now, id)
  if (held === null) return Either.left(new NotArchived())
  const { namespace, title } = held.memory
  const place = slot(now, namespace, title)
  if (place._tag === "held") return Either.left(new SlotTaken({ namespace, existingId: place.holder.memory.id }))
  return Either.right({
    payload: { kind: "restore", memory: Archive.restored(held.memory, now.stamp, lifetimes) },
    baseHlc: held.version.hlc,
    covers: [...now.replaceable(held), ...endedBy(place)]
  })
}
