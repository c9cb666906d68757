import { kinds } from "../../replication/kinds.js"
import type { VersionRef } from "../../replication/Operation.js"
import { withoutNames } from "../../replication/reissue.js"
import type { Written } from "../../store/read/ProvenanceReader.js"
import { givenBy } from "../../store/state/apply.js"

/** What operations did to one thing: the versions of it that they gave, and those that they ended. */
export interface Thing {
  readonly type: "memory" | "link" | "namespace_meta" | "pending" | "subscription"
  readonly id: string
  readonly gave: ReadonlyArray<VersionRef>
  readonly ended: ReadonlyArray<VersionRef>
}

/** What operations did, by thing; and how many of them voted or decided, which nothing takes back. */
export const thingsOf = (
  found: ReadonlyArray<Written>
): { readonly things: ReadonlyArray<Thing>; readonly left: number } => {
  const things = new Map<string, Thing & { readonly gave: Array<VersionRef>; readonly ended: Array<VersionRef> }>()
  const at = (type: Thing["type"], id: string) => {
    const key = `${type} ${id}`
    const known = things.get(key) ?? { type, id, gave: [], ended: [] }
    things.set(key, known)
    return known
  }
  let left = 0
  for (const { operation, payload } of found) {
    const { covers, entity, hlc, origin } = withoutNames(operation)
    const { part } = kinds[payload.kind]
    switch (part) {
      case "memory":
      case "decision":
        if (part === "decision") left++
        for (const ref of givenBy(operation, payload)) at("memory", ref.id).gave.push(ref)
        for (const ref of covers) at("memory", ref.id).ended.push(ref)
        break
      case "earned":
        // What it was earned for is written again without it.
        if (payload.kind === "earn") {
          const { earned } = payload
          at("memory", entity).ended.push({ id: entity, hlc: earned.hlc, origin: earned.origin })
        }
        break
      case "link":
      case "namespace_meta":
        if (operation.body !== null) at(part, entity).gave.push({ id: entity, hlc, origin })
        for (const ref of covers) at(part, ref.id).ended.push(ref)
        break
      case "pending":
        at("pending", entity).gave.push({ id: entity, hlc, origin })
        break
      case "vote":
        left++
        break
      case "subscription":
        if (operation.body !== null) at("subscription", entity).gave.push({ id: entity, hlc, origin })
        for (const ref of covers) at("subscription", ref.id).ended.push(ref)
        break
      case "quarantine":
      case "delivery":
        break
    }
  }
  return { things: Array.from(things.values()), left }
}
